"""The ways from one invocation to another, of the process, the kernel and the network.

With LEAKPROBE_IMPORT=1 more are opened at import: what a copy of an initialised process would share with its siblings
whatever namespaces it has. A platform that copies such a process hands data from one request to the next.
"""

import builtins
import ctypes
import fcntl
import mmap
import os
import resource
import signal
import socket
import struct
import sys
import tempfile
import threading
import time

PREFIX = "leakprobe-"
TCP_PORT = 47111
UDP_PORT = 47112
ABSTRACT_NAME = "\0leakprobe"
IPC_KEY = 0x6C65616B
SIZE = 4096

libc = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_void_p


class Unavailable(Exception):
    """The sandbox does not have or does not allow this: nothing can leak that way."""


class Channel:
    """`look` yields what is there and should not be; `mark` leaves the request ID behind."""

    @property
    def name(self):
        return type(self).__name__

    def look(self):
        return ()

    def mark(self, request_id):
        raise Unavailable

    def found(self):
        try:
            return ["%s: %s" % (self.name, what) for what in self.look()]
        except (OSError, Unavailable):
            return []

    def marked(self, request_id):
        try:
            self.mark(request_id)
            return True
        except (OSError, Unavailable, ValueError):
            return False


def call(function, *arguments):
    """A call of the C library; Unavailable when it fails for lack of support or of a right, OSError otherwise."""
    ctypes.set_errno(0)
    result = function(*arguments)
    if result in (-1, ctypes.c_void_p(-1).value):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def read(path):
    with open(path, "rb") as file:
        return file.read(1 << 20).decode("utf-8", "replace")


# The process


class Globals(Channel):
    left = []

    def look(self):
        return list(self.left)

    def mark(self, request_id):
        self.left.append(request_id)


class Builtins(Channel):
    def look(self):
        if hasattr(builtins, "leakprobe"):
            yield builtins.leakprobe
        yield from (name for name in sys.modules if name.startswith(PREFIX))
        yield from (entry for entry in sys.path if PREFIX in entry)

    def mark(self, request_id):
        builtins.leakprobe = request_id
        sys.modules[PREFIX + request_id] = sys
        sys.path.append("/" + PREFIX + request_id)


