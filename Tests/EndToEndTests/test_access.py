"""Who may call: signatures, the development mode's refusals of web pages, listening addresses."""

import datetime
import json
import os
import stat
import subprocess
import sys

import pytest

from harness.world import ECHO, World, free_port

LIST = "/2015-03-31/functions"


@pytest.fixture(scope="module")
def closed(scratch):
    """A server with authentication."""
    from harness.world import world
    with world(scratch / "closed", dev=False) as made:
        made.create("guarded", ECHO)
        yield made


def test_the_first_start_makes_a_key_pair_that_only_the_owner_reads(closed):
    assert closed.credentials["AWS_ACCESS_KEY_ID"].startswith("AKIA") and len(closed.credentials["AWS_ACCESS_KEY_ID"]) == 20
    assert len(closed.credentials["AWS_SECRET_ACCESS_KEY"]) >= 40
    mode = (closed.data / "credentials").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600


def test_real_clients_sign_and_are_let_in(closed):
    assert json.load(closed.boto().invoke(FunctionName="guarded", Payload=b'{"a":1}')["Payload"]) == {"a": 1}
    assert json.load(closed.boto().invoke(FunctionName="guarded", Payload=b'"\xc3\xbc"')["Payload"]) == "ü"
    assert "guarded" in closed.aws("lambda", "list-functions").stdout
    assert "guarded" in closed.cli("list").stdout
    assert closed.boto().invoke(FunctionName="guarded", Qualifier="$LATEST", Payload=b"{}")["StatusCode"] == 200
    assert closed.cli("usage").returncode == 0


def test_the_exported_lines_lead_the_clients_of_every_service_here(closed):
    code = """
import boto3
clients = [boto3.client(service) for service in ("lambda", "logs", "sqs", "events", "scheduler")]
print({client.meta.endpoint_url for client in clients}, clients[1].meta.config.inject_host_prefix)
clients[0].list_functions(), clients[1].describe_log_groups(), clients[2].list_queues(), clients[3].list_event_buses(), clients[4].list_schedules()
"""
    environment = {**closed.client_environment(), "HTTPS_PROXY": "http://127.0.0.1:1", "NO_PROXY": "127.0.0.1"}  # nothing is asked elsewhere
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100, env=environment)
    assert (answer.returncode, answer.stdout) == (0, f"{{'{closed.endpoint}'}} False\n"), answer


@pytest.mark.parametrize("path", [LIST, f"{LIST}/guarded", "/martlet/v1/usage", "/martlet/v1/node", "/martlet/v1/logs/guarded", "/martlet/v1/functions/guarded"])
def test_without_a_signature_nothing_is_told(closed, path):
    answer = closed.http("GET", path, sign=None)
    assert answer.status == 403, answer
    assert answer.error_type in ("MissingAuthenticationTokenException", "MissingAuthenticationToken"), answer
    assert "guarded" not in answer.text


def test_health_and_metrics_need_no_signature(closed):
    assert closed.http("GET", "/martlet/v1/health", sign=None).status == 200
    assert closed.http("GET", "/metrics", sign=None).status == 200


def test_wrong_keys_are_refused(closed):
    wrong = closed.signed("GET", LIST, None, {}, secret="x" * 40)
    answer = closed.http("GET", LIST, headers=wrong, sign=None)
    assert (answer.status, answer.error_type) == (403, "InvalidSignatureException"), answer
    unknown = closed.signed("GET", LIST, None, {}, key="AKIAAAAAAAAAAAAAAAAA")
    answer = closed.http("GET", LIST, headers=unknown, sign=None)
    assert (answer.status, answer.error_type) == (403, "UnrecognizedClientException"), answer


@pytest.mark.parametrize("change", ["path", "query", "body", "method", "header", "region", "service", "date", "unsigned host"])
def test_a_signature_holds_for_exactly_what_was_signed(closed, change):
    path, body = f"{LIST}/guarded/invocations", b'{"a":1}'
    good = closed.signed("POST", path, body, {"X-Amz-Log-Type": "None"})
    assert closed.http("POST", path, body, dict(good), sign=None).status == 200
    method, headers = "POST", dict(good)
    if change == "path":
        path = f"{LIST}/other/invocations"
    elif change == "query":
        path += "?Qualifier=%24LATEST"
    elif change == "body":
        body = b'{"a":2}'
    elif change == "method":
        method, body = "PUT", body
    elif change == "header":
        headers["X-Amz-Log-Type"] = "Tail"
    elif change == "region":
        headers["Authorization"] = headers["Authorization"].replace("us-east-1", "eu-west-1")
    elif change == "service":
        headers["Authorization"] = headers["Authorization"].replace("/lambda/", "/s3/")
    elif change == "date":
        day = datetime.datetime.strptime(headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ") + datetime.timedelta(seconds=1)
        headers["X-Amz-Date"] = day.strftime("%Y%m%dT%H%M%SZ")
    elif change == "unsigned host":
        headers["Authorization"] = headers["Authorization"].replace("host;", "")
    answer = closed.http(method, path, body, headers, sign=None)
    # A method that no operation has is refused before anybody looks at the signature.
    assert answer.status == (404 if change == "method" else 403), answer


def test_an_old_signature_is_refused(closed, monkeypatch):
    import botocore.auth
    import botocore.compat
    past = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=20)
    if hasattr(botocore.auth, "get_current_datetime"):
        monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda remove_tzinfo=True: past.replace(tzinfo=None) if remove_tzinfo else past)
    headers = closed.signed("GET", LIST, None, {})
    assert headers["X-Amz-Date"] == past.strftime("%Y%m%dT%H%M%SZ")
    answer = closed.http("GET", LIST, headers=headers, sign=None)
    assert answer.status == 403, answer
    assert "expired" in answer.text.lower(), answer


