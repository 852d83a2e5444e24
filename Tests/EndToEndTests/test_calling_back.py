"""Functions that use an AWS SDK find the server that runs them, as their role."""

import base64
import json
from urllib.parse import quote

import pytest

from harness import sdk
from harness.world import ECHO, ROLE, world, zip_of
from test_tenants import Tenant, code_of

CALLER = """
import json, os

import boto3
from botocore.exceptions import ClientError

# Made in the template, where its key is of no use: each copy's own is taken when it is needed.
early = boto3.client("lambda")


def handler(event, context):
    try:
        return {"answer": globals()[event["do"]](event)}
    except ClientError as refusal:
        error = refusal.response["Error"]
        return {"code": error["Code"], "message": error["Message"], "status": refusal.response["ResponseMetadata"]["HTTPStatusCode"]}


def invoke(event):
    client = early if event.get("early") else boto3.client("lambda")
    answer = client.invoke(FunctionName=event["function"], Payload=json.dumps(event.get("payload")), InvocationType=event.get("type", "RequestResponse"))
    return json.loads(answer["Payload"].read() or b"null")


def queue(event):
    client = boto3.client("sqs")
    url = client.get_queue_url(QueueName=event["queue"])["QueueUrl"]
    client.send_message(QueueUrl=url, MessageBody="from a function")
    message = client.receive_message(QueueUrl=url, WaitTimeSeconds=5)["Messages"][0]
    client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return message["Body"]


def call(event):
    result = getattr(boto3.client(event["service"]), event["operation"])(**event["arguments"])
    return sorted(key for key in result if key != "ResponseMetadata")


def variables(event):
    return {name: value for name, value in os.environ.items() if name.startswith("AWS_")}


def signed(event):
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    import urllib.request, urllib.error
    request = AWSRequest(event["method"], os.environ["AWS_ENDPOINT_URL"] + event["path"], data=event.get("body", ""))
    SigV4Auth(boto3.Session().get_credentials(), "lambda", os.environ["AWS_REGION"]).add_auth(request)
    try:
        with urllib.request.urlopen(urllib.request.Request(request.url, request.data.encode() or None, dict(request.headers.items()), method=event["method"])) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.read().decode()
"""

TRACE = "import os\ndef handler(event, context):\n    return os.environ['_X_AMZN_TRACE_ID']\n"


@pytest.fixture(scope="module")
def closed(scratch):
    with world(scratch / "calling-back", dev=False) as made:
        yield made


class Owner(Tenant):
    """A tenant with a function that does what it is told with boto3."""

    def __init__(self, w, name):
        super().__init__(w, name)
        self.layer = sdk.publish(self.boto())
        self.caller("caller", ROLE)

    def caller(self, name, role):
        self.boto().create_function(
            FunctionName=name, Runtime="python3.11", Role=role, Handler="app.handler", Code={"ZipFile": zip_of({"app.py": CALLER})},
            Layers=[self.layer], Timeout=30, MemorySize=256)

    def tell(self, do, caller="caller", **event):
        answer = self.boto().invoke(FunctionName=caller, Payload=json.dumps({"do": do, **event}))
        value = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, (value, self.w.log_text(3000))
        return value

    def put_role(self, role, *statements, check=True):
        document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
        return self.cli("role", "put", role, "-", input=document, check=check)


@pytest.fixture(scope="module")
def owner(closed):
    return Owner(closed, "caller")


@pytest.fixture(scope="module")
def other(closed):
    return Tenant(closed, "neighbour")


def test_it_invokes_other_functions_and_uses_queues(owner):
    owner.create("echo", ECHO)
    owner.boto("sqs").create_queue(QueueName="letters")
    assert owner.tell("invoke", function="echo", payload={"n": 1}) == {"answer": {"n": 1}}
    assert owner.tell("invoke", function="echo", payload=[2], early=True) == {"answer": [2]}, "a client that was made at import works in the copy"
    assert owner.tell("invoke", function="echo", payload={}, type="Event") == {"answer": None}
    assert owner.tell("queue", queue="letters") == {"answer": "from a function"}


