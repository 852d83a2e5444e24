"""Hostile templates: a function's import code is asked to copy itself for every request, holds a control channel to its
sandbox's init and may mount. Whatever it does with that harms its own function alone, and what it makes is gone with it."""

import base64
import contextlib
import json
import os
import pathlib
import shutil
import threading
import time

import pytest

from harness import processes
from harness.processes import wait_until
from harness.world import ECHO, world

pytestmark = pytest.mark.root

COMMON = """
import ctypes, errno, json, os, resource, signal, socket, struct, sys, time
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
notes = []
def call(number, *arguments):
    ctypes.set_errno(0)
    r = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) if isinstance(a, int) else a for a in arguments])
    return r if r >= 0 else -ctypes.get_errno()
def mount(kind, target, flags=2 | 4, data=b""):
    return call(165, ctypes.c_char_p(kind), ctypes.c_char_p(target), ctypes.c_char_p(kind), flags, ctypes.c_char_p(data))
def copied(slot, value):
    return struct.pack("<IIiIQQQQ", 49, slot, value, 0, 0, 0, 0, 0)
def handler(event, context):
    return {"notes": notes}
"""


@pytest.fixture(scope="module", params=["host", "fallbacks"])
def arena(scratch, request):
    environment = {}
    if request.param == "fallbacks":
        environment["MARTLET_SANDBOX_DISABLE"] = "landlock,clone3,mount_setattr,madv_populate"
    with world(scratch / f"templates-{request.param}", environment=environment) as w:
        w.create("neighbour", ECHO)
        w.call("neighbour", {})
        yield w


def groups(w):
    """Folders of this server's sandboxes, in every cgroup tree."""
    info = os.stat(w.data)
    bases = [g for g in processes.cgroups_of_martlet() if os.path.basename(g) == f"martlet-{info.st_dev:x}-{info.st_ino:x}"]
    return {os.path.join(b, n) for b in bases for n in os.listdir(b) if os.path.isdir(os.path.join(b, n))}


def sandboxes(w):
    """PID 1 of each sandbox in use; one that waits for its first use still has root's uid."""
    table = processes.all_processes()
    return {p for p in w.family().inits if p in table and table[p].uid}


def assert_gone(w, before):
    wait_until(lambda: sandboxes(w) <= before, 60, lambda: f"sandboxes gone: {sandboxes(w) - before}\n{w.log_text(2000)}")


def neighbour_answers(w):
    answer = w.invoke("neighbour", {"still": "here"}, timeout=100)
    assert answer.status == 200 and not answer.function_error and answer.json == {"still": "here"}, answer
    assert w.health() == 200


def attack(w, code, calls=4, timeout=5, check=None, event=None):
    """Deploys, invokes, and shows that a neighbour answers meanwhile and afterwards, and that nothing stays."""
    neighbour_answers(w)
    before = sandboxes(w)
    name = "hostile-template"
    w.create(name, COMMON + code, timeout=timeout)
    answers = []

    def invoke():
        answers.append(w.invoke(name, event or {}, timeout=60))
    try:
        for _ in range(calls):
            thread = threading.Thread(target=invoke)
            thread.start()
            while thread.is_alive():
                neighbour_answers(w)
                thread.join(0.05)
        for answer in answers:
            assert answer.status in (200, 429, 503), answer
        if check:
            check(answers)
    finally:
        w.delete(name)
    assert_gone(w, before)
    neighbour_answers(w)
    return answers


def test_half_messages_on_the_control_channel_do_not_hold_init(arena):
    attack(arena, """
os.write(4, b"half")
def before():
    os.write(4, b"x" * 7)
os.register_at_fork(before=before)
""")


def test_a_dribbling_control_channel_does_not_hold_init(arena):
    attack(arena, """
def before():
    for _ in range(20):
        os.write(4, b"x")
        time.sleep(0.1)
os.register_at_fork(before=before)
""")


