"""Ready workers: never more than the cap, none when idle, nobody lost because they were first."""

import collections
import http.client
import itertools
import json
import os
import pathlib
import re
import threading
import time

import pytest

from harness.processes import wait_until
from harness.settings import settings
from harness.world import ECHO, ROLE, zip_of

# WarmPool.PoolLimits.endingAllowance
ENDING_ALLOWANCE = 4
BURST = """import time


def handler(event, context):
    begin = time.monotonic_ns()
    time.sleep(0.02)
    return [begin, time.monotonic_ns()]
"""


def sandboxed(w):
    return w.family().sandboxed


def test_an_idle_function_scales_to_zero_and_comes_back(make_world):
    w = make_world(config=settings(idle=1))
    w.create("echo", ECHO)
    w.call("echo", {})
    wait_until(lambda: not sandboxed(w), 60, lambda: f"no sandbox left: {sandboxed(w)}")
    assert w.describe("echo")["state"] == "registered"
    assert w.call("echo", {"back": 1}) == {"back": 1}
    assert w.record(w.invoke("echo", {}).request_id)["startKind"] in ("template", "ready", "cold")


def test_a_deployed_but_never_called_function_scales_to_zero(make_world):
    w = make_world(config=settings(idle=1))
    w.deploy("quiet", ECHO, "--handler", "app.handler")
    wait_until(lambda: not sandboxed(w), 60, lambda: f"no sandbox left: {sandboxed(w)}")


def test_functions_that_were_called_once_leave_little_in_the_server(make_world):
    """3 KiB each are known by measurement; a host, channel or sandbox that something still holds would be eight times that."""
    w = make_world(config=settings(idle=1))
    for number in range(180):
        w.create(f"once-{number}", ECHO, wait=False)

    def anonymous_kib_after(numbers):
        for number in numbers:
            w.call(f"once-{number}", {})
        wait_until(lambda: not sandboxed(w), 60, lambda: f"no sandbox left: {sandboxed(w)}", 0.2)
        rollup = pathlib.Path(f"/proc/{w.family().server}/smaps_rollup").read_text()
        # Pages of files come and go as the host likes.
        return int(re.search(r"^Anonymous: +(\d+) kB", rollup, re.M)[1])
    # What the first ones add is the server's own, too: tables, pages of its store.
    first = anonymous_kib_after(range(60))
    assert (anonymous_kib_after(range(60, 180)) - first) / 120 < 12


def test_a_cold_burst_of_200_is_answered_with_a_cap_of_50(make_world):
    """Handlers say when they ran, by a clock that all processes share. Processes may be more for a moment: one that has
    answered is still ending while the next one is made."""
    w = make_world()
    w.deploy("burst", BURST, "--handler", "app.handler", "--concurrency", "50")
    w.terminate()
    w.start()
    highest, stop = [0], threading.Event()

    def watch():
        while not stop.is_set():
            family = w.family()
            highest[0] = max(highest[0], len({p.pid for p in family.sandboxed if p.depth == 3 and p.inner_pid == 1}))
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        answers = w.burst("burst", 200)
    finally:
        stop.set()
        watcher.join()
    statuses = collections.Counter(a.split(b"\r\n", 1)[0] for a in answers)
    assert statuses == {b"HTTP/1.1 200 OK": 200}, statuses
    ran = [json.loads(a.rpartition(b"\r\n\r\n")[2]) for a in answers]
    at_once = itertools.accumulate(change for _, change in sorted(edge for begin, end in ran for edge in ((begin, 1), (end, -1))))
    assert max(at_once) <= 50
    assert highest[0] <= 50 + ENDING_ALLOWANCE, highest


def test_concurrency_is_never_passed(make_world, tmp_path):
    """Each invocation holds a slot while it sleeps; the processes that exist at any moment are counted in /proc."""
    w = make_world()
    w.deploy("cap", "import time\ndef handler(e, c):\n    time.sleep(0.2)\n    return 1\n", "--handler", "app.handler", "--concurrency", "3")
    w.call("cap")
    start = time.monotonic()
    answers = w.burst("cap", 12)
    took = time.monotonic() - start
    codes = collections.Counter(int(a.split()[1]) for a in answers)
    assert set(codes) <= {200, 429}, codes
    assert took >= 0.2 * (codes[200] / 3) * 0.9, (took, codes)
    for answer in answers:
        if b" 429 " in answer.split(b"\r\n")[0]:
            assert b"TooManyRequestsException" in answer and b"etry-" in answer


