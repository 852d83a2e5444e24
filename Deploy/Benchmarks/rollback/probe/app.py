"""Leaves traces in as many ways as it knows, at random; says LEAK when it finds any from before."""

import builtins
import ctypes
import fcntl
import gc
import json
import mmap
import os
import random
import resource
import select
import signal
import socket
import struct
import sys
import tempfile
import threading
import time
import zlib

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
libc.malloc.restype = ctypes.c_void_p
libc.sbrk.restype = ctypes.c_void_p
libc.sbrk.argtypes = [ctypes.c_long]

import ssl

left = []
own = random.Random()  # made by the function itself: nobody renews it
table = {i: [i] * 20 for i in range(5000)}  # pages of the template's that requests read and some write
text = bytearray(os.urandom(1 << 20))
# Whole pages of the template's, never written by a copy unless an operation below does.
PAGES = 64
shared = libc.mmap(None, PAGES * 4096, 3, 0x22, -1, 0)
other = libc.mmap(None, PAGES * 4096, 3, 0x22, -1, 0)
hole = libc.mmap(None, PAGES * 4096, 3, 0x22, -1, 0)  # never touched
for page in range(PAGES):
    ctypes.memset(shared + page * 4096, 1 + page, 4096)
    ctypes.memset(other + page * 4096, 101 + page, 4096)
sealed = libc.mmap(None, 8 * 4096, 1, 0x22, -1, 0)  # cannot be written, never touched
SUM = zlib.crc32(ctypes.string_at(shared, PAGES * 4096) + ctypes.string_at(other, PAGES * 4096))
FIRST_DRAW = []


def sys_(number, *arguments):
    return libc.syscall(ctypes.c_long(number), *[ctypes.c_void_p(a) if isinstance(a, int) else a for a in arguments])


def code(machine):
    """Runs machine code."""
    place = libc.mmap(None, 4096, 7, 0x22, -1, 0)
    ctypes.memmove(place, machine, len(machine))
    ctypes.CFUNCTYPE(ctypes.c_long)(place)()


ops = []


def op(weight):
    def add(function):
        ops.extend([function] * weight)
        return function

    return add


# --- honest ones
@op(8)
def globals_(r):
    left.append("x" * r.randrange(1, 100000))
    builtins.mark = left
    sys.modules["mark%d" % r.randrange(100)] = sys


@op(8)
def rewrite(r):
    for _ in range(r.randrange(1, 2000)):
        table[r.randrange(5000)].append(r.random())


@op(6)
def bytes_(r):
    for _ in range(r.randrange(1, 100)):
        text[r.randrange(len(text))] = r.randrange(256)


@op(6)
def allocate(r):
    left.append([bytearray(r.randrange(1, 1 << 20)) for _ in range(r.randrange(1, 20))])
    left.append([object() for _ in range(r.randrange(1, 100000))])


@op(4)
def recurse(r):
    sys.setrecursionlimit(20000)

    def down(n):
        return n and sorted([n], key=lambda _: down(n - 1))

    down(r.randrange(10, 1500))


@op(4)
def collect(r):
    gc.collect()


@op(4)
def environ(r):
    os.environ["MARK"] = "x" * r.randrange(1, 5000)


@op(4)
def compress(r):
    left.append(zlib.compress(os.urandom(r.randrange(1, 200000))))


@op(3)
def read_files(r):
    for name in ("/etc/passwd", "/proc/self/maps", "/proc/self/status", "/usr/bin/python3.11"):
        with open(name, "rb") as file:
            left.append(file.read(r.randrange(1, 100000)))


@op(2)
def imports(r):
    __import__(r.choice(["decimal", "csv", "html.parser", "xml.etree.ElementTree", "sqlite3", "hashlib", "email", "uuid", "ssl", "asyncio"]))


@op(2)
def pairs(r):
    a, b = socket.socketpair()
    a.send(b"x" * 100)
    e = select.epoll()
    e.register(b.fileno())
    e.poll(0)
    e.close(), a.close()
    if r.randrange(2):
        left.append(b)  # stays open
    else:
        b.close()


@op(1)
def tmp(r):
    path = "/tmp/mark%d" % r.randrange(10)
    with open(path, "w") as file:
        file.write("x")
    if r.randrange(2):
        os.unlink(path)


@op(1)
def tmp_read(r):
    os.listdir("/tmp")


@op(1)
def thread(r):
    t = threading.Thread(target=time.sleep, args=(r.choice([0, 0.01, 5]),), daemon=True)
    t.start()
    if r.randrange(2):
        t.join(0.05)


@op(1)
def fork(r):
    pid = os.fork()
    if pid == 0:
        if r.randrange(2):
            time.sleep(5)
        os._exit(0)
    if r.randrange(2):
        os.kill(pid, 9)
        os.waitpid(pid, 0)


