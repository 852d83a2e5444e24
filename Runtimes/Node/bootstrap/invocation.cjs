// One invocation: the context, the forms a handler can have, its answer.
'use strict';

const frames = require('./frames.cjs');
const { Fault, describe, logError, setRequestID } = require('./output.cjs');

const STREAMING = Symbol.for('aws.lambda.runtime.handler.streaming');
const HIGH_WATER_MARK = Symbol.for('aws.lambda.runtime.handler.streaming.highWaterMark');
// Lambda's limit of an answer: 6 MB and some room.
const MAXIMUM_ANSWER = 6_291_556;

const nothing = () => {};
/** What is done when nothing is left in the event loop. */
let whenEmpty = nothing;

/**
 * @param {{write: Function, next?: Function, leave: Function, onLost: Function}} life `write` takes a frame; `next` comes
 *   after an answer, or the process ends; `onLost` sets what is done with an error that nobody caught.
 * @returns a function that takes the payload of an INVOKE frame and answers it, sooner or later.
 */
function server(definition, handler, life) {
  const isAsync = handler.constructor?.name === 'AsyncFunction';
  const streaming = handler[STREAMING];

  return function serve(payload) {
    const length = 4 + payload.readUInt32LE(0);
    const header = JSON.parse(payload.toString('utf8', 4, length));
    setRequestID(header.requestId);
    const answer = answerer(life);
    try {
      if (header.traceId) process.env._X_AMZN_TRACE_ID = header.traceId;
      else delete process.env._X_AMZN_TRACE_ID;
      const event = length === payload.length ? {} : parseEvent(payload.toString('utf8', length));
      if (streaming) serveStream(handler, event, contextOf(definition, header), answer, header.responseMode === 'streaming' ? life.write : undefined);
      else serveCall(handler, isAsync, event, contextOf(definition, header), answer);
    } catch (error) {
      answer.error(error);
    }
  };
}

function answerer(life) {
  let isOver = false;
  const send = (type, payload, status) => {
    isOver = true;
    whenEmpty = nothing;
    // Nothing that comes now belongs to anybody's request.
    life.onLost((_error, status) => life.leave(status));
    const isLast = !life.next || status !== undefined;
    life.write(type, payload, isLast);
    if (isLast) life.leave(status ?? 0);
    setRequestID(undefined);
    life.next();
  };
  const answer = {
    get isOver() { return isOver; },
    result(value) {
      if (!isOver) send(frames.END, marshal(value));
    },
    bytes(buffer) {
      if (!isOver) send(frames.END, buffer);
    },
    /** The handler failed. */
    error(error) {
      if (isOver) return;
      logError('Invoke Error', error);
      send(frames.ERROR, JSON.stringify(describe(error)));
    },
    /** The process is lost with it: nobody caught the error, or what it rests on. */
    lost(error, status) {
      if (!isOver) send(frames.ERROR, JSON.stringify(describe(error)), status);
    },
  };
  life.onLost((error, status) => answer.lost(error, status));
  return answer;
}

function marshal(value) {
  let text;
  try {
    text = JSON.stringify(value === undefined ? null : value) ?? 'null';
  } catch {
    throw new Error('Unable to stringify response body');
  }
  const size = Buffer.byteLength(text);
  if (size > MAXIMUM_ANSWER) throw new Fault('Function.ResponseSizeTooLarge', `Response payload size exceeded maximum allowed payload size (${MAXIMUM_ANSWER} bytes).`);
  return text;
}

function parseEvent(text) {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Fault('Runtime.UnmarshalError', `Unable to unmarshal input: ${error.message}`);
  }
}

