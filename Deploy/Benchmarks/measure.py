"""How figures are taken: load runs, alternation, tables."""

import contextlib
import dataclasses
import json
import math
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = ROOT / ".build" / "benchmarks"
sys.path.insert(0, str(ROOT / "Tests"))

from harness.settings import settings  # noqa: E402
from harness.world import SAMPLES, world  # noqa: E402

LOAD, FLOOR = BUILD / "load", BUILD / "floor"
BODY = '{"name":"Ada"}'
MARTLET = "Martlet, fresh sandbox each"
FAULTS = (RuntimeError, OSError, AssertionError, subprocess.SubprocessError)
LATENCY = {"n": "n", "p50": "p50 ms", "p99": "p99 ms", "rate": "per s"}


class Skip(Exception):
    """A figure that this machine or this run cannot give, and why."""


# -- tables


@dataclasses.dataclass
class Row:
    name: str
    figures: dict = dataclasses.field(default_factory=dict)
    # How many times the baseline's, by column: the median of the ratios of single rounds.
    ratios: dict = dataclasses.field(default_factory=dict)
    # Highest less lowest round of the first compared column, as a share of the figure.
    spread: float | None = None
    failures: int = 0
    skipped: str | None = None
    rounds: list = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Table:
    name: str
    title: str
    columns: dict
    rows: list
    baseline: str | None = None
    # Columns with a ratio to the baseline.
    compare: tuple = ()
    # The plot's bar, and the mark behind it; none: no plot.
    plot: tuple = ()
    logarithmic: bool = False
    # A column: the plot has a point for each row, this one to the right, and a line through rows of one kind.
    against: str | None = None
    notes: list = dataclasses.field(default_factory=list)

    def row(self, name):
        return next(row for row in self.rows if row.name == name)


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, math.floor(share * (len(ordered) - 1) + 0.5))]


def alternate(subjects, rounds):
    """Runs every subject once a round, each round beginning with another one, so that a neighbour's noise hits all.

    `subjects` maps a name to a callable that gives a dictionary of figures, or to a Skip. One that fails is not tried again."""
    rows = {name: Row(name, skipped=str(subject) if isinstance(subject, Skip) else None) for name, subject in subjects.items()}
    names = [name for name in subjects if rows[name].skipped is None]
    for number in range(rounds):
        turn = number % len(names) if names else 0
        for name in names[turn:] + names[:turn]:
            row = rows[name]
            if row.skipped is not None:
                continue
            try:
                row.rounds.append(subjects[name]())
            except (Skip, *FAULTS) as fault:
                row.skipped = " ".join(str(fault).split())[:200]
                row.failures += 0 if isinstance(fault, Skip) else 1
    return list(rows.values())


def table(name, title, subjects, rounds, *, columns=LATENCY, baseline=None, compare=("p50", "p99"), plot=("p50", "p99"), logarithmic=True):
    """Alternates the subjects."""
    return from_rounds(name, title, alternate(subjects, rounds), columns, baseline, compare, plot, logarithmic)


def from_rounds(name, title, rows, columns, baseline, compare, plot, logarithmic):
    """A figure is the median over the rounds, `n` the sum."""
    for row in rows:
        if row.skipped is None:
            row.failures = sum(r.pop("failures", 0) for r in row.rounds)
            row.figures = {key: (sum if key == "n" else statistics.median)([r[key] for r in row.rounds if key in r])
                           for key in columns if any(key in r for r in row.rounds)}
    return compared(Table(name, title, columns, rows, baseline, compare, plot, logarithmic))


def samples(name, title, subjects, rounds, *, baseline=None):
    """Alternates subjects that take one sample, `ms`, in each round."""
    rows = alternate(subjects, rounds)
    for row in rows:
        if row.skipped is None:
            times = [r["ms"] for r in row.rounds]
            row.figures = {"n": len(times), "min": min(times), "p50": statistics.median(times), "p99": percentile(times, 0.99)}
            row.failures = sum(r.pop("failures", 0) for r in row.rounds)
    columns = {"n": "n", "min": "min ms", "p50": "p50 ms", "p99": "p99 ms"}
    done = Table(name, title, columns, rows, baseline, ("p50",), ("p50", "p99"), True)
    base = ratio_base(done)
    for row in rows:
        if base and row.skipped is None:
            row.ratios["p50"] = statistics.median(a["ms"] / b["ms"] for a, b in zip(row.rounds, base.rounds))
    return done


