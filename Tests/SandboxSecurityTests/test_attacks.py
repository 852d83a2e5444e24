"""Hostile functions, each attack at import, in the handler and in a grandchild, on the host as it is and with the newer
kernel interfaces missing. Each must be refused, and a neighbour must still answer."""

import contextlib
import json
import os
import pathlib
import secrets
import socket
import subprocess
import threading

import pytest

from harness import processes
from harness.processes import wait_until
from harness.world import ECHO, OWN, World, world, zip_of

HERE = pathlib.Path(__file__).resolve().parent
HOSTILE = (HERE / "hostile" / "app.py").read_text()
PLACES = ("import", "handler", "grandchild")
DISABLED = "landlock,clone3,mount_setattr,madv_populate"


class Targets:
    """What stands on the host to be stolen, killed or reached."""

    def __init__(self, stack, w):
        self.w = w
        self.secret = "martlet-canary-" + secrets.token_hex(16)
        # Stands in the attacks' own events, so it is no secret.
        self.mark = "martlet-process-" + secrets.token_hex(16)
        self.files = []
        for folder in ("/root", "/home", "/etc", "/tmp", "/var/tmp", "/var", "/srv", "/opt", "/mnt", "/run", "/dev/shm", str(w.folder)):
            path = pathlib.Path(folder) / f"{self.secret[:24]}.txt"
            with contextlib.suppress(OSError):
                path.write_text(self.secret)
                path.chmod(0o644)
                stack.callback(path.unlink, True)
                self.files.append(str(path))
        self.process = subprocess.Popen([self.mark, "100000"], executable="/bin/sleep", stdin=subprocess.DEVNULL)
        OWN[self.process.pid] = "canary"
        stack.callback(lambda: (OWN.pop(self.process.pid), self.process.kill(), self.process.wait()))
        self.listener = socket.create_server(("0.0.0.0", 0))
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("0.0.0.0", 0))
        self.abstract = socket.socket(socket.AF_UNIX)
        self.abstract.bind("\0" + self.mark)
        self.abstract.listen()
        self.path = str(w.folder / "canary.sock")
        self.unix = socket.socket(socket.AF_UNIX)
        self.unix.bind(self.path)
        self.unix.listen()
        os.chmod(self.path, 0o777)
        for one in (self.listener, self.udp, self.abstract, self.unix):
            stack.callback(one.close)
        self.connected = []
        threading.Thread(target=self.answer, daemon=True).start()

    def answer(self):
        with contextlib.suppress(OSError):
            while True:
                data, address = self.udp.recvfrom(1000)
                self.connected.append(data)
                self.udp.sendto(b"reached", address)

    def addresses(self):
        found = {"127.0.0.1", "127.0.0.2", "::1", "10.0.0.1", "169.254.169.254", "1.1.1.1", "8.8.8.8", "0.0.0.0"}
        with contextlib.suppress(OSError):
            found |= {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None)}
        with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(("192.0.2.1", 1))
            found.add(probe.getsockname()[0])
        return sorted(found)

    def alive(self):
        return self.process.poll() is None

    def accepted(self):
        """Connections that somebody made to any of the listeners."""
        count = 0
        for one in (self.listener, self.abstract, self.unix):
            one.setblocking(False)
            with contextlib.suppress(BlockingIOError, OSError):
                one.accept()[0].close()
                count += 1
        return count + len(self.connected)

    def event(self, attack, place):
        home = str(self.w.data)
        packages = self.w.data / "packages"
        return {
            "attack": attack, "place": place, "secret": self.secret[::-1], "canary": self.mark, "marker": self.secret[:24] + "-mark",
            "paths": ["/etc/shadow", "/etc/gshadow", "/etc/sudoers", "/root/.bashrc", "/root/.profile", "/var/log/dpkg.log", "/var/lib/dpkg/status",
                      "/etc/machine-id", home + "/martlet.db", home + "/credentials", home + "/lock", "/proc/sys/kernel/core_pattern_", *self.files],
            "folders": ["/root", "/home", home, str(packages), home + "/logs", "/sys", "/sys/fs/cgroup", "/boot", "/srv", "/mnt", "/media", "/var/log", "/var/lib",
                        "/etc/ssh", "/work"],
            "data": home,
            "pids": [self.process.pid, os.getpid(), self.w.process.pid, *range(2, 40)],
            "addresses": [(a, self.w.port) for a in self.addresses()] + [("127.0.0.1", self.listener.getsockname()[1])],
            "udp": self.udp.getsockname()[1],
            "unix": ["@" + self.mark, self.path, "/run/docker.sock", "/run/systemd/private", "/run/dbus/system_bus_socket"],
        }


