"""HelloPython behind ASGI, for uvicorn."""

import json

import app


class Context:
    aws_request_id = "r"


async def application(scope, receive, send):
    assert scope["type"] == "http"
    parts, more = [], True
    while more:
        message = await receive()
        parts.append(message["body"])
        more = message.get("more_body", False)
    body = json.dumps(app.handler(json.loads(b"".join(parts)), Context)).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
