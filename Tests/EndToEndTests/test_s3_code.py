"""Code and layers by S3 location: fetched with the account's own keys, within bounds, and Lambda's errors for all that goes wrong."""

import json
import os
import ssl

import boto3
import pytest
from botocore.exceptions import ClientError

from harness.s3 import S3
from harness.secure import certificate
from harness.world import ECHO, ROLE, world, zip_of

KEYS = {"AKIAOPERATOR": "operator/secret+=", "AKIASHOP": "shop"}
ANSWER = "def handler(event, context):\n    return {!r}\n"


@pytest.fixture(scope="module")
def s3():
    store = S3(KEYS)
    store.put("code", "first.zip", zip_of({"app.py": ECHO}))
    with store.serve() as store.endpoint:
        yield store


@pytest.fixture(scope="module")
def w(scratch, s3):
    config = {"s3": {
        "endpoint": s3.endpoint, "accessKeyId": "AKIAOPERATOR", "secretAccessKey": KEYS["AKIAOPERATOR"], "timeoutSeconds": 5, "maximumMB": 1}}
    with world(scratch / "s3", dev=False, config=config) as made:
        yield made


def create(client, name, bucket="code", key="first.zip", **more):
    return client.create_function(
        FunctionName=name, Runtime="python3.11", Role=ROLE, Handler="app.handler", Timeout=10, Code={"S3Bucket": bucket, "S3Key": key, **more})


def refusal(client, name, **location):
    with pytest.raises(ClientError) as raised:
        create(client, name, **location)
    return raised.value.response["Error"]["Code"], raised.value.response["Error"]["Message"]


def incoming(w):
    return list((w.data / "blobs").glob(".incoming-*"))


def test_a_function_is_made_and_updated_from_s3(w, s3, name):
    client = w.boto()
    # What object keys may have, and URLs may not.
    key = "teams/a b/ä+c=d&e//x.zip"
    first = s3.put("code", key, zip_of({"app.py": ANSWER.format("one")}))
    made = create(client, name, key=key)
    assert made["CodeSize"] == len(s3.objects["code", key][0]) and w.call(name, {}) == "one"
    s3.put("code", key, zip_of({"app.py": ANSWER.format("two")}))
    client.update_function_code(FunctionName=name, S3Bucket="code", S3Key=key)
    assert w.call(name, {}) == "two"
    again = client.update_function_code(FunctionName=name, S3Bucket="code", S3Key=key, S3ObjectVersion=first)
    assert again["CodeSha256"] == made["CodeSha256"] and w.call(name, {}) == "one"
    assert s3.requests[-1] == ("code", key, first) and not incoming(w)


def test_a_layer_comes_from_s3(w, s3, name):
    client = w.boto()
    s3.put("code", "layer.zip", zip_of({"python/shared.py": "WORD = 'shared'\n"}))
    layer = client.publish_layer_version(LayerName=name[:60], Content={"S3Bucket": "code", "S3Key": "layer.zip"})
    s3.put("code", "user.zip", zip_of({"app.py": "import shared\ndef handler(event, context):\n    return shared.WORD\n"}))
    client.create_function(
        FunctionName=name, Runtime="python3.11", Role=ROLE, Handler="app.handler", Code={"S3Bucket": "code", "S3Key": "user.zip"},
        Layers=[layer["LayerVersionArn"]], Timeout=10)
    assert w.call(name, {}) == "shared"


def test_what_is_not_there_or_not_allowed_is_said_in_lambdas_words(w, s3, name):
    client = w.boto()
    s3.put("private", "code.zip", b"x")
    s3.readers["private"] = ["AKIASHOP"]
    s3.put("code", "text.zip", b"this is no archive")
    s3.put("code", "empty.zip", b"")
    words = "Error occurred while GetObject. S3 Error Code: {}. S3 Error Message: {}"
    invalid = "InvalidParameterValueException"
    assert refusal(client, name, key="none.zip") == (invalid, words.format("NoSuchKey", "The specified key does not exist."))
    assert refusal(client, name, bucket="nobody") == (invalid, words.format("NoSuchBucket", "The specified bucket does not exist"))
    assert refusal(client, name, S3ObjectVersion="9") == (invalid, words.format("NoSuchVersion", "The specified version does not exist."))
    code, message = refusal(client, name, bucket="private", key="code.zip")
    assert code == "AccessDeniedException" and "permission to GetObject for private/code.zip" in message
    s3.faults["elsewhere.zip"] = lambda request: S3.error(request, 301, "PermanentRedirect", "…", [("x-amz-bucket-region", "eu-west-1")])
    code, message = refusal(client, name, key="elsewhere.zip")
    assert code == invalid and "The bucket is in this region: eu-west-1" in message
    assert refusal(client, name, key="text.zip")[0] == "InvalidZipFileException"
    assert refusal(client, name, key="empty.zip") == (invalid, "Uploaded file must be a non-empty zip")
    for wrong in ({"S3Bucket": "code"}, {"S3Bucket": "code", "S3Key": "first.zip", "ZipFile": b"x"}):
        with pytest.raises(client.exceptions.InvalidParameterValueException, match="Please"):
            client.create_function(FunctionName=name, Runtime="python3.11", Role=ROLE, Handler="app.handler", Code=wrong)
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_function(FunctionName=name)
    asked = len(s3.requests)
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.update_function_code(FunctionName=name, S3Bucket="code", S3Key="first.zip")
    assert len(s3.requests) == asked and not incoming(w)


