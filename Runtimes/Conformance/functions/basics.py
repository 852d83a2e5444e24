"""Answers about the event, the context and the surroundings."""

import json
import logging
import os
import sys
import time


def echo(event, context):
    return event


def length(event, context):
    return len(event)


def answer_of(event, context):
    """A JSON text of exactly `bytes` bytes."""
    return "x" * (event["bytes"] - 2)


def fields(event, context):
    left = context.get_remaining_time_in_millis()
    return {
        "function_name": context.function_name,
        "function_version": context.function_version,
        "invoked_function_arn": context.invoked_function_arn,
        "memory_limit_in_mb": context.memory_limit_in_mb,
        "aws_request_id": context.aws_request_id,
        "log_group_name": context.log_group_name,
        "log_stream_name": context.log_stream_name,
        "time_left_is_within_the_limit": 0 < left <= 5000,
        "client_context": context.client_context and context.client_context.custom,
    }


def surroundings(event, context):
    import socket
    import ssl
    import subprocess
    import zoneinfo

    with open("/tmp/own", "x") as file:
        file.write("x")
    return {
        "shell": subprocess.run(["sh", "-c", "echo out; printf %s \"$COLOUR\""], capture_output=True, text=True).stdout,
        "status": subprocess.run(["false"]).returncode,
        "python": subprocess.run(["python3", "-c", "print(1 + 1)"], capture_output=True, text=True).stdout,
        "certificates": len(ssl.create_default_context().get_ca_certs()) > 10,
        "zone": time.strftime("%Z"),
        "berlin": str(zoneinfo.ZoneInfo("Europe/Berlin")),
        "localhost": socket.gethostbyname("localhost"),
        "folder": os.getcwd(),
        "files": sorted(os.listdir("/tmp")),
        "variables": {name: os.environ.get(name) for name in ("COLOUR", "_HANDLER", "AWS_LAMBDA_FUNCTION_NAME", "TZ")},
        "version": os.environ["AWS_EXECUTION_ENV"] == "AWS_Lambda_python%d.%d" % sys.version_info[:2],
    }


def loopback(event, context):
    import socket

    listener = socket.create_server(("127.0.0.1", 0))
    client = socket.create_connection(listener.getsockname(), 1)
    server, _ = listener.accept()
    server.sendall(b"over loopback")
    return client.recv(100).decode()


def logs(event, context):
    print("on standard output")
    print("on standard error", file=sys.stderr)
    logging.getLogger().warning("from the logger: %s", "ü")
    context.log("from the context")
    print("without a line break", end="")
    return None


def flood(event, context):
    line = "x" * 1023
    for _ in range(10 * 1024):
        print(line)
    return "still here"


def decimals(event, context):
    from decimal import Decimal

    return json.loads(json.dumps(event)) and {"price": Decimal("12.30")}
