"""Scales a picture down so that neither side is longer than 128 pixels."""

import base64
import binascii
import io

from PIL import Image

LONGEST_SIDE = 128
# A small file can describe a huge picture; refuse it before it is unpacked.
MOST_PIXELS = 40_000_000


def handler(event, context):
    over_http = "requestContext" in event
    try:
        picture = thumbnail(picture_of(event))
    except ValueError as error:
        if over_http:
            return {"statusCode": 400, "headers": {"content-type": "text/plain"}, "body": f"{error}\n"}
        raise
    body = base64.b64encode(picture).decode()
    if over_http:
        return {"statusCode": 200, "headers": {"content-type": "image/png"}, "body": body, "isBase64Encoded": True}
    return {"imageBase64": body}


def picture_of(event):
    if "requestContext" not in event:
        encoded = event.get("imageBase64")
        if not isinstance(encoded, str):
            raise ValueError('the event needs "imageBase64": a picture in base64')
    elif event.get("body") and event.get("isBase64Encoded"):
        encoded = event["body"]
    else:
        raise ValueError("send a picture as the body of the request")
    try:
        return base64.b64decode(encoded, validate=True)
    except binascii.Error as error:
        raise ValueError(f"the picture is not base64: {error}") from None


def thumbnail(data):
    try:
        image = Image.open(io.BytesIO(data))
    except OSError:
        raise ValueError("the data is not a picture in a known format") from None
    before = image.size
    if before[0] * before[1] > MOST_PIXELS:
        raise ValueError(f"the picture has {before[0]}x{before[1]} pixels, at most {MOST_PIXELS} in all are allowed")
    try:
        if image.mode not in ("L", "LA", "RGB", "RGBA"):
            # A picture with a palette can only be scaled roughly.
            image = image.convert("RGBA" if "transparency" in image.info else "RGB")
        image.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    except (OSError, SyntaxError):
        raise ValueError("the picture is damaged") from None
    output = io.BytesIO()
    image.save(output, "PNG", optimize=True)
    print(f"{before[0]}x{before[1]} -> {image.width}x{image.height}, {len(data)} -> {output.tell()} bytes")
    return output.getvalue()


# The formats' plug-ins and the codecs are loaded by their first use: have that happen once, at init.
def _warm_up():
    sample = io.BytesIO()
    Image.new("RGB", (256, 256)).save(sample, "PNG")
    image = Image.open(io.BytesIO(sample.getvalue()))
    image.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    image.save(io.BytesIO(), "PNG", optimize=True)


_warm_up()
