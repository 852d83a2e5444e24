"""Function URLs: path and Host form, event format 2.0 in and out."""

import base64
import json
import os

import pytest

SHOW = """
import base64, json
def handler(event, context):
    do = (event.get("queryStringParameters") or {}).get("do")
    if do == "plain": return {"hello": "world"}
    if do == "text": return "just text"
    if do == "none": return None
    if do == "binary":
        body = base64.b64decode(event["body"]) if event["isBase64Encoded"] else event["body"].encode()
        return {"statusCode": 200, "headers": {"content-type": "application/octet-stream"},
                "body": base64.b64encode(body[::-1]).decode(), "isBase64Encoded": True}
    if do == "cookies":
        return {"statusCode": 201, "cookies": ["a=1; Path=/", "b=2"], "headers": {"X-Mine": "yes"}, "body": "ok"}
    if do == "status": return {"statusCode": int(event["queryStringParameters"]["code"]), "body": "x"}
    if do == "invalid": return {"statusCode": "abc", "body": 5}
    if do == "inject": return {"statusCode": 200, "headers": {"x-a": "1\\r\\nSet-Cookie: evil=1", "content-length": "999", "transfer-encoding": "chunked"}, "body": "ok"}
    if do == "raise": raise ValueError("no")
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": json.dumps(event)}
"""


@pytest.fixture(scope="module")
def url(w):
    w.deploy("show", SHOW, "--handler", "app.handler", "--url", "none")
    return "/fn/show"


def test_deploy_prints_the_url(w, name):
    said = w.deploy(name, SHOW, "--handler", "app.handler")
    assert f"/fn/{name}" in said.stdout


@pytest.mark.parametrize("path, raw", [("", "/"), ("/", "/"), ("/a/b", "/a/b"), ("/a%20b/", "/a%20b/"), ("/a//b", "/a//b")])
def test_paths_reach_the_function_without_redirect(w, url, path, raw):
    answer = w.http("GET", url + path)
    assert answer.status == 200, answer
    assert answer.json["rawPath"] in (raw, raw.replace("%20", " "))
    assert answer.json["requestContext"]["http"]["path"] == answer.json["rawPath"]


def test_the_event_is_format_2_0(w, url):
    answer = w.http("POST", url + "/x?a=1&b=2&a=3&empty=", b'{"k":1}',
                    {"Content-Type": "application/json", "X-Dup": "one", "Cookie": "c1=v1; c2=v2", "User-Agent": "tester"})
    event = answer.json
    assert event["version"] == "2.0" and event["routeKey"] == "$default"
    assert event["rawPath"] == "/x" and event["rawQueryString"] == "a=1&b=2&a=3&empty="
    assert event["queryStringParameters"] == {"a": "1,3", "b": "2", "empty": ""}
    assert event["cookies"] == ["c1=v1", "c2=v2"]
    assert event["headers"]["x-dup"] == "one" and event["headers"]["content-type"] == "application/json"
    assert (event["body"], event["isBase64Encoded"]) == ('{"k":1}', False)
    context = event["requestContext"]
    assert context["http"]["method"] == "POST" and context["http"]["sourceIp"] == "127.0.0.1"
    assert context["http"]["userAgent"] == "tester" and context["http"]["protocol"] == "HTTP/1.1"
    assert context["stage"] == "$default" and context["accountId"] and context["apiId"] and context["requestId"]
    assert isinstance(context["timeEpoch"], int) and len(context["time"].split("/")) == 3


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"])
def test_any_method_reaches_the_function(w, url, method):
    answer = w.http(method, url + "/m")
    assert answer.status == 200, answer
    if method == "HEAD":
        assert answer.body == b""
    else:
        assert answer.json["requestContext"]["http"]["method"] == method


def test_binary_bodies_pass_both_ways(w, url):
    data = bytes(range(256)) * 500
    answer = w.http("POST", url + "?do=binary", data, {"Content-Type": "image/png"})
    assert answer.status == 200 and answer.body == data[::-1]
    assert answer.headers["content-type"] == "application/octet-stream"


