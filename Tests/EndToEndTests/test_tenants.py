"""Tenants and their keys: who gets in, who does not any more, and that nobody touches what is another's."""

import json

import boto3
import pytest
from botocore.awsrequest import AWSRequest
from botocore.auth import SigV4QueryAuth
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from harness.processes import wait_until
from harness.world import ACCOUNT, ECHO, ROLE, world, zip_of

REGION = "us-east-1"


class Tenant:
    """One with a key of its own, and clients that use it."""

    def __init__(self, w, name):
        self.w = w
        self.name = name
        self.account = w.cli_json("tenant", "create", name)["account"]
        self.key = w.cli_json("key", "create", name)

    @property
    def environment(self):
        return {"AWS_ACCESS_KEY_ID": self.key["accessKeyId"], "AWS_SECRET_ACCESS_KEY": self.key["secretAccessKey"]}

    def boto(self, service="lambda", region=REGION, key=None, **config):
        key = key or self.key
        return boto3.session.Session(
            aws_access_key_id=key["accessKeyId"], aws_secret_access_key=key["secretAccessKey"], aws_session_token=key.get("sessionToken"),
            region_name=region,
        ).client(service, endpoint_url=self.w.endpoint, config=Config(retries={"max_attempts": 0}, **config))

    def cli(self, *arguments, **options):
        return self.w.cli(*arguments, environment=self.environment, **options)

    def http(self, method, path, body=None, headers=None, region=REGION):
        headers = self.w.signed(
            method, path, body, headers or {}, region=region, key=self.key["accessKeyId"], secret=self.key["secretAccessKey"])
        return self.w.http(method, path, body, headers, sign=None)

    def create(self, name, code=ECHO, region=REGION, **more):
        return self.boto(region=region).create_function(
            FunctionName=name, Runtime="python3.11", Role=ROLE, Handler="app.handler", Code={"ZipFile": zip_of({"app.py": code})}, **more)


def path_of(url):
    """Where a tenant's function URL is reached without its host name."""
    return f"/fn/{url.split('//')[1].split('.')[0]}/"


def code_of(work):
    with pytest.raises(ClientError) as raised:
        work()
    return raised.value.response["Error"]["Code"]


@pytest.fixture(scope="module")
def closed(scratch):
    with world(scratch / "tenants", dev=False) as made:
        yield made


@pytest.fixture(scope="module")
def shop(closed):
    """Has one of everything."""
    tenant = Tenant(closed, "shop")
    tenant.function = tenant.create("till", Tags={"a": "b"}, Publish=True)["FunctionArn"].rsplit(":", 1)[0]
    tenant.boto().create_function_url_config(FunctionName="till", AuthType="AWS_IAM")
    tenant.queue = tenant.boto("sqs").create_queue(QueueName="orders")["QueueUrl"]
    tenant.boto("sqs").send_message(QueueUrl=tenant.queue, MessageBody="secret")
    tenant.mapping = tenant.boto().create_event_source_mapping(
        EventSourceArn=f"arn:aws:sqs:{REGION}:{tenant.account}:orders", FunctionName="till", Enabled=False, Tags={"made": "here"})["UUID"]
    tenant.boto("events").create_event_bus(Name="news")
    tenant.boto("events").put_rule(Name="all", EventBusName="news", EventPattern='{"source":["a"]}')
    tenant.boto("scheduler").create_schedule(
        Name="nightly", ScheduleExpression="rate(1 day)", FlexibleTimeWindow={"Mode": "OFF"}, Target={"Arn": tenant.function, "RoleArn": ROLE})
    assert tenant.http("POST", "/martlet/v1/webhooks", json.dumps({"name": "pushes", "function": "till", "scheme": "github"}).encode()).status == 201
    assert json.load(tenant.boto().invoke(FunctionName="till", Payload=b'"mine"')["Payload"]) == "mine"
    return tenant


@pytest.fixture(scope="module")
def thief(closed, shop):
    """Knows every name, ARN, URL and ID of the other's, and has a function of its own."""
    tenant = Tenant(closed, "thief")
    tenant.create("own")
    return tenant


# -- keys

def test_a_key_is_refused_at_once_when_it_is_revoked(closed):
    tenant = Tenant(closed, "revoked")
    client = tenant.boto()
    assert client.list_functions()["Functions"] == []
    assert closed.cli("key", "revoke", tenant.key["accessKeyId"]).returncode == 0
    assert code_of(client.list_functions) == "UnrecognizedClientException"
    assert code_of(tenant.boto("sqs").list_queues) in ("UnrecognizedClientException", "InvalidClientTokenId")
    assert tenant.key["accessKeyId"] not in closed.cli("key", "list").stdout


