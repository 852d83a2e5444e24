"""The programs that Martlet is measured beside: how each is started, and ended with everything it started."""

import http.client
import json
import os
import shutil
import signal
import subprocess
import time

from harness.world import OWN, ROOT, SAMPLES, free_port
from measure import BODY, BUILD, FLOOR, HERE, Skip, Target, program_path

BASELINES = HERE / "baselines"
CORES = len(os.sched_getaffinity(0))


class Program:
    """A server on a port of loopback. `milliseconds`: from its start to its first answer."""

    def __init__(self, bench, name, command, port, *, environment=None, folder=None, body=BODY, wrapper=(), limit=30):
        self.name, self.port, self.body = name, port, body
        folder = folder or bench.folder(name)
        log = bench.scratch / f"{name}-{port}.log"
        with open(log, "wb") as errors:
            begin = time.monotonic()
            try:
                self.process = subprocess.Popen(
                    [*wrapper, *map(str, command)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors,
                    start_new_session=True, cwd=folder, env={**os.environ, **{k: str(v) for k, v in (environment or {}).items()}})
            except OSError as fault:
                raise Skip(f"{name} cannot be started: {fault}") from fault
        own(bench, self.process)
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > begin + limit:
                self.stop()
                raise Skip(f"{name} did not start: {log.read_text(errors='replace').strip()[-300:] or 'no answer'}")
            time.sleep(0.001)
        self.milliseconds = (time.monotonic() - begin) * 1000

    def answers(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("POST", "/", self.body, {"Content-Type": "application/json"})
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    @property
    def target(self):
        return Target(self.port, body=self.body)

    def stop(self):
        end_group(self.process)


def own(bench, process, limit=10):
    """Has the process end with the suite; until then Martlet's servers do not take it for something they left behind."""
    OWN[process.pid] = process
    bench.stack.callback(end_group, process, limit)


def end_group(process, limit=10):
    """Ends a process that leads its session, and what it left in its process group."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            pass
        try:
            process.wait(limit)
        except subprocess.TimeoutExpired:
            continue
    OWN.pop(process.pid, None)


def function_folder(bench, sample="HelloPython"):
    """A copy, so that no interpreter writes byte code into the sample."""
    folder = bench.folder(sample) / "function"
    shutil.copytree(SAMPLES / sample, folder, ignore=shutil.ignore_patterns(".build", "__pycache__"))
    return folder


# -- the C gateway


def floor(bench, kind, count, *, wrapper=()):
    port = free_port()
    return Program(bench, f"floor-{kind}", [FLOOR, port, kind, count], port, wrapper=wrapper)


def floor_frames(bench, count):
    """Martlet's own Python runtime in mode environment, as ordinary processes behind the C gateway."""
    runtime, port = bench.folder("runtime"), free_port()
    shutil.copytree(ROOT / "Runtimes" / "Python" / "bootstrap", runtime, dirs_exist_ok=True)
    library = ROOT / ".build" / "release" / "libMartletFork.so"
    if not library.exists():
        raise Skip(f"{library.name} is not built")
    shutil.copy(library, runtime / "martlet_fork.so")
    python = ["/usr/bin/python3", "-S", "-E", "-s", "-B", runtime / "bootstrap.py"]
    subprocess.run([*map(str, python), "compile"], check=True, capture_output=True)
    init = {"functionName": "hello", "functionVersion": "$LATEST", "functionArn": "", "handler": "app.handler", "memorySize": 128,
            "timeout": 10, "region": "us-east-1", "account": "123456789012", "logGroup": "g", "logStream": "s",
            "taskRoot": str(function_folder(bench)), "environment": {}, "initTimeoutMs": 10_000}
    return Program(bench, "floor-frames", [FLOOR, port, "frames", count, json.dumps(init), *python, "environment"], port)


def floor_runtime_api(bench, name, count, command, *, folder=None, environment=None, body=BODY):
    port = free_port()
    return Program(bench, name, [FLOOR, port, "runtime-api", count, *command], port, folder=folder, environment=environment, body=body)


# -- what serves a Python handler elsewhere


def python_environment(bench):
    return {"PYTHONPATH": f"{BASELINES}:{function_folder(bench)}", "PYTHONDONTWRITEBYTECODE": "1"}


def gunicorn(bench, socket=None):
    port = free_port()
    command = [program_path("gunicorn"), "--bind", f"unix:{socket}" if socket else f"127.0.0.1:{port}", "--workers", CORES,
               "--worker-class", "gthread", "--threads", 8, "--keep-alive", 60, "--log-level", "warning", "wsgi:application"]
    return command, port, python_environment(bench)


def uvicorn(bench, socket=None):
    port = free_port()
    where = ["--uds", socket] if socket else ["--host", "127.0.0.1", "--port", port]
    command = [program_path("uvicorn"), *where, "--no-access-log", "--log-level", "warning", "asgi:application"]
    return command, port, python_environment(bench)


def functions_framework(bench):
    port = free_port()
    command = [program_path("functions-framework"), "--source", BASELINES / "framework.py", "--target", "handler",
               "--host", "127.0.0.1", "--port", port]
    return command, port, {"HANDLER_FOLDER": function_folder(bench), "PYTHONDONTWRITEBYTECODE": "1"}


def plain(bench, name, make):
    command, port, environment = make(bench)
    return Program(bench, name, command, port, environment=environment)


def awslambdaric(bench, count=CORES):
    python = BUILD / "venv" / "bin" / "python"
    if not any((BUILD / "venv").glob("lib/*/site-packages/awslambdaric")):
        raise Skip("awslambdaric is not installed")
    environment = {"AWS_LAMBDA_FUNCTION_NAME": "hello", "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": 128,
                   "AWS_LAMBDA_LOG_GROUP_NAME": "g", "AWS_LAMBDA_LOG_STREAM_NAME": "s", "AWS_REGION": "us-east-1",
                   "PYTHONDONTWRITEBYTECODE": "1"}
    folder = function_folder(bench)
    environment["LAMBDA_TASK_ROOT"] = folder
    return floor_runtime_api(bench, "awslambdaric", count, [python, "-m", "awslambdaric", "app.handler"], folder=folder, environment=environment)


def behind_nginx(bench, name, make):
    """nginx, with the program behind it on a unix socket and connections kept open."""
    nginx, folder, port = program_path("nginx"), bench.folder("nginx"), free_port()
    command, _, environment = make(bench, folder / "socket")
    behind = subprocess.Popen(
        [str(part) for part in command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True, cwd=folder, env={**os.environ, **{k: str(v) for k, v in environment.items()}})
    own(bench, behind)
    temporary = "".join(f"{part}_temp_path {folder};" for part in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(f"""
        daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log; {user}
        events {{ worker_connections 1024; }}
        http {{
            access_log off; keepalive_requests 10000000; {temporary}
            upstream behind {{ server unix:{folder}/socket; keepalive 64; }}
            server {{
                listen 127.0.0.1:{port};
                location / {{ proxy_pass http://behind; proxy_http_version 1.1; proxy_set_header Connection ""; }}
            }}
        }}""")
    return Program(bench, f"nginx-{name}", [nginx, "-c", folder / "nginx.conf", "-p", folder, "-e", folder / "error.log"], port)


def node(bench, folder, handler, body):
    port = free_port()
    return Program(bench, "node", [program_path("node"), BASELINES / "server.js", port, folder, handler], port, body=body)
