"""Functions that work by the clock and after each other: the samples ScheduledReport and Pipeline."""

import datetime
import json

import pytest

from harness.moments import soon
from harness.processes import wait_until
from harness.world import ACCOUNT, SAMPLES

EVENT = json.loads((SAMPLES / "Pipeline" / "event.json").read_text())


def queue(w, name):
    w.cli("queue", "create", name)
    return f"arn:aws:sqs:us-east-1:{ACCOUNT}:{name}"


def messages(w, name):
    return [json.loads(m["body"]) for m in w.cli_json("queue", "peek", name)["messages"]]


def on_success(w, function, arn):
    w.boto().put_function_event_invoke_config(FunctionName=function, DestinationConfig={"OnSuccess": {"Destination": arn}})


def test_the_report_is_made_for_the_time_it_was_due(make_world):
    w = make_world()
    w.cli("deploy", "duty-report", SAMPLES / "ScheduledReport")
    on_success(w, "duty-report", queue(w, "reports"))
    at, _ = soon(lambda at: w.cli("schedule", "set", "duty", at, "duty-report", "--retries", 3, "--input", json.dumps({
        "due": "<aws.scheduler.scheduled-time>", "schedule": "<aws.scheduler.schedule-arn>", "attempt": "<aws.scheduler.attempt-number>"})), 3)
    due = datetime.datetime.strptime(at, "at(%Y-%m-%dT%H:%M:%S)")
    # It is made although the server was not there when it was due.
    w.kill()
    w.start()
    wait_until(lambda: messages(w, "reports"), 60, lambda: f"a report: {w.cli('schedule', 'show', 'duty').stdout}\n{w.log_text(2000)}", 0.2)
    record, = messages(w, "reports")
    report = record["responsePayload"]
    assert report["from"] == due.date().isoformat() and len(report["duty"]) == 7
    assert report["id"] == f"arn:aws:scheduler:us-east-1:{ACCOUNT}:schedule/default/duty@{due:%Y-%m-%dT%H:%M:%SZ}"

    def run():
        return w.cli_json("schedule", "runs", "duty")["runs"][0]
    wait_until(lambda: run()["status"] == "success", 60, run)
    run, = w.cli_json("schedule", "runs", "duty")["runs"]
    assert run["requestId"] == record["requestContext"]["requestId"] and run["status"] == "success", run
    assert f"attempt {run['attempts']}:" in w.logs("duty-report")


@pytest.fixture
def pipeline(make_world):
    w = make_world(config={"async": {"retryDelays": [0.1]}})
    for step in ("standardise", "train"):
        w.cli("deploy", step, SAMPLES / "Pipeline", "--handler", f"app.{step}", "--memory", 256, timeout=400)
    on_success(w, "train", queue(w, "models"))
    return w


def start(w):
    return w.cli("invoke", "standardise", "--event", "--idempotency-key", EVENT["run"], "--payload", json.dumps(EVENT)).stdout.strip()


def wait_model(w):
    wait_until(lambda: messages(w, "models"), 90, lambda: f"a model: {w.cli('async', 'list').stdout}\n{w.log_text(2000)}", 0.2)
    record, = messages(w, "models")
    return record["responsePayload"]


@pytest.mark.timeout(600)
def test_two_steps_are_chained_by_a_destination_and_one_key_is_one_run(pipeline):
    w = pipeline
    on_success(w, "standardise", f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:train")
    first = start(w)
    assert start(w) == first
    model = wait_model(w)
    assert model["run"] == EVENT["run"] and model["weights"].keys() == {"rooms", "age"} and 0.9 < model["r2"] <= 1
    # By hand: the model is that of the data.
    rows = EVENT["rows"]
    residuals = [price - model["weights"]["rooms"] * rooms - model["weights"]["age"] * age - model["bias"] for rooms, age, price in rows]
    assert abs(sum(residuals)) < 0.1 and abs(sum(r * rooms for r, (rooms, _, _) in zip(residuals, rows))) < 0.5
    assert start(w) == first
    for step in ("standardise", "train"):
        assert [r["outcome"] for r in w.records(step) if r["trigger"] != "initialization"] == ["success"], step


@pytest.mark.timeout(600)
def test_two_steps_are_chained_by_a_rule(pipeline):
    w = pipeline
    on_success(w, "standardise", f"arn:aws:events:us-east-1:{ACCOUNT}:event-bus/default")
    pattern = {"source": ["lambda"], "detail": {"requestContext": {"functionArn": [{"wildcard": "*:function:standardise:*"}]}}}
    w.cli("bus", "rule", "create", "standardised", "--target", "train", "--pattern", json.dumps(pattern))
    start(w)
    assert wait_model(w)["run"] == EVENT["run"]


@pytest.mark.timeout(600)
def test_a_pipeline_that_is_killed_at_each_step_ends_with_one_model(pipeline):
    """The steps' events are in the store or they are not; whenever the server goes, one model comes of one run."""
    w = pipeline
    on_success(w, "standardise", f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:train")
    first = start(w)
    w.kill()
    w.start()
    assert start(w) == first
    wait_until(lambda: "standardised" in w.cli("logs", "standardise", check=False).stdout, 60, "the first step ran", 0.02)
    w.kill()
    w.start()
    assert wait_model(w)["run"] == EVENT["run"]
    wait_until(lambda: not w.cli_json("async", "list")["events"], 60, "nothing waits", 0.1)
    assert len(messages(w, "models")) == 1
    for step in ("standardise", "train"):
        attempts = [(r["requestId"], r["attempt"]) for r in w.records(step) if r["trigger"] != "initialization"]
        assert len(attempts) == len(set(attempts)), attempts
