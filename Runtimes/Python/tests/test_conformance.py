"""The cases of Runtimes/Conformance that a bare process can show: what needs a sandbox or a server is left to them."""

import importlib.util
import json
import pathlib

import pytest
from conftest import END, ERROR, INIT_ERROR

HERE = pathlib.Path(__file__).resolve().parents[2] / "Conformance"
spec = importlib.util.spec_from_file_location("conformance", HERE / "conformance.py")
conformance = importlib.util.module_from_spec(spec)
spec.loader.exec_module(conformance)


def is_shown_by_a_process(case):
    expected = [step["expect"] for step in conformance.steps(case)]
    beyond = ("Sandbox.", "Runtime.OutOfMemory", "Runtime.ExitError")
    return (
        case["runtime"] == "python3"
        and case.get("isolation") is None
        and not case.get("slow")
        and case["name"] not in ("surroundings", "hooks", "memory-limit-of-a-subprocess")
        and not case["name"].startswith(("state-", "child-", "daemon-", "thread-", "process-", "a-"))
        and not any("serviceError" in one or one.get("errorType", "").startswith(beyond) for one in expected)
    )


@pytest.mark.parametrize(
    "case", [case for case in conformance.load() if is_shown_by_a_process(case)], ids=lambda case: case["name"]
)
def test_case(start, case):
    source = (HERE / "functions" / case["code"]).read_text("utf-8")
    for step in conformance.steps(case):
        worker = start("", case["handler"], environment=case.get("environment"), files={case["code"]: source})
        header = {"clientContext": json.dumps(case["clientContext"])} if "clientContext" in case else {}
        assert (worker.init[0] == INIT_ERROR) == (step["expect"].get("startable") is False)
        kind, body = worker.init if worker.init[0] == INIT_ERROR else worker.invoke(conformance.payload(step), **header)
        assert kind in (END, ERROR, INIT_ERROR)
        expect = json.loads(json.dumps(step["expect"]))
        if isinstance(expect["payload"], dict) and "memory_limit_in_mb" in expect["payload"]:
            # Of the configuration in this folder's tests, not of the case.
            expect["payload"].update(memory_limit_in_mb="256", time_left_is_within_the_limit="*")
        platform_lines = ("START", "END", "REPORT")
        expect["logContains"] = [t for t in expect.get("logContains", []) if not t.startswith(platform_lines)]
        assert conformance.problems(expect, None if kind == END else "Unhandled", body, worker.log) == []
