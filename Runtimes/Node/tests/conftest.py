"""Drives the bootstrap as the server does: a subprocess, a socket pair at descriptor 3, a file as output."""

import fcntl
import json
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import time

import pytest

BOOTSTRAP = pathlib.Path(__file__).resolve().parents[1] / "bootstrap" / "bootstrap.cjs"
INIT, INVOKE, READY, INIT_ERROR, END, ERROR = 1, 2, 16, 17, 19, 20
DEADLINE = 30


def find_node():
    """`MARTLET_TEST_NODE`, else the one in PATH, if it is new enough."""
    node = os.environ.get("MARTLET_TEST_NODE") or shutil.which("node")
    if node:
        version = subprocess.run([node, "-p", "process.versions.node"], capture_output=True, text=True).stdout
        if version and int(version.split(".")[0]) >= 20:
            return node
    return None


class Worker:
    """One environment. `log` is everything it has written so far."""

    def __init__(self, node, mode, folder, handler, environment, log_path):
        self.socket, theirs = socket.socketpair()
        self.socket.settimeout(DEADLINE)
        self.log_path = log_path

        def place_descriptors():
            high = fcntl.fcntl(theirs, fcntl.F_DUPFD, 100)
            os.dup2(high, 3)
            os.closerange(4, 200)

        with open(log_path, "wb") as log:
            self.process = subprocess.Popen(
                [node, "--single-threaded", "--v8-pool-size=0", str(BOOTSTRAP), mode], stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, close_fds=False, env={"LEFT_OVER": "from the server"}, preexec_fn=place_descriptors)
        theirs.close()
        self.send(INIT, json.dumps({
            "functionName": "fn", "functionVersion": "$LATEST", "functionArn": "arn:aws:lambda:us-east-1:123456789012:function:fn",
            "handler": handler, "memorySize": 256, "timeout": 3, "region": "us-east-1", "account": "123456789012",
            "logGroup": "/aws/lambda/fn", "logStream": "2026/01/01/[$LATEST]0", "taskRoot": str(folder), "environment": environment,
            "initTimeoutMs": 10000}).encode())
        self.init = self.receive()

    def send(self, kind, payload):
        self.socket.sendall(struct.pack("<IBBH", len(payload), kind, 0, 0) + payload)

    def receive(self):
        """The next `(type, payload)`, or None when the worker has closed. `was_last` is what it says of itself."""
        header = self._exactly(8)
        if header is None:
            return None
        length, kind, flags, extra = struct.unpack("<IBBH", header)
        assert extra == 0 or kind in (END, ERROR)
        self.was_last = flags == 1
        return kind, self._exactly(length)

    def _exactly(self, count):
        data = b""
        while len(data) < count:
            part = self.socket.recv(count - len(data))
            if not part:
                assert not data, "a torn frame"
                return None
            data += part
        return data

    def invoke(self, event=b"{}", request_id="request-1", **header):
        header = json.dumps({
            "requestId": request_id, "deadlineMs": int(time.time() * 1000) + 60_000,
            "arn": "arn:aws:lambda:us-east-1:123456789012:function:fn:live", **header}).encode()
        self.send(INVOKE, struct.pack("<I", len(header)) + header + event)
        return self.receive()

    def result(self, event=None, **header):
        frame = self.invoke(json.dumps(event).encode(), **header)
        assert frame is not None and frame[0] == END, (frame, self.log)
        return json.loads(frame[1])

    def error(self, event=b"{}", **header):
        frame = self.invoke(event, **header)
        assert frame is not None and frame[0] == ERROR, (frame, self.log)
        return json.loads(frame[1])

    @property
    def init_error(self):
        assert self.init is not None and self.init[0] == INIT_ERROR, (self.init, self.log)
        return json.loads(self.init[1])

    @property
    def log(self):
        return pathlib.Path(self.log_path).read_bytes().decode()

    def end(self):
        """Closes the socket; the exit status."""
        self.socket.close()
        return self.process.wait(DEADLINE)


@pytest.fixture(scope="session")
def node():
    found = find_node()
    if not found:
        pytest.skip("this machine has no Node 20 or newer in PATH")
    return found


@pytest.fixture
def start(node, tmp_path):
    """Starts environments; they have ended when the test has."""
    workers = []

    def make(files, handler="index.handler", mode="environment", environment=None):
        folder = tmp_path / f"task{len(workers)}"
        for name, content in ({"index.mjs": files} if isinstance(files, str) else files).items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(content)
        workers.append(Worker(node, mode, folder, handler, environment or {}, tmp_path / f"log{len(workers)}"))
        return workers[-1]
    yield make
    for worker in workers:
        worker.socket.close()
        worker.process.kill()
        worker.process.wait()
