"""The life of an environment: one invocation or many, its end, and what it says of that."""

import json
import re

from conftest import END, READY


def test_once_serves_one_invocation_and_ends(start):
    worker = start("export const handler = async (event) => event;", mode="once")
    assert worker.init == (READY, b"")
    assert worker.result({"a": 1}) == {"a": 1}
    assert worker.was_last
    assert worker.receive() is None
    assert worker.process.wait(10) == 0


def test_an_environment_serves_until_its_socket_closes(start):
    worker = start("let n = 0; export const handler = async () => ++n;")
    assert [worker.result() for _ in range(3)] == [1, 2, 3]
    assert not worker.was_last
    assert worker.end() == 0


def test_nothing_runs_between_two_invocations(start):
    """As on Lambda, where an environment is frozen: what is left over goes on with the next invocation."""
    worker = start("""
let ticks = 0;
export const handler = async ({ wait }) => {
  if (wait) await new Promise((resolve) => setTimeout(resolve, wait));
  else setInterval(() => { ticks += 1; }, 1);
  return ticks;
};
""")
    assert worker.result({}) == 0
    assert worker.result({"wait": 20}) > 0


def test_an_uncaught_exception_is_the_last_answer(start):
    worker = start("export const handler = async () => { setTimeout(() => { throw new Error('late'); }, 1); await new Promise(() => {}); };")
    error = worker.error()
    assert (error["errorType"], error["errorMessage"]) == ("Error", "late") and worker.was_last
    assert worker.process.wait(10) == 129


def test_an_unhandled_rejection_is_the_last_answer(start):
    worker = start("export const handler = async () => { Promise.reject(new Error('x')); await new Promise((r) => setTimeout(r, 5000)); };")
    assert worker.error()["errorType"] == "Runtime.UnhandledPromiseRejection" and worker.was_last
    assert worker.process.wait(10) == 128


def test_an_exit_is_no_answer(start):
    worker = start("export const handler = async () => process.exit(5);")
    assert worker.invoke() is None
    assert worker.process.wait(10) == 5


def test_only_the_first_answer_counts(start):
    worker = start({"index.js": """
exports.handler = (event, context, callback) => {
  context.callbackWaitsForEmptyEventLoop = false;
  callback(null, 1); callback(null, 2); context.succeed(3); context.done(null, 4); context.fail(new Error('5'));
};
"""})
    assert [worker.result(), worker.result()] == [1, 1]


def test_an_answer_is_flushed_after_the_output(start):
    worker = start("export const handler = async () => { process.stdout.write('a'.repeat(300000) + '\\n'); console.log('b'); };", mode="once")
    assert worker.invoke()[0] == END
    assert re.fullmatch(r"a{300000}\n[^\n]*\trequest-1\tINFO\tb\n", worker.log)


def test_large_events_and_answers_pass(start):
    worker = start("export const handler = async (event) => event;")
    event = {"text": "ü" * 2_000_000}
    assert worker.result(event) == event