def test_wrong_pids_in_the_answer_to_a_copy_kill_nobody(arena):
    attack(arena, """
def before():
    for slot in (0, 1, 2, 3, 1023, 1024, 0xFFFFFFFF, 0xFFFFFFFE):
        for value in (1, 0, -1, -2147483648, 2147483647, os.getpid(), 2, 3, 4, 5):
            os.write(4, copied(slot, value))
os.register_at_fork(before=before)
""")


def test_a_flooded_control_channel_harms_nobody_else(arena):
    attack(arena, """
def before():
    end = time.monotonic() + 2
    block = copied(0, -1) * 200
    while time.monotonic() < end:
        os.write(4, block)
os.register_at_fork(before=before)
""", calls=2)


def test_descriptors_sent_to_init_are_dropped(arena):
    def few(answers):
        for pid in sandboxes(arena):
            assert len(os.listdir(f"/proc/{pid}/fd")) < 600
    attack(arena, """
def before():
    s = socket.socket(fileno=os.dup(4))
    for _ in range(100):
        socket.send_fds(s, [copied(1023, -1)], [0] * 12)
os.register_at_fork(before=before)
""", calls=3, check=few)


def test_a_template_that_never_copies_is_ended(arena):
    attack(arena, """
def before():
    while True:
        time.sleep(1000)
os.register_at_fork(before=before)
""", calls=1)


def test_a_template_that_dies_at_every_copy_harms_nobody_else(arena):
    attack(arena, """
os.register_at_fork(before=lambda: os._exit(0))
""", calls=2)


def test_a_template_that_keeps_its_copies_sockets_blocks_no_slot(arena):
    """The sockets of ended copies stay open in the template; their places must come free all the same."""
    def answered(answers):
        assert [a.status for a in answers] == [200] * len(answers), answers
        counts = wait_until(lambda: (lambda d: d if arena_counts(d)["stopping"] <= 1 else None)(arena.describe("hostile-template")), 60, "slots free")
        assert counts
    attack(arena, """
kept = []
def parent():
    for fd in range(5, 40):
        try:
            kept.append(os.dup(fd))
        except OSError:
            pass
os.register_at_fork(after_in_parent=parent)
""", calls=12, check=answered)


def arena_counts(description):
    counts = description.get("workers") or description.get("counts") or description.get("pool") or {}
    return {"stopping": counts.get("stopping", 0)}


def test_what_a_template_mounts_over_proc_does_not_hold_init(arena):
    attack(arena, """
notes.append(mount(b"tmpfs", b"/proc"))
try:
    for folder in ("self/ns", "self/net", "%d/fd" % os.getpid(), "%d/task" % os.getpid()):
        os.makedirs("/proc/" + folder)
    for name in ("self/ns/net", "self/net/snmp", "self/net/snmp6", "%d/smaps" % os.getpid()):
        os.mkfifo("/proc/" + name)
except OSError as fault:
    notes.append(repr(fault))
""")


def test_what_a_template_mounts_shows_it_nothing_of_the_host(arena):
    def check(answers):
        for answer in answers:
            assert answer.function_error is None and answer.json["notes"] == [], answer.text[:3000]
    attack(arena, """
os.makedirs("/tmp/m", exist_ok=True)
for kind, data in ((b"sysfs", b""), (b"devtmpfs", b""), (b"debugfs", b""), (b"tracefs", b""), (b"securityfs", b""), (b"bpf", b""), (b"ext4", b""),
                   (b"cgroup", b"memory"), (b"cgroup", b"pids"), (b"cgroup", b"none,name=x"), (b"cgroup2", b""), (b"proc", b""), (b"efivarfs", b""),
                   (b"configfs", b""), (b"pstore", b""), (b"hugetlbfs", b""), (b"nfsd", b""), (b"overlay", b"lowerdir=/:/usr")):
    for flags in (2 | 4, 2 | 4 | 8):
        if mount(kind, b"/tmp/m", flags, data) != 0:
            continue
        if kind == b"proc":
            for name in os.listdir("/tmp/m"):
                if name.isdigit():
                    line = open("/tmp/m/%s/cmdline" % name).read()
                    if "python3" not in line and name != "1":
                        notes.append("process " + line)
        elif kind.startswith(b"cgroup"):
            # Its own group and nothing beside or above it, and nothing of it can be changed.
            for folder, names, files in os.walk("/tmp/m"):
                if names:
                    notes.append("groups below: %r" % names)
                for name in files:
                    try:
                        os.close(os.open(os.path.join(folder, name), os.O_WRONLY))
                        if name != "cgroup.event_control":
                            notes.append("may write %s of %s" % (name, kind))
                    except OSError:
                        pass
            try:
                os.mkdir("/tmp/m/new")
                notes.append("made a group")
            except OSError:
                pass
        elif kind != b"overlay" or os.path.exists("/tmp/m/root") or os.path.exists("/tmp/m/etc/shadow"):
            notes.append("mounted %s: %s" % (kind.decode(), os.listdir("/tmp/m")[:5]))
""", calls=1, check=check)


