"""Queues and events on the command line and in the metrics; events that were given up and what can be done with them."""

import json
import re

import pytest

from harness.processes import wait_until
from harness.world import world

CODE = """
import os
def handler(event, context):
    print("attempt of", event, flush=True)
    if event.get("fail"): raise ValueError("no " + event["fail"])
    return event
"""


@pytest.fixture(scope="module")
def w(scratch):
    with world(scratch / "queues", config={"async": {"retryDelays": [0.1]}}) as made:
        yield made


def send(w, name, payload):
    answer = w.invoke(name, payload, kind="Event")
    assert answer.status == 202, answer
    return answer.request_id


def listed(w, *arguments):
    return w.cli_json("async", "list", *arguments)["events"]


def given_up(w, name, count=1):
    wait_until(lambda: len([e for e in listed(w, name) if e["isFailed"]]) >= count, 60, lambda: f"{count} given up: {listed(w, name)}\n{w.log_text(2000)}")
    return [e for e in listed(w, name) if e["isFailed"]]


def test_queue_is_made_filled_looked_into_and_emptied(w, name):
    queue = name[:60]
    assert w.cli("queue", "create", queue).stdout.strip() == f"arn:aws:sqs:us-east-1:123456789012:{queue}"
    ids = [w.cli("queue", "send", queue, f"message {n}").stdout.strip() for n in range(3)]
    later = w.cli("queue", "send", queue, "--delay", "600", input="later\n").stdout.strip()
    shown = w.cli_json("queue", "peek", queue)["messages"]
    assert [m["messageId"] for m in shown] == ids + [later]
    assert [m["body"] for m in shown] == ["message 0", "message 1", "message 2", "later\n"]
    assert [m["state"] for m in shown] == ["ready"] * 3 + ["delayed"]
    row = next(q for q in w.cli_json("queue", "list")["queues"] if q["queue"] == queue)
    assert (row["kind"], row["visible"], row["delayed"], row["inFlight"]) == ("standard", 3, 1, 0)
    table = w.cli("queue", "list").stdout.splitlines()
    assert table[0].split()[:2] == ["queue", "kind"] and any(line.startswith(queue) for line in table)
    assert w.cli("queue", "purge", queue).stdout == "4 messages deleted\n"
    assert w.cli_json("queue", "peek", queue)["messages"] == []
    w.cli("queue", "delete", queue)
    assert "does not exist" in w.cli("queue", "send", queue, "x", check=False).stderr


def test_messages_survive_a_kill(make_world):
    w = make_world()
    w.cli("queue", "create", "kept")
    for n in range(5):
        w.cli("queue", "send", "kept", str(n))
    w.kill()
    w.start()
    assert [m["body"] for m in w.cli_json("queue", "peek", "kept")["messages"]] == list("01234")


@pytest.mark.parametrize("queue", ["async:hello", "a b", "x" * 81, ".fifo", "ä"])
def test_names_that_are_none_are_refused(w, queue):
    failure = w.cli("queue", "create", queue, check=False)
    assert failure.returncode != 0 and "no name of a queue" in failure.stderr


def test_full_queue_says_so(make_world):
    w = make_world(config={"queues": {"messagesPerQueue": 2}})
    w.cli("queue", "create", "small")
    for n in range(2):
        w.cli("queue", "send", "small", str(n))
    failure = w.cli("queue", "send", "small", "x", check=False)
    assert failure.returncode != 0 and "the queue small is full" in failure.stderr


def test_given_up_event_is_listed_with_each_failure_and_log_and_tried_again(w, name):
    w.create(name, CODE)
    request_id = send(w, name, {"fail": "way"})
    event = given_up(w, name)[0]
    assert event["requestId"] == request_id and event["attempts"] == 3
    assert [(f["attempt"], f["kind"], f["reason"]) for f in event["failures"]] == [(n, "ValueError", "no way") for n in (1, 2, 3)]
    shown = w.cli("async", "list", name, "--request", request_id).stdout
    assert "given up" in shown and shown.count("attempt of {'fail': 'way'}") == 3
    assert [int(n) for n in re.findall(r"^attempt (\d)", shown, re.M)] == [1, 2, 3]
    assert w.cli("async", "retry", name, request_id).stdout == "1 events are queued again\n"
    wait_until(lambda: any(e["isFailed"] and e["attempts"] == 6 for e in listed(w, name)), 60, lambda: f"three more attempts: {listed(w, name)}")
    rows = w.http("GET", f"/martlet/v1/usage/invocations/{request_id}").json["rows"]
    assert [r["attempt"] for r in rows] == [1, 2, 3, 4, 5, 6], "each attempt is on the bill once"
    w.cli("async", "discard", name, request_id)
    assert listed(w, name) == []
    assert w.cli("async", "retry", name, request_id, check=False).returncode != 0


