"""HTTP/2 beside HTTP/1.1 on the listener with TLS: real clients, many streams, flow control, floods, and how connections end."""

import json
import signal
import subprocess
import threading

import pytest

from harness.http2 import CONTINUATION, DATA, HEADERS, PING, PREFACE, REQUEST, RESET, SETTINGS, WINDOW_UPDATE, Client, converse, error_of, fields, frame
from harness.processes import wait_until
from harness.secure import secure_world
from harness.settings import settings
from harness.world import ECHO

# As RFC 9113 §7 has them.
NO_ERROR, PROTOCOL_ERROR, FRAME_SIZE_ERROR, COMPRESSION_ERROR, ENHANCE_YOUR_CALM = 0, 1, 6, 9, 11
LAST_POSSIBLE = 2**31 - 1

LARGE = """
def handler(event, context):
    return "x" * event["bytes"]
"""

PARTS = """
def handler(event, context):
    def parts():
        for number in range(64):
            yield bytes([number]) * (64 << 10)
    return parts()
"""

HEADERS_ONLY = """
def handler(event, context):
    return {"statusCode": 200, "headers": {"x-long": "~" * int(event["queryStringParameters"]["bytes"])}, "body": "x"}
"""

FOREVER = """
import time
def handler(event, context):
    def parts():
        yield "first"
        time.sleep(80)
    return parts()
"""


@pytest.fixture(scope="module")
def secure(scratch):
    with secure_world(scratch / "http2") as made:
        made.deploy("echo", ECHO, "--handler", "app.handler", "--url", "none")
        yield made


@pytest.fixture
def client(secure):
    with Client(secure) as made:
        yield made


def path_of(name):
    return f"/2015-03-31/functions/{name}/invocations"


def curl(w, path, *arguments, input=None):
    return subprocess.run(
        ["curl", "-sS", "-m", "60", "--cacert", w.authority, *arguments, w.endpoint + path], input=input, capture_output=True, timeout=100)


def test_curl_chooses_and_sees_no_field_of_the_connection(secure):
    for option, version in (("--http2", b"2"), ("--http1.1", b"1.1")):
        shown = curl(secure, "/fn/echo/a?b=c", option, "-i", "-w", "\n%{http_version}", "-H", "Content-Type: text/plain", "--data-binary", "@-",
                     input=b"y" * 300_000).stdout
        head, _, rest = shown.partition(b"\r\n\r\n")
        body, _, spoken = rest.rpartition(b"\n")
        event = json.loads(body)
        assert spoken == version and len(event["body"]) == 300_000 and event["headers"]["x-forwarded-proto"] == "https"
        assert event["headers"]["host"] == f"127.0.0.1:{secure.port}" and "transfer-encoding" not in event["headers"]
        names = {line.split(b":")[0].lower() for line in head.split(b"\r\n")[1:]}
        assert names.isdisjoint({b"connection", b"keep-alive", b"transfer-encoding", b"upgrade"}) and b"x-amzn-requestid" in names


def test_curl_waits_for_100_and_uploads_six_megabytes(secure):
    shown = curl(secure, "/fn/echo", "--http2", "-H", "Expect: 100-continue", "-H", "Content-Type: text/plain", "-v", "--data-binary", "@-",
                 input=b"z" * 4_000_000)
    assert b"HTTP/2 100" in shown.stderr and len(json.loads(shown.stdout)["body"]) == 4_000_000


def test_each_of_many_streams_gets_the_answer_to_its_request(secure, client):
    bodies = [json.dumps({"number": number, "padding": "p" * (number * 331 % 20_000)}).encode() for number in range(90)]
    streams = [client.start("POST", path_of("echo"), body, {"content-type": "application/json"}, sign=True) for body in bodies]
    for stream, body in zip(streams, bodies):
        answer = client.answer(stream)
        assert answer.status == 200 and answer.json == json.loads(body)
    assert len({client.headers[stream]["x-amzn-requestid"] for stream in streams}) == 90 and not client.farewells


def test_signatures_cover_the_authority(secure, client):
    signed = secure.signed("POST", path_of("echo"), b"1", {})
    assert client.ask("POST", path_of("echo"), b"1", signed).json == 1
    answer = client.ask("POST", path_of("echo"), b"1", {**signed, "Host": "elsewhere:9"})
    assert (answer.status, answer.error_type) == (403, "InvalidSignatureException")
    assert client.ask("POST", path_of("echo"), b"2", signed).error_type == "InvalidSignatureException"


