"""Handlers that fail, each in its own way."""

import ctypes
import os
import signal
import sys
import time


class NoColour(Exception):
    pass


def raises(event, context):
    raise NoColour("no colour: ü")


def recursion(event, context):
    return recursion(event, context)


def not_json(event, context):
    return {"answer": {1, 2}}


def never_returns(event, context):
    print("sleeping")
    time.sleep(3600)


def ignores_signals(event, context):
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGALRM):
        signal.signal(number, signal.SIG_IGN)
    while True:
        pass


def exits(event, context):
    print("leaving")
    sys.exit(event["status"])


def hard_exit(event, context):
    os._exit(event["status"])


def segmentation_fault(event, context):
    ctypes.string_at(0)


def aborts(event, context):
    os.abort()


def memory(event, context):
    held = []
    while True:
        held.append(bytearray(b"x" * (8 << 20)))


def memory_of_a_subprocess(event, context):
    """The subprocess outgrows the memory size and is killed; the handler lives on."""
    child = os.fork()
    if child == 0:
        memory(event, context)
    _, status = os.waitpid(child, 0)
    return {"signal": os.WTERMSIG(status)}


def fails_or_answers(event, context):
    if event.get("fail"):
        return globals()[event["fail"]](event, context)
    return "unharmed"
