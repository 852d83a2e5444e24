"""Brokers on free ports with folders of their own, and what a test does with them, in one form for all kinds."""

import base64
import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

from . import OPTIONS
from .processes import wait_until
from .world import OWN, ROOT, free_port

# A build with the traits: what everybody gets has no external source.
BINARY = pathlib.Path(OPTIONS.get("MARTLET_BROKERS_BINARY", ROOT / ".build" / "debug" / "martlet"))


def built_in():
    """The external sources that the binary has."""
    if not BINARY.exists():
        return set()
    shown = subprocess.run([str(BINARY), "version", "--json"], capture_output=True, text=True, check=True)
    return set(json.loads(shown.stdout).get("sources", []))


def accepts(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


class Broker:
    """One server process. `names` a stream, queue or topic of a test's own; `publish` puts texts there in order."""

    kind = None
    # The package trait that its adapter is built with.
    trait = None
    endpoint_type = None
    list_member = "Topics"
    # Whether a batch that failed holds up what follows it.
    ordered = False

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.process = None

    # -- the server's life

    def command(self):
        raise NotImplementedError

    def environment(self):
        return dict(os.environ)

    def start(self, limit=120):
        with open(self.folder / "broker.log", "ab") as log:
            self.process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, env=self.environment(), cwd=self.folder)
        OWN[self.process.pid] = self.process
        wait_until(self.is_ready, limit, lambda: f"{self.kind} answers\n{self.log()}", 0.05)
        return self

    def is_ready(self):
        if self.process.poll() is not None:
            raise AssertionError(f"{self.kind} ended with {self.process.returncode}:\n{self.log()}")
        return accepts(self.port)

    def log(self):
        return (self.folder / "broker.log").read_text(errors="replace")[-4000:]

    def stop(self):
        """As an administrator would: what it was given stays."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(90)
        OWN.pop(self.process.pid, None)

    def close(self):
        if self.process is not None and self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            OWN.pop(self.process.pid, None)
        shutil.rmtree(self.folder, ignore_errors=True)

    # -- what a mapping says

    def mapping(self, name, **options):
        return {
            "SelfManagedEventSource": {"Endpoints": {self.endpoint_type: [f"127.0.0.1:{self.port}"]}},
            self.list_member: [name], **options}

    def make(self, name):
        """What has to be there before a reader comes."""

    def publish(self, name, *texts):
        raise NotImplementedError

    def unsettled(self, name, mapping):
        """Records that the mapping's reader has not acknowledged, as the broker counts them."""
        raise NotImplementedError

    def await_reader(self, name, mapping):
        """Where records from before the reader's first visit are nobody's: until it has come."""

    def await_no_reader(self, name, mapping):
        """Until the reader has left, where what it had asked for would still be given to it."""

    def vanish(self):
        self.stop()

    def come_back(self):
        self.start()

    def publish_large(self, name):
        """A record that fits into no event."""
        self.publish(name, "x" * 5_000_000)

    def filter(self, pattern):
        """The member of a record that a pattern looks into, and the pattern in it."""
        return "data", pattern

    def check_event(self, event, name):
        raise NotImplementedError

    @staticmethod
    def texts(event):
        """The bodies of an event's records, in order."""
        return [base64.b64decode(record["data"]).decode() for record in event["Records"]]


