"""Lambda's Invoke: shapes, headers, log tail, function errors, limits; by boto3, the aws command line and plain HTTP."""

import base64
import json
import re

import pytest

from harness.world import ACCOUNT, ECHO

MB = 1024 * 1024
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")

FAULTS = """
import os, sys, json, time, subprocess
print("loaded")

class Custom(Exception):
    pass

def deep():
    raise Custom("boom")

def handler(event, context):
    do = event["do"]
    if do == "raise": deep()
    if do == "exit": sys.exit(3)
    if do == "exit0": sys.exit(0)
    if do == "os_exit": os._exit(7)
    if do == "segfault":
        import ctypes
        ctypes.string_at(0)
    if do == "abort": os.abort()
    if do == "sleep": time.sleep(event["s"])
    if do == "spin":
        while True: pass
    if do == "memory":
        hold = []
        while True: hold.append(bytearray(8 << 20))
    if do == "child_memory":
        code = "x = []\\nwhile True: x.append(bytearray(8 << 20))"
        return {"child": subprocess.run([sys.executable, "-c", code]).returncode}
    if do == "unjson": return {1, 2}
    if do == "nan": return float("nan")
    if do == "big": return "x" * event["n"]
    if do == "print":
        for i in range(event["n"]): print("line", i)
        sys.stderr.write("to stderr\\n")
        return "printed"
    if do == "tmp":
        with open("/tmp/big", "wb") as f:
            block = b"z" * (1 << 20)
            for _ in range(event["mb"]): f.write(block)
        return os.stat("/tmp/big").st_size
    if do == "context":
        return {"id": context.aws_request_id, "arn": context.invoked_function_arn, "memory": context.memory_limit_in_mb,
                "left": context.get_remaining_time_in_millis(), "name": context.function_name,
                "version": context.function_version, "client": context.client_context and context.client_context.custom,
                "trace": os.environ.get("_X_AMZN_TRACE_ID")}
    return event
"""


@pytest.fixture(scope="module")
def faults(w):
    w.create("faults", FAULTS, timeout=5)
    return "faults"


@pytest.fixture(scope="module")
def echo(w):
    w.create("echo", ECHO)
    return "echo"


@pytest.mark.parametrize("payload", [{}, None, [], 0, -1.5, "grüße 🌍", {"a": {"b": [1, None, True]}}], ids=repr)
def test_any_json_comes_back(w, echo, payload):
    assert w.call(echo, payload) == payload


def test_an_empty_body_is_an_empty_object(w, echo):
    answer = w.invoke(echo, raw=b"")
    assert (answer.status, answer.json) == (200, {})


def test_the_answer_carries_lambdas_headers(w, echo):
    answer = w.invoke(echo, {"a": 1})
    assert answer.status == 200
    assert UUID.fullmatch(answer.request_id)
    assert answer.headers["X-Amz-Executed-Version"] == "$LATEST"
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.function_error is None
    assert "X-Amz-Log-Result" not in answer.headers


def test_request_ids_never_repeat(w, echo):
    assert len({w.invoke(echo, {}).request_id for _ in range(50)}) == 50


def test_dry_run_checks_and_does_not_run(w, echo):
    before = len(w.records(echo))
    answer = w.invoke(echo, {}, kind="DryRun")
    assert (answer.status, answer.body) == (204, b"")
    assert len(w.records(echo)) == before
    missing = w.invoke("no-such", {}, kind="DryRun")
    assert (missing.status, missing.error_type) == (404, "ResourceNotFoundException")


def test_an_unknown_invocation_type_is_refused(w, echo):
    answer = w.invoke(echo, {}, kind="Sometime")
    assert (answer.status, answer.error_type) == (400, "InvalidParameterValueException")


