"""Moments for schedules that run once."""

import datetime


def moment(seconds):
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return f"at({at:%Y-%m-%dT%H:%M:%S})"


def soon(make, lead=1):
    """Makes a schedule for a moment close by, with what `make` does with its expression. Where a busy machine lets the moment pass
    before the server is asked, a later one is taken. Gives the expression and what came of it."""
    while True:
        at = moment(lead)
        try:
            return at, make(at)
        except Exception as refusal:
            if "is never due" not in str(refusal) or lead > 60:
                raise
            lead *= 2