class Redis(Broker):
    trait = "Redis"
    kind, endpoint_type = "redis", "REDIS_SERVERS"
    password = None

    def command(self):
        return [
            "redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder), "--appendonly", "yes",
            "--appendfsync", "always", *(["--requirepass", self.password] if self.password else [])]

    def client(self):
        import redis
        return redis.Redis(port=self.port, password=self.password)

    def is_ready(self):
        import redis
        if not super().is_ready():
            return False
        with contextlib.suppress(redis.exceptions.BusyLoadingError, redis.exceptions.ConnectionError):
            return self.client().ping()

    def publish(self, name, *texts):
        with self.client() as client:
            for text in texts:
                client.xadd(name, {"text": text})

    def unsettled(self, name, mapping):
        with self.client() as client:
            for group in client.xinfo_groups(name):
                if group["name"].decode() == mapping:
                    return group["pending"] + (group["lag"] or 0)
        return -1

    def await_no_reader(self, name, mapping):
        with self.client() as client:
            wait_until(lambda: not any(c["cmd"].startswith("xreadgroup") for c in client.client_list()), 60, "the reader has left")

    def filter(self, pattern):
        # A field that is an object may be looked into.
        return "data", {"text": pattern}

    def check_event(self, event, name):
        assert event["eventSource"] == "redis:stream"
        record, = event["Records"]
        assert record["stream"] == name and record["consumerGroup"] and record["id"].startswith(f"{record['timestamp']}-")
        assert set(record) == {"id", "stream", "consumerGroup", "timestamp", "data"} and list(record["data"]) == ["text"]

    @staticmethod
    def texts(event):
        return [base64.b64decode(record["data"]["text"]).decode() for record in event["Records"]]


class NATS(Broker):
    trait = "NATS"
    kind, endpoint_type = "nats", "NATS_SERVERS"

    def command(self):
        path = self.folder / "nats.conf"
        path.write_text(
            f'listen: "127.0.0.1:{self.port}"\nmax_payload: 16777216\nmax_pending: 67108864\njetstream {{ store_dir: "{self.folder}/store" }}\n')
        return ["nats-server", "-c", str(path)]

    def connection(self):
        return {"servers": f"nats://127.0.0.1:{self.port}"}

    def run(self, work):
        """`work` is a coroutine of a connection and its JetStream context."""
        import asyncio
        import nats

        async def whole():
            client = await nats.connect(**self.connection(), max_reconnect_attempts=1)
            try:
                return await work(client.jetstream())
            finally:
                await client.close()
        return asyncio.run(whole())

    def is_ready(self):
        if not super().is_ready():
            return False
        with contextlib.suppress(Exception):
            self.run(lambda stream: stream.account_info())
            return True

    def make(self, name):
        self.run(lambda stream: stream.add_stream(name=name, subjects=[f"{name}.>"]))

    def mapping(self, name, **options):
        return super().mapping(f"{name}.>", **options)

    def publish(self, name, *texts):
        async def work(stream):
            for text in texts:
                await stream.publish(f"{name}.made", text.encode(), headers={"Kind": "test"})
        self.run(work)

    def unsettled(self, name, mapping):
        async def work(stream):
            found = await stream.consumer_info(name, mapping)
            return found.num_pending + found.num_ack_pending
        return self.run(work)

    def check_event(self, event, name):
        assert event["eventSource"] == "nats:jetstream"
        record, = event["Records"]
        assert (record["subject"], record["stream"], record["deliveryCount"]) == (f"{name}.made", name, 1)
        assert record["streamSequence"] == record["consumerSequence"] == 1 and record["id"] == "1" and record["timestamp"] > 1_600_000_000_000
        assert record["headers"] == {"Kind": ["test"]} and record["consumer"]


