"""Recursive loops: a chain of requests that comes to one function again and again is ended, unless the function allows it."""

import json
import urllib.parse

import pytest
from botocore.exceptions import ClientError

from harness.processes import wait_until
from harness.world import ACCOUNT

ROUNDS = 16
TRACE = "import os\ndef handler(event, context):\n    return os.environ['_X_AMZN_TRACE_ID']\n"


@pytest.fixture(scope="module")
def w(scratch, request):
    from harness.world import world
    with world(scratch / "recursion", config={"async": {"retryDelays": [0.1]}}) as made:
        yield made


def own_arn(name):
    return f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{name}"


def runs(w, name):
    return [r for r in w.records(name) if r["trigger"] != "initialization"]


def make_queue(w, name, **attributes):
    sqs = w.boto(service="sqs")
    url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    return sqs, url, f"arn:aws:sqs:us-east-1:{ACCOUNT}:{name}"


def take(sqs, url):
    found = []
    wait_until(lambda: found.extend(sqs.receive_message(QueueUrl=url, WaitTimeSeconds=2).get("Messages", [])) or found, 60, "a message")
    return found


def chain(w, name, trace, rounds):
    """Each run's trace goes on to the next one as botocore sends it from within a function."""
    for _ in range(rounds):
        trace = w.call(name, {}, headers={"X-Amzn-Trace-Id": urllib.parse.quote(trace, safe='-=;:+&[]{}"\',')} if trace else {})
    return trace


def test_a_function_that_is_its_own_destination_ends_in_its_dead_letter_queue(w, name):
    sqs, url, arn = make_queue(w, f"{name[-30:]}-dead")
    w.create(name, "def handler(event, context):\n    return 1\n", DeadLetterConfig={"TargetArn": arn})
    w.boto().put_function_event_invoke_config(FunctionName=name, DestinationConfig={"OnSuccess": {"Destination": own_arn(name)}})
    assert w.boto().get_function_recursion_config(FunctionName=name)["RecursiveLoop"] == "Terminate"
    assert w.invoke(name, {}, kind="Event").status == 202
    message, = take(sqs, url)
    # What the last run's destination sent.
    assert json.loads(message["Body"])["requestContext"]["condition"] == "Success"
    assert len(runs(w, name)) == ROUNDS


def test_two_functions_that_lead_to_each_other_end_at_an_on_failure_function(w, name):
    one, two, end = (f"{name[:50]}-{part}" for part in ("one", "two", "end"))
    for function in (one, two, end):
        w.create(function, "def handler(event, context):\n    return event.get('requestContext', {}).get('condition')\n")
    w.boto().put_function_event_invoke_config(
        FunctionName=one, DestinationConfig={"OnSuccess": {"Destination": own_arn(two)}, "OnFailure": {"Destination": own_arn(end)}})
    w.boto().put_function_event_invoke_config(FunctionName=two, DestinationConfig={"OnSuccess": {"Destination": own_arn(one)}})
    w.invoke(one, {}, kind="Event")
    wait_until(lambda: runs(w, end), 60, lambda: f"{len(runs(w, one))} and {len(runs(w, two))} runs")
    assert [len(runs(w, function)) for function in (one, two, end)] == [ROUNDS, ROUNDS, 1]


def test_a_chain_of_calls_is_refused_with_lambdas_exception_unless_it_is_allowed(w, name):
    w.create(name, TRACE)
    trace = chain(w, name, None, ROUNDS)
    client = w.boto()
    client.meta.events.register("before-send.lambda.Invoke", lambda request, **_: request.headers.__setitem__("X-Amzn-Trace-Id", trace))
    with pytest.raises(client.exceptions.RecursiveInvocationException):
        client.invoke(FunctionName=name)
    # Another chain, and another function in this one, are not concerned.
    assert w.call(name, {}, headers={"X-Amzn-Trace-Id": "Root=1-5759e988-bd862e3fe1be46a994272793"})
    w.create(f"{name[:50]}-other", TRACE)
    assert w.call(f"{name[:50]}-other", {}, headers={"X-Amzn-Trace-Id": trace})
    assert client.put_function_recursion_config(FunctionName=name, RecursiveLoop="Allow")["RecursiveLoop"] == "Allow"
    assert client.invoke(FunctionName=name)["StatusCode"] == 200
    with pytest.raises(ClientError, match="ValidationException"):
        w.boto(parameter_validation=False).put_function_recursion_config(FunctionName=name, RecursiveLoop="Maybe")
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.put_function_recursion_config(FunctionName="nobody", RecursiveLoop="Allow")


def test_messages_of_a_loop_go_to_their_queues_dead_letters_and_others_run(w, name):
    w.create(name, TRACE)
    trace = chain(w, name, None, ROUNDS)
    sqs, dead, dead_arn = make_queue(w, f"{name[-30:]}-dead")
    _, url, arn = make_queue(
        w, f"{name[-30:]}-in", VisibilityTimeout="0", RedrivePolicy=json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": 1}))
    # As code in a function sends it: the trace is a header of the request.
    sqs.meta.events.register("before-send.sqs.SendMessage", lambda request, **_: request.headers.__setitem__("X-Amzn-Trace-Id", trace))
    sqs.send_message(QueueUrl=url, MessageBody="round")
    w.boto(service="sqs").send_message(QueueUrl=url, MessageBody="fresh")
    before = len(runs(w, name))
    w.boto().create_event_source_mapping(FunctionName=name, EventSourceArn=arn, BatchSize=10)
    message, = take(sqs, dead)
    assert message["Body"] == "round"
    wait_until(lambda: len(runs(w, name)) == before + 1, 60, "the run of the other message")