@pytest.fixture(scope="module", params=["host", "fallbacks"])
def arena(scratch, request):
    environment = {"CANARY_SECRET": "to be replaced"}
    if request.param == "fallbacks":
        environment["MARTLET_SANDBOX_DISABLE"] = DISABLED
    with contextlib.ExitStack() as stack:
        w = stack.enter_context(world(scratch / f"arena-{request.param}", environment=environment, start=False))
        targets = Targets(stack, w)
        w.environment["CANARY_SECRET"] = targets.secret
        w.start()
        w.targets = targets
        w.create("neighbour", f"SECRET = '{targets.secret}'\n" + ECHO)
        w.create("hostile", HOSTILE, timeout=60, memory=256)
        w.call("neighbour", {})
        yield w


def run(w, attack, place, **more):
    """The attack's answer, or the function error that it ended in."""
    event = {**w.targets.event(attack, place), **more}
    if place == "import":
        name = "hostile-at-import"
        w.delete(name)
        wanted = {k: v for k, v in event.items() if k != "place"}
        w.create(name, {"app.py": HOSTILE.replace('os.environ.get("ATTACK")', "True").replace('os.environ["ATTACK"]', repr(json.dumps(wanted)))},
                 timeout=60, memory=256)
        answer = w.invoke(name, {}, timeout=150)
        w.delete(name)
    else:
        answer = w.invoke("hostile", event, timeout=150)
    assert answer.status in (200, 500, 502, 503), answer
    return answer


def assert_unharmed(w):
    assert w.targets.alive(), "the canary process was killed"
    assert w.process.poll() is None

    def answers():
        # A moment without a free slot is no harm; a wrong answer is.
        answer = w.invoke("neighbour", {"still": "here"})
        return answer.status == 200 and not answer.function_error and answer
    assert wait_until(answers, 60, lambda: f"a neighbour answers\n{w.log_text(3000)}", 0.05).json == {"still": "here"}
    assert w.health() == 200
    assert w.targets.accepted() == 0, "somebody connected to a listener of the host"


REFUSED = [
    "read_host_files", "search_everything", "list_forbidden_folders", "devices", "make_device", "kernel_files", "environment_of_others", "cgroups",
    "mounts_name_no_other_function", "write_own_code", "patch_own_code_through_memory", "see_processes", "kill_everyone", "trace_pid_1",
    "read_memory_of_others", "unshare", "clone_namespaces", "mounts", "enter_namespaces", "kernel_interfaces", "change_identity",
    "regain_capabilities", "set_time_and_names", "raise_priority_and_limits", "set_user_id_programs", "foreign_system_call_tables",
    "terminal_injection", "odd_sockets", "reach_network", "own_loopback_is_own", "steal_control",
]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("attack", REFUSED)
def test_it_gains_nothing(arena, attack, place):
    answer = run(arena, attack, place)
    if not answer.function_error:
        found = answer.json
        assert found is not None, answer
        assert found["gained"] == [], json.dumps(found, indent=1)[:6000]
        # An attack that itself broke has shown nothing.
        assert not any(n.startswith("fault ") for n in found["notes"]), found["notes"]
    else:
        # Killed by the filter: that is a refusal too.
        assert place != "handler" or "signal" in answer.text or "exit" in answer.text.lower(), answer
    assert_unharmed(arena)


