"""Event buses by boto3: buses, rules, patterns, targets of each kind, inputs, dead letters."""

import collections
import contextlib
import datetime
import json
import random
import uuid

import pytest
from botocore.exceptions import ClientError

from harness import OPTIONS
from harness.processes import wait_until
from harness.world import ACCOUNT, world

REGION = "us-east-1"
KEEP = "def handler(event, context):\n    print('got', __import__('json').dumps(event))\n    return {'kept': event}\n"


def arn(service, rest):
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{rest}"


@pytest.fixture(scope="module")
def events(w):
    return w.boto(service="events")


@pytest.fixture(scope="module")
def sqs(w):
    return w.boto(service="sqs")


@pytest.fixture
def bus(events):
    """A bus of the test's own; its rules go with it."""
    name = f"bus-{uuid.uuid4().hex[:8]}"
    events.create_event_bus(Name=name)
    yield name
    for rule in [r for page in events.get_paginator("list_rules").paginate(EventBusName=name) for r in page["Rules"]]:
        ids = [t["Id"] for t in events.list_targets_by_rule(Rule=rule["Name"], EventBusName=name)["Targets"]]
        if ids:
            events.remove_targets(Rule=rule["Name"], EventBusName=name, Ids=ids)
        events.delete_rule(Name=rule["Name"], EventBusName=name)
    events.delete_event_bus(Name=name)


@pytest.fixture
def queue(sqs):
    """Makes queues of the test's own: URL and ARN."""
    urls = []

    def make(suffix="", **attributes):
        name = f"q-{uuid.uuid4().hex[:8]}{suffix}"
        urls.append(sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"])
        return urls[-1], arn("sqs", name)
    yield make
    for url in urls:
        with contextlib.suppress(sqs.exceptions.QueueDoesNotExist):
            sqs.delete_queue(QueueUrl=url)


def put(events, bus, detail, source="shop", kind="order", **more):
    answer = events.put_events(Entries=[
        {"EventBusName": bus, "Source": source, "DetailType": kind, "Detail": detail if isinstance(detail, str) else json.dumps(detail), **more}])
    assert answer["FailedEntryCount"] == 0, answer
    return answer["Entries"][0]["EventId"]


def rule(events, bus, name, pattern, *targets):
    made = events.put_rule(Name=name, EventBusName=bus, EventPattern=json.dumps(pattern))
    if targets:
        done = events.put_targets(Rule=name, EventBusName=bus, Targets=[{"Id": f"t{n}", **t} for n, t in enumerate(targets)])
        assert done["FailedEntryCount"] == 0 and done["FailedEntries"] == []
    return made["RuleArn"]


def take(sqs, url, count=1, limit=60):
    """The next messages of a queue, taken out of it."""
    found = []

    def more():
        got = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1, MessageAttributeNames=["All"], AttributeNames=["All"])
        for message in got.get("Messages", []):
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            found.append(message)
        return len(found) >= count
    wait_until(more, limit, lambda: f"{count} messages; there are {found}", 0)
    return found


def code(call, *args, **kwargs):
    with pytest.raises(ClientError) as caught:
        call(*args, **kwargs)
    return caught.value.response["Error"]["Code"]


# Buses


def test_buses_are_made_shown_listed_tagged_and_deleted(events):
    name = f"b.{uuid.uuid4().hex[:8]}"
    made = events.create_event_bus(Name=name, Description="orders", Tags=[{"Key": "team", "Value": "shop"}])
    assert made["EventBusArn"] == arn("events", f"event-bus/{name}")
    shown = events.describe_event_bus(Name=made["EventBusArn"])
    assert shown["Name"] == name and shown["Arn"] == made["EventBusArn"] and shown["Description"] == "orders"
    assert abs((shown["CreationTime"] - datetime.datetime.now(datetime.timezone.utc)).total_seconds()) < 300
    assert events.update_event_bus(Name=name, Description="new")["Description"] == "new"
    assert events.describe_event_bus(Name=name)["Description"] == "new"
    assert {b["Name"] for b in events.list_event_buses()["EventBuses"]} >= {"default", name}
    assert events.describe_event_bus()["Arn"] == arn("events", "event-bus/default")
    assert code(events.create_event_bus, Name=name) == "ResourceAlreadyExistsException"
    assert code(events.create_event_bus, Name="default") == "ResourceAlreadyExistsException"
    assert code(events.delete_event_bus, Name="default") == "ValidationException"
    assert code(events.describe_event_bus, Name="nobody") == "ResourceNotFoundException"
    assert code(events.create_event_bus, Name="a", KmsKeyIdentifier="k") == "ValidationException"
    events.tag_resource(ResourceARN=made["EventBusArn"], Tags=[{"Key": "a", "Value": ""}])
    assert {t["Key"]: t["Value"] for t in events.list_tags_for_resource(ResourceARN=made["EventBusArn"])["Tags"]} == {"team": "shop", "a": ""}
    events.untag_resource(ResourceARN=made["EventBusArn"], TagKeys=["team", "none"])
    assert [t["Key"] for t in events.list_tags_for_resource(ResourceARN=made["EventBusArn"])["Tags"]] == ["a"]
    assert code(events.list_tags_for_resource, ResourceARN=arn("events", "rule/none")) == "ResourceNotFoundException"
    rule(events, name, "r", {"source": ["a"]})
    assert code(events.delete_event_bus, Name=name) == "ValidationException"
    events.delete_rule(Name="r", EventBusName=name)
    events.delete_event_bus(Name=name)
    events.delete_event_bus(Name=name)
    assert code(events.put_rule, Name="r", EventBusName=name, EventPattern='{"a":["b"]}') == "ResourceNotFoundException"


