"""Answers that leave while their function still writes them."""

import http.client
import json
import socket

import pytest

from harness.processes import wait_until
from harness.world import ECHO

PARTS = """
import os, time
def handler(event, context):
    def parts():
        yield "first "
        if event.get("wait"): time.sleep(60)
        if event.get("fail"): raise ValueError("broke off")
        for _ in range(event.get("blocks", 0)): yield bytes(1 << 20)
        yield {"last": True}
    return parts()
"""

NODE = """
export const handler = awslambda.streamifyResponse(async (event, stream) => {
  if (event.http) stream = awslambda.HttpResponseStream.from(stream, { statusCode: 203, headers: { 'content-type': 'text/plain' } });
  stream.write('one ');
  if (event.wait) await new Promise((resolve) => setTimeout(resolve, 60_000));
  if (event.fail) throw new RangeError('broke off');
  stream.end('two');
});
"""

# The Runtime API by hand: chunks through curl, or a request with trailers written out.
SHELL = r"""#!/bin/sh
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime"
while :; do
    curl -sS -D /tmp/headers -o /tmp/event "$api/invocation/next" || exit 70
    request=$(tr -d '\r' </tmp/headers | while IFS=': ' read -r name value; do
        case $name in [Ll]ambda-[Rr]untime-[Aa]ws-[Rr]equest-[Ii]d) echo "$value" ;; esac
    done)
    case $_HANDLER in
    shell.parts)
        { printf 'first '; printf 'second'; } | curl -sS -o /dev/null -X POST -T - -H 'Content-Type: text/plain' \
            -H 'Lambda-Runtime-Function-Response-Mode: streaming' "$api/invocation/$request/response" ;;
    shell.trailers)
        body=$(printf '{"errorType":"Shell.Broke","errorMessage":"midway"}' | base64 -w 0)
        { printf 'POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\r\nHost: runtime\r\nTransfer-Encoding: chunked\r\n' "$request"
          printf 'Lambda-Runtime-Function-Response-Mode: streaming\r\nTrailer: Lambda-Runtime-Function-Error-Type\r\n\r\n5\r\nfirst\r\n0\r\n'
          printf 'Lambda-Runtime-Function-Error-Type: Shell.Broke\r\nLambda-Runtime-Function-Error-Body: %s\r\n\r\n' "$body"
        } | curl -sS -m 1 "telnet://$AWS_LAMBDA_RUNTIME_API" >/dev/null 2>&1 ;;
    esac
done
"""


@pytest.fixture(scope="module")
def parts(w):
    w.create("parts", PARTS, timeout=3)
    return "parts"


def stream(w, name, event, **options):
    """The payload, and the members of InvokeComplete; botocore checks the framing and the checksums."""
    answer = w.boto().invoke_with_response_stream(FunctionName=name, Payload=json.dumps(event), **options)
    assert answer["StatusCode"] == 200
    payload, complete = bytearray(), None
    for one in answer["EventStream"]:
        assert complete is None
        if "PayloadChunk" in one:
            payload += one["PayloadChunk"]["Payload"]
        else:
            complete = one["InvokeComplete"]
    return bytes(payload), complete


def test_parts_arrive_with_the_log(w, parts):
    payload, complete = stream(w, parts, {"blocks": 3}, LogType="Tail")
    assert payload == b"first " + bytes(3 << 20) + b'{"last": true}'
    assert "ErrorCode" not in complete and complete["LogResult"]


def test_a_part_is_forwarded_when_it_is_written(w, parts):
    """It writes once and then waits beyond its time limit: what came before can only have come at once."""
    payload, complete = stream(w, parts, {"wait": True})
    assert payload == b"first "
    assert complete["ErrorCode"] == "Unhandled" and "timed out" in complete["ErrorDetails"]


def test_an_error_in_the_middle_ends_the_stream(w, parts):
    payload, complete = stream(w, parts, {"fail": True})
    assert payload == b"first " and json.loads(complete["ErrorDetails"])["errorType"] == "ValueError"


def test_a_stream_has_one_record_with_its_bytes(w, parts):
    answer = w.boto().invoke_with_response_stream(FunctionName=parts, Payload=json.dumps({"blocks": 2}))
    request = answer["ResponseMetadata"]["RequestId"]
    for _ in answer["EventStream"]:
        pass
    rows = [row for row in w.records(parts) if row["requestId"] == request]
    assert len(rows) == 1 and rows[0]["outcome"] == "success" and rows[0]["bytesOut"] == 6 + (2 << 20) + 14, rows


def test_buffered_functions_and_buffered_callers(w, parts, name):
    w.create(name, ECHO)
    payload, complete = stream(w, name, {"n": 1})
    assert json.loads(payload) == {"n": 1} and "ErrorCode" not in complete
    assert w.invoke(parts, {}).body == b'first {"last": true}'
    answer = w.invoke(parts, {"blocks": 7})
    assert answer.function_error and answer.json["errorType"] == "Function.ResponseSizeTooLarge"


def test_more_than_200_megabytes_end_the_stream(w, name):
    w.create(name, PARTS, timeout=120, memory=256)
    payload, complete = stream(w, name, {"blocks": 201})
    assert len(payload) <= 200 << 20 and "Function.ResponseSizeTooLarge" in complete["ErrorDetails"]