def test_a_template_cannot_mount_its_way_out(arena):
    found = run(arena, "template_mounts_stay_inside", "import").json
    assert found["gained"] == [], found
    assert_unharmed(arena)


EXHAUSTION = {
    "fork_bomb": {"most": 2000}, "fork_bomb_wild": {}, "fill_memory": {"most": 2000}, "fill_disk": {"most": 530}, "fill_inodes": {},
    "fill_kernel_tables": {}, "flood_output": {"mb": 12},
}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("attack", EXHAUSTION)
def test_it_exhausts_only_itself(arena, attack, place):
    stop, faults, answered = threading.Event(), [], [0]

    def neighbour():
        while not stop.is_set():
            answer = arena.invoke("neighbour", {"n": answered[0]})
            if answer.status != 200 or answer.function_error:
                faults.append(repr(answer))
            answered[0] += 1
            stop.wait(0.01)
    thread = threading.Thread(target=neighbour)
    thread.start()
    try:
        answer = run(arena, attack, place, **EXHAUSTION[attack])
    finally:
        stop.set()
        thread.join()
    if not answer.function_error and answer.status == 200:
        assert answer.json["gained"] == [], answer.json
    assert not faults, faults[:3]
    assert answered[0] > 0
    assert_unharmed(arena)


CHANNELS = ["forge_frames", "flood_channels", "huge_frame", "send_descriptors", "close_channels"]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("attack", CHANNELS)
def test_a_forged_channel_harms_only_its_own_invocation(arena, attack, place):
    for _ in range(2):
        answer = run(arena, attack, place)
        assert_unharmed(arena)
    records = arena.records()
    if answer.request_id:
        assert sum(r["requestId"] == answer.request_id for r in records) <= 1
    # What was forged in one invocation is never the answer to another.
    for number in range(8):
        found = arena.invoke("hostile", {"attack": "own_loopback_is_own", "place": "handler", "number": number})
        assert found.status == 200 and "forged" not in found.text, found


@pytest.mark.parametrize("place", PLACES)
def test_killing_pid_1_harms_only_its_own_sandbox(arena, place):
    run(arena, "kill_pid_1", place)
    assert_unharmed(arena)


@pytest.mark.parametrize("place", PLACES)
def test_nothing_outlives_its_invocation(arena, place):
    marker = arena.targets.event("", "")["marker"]
    run(arena, "outlive", place, limit=5)

    def survivors():
        own = {p.pid for p in arena.family().all}
        return [p for p in processes.all_processes().values() if not p.zombie and (
            marker in p.arguments or (p.depth > 3 and p.uid not in (0, None) and p.pid in own and p.inner_pid != 1))]
    wait_until(lambda: not survivors(), 60, lambda: f"no survivor: {survivors()}")
    assert_unharmed(arena)


@pytest.mark.parametrize("place", ["handler", "grandchild"])
def test_what_one_invocation_leaves_the_next_does_not_find(arena, place):
    for _ in range(5):
        run(arena, "leave_marks", place)
        found = run(arena, "find_marks", "handler").json
        assert found["gained"] == [], found
    assert_unharmed(arena)


def test_what_import_leaves_in_files_is_not_shared_between_invocations(arena):
    """Files of the template's /tmp are not seen by copies, or at least never changed by one for another."""
    arena.create("left-at-import", "open('/tmp/from-import', 'w').write('import')\n"
                 "def handler(e, c):\n    import os\n    p = '/tmp/from-import'\n    old = open(p).read() if os.path.exists(p) else None\n"
                 "    open(p, 'w').write('changed')\n    return old\n")
    assert set(arena.call("left-at-import") for _ in range(6)) <= {None, "import"}
    assert_unharmed(arena)


