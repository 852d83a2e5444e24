"""What every external event source promises, each against its real server: one suite for all adapters."""

import json

import pytest
from botocore.exceptions import ClientError

from harness import brokers
from harness.processes import wait_until
from harness.world import world

# What came is seen in the log: one line for each batch. A body may ask for a failure.
CODE = """
import base64, json, time
def texts(event):
    if "rmqMessagesByQueue" in event: return [(str(r["deliveryTag"]), base64.b64decode(r["data"]).decode()) for l in event["rmqMessagesByQueue"].values() for r in l]
    if "records" in event: return [(f"{p}-{r['offset']}", base64.b64decode(r["value"]).decode()) for p, l in event["records"].items() for r in l]
    found = []
    for record in event["Records"]:
        data = record["data"]
        found.append((record["id"], base64.b64decode(data["text"] if isinstance(data, dict) else data).decode()))
    return found
def handler(event, context):
    records = texts(event)
    bodies = [text for _, text in records]
    print("batch", json.dumps(bodies), flush=True)
    if any(body.startswith("slow") for body in bodies): time.sleep(3)
    if any(body.startswith("fail") for body in bodies): raise ValueError("no " + bodies[0])
    print("took", json.dumps(bodies), flush=True)
    return {"batchItemFailures": [{"itemIdentifier": i} for i, body in records if body.startswith("partial")]}
"""
SHOW = """
import json
def handler(event, context):
    print("event", json.dumps(event), flush=True)
"""


@pytest.fixture(scope="module")
def w(scratch):
    with world(scratch / "brokers", binary=brokers.BINARY) as made:
        yield made


@pytest.fixture(scope="module", params=brokers.ALL, ids=lambda kind: kind.kind)
def broker(request, scratch):
    kind = request.param
    if kind.kind not in brokers.built_in():
        pytest.skip(f"{brokers.BINARY} was not built with the trait {kind.trait}")
    made = kind(scratch / f"broker-{kind.kind}")
    try:
        yield made.start()
    finally:
        made.close()


@pytest.fixture(autouse=True)
def no_mapping_is_left(w):
    yield
    for mapping in w.boto().list_event_source_mappings()["EventSourceMappings"]:
        w.boto().delete_event_source_mapping(UUID=mapping["UUID"])


@pytest.fixture
def source(name, broker):
    """The name of a stream, queue or topic of the test's own."""
    made = "s" + name.rsplit("-", 1)[1]
    broker.make(made)
    return made


def connect(w, function, broker, source, **options):
    if broker.kind == "kafka":
        options.setdefault("StartingPosition", "TRIM_HORIZON")
    return w.boto().create_event_source_mapping(FunctionName=function, **broker.mapping(source, **options))["UUID"]


def lines(w, name, word):
    return [json.loads(line.split(word + " ", 1)[1]) for line in w.logs(name).splitlines() if f"{word} [" in line]


def batches(w, name):
    return lines(w, name, "batch")


def bodies(w, name):
    return [body for batch in batches(w, name) for body in batch]


def took(w, name):
    return [body for batch in lines(w, name, "took") for body in batch]


def wait_settled(w, broker, source, mapping, limit=60):
    wait_until(lambda: broker.unsettled(source, mapping) == 0, limit, lambda: f"{broker.unsettled(source, mapping)} unsettled\n{w.log_text(2500)}", 0.1)


def test_every_record_reaches_the_function_and_is_settled(w, name, broker, source):
    w.create(name, CODE)
    mapping = connect(w, name, broker, source)
    broker.await_reader(source, mapping)
    texts = [f"record {i}" for i in range(57)]
    broker.publish(source, *texts)
    wait_until(lambda: len(took(w, name)) >= 57, 60, lambda: (len(took(w, name)), w.log_text(2500)))
    assert sorted(took(w, name)) == sorted(texts)
    wait_settled(w, broker, source, mapping)
    shown = w.boto().get_event_source_mapping(UUID=mapping)
    assert shown["State"] == "Enabled" and shown["LastProcessingResult"] == "OK", shown
    assert shown["SelfManagedEventSource"] == broker.mapping(source)["SelfManagedEventSource"]
    assert {row["trigger"] for row in w.records(name) if row["trigger"] != "initialization"} == {broker.kind}


def test_the_event_has_its_documented_form(w, name, broker, source):
    w.create(name, SHOW)
    mapping = connect(w, name, broker, source)
    broker.await_reader(source, mapping)
    broker.publish(source, "héllo")
    wait_until(lambda: "event {" in w.logs(name), 60, lambda: (w.logs(name), w.log_text(2500)))
    event = json.loads(next(line for line in w.logs(name).splitlines() if "event {" in line).split("event ", 1)[1])
    assert broker.texts(event) == ["héllo"]
    broker.check_event(event, source)


