"""A newer program in the place of one that serves."""

import collections
import os
import shutil
import signal
import socket
import subprocess
import threading

import pytest

from harness.processes import wait_until
from harness.world import ECHO, MARTLET, World, free_port, world


@pytest.fixture
def own(scratch):
    """A server whose program's files are its own to be replaced."""
    home = scratch / "program"
    home.mkdir()
    try:
        for name in os.listdir(MARTLET.parent):
            path = MARTLET.parent / name
            if path.is_file() and (name in ("martlet", "martlet-sandbox") or path.suffix == ".so") or name.endswith(".resources"):
                (shutil.copytree if path.is_dir() else shutil.copy2)(path, home / name)
        with world(scratch / "upgraded", binary=home / "martlet") as made:
            made.create("echo", ECHO)
            yield made
    finally:
        shutil.rmtree(home)


def replace(w):
    new = w.binary.with_name("martlet.new")
    shutil.copy2(MARTLET, new)
    os.replace(new, w.binary)


def upgrade(w, check=True, *arguments):
    return w.cli("upgrade", "--data", str(w.data), *arguments, check=check)


def test_no_request_is_lost_and_the_next_program_knows_all(own):
    w = own
    going, statuses, answered, faults = threading.Event(), [], [], []

    def ask():
        number = 0
        while not going.is_set():
            number += 1
            try:
                answer = w.invoke("echo", {"n": number})
                statuses.append((answer.status, answer.json == {"n": number} or answer.text))
                answered.append(answer.request_id)
            except OSError as fault:
                faults.append(repr(fault))
    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(3):
            seen = len(statuses)
            wait_until(lambda: len(statuses) > seen + 20, 60, "requests before it")
            replace(w)
            assert "the new program serves" in upgrade(w).stdout
            seen = len(statuses)
            wait_until(lambda: len(statuses) > seen + 20, 60, "requests after it")
    finally:
        going.set()
        for thread in threads:
            thread.join()
    assert not faults and set(statuses) == {(200, True)}, (faults[:3], set(statuses))
    billed = collections.Counter(row["requestId"] for row in w.records("echo"))
    assert {billed[request] for request in answered} == {1}, "each is billed once, by whichever program ran it"
    assert w.process.poll() is None, "the process stays the same, so its manager sees no end"


def test_a_program_that_does_not_start_is_left_alone(own):
    w = own
    w.binary.with_name("martlet.new").write_text("#!/bin/sh\nexit 3\n")
    w.binary.with_name("martlet.new").chmod(0o755)
    os.replace(w.binary.with_name("martlet.new"), w.binary)
    os.kill(w.process.pid, signal.SIGUSR1)
    wait_until(lambda: "does not run here (status 3)" in w.log_text(), 60, "the refusal in the log")
    assert w.call("echo", {"a": 1}) == {"a": 1}
    replace(w)
    assert "the new program serves" in upgrade(w).stdout
    assert w.call("echo", {"a": 2}) == {"a": 2}


def test_a_server_that_restarts_itself_finds_its_replaced_program(own):
    w = own
    replace(w)
    os.kill(w.family().server, 9)
    wait_until(lambda: w.health() == 200 and w.family().server is not None, 60, "health again")
    assert w.call("echo", {"a": 1}) == {"a": 1}


def test_nobody_to_upgrade_is_said(scratch):
    w = World(scratch / "none")
    answer = upgrade(w, check=False)
    assert answer.returncode == 1 and "no server runs on" in answer.stderr


def handed(w, listening, **environment):
    """The server as a service manager starts it: with its socket as descriptor 3."""
    line = ["bash", "-c", 'export LISTEN_PID=$$ LISTEN_FDS=1; exec "$@" 3<&%d' % listening.fileno(), "bash", *w.command()]
    with open(w.log_path, "ab") as log:
        return subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, pass_fds=[listening.fileno()], cwd="/")


def test_the_socket_may_come_from_the_service_manager(scratch):
    w = World(scratch / "handed")
    with socket.create_server(("127.0.0.1", w.port)) as listening:
        with socket.create_connection(("127.0.0.1", w.port)) as early:
            early.sendall(b"GET /martlet/v1/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            w.process = handed(w, listening)
            try:
                early.settimeout(60)
                assert early.recv(20).startswith(b"HTTP/1.1 "), "who came before it is answered"
                w.wait_healthy()
            finally:
                w.stop()


def test_a_socket_of_another_address_is_refused(scratch):
    w = World(scratch / "other")
    with socket.create_server(("127.0.0.1", free_port())) as listening:
        process = handed(w, listening)
        assert process.wait(60) == 1 and "give both the same address" in w.log_text()
