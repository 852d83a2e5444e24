"""Many registered functions, and many requests at once to one that is cold."""

import base64
import collections
import http.client
import json
import threading
import time

from harness.world import ROLE, zip_of
from measure import Row, Table, Target, hello_code, invocations, table

FEW = 10
# Each call says when it ran, on a clock that all processes share.
BURST = """import time


def handler(event, context):
    begin = time.monotonic_ns()
    time.sleep(0.02)
    return [begin, time.monotonic_ns()]
"""


def run(bench):
    return [*many(bench), burst(bench)]


def register(w, count):
    """Plain HTTP on one connection: a client library would take longer than the server."""
    code = base64.b64encode(zip_of(hello_code())).decode()
    connection = http.client.HTTPConnection("127.0.0.1", w.port, timeout=60)
    begin = time.monotonic()
    for number in range(count):
        body = {"FunctionName": f"function-{number}", "Runtime": "python3.11", "Role": ROLE, "Handler": "app.handler", "Code": {"ZipFile": code}}
        connection.request("POST", "/2015-03-31/functions", json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != 201:
            raise RuntimeError(f"CreateFunction answered {answer.status}: {text[:200]!r}")
    connection.close()
    return time.monotonic() - begin


def rss(pid):
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:")) / 1024


def many(bench):
    rows, targets = [], {}
    for count in (FEW, bench.few(10_000, 50)):
        w = bench.world(f"functions-{count}")
        seconds = register(w, count)
        registered = rss(w.family().server)
        w.terminate()
        begin = time.monotonic()
        w.spawn()
        while w.health() != 200:
            time.sleep(0.002)
        ready = (time.monotonic() - begin) * 1000
        name = f"{count} functions"
        w.call("function-3", {"name": "Ada"})
        targets[name] = Target(w.port, invocations("function-3"))
        rows.append(Row(name, {"register": count / seconds, "registered": registered, "restarted": rss(w.family().server), "start": ready}))
    server = Table("scale", "Registered functions", {
        "register": "registered per s", "registered": "RSS MiB after", "restarted": "RSS MiB after restart", "start": "start ms"}, rows)
    subjects = {name: (lambda target=target: target.open(100, bench.seconds)) for name, target in targets.items()}
    calls = table("scale-invoke", "HelloPython of many, open loop, 100/s", subjects, bench.rounds, baseline=f"{FEW} functions")
    return [server, calls]


def burst(bench):
    """The server is started again, so that nothing of the function is in memory."""
    count, cap = bench.few(200, 40), bench.few(50, 10)
    w = bench.world("burst")
    w.deploy("burst", BURST, "--handler", "app.handler", "--runtime", "python3.11", "--concurrency", str(cap))
    w.terminate()
    w.start()
    seen, stop = collections.defaultdict(set), threading.Event()
    most = collections.Counter()

    def watch():
        while not stop.is_set():
            family = w.family()
            for kind in ("templates", "workers"):
                pids = getattr(family, kind)
                seen[kind].update(pids)
                most[kind] = max(most[kind], len(pids))
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        begin = time.monotonic()
        answers = w.burst("burst", count)
        took = (time.monotonic() - begin) * 1000
    finally:
        stop.set()
        watcher.join()
    good = [json.loads(a.rpartition(b"\r\n\r\n")[2]) for a in answers if a.startswith(b"HTTP/1.1 200")]
    at_once = running = 0
    for _, change in sorted([(begin, 1) for begin, _ in good] + [(end, -1) for _, end in good]):
        running += change
        at_once = max(at_once, running)
    row = Row("Martlet, handler sleeps 20 ms", {"n": len(good), "all": took, "handlers": at_once, "templates": len(seen["templates"]),
                                               "workers": most["workers"]}, failures=(count - len(good)) + (at_once > cap))
    return Table("scale-burst", f"{count} requests at once to a cold function with reserved concurrency {cap}", {
        "n": "answered", "all": "all answered after ms", "handlers": "most handlers at once", "templates": "templates started",
        "workers": "most workers at once"}, [row], notes=["processes are counted by looking at /proc again and again; handlers by their own clocks"])
