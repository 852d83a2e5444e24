// The template's side: what is prepared before the function is loaded, and what each copy of it renews.
'use strict';

const { openSync, readSync, closeSync } = require('fs');
const frames = require('./frames.cjs');
const invocations = require('./invocation.cjs');
const { setTarget } = require('./output.cjs');

const CONTROL = 4;
const fork = {};
process.dlopen({ exports: fork }, `${__dirname}/martlet_fork.node`);

const state = new Uint32Array(4);
const stateBytes = Buffer.from(state.buffer);

function refreshRandom() {
  const source = openSync('/dev/urandom', 'r');
  readSync(source, stateBytes, 0, stateBytes.length, null);
  closeSync(source);
}

function rotate(value, by) {
  return (value << by) | (value >>> (32 - by));
}

/** xoshiro128**. */
function draw() {
  const result = Math.imul(rotate(Math.imul(state[1], 5), 7), 9) >>> 0;
  const shifted = state[1] << 9;
  state[2] ^= state[0];
  state[3] ^= state[1];
  state[1] ^= state[2];
  state[0] ^= state[3];
  state[2] ^= shifted;
  state[3] = rotate(state[3], 11);
  return result;
}

/** V8's own generator cannot be given a new seed: all copies would draw the same numbers. */
function prepare() {
  refreshRandom();
  const { random } = { random() { return ((draw() >>> 5) * 67108864 + (draw() >>> 6)) / 9007199254740992; } };
  Object.defineProperty(Math, 'random', { value: random, writable: true, configurable: true, enumerable: false });
}

/** Random bytes that Node drew ahead: used up, so that the next come from the kernel. */
function discardDrawnAhead() {
  const { randomInt, randomUUID } = require('crypto');
  for (let count = 0; count < 128; count++) randomUUID();
  for (let count = 0; count < 1024; count++) randomInt(2);
}

/**
 * What each copy does whatever the function is. Done before the first copy, so that V8 has compiled it, and in one that
 * never sees a request, so that the library learns which pages it writes to.
 */
function rehearse(definition) {
  refreshRandom();
  const header = Buffer.from('{"requestId":"00000000-0000-0000-0000-000000000000","deadlineMs":0,"arn":"","traceId":"Root=1-0-0;Sampled=0"}');
  const event = Buffer.from('{"text":"","number":[1,1.5],"none":null}');
  const payload = Buffer.alloc(4 + header.length + event.length);
  payload.writeUInt32LE(header.length, 0);
  header.copy(payload, 4);
  event.copy(payload, 4 + header.length);
  const zeros = openSync('/dev/zero', 'r+');
  setTarget(zeros);
  frames.write(frames.READY, '', false, zeros);
  frames.read(zeros);
  let isAnswered = false;
  invocations.rehearse(definition, payload, zeros, () => { isAnswered = true; });
  // The rest of it is in promises: done now, not when the loop comes round.
  for (let turn = 0; turn < 8 && !isAnswered; turn++) process._tickCallback?.();
  setTarget(1);
  closeSync(zeros);
  delete process.env._X_AMZN_TRACE_ID;
}

/** Before there is a function: what `rehearse` has V8 compile is there then. */
function rehearseForAll() {
  for (let times = 0; times < 3; times++) rehearse({ memorySize: 128 });
}

/** What no two copies may have the same of: it comes first, and has been sent before the copy was made. */
function takeVariables() {
  const frame = frames.read();
  // The server has no more use for this copy.
  if (!frame) fork.exit(0);
  if (frame.type !== frames.VARIABLES) throw new Error(`expected a VARIABLES frame (type ${frames.VARIABLES}), got type ${frame.type}`);
  Object.assign(process.env, JSON.parse(frame.payload.toString()));
}

/** Says READY and makes copies on command; returns in a copy. */
function become(definition) {
  const drawsAhead = process.moduleLoadList.includes('NativeModule internal/crypto/random');
  rehearse(definition);
  fork.serve(CONTROL, () => rehearse(definition));
  if (definition.copiesGetVariables) takeVariables();
  refreshRandom();
  if (drawsAhead) discardDrawnAhead();
  // It is the first process of its namespace now.
  Object.defineProperty(process, 'pid', { value: 1, writable: false, enumerable: true, configurable: true });
}

module.exports = { prepare, rehearseForAll, become, exit: (status) => fork.exit(status) };