def test_a_client_that_goes_ends_the_function(w, name):
    """It could send 190 MB; what a client that does not read lets it send is far less."""
    w.create(name, PARTS, timeout=60, memory=256)
    body = json.dumps({"blocks": 190}).encode()
    with w.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.sendall(b"POST /2021-11-15/functions/%s/response-streaming-invocations HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n%s"
                           % (name.encode(), len(body), body))
        assert b"200 OK" in connection.recv(4096)
    rows = wait_until(lambda: [row for row in w.records(name) if row["outcome"] == "cancelled"], 60, "the record of the stream")
    assert len(rows) == 1 and rows[0]["bytesOut"] < 100 << 20
    assert stream(w, name, {})[0] == b'first {"last": true}'


def test_refusals_are_lambdas(w, parts):
    client = w.boto()
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.invoke_with_response_stream(FunctionName="nobody")
    assert client.invoke_with_response_stream(FunctionName=parts, InvocationType="DryRun")["StatusCode"] == 204
    path = f"/2021-11-15/functions/{parts}/response-streaming-invocations"
    answer = w.http("POST", path, b"{}", {"X-Amz-Invocation-Type": "Event"})
    assert (answer.status, answer.error_type) == (400, "InvalidParameterValueException")
    assert w.http("POST", path, b"{").error_type == "InvalidRequestContentException"


def test_a_stream_that_a_kill_ended_is_on_the_bill_once(make_world):
    w = make_world()
    w.create("slow", PARTS, timeout=60)
    answer = w.boto().invoke_with_response_stream(FunctionName="slow", Payload=b'{"wait": true}')
    request = answer["ResponseMetadata"]["RequestId"]
    assert next(iter(answer["EventStream"]))["PayloadChunk"]["Payload"] == b"first "
    w.kill()
    w.start()
    rows = [row for row in w.records("slow") if row["requestId"] == request]
    assert [row["outcome"] for row in rows] == ["interrupted"], rows


def test_node_streams(w, name):
    if not any(r["name"].startswith("nodejs") for r in w.http("GET", "/martlet/v1/node").json["runtimes"]):
        pytest.skip("this machine has no Node 20 or newer")
    w.create(name, {"index.mjs": NODE}, handler="index.handler", runtime="nodejs", timeout=3)
    assert stream(w, name, {})[0] == b"one two"
    payload, complete = stream(w, name, {"wait": True})
    assert payload == b"one " and "timed out" in complete["ErrorDetails"]
    payload, complete = stream(w, name, {"fail": True})
    assert payload == b"one " and json.loads(complete["ErrorDetails"])["errorType"] == "RangeError"
    payload, _ = stream(w, name, {"http": True})
    assert payload == b'{"statusCode":203,"headers":{"content-type":"text/plain"}}' + bytes(8) + b"one two"
    assert w.invoke(name, {}).body == b"one two"


def test_the_runtime_api_takes_chunks_and_trailers(w, name):
    for handler in ("parts", "trailers"):
        w.create(f"{handler}-{name}"[:60], {"bootstrap": SHELL}, handler=f"shell.{handler}", runtime="provided.al2023", timeout=10)
    assert stream(w, f"parts-{name}"[:60], {})[0] == b"first second"
    assert w.invoke(f"parts-{name}"[:60], {}).body == b"first second"
    payload, complete = stream(w, f"trailers-{name}"[:60], {})
    assert payload == b"first" and json.loads(complete["ErrorDetails"]) == {"errorType": "Shell.Broke", "errorMessage": "midway"}
    answer = w.invoke(f"trailers-{name}"[:60], {})
    assert answer.function_error and answer.json["errorType"] == "Shell.Broke"


def test_a_function_url_streams_status_headers_and_body(w, name):
    if not any(r["name"].startswith("nodejs") for r in w.http("GET", "/martlet/v1/node").json["runtimes"]):
        pytest.skip("this machine has no Node 20 or newer")
    code = NODE.replace("event.http", "true").replace("event.wait", "event.rawQueryString === 'wait'").replace("event.fail", "false")
    w.create(name, {"index.mjs": code}, handler="index.handler", runtime="nodejs", timeout=3)
    client = w.boto()
    assert client.create_function_url_config(FunctionName=name, AuthType="NONE", InvokeMode="RESPONSE_STREAM")["InvokeMode"] == "RESPONSE_STREAM"
    answer = w.http("GET", f"/fn/{name}")
    assert (answer.status, answer.headers["content-type"], answer.headers["transfer-encoding"]) == (203, "text/plain", "chunked")
    assert answer.body == b"one two"
    # What came before the time limit came at once; the answer has no end.
    with pytest.raises(http.client.IncompleteRead) as broken:
        w.http("GET", f"/fn/{name}?wait")
    assert broken.value.partial == b"one "
    assert client.update_function_url_config(FunctionName=name, InvokeMode="BUFFERED")["InvokeMode"] == "BUFFERED"
    answer = w.http("GET", f"/fn/{name}")
    assert (answer.status, answer.body) == (203, b"one two") and "transfer-encoding" not in answer.headers
