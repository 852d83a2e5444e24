"""The context object, logging, and the trace variable."""

import json
import re

SHOW = """
def handler(event, context):
    return {
        "name": context.function_name, "version": context.function_version, "arn": context.invoked_function_arn,
        "memory": context.memory_limit_in_mb, "request": context.aws_request_id, "group": context.log_group_name,
        "stream": context.log_stream_name, "left": context.get_remaining_time_in_millis(),
        "identity": context.identity.cognito_identity_id, "client": context.client_context and
        [context.client_context.custom, context.client_context.env, context.client_context.client.app_title],
        "tenant": context.tenant_id,
    }
"""


def test_the_context_has_lambdas_fields(start):
    result = start(SHOW).result()
    assert 0 < result.pop("left") <= 60_000
    assert result == {
        "name": "fn",
        "version": "$LATEST",
        "arn": "arn:aws:lambda:us-east-1:123456789012:function:fn:live",
        "memory": "256",
        "request": "request-1",
        "group": "/aws/lambda/fn",
        "stream": "2026/01/01/[$LATEST]0",
        "identity": None,
        "client": None,
        "tenant": None,
    }


def test_no_time_is_left_past_the_deadline(start):
    assert start(SHOW).result(deadlineMs=1)["left"] == 0


def test_the_client_context_is_an_object(start):
    text = json.dumps({"custom": {"a": 1}, "env": {"b": 2}, "client": {"app_title": "Shop"}})
    assert start(SHOW).result(clientContext=text)["client"] == [{"a": 1}, {"b": 2}, "Shop"]


def test_the_tenant_is_the_invocations_own(start):
    worker = start(SHOW, mode="environment")
    assert [worker.result(tenantId="blue")["tenant"], worker.result()["tenant"]] == ["blue", None]


def test_a_broken_client_context_is_an_error_of_its_own(start):
    worker = start(SHOW, mode="environment")
    for text in ("{", "5"):
        assert worker.error(clientContext=text)["errorType"] == "Runtime.LambdaContextUnmarshalError"


def test_the_trace_variable_follows_the_request(start):
    worker = start("import os\ndef handler(e, c): return os.environ.get('_X_AMZN_TRACE_ID')", mode="environment")
    assert worker.result(traceId="Root=1") == "Root=1"
    assert worker.result() is None


def test_the_context_logs_whole_lines(start):
    worker = start("def handler(e, c):\n    c.log('one')\n    c.log('two\\n')")
    worker.result()
    assert worker.log == "one\ntwo\n"


def test_logging_has_lambdas_format_whenever_it_is_imported(start):
    early = "import logging\nlogging.warning('at init')\ndef handler(e, c):\n    logging.error('a %s', 'b')\n"
    late = "def handler(e, c):\n    import logging\n    logging.error('a %s', 'b')\n"
    stamp = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
    worker = start(early)
    worker.result()
    assert re.fullmatch(
        r"\[WARNING\]\t%s\t\tat init\n\[ERROR\]\t%s\trequest-1\ta b\n" % (stamp, stamp), worker.log
    ), worker.log
    worker = start(late)
    worker.result()
    assert re.fullmatch(r"\[ERROR\]\t%s\trequest-1\ta b\n" % stamp, worker.log), worker.log


def test_the_log_level_is_taken_from_its_variable(start):
    source = "import logging\ndef handler(e, c):\n    logging.info('seen')\n    logging.debug('unseen')"
    worker = start(source, environment={"AWS_LAMBDA_LOG_LEVEL": "INFO"})
    worker.result()
    assert "\tseen\n" in worker.log and "unseen" not in worker.log


def test_json_logs_are_one_object_per_line(start):
    source = """
        import logging
        def handler(e, c):
            try:
                1 / 0
            except ZeroDivisionError:
                logging.exception("broken: %s", "ü", extra={"order": 7})
            raise ValueError("x")
    """
    worker = start(source, environment={"AWS_LAMBDA_LOG_FORMAT": "JSON"})
    worker.error()
    logged, fault = [json.loads(line) for line in worker.log.splitlines()]
    assert logged["message"] == "broken: ü" and logged["requestId"] == "request-1" and logged["order"] == 7
    assert logged["errorType"] == "ZeroDivisionError" and "1 / 0" in logged["stackTrace"][0]
    assert fault["errorType"] == "ValueError" and fault["level"] == "ERROR"


def test_hooks_can_be_registered_and_do_not_run_without_a_snapshot(start):
    source = """
        from snapshot_restore_py import register_after_restore, register_before_snapshot
        ran = []
        @register_before_snapshot
        def before(): ran.append("before")
        register_after_restore(ran.append, "after")
        def handler(e, c): return ran
    """
    assert start(source).result() == []