function contextOf(definition, header) {
  let clientContext;
  if (header.clientContext) {
    try {
      clientContext = JSON.parse(header.clientContext);
    } catch (error) {
      throw new Error(`Cannot parse ClientContext as json: ${error}`);
    }
  }
  return {
    functionVersion: definition.functionVersion,
    functionName: definition.functionName,
    memoryLimitInMB: String(definition.memorySize),
    logGroupName: definition.logGroup,
    logStreamName: definition.logStream,
    clientContext,
    identity: undefined,
    invokedFunctionArn: header.arn,
    awsRequestId: header.requestId,
    tenantId: header.tenantId,
    getRemainingTimeInMillis: () => header.deadlineMs - Date.now(),
  };
}

/** `(event, context, callback)`: async, or with a callback, or with the context's own three. */
function serveCall(handler, isAsync, event, members, answer) {
  let waits = true;
  let isCalled = false;
  // Only the first call of any of them counts.
  const once = (action) => (...values) => {
    if (isCalled) return;
    isCalled = true;
    action(...values);
  };
  const settle = (error, result) => {
    if (error !== undefined && error !== null) return answer.error(error);
    try {
      answer.result(result);
    } catch (failure) {
      answer.error(failure);
    }
  };
  const context = Object.assign({
    get callbackWaitsForEmptyEventLoop() { return waits; },
    set callbackWaitsForEmptyEventLoop(value) { waits = value; },
    succeed: once((result) => settle(null, result)),
    fail: once((error) => settle(error ?? 'handled')),
    done: once(settle),
  }, members);
  const callback = once((error, result) => {
    if ((error !== undefined && error !== null) || !waits) return settle(error, result);
    whenEmpty = () => {
      whenEmpty = nothing;
      setImmediate(settle, null, result);
    };
  });
  whenEmpty = () => {
    whenEmpty = nothing;
    // An async handler whose promise can never settle has failed; one that forgot its callback has nothing to say.
    if (!isAsync) return settle(null, null);
    answer.error(new Fault('Runtime.NodeJsExit',
      'The Lambda runtime client detected an unexpected Node.js exit code. This is most commonly caused by a Promise that was never settled. '
      + 'For more information, see https://nodejs.org/docs/latest/api/process.html#exit-codes'));
  };
  const result = handler(event, context, callback);
  if (typeof result?.then === 'function') result.then(context.succeed, context.fail);
}

/**
 * `(event, responseStream, context)`: what is written is the answer.
 * @param {Function} [write] takes frames as they come; without it the answer leaves all at once when it is over.
 */
function serveStream(handler, event, members, answer, write) {
  const send = write && ((type, payload) => { if (!answer.isOver) write(type, payload, false); });
  const stream = require('./streaming.cjs').responseStream(handler[HIGH_WATER_MARK], MAXIMUM_ANSWER, send);
  const context = Object.assign({ callbackWaitsForEmptyEventLoop: true }, members);
  const result = handler(event, stream, context);
  if (typeof result?.then !== 'function') return answer.error('Streaming does not support non-async handlers.');
  whenEmpty = () => {
    whenEmpty = nothing;
    answer.error(new Fault('Runtime.NodeJsExit', 'Response stream is not finished.'));
  };
  result.then((value) => {
    if (value !== undefined) console.warn('Streaming handlers ignore return values.');
    stream.whenFinished((error) => {
      if (error) answer.error(error);
      else answer.bytes(stream.answer());
    });
  }).catch((error) => answer.error(error));
}

/**
 * One invocation of nothing, whose answer and output go to a descriptor.
 * @param {Function} finished called with the answer.
 */
function rehearse(definition, payload, descriptor, finished) {
  const life = {
    write: (type, answer, isLast) => frames.write(type, answer, isLast, descriptor),
    next: finished, leave: nothing, onLost: nothing,
  };
  const handler = async (event, context) => {
    console.log(`rehearsing ${event.text}`, context.getRemainingTimeInMillis());
    return { ...event, requestId: context.awsRequestId };
  };
  server(definition, handler, life)(payload);
}

module.exports = { server, rehearse, loopIsEmpty: () => whenEmpty() };
