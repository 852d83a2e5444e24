"""Changes of objects as events: notifications in MinIO's form, and watched folders."""

import base64
import collections
import json
import os
import threading
import urllib.parse

import pytest

from harness.processes import wait_until
from harness.world import ACCOUNT

# One line in the log for each record.
CODE = """
import json
def handler(event, context):
    for record in event["Records"]:
        print("record", json.dumps(record), flush=True)
"""


def records(w, name):
    # A server that was killed a moment ago may still have answered the last look at its health.
    shown = w.cli("logs", name, check=False).stdout
    return [json.loads(line.split("record ", 1)[1]) for line in shown.splitlines() if 'record {' in line]


def keys(w, name, kind="ObjectCreated:Put"):
    return sorted(r["s3"]["object"]["key"] for r in records(w, name) if r["eventName"] == kind)


def wait_keys(w, name, expected, kind="ObjectCreated:Put", limit=60):
    wait_until(lambda: keys(w, name, kind) == sorted(expected), limit, lambda: f"{kind} of {expected}, not {keys(w, name, kind)}\n{w.log_text(2000)}", 0.1)


def notification(bucket, key, event="s3:ObjectCreated:Put", sequencer="17E7A0"):
    """As MinIO sends it."""
    return json.dumps({
        "EventName": event, "Key": f"{bucket}/{key}",
        "Records": [{
            "eventVersion": "2.0", "eventSource": "minio:s3", "awsRegion": "", "eventTime": "2026-11-21T10:00:00.000Z", "eventName": event,
            "userIdentity": {"principalId": "minioadmin"}, "requestParameters": {"principalId": "minioadmin", "region": "", "sourceIPAddress": "127.0.0.1"},
            "responseElements": {"x-amz-id-2": "d", "x-amz-request-id": "17E7", "x-minio-deployment-id": "b", "x-minio-origin-endpoint": "http://m:9000"},
            "s3": {"s3SchemaVersion": "1.0", "configurationId": "Config",
                   "bucket": {"name": bucket, "ownerIdentity": {"principalId": "minioadmin"}, "arn": f"arn:aws:s3:::{bucket}"},
                   "object": {"key": urllib.parse.quote_plus(key), "size": 5, "eTag": "5d41402abc4b2a76b9719d911017c592",
                              "contentType": "text/csv", "userMetadata": {"content-type": "text/csv"}, "sequencer": sequencer}},
            "source": {"host": "127.0.0.1", "port": "", "userAgent": "MinIO (linux; amd64) minio-go"}}]}).encode()


# MARK: Notifications

def test_a_notification_of_minio_becomes_s3s_event(w, name):
    w.create(name, CODE)
    hook = w.cli_json("webhook", "create", name, "--function", name, "--scheme", "minio", "--events", "s3:ObjectCreated:*", "--key-prefix", "in/",
                      "--key-suffix", ".csv")
    path, bearer = hook["url"].removeprefix(w.endpoint), {"Authorization": f"Bearer {hook['secret']}", "Content-Type": "application/json"}

    def send(*arguments, headers=bearer, **options):
        return w.http("POST", path, notification(*arguments, **options), headers)
    answer = send("photos", "in/a b+ü.csv")
    assert answer.status == 202 and len(answer.json["requestId"]) == 36, answer
    # Sent again, as a sender does that has not seen the answer.
    assert send("photos", "in/a b+ü.csv").json == answer.json
    for other in (("photos", "out/a.csv"), ("photos", "in/a.txt"), ("photos", "in/a.csv", "s3:ObjectRemoved:Delete")):
        assert send(*other).json == {"filtered": True}
    assert send("photos", "in/a b+ü.csv", sequencer="17E7A1").status == 202
    wait_keys(w, name, ["in/a+b%2B%C3%BC.csv"] * 2)
    record = records(w, name)[0]
    assert record["eventSource"] == "aws:s3" and record["eventName"] == "ObjectCreated:Put" and record["awsRegion"] == "us-east-1"
    assert record["s3"]["bucket"] == {"name": "photos", "ownerIdentity": {"principalId": "minioadmin"}, "arn": "arn:aws:s3:::photos"}
    assert record["s3"]["object"]["size"] == 5 and urllib.parse.unquote_plus(record["s3"]["object"]["key"]) == "in/a b+ü.csv"
    assert w.record(answer.json["requestId"])["trigger"] == "objects"
    # Who does not know the secret, and what is no notification.
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": hook["secret"]}, {"Authorization": f"Basic {hook['secret']}"}):
        assert send("photos", "in/b.csv", headers=headers).status == 403
    assert w.http("POST", path, b"{}", bearer).status == 400
    assert "no Records" in w.http("POST", path, b"{}", bearer).text
    assert w.http("POST", path, b"no json", bearer).status == 400
    assert len(records(w, name)) == 2
    shown = [h for h in w.cli_json("webhook", "list")["webhooks"] if h["name"] == name][0]
    assert shown["events"] == ["s3:ObjectCreated:*"] and shown["keyPrefix"] == "in/" and "secret" not in shown


