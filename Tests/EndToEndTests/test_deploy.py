"""`martlet deploy`, the function API below it, and what callers see while code changes."""

import base64
import hashlib
import json
import os
import shutil
import sys
import threading
import time

import pytest
from botocore.exceptions import ClientError

from harness.processes import wait_until
from harness.world import ECHO, ROLE, ROOT, SAMPLES, zip_of


def versioned(number):
    return f"def handler(event, context):\n    return {number}\n"


def test_a_folder_is_deployed_and_answers(w, name):
    said = w.deploy(name, {"lambda_function.py": "def lambda_handler(event, context):\n    return 'guessed'\n"})
    assert name in said.stdout
    assert w.call(name) == "guessed"
    assert w.describe(name)["state"] in ("ready", "idle")


@pytest.mark.parametrize("files, expected", [
    ({"app.py": "def handler(e, c):\n    return 'app'\n"}, "app"),
    ({"main.py": "def handler(e, c):\n    return 'main'\n"}, "main"),
    ({"handler.py": "def handler(e, c):\n    return 'handler'\n"}, "handler"),
], ids=lambda v: next(iter(v)) if isinstance(v, dict) else v)
def test_runtime_and_handler_are_guessed_when_plain(w, name, files, expected):
    w.deploy(name, files)
    assert w.call(name) == expected


def test_a_folder_that_is_not_plain_is_refused_with_what_to_do(w, name):
    said = w.deploy(name, {"a.txt": "nothing to run"}, check=False)
    assert said.returncode != 0
    assert "--runtime" in said.stderr or "--handler" in said.stderr, said.stderr


def test_a_zip_and_a_single_file_are_deployed(w, name, tmp_path):
    archive = tmp_path / "code.zip"
    archive.write_bytes(zip_of({"app.py": versioned("'zip'")}))
    w.cli("deploy", name, archive)
    assert w.call(name) == "zip"
    single = tmp_path / "solo.py"
    single.write_text(versioned("'file'"))
    w.cli("deploy", f"{name}-f", single)
    assert w.call(f"{name}-f") == "file"


def test_options_reach_the_function(w, name):
    code = "import os\ndef handler(e, c): return [os.environ['COLOUR'], os.environ['EMPTY'], c.memory_limit_in_mb, c.get_remaining_time_in_millis()]\n"
    w.deploy(name, code, "--handler", "app.handler", "--memory", "256", "--timeout", "7", "--env", "COLOUR=blue=ish", "--env", "EMPTY=")
    colour, empty, memory, left = w.call(name)
    assert (colour, empty, str(memory)) == ("blue=ish", "", "256") and 5000 < left <= 7000


def example(heading):
    """The first `toml` block below a heading of the README."""
    text = (ROOT / "README.md").read_text().split(f"\n## {heading}\n")[1]
    return text.split("```toml\n")[1].split("```")[0]


def test_the_readmes_function_toml_is_deployed_and_options_come_first(w):
    code = "import os\ndef handler(e, c): return [os.environ['TABLE'], c.memory_limit_in_mb, sorted(os.listdir('.'))]\n"
    folder = w.folder / "report"
    folder.mkdir()
    (folder / "app.py").write_text(code)
    (folder / "function.toml").write_text(example("Settings beside the code"))
    said = w.cli_json("deploy", folder)
    assert said["function"] == "report" and said["changed"]
    table, memory, files = w.call("report")
    assert (table, int(memory), files) == ("orders", 512, ["app.py"])
    function = w.boto().get_function(FunctionName="report")
    configuration = function["Configuration"]
    assert (configuration["Timeout"], configuration["EphemeralStorage"]["Size"]) == (30, 1024)
    assert w.http("GET", "/2015-03-31/functions/report/configuration").json["MartletNetwork"] == "none"
    assert function["Tags"] == {"team": "shop"} and function["Concurrency"]["ReservedConcurrentExecutions"] == 20
    assert w.boto().get_function_url_config(FunctionName="report")["AuthType"] == "AWS_IAM"
    assert not w.cli_json("deploy", folder)["changed"]
    again = w.cli_json("deploy", folder, "--memory", "256", "--network", "egress", "--env", "TABLE=other")
    assert again["changed"] and not again["uploaded"]
    assert w.http("GET", "/2015-03-31/functions/report/configuration").json["MartletNetwork"] == "egress"
    assert [str(value) for value in w.call("report")[:2]] == ["other", "256"]


