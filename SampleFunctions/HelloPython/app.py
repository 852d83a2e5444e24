import base64
import json


def handler(event, context):
    name = parameters(event).get("name", "world")
    print(f"greeting {name}")
    return {"message": f"Hello, {name}!", "requestId": context.aws_request_id}


def parameters(event):
    """Called directly, the event is the parameters; over HTTP they are the request's body."""
    if "requestContext" not in event:
        return event
    body = event.get("body") or "{}"
    return json.loads(base64.b64decode(body) if event["isBase64Encoded"] else body)
