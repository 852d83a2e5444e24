"""Event source mappings: a queue's messages reach their function in batches, and leave the queue only when it has taken them."""

import itertools
import json
import uuid

import pytest
from botocore.exceptions import ClientError

from harness.processes import wait_until
from harness.world import SAMPLES

# What came is seen in the log: one line for each batch. A body may ask for a failure.
CODE = """
import json, time
def handler(event, context):
    bodies = [record["body"] for record in event["Records"]]
    print("batch", json.dumps(bodies), flush=True)
    failures = [record["messageId"] for record in event["Records"] if record["body"].startswith("partial")]
    if any(body.startswith("fail") for body in bodies): raise ValueError("no " + bodies[0])
    if any(body.startswith("slow") for body in bodies): time.sleep(1)
    return {"batchItemFailures": [{"itemIdentifier": i} for i in failures]}
"""
SHOW = """
import json
def handler(event, context):
    print("event", json.dumps(event), flush=True)
"""


def make_queue(w, name, fifo=False, **attributes):
    sqs = w.boto(service="sqs")
    full = name + ".fifo" if fifo else name
    if fifo:
        attributes = {"FifoQueue": "true", "ContentBasedDeduplication": "true", **attributes}
    url = sqs.create_queue(QueueName=full, Attributes={k: str(v) for k, v in attributes.items()})["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    return url, arn


def connect(w, name, arn, **options):
    return w.boto().create_event_source_mapping(FunctionName=name, EventSourceArn=arn, **options)["UUID"]


def batches(w, name):
    return [json.loads(line.split("batch ", 1)[1]) for line in w.logs(name).splitlines() if "batch [" in line]


def bodies(w, name):
    return [body for batch in batches(w, name) for body in batch]


def send(w, url, *texts, **options):
    sqs = w.boto(service="sqs")
    for begin in range(0, len(texts), 10):
        answer = sqs.send_message_batch(QueueUrl=url, Entries=[
            {"Id": str(i), "MessageBody": text, **options} for i, text in enumerate(texts[begin:begin + 10])])
        assert not answer.get("Failed"), answer


def left(w, url):
    found = w.boto(service="sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return tuple(int(found[k]) for k in ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"))


def wait_empty(w, url, limit=60):
    wait_until(lambda: left(w, url) == (0, 0, 0), limit, lambda: f"the queue is empty: {left(w, url)}\n{w.log_text(1500)}")


def test_every_message_reaches_the_function_once_and_leaves_the_queue(w, name):
    w.create(name, CODE)
    url, arn = make_queue(w, name)
    connect(w, name, arn)
    texts = [f"message {i}" for i in range(57)]
    send(w, url, *texts)
    wait_empty(w, url)
    wait_until(lambda: len(bodies(w, name)) >= 57, 60, lambda: len(bodies(w, name)))
    assert sorted(bodies(w, name)) == sorted(texts)
    assert max(map(len, batches(w, name))) <= 10
    def mapping():
        return w.boto().list_event_source_mappings(FunctionName=name)["EventSourceMappings"][0]
    wait_until(lambda: mapping()["LastProcessingResult"] == "OK", 60, mapping)
    assert mapping()["State"] == "Enabled"
    triggers = {row["trigger"] for row in w.records(name) if row["trigger"] != "initialization"}
    assert triggers == {"queue"}


