"""Frames over a stream socket in plain Python, for a runtime folder without the fork library.

The library's `read_frame` and `write_frame` have the same signatures and meaning.
"""

import os

HEADER = 8
# An event is at most 6 MB; the rest is room for its header. Also keeps a broken peer from having us allocate 4 GB.
MAXIMUM_PAYLOAD = 16 << 20


def read_frame(fd):
    """The next `(type, payload)`, or None when the peer has closed. Raises OSError, also for a torn frame."""
    header = _read(fd, HEADER, True)
    if header is None:
        return None
    length = int.from_bytes(header[:4], "little")
    if length > MAXIMUM_PAYLOAD:
        raise OSError("failed to read a frame: %d bytes of payload, at most %d are allowed" % (length, MAXIMUM_PAYLOAD))
    return header[4], _read(fd, length, False)


def write_frame(fd, kind, payload):
    """Writes one frame in full. Raises OSError."""
    data = len(payload).to_bytes(4, "little") + bytes((kind, 0, 0, 0)) + payload
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view):]


def _read(fd, count, at_boundary):
    data = b""
    if count:
        data = os.read(fd, count)
        if len(data) != count:
            if not data and at_boundary:
                return None
            parts = [data]
            missing = count - len(data)
            while missing:
                if not parts[-1]:
                    raise OSError("failed to read a frame: the peer closed %d bytes before its end" % missing)
                parts.append(os.read(fd, missing))
                missing -= len(parts[-1])
            data = b"".join(parts)
    return data
