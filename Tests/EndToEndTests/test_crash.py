"""`kill -9` of every part at peak load: each answer a client got is on the bill exactly once, and nothing is left over."""

import collections
import random
import re
import signal
import socket
import threading
import time

import pytest

from harness import OPTIONS, processes
from harness.processes import Family, wait_until
from harness.settings import settings

CONNECTIONS = 24
ANSWERS = int(OPTIONS.get("MARTLET_CRASH_ANSWERS", 10_000))
KILLS = int(OPTIONS.get("MARTLET_CRASH_KILLS", 20))

CODE = """
def handler(event, context):
    if event % 10 == 0:
        raise ValueError(event)
    return event
"""


class Client(threading.Thread):
    """One connection at a time, one request at a time; an answer counts once all of it has arrived."""

    def __init__(self, port, name, number, stop):
        super().__init__(daemon=True)
        self.port, self.name_, self.number, self.stop = port, name, number, stop
        self.answers, self.refused, self.lost, self.broken = [], collections.Counter(), 0, []

    def run(self):
        connection, buffer, sequence = None, b"", self.number * 1_000_000
        while not self.stop.is_set():
            try:
                if connection is None:
                    connection = socket.create_connection(("127.0.0.1", self.port), 30)
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    buffer = b""
                sequence += 1
                body = str(sequence).encode()
                connection.sendall(b"POST /2015-03-31/functions/%s/invocations HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Length: %d\r\n\r\n%s"
                                   % (self.name_.encode(), self.port, len(body), body))
                while b"\r\n\r\n" not in buffer:
                    chunk = connection.recv(65536)
                    if not chunk:
                        raise ConnectionError
                    buffer += chunk
                head, _, buffer = buffer.partition(b"\r\n\r\n")
                length = int(re.search(rb"(?i)content-length: *(\d+)", head)[1])
                while len(buffer) < length:
                    chunk = connection.recv(65536)
                    if not chunk:
                        raise ConnectionError
                    buffer += chunk
                answer, buffer = buffer[:length], buffer[length:]
                status = int(head.split(b" ", 2)[1])
                request = re.search(rb"(?i)x-amzn-requestid: *([0-9a-f-]{36})", head)
                failed = b"x-amz-function-error" in head.lower()
                if status == 200:
                    self.answers.append(request[1].decode())
                    if not failed and answer != body:
                        self.broken.append((body, answer))
                else:
                    self.refused[status] += 1
                    self.stop.wait(0.005)
                if re.search(rb"(?i)connection: *close", head):
                    connection.close()
                    connection = None
            except (OSError, ConnectionError):
                self.lost += 1
                if connection is not None:
                    connection.close()
                connection = None
                self.stop.wait(0.005)
        if connection is not None:
            connection.close()


@pytest.mark.long
@pytest.mark.timeout(1500)
def test_after_kill_9_of_every_part_each_answer_is_on_the_bill_exactly_once(make_world):
    seed = int(OPTIONS.get("MARTLET_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"seed {seed} (MARTLET_SEED={seed} repeats the order of the kills)")
    dice = random.Random(seed)
    w = make_world()
    names = ["crash-a", "crash-b"]
    for name in names:
        w.create(name, CODE)
        w.call(name, 1)
    stop = threading.Event()
    clients = [Client(w.port, names[i % 2], i + 1, stop) for i in range(CONNECTIONS)]
    for client in clients:
        client.start()

    def answered():
        return sum(len(c.answers) for c in clients)

    order = [part for part in ("server", "helper", "init", "template") for _ in range(KILLS)]
    dice.shuffle(order)
    killed = collections.Counter()
    try:
        for part in order:
            # Peak load again first: answers flow, then a random moment.
            flowing = answered() + dice.randrange(20, 200)
            wait_until(lambda: ensure_running(w) and answered() >= flowing, 120, lambda: f"answers flow again\n{state(w, names)}")

            def has_killed():
                victim = choose(w, part, dice)
                if victim is None:
                    return False
                time.sleep(dice.random() * 0.05)
                # One that has just ended by itself is none of the kills.
                return processes.kill_quietly(victim, signal.SIGKILL)
            wait_until(has_killed, 60, lambda: f"a {part} among {w.family().all}", 0.002)
            killed[part] += 1
        wait_until(lambda: ensure_running(w) and answered() >= ANSWERS, 400, lambda: f"{ANSWERS} answers ({answered()})", 0.05)
    finally:
        stop.set()
        for client in clients:
            client.join(100)
    wait_until(lambda: ensure_running(w) and w.health() == 200, 60, "healthy at the end")
    answers = [request for client in clients for request in client.answers]
    refused = sum((client.refused for client in clients), collections.Counter())
    print(f"{len(answers)} answers over {CONNECTIONS} connections, killed {dict(killed)}, refused {dict(refused)}, "
          f"connections lost {sum(c.lost for c in clients)}")
    assert not [b for c in clients for b in c.broken], "an answer of another request"
    assert len(answers) >= ANSWERS and len(set(answers)) == len(answers)
    assert all(killed[part] == KILLS for part in ("server", "helper", "init", "template")), killed

    rows = [row for name in names for row in w.records(name) if row.get("trigger") not in ("initialization", "init")]
    count = collections.Counter((row["requestId"], row.get("attempt", 1)) for row in rows)
    double = [key for key, n in count.items() if n > 1]
    recorded = collections.Counter(row["requestId"] for row in rows)
    missing = [request for request in answers if recorded[request] == 0]
    more = [request for request in answers if recorded[request] > 1]
    print(f"{len(rows)} records, {len(missing)} missing, {len(double)} double")
    assert not missing, missing[:10]
    assert not double and not more, (double[:10], more[:10])
    total = sum(row["invocations"] for row in w.cli_json("usage")["rows"] if row["function"] in names)
    assert total == len(rows), "the roll-up differs from the ledger"
    w.stop()


def state(w, names):
    """What the server says of itself when it has stopped answering."""
    lines = [w.log_text(3000), f"health {w.health()}"]
    for name in names:
        try:
            lines.append(f"{name}: {w.http('GET', f'/martlet/v1/functions/{name}', timeout=5).text}")
        except OSError as fault:
            lines.append(f"{name}: {fault}")
    lines += [repr(p) for p in w.family().all]
    return "\n".join(lines)


def ensure_running(w):
    if w.process.poll() is not None:
        w.spawn()
    return True


def choose(w, part, dice):
    if w.process.poll() is not None:
        return None
    try:
        family = Family(w.process.pid)
    except KeyError:
        return None
    if part in ("server", "helper"):
        return getattr(family, part)
    candidates = family.inits if part == "init" else family.templates
    return dice.choice(candidates) if candidates else None
