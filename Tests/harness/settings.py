"""The configuration keys the tests set, in one place."""


def settings(*, idle=None, drain=None, concurrency=None, user=None, prices=None, **more):
    """Seconds, seconds, invocations at once on the node, user name, price table."""
    found = dict(more)
    if idle is not None:
        found["idleSeconds"] = idle
    if drain is not None:
        found["drainSeconds"] = drain
    if concurrency is not None:
        found["nodeConcurrency"] = concurrency
    if user is not None:
        found["user"] = user
    if prices is not None:
        found["prices"] = prices
    return found
