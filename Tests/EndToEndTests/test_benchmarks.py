"""The benchmark works: every suite gives its rows, no request fails. What it measures here means nothing.

That each of its servers leaves nothing behind, the harness checks when it stops one."""

import json
import subprocess
import xml.etree.ElementTree as ET

import pytest

from harness.world import ROOT

pytestmark = pytest.mark.alone

# Tables by suite. A suite whose sample is missing gives a reason instead.
TABLES = {
    "cold": {"cold"},
    "fresh": {f"fresh-{kind}" for kind in ("closed-1", "closed-16", "closed-64", "open-20", "open-100", "open-half")},
    "throughput": {"throughput-1", "throughput-2", "throughput-scaling"},
    "reuse": {"reuse-1", "reuse-64"},
    "node": set(),
    "native": set(),
    "memory": {"memory", "memory-zero"},
    "scale": {"scale", "scale-invoke", "scale-burst"},
    "policy": {"policy", "policy-triggers"},
    "events": {"events-accept", "events-latency", "events-drain"},
    "syscalls": {"syscalls-fresh", "switches-fresh", "syscalls-reused", "switches-reused", "instructions"},
}
# Rows that need nothing but Martlet, a C compiler and Python.
ALWAYS = {
    "cold": {"Martlet, HelloPython", "Martlet, WordCountShell", "python3, fork + exec"},
    "fresh-open-100": {"Martlet, fresh sandbox each", "C gateway, echo worker", "C gateway, clone + namespaces per request"},
    "throughput-1": {"Martlet, hello", "C gateway, fork per request", "C gateway, clone + namespaces per request"},
    "reuse-64": {"Martlet, reused environment", "C gateway, same Python worker"},
    "memory": {"Martlet, ready worker", "Martlet, server"},
    "scale-burst": {"Martlet, handler sleeps 20 ms"},
    "policy": {"Martlet, idle time 1 min", "keep-alive 10 min, reused"},
    "events-accept": {"Martlet, asynchronous invocation"},
    "events-drain": {"Martlet, synchronous, 16 connections", "Martlet, asynchronous"},
}


@pytest.mark.root
@pytest.mark.timeout(400)
def test_a_smoke_run_of_every_suite(tmp_path):
    done = subprocess.run(
        [str(ROOT / "Deploy" / "Benchmarks" / "run.sh"), "all", "--smoke", "--no-build", "--json", "--out", str(tmp_path)],
        capture_output=True, text=True, timeout=380)
    assert done.returncode == 0, done.stderr[-5000:]
    run = json.loads(done.stdout)
    assert run == json.loads((tmp_path / "figures.json").read_text())
    assert set(run["suites"]) == set(TABLES)
    tables = {table["name"]: table for suite in run["suites"].values() for table in suite["tables"]}
    for suite, expected in TABLES.items():
        names = {table["name"] for table in run["suites"][suite]["tables"]}
        assert names >= expected and (names or run["suites"][suite]["skipped"]), suite
    for table in tables.values():
        for row in table["rows"]:
            assert row["failures"] == 0, row
            assert row["figures"] or row["skipped"], row
            assert set(row["figures"]) <= set(table["columns"]), row
    for name, rows in ALWAYS.items():
        measured = {row["name"] for row in tables[name]["rows"] if row["skipped"] is None}
        assert {row for row in rows if not any(one.startswith(row) for one in measured)} == set(), tables[name]
    plots = list(tmp_path.glob("*.svg"))
    assert {"cold", "fresh-open-100", "throughput-2", "reuse-64", "memory", "policy"} <= {plot.stem for plot in plots}
    for plot in plots:
        root = ET.parse(plot).getroot()
        assert root.tag == "{http://www.w3.org/2000/svg}svg" and len(root) > 4
    assert (tmp_path / "tables.txt").read_text().count("\n") > 50