@op(1)
def handlers(r):
    r.choice([
        lambda: signal.signal(r.choice([signal.SIGUSR1, signal.SIGALRM, signal.SIGPIPE]), r.choice([signal.SIG_IGN, lambda *_: None])),
        lambda: signal.setitimer(r.randrange(3), 1000),
        lambda: signal.alarm(100),
        lambda: os.kill(os.getpid(), signal.SIGCHLD),
        lambda: (signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1]), os.kill(os.getpid(), signal.SIGUSR1)),
        lambda: __import__("faulthandler").enable(),
    ])()


@op(3)
def mask(r):
    signal.pthread_sigmask(signal.SIG_BLOCK, [r.randrange(1, 64) for _ in range(5)])


@op(1)
def process(r):
    r.choice([
        lambda: os.umask(r.randrange(512)),
        lambda: os.chdir(r.choice(["/", "/tmp", "/usr"])),
        lambda: os.nice(1),
        lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (100, resource.getrlimit(resource.RLIMIT_NOFILE)[1])),
        lambda: os.sched_setaffinity(0, [0]),
        lambda: os.setsid(),
        lambda: libc.prctl(15, b"mark", 0, 0, 0),
        lambda: libc.prctl(r.choice([1, 4, 8, 29, 36, 38, 41]), r.choice([0, 1, 9, 50001]), 0, 0, 0),
        lambda: sys_(310 + r.randrange(60), 0, 0, 0, 0),
        lambda: socket.socket(r.choice([socket.AF_INET, socket.AF_UNIX]), r.choice([1, 2])),
        lambda: fcntl.fcntl(3, fcntl.F_SETOWN, 1),
        lambda: fcntl.flock(os.open("/etc/passwd", 0), fcntl.LOCK_SH),
        lambda: socket.socket(fileno=os.dup(3)).setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 5, 0)),
        lambda: sys_(64, 1, 1, 0o1666),
        lambda: sys_(29, 1, 4096, 0o1666),
        lambda: os.mkfifo("/tmp/fifo"),
        lambda: sys_(330, 0, 0),
        lambda: sys_(273, r.choice([0, shared]), 24),
        lambda: sys_(131, struct.pack("QiiQ", shared, 0, 0, 8192)),
        lambda: sys_(334, shared, 32, 0, 0x1234),
        lambda: sys_(218, shared),
    ])()


# --- hostile ones
@op(3)
def write_pages(r):
    for _ in range(r.randrange(1, 30)):
        ctypes.memset(r.choice([shared, other, hole]) + r.randrange(PAGES * 4096 - 64), r.randrange(256), 64)


@op(2)
def write_same(r):
    place = shared + r.randrange(PAGES) * 4096
    ctypes.memmove(place, ctypes.string_at(place, 8), 8)


@op(3)
def drop_pages(r):
    place = r.choice([shared, other, hole]) + r.randrange(PAGES - 4) * 4096
    sys_(28, place, 4096 * r.randrange(1, 4), 4)
    if r.randrange(2):
        ctypes.string_at(place, 4096)  # the zero page


@op(2)
def advise(r):
    sys_(28, shared, 4096 * r.randrange(1, 8), r.choice([0, 1, 2, 3, 8, 9, 10, 12, 14, 15, 16, 18, 20, 21, 22, 23, 24, 25, 102, 103]))


@op(2)
def replace(r):
    place = shared + r.randrange(PAGES - 4) * 4096
    n = 4096 * r.randrange(1, 4)
    if r.randrange(2):
        sys_(11, place, n)
    libc.mmap(place, n, 3, 0x32 | r.choice([0, 0, 0, 0x4000]), -1, 0)
    if r.randrange(2):
        ctypes.memset(place, 7, n)


@op(2)
def exchange(r):
    n = 4096 * r.choice([1, PAGES])
    spare = libc.mmap(None, n, 3, 0x22, -1, 0)
    sys_(25, shared, n, n, 3, spare)
    sys_(25, other, n, n, 3, shared)
    sys_(25, spare, n, n, 3, other)


@op(2)
def grow_mapping(r):
    place = libc.mmap(None, 65536, 3, 0x22, -1, 0)
    ctypes.memset(place, 1, 65536)
    sys_(25, place, 65536, 1 << 20, 1)


@op(2)
def protect(r):
    start = int(next(l for l in open("/proc/self/maps") if "r-xp" in l and "libc" in l).split("-")[0], 16)
    sys_(10, start, 4096, 7)
    if r.randrange(2):
        ctypes.memset(start, ctypes.string_at(start, 1)[0], 1)
    sys_(10, start, 4096, 5)


