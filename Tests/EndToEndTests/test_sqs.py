"""SQS on the same port, by the clients that people use: boto3, the AWS command line, and the older query protocol."""

import concurrent.futures
import hashlib
import json
import threading
import time
import urllib.parse
import xml.etree.ElementTree as ET

import pytest
from botocore.exceptions import ClientError

from harness.world import ACCOUNT, world

SPACE = "{http://queue.amazonaws.com/doc/2012-11-05/}"


@pytest.fixture(scope="module")
def sqs(w):
    return w.boto(service="sqs", max_pool_connections=50)


@pytest.fixture
def queue(sqs, name):
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    yield url
    sqs.delete_queue(QueueUrl=url)


def arn(name):
    return f"arn:aws:sqs:us-east-1:{ACCOUNT}:{name}"


def fails(code, operation, **arguments):
    with pytest.raises(ClientError) as caught:
        operation(**arguments)
    assert caught.value.response["Error"]["Code"] == code, caught.value.response
    return caught.value.response


# -- queues


def test_a_queue_is_made_found_listed_and_deleted(w, sqs, name):
    url = sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "7"}, tags={"team": "a"})["QueueUrl"]
    assert url == f"{w.endpoint}/{ACCOUNT}/{name}"
    assert sqs.get_queue_url(QueueName=name)["QueueUrl"] == url
    assert sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "7"})["QueueUrl"] == url
    fails("QueueAlreadyExists", sqs.create_queue, QueueName=name, Attributes={"VisibilityTimeout": "8"})
    assert url in sqs.list_queues(QueueNamePrefix=name)["QueueUrls"]
    sqs.delete_queue(QueueUrl=url)
    assert "QueueUrls" not in sqs.list_queues(QueueNamePrefix=name) or not sqs.list_queues(QueueNamePrefix=name)["QueueUrls"]
    with pytest.raises(sqs.exceptions.QueueDoesNotExist):
        sqs.get_queue_url(QueueName=name)
    refused = fails("AWS.SimpleQueueService.NonExistentQueue", sqs.send_message, QueueUrl=url, MessageBody="x")
    assert refused["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_attributes_are_set_and_shown(sqs, queue, name):
    shown = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
    assert shown["QueueArn"] == arn(name) and shown["MessageRetentionPeriod"] == "345600" and shown["MaximumMessageSize"] == "1048576"
    assert abs(int(shown["CreatedTimestamp"]) - time.time()) < 300
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"DelaySeconds": "1", "MessageRetentionPeriod": "60", "ReceiveMessageWaitTimeSeconds": "1"})
    shown = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["DelaySeconds", "MessageRetentionPeriod"])["Attributes"]
    assert shown == {"DelaySeconds": "1", "MessageRetentionPeriod": "60"}
    fails("InvalidAttributeValue", sqs.set_queue_attributes, QueueUrl=queue, Attributes={"DelaySeconds": "901"})
    fails("InvalidAttributeName", sqs.set_queue_attributes, QueueUrl=queue, Attributes={"Colour": "red"})


def test_tags(sqs, queue):
    sqs.tag_queue(QueueUrl=queue, Tags={"a": "1", "b": "2"})
    sqs.untag_queue(QueueUrl=queue, TagKeys=["a"])
    assert sqs.list_queue_tags(QueueUrl=queue)["Tags"] == {"b": "2"}


def test_lists_have_pages(sqs, name):
    urls = [sqs.create_queue(QueueName=f"{name[:60]}-{i}")["QueueUrl"] for i in range(5)]
    pages = list(sqs.get_paginator("list_queues").paginate(QueueNamePrefix=name[:60], PaginationConfig={"PageSize": 2}))
    assert [len(page["QueueUrls"]) for page in pages] == [2, 2, 1] and sum((page["QueueUrls"] for page in pages), []) == urls


def test_permissions(sqs, queue):
    sqs.add_permission(QueueUrl=queue, Label="them", AWSAccountIds=["111122223333"], Actions=["SendMessage", "ReceiveMessage"])
    policy = json.loads(sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["Policy"])["Attributes"]["Policy"])
    assert policy["Statement"][0]["Principal"]["AWS"] == ["arn:aws:iam::111122223333:root"]
    sqs.remove_permission(QueueUrl=queue, Label="them")
    assert not sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["Policy"]).get("Attributes")


