"""Handlers that yield."""

import json

GENERATOR = """
def handler(event, context):
    yield "one"
    if event.get("fail"): raise ValueError("midway")
    yield bytes(300_000)
    yield {"n": 1}
"""


def frames(worker, event=b"{}"):
    found = [worker.invoke(event, responseMode="streaming")]
    while found[-1][0] not in (19, 20):
        found.append(worker.receive())
    return found


def test_parts_are_sent_as_they_come(start):
    worker = start(GENERATOR)
    found = frames(worker)
    assert [kind for kind, _ in found] == [21, 18, 18, 18, 18, 19]
    assert b"".join(payload for _, payload in found[1:]) == b"one" + bytes(300_000) + b'{"n": 1}'


def test_an_error_ends_a_stream(start):
    found = frames(start(GENERATOR), b'{"fail": true}')
    assert [kind for kind, _ in found] == [21, 18, 20] and json.loads(found[2][1])["errorType"] == "ValueError"


def test_other_callers_get_the_parts_joined(start):
    kind, payload = start(GENERATOR).invoke()
    assert kind == 19 and payload == b"one" + bytes(300_000) + b'{"n": 1}'


def test_other_handlers_are_answered_whole_all_the_same(start):
    assert frames(start("def handler(event, context): return [1]")) == [(19, b"[1]")]
