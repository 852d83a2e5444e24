"""What Lambda's own runtime clients do beyond the letter of the Runtime API, by hand: functions built on them rely on it."""

import json

import pytest

from harness.processes import wait_until

# A client in shell; what a function does with `$request` and `/tmp/event` is in `handle`, what comes before all in `begin`.
CLIENT = r"""#!/bin/sh
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime"
answer() { curl -sS -o /dev/null "$@" "$api/invocation/$request/response"; }
begin() { :; }
next() { curl -sS -D /tmp/headers -o /tmp/event "$api/invocation/next"; }
%s
begin
while next; do
    request=$(tr -d '\r' </tmp/headers | while IFS=': ' read -r name value; do
        case $name in [Ll]ambda-[Rr]untime-[Aa]ws-[Rr]equest-[Ii]d) echo "$value" ;; esac
    done)
    handle
done
"""

# aws-lambda-go 1.54 and the Swift runtime 2.4 send what has no length in chunks, without `Lambda-Runtime-Function-Response-Mode`.
CHUNKS = """
handle() { { %s; } | answer -X POST -T - -H 'Content-Type: %s'; }
"""
# With the trailers that aws-lambda-go announces for every answer.
TRAILERS = r"""
handle() {
    body=$(printf '{"errorType":"MyError","errorMessage":"midway"}' | base64 -w 0)
    { printf 'POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\r\nHost: runtime\r\nContent-Type: application/octet-stream\r\n' "$request"
      printf 'Transfer-Encoding: chunked\r\nTrailer: Lambda-Runtime-Function-Error-Body,Lambda-Runtime-Function-Error-Type\r\n\r\n5\r\nfirst\r\n0\r\n'
      printf 'Lambda-Runtime-Function-Error-Body: %s\r\nLambda-Runtime-Function-Error-Type: MyError\r\n\r\n' "$body"
    } | curl -sS -m 1 "telnet://$AWS_LAMBDA_RUNTIME_API" >/dev/null 2>&1
}
"""
PRELUDE = r"""printf '{"statusCode":203,"headers":{"content-type":"text/plain"},"cookies":["a=1"]}\0\0\0\0\0\0\0\0one two'"""
HTTP_TYPE = "application/vnd.awslambda.http-integration-response"


def create(w, name, text, isolation="invocation", timeout=10, **options):
    w.create(name, {"bootstrap": CLIENT % text}, runtime="provided.al2023", handler="any", timeout=timeout, **options)
    if isolation == "environment":
        answer = w.http("PUT", f"/martlet/v1/functions/{name}/settings", json.dumps({"isolation": isolation}).encode())
        assert answer.status == 200, answer
    return name


def stream(w, name):
    payload, complete = b"", None
    for one in w.boto().invoke_with_response_stream(FunctionName=name, Payload=b"{}")["EventStream"]:
        payload += one.get("PayloadChunk", {}).get("Payload", b"")
        complete = one.get("InvokeComplete", complete)
    return payload, complete


def wait_for(w, name, text, count=1):
    wait_until(lambda: w.logs(name).count(text) >= count, 60, lambda: f"{text!r} in the log of {name}:\n{w.logs(name)}\n{w.log_text(2000)}")


def retire(w, name):
    """A new revision: environments of the old one are not needed any more."""
    w.boto().update_function_configuration(FunctionName=name, Description="changed")


def unattended(w, name):
    """Records of the time in which nobody waited for an answer."""
    return [row for row in w.records(name) if row["trigger"] == "extensions"]


def bootstraps(w):
    """Processes of all functions' programs."""
    return {p.pid for p in w.family().sandboxed if any("bootstrap" in a for a in p.arguments)}


# -- answers in chunks

def test_chunks_without_the_header_of_streaming_are_forwarded_when_they_are_written(w, name):
    create(w, name, CHUNKS % ("printf 'first '; sleep 60", "text/html"), timeout=8)
    payload, complete = stream(w, name)
    assert payload == b"first " and "timed out" in complete["ErrorDetails"]


def test_a_caller_of_the_whole_gets_the_whole(w, name):
    create(w, name, CHUNKS % ("printf 'first '; printf second", "text/html"))
    assert w.invoke(name, {}).body == b"first second"
    payload, complete = stream(w, name)
    assert payload == b"first second" and "ErrorCode" not in complete


def test_trailers_tell_of_an_error_whatever_the_header_says(w, name):
    create(w, name, TRAILERS)
    answer = w.invoke(name, {})
    assert answer.function_error == "Unhandled" and answer.json == {"errorType": "MyError", "errorMessage": "midway"}
    payload, complete = stream(w, name)
    assert payload == b"first" and json.loads(complete["ErrorDetails"])["errorType"] == "MyError"
    assert [row["outcome"] for row in w.records(name) if row["trigger"] == "invoke"] == ["functionError"] * 2


