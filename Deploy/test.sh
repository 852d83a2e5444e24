#!/usr/bin/env bash
# Does all set-up, builds, and runs every test. Last line: `N passed, N failed, N skipped`. Status 0 only if none failed.
#   --quick   leaves out the long runs (crash test, leak test with 10,000 concurrent invocations)
#   --junit DIR   keeps the JUnit files there (default: .build/test-results)
set -uo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit 1
results=$root/.build/test-results
quick=false
while [ $# -gt 0 ]; do
    case $1 in
        --quick) quick=true ;;
        --junit)
            [ $# -ge 2 ] || { printf 'test: --junit needs a folder\n' >&2; exit 2; }
            results=$2
            shift
            ;;
        *)
            printf 'usage: %s [--quick] [--junit DIR]\n' "$0" >&2
            exit 2
            ;;
    esac
    shift
done

step() { printf '\n== %s (%s s)\n' "$*" "$SECONDS"; }
fail() {
    printf 'test: %s\n0 passed, 1 failed, 0 skipped\n' "$*"
    exit 1
}

step "set-up"
Deploy/setup.sh --brokers || fail "set-up failed"
rm -rf "$results"
mkdir -p "$results"

step "release build"
swift build -c release --static-swift-stdlib || fail "the release build failed"
# What everybody gets who asks for nothing: it needs no broker's library. The tests of brokers run the debug build.
binaries=$(swift build -c release --show-bin-path)
libraries='hiredis|libnats|rabbitmq|rdkafka|mosquitto'
if ldd "$binaries/martlet" | grep -E "$libraries"; then fail "the default build needs a library that only a trait may bring"; fi
step "debug build with all external event sources"
traits=(--traits Kafka,MQTT,NATS,RabbitMQ,Redis)
swift build --build-tests --explicit-target-dependency-import-check error "${traits[@]}" || fail "the debug build failed"

# A suite whose run ends badly without a failed test in its file (a crash, an import error) counts as one failure.
crashed=()

step "unit tests"
swift test --skip-build --parallel "${traits[@]}" --xunit-output "$results/swift.xml"
status=$?
[ $status -eq 0 ] || crashed+=("swift:$status")

for package in Runtimes/*/Package.swift; do
    [ -f "$package" ] || continue
    folder=$(dirname "$package")
    name=$(printf '%s' "$folder" | tr / -)
    step "$name"
    swift test --package-path "$folder" --xunit-output "$results/swift-$name.xml"
    status=$?
    [ $status -eq 0 ] || crashed+=("swift-$name:$status")
done

run_pytest() {
    local name=$1 folder=$2
    shift 2
    step "$name"
    "$root/.build/venv/bin/python" -m pytest "$folder" -ra -q --junitxml "$results/$name.xml" "$@"
    local status=$?
    [ $status -eq 0 ] || crashed+=("$name:$status")
}

for folder in Runtimes/*/tests; do
    [ -d "$folder" ] || continue
    name=$(printf '%s' "$folder" | tr / -)
    run_pytest "$name" "$folder"
done
selection=
if $quick; then selection=" and not long"; fi
# Most of their time the tests wait: three files at a time.
run_pytest SandboxSecurityTests Tests/SandboxSecurityTests -m "not alone$selection" -n 3 --dist loadfile
run_pytest EndToEndTests Tests/EndToEndTests -m "not alone$selection" -n 3 --dist loadfile
run_pytest EndToEndTests-alone Tests/EndToEndTests -m "alone$selection"

step "results"
/usr/bin/python3 - "$results" "${crashed[@]}" <<'PY'
import pathlib, sys
import xml.etree.ElementTree as ET

folder, crashed = pathlib.Path(sys.argv[1]), dict(entry.rsplit(":", 1) for entry in sys.argv[2:])
total = {"passed": 0, "failed": 0, "skipped": 0}
skipped, failed = [], []
for path in sorted(folder.glob("*.xml")):
    suite = path.stem.removesuffix("-swift-testing")
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for case in ET.parse(path).getroot().iter("testcase"):
        name = "%s %s.%s" % (path.stem, case.get("classname"), case.get("name"))
        if case.find("failure") is not None or case.find("error") is not None:
            counts["failed"] += 1
            failed.append(name)
        elif case.find("skipped") is not None:
            counts["skipped"] += 1
            reason = case.find("skipped").get("message") or (case.find("skipped").text or "").strip()
            skipped.append("%s: %s" % (name, reason or "no reason given"))
        else:
            counts["passed"] += 1
    if counts["failed"]:
        crashed.pop(suite, None)
    print("%-40s %5d passed %4d failed %4d skipped" % (path.stem, *counts.values()))
    for key in total:
        total[key] += counts[key]
for suite, status in crashed.items():
    total["failed"] += 1
    failed.append("%s ended with status %s" % (suite, status))
if skipped:
    print("\nSkipped:")
    print("\n".join("  " + line for line in skipped))
if failed:
    print("\nFailed:")
    print("\n".join("  " + line for line in failed))
print("\n%(passed)d passed, %(failed)d failed, %(skipped)d skipped" % total)
sys.exit(1 if total["failed"] or not total["passed"] else 0)
PY
