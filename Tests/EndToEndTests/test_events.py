"""Asynchronous invocations: accepted durably, attempted by Lambda's rules, their outcomes delivered, each attempt on the bill."""

import json
import time

import pytest
from botocore.exceptions import ClientError

from harness.processes import wait_until

# What a function did is seen in its log: one line for each run.
CODE = """
import json, time
def handler(event, context):
    print("run", json.dumps(event, sort_keys=True), context.aws_request_id, flush=True)
    if event.get("sleep"): time.sleep(event["sleep"])
    if event.get("until"): time.sleep(max(0, event["until"] - time.time()))
    if event.get("fail"): raise ValueError("no " + str(event["fail"]))
    return {"got": event}
"""
QUICK = {"async": {"retryDelays": [0.2, 0.4]}}


@pytest.fixture(scope="module")
def w(scratch, request):
    from harness.world import world
    with world(scratch / "events", config=QUICK) as made:
        yield made


def send(w, name, payload, **options):
    answer = w.boto().invoke(FunctionName=name, InvocationType="Event", Payload=json.dumps(payload), **options)
    assert answer["StatusCode"] == 202 and answer["Payload"].read() == b"", answer
    return answer["ResponseMetadata"]["RequestId"]


def attempts(w, request_id):
    answer = w.http("GET", f"/martlet/v1/usage/invocations/{request_id}")
    return answer.json["rows"] if answer.status == 200 else []


def wait_attempts(w, request_id, count, limit=60):
    wait_until(lambda: len(attempts(w, request_id)) >= count, limit, lambda: f"{count} attempts of {request_id}: {attempts(w, request_id)}\n{w.log_text(2000)}")
    return attempts(w, request_id)


def events_at(w, name):
    """What the function `name`, a destination, was given."""
    lines = [line.split("run ", 1)[1] for line in w.logs(name).splitlines() if "run {" in line]
    return [json.loads(line.rsplit(" ", 1)[0]) for line in lines]


def wait_events(w, name, count, limit=60):
    wait_until(lambda: len(events_at(w, name)) >= count, limit, lambda: f"{count} events at {name}\n{w.log_text(2000)}")
    return events_at(w, name)


def test_event_is_accepted_and_runs_once_with_its_request_id(w, name):
    w.create(name, CODE)
    request_id = send(w, name, {"n": 1})
    rows = wait_attempts(w, request_id, 1)
    assert len(rows) == 1 and rows[0]["trigger"] == "async" and rows[0]["attempt"] == 1 and rows[0]["outcome"] == "success"
    assert 0 <= rows[0]["ageMs"] < 30_000
    assert f'run {{"n": 1}} {request_id}' in w.logs(name)


def test_function_scaled_to_zero_is_woken(w, name):
    w.create(name, CODE)
    assert w.describe(name)["state"] == "registered"
    assert wait_attempts(w, send(w, name, {}), 1)[0]["startKind"] == "cold"


def test_function_error_is_tried_twice_more_under_the_same_request_id(w, name):
    w.create(name, CODE)
    request_id = send(w, name, {"fail": "x"})
    rows = wait_attempts(w, request_id, 3)
    assert [r["attempt"] for r in rows] == [1, 2, 3] and {r["outcome"] for r in rows} == {"functionError"}
    starts = [r["ageMs"] for r in rows]
    assert starts[1] - starts[0] >= 180 and starts[2] - starts[1] >= 360
    time.sleep(1)
    assert len(attempts(w, request_id)) == 3


def test_retries_are_as_many_as_configured(w, name):
    w.create(name, CODE)
    w.boto().put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=0)
    request_id = send(w, name, {"fail": "x"})
    wait_attempts(w, request_id, 1)
    time.sleep(1)
    assert len(attempts(w, request_id)) == 1