@pytest.mark.parametrize("mode", ["BUFFERED", "RESPONSE_STREAM"])
def test_status_and_headers_of_an_answer_in_chunks(w, name, mode):
    create(w, name, CHUNKS % (PRELUDE, HTTP_TYPE))
    w.boto().create_function_url_config(FunctionName=name, AuthType="NONE", InvokeMode=mode)
    answer = w.http("GET", f"/fn/{name}/")
    assert (answer.status, answer.headers["content-type"], answer.headers["set-cookie"], answer.body) == (203, "text/plain", "a=1", b"one two")


@pytest.mark.parametrize("mode", ["BUFFERED", "RESPONSE_STREAM"])
def test_json_in_chunks_is_the_answer_of_a_function_that_does_not_stream(w, name, mode):
    create(w, name, CHUNKS % ("""printf '{"statusCode":201,"body":"made"}'""", "application/json"))
    w.boto().create_function_url_config(FunctionName=name, AuthType="NONE", InvokeMode=mode)
    answer = w.http("GET", f"/fn/{name}/")
    assert (answer.status, answer.body) == (201, b"made")


def test_the_cause_of_an_error_may_be_long(w, name):
    """Clients for Go, Java and Node send it in a field of the header, up to 1 MB of it, beside the error itself."""
    create(w, name, r"""
handle() {
    { printf 'Lambda-Runtime-Function-XRay-Error-Cause: {"message":"'; head -c 1040000 /dev/zero | tr '\0' x; printf '"}\n'; } >/tmp/cause
    curl -sS -o /dev/null -X POST -H @/tmp/cause -d '{"errorType":"MyError","errorMessage":"long"}' "$api/invocation/$request/error" || exit 9
}
""")
    answer = w.invoke(name, {})
    assert answer.function_error == "Unhandled" and answer.json == {"errorType": "MyError", "errorMessage": "long"}


# -- after the answer

@pytest.mark.parametrize("isolation", ["invocation", "environment"])
def test_what_a_runtime_does_until_it_asks_again_is_finished_logged_and_billed(w, name, isolation):
    """The Swift runtime's LambdaWithBackgroundProcessingHandler."""
    create(w, name, """handle() { answer -d '"early"'; sleep 0.5; echo "finished $request"; }""", isolation)
    answer = w.invoke(name, {})
    assert answer.function_error is None and answer.json == "early"
    wait_for(w, name, f"finished {answer.request_id}")
    wait_until(lambda: unattended(w, name), 60, lambda: f"a record of what followed the answer: {w.records(name)}")
    after, = unattended(w, name)
    assert after["billedMs"] >= 400 and after["outcome"] == w.record(answer.request_id)["outcome"] == "success"


def test_work_after_the_answer_ends_with_the_time_limit(w, name):
    create(w, name, """handle() { answer -d '"early"'; sleep 60; }""", timeout=1)
    answer = w.invoke(name, {})
    assert answer.function_error is None and answer.json == "early"
    wait_until(lambda: unattended(w, name), 60, lambda: f"a record of what followed the answer: {w.records(name)}")
    after, = unattended(w, name)
    assert after["outcome"] == "timeout"
    wait_for(w, name, f"RequestId: {answer.request_id} Error: Task timed out after 1.00 seconds")


def test_another_invocation_does_not_wait_for_work_after_an_answer(w, name):
    """One environment has answered and waits for a file that nobody makes there; it can serve nobody."""
    create(w, name, """handle() { answer -d '"early"'; until test -e /tmp/never; do sleep 0.1; done; }""", isolation="environment", timeout=30)
    assert [w.invoke(name, {}, timeout=20).json for _ in range(2)] == ["early", "early"]


def test_a_runtime_that_ends_after_its_answer_fails_no_other_invocation(w, name):
    """A panic in Go and an uncaught exception in Node are answered first; then the process ends."""
    create(w, name, """handle() { answer -d '"last"'; sleep 0.2; exit 1; }""", isolation="environment")
    for _ in range(4):
        answer = w.invoke(name, {})
        assert answer.function_error is None and answer.json == "last", answer


# -- the end

@pytest.mark.parametrize("ending, reason", [
    ("exit 0", "Runtime exited without providing a reason"), ("exit 3", "Runtime exited with error: exit status 3")])
def test_a_runtime_that_ends_says_the_same_to_the_caller_and_in_the_log(w, name, ending, reason):
    create(w, name, f"handle() {{ {ending}; }}")
    answer = w.invoke(name, {}, tail=True)
    assert answer.json == {"errorType": "Runtime.ExitError", "errorMessage": f"RequestId: {answer.request_id} Error: {reason}"}
    assert f"RequestId: {answer.request_id} Error: {reason}\nRuntime.ExitError" in answer.log


