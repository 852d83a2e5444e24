"""What copies of a Node template share: nothing, although they come with its threads, pipes, eventfds and epoll descriptors."""

import concurrent.futures
import json
import pathlib

import pytest

from harness.world import ECHO, world

pytestmark = pytest.mark.root

LEAKS = (pathlib.Path(__file__).resolve().parent / "hostile" / "leaks.mjs").read_text()


@pytest.fixture(scope="module", params=["host", "fallbacks"])
def arena(scratch, request):
    environment = {}
    if request.param == "fallbacks":
        environment["MARTLET_SANDBOX_DISABLE"] = "landlock,clone3,mount_setattr,madv_populate"
    with world(scratch / f"node-{request.param}", environment=environment) as w:
        if not any(r["name"].startswith("nodejs") for r in w.http("GET", "/martlet/v1/node").json["runtimes"]):
            pytest.skip("this machine has no Node 20 or newer")
        w.create("neighbour", ECHO)
        yield w


def make(w, name, code, handler="app.handler", extension="mjs", **options):
    w.create(name, {f"app.{extension}": code}, handler=handler, runtime="nodejs", memory=256, **options)


def test_a_copy_finds_nothing_of_another(arena, name):
    make(arena, name, LEAKS)
    for _ in range(20):
        assert arena.call(name, {}) == {"found": [], "marked": True}
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for answer in pool.map(lambda _: arena.call(name, {}), range(80)):
            assert answer == {"found": [], "marked": True}
    assert arena.describe(name)["forkable"] is True, arena.describe(name)


def test_the_probe_finds_what_is_there(arena, name):
    """Proof that it can: in mode `environment` the second invocation finds the first one's marks."""
    make(arena, name, LEAKS)
    arena.http("PUT", f"/martlet/v1/functions/{name}/settings", json.dumps({"isolation": "environment"}).encode())
    assert arena.call(name, {})["found"] == []
    found = {line.split(":")[0] for line in arena.call(name, {})["found"]}
    assert found >= {"global", "shared memory", "wasm memory", "worker", "worker memory", "messages", "working folder", "variables", "files",
                     "processes", "TCP", "abstract socket"}, found


def test_copies_that_run_at_the_same_time_have_objects_of_their_own(arena, name):
    """Pipes, sockets and eventfds by the kernel's own names for them."""
    make(arena, name, LEAKS, handler="app.objects")
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: arena.call(name, {}), range(4)))
    assert arena.describe(name)["forkable"] is True
    for answer in answers:
        assert len(set(answer)) >= 8, answer
    together = [one for answer in answers for one in set(answer)]
    assert len(together) == len(set(together)), sorted(together)


def test_a_handler_gains_nothing(arena, name):
    make(arena, name, LEAKS, handler="app.attemptsToEscape")
    answer = arena.invoke(name, {})
    assert answer.function_error or set(answer.json.values()) == {True}, answer
    assert arena.call("neighbour", {"still": "here"}) == {"still": "here"}


CHANNELS = {
    "a file in /tmp": "const fd = fs.openSync('/tmp/x', 'w+'); fs.unlinkSync('/tmp/x');",
    "a FIFO open at both ends by one descriptor": "execFileSync('mkfifo', ['/tmp/x']); const fd = fs.openSync('/tmp/x', 'r+'); fs.unlinkSync('/tmp/x');",
    "a pipe with more in it than is carried over": "execFileSync('mkfifo', ['/tmp/x']); const reader = fs.openSync('/tmp/x', fs.constants.O_RDONLY | "
    "fs.constants.O_NONBLOCK); const writer = fs.openSync('/tmp/x', 'w'); fs.unlinkSync('/tmp/x'); fs.writeSync(writer, 'x'.repeat(3000));",
    "a listening socket": "import net from 'node:net'; net.createServer().listen(0);",
    "a datagram socket": "import dgram from 'node:dgram'; dgram.createSocket('udp4').bind(0);",
    "a child process": "import { spawn } from 'node:child_process'; spawn('/bin/sleep', ['1000'], { stdio: 'ignore' }).unref();",
    "a folder": "const fd = fs.openSync('/var/task', 'r');",
    "watched files": "fs.watch('/var/task', () => {});",
}


@pytest.mark.parametrize("channel", CHANNELS, ids=lambda c: c.replace(" ", "-"))
def test_what_would_be_shared_is_not_copied(arena, name, channel):
    """Such a function runs in environments of its own, and is described as one that cannot be copied, with the reason."""
    make(arena, name, f"import fs from 'node:fs'; import {{ execFileSync }} from 'node:child_process'; let calls = 0;\n{CHANNELS[channel]}\n"
         "export const handler = async () => { calls += 1; return calls; };")
    assert [arena.call(name, {}) for _ in range(3)] == [1, 1, 1]
    described = arena.describe(name)
    assert described["forkable"] is False and described["reason"], described


def test_a_pipe_of_the_templates_own_is_each_copys_own(arena, name):
    """Opened twice, so that both ends are within the template: copied, and nothing written in one copy is read in another."""
    make(arena, name, """
import fs from 'node:fs';
import { execFileSync } from 'node:child_process';
execFileSync('mkfifo', ['/tmp/x']);
const reader = fs.openSync('/tmp/x', fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
const writer = fs.openSync('/tmp/x', 'w');
fs.unlinkSync('/tmp/x');
fs.writeSync(writer, 'from init ');
export const handler = async (event, context) => {
  fs.writeSync(writer, context.awsRequestId);
  const bytes = Buffer.alloc(65536);
  return bytes.toString('utf8', 0, fs.readSync(reader, bytes, 0, bytes.length, null)) === 'from init ' + context.awsRequestId;
};
""")
    assert [arena.call(name, {}) for _ in range(6)] == [True] * 6
    assert arena.describe(name)["forkable"] is True, arena.describe(name)


def test_many_threads_come_along(arena, name):
    """Two dozen worker threads, each with a loop of its own."""
    make(arena, name, """
import fs from 'node:fs';
import { Worker } from 'node:worker_threads';
for (let n = 0; n < 24; n++) {
  const worker = new Worker('setInterval(() => {}, 1000)', { eval: true, resourceLimits: { maxOldGenerationSizeMb: 4, maxYoungGenerationSizeMb: 1 } });
  await new Promise((resolve) => worker.once('online', resolve));
}
export const handler = async () => fs.readdirSync('/proc/self/task').length > 24;
""", timeout=30)
    assert [arena.call(name, {}) for _ in range(3)] == [True] * 3
    assert arena.describe(name)["forkable"] is True, arena.describe(name)


def test_a_template_that_never_copies_harms_nobody_else(arena, name):
    make(arena, name, "const { setImmediate } = globalThis; globalThis.setImmediate = () => {}; export const handler = async () => 1;", timeout=5)
    arena.invoke(name, {}, timeout=60)
    assert arena.call("neighbour", {"still": "here"}) == {"still": "here"}
