"""HelloPython as a function of Google's functions-framework."""

import os
import sys

# The framework loads this file by path and knows nothing of PYTHONPATH's order.
sys.path.insert(0, os.environ["HANDLER_FOLDER"])
import app  # noqa: E402


class Context:
    aws_request_id = "r"


def handler(request):
    return app.handler(request.get_json(), Context)
