"""Takes the figures of the suites that are named; see README.md. run.sh builds and installs, then starts this."""

import argparse
import contextlib
import json
import os
import pathlib
import signal
import sys
import tempfile
import time
import traceback

from measure import HERE, Bench, Skip, machine  # first: finds the tests' harness
import report
from harness import processes
from suites import SUITES


def main():
    parser = argparse.ArgumentParser(prog="run.sh", description="Measures Martlet beside what else would do its work.",
                                     epilog="--no-build: measure what is in .build/release as it is")
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=f"all (the default) or some of: {' '.join(SUITES)}")
    parser.add_argument("--smoke", action="store_true", help="a few requests each: shows that everything works, measures nothing")
    parser.add_argument("--seconds", type=float, help="length of one load run in one round (2)")
    parser.add_argument("--rounds", type=int, help="rounds in which the subjects take turns (5)")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON instead of tables")
    parser.add_argument("--out", type=pathlib.Path, help="folder for figures.json, tables.txt and the plots (results/DATE)")
    options = parser.parse_args()
    names = [name for name in options.suites if name != "all"] or list(SUITES)
    unknown = [name for name in names if name not in SUITES]
    if unknown:
        parser.error(f"no suite {', '.join(unknown)}; there are: {' '.join(SUITES)}")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    processes.become_subreaper()
    # Figures go to standard output, the rest to standard error.
    out, sys.stdout = sys.stdout, sys.stderr
    seconds = options.seconds or (0.2 if options.smoke else 2)
    rounds = options.rounds or (1 if options.smoke else 5)
    run = {"machine": machine(), "options": {"smoke": options.smoke, "seconds": seconds, "rounds": rounds}, "suites": {}}
    for name in names:
        begin = time.monotonic()
        print(f"== {name}", flush=True)
        suite = run["suites"][name] = {"tables": [], **take(SUITES[name], options.smoke, seconds, rounds)}
        suite["seconds"] = round(time.monotonic() - begin, 1)
        for table in suite["tables"]:
            if not options.json:
                print("\n".join(report.lines_of(table)), end="\n\n", file=out, flush=True)
        for word in ("skipped", "failed"):
            if word in suite:
                print(f"{name}: {word}: {suite[word]}\n", file=sys.stderr if options.json else out, flush=True)
    run["machine"]["loadAfter"] = os.getloadavg()[0]
    folder = options.out or HERE / "results" / time.strftime("%Y%m%dT%H%M%S")
    report.write(run, folder)
    if options.json:
        print(json.dumps(report.as_json(run), indent=1, default=str), file=out)
    print(f"written: {folder}")
    failed = sum("failed" in suite for suite in run["suites"].values())
    failed += sum(row.failures for suite in run["suites"].values() for table in suite["tables"] for row in table.rows)
    if failed:
        print(f"{failed} requests or runs failed", file=sys.stderr)
    return 1 if failed else 0


def take(suite, smoke, seconds, rounds):
    with contextlib.ExitStack() as stack:
        scratch = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="martlet-figures-", ignore_cleanup_errors=True)))
        scratch.chmod(0o755)
        try:
            return {"tables": suite(Bench(smoke, seconds, rounds, scratch, stack))}
        except Skip as reason:
            return {"skipped": str(reason)}
        except Exception as fault:
            # The other suites are still worth their figures.
            traceback.print_exc()
            return {"failed": str(fault)[:2000]}


if __name__ == "__main__":
    sys.exit(main())