def test_lists_come_in_pages(events, bus):
    for n in range(7):
        rule(events, bus, f"r{n}", {"source": [str(n)]}, {"Arn": arn("lambda", "function:any")})
    names, token = [], {}
    while True:
        page = events.list_rules(EventBusName=bus, Limit=3, **token)
        names += [r["Name"] for r in page["Rules"]]
        assert len(page["Rules"]) <= 3
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}
    assert names == [f"r{n}" for n in range(7)]
    assert [r["Name"] for r in events.list_rules(EventBusName=bus, NamePrefix="r6")["Rules"]] == ["r6"]
    page = events.list_rule_names_by_target(EventBusName=bus, TargetArn=arn("lambda", "function:any"), Limit=4)
    rest = events.list_rule_names_by_target(EventBusName=bus, TargetArn=arn("lambda", "function:any"), NextToken=page["NextToken"])
    assert page["RuleNames"] + rest["RuleNames"] == names
    events.put_targets(Rule="r0", EventBusName=bus, Targets=[{"Id": f"x{n}", "Arn": arn("sqs", f"q{n}")} for n in range(4)])
    page = events.list_targets_by_rule(Rule="r0", EventBusName=bus, Limit=2)
    rest = events.list_targets_by_rule(Rule="r0", EventBusName=bus, NextToken=page["NextToken"])
    assert [t["Id"] for t in page["Targets"] + rest["Targets"]] == ["t0", "x0", "x1", "x2", "x3"]
    prefix = bus[:6]
    buses = [b["Name"] for page in iter_buses(events, prefix) for b in page]
    assert bus in buses


def iter_buses(events, prefix):
    token = {}
    while True:
        page = events.list_event_buses(NamePrefix=prefix, Limit=1, **token)
        yield page["EventBuses"]
        if "NextToken" not in page:
            return
        token = {"NextToken": page["NextToken"]}


# Rules


def test_rules_are_made_shown_changed_stopped_and_deleted(events, bus):
    made = events.put_rule(Name="r", EventBusName=bus, EventPattern='{"source":["a"]}', Description="d", State="DISABLED",
                           RoleArn="arn:aws:iam::1:role/x", Tags=[{"Key": "k", "Value": "v"}])
    assert made["RuleArn"] == arn("events", f"rule/{bus}/r")
    shown = events.describe_rule(Name="r", EventBusName=bus)
    assert shown["EventPattern"] == '{"source":["a"]}' and shown["State"] == "DISABLED" and shown["Description"] == "d" and shown["Arn"] == made["RuleArn"]
    assert shown["EventBusName"] == bus and shown["CreatedBy"] == ACCOUNT
    events.enable_rule(Name="r", EventBusName=bus)
    assert events.describe_rule(Name="r", EventBusName=bus)["State"] == "ENABLED"
    events.put_targets(Rule="r", EventBusName=bus, Targets=[{"Id": "1", "Arn": arn("sqs", "q")}])
    events.put_rule(Name="r", EventBusName=bus, EventPattern='{"source":["b"]}')
    assert "Description" not in events.describe_rule(Name="r", EventBusName=bus)
    assert [t["Id"] for t in events.list_targets_by_rule(Rule="r", EventBusName=bus)["Targets"]] == ["1"]
    events.disable_rule(Name="r", EventBusName=bus)
    assert events.describe_rule(Name="r", EventBusName=bus)["State"] == "DISABLED"
    assert events.list_tags_for_resource(ResourceARN=made["RuleArn"])["Tags"] == [{"Key": "k", "Value": "v"}]
    assert code(events.delete_rule, Name="r", EventBusName=bus) == "ValidationException"
    assert code(events.delete_rule, Name="r", EventBusName=bus, Force=True) == "ValidationException"
    gone = events.remove_targets(Rule="r", EventBusName=bus, Ids=["1", "2"])
    assert gone["FailedEntryCount"] == 1 and gone["FailedEntries"][0]["TargetId"] == "2"
    events.delete_rule(Name="r", EventBusName=bus)
    events.delete_rule(Name="r", EventBusName=bus)
    for call, more in [(events.describe_rule, {"Name": "r"}), (events.enable_rule, {"Name": "r"}), (events.disable_rule, {"Name": "r"}),
                       (events.list_targets_by_rule, {"Rule": "r"}), (events.remove_targets, {"Rule": "r", "Ids": ["1"]}),
                       (events.put_targets, {"Rule": "r", "Targets": [{"Id": "1", "Arn": arn("sqs", "q")}]})]:
        assert code(call, EventBusName=bus, **more) == "ResourceNotFoundException"


