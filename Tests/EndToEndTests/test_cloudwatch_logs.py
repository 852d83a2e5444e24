"""Logs as CloudWatch Logs' clients read them."""

import json
import subprocess
import threading

import pytest
from botocore.exceptions import ClientError

from harness.processes import wait_until
from harness.world import ACCOUNT, ROOT

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


# MARK: Live tail

ARN = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/aws/lambda/talk"


def live_tail(w, **arguments):
    """Events of a session; its client would put `stream-` before the host's name, which a server of one's own does not have."""
    session = w.boto(service="logs", inject_host_prefix=False).start_live_tail(logGroupIdentifiers=[ARN], **arguments)["responseStream"]
    events = iter(session)
    return session, next(events)["sessionStart"], events


def updates_until(events, wanted):
    """What the session shows until it shows `wanted`."""
    seen = []
    for event in events:
        results = event["sessionUpdate"]["sessionResults"]
        seen += results
        if any(wanted in result["message"] for result in results):
            return seen
    raise AssertionError(f"the session ended before it showed {wanted}: {seen}")


def test_live_tail_shows_what_is_logged_from_its_start_on(w, talk):
    w.call(talk, {"tag": "before"})
    session, start, events = live_tail(w)
    assert start["logGroupIdentifiers"] == [ARN] and start["sessionId"] and start["requestId"]
    first = next(events)["sessionUpdate"]
    assert first["sessionMetadata"] == {"sampled": False}
    w.call(talk, {"tag": "live-1", "n": 3})
    seen = first["sessionResults"] + updates_until(events, "live-1")
    w.call(talk, {"tag": "live-2"})
    seen += updates_until(events, "live-2")
    session.close()
    messages = [result["message"] for result in seen]
    assert sum("live-1" in message for message in messages) == 3 and sum("live-2" in message for message in messages) == 1
    assert not any("before" in message for message in messages)
    assert {result["logGroupIdentifier"] for result in seen} == {ARN} and all("[$LATEST]" in result["logStreamName"] for result in seen)


def test_live_tail_shows_only_what_its_pattern_asks_for(w, talk):
    session, start, events = live_tail(w, logEventFilterPattern='{ $.level = "error" && $.tag = "chosen" }')
    assert start["logEventFilterPattern"].startswith("{ $.level")
    w.call(talk, {"tag": "chosen", "n": 4})
    seen = updates_until(events, '"i": 3')
    session.close()
    assert [json.loads(result["message"])["i"] for result in seen] == [1, 3]


def test_live_tail_refuses_as_the_service_does(w, talk):
    client = w.boto(service="logs", inject_host_prefix=False)
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.start_live_tail(logGroupIdentifiers=[ARN + "-none"])
    with pytest.raises(client.exceptions.InvalidParameterException, match="asterisk"):
        client.start_live_tail(logGroupIdentifiers=[ARN + ":*"])


def test_an_account_has_so_many_live_tails_and_a_client_that_goes_makes_room(w, talk):
    def one_more():
        try:
            return live_tail(w)
        except ClientError as refusal:
            assert refusal.response["Error"]["Code"] == "LimitExceededException"
            return None
    # The server may not have noticed yet that others are closed: those before these, and then these.
    for _ in range(2):
        sessions = [wait_until(one_more, 60, "room for a live tail") for _ in range(15)]
        assert one_more() is None
        for session, _, _ in sessions:
            session.close()
    session, _, _ = wait_until(one_more, 60, "room for a live tail")
    session.close()


def test_the_aws_cli_tails_live(w, talk):
    environment = {**w.client_environment(), "AWS_DISABLE_HOST_PREFIX_INJECTION": "true", "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [ROOT / ".build/venv/bin/aws", "--endpoint-url", w.endpoint, "logs", "start-live-tail", "--log-group-identifiers", ARN],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    lines = []
    reader = threading.Thread(target=lambda: lines.extend(process.stdout), daemon=True)
    reader.start()

    def shown():
        # Nothing tells when the session has begun.
        w.call(talk, {"tag": "by-cli"})
        return any("by-cli" in line for line in lines)
    try:
        wait_until(shown, 60, lambda: f"a line of the log: {lines}", 0.2)
    finally:
        process.kill()
        process.communicate()


def test_a_server_that_ends_ends_live_tails(make_world):
    w = make_world()
    w.create("talk", TALK)
    _, _, events = live_tail(w)
    next(events)
    w.terminate()
    assert all("sessionUpdate" in event for event in events)
