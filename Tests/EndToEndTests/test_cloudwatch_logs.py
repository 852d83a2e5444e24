"""Logs as CloudWatch Logs' clients read them."""

import json

import pytest

TALK = """
import json
def handler(event, context):
    for i in range(event.get("n", 1)): print(json.dumps({"level": "error" if i % 2 else "info", "tag": event.get("tag"), "i": i}))
    return [context.log_group_name, context.log_stream_name]
"""


@pytest.fixture(scope="module")
def talk(w):
    w.create("talk", TALK)
    w.call("talk", {"tag": "alpha", "n": 4})
    return "talk"


@pytest.fixture(scope="module")
def client(w):
    return w.boto(service="logs")


def test_a_handler_is_told_where_its_lines_are(w, talk, client):
    group, stream = w.call(talk, {"tag": "told"})
    assert group == "/aws/lambda/talk"
    events = client.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True)["events"]
    said = "".join(event["message"] for event in events)
    assert '"told"' in said and said.count("REPORT RequestId") >= 2 and all(event["message"].endswith("\n") for event in events)


def test_groups_and_streams_are_described(talk, client):
    groups = [group for page in client.get_paginator("describe_log_groups").paginate(logGroupNamePrefix="/aws/lambda/ta") for group in page["logGroups"]]
    assert [group["logGroupName"] for group in groups] == ["/aws/lambda/talk"] and groups[0]["storedBytes"] > 0
    streams = client.describe_log_streams(logGroupName="/aws/lambda/talk", orderBy="LastEventTime", descending=True)["logStreams"]
    assert len(streams) == 1 and "[$LATEST]" in streams[0]["logStreamName"] and streams[0]["arn"].endswith(streams[0]["logStreamName"])


def test_patterns_and_pages(w, talk, client):
    w.call(talk, {"tag": "paged", "n": 30})
    pages = client.get_paginator("filter_log_events").paginate(
        logGroupName="/aws/lambda/talk", filterPattern='{ $.tag = "paged" && $.level = "error" }', PaginationConfig={"PageSize": 7})
    events = [event for page in pages for event in page["events"]]
    assert [json.loads(event["message"])["i"] for event in events] == list(range(1, 30, 2))
    assert len({event["eventId"] for event in events}) == 15
    one = client.filter_log_events(logGroupName="/aws/lambda/talk", filterPattern='"REPORT" -Status', limit=1)
    assert len(one["events"]) == 1 and one["nextToken"]


def test_errors_are_the_services(client):
    with pytest.raises(client.exceptions.ResourceNotFoundException, match="The specified log group does not exist."):
        client.filter_log_events(logGroupName="/aws/lambda/nobody")
    with pytest.raises(client.exceptions.InvalidParameterException, match="Invalid filter pattern"):
        client.filter_log_events(logGroupName="/aws/lambda/talk", filterPattern="{ $.a ~ 1 }")
    with pytest.raises(client.exceptions.InvalidOperationException, match="PutLogEvents is not supported by Martlet"):
        client.put_log_events(logGroupName="/aws/lambda/talk", logStreamName="x", logEvents=[{"timestamp": 1, "message": "x"}])


def test_the_aws_cli_filters(w, talk):
    w.call(talk, {"tag": "filtered"})
    found = json.loads(w.aws("logs", "filter-log-events", "--log-group-name", "/aws/lambda/talk", "--filter-pattern", "filtered").stdout)
    assert len(found["events"]) == 1
    assert "/aws/lambda/talk" in w.aws("logs", "describe-log-groups").stdout


def test_what_comes_is_followed(w, talk, client):
    """As `aws logs tail --follow` does: each look begins with the last event's time, and what was seen is told by its ID."""
    start, seen = 0, {}
    for number in range(3):
        w.call(talk, {"tag": f"followed-{number}"})
        for page in client.get_paginator("filter_log_events").paginate(logGroupIdentifier="/aws/lambda/talk", interleaved=True, startTime=start):
            for event in page["events"]:
                assert seen.setdefault(event["eventId"], event["message"]) == event["message"]
                start = max(start, event["timestamp"])
    for number in range(3):
        assert sum(f"followed-{number}" in message for message in seen.values()) == 1
