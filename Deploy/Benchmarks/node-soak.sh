#!/usr/bin/env bash
# 100,000 invocations (or as many as the first argument says) of a Node function that uses everything that has threads: fetch
# over its own loopback, name look-up, files, asynchronous crypto and zlib, timers, worker threads, modules. Every answer must
# be right. Starts a server of its own; takes some minutes for every ten thousand.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
MARTLET_SOAK_INVOCATIONS=${1:-100000} exec .build/venv/bin/python -m pytest Tests/EndToEndTests/test_node.py -q -s \
    -k test_it_works_thousands_of_times --timeout 0