def test_what_it_finds_in_its_environment(owner):
    found = owner.tell("variables")["answer"]
    assert found["AWS_ENDPOINT_URL"] == "http://127.0.0.1:9002"
    assert found["AWS_REGION"] == found["AWS_DEFAULT_REGION"] == "us-east-1"
    assert found["AWS_ACCESS_KEY_ID"].startswith("ASIA") and len(found["AWS_ACCESS_KEY_ID"]) == 20
    again = owner.tell("variables")["answer"]
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        assert found[name] != again[name], f"two invocations have the same {name}"


def test_its_keys_open_nothing_outside_and_nothing_afterwards(owner):
    found = owner.tell("variables")["answer"]
    key = {"accessKeyId": found["AWS_ACCESS_KEY_ID"], "secretAccessKey": found["AWS_SECRET_ACCESS_KEY"], "sessionToken": found["AWS_SESSION_TOKEN"]}
    assert code_of(lambda: owner.boto(key=key).invoke(FunctionName="caller")) == "UnrecognizedClientException"
    assert code_of(lambda: owner.boto("sqs", key=key).list_queues()) in ("UnrecognizedClientException", "InvalidClientTokenId")


def test_an_invocation_goes_on_with_its_callers_trace(owner):
    owner.create("trace", TRACE)
    mine = "Root=1-67891233-abcdef012345678912345678"
    answer = owner.http("POST", "/2015-03-31/functions/caller/invocations", json.dumps({"do": "invoke", "function": "trace"}).encode(), {"X-Amzn-Trace-Id": mine})
    assert answer.json["answer"].split(";")[0] == mine


def test_a_role_without_a_document_may_no_more_than_that(owner, other):
    for service, operation, arguments in [
        ("lambda", "list_functions", {}), ("lambda", "get_function", {"FunctionName": "caller"}),
        ("lambda", "update_function_configuration", {"FunctionName": "caller", "Timeout": 5}),
        ("lambda", "put_function_concurrency", {"FunctionName": "caller", "ReservedConcurrentExecutions": 0}),
        ("events", "put_events", {"Entries": [{"Source": "a", "DetailType": "b", "Detail": "{}"}]}), ("events", "list_event_buses", {}),
    ]:
        refused = owner.tell("call", service=service, operation=operation, arguments=arguments)
        action = "".join(part.capitalize() for part in operation.split("_"))
        assert refused.get("code") == "AccessDeniedException" and refused["status"] == 403, refused
        assert f":assumed-role/any/caller is not authorized to perform: {service}:{action} on resource: " in refused["message"], refused
    theirs = other.create("theirs", ECHO)["FunctionArn"]
    other.boto("sqs").create_queue(QueueName="theirs")
    assert owner.tell("invoke", function=theirs)["code"] == "AccessDeniedException"
    url = f"{owner.w.endpoint}/{other.account}/theirs"
    assert "code" in owner.tell("call", service="sqs", operation="send_message", arguments={"QueueUrl": url, "MessageBody": "x"})
    assert "Messages" not in other.boto("sqs").receive_message(QueueUrl=url)


@pytest.mark.parametrize("method, path", [
    ("GET", "/martlet/v1/tenants"), ("POST", "/martlet/v1/tenants"), ("GET", "/martlet/v1/roles"), ("PUT", "/martlet/v1/roles/any"),
    ("DELETE", "/martlet/v1/roles/any"), ("GET", "/martlet/v1/usage"), ("GET", "/martlet/v1/functions/caller"), ("GET", "/martlet/v1/logs/caller"),
    ("GET", "/martlet/v1/health"), ("GET", "/metrics"), ("GET", "/fn/caller/"), ("POST", "/hooks/x"), ("POST", "/events/default"), ("GET", "/none"),
])
def test_what_is_no_operation_of_awss_is_for_no_function(owner, method, path):
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    owner.put_role("all", everything)
    if "all" not in [f["FunctionName"] for f in owner.boto().list_functions()["Functions"]]:
        owner.caller("all", "arn:aws:iam::123456789012:role/all")
    status, text = owner.tell("signed", "all", method=method, path=path)["answer"]
    assert status in (403, 404), (status, text)


