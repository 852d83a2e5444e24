// Handlers for what a function finds and how it answers.
import { execFileSync } from 'node:child_process';
import { lookup } from 'node:dns/promises';
import fs from 'node:fs';
import http from 'node:http';

export const echo = async (event) => event;

export const length = async (event) => event.length;

export const answerOf = async ({ bytes }) => 'x'.repeat(bytes - 2);

export const nothing = async () => {};

export const withCallback = (event, context, callback) => callback(null, event);

/** Answered only when nothing is left to be done. */
export const callbackThatWaits = (event, context, callback) => {
  setTimeout(() => console.log('done before the answer'), 20);
  callback(null, 'after the loop');
};

export const callbackThatDoesNotWait = (event, context, callback) => {
  context.callbackWaitsForEmptyEventLoop = false;
  setTimeout(() => console.log('never seen'), 60_000);
  callback(null, 'at once');
};

export const succeeds = (event, context) => setTimeout(() => context.succeed('succeeded'), 5);

export const isDone = (event, context) => context.done(null, 'done');

export const forgetsItsCallback = () => 'not this';

export const fields = async (event, context) => ({
  functionName: context.functionName,
  functionVersion: context.functionVersion,
  invokedFunctionArn: context.invokedFunctionArn,
  memoryLimitInMB: context.memoryLimitInMB,
  awsRequestId: context.awsRequestId,
  logGroupName: context.logGroupName,
  logStreamName: context.logStreamName,
  timeLeftIsWithinTheLimit: context.getRemainingTimeInMillis() > 0 && context.getRemainingTimeInMillis() <= 5000,
  clientContext: context.clientContext ?? null,
  identity: context.identity ?? null,
});

export const surroundings = async () => {
  fs.writeFileSync('/tmp/own', 'x');
  return {
    shell: execFileSync('/bin/sh', ['-c', 'echo "$COLOUR"']).toString(),
    node: execFileSync('node', ['-p', '1 + 1']).toString(),
    certificates: fs.readFileSync('/etc/ssl/certs/ca-certificates.crt').length > 1000,
    zone: new Date(0).getTimezoneOffset(),
    localhost: (await lookup('localhost', 4)).address,
    folder: process.cwd(),
    files: fs.readdirSync('/tmp'),
    readOnly: ['/var/task/x', '/usr/x', '/etc/x'].map((path) => { try { fs.writeFileSync(path, ''); return 'written'; } catch (error) { return error.code; } }),
    variables: Object.fromEntries(['COLOUR', '_HANDLER', 'AWS_LAMBDA_FUNCTION_NAME', 'AWS_EXECUTION_ENV', 'TZ', 'NODE_PATH'].map((name) => [name, process.env[name]])),
    pid: process.pid,
  };
};

export const loopback = async () => {
  const server = http.createServer((request, response) => response.end('over loopback'));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const text = await (await fetch(`http://127.0.0.1:${server.address().port}/`)).text();
  server.closeAllConnections();
  server.close();
  return text;
};

export const logs = async () => {
  process.stdout.write('on standard output\n');
  process.stderr.write('on standard error\n');
  console.log('text %s', 'formatted', { a: 1 });
  console.info('info');
  console.warn('two\nlines: ü');
  console.error('error', new RangeError('too far'));
  console.debug('debug');
  process.stdout.write('without a line break');
};

export const flood = async () => {
  for (let n = 0; n < 200_000; n++) process.stdout.write('0123456789012345678901234567890123456789\n');
  return 'still here';
};

export const streaming = awslambda.streamifyResponse(async (event, stream) => {
  stream.write('{"parts":[');
  stream.write('1,');
  await new Promise((resolve) => setTimeout(resolve, 5));
  stream.write('2]}');
  stream.end();
});

export const streamingHTTP = awslambda.streamifyResponse(async (event, stream) => {
  const response = awslambda.HttpResponseStream.from(stream, { statusCode: 201, headers: { 'x-colour': 'blue' }, cookies: ['a=b'] });
  response.write('streamed ');
  response.end('body');
});

export const unfinishedStream = awslambda.streamifyResponse(async (event, stream) => { stream.write('x'); });

export const notAFunction = 7;

export const nested = { inner: { handler: async () => 'nested' } };