def test_the_log_tail_holds_the_whole_log(w, faults):
    answer = w.invoke(faults, {"do": "print", "n": 5}, tail=True)
    lines = answer.log.splitlines()
    assert lines[0].startswith(f"START RequestId: {answer.request_id} Version: $LATEST")
    for i in range(5):
        assert f"line {i}" in lines
    assert "to stderr" in lines
    assert f"END RequestId: {answer.request_id}" in lines
    assert re.search(
        rf"REPORT RequestId: {answer.request_id}\tDuration: [\d.]+ ms\tBilled Duration: \d+ ms\tMemory Size: 128 MB\tMax Memory Used: \d+ MB",
        answer.log), answer.log


def test_the_log_tail_is_at_most_the_last_4_kb(w, faults):
    answer = w.invoke(faults, {"do": "print", "n": 3000}, tail=True)
    assert len(answer.log.encode()) <= 4096
    assert "line 2999" in answer.log and "REPORT" in answer.log


def test_an_exception_is_lambdas_function_error(w, faults):
    answer = w.invoke(faults, {"do": "raise"}, tail=True)
    assert (answer.status, answer.function_error) == (200, "Unhandled")
    error = answer.json
    assert (error["errorType"], error["errorMessage"]) == ("Custom", "boom")
    assert error["requestId"] == answer.request_id
    assert any("in deep" in line for line in error["stackTrace"])
    assert "[ERROR] Custom: boom" in answer.log


@pytest.mark.parametrize("do, said", [
    ("exit", "exit"), ("exit0", "exit"), ("os_exit", "exit status 7"), ("segfault", "segmentation fault"),
])
def test_an_end_of_the_process_is_named(w, faults, do, said):
    answer = w.invoke(faults, {"do": do}, tail=True)
    assert (answer.status, answer.function_error) == (200, "Unhandled")
    assert answer.json["errorType"].startswith("Runtime.")
    assert said in answer.text.lower(), answer
    assert w.call(faults, {"do": "next"}) == {"do": "next"}


@pytest.mark.parametrize("do", ["sleep", "spin"])
def test_past_its_time_limit_it_is_stopped(w, name, do):
    w.create(name, FAULTS, timeout=1)
    answer = w.invoke(name, {"do": do, "s": 60}, tail=True)
    assert (answer.status, answer.function_error) == (200, "Unhandled")
    assert answer.json["errorType"] == "Sandbox.Timedout"
    assert "Task timed out after 1.00 seconds" in answer.json["errorMessage"]
    assert answer.request_id in answer.json["errorMessage"]
    assert "Task timed out" in answer.log
    assert w.call(name, {"do": "next"}) == {"do": "next"}


def test_out_of_memory_is_named_as_such(w, faults):
    answer = w.invoke(faults, {"do": "memory"}, tail=True)
    assert (answer.status, answer.function_error) == (200, "Unhandled")
    assert "memory" in answer.text.lower(), answer
    assert "memory" in answer.log.lower(), answer.log
    assert w.call(faults, {"do": "next"}) == {"do": "next"}


def test_a_subprocess_killed_for_memory_is_not_the_functions_end(w, name):
    w.create(name, FAULTS, timeout=30)
    answer = w.invoke(name, {"do": "child_memory"}, tail=True)
    assert answer.status == 200 and not answer.function_error, answer
    assert answer.json == {"child": -9}
    assert w.record(answer.request_id)["outcome"] == "success"


def test_128_mb_may_write_400_mb_to_tmp(w, name):
    w.create(name, FAULTS, timeout=30)
    assert w.call(name, {"do": "tmp", "mb": 400}) == 400 * MB


@pytest.mark.parametrize("do, kind", [("unjson", "Runtime.MarshalError"), ("nan", None)])
def test_an_answer_that_is_not_json_is_an_error(w, faults, do, kind):
    answer = w.invoke(faults, {"do": do})
    if do == "nan" and not answer.function_error:
        # Python's json writes NaN; what leaves must at least be what the handler's encoder made.
        assert answer.text == "NaN"
        return
    assert (answer.status, answer.function_error) == (200, "Unhandled")
    if kind:
        assert answer.json["errorType"] == kind