def test_events_with_one_idempotency_key_run_once(w, name):
    w.create(name, CODE)
    first = w.cli("invoke", name, "--event", "--idempotency-key", "order-17", "--payload", '{"n": 1}').stdout.strip()
    again = w.invoke(name, {"n": 2}, kind="Event", headers={"X-Martlet-Idempotency-Key": "order-17"})
    assert again.status == 202 and again.request_id == first
    other = w.cli_json("invoke", name, "--event", "--idempotency-key", "order-18")["requestId"]
    assert other != first
    wait_attempts(w, other, 1)
    wait_attempts(w, first, 1)
    assert sorted(r["requestId"] for r in w.records(name) if r["trigger"] == "async") == sorted([first, other])
    assert [e for e in events_at(w, name)] in ([{"n": 1}, {}], [{}, {"n": 1}])
    for arguments in (["--idempotency-key", "k"], ["--event", "--log"]):
        assert w.cli("invoke", name, *arguments, check=False).returncode == 64
    said = w.cli("invoke", name, "--event", "--idempotency-key", "two words", check=False)
    assert said.returncode == 1 and "X-Martlet-Idempotency-Key" in said.stderr


def test_an_idempotency_key_holds_over_a_kill(make_world, name):
    w = make_world()
    w.create(name, CODE)
    first = w.cli("invoke", name, "--event", "--idempotency-key", "k").stdout.strip()
    w.kill()
    w.start()
    assert w.cli("invoke", name, "--event", "--idempotency-key", "k").stdout.strip() == first


def test_each_attempts_failure_and_log_are_shown(make_world, name):
    w = make_world(config={"async": {"retryDelays": [0.05]}})
    w.create(name, "def handler(event, context):\n    print('weighing', event['n'])\n    raise ValueError(f\"too heavy: {event['n']}\")\n")
    w.boto().put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=2)
    request_id = send(w, name, {"n": 7})
    wait_until(lambda: [e for e in w.cli_json("async", "list", name)["events"] if e["isFailed"]], 60, "the event is given up")
    shown = w.cli("async", "list", name, "--request", request_id).stdout
    for attempt in (1, 2, 3):
        assert f"attempt {attempt}  " in shown, shown
    assert shown.count("ValueError: too heavy: 7") >= 3 and shown.count("weighing 7") == 3, shown
    failures = w.cli_json("async", "list", name, "--request", request_id)["events"][0]["failures"]
    assert [f["attempt"] for f in failures] == [1, 2, 3] and {f["kind"] for f in failures} == {"ValueError"}
    w.cli("async", "discard", name, request_id)
    assert not w.cli_json("async", "list", name)["events"]


def test_event_goes_to_the_version_it_was_sent_to(w, name):
    w.create(name, CODE)
    version = w.boto().publish_version(FunctionName=name)["Version"]
    assert wait_attempts(w, send(w, name, {}, Qualifier=version), 1)[0]["version"] == version


def test_legacy_operation_accepts_too(w, name):
    w.create(name, CODE)
    answer = w.boto().invoke_async(FunctionName=name, InvokeArgs=b'{"old": true}')
    assert answer["Status"] == 202
    wait_attempts(w, answer["ResponseMetadata"]["RequestId"], 1)


def test_payload_limit_is_one_megabyte(w, name):
    w.create(name, "def handler(event, context):\n    return len(event)\n")
    most = json.dumps("x" * (1_048_576 - 2)).encode()
    answer = w.invoke(name, raw=most, kind="Event")
    assert answer.status == 202
    wait_attempts(w, answer.request_id, 1)
    client = w.boto()
    with pytest.raises(client.exceptions.RequestTooLargeException) as error:
        client.invoke(FunctionName=name, InvocationType="Event", Payload=most[:-1] + b'x"')
    assert "1048576" in str(error.value)


def test_what_is_no_json_or_no_function_is_refused_at_once(w, name):
    w.create(name, CODE)
    assert w.invoke(name, raw=b"{", kind="Event").error_type == "InvalidRequestContentException"
    assert w.invoke("nobody-" + name, {}, kind="Event").error_type == "ResourceNotFoundException"
    assert w.invoke(name, {}, kind="Event", qualifier="7").error_type == "ResourceNotFoundException"


def test_success_is_told_to_the_destination_in_lambdas_record(w, name):
    w.create(name, CODE)
    sink = name[:50] + "-sink"
    arn = w.create(sink, CODE)["FunctionArn"]
    w.boto().put_function_event_invoke_config(FunctionName=name, DestinationConfig={"OnSuccess": {"Destination": arn}})
    request_id = send(w, name, {"n": 5})
    record = wait_events(w, sink, 1)[0]
    assert record["version"] == "1.0" and record["timestamp"].endswith("Z")
    assert record["requestContext"] == {
        "requestId": request_id, "functionArn": f"arn:aws:lambda:us-east-1:123456789012:function:{name}:$LATEST",
        "condition": "Success", "approximateInvokeCount": 1}
    assert record["requestPayload"] == {"n": 5} and record["responsePayload"] == {"got": {"n": 5}}
    assert record["responseContext"] == {"statusCode": 200, "executedVersion": "$LATEST"}


