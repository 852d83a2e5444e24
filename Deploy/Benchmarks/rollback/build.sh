#!/bin/sh
# Builds the harness and the fork library, without Swift, into the folder given.
set -e
here=$(cd "$(dirname "$0")" && pwd)
root=$here/../../..
out=${1:-$root/.build/rollback}
mkdir -p "$out"
cc -O2 -g -Wall -Wextra -o "$out/harness" "$here/harness.c" "$here/rollback.c" "$root/Sources/CSandbox/filters.c" "$root/Sources/CChild/child.c" \
  -D_GNU_SOURCE -I "$root/Sources/CSandbox/include" -I "$root/Sources/CChild/include" -lseccomp
cc -O2 -shared -fPIC -D_GNU_SOURCE -o "$out/martlet_fork.so" "$root/Runtimes/Python/Fork/fork.c" "$root/Sources/CForkServer/"*.c \
  "$root/Sources/CChild/child.c" -I "$root/Sources/CForkServer/include" -I "$root/Runtimes/Python/Fork/include" -I "$root/Sources/CChild/include" -I "$root/Runtimes/Python/Fork" -ldl