def test_filters_are_checked_and_survive_a_restart(make_world):
    w = make_world()
    w.create("f", CODE)
    said = w.cli("webhook", "create", "h", "--function", "f", "--scheme", "minio", "--events", "created", check=False)
    assert said.returncode == 1 and "s3:ObjectCreated:*" in said.stderr
    said = w.cli("webhook", "create", "h", "--function", "f", "--scheme", "github", "--key-prefix", "a", check=False)
    assert said.returncode == 1 and "scheme minio" in said.stderr
    hook = w.cli_json("webhook", "create", "h", "--function", "f", "--scheme", "minio", "--key-suffix", ".csv")
    w.kill()
    w.start()
    path, bearer = hook["url"].split("/hooks/")[1], {"Authorization": f"Bearer {hook['secret']}"}
    assert w.http("POST", f"/hooks/{path}", notification("b", "a.txt"), bearer).json == {"filtered": True}
    assert w.http("POST", f"/hooks/{path}", notification("b", "a.csv"), bearer).status == 202
    wait_keys(w, "f", ["a.csv"])


# MARK: Watched folders

@pytest.fixture
def folder(scratch, name):
    """Readable by every user, as the server's is not the test's."""
    made = scratch / name
    made.mkdir(mode=0o755)
    return made


def test_files_that_come_change_move_and_go_are_events(w, name, folder):
    w.create(name, CODE)
    (folder / "before.txt").write_text("old")
    made = w.cli_json("watch", "create", folder, "--function", name, "--content")
    assert made["files"] == 1 and made["name"] == folder.name
    (folder / "a b+ü.txt").write_bytes(b"hello")
    wait_keys(w, name, ["a+b%2B%C3%BC.txt"])
    record = records(w, name)[0]
    assert record["eventSource"] == "aws:s3" and record["s3"]["bucket"]["name"] == folder.name and record["s3"]["object"]["size"] == 5
    assert base64.b64decode(record["s3"]["object"]["contentBase64"]) == b"hello"
    (folder / "before.txt").write_text("new content")
    (folder / "part").write_text("x")
    (folder / "part").rename(folder / "whole")
    wait_until(lambda: {"before.txt", "whole"} <= set(keys(w, name)), 60, lambda: f"both: {keys(w, name)}", 0.1)
    (folder / "whole").unlink()
    wait_until(lambda: "whole" in keys(w, name, "ObjectRemoved:Delete"), 60, "the removal", 0.1)
    removal = [r for r in records(w, name) if r["eventName"] == "ObjectRemoved:Delete" and r["s3"]["object"]["key"] == "whole"][0]
    assert "size" not in removal["s3"]["object"] and "contentBase64" not in removal["s3"]["object"]
    created = [r for r in records(w, name) if r["s3"]["object"]["key"] == "whole" and r["eventName"] == "ObjectCreated:Put"][0]
    assert removal["s3"]["object"]["sequencer"] > created["s3"]["object"]["sequencer"]
    # A file that came by a link, and one too large for its content to travel.
    os.link(folder / "before.txt", folder / "linked")
    (folder / "large").write_bytes(b"x" * ((512 << 10) + 1))
    wait_until(lambda: {"linked", "large"} <= set(keys(w, name)), 60, lambda: f"both: {keys(w, name)}", 0.1)
    assert "contentBase64" not in [r for r in records(w, name) if r["s3"]["object"]["key"] == "large"][0]["s3"]["object"]

    def entry():
        return [t for t in w.cli_json("triggers", name)["triggers"] if t["kind"] == "folder"][0]
    # What the function has logged is settled a moment later.
    wait_until(lambda: entry()["depth"] == 0, 60, entry)
    assert entry()["source"] == str(folder) and entry()["state"] == "enabled" and entry()["events"] >= 6
    assert {r["trigger"] for r in w.records(name) if r["trigger"] != "initialization"} == {"objects"}