def test_failure_is_told_after_the_last_attempt(w, name):
    w.create(name, CODE)
    sink = name[:50] + "-sink"
    arn = w.create(sink, CODE)["FunctionArn"]
    w.boto().put_function_event_invoke_config(
        FunctionName=name, MaximumRetryAttempts=1, DestinationConfig={"OnFailure": {"Destination": arn}})
    request_id = send(w, name, {"fail": "it"})
    record = wait_events(w, sink, 1)[0]
    assert record["requestContext"]["condition"] == "RetriesExhausted" and record["requestContext"]["approximateInvokeCount"] == 2
    assert record["responseContext"]["functionError"] == "Unhandled"
    assert record["responsePayload"]["errorType"] == "ValueError" and record["responsePayload"]["errorMessage"] == "no it"
    assert len(attempts(w, request_id)) == 2


def test_stopped_function_sends_its_events_to_failure_at_once(w, name):
    w.create(name, CODE)
    sink = name[:50] + "-sink"
    arn = w.create(sink, CODE)["FunctionArn"]
    client = w.boto()
    client.put_function_event_invoke_config(FunctionName=name, DestinationConfig={"OnFailure": {"Destination": arn}})
    client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    request_id = send(w, name, {"n": 1})
    record = wait_events(w, sink, 1)[0]
    assert record["requestContext"]["condition"] == "ZeroReservedConcurrency" and record["requestContext"]["approximateInvokeCount"] == 0
    assert "responseContext" not in record and attempts(w, request_id) == []


def test_more_events_than_concurrency_all_run_and_synchronous_calls_are_served_between(w, name):
    w.create(name, CODE)
    w.boto().put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=3)
    ids = []

    def served_between():
        ids.extend(w.invoke(name, {"n": len(ids) + n, "sleep": 0.05}, kind="Event").request_id for n in range(40))
        assert w.call(name, {"n": "sync"})["got"]["n"] == "sync"
        # On a machine that was busy with something else while they were sent all may have run before it.
        return not attempts(w, ids[-1])
    wait_until(served_between, 120, "a synchronous call was answered while events waited", 0)
    assert len(ids) >= 40
    for request_id in ids:
        rows = wait_attempts(w, request_id, 1, 60)
        assert [r["outcome"] for r in rows] == ["success"], rows


def test_deleting_a_function_takes_its_events_with_it(w, name):
    w.create(name, CODE)
    w.boto().put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=2)
    request_id = send(w, name, {"fail": "x"})
    wait_attempts(w, request_id, 1)
    w.delete(name)
    w.create(name, CODE)
    time.sleep(1)
    assert len(attempts(w, request_id)) <= 2
    wait_attempts(w, send(w, name, {"new": 1}), 1)


# -- the five EventInvokeConfig operations


def test_config_is_put_got_updated_listed_and_deleted(w, name):
    w.create(name, CODE)
    client = w.boto()
    version = client.publish_version(FunctionName=name)["Version"]
    put = client.put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=1, MaximumEventAgeInSeconds=60)
    assert put["FunctionArn"].endswith(f":function:{name}:$LATEST")
    assert put["MaximumRetryAttempts"] == 1 and put["MaximumEventAgeInSeconds"] == 60
    assert put["DestinationConfig"] == {"OnSuccess": {}, "OnFailure": {}}
    assert abs(put["LastModified"].timestamp() - time.time()) < 60
    assert client.get_function_event_invoke_config(FunctionName=name)["MaximumRetryAttempts"] == 1
    client.update_function_event_invoke_config(FunctionName=name, MaximumEventAgeInSeconds=100)
    got = client.get_function_event_invoke_config(FunctionName=name)
    assert (got["MaximumRetryAttempts"], got["MaximumEventAgeInSeconds"]) == (1, 100)
    client.put_function_event_invoke_config(FunctionName=name, Qualifier=version, MaximumRetryAttempts=0)
    listed = client.list_function_event_invoke_configs(FunctionName=name)["FunctionEventInvokeConfigs"]
    assert [c["FunctionArn"].rsplit(":", 1)[1] for c in listed] == ["$LATEST", version]
    page = client.list_function_event_invoke_configs(FunctionName=name, MaxItems=1)
    assert len(page["FunctionEventInvokeConfigs"]) == 1
    rest = client.list_function_event_invoke_configs(FunctionName=name, MaxItems=1, Marker=page["NextMarker"])
    assert rest["FunctionEventInvokeConfigs"][0]["FunctionArn"].endswith(":" + version) and "NextMarker" not in rest
    put = client.put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=2)
    assert "MaximumEventAgeInSeconds" not in put, "Put begins anew"
    client.delete_function_event_invoke_config(FunctionName=name)
    for call in (client.get_function_event_invoke_config, client.delete_function_event_invoke_config):
        with pytest.raises(client.exceptions.ResourceNotFoundException) as error:
            call(FunctionName=name)
        assert "doesn't have an EventInvokeConfig" in str(error.value)
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.update_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=1)