def test_a_6_mb_event_and_answer_pass(w, echo):
    payload = "x" * (6 * MB - 2)
    assert w.call(echo, payload) == payload


def test_an_event_over_6_mb_is_refused_with_the_limit(w, echo):
    answer = w.invoke(echo, "x" * (6 * MB))
    assert (answer.status, answer.error_type) == (413, "RequestTooLargeException")
    assert "6291456" in answer.text, answer


def test_an_answer_over_6_mb_is_a_function_error(w, faults):
    answer = w.invoke(faults, {"do": "big", "n": 6 * MB + 100})
    assert (answer.status, answer.function_error) == (200, "Unhandled")
    assert answer.json["errorType"] == "Function.ResponseSizeTooLarge"
    assert "6291556" in answer.json["errorMessage"]
    assert w.call(faults, {"do": "next"}) == {"do": "next"}


@pytest.mark.parametrize("body", [b"{", b"nope", b"{'a': 1}", b'{"a":1} x', b"\xff\xfe", b"[1,]"], ids=repr)
def test_an_event_that_is_not_json_is_refused(w, echo, body):
    answer = w.invoke(echo, raw=body)
    assert (answer.status, answer.error_type) == (400, "InvalidRequestContentException")
    assert answer.json["Type"] == "User"


def test_an_unknown_function_is_404_and_names_it(w):
    answer = w.invoke("no-such-function", {})
    assert (answer.status, answer.error_type) == (404, "ResourceNotFoundException")
    assert f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:no-such-function" in answer.json["Message"]


@pytest.mark.parametrize("form", [
    "echo", f"{ACCOUNT}:function:echo", f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:echo", "echo:$LATEST",
    f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:echo:$LATEST",
])
def test_every_form_of_a_function_name_works(w, echo, form):
    import urllib.parse
    for path in {form, urllib.parse.quote(form, safe="")}:
        assert w.call(path, {"form": form}) == {"form": form}


def test_a_qualifier_names_the_version(w, echo):
    assert w.call(echo, {}, qualifier="$LATEST") == {}
    assert w.invoke(echo, {}, qualifier="77").status == 404


def test_the_context_tells_what_lambda_tells(w, faults):
    custom = base64.b64encode(json.dumps({"custom": {"k": "v"}}).encode()).decode()
    answer = w.invoke(faults, {"do": "context"}, headers={"X-Amz-Client-Context": custom})
    found = answer.json
    assert found["id"] == answer.request_id
    assert found["arn"] == f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:faults"
    assert (found["name"], found["version"], str(found["memory"]), found["client"]) == ("faults", "$LATEST", "128", {"k": "v"})
    assert 0 < found["left"] <= 5000


def test_boto3_invokes(w, faults):
    client = w.boto()
    answer = client.invoke(FunctionName=faults, Payload=b'{"do":"x"}', LogType="Tail")
    assert answer["StatusCode"] == 200 and answer["ExecutedVersion"] == "$LATEST"
    assert json.load(answer["Payload"]) == {"do": "x"}
    assert b"REPORT" in base64.b64decode(answer["LogResult"])
    failed = client.invoke(FunctionName=faults, Payload=b'{"do":"raise"}')
    assert failed["FunctionError"] == "Unhandled"
    assert json.load(failed["Payload"])["errorType"] == "Custom"
    with pytest.raises(client.exceptions.ResourceNotFoundException) as refused:
        client.invoke(FunctionName="no-such")
    assert refused.value.response["Error"]["Message"]
    with pytest.raises(client.exceptions.InvalidRequestContentException):
        client.invoke(FunctionName=faults, Payload=b"{")
    assert client.invoke(FunctionName=faults, InvocationType="DryRun")["StatusCode"] == 204


def test_the_aws_command_line_invokes(w, echo, tmp_path):
    out = tmp_path / "out.json"
    said = w.aws("lambda", "invoke", "--function-name", echo, "--payload", '{"name":"Ada"}', str(out))
    assert json.loads(said.stdout)["StatusCode"] == 200
    assert json.loads(out.read_text()) == {"name": "Ada"}


