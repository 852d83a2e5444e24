"""What stands between strangers and functions: trusted proxies, rates, and the log of who changed what."""

import collections
import itertools
import json
import socket
import subprocess
from urllib.parse import quote

import pytest
from botocore.exceptions import ClientError

from harness.processes import wait_until
from harness.world import ACCOUNT, ECHO, world
from test_tenants import Tenant

CLIENT = {"X-Forwarded-For": "203.0.113.9"}


def event_of(w, headers, source="127.0.0.1"):
    """What the function is shown of a request that comes from an address of this machine."""
    with socket.create_connection(("127.0.0.1", w.port), source_address=(source, 0)) as connection:
        fields = "".join(f"{name}: {value}\r\n" for name, value in {"Host": "echo.fn.localhost", **headers}.items())
        connection.sendall(f"GET /x HTTP/1.1\r\n{fields}Connection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200"), answer
    return json.loads(body)


@pytest.fixture(scope="module")
def proxied(scratch):
    """Trusts 127.0.0.1 and a net of which a proxy before that one comes."""
    with world(scratch / "proxied", config={"trustedProxies": ["127.0.0.1/32", "10.1.0.0/16"]}) as made:
        made.create("echo", ECHO)
        made.boto().create_function_url_config(FunctionName="echo", AuthType="NONE")
        yield made


def test_a_trusted_proxy_speaks_for_its_client(proxied):
    event = event_of(proxied, {
        "Host": "inner:9000", "X-Forwarded-For": "198.51.100.1, 203.0.113.9, 10.1.2.3", "X-Forwarded-Proto": "https", "X-Forwarded-Port": "443",
        "X-Forwarded-Host": "echo.fn.localhost"})
    assert event["requestContext"]["http"]["sourceIp"] == "203.0.113.9"
    assert event["requestContext"]["domainName"] == "echo.fn.localhost" and event["headers"]["host"] == "echo.fn.localhost"
    assert event["headers"]["x-forwarded-for"] == "198.51.100.1, 203.0.113.9, 10.1.2.3"
    assert event["headers"]["x-forwarded-proto"] == "https" and event["headers"]["x-forwarded-port"] == "443"


def test_anybody_else_only_claims_to(proxied):
    event = event_of(proxied, {**CLIENT, "X-Forwarded-Proto": "https", "X-Forwarded-Port": "443", "X-Forwarded-Host": "other.fn.localhost"}, "127.0.0.2")
    assert event["requestContext"]["http"]["sourceIp"] == "127.0.0.2" and event["headers"]["host"] == "echo.fn.localhost"
    assert event["headers"]["x-forwarded-proto"] == "http" and event["headers"]["x-forwarded-port"] == str(proxied.port)
    assert event["headers"]["x-forwarded-for"] == "203.0.113.9, 127.0.0.2"


def test_signatures_hold_behind_a_proxy_that_changes_the_host(scratch):
    with world(scratch / "signed", dev=False, config={"trustedProxies": ["127.0.0.1/32"]}) as w:
        headers = w.signed("GET", "/2015-03-31/functions/", None, {})
        host = headers.pop("Host", None) or f"127.0.0.1:{w.port}"
        behind = {**headers, "Host": "inner", "X-Forwarded-Host": host}
        assert w.http("GET", "/2015-03-31/functions/", None, behind, sign=None).status == 200
        other = w.http("GET", "/2015-03-31/functions/", None, {**behind, "X-Forwarded-Host": "elsewhere:1"}, sign=None)
        assert other.status == 403 and other.error_type == "InvalidSignatureException"


def test_addresses_and_keys_have_rates_of_their_own(scratch):
    """One request a minute would be no rate; so few a second that a burst meets the limit."""
    config = {"rates": {"perClient": 1, "clientBurst": 30, "perKey": 1, "keyBurst": 5}, "trustedProxies": ["127.0.0.1/32"]}
    with world(scratch / "rates", dev=False, config=config) as w:
        path = "/2015-03-31/functions/"

        def ask(client, key=None):
            made = {"key": key["accessKeyId"], "secret": key["secretAccessKey"]} if key else {}
            return w.http("GET", path, None, {**w.signed("GET", path, None, {}, **made), "X-Forwarded-For": client}, sign=None)

        def until_refused(requests):
            """A slow machine gives time in which a little is earned again, but less than the requests cost."""
            answers = []
            for answer in itertools.islice(requests, 300):
                answers.append(answer)
                if answer.status == 429:
                    return answers
            raise AssertionError(f"nothing was refused: {collections.Counter(answer.status for answer in answers)}")
        first = until_refused(ask("203.0.113.1") for _ in itertools.count())
        assert len(first) > 5 and {answer.status for answer in first[:-1]} == {200}
        refused = first[-1]
        assert refused.error_type == "TooManyRequestsException" and refused.json["Reason"] == "CallerRateLimitExceeded"
        assert int(refused.headers["Retry-After"]) >= 1 and "access key" in refused.json["message"]
        # Nothing was spent of another address; a wrong signature costs the address, not the key.
        wrong = until_refused(w.http("GET", path, None, {"X-Forwarded-For": "203.0.113.2"}, sign=None) for _ in itertools.count())
        assert len(wrong) > 30 and {answer.status for answer in wrong[:-1]} == {403}
        assert w.http("GET", "/martlet/v1/health", None, {"X-Forwarded-For": "203.0.113.2"}, sign=None).status == 200
        # A host of version 6 has as many addresses as it likes.
        until_refused(w.http("GET", path, None, {"X-Forwarded-For": f"2001:db8::{n:x}"}, sign=None) for n in itertools.count(1))


