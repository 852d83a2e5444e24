"""Layers by boto3: published, listed, merged under /opt in order, kept by functions that use them."""

import base64
import hashlib
import json

import pytest
from botocore.exceptions import ClientError

from harness.world import ROLE, zip_of

USES = """
import os, helper
def handler(event, context):
    try:
        open("/opt/new", "w")
        writable = True
    except OSError:
        writable = False
    return [helper.WHAT, open("/opt/shared.txt").read(), sorted(os.listdir("/opt")), writable]
"""


@pytest.fixture(scope="module")
def boto(w):
    return w.boto()


def publish(boto, name, files, **more):
    return boto.publish_layer_version(LayerName=name, Content={"ZipFile": zip_of(files)}, **more)


def refused(call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def create(boto, name, layers, runtime="python3.11", code=None, handler="app.handler"):
    return boto.create_function(
        FunctionName=name, Runtime=runtime, Role=ROLE, Handler=handler, Code={"ZipFile": zip_of(code or {"app.py": USES})}, Layers=layers)


def call(boto, name):
    answer = boto.invoke(FunctionName=name, Payload=b"{}")
    body = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, body
    return body


def test_versions_of_a_layer(boto):
    archive = zip_of({"python/a.py": "A = 1\n"})
    first = boto.publish_layer_version(
        LayerName="versions", Description="one", Content={"ZipFile": archive}, CompatibleRuntimes=["python3.11"], LicenseInfo="MIT")
    second = publish(boto, "versions", {"nodejs/a.js": ""}, CompatibleRuntimes=["nodejs20.x"])
    assert (first["Version"], second["Version"]) == (1, 2)
    assert first["LayerVersionArn"] == f"{first['LayerArn']}:1" and first["LicenseInfo"] == "MIT"
    assert first["Content"]["CodeSha256"] == base64.b64encode(hashlib.sha256(archive).digest()).decode()
    by_arn = boto.get_layer_version_by_arn(Arn=first["LayerVersionArn"])
    assert by_arn["Description"] == "one" == boto.get_layer_version(LayerName=first["LayerArn"], VersionNumber=1)["Description"]
    pages = boto.get_paginator("list_layer_versions").paginate(LayerName="versions", PaginationConfig={"PageSize": 1})
    assert [v["Version"] for page in pages for v in page["LayerVersions"]] == [2, 1]
    fitting = boto.list_layer_versions(LayerName="versions", CompatibleRuntime="python3.11")["LayerVersions"]
    assert [v["Version"] for v in fitting] == [1]
    listed = {layer["LayerName"]: layer["LatestMatchingVersion"]["Version"] for layer in boto.list_layers()["Layers"]}
    assert listed["versions"] == 2
    boto.delete_layer_version(LayerName="versions", VersionNumber=2)
    assert refused(boto.get_layer_version, LayerName="versions", VersionNumber=2)[0] == "ResourceNotFoundException"
    assert publish(boto, "versions", {"x": "again"})["Version"] == 3


def test_a_function_has_its_layers_under_opt(w, boto):
    low = publish(boto, "low", {"python/helper.py": "WHAT = 'low'\n", "shared.txt": "low", "only-low": ""})
    high = publish(boto, "high", {"python/helper.py": "WHAT = 'high'\n", "shared.txt": "high"})
    made = create(boto, "layered", [low["LayerVersionArn"], high["LayerVersionArn"]])
    assert [layer["Arn"] for layer in made["Layers"]] == [low["LayerVersionArn"], high["LayerVersionArn"]]
    assert made["Layers"][0]["CodeSize"] == low["Content"]["CodeSize"]
    assert call(boto, "layered") == ["high", "high", ["only-low", "python", "shared.txt"], False]
    # The other order is another function; and what is gone from the list is still there for those who have it.
    boto.update_function_configuration(FunctionName="layered", Layers=[high["LayerVersionArn"], low["LayerVersionArn"]])
    assert call(boto, "layered")[:2] == ["low", "low"]
    boto.update_function_configuration(FunctionName="layered", Layers=[low["LayerVersionArn"]])
    boto.delete_layer_version(LayerName="low", VersionNumber=1)
    assert call(boto, "layered")[:2] == ["low", "low"]
    w.terminate()
    w.start()
    assert call(boto, "layered")[:2] == ["low", "low"]
    boto.update_function_configuration(FunctionName="layered", Layers=[])
    assert "Layers" not in boto.get_function_configuration(FunctionName="layered")
    assert refused(create, boto=boto, name="late", layers=[low["LayerVersionArn"]])[0] == "InvalidParameterValueException"


def test_node_finds_modules_of_a_layer(w, boto):
    runtimes = [r["name"] for r in w.http("GET", "/martlet/v1/node").json["runtimes"]]
    node = next((r for r in runtimes if r.startswith("nodejs")), None)
    if node is None:
        pytest.skip("this host has no node")
    layer = publish(boto, "modules", {"nodejs/node_modules/greet/index.js": "module.exports = 'from a layer';\n"})
    create(boto, "node-layered", [layer["LayerVersionArn"]], runtime=node, handler="index.handler",
           code={"index.js": "exports.handler = async () => require('greet');\n"})
    assert call(boto, "node-layered") == "from a layer"


def test_who_may_use_a_layer(boto):
    layer = publish(boto, "shared", {"x": "1"})
    assert refused(boto.get_layer_version_policy, LayerName="shared", VersionNumber=1)[0] == "ResourceNotFoundException"
    added = boto.add_layer_version_permission(
        LayerName="shared", VersionNumber=1, StatementId="all", Action="lambda:GetLayerVersion", Principal="*")
    assert json.loads(added["Statement"])["Resource"] == layer["LayerVersionArn"]
    policy = boto.get_layer_version_policy(LayerName="shared", VersionNumber=1)
    assert [s["Sid"] for s in json.loads(policy["Policy"])["Statement"]] == ["all"] and policy["RevisionId"] == added["RevisionId"]
    again = dict(LayerName="shared", VersionNumber=1, StatementId="all", Action="lambda:GetLayerVersion", Principal="123456789012")
    assert refused(boto.add_layer_version_permission, **again)[0] == "ResourceConflictException"
    boto.remove_layer_version_permission(LayerName="shared", VersionNumber=1, StatementId="all", RevisionId=added["RevisionId"])
    assert refused(boto.get_layer_version_policy, LayerName="shared", VersionNumber=1)[0] == "ResourceNotFoundException"
