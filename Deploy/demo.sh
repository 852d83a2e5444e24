#!/usr/bin/env bash
# Builds Martlet, starts a server of its own, deploys two functions, calls them over HTTP and shows what they cost.
# Takes a free port and its own data folder; leaves nothing running. --keep leaves the server running.
set -euo pipefail

keep=false
case ${1-} in
    '') ;;
    --keep) keep=true ;;
    *)
        printf 'usage: %s [--keep]\n' "$0" >&2
        exit 2
        ;;
esac

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
python=/usr/bin/python3
martlet=$root/.build/release/martlet
work=
server=

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
show() { printf '$ %s\n' "$*"; }
fail() {
    printf 'demo: %s\n' "$*" >&2
    [ -z "$work" ] || [ ! -s "$work/server.log" ] || tail -n 30 "$work/server.log" >&2
    exit 1
}

finish() {
    local status=$?
    trap - EXIT
    if [ -n "$server" ] && { [ $status -ne 0 ] || ! $keep; }; then
        kill -TERM "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    fi
    if [ -n "$work" ] && { [ $status -ne 0 ] || ! $keep; }; then rm -rf "$work"; fi
    exit $status
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

free_port() {
    "$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

healthy() { [ "$(curl -s -o /dev/null -m 2 -w '%{http_code}' "$MARTLET_ENDPOINT/martlet/v1/health")" = 200 ]; }

# Another program may take the port between the look and the bind, so a server that ends at once is tried again.
start_server() {
    local attempt port limit
    for attempt in 1 2 3; do
        port=$(free_port)
        export MARTLET_ENDPOINT=http://127.0.0.1:$port
        setsid "$martlet" serve --dev --listen "127.0.0.1:$port" --data "$work/data" >"$work/server.log" 2>&1 &
        server=$!
        limit=$((SECONDS + 30))
        while [ $SECONDS -lt $limit ] && kill -0 "$server" 2>/dev/null; do
            if healthy; then return 0; fi
            sleep 0.02
        done
        kill -0 "$server" 2>/dev/null && fail "the server was not healthy within 30 s"
        printf 'demo: the server ended at start (attempt %s)\n' "$attempt" >&2
    done
    fail "the server does not start"
}

timed_curl() { curl -sS --fail-with-body -m 60 -w '\n(%{http_code}, %{time_total} s)\n' "$@"; }

make_png() {
    "$python" - "$1" "$2" "$3" <<'PY'
import struct, sys, zlib
path, width, height = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
rows = b"".join(
    b"\0" + bytes(v for x in range(width) for v in (x * 255 // width, y * 255 // height, (x ^ y) & 255))
    for y in range(height))
def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
with open(path, "wb") as out:
    out.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
PY
}

# Reads the size from the file itself; anything but a complete PNG is an error.
png_size() {
    "$python" - "$1" <<'PY'
import struct, sys
data = open(sys.argv[1], "rb").read()
if data[:8] != b"\x89PNG\r\n\x1a\n" or data[12:16] != b"IHDR" or data[-8:-4] != b"IEND":
    sys.exit("not a PNG: %r" % data[:80])
print("%dx%d" % struct.unpack(">II", data[16:24]))
PY
}

say "Set-up"
Deploy/setup.sh

say "Release build"
show "swift build -c release --static-swift-stdlib"
swift build -c release --static-swift-stdlib 2>&1 | tail -n 3

say "Server"
work=$(mktemp -d "${TMPDIR:-/tmp}/martlet-demo.XXXXXX")
start_server
show "martlet serve --dev --listen ${MARTLET_ENDPOINT#http://} --data $work/data"
printf 'healthy at %s\n' "$MARTLET_ENDPOINT"

say "A first function"
show "martlet deploy hello SampleFunctions/HelloPython"
"$martlet" deploy hello SampleFunctions/HelloPython
show "curl $MARTLET_ENDPOINT/fn/hello -d '{\"name\":\"Ada\"}'"
timed_curl "$MARTLET_ENDPOINT/fn/hello" -d '{"name":"Ada"}'
show "the same once more: another sandbox, already waiting"
timed_curl "$MARTLET_ENDPOINT/fn/hello" -d '{"name":"Ada"}'
show "martlet invoke hello --payload '{\"name\":\"Grace\"}' --log"
"$martlet" invoke hello --payload '{"name":"Grace"}' --log

say "A function with a dependency: Pillow, from its requirements.txt"
show "martlet deploy thumbnail SampleFunctions/ThumbnailPython"
"$martlet" deploy thumbnail SampleFunctions/ThumbnailPython
make_png "$work/in.png" 640 480
for number in 1 2 3; do
    timed_curl "$MARTLET_ENDPOINT/fn/thumbnail" -H 'content-type: image/png' --data-binary "@$work/in.png" -o "$work/out$number.png" |
        tail -n 1
    before=$(png_size "$work/in.png")
    after=$(png_size "$work/out$number.png")
    printf 'PNG %s -> PNG %s\n' "$before" "$after"
    [ "$after" = 128x96 ] || fail "the thumbnail is $after, not 128x96"
done

say "What it cost"
show "martlet usage --by function"
"$martlet" usage --by function

say "How to go on"
if $keep; then
    cat <<T
The server is still running (process $server, log $work/server.log). In this or another shell:
  export MARTLET_ENDPOINT=$MARTLET_ENDPOINT PATH=\$PATH:$root/.build/release
  martlet list
  martlet logs hello --follow
  martlet deploy mine FOLDER
Stop it with: kill $server; rm -r $work
T
    disown "$server"
else
    cat <<T
Start a server of your own and use it in another shell:
  $martlet serve --dev
  $martlet deploy hello SampleFunctions/HelloPython
  curl http://127.0.0.1:9000/fn/hello -d '{"name":"Ada"}'
  $martlet logs hello --follow
  $martlet usage --by invocation
Or run this demo again with --keep.
T
fi
