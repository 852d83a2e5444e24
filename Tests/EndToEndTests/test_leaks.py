"""Nothing of one invocation is ever seen by another: LeakProbe leaves marks everywhere and looks for others'."""

import http.client
import json
import threading
import time

import pytest

from harness.world import SAMPLES


def findings(answer):
    """What LeakProbe found of other invocations."""
    return answer["findings"]


@pytest.fixture(scope="module")
def probes(w):
    """One is copied from its template; the other opens channels at import, so that copying it would not be safe."""
    w.cli("deploy", "probe-copied", SAMPLES / "LeakProbe", "--timeout", "10")
    w.cli("deploy", "probe-import", SAMPLES / "LeakProbe", "--timeout", "10", "--env", "LEAKPROBE_IMPORT=1")
    assert w.describe("probe-copied")["forkable"] is True, w.describe("probe-copied")
    assert w.describe("probe-import")["forkable"] is False, w.describe("probe-import")
    return ["probe-copied", "probe-import"]


def run(w, names, count, in_flight):
    start = time.monotonic()
    left, lock, problems, ids = [count], threading.Lock(), [], set()

    def load(name):
        connection = http.client.HTTPConnection("127.0.0.1", w.port, timeout=100)
        while True:
            with lock:
                if left[0] == 0 or problems:
                    break
                left[0] -= 1
                number = left[0]
            connection.request("POST", f"/2015-03-31/functions/{name}/invocations", json.dumps({"number": number}).encode())
            response = connection.getresponse()
            body = response.read()
            answer = json.loads(body)
            with lock:
                ids.add(response.headers["x-amzn-RequestId"])
                if response.status != 200 or response.headers["X-Amz-Function-Error"] or findings(answer) or not answer["marks"]:
                    problems.append((name, response.status, body[:2000]))
        connection.close()
    threads = [threading.Thread(target=load, args=(names[i % len(names)],)) for i in range(in_flight)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(f"{len(ids)} invocations, {in_flight} in flight, {', '.join(names)}: {len(problems)} with findings or errors, {time.monotonic() - start:.0f} s")
    assert not problems, problems[:3]
    assert len(ids) == count


def test_the_probe_finds_what_is_there(w):
    """Proof that it can: in mode `environment` the second invocation finds the first one's marks."""
    w.cli("deploy", "probe-shared", SAMPLES / "LeakProbe", "--isolation", "environment", "--env", "LEAKPROBE_IMPORT=1")
    assert w.call("probe-shared", {"number": 1})["marks"] > 10
    assert len(findings(w.call("probe-shared", {"number": 2}))) > 10


def test_a_hundred_invocations_find_nothing(w, probes):
    run(w, probes, 100, 8)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_1000_sequential_invocations_find_nothing(w, probes):
    for probe in probes:
        run(w, [probe], 1000, 1)


@pytest.mark.long
@pytest.mark.timeout(2400)
def test_10000_concurrent_invocations_of_two_functions_find_nothing(w, probes):
    run(w, probes, 10_000, 64)