def test_a_record_is_settled_only_after_its_function_has_taken_it(w, name, broker, source):
    w.create(name, CODE)
    mapping = connect(w, name, broker, source, BatchSize=1)
    broker.await_reader(source, mapping)
    broker.publish(source, "fail first")
    wait_until(lambda: len(bodies(w, name)) >= 2, 60, lambda: (w.logs(name), w.log_text(2500)))
    assert broker.unsettled(source, mapping) == 1
    assert "PROBLEM" in w.boto().get_event_source_mapping(UUID=mapping)["LastProcessingResult"]
    # The same record, by a function that can now.
    w.create(name, CODE.replace('body.startswith("fail")', "False"))
    wait_until(lambda: "fail first" in took(w, name), 90, lambda: w.logs(name))
    wait_settled(w, broker, source, mapping)


def test_a_kill_in_the_middle_of_a_batch_loses_nothing(make_world, broker, source):
    w = make_world(binary=brokers.BINARY)
    w.create("worker", CODE)
    mapping = connect(w, "worker", broker, source, BatchSize=5)
    broker.await_reader(source, mapping)
    texts = [f"slow {i}" for i in range(3)] + [f"record {i}" for i in range(40)]
    broker.publish(source, *texts)
    wait_until(lambda: any("slow" in body for body in bodies(w, "worker")), 60, lambda: w.log_text(2500))
    w.kill()
    w.start()
    wait_until(lambda: set(took(w, "worker")) >= set(texts), 120, lambda: (set(texts) - set(took(w, "worker")), w.log_text(2500)))
    wait_settled(w, broker, source, mapping)


def test_a_broker_that_goes_away_in_the_middle_of_a_batch(w, name, broker, source):
    w.create(name, CODE)
    mapping = connect(w, name, broker, source, BatchSize=2)
    broker.await_reader(source, mapping)
    broker.publish(source, "slow 1", "slow 2", "record 3", "record 4")
    wait_until(lambda: bodies(w, name), 60, lambda: w.log_text(2500))
    broker.vanish()
    try:
        other = name + "-other"
        w.create(other, "def handler(event, context):\n    return 1\n")
        assert w.call(other) == 1
    finally:
        broker.come_back()
    broker.publish(source, "after 5")
    wait_until(lambda: set(took(w, name)) >= {"slow 1", "slow 2", "record 3", "record 4", "after 5"}, 120, lambda: (took(w, name), w.log_text(2500)))
    wait_settled(w, broker, source, mapping)


def test_a_record_that_always_fails_is_given_up_to_its_destination(w, name, broker, source):
    w.create(name, CODE)
    sqs = w.boto(service="sqs")
    url = sqs.create_queue(QueueName=f"{source}-failed")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    mapping = connect(
        w, name, broker, source, BatchSize=10, BisectBatchOnFunctionError=True, MaximumRetryAttempts=1,
        DestinationConfig={"OnFailure": {"Destination": arn}})
    broker.await_reader(source, mapping)
    broker.publish(source, "good 1", "good 2", "fail 3", "good 4")
    wait_until(lambda: set(took(w, name)) == {"good 1", "good 2", "good 4"}, 60, lambda: (w.logs(name), w.log_text(2500)))
    message = wait_until(lambda: sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1).get("Messages"), 60, lambda: w.log_text(2500))[0]
    record = json.loads(message["Body"])
    assert record["requestContext"]["condition"] == "RetryAttemptsExhausted" and record["requestContext"]["approximateInvokeCount"] == 2
    assert broker.texts(record["payload"]) == ["fail 3"] and "ValueError: no" in record["reason"]
    wait_settled(w, broker, source, mapping)


def test_a_record_that_fits_into_no_event_is_given_up(w, name, broker, source):
    w.create(name, CODE)
    sqs = w.boto(service="sqs")
    url = sqs.create_queue(QueueName=f"{source}-failed")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    mapping = connect(w, name, broker, source, DestinationConfig={"OnFailure": {"Destination": arn}})
    broker.await_reader(source, mapping)
    broker.publish_large(source)
    broker.publish(source, "good after")
    message = wait_until(lambda: sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1).get("Messages"), 60, lambda: w.log_text(2500))[0]
    record = json.loads(message["Body"])
    assert record["requestContext"]["condition"] == "RecordTooLarge" and record["payload"] is None and record["payloadOmitted"]
    wait_until(lambda: "good after" in took(w, name), 60, lambda: w.log_text(2500))
    wait_settled(w, broker, source, mapping)


