"""What a server that was taken over may ask of the privileged helper and of a sandbox's init: no root's rights, no mount of
its choice, nobody else's process, and no way to outlive the supervisor."""

import contextlib
import os
import secrets
import signal
import socket
import struct
import subprocess
import time

import pytest

from harness.helper import (
    ADD_SLOT, ASSIGN, ASSIGNED, AUDIT, CREATE, DESTROY, EXEC, FORK, GONE, GOOD, KILL, KILL_LARGEST, NOT_ASSIGNED, SLOT_ADDED, START_TEMPLATE, STARTED,
    Helper, Sandbox, message, receive, words)
from harness.processes import wait_until
from harness.world import OWN

pytestmark = pytest.mark.root


@pytest.fixture
def helper(scratch):
    made = Helper(scratch / f"helper-{secrets.token_hex(4)}").start()
    yield made
    made.close()


def refused(helper, identifier=1, **options):
    answer = Sandbox(helper, identifier, **options).answer
    assert answer.value != 0, "was made"
    assert helper.alive()
    wait_until(lambda: not [p for p in helper.inits() if p.uid], 60, "no sandbox")
    return answer


def usable(helper, identifier=1000):
    """An honest request is still served."""
    sandbox = Sandbox(helper, identifier)
    assert sandbox.answer.value == 0, sandbox.answer.payload
    sandbox.slot(0)
    assert sandbox.run("echo yes").strip() == "yes"
    helper.socket.sendall(message(DESTROY, identifier))
    assert receive(helper.socket).op == GONE
    return sandbox


@pytest.mark.parametrize("request_", [
    dict(package="../" * 21 + "x"), dict(package="A" * 64), dict(package=GOOD[:-1]), dict(package=GOOD + "0"), dict(package="/" * 64),
    dict(package=GOOD + "A" * 64), dict(package=GOOD + GOOD[:-1]), dict(package=GOOD * 3), dict(package=GOOD + "../" * 21 + "x"),
    dict(package=GOOD + "cd" * 32), dict(package="cd" * 32 + GOOD),
    dict(package=GOOD.encode() + b"\0\nprovided"), dict(package=GOOD.encode()), dict(package=GOOD.encode() + b"\nprovided\nmore"), dict(package=b"\xff" * 64 + b"\nprovided"),
    dict(package="cd" * 32), dict(runtime="../../../../etc"), dict(runtime=""), dict(runtime="/"), dict(memory=0), dict(memory=2**63), dict(storage=0),
    dict(storage=2**40), dict(descriptors=0), dict(descriptors=2), dict(descriptors=4), dict(descriptors=12), dict(identifier=0xFFFFFFFF), dict(identifier=1 << 30),
], ids=repr)
def test_a_malformed_request_makes_nothing(helper, request_):
    refused(helper, **request_)
    usable(helper)


@pytest.mark.parametrize("trick", ["link", "links above", "file", "link to a file", "fifo"])
def test_only_real_packages_are_mounted(helper, trick):
    packages = helper.data / "packages"
    wanted = packages / ("cd" * 32)
    if trick == "link":
        wanted.symlink_to("/etc")
    elif trick == "links above":
        wanted.mkdir()
        packages.rename(helper.data / "other")
        packages.symlink_to("other")
    elif trick == "file":
        wanted.write_text("x")
    elif trick == "link to a file":
        wanted.symlink_to("/etc/shadow")
    else:
        os.mkfifo(wanted)
    refused(helper, package="cd" * 32)
    refused(helper, package=GOOD + "cd" * 32)
    if trick == "links above":
        packages.unlink()
        (helper.data / "other").rename(packages)
    usable(helper)


def test_layers_lie_under_opt_and_cannot_be_written(helper):
    layers = helper.data / "packages" / ("12" * 32)
    layers.mkdir()
    (layers / "tool").write_text("of a layer")
    (layers / "out").symlink_to("/etc/shadow")
    sandbox = Sandbox(helper, 1, package=GOOD + "12" * 32)
    assert sandbox.answer.value == 0, sandbox.answer.payload
    sandbox.slot(0)
    found = sandbox.run("cat /opt/tool; echo; cat /opt/out 2>/dev/null; (echo x > /opt/tool) 2>/dev/null; (echo x > /opt/new) 2>/dev/null; ls /opt")
    assert found.split("\n")[0] == "of a layer" and found.split("\n")[1:3] == ["out", "tool"], found
    assert (layers / "tool").read_text() == "of a layer"


