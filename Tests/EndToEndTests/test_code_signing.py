"""Code signing configurations and runtime management: kept by tenant and region, linked to functions, and found again after a kill."""

import boto3
import pytest
from botocore.exceptions import ClientError

from harness.world import ECHO, ROLE, zip_of

PROFILE = "arn:aws:signer:us-east-1:123456789012:/signing-profiles/team/abcdefghij"
PUBLISHERS = {"SigningProfileVersionArns": [PROFILE]}
RUNTIME = "arn:aws:lambda:us-east-1::runtime:" + "07a48df201798d627f2b950f03bb227aab4a655a1d019c3296406f95937e2525"


def make(client, policy=None, **more):
    if policy:
        more["CodeSigningPolicies"] = {"UntrustedArtifactOnDeployment": policy}
    return client.create_code_signing_config(AllowedPublishers=PUBLISHERS, **more)["CodeSigningConfig"]


def create(client, name, **more):
    return client.create_function(
        FunctionName=name, Runtime="python3.11", Role=ROLE, Handler="app.handler", Code={"ZipFile": zip_of({"app.py": ECHO})}, **more)


def test_a_configurations_life(w):
    client = w.boto()
    config = make(client, Description="ours", Tags={"team": "birds"})
    arn = config["CodeSigningConfigArn"]
    assert arn == f"arn:aws:lambda:us-east-1:123456789012:code-signing-config:{config['CodeSigningConfigId']}"
    assert config["CodeSigningPolicies"] == {"UntrustedArtifactOnDeployment": "Warn"} and config["AllowedPublishers"] == PUBLISHERS
    assert client.get_code_signing_config(CodeSigningConfigArn=arn)["CodeSigningConfig"] == config
    changed = client.update_code_signing_config(
        CodeSigningConfigArn=arn, CodeSigningPolicies={"UntrustedArtifactOnDeployment": "Enforce"})["CodeSigningConfig"]
    assert changed["CodeSigningPolicies"] == {"UntrustedArtifactOnDeployment": "Enforce"} and changed["Description"] == "ours"
    assert client.list_tags(Resource=arn)["Tags"] == {"team": "birds"}
    client.tag_resource(Resource=arn, Tags={"bird": "martlet"})
    client.untag_resource(Resource=arn, TagKeys=["team"])
    assert client.list_tags(Resource=arn)["Tags"] == {"bird": "martlet"}
    assert arn in [c["CodeSigningConfigArn"] for c in client.list_code_signing_configs()["CodeSigningConfigs"]]
    # Another region has its own.
    elsewhere = w.boto(region="eu-west-1")
    assert elsewhere.list_code_signing_configs()["CodeSigningConfigs"] == []
    with pytest.raises(elsewhere.exceptions.ResourceNotFoundException):
        elsewhere.get_code_signing_config(CodeSigningConfigArn=arn)
    client.delete_code_signing_config(CodeSigningConfigArn=arn)
    for operation in (client.get_code_signing_config, client.delete_code_signing_config, client.list_functions_by_code_signing_config):
        with pytest.raises(client.exceptions.ResourceNotFoundException, match="code signing config cannot be found"):
            operation(CodeSigningConfigArn=arn)
    with pytest.raises(client.exceptions.InvalidParameterValueException, match="signing profile"):
        client.create_code_signing_config(AllowedPublishers={"SigningProfileVersionArns": ["arn:aws:sqs:us-east-1:123456789012:queue"]})


