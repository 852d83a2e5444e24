"""CloudEvents 1.0 over HTTP: onto a bus in all three modes, and straight to a function."""

import base64
import datetime
import http.server
import json
import threading
import uuid

import pytest
from cloudevents.core.bindings import http as binding
from cloudevents.core.v1.event import CloudEvent

from harness.processes import wait_until
from harness.world import ACCOUNT

REGION = "us-east-1"


@pytest.fixture(scope="module")
def events(w):
    return w.boto(service="events")


@pytest.fixture(scope="module")
def sqs(w):
    return w.boto(service="sqs")


@pytest.fixture
def inbox(events, sqs):
    """A bus whose events all go to a queue: the bus's name and a way to take what came."""
    name = f"ce-{uuid.uuid4().hex[:8]}"
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    events.create_event_bus(Name=name)
    events.put_rule(Name="all", EventBusName=name, EventPattern='{"version": ["0"]}')
    events.put_targets(Rule="all", EventBusName=name, Targets=[{"Id": "q", "Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"}])

    def take(count=1):
        found = []

        def more():
            for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", []):
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                found.append(json.loads(message["Body"]))
            return len(found) >= count
        wait_until(more, 60, lambda: f"{count} events; there are {found}", 0)
        assert len(found) == count
        return found if count > 1 else found[0]
    take.nothing = lambda: "Messages" not in sqs.receive_message(QueueUrl=url)
    yield name, take
    events.remove_targets(Rule="all", EventBusName=name, Ids=["q"])
    events.delete_rule(Name="all", EventBusName=name)
    events.delete_event_bus(Name=name)
    sqs.delete_queue(QueueUrl=url)


def attributes(**more):
    return {"id": uuid.uuid4().hex, "source": "/shop", "type": "com.example.order", "specversion": "1.0", **more}


def send(w, bus, message):
    return w.http("POST", f"/events/{bus}", message.body, dict(message.headers))


def test_a_binary_event(w, inbox):
    bus, take = inbox
    time = datetime.datetime(2026, 1, 2, 3, 4, 5, 600000, tzinfo=datetime.timezone(datetime.timedelta(hours=1)))
    event = CloudEvent(attributes(subject="order 7 ä %41 \"q\"", time=time, datacontenttype="application/json", shop="berlin"), {"total": 12})
    answer = send(w, bus, binding.to_binary_event(event))
    assert answer.status == 202 and answer.json == {"accepted": 1}
    got = take()
    assert got["id"] == event.get_id() and got["source"] == "/shop" and got["detail-type"] == "com.example.order" and got["detail"] == {"total": 12}
    assert got["time"] == "2026-01-02T02:04:05Z" and got["account"] == ACCOUNT and got["resources"] == [event.get_subject()]
    assert got["cloudevent"]["subject"] == event.get_subject() and got["cloudevent"]["shop"] == "berlin" and got["cloudevent"]["specversion"] == "1.0"
    assert got["cloudevent"]["datacontenttype"] == "application/json"


def test_a_structured_event(w, inbox):
    bus, take = inbox
    event = CloudEvent(attributes(subject="ä \"q\"", datacontenttype="application/json"), {"nested": {"list": [1, 2.5, None]}})
    message = binding.to_structured_event(event)
    assert "cloudevents+json" in {k.lower(): v for k, v in message.headers.items()}["content-type"]
    assert send(w, bus, message).status == 202
    got = take()
    assert got["id"] == event.get_id() and got["detail"] == {"nested": {"list": [1, 2.5, None]}} and got["cloudevent"]["subject"] == "ä \"q\""


def structured(w, bus, body, kind="application/cloudevents+json; charset=utf-8"):
    return w.http("POST", f"/events/{bus}", body if isinstance(body, bytes) else json.dumps(body).encode(), {"Content-Type": kind})