def test_only_named_records_of_a_batch_come_again(w, name, broker, source):
    w.create(name, CODE)
    mapping = connect(
        w, name, broker, source, BatchSize=10, MaximumBatchingWindowInSeconds=2, FunctionResponseTypes=["ReportBatchItemFailures"],
        MaximumRetryAttempts=1)
    broker.await_reader(source, mapping)
    # All are there when it reads on: one batch, however long it takes to send them.
    w.boto().update_event_source_mapping(UUID=mapping, Enabled=False)
    broker.await_no_reader(source, mapping)
    broker.publish(source, "good 1", "partial 2", "good 3")
    w.boto().update_event_source_mapping(UUID=mapping, Enabled=True)
    wait_until(lambda: bodies(w, name).count("partial 2") == 2, 60, lambda: (w.logs(name), w.log_text(2500)))
    wait_settled(w, broker, source, mapping)
    assert bodies(w, name).count("good 1") == 1
    # In order, what follows the lowest that failed runs again; elsewhere only what was named.
    assert (bodies(w, name).count("good 3") > 1) == broker.ordered


def test_what_does_not_pass_the_filter_is_settled_unseen(w, name, broker, source):
    w.create(name, CODE)
    member, pattern = broker.filter({"kind": ["order"], "total": [{"numeric": [">", 10]}]})
    mapping = connect(w, name, broker, source, FilterCriteria={"Filters": [{"Pattern": json.dumps({member: pattern})}]})
    broker.await_reader(source, mapping)
    texts = [json.dumps({"kind": kind, "total": total}) for kind in ("order", "refund") for total in (5, 50)]
    broker.publish(source, *texts, "no JSON")
    wait_until(lambda: bodies(w, name), 60, lambda: w.log_text(2500))
    wait_settled(w, broker, source, mapping)
    assert bodies(w, name) == [json.dumps({"kind": "order", "total": 50})]


def test_disabled_takes_nothing_and_enabled_goes_on(w, name, broker, source):
    w.create(name, CODE)
    mapping = connect(w, name, broker, source)
    broker.await_reader(source, mapping)
    broker.publish(source, "first")
    wait_until(lambda: "first" in took(w, name), 60, lambda: w.log_text(2500))
    wait_settled(w, broker, source, mapping)
    w.boto().update_event_source_mapping(UUID=mapping, Enabled=False)
    assert w.boto().get_event_source_mapping(UUID=mapping)["State"] == "Disabled"
    broker.await_no_reader(source, mapping)
    broker.publish(source, "second")
    other, other_source = name + "-other", source + "b"
    w.create(other, CODE)
    broker.make(other_source)
    broker.await_reader(other_source, connect(w, other, broker, other_source))
    broker.publish(other_source, "passes")
    wait_until(lambda: "passes" in took(w, other), 60, lambda: w.log_text(2500))
    assert bodies(w, name) == ["first"]
    w.boto().update_event_source_mapping(UUID=mapping, Enabled=True)
    wait_until(lambda: "second" in took(w, name), 60, lambda: w.log_text(2500))
    wait_settled(w, broker, source, mapping)
    w.boto().delete_event_source_mapping(UUID=mapping)
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        w.boto().get_event_source_mapping(UUID=mapping)


def test_a_window_gathers_a_batch(w, name, broker, source):
    w.create(name, CODE)
    mapping = connect(w, name, broker, source, BatchSize=15, MaximumBatchingWindowInSeconds=30)
    broker.await_reader(source, mapping)
    for begin in range(0, 15, 5):
        broker.publish(source, *[f"record {i}" for i in range(begin, begin + 5)])
    wait_until(lambda: len(took(w, name)) == 15, 60, lambda: (batches(w, name), w.log_text(2500)))
    assert len(batches(w, name)) == 1
    wait_settled(w, broker, source, mapping)


def test_a_broker_that_is_not_there_is_said_and_tried_again(w, name, broker, source):
    w.create(name, CODE)
    options = broker.mapping(source)
    options["SelfManagedEventSource"] = {"Endpoints": {broker.endpoint_type: ["127.0.0.1:1"]}}
    if broker.kind == "kafka":
        options["StartingPosition"] = "LATEST"
    mapping = w.boto().create_event_source_mapping(FunctionName=name, **options)["UUID"]
    result = lambda: w.boto().get_event_source_mapping(UUID=mapping)["LastProcessingResult"]
    wait_until(lambda: result().startswith("PROBLEM:") and "127.0.0.1:1" in result(), 60, result)
