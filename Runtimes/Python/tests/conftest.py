"""Drives the bootstrap as the server does: a subprocess, a socket pair at descriptor 3, pipes as output."""

import fcntl
import json
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import sys
import textwrap
import time

import pytest

BOOTSTRAP = pathlib.Path(__file__).resolve().parents[1] / "bootstrap" / "bootstrap.py"
INIT, INVOKE, READY, INIT_ERROR, END, ERROR = 1, 2, 16, 17, 19, 20
DEADLINE = 30


def interpreters():
    """Every CPython from 3.9 on that is at hand; `MARTLET_TEST_PYTHONS` (separated by `:`) names them instead."""
    named = os.environ.get("MARTLET_TEST_PYTHONS")
    if named:
        return named.split(":")
    found = {}
    for minor in range(9, 20):
        path = shutil.which("python3.%d" % minor)
        if path and subprocess.run([path, "-c", ""], capture_output=True).returncode == 0:
            found[minor] = path
    return list(found.values()) or [sys.executable]


class Worker:
    """One environment. `log` is everything it has written once it has ended."""

    def __init__(self, interpreter, mode, folder, handler, environment, log_path, bootstrap=BOOTSTRAP):
        self.control, control = socket.socketpair()
        self.socket, theirs = socket.socketpair()
        self.socket.settimeout(DEADLINE)
        self.log_path = log_path

        def place_descriptors():
            # Both may sit where the other belongs.
            high = [fcntl.fcntl(end, fcntl.F_DUPFD, 100) for end in (theirs, control)]
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)
            os.closerange(5, 200)

        with open(log_path, "wb") as log:
            self.process = subprocess.Popen(
                [interpreter, "-S", "-E", "-s", "-B", str(bootstrap), mode],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                close_fds=False,
                env={"LEFT_OVER": "from the server"},
                preexec_fn=place_descriptors,
            )
        theirs.close()
        control.close()
        self.send(
            INIT,
            json.dumps(
                {
                    "functionName": "fn",
                    "functionVersion": "$LATEST",
                    "functionArn": "arn:aws:lambda:us-east-1:123456789012:function:fn",
                    "handler": handler,
                    "memorySize": 256,
                    "timeout": 3,
                    "region": "us-east-1",
                    "account": "123456789012",
                    "logGroup": "/aws/lambda/fn",
                    "logStream": "2026/01/01/[$LATEST]0",
                    "taskRoot": str(folder),
                    "environment": environment,
                    "initTimeoutMs": 10000,
                }
            ).encode(),
        )
        self.init = self.receive()

    def send(self, kind, payload):
        self.socket.sendall(struct.pack("<IBBH", len(payload), kind, 0, 0) + payload)

    def receive(self):
        """The next `(type, payload)`, or None when the worker has closed."""
        header = self._exactly(8)
        if header is None:
            return None
        length, kind, flags, extra = struct.unpack("<IBBH", header)
        assert flags == 0 and (extra == 0 or kind in (END, ERROR))
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
        header = {
            "requestId": request_id,
            "deadlineMs": int(time.time() * 1000) + 60_000,
            "arn": "arn:aws:lambda:us-east-1:123456789012:function:fn:live",
            **header,
        }
        header = json.dumps(header).encode()
        self.send(INVOKE, struct.pack("<I", len(header)) + header + event)
        return self.receive()

    def result(self, event=None, **header):
        """The handler's answer as a value."""
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

    def copy(self):
        """A copy of this template, as a worker that takes one invocation."""
        mine, theirs = socket.socketpair()
        mine.settimeout(DEADLINE)
        socket.send_fds(self.control, [b"c"], [theirs.fileno()])
        theirs.close()
        copy = Worker.__new__(Worker)
        copy.socket, copy.log_path = mine, self.log_path
        assert copy.receive() == (READY, b"")
        return copy

    def end(self):
        """Closes the sockets; the exit status."""
        self.socket.close()
        self.control.close()
        return self.process.wait(DEADLINE)

    @property
    def log(self):
        return pathlib.Path(self.log_path).read_text("utf-8")


@pytest.fixture(params=interpreters(), ids=os.path.basename)
def start(request, tmp_path):
    workers = []

    def start(source, handler="app.handler", mode="once", environment=None, files=None):
        task = tmp_path / "task"
        task.mkdir(exist_ok=True)
        for name, text in {"app.py": source, **(files or {})}.items():
            path = task / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text), "utf-8")
        bootstrap = BOOTSTRAP
        library = os.environ.get("MARTLET_TEST_FORK_LIBRARY")
        if mode == "template" or library:
            bootstrap = tmp_path / ("runtime-" + mode) / "bootstrap.py"
            if not bootstrap.exists():
                shutil.copytree(BOOTSTRAP.parent, bootstrap.parent, ignore=shutil.ignore_patterns("__pycache__"))
                if mode == "template":
                    shutil.copy(pathlib.Path(__file__).parent / "fake_fork.py", bootstrap.parent / "martlet_fork.py")
                else:
                    shutil.copy(library, bootstrap.parent / "martlet_fork.so")
        log_path = str(tmp_path / ("log%d" % len(workers)))
        worker = Worker(request.param, mode, task, handler, environment or {}, log_path, bootstrap)
        workers.append(worker)
        return worker

    yield start
    for worker in workers:
        worker.socket.close()
        worker.control.close()
        if worker.process.poll() is None:
            worker.process.kill()
        worker.process.wait()