def test_a_body_that_is_no_text_is_base64(w, url):
    event = w.http("POST", url, b"\xff\x00\xfe", {"Content-Type": "application/x-thing"}).json
    assert event["isBase64Encoded"] is True
    assert base64.b64decode(event["body"]) == b"\xff\x00\xfe"


def test_cookies_status_and_headers_come_out(w, url):
    answer = w.http("GET", url + "?do=cookies")
    assert (answer.status, answer.body) == (201, b"ok")
    assert answer.headers.get_all("set-cookie") == ["a=1; Path=/", "b=2"]
    assert answer.headers["x-mine"] == "yes"


def test_an_answer_without_status_code_is_the_body(w, url):
    answer = w.http("GET", url + "?do=plain")
    assert (answer.status, answer.json) == (200, {"hello": "world"})
    assert answer.headers["content-type"] == "application/json"
    assert w.http("GET", url + "?do=text").status == 200
    assert w.http("GET", url + "?do=none").status == 200


@pytest.mark.parametrize("code", [200, 204, 301, 404, 418, 500, 503])
def test_status_codes_pass(w, url, code):
    assert w.http("GET", f"{url}?do=status&code={code}").status == code


def test_an_invalid_answer_or_a_function_error_is_502(w, url):
    assert w.http("GET", url + "?do=invalid").status == 502
    assert w.http("GET", url + "?do=raise").status == 502


def test_a_function_cannot_inject_headers_or_break_the_framing(w, url):
    request = f"GET {url}?do=inject HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
    raw = w.raw(request.replace(b"Host: x", f"Host: 127.0.0.1:{w.port}".encode()))
    head, _, body = raw.partition(b"\r\n\r\n")
    assert b"\r\nset-cookie: evil" not in head.lower()
    assert raw.startswith((b"HTTP/1.1 200", b"HTTP/1.1 502"))
    assert head.lower().count(b"content-length") + head.lower().count(b"transfer-encoding") == 1


def test_the_host_form_answers(w, url):
    answer = w.http("GET", "/deep/er?q=1", headers={"Host": f"show.fn.localhost:{w.port}"})
    assert answer.status == 200 and answer.json["rawPath"] == "/deep/er"
    said = json.loads(w.curl("/from/curl", "-H", f"Host: show.fn.localhost:{w.port}"))
    assert said["rawPath"] == "/from/curl"
    assert said["requestContext"]["domainName"] == "show.fn.localhost" or "localhost" in said["requestContext"]["domainName"]


def test_an_unknown_function_or_one_without_url_is_refused(w, name):
    assert w.http("GET", "/fn/no-such").status in (403, 404)
    assert w.http("GET", "/", headers={"Host": f"no-such.fn.localhost:{w.port}"}).status in (403, 404)
    w.deploy(name, SHOW, "--handler", "app.handler", "--url", "off")
    assert w.http("GET", f"/fn/{name}").status in (403, 404)
    w.deploy(name, SHOW, "--handler", "app.handler", "--url", "none")
    assert w.http("GET", f"/fn/{name}").status == 200


def test_an_iam_url_needs_a_signature(make_world, name):
    w = make_world(dev=False)
    w.deploy(name, SHOW, "--handler", "app.handler", "--url", "iam")
    assert w.http("GET", f"/fn/{name}", sign=None).status == 403
    assert w.http("GET", f"/fn/{name}", sign=True).status == 200


def test_a_url_call_is_metered_as_such(w, url):
    answer = w.http("GET", url)
    record = w.record(answer.request_id)
    assert record["trigger"] == "functionURL", record


def test_a_6_mb_body_passes_and_more_is_413(w, name):
    w.deploy(name, "def handler(e, c): return {'statusCode': 200, 'body': str(len(e['body']))}\n", "--handler", "app.handler")
    limit = 6 * 1024 * 1024
    assert w.http("POST", f"/fn/{name}", b"x" * (limit - 10_000), {"Content-Type": "text/plain"}).status == 200
    assert w.http("POST", f"/fn/{name}", os.urandom(16) * (limit // 16 + 1), {"Content-Type": "text/plain"}).status == 413
