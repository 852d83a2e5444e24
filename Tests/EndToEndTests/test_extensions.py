"""Extensions beside and within the runtime: their events, their end, what they are sent, and what they cannot do."""

import io
import json
import re
import textwrap
import threading
import zipfile

import pytest

from harness.processes import wait_until
from harness.world import ECHO

# A whole extension but for what it does: that follows, with `register`, `next_event`, `call`, `subscribe` and `say` at hand.
PRELUDE = """
import http.client, http.server, json, os, sys, threading, time
NAME = os.path.basename(sys.argv[0])
IDENTIFIER = None

def say(*words):
    print(NAME, *words, flush=True)

def call(method, path, body=None, **headers):
    line = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    if IDENTIFIER:
        headers.setdefault("Lambda-Extension-Identifier", IDENTIFIER)
    line.request(method, path, json.dumps(body) if isinstance(body, (dict, list)) else body, {k.replace("_", "-"): v for k, v in headers.items()})
    answer = line.getresponse()
    return answer.status, answer.headers, json.loads(answer.read() or b"null")

def register(*events, **headers):
    global IDENTIFIER
    status, answer, body = call("POST", "/2020-01-01/extension/register", {"events": list(events)}, **{"Lambda_Extension_Name": NAME, **headers})
    assert status == 200, (status, body)
    IDENTIFIER = answer["Lambda-Extension-Identifier"]
    return body

def next_event():
    status, answer, event = call("GET", "/2020-01-01/extension/event/next")
    assert status == 200 and answer["Lambda-Extension-Event-Identifier"], (status, event)
    return event

def subscribe(taken, port=8080, protocol="HTTP", **more):
    class Listener(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        def do_POST(self):
            taken(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()
        def log_message(self, *arguments): pass
    server = http.server.ThreadingHTTPServer(("sandbox.localdomain", port), Listener)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return call("PUT", "/2022-07-01/telemetry", {
        "schemaVersion": "2022-12-13", "types": ["platform", "function"], "buffering": {"timeoutMs": 25},
        "destination": {"protocol": "HTTP", "URI": f"http://sandbox.localdomain:{port}/telemetry"}, **more})
"""
# Registers for everything and tells what comes.
WITNESS = """
say("registered", json.dumps(register("INVOKE", "SHUTDOWN", Lambda_Extension_Accept_Feature="accountId")))
while True:
    event = next_event()
    say("saw", json.dumps(event))
    if event["eventType"] == "SHUTDOWN":
        break
"""
HANDLER = """
import os, sys, time
def handler(event, context):
    print("handling", context.aws_request_id)
    if event.get("sleep"): time.sleep(event["sleep"])
    if event.get("exit"): os._exit(event["exit"])
    if event.get("fail"): raise ValueError("no")
    return {"pid": os.getpid(), "variables": sorted(os.environ)}
"""


