"""`kill -9` of the server at random moments while events come from every source at once: asynchronous invocations, a queue, schedules, a
webhook, a watched folder and a rule of an event bus. A ledger of what was sent is held against what was processed."""

import collections
import datetime
import hashlib
import hmac
import http.client
import json
import threading

import pytest

from harness import OPTIONS, kills
from harness.processes import wait_until
from harness.world import ACCOUNT

KILLS = int(OPTIONS.get("MARTLET_EVENT_KILLS", 20))
SCHEDULES = 30
SECRET = "a secret of the sender"
SOURCES = ("invoke", "queue", "schedule", "webhook", "folder", "bus")

# The same for all: it says which number it has got, wherever in the event that is.
CODE = """
import json, random, time
def numbers(event):
    if "Records" in event:
        for record in event["Records"]:
            yield int(record["body"]) if "body" in record else int(record["s3"]["object"]["key"])
    elif "detail" in event:
        yield event["detail"]["n"]
    elif "body" in event:
        yield json.loads(event["body"])["n"]
    else:
        yield event["n"]
def handler(event, context):
    time.sleep(random.random() * 0.03)
    for n in numbers(event):
        print("done", n, flush=True)
"""


class Sender(threading.Thread):
    """Sends numbers; one counts once its acceptance was seen."""

    def __init__(self, send, stop):
        super().__init__(daemon=True)
        self.send, self.stop, self.accepted = send, stop, set()

    def run(self):
        n = 0
        while not self.stop.is_set():
            n += 1
            try:
                if self.send(n):
                    self.accepted.add(n)
                self.stop.wait(0.03)
            except (OSError, http.client.HTTPException):
                self.stop.wait(0.05)


def senders(w, webhook, folder, stop):
    def invoke(n):
        return w.invoke("invoke", {"n": n}, kind="Event", timeout=20).status == 202

    def message(n):
        body = json.dumps({"QueueUrl": f"{w.endpoint}/{ACCOUNT}/queue", "MessageBody": str(n)}).encode()
        headers = {"X-Amz-Target": "AmazonSQS.SendMessage", "Content-Type": "application/x-amz-json-1.0"}
        return w.http("POST", "/", body, headers, timeout=20).status == 200

    def deliver(n):
        body = json.dumps({"n": n}).encode()
        return w.http("POST", webhook, body, {"X-Sig": hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()}, timeout=20).status == 202

    def write(n):
        # Whether there is a server or not: what is in the folder is to be seen.
        (folder / str(n)).write_text("x")
        return True

    def put(n):
        body = json.dumps({"Entries": [{"Source": "load", "DetailType": "n", "Detail": json.dumps({"n": n})}]}).encode()
        reply = w.http("POST", "/", body, {"X-Amz-Target": "AWSEvents.PutEvents", "Content-Type": "application/x-amz-json-1.1"}, timeout=20)
        return reply.status == 200 and reply.json["FailedEntryCount"] == 0
    sends = {"bus": put, "invoke": invoke, "queue": message, "webhook": deliver, "folder": write}
    return {source: Sender(send, stop) for source, send in sends.items()}


def processed(w, function):
    shown = w.cli("logs", function, check=False).stdout
    return collections.Counter(int(line.rsplit(" ", 1)[1]) for line in shown.splitlines() if "done " in line)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_nothing_of_any_source_is_lost_over_twenty_kills_and_each_attempt_is_metered_once(make_world, scratch, tmp_path):
    dice = kills.dice()
    w = make_world(config={"async": {"retryDelays": [0.1]}})
    for source in SOURCES:
        w.create(source, CODE, timeout=3)
    w.boto(service="sqs").create_queue(QueueName="queue", Attributes={"VisibilityTimeout": "3"})
    w.boto().create_event_source_mapping(FunctionName="queue", EventSourceArn=f"arn:aws:sqs:us-east-1:{ACCOUNT}:queue", BatchSize=5)
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    hook = w.cli_json("webhook", "create", "hook", "--function", "webhook", "--scheme", "hmac", "--header", "X-Sig", "--secret-file", secret)
    folder = scratch / "sources-crash"
    folder.mkdir(mode=0o755)
    w.cli("watch", "create", folder, "--function", "folder", "--events", "created")
    events = w.boto(service="events")
    events.put_rule(Name="load", EventPattern='{"source": ["load"]}')
    events.put_targets(Rule="load", Targets=[{"Id": "f", "Arn": f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:bus"}])
    begin = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=12)
    scheduler = w.boto(service="scheduler")
    for n in range(SCHEDULES):
        scheduler.create_schedule(
            Name=f"s{n}", ScheduleExpression=f"at({begin + datetime.timedelta(seconds=2 * n):%Y-%m-%dT%H:%M:%S})", FlexibleTimeWindow={"Mode": "OFF"},
            Target={"Arn": f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:schedule", "RoleArn": "arn:aws:iam::123456789012:role/any",
                    "Input": json.dumps({"n": n})})
    stop = threading.Event()
    sending = senders(w, hook["url"].removeprefix(w.endpoint), folder, stop)
    kills.under_load(w, list(sending.values()), stop, dice, kills=KILLS, between=3, longest=1.5)
    ledger = {source: set(sender.accepted) for source, sender in sending.items()}
    ledger["schedule"] = set(range(SCHEDULES))
    missing = {}

    def all_done():
        for source in SOURCES:
            missing[source] = ledger[source] - processed(w, source).keys()
        return not any(missing.values())
    wait_until(all_done, 240, lambda: f"all are processed; of these are missing: { {s: sorted(m)[:5] for s, m in missing.items()} }\n{w.log_text(3000)}", 0.5)

    # At rest: nothing waits anywhere, nothing was given up, no queue has dead letters.
    def at_rest():
        waiting = [e for e in w.cli_json("async", "list", "--limit", 1000)["events"]]
        depth = [t["depth"] for t in w.cli_json("triggers")["triggers"] if t["depth"]]
        return not waiting and not depth
    wait_until(at_rest, 60, lambda: f"nothing waits: {w.cli('triggers').stdout}\n{w.cli('async', 'list').stdout}", 0.5)
    total = repeated = interrupted = 0
    for source in SOURCES:
        rows = [r for r in w.records(source) if r["trigger"] != "initialization"]
        attempts = [(r["requestId"], r["attempt"]) for r in rows]
        assert len(attempts) == len(set(attempts)), f"an attempt of {source} is on the bill twice"
        assert {r["trigger"] for r in rows} == {{"invoke": "async", "folder": "objects"}.get(source, source)}
        counts = processed(w, source)
        total += len(ledger[source])
        repeated += sum(counts[n] - 1 for n in ledger[source])
        interrupted += sum(r["outcome"] == "interrupted" for r in rows)
    # A schedule is not at least once: its due time is decided once, only the attempt may be made again.
    runs = [w.cli_json("schedule", "runs", f"s{n}")["runs"] for n in range(SCHEDULES)]
    assert all(len(r) == 1 and r[0]["status"] == "success" for r in runs), [r for r in runs if len(r) != 1 or r[0]["status"] != "success"]
    print(f"{total} sent by {len(SOURCES)} sources, {repeated} runs more than that, {interrupted} attempts interrupted, {KILLS} kills")
