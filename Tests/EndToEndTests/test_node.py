"""Node functions from deploy to bill; what every runtime must do is in test_conformance.py."""

import concurrent.futures
import json

import pytest

from harness import OPTIONS
from harness.world import SAMPLES

INVOCATIONS = int(OPTIONS.get("MARTLET_SOAK_INVOCATIONS", 4000))

HELLO = "export const handler = async (event) => ({ hello: event.name });"


@pytest.fixture(scope="module", autouse=True)
def node(w):
    if not any(r["name"].startswith("nodejs") for r in w.http("GET", "/martlet/v1/node").json["runtimes"]):
        pytest.skip("this machine has no Node 20 or newer")


def test_deploy_finds_out_that_it_is_node(w, name):
    w.deploy(name, {"index.mjs": HELLO, "package.json": "{}"})
    described = w.boto().get_function_configuration(FunctionName=name)
    assert described["Runtime"].startswith("nodejs") and described["Handler"] == "index.handler"
    assert w.call(name, {"name": "Ada"}) == {"hello": "Ada"}


def test_a_single_file_is_a_package(w, name):
    file = w.folder / "only.js"
    file.write_text("exports.handler = async (event) => event.n + 1;")
    w.cli("deploy", name, file)
    assert w.call(name, {"n": 1}) == 2


def test_nodejs_means_the_newest(w, name):
    w.deploy(name, {"index.js": "exports.handler = async () => process.versions.node;"}, "--runtime", "nodejs")
    offered = [r["name"] for r in w.http("GET", "/martlet/v1/node").json["runtimes"] if r["name"].startswith("nodejs")]
    newest = max(int(one[6:-2]) for one in offered)
    assert w.boto().get_function_configuration(FunctionName=name)["Runtime"] == f"nodejs{newest}.x"
    assert w.call(name, {}).split(".")[0] == str(newest)


def test_a_redeploy_keeps_how_it_is_run(w, name):
    w.deploy(name, {"lib/job.cjs": "exports.run = async () => 1;"}, "--handler", "lib/job.run")
    w.deploy(name, {"lib/job.cjs": "exports.run = async () => 2;"})
    assert w.call(name, {}) == 2


def test_doctor_lists_it(w):
    assert "nodejs" in w.cli("doctor").stdout


def test_type_module_makes_js_an_es_module(w, name):
    w.create(name, {"index.js": "import { n } from './lib/n.js'; export const handler = async () => n;", "lib/n.js": "export const n = await 7;",
                    "package.json": '{"type": "module"}'}, handler="index.handler", runtime="nodejs")
    assert w.call(name, {}) == 7


def test_packages_are_found_in_node_modules(w, name):
    w.create(name, {"src/index.js": "const { n } = require('dependency'); exports.handler = async () => n;",
                    "node_modules/dependency/package.json": '{"main": "main.js"}', "node_modules/dependency/main.js": "exports.n = 5;"},
             handler="src/index.handler", runtime="nodejs")
    assert w.call(name, {}) == 5


def test_what_can_be_honoured_of_node_options_is(w, name):
    w.create(name, {"index.js": "exports.handler = async () => [globalThis.required, globalThis.imported];",
                    "first.cjs": "globalThis.required = true;", "second.mjs": "globalThis.imported = true;"},
             handler="index.handler", runtime="nodejs",
             env={"NODE_OPTIONS": "--require ./first.cjs --import=./second.mjs --enable-source-maps"})
    assert w.call(name, {}) == [True, True]