class Environment(Channel):
    # Set by the runtime for each request, or for each environment: nobody may have another's keys.
    changing = {"_X_AMZN_TRACE_ID", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_CREDENTIAL_EXPIRATION"}
    at_start = dict(os.environ)

    def look(self):
        for name in set(os.environ) | set(self.at_start):
            if name not in self.changing and os.environ.get(name) != self.at_start.get(name):
                yield "%s=%s" % (name, os.environ.get(name))

    def mark(self, request_id):
        os.environ["LEAKPROBE_MARK"] = request_id


class WorkingFolder(Channel):
    at_start = os.getcwd()

    def look(self):
        if os.getcwd() != self.at_start:
            yield os.getcwd()

    def mark(self, request_id):
        folder = tempfile.mkdtemp(prefix=PREFIX + request_id + "-", dir="/tmp")
        os.chdir(folder)


class FileMask(Channel):
    unusual = 0o137

    def look(self):
        mask = os.umask(0o22)
        os.umask(mask)
        if mask == self.unusual:
            yield oct(mask)

    def mark(self, request_id):
        os.umask(self.unusual)


class SignalHandler(Channel):
    def look(self):
        if signal.getsignal(signal.SIGUSR2) != signal.SIG_DFL:
            yield repr(signal.getsignal(signal.SIGUSR2))
        if signal.SIGUSR1 in signal.pthread_sigmask(signal.SIG_BLOCK, ()):
            yield "a signal is blocked"
        if signal.getitimer(signal.ITIMER_REAL) != (0.0, 0.0):
            yield "an alarm is set"

    def mark(self, request_id):
        signal.signal(signal.SIGUSR2, lambda number, frame: request_id)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
        signal.setitimer(signal.ITIMER_REAL, 3000)


class Limits(Channel):
    unusual_files = 777
    unusual_nice = 7

    def look(self):
        if resource.getrlimit(resource.RLIMIT_NOFILE)[0] == self.unusual_files:
            yield "open files"
        if os.nice(0) == self.unusual_nice:
            yield "nice"

    def mark(self, request_id):
        resource.setrlimit(resource.RLIMIT_NOFILE, (self.unusual_files, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        os.nice(self.unusual_nice - os.nice(0))


class ThreadName(Channel):
    def look(self):
        name = read("/proc/self/comm").strip()
        if name.startswith("lp-"):
            yield name

    def mark(self, request_id):
        with open("/proc/self/comm", "w") as file:
            file.write("lp-" + request_id[:12])


class Processes(Channel):
    """Other processes than this one and those it comes from."""

    def look(self):
        expected = {1}
        pid = os.getpid()
        while pid > 1:
            expected.add(pid)
            pid = int(read("/proc/%d/stat" % pid).rpartition(")")[2].split()[1])
        for entry in os.listdir("/proc"):
            if entry.isdigit() and int(entry) not in expected:
                try:
                    yield "%s %s" % (entry, read("/proc/%s/cmdline" % entry).replace("\0", " "))
                except OSError:
                    # It ended just now; it was there all the same.
                    yield entry

    def mark(self, request_id):
        child = os.fork()
        if child == 0:
            # A daemon: nobody's child, no terminal, all the inherited descriptors still open.
            try:
                os.setsid()
                if os.fork() == 0:
                    time.sleep(3600)
            finally:
                os._exit(0)
        os.waitpid(child, 0)


class Threads(Channel):
    def look(self):
        count = len(os.listdir("/proc/self/task"))
        if count > 1:
            yield "%d threads" % count

    def mark(self, request_id):
        threading.Thread(target=time.sleep, args=(3600,), name=PREFIX + request_id, daemon=True).start()


class Descriptors(Channel):
    at_start = {int(name) for name in os.listdir("/proc/self/fd")}
    opened = set()

    def look(self):
        for name in os.listdir("/proc/self/fd"):
            if int(name) not in self.at_start | self.opened:
                try:
                    yield "%s -> %s" % (name, os.readlink("/proc/self/fd/" + name))
                except FileNotFoundError:
                    # The listing's own.
                    continue

    def mark(self, request_id):
        file = os.open("/dev/null", os.O_RDONLY)
        os.dup2(file, 90)
        os.close(file)


class Machine(Channel):
    """The host name belongs to the sandbox of the function; an invocation must not be able to change it."""

    def look(self):
        if os.uname().nodename.startswith(PREFIX):
            yield os.uname().nodename

    def mark(self, request_id):
        socket.sethostname(PREFIX + request_id[:20])


# Files


class Files(Channel):
    empty = ("/tmp", "/dev/shm", "/dev/mqueue", "/var/tmp")
    others = ("/", "/dev", "/run", "/opt", "/home", "/var", "/var/task", "/var/runtime", "/etc", "/usr")

    def look(self):
        for folder in self.empty + self.others:
            try:
                names = os.listdir(folder)
            except OSError:
                continue
            for name in names:
                path = os.path.join(folder, name)
                if os.path.realpath(path) not in OWN_FILES and (folder in self.empty or name.startswith(PREFIX)):
                    yield path

    def mark(self, request_id):
        count = 0
        for folder in self.empty + self.others:
            try:
                with open(os.path.join(folder, PREFIX + request_id), "x") as file:
                    file.write(request_id)
                count += 1
            except OSError:
                pass
        if count == 0:
            raise Unavailable


class CodeFolder(Channel):
    """The function's own code: it could carry a message in a file, in a time stamp or in an attribute."""

    path = os.path.abspath(__file__)
    at_start = os.stat(path)

    def look(self):
        now = os.stat(self.path)
        if (now.st_mtime_ns, now.st_mode, now.st_size) != (
            self.at_start.st_mtime_ns,
            self.at_start.st_mode,
            self.at_start.st_size,
        ):
            yield "changed"
        yield from (name for name in os.listxattr(self.path) if name.startswith("user.leakprobe"))

    def mark(self, request_id):
        try:
            os.setxattr(self.path, "user.leakprobe", request_id.encode())
        except OSError:
            os.utime(self.path)


# System V and POSIX IPC


class SystemVLists(Channel):
    """Whatever is in this IPC namespace."""

    def look(self):
        for kind in ("shm", "sem", "msg"):
            for line in read("/proc/sysvipc/" + kind).splitlines()[1:]:
                if int(line.split()[1]) not in OWN_IPC:
                    yield "%s %s" % (kind, " ".join(line.split()[:4]))

    def mark(self, request_id):
        """The three that follow fill the lists."""


class SystemVSharedMemory(Channel):
    def look(self):
        identifier = call(libc.shmget, IPC_KEY, SIZE, 0)
        address = call(libc.shmat, identifier, None, 0)
        yield ctypes.string_at(address).decode("utf-8", "replace")
        call(libc.shmdt, ctypes.c_void_p(address))

    def mark(self, request_id):
        identifier = call(libc.shmget, IPC_KEY, SIZE, 0o1600)
        address = call(libc.shmat, identifier, None, 0)
        ctypes.memmove(address, request_id.encode() + b"\0", len(request_id) + 1)


class SystemVSemaphore(Channel):
    SETVAL, GETVAL = 16, 12

    def look(self):
        yield "value %d" % call(libc.semctl, call(libc.semget, IPC_KEY, 1, 0), 0, self.GETVAL)

    def mark(self, request_id):
        call(libc.semctl, call(libc.semget, IPC_KEY, 1, 0o1600), 0, self.SETVAL, 7)


class SystemVMessages(Channel):
    def look(self):
        yield "a queue with identifier %d" % call(libc.msgget, IPC_KEY, 0)

    def mark(self, request_id):
        queue = call(libc.msgget, IPC_KEY, 0o1600)
        message = ctypes.create_string_buffer((1).to_bytes(8, sys.byteorder) + request_id.encode())
        call(libc.msgsnd, queue, message, len(request_id), 0o4000)


class POSIXMessages(Channel):
    queue_name = b"/leakprobe"

    def _open(self, flags):
        if not hasattr(libc, "mq_open"):
            raise Unavailable
        return call(libc.mq_open, self.queue_name, flags | os.O_NONBLOCK, 0o600, None)

    def look(self):
        queue = self._open(os.O_RDWR)
        yield "a queue of this name"
        os.close(queue)

    def mark(self, request_id):
        queue = self._open(os.O_RDWR | os.O_CREAT)
        call(libc.mq_send, queue, request_id.encode(), len(request_id), 0)
        os.close(queue)


class Keyring(Channel):
    """Keyrings have no namespace of their own; only seccomp keeps them apart."""

    rings = {"thread": -1, "process": -2, "session": -3, "user": -4, "user session": -5}
    ADD_KEY, KEYCTL, SEARCH, READ = {
        "x86_64": (248, 250, 10, 11),
        "aarch64": (217, 219, 10, 11),
    }.get(os.uname().machine, (None, None, None, None))

    def look(self):
        if self.ADD_KEY is None:
            raise Unavailable
        for ring, number in self.rings.items():
            try:
                call(libc.syscall, self.KEYCTL, self.SEARCH, number, b"user", b"leakprobe", 0)
                yield ring
            except OSError:
                continue

    def mark(self, request_id):
        if self.ADD_KEY is None:
            raise Unavailable
        added = 0
        for number in self.rings.values():
            try:
                call(libc.syscall, self.ADD_KEY, b"user", b"leakprobe", request_id.encode(), len(request_id), number)
                added += 1
            except OSError:
                continue
        if added == 0:
            raise Unavailable


# The network


class AbstractSocket(Channel):
    kept = []

    def look(self):
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(ABSTRACT_NAME)
                yield "connected to it"
            except OSError:
                pass
        yield from (line for line in read("/proc/net/unix").splitlines() if "leakprobe" in line)

    def mark(self, request_id):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(ABSTRACT_NAME)
        listener.listen()
        self.kept.append(listener)


class Ports(Channel):
    """Connections, listeners and TIME_WAIT in this network namespace."""

    kept = []

    def look(self):
        for protocol in ("tcp", "udp", "tcp6", "udp6"):
            try:
                lines = read("/proc/net/" + protocol).splitlines()[1:]
            except OSError:
                continue
            for line in lines:
                entry = "%s %s %s state %s" % (protocol, *line.split()[1:4])
                if entry not in self.platforms():
                    yield entry

    @staticmethod
    def platforms():
        """The listeners of the platform: for calls to it, and the Runtime API's. They are made with the network, before any of
        the function's code runs."""
        ports = [os.environ.get(name, "").rpartition(":")[2] for name in ("AWS_ENDPOINT_URL", "AWS_LAMBDA_RUNTIME_API")]
        return {"tcp 0100007F:%04X 00000000:0000 state 0A" % int(port) for port in ports if port.isdigit()}

    def mark(self, request_id):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", TCP_PORT))
        listener.listen()
        client = socket.create_connection(("127.0.0.1", TCP_PORT), 1)
        server, _ = listener.accept()
        server.sendall(request_id.encode())
        # The side that closes first stays in TIME_WAIT for a minute.
        server.close()
        client.recv(SIZE)
        client.close()
        datagram = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        datagram.bind(("127.0.0.1", UDP_PORT))
        datagram.sendto(request_id.encode(), ("127.0.0.1", UDP_PORT))
        self.kept += [listener, datagram]


class TrafficCounters(Channel):
    """What went over the loopback interface, and every counter of the network: all are 0 where nothing was sent."""

    constant = {"Forwarding", "DefaultTTL", "RtoAlgorithm", "RtoMin", "RtoMax", "MaxConn"}

    def look(self):
        for line in read("/proc/net/dev").splitlines()[2:]:
            name, _, numbers = line.partition(":")
            values = numbers.split()
            if name.strip() == "lo" and (values[0], values[8]) != ("0", "0"):
                yield "lo received %s and sent %s bytes" % (values[0], values[8])
        for file in ("snmp", "netstat"):
            lines = [line.split() for line in read("/proc/net/" + file).splitlines()]
            for names, values in zip(lines[::2], lines[1::2]):
                for name, value in zip(names[1:], values[1:]):
                    if name not in self.constant and value != "0":
                        yield "%s %s %s" % (names[0], name, value)
        if os.path.exists("/proc/net/snmp6"):
            yield from (line for line in read("/proc/net/snmp6").splitlines() if line.split()[1] != "0")

    def mark(self, request_id):
        """`Ports` and `Multicast` move them."""


class Multicast(Channel):
    """A group that was joined is reported up to a second later, also when nobody is left in it: counters move."""

    kept = []

    def look(self):
        """`TrafficCounters` sees it."""
        return ()

    def mark(self, request_id):
        joined = 0
        for family, level, option, membership in (
            (socket.AF_INET, socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton("239.1.2.3") + socket.inet_aton("127.0.0.1")),
            (socket.AF_INET6, socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, socket.inet_pton(socket.AF_INET6, "ff02::1234") + struct.pack("i", 1)),
        ):
            try:
                member = socket.socket(family, socket.SOCK_DGRAM)
                member.setsockopt(level, option, membership)
            except OSError:
                continue
            self.kept.append(member)
            joined += 1
        if not joined:
            raise Unavailable


class FlowLabels(Channel):
    """IPv6 flow labels stay with the network namespace for up to a minute after their socket, and no packet is sent."""

    manager = 32

    def look(self):
        if os.path.exists("/proc/net/ip6_flowlabel"):
            yield from read("/proc/net/ip6_flowlabel").splitlines()[1:]

    def mark(self, request_id):
        label = socket.htonl(int(request_id[:5], 16) or 1)
        # struct in6_flowlabel_req: ::1, label, get, exclusive, create, no expiry, a minute to linger
        request = struct.pack("16sIBBHHHI", socket.inet_pton(socket.AF_INET6, "::1"), label, 0, 1, 1, 0, 60, 0)
        owner = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        try:
            owner.setsockopt(socket.IPPROTO_IPV6, self.manager, request)
        except OSError:
            raise Unavailable
        finally:
            owner.close()


# What was made at import, before the first request.
OWN_FILES = set()
OWN_IPC = set()


# Opened at import


class SharedMapping(Channel):
    def __init__(self):
        self.memory = mmap.mmap(-1, SIZE)

    def look(self):
        content = self.memory[:].rstrip(b"\0")
        if content:
            yield content.decode("utf-8", "replace")

    def mark(self, request_id):
        self.memory[: len(request_id)] = request_id.encode()


class MemoryFile(SharedMapping):
    def __init__(self):
        self.descriptor = os.memfd_create("leakprobe")
        os.ftruncate(self.descriptor, SIZE)
        self.memory = mmap.mmap(self.descriptor, SIZE)


class SystemVAttached(SharedMapping):
    def __init__(self):
        identifier = call(libc.shmget, 0, SIZE, 0o1600)
        OWN_IPC.add(identifier)
        address = call(libc.shmat, identifier, None, 0)
        self.memory = (ctypes.c_char * SIZE).from_address(address)


class POSIXSharedMemory(SharedMapping):
    def __init__(self):
        descriptor, path = tempfile.mkstemp(prefix=PREFIX, dir="/dev/shm")
        OWN_FILES.add(os.path.realpath(path))
        os.ftruncate(descriptor, SIZE)
        self.memory = mmap.mmap(descriptor, SIZE)


class Pipe(Channel):
    def __init__(self):
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)
        os.set_blocking(self.writer, False)

    def look(self):
        yield os.read(self.reader, SIZE).decode("utf-8", "replace")

    def mark(self, request_id):
        os.write(self.writer, request_id.encode())


class SocketPair(Pipe):
    def __init__(self):
        pair = socket.socketpair()
        self.reader, self.writer = [end.detach() for end in pair]
        os.set_blocking(self.reader, False)
        os.set_blocking(self.writer, False)


class EventCounter(Channel):
    def __init__(self):
        self.descriptor = call(libc.eventfd, 0, os.O_NONBLOCK)

    def look(self):
        yield "counter %d" % int.from_bytes(os.read(self.descriptor, 8), sys.byteorder)

    def mark(self, request_id):
        os.write(self.descriptor, (1).to_bytes(8, sys.byteorder))


class OpenFile(Channel):
    """Its content, and its offset: the position of an inherited descriptor is one for all who inherited it."""

    def __init__(self):
        self.file = tempfile.TemporaryFile(dir="/tmp", buffering=0)

    def look(self):
        descriptor = self.file.fileno()
        if os.lseek(descriptor, 0, os.SEEK_CUR) != 0:
            yield "offset %d" % os.lseek(descriptor, 0, os.SEEK_CUR)
        content = os.pread(descriptor, SIZE, 0)
        if content:
            yield content.decode("utf-8", "replace")

    def mark(self, request_id):
        self.file.write(request_id.encode())


class FileLock(Channel):
    """Held by the open file, not by a process: a copy inherits the lock of the others."""

    def __init__(self):
        descriptor, self.path = tempfile.mkstemp(prefix=PREFIX, dir="/tmp")
        OWN_FILES.add(self.path)
        self.holder = descriptor
        self.tester = os.open(self.path, os.O_RDONLY)

    def look(self):
        try:
            fcntl.flock(self.tester, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.flock(self.tester, fcntl.LOCK_UN)
        except BlockingIOError:
            yield "held"

    def mark(self, request_id):
        fcntl.flock(self.holder, fcntl.LOCK_EX)


class POSIXMessagesAtImport(Channel):
    def __init__(self):
        if not hasattr(libc, "mq_open"):
            raise Unavailable
        name = b"/leakprobe-import-%d" % os.getpid()
        self.queue = call(libc.mq_open, name, os.O_RDWR | os.O_CREAT | os.O_NONBLOCK, 0o600, None)
        call(libc.mq_unlink, name)
        self.buffer = ctypes.create_string_buffer(1 << 16)

    def look(self):
        length = call(libc.mq_receive, self.queue, self.buffer, len(self.buffer), None)
        yield self.buffer[:length].decode("utf-8", "replace")

    def mark(self, request_id):
        call(libc.mq_send, self.queue, request_id.encode(), len(request_id), 0)


def opened_at_import():
    kinds = (
        SharedMapping,
        MemoryFile,
        SystemVAttached,
        POSIXSharedMemory,
        Pipe,
        SocketPair,
        EventCounter,
        OpenFile,
        FileLock,
        POSIXMessagesAtImport,
    )
    for kind in kinds:
        try:
            yield kind()
        except (OSError, Unavailable):
            # The sandbox has none of these.
            continue


# Processes before Threads: a process with threads should not be forked.
CHANNELS = [
    Globals(),
    Builtins(),
    Environment(),
    Files(),
    CodeFolder(),
    SystemVLists(),
    SystemVSharedMemory(),
    SystemVSemaphore(),
    SystemVMessages(),
    POSIXMessages(),
    Keyring(),
    Machine(),
    AbstractSocket(),
    Ports(),
    TrafficCounters(),
    Multicast(),
    FlowLabels(),
    Processes(),
    Threads(),
    Descriptors(),
    ThreadName(),
    SignalHandler(),
    Limits(),
    WorkingFolder(),
    FileMask(),
]
if os.environ.get("LEAKPROBE_IMPORT") == "1":
    CHANNELS += opened_at_import()
    Descriptors.opened = {int(name) for name in os.listdir("/proc/self/fd")}
