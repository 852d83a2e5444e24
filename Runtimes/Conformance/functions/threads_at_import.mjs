// Work for the thread pool, a thread of its own, a timer and a pipe at import: a copy has all of it, and only its own.
import crypto from 'node:crypto';
import fs from 'node:fs/promises';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';

const shared = new SharedArrayBuffer(8);
const cell = new Int32Array(shared);
const worker = new Worker(`
  const { parentPort, workerData } = require('node:worker_threads');
  let calls = 0;
  parentPort.on('message', (message) => {
    calls += 1;
    Atomics.add(new Int32Array(workerData), 0, 1);
    parentPort.postMessage({ ...message, calls });
  });
`, { eval: true, workerData: shared });
await new Promise((resolve) => worker.once('online', resolve));
await fs.readFile(new URL(import.meta.url));
await promisify(crypto.scrypt)('password', 'salt', 16);
let ticks = 0;
setInterval(() => { ticks += 1; }, 1).unref();

export const handler = async (event) => {
  const answer = await new Promise((resolve) => { worker.once('message', resolve); worker.postMessage(event); });
  const pool = await Promise.all([fs.readFile('/proc/self/status', 'utf8'), promisify(crypto.scrypt)('password', 'salt', 16)]);
  await new Promise((resolve) => setTimeout(resolve, 10));
  return { calls: answer.calls, echoed: answer.number, shared: Atomics.load(cell, 0), status: pool[0].length > 0, key: pool[1].length, ticks: ticks > 0 };
};