def test_copies_draw_different_numbers(w, name):
    """Also where the template drew before: what Node and V8 drew ahead is not given out twice."""
    code = """
import crypto from 'node:crypto';
const draw = () => [Math.random(), crypto.randomUUID(), globalThis.crypto.randomUUID(), crypto.randomInt(2 ** 47), crypto.randomBytes(8).toString('hex'),
  [...crypto.getRandomValues(new Uint32Array(2))].join()];
draw();
const { random } = Math;
export const handler = async () => [...draw(), random(), ...Array.from({ length: 200 }, () => crypto.randomUUID())];
"""
    w.create(name, {"index.mjs": code}, handler="index.handler", runtime="nodejs")
    drawn = [value for _ in range(10) for value in w.call(name, {})]
    assert len(set(drawn)) == len(drawn)
    assert w.describe(name)["forkable"] is True


def test_time_goes_on_in_a_copy(w, name):
    """A timer takes its time although its loop stood still since init."""
    code = """
const made = Date.now();
export const handler = async () => {
  const start = process.hrtime.bigint();
  await new Promise((resolve) => setTimeout(resolve, 150));
  return { waited: Number(process.hrtime.bigint() - start) / 1e6, age: Date.now() - made };
};
"""
    w.create(name, {"index.mjs": code}, handler="index.handler", runtime="nodejs")
    w.call(name, {})
    answers = [w.call(name, {}) for _ in range(4)]
    assert all(answer["waited"] >= 149 for answer in answers), answers
    assert answers[0]["age"] < answers[-1]["age"]


def test_what_init_began_goes_on_in_each_copy(w, name):
    code = """
let ticks = 0;
setInterval(() => { ticks += 1; }, 1);
const later = new Promise((resolve) => setTimeout(resolve, 30, 'later'));
export const handler = async () => { const text = await later; return [text, ticks > 0]; };
"""
    w.create(name, {"index.mjs": code}, handler="index.handler", runtime="nodejs")
    assert [w.call(name, {}) for _ in range(3)] == [["later", True]] * 3


def test_output_is_complete_and_in_order(w, name):
    code = """
export const handler = async () => {
  for (let n = 0; n < 500; n++) (n % 2 ? console.log : (line) => process.stdout.write(`${line}\\n`))(`line ${n} ${'x'.repeat(200)}`);
};
"""
    w.create(name, {"index.mjs": code}, handler="index.handler", runtime="nodejs")
    answer = w.invoke(name, {})
    lines = [line for line in w.logs(name, answer.request_id).splitlines() if "line " in line]
    assert [int(line.split("line ")[1].split()[0]) for line in lines] == list(range(500))


def test_a_function_url_answers_what_a_stream_wrote(w, name):
    code = """
export const handler = awslambda.streamifyResponse(async (event, stream) => {
  const response = awslambda.HttpResponseStream.from(stream, { statusCode: 202, headers: { 'content-type': 'text/plain', 'x-a': 'b' } });
  response.write('streamed ');
  response.end(Buffer.from('body'));
});
"""
    w.deploy(name, {"index.mjs": code})
    answer = w.http("GET", f"/fn/{name}")
    assert (answer.status, answer.headers["x-a"], answer.body) == (202, "b", b"streamed body")


def test_an_environment_is_replaced_after_an_uncaught_exception(w, name):
    code = """
let calls = 0;
export const handler = async ({ fail }) => {
  calls += 1;
  if (fail) { setTimeout(() => { throw new Error('late'); }, 1); await new Promise((resolve) => setTimeout(resolve, 1000)); }
  return calls;
};
"""
    w.create(name, {"index.mjs": code}, handler="index.handler", runtime="nodejs")
    w.http("PUT", f"/martlet/v1/functions/{name}/settings", json.dumps({"isolation": "environment"}).encode())
    assert [w.call(name, {}), w.call(name, {})] == [1, 2]
    assert w.invoke(name, {"fail": True}).json["errorMessage"] == "late"
    assert w.call(name, {}) == 1


def test_the_bill_names_init_and_memory(w, name):
    w.deploy(name, {"index.mjs": HELLO})
    request = w.invoke(name, {"name": "x"}).request_id
    record = w.record(request)
    assert 3 <= record["peakMemoryKiB"] / 1024 <= 128, record


