"""Members of a function that Lambda's API sets and Martlet keeps: returned everywhere, pinned by versions, still there after a kill."""

import json

import pytest

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
    wait_until(lambda: '{"mark": "violet"}' in w.logs("by-tenant"), 20, lambda: w.logs("by-tenant"))
    with pytest.raises(client.exceptions.InvalidParameterValueException, match="function URL"):
        client.create_function_url_config(FunctionName="by-tenant", AuthType="NONE")
    client.publish_version(FunctionName="by-tenant")
    with pytest.raises(client.exceptions.InvalidParameterValueException, match="Provisioned concurrency"):
        client.put_provisioned_concurrency_config(FunctionName="by-tenant", Qualifier="1", ProvisionedConcurrentExecutions=1)
    w.deploy("plain", {"app.py": ECHO})
    with pytest.raises(client.exceptions.InvalidParameterValueException, match="Remove the tenant ID"):
        client.invoke(FunctionName="plain", TenantId="blue")


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