@pytest.mark.parametrize("more, detail", [
    ({}, {}), ({"data": [1]}, {"data": [1]}), ({"data": "text"}, {"data": "text"}), ({"data": None}, {"data": None}),
    ({"data": "<a/>", "datacontenttype": "text/xml"}, {"data": "<a/>"}),
    ({"data_base64": base64.b64encode(b"\x00\xff").decode(), "datacontenttype": "image/png"}, {"data_base64": "AP8="}),
    ({"data_base64": base64.b64encode(b'{"a": 1}').decode()}, {"a": 1}),
])
def test_data_of_every_kind_is_kept(w, inbox, more, detail):
    bus, take = inbox
    assert structured(w, bus, {**attributes(), **more}).status == 202
    assert take()["detail"] == detail


def test_binary_data_of_other_kinds(w, inbox):
    bus, take = inbox
    for kind, body, detail in [("text/plain", "hä".encode(), {"data": "hä"}), ("application/octet-stream", b"\x00\xff", {"data_base64": "AP8="}),
                               ("text/plain", b"\xff", {"data_base64": "/w=="})]:
        headers = {f"ce-{k}": v for k, v in attributes().items()}
        assert w.http("POST", f"/events/{bus}", body, {**headers, "Content-Type": kind}).status == 202
        assert take()["detail"] == detail


def test_a_batch_is_all_or_nothing(w, inbox):
    bus, take = inbox
    batch = [{**attributes(), "data": {"n": n}} for n in range(20)]
    kind = "application/cloudevents-batch+json"
    answer = structured(w, bus, batch, kind)
    assert answer.status == 202 and answer.json == {"accepted": 20}
    assert sorted(e["detail"]["n"] for e in take(20)) == list(range(20))
    answer = structured(w, bus, [{**attributes()}, {**attributes(), "type": ""}], kind)
    assert answer.status == 400 and "event 1 of the batch" in answer.text and take.nothing()
    assert structured(w, bus, [], kind).json == {"accepted": 0}
    assert structured(w, bus, {}, kind).status == 400
    assert structured(w, bus, [attributes()] * 101, kind).status == 400


def test_an_event_that_is_sent_again_is_delivered_once(w, inbox):
    bus, take = inbox
    same = {**attributes(), "data": {"n": 1}}
    assert [structured(w, bus, same).status for _ in range(3)] == [202, 202, 202]
    assert structured(w, bus, {**same, "source": "/other"}).status == 202
    assert sorted(e["source"] for e in take(2)) == ["/other", "/shop"]
    assert take.nothing()


@pytest.mark.parametrize("change, word", [
    ({"id": None}, "'id' is missing"), ({"id": ""}, "'id' is empty"), ({"source": None}, "'source' is missing"), ({"type": None}, "'type' is missing"),
    ({"specversion": None}, "'specversion' is missing"), ({"specversion": "0.3"}, "0.3"), ({"time": "yesterday"}, "RFC 3339"), ({"time": "2026-02-30T00:00:00Z"}, "RFC 3339"),
    ({"Upper": "x"}, "no attribute name"), ({"with_line": "x"}, "no attribute name"), ({"subject": ""}, "'subject' is empty"), ({"extension": {"a": 1}}, "must be a string"),
    ({"id": 7}, "must be a string"), ({"big": 2**40}, "32 bits"), ({"datacontenttype": "json"}, "media type"), ({"data": 1, "data_base64": "AA=="}, "not both"),
    ({"data_base64": "?"}, "base64"), ({"source": "aws.s3"}, "begin with aws."), ({"type": "a\nb"}, "control characters"),
])
def test_what_is_no_cloudevent_is_refused(w, inbox, change, word):
    bus, take = inbox
    event = {k: v for k, v in {**attributes(), **change}.items() if v is not None}
    answer = structured(w, bus, event)
    assert answer.status == 400 and word in answer.text, answer
    assert take.nothing()