SOAK = """
import crypto from 'node:crypto';
import dns from 'node:dns/promises';
import fs from 'node:fs/promises';
import http from 'node:http';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import zlib from 'node:zlib';
await fs.readFile(new URL(import.meta.url));

const tasks = {
  async fetch() {
    const server = http.createServer((request, response) => request.pipe(response));
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    const text = await (await fetch(`http://127.0.0.1:${server.address().port}/`, { method: 'POST', body: 'x'.repeat(20_000) })).text();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    return text.length === 20_000;
  },
  async lookup() { return (await dns.lookup('localhost', 4)).address === '127.0.0.1'; },
  async files() {
    await fs.writeFile('/tmp/x', 'y'.repeat(100_000));
    return (await fs.readFile('/tmp/x', 'utf8')).length === 100_000 && (await fs.readdir('/var/task')).length > 0;
  },
  async crypto() {
    const [key, bytes] = await Promise.all([promisify(crypto.scrypt)('p', 's', 32, { N: 64 }), promisify(crypto.randomBytes)(32)]);
    return key.length === 32 && bytes.length === 32 && (await crypto.subtle.digest('SHA-256', bytes)).byteLength === 32;
  },
  async timers() {
    let ticks = 0;
    const interval = setInterval(() => { ticks += 1; }, 1);
    await new Promise((resolve) => setTimeout(resolve, 8));
    clearInterval(interval);
    return ticks > 0;
  },
  async worker() {
    const worker = new Worker("const { parentPort } = require('node:worker_threads'); parentPort.postMessage(6 * 7);", { eval: true });
    const answer = await new Promise((resolve, reject) => { worker.once('message', resolve); worker.once('error', reject); });
    await worker.terminate();
    return answer === 42;
  },
  async zlib() { return (await promisify(zlib.gunzip)(await promisify(zlib.gzip)('z'.repeat(50_000)))).length === 50_000; },
  async modules() { return (await import('./other.mjs')).value === 1; },
  async garbage() {
    let kept = [];
    for (let n = 0; n < 60; n++) { kept.push(new Array(5_000).fill({ n })); if (kept.length > 10) kept = []; }
    return true;
  },
};

export const handler = async ({ number }) => {
  const names = Object.keys(tasks);
  const chosen = number % 4 === 0 ? names : [names[number % names.length]];
  const results = await Promise.all(chosen.map(async (name) => [name, await tasks[name]()]));
  return results.filter(([, right]) => !right).map(([name]) => name);
};
"""


def soak(w, name, count, in_flight):
    w.create(name, {"index.mjs": SOAK, "other.mjs": "export const value = 1;"}, handler="index.handler", runtime="nodejs", memory=256, timeout=30)
    wrong = []
    with concurrent.futures.ThreadPoolExecutor(in_flight) as pool:
        for number, answer in enumerate(pool.map(lambda number: w.invoke(name, {"number": number}), range(count))):
            if answer.status != 200 or answer.function_error or answer.json != []:
                wrong.append((number, repr(answer)[:500]))
            if number % 10_000 == 9_999:
                print(f"{number + 1} invocations, {len(wrong)} wrong", flush=True)
    assert not wrong, (len(wrong), wrong[:5])
    assert w.describe(name)["forkable"] is True


def test_everything_that_uses_threads_works_in_a_copy(w, name):
    soak(w, name, 150, 4)


@pytest.mark.long
@pytest.mark.timeout(1800 + INVOCATIONS // 5)
def test_it_works_thousands_of_times(w, name):
    """`Deploy/Benchmarks/node-soak.sh` asks for more."""
    soak(w, name, INVOCATIONS, 8)


def test_the_sample_greets(w, name):
    w.cli("deploy", name, SAMPLES / "HelloNode")
    assert w.call(name, {"name": "Ada"})["message"] == "Hello, Ada!"
    assert w.describe(name)["forkable"] is True