# -- messages


def test_a_message_comes_with_everything_that_it_was_sent_with(sqs, queue):
    """boto3 itself checks each MD5 of the body."""
    attributes = {
        "text": {"DataType": "String", "StringValue": "grüß"}, "number": {"DataType": "Number.int", "StringValue": "42"},
        "bytes": {"DataType": "Binary", "BinaryValue": bytes(range(256))}}
    trace = {"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-5e3d83c1-e6a0db584850d61342823d4c"}}
    body = 'line 1\n\t"<&>" 😀'
    sent = sqs.send_message(QueueUrl=queue, MessageBody=body, MessageAttributes=attributes, MessageSystemAttributes=trace)
    assert sent["MD5OfMessageBody"] == hashlib.md5(body.encode()).hexdigest()
    assert sent["MD5OfMessageAttributes"] == attributes_md5(attributes) and sent["MD5OfMessageSystemAttributes"] == attributes_md5(trace)
    message, = sqs.receive_message(QueueUrl=queue, MessageAttributeNames=["All"], MessageSystemAttributeNames=["All"])["Messages"]
    assert message["Body"] == body and message["MessageId"] == sent["MessageId"]
    assert message["MessageAttributes"] == attributes and message["MD5OfMessageAttributes"] == attributes_md5(attributes)
    system = message["Attributes"]
    assert system["ApproximateReceiveCount"] == "1" and system["AWSTraceHeader"] == trace["AWSTraceHeader"]["StringValue"]
    assert abs(int(system["SentTimestamp"]) - time.time() * 1000) < 300_000 and int(system["ApproximateFirstReceiveTimestamp"]) >= int(system["SentTimestamp"])
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    assert counts(sqs, queue) == (0, 0, 0)


def attributes_md5(attributes):
    """From the developer guide's description."""
    digest = hashlib.md5()

    def part(data):
        digest.update(len(data).to_bytes(4, "big") + data)
    for name in sorted(attributes):
        value = attributes[name]
        part(name.encode())
        part(value["DataType"].encode())
        digest.update(b"\x02" if "BinaryValue" in value else b"\x01")
        part(value["BinaryValue"] if "BinaryValue" in value else value["StringValue"].encode())
    return digest.hexdigest()


def counts(sqs, queue):
    shown = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
    return tuple(int(shown[f"ApproximateNumberOfMessages{kind}"]) for kind in ("", "NotVisible", "Delayed"))


def test_batches(sqs, queue):
    sent = sqs.send_message_batch(QueueUrl=queue, Entries=[
        {"Id": "a", "MessageBody": "A"}, {"Id": "b", "MessageBody": "B", "DelaySeconds": 900}, {"Id": "c", "MessageBody": "\x01"},
        {"Id": "d", "MessageBody": "D", "MessageAttributes": {"n": {"DataType": "String", "StringValue": "v"}}}])
    assert sorted(entry["Id"] for entry in sent["Successful"]) == ["a", "b", "d"]
    assert [(entry["Id"], entry["Code"], entry["SenderFault"]) for entry in sent["Failed"]] == [("c", "InvalidMessageContents", True)]
    assert counts(sqs, queue) == (2, 0, 1)
    messages = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    assert sorted(m["Body"] for m in messages) == ["A", "D"]
    entries = [{"Id": str(i), "ReceiptHandle": m["ReceiptHandle"], "VisibilityTimeout": 0} for i, m in enumerate(messages)]
    assert len(sqs.change_message_visibility_batch(QueueUrl=queue, Entries=entries)["Successful"]) == 2
    messages = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    deleted = sqs.delete_message_batch(QueueUrl=queue, Entries=[
        *({"Id": str(i), "ReceiptHandle": m["ReceiptHandle"]} for i, m in enumerate(messages)), {"Id": "bad", "ReceiptHandle": "nonsense"}])
    assert len(deleted["Successful"]) == 2 and deleted["Failed"][0]["Code"] == "ReceiptHandleIsInvalid"
    assert counts(sqs, queue) == (0, 0, 1)
    fails("AWS.SimpleQueueService.EmptyBatchRequest", sqs.send_message_batch, QueueUrl=queue, Entries=[])
    fails("AWS.SimpleQueueService.BatchEntryIdsNotDistinct", sqs.delete_message_batch, QueueUrl=queue,
          Entries=[{"Id": "x", "ReceiptHandle": "y"}] * 2)
    fails("AWS.SimpleQueueService.TooManyEntriesInBatchRequest", sqs.send_message_batch, QueueUrl=queue,
          Entries=[{"Id": str(i), "MessageBody": "x"} for i in range(11)])
    half = "x" * 600_000
    fails("AWS.SimpleQueueService.BatchRequestTooLong", sqs.send_message_batch, QueueUrl=queue,
          Entries=[{"Id": str(i), "MessageBody": half} for i in range(2)])


