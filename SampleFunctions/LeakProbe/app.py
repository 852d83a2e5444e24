"""Looks for anything that another invocation left behind, then leaves as much behind as it can.

Each channel is one way by which something can get from one invocation to another. First all are looked at, then all
are marked with the request ID. In a fresh execution environment no channel ever has anything to show.
"""

import time

from channels import CHANNELS

# A new execution environment must be clean before its first invocation, too.
FOUND_AT_IMPORT = ["at import: " + finding for channel in CHANNELS for finding in channel.found()]


def handler(event, context):
    findings = list(FOUND_AT_IMPORT)
    for channel in CHANNELS:
        findings += channel.found()
    marks, unavailable = 0, []
    for channel in CHANNELS:
        if channel.name in event.get("skip", ()):
            continue
        if channel.marked(context.aws_request_id):
            marks += 1
        else:
            unavailable.append(channel.name)
    for finding in findings:
        print("found", finding)
    # Keeps the marks standing while others look.
    time.sleep(min(event.get("holdMs", 0), 1000) / 1000)
    return {"findings": findings, "marks": marks, "unavailable": unavailable}