class RabbitMQ(Broker):
    trait = "RabbitMQ"
    kind, endpoint_type, list_member = "rabbitmq", "RABBITMQ_SERVERS", "Queues"

    def __init__(self, folder):
        super().__init__(folder)
        self.distribution = free_port()
        self.mapper_port = free_port()
        self.mapper = None

    def command(self):
        (self.folder / "rabbitmq.conf").write_text(f"listeners.tcp.1 = 127.0.0.1:{self.port}\nlog.console = true\nlog.file = false\n")
        (self.folder / "plugins").write_text("[].\n")
        return ["/usr/lib/rabbitmq/bin/rabbitmq-server"]

    def environment(self):
        return {
            **os.environ, "HOME": str(self.folder), "RABBITMQ_NODENAME": f"t{self.port}@localhost", "RABBITMQ_MNESIA_BASE": str(self.folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.folder), "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"), "RABBITMQ_DIST_PORT": str(self.distribution),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"), "RABBITMQ_PID_FILE": str(self.folder / "pid"),
            "ERL_EPMD_PORT": str(self.mapper_port), "ERL_EPMD_ADDRESS": "127.0.0.1", "RABBITMQ_GENERATED_CONFIG_DIR": str(self.folder / "generated"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self.folder / "none"), "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+sbwt none +S 1"}

    def credentials(self):
        return {}

    @contextlib.contextmanager
    def channel(self):
        import pika
        connection = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", self.port, heartbeat=0, **self.credentials()))
        try:
            channel = connection.channel()
            channel.confirm_delivery()
            yield channel
        finally:
            connection.close()

    def is_ready(self):
        if not super().is_ready():
            return False
        with contextlib.suppress(Exception):
            with self.channel():
                return True

    def start(self, limit=120):
        if self.mapper is None:
            # Otherwise the server starts one that outlives it.
            self.mapper = subprocess.Popen(["epmd", "-port", str(self.mapper_port), "-address", "127.0.0.1"], start_new_session=True)
            OWN[self.mapper.pid] = self.mapper
        return super().start(limit)

    def close(self):
        super().close()
        if self.mapper is not None:
            self.mapper.kill()
            self.mapper.wait()
            OWN.pop(self.mapper.pid, None)

    def make(self, name):
        with self.channel() as channel:
            channel.queue_declare(name, durable=True)

    def publish(self, name, *texts):
        import pika
        with self.channel() as channel:
            for text in texts:
                channel.basic_publish("", name, text.encode(), pika.BasicProperties(
                    delivery_mode=2, content_type="text/plain", headers={"kind": "test", "number": 10}), mandatory=True)

    def unsettled(self, name, mapping):
        # What is unacknowledged is seen only by taking its reader's place: the queue's own count is of what is ready.
        shown = subprocess.run(
            ["/usr/lib/rabbitmq/bin/rabbitmqctl", "-q", "list_queues", "name", "messages"], capture_output=True, text=True, env=self.environment())
        counts = dict(line.split() for line in shown.stdout.splitlines() if len(line.split()) == 2)
        return int(counts.get(name, -1))

    def check_event(self, event, name):
        assert event["eventSource"] == "aws:rmq" and event["eventSourceArn"]
        record, = event["rmqMessagesByQueue"][f"{name}::/"]
        assert record["redelivered"] is False
        properties = record["basicProperties"]
        assert properties["contentType"] == "text/plain" and properties["deliveryMode"] == 2 and properties["bodySize"] == 6
        assert properties["headers"] == {"kind": {"bytes": list(b"test")}, "number": 10} and properties["replyTo"] is None

    @staticmethod
    def texts(event):
        return [base64.b64decode(record["data"]).decode() for records in event["rmqMessagesByQueue"].values() for record in records]


class MQTT(Broker):
    trait = "MQTT"
    kind, endpoint_type, ordered = "mqtt", "MQTT_SERVERS", True

    def command(self):
        path = self.folder / "mosquitto.conf"
        path.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence true\npersistence_location {self.folder}/\nautosave_interval 1\n"
            f"autosave_on_changes true\nmax_queued_messages 100000\nuser root\nlog_dest stderr\nlog_type all\n")
        return ["mosquitto", "-c", str(path)]

    def publish(self, name, *texts):
        import paho.mqtt.client as mqtt
        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        client.connect("127.0.0.1", self.port)
        client.loop_start()
        try:
            for text in texts:
                client.publish(f"{name}/made", text.encode(), qos=1).wait_for_publish(60)
        finally:
            client.disconnect()
            client.loop_stop()

    def mapping(self, name, **options):
        return super().mapping(f"{name}/#", **options)

    def await_reader(self, name, mapping):
        wait_until(lambda: f"{mapping} 1 {name}/#" in self.whole_log(), 60, lambda: f"subscribed\n{self.log()}")

    def await_no_reader(self, name, mapping):
        wait_until(
            lambda: self.whole_log().rfind(f"Client {mapping} closed") > self.whole_log().rfind(f"{mapping} 1 {name}/#")
            or self.whole_log().rfind(f"Client {mapping} disc") > self.whole_log().rfind(f"{mapping} 1 {name}/#"), 60, lambda: f"closed\n{self.log()}")

    def whole_log(self):
        return (self.folder / "broker.log").read_text(errors="replace")

    def unsettled(self, name, mapping):
        """By the broker's own log: what it sent to the reader and has no acknowledgement of."""
        waiting = {}
        for line in self.whole_log().splitlines():
            if f"Sending PUBLISH to {mapping} " in line:
                waiting[line.split(", m")[1].split(",")[0]] = True
            elif f"Received PUBACK from {mapping} " in line:
                waiting.pop(line.split("Mid: ")[1].split(",")[0], None)
        return len(waiting)

    def check_event(self, event, name):
        assert event["eventSource"] == "mqtt"
        record, = event["Records"]
        assert (record["topic"], record["qos"], record["retain"]) == (f"{name}/made", 1, False)
        assert record["messageId"] >= 1 and record["id"] and record["timestamp"] > 1_600_000_000_000