def test_init_that_ends_has_a_reason_too(w, name):
    create(w, name, "begin() { exit 0; }")
    assert w.invoke(name, {}).json == {"errorType": "Runtime.ExitError", "errorMessage": "Error: Runtime exited without providing a reason"}


def test_a_fault_of_the_processor_has_its_name(w, name):
    """A trap of Swift's or Rust's is an illegal instruction; this divides by zero."""
    w.create(name, "import faulthandler\ndef handler(event, context):\n    faulthandler._sigfpe()\n")
    assert w.invoke(name, {}).json["errorMessage"].endswith("Error: Runtime exited with error: signal: floating point exception")


def test_nobody_is_restored_from_a_snapshot(w, name):
    """Clients ask where AWS_LAMBDA_INITIALIZATION_TYPE is snap-start, and it never is: who asks all the same is told, and goes on."""
    create(w, name, """
begin() { restored=$(curl -sS -w ' %{http_code}' "$api/restore/next"); }
handle() { answer -d "$AWS_LAMBDA_INITIALIZATION_TYPE $restored"; }
""")
    kind, refusal = w.invoke(name, {}).body.decode().split(" ", 1)
    assert kind == "on-demand" and refusal.endswith(" 403"), refusal
    assert json.loads(refusal.removesuffix(" 403"))["errorType"] == "InvalidStateTransition"


def test_an_error_of_what_follows_a_restore_is_one_of_init(w, name):
    create(w, name, """
begin() { curl -sS -o /dev/null -X POST -d '{"errorType":"MyError","errorMessage":"no hook"}' "$api/restore/error"; exit 1; }
""")
    answer = w.invoke(name, {})
    assert answer.function_error == "Unhandled" and answer.json == {"errorType": "MyError", "errorMessage": "no hook"}


# What aws-lambda-go does for WithEnableSIGTERM: an extension within the runtime that registers for no event.
SIGTERM = """
begin() {
    curl -sS -o /dev/null -D /tmp/registered -X POST -d '{"events":[]}' -H 'Lambda-Extension-Name: EnableSIGTERM' \
        "http://$AWS_LAMBDA_RUNTIME_API/2020-01-01/extension/register"
    id=$(tr -d '\\r' </tmp/registered | while IFS=': ' read -r name value; do
        case $name in [Ll]ambda-[Ee]xtension-[Ii]dentifier) echo "$value" ;; esac
    done)
    curl -sS -o /dev/null -H "Lambda-Extension-Identifier: $id" "http://$AWS_LAMBDA_RUNTIME_API/2020-01-01/extension/event/next" &
    %s
}
# A shell runs its trap when it waits for a job.
next() { curl -sS -D /tmp/headers -o /tmp/event "$api/invocation/next" & wait $!; }
handle() { answer -d '"done"'; }
"""


@pytest.mark.parametrize("isolation", ["invocation", "environment"])
def test_a_runtime_with_an_extension_within_it_is_told_of_its_end(w, name, isolation):
    create(w, name, SIGTERM % "trap 'echo told of the end; exit 0' TERM", isolation)
    assert w.invoke(name, {}).json == "done"
    if isolation == "environment":
        assert w.invoke(name, {}).json == "done"
        retire(w, name)
    wait_for(w, name, "told of the end")
    wait_until(lambda: unattended(w, name), 60, lambda: f"a record of the end: {w.records(name)}")


def test_one_that_does_not_end_by_itself_is_ended(w, name):
    before = bootstraps(w)
    create(w, name, SIGTERM % "trap 'echo told of the end' TERM", isolation="environment")
    assert w.invoke(name, {}).json == "done"
    mine = bootstraps(w) - before
    assert mine
    retire(w, name)
    wait_for(w, name, "told of the end")
    wait_until(lambda: unattended(w, name), 60, lambda: f"a record of the end: {w.records(name)}")
    wait_until(lambda: not mine & bootstraps(w), 60, lambda: f"the end of {mine}: {bootstraps(w)}")


def test_a_runtime_without_extensions_is_not(w, name):
    before = bootstraps(w)
    create(w, name, """
begin() { trap 'echo told of the end; exit 0' TERM; }
next() { curl -sS -D /tmp/headers -o /tmp/event "$api/invocation/next" & wait $!; }
handle() { answer -d '"done"'; }
""", isolation="environment")
    assert w.invoke(name, {}).json == "done"
    mine = bootstraps(w) - before
    assert mine
    retire(w, name)
    wait_until(lambda: not mine & bootstraps(w), 60, lambda: f"the end of {mine}: {bootstraps(w)}")
    assert "told of the end" not in w.logs(name)
