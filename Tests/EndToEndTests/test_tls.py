"""TLS on the listener: real clients, and a certificate that is exchanged while they are there."""

import http.client
import json
import subprocess

import pytest

from harness.processes import wait_until
from harness.secure import certificate, secure_world
from harness.world import ECHO, World


@pytest.fixture(scope="module")
def secure(scratch):
    with secure_world(scratch / "tls") as made:
        yield made


def test_boto3_curl_and_the_command_line_speak_tls(secure):
    secure.deploy("hello", ECHO, "--handler", "app.handler", "--url", "none")
    assert json.load(secure.boto().invoke(FunctionName="hello", Payload=b'"x"')["Payload"]) == "x"
    shown = subprocess.run(
        ["curl", "-sS", "--cacert", secure.authority, f"{secure.endpoint}/fn/hello/a?b=c", "-H", "Content-Type: text/plain", "--data-binary", "@-"],
        input="y" * 200_000, capture_output=True, text=True, timeout=60)
    event = json.loads(shown.stdout)
    assert event["headers"]["x-forwarded-proto"] == "https" and len(event["body"]) == 200_000, shown.stderr
    assert secure.cli("invoke", "hello", "--payload", "1").stdout.strip() == "1"


def test_the_certificate_counts(secure, tmp_path):
    from botocore.exceptions import SSLError
    other = certificate(tmp_path, "other")
    with pytest.raises(SSLError):
        secure.boto(verify=str(other)).list_functions()
    refused = secure.cli("list", check=False, environment={"AWS_CA_BUNDLE": str(other)})
    assert refused.returncode != 0 and "not trusted" in refused.stderr and "AWS_CA_BUNDLE" in refused.stderr, refused.stderr


def test_clear_text_is_not_answered(secure):
    assert b"HTTP/1.1 200" not in secure.raw(b"GET /martlet/v1/health HTTP/1.1\r\nHost: x\r\n\r\n", timeout=10)
    assert secure.health() == 200


def test_a_new_certificate_counts_for_new_connections_and_old_ones_go_on(secure):
    assert secure.common_name()[0] == "first" and secure.common_name()[1] in ("TLSv1.3", "TLSv1.2")
    old = http.client.HTTPSConnection("127.0.0.1", secure.port, timeout=60, context=secure.context())

    def ask():
        old.request("GET", "/martlet/v1/health")
        answer = old.getresponse()
        answer.read()
        return answer.status
    assert ask() == 200
    connection = old.sock
    # What cannot be used changes nothing.
    (secure.served / "cert.pem").write_text("nonsense")
    wait_until(lambda: "cannot be used" in secure.log_text(), 60, lambda: f"the log says so\n{secure.log_text()}")
    assert secure.common_name()[0] == "first"
    certificate(secure.folder / "made", "second")
    secure.authority.write_text(secure.authority.read_text() + (secure.folder / "made" / "second.pem").read_text())
    secure.exchange("second")
    wait_until(lambda: secure.common_name()[0] == "second", 60, "the new certificate", 0.1)
    assert ask() == 200 and old.sock is connection
    old.close()


def test_a_certificate_without_its_key_ends_the_start(scratch, name):
    w = World(scratch / name, config={"tls": {"certificate": "/nonexistent.pem"}})
    w.spawn()
    assert w.process.wait(30) != 0 and "tls.key" in w.log_text()
    w = World(scratch / f"{name}-2", config={"tls": {"certificate": "/nonexistent.pem", "key": "/nonexistent.key"}})
    w.spawn()
    assert w.process.wait(30) != 0 and "/nonexistent.pem" in w.log_text()