def test_the_event_has_lambdas_form(w, name):
    w.create(name, SHOW)
    url, arn = make_queue(w, name)
    connect(w, name, arn, BatchSize=1)
    sent = w.boto(service="sqs").send_message(
        QueueUrl=url, MessageBody="hello", MessageAttributes={"kind": {"DataType": "String", "StringValue": "greeting"}, "raw": {"DataType": "Binary", "BinaryValue": b"\x00\x01"}})
    wait_until(lambda: "event {" in w.logs(name), 60, lambda: w.logs(name))
    record, = json.loads(next(line for line in w.logs(name).splitlines() if "event {" in line).split("event ", 1)[1])["Records"]
    assert record["messageId"] == sent["MessageId"] and record["body"] == "hello" and record["md5OfBody"] == sent["MD5OfMessageBody"]
    assert record["md5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]
    assert record["messageAttributes"]["kind"] == {"stringValue": "greeting", "stringListValues": [], "binaryListValues": [], "dataType": "String"}
    assert record["messageAttributes"]["raw"]["binaryValue"] == "AAE="
    assert (record["eventSource"], record["eventSourceARN"], record["awsRegion"]) == ("aws:sqs", arn, "us-east-1")
    assert record["attributes"]["ApproximateReceiveCount"] == "1" and record["receiptHandle"]
    assert {"SenderId", "SentTimestamp", "ApproximateFirstReceiveTimestamp"} <= set(record["attributes"])


def test_a_failing_batch_comes_again_and_then_goes_to_the_dead_letters(w, name):
    w.create(name, CODE)
    dead_url, dead_arn = make_queue(w, name + "-dead")
    url, arn = make_queue(w, name, VisibilityTimeout=1, RedrivePolicy=json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": 2}))
    mapping = connect(w, name, arn)
    send(w, url, "fail now")
    wait_until(lambda: len(bodies(w, name)) >= 1, 60, lambda: w.logs(name))
    wait_until(lambda: "PROBLEM" in w.boto().get_event_source_mapping(UUID=mapping)["LastProcessingResult"], 60, "its result")
    wait_until(lambda: left(w, dead_url)[0] == 1, 100, lambda: (left(w, url), left(w, dead_url), w.log_text(1500)))
    assert bodies(w, name) == ["fail now"] * 2
    wait_empty(w, url)


def test_the_sample_books_orders_and_leaves_what_it_cannot(w, name):
    w.cli("deploy", name, SAMPLES / "QueueWorker")
    dead_url, dead_arn = make_queue(w, name + "-dead")
    url, arn = make_queue(w, name, VisibilityTimeout=1, RedrivePolicy=json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": 2}))
    connect(w, name, arn, FunctionResponseTypes=["ReportBatchItemFailures"])
    send(w, url, json.dumps({"id": 17, "lines": [{"price": 1250, "count": 2}]}), json.dumps({"id": 18, "lines": []}))
    wait_until(lambda: left(w, dead_url)[0] == 1, 60, lambda: (left(w, url), w.log_text(1500)))
    log = w.logs(name)
    assert log.count("order 17: 25.00") == 1 and log.count("cannot be booked") == 2
    wait_empty(w, url)


def test_only_named_messages_of_a_batch_come_again(w, name):
    w.create(name, CODE)
    url, arn = make_queue(w, name, VisibilityTimeout=1)
    connect(w, name, arn, FunctionResponseTypes=["ReportBatchItemFailures"], BatchSize=10, MaximumBatchingWindowInSeconds=1)
    send(w, url, "good 1", "partial 2", "good 3")
    wait_until(lambda: bodies(w, name).count("partial 2") >= 2, 60, lambda: w.logs(name))
    assert bodies(w, name).count("good 1") == bodies(w, name).count("good 3") == 1


def test_what_does_not_pass_the_filter_is_deleted_unseen(w, name):
    w.create(name, CODE)
    url, arn = make_queue(w, name)
    mapping = connect(w, name, arn, FilterCriteria={"Filters": [{"Pattern": json.dumps({"body": {"kind": ["order"], "total": [{"numeric": [">", 10]}]}})}]})
    texts = [json.dumps({"kind": kind, "total": total}) for kind in ("order", "refund") for total in (5, 50)]
    send(w, url, *texts, "no JSON")
    wait_empty(w, url)
    wait_until(lambda: bodies(w, name), 60, lambda: w.logs(name))
    assert bodies(w, name) == [json.dumps({"kind": "order", "total": 50})]
    assert w.boto().get_event_source_mapping(UUID=mapping)["FilterCriteria"]["Filters"]


def test_a_window_gathers_a_batch(w, name):
    w.create(name, CODE)
    url, arn = make_queue(w, name)
    # All are there when it begins to read: how fast they can be sent is nobody's promise.
    mapping = connect(w, name, arn, BatchSize=50, MaximumBatchingWindowInSeconds=2, Enabled=False)
    for number in range(5):
        send(w, url, *[f"{number}-{i}" for i in range(6)])
    w.boto().update_event_source_mapping(UUID=mapping, Enabled=True)
    wait_empty(w, url)
    wait_until(lambda: len(bodies(w, name)) == 30, 60, lambda: len(bodies(w, name)))
    assert max(map(len, batches(w, name))) > 10


def test_a_fifo_queues_groups_keep_their_order(w, name):
    w.create(name, CODE)
    url, arn = make_queue(w, name, fifo=True)
    connect(w, name, arn, BatchSize=3)
    for number in range(8):
        for group in ("a", "b"):
            w.boto(service="sqs").send_message(QueueUrl=url, MessageBody=f"{group}{number}", MessageGroupId=group)
    wait_empty(w, url)
    wait_until(lambda: len(bodies(w, name)) >= 16, 60, lambda: bodies(w, name))
    for group in ("a", "b"):
        assert [body for body in bodies(w, name) if body[0] == group] == [f"{group}{n}" for n in range(8)]


SPANS = """
import time
def handler(event, context):
    begin = time.monotonic_ns()
    time.sleep(0.5)
    print("span", begin, time.monotonic_ns(), flush=True)
"""


def test_maximum_concurrency_holds(w, name):
    """Handlers say when they ran, by a clock that all processes share."""
    w.create(name, SPANS)
    url, arn = make_queue(w, name)
    connect(w, name, arn, BatchSize=1, ScalingConfig={"MaximumConcurrency": 2})
    send(w, url, *[f"message {i}" for i in range(8)])
    wait_empty(w, url, 60)

    def spans():
        return [tuple(map(int, line.split("span ", 1)[1].split())) for line in w.logs(name).splitlines() if "span " in line]
    wait_until(lambda: len(spans()) == 8, 60, lambda: w.logs(name))
    edges = sorted(edge for begin, end in spans() for edge in ((begin, 1), (end, -1)))
    assert max(itertools.accumulate(change for _, change in edges)) == 2


def test_disabled_takes_nothing_and_enabled_goes_on(w, name):
    w.create(name, CODE)
    url, arn = make_queue(w, name)
    mapping = connect(w, name, arn, Enabled=False)
    assert w.boto().get_event_source_mapping(UUID=mapping)["State"] == "Disabled"
    send(w, url, "waits")
    other = name + "-other"
    w.create(other, CODE)
    other_url, other_arn = make_queue(w, other)
    connect(w, other, other_arn)
    send(w, other_url, "passes")
    wait_empty(w, other_url)
    assert left(w, url) == (1, 0, 0) and bodies(w, name) == []
    w.boto().update_event_source_mapping(UUID=mapping, Enabled=True)
    wait_empty(w, url)
    w.boto().update_event_source_mapping(UUID=mapping, Enabled=False)
    send(w, url, "stays")
    w.boto().delete_event_source_mapping(UUID=mapping)
    assert left(w, url)[0] == 1
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        w.boto().get_event_source_mapping(UUID=mapping)


def test_nothing_is_lost_by_a_kill_and_mappings_survive_it(make_world):
    w = make_world()
    w.create("worker", CODE, timeout=3)
    url, arn = make_queue(w, "jobs", VisibilityTimeout=3)
    connect(w, "worker", arn)
    texts = [f"job {i}" for i in range(120)]
    send(w, url, *texts)
    wait_until(lambda: len(bodies(w, "worker")) > 10, 60, lambda: w.log_text(1500))
    w.kill()
    w.start()
    wait_empty(w, url, 90)
    assert set(bodies(w, "worker")) == set(texts)


def test_messages_for_a_function_that_needs_a_tenant_end_in_the_dead_letters(make_world):
    w = make_world()
    w.create("served", CODE, timeout=1)
    dead_url, dead_arn = make_queue(w, "dead")
    url, arn = make_queue(w, "letters", VisibilityTimeout=1, RedrivePolicy=json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": 2}))
    mapping = connect(w, "served", arn)
    w.kill()
    w.give_tenants("served")
    w.start()
    send(w, url, "for whom")
    wait_until(lambda: left(w, dead_url)[0] == 1, 60, lambda: (left(w, url), left(w, dead_url), w.log_text(1500)))
    wait_empty(w, url)
    assert "tenant ID" in w.boto().get_event_source_mapping(UUID=mapping)["LastProcessingResult"]
    assert bodies(w, "served") == []


def test_it_ends_with_its_function(w, name):
    w.create(name, CODE)
    url, arn = make_queue(w, name)
    mapping = connect(w, name, arn)
    w.boto().delete_function(FunctionName=name)
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        w.boto().get_event_source_mapping(UUID=mapping)


@pytest.mark.parametrize("options, named", [
    ({"EventSourceArn": "arn:aws:kinesis:us-east-1:123456789012:stream/x"}, "Unrecognized event source"),
    ({"EventSourceArn": "arn:aws:sqs:us-east-1:123456789012:not-there"}, "does not exist"),
    ({"BatchSize": 0}, "batchSize"),
    ({"BatchSize": 11}, "batch window"),
    ({"MaximumBatchingWindowInSeconds": 301}, "maximumBatchingWindowInSeconds"),
    ({"ScalingConfig": {"MaximumConcurrency": 1}}, "maximumConcurrency"),
    ({"FilterCriteria": {"Filters": [{"Pattern": "{"}]}}, "filter pattern"),
    ({"FunctionName": "nobody"}, "not found"),
])
def test_a_mapping_that_cannot_be_is_refused(w, name, options, named):
    w.create(name, CODE)
    _, arn = make_queue(w, name)
    with pytest.raises(ClientError, match=named):
        w.boto(parameter_validation=False).create_event_source_mapping(**{"FunctionName": name, "EventSourceArn": arn, **options})


def test_a_second_mapping_of_the_same_queue_to_the_same_function_is_refused(w, name):
    w.create(name, CODE)
    _, arn = make_queue(w, name)
    first = connect(w, name, arn)
    with pytest.raises(ClientError, match=f"ResourceConflictException.*{first}"):
        connect(w, name, arn)


def test_pages_and_unknown_ids(w, name):
    w.create(name, CODE)
    ids = set()
    for number in range(3):
        _, arn = make_queue(w, f"{name}-{number}")
        ids.add(connect(w, name, arn))
    pages = w.boto().get_paginator("list_event_source_mappings").paginate(FunctionName=name, PaginationConfig={"PageSize": 2})
    assert {mapping["UUID"] for page in pages for mapping in page["EventSourceMappings"]} == ids
    with pytest.raises(ClientError, match="Marker"):
        w.boto().list_event_source_mappings(FunctionName=name, Marker=str(uuid.uuid4()))
    for call in ("get", "update", "delete"):
        with pytest.raises(ClientError, match="ResourceNotFoundException"):
            getattr(w.boto(), f"{call}_event_source_mapping")(UUID=str(uuid.uuid4()))
