"""TLS on the listener: real clients, and a certificate that is exchanged while they are there."""

import http.client
import json
import os
import shutil
import socket
import ssl
import subprocess

import pytest

from harness.processes import wait_until
from harness.world import ECHO, Answer, World


def certificate(folder, name):
    """A certificate that signs itself, for this machine's names, with its key: `NAME.pem` and `NAME.key`."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", f"{name}.key", "-out",
         f"{name}.pem", "-days", "30", "-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
        cwd=folder, check=True, capture_output=True)
    for file in (f"{name}.pem", f"{name}.key"):
        (folder / file).chmod(0o644)
    return folder / f"{name}.pem"


class SecureWorld(World):
    """Every client trusts exactly what `authority` holds."""

    @property
    def endpoint(self):
        return f"https://127.0.0.1:{self.port}"

    @property
    def authority(self):
        return self.folder / "ca.pem"

    @property
    def served(self):
        return self.folder / "served"

    def start(self, limit=30):
        if not self.served.exists():
            shutil.copy(certificate(self.folder / "made", "first"), self.authority)
            self.served.mkdir()
            self.exchange("first")
            self.config = {"tls": {"certificate": str(self.served / "cert.pem"), "key": str(self.served / "key.pem")}}
        return super().start(limit)

    def exchange(self, name):
        """Puts a pair in place as an administrator would: complete files by renaming."""
        for source, target in ((f"{name}.key", "key.pem"), (f"{name}.pem", "cert.pem")):
            shutil.copy(self.folder / "made" / source, self.served / "new")
            os.replace(self.served / "new", self.served / target)

    def context(self):
        return ssl.create_default_context(cafile=str(self.authority))

    def http(self, method, path, body=None, headers=None, timeout=60, sign=False):
        headers = dict(headers or {})
        if sign or (self.credentials and sign is not None and path.startswith("/2")):
            headers = self.signed(method, path, body, headers)
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=timeout, context=self.context())
        try:
            connection.request(method, path, body=body, headers=headers)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def client_environment(self):
        return {**super().client_environment(), "AWS_CA_BUNDLE": str(self.authority)}

    def common_name(self):
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as plain:
            with self.context().wrap_socket(plain, server_hostname="127.0.0.1") as secure:
                return dict(part[0] for part in secure.getpeercert()["subject"])["commonName"], secure.version()


@pytest.fixture(scope="module")
def secure(scratch, request):
    made = SecureWorld(scratch / "tls", dev=False)
    from harness import world as harness
    harness.LIVING.append(made)
    try:
        yield made.start()
    finally:
        harness.LIVING.remove(made)
        made.stop()
        shutil.rmtree(made.folder, ignore_errors=True)


def boto(w, verify):
    import boto3
    from botocore.config import Config
    return boto3.session.Session(
        aws_access_key_id=w.credentials["AWS_ACCESS_KEY_ID"], aws_secret_access_key=w.credentials["AWS_SECRET_ACCESS_KEY"], region_name="us-east-1",
    ).client("lambda", endpoint_url=w.endpoint, verify=verify, config=Config(retries={"max_attempts": 0}))


def test_boto3_curl_and_the_command_line_speak_tls(secure):
    secure.deploy("hello", ECHO, "--handler", "app.handler", "--url", "none")
    assert json.load(boto(secure, str(secure.authority)).invoke(FunctionName="hello", Payload=b'"x"')["Payload"]) == "x"
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
        boto(secure, str(other)).list_functions()
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
    wait_until(lambda: "cannot be used" in secure.log_text(), 20, lambda: f"the log says so\n{secure.log_text()}")
    assert secure.common_name()[0] == "first"
    certificate(secure.folder / "made", "second")
    secure.authority.write_text(secure.authority.read_text() + (secure.folder / "made" / "second.pem").read_text())
    secure.exchange("second")
    wait_until(lambda: secure.common_name()[0] == "second", 20, "the new certificate", 0.1)
    assert ask() == 200 and old.sock is connection
    old.close()


def test_a_certificate_without_its_key_ends_the_start(scratch, name):
    w = World(scratch / name, config={"tls": {"certificate": "/nonexistent.pem"}})
    w.spawn()
    assert w.process.wait(30) != 0 and "tls.key" in w.log_text()
    w = World(scratch / f"{name}-2", config={"tls": {"certificate": "/nonexistent.pem", "key": "/nonexistent.key"}})
    w.spawn()
    assert w.process.wait(30) != 0 and "/nonexistent.pem" in w.log_text()