def test_a_suspended_tenant_is_refused_at_once_and_its_urls_are_closed(closed):
    tenant = Tenant(closed, "pausing")
    tenant.create("page")
    url = tenant.boto().create_function_url_config(FunctionName="page", AuthType="NONE")["FunctionUrl"]
    path = path_of(url)
    assert closed.http("GET", path, sign=None).status == 200
    assert closed.cli_json("tenant", "suspend", "pausing")["state"] == "suspended"
    assert code_of(tenant.boto().list_functions) == "AccessDeniedException"
    assert closed.http("GET", path, sign=None).status == 403
    # What waits for its next attempt waits on.
    assert code_of(lambda: tenant.boto().invoke(FunctionName="page", InvocationType="Event")) == "AccessDeniedException"
    assert closed.cli_json("tenant", "resume", tenant.account)["state"] == "active"
    assert len(tenant.boto().list_functions()["Functions"]) == 1
    assert closed.http("GET", path, sign=None).status == 200


def test_rotation_leaves_the_old_key_for_as_long_as_it_says(closed):
    tenant = Tenant(closed, "rotating")
    new = closed.cli_json("key", "rotate", tenant.key["accessKeyId"])
    assert tenant.boto().list_functions() and tenant.boto(key=new).list_functions()
    newest = closed.cli_json("key", "rotate", new["accessKeyId"], "--overlap", "0s")
    assert code_of(tenant.boto(key=new).list_functions) == "ExpiredTokenException"
    assert tenant.boto(key=newest).list_functions()["Functions"] == []
    shown = closed.cli_json("key", "list", "rotating")["keys"]
    assert len(shown) == 3 and not any("secretAccessKey" in key for key in shown)


def test_a_temporary_key_needs_its_session_token(closed):
    Tenant(closed, "visiting")
    key = closed.cli_json("key", "create", "visiting", "--expires-in", "10m")
    tenant = Tenant(closed, "visiting2")
    assert key["accessKeyId"].startswith("ASIA") and key["sessionToken"] and key["expires"]
    assert tenant.boto(key=key).list_functions()["Functions"] == []
    assert code_of(tenant.boto(key={**key, "sessionToken": None}).list_functions) == "UnrecognizedClientException"
    assert code_of(tenant.boto(key={**tenant.key, "sessionToken": "x"}).list_functions) == "UnrecognizedClientException"


def test_keys_and_tenants_outlive_a_kill(make_world):
    w = make_world(dev=False)
    tenant = Tenant(w, "durable")
    gone = w.cli_json("key", "create", "durable")
    w.cli("key", "revoke", gone["accessKeyId"])
    w.kill()
    w.start()
    assert tenant.boto().list_functions()["Functions"] == []
    assert code_of(tenant.boto(key=gone).list_functions) == "UnrecognizedClientException"
    assert (w.data / "martlet.db").stat().st_mode & 0o077 == 0


def test_the_query_protocol_has_its_own_errors(closed):
    body = b"Action=ListQueues&Version=2012-11-05"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    signed = closed.signed("POST", "/", body, headers, service="sqs", key="AKIAAAAAAAAAAAAAAAAA")
    answer = closed.http("POST", "/", body, signed, sign=None)
    assert answer.status == 403 and "<Code>InvalidClientTokenId</Code>" in answer.text, answer
    signed = closed.signed("POST", "/", body, headers, service="sqs", secret="wrong")
    assert "<Code>SignatureDoesNotMatch</Code>" in closed.http("POST", "/", body, signed, sign=None).text
    assert "<Code>MissingAuthenticationToken</Code>" in closed.http("POST", "/", body, headers, sign=None).text


# -- presigned requests and the forms of a body

def presigned(closed, path, expires=60):
    keys = closed.credentials
    request = AWSRequest("GET", closed.endpoint + path)
    SigV4QueryAuth(Credentials(keys["AWS_ACCESS_KEY_ID"], keys["AWS_SECRET_ACCESS_KEY"]), "lambda", REGION, expires=expires).add_auth(request)
    return request.prepare().url.removeprefix(closed.endpoint)


