"""Sets up `logging` as Lambda does. Imported when the function imports `logging`, never before."""

import logging
import os
import sys
import time

from . import context


class Handler(logging.Handler):
    """Writes to whatever `sys.stdout` is now, so that redirected output stays redirected."""

    def emit(self, record):
        try:
            sys.stdout.write(self.format(record) + "\n")
        except RecursionError:
            raise
        except Exception:
            self.handleError(record)


class RequestFilter(logging.Filter):
    def filter(self, record):
        record.aws_request_id = context.current_request_id
        return True


class JSONFormatter(logging.Formatter):
    """One object per line with Lambda's keys; values given as `extra` are added."""

    def format(self, record):
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        result = {
            "timestamp": "%s.%03dZ" % (stamp, record.msecs),
            "level": record.levelname,
            "message": record.getMessage(),
            "logger": record.name,
        }
        if record.exc_info and record.exc_info[1] is not None:
            from . import faults

            error = record.exc_info[1]
            result["stackTrace"] = faults.stack_of(error)
            result["errorType"] = type(error).__name__
            result["errorMessage"] = faults.text_of(error)
            result["location"] = "%s:%s:%d" % (record.pathname, record.funcName, record.lineno)
        result["requestId"] = context.current_request_id
        for key, value in record.__dict__.items():
            if key not in _OWN_FIELDS and key not in result:
                result[key] = value
        import json

        return json.dumps(result, ensure_ascii=False, default=str)


_OWN_FIELDS = set(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "aws_request_id", "taskName"}


def configure():
    handler = Handler()
    if os.environ.get("AWS_LAMBDA_LOG_FORMAT", "").upper() == "JSON":
        handler.setFormatter(JSONFormatter())
    else:
        logging.Formatter.converter = time.gmtime
        handler.setFormatter(
            logging.Formatter(
                "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s", "%Y-%m-%dT%H:%M:%S"
            )
        )
    handler.addFilter(RequestFilter())
    root = logging.getLogger()
    level = os.environ.get("AWS_LAMBDA_LOG_LEVEL", "").upper()
    level = {"TRACE": "DEBUG", "FATAL": "CRITICAL"}.get(level, level)
    if level in ("DEBUG", "INFO", "WARN", "WARNING", "ERROR", "CRITICAL"):
        root.setLevel(level)
    root.addHandler(handler)