def test_bounds_are_refused_with_their_number(events, bus):
    rule(events, bus, "r", {"source": ["a"]}, *[{"Arn": arn("sqs", f"q{n}")} for n in range(5)])
    with pytest.raises(events.exceptions.LimitExceededException, match="5"):
        events.put_targets(Rule="r", EventBusName=bus, Targets=[{"Id": "more", "Arn": arn("sqs", "q")}])
    # The same again is no further target.
    events.put_targets(Rule="r", EventBusName=bus, Targets=[{"Id": "t0", "Arn": arn("sqs", "other")}])
    for n in range(299):
        events.put_rule(Name=f"n{n}", EventBusName=bus, EventPattern='{"source":["b"]}')
    with pytest.raises(events.exceptions.LimitExceededException, match="300"):
        events.put_rule(Name="more", EventBusName=bus, EventPattern='{"source":["b"]}')


@pytest.mark.parametrize("target, word", [
    ({"Arn": "arn:aws:sns:us-east-1:1:t"}, "must be the ARN"),
    ({"Arn": f"arn:aws:sqs:{REGION}:999999999999:q"}, "of account"),
    ({"Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:q.fifo"}, "MessageGroupId"),
    ({"Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:q", "Input": "{"}, "not JSON"),
    ({"Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:q", "Input": "{}", "InputPath": "$.detail"}, "Only one of"),
    ({"Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:q", "InputPath": "detail"}, "begin with"),
    ({"Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:q", "InputTransformer": {"InputTemplate": "<none>"}}, "does not define"),
    ({"Arn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f", "InputTransformer": {"InputTemplate": "no json"}}, "is not JSON"),
    ({"Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:q", "InputTransformer": {"InputTemplate": "<a>", "InputPathsMap": {"a": "$.detail["}}}, "without"),
    ({"Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:q", "RetryPolicy": {"MaximumRetryAttempts": 186}}, "185"),
    ({"Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:q", "DeadLetterConfig": {"Arn": arn("lambda", "function:f")}}, "standard queue"),
    ({"Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:q", "KinesisParameters": {"PartitionKeyPath": "$"}}, "not supported"),
])
def test_targets_that_cannot_work_are_refused(events, bus, target, word):
    rule(events, bus, "r", {"source": ["a"]})
    with pytest.raises(ClientError, match=word) as caught:
        events.put_targets(Rule="r", EventBusName=bus, Targets=[{"Id": "t", **target}])
    assert caught.value.response["Error"]["Code"] == "ValidationException"
    assert events.list_targets_by_rule(Rule="r", EventBusName=bus)["Targets"] == []


@pytest.mark.parametrize("pattern", ["", "{", "[]", "{}", '{"a": "b"}', '{"a": []}', '{"a": [{"prefix": 5}]}', '{"a": [{"nothing": 1}]}'])
def test_patterns_that_are_none_are_refused(events, bus, pattern):
    if pattern:
        assert code(events.put_rule, Name="r", EventBusName=bus, EventPattern=pattern) == "InvalidEventPatternException"
        assert code(events.test_event_pattern, EventPattern=pattern, Event="{}") == "InvalidEventPatternException"
    else:
        assert code(events.put_rule, Name="r", EventBusName=bus) == "ValidationException"


@pytest.mark.parametrize("pattern, expected", [
    ({"source": ["shop"]}, True), ({"source": ["Shop"]}, False), ({"detail": {"total": [{"numeric": [">", 10, "<=", 20]}]}}, True),
    ({"detail": {"total": [{"numeric": [">", 20]}]}}, False), ({"detail": {"name": [{"prefix": "Ad"}]}}, True), ({"detail": {"name": [{"suffix": "a"}]}}, True),
    ({"detail": {"name": [{"anything-but": ["Ada"]}]}}, False), ({"detail": {"nothing": [{"exists": False}]}}, True),
    ({"detail": {"address": [{"cidr": "10.0.0.0/24"}]}}, True), ({"detail": {"name": [{"wildcard": "A*a"}]}}, True),
    ({"detail": {"name": [{"equals-ignore-case": "ADA"}]}}, True), ({"$or": [{"source": ["x"]}, {"detail": {"total": [15]}}]}, True),
    ({"resources": [{"prefix": "arn:"}], "detail-type": ["order"]}, True),
])
def test_patterns_are_tried(events, pattern, expected):
    event = {"id": "1", "account": ACCOUNT, "source": "shop", "time": "2026-01-01T00:00:00Z", "region": REGION, "resources": ["arn:x"],
             "detail-type": "order", "detail": {"total": 15, "name": "Ada", "address": "10.0.0.7"}}
    assert events.test_event_pattern(EventPattern=json.dumps(pattern), Event=json.dumps(event))["Result"] is expected
    assert code(events.test_event_pattern, EventPattern=json.dumps(pattern), Event=json.dumps({**event, "id": None, "source": None} | {"x": 1}).replace('"id"', '"i"')) \
        == "ValidationException"


# Events