def test_other_refusals(w, inbox):
    bus, _ = inbox
    assert structured(w, bus, b"{").status == 400
    assert structured(w, bus, b"[]").status == 400
    assert structured(w, bus, attributes(), "application/cloudevents+avro").status == 415
    assert structured(w, bus, attributes(), "application/json").status == 400
    assert "ce- headers" in structured(w, bus, attributes(), "application/json").text
    assert structured(w, "nobody", attributes()).status == 404
    assert structured(w, bus, {**attributes(), "data": "x" * 1_100_000}).status == 413
    headers = {f"ce-{k}": v for k, v in attributes().items()}
    assert w.http("POST", f"/events/{bus}", b"{", {**headers, "Content-Type": "application/json"}).status == 400
    assert w.http("POST", f"/events/{bus}", b"{}", {**headers, "ce-subject": "%FF"}).status == 400
    assert w.http("POST", f"/events/{bus}", b"{}", {**headers, "ce-Bad_Name": "x"}).status == 400
    assert w.http("GET", f"/events/{bus}").status == 405


def test_rules_see_the_attributes(w, events, sqs, inbox):
    bus, take = inbox
    events.put_rule(Name="all", EventBusName=bus, EventPattern=json.dumps(
        {"source": ["/shop"], "detail-type": [{"prefix": "com.example."}], "cloudevent": {"shop": ["berlin"], "subject": [{"suffix": "7"}]}}))
    for shop, subject in [("berlin", "order 8"), ("paris", "order 7"), ("berlin", "order 7")]:
        assert structured(w, bus, attributes(shop=shop, subject=subject)).status == 202
    got = take()
    assert got["cloudevent"]["shop"] == "berlin" and got["cloudevent"]["subject"] == "order 7"


def test_a_function_takes_events_at_its_own_address(w, name):
    """The library that speaks for the sender reads them again inside the event of a function URL."""
    w.create(name, "def handler(event, context):\n    return {'statusCode': 200, 'body': __import__('json').dumps(event)}\n")
    w.boto().create_function_url_config(FunctionName=name, AuthType="NONE")
    event = CloudEvent(attributes(subject="order 7", datacontenttype="application/json"), {"total": 12})
    for message in (binding.to_binary_event(event), binding.to_structured_event(event)):
        answer = w.http("POST", f"/fn/{name}", message.body, dict(message.headers))
        assert answer.status == 200, answer
        seen = answer.json
        body = base64.b64decode(seen["body"]) if seen["isBase64Encoded"] else seen["body"].encode()
        read = binding.from_http_event(binding.HTTPMessage(seen["headers"], body))
        assert read.get_id() == event.get_id() and read.get_subject() == "order 7" and read.get_data() == {"total": 12}


# Out


class Receiver:
    """An HTTP endpoint that keeps what came and answers as it is told, then with 200."""

    def __init__(self):
        self.requests, self.answers = [], []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                # Before anybody can see the request and say what is answered next.
                status = receiver.answers.pop(0) if receiver.answers else 200
                receiver.requests.append((self.path, dict(self.headers.items()), body))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def receiver():
    made = Receiver()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def outbox(events, sqs, receiver):
    """A bus whose events all go to the receiver: the bus's name, and the queue of those that it did not take."""
    name = f"out-{uuid.uuid4().hex[:8]}"
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    events.create_event_bus(Name=name)
    connection = events.create_connection(Name=name, AuthorizationType="BASIC", AuthParameters={"BasicAuthParameters": {"Username": "u", "Password": "p:ä".replace("ä", "a")}})
    made = events.create_api_destination(
        Name=name, ConnectionArn=connection["ConnectionArn"], InvocationEndpoint=f"{receiver.address}/in?from=bus", HttpMethod="POST")
    events.put_rule(Name="all", EventBusName=name, EventPattern='{"version": ["0"]}')
    events.put_targets(Rule="all", EventBusName=name, Targets=[{
        "Id": "h", "Arn": made["ApiDestinationArn"], "InputPath": "$.detail", "RetryPolicy": {"MaximumRetryAttempts": 2},
        "DeadLetterConfig": {"Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"}}])
    yield name, url
    events.remove_targets(Rule="all", EventBusName=name, Ids=["h"])
    events.delete_rule(Name="all", EventBusName=name)
    events.delete_event_bus(Name=name)
    events.delete_api_destination(Name=name)
    events.delete_connection(Name=name)
    sqs.delete_queue(QueueUrl=url)