def layer_of(files, mode=0o755):
    """An archive whose files below `extensions` may be executed."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
            entry.external_attr = (0o100000 | mode) << 16
            archive.writestr(entry, content)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def python(w):
    """Where functions, and with them their extensions, have their interpreter."""
    w.create("where", "import sys\ndef handler(event, context):\n    return sys.executable\n")
    return w.call("where")


def create(w, python, name, extensions, code=HANDLER, isolation="invocation", mode=0o755, **options):
    """A function with extensions: each is Python that follows the prelude, or bytes as they are."""
    files = {
        f"extensions/{one}": text if isinstance(text, bytes) else f"#!{python} -SE\n{PRELUDE}\n{text}" for one, text in extensions.items()}
    layers = []
    if files:
        made = w.boto().publish_layer_version(LayerName=name, Content={"ZipFile": layer_of(files, mode)})
        layers = [made["LayerVersionArn"]]
    w.create(name, code, Layers=layers, memory=256, **{"timeout": 10, **options})
    if isolation == "environment":
        answer = w.http("PUT", f"/martlet/v1/functions/{name}/settings", json.dumps({"isolation": isolation}).encode())
        assert answer.status == 200, answer
    return name


@pytest.fixture
def make(w, python, name):
    return lambda extensions, **options: create(w, python, name, extensions, **options)


@pytest.fixture(scope="module", autouse=True)
def silent(w, python):
    """What a function answers whose extension never registers; asked for early, since that takes as long as init may."""
    create(w, python, "silent", {"silent": "time.sleep(60)"})
    box = []
    thread = threading.Thread(target=lambda: box.append(w.invoke("silent", {})))
    thread.start()

    def answer():
        thread.join(120)
        return box[0]
    yield answer
    thread.join(120)


def lines(w, name, start):
    """What an extension said, as JSON, once `start` is among it."""
    return [json.loads(line.split(start, 1)[1]) for line in w.logs(name).splitlines() if start in line]


def wait_for(w, name, text, count=1):
    wait_until(lambda: w.logs(name).count(text) >= count, 60, lambda: f"{text!r} in the log of {name}:\n{w.logs(name)}\n{w.log_text(2000)}")


def retire(w, name):
    """A new revision: environments of the old one are not needed any more."""
    w.boto().update_function_configuration(FunctionName=name, Description="changed")


def invoke_to_the_end(w, name, event=None, **options):
    """Until its extensions are done, too: while they are at work another request gets another environment."""
    request = w.invoke(name, event or {}, **options).request_id
    wait_for(w, name, f"REPORT RequestId: {request}")
    return request


def afterwork(w, name):
    """Records of the time in which extensions alone were at work."""
    return [row for row in w.records(name) if row["trigger"] == "extensions"]


def fault(w, name, event=None):
    answer = w.invoke(name, event or {})
    assert answer.status == 200 and answer.function_error == "Unhandled", (answer, w.log_text(2000))
    return answer.json


def test_an_extension_registers_sees_each_invocation_and_is_told_of_the_end(w, make):
    name = make({"witness": WITNESS}, isolation="environment")
    ids = [invoke_to_the_end(w, name) for _ in range(2)]
    wait_for(w, name, "witness saw", 2)
    retire(w, name)
    wait_for(w, name, "SHUTDOWN\"", 1)
    facts, = lines(w, name, "witness registered ")
    assert facts == {"accountId": "123456789012", "functionName": name, "functionVersion": "$LATEST", "handler": "app.handler"}
    *invokes, end = lines(w, name, "witness saw ")
    assert [(event["eventType"], event["requestId"]) for event in invokes] == [("INVOKE", i) for i in ids]
    assert invokes[0]["invokedFunctionArn"].endswith(f":function:{name}") and invokes[0]["deadlineMs"] > 1_700_000_000_000
    assert invokes[0]["tracing"]["type"] == "X-Amzn-Trace-Id" and invokes[0]["tracing"]["value"].startswith("Root=1-")
    assert (end["eventType"], end["shutdownReason"]) == ("SHUTDOWN", "spindown") and end["deadlineMs"] > invokes[1]["deadlineMs"] - 20_000
    assert "EXTENSION\tName: witness\tState: Ready\tEvents: [INVOKE,SHUTDOWN]" in w.logs(name)


def test_two_extensions_in_an_environment_for_one_invocation(w, make):
    name = make({"one": WITNESS, "two": WITNESS.replace('"INVOKE", ', "")})
    answer = w.invoke(name, {})
    assert answer.json["pid"] != 1, "the runtime is not the first process"
    wait_for(w, name, "spindown", 2)
    assert [event["eventType"] for event in lines(w, name, "one saw ")][:2] == ["INVOKE", "SHUTDOWN"]
    assert {event["eventType"] for event in lines(w, name, "two saw ")} == {"SHUTDOWN"}
    assert "extensions" in json.dumps(w.describe(name)), "why it is not copied"


def test_what_an_extension_finds(w, make):
    name = make({"looker": """