def test_an_event_has_its_envelope_and_only_matching_rules_get_it(events, sqs, bus, queue):
    (url, to), (other, to_other) = queue(), queue()
    rule(events, bus, "r", {"source": ["shop"], "detail": {"total": [{"numeric": [">", 10]}]}}, {"Arn": to})
    rule(events, bus, "off", {"source": ["shop"]}, {"Arn": to_other})
    events.disable_rule(Name="off", EventBusName=bus)
    put(events, bus, {"total": 5})
    sent = put(events, bus, '{"total": 12.50, "ä": "\\u00e9\\n"}', Time=datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc),
               Resources=["one", "two"], TraceHeader="Root=1-5759e988-bd862e3fe1be46a994272793")
    message, = take(sqs, url)
    assert json.loads(message["Body"]) == {
        "version": "0", "id": sent, "detail-type": "order", "source": "shop", "account": ACCOUNT, "time": "2026-01-02T03:04:05Z", "region": REGION,
        "resources": ["one", "two"], "detail": {"total": 12.5, "ä": "é\n"}}
    # Numbers keep their digits.
    assert "12.50" in message["Body"] and uuid.UUID(sent).version == 4
    assert message["Attributes"]["AWSTraceHeader"] == "Root=1-5759e988-bd862e3fe1be46a994272793"
    assert "Messages" not in sqs.receive_message(QueueUrl=other)


def test_a_function_runs_for_an_event_and_is_metered_as_the_bus(w, events, bus, name):
    w.create(name, KEEP)
    rule(events, bus, "r", {"source": ["shop"]}, {"Arn": arn("lambda", f"function:{name}")}, {"Arn": arn("lambda", f"function:{name}:$LATEST"), "InputPath": "$.detail"})
    sent = put(events, bus, {"n": 1})
    rows = wait_until(lambda: len(found := [r for r in w.records(name) if r["trigger"] == "bus"]) >= 2 and found, 60, "two runs")
    assert {r["outcome"] for r in rows} == {"success"} and len({r["requestId"] for r in rows}) == 2
    lines = wait_until(lambda: len(got := [line for line in w.logs(name).splitlines() if "got " in line]) >= 2 and got, 60, "two lines")
    assert any(sent in line for line in lines) and any('got {"n": 1}' in line for line in lines)


@pytest.mark.parametrize("input, expected", [
    ({"Input": '{"fixed": [1, 2]}'}, '{"fixed": [1, 2]}'),
    ({"InputPath": "$.detail.items[1].name"}, '"b"'), ({"InputPath": "$.detail.items[*].name"}, '["a","b"]'), ({"InputPath": "$.none"}, "null"),
    ({"InputTransformer": {"InputPathsMap": {"s": "$.detail.text", "n": "$.detail.n", "o": "$.detail.items[0]", "m": "$.none"},
                           "InputTemplate": '{"text": <s>, "n": <n>, "o": <o>, "none": <m>, "in": "is <s> and <n>, <m>"}'}},
     '{"text": "say \\"hi\\"", "n": 7, "o": {"name":"a"}, "none": "", "in": "is say \\"hi\\" and 7, "}'),
    ({"InputTransformer": {"InputPathsMap": {"s": "$.source"}, "InputTemplate": '"from <s>"'}}, '"from shop"'),
    ({"InputTransformer": {"InputPathsMap": {"s": "$.source"}, "InputTemplate": "from <s>, 3 < 4"}}, "from shop, 3 < 4"),
])
def test_a_target_gets_the_input_it_asked_for(events, sqs, bus, queue, input, expected):
    url, to = queue()
    rule(events, bus, "r", {"source": ["shop"]}, {"Arn": to, **input})
    put(events, bus, {"text": 'say "hi"', "n": 7, "items": [{"name": "a"}, {"name": "b"}]})
    assert take(sqs, url)[0]["Body"] == expected


def test_a_template_knows_the_event_and_its_rule(events, sqs, bus, queue):
    url, to = queue()
    template = ('{"rule": <aws.events.rule-name>, "arn": "<aws.events.rule-arn>", "at": <aws.events.event.ingestion-time>, '
                '"event": <aws.events.event>, "all": <aws.events.event.json>}')
    made = rule(events, bus, "r", {"source": ["shop"]}, {"Arn": to, "InputTransformer": {"InputTemplate": template}})
    sent = put(events, bus, {"n": 1})
    body = json.loads(take(sqs, url)[0]["Body"])
    assert body["rule"] == "r" and body["arn"] == made and body["all"]["id"] == sent and body["all"]["detail"] == {"n": 1}
    assert "detail" not in body["event"] and body["event"]["detailType"] == "order"
    datetime.datetime.strptime(body["at"], "%Y-%m-%dT%H:%M:%SZ")


def test_a_fifo_queue_keeps_the_order_and_takes_an_event_once(events, sqs, bus, queue):
    url, to = queue(".fifo", FifoQueue="true")
    rule(events, bus, "r", {"source": ["shop"]}, {"Arn": to, "SqsParameters": {"MessageGroupId": "g"}})
    answer = events.put_events(Entries=[{"EventBusName": bus, "Source": "shop", "DetailType": "o", "Detail": json.dumps({"n": n})} for n in range(10)])
    assert answer["FailedEntryCount"] == 0
    messages = take(sqs, url, 10)
    assert [json.loads(m["Body"])["detail"]["n"] for m in messages] == list(range(10))
    assert {m["Attributes"]["MessageGroupId"] for m in messages} == {"g"}
    assert [m["Attributes"]["MessageDeduplicationId"] for m in messages] == [e["EventId"] for e in answer["Entries"]]