def test_all_given_up_events_are_tried_again_or_discarded(w, name):
    w.create(name, CODE, env={"MODE": "x"})
    w.boto().put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=0)
    for n in range(5):
        send(w, name, {"fail": str(n)})
    given_up(w, name, 5)
    w.create(name, "def handler(event, context):\n    return 1\n")
    assert w.cli("async", "retry", name, "--all").stdout == "5 events are queued again\n"
    wait_until(lambda: listed(w, name) == [], 60, lambda: f"all done: {listed(w, name)}")
    w.create(name, CODE)
    send(w, name, {"fail": "again"})
    given_up(w, name)
    assert w.cli("async", "discard", name, "--all").stdout == "1 events are deleted\n"
    assert w.cli("async", "list", name).stdout == ""


def test_dead_letters_are_the_event_and_why(w, name):
    queue = "dead-" + name[-6:]
    arn = w.cli("queue", "create", queue).stdout.strip()
    w.create(name, CODE, DeadLetterConfig={"TargetArn": arn})
    assert w.boto().get_function_configuration(FunctionName=name)["DeadLetterConfig"] == {"TargetArn": arn}
    w.boto().put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=0)
    send(w, name, {"fail": "more"})
    wait_until(lambda: w.cli_json("queue", "peek", queue)["messages"], 60, lambda: "a dead letter")
    message = w.cli_json("queue", "peek", queue)["messages"][0]
    assert json.loads(message["body"]) == {"fail": "more"}
    assert listed(w, name) == [], "it is in the queue, not here"
    w.boto().update_function_configuration(FunctionName=name, DeadLetterConfig={"TargetArn": ""})
    assert "DeadLetterConfig" not in w.boto().get_function_configuration(FunctionName=name)


def test_destination_that_is_full_leaves_the_event_with_the_reason(make_world, name):
    w = make_world(config={"queues": {"messagesPerQueue": 1}, "async": {"retryDelays": [0.1]}})
    arn = w.cli("queue", "create", "sink").stdout.strip()
    w.cli("queue", "send", "sink", "x")
    w.create(name, CODE)
    w.boto().put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=0, DestinationConfig={"OnFailure": {"Destination": arn}})
    send(w, name, {"fail": "it"})
    event = given_up(w, name)[0]
    assert "the queue sink is full" in event["failures"][-1]["reason"]


def test_metrics_of_a_deleted_queue_end(w, name):
    url = w.boto(service="sqs").create_queue(QueueName=name)["QueueUrl"]
    assert f'durable_queue_messages{{queue="{name}",state="visible"}}' in w.http("GET", "/metrics").text
    w.boto(service="sqs").delete_queue(QueueUrl=url)
    wait_until(lambda: f'"{name}"' not in w.http("GET", "/metrics").text, 60, "the gauges of a deleted queue")


def test_metrics_show_depth_age_retries_and_dead_letters(w, name):
    w.create(name, CODE)
    w.boto().put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=1)
    send(w, name, {"fail": "x"})
    given_up(w, name)
    wanted = {
        f'events_accepted_total{{function="{name}"}}': 1, f'event_retries_total{{function="{name}"}}': 1, f'event_dead_letters_total{{function="{name}"}}': 1,
        f'event_queue_messages{{function="{name}",state="failed"}}': 1, f'event_queue_messages{{function="{name}",state="in_flight"}}': 0,
        f'event_queue_oldest_seconds{{function="{name}"}}': 0}

    def values():
        metrics = w.http("GET", "/metrics").text
        found = {series: re.search(rf"^{re.escape(series)} (\S+)$", metrics, re.M) for series in wanted}
        return {series: float(match[1]) if match else None for series, match in found.items()}
    # What is on the disk is counted a moment later.
    wait_until(lambda: values() == wanted, 60, values)