register("SHUTDOWN")
say("found", json.dumps(dict(os.environ)))
say("among", os.getcwd(), sorted(n for n in os.listdir("/opt/extensions")))
next_event()
"""}, env={"MINE": "yes"})
    variables = w.call(name, {})["variables"]
    wait_for(w, name, "looker among")
    found, = [one for one in lines(w, name, "looker found ")][:1]
    assert found["MINE"] == "yes" and found["AWS_LAMBDA_FUNCTION_NAME"] == name and found["AWS_LAMBDA_RUNTIME_API"] == "127.0.0.1:9001"
    assert found["AWS_ACCESS_KEY_ID"] and found["AWS_REGION"] == "us-east-1"
    for withheld in ("AWS_EXECUTION_ENV", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME", "LAMBDA_RUNTIME_DIR", "LAMBDA_TASK_ROOT", "_HANDLER"):
        assert withheld not in found, withheld
    assert "AWS_LAMBDA_RUNTIME_API" in variables and "looker among / ['looker']" in w.logs(name)


def test_work_after_the_answer_is_finished_and_billed(w, make):
    name = make({"slow": """
register("INVOKE")
while True:
    next_event()
    time.sleep(0.4)
    say("finished")
"""})
    answer = w.invoke(name, {})
    assert answer.function_error is None, answer
    wait_for(w, name, "slow finished")
    wait_until(lambda: afterwork(w, name), 60, lambda: f"a record of what the extension took: {w.records(name)}")
    # The environment's end may have a record of its own by now.
    record, after = w.record(answer.request_id), max(afterwork(w, name), key=lambda row: row["billedMs"])
    assert record["trigger"] == "invoke" and record["outcome"] == after["outcome"] == "success"
    wait_for(w, name, "REPORT RequestId: " + answer.request_id)
    report = re.search(rf"REPORT RequestId: {answer.request_id}\tDuration: ([\d.]+) ms\tBilled Duration: (\d+) ms", w.logs(name))
    assert float(report[1]) >= 399 and int(report[2]) == record["billedMs"] + after["billedMs"]
    log = w.logs(name)
    assert log.index("END RequestId: " + answer.request_id) < log.index("REPORT RequestId: " + answer.request_id)


def test_the_time_of_the_end_is_billed(w, make):
    name = make({"late": """
register("SHUTDOWN")
next_event()
time.sleep(0.3)
"""})
    assert w.invoke(name, {}).function_error is None
    wait_until(lambda: afterwork(w, name), 60, lambda: f"a record of the end: {w.records(name)}")
    record, = afterwork(w, name)
    assert record["billedMs"] >= 300 and record["outcome"] == "success", record


def test_an_extension_that_takes_too_much_memory_after_the_answer_is_ended(w, make):
    name = make({"greedy": """
register("INVOKE")
next_event()
held = bytearray(b"x") * (500 << 20)
time.sleep(60)
"""}, timeout=30)
    assert w.invoke(name, {}).function_error is None
    wait_until(lambda: [row for row in afterwork(w, name) if row["outcome"] == "crash"], 60, lambda: f"the end of it: {w.records(name)}")


def test_init_may_say_more_than_a_pipe_holds(w, make):
    name = make({"witness": WITNESS}, code="for number in range(3000): print('line', number, 'x' * 60)\n" + HANDLER)
    w.call(name, {})
    assert "line 2999" in w.logs(name)


def test_extensions_that_take_longer_than_the_function_may(w, make):
    name = make({"stuck": """
register("INVOKE")
next_event()
time.sleep(60)
""", "witness": WITNESS}, timeout=1, isolation="environment")
    assert w.invoke(name, {}).function_error is None
    wait_for(w, name, "Task timed out after 1.00 seconds")
    wait_for(w, name, '"shutdownReason":"timeout"'.replace(":", ": "))
    assert w.invoke(name, {}).function_error is None, "another environment serves"


@pytest.mark.parametrize("event, reason, error", [
    ({"sleep": 30}, "timeout", "Sandbox.Timedout"), ({"exit": 3}, "failure", "Runtime.ExitError"),
])
def test_the_runtimes_end_is_told_to_extensions(w, make, event, reason, error):
    name = make({"witness": WITNESS}, timeout=2)
    found = fault(w, name, event)
    assert found["errorType"] == error, found
    wait_for(w, name, f'"shutdownReason": "{reason}"')
    assert w.invoke(name, {}).function_error is None


def test_an_error_of_the_handler_ends_nothing(w, make):
    name = make({"witness": WITNESS}, isolation="environment")
    invoke_to_the_end(w, name, {"fail": True})
    w.call(name, {})
    wait_for(w, name, "witness registered ")
    assert len(lines(w, name, "witness registered ")) == 1


def test_an_extension_that_crashes_fails_its_invocation(w, make):
    name = make({"weak": """
