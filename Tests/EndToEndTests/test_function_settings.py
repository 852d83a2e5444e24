"""Members of a function that Lambda's API sets and Martlet keeps: returned everywhere, pinned by versions, still there after a kill."""

import base64
import json
from urllib.parse import quote

import pytest
from botocore.exceptions import ClientError

from harness.processes import wait_until
from harness.world import ECHO, ROLE, zip_of

KEPT = {
    "VpcConfig": {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"], "Ipv6AllowedForDualStack": True},
    "KMSKeyArn": "arn:aws:kms:us-east-1:123456789012:key/one",
    "FileSystemConfigs": [{"Arn": "arn:aws:elasticfilesystem:us-east-1:123456789012:access-point/fsap-0123456789abcdef0", "LocalMountPath": "/mnt/x"}],
    "TracingConfig": {"Mode": "Active"}, "SnapStart": {"ApplyOn": "PublishedVersions"}, "Architectures": ["x86_64"], "PackageType": "Zip",
    "EphemeralStorage": {"Size": 1024}, "LoggingConfig": {"LogFormat": "JSON", "SystemLogLevel": "WARN", "LogGroup": "mine"},
    "TenancyConfig": {"TenantIsolationMode": "PER_TENANT"},
}
RETURNED = {
    **KEPT, "VpcConfig": {**KEPT["VpcConfig"], "VpcId": ""}, "SnapStart": {"ApplyOn": "PublishedVersions", "OptimizationStatus": "Off"},
    "LoggingConfig": {**KEPT["LoggingConfig"], "ApplicationLogLevel": "INFO"},
}


def part(configuration):
    return {member: configuration.get(member) for member in RETURNED}


def test_every_member_is_kept_and_returned(make_world):
    w = make_world()
    client = w.boto()
    made = client.create_function(FunctionName="kept", Runtime="python3.11", Role=ROLE, Handler="app.handler", Code={"ZipFile": zip_of({"app.py": ECHO})}, **KEPT)
    assert part(made) == RETURNED
    client.get_waiter("function_active_v2").wait(FunctionName="kept")
    answer = client.invoke(FunctionName="kept", TenantId="blue", Payload=b'{"still": "runs"}')
    assert answer["Payload"].read() == b'{"still": "runs"}'
    client.publish_version(FunctionName="kept")
    changed = client.update_function_configuration(
        FunctionName="kept", TracingConfig={"Mode": "PassThrough"}, KMSKeyArn="", VpcConfig={"SubnetIds": [], "SecurityGroupIds": []})
    assert (changed["TracingConfig"], changed.get("KMSKeyArn")) == ({"Mode": "PassThrough"}, None)
    assert changed["VpcConfig"] == {"SubnetIds": [], "SecurityGroupIds": [], "Ipv6AllowedForDualStack": False, "VpcId": ""}
    assert changed["LoggingConfig"] == RETURNED["LoggingConfig"]
    w.kill()
    w.start()
    client = w.boto()
    published = {**RETURNED, "SnapStart": {"ApplyOn": "PublishedVersions", "OptimizationStatus": "On"}}
    assert part(client.get_function(FunctionName="kept", Qualifier="1")["Configuration"]) == published
    listed = client.list_functions(FunctionVersion="ALL")["Functions"]
    assert [part(one) for one in listed if one["Version"] == "1"] == [published]
    assert client.get_function_configuration(FunctionName="kept")["TracingConfig"] == {"Mode": "PassThrough"}


TENANT = """
import json
def handler(event, context):
    print(json.dumps({"mark": context.tenant_id}))
    return context.tenant_id
"""
TENANT_NODE = "exports.handler = async (event, context) => context.tenantId ?? null;"


def test_a_function_with_tenancy_runs_for_one_tenant_at_a_time(make_world):
    w = make_world()
    client = w.boto()
    tenancy = {"TenantIsolationMode": "PER_TENANT"}
    for name, runtime, handler, files in [
            ("by-tenant", "python3.11", "app.handler", {"app.py": TENANT}), ("by-tenant-node", "nodejs20.x", "index.handler", {"index.js": TENANT_NODE})]:
        client.create_function(FunctionName=name, Runtime=runtime, Role=ROLE, Handler=handler, Code={"ZipFile": zip_of(files)}, TenancyConfig=tenancy)
        for tenant in ["blue", "green", "a:b/c=d+e@f g"]:
            assert json.loads(client.invoke(FunctionName=name, TenantId=tenant)["Payload"].read()) == tenant
        for missing in [{}, {"InvocationType": "Event"}, {"InvocationType": "DryRun"}]:
            with pytest.raises(client.exceptions.InvalidParameterValueException, match="Add a valid tenant ID"):
                client.invoke(FunctionName=name, **missing)
    with pytest.raises(client.exceptions.InvalidParameterValueException, match="Add a valid tenant ID"):
        client.invoke(FunctionName="by-tenant", TenantId="blue;green")
    client.invoke(FunctionName="by-tenant", TenantId="violet", InvocationType="Event")
    wait_until(lambda: '{"mark": "violet"}' in w.logs("by-tenant"), 60, lambda: w.logs("by-tenant"))
    with pytest.raises(client.exceptions.InvalidParameterValueException, match="function URL"):
        client.create_function_url_config(FunctionName="by-tenant", AuthType="NONE")
    client.publish_version(FunctionName="by-tenant")
    with pytest.raises(client.exceptions.InvalidParameterValueException, match="Provisioned concurrency"):
        client.put_provisioned_concurrency_config(FunctionName="by-tenant", Qualifier="1", ProvisionedConcurrentExecutions=1)
    w.deploy("plain", {"app.py": ECHO})
    with pytest.raises(client.exceptions.InvalidParameterValueException, match="Remove the tenant ID"):
        client.invoke(FunctionName="plain", TenantId="blue")


def test_there_is_no_way_by_which_tenants_share_an_environment(w, name):
    client = w.boto()
    archive = zip_of({"app.py": TENANT})
    arn = client.create_function(
        FunctionName=name, Runtime="python3.11", Role=ROLE, Handler="app.handler", Code={"ZipFile": archive},
        TenancyConfig={"TenantIsolationMode": "PER_TENANT"})["FunctionArn"]
    w.deploy(f"{name}-plain", {"app.py": ECHO})
    shared, tenancy = {"MartletIsolation": "environment"}, {"TenancyConfig": {"TenantIsolationMode": "PER_TENANT"}}
    digest = {"ZipFile": base64.b64encode(archive).decode()}
    for method, path, body in [
        ("PUT", f"/2015-03-31/functions/{name}/configuration", shared), ("PUT", f"/2015-03-31/functions/{name}/code", {**digest, **shared}),
        ("PUT", f"/martlet/v1/functions/{name}/settings", {"isolation": "environment"}), ("POST", f"/2017-03-31/tags/{quote(arn, safe='')}", {"Tags": {"martlet:isolation": "environment"}}),
        ("PUT", f"/2015-03-31/functions/{name}-plain/configuration", tenancy), ("PUT", f"/2015-03-31/functions/{name}-plain/code", {**digest, **tenancy}),
        ("POST", "/2015-03-31/functions", {"FunctionName": f"{name}-new", "Runtime": "python3.11", "Role": ROLE, "Handler": "app.handler", "Code": digest, **shared, **tenancy}),
    ]:
        answer = w.http(method, path, json.dumps(body).encode())
        assert answer.status == 400 and answer.error_type == "InvalidParameterValueException" and "TenancyConfig" in answer.json["message"], (path, answer)
    refused = w.deploy(name, {"app.py": TENANT}, "--isolation", "environment", check=False)
    assert refused.returncode == 1 and "exclude each other" in refused.stderr
    assert client.get_function_configuration(FunctionName=name)["TenancyConfig"] == tenancy["TenancyConfig"]
    assert "TenancyConfig" not in client.get_function_configuration(FunctionName=f"{name}-plain")


def test_what_cannot_name_a_tenant_is_not_sent_to_such_a_function(w, name, tmp_path):
    client = w.boto()
    arn = client.create_function(
        FunctionName=name, Runtime="python3.11", Role=ROLE, Handler="app.handler", Code={"ZipFile": zip_of({"app.py": TENANT})},
        TenancyConfig={"TenantIsolationMode": "PER_TENANT"})["FunctionArn"]
    plain = f"{name}-plain"
    w.deploy(plain, {"app.py": ECHO})
    queue = w.boto(service="sqs").create_queue(QueueName=name)["QueueUrl"]
    source = w.boto(service="sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    mapping = client.create_event_source_mapping(EventSourceArn=source, FunctionName=plain, Enabled=False)["UUID"]
    events = w.boto(service="events")
    events.put_rule(Name=name, EventPattern='{"source":["a"]}')
    for feature, ask in [
        ("An event source mapping", lambda: client.create_event_source_mapping(EventSourceArn=source, FunctionName=name)),
        ("An event source mapping", lambda: client.update_event_source_mapping(UUID=mapping, FunctionName=name)),
        ("A destination", lambda: client.put_function_event_invoke_config(FunctionName=plain, DestinationConfig={"OnSuccess": {"Destination": arn}})),
        ("A rule", lambda: events.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": arn}])),
        ("A schedule", lambda: w.boto(service="scheduler").create_schedule(
            Name=name, ScheduleExpression="rate(1 hour)", FlexibleTimeWindow={"Mode": "OFF"}, Target={"Arn": arn, "RoleArn": ROLE})),
    ]:
        with pytest.raises(ClientError, match=f"{feature} is not supported for functions with TenancyConfig"):
            ask()
    for feature, method, path, body in [
        ("A webhook", "POST", "/martlet/v1/webhooks", {"name": name, "function": name, "scheme": "github"}),
        ("A watched folder", "POST", "/martlet/v1/watches", {"path": str(tmp_path), "function": name}),
        ("A route", "PUT", "/martlet/v1/domains/tenants.example/routes", {"route": "GET /", "function": name}),
    ]:
        answer = w.http(method, path, json.dumps(body).encode())
        assert answer.status == 400 and f"{feature} is not supported for functions with TenancyConfig" in answer.json["message"], answer


@pytest.mark.parametrize("members, words", [
    ({"PackageType": "Image", "Code": {"ImageUri": "123456789012.dkr.ecr.us-east-1.amazonaws.com/x:1"}}, "Image"),
    ({"Code": {"S3Bucket": "bucket", "S3Key": "key"}}, "S3"),
    ({"LoggingConfig": {"LogFormat": "Text", "ApplicationLogLevel": "DEBUG"}}, "LogFormat JSON"),
    ({"Architectures": ["arm64"]}, "arm64"),
], ids=lambda value: value if isinstance(value, str) else None)
def test_what_would_be_another_function_is_refused(w, name, members, words):
    client = w.boto()
    with pytest.raises(client.exceptions.InvalidParameterValueException, match=words):
        client.create_function(**{"FunctionName": name, "Runtime": "python3.11", "Role": ROLE, "Handler": "app.handler",
                                  "Code": {"ZipFile": zip_of({"app.py": ECHO})}, **members})
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_function(FunctionName=name)
