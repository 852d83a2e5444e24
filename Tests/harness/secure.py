"""A world whose listener speaks TLS, with a certificate of its own."""

import contextlib
import http.client
import os
import shutil
import socket
import ssl
import subprocess

from . import world as harness
from .world import Answer, World


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
            pair = {"certificate": str(self.served / "cert.pem"), "key": str(self.served / "key.pem")}
            self.config = {**(self.config or {}), "tls": pair}
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

    def boto(self, *arguments, **options):
        return super().boto(*arguments, **{"verify": str(self.authority), **options})

    def client_environment(self):
        return {**super().client_environment(), "AWS_CA_BUNDLE": str(self.authority)}

    def common_name(self):
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as plain:
            with self.context().wrap_socket(plain, server_hostname="127.0.0.1") as secure:
                return dict(part[0] for part in secure.getpeercert()["subject"])["commonName"], secure.version()


@contextlib.contextmanager
def secure_world(folder, **options):
    made = SecureWorld(folder, dev=False, **options)
    harness.LIVING.append(made)
    try:
        yield made.start()
    finally:
        harness.LIVING.remove(made)
        made.stop()
        shutil.rmtree(made.folder, ignore_errors=True)
