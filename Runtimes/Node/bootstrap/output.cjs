// What a function writes, and how its errors look: in Lambda's shapes.
'use strict';

const { writeFully } = require('./frames.cjs');

const LONGEST_MESSAGE = 256 << 10;
let util;
/** The request that is running; undefined during init, and so do its lines say. */
let requestID;
let target = 1;

class Fault extends Error {
  constructor(name, message, cause) {
    super(message);
    this.name = name;
    // Where it happened is in the function's own code, not here.
    if (typeof cause?.stack === 'string') this.stack = `${name}: ${message}\n${cause.stack}`;
  }
}

class UnhandledPromiseRejection extends Fault {
  constructor(reason, promise) {
    super('Runtime.UnhandledPromiseRejection', textOf(reason));
    this.reason = reason;
    this.promise = promise;
  }
}

function textOf(value) {
  try {
    return String(value);
  } catch {
    return '<value cannot be shown>';
  }
}

/** Its lines, without the runtime's own. */
function stackOf(error) {
  return textOf(error.stack).split('\n').filter((line) => !line.startsWith('    at ') || !line.includes(`${__dirname}/`)).slice(0, 200);
}

/** The error as Lambda answers it. */
function describe(error) {
  try {
    if (error instanceof Error || (error?.name && error.message !== undefined && typeof error.stack === 'string')) {
      let message = textOf(error.message);
      if (message.length > LONGEST_MESSAGE) message = `${message.slice(0, LONGEST_MESSAGE)}… (${message.length - LONGEST_MESSAGE} more characters)`;
      return { errorType: textOf(error.name), errorMessage: message, trace: stackOf(error) };
    }
    return { errorType: typeof error, errorMessage: error.toString(), trace: [] };
  } catch {
    return {
      errorType: 'handled',
      errorMessage: 'callback called with Error argument, but there was a problem while retrieving one or more of its message, name, and stack',
      trace: [],
    };
  }
}

/** The error with what it carries besides, for a log line. */
function withMembers(_key, value) {
  if (!(value instanceof Error)) return value;
  const members = { errorType: value.name, errorMessage: value.message, code: value.code, ...value };
  if (typeof value.stack === 'string') members.stack = stackOf(value);
  return members;
}

let isJSON = false;

function logError(text, error) {
  const proper = error instanceof Error ? error : new Error(textOf(error));
  if (isJSON) return console.error(proper);
  let details;
  try {
    details = JSON.stringify(proper, withMembers);
  } catch {
    details = JSON.stringify(describe(proper));
  }
  console.error(text, '\t' + details);
}

function format(values) {
  if (values.length === 1 && typeof values[0] === 'string') return values[0];
  util ??= require('util');
  return util.format(...values);
}

function textLine(level, values) {
  return `${new Date().toISOString()}\t${requestID}\t${level}\t${format(values)}`;
}

function errorMembers(_key, value) {
  if (!(value instanceof Error)) return value;
  return {
    errorType: value.constructor?.name ?? 'UnknownError', errorMessage: value.message,
    stackTrace: typeof value.stack === 'string' ? stackOf(value) : value.stack, ...value,
  };
}

function jsonLine(level, values) {
  const line = { timestamp: new Date().toISOString(), level, requestId: requestID };
  if (values.length === 1) {
    line.message = values[0];
    try {
      return JSON.stringify(line, errorMembers);
    } catch {
      line.message = format(['%s', values[0]]);
      return JSON.stringify(line);
    }
  }
  line.message = format(values);
  const error = values.find((value) => value instanceof Error);
  if (error) {
    line.errorType = error.constructor?.name ?? 'UnknownError';
    line.errorMessage = error.message;
    line.stackTrace = typeof error.stack === 'string' ? stackOf(error) : [];
  }
  return JSON.stringify(line);
}

/** `console` writes Lambda's lines: one each, so that line breaks in a message become carriage returns. */
function patchConsole() {
  isJSON = process.env.AWS_LAMBDA_LOG_FORMAT?.toUpperCase() === 'JSON';
  const levels = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL'];
  const least = Math.max(0, levels.indexOf(process.env.AWS_LAMBDA_LOG_LEVEL?.toUpperCase()));
  const lineOf = isJSON ? jsonLine : textLine;
  const write = (level) => (...values) => {
    const line = lineOf(level, values).replace(/\n/g, '\r');
    writeFully(target, Buffer.from(line + '\n'));
  };
  const nothing = () => {};
  for (const [index, level] of levels.entries()) {
    console[level.toLowerCase()] = index < least && level !== 'FATAL' ? nothing : write(level);
  }
  console.log = console.info;
}

/** What goes to `process.stdout` is written when it is written: nothing of an invocation comes after its answer. */
function writeAtOnce() {
  for (const name of ['stdout', 'stderr']) {
    const { get } = Object.getOwnPropertyDescriptor(process, name) ?? {};
    if (!get) continue;
    let isBlocking = false;
    Object.defineProperty(process, name, {
      configurable: true, enumerable: true,
      get() {
        const stream = get.call(process);
        if (!isBlocking) {
          isBlocking = true;
          stream?._handle?.setBlocking?.(true);
        }
        return stream;
      },
    });
  }
}

module.exports = {
  Fault, UnhandledPromiseRejection, describe, logError, patchConsole, writeAtOnce,
  setRequestID(id) { requestID = id; },
  setTarget(descriptor) { target = descriptor; },
};