def test_a_function_toml_adds_tags_and_takes_layers(w, name):
    client = w.boto()
    layer = client.publish_layer_version(LayerName=name, Content={"ZipFile": zip_of({"python/shared.py": "VALUE = 7\n"})})["LayerVersionArn"]
    code = {"app.py": "def handler(e, c):\n    import shared\n    return shared.VALUE\n"}
    w.deploy(name, {**code, "function.toml": f'name = "other"\nlayers = [\n    "{layer}",\n]\n[tags]\na = "1"\n'}, "--handler", "app.handler")
    assert w.call(name) == 7
    w.deploy(name, {**code, "function.toml": "[tags]\r\na = 2\r\nb = true\r\n"})
    assert client.get_function(FunctionName=name)["Tags"] == {"a": "2", "b": "true"} and w.call(name) == 7
    w.deploy(name, {"app.py": ECHO, "function.toml": "layers = []\n"})
    assert "Layers" not in client.get_function_configuration(FunctionName=name) or not client.get_function_configuration(FunctionName=name)["Layers"]


@pytest.mark.parametrize("text, reason", [
    ("memory = 512\nmemroy = 3\n", "function.toml, line 2: unknown setting memroy; did you mean memory?"),
    ("\ntimeout = \"30\"\n", "function.toml, line 2: timeout must be a whole number from 1 to 900 (seconds)"),
    ("name = \"x\n", "function.toml, line 1: the text has no closing"),
], ids=["unknown", "type", "syntax"])
def test_a_wrong_function_toml_is_refused_with_its_line(w, name, text, reason):
    said = w.deploy(name, {"app.py": ECHO, "function.toml": text}, check=False)
    assert said.returncode != 0 and reason in said.stderr, said.stderr
    assert w.http("GET", f"/2015-03-31/functions/{name}").status == 404


def test_a_folder_alone_needs_a_name_in_its_file(w, tmp_path):
    (tmp_path / "app.py").write_text(ECHO)
    said = w.cli("deploy", tmp_path, check=False)
    assert said.returncode != 0 and "function.toml" in said.stderr and "martlet deploy NAME" in said.stderr, said.stderr


def test_python3_means_the_newest_offered_and_is_stored_by_its_full_name(w, name):
    w.deploy(name, "import sys\ndef handler(e, c): return list(sys.version_info[:2])\n", "--runtime", "python3", "--handler", "app.handler")
    offered = [r["name"] if isinstance(r, dict) else r for r in w.http("GET", "/martlet/v1/node").json["runtimes"]]
    newest = max(tuple(map(int, r.removeprefix("python").split("."))) for r in offered if r.startswith("python3."))
    stored = w.boto().get_function_configuration(FunctionName=name)["Runtime"]
    assert stored == "python%d.%d" % newest
    assert w.call(name) == list(newest)


def test_every_offered_python_answers(w, name):
    offered = [r["name"] if isinstance(r, dict) else r for r in w.http("GET", "/martlet/v1/node").json["runtimes"]]
    pythons = [r for r in offered if r.startswith("python3.")]
    assert "python3.11" in pythons
    for runtime in pythons:
        function = f"py-{runtime.replace('.', '-')}"
        w.create(function, "import sys, ssl, sqlite3, ctypes, json, hashlib\ndef handler(e, c): return list(sys.version_info[:2])\n", runtime=runtime)
        assert w.call(function) == list(map(int, runtime.removeprefix("python").split("."))), runtime