@pytest.mark.parametrize("options, word", [
    ({"MaximumRetryAttempts": 3}, "at 'maximumRetryAttempts' failed"),
    ({"MaximumEventAgeInSeconds": 59}, "at 'maximumEventAgeInSeconds' failed"),
    ({"MaximumEventAgeInSeconds": 21_601}, "at 'maximumEventAgeInSeconds' failed"),
    ({"DestinationConfig": {"OnSuccess": {"Destination": "arn:aws:events:us-east-1:123456789012:event-bus/none"}}}, "event bus none does not exist"),
    ({"DestinationConfig": {"OnSuccess": {"Destination": "arn:aws:sns:us-east-1:123456789012:topic"}}}, "invalid"),
    ({"DestinationConfig": {"OnFailure": {"Destination": "arn:aws:sqs:us-east-1:123456789012:nowhere"}}}, "does not exist"),
    ({"DestinationConfig": {"OnFailure": {"Destination": "arn:aws:lambda:us-east-1:123456789012:function:nobody"}}}, "not found"),
    ({"DestinationConfig": {"OnFailure": {"Destination": "arn:aws:sqs:us-east-1:999999999999:other"}}}, "account"),
])
def test_bad_config_is_refused_with_the_member_named(w, name, options, word):
    w.create(name, CODE)
    path = f"/2019-09-25/functions/{name}/event-invoke-config"
    answer = w.http("PUT", path, json.dumps(options).encode())
    # A number out of its range breaks the service model, a target that is not there does not.
    code = "ValidationException" if "failed" in word else "InvalidParameterValueException"
    assert answer.status == 400 and answer.error_type == code and word in answer.text, answer


def test_dead_letter_target_must_be_a_queue_that_exists(w, name):
    for arn in ("arn:aws:sns:us-east-1:123456789012:topic", "arn:aws:sqs:us-east-1:123456789012:nowhere"):
        with pytest.raises(ClientError) as error:
            w.create(name, CODE, DeadLetterConfig={"TargetArn": arn})
        assert error.value.response["Error"]["Code"] == "InvalidParameterValueException"
        assert "DeadLetterConfig" in str(error.value)


# -- crash


def test_attempt_that_a_crash_ends_is_metered_once_and_made_again(make_world, name):
    w = make_world(config=QUICK)
    w.create(name, CODE, timeout=60)
    # Long enough that it still runs when its first line has been seen; the second attempt has only the rest of it to sleep.
    request_id = send(w, name, {"until": time.time() + 8})
    wait_until(lambda: "run {" in w.http("GET", f"/martlet/v1/logs/{name}").text, 60, lambda: "the attempt runs")
    w.kill()
    w.start()
    rows = wait_attempts(w, request_id, 2)
    assert [(r["attempt"], r["outcome"]) for r in rows] == [(1, "interrupted"), (2, "success")]


def test_drain_lets_attempts_end_and_the_rest_wait_for_the_next_start(make_world, name):
    w = make_world(config=QUICK)
    w.create(name, CODE, timeout=60)
    w.boto().put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
    ids = [send(w, name, {"sleep": 0.5, "n": n}) for n in range(4)]
    wait_until(lambda: "run {" in w.logs(name), 60, lambda: "the first attempt runs")
    assert w.terminate() == 0
    w.start()
    for request_id in ids:
        rows = wait_attempts(w, request_id, 1)
        assert [r["outcome"] for r in rows] == ["success"], rows