def test_curl_invokes(w, echo):
    assert json.loads(w.curl(f"/2015-03-31/functions/{echo}/invocations", "-d", '{"x":1}')) == {"x": 1}


def test_martlet_invoke_takes_payload_file_and_standard_input(w, echo, tmp_path):
    file = tmp_path / "event.json"
    file.write_text('{"from":"file"}')
    assert json.loads(w.cli("invoke", echo, "--payload", '{"from":"text"}').stdout) == {"from": "text"}
    assert json.loads(w.cli("invoke", echo, "--file", file).stdout) == {"from": "file"}
    assert json.loads(w.cli("invoke", echo, "-", input='{"from":"stdin"}').stdout) == {"from": "stdin"}


def test_martlet_invoke_shows_the_log_and_fails_with_the_function(w, faults):
    said = w.cli("invoke", faults, "--payload", '{"do":"print","n":2}', "--log")
    assert "line 1" in said.stdout + said.stderr and "REPORT" in said.stdout + said.stderr
    assert '"printed"' in said.stdout
    failed = w.cli("invoke", faults, "--payload", '{"do":"raise"}', check=False)
    assert failed.returncode != 0
    assert "boom" in failed.stdout + failed.stderr


@pytest.mark.parametrize("handler, kind", [
    ("app.missing", "Runtime.HandlerNotFound"), ("nowhere.handler", "Runtime.ImportModuleError"),
    ("nodot", "Runtime.MalformedHandlerName"),
])
def test_a_bad_handler_name_is_an_init_error(w, name, handler, kind):
    w.create(name, ECHO, handler=handler)
    answer = w.invoke(name, {}, tail=True)
    assert (answer.status, answer.function_error) == (200, "Unhandled")
    assert answer.json["errorType"] == kind, answer


@pytest.mark.parametrize("code, kind", [
    ("raise ValueError('at import')\n", "ValueError"), ("def handler(:\n", "Runtime.UserCodeSyntaxError"),
    ("import nothing_like_this\n", "Runtime.ImportModuleError"), ("import sys\nsys.exit(4)\n", "Runtime.ExitError"),
    ("import os\nos._exit(4)\n", "Runtime.ExitError"), ("import os\nos.kill(os.getpid(), 9)\n", "Runtime.ExitError"),
], ids=["exception", "syntax", "missing module", "exit", "os._exit", "killed"])
def test_a_failing_import_is_an_init_error(w, name, code, kind):
    w.create(name, code)
    answer = w.invoke(name, {}, tail=True)
    assert (answer.status, answer.function_error) == (200, "Unhandled"), answer
    assert answer.json["errorType"] in (kind, "Runtime.ExitError"), answer
    assert w.record(answer.request_id)["outcome"] == "initError"


@pytest.mark.parametrize("isolation", ["invocation", "environment"])
def test_isolation_decides_what_the_next_invocation_finds(w, name, isolation):
    code = """
    import os
    count = 0
    def handler(event, context):
        global count
        count += 1
        seen = os.path.exists("/tmp/mine")
        open("/tmp/mine", "w").close()
        return [count, seen]
    """
    w.deploy(name, code, "--isolation", isolation, "--handler", "app.handler")
    found = [w.call(name, {}) for _ in range(4)]
    if isolation == "invocation":
        assert found == [[1, False]] * 4
    else:
        assert found == [[1, False], [2, True], [3, True], [4, True]]


def test_environment_mode_goes_on_after_a_function_error_and_replaces_a_dead_process(w, name):
    w.deploy(name, FAULTS, "--isolation", "environment", "--handler", "app.handler", "--timeout", "1")
    assert w.invoke(name, {"do": "raise"}).function_error
    assert w.call(name, {"do": "x"}) == {"do": "x"}
    for do in ("os_exit", "sleep", "segfault"):
        assert w.invoke(name, {"do": do, "s": 60}).function_error
        assert w.call(name, {"do": "x"}) == {"do": "x"}
