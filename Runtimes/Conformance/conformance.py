#!/usr/bin/env python3
"""Runs cases.json against a live server, and is the library for tests that want to do the same.

    AWS_ENDPOINT_URL=http://127.0.0.1:9000 python3 conformance.py [--runtime python3.11] [--slow] [NAME…]

Needs boto3. Keys and region come from the usual variables; any key will do for a server with --dev. README.md has the
format of a case.
"""

import argparse
import base64
import io
import json
import os
import pathlib
import re
import sys
import uuid
import zipfile

HERE = pathlib.Path(__file__).resolve().parent


def load():
    return json.loads((HERE / "cases.json").read_text("utf-8"))


def archive(case):
    """The deployment package as zip bytes: one module under its name, or an executable `bootstrap`."""
    source = HERE / "functions" / case["code"]
    name = "bootstrap" if source.suffix == ".sh" else source.name
    entry = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
    entry.external_attr = (0o100644 if name == source.name else 0o100755) << 16
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(entry, source.read_bytes())
    return buffer.getvalue()


def steps(case):
    """The invocations of a case, in order: a case without `steps` is its own single step."""
    return case.get("steps") or [case]


def payload(step):
    """The bytes to send."""
    if "eventText" in step:
        return step["eventText"].encode()
    if "eventFill" in step:
        return b'"' + b"x" * (step["eventFill"] - 2) + b'"'
    if "event" in step:
        return json.dumps(step["event"], ensure_ascii=False).encode()
    return b""


def differences(expected, actual, where="payload"):
    """Sentences on what does not match. In an expected string `*` stands for any text; alone for any value."""
    if expected == "*":
        return []
    if isinstance(expected, str) and isinstance(actual, str):
        pattern = ".*".join(re.escape(part) for part in expected.split("*"))
        if re.fullmatch(pattern, actual, re.DOTALL):
            return []
    elif isinstance(expected, dict) and isinstance(actual, dict):
        found = []
        for key, value in expected.items():
            if key in actual:
                found += differences(value, actual[key], "%s.%s" % (where, key))
            else:
                found.append("%s.%s is missing" % (where, key))
        # An error may have more members (requestId, stackTrace); an answer may not.
        if "errorType" not in expected:
            found += ["%s.%s is not expected" % (where, key) for key in actual if key not in expected]
        return found
    elif isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        return [
            line
            for index, pair in enumerate(zip(expected, actual))
            for line in differences(*pair, "%s[%d]" % (where, index))
        ]
    elif type(expected) is type(actual) and expected == actual:
        return []
    return ["%s is %.300r, not %.300r" % (where, actual, expected)]


def problems(expect, function_error, body, log):
    """What is wrong with one answer: `function_error` is the header's value or None, `log` the log's tail."""
    found = []
    if expect["functionError"] != (function_error is not None):
        found.append("the function error is %r" % function_error)
    try:
        value = json.loads(body)
    except ValueError:
        return found + ["the payload is not JSON: %.300r" % body]
    if "errorType" in expect and (not isinstance(value, dict) or value.get("errorType") != expect["errorType"]):
        found.append("the error type is not %s: %.600r" % (expect["errorType"], value))
    found += differences(expect["payload"], value)
    found += ["the log lacks %r: %r" % (text, log) for text in expect.get("logContains", []) if text not in log]
    return found


