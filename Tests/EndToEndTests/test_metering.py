"""The bill: one record per invocation, its phases, roll-ups, prices, reports."""

import csv
import io
import json
import re
import threading
import time

import pytest

from harness.processes import wait_until
from harness.settings import settings
from harness.world import ECHO

WORK = """
import time
def handler(event, context):
    if event.get("sleep"): time.sleep(event["sleep"])
    if event.get("spin"):
        end = time.process_time() + event["spin"]
        while time.process_time() < end: pass
    if event.get("mb"):
        hold = bytearray(event["mb"] << 20)
        for i in range(0, len(hold), 4096): hold[i] = 1
    if event.get("fail"): raise ValueError("no")
    return "x" * event.get("out", 0)
"""


@pytest.fixture(scope="module")
def work(w):
    w.create("work", WORK, timeout=20)
    return "work"


def test_every_answer_has_exactly_one_record(w, name):
    w.create(name, WORK)
    ids = []
    lock = threading.Lock()

    def load(n):
        for i in range(25):
            answer = w.invoke(name, {"fail": i % 5 == 0})
            with lock:
                ids.append(answer.request_id)
    threads = [threading.Thread(target=load, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = w.records(name)
    assert sorted(r["requestId"] for r in rows if r.get("trigger") not in ("initialization", "init")) == sorted(ids)
    assert sum(r["outcome"] == "functionError" for r in rows) == 40


def test_a_record_tells_its_phases(w, work):
    answer = w.invoke(work, {"sleep": 0.05, "out": 1000})
    record = w.record(answer.request_id)
    assert record["requestId"] == answer.request_id and record["function"] == work and record["version"] == "$LATEST"
    assert record["outcome"] == "success" and record["attempt"] == 1 and record["memorySize"] == 128
    assert 50 <= record["billedMs"] < 20_000
    text = json.dumps(record)
    for word in ("queue", "sandbox", "init", "handler", "total", "cpu", "peak", "bytesIn", "bytesOut", "startKind", "trigger"):
        assert word.lower() in text.lower(), (word, record)
    said = w.cli("usage", "--invocation", answer.request_id).stdout
    for word in ("queue", "handler", "total", answer.request_id):
        assert word in said, said
    assert [r["requestId"] for r in w.cli_json("usage", "--invocation", answer.request_id)["rows"]] == [answer.request_id]


def test_an_unknown_request_id_ends_with_status_1_and_a_message(w):
    said = w.cli("usage", "--invocation", "00000000-0000-4000-8000-000000000000", check=False)
    assert said.returncode == 1 and "00000000-0000-4000-8000-000000000000" in said.stderr
    assert w.cli("usage", "--invocation", "nonsense", check=False).returncode != 0


def test_cpu_and_memory_are_measured(w, work):
    answer = w.invoke(work, {"spin": 0.2, "mb": 50})
    record = w.record(answer.request_id)
    cpu = record.get("cpuMs", record.get("cpuMicroseconds", 0) / 1000)
    assert cpu >= 195, record
    peak = record.get("peakMemoryKiB", record.get("peakMemoryMB", 0) * 1024)
    assert peak >= 50 * 1024, record
    idle = w.record(w.invoke(work, {"sleep": 0.2}).request_id)
    assert idle.get("cpuMs", idle.get("cpuMicroseconds", 0) / 1000) < 100, idle


def test_start_kinds_are_told(w, name):
    w.create(name, ECHO)
    kinds = [w.record(w.invoke(name, {}).request_id)["startKind"] for _ in range(6)]
    assert set(kinds) <= {"cold", "template", "ready"}
    # How soon there is one depends on the machine.
    wait_until(lambda: w.record(w.invoke(name, {}).request_id)["startKind"] == "ready", 60, "a worker that was ready")


def test_the_report_line_and_the_record_agree(w, work):
    answer = w.invoke(work, {"sleep": 0.03}, tail=True)
    record = w.record(answer.request_id)
    found = re.search(r"Duration: ([\d.]+) ms\tBilled Duration: (\d+) ms\tMemory Size: (\d+) MB\tMax Memory Used: (\d+) MB", answer.log)
    assert int(found[2]) == record["billedMs"] and int(found[3]) == 128
    assert int(found[2]) - 1 < float(found[1]) <= int(found[2]) + 0.001


@pytest.mark.parametrize("grouping", ["function", "version", "tenant", "hour", "day"])
def test_every_grouping_adds_up(w, work, grouping):
    w.call(work, {})
    found = w.cli_json("usage", "--by", grouping)
    rows, total = found["rows"], found["total"]
    assert rows
    for field in ("invocations", "errors", "billedMs"):
        assert sum(r[field] for r in rows) == total[field], field
    for field in ("gbSeconds", "cpuMs", "cost"):
        assert sum(float(r[field]) for r in rows) == pytest.approx(float(total[field]), rel=1e-6, abs=1e-12), field
    if grouping == "function":
        assert {"function", "invocations", "errors", "billedMs", "gbSeconds", "cpuMs", "cost"} <= set(rows[0])


def test_the_roll_up_is_the_sum_of_the_records(w, name):
    w.create(name, WORK)
    for i in range(20):
        w.invoke(name, {"fail": i % 4 == 0})
    row = next(r for r in w.cli_json("usage", "--by", "function")["rows"] if r["function"] == name)
    records = w.records(name)
    calls = [r for r in records if r.get("trigger") not in ("initialization", "init")]
    assert row["invocations"] == 20 == len(calls)
    assert row["errors"] == 5
    assert row["gbSeconds"] == pytest.approx(sum(r["billedMs"] for r in records) * 128 / 1024 / 1000, rel=0.35)


def test_the_table_and_csv_name_their_columns(w, work):
    w.call(work, {})
    table = w.cli("usage").stdout
    for column in ("invocations", "GB-s", "CPU-s", "cost"):
        assert column in table, table
    lines = [line for line in table.splitlines() if line.strip()]
    assert "total" in lines[-1].lower() or any("total" in line.lower() for line in lines)
    rows = list(csv.DictReader(io.StringIO(w.cli("usage", "--csv").stdout)))
    assert any(row.get("function") == work for row in rows), rows


def test_since_until_and_function_select(w, work):
    w.call(work, {})
    assert w.cli_json("usage", "--since", "1h", "--function", work)["total"]["invocations"] > 0
    assert w.cli_json("usage", "--until", "2001-01-01T00:00:00Z")["total"]["invocations"] == 0
    assert w.cli_json("usage", "--function", "no-such-function")["rows"] == []
    assert w.cli("usage", "--since", "nonsense", check=False).returncode != 0


def test_cost_follows_lambdas_prices(w, name):
    w.create(name, WORK, memory=1024)
    for _ in range(3):
        w.call(name, {"sleep": 0.1})
    row = next(r for r in w.cli_json("usage", "--by", "function", "--function", name)["rows"])
    expected = row["invocations"] * 0.20 / 1e6 + row["gbSeconds"] * 0.0000166667
    assert float(row["cost"]) == pytest.approx(expected, rel=0.02)


def test_by_invocation_has_no_default_limit(w, name):
    w.create(name, ECHO)
    count = 1200
    import http.client
    connection = http.client.HTTPConnection("127.0.0.1", w.port)
    for _ in range(count):
        connection.request("POST", f"/2015-03-31/functions/{name}/invocations", b"{}")
        connection.getresponse().read()
    connection.close()
    rows = [r for r in w.records(name) if r.get("trigger") not in ("initialization", "init")]
    assert len(rows) == count and len({r["requestId"] for r in rows}) == count


def test_init_is_a_record_of_its_own(w, name):
    w.create(name, "import time\ntime.sleep(0.2)\n" + ECHO)
    w.call(name, {})
    found = [r for r in w.records(name) if r.get("trigger") in ("initialization", "init")]
    row = next(r for r in w.cli_json("usage", "--function", name)["rows"])
    assert row["invocations"] == 1
    if found:
        assert found[0]["billedMs"] >= 200
    else:
        assert row.get("initializations", 0) >= 1 or row["billedMs"] >= 200, row


@pytest.mark.parametrize("kind", ["timeout", "memory", "exit"])
def test_every_end_is_on_the_bill_by_name(w, name, kind):
    code = """
    import os, time
    def handler(e, c):
        if e == "timeout": time.sleep(60)
        if e == "exit": os._exit(3)
        if e == "memory":
            hold = []
            while True: hold.append(bytearray(8 << 20))
    """
    import textwrap
    w.create(name, textwrap.dedent(code), timeout=1 if kind == "timeout" else 20)
    answer = w.invoke(name, kind)
    expected = {"timeout": "timeout", "memory": "outOfMemory", "exit": "crash"}[kind]
    assert w.record(answer.request_id)["outcome"] == expected


def test_records_survive_kill_9_of_everything(make_world):
    w = make_world()
    w.create("echo", ECHO)
    ids = [w.invoke("echo", i).request_id for i in range(50)]
    from harness import processes
    family = w.family()
    for pid in (family.server, family.helper, w.process.pid):
        processes.kill_quietly(pid)
    w.process.wait()
    w.start()
    known = {r["requestId"] for r in w.records("echo")}
    assert set(ids) <= known
    assert w.cli_json("usage")["total"]["invocations"] == 50


def test_prices_come_from_the_configuration(make_world, name):
    w = make_world(config=settings(prices={"currency": "EUR", "perMillionRequests": "1000000", "perGBSecond": "0"}))
    w.create(name, ECHO)
    for _ in range(3):
        w.call(name, {})
    assert float(w.cli_json("usage")["total"]["cost"]) == pytest.approx(3.0)
