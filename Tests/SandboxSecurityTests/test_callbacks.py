"""What a hostile function can do with the socket on which it finds the server, and with the keys it was given."""

import json
import threading

import pytest

from harness import sdk
from harness.processes import wait_until
from harness.world import ECHO, ROLE, world, zip_of

# Signs with whatever keys it is told to use, and says what became of it.
HOSTILE = r"""
import json, os, socket, threading, time, urllib.error, urllib.request

NAMES = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


def keys():
    return {name: os.environ[name] for name in NAMES}


AT_IMPORT = keys()
EARLIER = {}


def call(found, function="target", endpoint=None):
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials
    url = (endpoint or os.environ["AWS_ENDPOINT_URL"]) + "/2015-03-31/functions/%s/invocations" % function
    request = AWSRequest("POST", url, data=b"{}")
    if found:
        SigV4Auth(Credentials(found[NAMES[0]], found[NAMES[1]], found[NAMES[2]]), "lambda", "us-east-1").add_auth(request)
    try:
        with urllib.request.urlopen(urllib.request.Request(url, b"{}", dict(request.headers.items()), method="POST"), timeout=10) as answer:
            return [answer.status, ""]
    except urllib.error.HTTPError as refusal:
        return [refusal.code, refusal.headers.get("x-amzn-ErrorType", "")]
    except OSError as fault:
        return [0, type(fault).__name__]


def flood(count):
    open_, refused = [], 0
    for _ in range(count):
        one = socket.create_connection(("127.0.0.1", 9002), 10)
        one.settimeout(10)
        open_.append(one)
    for one in open_:
        try:
            one.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            refused += not one.recv(10)
        except OSError:
            refused += 1
    return len(open_) - refused


def raw(text):
    with socket.create_connection(("127.0.0.1", 9002), 10) as one:
        one.settimeout(10)
        try:
            one.sendall(text.encode("latin-1"))
            return one.recv(100).decode("latin-1").split("\r\n")[0]
        except OSError as fault:
            return type(fault).__name__


def linger():
    def work():
        found = keys()
        while True:
            EARLIER.setdefault("seen", []).append(call(found)[1])
            time.sleep(0.05)
    threading.Thread(target=work, daemon=True).start()


def handler(event, context):
    do = event["do"]
    if do == "keys":
        return keys()
    if do == "import":
        return {"differs": AT_IMPORT != keys(), "call": call(AT_IMPORT)}
    if do == "call":
        return call(event.get("keys") or keys(), event.get("function", "target"))
    if do == "unsigned":
        return call(None)
    if do == "flood":
        return flood(event["count"])
    if do == "raw":
        return raw(event["text"])
    if do == "linger":
        return linger()
    if do == "seen":
        time.sleep(0.3)
        return EARLIER["seen"]
    if do == "listen":
        try:
            other = socket.socket()
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            other.bind(("127.0.0.1", 9002))
            other.listen()
            return "listens"
        except OSError as fault:
            return fault.errno
"""
AT_IMPORT = HOSTILE + "\nRESULT = call(AT_IMPORT)\ndef handler(event, context):\n    return {'import': RESULT, 'now': call(AT_IMPORT), 'own': call(keys())}\n"


@pytest.fixture(scope="module", params=["signed", "dev"])
def arena(scratch, request):
    with world(scratch / f"callbacks-{request.param}", dev=request.param == "dev") as w:
        w.layer = sdk.publish(w.boto())
        w.create("target", ECHO)
        for name, code in (("hostile", HOSTILE), ("other", HOSTILE), ("at-import", AT_IMPORT)):
            w.boto().create_function(
                FunctionName=name, Runtime="python3.11", Role=ROLE, Handler="app.handler", Code={"ZipFile": zip_of({"app.py": code})},
                Layers=[w.layer], Timeout=30, MemorySize=256)
        yield w


def tell(w, do, function="hostile", **event):
    answer = json.load(w.boto().invoke(FunctionName=function, Payload=json.dumps({"do": do, **event}))["Payload"])
    return answer


def test_its_own_keys_serve_it(arena):
    assert tell(arena, "call") == [200, ""]


def test_keys_of_another_invocation_or_function_open_nothing(arena):
    for function in ("hostile", "other"):
        found = tell(arena, "keys", function)
        assert tell(arena, "call", keys=found) == [403, "UnrecognizedClientException"]


def test_the_templates_keys_end_with_its_init(arena):
    assert tell(arena, "import") == {"differs": True, "call": [403, "UnrecognizedClientException"]}
    found = tell(arena, "anything", "at-import")
    assert found["import"] == [200, ""] and found["own"] == [200, ""], found
    assert found["now"][0] == 403, "what import was given is of no use to an invocation"


def test_a_forged_or_missing_signature_is_refused_whatever_the_server_allows_others(arena):
    assert tell(arena, "unsigned") == [403, "MissingAuthenticationTokenException"]
    found = tell(arena, "keys")
    assert tell(arena, "call", keys={**found, "AWS_SECRET_ACCESS_KEY": "x" * 40})[0] == 403
    own = {"AWS_ACCESS_KEY_ID": arena.credentials.get("AWS_ACCESS_KEY_ID", "any"), "AWS_SESSION_TOKEN": None,
           "AWS_SECRET_ACCESS_KEY": arena.credentials.get("AWS_SECRET_ACCESS_KEY", "any")}
    assert tell(arena, "call", keys=own) == [403, "UnrecognizedClientException"], "the operator's own key does not count there"


def test_connections_are_bounded_and_a_neighbour_is_served_meanwhile(arena):
    results = []
    flood = threading.Thread(target=lambda: results.append(tell(arena, "flood", count=100)))
    flood.start()
    for _ in range(5):
        assert tell(arena, "call", "other") == [200, ""]
    flood.join()
    assert 1 <= results[0] <= 32, results
    assert tell(arena, "call") == [200, ""]


@pytest.mark.parametrize("text, status", [
    ("\x16\x03\x01\x02\x00\x01\x00", None), ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400"), ("GET /" + "a" * 9000 + " HTTP/1.1\r\nHost: a\r\n\r\n", "414"),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "400"), ("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", "40"),
    ("GET http://169.254.169.254/latest HTTP/1.1\r\nHost: a\r\n\r\n", "403"), ("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n", "403"),
    ("GET / HTTP/1.1\r\nHost: x.fn.localhost\r\n\r\n", "403"),
], ids=range(8))
def test_nonsense_is_refused_and_harms_nobody(arena, text, status):
    answer = tell(arena, "raw", text=text)
    assert status is None or answer.startswith(f"HTTP/1.1 {status}"), answer
    assert tell(arena, "call", "other") == [200, ""]


def test_nobody_takes_the_place_of_the_servers_socket(arena):
    assert tell(arena, "listen") == 98  # EADDRINUSE


def test_between_invocations_of_one_environment_its_keys_open_nothing(arena):
    arena.http("PUT", "/martlet/v1/functions/other/settings", json.dumps({"isolation": "environment"}).encode())
    try:
        assert tell(arena, "linger", "other") is None
        wait_until(lambda: "ExpiredTokenException" in tell(arena, "seen", "other"), 60, "a call between two invocations was refused")
        seen = tell(arena, "seen", "other")
        assert "" in seen and set(seen) == {"", "ExpiredTokenException"}, seen
    finally:
        arena.http("PUT", "/martlet/v1/functions/other/settings", json.dumps({"isolation": "invocation"}).encode())