def test_a_document_decides_and_a_denial_wins(owner):
    owner.create("target", ECHO)
    owner.caller("limited", "arn:aws:iam::123456789012:role/service/limited")
    invoke = lambda: owner.tell("invoke", "limited", function="target", payload=1)
    assert invoke() == {"answer": 1}
    arn = f"arn:aws:lambda:us-east-1:{owner.account}:function:target"
    owner.put_role("limited", {"Effect": "Allow", "Action": "sqs:*", "Resource": "*"})
    refused = invoke()
    assert refused["code"] == "AccessDeniedException" and refused["status"] == 403
    assert refused["message"] == (
        f"User: arn:aws:sts::{owner.account}:assumed-role/limited/limited is not authorized to perform: lambda:InvokeFunction on resource: {arn} "
        "because no identity-based policy allows the lambda:InvokeFunction action")
    owner.put_role("limited", {"Effect": "Allow", "Action": "lambda:Invoke*", "Resource": arn})
    assert invoke() == {"answer": 1}
    owner.put_role("limited", {"Effect": "Allow", "Action": "*", "Resource": "*"}, {"Effect": "Deny", "Action": "lambda:*", "Resource": "arn:aws:lambda:*:*:function:tar*"})
    assert "with an explicit deny" in invoke()["message"]
    owner.cli("role", "delete", "limited")
    assert invoke() == {"answer": 1}


def test_settings_beside_new_code_need_the_rights_of_settings(owner):
    owner.create("served", ECHO)
    owner.caller("deployer", "arn:aws:iam::123456789012:role/deployer")
    arn = f"arn:aws:lambda:us-east-1:{owner.account}:function:served"
    code = {"Effect": "Allow", "Action": ["lambda:UpdateFunctionCode", "lambda:TagResource", "lambda:UntagResource"], "Resource": "*"}
    settings = {"Effect": "Allow", "Action": "lambda:UpdateFunctionConfiguration", "Resource": arn}
    archive = base64.b64encode(zip_of({"app.py": ECHO})).decode()

    def ask(method, path, **body):
        return owner.tell("signed", "deployer", method=method, path=path, body=json.dumps(body))["answer"]
    update = lambda **more: ask("PUT", "/2015-03-31/functions/served/code", ZipFile=archive, **more)
    tag = lambda **tags: ask("POST", f"/2017-03-31/tags/{quote(arn, safe='')}", Tags=tags)
    owner.put_role("deployer", code)
    assert update()[0] == 200 and tag(team="birds")[0] == 204
    for status, text in [update(MartletNetwork="egress"), update(Role="arn:aws:iam::123456789012:role/all"), tag(**{"martlet:network": "egress"})]:
        assert status == 403 and "lambda:UpdateFunctionConfiguration" in text, text
    owner.put_role("deployer", code, settings)
    assert update(MartletNetwork="none")[0] == 200 and tag(**{"martlet:network": "none"})[0] == 204
    status, text = update(Role="arn:aws:iam::123456789012:role/all")
    assert status == 403 and "iam:PassRole" in text, text
    assert owner.boto().get_function_configuration(FunctionName="served")["Role"] == ROLE


def test_a_document_names_queues_and_buses(owner):
    client = owner.boto("sqs")
    urls = {name: client.create_queue(QueueName=name)["QueueUrl"] for name in ("open", "shut")}
    owner.caller("sender", "arn:aws:iam::123456789012:role/sender")
    bus = f"arn:aws:events:us-east-1:{owner.account}:event-bus/default"
    owner.put_role("sender", {"Effect": "Allow", "Action": ["sqs:SendMessage", "sqs:GetQueueUrl"], "Resource": "arn:aws:sqs:*:*:open"},
                   {"Effect": "Allow", "Action": "events:PutEvents", "Resource": bus})

    def send(**arguments):
        return owner.tell("call", "sender", service="sqs", **arguments)
    assert "MessageId" in send(operation="send_message", arguments={"QueueUrl": urls["open"], "MessageBody": "x"})["answer"]
    entries = [{"Id": "1", "MessageBody": "x"}]
    assert "Successful" in send(operation="send_message_batch", arguments={"QueueUrl": urls["open"], "Entries": entries})["answer"]
    for operation, arguments in [
        ("send_message", {"QueueUrl": urls["shut"], "MessageBody": "x"}), ("send_message_batch", {"QueueUrl": urls["shut"], "Entries": entries}),
        ("receive_message", {"QueueUrl": urls["open"]}), ("get_queue_url", {"QueueName": "shut"}), ("list_queues", {}), ("delete_queue", {"QueueUrl": urls["open"]}),
    ]:
        refused = send(operation=operation, arguments=arguments)
        assert refused.get("code") in ("AccessDenied", "AccessDeniedException"), refused
    put = lambda **more: owner.tell("call", "sender", service="events", operation="put_events", arguments={
        "Entries": [{"Source": "a", "DetailType": "b", "Detail": "{}"}, {"Source": "a", "DetailType": "b", "Detail": "{}", **more}]})
    assert "answer" in put()
    assert put(EventBusName="others")["code"] == "AccessDeniedException"


