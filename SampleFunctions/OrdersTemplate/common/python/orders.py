"""What both functions know of an order."""


def checked(order):
    if not isinstance(order, dict) or not order.get("id"):
        raise ValueError("an order needs an id")
    return {"id": str(order["id"])}