def test_an_event_goes_out_as_it_came_in(w, receiver, outbox):
    bus, _ = outbox
    event = CloudEvent(attributes(subject="order 7 ä % \"q\"", datacontenttype="application/json", shop="berlin"), {"total": 12})
    assert send(w, bus, binding.to_structured_event(event)).status == 202
    path, headers, body = wait_until(lambda: receiver.requests, 60, lambda: w.log_text(2000))[0]
    read = binding.from_http_event(binding.HTTPMessage({k.lower(): v for k, v in headers.items()}, body))
    assert read.get_id() == event.get_id() and read.get_source() == "/shop" and read.get_type() == "com.example.order" and read.get_data() == {"total": 12}
    assert read.get_subject() == event.get_subject() and read.get_extension("shop") == "berlin"
    assert path == "/in?from=bus" and headers["Authorization"] == "Basic " + base64.b64encode(b"u:p:a").decode()


def test_an_event_of_boto_goes_out_as_a_cloudevent(events, receiver, outbox):
    bus, _ = outbox
    sent = events.put_events(Entries=[{"EventBusName": bus, "Source": "shop", "DetailType": "order placed", "Detail": '{"n": 1}'}])["Entries"][0]["EventId"]
    _, headers, body = wait_until(lambda: receiver.requests, 60, "a request")[0]
    read = binding.from_http_event(binding.HTTPMessage({k.lower(): v for k, v in headers.items()}, body))
    assert (read.get_id(), read.get_source(), read.get_type(), read.get_data()) == (sent, "shop", "order placed", {"n": 1})


def resend(events, bus, content_type):
    """The same target, its events in another form."""
    target = events.list_targets_by_rule(Rule="all", EventBusName=bus)["Targets"][0]
    target["HttpParameters"] = {"HeaderParameters": {"Content-Type": content_type, "X-Shop": "berlin"}}
    events.put_targets(Rule="all", EventBusName=bus, Targets=[target])


def test_an_event_goes_out_in_structured_mode(w, events, receiver, outbox):
    bus, _ = outbox
    resend(events, bus, "application/cloudevents+json")
    event = CloudEvent(attributes(subject="order 7 ä", datacontenttype="application/json", shop="berlin"), {"total": 12})
    assert send(w, bus, binding.to_binary_event(event)).status == 202
    _, headers, body = wait_until(lambda: receiver.requests, 60, lambda: w.log_text(2000))[0]
    assert headers["Content-Type"] == "application/cloudevents+json" and headers["X-Shop"] == "berlin" and not any(h.lower().startswith("ce-") for h in headers)
    read = binding.from_structured_event(binding.HTTPMessage({k.lower(): v for k, v in headers.items()}, body))
    assert read.get_id() == event.get_id() and read.get_subject() == event.get_subject() and read.get_extension("shop") == "berlin" and read.get_data() == {"total": 12}


def test_events_go_out_in_batch_mode_and_can_come_in_again(w, events, receiver, outbox, inbox):
    bus, _ = outbox
    other, take = inbox
    resend(events, bus, "application/cloudevents-batch+json")
    # While the first is tried in vain, others gather.
    receiver.answers = [503]
    for number in range(5):
        events.put_events(Entries=[{"EventBusName": bus, "Source": "shop", "DetailType": "order", "Detail": json.dumps({"n": number})}])
    seen = lambda: sorted(event["data"]["n"] for _, _, body in receiver.requests[1:] for event in json.loads(body))
    wait_until(lambda: seen() == [0, 1, 2, 3, 4], 60, lambda: (seen(), w.log_text(2000)))
    for _, headers, body in receiver.requests[1:]:
        assert w.http("POST", f"/events/{other}", body, {"Content-Type": headers["Content-Type"]}).status == 202
    assert sorted(event["detail"]["n"] for event in take(5)) == [0, 1, 2, 3, 4]