@op(2)
def hide(r):
    # In a mapping that nobody can write, made anew.
    if r.randrange(2):
        sys_(11, sealed, 8 * 4096)
        place = libc.mmap(sealed, 8 * 4096, 3, 0x22, -1, 0)
    else:
        place = libc.mmap(sealed, 8 * 4096, 3, 0x32, -1, 0)
    ctypes.memset(place, 9, 4096 * r.randrange(1, 8))
    sys_(10, place, 8 * 4096, 1)


@op(2)
def hide_by_moving(r):
    # Made elsewhere, moved to the only place that is free.
    place = libc.mmap(None, 4 * 4096, 3, 0x22, -1, 0)
    ctypes.memset(place, 9, 4 * 4096)
    sys_(10, place, 4 * 4096, 1)
    barrier = libc.mmap(place - 4096, 4096, 1, 0x100022, -1, 0)  # no room to grow where it is
    sys_(11, sealed, 8 * 4096)
    sys_(25, place, 4 * 4096, 8 * 4096, 1)


@op(1)
def protect_own(r):
    sys_(10, hole, 4096 * r.randrange(1, 8), r.choice([0, 1, 3]))


@op(2)
def vdso(r):
    start = int(next(l for l in open("/proc/self/maps") if "[vdso]" in l).split("-")[0], 16)
    r.choice([lambda: sys_(10, start, 8192, 7), lambda: sys_(11, start, 4096), lambda: sys_(28, start, 4096, 4)])()


@op(2)
def heap_end(r):
    libc.sbrk(r.choice([16, 4096, 100000, 1 << 20]))


@op(1)
def heap_shrink(r):
    sys_(12, libc.sbrk(0) - r.choice([16, 4096]))


@op(2)
def descriptors(r):
    r.choice([
        lambda: os.dup2(3, r.randrange(5, 200)),
        lambda: os.dup2(1, 2),
        lambda: os.dup2(os.open("/dev/null", 0), 0),
        lambda: os.set_inheritable(3, True),
        lambda: os.set_blocking(1, False),
        lambda: os.memfd_create("mark"),
        lambda: os.close(0),
        lambda: os.open("/proc/self/fd/1", 0),
        lambda: left.append(mmap.mmap(os.memfd_create("mark"), 0) if 0 else mmap.mmap(-1, 4096)),
    ])()


@op(2)
def registers(r):
    code(r.choice([
        bytes.fromhex("9c4881042400002000") + bytes.fromhex("9dc3"),  # flips nothing but adds ID to the flags
        bytes.fromhex("9c4881042400000400") + bytes.fromhex("9dc3"),  # AC
        bytes.fromhex("c5fd76c0c5fd6fc8c5fd6ff8c3"),  # ymm
        bytes.fromhex("62f17e4876c0") + bytes.fromhex("c3") if 0 else bytes.fromhex("660fefff660f76ffc3"),
        bytes.fromhex("6838120000") + bytes.fromhex("d92c2458c3") if 0 else bytes.fromhex("687f020000d92c2458c3"),  # x87 control word
        bytes.fromhex("68c03f0000") + bytes.fromhex("0fae142458c3"),  # mxcsr: rounding, denormals
        bytes.fromhex("d9e8d9e8c3"),  # x87 stack
    ]))


@op(1)
def forge(r):
    os.write(3, struct.pack("<IBBH", 4, 19, 0, 0) + b'"me"')


@op(1)
def sleep_call(r):
    time.sleep(r.random() / 500)


@op(1)
def clocks(r):
    t = os.timerfd_create(0) if hasattr(os, "timerfd_create") else sys_(283, 0, 0)
    os.close(t) if r.randrange(2) else None


def handler(event, context):
    found = []
    if left or hasattr(builtins, "mark") or "MARK" in os.environ or any(m.startswith("mark") for m in sys.modules):
        found.append("globals")
    if any(len(v) != 20 for v in table.values()):
        found.append("table")
    if zlib.crc32(ctypes.string_at(shared, PAGES * 4096) + ctypes.string_at(other, PAGES * 4096)) != SUM:
        found.append("pages")
    if event.get("draw"):
        return {"random": random.random(), "own": own.random(), "openssl": ssl.RAND_bytes(4).hex(), "kernel": os.urandom(4).hex()}
    r = random.Random(event["seed"])
    done = []
    choice = [o for o in ops if o.__name__ == event.get("only")] or ops
    for _ in range(r.choice([1, 1, 2, 3, 5, 8])):
        operation = r.choice(choice)
        done.append(operation.__name__)
        try:
            operation(r)
        except Exception as error:
            done[-1] += "!" + type(error).__name__
    return {"found": ["LEAK"] + found if found else [], "done": done}