def test_enforcing_refuses_what_is_not_signed_and_warning_lets_it_through(w, name):
    client = w.boto()
    warning, enforcing = (make(client, policy)["CodeSigningConfigArn"] for policy in ("Warn", "Enforce"))
    with pytest.raises(client.exceptions.CodeVerificationFailedException):
        create(client, name, CodeSigningConfigArn=enforcing)
    missing = warning[:-17] + "0" * 17
    with pytest.raises(client.exceptions.CodeSigningConfigNotFoundException):
        create(client, name, CodeSigningConfigArn=missing)
    create(client, name, CodeSigningConfigArn=warning)
    assert client.get_function_code_signing_config(FunctionName=name) | {"ResponseMetadata": 0} == {
        "CodeSigningConfigArn": warning, "FunctionName": name, "ResponseMetadata": 0}
    client.update_function_code(FunctionName=name, ZipFile=zip_of({"app.py": ECHO + "\n"}))
    with pytest.raises(client.exceptions.ResourceConflictException, match="in use"):
        client.delete_code_signing_config(CodeSigningConfigArn=warning)
    # What is deployed stays, what comes after is refused.
    assert client.put_function_code_signing_config(FunctionName=name, CodeSigningConfigArn=enforcing)["CodeSigningConfigArn"] == enforcing
    assert w.call(name, {"n": 1}) == {"n": 1}
    with pytest.raises(client.exceptions.CodeVerificationFailedException):
        client.update_function_code(FunctionName=name, ZipFile=zip_of({"app.py": ECHO}))
    client.update_function_configuration(FunctionName=name, Timeout=5)
    arns = client.list_functions_by_code_signing_config(CodeSigningConfigArn=enforcing)["FunctionArns"]
    assert arns == [client.get_function_configuration(FunctionName=name)["FunctionArn"]]
    with pytest.raises(client.exceptions.CodeSigningConfigNotFoundException):
        client.put_function_code_signing_config(FunctionName=name, CodeSigningConfigArn=missing)
    client.delete_function_code_signing_config(FunctionName=name)
    assert client.get_function_code_signing_config(FunctionName=name)["CodeSigningConfigArn"] == ""
    client.update_function_code(FunctionName=name, ZipFile=zip_of({"app.py": ECHO}))
    client.delete_code_signing_config(CodeSigningConfigArn=warning)


def test_runtime_management_is_kept_for_each_version(w, name):
    client = w.boto()
    arn = create(client, name)["FunctionArn"]

    def get(**more):
        answer = client.get_runtime_management_config(FunctionName=name, **more)
        return answer["UpdateRuntimeOn"], answer["FunctionArn"], answer.get("RuntimeVersionArn")

    assert get() == ("Auto", arn, None)
    client.put_runtime_management_config(FunctionName=name, UpdateRuntimeOn="Manual", RuntimeVersionArn=RUNTIME)
    assert get() == ("Manual", arn, RUNTIME)
    assert client.publish_version(FunctionName=name)["Version"] == "1"
    client.put_runtime_management_config(FunctionName=name, UpdateRuntimeOn="FunctionUpdate")
    assert get() == ("FunctionUpdate", arn, None) and get(Qualifier="1") == ("Manual", f"{arn}:1", RUNTIME)
    for wrong in ({"UpdateRuntimeOn": "Manual"}, {"UpdateRuntimeOn": "Auto", "RuntimeVersionArn": RUNTIME}):
        with pytest.raises(client.exceptions.InvalidParameterValueException, match="RuntimeVersionArn"):
            client.put_runtime_management_config(FunctionName=name, **wrong)
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        get(Qualifier="2")


def test_tenants_do_not_see_each_others_and_all_is_there_after_a_kill(make_world, name):
    w = make_world(dev=False)
    client = w.boto()
    config = make(client, "Enforce", Tags={"team": "birds"})
    arn = config["CodeSigningConfigArn"]
    create(client, name)
    client.put_function_code_signing_config(FunctionName=name, CodeSigningConfigArn=arn)
    client.put_function_recursion_config(FunctionName=name, RecursiveLoop="Allow")
    client.put_runtime_management_config(FunctionName=name, UpdateRuntimeOn="Manual", RuntimeVersionArn=RUNTIME)
    w.kill()
    w.start()
    client = w.boto()
    assert client.get_code_signing_config(CodeSigningConfigArn=arn)["CodeSigningConfig"] == config
    assert client.list_tags(Resource=arn)["Tags"] == {"team": "birds"}
    assert client.get_function_code_signing_config(FunctionName=name)["CodeSigningConfigArn"] == arn
    assert client.get_function_recursion_config(FunctionName=name)["RecursiveLoop"] == "Allow"
    assert client.get_runtime_management_config(FunctionName=name)["RuntimeVersionArn"] == RUNTIME
    w.cli("tenant", "create", "shop")
    key = w.cli_json("key", "create", "shop")
    other = boto3.session.Session(
        aws_access_key_id=key["accessKeyId"], aws_secret_access_key=key["secretAccessKey"], region_name="us-east-1",
    ).client("lambda", endpoint_url=w.endpoint)
    assert other.list_code_signing_configs()["CodeSigningConfigs"] == []
    for operation in (other.get_code_signing_config, other.delete_code_signing_config, other.list_functions_by_code_signing_config):
        with pytest.raises(other.exceptions.ResourceNotFoundException):
            operation(CodeSigningConfigArn=arn)
    with pytest.raises(ClientError, match="AccessDenied"):
        other.list_tags(Resource=arn)
    create(other, name)
    with pytest.raises(other.exceptions.CodeSigningConfigNotFoundException):
        other.put_function_code_signing_config(FunctionName=name, CodeSigningConfigArn=arn)
