"""Versions and aliases, by boto3."""

import json

import pytest
from botocore.exceptions import ClientError

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
