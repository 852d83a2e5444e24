#!/usr/bin/env bash
# Measures Martlet beside what else would do its work, in one run: run.sh [SUITE…|all] [--smoke] [--seconds N] [--json]
# README.md beside it says what the suites are. Further options: --rounds N, --out DIR, --no-build, --help.
# Without --smoke it installs with apt what the comparison needs; what cannot be had is skipped and named.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
build=$root/.build/benchmarks
packages=(bubblewrap crun runc podman docker.io nginx-light wrk strace linux-perf redis-server redis-tools postgresql)
smoke=false
compile=true
arguments=()
for argument in "$@"; do
    case $argument in
        --no-build) compile=false ;;
        *) arguments+=("$argument") ;;
    esac
    [ "$argument" != --smoke ] || smoke=true
    case $argument in -h | --help) compile=false smoke=true ;; esac
done

note() { printf 'run: %s\n' "$*" >&2; }

install_packages() {
    local missing=()
    for package in "${packages[@]}"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    if [ "$(id -u)" -ne 0 ]; then
        note "only root can install ${missing[*]}; what they are for is skipped"
        return 0
    fi
    note "installing ${missing[*]}"
    apt-get update -q >&2 || true
    for package in "${missing[@]}"; do
        DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$package" >&2 || note "$package could not be installed"
    done
}

# A failure leaves no stamp, and the rows that need these packages say that they are missing.
python_packages() {
    local venv=$build/venv stamp=$build/venv/requirements.txt
    cmp -s "$here/requirements.txt" "$stamp" 2>/dev/null && return 0
    note "making the Python environment of the baselines in $venv"
    rm -rf "$venv"
    /usr/bin/python3 -m venv "$venv" && "$venv/bin/pip" install -q --disable-pip-version-check -r "$here/requirements.txt" >&2 &&
        cp "$here/requirements.txt" "$stamp" || note "the baselines from PyPI could not be installed"
}

"$root/Deploy/setup.sh" >&2
mkdir -p "$build"
if $compile; then
    swift build --package-path "$root" -c release --static-swift-stdlib 2>&1 | tail -n 1 >&2
    $smoke || "$root/SampleFunctions/HelloSwift/build.sh" >&2 || note "HelloSwift could not be built"
fi
$smoke || install_packages
python_packages
for program in load floor; do
    gcc -O2 -Wall -Wextra -o "$build/$program" "$here/$program.c"
done
exec "$root/.build/venv/bin/python" "$here/run.py" "${arguments[@]}"