def test_a_presigned_url_needs_no_header(closed):
    path = presigned(closed, "/2015-03-31/functions?MaxItems=5")
    assert closed.http("GET", path, sign=None).status == 200
    assert closed.http("GET", path.replace("MaxItems=5", "MaxItems=6"), sign=None).error_type == "InvalidSignatureException"
    assert closed.http("DELETE", path, sign=None).status in (403, 405)
    assert closed.http("GET", presigned(closed, "/2015-03-31/functions", 604_801), sign=None).error_type == "IncompleteSignatureException"


def test_an_unsigned_payload_is_taken_where_its_sender_signed_that_it_is(closed):
    closed.create("unsigned", ECHO)
    path = "/2015-03-31/functions/unsigned/invocations"
    headers = closed.signed("POST", path, b"", {"X-Amz-Content-Sha256": "UNSIGNED-PAYLOAD"})
    # botocore signs what the header says.
    assert closed.http("POST", path, b'"any"', headers, sign=None).json == "any"
    del headers["X-Amz-Content-Sha256"]
    assert closed.http("POST", path, b'"any"', headers, sign=None).error_type == "InvalidSignatureException"


# -- what is another's

# What a stranger may not do to a function: operation, and what it needs beside the function's name.
FUNCTION_OPERATIONS = {
    "get_function": {}, "get_function_configuration": {}, "delete_function": {}, "list_versions_by_function": {}, "publish_version": {},
    "update_function_configuration": {"MemorySize": 256}, "update_function_code": {"ZipFile": zip_of({"app.py": ECHO})},
    "put_function_concurrency": {"ReservedConcurrentExecutions": 0}, "get_function_concurrency": {}, "delete_function_concurrency": {},
    "get_function_url_config": {}, "create_function_url_config": {"AuthType": "NONE"}, "update_function_url_config": {"AuthType": "NONE"},
    "delete_function_url_config": {}, "list_function_url_configs": {}, "get_policy": {},
    "put_function_event_invoke_config": {"MaximumRetryAttempts": 0}, "get_function_event_invoke_config": {},
    "delete_function_event_invoke_config": {}, "list_function_event_invoke_configs": {}, "get_function_code_signing_config": {},
    "list_aliases": {}, "create_alias": {"Name": "live", "FunctionVersion": "1"}, "get_alias": {"Name": "live"},
    "update_alias": {"Name": "live", "FunctionVersion": "1"},
    "put_provisioned_concurrency_config": {"Qualifier": "1", "ProvisionedConcurrentExecutions": 1},
    "list_provisioned_concurrency_configs": {}, "invoke": {"Payload": b"{}"},
}


@pytest.mark.parametrize("operation", FUNCTION_OPERATIONS)
def test_a_function_is_out_of_reach_by_name_and_by_arn(shop, thief, operation):
    work = getattr(thief.boto(), operation)
    options = FUNCTION_OPERATIONS[operation]
    assert code_of(lambda: work(FunctionName="till", **options)) == "ResourceNotFoundException"
    for name in (shop.function, f"{shop.account}:function:till"):
        assert code_of(lambda: work(FunctionName=name, **options)) == "AccessDeniedException"


def test_nothing_of_it_is_told(shop, thief):
    client = thief.boto()
    assert [f["FunctionName"] for f in client.list_functions(FunctionVersion="ALL")["Functions"]] == ["own"]
    assert client.get_account_settings()["AccountUsage"]["FunctionCount"] == 1
    assert client.list_event_source_mappings()["EventSourceMappings"] == []
    # Whether a name is taken elsewhere is nobody's business.
    missing, taken = (code_of(lambda: client.invoke(FunctionName=f"arn:aws:lambda:{REGION}:{shop.account}:function:{name}")) for name in ("none", "till"))
    assert missing == taken == "AccessDeniedException"


@pytest.mark.parametrize("operation, options", [
    ("list_tags", {}), ("tag_resource", {"Tags": {"x": "y"}}), ("untag_resource", {"TagKeys": ["a"]}),
])
def test_tags_are_out_of_reach(shop, thief, operation, options):
    assert code_of(lambda: getattr(thief.boto(), operation)(Resource=shop.function, **options)) == "AccessDeniedException"
    assert shop.boto().list_tags(Resource=shop.function)["Tags"] == {"a": "b"}


def test_stored_code_is_not_reached_by_its_digest(shop, thief):
    import base64
    digest = base64.b64decode(shop.boto().get_function(FunctionName="till")["Configuration"]["CodeSha256"]).hex()
    assert shop.http("GET", f"/martlet/v1/packages/{digest}").status == 200
    # Its own has the same bytes; another's would be told by name and size.
    other = shop.create("private", "def handler(e, c): return 'private'\n")["CodeSha256"]
    assert thief.http("GET", f"/martlet/v1/packages/{base64.b64decode(other).hex()}").status == 404


