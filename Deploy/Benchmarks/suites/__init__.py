"""The suites in the order in which they run; each is a function that takes a Bench and gives its tables."""

from . import cold, events, fresh, memory, policy, reuse, scale, syscalls, throughput

SUITES = {
    "cold": cold.run,
    "fresh": fresh.run,
    "throughput": throughput.run,
    "reuse": reuse.run,
    "node": fresh.run_node,
    "native": fresh.run_native,
    "memory": memory.run,
    "scale": scale.run,
    "policy": policy.run,
    "events": events.run,
    "syscalls": syscalls.run,
}