def test_size_time_and_a_broken_connection_are_bounds(w, s3, name):
    client = w.boto()

    def huge(request):
        request.send_response(200)
        request.send_header("Content-Length", str(300 << 20))
        request.end_headers()
        s3.ended.wait(60)

    def endless(request):
        request.send_response(200)
        request.send_header("Transfer-Encoding", "chunked")
        request.end_headers()
        try:
            while not s3.ended.is_set():
                request.wfile.write(b"10000\r\n" + bytes(0x10000) + b"\r\n")
        except OSError:
            pass

    def silent(request):
        s3.ended.wait(60)

    def cut(request):
        request.send_response(200)
        request.send_header("Content-Length", "1000")
        request.end_headers()
        request.wfile.write(b"PK")
        request.close_connection = True

    s3.faults |= {
        "huge.zip": huge, "endless.zip": endless, "silent.zip": silent, "cut.zip": cut,
        "busy.zip": lambda request: S3.error(request, 503, "SlowDown", "Please reduce your request rate.")}
    for key in ("huge.zip", "endless.zip"):
        code, message = refusal(client, name, key=key)
        assert code == "InvalidParameterValueException" and "at most 1048576 bytes" in message
    code, message = refusal(client, name, key="silent.zip")
    assert code == "ServiceUnavailableException" and "did not come within 5 s" in message
    assert refusal(client, name, key="cut.zip")[0] == "ServiceUnavailableException"
    code, message = refusal(client, name, key="busy.zip")
    assert code == "ServiceUnavailableException" and "SlowDown" in message
    assert not incoming(w)
    # It has all been let go of.
    create(client, name)


def test_a_tenant_reads_with_its_own_keys_and_never_with_the_operators(w, s3, name):
    account = w.cli_json("tenant", "create", "shop")["account"]
    key = w.cli_json("key", "create", "shop")
    other = boto3.session.Session(
        aws_access_key_id=key["accessKeyId"], aws_secret_access_key=key["secretAccessKey"], region_name="us-east-1",
    ).client("lambda", endpoint_url=w.endpoint)
    asked = len(s3.requests)
    code, message = refusal(other, name)
    assert code == "AccessDeniedException" and f"secrets/{account}/.s3" in message and len(s3.requests) == asked
    folder = w.data / "secrets" / account
    folder.mkdir(parents=True)
    (folder / ".s3").write_text(json.dumps({"username": "AKIASHOP", "password": KEYS["AKIASHOP"]}))
    (folder / ".s3").chmod(0o640)
    owner = w.data.stat()
    for path in (w.data / "secrets", folder, folder / ".s3"):
        os.chown(path, owner.st_uid, owner.st_gid)
    s3.put("operators", "code.zip", zip_of({"app.py": ECHO}))
    s3.readers["operators"] = ["AKIAOPERATOR"]
    assert refusal(other, name, bucket="operators", key="code.zip")[0] == "AccessDeniedException"
    assert create(other, name)["State"] in ("Active", "Pending")


def test_without_an_endpoint_it_is_said_what_to_do(make_world, name):
    w = make_world()
    code, message = refusal(w.boto(), name)
    assert code == "InvalidParameterValueException" and "s3.endpoint" in message and "ZipFile" in message


def test_the_secret_is_not_shown(w):
    shown = w.cli("config", "check", "--config", w.folder / "martlet.json").stdout
    assert "AKIAOPERATOR" in shown and KEYS["AKIAOPERATOR"] not in shown


def test_code_comes_over_tls_from_whom_the_configuration_trusts_alone(scratch, name):
    folder = scratch / "s3-tls"
    authority = certificate(folder, "own")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority, folder / "own.key")
    store = S3(KEYS)
    store.put("code", "first.zip", zip_of({"app.py": ECHO}))
    with store.serve(context) as endpoint:
        settings = {"endpoint": endpoint, "accessKeyId": "AKIAOPERATOR", "secretAccessKey": KEYS["AKIAOPERATOR"]}
        with world(scratch / "s3-trusting", config={"s3": {**settings, "authorities": str(authority)}}) as trusting:
            create(trusting.boto(), name)
            assert trusting.call(name, {"n": 1}) == {"n": 1} and len(store.requests) == 1
        for authorities in ({}, {"authorities": str(certificate(folder, "other"))}):
            with world(scratch / f"s3-doubting-{len(authorities)}", config={"s3": {**settings, **authorities}}) as doubting:
                code, message = refusal(doubting.boto(), name)
                assert code == "ServiceUnavailableException" and "the certificate of 127.0.0.1 is not one that s3.authorities" in message
                assert not doubting.boto().list_functions()["Functions"]
        assert len(store.requests) == 1, "nothing was asked of a server that is not trusted"