def test_a_slow_reader_holds_up_nobody_else(secure):
    secure.deploy("large", LARGE, "--handler", "app.handler")
    with Client(secure, window=20_000) as client:
        client.holding = True
        body = b'{"bytes": 5000000}'
        slow = client.start("POST", path_of("large"), body, sign=True)
        client.until(lambda: len(client.bodies.get(slow, b"")) >= 20_000)
        for number in range(5):
            stream = client.start("POST", path_of("echo"), b"%d" % number, sign=True)
            assert client.answer(stream).json == number
            client.release(stream)
        assert len(client.bodies[slow]) == 20_000, "no more than the window"
        client.holding = False
        client.release(slow)
        assert client.answer(slow).json == "x" * 5_000_000


def test_a_streamed_answer_waits_for_its_reader(secure):
    secure.deploy("parts", PARTS, "--handler", "app.handler", "--url", "off")
    secure.boto().create_function_url_config(FunctionName="parts", AuthType="NONE", InvokeMode="RESPONSE_STREAM")
    with Client(secure, window=30_000) as client:
        client.holding = True
        stream = client.start("GET", "/fn/parts")
        client.until(lambda: len(client.bodies.get(stream, b"")) >= 30_000)
        assert "content-length" not in client.headers[stream] and "transfer-encoding" not in client.headers[stream]
        client.holding = False
        client.release(stream)
        answer = client.answer(stream)
        assert answer.status == 200 and answer.body == b"".join(bytes([number]) * (64 << 10) for number in range(64))


def test_who_resets_a_stream_cancels_its_invocation(secure, client, name):
    secure.deploy(name, FOREVER, "--handler", "app.handler", "--timeout", "90")
    stream = client.start("POST", f"/2021-11-15/functions/{name}/response-streaming-invocations", b"{}", sign=True)
    client.until(lambda: b"first" in client.bodies.get(stream, b""))
    client.h2.reset_stream(stream)
    client.flush()
    wait_until(lambda: [row for row in secure.records(name) if row["outcome"] == "cancelled"], 60, "the record of the stream")
    assert client.ask("GET", "/martlet/v1/health").status == 200


def test_an_answer_before_the_body_ends_is_whole(secure, client):
    stream = client.start("POST", "/fn/echo", headers={"content-length": "100000000"}, whole=False)
    assert client.answer(stream).status == 413
    client.until(lambda: stream in client.resets)
    assert client.resets[stream] == NO_ERROR and client.ask("GET", "/martlet/v1/health").status == 200


def test_a_header_that_fits_no_frame_is_a_bad_gateway(secure, client):
    secure.deploy("headers", HEADERS_ONLY, "--handler", "app.handler", "--url", "none")
    assert len(client.ask("GET", "/fn/headers?bytes=5000").headers.get("x-long")) == 5000
    answer = client.ask("GET", "/fn/headers?bytes=20000")
    assert answer.status == 502 and "16384" in answer.headers.get("x-martlet-reason") and "x-long" not in answer.headers
    again = client.ask("GET", "/fn/headers?bytes=5001")
    assert again.status == 200 and len(again.headers.get("x-long")) == 5001, "the connection and its compression go on"
    shown = curl(secure, "/fn/headers?bytes=20000", "--http1.1", "-i").stdout
    assert b"~" * 20_000 in shown


def rapid_resets(count):
    return b"".join(frame(HEADERS, 4, 2 * n + 1, REQUEST) + frame(RESET, 0, 2 * n + 1, b"\0\0\0\x08") for n in range(count))


