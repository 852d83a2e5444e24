"""Webhooks: nothing runs for a sender who does not know the secret, and what was answered with 202 runs once."""

import base64
import concurrent.futures
import hashlib
import hmac
import http.client
import json
import time

import pytest

from harness.processes import wait_until
from harness.world import SAMPLES

# What a delivery came to is read from the function's log: nobody waits for its answer.
SEEN = """import json


def handler(event, context):
    print("seen " + json.dumps({"body": event["body"], "base64": event["isBase64Encoded"], "method": event["requestContext"]["http"]["method"],
                                "path": event["rawPath"], "hook": event["headers"].get("x-kind")}))
"""


def post(w, path, body, headers=(), method="POST"):
    connection = http.client.HTTPConnection("127.0.0.1", w.port, timeout=20)
    try:
        connection.request(method, path, body, dict(headers))
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def make(w, name, *arguments, code=SEEN):
    w.deploy(name, code, "--handler", "app.handler")
    return w.cli_json("webhook", "create", name, "--function", name, *arguments)


def path(webhook):
    return "/" + webhook["url"].split("/", 3)[3]


def mac(webhook, text, hash=hashlib.sha256, secret=None):
    return hmac.new((secret or webhook["secret"]).encode(), text, hash)


def github(webhook, body, secret=None, **more):
    return {"X-Hub-Signature-256": "sha256=" + mac(webhook, body, secret=secret).hexdigest(), **{k.replace("_", "-"): v for k, v in more.items()}}


def seen(w, name):
    return [json.loads(line.partition("seen ")[2]) for line in w.logs(name).splitlines() if "seen {" in line]


def wait_seen(w, name, count):
    wait_until(lambda: len(seen(w, name)) >= count, 60, lambda: seen(w, name))
    return seen(w, name)


def test_a_delivery_for_a_function_that_needs_a_tenant_is_refused(make_world):
    w = make_world()
    webhook = make(w, "served", "--scheme", "github")
    w.kill()
    w.give_tenants("served")
    w.start()
    status, text = post(w, path(webhook), b"{}", github(webhook, b"{}"))
    assert status == 400 and "A webhook is not supported for functions with TenancyConfig" in text
    assert "TenancyConfig" in w.cli_json("webhook", "list")["webhooks"][0]["lastRefusal"]


def test_githubs_deliveries_run_the_function(w, name):
    hook = make(w, name, "--scheme", "github")
    body = b'{"zen": "Keep it logically awesome."}'
    status, text = post(w, path(hook), body, github(hook, body, x_kind="push", Content_Type="application/json"))
    assert status == 202 and len(json.loads(text)["requestId"]) == 36
    assert wait_seen(w, name, 1) == [{"body": body.decode(), "base64": False, "method": "POST", "path": path(hook), "hook": "push"}]
    rows = w.http("GET", f"/martlet/v1/usage/invocations/{json.loads(text)['requestId']}").json["rows"]
    assert [row["trigger"] for row in rows] == ["webhook"]


def test_the_sample_tells_what_github_sent(w, name):
    w.cli("deploy", name, SAMPLES / "WebhookGitHub")
    hook = w.cli_json("webhook", "create", name, "--function", name, "--scheme", "github")
    body = b'{"zen": "Approachable is better than simple."}'
    assert post(w, path(hook), body, github(hook, body, X_GitHub_Event="ping"))[0] == 202
    wait_until(lambda: "GitHub can reach us: Approachable is better than simple." in w.logs(name), 60, lambda: w.logs(name))