def test_an_endpoint_that_fails_is_tried_again_and_then_given_up(w, events, sqs, receiver, outbox):
    bus, url = outbox
    receiver.answers = [503]
    events.put_events(Entries=[{"EventBusName": bus, "Source": "shop", "DetailType": "t", "Detail": '{"n": 1}'}])
    wait_until(lambda: len(receiver.requests) == 2, 60, "a second attempt")
    receiver.answers = [500, 500, 500, 400]
    events.put_events(Entries=[{"EventBusName": bus, "Source": "shop", "DetailType": "t", "Detail": '{"n": 2}'}])
    wait_until(lambda: len(receiver.requests) == 5, 60, "three attempts")
    letters = []

    def read():
        for message in sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1, MessageAttributeNames=["All"]).get("Messages", []):
            letters.append({k: v["StringValue"] for k, v in message["MessageAttributes"].items()})
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return letters
    letter = wait_until(read, 60, "a dead letter", 0)[0]
    assert letter["ERROR_CODE"] == "REQUEST_FAILED" and letter["EXHAUSTED_RETRY_CONDITION"] == "MaximumRetryAttempts" and letter["RETRY_ATTEMPTS"] == "2"
    letters.clear()
    events.put_events(Entries=[{"EventBusName": bus, "Source": "shop", "DetailType": "t", "Detail": '{"n": 3}'}])
    letter = wait_until(read, 60, "a dead letter", 0)[0]
    assert "answered 400" in letter["ERROR_MESSAGE"] and len(receiver.requests) == 6


@pytest.mark.parametrize("address", ["http://169.254.169.254/latest/", "http://[fe80::1]/", "http://[::ffff:169.254.1.1]/", "http://0.0.0.0/"])
def test_nothing_is_sent_to_link_local_addresses(events, sqs, outbox, address):
    bus, url = outbox
    events.update_api_destination(Name=bus, InvocationEndpoint=address)
    events.put_events(Entries=[{"EventBusName": bus, "Source": "shop", "DetailType": "t", "Detail": "{}"}])
    message, = wait_until(lambda: sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1, MessageAttributeNames=["All"]).get("Messages"), 60, "a dead letter", 0)
    assert message["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "NO_PERMISSIONS"


def test_connections_and_destinations_are_shown_and_checked(events, outbox):
    name, _ = outbox
    shown = events.describe_api_destination(Name=name)
    assert shown["HttpMethod"] == "POST" and shown["InvocationRateLimitPerSecond"] == 300 and shown["ApiDestinationState"] == "ACTIVE"
    assert name in [d["Name"] for d in events.list_api_destinations(NamePrefix="out-")["ApiDestinations"]]
    connection = events.describe_connection(Name=name)
    assert connection["AuthParameters"] == {"BasicAuthParameters": {"Username": "u"}} and connection["ConnectionState"] == "AUTHORIZED"
    assert name in [c["Name"] for c in events.list_connections(NamePrefix=name)["Connections"]]
    for call, more, error in [
            (events.create_connection, {"AuthorizationType": "BASIC", "AuthParameters": {"BasicAuthParameters": {"Username": "u", "Password": "p"}}}, "ResourceAlreadyExistsException"),
            (events.update_api_destination, {"InvocationEndpoint": "https://example.com/"}, "ValidationException"),
            (events.create_api_destination, {"ConnectionArn": connection["ConnectionArn"], "InvocationEndpoint": "http://a/", "HttpMethod": "POST"}, "ResourceAlreadyExistsException")]:
        with pytest.raises(events.exceptions.ClientError) as caught:
            call(Name=name, **more)
        assert caught.value.response["Error"]["Code"] == error
