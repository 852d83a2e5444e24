// The program of a Node execution environment: `node … bootstrap.cjs spare|template|once|environment`.
//
// Descriptor 3 is the socket to the server; in the modes `spare` and `template` descriptor 4 is the control socket of the fork
// library.
// README.md in the folder above has the protocol.
'use strict';

const mode = process.argv[2];
if (!['spare', 'template', 'once', 'environment'].includes(mode)) {
  process.stderr.write(`bootstrap.cjs: the mode must be spare, template, once or environment, not ${mode}\n`);
  process.reallyExit(64);
}
// As on Lambda, where the runtime has no arguments.
process.argv.length = 2;

const frames = require('./frames.cjs');
const output = require('./output.cjs');
const surroundings = require('./surroundings.cjs');
const invocations = require('./invocation.cjs');
// A spare is a template that waits for its function.
const copies = mode === 'template' || mode === 'spare' ? require('./copy.cjs') : undefined;

/** What is told of an error that nobody caught, and how the process ends then. */
let whenLost = initFailed;
let isInitialising = true;
/** What is loaded in any case; a spare has time for it. */
const loader = require('./handler.cjs');

process.on('uncaughtException', (error) => {
  output.logError('Uncaught Exception', error);
  whenLost(error, 129);
});
process.on('unhandledRejection', (reason, promise) => {
  const error = new output.UnhandledPromiseRejection(reason, promise);
  output.logError('Unhandled Promise Rejection', error);
  whenLost(error, 128);
});
process.on('beforeExit', () => {
  // A promise that the import waits for will never settle: nothing is left that could settle it.
  if (isInitialising) exitedDuringInit(0);
  else invocations.loopIsEmpty();
});
process.on('exit', (status) => {
  if (isInitialising) exitedDuringInit(status);
});

if (mode === 'spare') prepareForAnyFunction().then(start);
else start();

/** What most functions need takes most of a small one's init. */
async function prepareForAnyFunction() {
  for (const name of ['util', 'stream', 'events', 'path', 'url', 'async_hooks', 'string_decoder', 'querystring', 'os']) require(name);
  await import('data:text/javascript,');
  output.patchConsole();
  copies.rehearseForAll();
}

function start() {
  const first = frames.read();
  if (!first) leave(0);
  if (first.type !== frames.INIT) throw new Error(`expected the INIT frame (type ${frames.INIT}), got type ${first.type}`);
  const definition = JSON.parse(first.payload.toString());
  copies?.prepare();
  surroundings.apply(definition, copies !== undefined);
  output.patchConsole();
  output.writeAtOnce();
  loader.load(definition).then(
    (handler) => {
      isInitialising = false;
      // Not in a promise's reaction: what the function left to be done right after its import comes first.
      setImmediate(initialised, definition, handler);
    },
    (error) => {
      output.logError('Uncaught Exception', error);
      initFailed(error);
    });
}

function initialised(definition, handler) {
  const serve = invocations.server(definition, handler, {
    write: frames.write,
    next: mode === 'environment' ? () => setImmediate(next) : undefined,
    leave,
    onLost: (action) => { whenLost = action; },
  });
  // An extension within this process asks for its next event while the process waits for its next invocation.
  const next = definition.hasExtensions ? () => frames.readInLoop(take) : () => take(frames.read());
  const take = (frame) => {
    // The server has no more use for this environment.
    if (!frame) leave(0);
    if (frame.type !== frames.INVOKE) throw new Error(`expected an INVOKE frame (type ${frames.INVOKE}), got type ${frame.type}`);
    serve(frame.payload);
  };
  whenLost = (error, status) => leave(status);
  if (copies) copies.become(definition);
  // A copy's preparation is over by now: it is not part of the invocation.
  frames.write(frames.READY);
  next();
}

function initFailed(error) {
  isInitialising = false;
  frames.write(frames.INIT_ERROR, JSON.stringify(output.describe(error)));
  leave(1);
}

function exitedDuringInit(status) {
  const reason = status ? `Runtime exited with error: exit status ${status}` : 'Runtime exited without providing a reason';
  const error = { errorType: 'Runtime.ExitError', errorMessage: reason, trace: [] };
  isInitialising = false;
  frames.write(frames.INIT_ERROR, JSON.stringify(error));
  leave(1);
}

function leave(status) {
  // Past whatever the function put in the way.
  if (copies) copies.exit(status);
  process.reallyExit(status);
}