def test_an_event_goes_on_to_another_bus_and_never_in_a_circle(events, sqs, bus, queue):
    second = f"second-{uuid.uuid4().hex[:8]}"
    events.create_event_bus(Name=second)
    (url, to), (letters, dead) = queue(), queue()
    rule(events, bus, "on", {"source": ["shop"]}, {"Arn": arn("events", f"event-bus/{second}")}, {"Arn": arn("events", "event-bus/none"), "DeadLetterConfig": {"Arn": dead}})
    rule(events, second, "end", {"source": ["shop"]}, {"Arn": to}, {"Arn": arn("events", f"event-bus/{bus}"), "DeadLetterConfig": {"Arn": dead}})
    sent = put(events, bus, {"n": 1})
    assert json.loads(take(sqs, url)[0]["Body"])["id"] == sent
    codes = sorted(m["MessageAttributes"]["ERROR_CODE"]["StringValue"] for m in take(sqs, letters, 2))
    assert codes == ["CIRCLE", "NO_RESOURCE"]
    assert code(events.put_targets, Rule="on", EventBusName=bus, Targets=[{"Id": "self", "Arn": arn("events", f"event-bus/{bus}")}]) == "ValidationException"
    events.remove_targets(Rule="end", EventBusName=second, Ids=["t0", "t1"])
    events.delete_rule(Name="end", EventBusName=second)
    events.delete_event_bus(Name=second)


def test_what_a_target_cannot_take_goes_to_the_dead_letters(w, events, sqs, bus, queue, name):
    (gone, to_gone), (letters, dead) = queue(), queue()
    w.create(name, KEEP)
    made = rule(events, bus, "r", {"source": ["shop"]}, {"Arn": to_gone, "DeadLetterConfig": {"Arn": dead}, "Input": '"other"'},
                {"Arn": arn("lambda", f"function:{name}"), "DeadLetterConfig": {"Arn": dead}},
                {"Arn": arn("lambda", f"function:{name}:7"), "DeadLetterConfig": {"Arn": dead}}, {"Arn": arn("sqs", "never-there")})
    sqs.delete_queue(QueueUrl=gone)
    w.delete(name)
    sent = put(events, bus, {"n": 1})
    found = take(sqs, letters, 3)
    for message in found:
        attributes = {k: v["StringValue"] for k, v in message["MessageAttributes"].items()}
        assert attributes["RULE_ARN"] == made and attributes["ERROR_CODE"] == "NO_RESOURCE" and "does not exist" in attributes["ERROR_MESSAGE"]
        # The event as it came, not what the target would have got.
        assert json.loads(message["Body"])["id"] == sent
    assert {m["MessageAttributes"]["TARGET_ARN"]["StringValue"] for m in found} == {
        to_gone, arn("lambda", f"function:{name}"), arn("lambda", f"function:{name}:7")}
    shown, = [r for r in w.cli_json("bus", "rules", bus)["rules"] if r["name"] == "r"]
    assert shown["matched"] == 1 and shown["failed"] == 4 and shown["delivered"] == 0 and "does not exist" in shown["lastError"]