def test_variables_are_lambdas_and_the_functions_own(start):
    worker = start("export const handler = async () => process.env;", environment={"COLOUR": "blue", "AWS_REGION": "nowhere", "TZ": "Europe/Berlin"})
    found = worker.result()
    assert found["COLOUR"] == "blue" and found["AWS_REGION"] == "us-east-1" and found["TZ"] == "Europe/Berlin"
    assert found["AWS_EXECUTION_ENV"].startswith("AWS_Lambda_nodejs") and found["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "256"
    assert "LEFT_OVER" not in found and "_X_AMZN_TRACE_ID" not in found


def test_the_trace_id_is_the_requests_own(start):
    worker = start("export const handler = async () => process.env._X_AMZN_TRACE_ID ?? null;")
    assert [worker.result(traceId="Root=1"), worker.result()] == ["Root=1", None]


def test_errors_never_show_the_runtime(start):
    worker = start("export const handler = async () => { throw new Error('x'); };")
    assert not [line for line in worker.error()["trace"] if "bootstrap" in line]


def test_strange_errors_are_told_all_the_same(start):
    worker = start("""
const thrown = [undefined, null, 7, { name: 'N', message: 'm', stack: 's' }, Object.create(null), { toString() { throw new Error('no'); } }];
export const handler = async (index) => { throw thrown[index]; };
""")
    kinds = [worker.error(json.dumps(index).encode())["errorType"] for index in range(6)]
    assert kinds == ["string", "string", "number", "N", "handled", "handled"]


def test_init_errors_are_told(start):
    cases = {
        "throw new TypeError('bad');": ("TypeError", "bad"),
        "export const other = 1;": ("Runtime.HandlerNotFound", "index.handler is undefined or not exported"),
        "import 'nobody-has-it';": ("Runtime.ImportModuleError", "Cannot find package 'nobody-has-it'"),
        "let let = 1;": ("Runtime.UserCodeSyntaxError", "SyntaxError"),
        "process.exit(3);": ("Runtime.ExitError", "exit status 3"),
        "await new Promise(() => {});": ("Runtime.ExitError", "without providing a reason"),
        "setImmediate(() => { throw new Error('soon'); }); await new Promise((r) => setTimeout(r, 1000));": ("Error", "soon"),
        "Promise.reject(new Error('y')); await new Promise((r) => setTimeout(r, 1000));": ("Runtime.UnhandledPromiseRejection", "Error: y"),
    }
    for code, (kind, message) in cases.items():
        error = start(code).init_error
        assert error["errorType"] == kind and message in error["errorMessage"], (code, error)


def test_text_log_lines_are_one_line_each(start):
    worker = start("console.log('at init'); export const handler = async () => { console.warn('two\\nlines', { a: 1 }); console.debug('d'); };", mode="once")
    worker.result()
    first, second, third = worker.log.split("\n")[:3]
    assert first.endswith("\tundefined\tINFO\tat init")
    assert second.endswith("\trequest-1\tWARN\ttwo\rlines { a: 1 }") and third.endswith("\tDEBUG\td")


def test_json_log_lines_and_levels(start):
    worker = start("export const handler = async () => { console.debug('no'); console.info({ a: 1 }); console.error('failed', new RangeError('far')); };",
                   mode="once", environment={"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "info"})
    worker.result()
    first, second = (json.loads(line) for line in worker.log.splitlines())
    assert (first["level"], first["message"], first["requestId"]) == ("INFO", {"a": 1}, "request-1")
    assert (second["errorType"], second["errorMessage"]) == ("RangeError", "far") and second["stackTrace"]


def test_a_bad_client_context_is_an_error(start):
    worker = start("export const handler = async (event, context) => context.clientContext;")
    assert worker.result(clientContext='{"custom": 1}') == {"custom": 1}
    assert "Cannot parse ClientContext as json" in worker.error(clientContext="{")["errorMessage"]


def test_streams_are_answered_whole(start):
    worker = start("""
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
export const handler = awslambda.streamifyResponse(async ({ fail }, stream, context) => {
  if (fail) { stream.write('x'); throw new Error(context.functionName); }
  await pipeline(Readable.from(['[1', ',2', ']']), stream);
});
""")
    assert worker.result({}) == [1, 2]
    assert worker.error(b'{"fail": true}')["errorMessage"] == "fn"


def test_a_stream_is_sent_in_parts_to_a_caller_that_takes_them(start):
    worker = start("""
export const handler = awslambda.streamifyResponse(async ({ http, fail }, stream) => {
  if (http) awslambda.HttpResponseStream.from(stream, { statusCode: 201 });
  else stream.setContentType('text/plain');
  stream.write('one');
  if (fail) throw new Error('midway');
  stream.end(Buffer.alloc(300_000));
});
""")
    frames = [worker.invoke(b"{}", responseMode="streaming")] + [worker.receive() for _ in range(4)]
    assert [kind for kind, _ in frames] == [21, 18, 18, 18, 19]
    assert (frames[0][1], frames[1][1], len(frames[2][1] + frames[3][1]), frames[4][1]) == (b"text/plain", b"one", 300_000, b"")
    frames = [worker.invoke(b'{"http": true}', responseMode="streaming")] + [worker.receive() for _ in range(5)]
    assert frames[0][1] == b"application/vnd.awslambda.http-integration-response" and frames[1][1] == b'{"statusCode":201}' + bytes(8)
    frames = [worker.invoke(b'{"fail": true}', responseMode="streaming")] + [worker.receive() for _ in range(2)]
    assert [kind for kind, _ in frames] == [21, 18, 20] and json.loads(frames[2][1])["errorMessage"] == "midway"


def test_a_stream_longer_than_an_answer_may_be_is_an_error(start):
    worker = start("""
export const handler = awslambda.streamifyResponse(async (event, stream) => {
  stream.on('error', () => {});
  for (let n = 0; n < 7; n++) stream.write(Buffer.alloc(1 << 20));
  stream.end();
});
""")
    assert worker.error()["errorType"] == "Function.ResponseSizeTooLarge"


def test_an_unknown_mode_is_refused(node):
    import subprocess
    from conftest import BOOTSTRAP
    done = subprocess.run([node, str(BOOTSTRAP), "whatever"], capture_output=True, text=True)
    assert done.returncode == 64 and "must be" in done.stderr
