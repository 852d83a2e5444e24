#!/usr/bin/env bash
# Martlet's first figures beside bubblewrap's, crun's and a bare fork+exec's, taken in the same run.
# Prints a table and writes Deploy/Benchmarks/results/first-figures-DATE.json. Takes about two minutes.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
"$root/Deploy/setup.sh"
cd "$root"
swift build -c release --static-swift-stdlib 2>&1 | tail -n 1
mkdir -p "$root/.build/benchmarks" "$here/results"
gcc -O2 -Wall -Wextra -o "$root/.build/benchmarks/load" "$here/load.c"
exec "$root/.build/venv/bin/python" "$here/first_figures.py" "$@"
