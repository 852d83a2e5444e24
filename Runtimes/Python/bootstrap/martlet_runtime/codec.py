"""Event and answer as JSON, with the results of `json.loads` and `json.dumps` but without importing `json`.

`import json` pulls in `re` and `enum` and costs as much as the whole interpreter start. Its C half, `_json`, has the
scanner and the encoder; the Python half is imported only to phrase an error or where `_json` does not exist.
"""

import os
import sys


class _ScannerOptions:
    strict = True
    array_hook = None
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}.__getitem__


def _iterator(default, quote):
    return make_encoder({}, default, quote, None, ": ", ", ", False, False, True)


# `_json` is not a public interface: a Python that has another one gets the slow way.
try:
    from _json import encode_basestring, encode_basestring_ascii, make_encoder, make_scanner

    _scan = make_scanner(_ScannerOptions())
    _is_native = (_scan("[0]", 0), "".join(_iterator(None, encode_basestring)([0], 0))) == (([0], 3), "[0]")
except Exception:
    _is_native = False


def decode(payload):
    """The value of a JSON text in bytes (or a buffer). Raises what `json.loads` raises, with its message."""
    if _is_native:
        try:
            text = str(payload, "utf-8").strip(" \t\n\r")
            value, end = _scan(text, 0)
            if end == len(text):
                return value
        except (ValueError, StopIteration, RecursionError):
            pass
    import json

    return json.loads(bytes(payload))


def encode(value):
    """JSON text in bytes, UTF-8, not escaped to ASCII. Raises what `json.dumps` raises.

    As on Lambda a Decimal becomes a number with all its digits and nested bytes become text. NaN and infinities are
    written as Python's json does. Strings that UTF-8 cannot carry (lone surrogates) make the whole answer ASCII.
    """
    try:
        return _encode(value, False).encode()
    except UnicodeEncodeError:
        return _encode(value, True).encode()


def _encode(value, ascii_only):
    numbers = []
    mark = None

    def default(item):
        nonlocal mark
        if isinstance(item, bytes):
            return str(item, "utf-8")
        decimal = sys.modules.get("decimal")
        if decimal is not None and isinstance(item, decimal.Decimal):
            if not item.is_finite():
                return float("nan") if item.is_nan() else float(item)
            # The encoder cannot emit raw text, so a string that no answer can contain holds the number's place.
            if mark is None:
                mark = os.urandom(16).hex()
            numbers.append(str(item))
            return mark + "%d;" % (len(numbers) - 1)
        raise TypeError("Object of type %s is not JSON serializable" % item.__class__.__name__)

    if _is_native:
        quote = encode_basestring_ascii if ascii_only else encode_basestring
        if isinstance(value, str):
            text = quote(value)
        else:
            text = "".join(_iterator(default, quote)(value, 0))
    else:
        import json

        text = json.dumps(value, default=default, ensure_ascii=ascii_only)
    if not numbers:
        return text
    parts = text.split('"' + mark)
    for position in range(1, len(parts)):
        index, rest = parts[position].split(";", 1)
        parts[position] = numbers[int(index)] + rest[1:]
    return "".join(parts)
