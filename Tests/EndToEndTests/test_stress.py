"""64 connections over 20 functions in all modes, with redeployments, time-outs, crashes and memory kills among them: each
answer belongs to its request, each has one record, and nothing is left over."""

import collections
import contextlib
import http.client
import json
import os
import random
import threading
import time

import pytest

from harness import OPTIONS, processes
from harness.processes import wait_until
from harness.settings import settings
from harness.world import ROLE, SAMPLES, zip_of

SECONDS = float(OPTIONS.get("MARTLET_STRESS_SECONDS", 45))
CONNECTIONS = 64
SEED = int(OPTIONS.get("MARTLET_STRESS_SEED", random.randrange(1 << 32)))

BODY = """
TAG = %r
def handler(event, context):
    kind = event.get("kind")
    if kind == "raise": raise ValueError(event["id"])
    if kind == "exit": import os; os._exit(7)
    if kind == "abort": import ctypes; ctypes.string_at(0)
    if kind == "sleep": import time; time.sleep(30)
    if kind == "memory":
        held = []
        while True: held.append(bytearray(8 << 20))
    return {"tag": TAG, "echo": event, "request": context.aws_request_id}
"""
THREAD = "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n"
FAULTS = {
    "raise": {"ValueError"}, "exit": {"Runtime.ExitError"}, "abort": {"Runtime.ExitError"}, "sleep": {"Sandbox.Timedout"},
    # What a process gets first depends on who asks for the memory.
    "memory": {"Runtime.OutOfMemory", "MemoryError"},
}


class Function:
    def __init__(self, name, mode, faults=(), redeployed=False):
        self.name, self.mode, self.faults, self.redeployed = name, mode, tuple(faults), redeployed
        # The tag of the last deployment that has succeeded.
        self.tag = 0

    def package(self, tag):
        return zip_of({"app.py": (THREAD if self.mode == "once" else "") + BODY % tag})


FUNCTIONS = (
    [Function(f"copy-{i}", "copy") for i in range(7)]
    + [Function(f"reused-{i}", "reused") for i in range(3)]
    + [Function(f"once-{i}", "once") for i in range(2)]
    + [Function("words", "provided")]
    + [Function("raises", "copy", ["raise"]), Function("exits", "copy", ["exit"]), Function("aborts", "reused", ["abort", "exit"]),
       Function("sleeps", "copy", ["sleep"]), Function("hogs", "copy", ["memory"])]
    + [Function("new-0", "copy", redeployed=True), Function("new-1", "reused", redeployed=True)]
)


class Client(threading.Thread):
    def __init__(self, port, number, end):
        super().__init__(daemon=True)
        self.port, self.number, self.end = port, number, end
        self.random = random.Random(f"{SEED}/{number}")
        self.answered, self.refused, self.wrong, self.kinds = [], collections.Counter(), [], collections.Counter()

    def run(self):
        connection, sequence = http.client.HTTPConnection("127.0.0.1", self.port, timeout=100), 0
        while time.monotonic() < self.end:
            sequence += 1
            function = self.random.choice(FUNCTIONS)
            event = {"id": f"{self.number}-{sequence}", "padding": "x" * self.random.choice((0, 10, 1000, 50_000))}
            if function.faults and self.random.random() < 0.15:
                event["kind"] = self.random.choice(function.faults)
            if function.mode == "provided":
                event = {"text": "w " * self.random.randrange(1, 50)}
            tag = function.tag
            try:
                connection.request("POST", f"/2015-03-31/functions/{function.name}/invocations", json.dumps(event))
                answer = connection.getresponse()
                body = answer.read()
            except OSError as error:
                self.wrong.append((function.name, event.get("id"), repr(error)))
                connection.close()
                continue
            if answer.status != 200:
                self.refused[answer.status, function.name] += 1
                continue
            request_id = answer.headers["x-amzn-RequestId"]
            self.answered.append(request_id)
            self.check(function, event, tag, request_id, answer.headers.get("X-Amz-Function-Error"), json.loads(body))

    def check(self, function, event, tag, request_id, error, got):
        kind = event.get("kind", "fine")
        self.kinds[kind] += 1
        if kind != "fine":
            right = error == "Unhandled" and got["errorType"] in FAULTS[kind]
        elif function.mode == "provided":
            right = not error and got["words"] == event["text"].count("w")
        else:
            right = not error and got["echo"] == event and got["request"] == request_id and got["tag"] >= tag
        if not right:
            self.wrong.append((function.name, event["id"] if "id" in event else event, error, str(got)[:300]))


