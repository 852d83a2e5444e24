"""Takes the figures that first-figures.sh prints. Times are in milliseconds unless a name says otherwise."""

import argparse
import contextlib
import json
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "Tests"))

from harness import processes  # noqa: E402
from harness.world import SAMPLES, world, zip_of  # noqa: E402

LOAD = ROOT / ".build" / "benchmarks" / "load"
BODY = '{"name":"Ada"}'
# The peers run the same handler; what they have no counterpart for is left out.
RUNNER = """import json, sys
sys.path.insert(0, sys.argv[1])
import app
class Context: aws_request_id = "r"
print(json.dumps(app.handler(json.loads(sys.argv[2]), Context)))
"""


def load(*arguments, wrapper=()):
    done = subprocess.run([*wrapper, str(LOAD), *map(str, arguments)], capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip() or f"load ended with {done.returncode}")
    return json.loads(done.stdout)


def path(name):
    return f"/2015-03-31/functions/{name}/invocations"


def cold_starts(w, code, count):
    times, phases = [], []
    for number in range(count):
        name = f"cold-{number}"
        w.create(name, code)
        # The copy of the package and the registration are done; what is measured begins with nothing in memory.
        assert not any(p for p in w.family().templates if number == 0), "something runs already"
        answer = load("closed", w.port, path(name), BODY, 1, 30, 1)
        assert answer["failures"] == 0, answer
        times.append(answer["max"] / 1000)
        record = next(r for r in w.records(name) if r.get("trigger") not in ("initialization", "init"))
        phases.append({k: v for k, v in record.items() if any(word in k.lower() for word in ("micro", "queue", "sandbox", "init", "handler", "total", "startkind"))})
        w.delete(name)
    times.sort()
    return {"count": count, "min": times[0], "p50": statistics.median(times), "p99": times[-1], "phases": phases[len(phases) // 2]}


def memory(pid):
    found = {}
    with open(f"/proc/{pid}/smaps_rollup") as file:
        for line in file:
            parts = line.split()
            if parts[0].rstrip(":") in ("Rss", "Pss", "Private_Clean", "Private_Dirty"):
                found[parts[0].rstrip(":")] = int(parts[1])
    return {"ussKiB": found["Private_Clean"] + found["Private_Dirty"], "pssKiB": found["Pss"], "rssKiB": found["Rss"]}


def idle_template(w, name):
    """The template alone if the pool empties before it goes; else with the fewest ready copies beside it, and their number."""
    end = time.monotonic() + 100
    best = None
    while time.monotonic() < end:
        family = w.family()
        if not family.templates:
            break
        with contextlib.suppress(OSError, KeyError):
            best = {**memory(family.templates[0]), "readyCopies": len(family.workers)}
            best["allOfItPssKiB"] = sum(memory(p.pid)["pssKiB"] for p in family.sandboxed)
        if not family.workers:
            break
        time.sleep(0.2)
    return best


def crun_bundle(folder, function):
    bundle = folder / "bundle"
    for part in ("rootfs/usr", "rootfs/proc", "rootfs/dev", "rootfs/tmp", "rootfs/fn", "rootfs/etc"):
        (bundle / part).mkdir(parents=True)
    for name in ("bin", "lib", "lib64", "sbin"):
        (bundle / "rootfs" / name).symlink_to(f"usr/{name}")
    subprocess.run(["crun", "spec"], cwd=bundle, check=True, capture_output=True)
    config = json.loads((bundle / "config.json").read_text())
    config["process"]["terminal"] = False
    config["process"]["args"] = ["/usr/bin/python3", "/fn/run.py", "/fn", BODY]
    config["root"] = {"path": "rootfs", "readonly": True}
    config["mounts"] = [m for m in config["mounts"] if m["destination"] in ("/proc", "/dev")] + [
        {"destination": "/usr", "type": "bind", "source": "/usr", "options": ["rbind", "ro"]},
        {"destination": "/fn", "type": "bind", "source": str(function), "options": ["rbind", "ro"]},
        {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["size=64m"]},
    ]
    (bundle / "config.json").write_text(json.dumps(config))
    return bundle


def peers(folder, count):
    function = folder / "fn"
    shutil.copytree(SAMPLES / "HelloPython", function)
    (function / "run.py").write_text(RUNNER)
    program = ["/usr/bin/python3", str(function / "run.py"), str(function), BODY]
    found = {"fork+exec": attempt(lambda: load("spawn", count, *program))}
    found["bubblewrap"] = attempt(lambda: load(
        "spawn", count, shutil.which("bwrap") or "/usr/bin/bwrap", "--unshare-all", "--die-with-parent", "--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin",
        "--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp",
        "--ro-bind", str(function), "/fn", "/usr/bin/python3", "/fn/run.py", "/fn", BODY))

    def crun():
        bundle = crun_bundle(folder, function)
        state = folder / "state"
        # crun refuses a hybrid cgroup tree, so it sees the version 1 part of one only.
        hide = "mountpoint -q /sys/fs/cgroup/unified && umount /sys/fs/cgroup/unified; exec \"$@\""
        return load("spawn", count, shutil.which("crun") or "/usr/bin/crun", "--root", str(state), "run", "--bundle", str(bundle), "figure-%d",
                    wrapper=["unshare", "-m", "sh", "-c", hide, "sh"])
    found["crun"] = attempt(crun)
    return found


def attempt(take):
    try:
        answer = take()
        if answer["count"] == 0:
            return {"error": "every run failed"}
        return {"count": answer["count"], "failures": answer["failures"], "rate": answer["rate"],
                **{k: answer[k] / 1000 for k in ("min", "p50", "p90", "p99", "max")}}
    except (RuntimeError, OSError, subprocess.SubprocessError) as fault:
        return {"error": str(fault)[:300]}


def show(rows):
    widths = [max(len(str(row[i])) for row in rows) for i in range(len(rows[0]))]
    for number, row in enumerate(rows):
        print("  ".join(str(cell).ljust(w) if i == 0 else str(cell).rjust(w) for i, (cell, w) in enumerate(zip(row, widths))))
        if number == 0:
            print("  ".join("-" * w for w in widths))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=10, help="length of each load run")
    parser.add_argument("--cold", type=int, default=30, help="number of cold starts")
    parser.add_argument("--peers", type=int, default=60, help="number of runs of each peer")
    options = parser.parse_args()
    processes.become_subreaper()
    code = {"app.py": (SAMPLES / "HelloPython" / "app.py").read_text()}
    figures = {"machine": machine()}
    with tempfile.TemporaryDirectory(prefix="martlet-figures-") as scratch:
        scratch = pathlib.Path(scratch)
        scratch.chmod(0o755)
        figures["peers"] = peers(scratch, options.peers)
        with world(scratch / "w") as w:
            figures["cold"] = cold_starts(w, code, options.cold)
            w.create("hello", code)
            load("closed", w.port, path("hello"), BODY, 1, 2)
            figures["open100"] = attempt(lambda: load("open", w.port, path("hello"), BODY, 100, options.seconds))
            for connections in (1, 16, 64):
                figures[f"closed{connections}"] = attempt(lambda: load("closed", w.port, path("hello"), BODY, connections, options.seconds))
            w.cli("deploy", "hello-reused", SAMPLES / "HelloPython", "--isolation", "environment")
            figures["reused1"] = attempt(lambda: load("closed", w.port, path("hello-reused"), BODY, 1, min(options.seconds, 5)))
            w.delete("hello-reused")
            figures["idle"] = idle_template(w, "hello")
    out = HERE / "results" / f"first-figures-{time.strftime('%Y%m%dT%H%M%S')}.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(figures, indent=1))

    def line(title, figure, rate=True):
        if "error" in figure:
            return (title, "-", "-", "-", "-", figure["error"][:60])
        return (title, figure["count"], f"{figure['min']:.2f}", f"{figure['p50']:.2f}", f"{figure['p99']:.2f}", f"{figure['rate']:.0f}" if rate and "rate" in figure else "")
    rows = [("HelloPython", "n", "min ms", "p50 ms", "p99 ms", "per s")]
    rows.append(line("Martlet, cold: registered to answer", figures["cold"], False))
    rows.append(line("Martlet, fresh, open loop 100/s", figures["open100"]))
    for connections in (1, 16, 64):
        rows.append(line(f"Martlet, fresh, closed loop, {connections} connection{'s' if connections > 1 else ''}", figures[f"closed{connections}"]))
    rows.append(line("Martlet, reused environment, 1 connection", figures["reused1"]))
    for peer in ("fork+exec", "bubblewrap", "crun"):
        rows.append(line(f"{peer} python3, one at a time", figures["peers"][peer]))
    print()
    show(rows)
    if figures["idle"]:
        idle = figures["idle"]
        print(f"\nidle template: USS {idle['ussKiB']} KiB, PSS {idle['pssKiB']} KiB ({idle['readyCopies']} ready copies beside it; whole sandbox PSS {idle['allOfItPssKiB']} KiB)")
    print(f"a cold start's phases: {figures['cold']['phases']}")
    print(f"machine: {figures['machine']}\nwritten: {out}")


def machine():
    model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "unknown")
    return {"cpu": model, "cores": os.cpu_count(), "kernel": platform.release(), "load": os.getloadavg()[0]}


if __name__ == "__main__":
    main()
