"""Fresh invocations per second on one core and on two: does making sandboxes ahead scale?"""

import dataclasses
import os
import shutil
import subprocess

import programs
from measure import BUILD, Row, Skip, Table, Target, alternate, from_rounds, hello_code, invocations, subject

CLONE = "C gateway, clone + namespaces per request"
CONNECTIONS = 16
NUMPY = """import numpy


def handler(event, context):
    return {"sum": float(numpy.arange(100).sum()), "name": event["name"]}
"""
BOTO3 = """import boto3

s3 = boto3.client("s3", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="y")


def handler(event, context):
    return {"url": s3.generate_presigned_url("get_object", Params={"Bucket": "b", "Key": event["name"]})}
"""


def run(bench):
    available = sorted(os.sched_getaffinity(0))
    counts = [count for count in (1, 2) if len(available) >= count]
    subjects, notes = {}, {}
    for cores in counts:
        # Server, sandboxes and load generator alike: what else runs on the machine may use the rest.
        pinned = ("taskset", "-c", ",".join(map(str, available[:cores])))
        targets, notes[cores] = on(bench, cores, pinned)
        for name, target in targets.items():
            subjects[cores, name] = target if isinstance(target, Skip) else (lambda target=target: target.closed(CONNECTIONS, bench.seconds))
    rows = alternate(subjects, bench.rounds)
    tables = []
    for cores in counts:
        own = [dataclasses.replace(row, name=row.name[1]) for row in rows if row.name[0] == cores]
        tables.append(from_rounds(
            f"throughput-{cores}", f"Sustained on {cores} core{'s' * (cores > 1)}, closed loop of {CONNECTIONS}", own,
            {"n": "n", "rate": "per s", "p50": "p50 ms", "p99": "p99 ms"}, CLONE, ("rate",), ("rate",), False))
        tables[-1].notes = notes[cores]
    return [*tables, scaling(tables)] if len(tables) == 2 else tables


def on(bench, cores, pinned):
    """What is measured on these cores by name, and what is to be said about it."""
    w = bench.world(f"cores-{cores}", wrapper=pinned)
    targets = {}

    def add(name, make):
        targets[name] = subject(make)
        if isinstance(targets[name], Target):
            targets[name].wrapper = pinned

    def function(name, deploy):
        deploy()
        w.call(name, {"name": "Ada"})
        return Target(w.port, invocations(name))
    add("Martlet, hello", lambda: function("hello", lambda: w.create("hello", hello_code())))
    for package, code in (("numpy", NUMPY), ("boto3", BOTO3)):
        add(f"Martlet, {package} imported", lambda: function(package, lambda: w.cli(
            "deploy", package, package_folder(bench, package, code), "--runtime", "python3.11", "--handler", "app.handler",
            # One thread for each core at import would make the template unfit for copying.
            "--env", "OPENBLAS_NUM_THREADS=1", "--memory", "256")))
    add("C gateway, fork per request", lambda: programs.floor(bench, "fork", 0, wrapper=pinned).target)
    add(CLONE, lambda: programs.floor(bench, "clone", 0, wrapper=pinned).target)
    add("C gateway, fork ahead", lambda: programs.floor(bench, "fork", CONNECTIONS, wrapper=pinned).target)
    add("C gateway, clone + namespaces ahead", lambda: programs.floor(bench, "clone", CONNECTIONS, wrapper=pinned).target)
    notes = []
    for name in ("hello", "numpy", "boto3"):
        if w.http("GET", f"/martlet/v1/functions/{name}").status == 200:
            described = w.describe(name)
            notes.append(f"{name}: {'copied from its template' if described['forkable'] else described['reason']}")
    return targets, notes


def scaling(tables):
    rows = []
    for one in tables[0].rows:
        two = tables[1].row(one.name)
        row = Row(one.name, skipped=one.skipped or two.skipped)
        if row.skipped is None:
            row.figures = {"one": one.figures["rate"], "two": two.figures["rate"], "gain": two.figures["rate"] / one.figures["rate"]}
        rows.append(row)
    return Table("throughput-scaling", "From one core to two", {"one": "1 core, per s", "two": "2 cores, per s", "gain": "times"}, rows, plot=("gain",))


def package_folder(bench, package, code):
    """The package from PyPI with a handler; it is kept for the next run."""
    if bench.smoke:
        raise Skip("left out in a smoke run")
    installed = BUILD / "packages" / package
    if not installed.is_dir():
        partial = installed.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        done = subprocess.run(["/usr/bin/python3", "-m", "pip", "install", "-q", "--disable-pip-version-check", "--target", str(partial), package],
                              capture_output=True, text=True, timeout=300)
        if done.returncode != 0:
            raise Skip(f"pip could not install {package}: {done.stderr.strip()[-200:]}")
        partial.rename(installed)
    folder = bench.folder(package) / "function"
    shutil.copytree(installed, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "app.py").write_text(code)
    return folder
