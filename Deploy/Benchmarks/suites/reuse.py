"""Mode environment, which uses an environment again and again: the gateway's own cost shows."""

import programs
from harness.world import SAMPLES
from measure import Target, cpu_seconds, invocations, subject, table

SAME_WORKER = "C gateway, same Python worker"


def run(bench):
    w = bench.world()
    w.cli("deploy", "hello", SAMPLES / "HelloPython", "--runtime", "python3.11", "--isolation", "environment")
    w.call("hello", {"name": "Ada"})
    gateways = {"Martlet, reused environment": (Target(w.port, invocations("hello")), w.family().server)}

    def add(name, make):
        program = subject(make)
        gateways[name] = (program.target, program.process.pid) if isinstance(program, programs.Program) else program
    add(SAME_WORKER, lambda: programs.floor_frames(bench, bench.few(64, 8)))
    add("C gateway, echo worker", lambda: programs.floor(bench, "echo", 64))

    def measured(target, pid, connections):
        before = cpu_seconds(pid)
        answer = target.closed(connections, bench.seconds)
        # The warm-up's requests are not in `n` but in the rate.
        requests = answer["rate"] * bench.seconds * 1.3
        return {**answer, "cpu": (cpu_seconds(pid) - before) * 1e6 / requests}
    tables = []
    for connections in (1, 64):
        subjects = {name: gateway if not isinstance(gateway, tuple) else (lambda gateway=gateway: measured(*gateway, connections))
                    for name, gateway in gateways.items()}
        tables.append(table(
            f"reuse-{connections}", f"HelloPython, reused, closed loop, {connections} connection{'s' * (connections > 1)}", subjects, bench.rounds,
            columns={"n": "n", "p50": "p50 ms", "p99": "p99 ms", "rate": "per s", "cpu": "gateway CPU µs"}, baseline=SAME_WORKER,
            compare=("rate", "p50", "cpu"), plot=("rate",), logarithmic=False))
    return tables