def test_an_unknown_runtime_is_refused_and_the_offered_are_named(w, name):
    said = w.deploy(name, ECHO, "--runtime", "cobol85", "--handler", "app.handler", check=False)
    assert said.returncode != 0 and "python3.11" in said.stderr, said.stderr
    client = w.boto()
    with pytest.raises(client.exceptions.ClientError) as refused:
        client.create_function(FunctionName=name, Runtime="python3.99", Role=ROLE, Handler="a.b", Code={"ZipFile": zip_of({"a.py": ECHO})})
    assert refused.value.response["Error"]["Code"] == "InvalidParameterValueException"


def test_requirements_are_installed_into_the_package(w, name, tmp_path):
    wheel = tmp_path / "wheels" / "tiny_dependency"
    wheel.mkdir(parents=True)
    (wheel / "setup.py").write_text("from setuptools import setup\nsetup(name='tiny-dependency', version='1.0', py_modules=['tiny_dependency'])\n")
    (wheel / "tiny_dependency.py").write_text("VALUE = 42\n")
    w.deploy(name, {"app.py": "import tiny_dependency\ndef handler(e, c): return tiny_dependency.VALUE\n",
                    "requirements.txt": f"{wheel}\n"}, "--handler", "app.handler")
    assert w.call(name) == 42


def test_a_failing_init_fails_the_deploy_with_its_error(w, name):
    said = w.deploy(name, "raise RuntimeError('broken at import')\n", "--handler", "app.handler", check=False)
    assert said.returncode != 0
    assert "broken at import" in said.stderr + said.stdout
    assert w.deploy(name, versioned(1), "--handler", "app.handler").returncode == 0
    assert w.call(name) == 1


def test_an_unchanged_redeploy_uploads_nothing(w, name, tmp_path):
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "app.py").write_text(versioned(1))
    (folder / "data.bin").write_bytes(os.urandom(3_000_000))
    w.cli("deploy", name, folder)
    before = w.boto().get_function_configuration(FunctionName=name)
    bytes_before = received(w)
    os.utime(folder / "app.py", (1, 1))
    start = time.monotonic()
    w.cli("deploy", name, folder)
    took = time.monotonic() - start
    after = w.boto().get_function_configuration(FunctionName=name)
    assert after["CodeSha256"] == before["CodeSha256"]
    if bytes_before is not None:
        assert received(w) - bytes_before < 100_000
    print(f"unchanged redeploy: {took:.3f} s")


def received(w):
    """Bytes the server has read from sockets and files so far, from /proc; the upload of 3 MB would show."""
    try:
        with open(f"/proc/{w.family().server}/io") as file:
            return int(next(line for line in file if line.startswith("rchar")).split()[1])
    except (OSError, StopIteration, TypeError):
        return None


@pytest.mark.parametrize("isolation", ["invocation", "environment"])
def test_redeploying_under_load_loses_nothing_and_serves_no_old_code_afterwards(w, name, isolation):
    w.deploy(name, versioned(0), "--handler", "app.handler", "--isolation", isolation)
    stop, deployed, faults, answered = threading.Event(), [0], [], [0]

    def load():
        while not stop.is_set():
            floor = deployed[0]
            try:
                answer = w.invoke(name, {})
                if answer.status != 200 or answer.function_error:
                    faults.append(repr(answer))
                elif answer.json < floor:
                    faults.append(f"answered by {answer.json} after {floor} was deployed")
                answered[0] += 1
            except Exception as error:
                faults.append(repr(error))
    threads = [threading.Thread(target=load) for _ in range(8)]
    for thread in threads:
        thread.start()
    try:
        for number in range(1, 11):
            w.deploy(name, versioned(number), "--handler", "app.handler", "--isolation", isolation)
            deployed[0] = number
            # Each deployment meets requests, however busy the machine is.
            wait_until(lambda: faults or answered[0] > 12 * number, 60, lambda: f"{answered[0]} answers after {number} deployments")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not faults, faults[:5]
    assert answered[0] > 100
    assert w.call(name) == 10


