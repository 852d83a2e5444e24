"""Lambda's service model, walked through on the wire: each operation, each member, each way to spoil it."""

import http.client
import json
import pathlib
import subprocess
import sys

import pytest

from harness import lambda_model
from harness.lambda_model import OPERATIONS

ROOT = pathlib.Path(__file__).parent.parent.parent
# Answered on the way to the function, where a header in the wrong place is no business of the model's.
INVOKING = {"Invoke", "InvokeAsync", "InvokeWithResponseStream"}


@pytest.fixture(scope="module")
def send(w):
    """One connection for all requests; a server that closed it has refused more than the request."""
    connection = http.client.HTTPConnection("127.0.0.1", w.port, timeout=30)

    def send(method, target, headers, body):
        connection.request(method, target, body=body, headers=headers)
        response = connection.getresponse()
        text = response.read()
        assert response.headers["x-amzn-RequestId"], (method, target)
        return response.status, response.headers.get("x-amzn-ErrorType"), json.loads(text) if text else {}
    yield send
    connection.close()


def said(body):
    return body.get("message") or body.get("Message") or ""


def test_the_committed_model_is_botocores():
    subprocess.run([sys.executable, ROOT / "Deploy/lambda_model.py", "--check"], check=True)


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
def test_every_spoiled_member_is_refused_as_lambda_does(send, operation):
    status, error, body = send(*lambda_model.request(operation))
    assert status < 500 or status == 501, (operation, body)
    assert error not in ("ValidationException", "SerializationException", "UnknownOperationException", "MethodNotAllowedException"), body
    if status == 501:
        assert (error, body) == ("UnsupportedOperationException", {"Type": "User", "message": f"{operation} is not supported by Martlet"})
        return
    wrong = []
    for case in lambda_model.cases(operation):
        status, error, body = send(*lambda_model.request(operation, case))
        # What is left to an operation's own checks may be more than Lambda takes.
        fits = (400 <= status < 500 and error) or (case.code is None and status < 500)
        if fits and case.code and operation not in INVOKING:
            fits = status == 400 and error == case.code and case.words in said(body)
        if not fits:
            wrong.append(f"{case}: {status} {error} {said(body)[:300]}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("body, code", [
    (b"{", "SerializationException"), (b"[]", "SerializationException"), (b"\xff\xfe", "SerializationException"), (b"null", "SerializationException"),
    (b'{"FunctionName":' + b"[" * 5000, "SerializationException"), (b"", "ValidationException"), (b"{}", "ValidationException"),
])
def test_bodies_that_are_no_structure(send, body, code):
    status, error, answer = send("POST", "/2015-03-31/functions", {"Content-Type": "application/json"}, body)
    assert (status, error) == (400, code) and said(answer), answer


def test_other_content_types(send):
    method, target, headers, body = lambda_model.request("CreateFunction")
    status, error, _ = send(method, target, {"Content-Type": "text/xml"}, body)
    assert (status, error) == (415, "UnsupportedMediaTypeException")
    for given in ("application/json; charset=utf-8", "application/x-amz-json-1.1"):
        assert send(method, target, {"Content-Type": given}, body)[1] == "InvalidParameterValueException"


@pytest.mark.parametrize("method, path, status, error", [
    ("GET", "/2015-03-31/nothing", 404, "UnknownOperationException"), ("GET", "/2099-01-01/functions", 404, "UnknownOperationException"),
    ("PATCH", "/2015-03-31/functions", 405, "MethodNotAllowedException"), ("DELETE", "/2016-08-19/account-settings", 405, "MethodNotAllowedException"),
])
def test_what_is_no_operation(send, method, path, status, error):
    assert send(method, path, {}, None)[:2] == (status, error)


@pytest.mark.parametrize("name, query, words", [
    ("my-function%21", "", "Value 'my-function!' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern"),
    ("function:f:1:2", "", "Value 'function:f:1:2' at 'functionName'"), ("f", "?Qualifier=a%21", "Value 'a!' at 'qualifier'"),
    ("f", "?Qualifier=" + "a" * 129, "Member must have length less than or equal to 128"),
])
def test_invocations_of_what_can_be_no_function(send, name, query, words):
    status, error, body = send("POST", f"/2015-03-31/functions/{name}/invocations{query}", {}, b"{}")
    assert (status, error) == (400, "ValidationException") and words in body["message"], body