def test_the_largest_message_passes_and_one_more_byte_does_not(sqs, queue):
    body = '"' * 1_048_576
    sqs.send_message(QueueUrl=queue, MessageBody=body)
    assert sqs.receive_message(QueueUrl=queue)["Messages"][0]["Body"] == body
    fails("InvalidParameterValue", sqs.send_message, QueueUrl=queue, MessageBody=body + "x")


def test_purge_empties(sqs, queue):
    for body in "abc":
        sqs.send_message(QueueUrl=queue, MessageBody=body)
    sqs.receive_message(QueueUrl=queue)
    sqs.purge_queue(QueueUrl=queue)
    assert counts(sqs, queue) == (0, 0, 0)


def test_visibility_changes_need_a_message_in_flight(sqs, queue):
    sqs.send_message(QueueUrl=queue, MessageBody="x")
    handle = sqs.receive_message(QueueUrl=queue)["Messages"][0]["ReceiptHandle"]
    assert counts(sqs, queue) == (0, 1, 0)
    sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=handle, VisibilityTimeout=0)
    assert counts(sqs, queue) == (1, 0, 0)
    with pytest.raises(sqs.exceptions.MessageNotInflight):
        sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=handle, VisibilityTimeout=5)
    with pytest.raises(sqs.exceptions.ReceiptHandleIsInvalid):
        sqs.delete_message(QueueUrl=queue, ReceiptHandle="nonsense")


# -- waiting


def test_a_waiting_receive_gets_the_message_when_it_comes(sqs, queue):
    with concurrent.futures.ThreadPoolExecutor() as pool:
        waiting = pool.submit(sqs.receive_message, QueueUrl=queue, WaitTimeSeconds=20)
        # Whether it is sent before or after the wait began, the answer must be the same, and before the wait's own end, which
        # would be an answer without messages.
        sqs.send_message(QueueUrl=queue, MessageBody="now")
        assert waiting.result(60)["Messages"][0]["Body"] == "now"


def test_a_wait_ends_at_its_time(sqs, queue):
    begun = time.monotonic()
    assert "Messages" not in sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=1)
    assert time.monotonic() - begun > 0.95


def test_a_waiting_receive_gets_a_message_whose_timeout_or_delay_ends(sqs, queue):
    sqs.send_message(QueueUrl=queue, MessageBody="late", DelaySeconds=1)
    begun = time.monotonic()
    assert sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=20, VisibilityTimeout=1)["Messages"][0]["Body"] == "late"
    assert sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=20)["Messages"][0]["Body"] == "late"
    assert time.monotonic() - begun > 1.9


def test_many_waiters_share_the_messages(sqs, queue):
    with concurrent.futures.ThreadPoolExecutor(40) as pool:
        waiting = [pool.submit(sqs.receive_message, QueueUrl=queue, WaitTimeSeconds=20) for _ in range(30)]
        for number in range(30):
            sqs.send_message(QueueUrl=queue, MessageBody=str(number))
        bodies = [m["Body"] for one in waiting for m in one.result(60)["Messages"]]
    assert sorted(map(int, bodies)) == list(range(30))


# -- order, dead letters


