"""Who is on duty in the coming days: a report that a schedule has made, in time for the day that the run was due."""

import datetime
import json
import pathlib

ROSTER = json.loads((pathlib.Path(__file__).parent / "roster.json").read_text())


def handler(event, context):
    # The time that the run was due, not the time it is: a run that is late, or made again, gives the same report.
    first = datetime.datetime.fromisoformat(event["due"].replace("Z", "+00:00")).date()
    days = [first + datetime.timedelta(days=n) for n in range(event.get("days", 7))]
    report = {
        "id": event.get("schedule", "by hand") + "@" + event["due"],
        "from": days[0].isoformat(),
        "to": days[-1].isoformat(),
        "duty": [{"day": day.isoformat(), "name": on_duty(day)} for day in days],
    }
    print(f"report {report['id']}, attempt {event.get('attempt', '1')}: {report['duty'][0]['name']} begins")
    return report


def on_duty(day):
    """Weeks begin on Monday; holidays have a person of their own."""
    week = (day - datetime.date.fromisoformat(ROSTER["first_monday"])).days // 7
    return ROSTER["holidays"].get(day.isoformat(), ROSTER["people"][week % len(ROSTER["people"])])
