"""What a handler leaves running or lying about must not disturb its answer nor reach the next invocation."""

import os
import subprocess
import threading
import time

seen = []


def state(event, context):
    seen.append(context.aws_request_id)
    try:
        with open("/tmp/count", "x"):
            first = True
    except FileExistsError:
        first = False
    return {"invocations": len(seen), "firstInTmp": first}


def child_process(event, context):
    others = [entry for entry in os.listdir("/proc") if entry.isdigit() and int(entry) not in (1, os.getpid(), os.getppid())]
    subprocess.Popen(["sleep", "3600"], start_new_session=True)
    return {"others": len(others)}


def daemon(event, context):
    """A double fork that keeps every descriptor, the log and the server's socket among them."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(3600)
        os._exit(0)
    return "answered"


def thread(event, context):
    threading.Thread(target=time.sleep, args=(3600,)).start()
    return "answered"


def both_return(event, context):
    return "answered" if os.fork() else "by the wrong one"


def large_file(event, context):
    with open("/tmp/large", "wb") as file:
        for _ in range(event["megabytes"]):
            file.write(b"\1" * (1 << 20))
    size = os.path.getsize("/tmp/large") >> 20
    return {"megabytes": size}


def too_large_file(event, context):
    try:
        return large_file(event, context)
    except OSError as error:
        return {"error": error.strerror}