register("INVOKE")
next_event()
os._exit(5)
""", "witness": WITNESS}, isolation="environment")
    found = fault(w, name, {"sleep": 5})
    assert found["errorType"] == "Extension.Crash" and found["errorMessage"].endswith("Error: exit status 5"), found
    wait_for(w, name, '"shutdownReason": "failure"')


@pytest.mark.parametrize("extension, error, message", [
    ("os._exit(4)", "Extension.Crash", "exit status 4"),
    ("register()\nassert call('POST', '/2020-01-01/extension/init/error', {}, Lambda_Extension_Function_Error_Type='Extension.Mine')[0] == 202\nos._exit(1)",
     "Extension.InitError", "exit status 1"),
    ("register()\nassert call('POST', '/2020-01-01/extension/exit/error', {}, Lambda_Extension_Function_Error_Type='Extension.Mine')[0] == 202\nos._exit(0)",
     "Extension.ExitError", "exit code 0"),
    (b"#!/nowhere\n", "Extension.LaunchError", "fork/exec /opt/extensions/broken: No such file or directory"),
])
def test_an_extension_that_fails_fails_init(w, make, extension, error, message):
    name = make({"broken": extension})
    found = fault(w, name)
    assert found["errorType"] == error and message in found["errorMessage"], found


def test_a_file_that_may_not_be_executed_or_one_too_many_fails_init(w, make, name):
    found = fault(w, make({"plain": WITNESS}, mode=0o644))
    assert found["errorType"] == "Extension.LaunchError" and "Permission denied" in found["errorMessage"], found
    w.delete(name)
    found = fault(w, make({f"e{number}": WITNESS for number in range(11)}))
    assert found["errorType"] == "Extension.LaunchError", found


REFUSED = """
def refused(*arguments, **headers):
    status, _, body = call(*arguments, **headers)
    say("refused", json.dumps([status, body["errorType"], body["errorMessage"]]))
REGISTER, NEXT = "/2020-01-01/extension/register", "/2020-01-01/extension/event/next"
refused("POST", REGISTER, {"events": []})
refused("POST", REGISTER, "{", Lambda_Extension_Name=NAME)
refused("POST", REGISTER, {"events": ["OTHER"]}, Lambda_Extension_Name=NAME)
refused("POST", REGISTER, {"events": ["SHUTDOWN"]}, Lambda_Extension_Name="someone")
refused("GET", NEXT)
refused("GET", NEXT, Lambda_Extension_Identifier="x")
refused("GET", NEXT, Lambda_Extension_Identifier="00000000-0000-4000-8000-000000000000")
refused("POST", REGISTER, "x" * 100_000, Lambda_Extension_Name=NAME)
refused("GET", "/2018-06-01/runtime/invocation/next")
register("INVOKE")
refused("POST", REGISTER, {"events": []}, Lambda_Extension_Name=NAME)
refused("POST", "/2020-01-01/extension/init/error", {})
for number in range(8):
    assert call("POST", REGISTER, {}, Lambda_Extension_Name=f"inner{number}", Lambda_Extension_Identifier="")[0] == 200