def test_documents_are_checked_listed_and_outlive_a_start(make_world):
    w = make_world()
    wrong = w.cli("role", "put", "r", "-", input='{"Statement": {"Effect": "Allow", "Action": "x", "Resource": "*"}}', check=False)
    assert wrong.returncode != 0 and "'x' is not an action" in wrong.stderr
    conditional = {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {}}
    wrong = w.cli("role", "put", "r", "-", input=json.dumps({"Statement": conditional}), check=False)
    assert wrong.returncode != 0 and "'Condition', which is not judged here" in wrong.stderr
    document = {"Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}}
    w.cli("role", "put", "closed", "-", input=json.dumps(document))
    w.kill()
    w.start()
    assert w.cli_json("role", "list") == {"roles": [{"role": "closed", "policy": document}]}
    assert json.loads(w.cli("role", "show", "closed").stdout) == document
    w.cli("role", "delete", "closed")
    assert w.cli("role", "show", "closed", check=False).returncode != 0


def test_node_finds_it_too(owner):
    """Without an SDK: the signature is made by hand, from the variables that SDKs read."""
    runtimes = [r["name"] for r in owner.w.http("GET", "/martlet/v1/node").json["runtimes"] if r["name"].startswith("nodejs")]
    if not runtimes:
        pytest.skip("this host offers no Node runtime")
    owner.create("echo-2", ECHO)
    node = """
const { createHmac, createHash } = require('crypto');
exports.handler = async (event) => {
  const { AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: secret, AWS_SESSION_TOKEN: token, AWS_REGION: region } = process.env;
  const host = new URL(AWS_ENDPOINT_URL).host, body = JSON.stringify(event), time = new Date().toISOString().replace(/[-:]|\\.\\d+/g, ''), day = time.slice(0, 8);
  const hmac = (key, text) => createHmac('sha256', key).update(text).digest(), hash = (text) => createHash('sha256').update(text).digest('hex');
  const path = '/2015-03-31/functions/echo-2/invocations', scope = `${day}/${region}/lambda/aws4_request`, names = 'host;x-amz-date;x-amz-security-token';
  const canonical = `POST\\n${path}\\n\\nhost:${host}\\nx-amz-date:${time}\\nx-amz-security-token:${token}\\n\\n${names}\\n${hash(body)}`;
  const key = [day, region, 'lambda', 'aws4_request'].reduce(hmac, 'AWS4' + secret);
  const signature = createHmac('sha256', key).update(`AWS4-HMAC-SHA256\\n${time}\\n${scope}\\n${hash(canonical)}`).digest('hex');
  const answer = await fetch(AWS_ENDPOINT_URL + path, { method: 'POST', body, headers: { 'x-amz-date': time, 'x-amz-security-token': token,
    authorization: `AWS4-HMAC-SHA256 Credential=${id}/${scope}, SignedHeaders=${names}, Signature=${signature}` } });
  return { status: answer.status, body: await answer.json(), id };
};
"""
    owner.boto().create_function(FunctionName="from-node", Runtime=runtimes[0], Role=ROLE, Handler="app.handler", Timeout=30, Code={"ZipFile": zip_of({"app.js": node})})
    answers = [json.load(owner.boto().invoke(FunctionName="from-node", Payload=b'{"n": 3}')["Payload"]) for _ in range(2)]
    assert [(a["status"], a["body"]) for a in answers] == [(200, {"n": 3})] * 2, answers
    assert answers[0]["id"] != answers[1]["id"]