def test_fifo_queues_keep_order_and_drop_duplicates(sqs, name):
    fails("InvalidParameterValue", sqs.create_queue, QueueName=name[:60], Attributes={"FifoQueue": "true"})
    queue = sqs.create_queue(QueueName=f"{name[:60]}.fifo", Attributes={"FifoQueue": "true", "ContentBasedDeduplication": "true"})["QueueUrl"]
    sequence = [sqs.send_message(QueueUrl=queue, MessageBody=f"{group}{i}", MessageGroupId=group)["SequenceNumber"]
                for i in range(5) for group in "ab"]
    assert sequence == sorted(sequence) and len(set(sequence)) == 10
    again = sqs.send_message(QueueUrl=queue, MessageBody="a0", MessageGroupId="a")
    assert again["SequenceNumber"] == sequence[0]
    seen = {"a": [], "b": []}
    while sum(map(len, seen.values())) < 10:
        got = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=3, MessageSystemAttributeNames=["All"], WaitTimeSeconds=5)["Messages"]
        for message in got:
            seen[message["Attributes"]["MessageGroupId"]].append(message["Body"])
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    assert seen == {group: [f"{group}{i}" for i in range(5)] for group in "ab"}
    fails("MissingParameter", sqs.send_message, QueueUrl=queue, MessageBody="x")


def test_a_message_that_fails_goes_to_the_dead_letters_and_back(w, sqs, name):
    name = name[:60]
    dead = sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
    policy = {"deadLetterTargetArn": arn(f"{name}-dead"), "maxReceiveCount": 2}
    queue = sqs.create_queue(QueueName=name, Attributes={"RedrivePolicy": json.dumps(policy), "VisibilityTimeout": "0"})["QueueUrl"]
    assert sqs.list_dead_letter_source_queues(QueueUrl=dead)["queueUrls"] == [queue]
    for body in "abc":
        sqs.send_message(QueueUrl=queue, MessageBody=body)
    for _ in range(2):
        assert len(sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]) == 3
    assert "Messages" not in sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)
    got = sqs.receive_message(QueueUrl=dead, MaxNumberOfMessages=10, VisibilityTimeout=0, MessageSystemAttributeNames=["All"])["Messages"]
    assert sorted(m["Body"] for m in got) == ["a", "b", "c"]
    assert {m["Attributes"]["DeadLetterQueueSourceArn"] for m in got} == {arn(name)}

    # One per second, so that there is something left to cancel.
    handle = sqs.start_message_move_task(SourceArn=arn(f"{name}-dead"), MaxNumberOfMessagesPerSecond=1)["TaskHandle"]
    fails("AWS.SimpleQueueService.UnsupportedOperation", sqs.start_message_move_task, SourceArn=arn(f"{name}-dead"))
    task, = sqs.list_message_move_tasks(SourceArn=arn(f"{name}-dead"))["Results"]
    assert task["Status"] == "RUNNING" and task["TaskHandle"] == handle and task["ApproximateNumberOfMessagesToMove"] == 3
    assert sqs.cancel_message_move_task(TaskHandle=handle)["ApproximateNumberOfMessagesMoved"] in (0, 1)
    with pytest.raises(sqs.exceptions.ResourceNotFoundException):
        sqs.cancel_message_move_task(TaskHandle=handle)
    until(lambda: sqs.list_message_move_tasks(SourceArn=arn(f"{name}-dead"))["Results"][0]["Status"] == "CANCELLED")
    sqs.start_message_move_task(SourceArn=arn(f"{name}-dead"), DestinationArn=arn(name))
    until(lambda: sqs.list_message_move_tasks(SourceArn=arn(f"{name}-dead"))["Results"][0]["Status"] == "COMPLETED")
    assert len(sqs.list_message_move_tasks(SourceArn=arn(f"{name}-dead"), MaxResults=10)["Results"]) == 2
    assert counts(sqs, dead)[0] == 0 and counts(sqs, queue)[0] == 3


def until(condition, limit=60):
    deadline = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < deadline
        threading.Event().wait(0.02)


# -- other clients


