"""A client of HTTP/2 that does as a test says: on `h2`, or frame by frame."""

import contextlib
import socket
import ssl
import struct

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings

from .world import Answer

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RESET, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9


def open_socket(w, protocols=("h2",), timeout=60):
    context = ssl.create_default_context(cafile=str(w.authority))
    context.set_alpn_protocols(list(protocols))
    plain = socket.create_connection(("127.0.0.1", w.port), timeout=timeout)
    return context.wrap_socket(plain, server_hostname="127.0.0.1")


class Patient(h2.connection.H2Connection):
    """Goes on reading after a GOAWAY, as RFC 9113 has it: `h2` itself takes every one for the end."""

    def _receive_goaway_frame(self, frame):
        event = h2.events.ConnectionTerminated()
        event.error_code, event.last_stream_id = frame.error_code, frame.last_stream_id
        return [], [event]


class Client:
    """One connection. What comes is kept by stream; `holding` keeps windows closed, as a reader does that is slow."""

    def __init__(self, w, window=None):
        self.w = w
        self.socket = open_socket(w)
        assert self.socket.selected_alpn_protocol() == "h2"
        self.h2 = Patient(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
        if window is not None:
            codes = h2.settings.SettingCodes
            self.h2.local_settings = h2.settings.Settings(
                client=True, initial_values={codes.ENABLE_PUSH: 0, codes.INITIAL_WINDOW_SIZE: window})
        self.h2.initiate_connection()
        self.headers, self.bodies, self.ended, self.resets, self.informational, self.farewells = {}, {}, set(), {}, [], []
        self.unread = {}
        self.holding = False
        self.closed = False
        self.flush()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def flush(self):
        if data := self.h2.data_to_send():
            self.socket.sendall(data)

    def start(self, method, path, body=None, headers=None, sign=False, whole=True):
        """Sends a request's header, and its body as far as `send` gets; gives the stream."""
        headers = {name.lower(): str(value) for name, value in (self.w.signed(method, path, body, headers or {}) if sign else headers or {}).items()}
        authority = headers.pop("host", f"127.0.0.1:{self.w.port}")
        stream = self.h2.get_next_available_stream_id()
        pseudo = [(":method", method), (":scheme", "https"), (":authority", authority), (":path", path)]
        self.h2.send_headers(stream, pseudo + list(headers.items()), end_stream=whole and body is None)
        self.flush()
        if body is not None:
            self.send(stream, body, whole)
        return stream

    def send(self, stream, body, whole=True):
        rest = memoryview(body)
        while rest:
            size = min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size, len(rest))
            if size == 0:
                self.pump()
                continue
            self.h2.send_data(stream, bytes(rest[:size]), end_stream=whole and size == len(rest))
            rest = rest[size:]
            self.flush()

    def pump(self, timeout=60):
        """Takes what one read brings; False when the server has closed."""
        self.socket.settimeout(timeout)
        try:
            data = self.socket.recv(65536)
        except ConnectionError:
            data = b""
        if not data:
            self.closed = True
            return False
        for event in self.h2.receive_data(data):
            self.take(event)
        with contextlib.suppress(ConnectionError):
            self.flush()
        return True

    def take(self, event):
        match event:
            case h2.events.InformationalResponseReceived(): self.informational.append(dict(event.headers)[":status"])
            case h2.events.ResponseReceived(): self.headers[event.stream_id] = dict(event.headers)
            case h2.events.DataReceived():
                self.bodies[event.stream_id] = self.bodies.get(event.stream_id, b"") + event.data
                self.unread[event.stream_id] = self.unread.get(event.stream_id, 0) + event.flow_controlled_length
                if not self.holding:
                    self.release(event.stream_id)
            case h2.events.StreamEnded(): self.ended.add(event.stream_id)
            case h2.events.StreamReset(): self.resets[event.stream_id] = event.error_code
            case h2.events.ConnectionTerminated(): self.farewells.append((event.last_stream_id, event.error_code))

    def release(self, stream, count=None):
        """Reads what has come: its bytes may be sent again."""
        count = self.unread.get(stream, 0) if count is None else count
        if count:
            self.unread[stream] -= count
            with contextlib.suppress(h2.exceptions.StreamClosedError):
                self.h2.acknowledge_received_data(count, stream)
            self.flush()

    def until(self, condition):
        while not condition():
            assert self.pump(), f"the server closed: {self.farewells} {self.resets}"

    def answer(self, stream):
        self.until(lambda: stream in self.ended or stream in self.resets)
        assert stream in self.ended, f"reset with {self.resets[stream]}"
        headers = self.headers[stream]
        return Answer(int(headers[":status"]), Headers(headers), self.bodies.get(stream, b""))

    def ask(self, *arguments, **options):
        return self.answer(self.start(*arguments, **options))

    def wait_closed(self):
        while self.pump():
            pass


class Headers(dict):
    def get(self, name, default=None):
        return super().get(name.lower(), default)


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def fields(*pairs):
    """A header block of literals that no table keeps."""
    def text(value):
        assert len(value) < 127
        return bytes((len(value),)) + value
    return b"".join(b"\0" + text(name) + text(value) for name, value in pairs)


REQUEST = fields((b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"127.0.0.1"), (b":path", b"/martlet/v1/health"))


def converse(w, data, timeout=60):
    """Sends bytes as they are behind a handshake, and gives the frames that come until the server closes: kind, stream, payload."""
    received = b""
    with open_socket(w, timeout=timeout) as connection:
        with contextlib.suppress(OSError):
            connection.sendall(data)
        with contextlib.suppress(ConnectionError):
            while chunk := connection.recv(65536):
                received += chunk
    found = []
    while len(received) >= 9:
        length = int.from_bytes(received[:3])
        found.append((received[3], int.from_bytes(received[5:9]), received[9:9 + length]))
        received = received[9 + length:]
    return found


def error_of(frames):
    """Of the last GOAWAY; None where there is none."""
    codes = [int.from_bytes(payload[4:8]) for kind, _, payload in frames if kind == GOAWAY]
    return codes[-1] if codes else None
