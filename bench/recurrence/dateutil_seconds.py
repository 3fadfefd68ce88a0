"""Seconds that python-dateutil takes for a rule, the fastest of three: dateutil_seconds.py <time zone> <rule>."""

import sys
import time
from datetime import datetime

from dateutil import tz
from dateutil.rrule import rrulestr


def seconds(zone, rule):
    start = datetime(2026, 1, 1, 9, tzinfo=tz.UTC if zone == "UTC" else tz.gettz(zone))
    before = time.perf_counter()
    for _ in rrulestr(rule, dtstart=start):
        pass
    return time.perf_counter() - before


print(min(seconds(sys.argv[1], sys.argv[2]) for _ in range(3)))
