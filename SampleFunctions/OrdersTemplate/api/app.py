"""Takes orders and shows them."""

import json
import os

import orders


def handler(event, context):
    if event.get("routeKey") == "GET /orders/{id}":
        return {"order": event["pathParameters"]["id"], "version": context.function_version}
    order = orders.checked(json.loads(event.get("body") or "{}"))
    return {"statusCode": 202, "body": json.dumps({"message": os.environ["GREETING"], "queue": os.environ["QUEUE"], **order})}
