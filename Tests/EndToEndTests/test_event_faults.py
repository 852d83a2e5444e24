"""Bad input for everything that brings events, and a disk that fills while they come: a clear error or a stated back-off, nothing
lost, the others served."""

import json
import subprocess
import threading

import pytest
from botocore.exceptions import ClientError

from harness.processes import wait_until
from harness.world import ACCOUNT

ECHO = "def handler(event, context):\n    return event\n"
QUICK = {"async": {"retryDelays": [0.05]}}


@pytest.fixture(scope="module")
def w(scratch, request):
    from harness.world import world
    with world(scratch / "faults", config=QUICK) as made:
        yield made


def queue(w, name, **attributes):
    url = w.boto(service="sqs").create_queue(QueueName=name, Attributes={k: str(v) for k, v in attributes.items()})["QueueUrl"]
    return url, f"arn:aws:sqs:us-east-1:{ACCOUNT}:{name}"


# MARK: Poison

def test_poison_in_a_queue_ends_with_the_dead_letters_and_the_rest_is_served(w, name):
    """What makes the function crash comes again as often as the queue says; what waits behind it does not wait for that."""
    w.create(name, """
        import os
        def handler(event, context):
            for record in event["Records"]:
                if record["body"] == "poison": os._exit(9)
                print("good", record["body"], flush=True)
    """.replace("\n        ", "\n"))
    dead_url, dead_arn = queue(w, name + "-dead")
    url, arn = queue(w, name, VisibilityTimeout=1, RedrivePolicy=json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": 3}))
    sqs = w.boto(service="sqs")
    sqs.send_message(QueueUrl=url, MessageBody="poison")
    for n in range(20):
        sqs.send_message(QueueUrl=url, MessageBody=f"m{n}")
    w.boto().create_event_source_mapping(FunctionName=name, EventSourceArn=arn, BatchSize=1)
    wait_until(lambda: w.logs(name).count("good m") == 20, 60, lambda: f"the good ones: {w.logs(name)}", 0.1)
    message, = wait_until(
        lambda: sqs.receive_message(QueueUrl=dead_url, WaitTimeSeconds=5, MessageSystemAttributeNames=["All"]).get("Messages"), 60, "a dead letter")
    assert message["Body"] == "poison"
    failures = [m for m in w.cli_json("queue", "peek", name + "-dead")["messages"]][0]["failures"]
    assert len(failures) >= 3 and failures[-1]["kind"] == "MaximumReceives", failures


def test_poison_event_is_given_up_and_others_of_the_function_run(w, name):
    w.create(name, "import os\ndef handler(event, context):\n    if event.get('poison'): os._exit(9)\n    return 1\n")
    ids = [w.invoke(name, {"poison": n == 3}, kind="Event").request_id for n in range(10)]

    def given_up():
        return [e["requestId"] for e in w.cli_json("async", "list", name)["events"] if e["isFailed"]]
    wait_until(lambda: given_up() == [ids[3]], 60, lambda: f"one is given up: {w.cli_json('async', 'list', name)}", 0.1)
    wait_until(lambda: sum(r["outcome"] == "success" and r["trigger"] == "async" for r in w.records(name)) == 9, 60,
               lambda: f"the others succeed: {[(r['outcome'], r['trigger']) for r in w.records(name)]}", 0.1)


def test_a_body_that_is_no_text_reaches_no_handler_and_is_refused_at_once(w, name):
    w.create(name, ECHO)
    for raw in (b"\xff\xfe", b"{", b"[1,]", b'{"a":1}x'):
        answer = w.invoke(name, raw=raw, kind="Event")
        assert answer.status == 400 and "json" in answer.text.lower(), answer
    assert not w.cli_json("async", "list", name)["events"]


# MARK: Over the limits

def test_batches_over_the_limit_are_refused_whole(w, name):
    url, _ = queue(w, name)
    sqs = w.boto(service="sqs")

    def refused(code, entries):
        with pytest.raises(ClientError) as caught:
            sqs.send_message_batch(QueueUrl=url, Entries=entries)
        assert code in caught.value.response["Error"]["Code"], caught.value.response
    refused("TooManyEntriesInBatchRequest", [{"Id": str(n), "MessageBody": "x"} for n in range(11)])
    refused("BatchRequestTooLong", [{"Id": str(n), "MessageBody": "x" * 300_000} for n in range(4)])
    refused("BatchEntryIdsNotDistinct", [{"Id": "a", "MessageBody": "x"}] * 2)
    assert "Messages" not in sqs.receive_message(QueueUrl=url)


@pytest.mark.parametrize("size", [0, 10_001, -1])
def test_a_batch_size_that_cannot_be_is_refused(w, name, size):
    w.create(name, ECHO)
    _, arn = queue(w, name)
    answer = w.http("POST", "/2015-03-31/event-source-mappings/", json.dumps({"FunctionName": name, "EventSourceArn": arn, "BatchSize": size}).encode())
    assert answer.status == 400 and "BatchSize" in answer.text or "batchSize" in answer.text, answer


@pytest.mark.parametrize("pattern, named", [
    ("{", "JSON"), ('{"body": 1}', "body"), ('{"body": [{"nonsense": 1}]}', "nonsense"), ('{"body": [{"numeric": ["<", "x"]}]}', "numeric"),
    ('{"body": [{"wildcard": "a**b"}]}', "wildcard"), ("[]", "object"),
])
def test_a_filter_that_does_not_parse_is_refused_with_the_place(w, name, pattern, named):
    w.create(name, ECHO)
    _, arn = queue(w, name)
    with pytest.raises(ClientError) as caught:
        w.boto().create_event_source_mapping(FunctionName=name, EventSourceArn=arn, FilterCriteria={"Filters": [{"Pattern": pattern}]})
    assert caught.value.response["Error"]["Code"] == "InvalidParameterValueException"
    assert named.lower() in caught.value.response["Error"]["Message"].lower(), caught.value.response


@pytest.mark.parametrize("expression, named", [
    ("cron(0 0 30 2 ? *)", "never due"), ("cron(0 0 ? * MON#5 2020)", "never due"), ("cron(0 0 * * * *)", "?"), ("cron(* * * *)", "six"),
    ("cron(60 * * * ? *)", "minutes"), ("cron(0 24 * * ? *)", "hours"), ("rate(0 minutes)", "rate"), ("rate(1 fortnight)", "fortnight"),
    ("at(2020-01-01T00:00:00)", "never due"), ("at(2026-13-01T00:00:00)", "at("), ("every day", "every day"),
])
def test_a_schedule_that_cannot_be_is_refused_with_why(w, name, expression, named):
    w.create(name, ECHO)
    said = w.cli("schedule", "set", name, expression, name, check=False)
    assert said.returncode == 1 and named in said.stderr, said.stderr


# MARK: A disk that fills

def inside(w, *command):
    """In the server's own mount namespace, where its disk is."""
    return subprocess.run(["nsenter", "-m", "-t", str(w.process.pid), *command], capture_output=True, text=True)


@pytest.mark.root
@pytest.mark.timeout(300)
def test_a_disk_that_fills_while_events_are_accepted(make_world, scratch):
    """Senders go on while the disk fills, is full and has room again: each event that was accepted runs, each that was not got a
    clear error of the service's, other functions answer, and nobody has to start anything again."""
    data = scratch / "small-disk"
    data.mkdir(mode=0o755)
    mount = f'mount -t tmpfs -o size=64m,mode=755 none {data} && exec "$@"'
    w = make_world(data=data, config=QUICK, wrapper=["unshare", "-m", "--propagation", "private", "sh", "-c", mount, "sh"])
    w.create("take", "def handler(event, context):\n    print('took', event['n'], flush=True)\n")
    w.create("echo", ECHO)
    sqs = w.boto(service="sqs")
    url, _ = queue(w, "orders")
    assert w.invoke("echo", 1).status == 200
    accepted, refused, sent, stop = {}, [], [], threading.Event()

    def send():
        n = 0
        while not stop.is_set():
            n += 1
            answer = w.invoke("take", {"n": n, "fill": "x" * 20_000}, kind="Event")
            if answer.status == 202:
                accepted[n] = answer.request_id
            else:
                refused.append(answer)
            stop.wait(0.02)
    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    try:
        wait_until(lambda: len(accepted) >= 20, 60, "events are accepted")
        inside(w, "sh", "-c", f"cat /dev/zero > {data}/ballast")
        wait_until(lambda: len(refused) >= 5, 60, lambda: f"events are refused: {len(accepted)} accepted\n{w.log_text(2000)}")
        with pytest.raises(ClientError) as caught:
            for _ in range(200):
                sqs.send_message(QueueUrl=url, MessageBody="x" * 20_000)
                sent.append(1)
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] >= 500, caught.value.response
        schedule = w.cli("schedule", "set", "s", "rate(1 hour)", "echo", check=False)
        assert w.health() == 200
        before = len(accepted)
        assert inside(w, "rm", f"{data}/ballast").returncode == 0
        wait_until(lambda: len(accepted) > before + 5, 60, lambda: f"events are accepted again\n{w.log_text(3000)}")
    finally:
        stop.set()
        sender.join(30)
    for answer in refused:
        assert answer.status in (500, 503) and "disk" in answer.text.lower() or "space" in answer.text.lower(), answer
    if schedule.returncode:
        assert "Traceback" not in schedule.stderr and schedule.stderr.startswith("martlet:")
    wait_until(lambda: not w.cli_json("async", "list", "take", "--limit", 1000)["events"], 90, lambda: f"all ran: {w.cli('async', 'list').stdout[:2000]}", 0.2)
    done = {r["requestId"] for r in w.records("take") if r["outcome"] == "success"}
    lost = [n for n, request in accepted.items() if request not in done]
    assert not lost, f"{len(lost)} of {len(accepted)} accepted events were lost: {lost[:5]}"
    assert len(sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=1).get("Messages", [])) == (1 if sent else 0)
    assert w.invoke("echo", 1).status == 200
    print(f"{len(accepted)} accepted, {len(refused)} refused")
