"""Events that nobody waits for: how fast they are taken durably, how soon they run, how fast a backlog goes down.

A queue is only the floor of that: Redis and PostgreSQL keep and hand out messages, and run nothing for them."""

import concurrent.futures
import json
import os
import pathlib
import pwd
import re
import shutil
import signal
import statistics
import subprocess
import time

import programs
from harness.processes import wait_until
from harness.world import free_port
from measure import Row, Skip, Table, Target, from_rounds, hello_code, load, percentile, program_path, subject, alternate

CLIENTS = 64
BODY = json.dumps({"name": "Ada", "fill": "x" * 998})  # 1,024 bytes
MARTLET = "Martlet, asynchronous invocation"
REDIS = "Redis stream, XADD, fsync always"
POSTGRES = "PostgreSQL, INSERT, synchronous commit"
# Holds its one worker for the whole run, so that what is accepted stays in the queue and takes no processor.
HELD = {"app.py": "import time\ndef handler(event, context):\n    time.sleep(600)\n"}


def run(bench):
    redis, postgres = subject(lambda: Redis(bench)), subject(lambda: Postgres(bench))
    return [accept(bench, redis, postgres), latency(bench), lateness(bench), drain(bench, redis, postgres), batches(bench), kept(bench)]


def asynchronous(name):
    """The old path of asynchronous invocations says by itself what others say with a header."""
    return f"/2014-11-13/functions/{name}/invoke-async/"


def accept(bench, redis, postgres):
    w = bench.world("accept")
    w.create("held", HELD, timeout=900)
    w.boto().put_function_concurrency(FunctionName="held", ReservedConcurrentExecutions=1)
    target = Target(w.port, asynchronous("held"), BODY)
    subjects = {
        MARTLET: lambda: target.closed(CLIENTS, bench.seconds),
        REDIS: redis if isinstance(redis, Skip) else lambda: redis.add(bench.seconds),
        POSTGRES: postgres if isinstance(postgres, Skip) else lambda: postgres.insert(bench.seconds),
    }
    done = from_rounds(
        "events-accept", f"Events of 1 KB taken durably, closed loop, {CLIENTS} connections", alternate(subjects, bench.rounds),
        {"n": "n", "p50": "p50 ms", "p99": "p99 ms", "rate": "per s"}, REDIS, ("rate", "p99"), ("rate",), False)
    # The server is ended with a function at work.
    w.delete("held")
    return done


def latency(bench):
    """From the ledger: what lies between an event's acceptance and its handler's start, to the millisecond."""
    w = bench.world("latency")
    w.create("hello", hello_code())
    w.call("hello", {"name": "Ada"})
    rows = []
    for rate in (20, 100):
        since = int(time.time() * 1000)
        sent = load("open", w.port, asynchronous("hello"), '{"name":"Ada"}', rate, bench.few(10, 1))
        expected = sent["n"]

        def attempts(since=since):
            found = w.http("GET", f"/martlet/v1/usage?by=invocation&since={since}&function=hello&limit=10000").json["rows"]
            return [row for row in found if row["trigger"] == "async"]
        wait_until(lambda: len(attempts()) >= expected, 60, lambda: len(attempts()))
        waits = [row["ageMs"] + row["queueMs"] + row["sandboxMs"] + row["initMs"] for row in attempts()]
        rows.append(Row(f"{MARTLET}, {rate}/s", {"n": len(waits), "p50": percentile(waits, 0.5), "p99": percentile(waits, 0.99), "accepted": sent["p50"]},
                        failures=sent["failures"]))
    return Table("events-latency", "From an event's acceptance to its handler's start, open loop", {
        "n": "n", "p50": "p50 ms", "p99": "p99 ms", "accepted": "accepted p50 ms"}, rows)


