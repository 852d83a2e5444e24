import random
import uuid

from snapshot_restore_py import register_after_restore, register_before_snapshot

ran = []
drawn = random.random()


@register_before_snapshot
def before():
    ran.append("before")


@register_after_restore
def after():
    ran.append("after")


def handler(event, context):
    return {"ran": ran, "kind": __import__("os").environ["AWS_LAMBDA_INITIALIZATION_TYPE"], "id": str(uuid.uuid4())}