class Kafka(Broker):
    """The mock cluster of librdkafka in a process of its own: no real broker is packaged for Debian. It forgets everything when it
    ends, so that it is stopped by a signal instead."""

    trait = "Kafka"
    kind, endpoint_type, ordered = "kafka", "KAFKA_BOOTSTRAP_SERVERS", True

    MOCK = (
        "import confluent_kafka, sys, time\n"
        "cluster = confluent_kafka.Producer({'test.mock.num.brokers': 1, 'bootstrap.servers': 'none'})\n"
        "broker, = cluster.list_topics(timeout=60).brokers.values()\n"
        "print('listening', broker.port, flush=True)\n"
        "while True: time.sleep(3600)\n")

    def command(self):
        return [sys.executable, "-c", self.MOCK]

    def is_ready(self):
        if self.process.poll() is not None:
            raise AssertionError(f"{self.kind} ended with {self.process.returncode}:\n{self.log()}")
        for line in self.log().splitlines():
            if line.startswith("listening "):
                self.port = int(line.split()[1])
                return True

    def vanish(self):
        os.kill(self.process.pid, signal.SIGSTOP)

    def come_back(self):
        os.kill(self.process.pid, signal.SIGCONT)

    def make(self, name):
        from confluent_kafka import Producer
        # Whoever asks for a topic makes it.
        Producer({"bootstrap.servers": f"127.0.0.1:{self.port}"}).list_topics(name, timeout=60)

    def publish(self, name, *texts):
        from confluent_kafka import Producer
        failures = []
        producer = Producer({"bootstrap.servers": f"127.0.0.1:{self.port}", "linger.ms": 0, "message.max.bytes": 10_000_000})
        for text in texts:
            producer.produce(
                name, text.encode(), key=b"key", partition=0, headers={"kind": b"test"}, on_delivery=lambda error, _: error and failures.append(error))
        left = producer.flush(60)
        assert not left and not failures, failures

    def unsettled(self, name, mapping):
        from confluent_kafka import Consumer, TopicPartition
        reader = Consumer({"bootstrap.servers": f"127.0.0.1:{self.port}", "group.id": mapping})
        try:
            committed, = reader.committed([TopicPartition(name, 0)], timeout=60)
            low, high = reader.get_watermark_offsets(TopicPartition(name, 0), timeout=60)
            return high - max(committed.offset, low)
        finally:
            reader.close()

    def filter(self, pattern):
        return "value", pattern

    def check_event(self, event, name):
        assert event["eventSource"] == "SelfManagedKafka" and event["bootstrapServers"] == f"127.0.0.1:{self.port}"
        record, = event["records"][f"{name}-0"]
        assert (record["topic"], record["partition"], record["offset"], record["timestampType"]) == (name, 0, 0, "CREATE_TIME")
        assert record["timestamp"] > 1_600_000_000_000 and base64.b64decode(record["key"]) == b"key"
        assert record["headers"] == [{"kind": list(b"test")}]

    @staticmethod
    def texts(event):
        return [base64.b64decode(record["value"]).decode() for records in event["records"].values() for record in records]