def test_stripes_and_slacks_and_plain_signatures_are_believed(w, name):
    now = str(int(time.time()))
    stripe = make(w, name, "--scheme", "stripe")
    body = b'{"id": "evt_1"}'
    assert post(w, path(stripe), body, {"Stripe-Signature": f"t={now},v1={mac(stripe, now.encode() + b'.' + body).hexdigest()}"})[0] == 202
    slack = w.cli_json("webhook", "create", name + "-slack", "--function", name, "--scheme", "slack")
    body = b"token=x&command=%2Fdeploy"
    signature = "v0=" + mac(slack, b"v0:" + now.encode() + b":" + body).hexdigest()
    headers = {"X-Slack-Request-Timestamp": now, "X-Slack-Signature": signature, "Content-Type": "application/x-www-form-urlencoded"}
    assert post(w, path(slack), body, headers)[0] == 202
    plain = w.cli_json("webhook", "create", name + "-plain", "--function", name, "--scheme", "hmac", "--header", "X-Shop", "--hash", "sha512",
                       "--encoding", "base64", "--prefix", "v1 ")
    body = bytes(range(256))
    signature = "v1 " + base64.b64encode(mac(plain, body, hashlib.sha512).digest()).decode()
    assert post(w, path(plain), body, {"x-shop": signature, "Content-Type": "application/octet-stream"})[0] == 202
    bodies = {(entry["body"], entry["base64"]) for entry in wait_seen(w, name, 3)}
    assert (base64.b64encode(body).decode(), True) in bodies
    assert len(bodies) == 3


def test_slacks_question_is_answered_and_nothing_runs(w, name):
    hook = make(w, name, "--scheme", "slack")
    now, body = str(int(time.time())), b'{"type": "url_verification", "challenge": "abc"}'
    headers = {"X-Slack-Request-Timestamp": now, "X-Slack-Signature": "v0=" + mac(hook, b"v0:" + now.encode() + b":" + body).hexdigest()}
    assert post(w, path(hook), body, headers) == (200, '{"challenge":"abc"}')
    # Not for somebody who only asks.
    assert post(w, path(hook), body, {**headers, "X-Slack-Signature": "v0=" + "0" * 64})[0] == 403
    listed = next(h for h in w.cli_json("webhook", "list")["webhooks"] if h["name"] == name)
    assert (listed["accepted"], listed["refused"]) == (0, 1)


@pytest.mark.parametrize("headers", [
    {}, {"X-Hub-Signature-256": ""}, {"X-Hub-Signature-256": "sha256=" + "0" * 64}, {"X-Hub-Signature-256": "0" * 64},
    {"X-Hub-Signature-256": "sha256="}, {"X-Hub-Signature": "sha1=" + "0" * 40},
])
def test_nothing_runs_for_who_does_not_know_the_secret(w, name, headers):
    hook = make(w, name, "--scheme", "github")
    assert post(w, path(hook), b"{}", headers)[0] == 403
    listed = next(h for h in w.cli_json("webhook", "list")["webhooks"] if h["name"] == name)
    assert (listed["accepted"], listed["refused"]) == (0, 1) and "ignature" in listed["lastRefusal"]
    body = b'{"after": 1}'
    assert post(w, path(hook), body, github(hook, body))[0] == 202
    assert len(wait_seen(w, name, 1)) == 1


def test_unknown_addresses_and_methods_and_sizes_are_refused(w, name):
    hook = make(w, name, "--scheme", "github")
    assert post(w, "/hooks/" + "a" * 32, b"{}")[0] == 404
    assert post(w, "/hooks/", b"{}")[0] in (403, 404)
    assert post(w, path(hook), None, method="GET")[0] in (403, 405)
    body = b"x" * (1 << 20 | 1)
    assert post(w, path(hook), body, github(hook, body))[0] == 413


def test_a_delivery_that_is_sent_again_runs_once(w, name):
    hook = make(w, name, "--scheme", "github")
    body = b'{"n": 1}'
    for delivery in ("one", "one", "two", "one"):
        assert post(w, path(hook), body, github(hook, body, X_GitHub_Delivery=delivery))[0] == 202
    last = b'{"n": 2}'
    assert post(w, path(hook), last, github(hook, last, X_GitHub_Delivery="three"))[0] == 202
    wait_until(lambda: any(entry["body"] == last.decode() for entry in seen(w, name)), 60, "the last one")
    wait_seen(w, name, 3)
    assert sorted(entry["body"] for entry in seen(w, name)) == [body.decode(), body.decode(), last.decode()]


