"""Makes random calendars, and prints each with the occurrences that icalendar and recurring_ical_events find in it.

Usage: random_calendars.py <first seed> <how many>

One line of JSON for each: seed, ics, from, to, and occurrences as [start, end, summary], sorted. The same seed gives the
same calendar. What the reader gets wrong is either corrected here, with the section of RFC 5545 that says so, or not
made at all, as comments say.
"""

import json
import random
import sys
from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import icalendar
import recurring_ical_events

ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "Asia/Kolkata"]
WEEKDAYS = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]
FROM, TO = datetime(2025, 1, 1), datetime(2026, 1, 1)
# Clock changes of the zones above in the window: there is where readers differ.
CHANGES = [date(2025, 3, 9), date(2025, 3, 30), date(2025, 4, 6), date(2025, 10, 5), date(2025, 10, 26), date(2025, 11, 2)]


class Clock:
    """How the times of an event are written: DATE, floating, UTC or in a zone."""

    def __init__(self, kind, zone=None):
        self.kind, self.zone = kind, zone

    def instant(self, local):
        """Of local time, in UTC: in a gap with the offset before it, the first of two (3.3.5)."""
        if self.kind == "zone":
            return local.replace(tzinfo=ZoneInfo(self.zone)).astimezone(timezone.utc).replace(tzinfo=None)
        return local

    def shown(self, instant):
        """Local time at an instant."""
        if self.kind == "zone":
            return instant.replace(tzinfo=timezone.utc).astimezone(ZoneInfo(self.zone)).replace(tzinfo=None)
        return instant

    def write(self, name, *locals_, extra=""):
        return self.line(name, [self.value(local) for local in locals_], extra)

    def value(self, local):
        return local.strftime({"date": "%Y%m%d", "utc": "%Y%m%dT%H%M%SZ"}.get(self.kind, "%Y%m%dT%H%M%S"))

    def line(self, name, values, extra=""):
        params = {"date": ";VALUE=DATE", "zone": f";TZID={self.zone}"}.get(self.kind, "")
        return f"{name}{extra}{params}:{','.join(values)}"


class Length:
    """An event's length: how it is written, and when it ends (3.3.6, 3.8.5.3)."""

    def __init__(self, rng, clock, start):
        self.clock, self.start, self.periods = clock, start, {}
        self.days, self.seconds, self.form = 0, 0, rng.choice(["none", "dtend", "dtend", "dtend", "duration", "duration"])
        if clock.kind == "date":
            self.days = 1 if self.form == "none" else rng.choice([1, 1, 2, 5])
        elif self.form == "dtend":
            self.seconds = 60 * rng.choice([15, 30, 45, 60, 60, 90, 120, 480, 1440, 1500])
            if clock.instant(start) >= clock.instant(start + timedelta(seconds=self.seconds)):
                self.form, self.seconds = "none", 0
        elif self.form == "duration":
            self.days = rng.choice([0, 0, 0, 1, 2, 7])
            self.seconds = 60 * rng.choice([30, 60, 90, 600, 1440]) if self.days == 0 or rng.random() < 0.3 else 0

    def lines(self):
        if self.form == "dtend":
            return [self.clock.write("DTEND", self.start + timedelta(self.days, self.seconds))]
        if self.form == "duration":
            if self.seconds == 0 and self.days % 7 == 0:
                return [f"DURATION:P{self.days // 7}W"]
            time = f"T{self.seconds // 3600}H{self.seconds % 3600 // 60}M" if self.seconds else ""
            return [f"DURATION:P{f'{self.days}D' if self.days else ''}{time}"]
        return []

    def end(self, instant):
        """End of an instance that starts then: DTEND gives the exact length of the first to all (or, where that spans
        a clock change, the length on the clock), DURATION days on the clock and hours that pass. The reader takes all as
        differences on the clock."""
        if instant in self.periods:
            return self.periods[instant]
        if self.form == "dtend" and self.clock.kind == "zone":
            first = self.clock.instant(self.start), self.clock.instant(self.start + timedelta(seconds=self.seconds))
            if instant == first[0]:
                return first[1]
            return instant + timedelta(seconds=self.seconds)
        if self.days and self.clock.kind == "zone":
            return self.clock.instant(self.clock.shown(instant) + timedelta(self.days)) + timedelta(seconds=self.seconds)
        return instant + timedelta(self.days, self.seconds)