def test_the_command_line(w, name):
    def aws(*arguments):
        text = w.aws("sqs", *arguments).stdout
        return json.loads(text) if text.strip() else {}
    url = aws("create-queue", "--queue-name", name, "--attributes", "VisibilityTimeout=5")["QueueUrl"]
    sent = aws("send-message", "--queue-url", url, "--message-body", "hello", "--message-attributes",
               '{"kind":{"DataType":"String","StringValue":"greeting"}}')
    message, = aws("receive-message", "--queue-url", url, "--message-attribute-names", "All", "--attribute-names", "All")["Messages"]
    assert message["MessageId"] == sent["MessageId"] and message["MessageAttributes"]["kind"]["StringValue"] == "greeting"
    assert aws("delete-message", "--queue-url", url, "--receipt-handle", message["ReceiptHandle"]) == {}
    assert aws("get-queue-attributes", "--queue-url", url, "--attribute-names", "All")["Attributes"]["VisibilityTimeout"] == "5"
    assert url in aws("list-queues", "--queue-name-prefix", name)["QueueUrls"]
    assert w.aws("sqs", "get-queue-url", "--queue-name", "none-such", check=False).returncode != 0
    aws("delete-queue", "--queue-url", url)


def query(w, path="/", sign=False, method="POST", **parameters):
    form = urllib.parse.urlencode({"Version": "2012-11-05", **{key.replace("__", "."): value for key, value in parameters.items()}})
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"} if method == "POST" else {}
    target, body = (path, form.encode()) if method == "POST" else (f"{path}?{form}", None)
    if sign:
        headers = w.signed(method, target, body, headers, service="sqs")
    answer = w.http(method, target, body, headers)
    assert answer.headers["Content-Type"] == "text/xml"
    return answer.status, ET.fromstring(answer.body)


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_the_query_protocol_of_older_clients(w, name, method):
    def call(path="/", **parameters):
        return query(w, path, method=method, **parameters)
    status, made = call(Action="CreateQueue", QueueName=name, Attribute__1__Name="DelaySeconds", Attribute__1__Value="0", Tag__1__Key="k", Tag__1__Value="v")
    url = made.findtext(f"{SPACE}CreateQueueResult/{SPACE}QueueUrl")
    assert status == 200 and url.endswith(f"/{ACCOUNT}/{name}") and made.findtext(f"{SPACE}ResponseMetadata/{SPACE}RequestId")
    path = urllib.parse.urlsplit(url).path
    _, sent = call(path, Action="SendMessage", MessageBody="<a> & ü", MessageAttribute__1__Name="n",
                   MessageAttribute__1__Value__DataType="Number", MessageAttribute__1__Value__StringValue="5")
    assert sent.findtext(f".//{SPACE}MD5OfMessageBody") == hashlib.md5("<a> & ü".encode()).hexdigest()
    _, got = call(path, Action="ReceiveMessage", AttributeName__1="All", MessageAttributeName__1="n")
    message = got.find(f".//{SPACE}Message")
    assert message.findtext(f"{SPACE}Body") == "<a> & ü"
    assert message.findtext(f"{SPACE}MessageAttribute/{SPACE}Value/{SPACE}StringValue") == "5"
    assert {a.findtext(f"{SPACE}Name") for a in message.iter(f"{SPACE}Attribute")} >= {"SenderId", "SentTimestamp"}
    status, deleted = call(path, Action="DeleteMessage", ReceiptHandle=message.findtext(f"{SPACE}ReceiptHandle"))
    assert status == 200 and deleted.tag == f"{SPACE}DeleteMessageResponse"
    _, batch = call(Action="SendMessageBatch", QueueUrl=url, SendMessageBatchRequestEntry__1__Id="one", SendMessageBatchRequestEntry__1__MessageBody="1",
                    SendMessageBatchRequestEntry__2__Id="two", SendMessageBatchRequestEntry__2__MessageBody="")
    assert batch.findtext(f".//{SPACE}SendMessageBatchResultEntry/{SPACE}Id") == "one"
    assert batch.findtext(f".//{SPACE}BatchResultErrorEntry/{SPACE}Id") == "two"
    _, tags = call(path, Action="ListQueueTags")
    assert tags.findtext(f".//{SPACE}Tag/{SPACE}Value") == "v"
    status, refused = call(f"/{ACCOUNT}/none-such", Action="ReceiveMessage")
    assert status == 400 and refused.findtext(f".//{SPACE}Code") == "AWS.SimpleQueueService.NonExistentQueue"
    status, refused = call(Action="Nonsense")
    assert status == 400 and refused.findtext(f".//{SPACE}Code") == "InvalidAction"