def test_a_full_queue_is_tried_again_until_it_has_room(make_world):
    w = make_world(config={"queues": {"messagesPerQueue": 3}})
    events, sqs = w.boto(service="events"), w.boto(service="sqs")
    url = sqs.create_queue(QueueName="small")["QueueUrl"]
    letters = sqs.create_queue(QueueName="letters")["QueueUrl"]
    rule(events, "default", "r", {"source": ["shop"]}, {"Arn": arn("sqs", "small")})
    rule(events, "default", "once", {"source": ["shop"], "detail": {"n": [4]}},
         {"Arn": arn("sqs", "small"), "RetryPolicy": {"MaximumRetryAttempts": 0}, "DeadLetterConfig": {"Arn": arn("sqs", "letters")}})
    for n in range(5):
        put(events, "default", {"n": n})
    dead, = take(sqs, letters)
    assert dead["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "THROTTLING" and json.loads(dead["Body"])["detail"] == {"n": 4}
    assert sorted(json.loads(m["Body"])["detail"]["n"] for m in take(sqs, url, 5, 60)) == [0, 1, 2, 3, 4]
    def counts():
        return {r["name"]: r for r in w.cli_json("bus", "rules")["rules"]}
    # A delivery is counted when it is on the disk, where a reader may already have found it.
    wait_until(lambda: counts()["r"]["delivered"] == 5, 60, lambda: f"five deliveries: {counts()}")
    counts = counts()
    assert counts["r"]["matched"] == 5 and counts["r"]["retried"] >= 2 and counts["r"]["failed"] == 0
    assert counts["once"]["failed"] == 1


def test_entries_are_judged_one_by_one(events, bus):
    good = {"EventBusName": bus, "Source": "s", "DetailType": "t", "Detail": "{}"}
    without = lambda name: {k: v for k, v in good.items() if k != name}
    answer = events.put_events(Entries=[
        good, without("Source"), without("DetailType"), without("Detail"), {**good, "Detail": "{"}, {**good, "Detail": "[1]"}, {**good, "Source": "aws.ec2"},
        {**good, "EventBusName": "none"}, {**good, "EventBusName": arn("events", f"event-bus/{bus}")}, {**good, "Resources": ["x" * 3000]}])
    assert [e.get("ErrorCode", "") for e in answer["Entries"]] == [
        "", "InvalidArgument", "InvalidArgument", "InvalidArgument", "MalformedDetail", "MalformedDetail", "NotAuthorizedForSourceException",
        "ResourceNotFoundException", "", "InvalidArgument"]
    assert answer["FailedEntryCount"] == 8 and all(("EventId" in e) != ("ErrorCode" in e) for e in answer["Entries"])
    assert code(events.put_events, Entries=[good] * 11) == "ValidationException"
    assert code(events.put_events, Entries=[{**good, "Detail": json.dumps({"x": "y" * 600_000})}] * 2) == "ValidationException"
    answer = events.put_events(Entries=[{**good, "Detail": json.dumps({"x": "y" * 1_000_000})}])
    assert answer["FailedEntryCount"] == 0


def test_operations_that_are_not_there_say_so(events):
    for call, more in [(events.list_archives, {}), (events.put_permission, {"Action": "events:PutEvents"}), (events.list_replays, {})]:
        with pytest.raises(ClientError, match="not supported by Martlet") as caught:
            call(**more)
        assert caught.value.response["Error"]["Code"] == "UnknownOperationException"


# Schedules of rules


def test_a_rule_on_a_schedule_sends_the_scheduled_event(events, sqs, queue):
    url, to = queue()
    name = f"every-{uuid.uuid4().hex[:8]}"
    try:
        made = events.put_rule(Name=name, ScheduleExpression="cron(* * * * ? *)")["RuleArn"]
        events.put_targets(Rule=name, Targets=[{"Id": "q", "Arn": to}])
        assert events.describe_rule(Name=name)["ScheduleExpression"] == "cron(* * * * ? *)"
        body = json.loads(take(sqs, url, 1, 90)[0]["Body"])
        assert body["source"] == "aws.events" and body["detail-type"] == "Scheduled Event" and body["resources"] == [made] and body["detail"] == {}
        assert body["time"].endswith(":00Z") and uuid.UUID(body["id"])
        events.disable_rule(Name=name)
    finally:
        events.remove_targets(Rule=name, Ids=["q"])
        events.delete_rule(Name=name)


def test_schedules_of_rules_are_checked(events, bus):
    assert code(events.put_rule, Name="r", EventBusName=bus, ScheduleExpression="rate(1 hour)") == "ValidationException"
    for expression in ("rate(0 minutes)", "every day", "cron(a)", "at(2030-01-01T00:00:00)"):
        assert code(events.put_rule, Name="r", ScheduleExpression=expression) == "ValidationException"
    assert code(events.describe_rule, Name="r") == "ResourceNotFoundException"


# Destinations of functions


def test_the_outcome_of_an_invocation_is_an_event(w, events, sqs, bus, queue, name):
    url, to = queue()
    w.create(name, "def handler(event, context):\n    if event['fail']: raise ValueError('no')\n    return {'done': True}\n")
    rule(events, bus, "r", {"source": ["lambda"]}, {"Arn": to})
    destination = {"Destination": arn("events", f"event-bus/{bus}")}
    w.boto().put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=0, DestinationConfig={"OnSuccess": destination, "OnFailure": destination})
    for fail in (False, True):
        w.invoke(name, {"fail": fail}, kind="Event")
    found = {json.loads(m["Body"])["detail-type"]: json.loads(m["Body"]) for m in take(sqs, url, 2)}
    good, bad = found["Lambda Function Invocation Result - Success"], found["Lambda Function Invocation Result - Failure"]
    assert good["source"] == "lambda" and set(good["resources"]) == {arn("lambda", f"function:{name}:$LATEST"), destination["Destination"]}
    assert good["detail"]["responsePayload"] == {"done": True} and good["detail"]["requestContext"]["condition"] == "Success"
    assert bad["detail"]["requestPayload"] == {"fail": True} and bad["detail"]["requestContext"]["condition"] == "RetriesExhausted"
    assert bad["detail"]["responsePayload"]["errorType"] == "ValueError"
    with pytest.raises(ClientError, match="does not exist"):
        w.boto().put_function_event_invoke_config(FunctionName=name, DestinationConfig={"OnSuccess": {"Destination": arn("events", "event-bus/none")}})


def test_rules_and_destinations_chain_functions(w, events, sqs, bus, queue, name):
    """bus, function, destination, bus, rule, function, destination, queue."""
    url, to = queue()
    for step, code_text in [("clean", "return {'rows': [int(x) for x in event['detail']['rows']]}"),
                            ("train", "return {'mean': sum(event['detail']['responsePayload']['rows']) / 3}")]:
        w.create(f"{name}-{step}", f"def handler(event, context):\n    {code_text}\n")
    w.boto().put_function_event_invoke_config(FunctionName=f"{name}-clean", DestinationConfig={"OnSuccess": {"Destination": arn("events", f"event-bus/{bus}")}})
    w.boto().put_function_event_invoke_config(FunctionName=f"{name}-train", DestinationConfig={"OnSuccess": {"Destination": to}})
    rule(events, bus, "begin", {"source": ["data"]}, {"Arn": arn("lambda", f"function:{name}-clean")})
    rule(events, bus, "then", {"source": ["lambda"], "detail-type": [{"suffix": "Success"}], "resources": [{"wildcard": f"*:{name}-clean:*"}]},
         {"Arn": arn("lambda", f"function:{name}-train")})
    put(events, bus, {"rows": ["1", "2", "6"]}, source="data")
    assert json.loads(take(sqs, url, 1, 30)[0]["Body"])["responsePayload"] == {"mean": 3.0}