def redeploy(w, end, counts):
    client = w.boto(retries=3)
    pace = threading.Event()
    while time.monotonic() < end:
        # As often as it can it would leave the functions no time to serve.
        pace.wait(0.3)
        for function in FUNCTIONS:
            if function.redeployed:
                tag = function.tag + 1
                client.update_function_code(FunctionName=function.name, ZipFile=function.package(tag))
                # From here on no request may be answered by older code.
                function.tag = tag
                counts["redeployments"] += 1


def descriptors(pid):
    """Without log files, which stay open up to a bound of their own."""
    found = 0
    for number in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(OSError):
            found += not os.readlink(f"/proc/{pid}/fd/{number}").endswith(".log")
    return found


@pytest.mark.long
@pytest.mark.timeout(SECONDS + 300)
def test_each_answer_belongs_to_its_request_in_all_modes_at_once(make_world):
    print(f"seed {SEED}")
    w = make_world(config=settings(idle=3, spareSeconds=4))
    client = w.boto()
    for function in FUNCTIONS:
        options = dict(Runtime="python3.11", Handler="app.handler", Code={"ZipFile": function.package(0)})
        if function.mode == "provided":
            options = dict(Runtime="provided.al2023", Handler="bootstrap", Code={"ZipFile": zip_of({"bootstrap": (SAMPLES / "WordCountShell" / "bootstrap").read_text()})})
        if function.mode == "reused":
            w.deploy(function.name, {"app.py": BODY % 0}, "--handler", "app.handler", "--isolation", "environment", "--runtime", "python3.11", "--timeout", "20")
            continue
        client.create_function(FunctionName=function.name, Role=ROLE, MemorySize=128, Timeout=2 if "sleep" in function.faults else 20, **options)
    wait_until(lambda: not w.family().sandboxed, 60, "everything scaled to zero before the run")
    before = descriptors(w.family().server), descriptors(w.family().helper)

    end = time.monotonic() + SECONDS
    counts = collections.Counter()
    clients = [Client(w.port, number, end) for number in range(CONNECTIONS)]
    changer = threading.Thread(target=redeploy, args=(w, end, counts), daemon=True)
    for thread in [*clients, changer]:
        thread.start()
    for thread in [*clients, changer]:
        thread.join(SECONDS + 150)
        assert not thread.is_alive(), "a client has no answer"

    answered = [request for one in clients for request in one.answered]
    kinds = sum((one.kinds for one in clients), collections.Counter())
    refused = sum((one.refused for one in clients), collections.Counter())
    wrong = [entry for one in clients for entry in one.wrong]
    print(f"{len(answered)} answers {dict(kinds)}, {counts['redeployments']} redeployments, refused {dict(refused)}, wrong {len(wrong)}")
    assert not wrong, (SEED, len(wrong), wrong[:10])
    assert len(answered) > 10 * SECONDS and counts["redeployments"] > 10 and all(kinds[kind] > 0 for kind in FAULTS), (len(answered), counts, kinds)
    # Refusals are allowed for what is full; nothing may fail for the platform's own reasons.
    assert set(status for status, _ in refused) <= {429}, refused

    assert len(set(answered)) == len(answered), "one request ID for two answers"
    recorded = collections.Counter(r["requestId"] for r in w.records() if r["trigger"] not in ("init", "initialization", "extensions"))
    assert recorded == collections.Counter(answered), (
        SEED, list((recorded - collections.Counter(answered)).items())[:5], list((collections.Counter(answered) - recorded).items())[:5])

    family = w.family
    wait_until(lambda: not family().sandboxed, 60, lambda: f"nothing left of the functions: {family().sandboxed}")
    wait_until(lambda: descriptors(family().server) <= before[0] + 8 and descriptors(family().helper) <= before[1] + 8, 60,
               lambda: f"descriptors before {before}, now {descriptors(family().server)}, {descriptors(family().helper)}")
    assert not [p for p in processes.descendants(w.process.pid) if p.zombie]
