"""Martlet's own Python runtime, except that a copy waits after its answer instead of ending: it is stopped there.

`RENEW` comes once after each return to the snapshot, before the next request: random generators would otherwise repeat
what the request before drew.
"""

import os
import sys

RENEW = 3
sys.path[:0] = os.environ.pop("ROLLBACK_PATH").split(":")

from bootstrap import use_native_compiler  # noqa: E402

use_native_compiler()

from martlet_runtime import environment, worker  # noqa: E402

read_frame, write_frame = worker.read_frame, worker.write_frame


def read(fd):
    while True:
        frame = read_frame(fd)
        if frame is None or frame[0] != RENEW:
            return frame
        environment.refresh_randomness()


def write(fd, kind, payload):
    write_frame(fd, kind, payload)
    if kind in (worker.END, worker.ERROR):
        # For comparison, a process that is not taken back serves the next request as it is.
        life = sys._getframe(1).f_locals
        while True:
            frame = read_frame(fd)
            if frame is None:
                os._exit(0)
            if frame[0] == worker.INVOKE:
                header, event = worker._split(frame[1])
                kind, answer = worker._invoke(life["handler"], life["function"], header, event, None)
                worker._flush()
                write_frame(fd, kind, answer)


worker.read_frame, worker.write_frame = read, write
worker.main("template")