def drain(bench, redis, postgres):
    count = bench.few(100_000, 100)
    w = bench.world("drain")
    w.create("hello", hello_code())
    w.call("hello", {"name": "Ada"})
    synchronous = "Martlet, synchronous, 16 connections"
    calls = Target(w.port, "/2015-03-31/functions/hello/invocations", BODY)
    # Before and after, since a backlog takes minutes and the machine's speed does not stay the same for so long.
    rounds = [calls.closed(16, bench.few(15, bench.seconds))]
    drain_row = drained(w, count)
    rounds.append(calls.closed(16, bench.few(15, bench.seconds)))
    rows = [
        Row(synchronous, {"n": sum(one["n"] for one in rounds), "rate": sum(one["rate"] for one in rounds) / 2},
            failures=sum(one["failures"] for one in rounds), rounds=rounds),
        drain_row,
    ]
    for name, store in (("Redis, XREADGROUP and XACK, one each", redis), ("PostgreSQL, SKIP LOCKED, one each", postgres)):
        if isinstance(store, Skip):
            rows.append(Row(name, skipped=str(store)))
        else:
            rows.append(Row(name, store.drain(count)))
    rate = rows[0].figures["rate"]
    for row in rows:
        if row.skipped is None:
            row.ratios["rate"] = row.figures["rate"] / rate
    return Table("events-drain", f"A backlog of {count} events of 1 KB goes down, a fresh sandbox each", {
        "n": "n", "rate": "per s", "rss": "server RSS MiB"}, rows, baseline=synchronous, compare=("rate",), plot=("rate",),
        notes=["the events that ran while the backlog was made are not counted",
               f"synchronous is the mean of a run before the backlog and one after it: {rounds[0]['rate']:.0f} and {rounds[1]['rate']:.0f} per s"])


def drained(w, count):
    sent = load("closed", w.port, asynchronous("hello"), BODY, CLIENTS, 600, 0, count)
    backlog = depth(w)
    begin = time.monotonic()
    peak = 0
    while depth(w) > 0:
        peak = max(peak, rss(w.family().server))
        time.sleep(0.05)
        if time.monotonic() > begin + 900:
            raise RuntimeError(f"{depth(w)} of {backlog} events are still there")
    return Row("Martlet, asynchronous", {"n": backlog, "rate": backlog / (time.monotonic() - begin), "rss": peak}, failures=sent["failures"])


def depth(w):
    found = re.findall(r'^event_queue_messages\{([^}]*)\} (\S+)', w.http("GET", "/metrics").text, re.M)
    return sum(int(float(value)) for labels, value in found if 'state="failed"' not in labels)


def lateness(bench):
    """Schedules that are due in the same second, and in the seconds after it."""
    w, seconds, each = bench.world("lateness"), bench.few(5, 2), bench.few(100, 5)
    w.create("hello", hello_code())
    w.call("hello", {"name": "Ada"})
    client = w.boto(service="scheduler")
    target = {"Arn": w.boto().get_function(FunctionName="hello")["Configuration"]["FunctionArn"], "RoleArn": "arn:aws:iam::123456789012:role/r", "Input": "{}"}
    # The first is due when the last is made, at the earliest.
    first = int(time.time()) + 3 + seconds * each // 50
    names = []
    for second in range(seconds):
        due = time.strftime("at(%Y-%m-%dT%H:%M:%S)", time.gmtime(first + second))
        for number in range(each):
            names.append(f"s{second}-{number}")
            client.create_schedule(Name=names[-1], ScheduleExpression=due, FlexibleTimeWindow={"Mode": "OFF"}, Target=target)

    def runs():
        return [run for name in names for run in w.http("GET", f"/martlet/v1/schedules/{name}/runs").json["runs"]]
    time.sleep(max(0, first + seconds - time.time()))
    wait_until(lambda: len(runs()) >= len(names), 60, lambda: len(runs()))
    late = [run["latenessMs"] for run in runs()]
    return Table("events-lateness", f"Schedules, {each} due at the same second, {seconds} seconds in turn: from the due time to the durable event", {
        "n": "n", "p50": "p50 ms", "p99": "p99 ms", "max": "max ms"},
        [Row("Martlet, schedules", {"n": len(late), "p50": percentile(late, 0.5), "p99": percentile(late, 0.99), "max": max(late)})])