def test_mappings_are_out_of_reach(shop, thief):
    client = thief.boto()
    arn = f"arn:aws:lambda:{REGION}:{shop.account}:event-source-mapping:{shop.mapping}"
    assert code_of(lambda: client.list_tags(Resource=arn)) == code_of(lambda: client.tag_resource(Resource=arn, Tags={"a": "b"})) == "AccessDeniedException"
    mine = arn.replace(shop.account, thief.account)
    assert code_of(lambda: client.list_tags(Resource=mine)) == "ResourceNotFoundException"
    shop.boto().tag_resource(Resource=arn, Tags={"team": "till", "x": "y"})
    shop.boto().untag_resource(Resource=arn, TagKeys=["x"])
    assert shop.boto().list_tags(Resource=arn)["Tags"] == {"made": "here", "team": "till"}
    for work in (
        lambda: client.get_event_source_mapping(UUID=shop.mapping), lambda: client.delete_event_source_mapping(UUID=shop.mapping),
        lambda: client.update_event_source_mapping(UUID=shop.mapping, Enabled=True),
    ):
        assert code_of(work) == "ResourceNotFoundException"
    assert code_of(lambda: client.create_event_source_mapping(
        EventSourceArn=f"arn:aws:sqs:{REGION}:{shop.account}:orders", FunctionName="own")) == "InvalidParameterValueException"
    assert code_of(lambda: client.create_event_source_mapping(
        EventSourceArn=f"arn:aws:sqs:{REGION}:{thief.account}:orders", FunctionName=shop.function)) == "AccessDeniedException"
    assert code_of(lambda: client.update_function_configuration(
        FunctionName="own", DeadLetterConfig={"TargetArn": f"arn:aws:sqs:{REGION}:{shop.account}:orders"})) == "InvalidParameterValueException"
    assert code_of(lambda: client.put_function_event_invoke_config(
        FunctionName="own", DestinationConfig={"OnSuccess": {"Destination": shop.function}})) == "InvalidParameterValueException"


QUEUE_OPERATIONS = {
    "get_queue_attributes": {"AttributeNames": ["All"]}, "set_queue_attributes": {"Attributes": {"DelaySeconds": "1"}}, "receive_message": {},
    "send_message": {"MessageBody": "x"}, "send_message_batch": {"Entries": [{"Id": "1", "MessageBody": "x"}]}, "purge_queue": {}, "delete_queue": {},
    "delete_message": {"ReceiptHandle": "x"}, "delete_message_batch": {"Entries": [{"Id": "1", "ReceiptHandle": "x"}]},
    "change_message_visibility": {"ReceiptHandle": "x", "VisibilityTimeout": 0}, "list_queue_tags": {}, "tag_queue": {"Tags": {"a": "b"}},
    "untag_queue": {"TagKeys": ["a"]}, "list_dead_letter_source_queues": {}, "remove_permission": {"Label": "x"},
    "add_permission": {"Label": "x", "AWSAccountIds": ["123456789012"], "Actions": ["SendMessage"]},
}


@pytest.mark.parametrize("operation", QUEUE_OPERATIONS)
def test_a_queue_is_out_of_reach(shop, thief, operation):
    assert code_of(lambda: getattr(thief.boto("sqs"), operation)(QueueUrl=shop.queue, **QUEUE_OPERATIONS[operation])).endswith(
        ("NonExistentQueue", "QueueDoesNotExist"))


def test_other_ways_to_a_queue_are_closed(shop, thief):
    client = thief.boto("sqs")
    assert not client.list_queues().get("QueueUrls")
    arn = f"arn:aws:sqs:{REGION}:{shop.account}:orders"
    with pytest.raises(ClientError):
        client.get_queue_url(QueueName="orders", QueueOwnerAWSAccountId=shop.account)
    own = client.create_queue(QueueName="own")["QueueUrl"]
    for work in (
        lambda: client.start_message_move_task(SourceArn=arn), lambda: client.list_message_move_tasks(SourceArn=arn),
        lambda: client.start_message_move_task(SourceArn=f"arn:aws:sqs:{REGION}:{thief.account}:own", DestinationArn=arn),
        lambda: client.set_queue_attributes(QueueUrl=own, Attributes={"RedrivePolicy": json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 1})}),
    ):
        with pytest.raises(ClientError):
            work()
    assert shop.boto("sqs").receive_message(QueueUrl=shop.queue, VisibilityTimeout=0)["Messages"][0]["Body"] == "secret"