def clock(rng):
    kind = rng.choice(["zone"] * 5 + ["utc", "floating", "date", "date"])
    return Clock(kind, rng.choice(ZONES) if kind == "zone" else None)


def moment(rng, clock, near=None):
    """A local time, often near a clock change or in the night when clocks change."""
    day = near or (rng.choice(CHANGES) + timedelta(rng.randint(-20, 3)) if rng.random() < 0.6 else
                   date(2025, 1, 1) + timedelta(rng.randint(-300, 330)))
    if clock.kind == "date":
        return datetime(day.year, day.month, day.day)
    hour = rng.choice([0, 1, 2, 2, 3, 9, 9, 14, 22, 23])
    return datetime(day.year, day.month, day.day, hour, rng.choice([0, 0, 0, 15, 30, 30, 45]))


def rule(rng, clock, start):
    """An RRULE of which DTSTART is the first occurrence."""
    frequency = rng.choice(["DAILY", "DAILY", "WEEKLY", "WEEKLY", "MONTHLY", "YEARLY"])
    parts = [f"FREQ={frequency}"]
    if rng.random() < 0.3:
        parts.append(f"INTERVAL={rng.randint(2, 4)}")
    weekday = WEEKDAYS[start.weekday()]
    if clock.kind != "date" and start.hour < 20 and rng.random() < 0.2:
        parts.append(f"BYHOUR={start.hour},{rng.randint(start.hour + 1, 23)}")
    if frequency == "WEEKLY" and rng.random() < 0.6:
        days = {weekday, *rng.sample(WEEKDAYS, 2)}
        parts.append("BYDAY=" + ",".join(day for day in WEEKDAYS if day in days))
        if rng.random() < 0.2:
            parts.append("WKST=SU")
    elif frequency == "MONTHLY" and rng.random() < 0.7:
        nth = (start.day - 1) // 7 + 1
        by_set = f"BYDAY=MO,TU,WE,TH,FR,SA,SU;BYSETPOS={start.day}"
        parts.append(rng.choice([f"BYDAY={nth}{weekday}", f"BYMONTHDAY={start.day}", by_set]))
    elif frequency == "YEARLY" and rng.random() < 0.5:
        parts.append(f"BYMONTH={start.month}")
    end = rng.choice(["none", "count", "until"])
    if end == "count":
        parts.append(f"COUNT={rng.randint(1, 25)}")
    elif end == "until":
        until = start + timedelta(rng.randint(0, 200))
        instant = clock.instant(until).strftime("%Y%m%dT%H%M%SZ")
        parts.append("UNTIL=" + (instant if clock.kind == "zone" else clock.value(until)))
    rng.shuffle(parts[1:])
    return ";".join(parts)


def details(uid, summary, *lines):
    return ["BEGIN:VEVENT", f"UID:{uid}", "DTSTAMP:20250101T000000Z", *lines, f"SUMMARY:{summary}", "END:VEVENT"]


def as_written(rng, clock, local):
    """The same time in another form that means the same: in UTC, or in a zone of its own."""
    if clock.kind != "zone" or rng.random() < 0.6:
        return clock, local
    other = rng.choice([Clock("utc"), Clock("zone", rng.choice(ZONES))])
    instant = clock.instant(local)
    if other.kind == "utc":
        return other, instant
    shown = other.shown(instant)
    return (other, shown) if other.instant(shown) == instant else (clock, local)