def test_hostile_requests_are_answered(w):
    def json_call(body, target="AmazonSQS.SendMessage"):
        return w.http("POST", "/", body, {"X-Amz-Target": target, "Content-Type": "application/x-amz-json-1.0"})
    for body in [b"", b"{", b"[]", b"[" * 100_000, b'{"QueueUrl":5}', b'{"QueueUrl":{}}', b'{"QueueUrl":"\xff"}', b'{"QueueUrl":"//"}',
                 b'{"QueueUrl":"http://x/123456789012/a","MessageBody":7,"MessageAttributes":[]}']:
        answer = json_call(body)
        assert answer.status == 400 and answer.json["__type"].startswith("com.amazonaws.sqs#"), answer
        assert answer.headers["x-amzn-query-error"].endswith(";Sender")
    assert json_call(b"{}", "AmazonSQS.Nothing").json["__type"].endswith("#InvalidAction")
    assert json_call(b"{}", "DynamoDB.GetItem").json["__type"].endswith("#InvalidAction")
    assert json_call(b'{"QueueUrl":"' + b"x" * 9_000_000 + b'"}').status == 413
    assert w.http("GET", "/nothing/here").status == 404
    assert w.health() == 200


# -- signatures, restarts


@pytest.fixture(scope="module")
def closed(scratch):
    with world(scratch / "sqs-closed", dev=False) as made:
        yield made


def test_signatures_for_the_service_are_checked(closed, name):
    client = closed.boto(service="sqs")
    url = client.create_queue(QueueName=name)["QueueUrl"]
    client.send_message(QueueUrl=url, MessageBody="signed")
    assert client.receive_message(QueueUrl=url)["Messages"][0]["Body"] == "signed"
    status, _ = query(closed, urllib.parse.urlsplit(url).path, sign=True, Action="PurgeQueue")
    assert status == 200
    key = closed.credentials["AWS_SECRET_ACCESS_KEY"]
    closed.credentials["AWS_SECRET_ACCESS_KEY"] = "wrong"
    try:
        fails("InvalidSignatureException", closed.boto(service="sqs").list_queues)
    finally:
        closed.credentials["AWS_SECRET_ACCESS_KEY"] = key
    assert closed.http("POST", "/", b"{}", {"X-Amz-Target": "AmazonSQS.ListQueues"}, sign=None).status == 403


def test_accepted_messages_survive_a_kill(make_world, name):
    w = make_world()
    client = w.boto(service="sqs")
    queue = client.create_queue(QueueName="kept", Attributes={"VisibilityTimeout": "1"}, tags={"a": "b"})["QueueUrl"]
    sent = {client.send_message(QueueUrl=queue, MessageBody=str(number))["MessageId"] for number in range(50)}
    client.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)
    w.kill()
    w.start()
    client = w.boto(service="sqs")
    assert client.list_queue_tags(QueueUrl=queue)["Tags"] == {"a": "b"}
    got = set()
    while len(got) < 50:
        for message in client.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=10)["Messages"]:
            got.add(message["MessageId"])
            client.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    assert got == sent


def test_a_drain_does_not_wait_for_those_who_wait(make_world):
    w = make_world()
    client = w.boto(service="sqs")
    queue = client.create_queue(QueueName="q")["QueueUrl"]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        waiting = [pool.submit(client.receive_message, QueueUrl=queue, WaitTimeSeconds=20) for _ in range(3)]
        # A request that is answered after theirs were sent: they are in the server.
        until(lambda: sum(one.running() for one in waiting) == 3)
        client.get_queue_url(QueueName="q")
        begun = time.monotonic()
        w.terminate()
        # They would have waited for longer than that.
        assert time.monotonic() - begun < 15
        for one in waiting:
            try:
                assert "Messages" not in one.result(60)
            except Exception as error:
                # One whose connection was not open yet is refused.
                assert "connect" in str(error).lower() or "closed" in str(error).lower(), error