@pytest.fixture(scope="module")
def closed(scratch):
    with world(scratch / "audited", dev=False) as made:
        yield made


def entries(w, *arguments, **options):
    return w.cli_json("audit", "--limit", "1000", *arguments, **options)["entries"]


def test_the_log_says_who_changed_what(closed):
    w = closed
    shop = Tenant(w, "shop")
    shop.create("till")
    with pytest.raises(ClientError):
        shop.create("till")
    shop.boto().tag_resource(Resource=f"arn:aws:lambda:us-east-1:{shop.account}:function:till", Tags={"a": "secret-of-mine"})
    sqs = shop.boto("sqs")
    url = sqs.create_queue(QueueName="orders")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="x")
    sqs.list_queues()
    shop.boto().get_function(FunctionName="till")
    shop.boto().invoke(FunctionName="till")
    # The older protocol, at the queue's own address.
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    for body in (b"Action=SendMessage&MessageBody=x&Version=2012-11-05", b"Action=ReceiveMessage&Version=2012-11-05", b"Action=PurgeQueue&Version=2012-11-05"):
        answer = shop.w.http("POST", f"/{shop.account}/orders", body, shop.w.signed(
            "POST", f"/{shop.account}/orders", body, form, service="sqs", key=shop.key["accessKeyId"], secret=shop.key["secretAccessKey"]), sign=None)
        assert answer.status == 200, answer
    shop.boto("events").put_rule(Name="all", EventPattern='{"source":["a"]}')
    with pytest.raises(ClientError):
        shop.boto().delete_function(FunctionName="nobody")
    assert shop.http("POST", "/martlet/v1/tenants", b'{"name":"mine"}').status == 403
    mine = [(e["operation"], e["resource"], e["status"], e["error"]) for e in entries(w, "--account", shop.account)]
    assert mine == [
        ("CreateFunction", "till", 201, None), ("CreateFunction", "till", 409, "ResourceConflictException"),
        ("TagResource", f"arn:aws:lambda:us-east-1:{shop.account}:function:till", 204, None), ("CreateQueue", "orders", 200, None), ("PurgeQueue", f"{shop.account} orders", 200, None),
        ("PutRule", "all", 200, None), ("DeleteFunction", "nobody", 404, "ResourceNotFoundException"),
    ]
    for entry in entries(w, "--account", shop.account):
        assert entry["accessKeyId"] == shop.key["accessKeyId"] and entry["sourceIp"] == "127.0.0.1" and entry["region"] == "us-east-1" and entry["requestId"]
    own = [e["operation"] for e in entries(w) if e["account"] == ACCOUNT]
    assert own == ["POST /martlet/v1/tenants", "POST /martlet/v1/tenants/{Tenant}/keys"]
    # A tenant sees its own account's calls, whatever it asks for.
    asked = shop.cli("audit", "--json", "--account", ACCOUNT)
    assert {e["account"] for e in json.loads(asked.stdout)["entries"]} == {shop.account}
    kept = subprocess.run(["sh", "-c", f"cat {w.data}/audit/*"], capture_output=True, text=True, check=True).stdout
    assert shop.key["secretAccessKey"] not in kept and "secret-of-mine" not in kept
    table = w.cli("audit", "--limit", "2").stdout.splitlines()
    assert table[0].split()[:4] == ["time", "account", "key", "from"] and len(table) == 3


def test_nothing_that_a_client_says_keeps_a_change_out(closed):
    w = closed
    hider = Tenant(w, "hider")
    sqs = hider.boto("sqs")
    urls = [sqs.create_queue(QueueName=f"queue-{number}")["QueueUrl"] for number in range(4)]
    hider.create("till")
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    for method, path, body, headers in [
        ("DELETE", "/2015-03-31/functions/till", None, {"X-Amz-Target": "a.GetX"}),
        ("GET", f"/?Action=DeleteQueue&QueueUrl={quote(urls[0], safe='')}", None, {"X-Amz-Target": "AmazonSQS.ListQueues"}),
        ("POST", "/?Action=ListQueues", f"Action=DeleteQueue&QueueUrl={urls[1]}".encode(), form),
        ("POST", "/", f"Action=DeleteQueue&Padding={'x' * 300_000}&QueueUrl={urls[2]}".encode(), form),
        ("POST", f"/{hider.account}/queue-9", f"Action=DeleteQueue&QueueUrl={urls[3]}".encode(), form),
        # None of the bus's messages is a change.
        ("POST", "/events/default", b"{}", {"Content-Type": "application/json", "ce-specversion": "1.0", "ce-id": "1", "ce-source": "/a", "ce-type": "b"}),
    ]:
        answer = hider.http(method, path, body, headers)
        assert answer.status in (200, 202, 204), (path, answer)
    assert not sqs.list_queues().get("QueueUrls")
    kept = [(e["operation"], e["resource"]) for e in entries(w, "--account", hider.account)]
    assert kept[-5:] == [
        ("DeleteFunction", "till"), ("DeleteQueue", urls[0]), ("DeleteQueue", urls[1]), ("DeleteQueue", urls[2]), ("DeleteQueue", f"{hider.account} queue-9 {urls[3]}")]


def test_the_log_is_there_after_kill(closed):
    w = closed
    w.cli("tenant", "create", "late")
    before = entries(w)
    w.kill()
    w.start()
    assert entries(w) == before and before[-1]["operation"] == "POST /martlet/v1/tenants"


def test_where_no_log_is_kept_the_verb_says_so(scratch):
    with world(scratch / "small", config={"audit": {"totalMB": 0}}) as w:
        answer = w.cli("audit", check=False)
        assert answer.returncode == 1 and "audit.totalMB" in answer.stderr
