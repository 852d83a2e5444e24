"""Latency and rate of a warm function: Martlet with a fresh sandbox for each request, all others with reused processes."""

import re
import subprocess

import programs
from harness.world import SAMPLES
from measure import BODY, FAULTS, MARTLET, Row, Skip, Target, hello_code, invocations, load, percentile, program_path, subject, table

ECHO = "C gateway, echo worker"
FORK = "C gateway, fork per request"
CLONE = "C gateway, clone + namespaces per request"
FRAMEWORK = "functions-framework"


def run(bench):
    w = bench.world()
    w.create("hello", hello_code())
    w.call("hello", {"name": "Ada"})
    targets = {MARTLET: Target(w.port, invocations("hello"))}

    def add(name, make):
        targets[name] = subject(lambda: make().target)
    add(ECHO, lambda: programs.floor(bench, "echo", 16))
    add(FORK, lambda: programs.floor(bench, "fork", 0))
    add(CLONE, lambda: programs.floor(bench, "clone", 0))
    add(f"gunicorn, {programs.CORES} x 8 threads", lambda: programs.plain(bench, "gunicorn", programs.gunicorn))
    add("nginx, gunicorn behind", lambda: programs.behind_nginx(bench, "gunicorn", programs.gunicorn))
    add("uvicorn, 1 process", lambda: programs.plain(bench, "uvicorn", programs.uvicorn))
    add("nginx, uvicorn behind", lambda: programs.behind_nginx(bench, "uvicorn", programs.uvicorn))
    add(FRAMEWORK, lambda: programs.plain(bench, "functions-framework", programs.functions_framework))
    add(f"awslambdaric, {programs.CORES} processes", lambda: programs.awslambdaric(bench))
    tables = compare(bench, "fresh", "HelloPython", targets, FRAMEWORK)
    tables[-2].rows.insert(1, in_the_worker(w, max(0.5, bench.seconds * bench.rounds)))
    return tables


def compare(bench, name, function, targets, baseline, rates=(20, 100)):
    """Closed loops, then open ones at fixed rates and at half of what Martlet sustained in the closed loop of 16."""
    def subjects(take):
        return {name: target if isinstance(target, Skip) else (lambda target=target: take(target)) for name, target in targets.items()}
    tables = []
    for connections in (1, 16, 64):
        loops = subjects(lambda target: target.closed(connections, bench.seconds))
        if connections == 16:
            for other in (MARTLET, ECHO):
                if isinstance(targets.get(other), Target):
                    loops[f"{other}, by wrk"] = subject(lambda: by_wrk(bench, targets[other], connections))
        tables.append(table(
            f"{name}-closed-{connections}", f"{function}, closed loop, {connections} connection{'s' * (connections > 1)}", loops,
            bench.rounds, baseline=baseline, compare=("p50", "rate")))
    sustained = tables[1].row(MARTLET).figures.get("rate")
    half = max(10, round(sustained / 20) * 10) if sustained else 100
    for tag, rate, text in [*((rate, rate, f"{rate}/s") for rate in rates), ("half", half, f"{half}/s, half of what Martlet sustained")]:
        tables.append(table(
            f"{name}-open-{tag}", f"{function}, open loop, {text}", subjects(lambda target: target.open(rate, bench.seconds)),
            bench.rounds, baseline=baseline))
    return tables


def by_wrk(bench, target, connections):
    wrk, script = program_path("wrk"), bench.folder("wrk") / "post.lua"
    script.write_text(f"wrk.method = 'POST'\nwrk.headers['Content-Type'] = 'application/json'\nwrk.body = '{target.body}'\n")

    def take():
        line = [wrk, "-t1", f"-c{connections}", f"-d{max(1, round(bench.seconds))}s", "--latency", "-s", str(script),
                f"http://127.0.0.1:{target.port}{target.path}"]
        text = subprocess.run(line, capture_output=True, text=True, timeout=60, check=True).stdout

        def time_of(share):
            value, unit = re.search(rf"^\s+{share}%\s+([\d.]+)(us|ms|s)$", text, re.M).groups()
            return float(value) * {"us": 0.001, "ms": 1, "s": 1000}[unit]
        bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
        return {"n": int(re.search(r"(\d+) requests in", text).group(1)), "failures": int(bad.group(1)) if bad else 0,
                "rate": float(re.search(r"Requests/sec:\s+([\d.]+)", text).group(1)), "p50": time_of(50), "p99": time_of(99)}
    return take


def in_the_worker(w, seconds):
    """What the worker itself takes at 100/s: from dispatch to answer, by the usage records."""
    row = Row("Martlet, of it in the worker (usage records)")
    try:
        w.create("hello-alone", hello_code())
        load("open", w.port, invocations("hello-alone"), BODY, 100, seconds)
        times = [r["handlerMs"] for r in w.records("hello-alone") if r["startKind"] == "ready"]
        row.figures = {"n": len(times), "p50": percentile(times, 0.5), "p99": percentile(times, 0.99)}
    except FAULTS as fault:
        row.skipped, row.failures = str(fault)[:200], 1
    return row


def deploy_node(w):
    """Deploys HelloNode as `hello-node` and gives its configuration."""
    program_path("node")
    w.cli("deploy", "hello-node", SAMPLES / "HelloNode")
    return w.http("GET", "/2015-03-31/functions/hello-node/configuration").json


def run_node(bench):
    folder = SAMPLES / "HelloNode"
    event = (folder / "event.json").read_text().strip()
    w = bench.world()
    handler = deploy_node(w)["Handler"]
    targets = {MARTLET: Target(w.port, invocations("hello-node"), event)}
    targets["node:http, 1 process"] = subject(lambda: programs.node(bench, folder, handler, event).target)
    targets[ECHO] = subject(lambda: programs.floor(bench, "echo", 16).target)
    return compare(bench, "node", "HelloNode", targets, "node:http, 1 process")


def native_folder():
    folder = SAMPLES / "HelloSwift" / ".build" / "function"
    if not (folder / "bootstrap").exists():
        raise Skip("HelloSwift is not built (SampleFunctions/HelloSwift/build.sh)")
    return folder


def run_native(bench):
    folder = native_folder()
    w = bench.world()
    w.cli("deploy", "hello-swift", folder)
    w.call("hello-swift", {"name": "Ada"})
    reused = f"C gateway, {programs.CORES} HelloSwift over the Runtime API"
    targets = {MARTLET: Target(w.port, invocations("hello-swift"))}
    targets[reused] = subject(lambda: programs.floor_runtime_api(bench, "hello-swift", programs.CORES, [folder / "bootstrap"]).target)
    targets[ECHO] = subject(lambda: programs.floor(bench, "echo", 16).target)
    targets[CLONE] = subject(lambda: programs.floor(bench, "clone", 0).target)
    return compare(bench, "native", "HelloSwift", targets, reused)