def test_a_function_whose_outcome_starts_it_again_ends(w, events, bus, name):
    w.create(name, "def handler(event, context):\n    return 1\n")
    w.boto().put_function_event_invoke_config(FunctionName=name, DestinationConfig={"OnSuccess": {"Destination": arn("events", f"event-bus/{bus}")}})
    rule(events, bus, "again", {"source": ["go", "lambda"]}, {"Arn": arn("lambda", f"function:{name}")})
    put(events, bus, {}, source="go")
    # The seventeenth run of one chain is refused, and its event kept with those that were given up.
    given_up = lambda: [e for e in w.cli_json("async", "list", name)["events"] if e["isFailed"]]
    wait_until(given_up, 60, lambda: f"{len(w.records(name))} runs")
    failed, = given_up()
    assert "recursive loop" in json.dumps(failed)
    assert len([r for r in w.records(name) if r["trigger"] == "bus"]) == 16


# Around it


def test_rules_and_waiting_deliveries_survive_a_restart(make_world):
    w = make_world()
    events, sqs = w.boto(service="events"), w.boto(service="sqs")
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    events.create_event_bus(Name="b", Tags=[{"Key": "k", "Value": "v"}])
    rule(events, "b", "r", {"source": ["shop"]}, {"Arn": arn("sqs", "q"), "InputPath": "$.detail"})
    events.put_rule(Name="clock", ScheduleExpression="rate(1 hour)")
    put(events, "b", {"n": 1})
    w.kill()
    w.start()
    put(events, "b", {"n": 2})
    assert sorted(m["Body"] for m in take(sqs, url, 2)) == ['{"n":1}', '{"n":2}']
    assert events.describe_rule(Name="clock")["ScheduleExpression"] == "rate(1 hour)"
    assert events.list_tags_for_resource(ResourceARN=arn("events", "event-bus/b"))["Tags"] == [{"Key": "k", "Value": "v"}]


def test_the_verbs(w, events, sqs, queue, name):
    url, to = queue()
    bus = f"verbs-{uuid.uuid4().hex[:8]}"
    w.create(name, KEEP)
    assert w.cli("bus", "create", bus, "--description", "d").stdout.strip() == arn("events", f"event-bus/{bus}")
    assert bus in w.cli("bus", "list").stdout
    w.cli("bus", "rule", "create", "r", "--bus", bus, "--pattern", '{"source":["cli"]}', "--target", name, "--target", to, "--description", "x")
    sent = w.cli("bus", "put", "--bus", bus, "--source", "cli", "--type", "t", "--resource", "a", input='{"n": 1}').stdout.strip()
    assert json.loads(take(sqs, url)[0]["Body"])["id"] == sent
    assert w.cli_json("bus", "put", '{"n": 2}', "--bus", bus, "--source", "cli", "--type", "t")["EventId"]
    shown = wait_until(lambda: [r for r in w.cli_json("bus", "rules", bus)["rules"] if r["delivered"] == 4], 60, "counts")[0]
    assert shown["matched"] == 2 and shown["state"] == "enabled"
    assert "function:" in w.cli("bus", "rules", bus).stdout
    w.cli("bus", "rule", "disable", "r", "--bus", bus)
    assert w.cli_json("bus", "rules", bus)["rules"][0]["state"] == "disabled"
    w.cli("bus", "rule", "enable", "r", "--bus", bus)
    refused = w.cli("bus", "put", "{", "--bus", bus, "--source", "cli", "--type", "t", check=False)
    assert refused.returncode != 0 and "MalformedDetail" in refused.stderr
    assert w.cli("bus", "delete", bus, check=False).returncode != 0
    w.cli("bus", "rule", "delete", "r", "--bus", bus)
    w.cli("bus", "delete", bus)
    assert w.cli("bus", "rules", bus, check=False).returncode != 0


def test_metrics_count_events_and_deliveries(w, events, sqs, bus, queue):
    _, to = queue()
    rule(events, bus, "r", {"source": ["shop"]}, {"Arn": to}, {"Arn": arn("sqs", "not-there")})
    put(events, bus, {})
    put(events, bus, {}, source="nobody")
    text = w.curl("/metrics")
    for line in (f'event_bus_events_total{{bus="{bus}",what="accepted"}} 2', f'event_bus_events_total{{bus="{bus}",what="matched"}} 1',
                 f'event_bus_deliveries_total{{bus="{bus}",result="delivered"}} 1', f'event_bus_deliveries_total{{bus="{bus}",result="dropped"}} 1'):
        assert line in text, [entry for entry in text.splitlines() if bus in entry]


