"""Errors in Lambda's shape, for the answer and for the log.

Stack traces are formatted here because `traceback` (with `linecache`, `tokenize` and `re`) would cost every cold start
some milliseconds, or the first error of every fresh environment.
"""

import os
import sys

RUNTIME_FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/"
# Lambda's limit of an answer: 6 MB and some room. An error is an answer too.
MAXIMUM_ANSWER = 6_291_556
_LONGEST_MESSAGE = 256 << 10
_MOST_FRAMES = 200


class Fault(Exception):
    """An error of the runtime's own finding: `Runtime.…` with its message."""

    def __init__(self, kind, message, stack=()):
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.stack = list(stack)


def describe(error, request_id=None):
    """The error as the dictionary that Lambda answers with."""
    if isinstance(error, Fault):
        kind, message, stack = error.kind, error.message, error.stack
    else:
        kind, message, stack = type(error).__name__, text_of(error), stack_of(error)
    if len(message) > _LONGEST_MESSAGE:
        message = message[:_LONGEST_MESSAGE] + "… (%d more characters)" % (len(message) - _LONGEST_MESSAGE)
    result = {"errorMessage": message, "errorType": kind}
    if request_id is not None:
        result["requestId"] = request_id
    result["stackTrace"] = stack
    return result


def text_of(error):
    try:
        return str(error)
    except BaseException:
        return "<exception str() failed>"


def stack_of(error):
    """One string per frame, oldest first, without the runtime's own; repeated frames (recursion) are folded."""
    entries = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        entries.append((code.co_filename, trace.tb_lineno, code.co_name))
        trace = trace.tb_next
    while entries and (entries[0][0].startswith(RUNTIME_FOLDER) or entries[0][0].startswith("<frozen importlib")):
        del entries[0]
    if len(entries) > 2 * _MOST_FRAMES and len(set(entries)) > _MOST_FRAMES:
        skipped = len(entries) - 2 * _MOST_FRAMES
        entries[_MOST_FRAMES:-_MOST_FRAMES] = [(None, skipped, None)]
    lines = []
    sources = {}
    previous, repeats = None, 0
    for entry in entries + [None]:
        if entry == previous:
            repeats += 1
            if repeats < 3:
                lines.append(lines[-1])
            continue
        if repeats > 2:
            more = repeats - 2
            lines.append("  [Previous line repeated %d more time%s]\n" % (more, "s" if more > 1 else ""))
        previous, repeats = entry, 0
        if entry is not None:
            lines.append(_format(entry, sources))
    return lines


def _format(entry, sources):
    filename, number, function = entry
    if filename is None:
        return "  [%d frames left out]\n" % number
    text = '  File "%s", line %d, in %s\n' % entry
    if filename not in sources:
        try:
            with open(filename, "rb") as file:
                sources[filename] = file.read(4 << 20).splitlines()
        except (OSError, ValueError):
            sources[filename] = []
    source = sources[filename]
    if 0 < number <= len(source):
        line = source[number - 1].decode("utf-8", "replace").strip()
        if line:
            text += "    " + line + "\n"
    return text


def log(result):
    """Writes the error to the function's log as Lambda does, in its text or JSON form."""
    if os.environ.get("AWS_LAMBDA_LOG_FORMAT", "").upper() == "JSON":
        import time

        from . import codec

        now = time.time()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
        text = codec.encode({"timestamp": "%s.%03dZ" % (stamp, now % 1 * 1000), "level": "ERROR", **result}).decode()
    else:
        text = "[ERROR] %s: %s\nTraceback (most recent call last):\n%s" % (
            result["errorType"],
            result["errorMessage"],
            "".join(result["stackTrace"]),
        )
    try:
        sys.stdout.write(text if text.endswith("\n") else text + "\n")
    except BaseException:
        # A handler may have closed or replaced its output; the answer still tells of the error.
        pass
