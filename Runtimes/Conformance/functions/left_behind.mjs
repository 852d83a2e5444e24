// Handlers that leave something behind for the next invocation to find.
import { spawn, execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { Worker } from 'node:worker_threads';

let invocations = 0;

export const state = async () => {
  invocations += 1;
  globalThis.left = true;
  const firstInTmp = !fs.existsSync('/tmp/left');
  fs.writeFileSync('/tmp/left', 'x');
  return { invocations, firstInTmp };
};

const processes = () => fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name));

export const childProcess = async () => {
  const others = processes().length - 1;
  spawn('/bin/sleep', ['1000'], { stdio: 'ignore' });
  return { others };
};

export const daemon = async () => {
  const child = spawn('/bin/sh', ['-c', 'trap "" TERM HUP INT; while :; do sleep 1; done'], { detached: true, stdio: 'inherit' });
  child.unref();
  return 'answered';
};

export const thread = async () => {
  const worker = new Worker('for (;;);', { eval: true });
  await new Promise((resolve) => worker.once('online', resolve));
  return 'answered';
};

export const timer = async () => {
  setInterval(() => {}, 1);
  return 'answered';
};

export const tooLargeFile = async () => {
  try {
    execFileSync('/bin/dd', ['if=/dev/zero', 'of=/tmp/large', 'bs=1M', 'count=600'], { stdio: 'pipe' });
    return 'written';
  } catch (error) {
    return { error: /No space left on device/.test(error.stderr) ? 'No space left on device' : String(error) };
  }
};