def test_rules_are_among_the_triggers(w, events, bus, queue, name):
    _, to = queue()
    w.create(name, KEEP)
    rule(events, bus, "r", {"source": ["shop"]}, {"Arn": arn("lambda", f"function:{name}")})
    put(events, bus, {})
    shown, = [t for t in w.cli_json("triggers", name)["triggers"] if t["kind"] == "rule"]
    assert shown["name"] == f"{bus}/r" and shown["events"] == 1 and shown["state"] == "enabled" and shown["source"] == arn("events", f"event-bus/{bus}")
    w.delete(name)
    put(events, bus, {})
    shown, = [t for t in w.cli_json("triggers")["triggers"] if t["name"] == f"{bus}/r"]
    assert shown["state"] == "failing" and shown["faults"] == 1 and "does not exist" in shown["lastError"]
    w.create(name, KEEP)
    put(events, bus, {})
    shown, = [t for t in w.cli_json("triggers")["triggers"] if t["name"] == f"{bus}/r"]
    assert shown["state"] == "enabled" and shown["faults"] == 1 and shown["events"] == 3


def test_no_bytes_make_the_server_fail(w):
    """Requests of the operations with parts of them replaced by others: an answer each time, and never the platform's fault."""
    seed = int(OPTIONS.get("MARTLET_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"seed {seed} (MARTLET_SEED={seed} repeats it)")
    dice = random.Random(seed)
    entry = {"Source": "s", "DetailType": "t", "Detail": '{"a": [1, {"b": null}]}', "Resources": ["r"], "Time": 1.5, "EventBusName": "default", "TraceHeader": "t"}
    target = {"Id": "1", "Arn": arn("sqs", "q"), "InputTransformer": {"InputPathsMap": {"a": "$.detail.a[0]"}, "InputTemplate": '{"x": <a>}'},
              "RetryPolicy": {"MaximumRetryAttempts": 1}, "DeadLetterConfig": {"Arn": arn("sqs", "d")}, "SqsParameters": {"MessageGroupId": "g"}}
    bodies = {
        "PutEvents": {"Entries": [entry]}, "PutRule": {"Name": "fuzz", "EventPattern": '{"source": ["s"], "$or": [{"a": [1]}, {"b": [{"cidr": "10.0.0.0/8"}]}]}'},
        "PutTargets": {"Rule": "fuzz", "Targets": [target]}, "RemoveTargets": {"Rule": "fuzz", "Ids": ["1"]}, "ListRules": {"Limit": 1, "NextToken": "a"},
        "TestEventPattern": {"EventPattern": '{"a": [1]}', "Event": "{}"}, "TagResource": {"ResourceARN": arn("events", "rule/fuzz"), "Tags": [{"Key": "k", "Value": "v"}]},
        "DescribeRule": {"Name": "fuzz"}, "DeleteRule": {"Name": "fuzz", "Force": True}, "CreateEventBus": {"Name": "fuzz", "Description": "d"},
        "DeleteEventBus": {"Name": "fuzz"}, "ListTargetsByRule": {"Rule": "fuzz"}, "Nothing": {},
    }
    event = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "time": "2026-01-01T00:00:00Z", "data": {"a": 1}}
    pieces = [b'"', b"{", b"}", b"[", b"]", b"\\", b"\\u0000", b"\\ud800", b"null", b"1e999", b"-", b"\x00", b"\xff", b"<a>", b"$", b",", b"true", b"arn:aws:"]

    def spoiled(data):
        data = bytearray(data)
        for _ in range(dice.randrange(4)):
            at, end = sorted(dice.randrange(len(data) + 1) for _ in range(2))
            data[at:min(end, at + dice.randrange(12))] = dice.choice(pieces)
        return bytes(data)
    statuses = collections.Counter()
    for _ in range(1500):
        if dice.random() < 0.7:
            operation = dice.choice(list(bodies))
            answer = w.http("POST", "/", spoiled(json.dumps(bodies[operation]).encode()), {"X-Amz-Target": f"AWSEvents.{operation}"})
            json.loads(answer.body)
        else:
            kind = dice.choice(["application/cloudevents+json", "application/cloudevents-batch+json", "application/json"])
            body = json.dumps([event] if "batch" in kind else event).encode()
            headers = {f"ce-{k}": v for k, v in event.items() if k != "data"} if kind == "application/json" else {}
            answer = w.http("POST", "/events/default", spoiled(body), {**headers, "Content-Type": kind})
        statuses[answer.status] += 1
        assert answer.status < 500, answer
    print(statuses)
    assert statuses[200] > 50 and statuses[202] > 20 and statuses[400] > 100
    assert w.http("GET", "/martlet/v1/health").status == 200


def test_accounts_do_not_see_each_other_and_strangers_nothing(scratch):
    with world(scratch / "bus-signed", dev=False) as w:
        events = w.boto(service="events")
        assert events.list_event_buses()["EventBuses"][0]["Name"] == "default"
        other = w.boto(service="events", region="eu-central-1")
        events.create_event_bus(Name="mine")
        assert [b["Name"] for b in other.list_event_buses()["EventBuses"]] == ["default"]
        answer = w.http("POST", "/", b"{}", {"X-Amz-Target": "AWSEvents.ListEventBuses"}, sign=None)
        assert answer.status == 403
        assert w.http("POST", "/events/mine", b"{}", {"ce-id": "1"}, sign=None).status == 403