def test_two_functions_share_no_host_uid(arena):
    arena.create("uid-a", "import time\ndef handler(e, c):\n    time.sleep(2)\n    return 1\n")
    arena.create("uid-b", "import time\ndef handler(e, c):\n    time.sleep(2)\n    return 1\n")
    threads = [threading.Thread(target=arena.invoke, args=(n, {})) for n in ("uid-a", "uid-b", "neighbour")]
    for thread in threads:
        thread.start()

    def by_init():
        """The uids below each init; nothing while one is still on its way out of root's."""
        table = processes.all_processes()
        family, found = arena.family(), {}
        for process in family.sandboxed:
            current = process
            while current.pid not in family.inits and current.parent in table:
                current = table[current.parent]
            if current.pid in family.inits:
                found.setdefault(current.pid, set()).add(process.uid)
        # One that waits for its first use is root's still and runs nothing of a function.
        found = {pid: uids for pid, uids in found.items() if uids != {0}}
        settled = len(found) >= 3 and all(len(uids) == 1 and 0 not in uids for uids in found.values())
        return found if settled else None
    found = wait_until(by_init, 60, lambda: f"settled sandboxes: {arena.family().sandboxed}")
    for thread in threads:
        thread.join()
    if os.geteuid() == 0:
        uids = [uid for uids in found.values() for uid in uids]
        assert len(uids) == len(set(uids)), found
        assert processes.all_processes()[arena.family().server].uid not in uids, found


def test_a_hostile_executable_gains_nothing_either(arena):
    """`provided`: a shell as bootstrap tries the plain things without Python's help."""
    script = """#!/bin/sh
    api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime"
    while :; do
      curl -sS -D /tmp/head -o /tmp/event "$api/invocation/next"
      while read -r name value; do
        case $name in [Ll]ambda-[Rr]untime-[Aa]ws-[Rr]equest-[Ii]d:) id=$(printf %s "$value" | tr -d '\\r') ;; esac
      done < /tmp/head
      gained=""
      cat /etc/shadow >/dev/null 2>&1 && gained="$gained shadow"
      ls /root/* >/dev/null 2>&1 && gained="$gained root"
      ls /home/* >/dev/null 2>&1 && gained="$gained home"
      ls /sys/* >/dev/null 2>&1 && gained="$gained sys"
      echo x > /var/task/x 2>/dev/null && gained="$gained code"
      mount -t tmpfs none /mnt 2>/dev/null && gained="$gained mount"
      unshare -U true 2>/dev/null && gained="$gained unshare"
      kill -9 -1 2>/dev/null && gained="$gained kill"
      curl -s -m 1 "http://127.0.0.1:PORT/martlet/v1/health" >/dev/null && gained="$gained server"
      curl -s -m 1 http://1.1.1.1/ >/dev/null && gained="$gained internet"
      # Forged answers for somebody else's request.
      curl -s -o /dev/null -d '"forged"' "$api/invocation/00000000-0000-4000-8000-000000000000/response"
      curl -sS -o /dev/null -d "\\"gained:$gained\\"" "$api/invocation/$id/response"
    done
    """
    import textwrap
    arena.create("shell", {"bootstrap": textwrap.dedent(script).replace("PORT", str(arena.port))}, runtime="provided", handler="any", timeout=20)
    for _ in range(3):
        assert arena.call("shell", {}) == "gained:"
    assert_unharmed(arena)


def test_function_files_of_others_are_not_in_reach(arena):
    found = run(arena, "search_everything", "handler", seconds=40).json
    assert found["gained"] == [] and any("looked at" in n for n in found["notes"]), found


def test_the_fallbacks_are_really_in_use(arena, request):
    facts = arena.cli_json("doctor")
    node = arena.http("GET", "/martlet/v1/node").json
    if arena.environment.get("MARTLET_SANDBOX_DISABLE"):
        assert "landlock" in json.dumps(node).lower(), node
        with open(arena.log_path) as log:
            print(log.read()[-500:], facts)
