"""The pool's policy, replayed in simulated time beside fixed keep-alive times: who waits, and what the memory for it is."""

import json
import subprocess

from measure import ROOT, Row, Skip, Table

PROGRAM = ROOT / ".build" / "release" / "pool-replay"
SEED = 1
COLUMNS = {"n": "requests", "cold": "cold %", "copied": "copy %", "afterQuiet": "after quiet %", "wait": "mean wait ms", "p99": "p99 wait ms",
           "memory": "mean MiB", "peak": "peak MiB", "each": "MiB s each", "preparation": "% of a core"}
TRIGGERS = {key: COLUMNS[key] for key in ("n", "cold", "copied", "afterQuiet")}


def run(bench):
    if not PROGRAM.exists():
        raise Skip("pool-replay is not built")
    functions, hours = bench.few(1000, 80), bench.few(24, 1)
    done = subprocess.run([str(PROGRAM), str(functions), str(hours), str(SEED)], capture_output=True, text=True, timeout=1200)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip()[-500:] or f"pool-replay ended with {done.returncode}")
    answer = json.loads(done.stdout)
    policies = [Row(name_of(one), {key: one["whole"][key] for key in COLUMNS}, failures=round(one["whole"]["refused"])) for one in answer["policies"]]
    ours, other = (next(one for one in answer["policies"] if (one["policy"], one["minutes"]) == key) for key in (("pool", 1), ("keep-alive", 10)))
    triggers = [Row(f"{name_of(one)}: {trigger} ({count} functions)", {key: one["triggers"][trigger][key] for key in TRIGGERS})
                for trigger, count in answer["functions"].items() for one in (ours, other)]
    title = f"Policies on {functions} functions over {hours} h of simulated time"
    return [
        Table("policy", f"{title}: cold starts against memory", COLUMNS, policies, plot=("cold",), against="memory", logarithmic=True,
              notes=["copy: waited for a copy of a template though the function was in use; after quiet: the same after 30 s without a request"]),
        Table("policy-triggers", f"{title}, by trigger", TRIGGERS, triggers)]


def name_of(one):
    return f"Martlet, idle time {one['minutes']} min" if one["policy"] == "pool" else f"keep-alive {one['minutes']} min, reused"
