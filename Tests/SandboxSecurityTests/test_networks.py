"""A hostile function with a network: it cannot take another address or way, and what it forges reaches nobody. All of it in
namespaces of the test's own."""

import socket
import socketserver

import pytest

from harness.networks import inside, networks
from harness.processes import wait_until
from harness.world import world

pytestmark = pytest.mark.root

HOSTILE = """
import errno, fcntl, os, socket, struct

WEB, HOST = "203.0.113.80", "203.0.113.2"

def attempt(work):
    try:
        return f"done: {work()!r}"
    except OSError as error:
        return errno.errorcode.get(error.errno, type(error).__name__)

def netlink(kind, flags, body):
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as s:
        s.bind((0, 0))
        s.send(struct.pack("=IHHII", 16 + len(body), kind, flags | 5, 1, 0) + body)
        answer = s.recv(4096)
        error = struct.unpack("=i", answer[16:20])[0]
        if error:
            raise OSError(-error, "netlink")
        return error

def index(name="eth0"):
    return socket.if_nametoindex(name)

def address(kind=20):
    return netlink(kind, 0x600, struct.pack("=BBBBI", 2, 32, 0, 0, index()) + struct.pack("=HH4sHH4s", 8, 2, socket.inet_aton("198.18.0.77"), 8, 1, socket.inet_aton("198.18.0.77")))

def route(kind=24):
    return netlink(kind, 0x600, struct.pack("=BBBBBBBBI", 2, 32, 0, 0, 254, 4, 253, 1, 0) + struct.pack("=HH4sHHI", 8, 1, socket.inet_aton(HOST), 8, 4, index()))

def link():
    return netlink(16, 0, struct.pack("=BxHiII", 0, 0, index(), 0, 1))

def neighbour():
    return netlink(28, 0x500, struct.pack("=BxxxiHBB", 2, index(), 128, 0, 0) + struct.pack("=HH4s", 8, 1, socket.inet_aton("198.18.0.1")))

def udp(source=None, options=(), to=(WEB, 9999)):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        for level, name, value in options:
            s.setsockopt(level, name, value)
        if source:
            s.bind((source, 0))
        return s.sendto(b"forged", to)

def ioctl(request, name, value):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        return fcntl.ioctl(s, request, struct.pack("16sHH4s8s", name.encode(), socket.AF_INET, 0, socket.inet_aton(value), b"").ljust(40, b"\\0")) and 0

def setting(name):
    with open("/proc/sys/net/ipv4/" + name, "w") as file:
        return file.write("1")

def others_namespace():
    fd = os.open("/proc/1/ns/net", os.O_RDONLY)
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(fd, 0x40000000) or libc.unshare(0x40000000):
        raise OSError(ctypes.get_errno(), "setns")

ATTACKS = {
    "packet socket": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0x0300),
    "raw socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 255),
    "ping socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP),
    "own address": address, "no address": lambda: address(21), "own route": route, "no route": lambda: route(25), "link down": link, "neighbour": neighbour,
    "address by ioctl": lambda: ioctl(0x8916, "eth0", "198.18.0.77"), "flags by ioctl": lambda: ioctl(0x8914, "eth0", "0.0.0.0"),
    "another source": lambda: udp("198.18.0.77"),
    "another source, transparent": lambda: udp("198.18.0.77", [(0, 19, 1)]),
    "mark": lambda: udp(options=[(socket.SOL_SOCKET, 36, 1)]),
    "routing without the table": lambda: udp(options=[(socket.SOL_SOCKET, socket.SO_DONTROUTE, 1)], to=(HOST, 9999)),
    "forwarding": lambda: setting("conf/eth0/forwarding"), "nonlocal bind": lambda: setting("ip_nonlocal_bind"),
    "another namespace": others_namespace,
}
# The kernel lets these through; what they send must reach nobody.
SENT = {
    "another source, free": lambda: udp("198.18.0.77", [(0, 15, 1)]),
    "the host's source, free": lambda: udp(HOST, [(0, 15, 1)]),
    "source route": lambda: udp(options=[(0, 4, bytes([131, 7, 4]) + socket.inet_aton(HOST) + b"\\0")], to=(HOST, 9999)),
    "host": lambda: udp(to=(HOST, 9999)), "host inside": lambda: udp(to=("172.20.0.1", 9999)), "neighbour": lambda: udp(to=("172.20.0.9", 9999)),
    "metadata": lambda: udp(to=("169.254.169.254", 9999)), "gateway": lambda: udp(to=("198.18.0.1", 9999)), "by device": lambda: udp(options=[(socket.SOL_SOCKET, 25, b"eth0\\0")], to=(HOST, 9999)),
    "broadcast": lambda: udp(options=[(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)], to=("255.255.255.255", 9999)), "multicast": lambda: udp(to=("224.0.0.1", 9999)),
}

def handler(event, context):
    if event == "honest":
        return udp()
    return [{name: attempt(work) for name, work in ATTACKS.items()}, {name: attempt(work) for name, work in SENT.items()}]
"""


class Receiver(socketserver.BaseRequestHandler):
    def handle(self):
        self.server.heard.append(self.client_address[0])


@pytest.fixture(scope="module")
def net():
    with networks() as made:
        yield made


@pytest.fixture(scope="module")
def w(scratch, net):
    with world(scratch / "hostile-network", environment={"MARTLET_NETWORK_DEFAULT": "egress"}) as made:
        made.create("hostile", HOSTILE)
        yield made


def receivers(net):
    """Listening in each of the networks: UDP port 9999 of every address."""
    made = {}
    for name in (net.host, net.internet, net.neighbour):
        with inside(name):
            server = socketserver.ThreadingUDPServer(("0.0.0.0", 9999), Receiver)
        server.heard = []
        made[name] = net.serve(server)
    return made


def test_no_other_address_and_no_other_way(w, net):
    heard = receivers(net)
    refused, sent = w.call("hostile", "attack")
    assert not [f"{name}: {answer}" for name, answer in refused.items() if answer.startswith("done")]
    # Packets keep their order on the way to each: when the honest one is there, all that came before it are, too.
    assert w.call("hostile", "honest") == 6
    wait_until(lambda: heard[net.internet].heard, 60, "an honest packet arrives")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        own.sendto(b"own", (net.INNER_HOST, 9999))
        own.sendto(b"own", (net.NEIGHBOUR, 9999))
    wait_until(lambda: heard[net.host].heard and heard[net.neighbour].heard, 60, "the test's own packets arrive")
    assert heard[net.internet].heard == [net.HOST], sent
    assert heard[net.host].heard == [net.INNER_HOST] and heard[net.neighbour].heard == [net.INNER_HOST], sent