def test_limits_a_template_sets_on_its_init_harm_its_own_function_alone(arena):
    attack(arena, """
for what in (0, 1, 2, 3, 7, 8, 13, 14):
    try:
        resource.prlimit(1, what, (1, 1))
    except (OSError, ValueError):
        pass
for number in list(range(1, 32)) + list(range(34, 65)):
    for _ in range(20):
        try:
            os.kill(1, number)
        except OSError:
            pass
""", calls=2)


def test_processes_a_template_clones_past_init_go_with_it(arena):
    attack(arena, """
def before():
    for _ in range(30):
        pid = call(56, 0x8000 | 0x20000000 | 0x01000000 | 17, 0, 0, ctypes.byref(ctypes.c_int()), 0)
        if pid == 0:
            while True:
                time.sleep(100)
os.register_at_fork(before=before)
""", calls=3)


FOUND = """
def handler(event, context):
    found = seek()
    leave()
    return found
"""


@pytest.mark.parametrize("channel", ["standard input", "folder", "memory file", "three hundred files"])
def test_what_import_opened_is_no_channel_between_requests(arena, channel):
    code = {
        "standard input": """
memory = os.memfd_create("m")
os.dup2(memory, 0)
os.close(memory)
def leave(): os.pwrite(0, b"left", 0)
def seek(): return os.pread(0, 10, 0).decode()
""",
        "folder": """
folder = os.open("/var/task", os.O_RDONLY | os.O_DIRECTORY)
def leave():
    for name in ("../../tmp/left", "../../tmp/.shm/left"):
        try:
            os.close(os.open(name, os.O_CREAT | os.O_WRONLY, dir_fd=folder))
        except OSError:
            pass
def seek():
    found = ""
    for name in ("../../tmp/left", "../../tmp/.shm/left"):
        try:
            os.close(os.open(name, os.O_RDONLY, dir_fd=folder))
            found += name
        except OSError:
            pass
    return found
""",
        "memory file": """
memory = os.memfd_create("m")
def leave(): os.pwrite(memory, b"left", 0)
def seek(): return os.pread(memory, 10, 0).decode()
""",
        "three hundred files": """
files = [os.open(__file__, os.O_RDONLY) for _ in range(300)]
def leave():
    for fd in files: os.lseek(fd, 7, os.SEEK_SET)
def seek(): return "".join(str(os.lseek(fd, 0, os.SEEK_CUR)) for fd in files if os.lseek(fd, 0, os.SEEK_CUR))
""",
    }[channel]

    def nothing(answers):
        assert [a.json for a in answers] == [""] * len(answers), answers
    attack(arena, code + FOUND, calls=6, check=nothing)


def test_flow_labels_do_not_pass_from_request_to_request(arena):
    code = """
def label(flags):
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    # in6_flowlabel_req: destination ::1, label, action GET, share ANY, flags, expires, linger
    request = socket.inet_pton(socket.AF_INET6, "::1") + struct.pack(">I", 0x12345) + struct.pack("<BBHHHI", 0, 255, flags, 60, 60, 0)
    done = []
    for level in (41, 0x100000029):
        r = call(54, s.fileno(), level, 32, ctypes.c_char_p(request), len(request))
        done.append(r)
    s.close()
    return done
def handler(event, context):
    found = label(0)
    label(1)
    return [f for f in found if f == 0]
"""
    def nothing(answers):
        assert [a.json for a in answers] == [[]] * len(answers), answers
    attack(arena, code, calls=6, check=nothing)


