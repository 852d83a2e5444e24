"""The cases every runtime must pass, against every runtime that this node offers."""

import base64
import json
import sys

import pytest

from harness.processes import wait_until
from harness.world import ROLE, ROOT

sys.path.insert(0, str(ROOT / "Runtimes" / "Conformance"))
import conformance  # noqa: E402

CASES = conformance.load()


def run(w, case, name, runtime):
    w.boto().create_function(
        FunctionName=name, Runtime=runtime, Handler=case["handler"], Role=ROLE, Code={"ZipFile": conformance.archive(case)},
        MemorySize=case.get("memory", 128), Timeout=case.get("timeout", 3), EphemeralStorage={"Size": case.get("ephemeral", 512)},
        Environment={"Variables": case.get("environment", {})})
    if "isolation" in case:
        answer = w.http("PUT", f"/martlet/v1/functions/{name}/settings", json.dumps({"isolation": case["isolation"]}).encode())
        assert answer.status == 200, answer
    found = []
    for number, step in enumerate(conformance.steps(case), 1):
        if case.get("isolation") == "environment":
            # A runtime's environment serves again when it asks again, which is after its answer.
            wait_until(lambda: w.describe(name)["pool"]["busy"] == 0, 60, lambda: f"the environment is free: {w.describe(name)}")
        found += [f"step {number}: {problem}" for problem in one(w, case, name, step)]
    w.delete(name)
    return found


def one(w, case, name, step):
    expect, headers = step["expect"], {}
    if "clientContext" in case:
        headers["X-Amz-Client-Context"] = base64.b64encode(json.dumps(case["clientContext"]).encode()).decode()
    answer = w.invoke(name, raw=conformance.payload(step), tail=True, headers=headers)
    if "serviceError" in expect:
        return [] if answer.error_type == expect["serviceError"] else [f"not refused with {expect['serviceError']}: {answer}"]
    if answer.status != 200:
        return [f"refused: {answer}"]
    found = conformance.problems(expect, answer.function_error, answer.body, answer.log)
    if "forkable" in expect or "startable" in expect:
        described = w.describe(name)
        if "forkable" in expect and described.get("forkable") != expect["forkable"]:
            found.append(f"described as forkable: {described.get('forkable')} ({described.get('reason')})")
        if expect.get("startable") is False and described.get("state") != "failed":
            found.append(f"described as {described.get('state')}, not as failed")
    return found


@pytest.fixture(scope="module")
def offered(w):
    return [r["name"] if isinstance(r, dict) else r for r in w.http("GET", "/martlet/v1/node").json["runtimes"]]


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["name"])
def test_case(w, name, case, offered):
    if case["runtime"] == "nodejs" and not any(runtime.startswith("nodejs") for runtime in offered):
        pytest.skip("this machine has no Node 20 or newer")
    assert run(w, case, name[:60], "python3.11" if case["runtime"] == "python3" else case["runtime"]) == []


def test_every_offered_python_passes_the_quick_cases(w, name, offered):
    """One test for all others: which there are depends on the machine."""
    problems = {}
    for runtime in offered:
        if not runtime.startswith("python3.") or runtime == "python3.11":
            continue
        for number, case in enumerate(c for c in CASES if c["runtime"] == "python3" and not c.get("slow") and "steps" not in c):
            if found := run(w, case, f"c{number}-{runtime.replace('.', '-')}", runtime):
                problems[f"{runtime} {case['name']}"] = found
    assert problems == {}