def test_a_secret_is_replaced_without_losing_a_delivery(w, name, tmp_path):
    given = tmp_path / "secret"
    given.write_text("the sender's own\n")
    hook = make(w, name, "--scheme", "github", "--secret-file", str(given))
    body = b"{}"

    def status(secret):
        return post(w, path(hook), body, github(hook, body, secret=secret))[0]
    assert status("the sender's own") == 202
    new = w.cli_json("webhook", "rotate", name)["secret"]
    assert (status("the sender's own"), status(new)) == (202, 202)
    newest = w.cli_json("webhook", "rotate", name, "--revoke-old")["secret"]
    assert (status("the sender's own"), status(new), status(newest)) == (403, 403, 202)


def test_webhooks_survive_a_restart_and_end_with_their_function(make_world):
    w = make_world()
    hook = make(w, "survivor", "--scheme", "github")
    body = b"{}"
    assert post(w, path(hook), body, github(hook, body))[0] == 202
    w.kill()
    w.start()
    assert post(w, path(hook), body, github(hook, body))[0] == 202
    wait_seen(w, "survivor", 2)
    w.cli("webhook", "create", "second", "--function", "survivor", "--scheme", "slack")
    w.cli("webhook", "delete", "second")
    assert [h["name"] for h in w.cli_json("webhook", "list")["webhooks"]] == ["survivor"]
    w.delete("survivor")
    assert post(w, path(hook), body, github(hook, body))[0] == 404
    assert w.cli_json("webhook", "list")["webhooks"] == []


@pytest.mark.parametrize("arguments, named", [
    (("--scheme", "gitlab"), "github, stripe, slack, minio, hmac"),
    (("--scheme", "hmac"), "header"),
    (("--scheme", "hmac", "--header", "a b"), "header"),
    (("--scheme", "hmac", "--header", "x", "--hash", "md5"), "sha1, sha256, sha512"),
    (("--scheme", "github", "--header", "x"), "'header' is for the scheme hmac"),
])
def test_a_webhook_that_cannot_be_is_refused_with_what_could(w, name, arguments, named):
    w.deploy(name, SEEN, "--handler", "app.handler")
    failed = w.cli("webhook", "create", name, "--function", name, *arguments, check=False)
    assert failed.returncode == 1 and named in failed.stderr, failed.stderr


def test_names_are_unique_and_functions_must_exist(w, name):
    make(w, name, "--scheme", "github")
    for arguments, named in (((name, "--function", name), "already"), (("other-" + name, "--function", "nobody-" + name), "not found"), (("a b", "--function", name), "letters")):
        failed = w.cli("webhook", "create", *arguments, "--scheme", "github", check=False)
        assert failed.returncode == 1 and named in failed.stderr, failed.stderr


def test_what_was_answered_with_202_runs_though_the_server_is_killed(make_world):
    w = make_world()
    hook = make(w, "durable", "--scheme", "github")

    def send(number):
        body = json.dumps({"n": number}).encode()
        try:
            return number if post(w, path(hook), body, github(hook, body, X_GitHub_Delivery=str(number)))[0] == 202 else None
        except (OSError, http.client.HTTPException):
            return None
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        sent = [pool.submit(send, number) for number in range(200)]
        wait_until(lambda: sum(f.done() for f in sent) > 60, 60, "some were taken")
        w.kill()
        accepted = {f.result() for f in sent} - {None}
    w.start()
    assert len(accepted) >= 50
    wait_until(lambda: accepted <= {json.loads(entry["body"])["n"] for entry in seen(w, "durable")}, 60, lambda: len(seen(w, "durable")))
