"""AWS's own runtime client for Python as a custom runtime: in a layer with the interpreter it needs, unchanged, in a sandbox."""

import base64
import io
import json
import os
import pathlib
import sys
import sysconfig
import zipfile

import pytest

from harness.processes import wait_until
from harness.world import ROLE, zip_of

awslambdaric = pytest.importorskip("awslambdaric")

# What no function needs of the standard library, and Debian's folder for what is built against it.
LEFT_OUT = {"test", "idlelib", "tkinter", "turtledemo", "ensurepip", "lib2to3", "pydoc_data", "distutils", "__pycache__", "dist-packages", "site-packages"}
PACKAGES = ["awslambdaric", "simplejson", "snapshot_restore_py.py", "runtime_client*.so"]
VERSION = f"python3.{sys.version_info.minor}"
BOOTSTRAP = f"""#!/bin/sh
export PYTHONHOME=/opt/python-home PYTHONPATH=/var/task:/opt/client PYTHONDONTWRITEBYTECODE=1
exec /opt/python-home/bin/{VERSION} -m awslambdaric "$_HANDLER"
"""
APP = """
import json, logging, os, sys
def hello(event, context):
    print("printed", event["name"])
    logging.getLogger().warning("logged")
    return {"hello": event["name"], "\u00e4": None}
def facts(event, context):
    client = context.client_context
    return {
        "id": context.aws_request_id, "name": context.function_name, "version": context.function_version, "arn": context.invoked_function_arn,
        "memory": context.memory_limit_in_mb, "left": context.get_remaining_time_in_millis(), "group": context.log_group_name,
        "stream": context.log_stream_name, "client": client and {"custom": client.custom, "env": client.env, "title": client.client.app_title},
        "trace": os.environ["_X_AMZN_TRACE_ID"], "folder": os.getcwd(), "variables": sorted(k for k in os.environ if k.startswith(("AWS_", "LAMBDA_"))),
        "client_module": sys.modules["awslambdaric"].__file__}
def wrong(event, context):
    raise ValueError("not " + event["what"])
def unfit(event, context):
    return object()
def leave(event, context):
    sys.exit(3)
def large(event, context):
    return "x" * event["size"]
"""


def add(archive, path, name):
    entry = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = (0o100755 if os.access(path, os.X_OK) else 0o100644) << 16
    archive.writestr(entry, path.read_bytes(), compresslevel=1)


def add_folder(archive, folder, name):
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if path.is_file() and not LEFT_OUT & set(parts) and not parts[0].startswith("config-"):
            add(archive, path, f"{name}/{'/'.join(parts)}")


@pytest.fixture(scope="module")
def layer(w):
    """The interpreter that runs these tests, its library, and the client, as its users would put them into a layer."""
    buffer = io.BytesIO()
    installed = pathlib.Path(awslambdaric.__file__).parent.parent
    with zipfile.ZipFile(buffer, "w") as archive:
        add(archive, pathlib.Path(os.path.realpath(sys.executable)), f"python-home/bin/{VERSION}")
        add_folder(archive, pathlib.Path(sysconfig.get_path("stdlib")), f"python-home/lib/{VERSION}")
        for pattern in PACKAGES:
            found = sorted(installed.glob(pattern))
            assert found, pattern
            for path in found:
                add_folder(archive, path, f"client/{path.name}") if path.is_dir() else add(archive, path, f"client/{path.name}")
    return w.boto().publish_layer_version(LayerName="awslambdaric", Content={"ZipFile": buffer.getvalue()})["LayerVersionArn"]


@pytest.fixture(scope="module")
def make(w, layer):
    def make(handler):
        name = "ric-" + handler.replace(".", "-")
        w.boto().create_function(
            FunctionName=name, Runtime="provided.al2023", Role=ROLE, Handler=handler, Layers=[layer], MemorySize=256, Timeout=20,
            Code={"ZipFile": zip_of({"bootstrap": BOOTSTRAP, "app.py": APP})})
        return name
    return make


def fault(w, name, event=None):
    answer = w.invoke(name, event or {})
    assert answer.status == 200 and answer.function_error == "Unhandled", answer
    return answer.json