def test_nothing_of_the_whole_host_is_taken_or_slowed_down(arena):
    code = """
def handler(event, context):
    found = []
    pointer = ctypes.c_ulong(0)
    if call(206, 60000, ctypes.byref(pointer)) >= 0:
        found.append("io_setup took from the host's one pool of asynchronous requests")
    for value in ("-17", "-900", "-1000") + (("0", "499") if event else ()):
        for path in ("/proc/self/oom_score_adj", "/proc/1/oom_score_adj"):
            try:
                with open(path, "w") as file:
                    file.write(value)
                found.append("oom_score_adj " + value)
            except OSError:
                pass
    for family in (2, 10):
        for kind, protocol in ((1, 132), (5, 132), (6, 33), (2, 115), (2, 136), (1, 33), (2, 1), (1, 256)):
            fd = call(41, family, kind, protocol)
            if fd >= 0:
                found.append("socket %d %d %d" % (family, kind, protocol))
                os.close(fd)
    # A busy machine slows each of them down now and then; disks do so every time.
    quickest = 9
    for _ in range(3):
        begin = time.monotonic()
        for _ in range(2000):
            os.sync()
        quickest = min(quickest, time.monotonic() - begin)
        if quickest <= 2:
            break
    if quickest > 2:
        found.append("sync reached the disks")
    socket.socket(socket.AF_INET6).setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    socket.socket().setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    socket.socket().setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return found
"""
    def nothing(answers):
        assert [a.json for a in answers] == [[]] * len(answers), [a.text for a in answers]
    # With this capability root sets the floor, too.
    status = pathlib.Path("/proc/self/status").read_text()
    floor = int(status.split("CapEff:")[1].split()[0], 16) >> 24 & 1
    attack(arena, code, calls=2, timeout=60, check=nothing, event={"floor": True} if floor else None)


CRUMBS = {
    "empty": "struct.pack('<IBBH', 0, 18, 0, 0) * 4000",
    "single bytes": "(struct.pack('<IBBH', 1, 18, 0, 0) + b'1') * 4000",
    "forged readiness": "struct.pack('<IBBH', 0, 16, 0, 0) * 4000",
}


def was_cut_off(answers):
    """By who saw what it does, and not by a time limit only."""
    assert all(a.function_error and a.json["errorType"] != "Sandbox.Timedout" for a in answers), [a.text for a in answers]


@pytest.mark.parametrize("kind", CRUMBS)
def test_an_answer_in_crumbs_is_cut_off(arena, kind):
    attack(arena, f"""
def handler(event, context):
    block = {CRUMBS[kind]}
    while True:
        os.write(3, block)
""", calls=2, timeout=60, check=was_cut_off)


def test_frames_written_while_the_template_starts_end_its_init(arena):
    attack(arena, """
block = struct.pack('<IBBH', 1000, 18, 0, 0) + b'y' * 1000
while True:
    os.write(3, block * 50)
""", calls=1, check=was_cut_off)


def test_fork_bombs_in_many_slots_leave_the_host_process_numbers(arena):
    arena.create("bomb", COMMON + """
def handler(event, context):
    count, until = 0, time.monotonic() + 3
    while time.monotonic() < until:
        try:
            if os.fork() == 0:
                signal.pause()
            count += 1
        except OSError:
            time.sleep(0.1)
    return count
""", timeout=20)
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(arena.invoke("bomb", {}, timeout=60))) for _ in range(12)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        neighbour_answers(arena)
        time.sleep(0.05)
    counts = [a.json for a in answers if not a.function_error and a.status == 200]
    assert counts and max(counts) <= 1025 and sum(counts) < int(pathlib.Path("/proc/sys/kernel/pid_max").read_text()) / 2, answers
    # A new sandbox can still be made at once.
    arena.create("after-bombs", ECHO)
    arena.call("after-bombs", 1)
    for name in ("bomb", "after-bombs"):
        arena.delete(name)


