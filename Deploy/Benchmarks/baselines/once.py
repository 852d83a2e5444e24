"""Runs the handler of a folder once: once.py FOLDER EVENT. What a container or a bare process does for one request."""

import json
import sys

sys.path.insert(0, sys.argv[1])
import app  # noqa: E402


class Context:
    aws_request_id = "r"


print(json.dumps(app.handler(json.loads(sys.argv[2]), Context)))