refused("POST", REGISTER, {}, Lambda_Extension_Name="inner0")
refused("POST", REGISTER, {}, Lambda_Extension_Name="inner9")
os._exit(0)
"""


def test_refusals_are_lambdas(w, make):
    # The other one keeps the runtime from its start, and with it registration open.
    name = make({"asker": REFUSED, "later": "time.sleep(60)"}, isolation="environment")
    fault(w, name)
    assert [(status, kind) for status, kind, _ in lines(w, name, "asker refused ")][:13] == [
        (403, "Extension.InvalidExtensionName"), (403, "InvalidRequestFormat"), (403, "Extension.InvalidEventType"),
        (403, "Extension.InvalidEventType"), (403, "Extension.MissingExtensionIdentifier"), (403, "Extension.InvalidExtensionIdentifier"),
        (403, "Extension.UnknownExtensionIdentifier"), (413, "RequestEntityTooLarge"), (403, "InvalidStateTransition"),
        (403, "Extension.InvalidExtensionState"), (403, "Extension.MissingHeader"), (403, "Extension.InvalidExtensionState"),
        (403, "Extension.TooManyExtensions"),
    ], w.logs(name)
    assert "SHUTDOWN: ShutdownEventNotSupportedForInternalExtension" in w.logs(name) and "Extension limit (10) reached" in w.logs(name)


# -- within the runtime

INTERNAL = PRELUDE + """
NAME = "inside"
seen = []
def run():
    while True:
        seen.append(next_event())
register("INVOKE")
threading.Thread(target=run, daemon=True).start()
def handler(event, context):
    deadline = time.time() + 5
    while not seen and time.time() < deadline: time.sleep(0.01)
    status, _, late = call("POST", "/2020-01-01/extension/register", {}, Lambda_Extension_Name="late", Lambda_Extension_Identifier="")
    return {"seen": seen, "id": context.aws_request_id, "late": [status, late.get("errorType")]}
"""


def test_an_extension_within_the_python_runtime(w, make):
    name = make({}, code=INTERNAL)
    for _ in range(2):
        found = w.call(name, {})
        assert [event["requestId"] for event in found["seen"]] == [found["id"]] and found["late"] == [403, "Extension.RegistrationClosed"]
    assert "registers an extension" in json.dumps(w.describe(name))


def test_an_extension_within_the_node_runtime(w, name):
    runtimes = [r["name"] for r in w.http("GET", "/martlet/v1/node").json["runtimes"]]
    node = next((r for r in runtimes if r.startswith("nodejs")), None)
    if node is None:
        pytest.skip("this host has no node")
    w.create(name, {"index.mjs": """
const api = `http://${process.env.AWS_LAMBDA_RUNTIME_API}/2020-01-01/extension/`;
const registered = await fetch(api + 'register', {
  method: 'POST', headers: { 'Lambda-Extension-Name': 'inside' }, body: JSON.stringify({ events: ['INVOKE'] }) });
const identifier = registered.headers.get('lambda-extension-identifier');
const next = () => fetch(api + 'event/next', { headers: { 'Lambda-Extension-Identifier': identifier } }).then((answer) => answer.json());
let event = next();
export const handler = async (_, context) => {
  const seen = await event;
  event = next();
  return { seen: seen.requestId, id: context.awsRequestId };
};
"""}, runtime=node, handler="index.handler", memory=256)
    found = w.call(name, {})
    assert found["seen"] == found["id"], found


# -- telemetry

LISTENER = """
register("INVOKE", "SHUTDOWN")
reports = 0
def taken(records):
    global reports
    for record in records:
        say("record", json.dumps(record))
        reports += record["type"] == "platform.report"
