"""`kill -9` of the server at random moments while events come and run: every event whose acceptance a client saw is
processed, and each attempt is on the bill once."""

import collections
import http.client
import json
import random
import threading

import pytest

from harness import OPTIONS, kills
from harness.processes import wait_until

KILLS = int(OPTIONS.get("MARTLET_EVENT_KILLS", 20))
SENDERS = 4

CODE = """
import time
def handler(event, context):
    print("processed", event["n"], flush=True)
    time.sleep(event["sleep"])
    if event["n"] % 10 == 0: raise ValueError(event["n"])
    return event["n"]
"""


class Sender(threading.Thread):
    """Sends numbered events; the number counts once its 202 has arrived."""

    def __init__(self, w, name, first, dice, stop):
        super().__init__(daemon=True)
        self.w, self.name_, self.next, self.dice, self.stop = w, name, first, dice, stop
        self.accepted = {}

    def run(self):
        connection = None
        while not self.stop.is_set():
            try:
                if connection is None:
                    connection = http.client.HTTPConnection("127.0.0.1", self.w.port, timeout=20)
                number, self.next = self.next, self.next + 1
                body = json.dumps({"n": number, "sleep": self.dice.random() * 0.05}).encode()
                connection.request("POST", f"/2015-03-31/functions/{self.name_}/invocations", body, {"X-Amz-Invocation-Type": "Event"})
                response = connection.getresponse()
                response.read()
                if response.status == 202:
                    self.accepted[number] = response.headers["x-amzn-RequestId"]
                self.stop.wait(0.01)
            except (OSError, http.client.HTTPException):
                connection = None
                self.stop.wait(0.02)


@pytest.mark.timeout(400)
def test_no_accepted_event_is_lost_over_twenty_kills_and_each_attempt_is_metered_once(make_world, name):
    dice = kills.dice()
    w = make_world(config={"async": {"retryDelays": [0.1]}})
    w.create(name, CODE)
    w.boto().put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=1)
    stop = threading.Event()
    senders = [Sender(w, name, n * 1_000_000, random.Random(dice.random()), stop) for n in range(SENDERS)]
    kills.under_load(w, senders, stop, dice, kills=KILLS, between=5 // SENDERS, longest=0.4)
    accepted = {request: number for sender in senders for number, request in sender.accepted.items()}
    assert len(accepted) > KILLS * 5

    def waiting():
        return [e for e in w.cli_json("async", "list", name, "--limit", 1000)["events"] if not e["isFailed"]]
    wait_until(lambda: not waiting(), 120, lambda: f"all are settled: {waiting()[:3]}\n{w.log_text(3000)}", 0.2)

    attempts = collections.defaultdict(list)
    for row in w.records(name):
        if row["trigger"] == "async":
            attempts[row["requestId"]].append((row["attempt"], row["outcome"]))
    lost = [number for request, number in accepted.items() if not any(outcome in ("success", "functionError") for _, outcome in attempts[request])]
    assert not lost, f"{len(lost)} of {len(accepted)} accepted events never ran to an end: {lost[:5]}"
    repeated = {request: rows for request, rows in attempts.items() if len(rows) != len({attempt for attempt, _ in rows})}
    assert not repeated
    given_up = {e["requestId"] for e in w.cli_json("async", "list", name, "--limit", 1000)["events"]}
    for request, number in accepted.items():
        outcomes = [outcome for _, outcome in sorted(attempts[request])]
        if number % 10:
            assert outcomes.count("success") >= 1, (number, outcomes)
        else:
            # The error is counted when it is settled; a crash before that makes the attempt once more.
            assert outcomes.count("functionError") >= 2 and request in given_up, (number, outcomes)
    interrupted = sum(outcome == "interrupted" for rows in attempts.values() for _, outcome in rows)
    print(f"{len(accepted)} accepted, {sum(map(len, attempts.values()))} attempts, {interrupted} of them interrupted, {KILLS} kills")
