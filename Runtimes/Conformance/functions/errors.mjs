// Handlers that fail, each in a way of its own.
import { spawnSync } from 'node:child_process';

class NoColour extends Error {
  name = 'NoColour';
}

export const throws = async () => { throw new NoColour('no colour: ü'); };

export const throwsText = async () => { throw 'just text'; };

export const throwsAtOnce = () => { throw new TypeError('not even async'); };

export const callbackWithError = (event, context, callback) => callback(new NoColour('by callback'));

export const fails = (event, context) => context.fail(new NoColour('by context'));

export const notJSON = async () => ({ count: 1n });

export const circular = async () => { const value = {}; value.itself = value; return value; };

export const recursion = async () => { const again = () => again() + 1; return again(); };

export const uncaught = async () => {
  setTimeout(() => { throw new NoColour('nobody catches it'); }, 1);
  await new Promise((resolve) => setTimeout(resolve, 30_000));
};

export const unhandled = async () => {
  Promise.reject(new NoColour('nobody handles it'));
  await new Promise((resolve) => setTimeout(resolve, 30_000));
};

export const neverSettles = async () => new Promise(() => {});

export const neverReturns = async () => {
  console.log('sleeping');
  for (;;);
};

export const memory = async () => {
  const kept = [];
  for (;;) kept.push(Buffer.alloc(1 << 20, 1));
};

export const heapMemory = async () => {
  const kept = [];
  for (;;) kept.push(new Array(10_000).fill(kept.length));
};

/** Garbage beyond the memory size is no reason to fail. */
export const garbage = async () => {
  let sum = 0;
  for (let n = 0; n < 400; n++) sum += new Array(100_000).fill(n + 0.5).length + Buffer.alloc(1 << 20, 1).length;
  return sum;
};

export const exits = async ({ status }) => {
  console.log('leaving');
  process.exit(status);
};

export const aborts = async () => process.abort();

export const failsOrAnswers = async (event, context) => {
  if (!event.fail) return 'unharmed';
  return { throws, notJSON, uncaught, unhandled, neverReturns, exits, aborts, neverSettles }[event.fail](event, context);
};

export const subprocess = async () => ({ status: spawnSync('/bin/sh', ['-c', 'exit 3']).status });