ALL = [Redis, NATS, RabbitMQ, Kafka, MQTT]


def make_certificate(folder, name):
    """One that signs itself, for `localhost`, with its key in `key.pem`."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "key.pem", "-out", name,
         "-days", "30", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"], cwd=folder, check=True, capture_output=True)


class SlowLine:
    """A way to a port on which each answer takes a tenth of a second, so that a handshake takes its time."""

    def __init__(self, target):
        self.target = target
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                far = socket.create_connection(("127.0.0.1", self.target))
                threading.Thread(target=self.carry, args=(near, far, 0), daemon=True).start()
                threading.Thread(target=self.carry, args=(far, near, 0.1), daemon=True).start()

    def carry(self, source, sink, delay):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                time.sleep(delay)
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def close(self):
        self.listener.close()


class Secured:
    """A broker that talks TLS under the name `localhost`, far away, and knows one user."""

    user, password = "shop", "pass word/"
    line = None

    def start(self, limit=120):
        if not (self.folder / "ca.pem").exists():
            make_certificate(self.folder, "ca.pem")
        super().start(limit)
        self.line = SlowLine(getattr(self, "secure_port", self.port))
        return self

    def close(self):
        if self.line is not None:
            self.line.close()
        super().close()

    def mapping(self, name, **options):
        made = super().mapping(name, **options)
        made["SelfManagedEventSource"] = {"Endpoints": {self.endpoint_type: [f"localhost:{self.reader_port()}"]}}
        return made

    def reader_port(self):
        return self.line.port


class SecuredNATS(Secured, NATS):
    def command(self):
        line = super().command()
        path = self.folder / "nats.conf"
        path.write_text(
            path.read_text() + f'tls {{ cert_file: "{self.folder}/ca.pem", key_file: "{self.folder}/key.pem" }}\n'
            + f'authorization {{ user: "{self.user}", password: "{self.password}" }}\n')
        return line

    def connection(self):
        import ssl
        return {
            "servers": f"tls://localhost:{self.port}", "tls": ssl.create_default_context(cafile=str(self.folder / "ca.pem")), "user": self.user,
            "password": self.password}


class SecuredMQTT(Secured, MQTT):
    """The test's own client uses a second listener, in clear text."""

    def command(self):
        line = super().command()
        if not hasattr(self, "secure_port"):
            self.secure_port = free_port()
        subprocess.run(["mosquitto_passwd", "-c", "-b", "passwords", self.user, self.password], cwd=self.folder, check=True, capture_output=True)
        path = self.folder / "mosquitto.conf"
        path.write_text(
            "per_listener_settings true\n" + path.read_text() + f"listener {self.secure_port} 127.0.0.1\nallow_anonymous false\n"
            f"password_file {self.folder}/passwords\ncertfile {self.folder}/ca.pem\nkeyfile {self.folder}/key.pem\n")
        return line


class SecuredRabbitMQ(Secured, RabbitMQ):
    """The test's own client uses the listener in clear text."""

    def command(self):
        line = super().command()
        self.secure_port = free_port()
        path = self.folder / "rabbitmq.conf"
        path.write_text(
            path.read_text() + f"listeners.ssl.1 = 127.0.0.1:{self.secure_port}\nssl_options.certfile = {self.folder}/ca.pem\n"
            f"ssl_options.cacertfile = {self.folder}/ca.pem\nssl_options.keyfile = {self.folder}/key.pem\nssl_options.verify = verify_none\n"
            f"default_user = {self.user}\ndefault_pass = {self.password}\n")
        return line

    def credentials(self):
        import pika
        return {"credentials": pika.PlainCredentials(self.user, self.password)}


SECURED = [SecuredNATS, SecuredRabbitMQ, SecuredMQTT]
