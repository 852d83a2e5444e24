"""Versions, aliases, their URLs and their provisioned concurrency, by boto3."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError

from harness.processes import wait_until
SHOW = """
import json, os
WHAT = {what!r}
def handler(event, context):
    if isinstance(event, dict) and "requestContext" in event:
        return {{"statusCode": 200, "headers": {{"Access-Control-Allow-Origin": "https://own.example"}}, "body": WHAT}}
    return [WHAT, context.function_version, context.invoked_function_arn, os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"]]
"""


@pytest.fixture(scope="module")
def boto(w):
    return w.boto()


@pytest.fixture(scope="module")
def function(w, boto):
    """Versions 1 to 3."""
    for number in "123":
        w.create("f", SHOW.format(what=f"code {number}"), memory=128)
        boto.publish_version(FunctionName="f", Description=f"release {number}")
    return "f"


def refused(call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def invoke(boto, name, **arguments):
    answer = boto.invoke(FunctionName=name, Payload=b"{}", **arguments)
    return json.loads(answer["Payload"].read()), answer["ExecutedVersion"]


def test_an_alias_is_a_name_for_a_version(boto, function):
    made = boto.create_alias(FunctionName=function, Name="live", FunctionVersion="1", Description="for clients")
    arn = boto.get_function(FunctionName=function)["Configuration"]["FunctionArn"]
    assert (made["AliasArn"], made["FunctionVersion"], made["Description"]) == (f"{arn}:live", "1", "for clients")
    assert boto.get_alias(FunctionName=function, Name="live")["RevisionId"] == made["RevisionId"]
    (what, version, invoked, _), executed = invoke(boto, function, Qualifier="live")
    assert (what, version, invoked, executed) == ("code 1", "1", f"{arn}:live", "1")
    assert invoke(boto, f"{arn}:live")[1] == "1"
    configuration = boto.get_function_configuration(FunctionName=function, Qualifier="live")
    assert (configuration["Version"], configuration["FunctionArn"]) == ("1", f"{arn}:live")
    assert boto.invoke(FunctionName=function, Qualifier="live", InvocationType="DryRun")["StatusCode"] == 204

    changed = boto.update_alias(FunctionName=function, Name="live", FunctionVersion="2", RevisionId=made["RevisionId"])
    assert changed["RevisionId"] != made["RevisionId"] and changed["Description"] == "for clients"
    assert invoke(boto, function, Qualifier="live")[1] == "2"
    assert refused(boto.update_alias, FunctionName=function, Name="live", FunctionVersion="3", RevisionId=made["RevisionId"])[0] \
        == "PreconditionFailedException"
    assert refused(boto.create_alias, FunctionName=function, Name="live", FunctionVersion="1") \
        == ("ResourceConflictException", f"Alias already exists: {arn}:live")
    assert refused(boto.delete_function, FunctionName=function, Qualifier="2") \
        == ("ResourceConflictException", "Unable to delete version because the following aliases reference it: [live]")
    assert refused(boto.get_alias, FunctionName=function, Name="no") == ("ResourceNotFoundException", f"Cannot find alias arn: {arn}:no")
    assert refused(boto.create_alias, FunctionName=function, Name="12", FunctionVersion="1")[0] in ("InvalidParameterValueException", "ValidationException")
    boto.delete_alias(FunctionName=function, Name="live")
    assert refused(boto.invoke, FunctionName=function, Qualifier="live")[0] == "ResourceNotFoundException"


def test_weights_are_exact(boto, function):
    boto.create_alias(FunctionName=function, Name="both", FunctionVersion="1", RoutingConfig={"AdditionalVersionWeights": {"2": 0.25}})
    assert boto.get_alias(FunctionName=function, Name="both")["RoutingConfig"]["AdditionalVersionWeights"] == {"2": 0.25}
    ran = [invoke(boto, function, Qualifier="both")[1] for _ in range(40)]
    assert (ran.count("1"), ran.count("2")) == (30, 10)
    boto.update_alias(FunctionName=function, Name="both", RoutingConfig={"AdditionalVersionWeights": {}})
    assert "RoutingConfig" not in boto.get_alias(FunctionName=function, Name="both")
    assert {invoke(boto, function, Qualifier="both")[1] for _ in range(8)} == {"1"}


def test_lists_have_pages(boto, function):
    for name, version in (("a", "1"), ("b", "2"), ("c", "2")):
        boto.create_alias(FunctionName=function, Name=name, FunctionVersion=version)
    pages = boto.get_paginator("list_aliases").paginate(FunctionName=function, PaginationConfig={"PageSize": 1})
    names = [alias["Name"] for page in pages for alias in page["Aliases"]]
    assert names == sorted(names) and {"a", "b", "c"} <= set(names)
    assert [a["Name"] for a in boto.list_aliases(FunctionName=function, FunctionVersion="2")["Aliases"]] == ["b", "c"]
    versions = boto.get_paginator("list_versions_by_function").paginate(FunctionName=function, PaginationConfig={"PageSize": 2})
    assert [v["Version"] for page in versions for v in page["Versions"]] == ["$LATEST", "1", "2", "3"]


def test_events_of_an_alias_have_a_configuration_of_its_own(boto, function):
    boto.create_alias(FunctionName=function, Name="events", FunctionVersion="1")
    made = boto.put_function_event_invoke_config(FunctionName=function, Qualifier="events", MaximumRetryAttempts=0)
    assert made["FunctionArn"].endswith(":f:events")
    assert boto.get_function_event_invoke_config(FunctionName=function, Qualifier="events")["MaximumRetryAttempts"] == 0
    assert refused(boto.get_function_event_invoke_config, FunctionName=function, Qualifier="1")[0] == "ResourceNotFoundException"
    assert boto.invoke(FunctionName=function, Qualifier="events", InvocationType="Event")["StatusCode"] == 202


def test_a_queue_feeds_an_alias(w, boto, function):
    boto.create_alias(FunctionName=function, Name="queue", FunctionVersion="2")
    sqs = w.boto(service="sqs")
    queue = sqs.create_queue(QueueName="for-an-alias")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    mapping = boto.create_event_source_mapping(FunctionName=f"{function}:queue", EventSourceArn=arn)
    assert mapping["FunctionArn"].endswith(":f:queue")
    sqs.send_message(QueueUrl=queue, MessageBody="x")
    ran = []

    def has_run():
        ran[:] = [record for record in w.records(function) if record["trigger"] == "queue"]
        return ran
    wait_until(has_run, 60, "a message came through")
    assert {record["version"] for record in ran} == {"2"}


def test_a_url_for_each_alias(w, boto, function):
    boto.create_alias(FunctionName=function, Name="web", FunctionVersion="2")
    cors = {"AllowOrigins": ["https://page.example"], "AllowMethods": ["GET", "POST"], "AllowHeaders": ["x-a"], "ExposeHeaders": ["x-b"],
            "MaxAge": 60, "AllowCredentials": True}
    own = boto.create_function_url_config(FunctionName=function, AuthType="NONE")
    made = boto.create_function_url_config(FunctionName=function, Qualifier="web", AuthType="NONE", Cors=cors, InvokeMode="BUFFERED")
    assert made["Cors"] == cors and made["FunctionArn"].endswith(":f:web")
    assert own["FunctionUrl"] == f"{w.endpoint}/fn/f/"
    host = made["FunctionUrl"].removeprefix("http://").rstrip("/")
    assert host.endswith(f".fn.localhost:{w.port}")
    urls = boto.get_paginator("list_function_url_configs").paginate(FunctionName=function, PaginationConfig={"PageSize": 1})
    assert [u["FunctionUrl"] for page in urls for u in page["FunctionUrlConfigs"]] == [own["FunctionUrl"], made["FunctionUrl"]]
    assert refused(boto.create_function_url_config, FunctionName=function, Qualifier="web", AuthType="NONE")[0] == "ResourceConflictException"
    assert refused(boto.create_function_url_config, FunctionName=function, Qualifier="no", AuthType="NONE")[0] == "ResourceNotFoundException"

    # The gateway answers a browser's question itself, and its fields take the place of the function's.
    asked = w.http("OPTIONS", "/", headers={"Host": host, "Origin": "https://page.example", "Access-Control-Request-Method": "POST"})
    assert asked.status == 200 and asked.headers["Access-Control-Allow-Origin"] == "https://page.example"
    assert asked.headers["Access-Control-Allow-Methods"] == "GET,POST" and asked.headers["Access-Control-Max-Age"] == "60"
    answer = w.http("GET", "/", headers={"Host": host, "Origin": "https://page.example"})
    assert (answer.status, answer.text) == (200, "code 2")
    assert answer.headers.get_all("Access-Control-Allow-Origin") == ["https://page.example"]
    assert answer.headers["Access-Control-Expose-Headers"] == "x-b" and answer.headers["Access-Control-Allow-Credentials"] == "true"
    other = w.http("GET", "/", headers={"Host": host, "Origin": "https://other.example"})
    assert other.status == 200 and "Access-Control-Allow-Origin" not in other.headers
    # Without a policy the function's own fields count.
    assert w.http("GET", "/fn/f", headers={"Origin": "https://page.example"}).headers["Access-Control-Allow-Origin"] == "https://own.example"
    assert w.http("GET", "/fn/f:web").text == "code 2" and w.http("GET", "/fn/f:1").text == "code 1"
    urls = {t["name"]: t["source"] for t in w.cli_json("triggers", function)["triggers"] if t["kind"] == "url"}
    assert urls == {"f": f"{w.endpoint}/fn/f", "f:web": made["FunctionUrl"].rstrip("/")}
    changed = boto.update_function_url_config(FunctionName=function, Qualifier="web", Cors={}, InvokeMode="RESPONSE_STREAM")
    assert "Cors" not in changed and changed["InvokeMode"] == "RESPONSE_STREAM"
    boto.delete_function_url_config(FunctionName=function, Qualifier="web")
    assert w.http("GET", "/", headers={"Host": host}).status == 404
    assert boto.get_function_url_config(FunctionName=function)["FunctionUrl"] == own["FunctionUrl"]


def test_provisioned_concurrency_is_kept_ready(w, boto, function):
    assert refused(boto.put_provisioned_concurrency_config, FunctionName=function, Qualifier="$LATEST", ProvisionedConcurrentExecutions=1) == (
        "InvalidParameterValueException", "Provisioned Concurrency Configs cannot be applied to unpublished function versions.")
    assert refused(boto.get_provisioned_concurrency_config, FunctionName=function, Qualifier="3")[0] == "ProvisionedConcurrencyConfigNotFoundException"
    made = boto.put_provisioned_concurrency_config(FunctionName=function, Qualifier="3", ProvisionedConcurrentExecutions=2)
    assert (made["Status"], made["RequestedProvisionedConcurrentExecutions"]) == ("IN_PROGRESS", 2)

    def state():
        return boto.get_provisioned_concurrency_config(FunctionName=function, Qualifier="3")
    wait_until(lambda: state()["Status"] == "READY", 60, lambda: f"ready: {state()}")
    assert state()["AvailableProvisionedConcurrentExecutions"] == 2 == state()["AllocatedProvisionedConcurrentExecutions"]
    answer = w.invoke(function, {}, qualifier="3")
    assert answer.json[3] == "provisioned-concurrency"
    assert w.record(answer.request_id)["startKind"] == "ready"
    listed = boto.list_provisioned_concurrency_configs(FunctionName=function)["ProvisionedConcurrencyConfigs"]
    assert [c["FunctionArn"].rpartition(":")[2] for c in listed] == ["3"]
    # It is there again after a restart, without a request.
    w.terminate()
    w.start()
    wait_until(lambda: state()["Status"] == "READY", 60, lambda: f"ready after the restart: {state()}")
    boto.delete_provisioned_concurrency_config(FunctionName=function, Qualifier="3")
    assert refused(boto.get_provisioned_concurrency_config, FunctionName=function, Qualifier="3")[0] == "ProvisionedConcurrencyConfigNotFoundException"


SLEEPS = """
import time
def handler(event, context):
    start = time.time()
    time.sleep(0.2)
    return [start, time.time()]
"""


def test_the_account_limit_holds_over_all_functions(make_world):
    world = make_world(config={"nodeConcurrency": 2})
    for name in "abc":
        world.create(name, SLEEPS)
        world.call(name)
    with ThreadPoolExecutor(9) as threads:
        spans = list(threads.map(world.call, "abcabcabc"))
    ends = sorted([(start, 1) for start, _ in spans] + [(end, -1) for _, end in spans])
    running, most = 0, 0
    for _, change in ends:
        running += change
        most = max(most, running)
    assert most == 2
