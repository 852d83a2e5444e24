"""What happened in a repository, as a line of text: GitHub's webhook deliveries in, summaries out."""

import base64
import json


def handler(event, context):
    # The signature was verified before this runs; the event has the form of a function URL's request.
    body = event["body"]
    if event["isBase64Encoded"]:
        body = base64.b64decode(body)
    kind = event["headers"].get("x-github-event", "unknown")
    summary = SUMMARIES.get(kind, other)(json.loads(body), kind)
    print(summary)
    return {"kind": kind, "summary": summary}


def push(payload, kind):
    branch = payload["ref"].removeprefix("refs/heads/")
    commits = payload["commits"]
    first = commits[0]["message"].splitlines()[0] if commits else "nothing"
    return f"{payload['pusher']['name']} pushed {len(commits)} commits to {payload['repository']['full_name']}@{branch}: {first}"


def pull_request(payload, kind):
    change = payload["pull_request"]
    return f"{payload['sender']['login']} {payload['action']} #{change['number']} of {payload['repository']['full_name']}: {change['title']}"


def ping(payload, kind):
    return f"GitHub can reach us: {payload['zen']}"


def other(payload, kind):
    return f"{kind} in {payload.get('repository', {}).get('full_name', 'no repository')}"


SUMMARIES = {"push": push, "pull_request": pull_request, "ping": ping}