class Runner:
    def __init__(self, runtimes):
        import boto3
        from botocore.config import Config

        os.environ.setdefault("AWS_ACCESS_KEY_ID", "test")
        os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "test")
        os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
        os.environ.setdefault("AWS_ENDPOINT_URL", os.environ.get("MARTLET_ENDPOINT", "http://127.0.0.1:9000"))
        self.session = boto3.session.Session()
        self.client = self.session.client("lambda", config=Config(retries={"total_max_attempts": 1}, read_timeout=90))
        self.runtimes = runtimes

    def run(self, case):
        """Deploys the case under a name of its own, invokes it, deletes it. What was wrong, as sentences."""
        name = "conformance-%s-%s" % (case["name"], uuid.uuid4().hex[:8])
        self.client.create_function(
            FunctionName=name,
            Runtime=self.runtimes.get(case["runtime"], case["runtime"]),
            Handler=case["handler"],
            Role="arn:aws:iam::123456789012:role/conformance",
            Code={"ZipFile": archive(case)},
            MemorySize=case.get("memory", 128),
            Timeout=case.get("timeout", 3),
            EphemeralStorage={"Size": case.get("ephemeral", 512)},
            Environment={"Variables": case.get("environment", {})},
        )
        try:
            if "isolation" in case:
                self.martlet("PUT", "functions/%s/settings" % name, {"isolation": case["isolation"]})
            found = []
            for number, step in enumerate(steps(case), 1):
                found += ["step %d: %s" % (number, problem) for problem in self.step(name, case, step)]
            return found
        finally:
            self.client.delete_function(FunctionName=name)

    def step(self, name, case, step):
        from botocore.exceptions import ClientError

        expect = step["expect"]
        options = {}
        if "clientContext" in case:
            options["ClientContext"] = base64.b64encode(json.dumps(case["clientContext"]).encode()).decode()
        try:
            answer = self.client.invoke(FunctionName=name, Payload=payload(step), LogType="Tail", **options)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            return [] if code == expect.get("serviceError") else ["refused with %s" % error]
        if "serviceError" in expect:
            return ["not refused with %s" % expect["serviceError"]]
        log = base64.b64decode(answer.get("LogResult", "")).decode("utf-8", "replace")
        found = problems(expect, answer.get("FunctionError"), answer["Payload"].read(), log)
        if "forkable" in expect or "startable" in expect:
            described = self.martlet("GET", "functions/" + name)
            if "forkable" in expect and described.get("forkable") != expect["forkable"]:
                found.append("described as forkable: %r (%s)" % (described.get("forkable"), described.get("reason")))
            if expect.get("startable") is False and described.get("state") != "failed":
                found.append("described as %r, not as failed" % described.get("state"))
        return found

    def martlet(self, method, path, body=None):
        """A signed call of the interface beside Lambda's."""
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.httpsession import URLLib3Session

        url = "%s/martlet/v1/%s" % (self.client.meta.endpoint_url, path)
        data = json.dumps(body).encode() if body is not None else None
        request = AWSRequest(method, url, data=data, headers={"content-type": "application/json"})
        SigV4Auth(self.session.get_credentials(), "lambda", self.client.meta.region_name).add_auth(request)
        response = URLLib3Session().send(request.prepare())
        if response.status_code >= 300:
            raise RuntimeError("%s %s: %d %s" % (method, url, response.status_code, response.text))
        return json.loads(response.content or b"{}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runtime", default="python%d.%d" % sys.version_info[:2], help="runtime of the Python cases")
    parser.add_argument("--node", default="nodejs", help="runtime of the Node cases (default: the newest)")
    parser.add_argument("--slow", action="store_true", help="also the cases that wait for the init limit")
    parser.add_argument("names", nargs="*", metavar="NAME")
    options = parser.parse_args()
    runner = Runner({"python3": options.runtime, "nodejs": options.node})
    cases = [case for case in load() if case["name"] in options.names or not options.names]
    failed = skipped = 0
    for case in cases:
        if case.get("slow") and not options.slow and not options.names:
            skipped += 1
            continue
        try:
            found = runner.run(case)
        except Exception as error:
            found = ["%s: %s" % (type(error).__name__, error)]
        failed += bool(found)
        print("%s %s" % ("FAILED" if found else "passed", case["name"]), flush=True)
        for problem in found:
            print("    " + problem)
    print("%d cases: %d passed, %d failed, %d skipped" % (len(cases), len(cases) - failed - skipped, failed, skipped))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