def batches(bench):
    """A queue that speaks SQS, and the mapping that feeds a function from it."""
    count = bench.few(100_000, 100)
    w = bench.world("batches")
    w.create("hello", {"app.py": "def handler(event, context):\n    return {'batchItemFailures': []}\n"})
    w.call("hello", {})
    queues = w.boto(service="sqs")
    url = queues.create_queue(QueueName="backlog", Attributes={"VisibilityTimeout": "60"})["QueueUrl"]
    entries = [{"Id": str(number), "MessageBody": BODY} for number in range(10)]
    begin = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: queues.send_message_batch(QueueUrl=url, Entries=entries), range(count // 10)))
    sent = time.monotonic() - begin

    def left():
        found = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"])
        return sum(int(value) for value in found["Attributes"].values())
    w.boto().create_event_source_mapping(
        FunctionName="hello", BatchSize=10, FunctionResponseTypes=["ReportBatchItemFailures"],
        EventSourceArn=queues.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"])
    begin, peak = time.monotonic(), 0
    while left() > 0:
        peak = max(peak, rss(w.family().server))
        time.sleep(0.05)
        if time.monotonic() > begin + 900:
            raise RuntimeError(f"{left()} of {count} messages are still there")
    return Table("events-batches", f"A queue of {count} messages of 1 KB through an event source mapping, batches of 10, a fresh sandbox each", {
        "n": "n", "sent": "sent per s", "rate": "messages per s", "rss": "server RSS MiB"},
        [Row("Martlet, SQS and its mapping", {"n": count, "sent": count / sent, "rate": count / (time.monotonic() - begin), "rss": peak})],
        notes=["sent by boto3, four threads, ten at a time"])


def kept(bench):
    """What a long backlog costs the server."""
    count = bench.few(1_000_000, 1_000)
    w = bench.world("kept")
    w.create("held", HELD, timeout=900)
    w.boto().put_function_concurrency(FunctionName="held", ReservedConcurrentExecutions=1)
    before = rss(w.family().server)
    sent = load("closed", w.port, asynchronous("held"), BODY, CLIENTS, 900, 0, count)
    row = Row("Martlet, server", {"n": depth(w), "before": before, "after": rss(w.family().server), "rate": sent["rate"]}, failures=sent["failures"])
    w.delete("held")
    return Table("events-kept", f"{count} events of 1 KB that wait", {"n": "n", "before": "RSS before MiB", "after": "RSS after MiB", "rate": "accepted per s"}, [row])


def rss(pid):
    return next(int(line.split()[1]) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS:")) / 1024


class Redis:
    STREAM, READERS = "events", "readers"
    # Takes one message of the group and acknowledges it, in one call: what a worker does that has nothing to do.
    TAKE = "local r = redis.call('XREADGROUP', 'GROUP', 'readers', 'one', 'COUNT', 1, 'STREAMS', 'events', '>') " \
           "if r then redis.call('XACK', 'events', 'readers', r[1][2][1][1]) end return 0"

    def __init__(self, bench):
        server, self.tool, self.cli = program_path("redis-server"), program_path("redis-benchmark"), program_path("redis-cli")
        self.port, folder = free_port(), bench.folder("redis")
        process = subprocess.Popen(
            [server, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(folder), "--appendonly", "yes", "--appendfsync", "always", "--save", ""],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        programs.own(bench, process)
        bench.stack.callback(programs.end_group, process)
        wait_until(lambda: self.command("PING") == "PONG", 20, "redis-server")
        self.rate = 5_000
        self.command("XGROUP", "CREATE", self.STREAM, self.READERS, "0", "MKSTREAM")

    def command(self, *words):
        return subprocess.run([self.cli, "-p", str(self.port), *words], capture_output=True, text=True, timeout=20).stdout.strip()

    def benchmark(self, count, clients, *words):
        done = subprocess.run([self.tool, "-p", str(self.port), "-c", str(clients), "-n", str(count), "--csv", *words], capture_output=True, text=True, timeout=600)
        lines = [line for line in done.stdout.splitlines() if line.startswith('"')]
        if len(lines) < 2:
            raise RuntimeError((done.stdout + done.stderr).strip()[-300:])
        # The command stands first, as it is; figures follow it.
        names = [word.strip('"') for word in lines[0].split(",")][1:]
        figures = dict(zip(names, re.findall(r'"([\d.]+)"', lines[-1])[-len(names):]))
        return {"n": count, "rate": float(figures["rps"]), "p50": float(figures["p50_latency_ms"]), "p99": float(figures["p99_latency_ms"])}

    def add(self, seconds):
        answer = self.benchmark(max(200, int(self.rate * seconds)), CLIENTS, "XADD", self.STREAM, "*", "event", BODY)
        self.rate = answer["rate"]
        return answer

    def drain(self, count):
        self.command("DEL", self.STREAM)
        self.command("XGROUP", "CREATE", self.STREAM, self.READERS, "0", "MKSTREAM")
        self.benchmark(count, CLIENTS, "XADD", self.STREAM, "*", "event", BODY)
        return {key: value for key, value in self.benchmark(count, 16, "EVAL", self.TAKE, "0").items() if key in ("n", "rate")}


class Postgres:
    def __init__(self, bench):
        versions = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
        if not versions:
            raise Skip("postgresql is not installed")
        self.programs = versions[-1].parent
        self.folder, self.port = bench.folder("postgres"), free_port()
        # It does not run as root.
        self.user = ()
        if os.geteuid() == 0:
            try:
                account = pwd.getpwnam("postgres")
            except KeyError:
                raise Skip("there is no user postgres") from None
            os.chown(self.folder, account.pw_uid, account.pw_gid)
            self.user = ("setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups")
        if not self.reaches():
            raise Skip(f"the user postgres cannot enter {self.folder}")
        data = self.folder / "data"
        self.run(self.programs / "initdb", "-D", data, "-A", "trust", "-U", "bench", "-N")
        process = subprocess.Popen(
            [*self.user, str(self.programs / "postgres"), "-D", str(data), "-p", str(self.port), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=",
             "-c", "max_connections=100"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        programs.own(bench, process)
        bench.stack.callback(self.stop, process)
        wait_until(lambda: subprocess.run([self.programs / "pg_isready", "-q", *self.where], timeout=20).returncode == 0, 30, "postgres")
        self.sql("CREATE TABLE events (id bigserial PRIMARY KEY, body text NOT NULL)")

    @property
    def where(self):
        return ("-h", "127.0.0.1", "-p", str(self.port), "-U", "bench")

    def reaches(self):
        return subprocess.run([*self.user, "test", "-w", str(self.folder)], timeout=20).returncode == 0

    def run(self, *words):
        done = subprocess.run([*self.user, *map(str, words)], capture_output=True, text=True, timeout=600, cwd=self.folder)
        if done.returncode != 0:
            raise RuntimeError(done.stderr.strip()[-300:])
        return done.stdout

    def stop(self, process):
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            programs.end_group(process)

    def sql(self, text):
        return self.run(self.programs / "psql", *self.where, "-d", "postgres", "-Atc", text)

    def bench(self, script, clients, *limit):
        file = self.folder / "script.sql"
        file.write_text(script)
        for old in self.folder.glob("pgbench_log*"):
            old.unlink()
        out = self.run(self.programs / "pgbench", *self.where, "-d", "postgres", "-n", "-f", file, "-c", clients, "-j", 2, "-l", *limit)
        # Client, transaction, microseconds, …
        times = [int(line.split()[2]) / 1000 for log in self.folder.glob("pgbench_log*") for line in log.read_text().splitlines()]
        return {"n": len(times), "rate": float(re.search(r"tps = ([\d.]+)", out)[1]), "p50": percentile(times, 0.5), "p99": percentile(times, 0.99)}

    def insert(self, seconds):
        return self.bench(f"INSERT INTO events (body) VALUES ('{BODY}');\n", CLIENTS, "-T", max(1, round(seconds)))

    def drain(self, count):
        self.sql(f"TRUNCATE events; INSERT INTO events (body) SELECT '{BODY}' FROM generate_series(1, {count}); ANALYZE events")
        clients = 16
        answer = self.bench(
            "DELETE FROM events WHERE id = (SELECT id FROM events ORDER BY id FOR UPDATE SKIP LOCKED LIMIT 1) RETURNING body;\n", clients, "-t", max(1, count // clients))
        return {"n": answer["n"], "rate": answer["rate"]}
