"""The other verbs of the command line, with and without --json, and the public status pages."""

import json
import re
import subprocess

import pytest

from harness.processes import wait_until
from harness.world import ECHO, MARTLET


@pytest.fixture(scope="module")
def echo(w):
    w.deploy("echo-verbs", ECHO, "--handler", "app.handler")
    w.call("echo-verbs", {"a": 1})
    return "echo-verbs"


def test_list_shows_every_function(w, echo):
    assert echo in w.cli("list").stdout
    found = w.cli_json("list")
    rows = found if isinstance(found, list) else next(v for v in found.values() if isinstance(v, list))
    row = next(r for r in rows if r.get("function", r.get("FunctionName")) == echo)
    assert row["runtime"].startswith("python3.") and row["handler"] == "app.handler"


@pytest.mark.root
def test_an_ordinary_user_may_use_the_command_line(w, echo):
    said = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", str(MARTLET), "list"], capture_output=True, text=True,
                          timeout=100, cwd="/", env=w.client_environment())
    assert said.returncode == 0 and echo in said.stdout, said


def test_describe_tells_the_state(w, echo):
    assert echo in w.cli("describe", echo).stdout
    found = w.cli_json("describe", echo)
    assert found["state"] in ("registered", "starting", "ready", "idle", "failed")
    assert found["forkable"] in (True, False, None)


def test_describe_and_invoke_of_an_unknown_function_name_the_nearest(w, echo):
    for verb in ("describe", "invoke", "logs", "delete"):
        said = w.cli(verb, "echo-verb", check=False)
        assert said.returncode != 0
        assert "echo-verbs" in said.stderr, (verb, said.stderr)


def test_delete_takes_the_function_away(w, name):
    w.deploy(name, ECHO, "--handler", "app.handler")
    w.cli("delete", name)
    assert name not in w.cli("list").stdout
    assert w.invoke(name, {}).status == 404
    assert w.http("GET", f"/fn/{name}").status in (403, 404)


def test_version_and_doctor(w):
    assert re.search(r"\d+\.\d+", w.cli("version").stdout)
    assert w.cli_json("version")
    said = w.cli("doctor").stdout.lower()
    for word in ("kernel", "cgroup", "landlock", "seccomp", "python3.11"):
        assert word in said, said
    assert w.cli_json("doctor")


def test_config_check_lists_every_value_and_its_origin(w, tmp_path):
    path = tmp_path / "config.json"
    path.write_text("{}")
    said = w.cli("config", "check", "--config", path).stdout
    assert "listen" in said and "default" in said
    assert w.cli_json("config", "check", "--config", path)


def test_an_unknown_configuration_key_is_an_error_by_name(w, tmp_path):
    path = tmp_path / "config.json"
    path.write_text('{"lissten": "x"}')
    said = w.cli("config", "check", "--config", path, check=False)
    assert said.returncode != 0 and "lissten" in said.stderr + said.stdout


@pytest.mark.parametrize("text", ["{", "[]", '"x"', '{"listen": 5}'], ids=repr)
def test_a_malformed_configuration_is_an_error_that_names_the_file(w, tmp_path, text):
    path = tmp_path / "config.json"
    path.write_text(text)
    said = w.cli("config", "check", "--config", path, check=False)
    assert said.returncode != 0 and ("config.json" in said.stderr or "listen" in said.stderr), said.stderr


def test_health_is_public_and_metrics_are_prometheus_text(w, echo):
    assert w.http("GET", "/martlet/v1/health").json == {"status": "ready"}
    text = w.http("GET", "/metrics").text
    families = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    for word in ("invocations", "errors", "throttles", "duration", "queue", "start"):
        assert any(word in f for f in families), (word, families)
    for line in text.splitlines():
        if line and not line.startswith("#"):
            assert re.fullmatch(r"[a-zA-Z_:][a-zA-Z0-9_:]*(\{.*\})? [-+0-9.eEInfNa]+", line), line
    assert "_bucket{" in text and 'le="+Inf"' in text


def test_metrics_count_invocations(w, echo):
    def count():
        return sum(float(line.rsplit(" ", 1)[1]) for line in w.http("GET", "/metrics").text.splitlines()
                   if re.match(r"\w*invocations_total", line))
    before = count()
    for _ in range(5):
        w.call(echo, {})
    # An answer is counted a moment after it has left.
    wait_until(lambda: count() >= before + 5, 60, lambda: f"five more than {before}: {count()}")
    assert count() == before + 5


def test_metrics_count_what_the_listener_sees(w, echo):
    def sample(name):
        return float(re.search(rf"^{re.escape(name)} (\S+)$", w.http("GET", "/metrics").text, re.M)[1])
    names = ("http_requests_total", 'http_responses_total{class="2xx"}', 'http_responses_total{class="4xx"}', "http_connections_accepted_total")
    before = [sample(name) for name in names]
    assert w.http("GET", "/2015-03-31/functions/there-is-none").status == 404

    def rises():
        return {name: sample(name) - number for name, number in zip(names, before)}
    wait_until(lambda: all(rise >= 1 for rise in rises().values()), 60, rises)
    # Of the question itself.
    assert sample("http_requests_in_flight") >= 1 and sample("http_connections") >= 1
    assert sample("http_streams") == 0 and sample('http_refused_total{what="connection"}') == 0 and sample("http_timeouts_total") >= 0


def test_metrics_show_init_and_forget_a_deleted_function(w):
    name = "short-lived"
    w.create(name, ECHO)
    w.call(name, {})
    wait_until(lambda: re.search(rf'functions_init_seconds_count{{function="{name}"}} [1-9]', w.http("GET", "/metrics").text), 60, "an init that is counted")
    w.delete(name)
    wait_until(lambda: f'"{name}"' not in w.http("GET", "/metrics").text, 60, "series of a deleted function")



def test_a_server_that_is_not_there_is_said_in_a_sentence(w):
    said = w.cli("list", check=False, environment={"MARTLET_ENDPOINT": "http://127.0.0.1:1"})
    assert said.returncode != 0 and "127.0.0.1:1" in said.stderr


def test_endpoint_option_goes_before_the_variable(w, echo):
    said = w.cli("list", "--endpoint", w.endpoint, environment={"MARTLET_ENDPOINT": "http://127.0.0.1:1"})
    assert echo in said.stdout


def test_wrong_arguments_end_with_usage(w):
    for arguments in (["frobnicate"], ["deploy"], ["deploy", "x", "/nonexistent"], ["invoke"]):
        said = w.cli(*arguments, check=False)
        assert said.returncode != 0 and said.stderr, arguments
    assert "/nonexistent" in w.cli("deploy", "x", "/nonexistent", check=False).stderr


def test_completions_are_scripts_that_their_shell_takes(w):
    bash = w.cli("completions", "bash").stdout
    assert subprocess.run(["bash", "-n"], input=bash, text=True, capture_output=True).returncode == 0
    # What the shell is offered after `martlet key `.
    probe = f"{bash}\nCOMP_WORDS=(martlet key ''); COMP_CWORD=2; COMP_LINE='martlet key '; COMP_POINT=12; _martlet 2>/dev/null; echo \"${{COMPREPLY[*]}}\""
    offered = subprocess.run(["bash"], input=probe, text=True, capture_output=True).stdout.split()
    assert {"create", "list", "rotate", "revoke"} <= set(offered), offered
    assert w.cli_json("completions", "fish")["script"] == w.cli("completions", "fish").stdout.rstrip("\n")
    assert w.cli("completions", "zsh").stdout.startswith("#compdef martlet")
    assert w.cli("completions", "tcsh", check=False).returncode == 64
