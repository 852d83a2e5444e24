// Frames on descriptor 3: a header of 8 bytes {u32 length, u8 type, u8 flags, u16 extra}, little-endian, and the payload.
'use strict';

const { read: readLater, readSync, writeSync } = require('fs');
const resourceUsage = process.resourceUsage;

const SERVER = 3;
const HEADER = 8;
// An event is at most 6 MB; the rest is room for its header. Also keeps a broken peer from having us allocate 4 GB.
const MAXIMUM_PAYLOAD = 16 << 20;
const END = 19;
const ERROR = 20;

/** The next frame, or undefined when the peer has closed. Nothing else of the process's loop runs meanwhile. */
function read(descriptor = SERVER) {
  const head = exactly(descriptor, HEADER);
  return head && rest(head, descriptor);
}

/** The same for what goes on beside the handler: the process's loop runs meanwhile. `take` gets the frame. */
function readInLoop(take, head = Buffer.allocUnsafe(HEADER), have = 0) {
  readLater(SERVER, head, have, HEADER - have, null, (error, n) => {
    if (error && error.code !== 'EINTR' && error.code !== 'EAGAIN') throw error;
    if (n === 0) take(undefined);
    else if (have + (n ?? 0) < HEADER) readInLoop(take, head, have + (n ?? 0));
    else take(rest(head, SERVER));
  });
}

function rest(head, descriptor) {
  const length = head.readUInt32LE(0);
  if (length > MAXIMUM_PAYLOAD) throw new Error(`failed to read a frame: ${length} bytes of payload, at most ${MAXIMUM_PAYLOAD} are allowed`);
  const payload = exactly(descriptor, length);
  if (!payload) throw new Error('failed to read a frame: the peer closed before its end');
  return { type: head[4], payload };
}

function exactly(descriptor, length) {
  const bytes = Buffer.allocUnsafe(length);
  for (let have = 0; have < length;) {
    const n = retrying(() => readSync(descriptor, bytes, have, length - have, null));
    if (n === 0) return undefined;
    have += n;
  }
  return bytes;
}

/**
 * One frame's bytes.
 * @param {string|Buffer} payload
 * @param {boolean} [isLast] the process ends after this answer.
 */
function encode(type, payload = '', isLast = false) {
  const length = Buffer.byteLength(payload);
  const frame = Buffer.allocUnsafe(HEADER + length);
  frame.writeUInt32LE(length, 0);
  frame[4] = type;
  frame[5] = isLast ? 1 : 0;
  // With an answer: the highest resident memory, MiB.
  const megabytes = type === END || type === ERROR ? (resourceUsage().maxRSS + 1023) >> 10 : 0;
  frame.writeUInt16LE(megabytes > 0xffff ? 0xffff : megabytes, 6);
  if (typeof payload === 'string') frame.write(payload, HEADER);
  else payload.copy(frame, HEADER);
  return frame;
}

function write(type, payload, isLast, descriptor = SERVER) {
  writeFully(descriptor, encode(type, payload, isLast));
}

function writeFully(descriptor, bytes) {
  for (let done = 0; done < bytes.length;) done += retrying(() => writeSync(descriptor, bytes, done, bytes.length - done, null));
}

function retrying(operation) {
  for (;;) {
    try {
      return operation();
    } catch (error) {
      if (error.code !== 'EINTR' && error.code !== 'EAGAIN') throw error;
    }
  }
}

module.exports = { INIT: 1, INVOKE: 2, VARIABLES: 3, READY: 16, INIT_ERROR: 17, CHUNK: 18, END, ERROR, STREAM: 21, read, readInLoop, write, writeFully };