def test_schedules_and_buses_are_out_of_reach(shop, thief):
    schedules, events = thief.boto("scheduler"), thief.boto("events")
    assert schedules.list_schedules()["Schedules"] == []
    target = {"Arn": thief.boto().get_function(FunctionName="own")["Configuration"]["FunctionArn"], "RoleArn": ROLE}
    common = dict(ScheduleExpression="rate(1 day)", FlexibleTimeWindow={"Mode": "OFF"})
    for work in (
        lambda: schedules.get_schedule(Name="nightly"), lambda: schedules.delete_schedule(Name="nightly"),
        lambda: schedules.update_schedule(Name="nightly", Target=target, **common),
        lambda: schedules.list_tags_for_resource(ResourceArn=f"arn:aws:scheduler:{REGION}:{shop.account}:schedule-group/default"),
        lambda: schedules.create_schedule(Name="theft", Target={"Arn": shop.function, "RoleArn": ROLE}, **common),
    ):
        assert code_of(work) in ("ResourceNotFoundException", "ValidationException")
    assert [b["Name"] for b in events.list_event_buses()["EventBuses"]] == ["default"]
    bus = f"arn:aws:events:{REGION}:{shop.account}:event-bus/news"
    for work in (
        lambda: events.describe_event_bus(Name="news"), lambda: events.describe_event_bus(Name=bus), lambda: events.list_rules(EventBusName=bus),
        lambda: events.put_rule(Name="x", EventBusName=bus, EventPattern='{"source":["a"]}'), lambda: events.describe_rule(Name="all", EventBusName=bus),
        lambda: events.put_targets(Rule="all", EventBusName=bus, Targets=[{"Id": "1", "Arn": target["Arn"]}]),
        lambda: events.delete_rule(Name="all", EventBusName="news"),
        lambda: events.list_tags_for_resource(ResourceARN=bus),
    ):
        with pytest.raises(ClientError):
            work()
    put = events.put_events(Entries=[{"Source": "a", "DetailType": "b", "Detail": "{}", "EventBusName": bus}])
    assert put["FailedEntryCount"] == 1
    events.put_rule(Name="mine", EventPattern='{"source":["a"]}')
    stolen = events_put_target(events, shop.function)
    assert stolen["FailedEntryCount"] == 1, stolen
    assert shop.boto("events").describe_rule(Name="all", EventBusName="news")["State"] == "ENABLED"


def events_put_target(events, arn):
    try:
        return events.put_targets(Rule="mine", Targets=[{"Id": "1", "Arn": arn}])
    except ClientError as error:
        return {"FailedEntryCount": 1, "Error": error.response}


@pytest.mark.parametrize("method, path", [
    ("GET", "/martlet/v1/functions/till"), ("POST", "/martlet/v1/functions/till/ready"), ("PUT", "/martlet/v1/functions/till/settings"),
    ("GET", "/martlet/v1/logs/till"), ("GET", "/martlet/v1/async?function=till"), ("POST", "/martlet/v1/async/till/retry"),
    ("POST", "/martlet/v1/async/till/discard"), ("GET", "/martlet/v1/triggers?function=till"), ("DELETE", "/martlet/v1/webhooks/pushes"),
    ("POST", "/martlet/v1/webhooks/pushes/secret"), ("DELETE", "/martlet/v1/queues/orders"), ("GET", "/martlet/v1/queues/orders/messages"),
    ("POST", "/martlet/v1/queues/orders/messages"), ("POST", "/martlet/v1/queues/orders/purge"), ("POST", "/martlet/v1/queues/orders/redrive"),
    ("GET", "/martlet/v1/schedules/nightly/runs"), ("GET", "/martlet/v1/buses/news/rules"),
])
def test_what_martlet_adds_is_out_of_reach(shop, thief, method, path):
    body = b'{"isolation":"environment"}' if method in ("POST", "PUT") else None
    assert thief.http(method, path, body).status == 404, path


def test_listings_have_only_ones_own(shop, thief):
    for path, member in (
        ("webhooks", "webhooks"), ("queues", "queues"), ("triggers", "triggers"), ("async", "events"),
    ):
        rows = thief.http("GET", f"/martlet/v1/{path}").json[member]
        assert shop.account not in json.dumps(rows) and "till" not in json.dumps(rows) and "orders" not in json.dumps(rows), (path, rows)
    assert "news" not in thief.http("GET", "/martlet/v1/buses").text