def test_a_new_handler_never_meets_the_old_code(w, name):
    def package(number):
        return {f"module{number}.py": f"def handler{number}(event, context):\n    return {number}\n"}
    w.deploy(name, package(0), "--handler", "module0.handler0")
    stop, faults, answered = threading.Event(), [], [0]

    def load():
        while not stop.is_set():
            answer = w.invoke(name, {})
            if answer.status != 200 or answer.function_error:
                faults.append(repr(answer))
            answered[0] += 1
    threads = [threading.Thread(target=load) for _ in range(6)]
    for thread in threads:
        thread.start()
    try:
        for number in range(1, 9):
            w.deploy(name, package(number), "--handler", f"module{number}.handler{number}", "--memory", str(128 + 64 * (number % 2)))
            # However slow the machine is, enough requests meet each deployment.
            wait_until(lambda: answered[0] > 13 * number or faults, 60, "the load goes on")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not faults, faults[:5]
    assert answered[0] > 100
    assert w.call(name) == 8


def test_update_function_code_under_load_serves_no_old_code_after_its_answer(w, name):
    client = w.boto()
    w.create(name, versioned(0))
    for number in range(1, 15):
        client.update_function_code(FunctionName=name, ZipFile=zip_of({"app.py": versioned(number)}))
        assert w.call(name) == number


def test_the_function_api_by_boto3(w, name):
    client = w.boto()
    made = w.create(name, versioned(1), env={"AA": "1"}, Description="first", Tags={"team": "x"})
    assert made["FunctionName"] == name and made["Runtime"] == "python3.11" and made["State"] in ("Pending", "Active")
    assert made["FunctionArn"].endswith(f":function:{name}") and made["Version"] == "$LATEST" and made["CodeSize"] > 0
    client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    got = client.get_function(FunctionName=name)
    assert got["Configuration"]["CodeSha256"] == made["CodeSha256"] and got["Code"]["Location"]
    with pytest.raises(client.exceptions.ResourceConflictException):
        client.create_function(FunctionName=name, Runtime="python3.11", Role=ROLE, Handler="app.handler", Code={"ZipFile": zip_of({"app.py": ECHO})})
    changed = client.update_function_configuration(FunctionName=name, MemorySize=512, Environment={"Variables": {"BB": "2"}}, Description="second")
    assert changed["MemorySize"] == 512 and changed["Environment"]["Variables"] == {"BB": "2"} and changed["Description"] == "second"
    assert changed["RevisionId"] != made["RevisionId"]
    client.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    assert client.get_function_configuration(FunctionName=name)["MemorySize"] == 512
    names = [f["FunctionName"] for page in client.get_paginator("list_functions").paginate() for f in page["Functions"]]
    assert name in names and names == sorted(set(names))
    client.delete_function(FunctionName=name)
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_function(FunctionName=name)
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.delete_function(FunctionName=name)
    assert w.invoke(name, {}).status == 404


def test_a_wrong_revision_id_is_412(w, name):
    client = w.boto()
    w.create(name, versioned(1))
    with pytest.raises(client.exceptions.PreconditionFailedException):
        client.update_function_code(FunctionName=name, ZipFile=zip_of({"app.py": versioned(2)}), RevisionId="no-such-revision")
    assert w.call(name) == 1


def test_a_dry_run_tells_the_new_codes_digest_and_changes_nothing(w, name):
    """What scripts ask for in order to learn whether code is another than the deployed."""
    client = w.boto()
    made = w.create(name, versioned(1))
    other = zip_of({"app.py": versioned(2) + "# longer\n"})
    told = client.update_function_code(FunctionName=name, ZipFile=other, DryRun=True, Publish=True)
    assert told["CodeSha256"] == base64.b64encode(hashlib.sha256(other).digest()).decode() and told["CodeSize"] == len(other)
    assert told["RevisionId"] == made["RevisionId"] and told["Version"] == "$LATEST"
    kept = client.get_function_configuration(FunctionName=name)
    assert (kept["CodeSha256"], kept["RevisionId"]) == (made["CodeSha256"], made["RevisionId"]) and w.call(name) == 1
    assert [version["Version"] for version in client.list_versions_by_function(FunctionName=name)["Versions"]] == ["$LATEST"]
    with pytest.raises(ClientError, match="PreconditionFailed"):
        client.update_function_code(FunctionName=name, ZipFile=other, DryRun=True, RevisionId="no-such-revision")
    with pytest.raises(ClientError, match="InvalidZipFile"):
        client.update_function_code(FunctionName=name, ZipFile=b"no archive", DryRun=True)