say("subscribed", json.dumps(subscribe(taken)[::2]))
invocations = 0
while next_event()["eventType"] != "SHUTDOWN": invocations += 1
# As long as there is something to come the end waits, up to its time limit.
while reports < invocations: time.sleep(0.01)
"""


def test_a_crash_is_told_before_the_end(w, make):
    """Though it was to be told half a minute later."""
    name = make({"listener": LISTENER.replace("subscribe(taken)", "subscribe(taken, buffering={'timeoutMs': 30_000})")})
    fault(w, name, {"exit": 3})
    wait_for(w, name, '"platform.report"')
    records = lines(w, name, "listener record ")
    status = {record["type"]: record["record"].get("status") for record in records if record["type"].startswith("platform.r")}
    assert status == {"platform.runtimeDone": "failure", "platform.report": "failure"}, records


def test_telemetry_comes_in_order_with_the_right_request_ids(w, make):
    name = make({"listener": LISTENER}, code="print('loaded')\n" + HANDLER, isolation="environment")
    ids = [invoke_to_the_end(w, name) for _ in range(2)]
    fault(w, name, {"fail": True})
    wait_for(w, name, '"platform.report"', 3)
    assert lines(w, name, "listener subscribed ") == [[200, "OK"]]
    records = lines(w, name, "listener record ")
    types = [record["type"] for record in records]
    first = types.index("platform.start")
    assert types[0] == "platform.initStart" and set(types[:first]) == {
        "platform.initStart", "platform.telemetrySubscription", "function", "platform.initRuntimeDone", "platform.extension", "platform.initReport"}
    assert records[types.index("function")]["record"] == "loaded"
    by_type = {record["type"]: record["record"] for record in records[:first]}
    assert by_type["platform.initStart"]["functionName"] == name and by_type["platform.initRuntimeDone"]["status"] == "success"
    assert by_type["platform.extension"] == {"name": "listener", "state": "Ready", "events": ["INVOKE", "SHUTDOWN"]}
    assert by_type["platform.telemetrySubscription"] == {"name": "listener", "state": "Subscribed", "types": ["platform", "function"]}
    assert by_type["platform.initReport"]["metrics"]["durationMs"] > 0
    rest = [(record["type"], record["record"]) for record in records[first:]]
    assert [kind for kind, _ in rest[:8]] == ["platform.start", "function", "platform.runtimeDone", "platform.report"] * 2
    for number, request in enumerate(ids):
        start, line, done, report = [record for _, record in rest[4 * number:4 * number + 4]]
        assert start["requestId"] == done["requestId"] == report["requestId"] == request and line == f"handling {request}"
        assert done["status"] == report["status"] == "success" and report["metrics"]["memorySizeMB"] == 256
    assert [record["status"] for kind, record in rest if kind == "platform.runtimeDone"][2] == "error"
    for record in records:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", record["time"]), record


def test_telemetry_tells_where_the_time_went_and_of_what_kind_a_failure_is(w, make):
    slowly = """
        prompt = next_event
        def next_event():
            event = prompt()
            if event["eventType"] == "INVOKE": time.sleep(0.5)
            return event
    """
    name = make({"listener": textwrap.dedent(slowly) + LISTENER}, code="""
        import os, time
        def handler(event, context):
            if event.get("fail"): raise ValueError("no")
            if event.get("exit"): os._exit(3)
            if not event.get("stream"): return time.sleep(0.05)
            def answer():
                time.sleep(0.05)
                yield b"first"
                time.sleep(0.1)
                yield b"last"
            return answer()
    """, isolation="environment")
    trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
    invoke_to_the_end(w, name, {}, headers={"X-Amzn-Trace-Id": trace})
    invoke_to_the_end(w, name, {}, headers={"X-Amzn-Trace-Id": trace.replace("Sampled=1", "Sampled=0")})
    events = w.boto().invoke_with_response_stream(FunctionName=name, Payload=b'{"stream": true}')["EventStream"]
    assert b"".join(event["PayloadChunk"]["Payload"] for event in events if "PayloadChunk" in event) == b"firstlast"
    wait_for(w, name, '"platform.report"', 3)
    fault(w, name, {"fail": True})
    wait_for(w, name, '"platform.report"', 4)
    fault(w, name, {"exit": True})
    wait_for(w, name, '"platform.report"', 5)
    records = lines(w, name, "listener record ")
    starts, ends, reports = ([r["record"] for r in records if r["type"] == f"platform.{kind}"] for kind in ("start", "runtimeDone", "report"))
    for record in (starts[0], ends[0], reports[0]):
        assert record["tracing"]["type"] == "X-Amzn-Trace-Id" and record["tracing"]["value"].startswith(trace), record
    assert not [record for record in starts[1:] + ends[1:] + reports[1:] if "tracing" in record]
    for record in ends[:3]:
        latency, duration = record["spans"]
        assert (latency["name"], duration["name"]) == ("responseLatency", "responseDuration") and latency["start"] < duration["start"]
        assert latency["durationMs"] >= 50 and latency["durationMs"] + duration["durationMs"] == pytest.approx(record["metrics"]["durationMs"], abs=0.01)
    assert [record["spans"][1]["durationMs"] >= 100 for record in ends[:3]] == [False, False, True]
    for end, report in zip(ends[:4], reports[:4]):
        overhead, = report["spans"]
        assert overhead["name"] == "extensionOverhead"
        assert end["metrics"]["durationMs"] + overhead["durationMs"] == pytest.approx(report["metrics"]["durationMs"], abs=0.01)
    assert [(record["status"], record.get("errorType"), "spans" in record) for record in ends[2:]] == [
        ("success", None, True), ("error", "Runtime.Unknown", False), ("failure", "Runtime.ExitError", False)]
    assert [record.get("errorType") for record in reports[2:]] == [None, "Runtime.Unknown", "Runtime.ExitError"]


def test_lines_over_tcp_and_of_extensions_themselves(w, make):
    name = make({"reader": """