def test_links_in_a_package_lead_nowhere_outside(helper):
    (helper.data / "packages" / GOOD / "out").symlink_to("/")
    (helper.data / "packages" / GOOD / "up").symlink_to("../../../../../../../..")
    (helper.data / "canary").write_text("not to be read")
    sandbox = Sandbox(helper, 1)
    sandbox.slot(0)
    found = sandbox.run("cat out/etc/shadow up/etc/shadow up%s/canary 2>/dev/null; cat out/etc/hostname 2>/dev/null; echo; ls -d out/root out/home up/boot 2>/dev/null" % helper.data)
    assert found.strip() == "", found


@pytest.mark.parametrize("trick", ["fifo", "link", "second name", "folder", "nonsense"])
def test_the_helpers_own_file_cannot_be_turned_against_it(scratch, trick):
    folder = scratch / f"uids-{secrets.token_hex(4)}"
    made = Helper(folder)
    victim = folder / "victim"
    victim.write_text("precious")
    uids = made.data / "uids"
    if trick == "fifo":
        os.mkfifo(uids)
    elif trick == "link":
        uids.symlink_to(victim)
    elif trick == "second name":
        os.link(victim, uids)
    elif trick == "folder":
        uids.mkdir()
    else:
        uids.write_bytes(b"-99999999999999999999\n\xff" * 10)
    try:
        made.start()
        usable(made)
        assert victim.read_text() == "precious"
    finally:
        made.close()


def test_commands_for_others_change_nothing(helper):
    canary = subprocess.Popen(["sleep", "1000"])
    OWN[canary.pid] = "canary"
    try:
        for identifier in (canary.pid, os.getpid(), helper.process.pid, 1, 0, 0xFFFFFFFF):
            helper.socket.sendall(message(DESTROY, identifier))
            helper.socket.sendall(message(ADD_SLOT, 0, value=identifier & 0x7FFFFFFF))
        for op in [*range(0, 64), *range(68, 120), 0xFFFFFFFF]:
            helper.socket.sendall(message(op, 1, -1, 2**64 - 1, 2**64 - 1, payload=b"x" * 100))
        sandbox = Sandbox(helper, 5)
        assert sandbox.answer.value == 0
        for index in (1024, 0xFFFFFFFF, 1 << 31):
            helper.socket.sendall(message(ADD_SLOT, index, value=5))
        # Twice the same one: the second is no second owner of its descriptors.
        for _ in range(3):
            sandbox.slot(7)
        assert sandbox.run("echo yes", slot=7).strip() == "yes"
        assert canary.poll() is None and helper.alive()
    finally:
        canary.kill()
        canary.wait()
        OWN.pop(canary.pid)


def assign(helper, identifier, package=GOOD, memory=128):
    helper.socket.sendall(message(ASSIGN, identifier, a=memory, payload=package if isinstance(package, bytes) else package.encode()))


@pytest.mark.parametrize("options", [
    dict(package="../" * 21 + "x"), dict(package="A" * 64), dict(package=GOOD[:-1]), dict(package=GOOD + "\n"), dict(package=""), dict(package="cd" * 32),
    dict(package="ef" * 32), dict(package=b"\xff" * 64), dict(memory=0), dict(memory=2**63), dict(identifier=2), dict(identifier=99), dict(identifier=0xFFFFFFFF),
], ids=repr)
def test_a_malformed_assignment_gives_a_spare_nothing(helper, options):
    (helper.data / "packages" / ("ef" * 32)).symlink_to("/etc")
    spare, other = Sandbox(helper, 1, package=""), Sandbox(helper, 2)
    assert spare.answer.value == 0 and other.answer.value == 0
    spare.slot(0)
    assign(helper, **{"identifier": 1, **options})
    answer = receive(helper.socket)
    assert (answer.op, answer.value != 0) == (NOT_ASSIGNED, True), answer.payload
    assert spare.run("ls /var/task").split() == ["lib"]
    other.slot(0)
    assert other.run("ls /var/task").split() == ["bootstrap"]
    assert helper.alive()


def test_a_spare_has_no_package_until_it_is_given_one_and_is_given_only_one(helper):
    another = helper.data / "packages" / ("cd" * 32)
    another.mkdir()
    (another / "other").write_text("secret of another function")
    spare = Sandbox(helper, 1, package="")
    assert spare.answer.value == 0
    assert receive_started(spare)
    assign(helper, 1)
    answer = spare.told()
    assert (answer.op, answer.value) == (ASSIGNED, 0)
    spare.slot(0)
    assert spare.run("ls /var/task").split() == ["bootstrap"]
    assert spare.run("echo x > /var/task/new; echo $?").split()[-1] != "0"
    assign(helper, 1, package="cd" * 32)
    assert receive(helper.socket).op == NOT_ASSIGNED
    assert spare.run("ls /var/task").split() == ["bootstrap"]


