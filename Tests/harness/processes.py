"""What /proc says about the processes below this one."""

import ctypes
import os
import signal
import time

PR_SET_CHILD_SUBREAPER = 36


def become_subreaper():
    """Every orphan of a server becomes a child of this process: a leftover cannot hide behind PID 1."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


# What reading of a process says that ends meanwhile.
GONE = (OSError, ValueError, IndexError)


class Process:
    def __init__(self, pid):
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read().decode(errors="replace")
        open_, close = text.index("("), text.rindex(")")
        fields = text[close + 2:].split()
        self.pid = pid
        self.name = text[open_ + 1:close]
        self.state = fields[0]
        self.parent = int(fields[1])
        self.start = int(fields[19])
        self.uid = None
        self.depth = 1
        self.inner_pid = pid
        # One that is gone by now is none: half of what is known of it would be taken for another kind of process.
        with open(f"/proc/{pid}/status") as file:
            for line in file:
                if line.startswith("Uid:"):
                    self.uid = int(line.split()[1])
                elif line.startswith("NSpid:"):
                    pids = line.split()[1:]
                    self.depth, self.inner_pid = len(pids), int(pids[-1])
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            self.arguments = file.read().decode(errors="replace").split("\0")[:-1]

    @property
    def zombie(self):
        return self.state in "ZX"

    @property
    def has_ended(self):
        """Also where its number is another's by now."""
        try:
            now = Process(self.pid)
        except GONE:
            return True
        return now.zombie or now.start != self.start

    def __repr__(self):
        return f"{self.pid} {self.name!r} {self.state} parent={self.parent} uid={self.uid} depth={self.depth}/{self.inner_pid} {self.arguments}"


def all_processes():
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                found[int(name)] = Process(int(name))
            except GONE:
                continue
    return found


def has_ended(pid):
    try:
        return Process(pid).zombie
    except GONE:
        return True


def descendants(pid, processes=None, apart=()):
    """Those of `apart` are left out, with all below them."""
    processes = all_processes() if processes is None else processes
    children = {}
    for process in processes.values():
        children.setdefault(process.parent, []).append(process)
    found, queue = [], [pid]
    while queue:
        for child in children.get(queue.pop(), ()):
            if child.pid in apart:
                continue
            found.append(child)
            queue.append(child.pid)
    return found


class Family:
    """The processes of one server by their part. The parts are told by /proc alone: who started whom, and how many
    process namespaces deep it lives."""

    def __init__(self, supervisor):
        processes = all_processes()
        below = [p for p in descendants(supervisor, processes) if not p.zombie]
        own_depth = processes[supervisor].depth if supervisor in processes else 1
        self.supervisor = supervisor
        self.all = below
        # What waits to become somebody's sandbox, a PID 1 alone or with a runtime, belongs to no function.
        spares = {p.pid for p in below if p.name == "martlet-spare"}
        below = [p for p in below if p.name != "martlet-embryo" and p.pid not in spares and p.parent not in spares]
        outer = [p for p in below if p.depth == own_depth]
        self.helper = next((p.pid for p in outer if is_helper(p)), None)
        self.server = next((p.pid for p in outer if p.parent == supervisor and not is_helper(p)), None)
        self.inits = [p.pid for p in below if p.depth == own_depth + 1 and p.inner_pid == 1]
        self.templates = [p.pid for p in below if p.depth == own_depth + 1 and p.parent in self.inits]
        self.workers = [p.pid for p in below if p.depth > own_depth + 1]
        self.sandboxed = [p for p in below if p.depth > own_depth]


def is_helper(process):
    return process.name.startswith("martlet-sandbo") or any("martlet-sandbox" in a for a in process.arguments[:1])


def wait_until(condition, limit, what, interval=0.01):
    """Level-triggered: returns the first true value of `condition`, fails after `limit` seconds."""
    end = time.monotonic() + limit
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {limit} s: {what() if callable(what) else what}")
        time.sleep(interval)


def reap(pid):
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        pass


def kill_quietly(pid, number=signal.SIGKILL):
    try:
        os.kill(pid, number)
        return True
    except ProcessLookupError:
        return False


def cgroups_of_martlet():
    found = set()
    for folder, names, _ in os.walk("/sys/fs/cgroup"):
        for name in names:
            if "martlet" in name:
                found.add(os.path.join(folder, name))
    return found


def mounts():
    with open("/proc/self/mountinfo") as file:
        return {line.split(" ", 2)[2].strip() for line in file}


def network_interfaces():
    """Of the network namespace that this process is in."""
    with open("/proc/self/net/dev") as file:
        return {line.split(":")[0].strip() for line in file if ":" in line}