def test_events_prefix_and_suffix_decide(w, name, folder):
    w.create(name, CODE)
    w.cli("watch", "create", folder, "--function", name, "--events", "created", "--prefix", "in-", "--suffix", ".csv")
    for file in ("out-a.csv", "in-a.txt", "in-a.csv"):
        (folder / file).write_text("x")
    wait_keys(w, name, ["in-a.csv"])
    (folder / "in-a.csv").unlink()
    (folder / "in-b.csv").write_text("x")
    wait_keys(w, name, ["in-a.csv", "in-b.csv"])
    assert not keys(w, name, "ObjectRemoved:Delete")


def test_folders_within_count_where_it_was_asked_for(w, name, folder):
    w.create(name, CODE)
    w.cli("watch", "create", folder, "--function", name, "--recursive")
    deep = folder / "a" / "b"
    deep.mkdir(parents=True)
    # Written before anybody can have noticed that the folder is there.
    (deep / "first").write_text("x")
    wait_keys(w, name, ["a/b/first"])
    (deep / "second").write_text("x")
    wait_keys(w, name, ["a/b/first", "a/b/second"])
    (folder / "a").rename(folder / "z")
    wait_keys(w, name, ["a/b/first", "a/b/second", "z/b/first", "z/b/second"])
    wait_keys(w, name, ["a/b/first", "a/b/second"], "ObjectRemoved:Delete")
    # Whatever happens in the folder under its new name is told under that.
    (folder / "z" / "b" / "third").write_text("x")
    wait_until(lambda: "z/b/third" in keys(w, name), 60, lambda: f"the third: {keys(w, name)}", 0.1)
    assert not [k for k in keys(w, name) if k == "a/b/third"]


def test_links_are_not_followed(w, name, folder, scratch):
    w.create(name, CODE)
    secret = scratch / f"{name}-secret"
    secret.mkdir()
    (secret / "key").write_text("secret")
    w.cli("watch", "create", folder, "--function", name, "--recursive", "--content")
    (folder / "file").symlink_to(secret / "key")
    (folder / "dir").symlink_to(secret)
    (secret / "other").write_text("secret")
    (folder / "end").write_text("x")
    wait_keys(w, name, ["end"])


def test_what_changed_while_the_server_was_down_is_found(make_world, scratch):
    w = make_world()
    w.create("f", CODE)
    folder = scratch / "down"
    folder.mkdir(mode=0o755)
    for file in ("stays", "changes", "goes"):
        (folder / file).write_text("x")
    w.cli("watch", "create", folder, "--function", "f", "--name", "inbox")
    w.kill()
    (folder / "changes").write_text("yy")
    (folder / "goes").unlink()
    (folder / "comes").write_text("x")
    w.start()
    wait_keys(w, "f", ["changes", "comes"])
    wait_keys(w, "f", ["goes"], "ObjectRemoved:Delete")
    # Nothing of it is news any more.
    w.kill()
    w.start()
    (folder / "later").write_text("x")
    wait_keys(w, "f", ["changes", "comes", "later"])
    assert records(w, "f")[0]["s3"]["bucket"]["name"] == "inbox"
    w.cli("watch", "delete", "inbox")
    assert "no folders are watched yet" in w.cli("watch", "list").stderr


