"""Spares: a runtime without a function waits for the next cold start of its language, and serves one function only."""

import glob
import os

from harness import processes
from harness.processes import wait_until
from harness.settings import settings
from harness.world import ECHO

SEEN_UID = "import os\ndef handler(event, context): return os.getuid()\n"


def spares(w):
    """PID 1 of each spare whose runtime has been started."""
    below = processes.descendants(w.process.pid)
    found = [p for p in below if p.name == "martlet-spare"]
    return [p for p in found if any(c.parent == p.pid and c.name.startswith("python") for c in below)]


def spare(w, *, other_than=()):
    return wait_until(lambda: next((p for p in spares(w) if p.pid not in other_than), None), 60, lambda: f"no spare\n{w.log_text()}")


def test_a_cold_start_takes_the_spare_and_the_next_one_gets_another(make_world):
    w = make_world()
    w.create("first", SEEN_UID)
    one = spare(w)
    w.call("first")
    assert one.pid in w.family().inits
    two = spare(w, other_than={one.pid})
    w.create("second", SEEN_UID)
    w.call("second")
    assert {one.pid, two.pid} <= set(w.family().inits)
    hosts = {p.pid: p.uid for p in processes.descendants(w.process.pid)}
    assert hosts[one.pid] != hosts[two.pid]
    assert w.records("second")[-1]["startKind"] in ("cold", "ready", "template")


def test_a_spare_goes_some_time_after_the_last_use_of_its_language(make_world):
    w = make_world(config=settings(idle=1, spareSeconds=4))
    w.create("echo", ECHO)
    spare(w)
    w.call("echo", 1)
    wait_until(lambda: not spares(w) and not w.family().sandboxed, 60, lambda: str(processes.descendants(w.process.pid)))
    assert w.call("echo", 2) == 2


def test_no_spare_is_made_where_none_is_wanted(make_world):
    w = make_world(config=settings(spareSeconds=0))
    w.create("echo", ECHO)
    for value in range(20):
        assert w.call("echo", value) == value
    assert not spares(w)


def test_a_cold_start_works_when_its_spare_is_killed(make_world):
    w = make_world()
    w.create("warm", ECHO)
    for number, kill_init in enumerate((True, False)):
        found = spare(w)
        victims = [found.pid] if kill_init else [p.pid for p in processes.descendants(found.pid)]
        w.create(f"echo-{number}", ECHO)
        for pid in victims:
            processes.kill_quietly(pid)
        assert w.call(f"echo-{number}", 1) == 1


def test_libraries_of_the_package_are_found_in_a_spare(make_world):
    library = glob.glob("/usr/lib/*/libz.so.1")[0]
    with open(library, "rb") as file:
        code = {
            "lib/libmartletprobe.so": file.read(),
            "app.py": "import ctypes\nlibrary = ctypes.CDLL('libmartletprobe.so')\nlibrary.zlibVersion.restype = ctypes.c_char_p\n"
                      "def handler(event, context): return library.zlibVersion().decode()\n"}
    w = make_world()
    w.create("echo", ECHO)
    found = spare(w)
    w.create("library", code)
    assert w.call("library").startswith("1.")
    assert found.pid in w.family().inits


def test_the_memory_size_of_the_function_holds_in_a_spare(make_world):
    w = make_world()
    hold = "held = b'x' * (%d << 20)\ndef handler(event, context): return len(held) >> 20\n"
    w.create("echo", ECHO)
    spare(w)
    w.create("large", hold % 700, memory=1024)
    assert w.call("large") == 700
    wait_until(lambda: spares(w), 60, "no second spare")
    w.create("small", hold % 300, memory=128)
    answer = w.invoke("small")
    assert answer.json["errorType"] == "Runtime.OutOfMemory", answer


def test_a_function_in_a_spare_cannot_write_to_its_code_even_at_import(make_world):
    attempt = (
        "import os\n"
        "found = []\n"
        "for name, flags in (('app.py', os.O_WRONLY), ('new.py', os.O_WRONLY | os.O_CREAT)):\n"
        "    try: os.open('/var/task/' + name, flags); found.append(name)\n"
        "    except OSError as error: pass\n"
        "import ctypes\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "for flags in (32 | 4096, 32):\n"
        "    if libc.mount(b'none', b'/var/task', None, flags, None) == 0: found.append(flags)\n"
        "if libc.umount2(b'/var/task', 2) == 0: found.append('umount')\n"
        "if libc.syscall(442, -100, b'/var/task', 0, ctypes.create_string_buffer(bytes([0] * 8 + [1] + [0] * 23), 32), 32) == 0: found.append('setattr')\n"
        "def handler(event, context): return found\n")
    w = make_world()
    w.create("echo", ECHO)
    found = spare(w)
    w.create("attack", attempt)
    assert w.call("attack") == []
    assert found.pid in w.family().inits
