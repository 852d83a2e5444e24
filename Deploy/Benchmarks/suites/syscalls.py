"""System calls, context switches and instructions for one request, by process and thread. A run of its own: tracing slows."""

import contextlib
import os
import re
import signal
import subprocess
import time

from harness.world import SAMPLES
from measure import BODY, Row, Skip, Table, hello_code, invocations, load, program_path

OUTER = ("server", "helper")


def run(bench):
    count = bench.few(500, 20)
    tables = []
    for mode in ("fresh", "reused"):
        w = bench.world(mode)
        if mode == "fresh":
            w.create("hello", hello_code())
        else:
            w.cli("deploy", "hello", SAMPLES / "HelloPython", "--runtime", "python3.11", "--isolation", "environment")
        w.call("hello", {"name": "Ada"})
        tables.append(calls(bench, w, mode, count))
        tables.append(switches(bench, w, mode, count * 2))
    tables.append(instructions(bench, w, count))
    return tables


def requests(w, count):
    """One after the other, at a rate that tracing can follow."""
    answer = load("open", w.port, invocations("hello"), BODY, 50, count / 50)
    if answer["failures"] or answer["n"] != count:
        raise RuntimeError(f"{answer['failures']} of {count} requests failed")


def threads(w):
    """Threads of ours outside the sandboxes, and the sandbox's processes: name to (pid or thread ID, whether to follow children)."""
    family = w.family()
    found = {}
    for part in OUTER:
        pid = getattr(family, part)
        for thread in sorted(map(int, os.listdir(f"/proc/{pid}/task"))):
            with open(f"/proc/{pid}/task/{thread}/comm") as file:
                found[f"{part}: {file.read().strip()} {thread - pid:+d}"] = (thread, False)
    for pid in family.inits:
        found["sandbox: init"] = (pid, False)
    for pid in family.templates:
        found["sandbox: template and its copies"] = (pid, True)
    return found


def calls(bench, w, mode, count):
    name, title = f"syscalls-{mode}", f"System calls for one {mode} request"
    columns = {"calls": "calls", "top": "most frequent"}
    try:
        strace = program_path("strace")
    except Skip as reason:
        return Table(name, title, columns, [Row("all", skipped=str(reason))])
    folder = bench.folder("strace")
    with contextlib.ExitStack() as stack:
        traces = []
        for number, (thread, (pid, follow)) in enumerate(threads(w).items()):
            process = subprocess.Popen([strace, "-c", "-U", "calls,name", *(["-f"] if follow else []), "-o", str(folder / str(number)), "-p", str(pid)],
                                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True)
            stack.callback(stop, process)
            traces.append((thread, number, process))
        # strace says nothing with -c when it has attached; /proc does.
        end = time.monotonic() + 5
        while not all(traced(pid) for pid, _ in threads(w).values()) and time.monotonic() < end:
            time.sleep(0.02)
        requests(w, count)
    rows = []
    for thread, number, _ in traces:
        path = folder / str(number)
        found = re.findall(r"^\s*(\d+) (\w+)$", path.read_text(), re.M) if path.exists() else []
        found = [(int(calls) / count, call) for calls, call in found if call != "total"]
        if sum(calls for calls, _ in found) < 0.05:
            continue
        top = sorted(found, reverse=True)[:8]
        rows.append(Row(thread, {"calls": sum(calls for calls, _ in found), "top": "  ".join(f"{call} {calls:.1f}" for calls, call in top)},
                        rounds=[{call: calls for calls, call in found}]))
    rows.append(Row("all", {"calls": sum(row.figures["calls"] for row in rows)}))
    return Table(name, title, columns, rows, plot=("calls",), notes=[f"{count} requests at 50/s; threads with less than one call in 20 requests are left out"])


def traced(pid):
    try:
        with open(f"/proc/{pid}/status") as file:
            return "TracerPid:\t0\n" not in file.read()
    except FileNotFoundError:
        # A thread that has ended meanwhile has nothing to count.
        return True


def stop(process):
    """SIGINT makes strace let go and write its table."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)


def switches(bench, w, mode, count):
    rest = bench.few(5, 0.5)
    start = all_switched(w)
    time.sleep(rest)
    before = all_switched(w)
    requests(w, count)
    rows = []
    for thread, counts in all_switched(w).items():
        if thread in before and thread in start:
            idle = sum(before[thread]) - sum(start[thread])
            voluntary, forced = ((after - first) / count for after, first in zip(counts, before[thread]))
            if voluntary + forced >= 0.01:
                rows.append(Row(thread, {"voluntary": voluntary, "forced": forced, "idle": idle / rest}))
    return Table(f"switches-{mode}", f"Context switches for one {mode} request, open loop, 50/s",
                 {"voluntary": "voluntary", "forced": "forced", "idle": "both, a second at rest"}, rows,
                 notes=["from /proc; the copies of a template, which live for one request, are not counted"])


def all_switched(w):
    found = {}
    for thread, (pid, _) in threads(w).items():
        # A copy or a thread at rest may end between the list and the look.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            with open(f"/proc/{pid}/status") as file:
                found[thread] = [int(line.split()[1]) for line in file if "ctxt_switches" in line]
    return found


def instructions(bench, w, count):
    """Of the server and the helper, with reused environments."""
    columns = {"instructions": "instructions", "server": "of them in user space"}
    row = Row("server and helper")
    try:
        perf = program_path("perf")
        family, out = w.family(), bench.folder("perf") / "out"
        process = subprocess.Popen([perf, "stat", "-x", ",", "-e", "instructions,instructions:u", "-o", str(out), "-p", f"{family.server},{family.helper}"],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        try:
            time.sleep(0.5)
            requests(w, count)
        finally:
            stop(process)
        counts = [line.split(",")[0] for line in out.read_text().splitlines() if "instructions" in line]
        if len(counts) != 2 or not all(text.isdigit() for text in counts):
            raise Skip("this machine does not count instructions")
        row.figures = {"instructions": int(counts[0]) / count, "server": int(counts[1]) / count}
    except Skip as reason:
        row.skipped = str(reason)
    return Table("instructions", "Instructions for one reused request", columns, [row])