import socket
register("SHUTDOWN")
listener = socket.create_server(("127.0.0.1", 8090))
status = call("PUT", "/2022-07-01/telemetry", {
    "schemaVersion": "2022-07-01", "types": ["extension"], "buffering": {"timeoutMs": 25}, "destination": {"protocol": "TCP", "port": 8090}})[0]
assert status == 200, status
say("a line of my own")
def read():
    connection, _ = listener.accept()
    for line in connection.makefile():
        record = json.loads(line)
        if record["record"] == "reader a line of my own":
            print("came back", json.dumps(record), flush=True)
threading.Thread(target=read, daemon=True).start()
next_event()
time.sleep(0.5)
"""}, isolation="environment")
    w.call(name, {"sleep": 0.5})
    wait_for(w, name, "came back")
    assert lines(w, name, "came back ")[0]["type"] == "extension"


WRONG = """
register()
def put(**changes):
    body = {"schemaVersion": "2022-07-01", "types": ["platform"], "destination": {"protocol": "HTTP", "URI": "http://sandbox.localdomain:8080"}, **changes}
    status, _, answer = call("PUT", "/2022-07-01/telemetry", {k: v for k, v in body.items() if v is not None})
    say("put", json.dumps([status, answer if status == 200 else answer["errorType"] + ": " + answer["errorMessage"]]))
put(schemaVersion="2020-01-01")
put(types=[])
put(types=["other"])
put(destination=None)
put(destination={"protocol": "HTTPS", "URI": "x"})
put(destination={"protocol": "HTTP", "URI": "http://sandbox.localdomain"})
put(destination={"protocol": "HTTP", "URI": "http://127.0.0.1:8080"})
put(destination={"protocol": "HTTP", "URI": "http://sandbox.localdomain:9001"})
for name, low, high in ("maxItems", 999, 10001), ("maxBytes", 262143, 1048577), ("timeoutMs", 24, 30001):
    put(buffering={name: low})
    put(buffering={name: high})
put(destination={"protocol": "HTTP", "URI": "http://sandbox.localdomain"}, types=[])
put(buffering={"maxItems": 1000, "maxBytes": 262144, "timeoutMs": 25})
os._exit(0)
"""


def test_subscriptions_out_of_range_are_refused(w, make):
    name = make({"wrong": WRONG}, isolation="environment")
    fault(w, name)
    *refused, last = lines(w, name, "wrong put ")[:16]
    assert all(status == 400 and text.startswith("ValidationError: ") for status, text in refused) and len(refused) == 15, refused
    assert refused[5][1] == "ValidationError: URI port is not provided"
    assert refused[14][1] == "ValidationError: types should not be empty; URI port is not provided"
    assert "maxItems must be between 1000 and 10000" in refused[8][1] and last == [200, "OK"]


# -- what they cannot do

def test_a_subscriber_that_does_not_read_holds_nobody_up(w, make):
    name = make({"deaf": """
