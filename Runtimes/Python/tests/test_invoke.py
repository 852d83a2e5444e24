"""One invocation: the event in, the answer or the error out, the log."""

import json

import pytest
from conftest import END, ERROR


@pytest.mark.parametrize(
    "event",
    [None, True, 0, -1.5e300, "", "grüße 🌍 \u2028 \x00", [], {}, {"a": [1, {"b": None}], "ü": "\\\"\n"}, 10**40],
    ids=str,
)
def test_json_comes_back_as_it_went_in(start, event):
    assert start("def handler(event, context): return event").result(event) == event


def test_white_space_around_an_event_is_no_fault(start):
    worker = start("def handler(event, context): return event", mode="environment")
    assert worker.invoke(b' \r\n\t{"a":1}\n ') == (END, b'{"a": 1}')
    assert worker.invoke(b"") == (END, b"{}")


def test_text_is_not_escaped_to_ascii(start):
    assert start("def handler(e, c): return 'ü🌍'").invoke() == (END, '"ü🌍"'.encode())


def test_a_lone_surrogate_is_answered_escaped(start):
    assert start("def handler(e, c): return {'s': '\\ud800'}").invoke() == (END, b'{"s": "\\ud800"}')


def test_decimals_keep_all_digits_and_nested_bytes_become_text(start):
    source = """
        from decimal import Decimal
        def handler(e, c):
            return {"n": Decimal("1.10000000000000000000000001"), "l": [Decimal(7), b"x", (1, 2)], "s": '"'}
    """
    expected = b'{"n": 1.10000000000000000000000001, "l": [7, "x", [1, 2]], "s": "\\""}'
    assert start(source).invoke() == (END, expected)


def test_bytes_that_are_json_are_passed_on_and_others_refused(start):
    worker = start("def handler(e, c): return e.encode()", mode="environment")
    assert worker.invoke(b'"{\\"a\\":1}"') == (END, b'{"a":1}')
    assert worker.error(b'"no json"')["errorType"] == "Runtime.MarshalError"


@pytest.mark.parametrize(
    "expression, reason",
    [
        ("{1, 2}", "Object of type set is not JSON serializable"),
        ("object()", "Object of type object is not JSON serializable"),
        ("{(1, 2): 3}", "keys must be str, int, float, bool or None, not tuple"),
    ],
)
def test_an_answer_that_is_not_json_is_a_marshal_error(start, expression, reason):
    error = start("def handler(e, c): return " + expression).error()
    assert error == {
        "errorMessage": "Unable to marshal response: " + reason,
        "errorType": "Runtime.MarshalError",
        "requestId": "request-1",
        "stackTrace": [],
    }


def test_an_answer_that_contains_itself_is_a_marshal_error(start):
    source = "def handler(e, c):\n    e = []\n    e.append(e)\n    return e"
    assert start(source).error()["errorMessage"] == "Unable to marshal response: Circular reference detected"


@pytest.mark.parametrize("event", [b"{", b"{} {}", b"nope", b"\xff\xfe\xff", b'{"a":"\n"}', b"[" * 200_000], ids=repr)
def test_an_event_that_is_not_json_is_an_unmarshal_error(start, event):
    error = start("def handler(e, c): return 1").error(event)
    assert error["errorType"] == "Runtime.UnmarshalError"
    assert error["errorMessage"].startswith("Unable to unmarshal input: ")


def test_an_event_of_six_megabytes_fits_in_both_directions(start):
    event = "x" * (6 * 1024 * 1024 - 2)
    assert start("def handler(e, c): return e").result(event) == event


def test_an_answer_over_the_limit_is_refused_by_name(start):
    worker = start("def handler(e, c): return 'x' * (e - 2)", mode="environment")
    assert len(worker.invoke(b"6291556")[1]) == 6291556
    error = worker.error(b"6291557")
    assert error["errorType"] == "Function.ResponseSizeTooLarge"
    assert error["errorMessage"] == "Response payload size exceeded maximum allowed payload size (6291556 bytes)."


