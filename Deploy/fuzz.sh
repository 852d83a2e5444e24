#!/usr/bin/env bash
# Feeds what reads a client's bytes with inputs that libFuzzer makes up: fuzz.sh [--seconds N] [signature|router|json|event-stream]…
# Without names all, each for ten minutes. Status 1 with the input's file if one crashes or breaks a promise. What was found
# worth keeping stays in .build/fuzz/corpus for the next run.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
seconds=600
chosen=()
while [ $# -gt 0 ]; do
    case $1 in
        --seconds)
            [ $# -ge 2 ] || { printf 'fuzz: --seconds needs a number\n' >&2; exit 2; }
            seconds=$2
            shift
            ;;
        signature | router | json | event-stream) chosen+=("$1") ;;
        *)
            sed -n 's/^# //; 2,4p' "$0" >&2
            exit 2
            ;;
    esac
    shift
done
[ ${#chosen[@]} -gt 0 ] || chosen=(signature router json event-stream)

options=(-c release --scratch-path .build/fuzz -Xswiftc -enable-testing -Xswiftc -sanitize=fuzzer -Xswiftc -parse-as-library)
MARTLET_FUZZ=1 swift build "${options[@]}" --product fuzzing >&2
program=$(MARTLET_FUZZ=1 swift build "${options[@]}" --show-bin-path)/fuzzing

seed() {
    local corpus=$1 name=$2
    case $name in
        signature)
            printf 'GET\n/2015-03-31/functions/\n\n\nHost: localhost\nX-Amz-Date: 20261121T082057Z\nAuthorization: AWS4-HMAC-SHA256 Credential=AKIAFUZZ/20261121/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=00' >"$corpus/header"
            printf 'GET\n/a\nX-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAFUZZ%%2F20261121%%2Fus-east-1%%2Flambda%%2Faws4_request&X-Amz-Date=20261121T082057Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=00\n\nHost: localhost' >"$corpus/query"
            ;;
        router) printf 'POST\n/2015-03-31/functions/hello/invocations?Qualifier=1\nhello.fn.localhost\nX-Amz-Log-Type: Tail' >"$corpus/invoke" ;;
        json) printf '{"a":[1,-2.5e3,"\\u00e9\\ud83d\\ude00",true,null,{}]}' >"$corpus/value" ;;
        event-stream) printf 'PayloadChunk\0hello' >"$corpus/chunk" ;;
    esac
}

# Swift's own account of a crash would come before libFuzzer keeps the input.
export SWIFT_BACKTRACE=enable=no
found=0
for name in "${chosen[@]}"; do
    corpus=.build/fuzz/corpus/$name
    mkdir -p "$corpus"
    seed "$corpus" "$name"
    printf '== %s, %s s\n' "$name" "$seconds"
    if ! MARTLET_FUZZ_TARGET=$name "$program" -max_total_time="$seconds" -max_len=4096 -timeout=10 -rss_limit_mb=4096 -print_final_stats=1 \
        -artifact_prefix=".build/fuzz/$name-" "$corpus" 2>.build/fuzz/"$name".log; then
        found=1
        printf '%s: an input breaks it:\n' "$name"
        tail -n 30 ".build/fuzz/$name.log"
    else
        grep -E '^stat::(number_of_executed_units|average_exec_per_sec|new_units_added)|^#.*DONE' ".build/fuzz/$name.log"
    fi
done
exit $found
