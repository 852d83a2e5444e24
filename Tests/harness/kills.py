"""`kill -9` at random moments while senders are at work."""

import os
import random
import signal
import time

from . import OPTIONS
from .processes import wait_until


def dice():
    """The moments of the kills; they can be repeated."""
    seed = int(OPTIONS.get("MARTLET_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"seed {seed} (MARTLET_SEED={seed} repeats the moments of the kills)")
    return random.Random(seed)


def under_load(w, senders, stop, dice, *, kills, between, longest):
    """Starts the senders (threads with `accepted`), and ends the server `kills` times. Each has had more than `between` events
    accepted before the next kill, which comes up to `longest` seconds after that. The senders have ended when this returns."""
    for sender in senders:
        sender.start()
    try:
        for kill in range(kills):
            before = [len(sender.accepted) for sender in senders]
            wait_until(lambda: all(len(s.accepted) > count + between for s, count in zip(senders, before)), 120,
                       lambda: f"events of all senders are accepted: {before}\n{w.log_text(3000)}")
            time.sleep(dice.random() * longest)
            if kill % 2:
                # All of it at once, and a new start.
                w.kill()
                w.start()
            else:
                # The server alone: the supervisor starts it again.
                os.kill(wait_until(lambda: w.family().server, 60, "a server"), signal.SIGKILL)
    finally:
        stop.set()
        for sender in senders:
            sender.join(60)
    wait_until(lambda: w.health() == 200, 60, "the last start")