def receive_started(sandbox):
    """Starts something in the template's place: a package is given only to a runtime that waits for it."""
    ours, theirs = socket.socketpair()
    payload = words(["/bin/sleep", "1000"], ["PATH=/usr/bin:/bin"])
    read, write = os.pipe()
    socket.send_fds(sandbox.control, [message(START_TEMPLATE, 0xFFFFFFFF, payload=payload)], [theirs.fileno(), write])
    for fd in (read, write):
        os.close(fd)
    theirs.close()
    sandbox.kept = ours
    return sandbox.told().op == STARTED


def test_the_server_cannot_choose_a_uid_or_keep_a_right(helper):
    sandbox = Sandbox(helper, 1)
    uid = next(p.uid for p in helper.inits() if p.uid)
    assert 1950000000 <= uid < 1950065536
    sandbox.slot(0)
    status = dict(line.split(":\t", 1) for line in sandbox.run("cat /proc/self/status").splitlines() if ":\t" in line)
    assert status["NoNewPrivs"].strip() == "1" and status["Seccomp"].strip() == "2" and int(status["Seccomp_filters"]) >= 1
    for name in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
        assert int(status[name], 16) == 0, (name, status[name])
    assert sandbox.run("ls /proc/self/fd | wc -l; cat /proc/self/uid_map").split() == ["5", "993", str(uid), "1"]
    assert sandbox.run("ls /root /home /sys/fs /boot /run /srv 2>/dev/null; echo x > /var/task/x; cat /var/task/x 2>/dev/null").splitlines()[-1:] != ["x"]


@pytest.mark.parametrize("garbage", [
    b"", b"x", message(EXEC, 0)[:20], message(EXEC, 0, length=1000) + b"x" * 10, message(EXEC, 0, length=0xFFFFFFFF), b"\xff" * 4096,
    message(EXEC, 0, payload=struct.pack("<II", 0xFFFFFFFF, 0xFFFFFFFF)), message(EXEC, 0, payload=struct.pack("<II", 63, 63) + b"a\0"),
    message(EXEC, 0, payload=struct.pack("<II", 1, 0)), message(START_TEMPLATE, 0xFFFFFFFF, payload=words(["/bin/sh"])),
    message(KILL, 0xFFFFFFFF) + message(KILL, 1024) + message(KILL, 0) + message(KILL_LARGEST, 5, a=1) + message(FORK, 0) + message(AUDIT),
], ids=lambda g: repr(g[:8]) + str(len(g)))
def test_garbage_to_an_init_harms_its_own_sandbox_alone(helper, garbage):
    other = Sandbox(helper, 1)
    other.slot(0)
    victim = Sandbox(helper, 2)
    victim.slot(0)
    victim.control.sendall(garbage)
    assert other.run("echo yes").strip() == "yes"
    helper.socket.sendall(message(DESTROY, 2))
    assert receive(helper.socket).op == GONE
    assert other.run("echo yes").strip() == "yes"
    victim.control.close()


def test_an_init_that_is_held_up_holds_up_nobody_else(helper):
    victim = Sandbox(helper, 1)
    pid = victim.pid()
    os.kill(pid, signal.SIGSTOP)
    try:
        for index in range(1000):
            helper.socket.sendall(message(ADD_SLOT, index, value=1))
            assert receive(helper.socket).op == SLOT_ADDED
        usable(helper)
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_server_that_reads_nothing_does_not_keep_the_helper(helper):
    Sandbox(helper, 1)
    helper.socket.settimeout(1)
    with contextlib.suppress(OSError):
        for number in range(20000):
            helper.socket.sendall(message(CREATE, number, payload=b"malformed"))
    helper.assert_ends()


def test_half_a_message_does_not_keep_the_helper(helper):
    Sandbox(helper, 1)
    helper.socket.sendall(message(CREATE, 2, length=1000) + b"x" * 3)
    helper.assert_ends()


def test_a_message_in_crumbs_does_not_keep_the_helper(helper):
    Sandbox(helper, 1)
    begin = time.monotonic()
    with contextlib.suppress(OSError):
        for number, byte in enumerate(message(CREATE, 2, length=4000) + b"x" * 4000):
            helper.socket.send(bytes([byte]))
            time.sleep(0.3)
            if number == 3:
                helper.end()
            if not helper.alive():
                break
            assert time.monotonic() - begin < 60
    helper.process.wait(60)


def test_a_server_that_closes_its_line_leaves_nothing(helper):
    Sandbox(helper, 1)
    below = helper.inits()
    helper.socket.close()
    helper.process.wait(60)
    wait_until(lambda: all(p.has_ended for p in below), 60, lambda: f"no sandbox: {below}")
