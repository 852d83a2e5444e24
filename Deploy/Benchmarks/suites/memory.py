"""What a function costs while it does nothing."""

import contextlib
import os
import pathlib
import statistics
import time

import programs
from harness import processes
from harness.processes import wait_until
from measure import Row, Skip, Table, hello_code, subject

COLUMNS = {"processes": "processes", "uss": "USS KiB", "pss": "PSS KiB", "rss": "RSS KiB", "charge": "cgroup KiB"}


def run(bench):
    if os.geteuid() != 0:
        raise Skip("only root may read what a sandbox's memory is")
    count = bench.few(10, 2)
    return [Table(
        "memory", f"Memory of HelloPython; a template's and a worker's is the median of {count} functions", COLUMNS, [*warm(bench, count), *beside(bench)],
        plot=("pss",), notes=["a group's charge is counted in steps of up to 64 pages for each processor, and files count for who reads them first"]),
        to_zero(bench)]


def rollup(pids):
    """USS, PSS and RSS of processes together, in KiB."""
    sums = {"uss": 0, "pss": 0, "rss": 0}
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            for line in file:
                word, _, rest = line.partition(":")
                if word in ("Private_Clean", "Private_Dirty"):
                    sums["uss"] += int(rest.split()[0])
                elif word in ("Pss", "Rss"):
                    sums[word.lower()] += int(rest.split()[0])
    return {"processes": len(pids), **sums}


def groups(w):
    """Folders of the memory controller by the processes in them, without the server's own."""
    found = {}
    for top in processes.cgroups_of_martlet():
        if w.instance_is_ours(top) and any((pathlib.Path(top) / name).exists() for name in ("memory.usage_in_bytes", "memory.current")):
            for folder, _, _ in os.walk(top):
                with open(f"{folder}/cgroup.procs") as file:
                    found[pathlib.Path(folder)] = [int(pid) for pid in file.read().split()]
    return found


def charge(folder):
    """Everything that the kernel charges the group and the groups in it for, page tables and stacks included, in KiB; nothing
    where there are no cgroups."""
    if folder is None:
        return {}
    path = folder / "memory.usage_in_bytes"
    return {"charge": int((path if path.exists() else folder / "memory.current").read_text()) / 1024}


def group_of(w, pid):
    return next((folder for folder, pids in groups(w).items() if pid in pids), None)


def median_row(name, found):
    keys = found[0].keys() if found else ()
    row = Row(name, {key: statistics.median(one[key] for one in found) for key in keys}, rounds=found)
    if not found:
        row.skipped = "none was there"
    return row


def warm(bench, count):
    w = bench.world()
    for number in range(count):
        w.create(f"hello-{number}", hello_code())
        for _ in range(3):
            w.call(f"hello-{number}", {"name": "Ada"})
    family = wait_until(lambda: (lambda f: f if len(f.templates) == count and len(f.workers) >= count else None)(w.family()), 20, w.family)
    # A pool that was just used may hold more than one, and one that ends just now is no figure.
    time.sleep(bench.few(5, 0.5))
    workers = []
    family = w.family()
    for pid in family.workers:
        try:
            workers.append({**rollup([pid]), **charge(group_of(w, pid))})
        except OSError:
            continue
    end = time.monotonic() + bench.few(90, 0)
    while (family := w.family()).workers and len(family.templates) == count and time.monotonic() < end:
        time.sleep(0.2)
    alone = "" if not family.workers else f" (with {len(family.workers)} ready workers beside {len(family.templates)} templates)"
    templates, whole = [], []
    for pid in family.templates:
        group = group_of(w, pid)
        parent = processes.Process(pid).parent
        inside = [parent, *(p.pid for p in processes.descendants(parent) if not p.zombie)]
        templates.append({**rollup([pid]), **charge(group)})
        whole.append({**rollup(inside), **charge(group and group.parent)})
    return [median_row("Martlet, ready worker", workers), median_row(f"Martlet, idle template{alone}", templates),
            median_row(f"Martlet, idle sandbox with its init{alone}", whole),
            Row("Martlet, server", rollup([family.server])), Row("Martlet, helper and supervisor", rollup([family.helper, family.supervisor]))]


def beside(bench):
    """Idle processes of others with the same function, after a few requests."""
    rows = []
    for name, make in {
        "gunicorn": lambda: programs.plain(bench, "gunicorn", programs.gunicorn),
        "uvicorn": lambda: programs.plain(bench, "uvicorn", programs.uvicorn),
        "functions-framework": lambda: programs.plain(bench, "functions-framework", programs.functions_framework),
        "awslambdaric and its C gateway": lambda: programs.awslambdaric(bench, 1),
        "nginx, gunicorn behind: nginx alone": lambda: programs.behind_nginx(bench, "gunicorn", programs.gunicorn),
    }.items():
        program = subject(make)
        if isinstance(program, Skip):
            rows.append(Row(name, skipped=str(program)))
            continue
        program.target.closed(1, 0.2)
        pid = program.process.pid
        rows.append(Row(name, rollup([pid, *(p.pid for p in processes.descendants(pid) if not p.zombie)])))
    return rows


def to_zero(bench):
    # What the first hundred add is in part the server's own: its store's pages, its tables.
    w, first, count = bench.world(idleSeconds=1), bench.few(100, 2), bench.few(300, 5)
    for number in range(first + count):
        w.create(f"hello-{number}", hello_code())

    def settled():
        """When nothing of the functions is left; after half a minute with whatever is."""
        with contextlib.suppress(AssertionError):
            wait_until(lambda: not w.family().sandboxed, bench.few(30, 10), "")

    def state():
        family = w.family()
        # The group of the server's instance alone: it has no processes of its own.
        top = min(groups(w), key=lambda folder: len(folder.parts), default=None)
        return {"processes": len(family.sandboxed), **{k: v for k, v in rollup([family.server]).items() if k != "processes"},
                **charge(top)}
    for number in range(first):
        w.call(f"hello-{number}", {"name": "Ada"})
    settled()
    before = state()
    for number in range(first, first + count):
        w.call(f"hello-{number}", {"name": "Ada"})
    settled()
    after = state()
    row = Row("Martlet, each function scaled to zero", {key: (after[key] - (0 if key == "processes" else before[key])) / (1 if key == "processes" else count) for key in after},
              rounds=[before, after])
    return Table("memory-zero", f"{count} functions that were called and then left alone, after {first} others", {"processes": "processes", "uss": "server's USS, KiB each", "pss": "server's PSS, KiB each", "rss": "server's RSS, KiB each", "charge": "cgroup KiB"}, [row])