def test_the_aws_command_line_creates_and_updates(w, name, tmp_path):
    archive = tmp_path / "code.zip"
    archive.write_bytes(zip_of({"app.py": versioned(1)}))
    made = json.loads(w.aws("lambda", "create-function", "--function-name", name, "--runtime", "python3.11", "--role", ROLE,
                            "--handler", "app.handler", "--zip-file", f"fileb://{archive}").stdout)
    assert made["FunctionName"] == name
    assert w.call(name) == 1
    archive.write_bytes(zip_of({"app.py": versioned(2)}))
    w.aws("lambda", "update-function-code", "--function-name", name, "--zip-file", f"fileb://{archive}")
    assert w.call(name) == 2
    w.aws("lambda", "delete-function", "--function-name", name)
    assert "ResourceNotFoundException" in w.aws("lambda", "get-function", "--function-name", name, check=False).stderr


@pytest.mark.parametrize("change, named", [
    ({"FunctionName": "bad name!"}, "bad name!"), ({"FunctionName": "x" * 200}, "FunctionName"),
    ({"MemorySize": 64}, "128"), ({"MemorySize": 20000}, "10240"), ({"Timeout": 0}, "Timeout"), ({"Timeout": 901}, "900"),
    ({"Environment": {"Variables": {"AA": "x" * 5000}}}, "4KB"), ({"Environment": {"Variables": {"1A": "x"}}}, "environment.variables"),
    ({"EphemeralStorage": {"Size": 100}}, "512"), ({"Description": "x" * 300}, "256"), ({"Handler": ""}, "Handler"),
], ids=str)
def test_values_out_of_range_are_refused_by_name_and_limit(w, name, change, named):
    body = {"FunctionName": name, "Runtime": "python3.11", "Role": ROLE, "Handler": "app.handler",
            "Code": {"ZipFile": __import__("base64").b64encode(zip_of({"app.py": ECHO})).decode()}, **change}
    answer = w.http("POST", "/2015-03-31/functions", json.dumps(body).encode(), {"Content-Type": "application/json"})
    assert answer.status == 400, answer
    assert answer.error_type in ("InvalidParameterValueException", "ValidationException"), answer
    assert named.lower() in answer.text.lower(), answer
    assert w.http("GET", f"/2015-03-31/functions/{name}").status == 404


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"FunctionName":5}', b'{"FunctionName":"x","Code":"y"}', b'{"FunctionName":"x","Code":{"ZipFile":"***"}}'], ids=repr)
def test_malformed_create_requests_are_400(w, body):
    answer = w.http("POST", "/2015-03-31/functions", body, {"Content-Type": "application/json"})
    assert answer.status == 400, answer
    assert answer.error_type, answer


def test_deleting_under_load_answers_or_says_not_found(w, name):
    w.create(name, ECHO)
    stop, statuses = threading.Event(), set()

    def load():
        while not stop.is_set():
            answer = w.invoke(name, {})
            statuses.add((answer.status, answer.function_error))
    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(10):
            w.delete(name)
            w.create(name, ECHO)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert statuses <= {(200, None), (404, None)}, statuses


def test_a_function_that_was_deleted_and_made_again_is_the_new_one(w, name):
    for number in range(5):
        w.create(name, versioned(number))
        assert w.call(name) == number
        w.delete(name)


def test_deploying_by_several_at_once_succeeds_and_ends_in_one_of_them(w, name):
    w.deploy(name, versioned(0), "--handler", "app.handler")
    failures = []

    def one(number):
        try:
            w.deploy(name, versioned(number), "--handler", "app.handler")
        except AssertionError as error:
            failures.append(str(error))
    threads = [threading.Thread(target=one, args=(n,)) for n in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, "\n".join(failures)
    assert w.call(name) in range(1, 5)
