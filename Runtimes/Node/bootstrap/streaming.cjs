// Streaming handlers. The answer leaves as a whole: what is written is kept until the stream has ended.
'use strict';

const { Writable } = require('stream');
const { Fault } = require('./output.cjs');

const HTTP_INTEGRATION = 'application/vnd.awslambda.http-integration-response';

class ResponseStream extends Writable {
  #parts = [];
  #size = 0;
  #limit;
  #isStarted = false;
  /** Status, headers and cookies, where `HttpResponseStream.from` gave them. */
  #prelude;
  contentType = 'application/octet-stream';

  constructor(highWaterMark, limit) {
    super({ highWaterMark, decodeStrings: true });
    this.#limit = limit;
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

  _write(chunk, _encoding, callback) {
    this.#isStarted = true;
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

  /** The bytes written or, of an HTTP response, the object that function URLs take. */
  answer() {
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

module.exports = { HttpResponseStream, responseStream: (highWaterMark, limit) => new ResponseStream(highWaterMark, limit) };