@pytest.mark.parametrize("value", [
    "", "AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256 Credential=, SignedHeaders=, Signature=", "Basic YTpi", "Bearer x",
    "AWS4-HMAC-SHA256 Credential=a/b/c/d/e, SignedHeaders=host, Signature=" + "0" * 64, "x" * 6000,
], ids=lambda v: v[:40])
def test_malformed_authorization_is_refused(closed, value):
    answer = closed.http("GET", LIST, headers={"Authorization": value}, sign=None)
    assert answer.status in (400, 403), answer
    assert answer.error_type, answer


def test_a_replayed_query_order_and_odd_paths_verify(closed):
    for path in (f"{LIST}?MaxItems=5&Marker=", f"{LIST}/guarded%3A%24LATEST/invocations?Qualifier=%24LATEST"):
        method = "POST" if "invocations" in path else "GET"
        assert closed.http(method, path, b"{}" if method == "POST" else None, sign=True).status in (200, 400), path


# -- development mode: a page in a browser on this machine is not the developer

@pytest.mark.parametrize("headers", [
    {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": "http://127.0.0.1:3000"}, {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"}, {"Host": "evil.example"}, {"Host": "evil.example:80"},
], ids=str)
@pytest.mark.parametrize("method, path", [
    ("POST", LIST), ("GET", LIST), ("DELETE", f"{LIST}/page"), ("POST", f"{LIST}/page/invocations"), ("GET", "/martlet/v1/usage"),
    ("GET", "/martlet/v1/logs/page"), ("PUT", "/martlet/v1/functions/page/settings"),
])
def test_web_pages_are_refused_in_development_mode(w, headers, method, path):
    if not any(f == "page" for f in getattr(w, "made", [])):
        w.create("page", ECHO)
        w.made = ["page"]
    answer = w.http(method, path, b"{}" if method != "GET" else None, headers)
    assert answer.status == 403, answer
    assert w.invoke("page", {}).status == 200


def test_function_urls_may_be_called_from_web_pages(w):
    w.deploy("open", "def handler(e, c): return 1\n", "--handler", "app.handler")
    assert w.http("GET", "/fn/open", headers={"Origin": "https://shop.example", "Sec-Fetch-Site": "cross-site"}).status == 200


def test_development_mode_takes_any_key(w):
    assert w.boto().list_functions()["Functions"] is not None
    assert w.http("GET", LIST).status == 200


# -- addresses

@pytest.mark.parametrize("address", ["0.0.0.0", "[::]"])
def test_development_mode_on_other_than_loopback_is_refused_at_start(scratch, address, name):
    w = World(scratch / name)
    command = w.command()
    command[command.index("--listen") + 1] = f"{address}:{free_port()}"
    import subprocess
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, env={**os.environ})
    assert done.returncode != 0
    assert "loopback" in done.stderr.lower() or "127.0.0.1" in done.stderr, done.stderr


def test_a_bad_listen_address_is_named(scratch, name):
    import subprocess
    w = World(scratch / name)
    for bad in ("nonsense", "127.0.0.1:99999", "127.0.0.1"):
        command = w.command()
        command[command.index("--listen") + 1] = bad
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
        assert done.returncode != 0 and bad in done.stderr, (bad, done.stderr)


def test_environment_variables_are_sealed_on_the_disk(closed):
    """Also after a restart they are what they were, and a server without the key says what it lacks."""
    closed.create("sealed", "import os\ndef handler(event, context):\n    return os.environ['PASSWORD']\n", env={"PASSWORD": "word-that-nobody-reads"})
    key = closed.data / "environment.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    closed.stop()
    files = b"".join(path.read_bytes() for path in closed.data.iterdir() if path.is_file())
    assert b"sealed" in files and b"word-that-nobody-reads" not in files
    kept = key.read_text()
    key.write_text("0" * 64)
    refused = closed.spawn().process.wait(30)
    assert refused != 0 and "another key" in closed.log_text()
    key.write_text("short")
    assert closed.spawn().process.wait(30) != 0 and "64 hexadecimal digits" in closed.log_text()
    key.write_text(kept)
    closed.start()
    assert closed.call("sealed") == "word-that-nobody-reads"


def test_a_new_sealing_key_takes_the_place_of_the_old(closed):
    closed.create("resealed", "import os\ndef handler(event, context):\n    return os.environ['PASSWORD']\n", env={"PASSWORD": "another-word"})
    key = closed.data / "environment.key"
    old, new = key.read_text(), "0123456789abcdef" * 4 + "\n"
    closed.stop()
    key.write_text(new + old)
    closed.start()
    assert "sealed anew" in closed.log_text()
    closed.stop()
    key.write_text(old)
    assert closed.spawn().process.wait(30) != 0 and "another key" in closed.log_text()
    key.write_text(new)
    closed.start()
    assert closed.call("resealed") == "another-word"