def event(rng, uid):
    """The lines of an event or of a series with its overrides; and lengths by summary."""
    own = clock(rng)
    start = moment(rng, own)
    length = Length(rng, own, start)
    lines, lengths, overrides = [own.write("DTSTART", start), *length.lines()], {uid: length}, []
    if rng.random() < 0.25:
        return details(uid, uid, *lines), lengths
    recurrence = rule(rng, own, start)
    lines.append(f"RRULE:{recurrence}")
    master = "\r\n".join(["BEGIN:VCALENDAR", *details(uid, uid, *lines), "END:VCALENDAR"])
    given = [local_start(it.start) for it in recurring_ical_events.of(icalendar.Calendar.from_ical(master)).between(FROM, TO)]
    given.sort()
    # RDATEs at the time of day of others are taken for one of them now and then.
    # A time that a clock change leaves out may be moved from where it is then, or from where it would be.
    moves_on = start.hour > 3 and rng.random() < 0.2
    for _ in range(rng.choice([0, 0, 1, 2])):
        extra = moment(rng, own)
        if own.kind == "date" or moves_on or rng.random() < 0.6:
            lines.append(own.write("RDATE", extra))
        else:
            hours = rng.choice([1, 3, 24])
            lines.append(own.line("RDATE", [f"{own.value(extra)}/PT{hours}H"], extra=";VALUE=PERIOD"))
            length.periods[own.instant(extra)] = own.instant(extra) + timedelta(hours=hours)
    rng.shuffle(given)
    # The reader takes days in UTC where an EXDATE is a date, which are not those of the series' clock.
    if given and own.kind in ["utc", "floating"] and rng.random() < 0.5:
        day = given.pop()
        lines.append(Clock("date").write("EXDATE", day))
        given = [other for other in given if other.date() != day.date()]
    # An EXDATE or an override is one occurrence's (3.8.5.1, 3.8.4.4); the reader takes others of its day for it, too.
    if "BYHOUR" in recurrence:
        given = []
    for _ in range(rng.choice([0, 0, 1, 2, 3])):
        if given:
            written, local = as_written(rng, own, given.pop())
            lines.append(written.write("EXDATE", local))
    for number in range(rng.choice([0, 0, 1, 2, 3])):
        if given:
            overrides.append(override(rng, uid, f"{uid}.{number}", own, given.pop(), lengths))
    if moves_on and given:
        overrides.append(future(rng, uid, f"{uid}.on", own, given.pop(), lengths))
    parts = [details(uid, uid, *lines), *overrides]
    rng.shuffle(parts)
    return [line for part in parts for line in part], lengths


def local_start(start):
    return datetime(start.year, start.month, start.day) if not isinstance(start, datetime) else start.replace(tzinfo=None)


def override(rng, uid, summary, own, occurrence, lengths):
    """An occurrence that is moved, on the clock of the series or of another zone, over a clock change perhaps."""
    identity, named = as_written(rng, own, occurrence)
    clock_ = own if own.kind != "zone" or rng.random() < 0.7 else Clock("zone", rng.choice(ZONES))
    near = (occurrence + timedelta(rng.choice([-20, -1, 0, 0, 1, 14]))).date()
    start = moment(rng, clock_, near)
    length = lengths[summary] = Length(rng, clock_, start)
    lines = [identity.write("RECURRENCE-ID", named), clock_.write("DTSTART", start), *length.lines()]
    if rng.random() < 0.2:
        lines.append("STATUS:CANCELLED")
    return details(uid, summary, *lines)


def future(rng, uid, summary, own, occurrence, lengths):
    """An occurrence from which on all are moved."""
    start = occurrence + timedelta(rng.choice([0, 0, 1, -1]), 0 if own.kind == "date" else 60 * rng.choice([0, 60, -45]))
    length = lengths[summary] = Length(rng, own, start)
    identity = own.write("RECURRENCE-ID", occurrence, extra=";RANGE=THISANDFUTURE")
    return details(uid, summary, identity, own.write("DTSTART", start), *length.lines())


def instant(value):
    if not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day)
    return value.astimezone(timezone.utc).replace(tzinfo=None) if value.tzinfo else value


def occurrences(calendar, lengths):
    """What the reader finds. Ends are worked out from the starts: see Length.end."""
    rows = []
    for found in recurring_ical_events.of(calendar).between(FROM, TO):
        length = lengths[str(found["SUMMARY"])]
        start = instant(found.start)
        form = "%Y%m%d" if length.clock.kind == "date" else "%Y%m%dT%H%M%SZ"
        end = length.end(start)
        rows.append([start.strftime(form), end.strftime(form), str(found["SUMMARY"])])
    return sorted(rows)


def made(seed):
    rng = random.Random(seed)
    lines, lengths = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//random//EN"], {}
    for number in range(rng.randint(1, 4)):
        more, own = event(rng, f"{seed}-{number}")
        lines += more
        lengths |= own
    ics = "".join(line + "\r\n" for line in [*lines, "END:VCALENDAR"])
    found = occurrences(icalendar.Calendar.from_ical(ics), lengths)
    window = {"from": FROM.isoformat() + "Z", "to": TO.isoformat() + "Z"}
    return {"seed": seed, "ics": ics, **window, "occurrences": found}


first, count = (int(argument) for argument in sys.argv[1:])
for seed in range(first, first + count):
    print(json.dumps(made(seed)))
