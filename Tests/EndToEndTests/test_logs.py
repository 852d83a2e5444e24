"""What functions print."""

import json
import os
import subprocess
import threading

import pytest

from harness import processes
from harness.processes import wait_until
from harness.world import ECHO, MARTLET

TALK = """
import sys, logging
print("init speaks")
def handler(event, context):
    for i in range(event.get("n", 1)):
        print(f"{event.get('tag', 'line')} {i}")
    if event.get("flood"):
        block = "f" * 1023
        for _ in range(event["flood"] * 1024): print(block)
    if event.get("long"): print("L" * event["long"])
    if event.get("bytes"): sys.stdout.buffer.write(b"\\xff\\x00raw\\x1b[31m\\n")
    if event.get("partial"): sys.stdout.write("no newline at the end")
    logging.getLogger().warning("warned")
    return "said"
"""


@pytest.fixture(scope="module")
def talk(w):
    w.create("talk", TALK, timeout=20)
    return "talk"


def test_logs_show_the_lines_of_one_request(w, talk):
    first = w.invoke(talk, {"tag": "alpha", "n": 3}).request_id
    second = w.invoke(talk, {"tag": "beta", "n": 3}).request_id
    said = wait_until(lambda: (lambda t: t if "REPORT" in t else None)(w.logs(talk, first)), 60, "the log")
    assert all(f"alpha {i}" in said for i in range(3)) and "beta" not in said
    assert "warned" in said
    assert "beta 2" in w.logs(talk, second)
    assert "alpha 2" in w.logs(talk) and "beta 2" in w.logs(talk)


def test_the_init_log_is_kept(w, talk):
    w.call(talk, {})
    assert "init speaks" in w.logs(talk)


def test_lines_of_different_requests_never_mix(w, talk):
    ids, lock = {}, threading.Lock()

    def load(n):
        for i in range(5):
            tag = f"t{n}x{i}"
            request = w.invoke(talk, {"tag": tag, "n": 50}).request_id
            with lock:
                ids[request] = tag
    threads = [threading.Thread(target=load, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for request, tag in ids.items():
        lines = [line.split(" ") for line in w.logs(talk, request).splitlines()]
        mine = [line for line in lines if any(part.startswith("t") and "x" in part for part in line)]
        assert len(mine) == 50 and all(tag in line for line in mine), (tag, mine[:3])


def test_a_flood_is_cut_counted_and_marked(w, talk):
    answer = w.invoke(talk, {"flood": 30}, timeout=100)
    assert answer.status == 200 and not answer.function_error, answer
    said = w.logs(talk, answer.request_id)
    assert len(said) < 8 << 20
    assert "dropped" in said.lower() or "truncated" in said.lower(), said[-500:]


def test_raw_bytes_long_lines_and_missing_newlines_are_kept_in_order(w, talk):
    answer = w.invoke(talk, {"bytes": True, "long": 300_000, "partial": True}, tail=True)
    assert answer.status == 200 and not answer.function_error
    assert "no newline at the end" in answer.log
    said = subprocess.run([str(MARTLET), "logs", talk, "--request", answer.request_id, "--json"], capture_output=True,
                          env=w.client_environment()).stdout
    assert b"raw" in said and b"\x1b[31m" not in said


def test_follow_shows_new_lines_as_they_come(w, talk):
    w.call(talk, {})
    process = subprocess.Popen([str(MARTLET), "logs", talk, "--follow"], stdout=subprocess.PIPE, env=w.client_environment(), text=True)
    try:
        seen = []
        reader = threading.Thread(target=lambda: seen.extend(iter(process.stdout.readline, "")), daemon=True)
        reader.start()
        found = threading.Event()

        def live():
            w.call(talk, {"tag": "followed"})
            return any("followed" in line for line in list(seen))
        wait_until(live, 60, "the followed line", 0.2)
        found.set()
    finally:
        process.kill()
        process.wait()


def test_since_selects(w, talk):
    w.call(talk, {"tag": "recent"})
    assert "recent" in w.cli("logs", talk, "--since", "5m").stdout
    assert w.cli("logs", talk, "--since", "2100-01-01T00:00:00Z", check=False).stdout.strip() == ""


def test_lines_have_time_and_request_as_json(w, talk):
    request = w.invoke(talk, {"tag": "structured"}).request_id
    answer = w.http("GET", f"/martlet/v1/logs/{talk}?request={request}")
    lines = answer.json["lines"]
    assert any("structured 0" in line["text"] for line in lines)
    assert all(line["requestId"] == request and line["time"] > 1_600_000_000_000 for line in lines), lines


def test_lines_before_an_answer_survive_kill_9(make_world):
    w = make_world()
    w.create("talk", TALK)
    ids = [w.invoke("talk", {"tag": f"kept{i}"}).request_id for i in range(10)]
    family = w.family()
    for pid in (family.server, family.helper, w.process.pid):
        processes.kill_quietly(pid)
    w.process.wait()
    w.start()
    for i, request in enumerate(ids):
        assert f"kept{i} 0" in w.logs("talk", request)


def test_logs_of_a_function_without_any_are_empty(w, name):
    w.create(name, ECHO)
    assert w.cli("logs", name).returncode == 0