def ratio_base(done):
    return next((row for row in done.rows if row.name == done.baseline and row.skipped is None), None)


def compared(done):
    base = ratio_base(done)
    for row in done.rows:
        values = [r[done.compare[0]] for r in row.rounds if done.compare[0] in r]
        if len(values) > 1 and row.figures.get(done.compare[0]):
            row.spread = (max(values) - min(values)) / row.figures[done.compare[0]]
        for key in done.compare if base and row.skipped is None else ():
            pairs = [(a[key], b[key]) for a, b in zip(row.rounds, base.rounds) if a.get(key) is not None and b.get(key)]
            if pairs:
                row.ratios[key] = statistics.median(a / b for a, b in pairs)
    return done


# -- loads


def load(*arguments, wrapper=()):
    done = subprocess.run([*wrapper, str(LOAD), *map(str, arguments)], capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip() or f"load ended with {done.returncode}")
    answer = json.loads(done.stdout)
    if answer["count"] == 0 and answer["failures"]:
        raise RuntimeError("every request failed")
    return {"n": answer["count"], "failures": answer["failures"], "rate": answer["rate"],
            **{key: answer[key] / 1000 for key in ("min", "p50", "p99", "max")}}


def invocations(name):
    return f"/2015-03-31/functions/{name}/invocations"


@dataclasses.dataclass
class Target:
    """Where requests go."""
    port: int
    path: str = "/"
    body: str = BODY
    # A server of one handler at a time would only be measured by the length of its queue.
    most_connections: int = 64
    wrapper: tuple = ()

    def closed(self, connections, seconds):
        return load("closed", self.port, self.path, self.body, connections, seconds + 0.3 * seconds, 0.3 * seconds, wrapper=self.wrapper)

    def open(self, rate, seconds):
        return load("open", self.port, self.path, self.body, rate, seconds + 0.3 * seconds, 0.3 * seconds, wrapper=self.wrapper)

    def once(self):
        """One request, in ms; of a server that has it to start something for it."""
        answer = load("closed", self.port, self.path, self.body, 1, 30, 0, 1)
        if answer["failures"]:
            raise RuntimeError("the request failed")
        return answer["max"]


# -- a run


@dataclasses.dataclass
class Bench:
    """What a suite gets: how much to measure, a folder, and programs that live until the suite's end."""
    smoke: bool
    # Length of one load run in one round.
    seconds: float
    rounds: int
    scratch: pathlib.Path
    stack: contextlib.ExitStack
    notes: list = dataclasses.field(default_factory=list)

    def few(self, usual, smoke):
        return smoke if self.smoke else usual

    def folder(self, name):
        made = pathlib.Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.scratch))
        made.chmod(0o755)
        return made

    def world(self, name="world", *, wrapper=(), **more):
        """A server of its own with room enough that nothing but the function's own limits counts."""
        config = settings(concurrency=1000, nodeMemoryMB=16_384, **more)
        return self.stack.enter_context(world(self.folder(name) / "w", config=config, wrapper=wrapper))


def hello_code():
    return {"app.py": (SAMPLES / "HelloPython" / "app.py").read_text()}


def program_path(name):
    """The program or a Skip that says that it is not there."""
    found = shutil.which(name, path=f"{BUILD / 'venv' / 'bin'}:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    if not found:
        raise Skip(f"{name} is not installed")
    return found


def subject(make):
    """What `make` gives, or the Skip that it raised."""
    try:
        return make()
    except Skip as reason:
        return reason


def cpu_seconds(pid):
    """User and system time of one process."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def machine():
    def first(path, word):
        with open(path) as file:
            return next((line.split(":", 1)[1].strip() for line in file if line.startswith(word)), "unknown")
    return {"cpu": first("/proc/cpuinfo", "model name"), "cores": len(os.sched_getaffinity(0)), "kernel": os.uname().release,
            "memory": first("/proc/meminfo", "MemTotal"), "loadBefore": os.getloadavg()[0],
            "python": sys.version.split()[0], "commit": commit()}


def commit():
    done = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    return done.stdout.strip() or None
