"""Books orders from a queue. One that cannot be booked comes again alone; the others of its batch are done."""

import json


def handler(event, context):
    failures = []
    for record in event["Records"]:
        try:
            print(book(json.loads(record["body"])))
        except (ValueError, KeyError) as error:
            print(f"{record['messageId']} cannot be booked: {error!r}")
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}


def book(order):
    total = sum(line["price"] * line["count"] for line in order["lines"])
    if total <= 0:
        raise ValueError(f"a total of {total}")
    return f"order {order['id']}: {total / 100:.2f}"