def test_usage_is_ones_own_and_the_operators(closed, shop, thief):
    shop.boto().invoke(FunctionName="till", Payload=b"{}")
    record = shop.boto().invoke(FunctionName="till", Payload=b"{}")["ResponseMetadata"]["RequestId"]
    assert thief.http("GET", f"/martlet/v1/usage/invocations/{record}").status == 404
    for by in ("function", "version", "tenant", "hour", "invocation"):
        assert "till" not in thief.http("GET", f"/martlet/v1/usage?by={by}").text
        assert shop.account not in thief.http("GET", f"/martlet/v1/usage?by={by}").text
    assert thief.http("GET", f"/martlet/v1/usage?account={shop.account}").error_type == "AccessDeniedException"
    assert "till" in shop.http("GET", "/martlet/v1/usage").text
    assert shop.account in closed.http("GET", "/martlet/v1/usage?by=tenant").text
    assert "till" in closed.http("GET", f"/martlet/v1/usage?account={shop.account}").text


@pytest.mark.parametrize("method, path", [
    ("GET", "/martlet/v1/node"), ("GET", "/martlet/v1/watches"), ("POST", "/martlet/v1/watches"), ("DELETE", "/martlet/v1/watches/x"),
    ("GET", "/martlet/v1/tenants"), ("POST", "/martlet/v1/tenants"), ("POST", "/martlet/v1/tenants/shop/suspend"),
    ("POST", "/martlet/v1/tenants/shop/resume"), ("POST", "/martlet/v1/tenants/default/keys"), ("GET", "/martlet/v1/keys"),
    ("POST", "/martlet/v1/keys/AKIAAAAAAAAAAAAAAAAA/rotate"), ("DELETE", "/martlet/v1/keys/AKIAAAAAAAAAAAAAAAAA"),
])
def test_what_only_the_operator_may(shop, thief, method, path):
    answer = thief.http(method, path, b"{}" if method == "POST" else None)
    assert (answer.status, answer.error_type) == (403, "AccessDeniedException"), answer


def test_the_command_line_works_for_a_tenant(shop, thief, closed):
    folder = closed.folder / "cli"
    folder.mkdir()
    (folder / "app.py").write_text(ECHO)
    thief.cli("deploy", "viacli", folder, "--handler", "app.handler")
    assert thief.cli("invoke", "viacli", "--payload", '{"a":1}').stdout.strip() == '{"a": 1}'
    assert "till" not in thief.cli("list").stdout
    assert thief.cli("invoke", "till", check=False).returncode != 0
    assert "only the operator" in thief.cli("tenant", "list", check=False).stderr


def test_a_region_has_functions_of_its_own(shop):
    shop.create("till", "def handler(e, c): return c.invoked_function_arn\n", region="eu-west-1")
    answer = json.load(shop.boto(region="eu-west-1").invoke(FunctionName="till")["Payload"])
    assert answer == f"arn:aws:lambda:eu-west-1:{shop.account}:function:till"
    assert json.load(shop.boto().invoke(FunctionName="till", Payload=b'"here"')["Payload"]) == "here"


def test_names_of_urls_are_the_operators_alone(closed):
    tenant = Tenant(closed, "squatter")
    tenant.create("front", "def handler(e, c): return 'mine'\n")
    url = tenant.boto().create_function_url_config(FunctionName="front", AuthType="NONE")["FunctionUrl"]
    assert closed.http("GET", path_of(url), sign=None).json == "mine" and "front" not in url
    assert closed.http("GET", "/fn/front", sign=None).status == 404
    closed.create("front", "def handler(e, c): return 'the house'\n")
    closed.boto().create_function_url_config(FunctionName="front", AuthType="NONE")
    assert closed.http("GET", "/fn/front", sign=None).json == "the house"


def test_accounts_share_names_and_nothing_else(closed, shop):
    other = Tenant(closed, "other")
    other.create("till", "def handler(e, c): return 'other'\n")
    assert json.load(other.boto().invoke(FunctionName="till")["Payload"]) == "other"
    assert json.load(shop.boto().invoke(FunctionName="till", Payload=b'"shop"')["Payload"]) == "shop"
    other.boto("sqs").create_queue(QueueName="orders")
    assert closed.http("GET", "/2015-03-31/functions/till").status == 404 and ACCOUNT != other.account
    wait_until(lambda: "other" not in shop.cli("logs", "till").stdout, 60, "logs of its own")