def test_an_exception_has_lambdas_shape_and_is_logged(start):
    worker = start("def inner():\n    raise ValueError('no colour: ü')\n\ndef handler(e, c):\n    inner()\n")
    error = worker.error()
    assert (error["errorType"], error["errorMessage"], error["requestId"]) == ("ValueError", "no colour: ü", "request-1")
    assert len(error["stackTrace"]) == 2
    assert error["stackTrace"][0].endswith('app.py", line 5, in handler\n    inner()\n')
    assert worker.end() == 0
    assert worker.log == "[ERROR] ValueError: no colour: ü\nTraceback (most recent call last):\n" + "".join(
        error["stackTrace"]
    )


def test_endless_recursion_is_folded(start):
    error = start("def f(): f()\ndef handler(e, c): f()").error()
    assert error["errorType"] == "RecursionError"
    assert len(error["stackTrace"]) < 10
    assert any("Previous line repeated" in line for line in error["stackTrace"])


def test_an_exception_without_a_text_is_still_answered(start):
    source = """
        class Broken(Exception):
            def __str__(self): raise RuntimeError("again")
        def handler(e, c): raise Broken()
    """
    error = start(source).error()
    assert (error["errorType"], error["errorMessage"]) == ("Broken", "<exception str() failed>")


def test_a_huge_message_is_cut(start):
    frame = start("def handler(e, c): raise ValueError('x' * (64 << 20))").invoke()
    assert frame[0] == ERROR and len(frame[1]) < 1 << 20
    assert "more characters" in json.loads(frame[1])["errorMessage"]


@pytest.mark.parametrize("code, status", [("3", 3), ("", 0), ("'spoken reason'", 1), ("256 + 9", 9)])
def test_exit_in_the_handler_ends_the_process_without_an_answer(start, code, status):
    worker = start("import sys\ndef handler(e, c): sys.exit(%s)" % code)
    assert worker.invoke() is None
    assert worker.end() == status
    assert "[ERROR] Runtime.ExitError: " in worker.log
    assert ("spoken reason" in worker.log) == ("spoken" in code)


def test_an_interrupt_ends_the_process_with_its_usual_status(start):
    worker = start("def handler(e, c): raise KeyboardInterrupt")
    assert worker.invoke() is None and worker.end() == 130
    assert "[ERROR] KeyboardInterrupt" in worker.log


def test_a_child_that_returns_from_the_handler_does_not_answer_twice(start):
    source = "import os\ndef handler(e, c):\n    pid = os.fork()\n    if pid: os.waitpid(pid, 0)\n    return pid > 0"
    worker = start(source, mode="environment")
    assert worker.result() is True
    assert worker.result() is True


def test_once_ends_after_its_answer_whatever_still_runs(start):
    source = """
        import threading, time
        def handler(e, c):
            threading.Thread(target=time.sleep, args=(3600,)).start()
            print("begun", end="")
            return 1
    """
    worker = start(source)
    assert worker.result() == 1
    assert worker.process.wait(30) == 0 and worker.log == "begun"


def test_an_environment_keeps_its_state_and_serves_on_after_an_error(start):
    source = """
        count = 0
        def handler(e, c):
            global count
            count += 1
            if e == "fail": raise ValueError(c.aws_request_id)
            return [count, c.aws_request_id]
    """
    worker = start(source, mode="environment")
    assert worker.result(request_id="a") == [1, "a"]
    assert worker.error(b'"fail"', request_id="b")["errorMessage"] == "b"
    assert worker.result(request_id="c") == [3, "c"]
    assert worker.end() == 0


def test_output_is_in_the_log_before_the_answer(start):
    source = """
        import sys
        def handler(e, c):
            print("out", end="")
            print("err", end="", file=sys.stderr)
            print("\\ud800 ü")
    """
    worker = start(source, mode="environment")
    worker.result()
    assert sorted(worker.log) == sorted("outerr\\ud800 ü\n")


def test_a_handler_that_closes_its_output_is_answered(start):
    assert start("import sys\ndef handler(e, c):\n    sys.stdout.close()\n    raise ValueError('x')").error()