@pytest.mark.parametrize("flood", ["requests", "bodies"])
def test_a_flooded_runtime_api_is_closed(arena, flood):
    before = sandboxes(arena)
    script = """#!/bin/sh
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01"
curl -s "$api/runtime/invocation/next" >/dev/null
while :; do
  for n in 1 2 3 4; do curl -s -o /dev/null "$api/runtime/none-[1-200000]" & done
  wait
done
""" if flood == "requests" else """#!/bin/sh
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01"
curl -s "$api/runtime/invocation/next" >/dev/null
for n in 1 2 3 4 5 6; do (while :; do head -c 100000000 /dev/zero; done) | curl -s -T - -X POST "$api/runtime/invocation/x/response" & done
wait
"""
    arena.create("flooder", {"bootstrap": script}, runtime="provided", handler="any", timeout=8)
    answers = []
    thread = threading.Thread(target=lambda: answers.append(arena.invoke("flooder", {}, timeout=60)))
    server = arena.family().server

    def resident():
        return int(pathlib.Path(f"/proc/{server}/status").read_text().split("VmRSS:")[1].split()[0])
    small = resident()
    thread.start()
    most = 0
    while thread.is_alive():
        neighbour_answers(arena)
        most = max(most, resident())
        thread.join(0.02)
    assert answers[0].function_error, answers
    if flood == "requests":
        was_cut_off(answers)
    assert most < small + (64 << 10), (small, most)
    arena.delete("flooder")
    assert_gone(arena, before)


