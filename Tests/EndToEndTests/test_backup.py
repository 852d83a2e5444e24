"""A backup that is made while the server works, and what a server is that starts on it."""

import concurrent.futures
import json
import os
import shutil
import tarfile
import threading

import pytest

from harness.processes import wait_until
from harness.world import ECHO, World, world
from test_tenants import Tenant


@pytest.fixture(scope="module")
def busy(scratch):
    with world(scratch / "busy", dev=False) as made:
        made.create("kept", {"app.py": NAMES, ".archive": "a", ".incoming-x": "b", "packages/.incoming-y/z": "c"})
        yield made


NAMES = """import os
def handler(event, context):
    return sorted(os.path.join(folder, name)[len('/var/task/'):] for folder, _, names in os.walk('/var/task') for name in names if name.startswith(('.', 'z')))
"""


def backup(w, path, *arguments, check=True):
    return w.cli("backup", str(path), "--data", str(w.data), *arguments, check=check)


def restore(w, path, data, check=True):
    return w.cli("restore", str(path), "--data", str(data), check=check)


def test_everything_is_there_again(busy, scratch):
    w = busy
    shop = Tenant(w, "shop")
    shop.create("till", Publish=True)
    shop.boto().create_alias(FunctionName="till", Name="live", FunctionVersion="1")
    client, sqs = shop.boto(max_pool_connections=8), shop.boto("sqs")
    url = sqs.create_queue(QueueName="orders")["QueueUrl"]
    for number in range(20):
        sqs.send_message(QueueUrl=url, MessageBody=f"order {number}")
    answered, going = [], threading.Event()

    def invoke(number):
        while not going.is_set():
            answer = client.invoke(FunctionName="till", Qualifier="live", Payload=json.dumps(number))
            answered.append(answer["ResponseMetadata"]["RequestId"])
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        runs = [pool.submit(invoke, number) for number in range(4)]
        wait_until(lambda: len(answered) >= 200 or any(run.done() for run in runs), 120, lambda: f"200 answers, not {len(answered)}")
        assert not [run.result() for run in runs if run.done()]
        before = list(answered)
        made = backup(w, scratch / "one.tar.gz")
        going.set()
        for run in runs:
            run.result()
    assert "martlet restore" in made.stdout
    assert os.stat(scratch / "one.tar.gz").st_mode & 0o077 == 0
    assert not (scratch / "one.tar.gz.partial").exists()
    restore(w, scratch / "one.tar.gz", scratch / "again")
    with world(scratch / "second", dev=False, data=scratch / "again") as second:
        copy = Tenant.__new__(Tenant)
        copy.w, copy.name, copy.account, copy.key = second, shop.name, shop.account, shop.key
        assert json.loads(copy.boto().invoke(FunctionName="till", Qualifier="live", Payload=b'{"a":1}')["Payload"].read()) == {"a": 1}
        assert copy.boto().get_alias(FunctionName="till", Name="live")["FunctionVersion"] == "1"
        rows = []
        after = ""
        while True:
            page = copy.http("GET", f"/martlet/v1/usage?by=invocation&limit=1000&after={after}").json
            rows += page["rows"]
            after = page.get("next") or ""
            if not after:
                break
        recorded = [row["requestId"] for row in rows]
        assert set(before) <= set(recorded), "what was answered before is paid for"
        assert len(recorded) == len(set(recorded)), "once"
        queue = copy.boto("sqs").get_queue_url(QueueName="orders")["QueueUrl"]
        bodies = set()
        while len(bodies) < 20:
            got = copy.boto("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
            assert got, bodies
            bodies |= {message["Body"] for message in got}
        assert bodies == {f"order {number}" for number in range(20)}
        assert "CreateFunction" in copy.cli("audit").stdout
        assert second.call("kept") == [".archive", ".incoming-x", "packages/.incoming-y/z"], "whatever a function's files are called"
    assert shop.boto().get_function(FunctionName="till")["Configuration"]["State"] == "Active", "the first server goes on"


def test_what_is_there_is_never_overwritten(busy, scratch):
    w = busy
    target = scratch / "two.tar"
    target.write_text("mine")
    answer = backup(w, target, check=False)
    assert answer.returncode == 1 and "there already" in answer.stderr and target.read_text() == "mine"
    target.unlink()
    backup(w, target, "--without-logs")
    with tarfile.open(target) as archive:
        names = archive.getnames()
    assert names[0] == "manifest.json" and "martlet.db" in names and "credentials" in names
    assert not [name for name in names if name.startswith(("logs", "audit", "lock", "uids"))] and not [name for name in names if name.endswith(("-wal", "-shm"))]
    folder = scratch / "full"
    folder.mkdir()
    (folder / "mine").write_text("x")
    answer = restore(w, target, folder, check=False)
    assert answer.returncode == 1 and "not empty" in answer.stderr and os.listdir(folder) == ["mine"]


@pytest.mark.parametrize("spoil, word", [
    (lambda folder: (folder / "manifest.json").write_text("{}"), "no backup of Martlet"),
    (lambda folder: (folder / "manifest.json").write_text('{"format":2,"version":"9","time":1,"hasLogs":true}'), "format 2"),
    (lambda folder: (folder / "manifest.json").unlink(), "manifest.json"),
    (lambda folder: (folder / "martlet.db").unlink(), "has no martlet.db"),
    (lambda folder: spoil_bytes(folder / "martlet.db"), "damaged"),
    (lambda folder: spoil_bytes(next((folder / "blobs").iterdir())), "damaged"),
])
def test_a_damaged_backup_is_refused_and_leaves_nothing(busy, scratch, spoil, word):
    w = busy
    archive, folder, data = scratch / "three.tar", scratch / "spoiled", scratch / "never"
    archive.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    backup(w, archive)
    with tarfile.open(archive) as packed:
        packed.extractall(folder)
    spoil(folder)
    archive.unlink()
    with tarfile.open(archive, "w") as packed:
        for name in sorted(os.listdir(folder)):
            packed.add(folder / name, name)
    answer = restore(w, archive, data, check=False)
    assert answer.returncode == 1 and word in answer.stderr, answer.stderr
    assert not data.exists() and not (scratch / "never.partial").exists()


def spoil_bytes(path):
    """So much that a database's used pages are among it: what lies between the records of a page belongs to nobody."""
    data = bytearray(path.read_bytes())
    for index in range(len(data) // 3, len(data) // 2):
        data[index] ^= 0xFF
    path.write_bytes(data)


def test_no_archive_and_no_data_directory_are_named(scratch):
    w = World(scratch / "nothing")
    for arguments, word in [
        (("restore", str(scratch / "missing.tar"), "--data", str(scratch / "x")), "there is no backup"),
        (("backup", str(scratch / "x.tar"), "--data", str(scratch)), "no data directory"),
    ]:
        answer = w.cli(*arguments, check=False)
        assert answer.returncode == 1 and word in answer.stderr
    (scratch / "text.tar").write_text("no archive")
    answer = w.cli("restore", str(scratch / "text.tar"), "--data", str(scratch / "x"), check=False)
    assert answer.returncode == 1 and "unpacking" in answer.stderr and not (scratch / "x").exists()
