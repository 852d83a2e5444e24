"""`martlet triggers`: each source of events, what it does and what is wrong with it."""

import hashlib
import hmac
import json
import re
import subprocess

from harness.moments import soon
from harness.processes import wait_until
from harness.world import ACCOUNT, MARTLET

ECHO = "def handler(event, context):\n    return event\n"


def triggers(w, *function):
    return {(t["kind"], t["name"]): t for t in w.cli_json("triggers", *function)["triggers"]}


def test_each_kind_is_listed_with_what_came_through_it(make_world):
    w = make_world(config={"async": {"retryDelays": [0.05]}})
    lambda_, sqs = w.boto(), w.boto(service="sqs")
    assert "nothing triggers any function yet" in w.cli("triggers").stderr
    for name in ("work", "other"):
        w.create(name, ECHO)
    # A webhook, with one delivery believed and one not.
    hook = w.cli_json("webhook", "create", "hook", "--function", "work", "--scheme", "hmac", "--header", "X-Sig")
    path, body = hook["url"].removeprefix(w.endpoint), b"{}"
    assert w.http("POST", path, body, {"X-Sig": hmac.new(hook["secret"].encode(), body, hashlib.sha256).hexdigest()}).status == 202
    assert w.http("POST", path, body, {"X-Sig": "00"}).status == 403
    # A schedule, a queue, a function URL.
    when, _ = soon(lambda at: w.cli("schedule", "set", "tick", at, "work"))
    url = sqs.create_queue(QueueName="orders")["QueueUrl"]
    arn = f"arn:aws:sqs:us-east-1:{ACCOUNT}:orders"
    mapping = lambda_.create_event_source_mapping(FunctionName="work", EventSourceArn=arn)["UUID"]
    for n in range(3):
        sqs.send_message(QueueUrl=url, MessageBody=str(n))
    lambda_.create_function_url_config(FunctionName="other", AuthType="NONE")
    assert w.http("GET", "/fn/other").status == 200

    def all_done():
        seen = triggers(w)
        return seen[("queue", mapping)]["events"] == 3 and seen[("schedule", "tick")]["events"] == 1 and seen[("queue", mapping)]["depth"] == 0
    wait_until(all_done, 60, lambda: f"all come through: {triggers(w)}")
    seen = triggers(w)
    webhook = seen[("webhook", "hook")]
    assert (webhook["events"], webhook["faults"], webhook["state"], webhook["function"]) == (1, 1, "enabled", "work")
    assert webhook["source"] == hook["url"] and "signature" in webhook["lastError"] and webhook["lastErrorTime"] > 0 and webhook["depth"] is None
    assert webhook["perMinute"] > 0 and webhook["target"] == f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:work"
    assert seen[("queue", mapping)]["source"] == arn and seen[("queue", mapping)]["state"] == "enabled"
    assert seen[("schedule", "tick")]["source"] == when and seen[("schedule", "tick")]["state"] == "finished" and seen[("schedule", "tick")]["lastEvent"] > 0
    assert seen[("url", "other")]["events"] == 1 and seen[("url", "other")]["function"] == "other"
    assert {kind for kind, _ in triggers(w, "other")} == {"url"}
    assert w.cli("triggers", "none", check=False).returncode == 1
    table = w.cli("triggers").stdout.splitlines()
    assert table[0].split()[:4] == ["kind", "name", "target", "state"] and len(table) == 5 and arn in "".join(table)
    metrics = w.http("GET", "/metrics").text
    assert re.search(rf'trigger_events_total{{trigger="{mapping}",kind="queue"}} 3', metrics)
    assert 'trigger_faults_total{trigger="hook",kind="webhook"} 1' in metrics
    assert f'trigger_lag_events{{trigger="{mapping}",kind="queue"}} 0' in metrics and 'event_lag_seconds_count{function="work"}' in metrics


def test_a_source_that_fails_says_so_and_why(make_world):
    w = make_world()
    lambda_, sqs = w.boto(), w.boto(service="sqs")
    w.create("fails", "def handler(event, context):\n    raise ValueError('no')\n")
    dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
    url = sqs.create_queue(QueueName="orders", Attributes={
        "VisibilityTimeout": "0",
        "RedrivePolicy": json.dumps({"deadLetterTargetArn": f"arn:aws:sqs:us-east-1:{ACCOUNT}:dead", "maxReceiveCount": 2})})["QueueUrl"]
    mapping = lambda_.create_event_source_mapping(FunctionName="fails", EventSourceArn=f"arn:aws:sqs:us-east-1:{ACCOUNT}:orders")["UUID"]
    sqs.send_message(QueueUrl=url, MessageBody="x")
    wait_until(lambda: sqs.receive_message(QueueUrl=dead, WaitTimeSeconds=5).get("Messages"), 60, "a dead letter")
    wait_until(lambda: triggers(w)[("queue", mapping)]["faults"] == 2, 60, lambda: f"both faults are counted: {triggers(w)}")
    entry = triggers(w)[("queue", mapping)]
    assert entry["state"] == "failing" and entry["lastError"] == "Function call failed", entry
    assert 'durable_queue_dead_letters_total{queue="orders"} 1' in w.http("GET", "/metrics").text
    lambda_.update_event_source_mapping(UUID=mapping, Enabled=False)
    assert triggers(w)[("queue", mapping)]["state"] == "disabled"
    # A queue that goes away under its mapping, and a schedule's target under it.
    lambda_.update_event_source_mapping(UUID=mapping, Enabled=True)
    target = sqs.create_queue(QueueName="target")["QueueUrl"]
    w.cli("schedule", "set", "tick", "rate(1 minute)", f"arn:aws:sqs:us-east-1:{ACCOUNT}:target", "--disabled")
    assert triggers(w)[("schedule", "tick")]["state"] == "disabled"
    sqs.delete_queue(QueueUrl=target)
    sqs.delete_queue(QueueUrl=url)
    wait_until(lambda: triggers(w)[("queue", mapping)]["state"] == "failing", 60, lambda: f"the mapping fails: {triggers(w)}")


def test_the_table_fits_the_terminal(make_world):
    w = make_world()
    w.create("work", ECHO)
    w.cli("webhook", "create", "hook", "--function", "work", "--scheme", "github")
    shown = subprocess.run(
        ["script", "-qec", f"stty cols 100; {MARTLET} triggers", "/dev/null"], capture_output=True, text=True, timeout=60,
        env={**w.client_environment(), "TERM": "dumb"}, stdin=subprocess.DEVNULL).stdout
    lines = [line.rstrip("\r") for line in shown.splitlines() if line.strip()]
    assert any("…" in line for line in lines) and all(len(line) <= 100 for line in lines), shown
