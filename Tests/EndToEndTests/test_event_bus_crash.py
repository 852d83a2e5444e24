"""`kill -9` of the server at random moments while events are put on a bus: every event whose acceptance a client saw comes
to its queue and to its function, whose outcome comes by another bus to a queue of its own."""

import http.client
import json
import threading
import time

import pytest

from harness import OPTIONS, kills
from harness.processes import wait_until
from harness.world import ACCOUNT

KILLS = int(OPTIONS.get("MARTLET_EVENT_KILLS", 20))
SENDERS = 3
CODE = "def handler(event, context):\n    return event['detail']['n']\n"


class Sender(threading.Thread):
    """Puts numbered events, some of them as CloudEvents; a number counts once its acceptance has arrived."""

    def __init__(self, w, first, stop):
        super().__init__(daemon=True)
        self.w, self.next, self.stop = w, first, stop
        self.accepted = set()

    def run(self):
        connection = None
        while not self.stop.is_set():
            try:
                if connection is None:
                    connection = http.client.HTTPConnection("127.0.0.1", self.w.port, timeout=20)
                numbers = range(self.next, self.next + 3)
                self.next += 3
                if self.next % 2:
                    entries = [{"Source": "load", "DetailType": "n", "Detail": json.dumps({"n": n})} for n in numbers]
                    connection.request("POST", "/", json.dumps({"Entries": entries}), {"X-Amz-Target": "AWSEvents.PutEvents"})
                else:
                    batch = [{"specversion": "1.0", "id": str(n), "source": "load", "type": "n", "data": {"n": n}} for n in numbers]
                    connection.request("POST", "/events/default", json.dumps(batch), {"Content-Type": "application/cloudevents-batch+json"})
                response = connection.getresponse()
                body = response.read()
                if response.status == 202 or response.status == 200 and json.loads(body)["FailedEntryCount"] == 0:
                    self.accepted.update(numbers)
                self.stop.wait(0.01)
            except (OSError, http.client.HTTPException):
                connection = None
                self.stop.wait(0.02)


@pytest.mark.timeout(400)
def test_no_accepted_event_is_lost_over_twenty_kills(make_world, name):
    dice = kills.dice()
    w = make_world()
    w.create(name, CODE)
    events, sqs = w.boto(service="events"), w.boto(service="sqs")
    taken, outcomes = (sqs.create_queue(QueueName=queue)["QueueUrl"] for queue in ("taken", "outcomes"))
    events.create_event_bus(Name="out")
    w.boto().put_function_event_invoke_config(FunctionName=name, DestinationConfig={
        "OnSuccess": {"Destination": f"arn:aws:events:us-east-1:{ACCOUNT}:event-bus/out"}})
    events.put_rule(Name="outcome", EventBusName="out", EventPattern='{"source": ["lambda"]}')
    events.put_targets(Rule="outcome", EventBusName="out", Targets=[
        {"Id": "q", "Arn": f"arn:aws:sqs:us-east-1:{ACCOUNT}:outcomes", "InputPath": "$.detail.responsePayload"}])
    events.put_rule(Name="load", EventPattern='{"source": ["load"]}')
    events.put_targets(Rule="load", Targets=[
        {"Id": "f", "Arn": f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{name}"},
        {"Id": "q", "Arn": f"arn:aws:sqs:us-east-1:{ACCOUNT}:taken", "InputPath": "$.detail.n"}])
    stop = threading.Event()
    senders = [Sender(w, n * 1_000_000, stop) for n in range(SENDERS)]
    kills.under_load(w, senders, stop, dice, kills=KILLS, between=9 // SENDERS, longest=0.4)
    accepted = set().union(*(sender.accepted for sender in senders))
    assert len(accepted) > KILLS * 9
    wait_until(lambda: not [e for e in w.cli_json("async", "list", name, "--limit", 1000)["events"] if not e["isFailed"]], 120, "all have run", 0.2)

    for url, what in ((taken, "in the queue"), (outcomes, "run by the function")):
        found = read(sqs, url, accepted)
        assert not accepted - found, f"{len(accepted - found)} of {len(accepted)} accepted events were never {what}"
    rows = [r for r in w.records(name) if r["trigger"] == "bus"]
    assert len({(r["requestId"], r["attempt"]) for r in rows}) == len(rows)
    print(f"{len(accepted)} accepted, {len(rows)} attempts, {KILLS} kills")


def read(sqs, url, expected):
    """The numbers in a queue: until all that are expected have come, or nothing comes any more."""
    found = set()
    end = time.monotonic() + 120
    while expected - found and time.monotonic() < end:
        got = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=2).get("Messages", [])
        found.update(int(message["Body"]) for message in got)
        if got:
            sqs.delete_message_batch(QueueUrl=url, Entries=[{"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(got)])
    return found
