// Streaming handlers. What is written leaves at once where the caller takes a stream; otherwise it is kept until the end.
'use strict';

const { Writable } = require('stream');
const frames = require('./frames.cjs');
const { Fault } = require('./output.cjs');

const HTTP_INTEGRATION = 'application/vnd.awslambda.http-integration-response';
// Between the JSON of an HTTP answer's status and headers, and its body.
const DELIMITER = Buffer.alloc(8);
// Bytes of one frame: a write that is longer becomes several, so that the first of it does not wait for the last.
const LONGEST_PART = 256 << 10;

class ResponseStream extends Writable {
  #parts = [];
  #size = 0;
  #limit;
  #isStarted = false;
  /** Status, headers and cookies, where `HttpResponseStream.from` gave them. */
  #prelude;
  contentType = 'application/octet-stream';
  /** Takes a frame; undefined where the answer is wanted as a whole. */
  #send;

  constructor(highWaterMark, limit, send) {
    super({ highWaterMark, decodeStrings: true });
    this.#limit = limit;
    this.#send = send;
  }

  setContentType(type) {
    if (this.#isStarted) throw new Fault('Runtime.InvalidStreamingOperation', 'Cannot set content-type, too late.');
    this.contentType = type;
  }

  setPrelude(prelude) { this.#prelude = prelude; }

  write(chunk, encoding, callback) {
    // As on Lambda anything else is written as its JSON.
    if (typeof chunk !== 'string' && !(chunk instanceof Uint8Array)) chunk = JSON.stringify(chunk);
    return super.write(chunk, encoding, callback);
  }

  /** The head goes out with the first part, at the latest at the end. */
  start() {
    if (this.#isStarted) return;
    this.#isStarted = true;
    if (!this.#send) return;
    this.#send(frames.STREAM, this.contentType);
    if (this.#prelude) this.#send(frames.CHUNK, Buffer.concat([Buffer.from(JSON.stringify(this.#prelude)), DELIMITER]));
  }

  _write(chunk, _encoding, callback) {
    this.start();
    if (this.#send) {
      // A caller who does not keep up makes the write wait.
      for (let at = 0; at < chunk.length; at += LONGEST_PART) this.#send(frames.CHUNK, chunk.subarray(at, at + LONGEST_PART));
      return callback();
    }
    this.#size += chunk.length;
    if (this.#size > this.#limit) return callback(new Fault('Function.ResponseSizeTooLarge', `Response payload size exceeded maximum allowed payload size (${this.#limit} bytes).`));
    this.#parts.push(Buffer.from(chunk));
    callback();
  }

  /** Calls back once all is written, or when that will not happen any more. */
  whenFinished(callback) {
    if (this.writableFinished) return callback();
    if (this.errored) return callback(this.errored);
    if (!this.writableEnded) return callback('Response stream is not finished.');
    this.once('finish', () => callback());
    this.once('error', callback);
  }

  /** What is left to be sent: nothing of a stream; else the bytes written or, of an HTTP response, the object that function URLs take. */
  answer() {
    this.start();
    if (this.#send) return Buffer.alloc(0);
    const body = Buffer.concat(this.#parts);
    if (!this.#prelude) return body;
    const isText = isUTF8(body);
    return Buffer.from(JSON.stringify({
      statusCode: 200, ...this.#prelude, body: isText ? body.toString() : body.toString('base64'), isBase64Encoded: !isText,
    }));
  }
}

function isUTF8(bytes) {
  return require('buffer').isUtf8(bytes);
}

class HttpResponseStream {
  static from(stream, prelude) {
    stream.setContentType(HTTP_INTEGRATION);
    // What is given is what counts, not what becomes of it; also shows now that it can be JSON at all.
    stream.setPrelude(JSON.parse(JSON.stringify(prelude ?? {})));
    return stream;
  }
}

module.exports = { HttpResponseStream, responseStream: (...values) => new ResponseStream(...values) };
