"""What the helper changes of the host's network, beside others who change it as well, and what it gives to whom. All of it in
namespaces of the test's own."""

import contextlib
import errno
import fcntl
import os
import secrets
import socket

import pytest

from harness.helper import CONNECT, CONNECTED, Helper, Sandbox, message, receive
from harness.networks import networks, run
from harness.processes import network_interfaces, wait_until

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def net():
    with networks() as made:
        yield made


@pytest.fixture
def start(scratch, net):
    """Starts helpers; they end with the test, and then nothing of theirs is left."""
    with contextlib.ExitStack() as stack:
        def begin(instance=None, *arguments):
            made = Helper(scratch / f"network-{secrets.token_hex(4)}", instance, arguments)
            stack.callback(made.close)
            return made.start()
        yield begin
    assert (tables(), links(), forwarding("up0"), forwarding("lan0")) == ([], [], "0", "0")


def number_of(instance):
    """The first of the numbers that the helper asks for."""
    value = 2166136261
    for byte in instance.encode():
        value = (value ^ byte) * 16777619 % 2**32
    return (value >> 16 ^ value) & 0xFFFF


def record(number):
    return f"/run/martlet-egress-{number:04x}"


def tables():
    return sorted(line.split()[2] for line in run("nft", "list", "tables").splitlines() if "martlet_" in line)


def links(number=None):
    return sorted(name for name in network_interfaces() if name.startswith("mt" if number is None else f"mt{number:04x}-"))


def forwarding(interface, value=None):
    with open(f"/proc/sys/net/ipv4/conf/{interface}/forwarding", "r" if value is None else "w") as file:
        return file.read().strip() if value is None else file.write(value)


def connected(helper, number, identifier=1):
    """A sandbox with egress, when its first network is made."""
    sandbox = Sandbox(helper, identifier, egress=True)
    assert sandbox.answer.value == 0, sandbox.answer.payload
    # It ends with its control channel.
    helper.sandboxes = [sandbox]
    wait_until(lambda: links(number), 60, lambda: f"interfaces of {number:04x}: {links()}")
    return sandbox


def test_servers_whose_names_come_to_the_same_number_do_not_meet(start):
    # A number that no server of another test run has, nor the next one.
    names = (f"first-{secrets.token_hex(4)}" for _ in range(1000))
    first = next(name for name in names if not any(os.path.exists(record(number_of(name) + n & 0xFFFF)) for n in range(2)))
    second = next(name for name in (f"second-{n}" for n in range(2**22)) if number_of(name) == number_of(first))
    one, other = number_of(first), (number_of(first) + 1) & 0xFFFF
    here, beside = start(first), start(second)
    connected(here, one)
    connected(beside, other)
    assert tables() == sorted([f"martlet_{one:04x}", f"martlet_{other:04x}"])
    here.assert_ends()
    assert tables() == [f"martlet_{other:04x}"] and links(other) and not links(one)
    assert not os.path.exists(record(one)) and os.stat(record(other)).st_mode & 0o777 == 0o600


def test_what_a_killed_server_left_is_undone_by_whoever_starts_next(start, net):
    """Not what another holds, nor what lies in another network namespace."""
    first = 0x1000 + secrets.randbelow(0xe000)
    left, held, elsewhere = range(first, first + 3)
    here = os.stat("/proc/self/ns/net").st_ino
    try:
        for number in (left, held, elsewhere):
            run("nft", "add", "table", "inet", f"martlet_{number:04x}")
            with open(record(number), "w") as file:
                file.write(f"instance gone\nnamespace {here + (number == elsewhere)}\nopened {'up0' if number == left else 'lan0'}\n")
        forwarding("up0", "1")
        forwarding("lan0", "1")
        with open(record(held), "r+") as holder:
            fcntl.flock(holder, fcntl.LOCK_EX)
            start()
            assert tables() == [f"martlet_{held:04x}", f"martlet_{elsewhere:04x}"]
            assert (forwarding("up0"), forwarding("lan0")) == ("0", "1")
            assert [os.path.exists(record(number)) for number in (left, held, elsewhere)] == [False, True, True]
    finally:
        forwarding("lan0", "0")
        for number in (left, held, elsewhere):
            run("nft", "delete", "table", "inet", f"martlet_{number:04x}", check=False)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(record(number))


def test_who_ends_takes_nobody_elses_forwarding(start):
    instances = [f"beside-{secrets.token_hex(4)}" for _ in range(2)]
    one, other = (start(instance) for instance in instances)
    connected(one, number_of(instances[0]))
    connected(other, number_of(instances[1]))
    assert forwarding("up0") == "1"
    one.assert_ends()
    # Nobody asks the other for anything.
    wait_until(lambda: forwarding("up0") == "1", 60, "the other lets it forward again")
    assert "up0" in run("nft", "list", "set", "inet", tables()[0], "opened")


def test_a_host_that_was_a_router_and_is_none_again_forwards_for_functions(start):
    instance = f"router-{secrets.token_hex(4)}"
    connected(start(instance), number_of(instance))
    opened = ["nft", "list", "set", "inet", f"martlet_{number_of(instance):04x}", "opened"]
    forwarding("all", "1")
    try:
        wait_until(lambda: "up0" not in run(*opened), 60, "whoever made it a router decides what it forwards")
    finally:
        forwarding("all", "0")
    assert links()
    wait_until(lambda: {forwarding(name) for name in ["up0", *links()]} == {"1"}, 60, lambda: f"forwarding: {[forwarding(name) for name in links()]}")
    wait_until(lambda: "up0" in run(*opened), 60, "nothing else is forwarded")
    assert forwarding("all") == forwarding("lan0") == "0"


def ask(sandbox, path):
    """As init asks for a way out of the network namespace at `path`. The helper's answer."""
    with sandbox.taken_over() as (line, pid):
        namespace = os.open(path.format(pid=pid), os.O_RDONLY)
        try:
            socket.send_fds(line, [message(CONNECT, 77)], [namespace])
        finally:
            os.close(namespace)
        while (answer := receive(line)).slot != 77:
            pass
        assert answer.op == CONNECTED
        return answer.value


def test_who_was_not_granted_a_network_gets_none(start):
    helper = start()
    sandbox = Sandbox(helper, 1)
    assert ask(sandbox, "/proc/{pid}/ns/net") == errno.EPERM
    assert not links() and not tables() and helper.alive()


def test_a_namespace_gets_one_way_out(start):
    """Who asks again does not use up the range's thirteen addresses."""
    instance = f"again-{secrets.token_hex(4)}"
    sandbox = connected(start(instance, "--egress-range", "198.18.0.0/28"), number_of(instance))
    before = links()
    assert [ask(sandbox, "/proc/{pid}/ns/net") for _ in range(20)] == [errno.EALREADY] * 20
    assert links() == before
    assert ask(sandbox, "/proc/{pid}/status") == errno.EBADF