def test_a_flood_that_the_kernel_forgets_is_found_all_the_same(make_world, scratch):
    """More notes than the kernel keeps: it says that some are lost, and all is looked up."""
    w = make_world()
    w.create("f", "def handler(event, context):\n    pass\n", memory=128)
    folder = scratch / "flood"
    folder.mkdir(mode=0o755)
    w.cli("watch", "create", folder, "--function", "f", "--events", "created")
    limit = int(open("/proc/sys/fs/inotify/max_queued_events").read())
    count = 600
    server = w.family().server
    os.kill(server, 19)
    try:
        for n in range(count):
            (folder / f"f{n}").write_text("x")
        # Each open and close that is told apart fills the kernel's list.
        for _ in range(limit // 2 + 100):
            for file in ("f0", "f1"):
                os.close(os.open(folder / file, os.O_WRONLY))
    finally:
        os.kill(server, 18)

    def told():
        entry = [t for t in w.cli_json("triggers")["triggers"] if t["kind"] == "folder"][0]
        return entry["events"] >= count and entry["depth"] == 0
    wait_until(told, 60, lambda: f"all {count}: {w.cli_json('triggers')}\n{w.log_text(2000)}", 0.2)
    assert w.cli_json("watch", "list")["watches"][0]["files"] == count


def test_a_folder_that_goes_away_and_comes_back(w, name, folder):
    w.create(name, CODE)
    (folder / "a").write_text("x")
    w.cli("watch", "create", folder, "--function", name)

    def state():
        return [t for t in w.cli_json("triggers", name)["triggers"] if t["kind"] == "folder"][0]
    aside = folder.with_name(folder.name + "-aside")
    folder.rename(aside)
    wait_until(lambda: state()["state"] == "failing", 60, lambda: f"the watch fails: {state()}", 0.1)
    assert folder.name in state()["lastError"] or "gone" in state()["lastError"]
    (aside / "b").write_text("x")
    aside.rename(folder)
    wait_keys(w, name, ["b"])
    wait_until(lambda: state()["state"] == "enabled", 60, lambda: f"the watch works: {state()}", 0.1)
    assert not keys(w, name, "ObjectRemoved:Delete")


@pytest.mark.parametrize("arguments, named", [
    (["/nonexistent/folder"], "No such file"), (["/proc"], "holds no files"), (["/etc/hostname"], "no folder"),
    (["/usr", "--name", "a/b"], "--name"), (["/usr", "--function", "none"], "none"), (["/usr", "--events", "made"], "created, removed"),
])
def test_a_watch_that_cannot_be_is_refused_with_why(w, name, arguments, named):
    w.create(name, CODE)
    said = w.cli("watch", "create", "--function", name, *arguments, check=False)
    assert said.returncode != 0 and named in said.stderr, said


def test_the_servers_own_data_is_not_watched(w, name):
    w.create(name, CODE)
    for path in (w.data, w.data / "logs", w.data.parent):
        said = w.cli("watch", "create", path, "--function", name, check=False)
        assert said.returncode == 1 and ("the server's own data" in said.stderr or "cannot be" in said.stderr), said


@pytest.mark.root
def test_a_folder_closed_to_the_servers_user_is_refused(w, name, folder):
    w.create(name, CODE)
    folder.chmod(0o700)
    said = w.cli("watch", "create", folder, "--function", name, check=False)
    assert said.returncode == 1 and "uid" in said.stderr and "Permission denied" in said.stderr, said


def test_watches_end_with_their_function_and_have_names_of_their_own(w, name, folder):
    w.create(name, CODE)
    w.cli("watch", "create", folder, "--function", name)
    said = w.cli("watch", "create", folder, "--function", name, check=False)
    assert said.returncode == 1 and "already" in said.stderr
    w.delete(name)
    wait_until(lambda: folder.name not in [x["name"] for x in w.cli_json("watch", "list")["watches"]], 60, "the watch is gone")
