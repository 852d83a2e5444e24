"""HelloPython behind WSGI, for gunicorn."""

import json

import app


class Context:
    aws_request_id = "r"


def application(environ, start_response):
    event = json.loads(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)))
    body = json.dumps(app.handler(event, Context)).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