def test_slots_have_the_limits_they_are_said_to_have(arena):
    if not groups(arena):
        pytest.skip("this host gives no cgroups")
    known = sandboxes(arena)
    arena.create("limited", "import time\ndef handler(e, c):\n    time.sleep(4)\n", memory=512, timeout=10)
    thread = threading.Thread(target=arena.invoke, args=("limited", {}))
    thread.start()

    def slot_of(pid):
        for line in pathlib.Path(f"/proc/{pid}/cgroup").read_text().splitlines():
            group = line.split(":", 2)[2]
            if "/martlet-" not in group:
                continue
            sandbox = pathlib.Path(group).parent.name
            for path in (p for g in groups(arena) if g.endswith("/" + sandbox) for p in pathlib.Path(g).iterdir()):
                if path.name.isdigit() and (path / "cgroup.procs").read_text().strip():
                    return sandbox, path.name
        return None

    def slot():
        for pid in sandboxes(arena) - known:
            # What ends while it is looked at had no slot.
            with contextlib.suppress(OSError):
                if found := slot_of(pid):
                    return found
        return None
    sandbox, index = wait_until(slot, 60, "a slot with a process")
    bases = {str(pathlib.Path(g).parent) for g in groups(arena)}

    def value(*names):
        for base in bases:
            for name in names:
                path = pathlib.Path(base, sandbox, index, name)
                if path.exists():
                    return path.read_text().split()[0]
        return None
    try:
        assert value("memory.limit_in_bytes", "memory.max") == str((512 + 512) << 20)
        assert value("pids.max") == "1025"
        assert value("cpu.shares", "cpu.weight") in (str(1024 * 512 // 1769), str(100 * 512 // 1769))
        # Every process of the slot is in every tree's group.
        members = [set(pathlib.Path(b, sandbox, index, "cgroup.procs").read_text().split()) for b in bases]
        assert all(m == members[0] for m in members), members
        # One sandbox, and all of them, leave the host process numbers.
        most = int(pathlib.Path("/proc/sys/kernel/pid_max").read_text())
        for base in bases:
            if pathlib.Path(base, "pids.max").exists():
                whole, one = (pathlib.Path(base, n).read_text().strip() for n in ("pids.max", f"{sandbox}/pids.max"))
                assert int(whole) <= most * 3 // 4 and int(one) < int(whole)
        for pid in members[0]:
            assert int(pathlib.Path(f"/proc/{pid}/oom_score_adj").read_text()) >= 500
    finally:
        thread.join()
        arena.delete("limited")


def namespaces(pids):
    found = set()
    for pid in pids:
        for kind in ("mnt", "pid", "net", "ipc", "uts", "user", "cgroup"):
            try:
                found.add(os.readlink(f"/proc/{pid}/ns/{kind}"))
            except OSError:
                pass
    return found


@pytest.mark.parametrize("way", ["delete", "idle"])
def test_everything_of_a_function_is_gone_with_it(scratch, way):
    with world(scratch / f"gone-{way}", config={"spareSeconds": 0, **({"idleSeconds": 2} if way == "idle" else {})}) as w:
        empty = len(groups(w))
        trees = len({os.path.dirname(g) for g in groups(w)}) or 1
        # Leaves a daemon, files, a mount and a listener wherever it can.
        w.create("untidy", COMMON + """
mount(b"tmpfs", b"/tmp")
def handler(event, context):
    s = socket.socket(); s.bind(("127.0.0.1", 80 + 8000)); s.listen()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(1000)
        os._exit(0)
    open("/tmp/x", "w").write("x" * 100000)
    return 1
""")
        for _ in range(5):
            w.call("untidy", {})
        used = [p.pid for p in w.family().sandboxed if p.uid]
        spaces = namespaces(used)
        assert used and spaces
        if way == "delete":
            w.delete("untidy")
        wait_until(lambda: not sandboxes(w), 60, lambda: f"no sandbox: {w.family().sandboxed}")
        # One may wait for its first use.
        wait_until(lambda: len(groups(w)) <= trees, 60, lambda: f"no cgroup: {groups(w)} (before: {empty})")
        # Numbers of namespaces that are gone are given to others: only what is ours is looked at.
        left = namespaces([p.pid for p in processes.descendants(os.getpid()) if p.uid and p.pid in {q.pid for q in w.family().all}]) & spaces
        left -= namespaces([w.process.pid, w.family().server])
        assert not left, left


@pytest.mark.timeout(400)
def test_init_stays_small_over_thousands_of_invocations(arena):
    arena.create("many", ECHO + "# a package of its own\n")
    arena.call("many", {})
    digest = base64.b64decode(arena.boto().get_function_configuration(FunctionName="many")["CodeSha256"]).hex()

    def is_its_init(pid):
        with contextlib.suppress(OSError):
            return digest in pathlib.Path(f"/proc/{pid}/mountinfo").read_text()
    pid = next(pid for pid in sandboxes(arena) if is_its_init(pid))

    def size():
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        return len(os.listdir(f"/proc/{pid}/fd")), int(status.split("VmRSS:")[1].split()[0]), int(status.split("VmSize:")[1].split()[0])

    def run(count):
        import http.client
        connection = http.client.HTTPConnection("127.0.0.1", arena.port, timeout=60)
        for number in range(count):
            connection.request("POST", "/2015-03-31/functions/many/invocations", str(number))
            answer = connection.getresponse()
            assert answer.read() == str(number).encode()
        connection.close()

    def run_in(connections, count):
        threads = [threading.Thread(target=run, args=(count,)) for _ in range(connections)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    sizes = []
    for _ in range(5):
        run_in(4, 300)
        sizes.append(size())
    arena.delete("many")
    # Slots and pooled network namespaces cost a few descriptors each; they come with what is at work at once, up to a bound,
    # and stay: then there is a batch that needs no new ones. What is lost with an invocation is lost in every batch.
    growth = [[last[i] - first[i] for first, last in zip(sizes, sizes[1:])] for i in range(3)]
    assert min(growth[0]) < 30 and min(growth[1]) < 256 and min(growth[2]) < 256, sizes
    assert sizes[-1][0] < 1024 * 10 and sizes[-1][1] < sizes[0][1] + 1024, sizes
