"""LoggingConfig: the form of a log, its levels, its group; and what an invocation is told of its trace."""

import json

import pytest
from botocore.exceptions import ClientError

PYTHON = """
import logging, os
log = logging.getLogger()
def handler(event, context):
    log.debug("quiet"); log.info("spoken"); log.error("loud")
    return [os.environ.get("AWS_LAMBDA_LOG_FORMAT"), os.environ.get("AWS_LAMBDA_LOG_LEVEL"), context.log_group_name,
            os.environ["AWS_LAMBDA_LOG_GROUP_NAME"], os.environ["_X_AMZN_TRACE_ID"]]
"""


def lines(w, name, request):
    return [json.loads(line["text"]) for line in w.http("GET", f"/martlet/v1/logs/{name}?request={request}").json["lines"]]


def test_a_json_log_has_records_of_platform_and_function(w, name):
    w.create(name, PYTHON, LoggingConfig={"LogFormat": "JSON", "SystemLogLevel": "DEBUG"})
    configured = w.boto().get_function_configuration(FunctionName=name)["LoggingConfig"]
    assert configured == {"LogFormat": "JSON", "ApplicationLogLevel": "INFO", "SystemLogLevel": "DEBUG", "LogGroup": f"/aws/lambda/{name}"}
    answer = w.invoke(name, {})
    assert answer.json[:2] == ["JSON", "INFO"]
    found = lines(w, name, answer.request_id)
    assert [line.get("type") or line["message"] for line in found] == [
        "platform.start", "spoken", "loud", "platform.runtimeDone", "platform.report"]
    assert found[1]["level"] == "INFO" and found[1]["requestId"] == answer.request_id and found[1]["timestamp"]
    assert found[-1]["record"]["status"] == "success" and found[-1]["record"]["metrics"]["billedDurationMs"] >= 1


def test_levels_leave_lines_out(w, name):
    w.create(name, PYTHON, LoggingConfig={"LogFormat": "JSON", "ApplicationLogLevel": "ERROR", "SystemLogLevel": "WARN"})
    assert [line.get("message") for line in lines(w, name, w.invoke(name, {}).request_id)] == ["loud"]


def test_a_log_group_is_shared(w, name):
    for number in (1, 2):
        w.create(f"{name}-{number}", PYTHON, LoggingConfig={"LogGroup": "/shared/group"})
        assert w.call(f"{name}-{number}", {})[2:4] == ["/shared/group"] * 2
    client = w.boto(service="logs")
    streams = [stream["logStreamName"] for stream in client.describe_log_streams(logGroupName="/shared/group")["logStreams"]]
    assert len(streams) == 2 and all(f"/{name}-{number}[$LATEST]" in "".join(streams) for number in (1, 2))
    assert len(client.filter_log_events(logGroupName="/shared/group", filterPattern="REPORT")["events"]) == 2
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.describe_log_streams(logGroupName=f"/aws/lambda/{name}-1")


def test_levels_go_with_json_only(w, name):
    with pytest.raises(ClientError, match="only with the LogFormat JSON"):
        w.create(name, PYTHON, LoggingConfig={"LogFormat": "Text", "ApplicationLogLevel": "INFO"})


def test_a_callers_trace_reaches_the_function(w, name):
    w.create(name, PYTHON)
    trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
    assert w.call(name, {}, headers={"X-Amzn-Trace-Id": trace})[4].startswith(f"{trace};Lineage=")
    assert w.call(name, {}, headers={"X-Amzn-Trace-Id": "nonsense"})[4].startswith("Root=1-")
