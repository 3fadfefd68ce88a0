"""Prints the occurrences of a calendar in a window, one line of JSON each, as icalendar and recurring_ical_events see it.

Usage: occurrences.py <file.ics> <from: ISO 8601> <to: ISO 8601, exclusive>
"""

import json
import sys
from datetime import date, datetime, timezone

import icalendar
import recurring_ical_events


def instant(value: date) -> str:
    """Instants in UTC, dates as they are."""
    if isinstance(value, datetime):
        if value.tzinfo is None:
            return value.strftime("%Y%m%dT%H%M%S")
        return value.astimezone(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    return value.strftime("%Y%m%d")


path, start, end = sys.argv[1:]
with open(path, "rb") as file:
    calendar = icalendar.Calendar.from_ical(file.read())
window = datetime.fromisoformat(start), datetime.fromisoformat(end)
for event in recurring_ical_events.of(calendar).between(*window):
    print(
        json.dumps(
            {
                "uid": str(event["UID"]),
                "summary": str(event.get("SUMMARY", "")),
                "start": instant(event.start),
                "end": instant(event.end),
                "status": str(event.get("STATUS", "")),
            }
        )
    )
