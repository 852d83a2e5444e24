#!/usr/bin/env bash
# Makes a Debian 12 machine with a Swift 6.3 toolchain ready to build, run and test Martlet.
# May be run any number of times; once everything is there it takes well under a second and needs no network.
#   --brokers   also what external event sources are built with (package traits), and the brokers that their tests run against
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=$root/.build/venv
requirements=$root/Deploy/requirements-test.txt
# Debian's own interpreter: another one may come first in PATH.
python=/usr/bin/python3

packages=(
    libsqlite3-dev zlib1g-dev libseccomp-dev # linked by the server and the sandbox helper
    gcc libc6-dev                            # C targets, static executables, the load generator
    git ca-certificates curl                 # fetching dependencies, demo
    python3 python3-venv python3-pip         # the runtime of the samples, packages of functions, test clients
    tzdata                                   # time zones of schedules
    nftables                                 # the network of functions
    util-linux                               # setpriv, unshare: tests as an ordinary user
    iproute2 iptables                        # networks that tests make for themselves
    bubblewrap crun                          # what the benchmark compares with
)
case ${1:-} in
    '') ;;
    --brokers)
        packages+=(
            libhiredis-dev libnats-dev librabbitmq-dev librdkafka-dev libmosquitto-dev # one for each trait
            redis-server nats-server rabbitmq-server mosquitto                         # Kafka's tests bring a mock cluster of their own
        )
        ;;
    *)
        printf 'usage: %s [--brokers]\n' "$0" >&2
        exit 2
        ;;
esac

fail() {
    printf 'setup: %s\n' "$*" >&2
    exit 1
}

installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

install_packages() {
    local missing=() as_root=()
    for package in "${packages[@]}"; do
        installed "$package" || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || fail "these packages are missing and only root can install them: apt-get install ${missing[*]}"
        as_root=(sudo)
    fi
    printf 'setup: installing %s\n' "${missing[*]}"
    "${as_root[@]}" apt-get update -q || fail "apt-get update failed: check the network and /etc/apt/sources.list"
    # A broker's package starts its server; the tests start their own.
    local policy=/usr/sbin/policy-rc.d made_policy=false
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null && "${as_root[@]}" chmod 755 "$policy" && made_policy=true
    fi
    local status=0
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}" || status=$?
    ! $made_policy || "${as_root[@]}" rm -f "$policy"
    [ $status -eq 0 ] || fail "apt-get could not install: ${missing[*]}"
}

make_venv() {
    local stamp=$venv/requirements.txt
    if cmp -s "$requirements" "$stamp" && "$venv/bin/python" -c 'import boto3, pytest' 2>/dev/null; then
        return 0
    fi
    printf 'setup: making the Python environment of the tests in %s\n' "$venv"
    rm -rf "$venv"
    mkdir -p "$(dirname "$venv")"
    "$python" -m venv "$venv" || fail "$python could not make a virtual environment in $venv"
    "$venv/bin/pip" install -q --disable-pip-version-check -r "$requirements" ||
        fail "pip could not install $requirements: check the network or pip's configuration"
    cp "$requirements" "$stamp"
}

command -v dpkg-query >/dev/null || fail "this script knows Debian only; on another system install the counterparts of: ${packages[*]}"
install_packages
command -v swift >/dev/null || fail "no swift in PATH: install a Swift 6.3 toolchain (https://www.swift.org/install) first"
version=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9]*\.[0-9]*\).*/\1/p' | head -n 1)
[ -n "$version" ] && [ "$(printf '6.3\n%s\n' "$version" | sort -V | head -n 1)" = 6.3 ] ||
    fail "Swift ${version:-of unknown version} is too old: Martlet needs 6.3 or newer"
make_venv
printf 'setup: ready\n'
