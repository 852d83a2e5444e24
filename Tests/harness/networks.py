"""Networks of a test's own: namespaces that play a host, the internet behind it and a neighbour in its private network.
Nothing in here touches the machine's own network."""

import contextlib
import ctypes
import http.server
import os
import socket
import socketserver
import struct
import subprocess
import threading
import uuid

CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)


def enter(path):
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if LIBC.setns(descriptor, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"setns({path})")
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def inside(name):
    """This thread, and what it starts, in the named namespace."""
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        enter(f"/run/netns/{name}")
        yield
    finally:
        if LIBC.setns(before, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns back")
        os.close(before)


def run(*words, check=True):
    result = subprocess.run(words, capture_output=True, text=True)
    if check and result.returncode != 0:
        raise AssertionError(f"{' '.join(words)}: {result.stdout}{result.stderr}")
    return result.stdout


class Web(http.server.BaseHTTPRequestHandler):
    """Answers with the caller's address; keeps the paths it was asked for."""
    protocol_version = "HTTP/1.0"

    def do_GET(self):
        self.server.paths.append(self.path)
        said = self.server.say.get(self.path, self.client_address[0]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_):
        pass


class WebServer(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True

    def __init__(self, address):
        self.paths, self.say = [], {}
        super().__init__(address, Web)

    def server_bind(self):
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]


class Names(socketserver.BaseRequestHandler):
    """A name server that knows the names it was given."""

    def handle(self):
        query, connection = self.request
        end = query.index(b"\0", 12)
        labels, at = [], 12
        while at < end:
            labels.append(query[at + 1:at + 1 + query[at]].decode())
            at += 1 + query[at]
        kind = struct.unpack("!H", query[end + 1:end + 3])[0]
        address = self.server.names.get(".".join(labels).lower()) if kind == 1 else None
        known = ".".join(labels).lower() in self.server.names
        head = query[:2] + struct.pack("!HHHHH", 0x8180 if known else 0x8183, 1, 1 if address else 0, 0, 0)
        answer = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 1, 4) + socket.inet_aton(address) if address else b""
        connection.sendto(head + query[12:end + 5] + answer, self.client_address)


class Networks:
    """
    `host` (203.0.113.2; 172.20.0.1 towards its neighbour) reaches everything through `internet`, which is 203.0.113.1 and also
    has a web server at 203.0.113.80, one at a private and one at the metadata address, and a name server at a private one.
    `neighbour` is 172.20.0.9 in the host's private network.
    """

    HOST, WEB, PRIVATE, NAMES, METADATA = "203.0.113.2", "203.0.113.80", "10.9.9.9", "10.9.9.53", "169.254.169.254"
    INNER_HOST, NEIGHBOUR = "172.20.0.1", "172.20.0.9"

    def __init__(self):
        mark = uuid.uuid4().hex[:6]
        self.host, self.internet, self.neighbour = (f"mt-test-{part}-{mark}" for part in ("host", "net", "lan"))
        self.servers = []

    def make(self):
        for name in (self.host, self.internet, self.neighbour):
            run("ip", "netns", "add", name)
            run("ip", "-n", name, "link", "set", "lo", "up")
        for name, other, own, theirs in ((self.internet, "up0", "203.0.113.1/24", "203.0.113.2/24"), (self.neighbour, "lan0", "172.20.0.9/24", "172.20.0.1/24")):
            run("ip", "-n", self.host, "link", "add", other, "type", "veth", "peer", "name", "eth0", "netns", name)
            for at, link, address in ((self.host, other, theirs), (name, "eth0", own)):
                run("ip", "-n", at, "addr", "add", address, "dev", link)
                run("ip", "-n", at, "link", "set", link, "up")
        run("ip", "-n", self.host, "route", "add", "default", "via", "203.0.113.1")
        # Both would send anything to the host, if the host forwarded it.
        run("ip", "-n", self.internet, "route", "add", "172.20.0.0/24", "via", self.HOST)
        run("ip", "-n", self.neighbour, "route", "add", "default", "via", self.INNER_HOST)
        for address in (self.WEB, self.PRIVATE, self.NAMES, self.METADATA):
            run("ip", "-n", self.internet, "addr", "add", f"{address}/32", "dev", "eth0")
        with inside(self.internet):
            self.web = self.serve(WebServer(("0.0.0.0", 80)))
            names = socketserver.ThreadingUDPServer((self.NAMES, 53), Names)
            names.names = {"web.test": self.WEB, "private.test": self.PRIVATE}
            self.serve(names)
        with inside(self.host):
            self.canary = self.serve(WebServer(("0.0.0.0", 8080)))
        with inside(self.neighbour):
            self.neighbours_web = self.serve(WebServer(("0.0.0.0", 80)))

    def serve(self, server):
        server.daemon_threads = True
        self.servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return server

    def remove(self):
        for server in self.servers:
            server.shutdown()
            server.server_close()
        for name in (self.host, self.internet, self.neighbour):
            run("ip", "netns", "delete", name, check=False)


@contextlib.contextmanager
def networks():
    made = Networks()
    try:
        made.make()
        with inside(made.host):
            yield made
    finally:
        made.remove()


def reaches(address, port=80, limit=5):
    """From where this thread is."""
    try:
        with socket.create_connection((address, port), limit):
            return True
    except OSError:
        return False