FAULTS = {
    "no preface": (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 4, PROTOCOL_ERROR),
    "a frame that is too large": (PREFACE + frame(SETTINGS) + frame(DATA, 0, 1, bytes(20_000)), None),
    "data on no stream": (PREFACE + frame(SETTINGS) + frame(DATA, 0, 1, b"x"), PROTOCOL_ERROR),
    "a header that cannot be unpacked": (PREFACE + frame(SETTINGS) + frame(HEADERS, 5, 1, b"\xff\xff\xff\xff\xff\xff"), None),
    "an even stream": (PREFACE + frame(SETTINGS) + frame(HEADERS, 5, 2, REQUEST), PROTOCOL_ERROR),
    "settings of a wrong length": (PREFACE + frame(SETTINGS, 0, 0, b"abc"), None),
    "resets": (PREFACE + frame(SETTINGS) + rapid_resets(400), ENHANCE_YOUR_CALM),
    "continuations": (PREFACE + frame(SETTINGS) + frame(HEADERS, 1, 1, REQUEST) + frame(CONTINUATION, 0, 1, fields((b"x", b"y"))) * 100, ENHANCE_YOUR_CALM),
    "a header without an end": (PREFACE + frame(SETTINGS) + frame(HEADERS, 1, 1, REQUEST) + frame(CONTINUATION, 0, 1, bytes(16_000)) * 30, None),
    "pings": (PREFACE + frame(SETTINGS) + frame(PING, 0, 0, bytes(8)) * 20_000, ENHANCE_YOUR_CALM),
    "window updates": (PREFACE + frame(SETTINGS) + frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\x01") * 20_000, ENHANCE_YOUR_CALM),
    "unknown frames": (PREFACE + frame(SETTINGS) + frame(0x42, 0, 0, b"x") * 20_000, ENHANCE_YOUR_CALM),
    "settings": (PREFACE + frame(SETTINGS) * 20_000, ENHANCE_YOUR_CALM),
    "data without data": (PREFACE + frame(SETTINGS) + frame(HEADERS, 4, 1, REQUEST) + frame(DATA, 0, 1) * 1000, ENHANCE_YOUR_CALM),
    "faulty streams": (
        PREFACE + frame(SETTINGS) + b"".join(frame(HEADERS, 5, 2 * n + 1, fields((b"connection", b"x"))) for n in range(1000)), ENHANCE_YOUR_CALM),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_and_floods_end_their_own_connection(secure, fault):
    data, code = FAULTS[fault]
    with Client(secure) as other:
        frames = converse(secure, data)
        ended = error_of(frames)
        assert ended is not None and (ended == code or code is None and ended != NO_ERROR), frames[-3:]
        assert other.ask("POST", path_of("echo"), b"1", sign=True).json == 1
    assert secure.process.poll() is None and secure.health() == 200


def test_a_stop_lets_streams_end(scratch, name):
    with secure_world(scratch / name, config=settings(drain=30)) as w:
        w.deploy("slow", "import time\ndef handler(event, context):\n    time.sleep(2)\n    return event\n", "--handler", "app.handler", "--timeout", "30")
        w.deploy("large", LARGE, "--handler", "app.handler")
        with Client(w, window=30_000) as client, Client(w) as idle:
            client.holding = True
            large = client.start("POST", path_of("large"), b'{"bytes": 3000000}', sign=True)
            client.until(lambda: len(client.bodies.get(large, b"")) >= 30_000)
            slow = client.start("POST", path_of("slow"), b"7", sign=True)
            # Its answer shows that the one before it has been taken, too.
            checked = client.start("GET", "/martlet/v1/health")
            assert client.answer(checked).status == 200
            w.process.send_signal(signal.SIGTERM)
            client.holding = False
            client.release(large)
            assert client.answer(large).json == "x" * 3_000_000
            assert client.answer(slow).json == 7
            client.wait_closed()
            assert client.farewells[0] == (LAST_POSSIBLE, NO_ERROR) and client.farewells[-1] == (checked, NO_ERROR)
            idle.wait_closed()
            assert idle.farewells[-1] == (0, NO_ERROR)
        assert w.process.wait(30) == 0


def test_an_upgrade_loses_no_stream(scratch, name):
    with secure_world(scratch / name) as w:
        w.deploy("echo", ECHO, "--handler", "app.handler", "--url", "none")
        going, numbers, faults = threading.Event(), [], []

        def ask():
            client, number = Client(w), 0
            while not going.is_set():
                number += 1
                try:
                    if client.farewells:
                        client.socket.close()
                        client = Client(w)
                    # Also one that crosses a GOAWAY is answered.
                    answer = client.answer(client.start("POST", path_of("echo"), b"%d" % number, sign=True))
                    numbers.append((answer.status, answer.json == number))
                except (OSError, AssertionError) as fault:
                    faults.append(repr(fault))
                    client = Client(w)
            client.socket.close()
        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            wait_until(lambda: len(numbers) > 30, 60, "requests before it")
            assert "started again" in w.cli("upgrade", "--data", str(w.data)).stdout
            seen = len(numbers)
            wait_until(lambda: len(numbers) > seen + 30, 60, "requests after it")
        finally:
            going.set()
            for thread in threads:
                thread.join()
        assert not faults and set(numbers) == {(200, True)}, (faults[:3], set(numbers))