def test_hello_with_what_it_prints_and_logs(w, make):
    answer = w.invoke(make("app.hello"), {"name": "J\u00fcrgen"}, tail=True)
    assert answer.json == {"hello": "J\u00fcrgen", "\u00e4": None}
    assert "printed J\u00fcrgen\n" in answer.log and "[WARNING]" in answer.log and answer.request_id in answer.log


def test_the_context_has_every_field(w, make):
    name = make("app.facts")
    context = {"custom": {"k": "v"}, "env": {"locale": "de"}, "client": {"app_title": "title"}}
    answer = w.invoke(name, {}, headers={"X-Amz-Client-Context": base64.b64encode(json.dumps(context).encode()).decode()})
    assert answer.function_error is None, answer
    found = answer.json
    arn = f"arn:aws:lambda:us-east-1:123456789012:function:{name}"
    assert (found["id"], found["name"], found["version"], found["arn"], found["memory"]) == (answer.request_id, name, "$LATEST", arn, "256")
    assert 0 < found["left"] <= 20_000 and found["group"] == f"/aws/lambda/{name}" and "[$LATEST]" in found["stream"]
    assert found["client"] == {"custom": {"k": "v"}, "env": {"locale": "de"}, "title": "title"}
    assert found["trace"].startswith("Root=1-") and found["folder"] == "/var/task" and found["client_module"].startswith("/opt/client/")
    for variable in ("AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_RUNTIME_API", "AWS_REGION", "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR"):
        assert variable in found["variables"], variable


def test_errors_have_lambdas_shape(w, make):
    found = fault(w, make("app.wrong"), {"what": "so"})
    assert (found["errorType"], found["errorMessage"]) == ("ValueError", "not so")
    assert any('File "/var/task/app.py"' in line and "in wrong" in line for line in found["stackTrace"]), found
    assert fault(w, make("app.unfit"))["errorType"] == "Runtime.MarshalError"
    found = fault(w, make("app.leave"))
    assert found["errorType"] == "Runtime.ExitError" and "exit status 3" in found["errorMessage"], found


def test_what_cannot_be_imported_is_an_error_of_init(w, make):
    found = fault(w, make("nowhere.handler"))
    assert found["errorType"] == "Runtime.ImportModuleError" and "No module named 'nowhere'" in found["errorMessage"]
    found = fault(w, make("app.nothing"))
    assert found["errorType"] == "Runtime.HandlerNotFound" and "nothing" in found["errorMessage"]


def test_answers_over_a_megabyte_and_over_the_limit(w, make):
    name = make("app.large")
    assert w.call(name, {"size": 2 << 20}) == "x" * (2 << 20)
    assert fault(w, name, {"size": 7 << 20})["errorType"] == "Function.ResponseSizeTooLarge"


EXTENSION = f"""#!/bin/sh
PYTHONHOME=/opt/python-home exec /opt/python-home/bin/{VERSION} /opt/beside.py
"""
BESIDE = """
import http.client, json, os
def call(method, path, body=None, **headers):
    line = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    line.request(method, "/2020-01-01/extension" + path, body, {k.replace("_", "-"): v for k, v in headers.items()})
    answer = line.getresponse()
    return answer.headers, json.loads(answer.read())
headers, _ = call("POST", "/register", '{"events": ["INVOKE"]}', Lambda_Extension_Name="beside")
while True:
    print("beside saw", call("GET", "/event/next", Lambda_Extension_Identifier=headers["Lambda-Extension-Identifier"])[1]["requestId"], flush=True)
"""


def test_an_extension_beside_it(w, layer):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in (("extensions/beside", EXTENSION), ("beside.py", BESIDE)):
            entry = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
            entry.external_attr = 0o100755 << 16
            archive.writestr(entry, text)
    beside = w.boto().publish_layer_version(LayerName="beside", Content={"ZipFile": buffer.getvalue()})["LayerVersionArn"]
    w.boto().create_function(
        FunctionName="ric-beside", Runtime="provided.al2023", Role=ROLE, Handler="app.hello", Layers=[layer, beside], MemorySize=256, Timeout=20,
        Code={"ZipFile": zip_of({"bootstrap": BOOTSTRAP, "app.py": APP})})
    answer = w.invoke("ric-beside", {"name": "Ada"})
    assert answer.json == {"hello": "Ada", "\u00e4": None}
    wait_until(lambda: f"beside saw {answer.request_id}" in w.logs("ric-beside"), 60, lambda: w.logs("ric-beside"))
