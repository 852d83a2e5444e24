"""Mappings of external sources beside the brokers themselves: refusals, secrets, the command line, and the build without them."""

import json
import os

import pytest
from botocore.exceptions import ClientError

from harness import brokers
from harness.processes import wait_until
from harness.world import ACCOUNT, world

CODE = "def handler(event, context):\n    print('got', len(event['Records']), flush=True)\n"


@pytest.fixture(scope="module")
def w(scratch):
    with world(scratch / "broker-mappings", binary=brokers.BINARY) as made:
        yield made


@pytest.fixture(scope="module")
def has_redis():
    if "redis" not in brokers.built_in():
        pytest.skip(f"{brokers.BINARY} was not built with the trait Redis")


@pytest.fixture(scope="module")
def locked(scratch, has_redis):
    """A Redis with a password."""
    broker = brokers.Redis(scratch / "broker-locked")
    broker.password = "pass word/§"
    try:
        yield broker.start()
    finally:
        broker.close()


def write_secret(w, name, content, mode=0o640):
    folder = w.data / "secrets" / ACCOUNT
    folder.mkdir(parents=True, exist_ok=True)
    for part in (folder.parent, folder):
        part.chmod(0o755)
    path = folder / name
    path.write_text(content)
    # As an administrator would who gives it to the server's user.
    owner = w.data.stat()
    os.chown(path, owner.st_uid, owner.st_gid)
    path.chmod(mode)


@pytest.mark.root
def test_credentials_come_from_a_file_and_are_never_shown(w, name, locked):
    w.create(name, CODE)
    options = locked.mapping("s" + name[-6:], SourceAccessConfigurations=[{"Type": "BASIC_AUTH", "URI": "secret:redis"}])
    mapping = w.boto().create_event_source_mapping(FunctionName=name, **options)["UUID"]
    result = lambda: w.boto().get_event_source_mapping(UUID=mapping)["LastProcessingResult"]
    wait_until(lambda: f"secrets/{ACCOUNT}/redis" in result(), 60, result)
    write_secret(w, "redis", json.dumps({"username": "default", "password": "wrong"}))
    wait_until(lambda: "AUTH" in result() or "WRONGPASS" in result(), 60, result)
    assert "wrong" not in result().replace("WRONGPASS", "")
    write_secret(w, "redis", json.dumps({"username": "default", "password": locked.password}), 0o644)
    wait_until(lambda: "everybody" in result(), 60, result)
    write_secret(w, "redis", json.dumps({"username": "default", "password": locked.password}))
    locked.publish("s" + name[-6:], "one")
    wait_until(lambda: "got 1" in w.logs(name), 90, result)
    assert locked.password not in json.dumps(w.boto().get_event_source_mapping(UUID=mapping), default=str) + w.log_text(50000)


@pytest.mark.root
@pytest.mark.parametrize("kind", brokers.SECURED, ids=lambda kind: kind.kind)
def test_a_connection_is_encrypted_to_whom_it_trusts_alone(w, name, scratch, kind):
    if kind.kind not in brokers.built_in():
        pytest.skip(f"{brokers.BINARY} was not built with the trait {kind.trait}")
    broker = kind(scratch / f"secured-{kind.kind}")
    source = "s" + name[-6:]
    try:
        broker.start()
        broker.make(source)
        w.create(name, "def handler(event, context):\n    print('got', len(str(event)), flush=True)\n")
        write_secret(w, f"{kind.kind}-user", json.dumps({"username": broker.user, "password": broker.password}))
        # Another's certificate first.
        other = scratch / f"other-{kind.kind}.pem"
        brokers.make_certificate(scratch, other.name)
        write_secret(w, f"{kind.kind}-ca", other.read_text())
        mapping = w.boto().create_event_source_mapping(FunctionName=name, **broker.mapping(source, SourceAccessConfigurations=[
            {"Type": "BASIC_AUTH", "URI": f"secret:{kind.kind}-user"}, {"Type": "SERVER_ROOT_CA_CERTIFICATE", "URI": f"secret:{kind.kind}-ca"}]))["UUID"]
        result = lambda: w.boto().get_event_source_mapping(UUID=mapping)["LastProcessingResult"]
        wait_until(lambda: result().startswith("PROBLEM: failed to connect"), 60, result)
        write_secret(w, f"{kind.kind}-ca", (broker.folder / "ca.pem").read_text())
        broker.await_reader(source, mapping)
        broker.publish(source, "one")
        wait_until(lambda: "got " in w.logs(name), 90, lambda: (result(), w.log_text(2500), broker.log()))
        w.boto().delete_event_source_mapping(UUID=mapping)
    finally:
        broker.close()


