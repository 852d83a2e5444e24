"""A fixture that owns a world: one server on a free port with its own data directory, and clients for it."""

import base64
import contextlib
import http.client
import io
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import textwrap
import time
import uuid
import zipfile

from . import OPTIONS, processes
from .processes import Family, wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
MARTLET = pathlib.Path(OPTIONS.get("MARTLET_BINARY", ROOT / ".build" / "release" / "martlet"))
SAMPLES = ROOT / "SampleFunctions"
ACCOUNT = "123456789012"
ECHO = "def handler(event, context):\n    return event\n"
ROLE = "arn:aws:iam::123456789012:role/any"


class Ports:
    """Ports that nobody else takes while this process lives, also where their server is down for a moment.

    They lie outside the range from which the kernel gives ports to clients and to whoever asks for any; among test runs on this
    host each is claimed by a name in the same network namespace, which ends with the process.
    """

    def __init__(self):
        first, last = map(int, pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
        numbers = range(10_000, 65_000)
        self.numbers = [number for number in numbers if not first <= number <= last] or list(numbers)
        random.SystemRandom().shuffle(self.numbers)
        self.claims = []

    def take(self):
        while True:
            assert self.numbers, "no port is left outside net.ipv4.ip_local_port_range"
            number = self.numbers.pop()
            claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            try:
                claim.bind(f"\0martlet-test-port-{number}")
                with socket.socket() as probe:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind(("127.0.0.1", number))
            except OSError:
                claim.close()
                continue
            self.claims.append(claim)
            return number


PORTS = Ports()


def free_port():
    return PORTS.take()


def zip_of(files):
    """`files` maps a name to text or bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
            entry.external_attr = (0o100755 if name == "bootstrap" else 0o100644) << 16
            archive.writestr(entry, textwrap.dedent(content) if isinstance(content, str) else content)
    return buffer.getvalue()


MODELS = {}


def botocore_session():
    """A session of its own, but for the service models: reading them takes longer than most requests of a test."""
    import botocore.session
    session = botocore.session.Session()
    session.register_component("data_loader", MODELS.setdefault("loader", session.get_component("data_loader")))
    return session


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def request_id(self):
        return self.headers.get("x-amzn-RequestId") or self.headers.get("x-amzn-requestid")

    @property
    def function_error(self):
        return self.headers.get("X-Amz-Function-Error")

    @property
    def error_type(self):
        return (self.headers.get("x-amzn-ErrorType") or "").split(":")[0]

    @property
    def log(self):
        return base64.b64decode(self.headers["X-Amz-Log-Result"]).decode(errors="replace")

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def text(self):
        return self.body.decode(errors="replace")

    def __repr__(self):
        return f"<{self.status} {dict(self.headers)} {self.body[:400]!r}>"


class World:
    def __init__(self, folder, *, dev=True, config=None, environment=None, arguments=(), user=None, data=None, wrapper=(), binary=MARTLET):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.data = pathlib.Path(data) if data else self.folder / "data"
        self.log_path = self.folder / "server.log"
        self.dev = dev
        self.config = config
        self.environment = environment or {}
        self.arguments = list(arguments)
        self.user = user
        self.wrapper = list(wrapper)
        self.binary = binary
        self.port = free_port()
        self.process = None
        self.credentials = {}
        self.before = (processes.cgroups_of_martlet(), processes.mounts(), processes.network_interfaces())

    # -- the server's life

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.port}"

    def command(self):
        line = list(self.wrapper)
        if self.user is not None:
            line += ["setpriv", f"--reuid={self.user}", f"--regid={self.user}", "--clear-groups"]
        line += [str(self.binary), "serve", "--listen", f"127.0.0.1:{self.port}", "--data", str(self.data)]
        if self.config is not None:
            path = self.folder / "martlet.json"
            path.write_text(json.dumps(self.config))
            line += ["--config", str(path)]
        if self.dev:
            line.append("--dev")
        return line + self.arguments

    def spawn(self):
        """Starts the server without waiting."""
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                env=self.server_environment(), cwd="/")
        return self

    def server_environment(self):
        # Functions with a network are the business of tests that make one: no other test changes this host's.
        return {**{k: v for k, v in os.environ.items() if not k.startswith("AWS_")}, "MARTLET_NETWORK_DEFAULT": "none", **self.environment}

    def start(self, limit=90):
        self.spawn()
        self.wait_healthy(limit)
        if not self.dev and not self.credentials:
            self.load_credentials()
        return self

    def load_credentials(self):
        text = self.cli("credentials", "--export", "--data", str(self.data)).stdout
        for line in text.splitlines():
            name, _, value = line.removeprefix("export ").partition("=")
            if name.startswith("AWS_"):
                self.credentials[name] = value.strip("'\"")

    def health(self):
        try:
            return self.http("GET", "/martlet/v1/health", timeout=10).status
        except (OSError, http.client.HTTPException):
            return None

    def wait_healthy(self, limit=90):
        def ready():
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended with {self.process.returncode}:\n{self.log_text()}")
            return self.health() == 200
        wait_until(ready, limit, lambda: f"healthy\n{self.log_text()}")

    def log_text(self, last=8000):
        try:
            return self.log_path.read_text(errors="replace")[-last:]
        except OSError:
            return ""

    def family(self):
        return Family(self.process.pid)

    def terminate(self, limit=60):
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(limit)
        except subprocess.TimeoutExpired:
            below = self.family().all
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"the server did not end within {limit} s of SIGTERM: {below}\n{self.log_text()}")

    def kill(self):
        self.process.kill()
        self.process.wait()
        # The server ends a moment after its supervisor; until then it would answer in the place of the next one.
        wait_until(lambda: not self.is_listening(), 60, "the server ended with its supervisor")

    def is_listening(self):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=10):
            return True
        return False

    def stop(self, check=True):
        self.terminate()
        if check:
            self.assert_nothing_left()

    def leftovers(self):
        """Processes of ours that no client of this test started, and cgroups, mounts, interfaces that were not there."""
        found = []
        # Who runs below another server or a test's own process is told by one look at all: in a second one a
        # process between them may be gone.
        for process in processes.descendants(os.getpid(), apart=self.others()):
            if process.zombie and process.parent == os.getpid():
                processes.reap(process.pid)
            elif not process.zombie:
                found.append(repr(process))
        groups, mounts, interfaces = self.before
        found += sorted(g for g in processes.cgroups_of_martlet() - groups if self.instance_is_ours(g))
        found += sorted(m for m in processes.mounts() - mounts if ("martlet" in m or "nsfs" in m) and not self.is_anothers(m))
        found += sorted(i for i in processes.network_interfaces() - interfaces if not self.is_of_another_run(i))
        return found

    def is_of_another_run(self, interface):
        """An interface names a number, and the number's file the server: one of a test run beside this one may still serve."""
        named = re.fullmatch(r"mt([0-9a-f]{4})-[0-9a-f]{8}", interface)
        if named is None:
            return False
        try:
            record = pathlib.Path(f"/run/martlet-egress-{named[1]}").read_text()
        except OSError:
            return False
        instance = re.search(r"^instance (.+)$", record, re.MULTILINE)
        return instance is not None and not self.instance_is_ours(f"martlet-{instance[1]}")

    def is_anothers(self, mount):
        """Below the folder of a test run beside this one, or a network namespace that such a run made by itself."""
        if "/run/netns/mt-test-" in mount:
            return True
        folders = set(re.findall(r"/martlet-test-[^/ ]*", mount))
        return bool(folders) and folders.isdisjoint(re.findall(r"/martlet-test-[^/ ]*", f"{self.folder} {self.data}"))

    def instance_is_ours(self, group):
        """The server names its cgroups by its data directory's device and inode."""
        try:
            info = os.stat(self.data)
        except FileNotFoundError:
            # Its test has removed it; what another test beside it left is for that one to find.
            return False
        return os.path.basename(group) == f"martlet-{info.st_dev:x}-{info.st_ino:x}"

    def others(self):
        return {w.process.pid for w in LIVING if w is not self and w.process is not None} | set(OWN)

    def assert_nothing_left(self, limit=60):
        left = []

        def nothing():
            left[:] = self.leftovers()
            return not left
        wait_until(nothing, limit, lambda: "nothing left over, but there is:\n  " + "\n  ".join(left) + "\n" + self.log_text(2000), 0.05)

    # -- clients

    def client_environment(self):
        own = {
            "MARTLET_ENDPOINT": self.endpoint, "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true", "AWS_MAX_ATTEMPTS": "1", "AWS_PAGER": "", "NO_PROXY": "*",
            "AWS_CONFIG_FILE": "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
        }
        if self.dev:
            own.update(AWS_ACCESS_KEY_ID="any", AWS_SECRET_ACCESS_KEY="any")
        own.update(self.credentials)
        return {**{k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "MARTLET_"))}, **own}

    def cli(self, *arguments, check=True, input=None, timeout=200, environment=None):
        result = subprocess.run(
            [str(self.binary), *map(str, arguments)], capture_output=True, text=True, input=input, timeout=timeout,
            env={**self.client_environment(), **(environment or {})})
        if check and result.returncode != 0:
            raise AssertionError(
                f"martlet {' '.join(map(str, arguments))} ended with {result.returncode}\n{result.stdout}\n{result.stderr}\n{self.log_text(3000)}")
        return result

    def cli_json(self, *arguments, **options):
        return json.loads(self.cli(*arguments, "--json", **options).stdout)

    def aws(self, *arguments, check=True, timeout=200):
        python = ROOT / ".build" / "venv" / "bin" / "aws"
        result = subprocess.run(
            [str(python if python.exists() else "aws"), "--endpoint-url", self.endpoint, *map(str, arguments)],
            capture_output=True, text=True, timeout=timeout, env=self.client_environment())
        if check and result.returncode != 0:
            raise AssertionError(f"aws {' '.join(map(str, arguments))}: {result.stdout}\n{result.stderr}")
        return result

    def curl(self, path, *arguments, check=True, text=True):
        result = subprocess.run(
            ["curl", "-sS", "-m", "60", *map(str, arguments), self.endpoint + path], capture_output=True, text=text, timeout=100)
        if check and result.returncode != 0:
            raise AssertionError(f"curl {path}: {result.returncode} {result.stderr}")
        return result.stdout

    def boto(self, retries=0, service="lambda", **options):
        import boto3
        from botocore.config import Config
        keys = self.credentials or {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any"}
        return boto3.session.Session(
            aws_access_key_id=keys["AWS_ACCESS_KEY_ID"], aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
            region_name=options.pop("region", "us-east-1"), botocore_session=botocore_session(),
        ).client(service, endpoint_url=self.endpoint, verify=options.pop("verify", None), config=Config(
            retries={"max_attempts": retries}, connect_timeout=60, read_timeout=100, **options))

    def http(self, method, path, body=None, headers=None, timeout=60, sign=False):
        headers = dict(headers or {})
        if sign or (not self.dev and self.credentials and sign is not None and path.startswith(("/2", "/martlet/v1/"))
                    and not path.startswith("/martlet/v1/health")):
            headers = self.signed(method, path, body, headers)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body=body, headers=headers)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def signed(self, method, path, body, headers, when=None, region="us-east-1", service="lambda", secret=None, key=None):
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials
        request = AWSRequest(method, self.endpoint + path, data=body or b"", headers={**headers, "Host": f"127.0.0.1:{self.port}"})
        SigV4Auth(Credentials(key or self.credentials["AWS_ACCESS_KEY_ID"], secret or self.credentials["AWS_SECRET_ACCESS_KEY"]),
                  service, region).add_auth(request)
        return dict(request.headers.items())

    def invoke(self, name, payload=None, *, tail=False, kind=None, qualifier=None, headers=None, raw=None, timeout=60):
        headers = dict(headers or {})
        if tail:
            headers["X-Amz-Log-Type"] = "Tail"
        if kind:
            headers["X-Amz-Invocation-Type"] = kind
        path = f"/2015-03-31/functions/{name}/invocations" + (f"?Qualifier={qualifier}" if qualifier else "")
        return self.http("POST", path, raw if raw is not None else json.dumps(payload).encode(), headers, timeout)

    def burst(self, name, count, payload=b"{}"):
        """All at once: connections are made and requests sent before the first answer is read. The answers as they came."""
        request = (f"POST /2015-03-31/functions/{name}/invocations HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n"
                   f"Content-Length: {len(payload)}\r\nConnection: close\r\n\r\n").encode() + payload
        with contextlib.ExitStack() as stack:
            sockets = [stack.enter_context(self.socket(60)) for _ in range(count)]
            for one in sockets:
                one.sendall(request)
            return [b"".join(iter(lambda: one.recv(65536), b"")) for one in sockets]

    def call(self, name, payload=None, **options):
        """Invokes and gives the handler's answer; anything but success fails the test."""
        answer = self.invoke(name, payload, **options)
        assert answer.status == 200 and not answer.function_error, f"{answer!r}\n{self.log_text(3000)}"
        return answer.json

    def create(self, name, code, *, handler="app.handler", runtime="python3.11", memory=128, timeout=10, env=None, wait=True, **more):
        """CreateFunction through boto3, or UpdateFunctionCode where it exists."""
        files = {"app.py": code} if isinstance(code, str) else code
        client = self.boto()
        archive = files if isinstance(files, bytes) else zip_of(files)
        options = dict(
            FunctionName=name, Runtime=runtime, Role=ROLE, Handler=handler, Code={"ZipFile": archive}, MemorySize=memory,
            Timeout=timeout, Environment={"Variables": env or {}}, **more)
        try:
            result = client.create_function(**options)
        except client.exceptions.ResourceConflictException:
            client.update_function_configuration(
                FunctionName=name, Handler=handler, MemorySize=memory, Timeout=timeout, Environment={"Variables": env or {}})
            result = client.update_function_code(FunctionName=name, ZipFile=archive)
        return result

    def delete(self, name):
        self.http("DELETE", f"/2015-03-31/functions/{name}")

    def give_tenants(self, name):
        """Makes a function one with TenancyConfig, as no request can: what leads to it is from before. The server is not running."""
        import sqlite3
        with contextlib.closing(sqlite3.connect(self.data / "martlet.db")) as connection, connection:
            changed = connection.execute("UPDATE function_versions SET kept = json_set(kept, '$.tenantIsolation', 'PER_TENANT') WHERE name = ?", (name,))
            assert changed.rowcount > 0

    def deploy(self, name, code, *arguments, check=True, timeout=200):
        """`martlet deploy` of a folder made from text or a map of files."""
        files = {"app.py": code} if isinstance(code, str) else code
        folder = self.folder / "code" / f"{name}-{uuid.uuid4().hex[:8]}"
        for path, content in files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, bytes):
                target.write_bytes(content)
            else:
                target.write_text(textwrap.dedent(content))
            if path == "bootstrap":
                target.chmod(0o755)
        return self.cli("deploy", name, folder, *arguments, check=check, timeout=timeout)

    def describe(self, name):
        answer = self.http("GET", f"/martlet/v1/functions/{name}")
        assert answer.status == 200, answer
        return answer.json

    def records(self, function=None):
        """Every invocation record, through the command line."""
        arguments = ["usage", "--by", "invocation"] + (["--function", function] if function else [])
        return self.cli_json(*arguments)["rows"]

    def record(self, request_id):
        answer = self.http("GET", f"/martlet/v1/usage/invocations/{request_id}")
        assert answer.status == 200, answer
        return answer.json["rows"][-1]

    def logs(self, name, request=None):
        return self.cli("logs", name, *(["--request", request] if request else [])).stdout

    def socket(self, timeout=30):
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=timeout)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def raw(self, data, timeout=30, half_close=False):
        """Sends bytes as they are and gives everything that comes back until the server closes or the time is over."""
        with self.socket(timeout) as connection:
            with contextlib.suppress(ConnectionError):
                connection.sendall(data)
                if half_close:
                    connection.shutdown(socket.SHUT_WR)
            received = b""
            with contextlib.suppress(ConnectionError, TimeoutError):
                while chunk := connection.recv(65536):
                    received += chunk
            return received


LIVING = []
# Processes that a test itself started (canaries, listeners): no leftovers.
OWN = {}


@contextlib.contextmanager
def world(folder, *, check=True, start=True, **options):
    """Starts a server, gives it, and takes everything away in reverse order, also after a failure."""
    made = World(folder, **options)
    LIVING.append(made)
    try:
        if start:
            made.start()
        yield made
    except BaseException:
        print(f"--- log of the server on port {made.port}\n{made.log_text(20000)}")
        raise
    finally:
        with contextlib.ExitStack() as stack:
            stack.callback(LIVING.remove, made)
            stack.callback(shutil.rmtree, made.folder, True)
            if made.process is not None:
                stack.callback(made.stop, check)
