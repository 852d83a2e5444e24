"""The privileged helper without a server: what a server that was taken over could say to it and to a sandbox's init."""

import contextlib
import ctypes
import fcntl
import os
import pathlib
import secrets
import signal
import socket
import struct
import subprocess

from . import processes
from .processes import wait_until
from .world import MARTLET, OWN

CREATE, ADD_SLOT, DESTROY, ASSIGN, READY, CREATED, SLOT_ADDED, GONE, NOT_ASSIGNED = 64, 65, 66, 67, 80, 81, 82, 83, 84
START_TEMPLATE, FORK, EXEC, KILL, AUDIT, KILL_LARGEST = 1, 2, 3, 4, 5, 6
STARTED, EXITED, FAILED, LISTENER, ASSIGNED, CALLBACK, CALLBACK_OVER = 32, 33, 34, 36, 38, 39, 40
CONNECTED, CONNECT = 20, 41
INIT_TO_HELPER = 11  # init's descriptor
HEAD = struct.Struct("<IIiIQQQQ")
GOOD = "ab" * 32


class Message:
    def __init__(self, data):
        self.op, self.slot, self.value, self.length, self.a, self.b, self.c, self.d = HEAD.unpack(data)
        self.payload = b""


def message(op, slot=0, value=0, a=0, b=0, payload=b"", length=None):
    return HEAD.pack(op, slot, value, len(payload) if length is None else length, a, b, 0, 0) + payload


def receive(connection, limit=60):
    """One message; None at the end."""
    connection.settimeout(limit)
    data, descriptors = b"", []
    while len(data) < HEAD.size:
        part, some, _, _ = socket.recv_fds(connection, HEAD.size - len(data), 16)
        descriptors += some
        if not part:
            return None
        data += part
    for fd in descriptors:
        os.close(fd)
    found = Message(data)
    while len(found.payload) < found.length:
        found.payload += connection.recv(found.length - len(found.payload))
    return found


def words(arguments, environment=()):
    return struct.pack("<II", len(arguments), len(environment)) + b"".join(w.encode() + b"\0" for w in [*arguments, *environment])


class Sandbox:
    def __init__(self, helper, identifier, package=GOOD, runtime="provided", memory=128, storage=64, descriptors=3, egress=False):
        self.helper, self.id = helper, identifier
        self.control, theirs = socket.socketpair()
        self.descriptors, theirs_too = socket.socketpair()
        self.log, write = os.pipe()
        payload = package if isinstance(package, bytes) else f"{package}\n{runtime}".encode()
        given = [theirs.fileno(), theirs_too.fileno(), write, write, write, write, write, write, write, write, write, write][:descriptors]
        data = message(CREATE, identifier, int(egress), a=memory, b=storage, payload=payload)
        socket.send_fds(helper.socket, [data], given)
        for one in (theirs, theirs_too):
            one.close()
        os.close(write)
        self.answer = receive(helper.socket)
        assert self.answer.op == CREATED, self.answer.op

    def pid(self):
        return next(p.pid for p in self.helper.inits() if p.uid)

    @contextlib.contextmanager
    def taken_over(self):
        """Init's line to the helper, while init itself does nothing."""
        pid = self.pid()
        libc = ctypes.CDLL(None, use_errno=True)
        pidfd = os.pidfd_open(pid)
        os.kill(pid, signal.SIGSTOP)
        try:
            wait_until(lambda: processes.Process(pid).state == "T", 30, "init is stopped")
            line = libc.syscall(438, pidfd, INIT_TO_HELPER, 0)  # pidfd_getfd
            if line < 0:
                raise OSError(ctypes.get_errno(), "pidfd_getfd")
            with socket.socket(fileno=line) as connection:
                yield connection, pid
        finally:
            os.kill(pid, signal.SIGCONT)
            os.close(pidfd)

    def slot(self, index):
        self.helper.socket.sendall(message(ADD_SLOT, index, self.id))
        assert receive(self.helper.socket).op == SLOT_ADDED

    def run(self, script, slot=0):
        """Has init start a shell in the slot; its output."""
        ours, theirs = socket.socketpair()
        read, write = os.pipe()
        payload = words(["/bin/sh", "-c", script], ["PATH=/usr/bin:/bin"])
        socket.send_fds(self.control, [message(EXEC, slot, payload=payload)], [theirs.fileno(), write])
        theirs.close()
        os.close(write)
        text = b""
        while part := os.read(read, 65536):
            text += part
        os.close(read)
        ours.close()
        assert self.told().op == STARTED
        assert self.told().op == EXITED
        return text.decode()

    def told(self):
        """What init says next, but for its network namespaces' listeners."""
        while (said := receive(self.control)) and said.op in (LISTENER, CALLBACK, CALLBACK_OVER):
            pass
        return said


class Helper:
    def __init__(self, folder, instance=None, arguments=()):
        self.instance, self.arguments = instance or f"test-{secrets.token_hex(6)}", arguments
        self.data = pathlib.Path(folder) / "data"
        (self.data / "packages").mkdir(parents=True, exist_ok=True)
        package = self.data / "packages" / GOOD
        package.mkdir(exist_ok=True)
        (package / "bootstrap").write_text("#!/bin/sh\nsleep 1000\n")
        (package / "bootstrap").chmod(0o755)
        self.process = None

    def start(self):
        self.socket, theirs = socket.socketpair()
        read, self.lifetime = os.pipe()
        # Out of the way of the numbers that the helper expects.
        high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 100) for fd in (theirs.fileno(), read)]
        binary = MARTLET.parent / "martlet-sandbox"

        def place():
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)
        self.process = subprocess.Popen(
            [binary, "--data", self.data, "--home", binary.parent, "--instance", self.instance, "--uid-first", "1950000000", *self.arguments],
            preexec_fn=place, pass_fds=(3, 4), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        OWN[self.process.pid] = "helper"
        theirs.close()
        for fd in (read, *high):
            os.close(fd)
        assert receive(self.socket).op == READY
        return self

    def inits(self):
        """PID 1 of every sandbox."""
        return [p for p in processes.descendants(self.process.pid) if not p.zombie and p.inner_pid == 1]

    def alive(self):
        return self.process.poll() is None

    def end(self):
        if self.lifetime is not None:
            os.close(self.lifetime)
            self.lifetime = None

    def assert_ends(self, limit=60):
        self.end()
        below = processes.descendants(self.process.pid)
        self.process.wait(limit)
        self.process.stderr.close()
        wait_until(lambda: all(p.has_ended for p in below), 30, lambda: f"its sandboxes are gone: {below}")

    def close(self):
        if self.process is not None:
            self.end()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(60)
            if self.alive():
                self.process.kill()
                self.process.wait()
            OWN.pop(self.process.pid, None)
            self.socket.close()