import socket
register("INVOKE")
listener = socket.create_server(("127.0.0.1", 8080))
status = call("PUT", "/2022-07-01/telemetry", {
    "schemaVersion": "2022-12-13", "types": ["function"], "buffering": {"timeoutMs": 25, "maxBytes": 262144},
    "destination": {"protocol": "HTTP", "URI": "http://sandbox.localdomain:8080"}})[0]
assert status == 200, status
while True: next_event()
"""}, code="""
def handler(event, context):
    for _ in range(event["lines"]): print("x" * 1000)
    return "done"
""", isolation="environment")
    for _ in range(3):
        assert w.call(name, {"lines": 1000}) == "done"
    w.create(name + "-other", ECHO)
    assert w.call(name + "-other", {"n": 1}) == {"n": 1}


def test_dropped_records_are_told(w, make):
    name = make({"late": """
register("INVOKE", "SHUTDOWN")
opened = threading.Event()
def taken(records):
    opened.wait(100)
    for record in records:
        if record["type"] == "platform.logsDropped": say("told", json.dumps(record["record"]))
subscribe(taken, types=["platform", "function"])
while next_event()["eventType"] == "INVOKE":
    if os.path.exists("/tmp/open"): opened.set()
time.sleep(0.2)
"""}, code="""
def handler(event, context):
    if event.get("open"): open("/tmp/open", "w").close()
    for _ in range(event.get("lines", 0)): print("x" * 10000)
    return "done"
""", isolation="environment")
    for _ in range(3):
        w.call(name, {"lines": 60})
    w.call(name, {"open": 1})
    w.call(name, {})
    wait_for(w, name, "late told")
    told = lines(w, name, "late told ")[0]
    assert told["droppedRecords"] > 0 and told["droppedBytes"] > told["droppedRecords"] and told["reason"]


def test_nobody_reaches_the_first_process_of_the_environment(w, make):
    """It outlives whom it runs, so it must be none of theirs to end, to look into or to speak for."""
    attempt = """
import os, signal
def attempts():
    found = []
    for number in (signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM, signal.SIGUSR1): os.kill(1, number)
    for path in ("/proc/1/mem", "/proc/1/fd/4", "/proc/1/environ"):
        try:
            open(path, "rb").close()
            found.append(path)
        except OSError: pass
    return found, sorted(os.listdir("/proc/self/fd"))
"""
    name = make({"prober": attempt + """
register("INVOKE")
say("reached", json.dumps(attempts()))
while True: next_event()
"""}, code=attempt + "def handler(event, context): return attempts()\n", isolation="environment")
    for _ in range(2):
        reached, descriptors = w.call(name, {})
        assert reached == [] and set(descriptors) <= {"0", "1", "2", "3", "4", "5", "6"}, descriptors
    (reached, descriptors), = lines(w, name, "prober reached ")
    assert reached == [] and set(descriptors) <= {"0", "1", "2", "3", "4"}, descriptors


def test_floods_end_with_their_environment(w, make, name):
    make({"flood": """
import socket
host, port = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")
lines = [socket.create_connection((host, int(port))) for _ in range(200)]
for line in lines:
    try: line.sendall(b"POST /2020-01-01/extension/register HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 1000000000\\r\\n\\r\\n" + b"x" * 65536)
    except OSError: pass
while True:
    try: call("POST", "/2020-01-01/extension/register", {"events": []}, Lambda_Extension_Name="x" * 1000)
    except OSError: pass
"""}, timeout=3)
    answer = w.invoke(name, {})
    assert answer.function_error or answer.status in (429, 503), answer
    w.create(name + "-other", ECHO)
    assert w.call(name + "-other", [1]) == [1]


def test_an_extension_that_never_registers_is_waited_for_as_long_as_init_may_take(silent):
    answer = silent()
    assert answer.function_error == "Unhandled" and answer.json["errorType"] == "Sandbox.Timedout", answer
