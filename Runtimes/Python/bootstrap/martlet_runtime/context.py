"""The second argument of a handler."""

import sys
import time

# The request that is running, for log lines; one at a time in a process.
current_request_id = ""


class LambdaContext:
    """Lambda's context object. `memory_limit_in_mb` is a string there, so it is one here."""

    def __init__(self, function, request_id, deadline_ms, arn, client_context, tenant_id=None):
        self.aws_request_id = request_id
        self.function_name = function["functionName"]
        self.function_version = function["functionVersion"]
        self.memory_limit_in_mb = str(function["memorySize"])
        self.log_group_name = function["logGroup"]
        self.log_stream_name = function["logStream"]
        self.invoked_function_arn = arn
        self.tenant_id = tenant_id
        self.client_context = ClientContext(client_context) if client_context is not None else None
        self.identity = CognitoIdentity()
        self._deadline_ms = deadline_ms

    def get_remaining_time_in_millis(self):
        """Milliseconds until the function's time limit; 0 when it has passed."""
        return max(0, self._deadline_ms - int(time.time() * 1000))

    def log(self, message):
        text = str(message)
        sys.stdout.write(text if text.endswith("\n") else text + "\n")

    def __repr__(self):
        return _show(self, [name for name in self.__dict__ if not name.startswith("_")])


class ClientContext:
    """What the caller sent as `X-Amz-Client-Context`."""

    __slots__ = ["custom", "env", "client"]

    def __init__(self, values):
        self.custom = values.get("custom")
        self.env = values.get("env")
        client = values.get("client")
        self.client = Client(client) if isinstance(client, dict) else None

    def __repr__(self):
        return _show(self, self.__slots__)


class Client:
    __slots__ = ["installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name"]

    def __init__(self, values):
        for name in self.__slots__:
            setattr(self, name, values.get(name))

    def __repr__(self):
        return _show(self, self.__slots__)


class CognitoIdentity:
    """Always empty: there is no identity pool behind Martlet's callers."""

    __slots__ = ["cognito_identity_id", "cognito_identity_pool_id"]

    def __init__(self):
        self.cognito_identity_id = None
        self.cognito_identity_pool_id = None

    def __repr__(self):
        return _show(self, self.__slots__)


def _show(value, names):
    return "%s([%s])" % (type(value).__name__, ",".join("%s=%s" % (name, getattr(value, name)) for name in names))