def test_concurrency_zero_stops_the_function(w, name):
    w.create(name, ECHO)
    w.boto().put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    answer = w.invoke(name, {})
    assert (answer.status, answer.error_type) == (429, "TooManyRequestsException"), answer
    assert answer.json["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"


def test_deploying_a_stopped_function_ends(w, name):
    w.deploy(name, ECHO, "--handler", "app.handler", "--concurrency", "0", check=False)
    assert w.invoke(name, {}).status == 429


def test_the_first_requests_to_a_cold_function_all_get_an_answer(w, name):
    w.create(name, "import time\ntime.sleep(0.5)\ndef handler(e, c): return 'first'\n")
    answers = w.burst(name, 40)
    assert all(a.startswith(b"HTTP/1.1 200") and a.endswith(b'"first"') for a in answers), answers[:2]


def test_a_failing_init_backs_off_and_tells_callers_at_once(make_world, name):
    w = make_world()
    w.create(name, "print('init attempt')\nraise RuntimeError('cannot start')\n")
    answers = [w.invoke(name, {}) for _ in range(30)]
    assert all(a.function_error == "Unhandled" and "cannot start" in a.text for a in answers)
    attempts = w.logs(name).count("init attempt")
    assert 1 <= attempts <= 6, attempts
    assert w.describe(name)["state"] in ("failed", "registered")
    w.create(name, "def handler(e, c): return 'repaired'\n")
    assert w.call(name) == "repaired"


def test_init_has_10_seconds(w, name):
    """No less; and an init that would take minutes ends while its caller waits."""
    w.create(name, "import time\ntime.sleep(300)\n" + ECHO, timeout=3)
    start = time.monotonic()
    answer = w.invoke(name, {}, timeout=100)
    took = time.monotonic() - start
    assert answer.function_error == "Unhandled" and took > 9, (took, answer)
    assert "imeout" in answer.text or "timed out" in answer.text, answer


UNSAFE = {
    "thread": "import threading, time\nthreading.Thread(target=time.sleep, args=(1e6,), daemon=True).start()\n",
    "child": "import subprocess\nchild = subprocess.Popen(['sleep', '1000'])\n",
    "shared mapping": "import mmap\nshared = mmap.mmap(-1, 4096)\n",
    "memfd": "import os\nfd = os.memfd_create('x')\n",
    "pipe": "import os\nr, w_ = os.pipe()\n",
    "socketpair": "import socket\na, b = socket.socketpair()\n",
    "temporary file": "import tempfile\nf = tempfile.TemporaryFile()\n",
    "writable file": "f = open('/tmp/x', 'w')\n",
}


@pytest.mark.parametrize("kind", UNSAFE)
def test_a_template_that_is_not_safe_to_fork_is_not_and_says_why(w, name, kind):
    code = UNSAFE[kind] + "calls = 0\ndef handler(e, c):\n    global calls\n    calls += 1\n    return calls\n"
    said = w.deploy(name, code, "--handler", "app.handler")
    described = w.describe(name)
    assert described["forkable"] is False, described
    word = {"temporary file": "/tmp/", "writable file": "/tmp/x", "shared mapping": "mapping", "child": "process", "socketpair": "socket"}.get(kind, kind)
    assert word in json.dumps(described["reason"]).lower(), described
    assert word in (said.stdout + said.stderr).lower(), said.stdout
    # Environments started ahead are used once each: nothing of the first call is seen by the next.
    assert [w.call(name) for _ in range(4)] == [1, 1, 1, 1]


@pytest.mark.parametrize("kind, code", {
    "read-only file": "f = open('/etc/passwd')\n", "nothing": "",
    "json and hashlib": "import json, hashlib, ssl, urllib.request, logging, asyncio, decimal\n",
}.items(), ids=str)
def test_an_ordinary_template_is_forked(w, name, kind, code):
    w.deploy(name, code + ECHO, "--handler", "app.handler")
    described = w.describe(name)
    assert described["forkable"] is True, json.dumps(described)


def test_hosts_descriptors_do_not_reach_functions(w, name):
    w.create(name, "import os\ndef handler(e, c): return {n: os.readlink('/proc/self/fd/' + n) for n in os.listdir('/proc/self/fd') if os.path.lexists('/proc/self/fd/' + n)}\n")
    found = w.call(name)
    assert set(found) <= {"0", "1", "2", "3", "4", "5", "6"}, found
    assert not any(str(w.data) in target or "martlet.db" in target for target in found.values()), found
