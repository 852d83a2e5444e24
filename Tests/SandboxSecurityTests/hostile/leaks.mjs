// Looks for what another invocation left, then leaves what it can, in every way that Node has.
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import net from 'node:net';
import os from 'node:os';
import { MessageChannel, Worker } from 'node:worker_threads';

const require = createRequire(import.meta.url);
const PORT = 47113;

// What a copy has from its template: memory that is shared between threads, a thread, and the kernel's objects.
const shared = new Int32Array(new SharedArrayBuffer(4096));
const wasm = new Int32Array(new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }).buffer);
const worker = new Worker(`
  const { parentPort, workerData } = require('node:worker_threads');
  let left = [];
  parentPort.on('message', (mark) => { Atomics.add(workerData, 1, 1); parentPort.postMessage([...left]); left.push(mark); });
`, { eval: true, workerData: shared });
await new Promise((resolve) => worker.once('online', resolve));
const { port1, port2 } = new MessageChannel();
port2.unref();
const received = [];
port1.on('message', (mark) => received.push(mark));
port1.unref();
process.on('SIGUSR2', () => { globalThis.signalled = true; });

const at = { cwd: process.cwd(), umask: process.umask(), title: process.title, env: JSON.stringify(own(process.env)) };

/** Each copy has a trace and a key of its own. */
function own({ _X_AMZN_TRACE_ID, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_CREDENTIAL_EXPIRATION, ...environment }) {
  return environment;
}

function attempt(action) {
  try {
    return action();
  } catch {
    return undefined;
  }
}

const connected = (options) => new Promise((resolve) => {
  const socket = net.connect(options);
  socket.on('data', (data) => { socket.destroy(); resolve(String(data)); });
  socket.on('error', () => resolve(undefined));
});

const fromWorker = (mark) => new Promise((resolve) => { worker.once('message', resolve); worker.postMessage(mark); });

async function look(mark) {
  const found = [];
  const add = (name, value) => { if (value) found.push(`${name}: ${JSON.stringify(value)}`); };
  add('global', globalThis.left);
  add('prototype', {}.left);
  add('Math', Math.left);
  add('module cache', require.cache.left);
  add('shared memory', shared[0]);
  add('wasm memory', wasm[0]);
  add('worker', (await fromWorker(mark)).length);
  add('worker memory', Atomics.load(shared, 1) - 1);
  add('messages', received.length);
  add('signal', globalThis.signalled);
  add('working folder', process.cwd() !== at.cwd);
  add('umask', process.umask() !== at.umask);
  add('title', process.title !== at.title);
  add('variables', JSON.stringify(own(process.env)) !== at.env);
  add('files', fs.readdirSync('/tmp').concat(fs.readdirSync('/dev/shm')).filter((name) => name.startsWith('left')));
  add('priority', os.getPriority() > 0);
  add('processes', fs.readdirSync('/proc').filter((name) => Number(name) > 1));
  add('TCP', await connected({ port: PORT, host: '127.0.0.1' }));
  add('abstract socket', await connected({ path: '\0left' }));
  return found.filter((line) => !line.endsWith(': []'));
}

async function leave(mark) {
  globalThis.left = mark;
  Object.prototype.left = mark;
  Math.left = mark;
  require.cache.left = { exports: mark };
  shared[0] = 1;
  wasm[0] = 1;
  port2.postMessage(mark);
  process.env.LEFT = mark;
  process.umask(0o137);
  process.title = 'left';
  for (const folder of ['/tmp', '/dev/shm']) fs.writeFileSync(`${folder}/left-${mark}`, mark);
  attempt(() => os.setPriority(7));
  for (const address of [{ port: PORT, host: '127.0.0.1' }, { path: '\0left' }]) {
    const server = net.createServer((socket) => socket.end(mark));
    await new Promise((resolve) => { server.on('error', resolve); server.listen(address, resolve); });
  }
  spawn('/bin/sh', ['-c', 'trap "" TERM HUP INT; while :; do sleep 1; done'], { detached: true, stdio: 'ignore' }).unref();
  new Worker('setInterval(() => {}, 1)', { eval: true });
  setInterval(() => {}, 1);
  process.kill(process.pid, 'SIGUSR2');
  process.chdir('/tmp');
}

export const handler = async (event, context) => {
  const found = await look(context.awsRequestId);
  await leave(context.awsRequestId);
  return { found, marked: true };
};

/** Which of the kernel's objects are behind this copy's descriptors; held for a while, so that no name is used again. */
export const objects = async () => {
  const names = [];
  for (const fd of fs.readdirSync('/proc/self/fd')) {
    const target = attempt(() => fs.readlinkSync(`/proc/self/fd/${fd}`)) ?? '';
    if (/^(pipe|socket):/.test(target)) names.push(target);
    if (target === 'anon_inode:[eventfd]') names.push(fs.readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8').match(/eventfd-id:\s*\d+/)[0]);
  }
  await new Promise((resolve) => setTimeout(resolve, 400));
  return names;
};

export const attemptsToEscape = async () => {
  const refused = {};
  for (const [name, action] of Object.entries({
    package: () => fs.writeFileSync('/var/task/x', ''),
    runtime: () => fs.writeFileSync('/var/runtime/bootstrap.cjs', ''),
    node: () => fs.writeFileSync('/usr/bin/node', ''),
    mount: () => execFileSync('/bin/sh', ['-c', 'mount -t tmpfs none /tmp'], { stdio: 'pipe' }),
    home: () => fs.readdirSync('/root'),
    host: () => fs.readFileSync('/etc/shadow'),
    user: () => process.setuid(0),
    kill: () => process.kill(2, 'SIGKILL'),
    addon: () => {
      const { exports } = { exports: {} };
      process.dlopen({ exports }, '/var/runtime/martlet_fork.node');
      return exports.serve(4, () => {});
    },
  })) {
    try {
      action();
      refused[name] = false;
    } catch {
      refused[name] = true;
    }
  }
  return refused;
};