@pytest.mark.parametrize("change, named", [
    ({"Topics": None}, "needs Topics"),
    ({"SelfManagedEventSource": {"Endpoints": {"PULSAR_SERVERS": ["a:1"]}}}, "exactly one of"),
    ({"SelfManagedEventSource": {"Endpoints": {"REDIS_SERVERS": ["no port"]}}}, "HOST:PORT"),
    ({"SourceAccessConfigurations": [{"Type": "BASIC_AUTH", "URI": "hunter2"}]}, "names no secret"),
    ({"SourceAccessConfigurations": [{"Type": "VPC_SUBNET", "URI": "secret:a"}]}, "not offered"),
    ({"DestinationConfig": {"OnFailure": {"Destination": "arn:aws:sqs:us-east-1:123456789012:not-there"}}}, "does not exist"),
    ({"DestinationConfig": {"OnFailure": {"Destination": "arn:aws:sqs:us-east-1:999999999999:other"}}}, "cannot take"),
    ({"MaximumRetryAttempts": 10001}, "maximumRetryAttempts"),
    ({"MaximumRecordAgeInSeconds": -2}, "maximumRecordAgeInSeconds"),
    ({"FilterCriteria": {"Filters": [{"Pattern": "{"}]}}, "filter pattern"),
    ({"FunctionName": "nobody"}, "not found"),
    ({"EventSourceArn": "arn:aws:sqs:us-east-1:123456789012:x"}, "exclude each other"),
])
def test_a_mapping_that_cannot_be_is_refused(w, name, has_redis, change, named):
    w.create(name, CODE)
    options = {"FunctionName": name, "SelfManagedEventSource": {"Endpoints": {"REDIS_SERVERS": ["127.0.0.1:1"]}}, "Topics": ["s"], **change}
    with pytest.raises(ClientError, match=named):
        w.boto(parameter_validation=False).create_event_source_mapping(**{k: v for k, v in options.items() if v is not None})


def test_a_second_mapping_of_the_same_source_is_refused_unless_its_group_is_another(w, name, has_redis):
    w.create(name, CODE)
    options = {"FunctionName": name, "SelfManagedEventSource": {"Endpoints": {"REDIS_SERVERS": ["127.0.0.1:1"]}}, "Topics": ["s"]}
    first = w.boto().create_event_source_mapping(**options)["UUID"]
    with pytest.raises(ClientError, match=f"ResourceConflictException.*{first}"):
        w.boto().create_event_source_mapping(**options)
    w.boto().create_event_source_mapping(**options, SelfManagedKafkaEventSourceConfig={"ConsumerGroupId": "other"})


def test_records_for_a_function_that_needs_a_tenant_are_given_up(w, name, scratch, has_redis):
    broker = brokers.Redis(scratch / "broker-tenants")
    source = "s" + name[-6:]
    try:
        broker.start()
        broker.make(source)
        w.create(name, CODE)
        sqs = w.boto(service="sqs")
        url = sqs.create_queue(QueueName=f"{source}-failed")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        options = broker.mapping(source, StartingPosition="TRIM_HORIZON", MaximumRetryAttempts=0, DestinationConfig={"OnFailure": {"Destination": arn}})
        w.boto().create_event_source_mapping(FunctionName=name, **options)
        w.kill()
        w.give_tenants(name)
        w.start()
        broker.publish(source, "for whom")
        message = wait_until(lambda: sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1).get("Messages"), 60, lambda: w.log_text(2500))[0]
        record = json.loads(message["Body"])
        assert record["requestContext"]["condition"] == "RetryAttemptsExhausted" and "tenant ID" in record["reason"]
    finally:
        broker.close()


def test_the_command_line_makes_lists_and_ends_sources(w, name, has_redis):
    w.create(name, CODE)
    made = w.cli_json("source", "create", "redis://127.0.0.1:1,127.0.0.1:2/orders", name, "--batch-size", 7, "--retries", 3, "--group", "shop", "--bisect")
    assert made["SelfManagedEventSource"] == {"Endpoints": {"REDIS_SERVERS": ["127.0.0.1:1", "127.0.0.1:2"]}}
    assert (made["BatchSize"], made["MaximumRetryAttempts"], made["BisectBatchOnFunctionError"], made["Topics"]) == (7, 3, True, ["orders"])
    listed = w.cli("source", "list", name).stdout
    assert "redis://127.0.0.1:1,127.0.0.1:2/orders" in listed and made["UUID"] in listed
    assert w.cli_json("source", "list", name)["sources"][0]["UUID"] == made["UUID"]
    assert any(row["kind"] == "redis" and row["name"] == made["UUID"] for row in w.cli_json("triggers")["triggers"])
    w.cli("source", "disable", made["UUID"])
    assert w.cli_json("source", "list", name)["sources"][0]["State"] == "Disabled"
    w.cli("source", "enable", made["UUID"])
    assert "deleted" in w.cli("source", "delete", made["UUID"]).stdout
    assert w.cli_json("source", "list", name)["sources"] == []
    said = w.cli("source", "create", "pulsar://a:1/x", name, check=False)
    assert said.returncode != 0 and "kafka, rabbitmq, redis, nats, mqtt" in said.stderr


def test_a_build_without_traits_says_what_it_lacks(scratch):
    with world(scratch / "plain") as w:
        w.create("worker", CODE)
        assert w.cli_json("version")["sources"] == []
        for kind in brokers.ALL:
            options = {"SelfManagedEventSource": {"Endpoints": {kind.endpoint_type: ["127.0.0.1:1"]}}, kind.list_member: ["x"]}
            if kind.kind == "kafka":
                options["StartingPosition"] = "LATEST"
            with pytest.raises(ClientError, match=f"built without .*--traits {kind.trait}"):
                w.boto().create_event_source_mapping(FunctionName="worker", **options)
