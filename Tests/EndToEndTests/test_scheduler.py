"""EventBridge Scheduler's API by boto3, with functions and queues as targets."""

import datetime
import json
import time

import pytest
from botocore.exceptions import ClientError

from harness.moments import moment, soon
from harness.processes import wait_until
from harness.world import ACCOUNT, world

ROLE = f"arn:aws:iam::{ACCOUNT}:role/any"


@pytest.fixture(scope="module")
def scheduler(w):
    return w.boto(service="scheduler")


@pytest.fixture(scope="module")
def sqs(w):
    return w.boto(service="sqs")


@pytest.fixture
def target(sqs, name):
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    yield url, f"arn:aws:sqs:us-east-1:{ACCOUNT}:{name}"
    sqs.delete_queue(QueueUrl=url)


def message_of(sqs, url, **options):
    """The one message that comes."""
    message, = wait_until(lambda: sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5, **options).get("Messages"), 60, "a message")
    return message


def test_schedules_are_made_shown_changed_listed_and_deleted(scheduler, target, name):
    _, arn = target
    start = datetime.datetime(2030, 1, 1, tzinfo=datetime.timezone.utc)
    made = scheduler.create_schedule(
        Name=name, ScheduleExpression="cron(0 9 ? * MON-FRI *)", ScheduleExpressionTimezone="Europe/Berlin", StartDate=start, Description="d",
        FlexibleTimeWindow={"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 15}, Target={"Arn": arn, "RoleArn": ROLE, "Input": "{}"})
    assert made["ScheduleArn"] == f"arn:aws:scheduler:us-east-1:{ACCOUNT}:schedule/default/{name}"
    shown = scheduler.get_schedule(Name=name)
    assert shown["ScheduleExpression"] == "cron(0 9 ? * MON-FRI *)" and shown["StartDate"] == start and shown["State"] == "ENABLED"
    assert shown["FlexibleTimeWindow"] == {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 15} and shown["Target"]["Arn"] == arn
    with pytest.raises(scheduler.exceptions.ConflictException):
        scheduler.create_schedule(Name=name, ScheduleExpression="rate(1 hour)", FlexibleTimeWindow={"Mode": "OFF"}, Target={"Arn": arn, "RoleArn": ROLE})
    scheduler.update_schedule(Name=name, ScheduleExpression="rate(2 days)", FlexibleTimeWindow={"Mode": "OFF"}, State="DISABLED",
                              Target={"Arn": arn, "RoleArn": ROLE})
    assert name in [s["Name"] for s in scheduler.list_schedules(NamePrefix=name, State="DISABLED")["Schedules"]]
    assert not scheduler.list_schedules(NamePrefix=name, State="ENABLED")["Schedules"]
    assert "Description" not in scheduler.get_schedule(Name=name)
    scheduler.delete_schedule(Name=name)
    with pytest.raises(scheduler.exceptions.ResourceNotFoundException):
        scheduler.get_schedule(Name=name)


def test_faults_are_explained(scheduler, target, name):
    def refused(expression, zone="UTC", to=target[1]):
        with pytest.raises(scheduler.exceptions.ValidationException) as caught:
            scheduler.create_schedule(Name=name, ScheduleExpression=expression, ScheduleExpressionTimezone=zone, FlexibleTimeWindow={"Mode": "OFF"},
                                      Target={"Arn": to, "RoleArn": ROLE})
        return caught.value.response["Message"]
    assert "never due" in refused("cron(0 0 30 2 ? *)")
    assert "field minutes" in refused("cron(60 * * * ? *)")
    assert "Mars/Base" in refused("rate(1 hour)", "Mars/Base")
    assert "does not exist" in refused("rate(1 hour)", to=f"arn:aws:sqs:us-east-1:{ACCOUNT}:none-such")
    assert "never due" in refused("at(2020-01-01T00:00:00)")


def test_groups_hold_schedules_and_tags(scheduler, target, name):
    group = name[:50]
    arn = scheduler.create_schedule_group(Name=group, Tags=[{"Key": "a", "Value": "1"}])["ScheduleGroupArn"]
    scheduler.create_schedule(Name="s", GroupName=group, ScheduleExpression="rate(1 day)", FlexibleTimeWindow={"Mode": "OFF"},
                              Target={"Arn": target[1], "RoleArn": ROLE})
    assert [s["Name"] for s in scheduler.list_schedules(GroupName=group)["Schedules"]] == ["s"]
    scheduler.tag_resource(ResourceArn=arn, Tags=[{"Key": "b", "Value": "2"}])
    scheduler.untag_resource(ResourceArn=arn, TagKeys=["a"])
    assert scheduler.list_tags_for_resource(ResourceArn=arn)["Tags"] == [{"Key": "b", "Value": "2"}]
    names = [g["Name"] for g in scheduler.list_schedule_groups()["ScheduleGroups"]]
    assert "default" in names and group in names
    scheduler.delete_schedule_group(Name=group)
    with pytest.raises(ClientError):
        scheduler.get_schedule(Name="s", GroupName=group)


def test_a_queue_gets_its_message_at_the_time(scheduler, sqs, target, name):
    url, arn = target

    def lateness(lead):
        soon(lambda at: scheduler.create_schedule(
            Name=name, ScheduleExpression=at, FlexibleTimeWindow={"Mode": "OFF"}, ActionAfterCompletion="DELETE",
            Target={"Arn": arn, "RoleArn": ROLE, "Input": '{"at":"<aws.scheduler.scheduled-time>"}'}), lead)
        message = message_of(sqs, url, MessageSystemAttributeNames=["All"])
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        due = datetime.datetime.fromisoformat(json.loads(message["Body"])["at"].replace("Z", "+00:00")).timestamp()
        wait_until(lambda: not scheduler.list_schedules(NamePrefix=name)["Schedules"], 60, "the schedule is gone")
        return int(message["Attributes"]["SentTimestamp"]) / 1000 - due
    # On a machine that is busy with something else one may be late; never is one early.
    seen = []
    while not seen or min(seen) >= 2:
        assert len(seen) < 5, seen
        seen.append(lateness(2 + len(seen)))
    assert min(seen) >= 0
    wait_until(lambda: not scheduler.list_schedules(NamePrefix=name)["Schedules"], 60, "the schedule is gone")


def test_a_function_is_invoked_by_its_schedule(w, scheduler, sqs, target, name):
    """The function's destination shows what it was given."""
    url, arn = target
    w.create(name, "def handler(event, context):\n    return event\n")
    w.boto().put_function_event_invoke_config(FunctionName=name, DestinationConfig={"OnSuccess": {"Destination": arn}})
    function = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{name}"
    soon(lambda at: scheduler.create_schedule(
        Name=name, ScheduleExpression=at, FlexibleTimeWindow={"Mode": "OFF"}, Target={"Arn": function, "RoleArn": ROLE}))
    message = message_of(sqs, url)
    event = json.loads(message["Body"])["responsePayload"]
    assert event["source"] == "aws.scheduler" and event["resources"] == [f"arn:aws:scheduler:us-east-1:{ACCOUNT}:schedule/default/{name}"]


def test_a_schedule_survives_a_kill_and_runs_once(make_world):
    w = make_world()
    sqs = w.boto(service="sqs")
    url = sqs.create_queue(QueueName="target")["QueueUrl"]
    soon(lambda at: w.boto(service="scheduler").create_schedule(
        Name="s", ScheduleExpression=at, FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": f"arn:aws:sqs:us-east-1:{ACCOUNT}:target", "RoleArn": ROLE, "Input": "run"}), 3)
    w.kill()
    w.start()
    sqs = w.boto(service="sqs")
    message = message_of(sqs, url)
    assert message["Body"] == "run"
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    w.kill()
    w.start()
    assert "Messages" not in w.boto(service="sqs").receive_message(QueueUrl=url, WaitTimeSeconds=1)


QUICK = {"async": {"retryDelays": [0.05]}}


def runs(w, name):
    return w.cli_json("schedule", "runs", name)["runs"]


def test_a_targets_own_rules_decide_on_attempts_and_its_dead_letters_say_why(make_world):
    """The function would be tried three times; the schedule says once more, and where the event then goes."""
    w = make_world(config=QUICK)
    sqs = w.boto(service="sqs")
    dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
    w.create("fails", "def handler(event, context):\n    print('attempt', event['attempt'])\n    raise ValueError(event['attempt'])\n")
    arn = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:fails"
    soon(lambda at: w.boto(service="scheduler").create_schedule(
        Name="s", ScheduleExpression=at, FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": arn, "RoleArn": ROLE, "Input": '{"attempt": "<aws.scheduler.attempt-number>", "by": "<aws.scheduler.schedule-arn>"}',
                "RetryPolicy": {"MaximumRetryAttempts": 1, "MaximumEventAgeInSeconds": 3600},
                "DeadLetterConfig": {"Arn": f"arn:aws:sqs:us-east-1:{ACCOUNT}:dead"}}))
    message = message_of(sqs, dead, MessageAttributeNames=["All"])
    why = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    schedule = f"arn:aws:scheduler:us-east-1:{ACCOUNT}:schedule/default/s"
    assert why["ERROR_CODE"] == "ValueError" and why["ERROR_MESSAGE"] == "2" and why["RETRY_ATTEMPTS"] == "1", why
    assert why["EXHAUSTED_RETRY_CONDITION"] == "MaximumRetryAttempts" and why["SCHEDULE_ARN"] == schedule and why["TARGET_ARN"] == arn
    assert json.loads(message["Body"]) == {"attempt": "2", "by": schedule}
    assert why["EXECUTION_ID"] == runs(w, "s")[0]["requestId"]
    assert [line.split()[-1] for line in w.logs("fails").splitlines() if "attempt " in line] == ["1", "2"]
    wait_until(lambda: runs(w, "s")[0]["status"] == "givenUp", 60, lambda: f"the run is given up: {runs(w, 's')}")
    run, = runs(w, "s")
    assert run["status"] == "givenUp" and run["attempts"] == 2 and run["error"] == "functionError", run


@pytest.mark.long
@pytest.mark.timeout(200)
def test_a_run_is_attempted_for_as_long_as_its_target_says(make_world):
    w = make_world(config={"async": {"retryDelays": [4]}})
    sqs = w.boto(service="sqs")
    dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
    w.create("fails", "def handler(event, context):\n    raise ValueError('no')\n")
    soon(lambda at: w.cli(
        "schedule", "set", "s", at, "fails", "--retries", 185, "--maximum-age", 60, "--dead-letters", f"arn:aws:sqs:us-east-1:{ACCOUNT}:dead"))
    deadline = wait_until(lambda: sqs.receive_message(QueueUrl=dead, WaitTimeSeconds=20, MessageAttributeNames=["All"]).get("Messages"), 150, "a dead letter")
    why = {name: value["StringValue"] for name, value in deadline[0]["MessageAttributes"].items()}
    assert why["EXHAUSTED_RETRY_CONDITION"] == "MaximumEventAgeInSeconds" and why["ERROR_CODE"] == "EventAgeExceeded", why
    # Not thrice, as the function has it, nor 186 times.
    assert 5 <= runs(w, "s")[0]["attempts"] <= 30, runs(w, "s")


def test_a_run_that_was_given_up_without_a_dead_letter_queue_is_kept_with_its_reason(make_world):
    w = make_world(config=QUICK)
    w.create("fails", "def handler(event, context):\n    raise ValueError('no paper')\n")
    soon(lambda at: w.cli("schedule", "set", "s", at, "fails", "--retries", 0))
    wait_until(lambda: runs(w, "s") and runs(w, "s")[0]["status"] == "givenUp", 60, lambda: f"the run is given up: {runs(w, 's')}")
    assert runs(w, "s")[0]["error"] == "ValueError: no paper" and runs(w, "s")[0]["attempts"] == 1
    assert w.cli_json("async", "list", "fails")["events"][0]["requestId"] == runs(w, "s")[0]["requestId"]


def test_the_history_survives_a_kill_and_tells_each_run(make_world):
    w = make_world()
    w.create("report", "def handler(event, context):\n    return event\n")
    soon(lambda at: w.cli("schedule", "set", "s", at, "report", "--input", '{"at": "<aws.scheduler.scheduled-time>"}'))
    wait_until(lambda: runs(w, "s") and runs(w, "s")[0]["status"] == "success", 60, lambda: f"the run succeeds: {runs(w, 's')}")
    before, = runs(w, "s")
    assert before["attempts"] == 1 and before["latenessMs"] >= 0 and w.record(before["requestId"])["trigger"] == "schedule"
    w.kill()
    w.start()
    assert runs(w, "s") == [before]
    shown = w.cli("schedule", "show", "s").stdout
    assert before["requestId"] in shown and "success" in shown
    assert w.cli_json("schedule", "show", "s")["MartletLastRuns"] == [before]
    assert w.cli("schedule", "runs", "none", check=False).returncode == 1


def test_the_input_for_a_function_is_json(scheduler, w, name):
    w.create(name, "def handler(event, context):\n    return event\n")
    with pytest.raises(scheduler.exceptions.ValidationException) as caught:
        scheduler.create_schedule(Name=name, ScheduleExpression="rate(1 hour)", FlexibleTimeWindow={"Mode": "OFF"},
                                  Target={"Arn": f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{name}", "RoleArn": ROLE, "Input": "{no json"})
    assert "Input must be JSON" in caught.value.response["Message"]


def test_hundreds_of_schedules_of_one_second_run_once_each(make_world):
    w = make_world()
    sqs, scheduler = w.boto(service="sqs"), w.boto(service="scheduler")
    url = sqs.create_queue(QueueName="target")["QueueUrl"]

    def make(number, when):
        scheduler.create_schedule(Name=f"s{number}", ScheduleExpression=when, FlexibleTimeWindow={"Mode": "OFF"},
                                  Target={"Arn": f"arn:aws:sqs:us-east-1:{ACCOUNT}:target", "RoleArn": ROLE, "Input": str(number)})
    # How long it takes to make them depends on the disk: these are for the time only.
    begun = time.monotonic()
    for number in range(1000, 1020):
        make(number, moment(86_400))
    when = moment(5 + 30 * (time.monotonic() - begun))
    for number in range(200):
        make(number, when)
    got = []

    def drained():
        for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, MessageSystemAttributeNames=["SentTimestamp"]).get("Messages", []):
            got.append((int(message["Body"]), int(message["Attributes"]["SentTimestamp"])))
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return len(got) >= 200
    wait_until(drained, 200, lambda: f"200 runs, not {len(got)}", 0.01)
    assert sorted(number for number, _ in got) == list(range(200))
    due = datetime.datetime.fromisoformat(when[3:-1]).replace(tzinfo=datetime.timezone.utc).timestamp() * 1000
    late = sorted(sent - due for _, sent in got)
    print(f"lateness p50 {late[100]:.0f} ms, p99 {late[197]:.0f} ms")
    assert late[0] >= 0


def test_signatures_for_the_service_are_accepted(scratch):
    with world(scratch / "scheduler-closed", dev=False) as closed:
        assert closed.boto(service="scheduler").list_schedule_groups()["ScheduleGroups"][0]["Name"] == "default"
        assert closed.http("GET", "/schedules", sign=None).status == 403


def test_the_command_line(w, name):
    w.create(name, "def handler(event, context):\n    return event\n")
    assert "next run" in w.cli("schedule", "set", name, "cron(0 3 * * ? *)", name, "--time-zone", "Europe/Berlin", "--catch-up", "all").stdout
    shown = w.cli("schedule", "describe", name).stdout
    assert "Europe/Berlin" in shown and "all" in shown and f"function:{name}" in shown
    assert len(w.cli_json("schedule", "describe", name)["MartletNextRuns"]) == 5
    assert name in w.cli("schedule", "list").stdout
    assert "it rests" in w.cli("schedule", "set", name, "rate(1 hour)", name, "--disabled").stdout
    said = w.cli("schedule", "set", name, "cron(0 0 30 2 ? *)", name, check=False)
    assert said.returncode == 1 and "never due" in said.stderr
    w.cli("schedule", "delete", name)
    assert w.cli("schedule", "describe", name, check=False).returncode == 1
