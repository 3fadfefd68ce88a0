"""Writes the calendar files of the ICS benchmark: the same arguments, the same bytes.

A made-up company's calendar as real ones look: some 490 bytes an event, a VTIMEZONE for each zone, descriptions of
several lines, escapes, folded lines, attendees with their parameters, alarms, all-day events, and one event in 25 a
series with its exceptions.

    generate.py <file> [--events 50000] [--changed 0.01] [--stamp 20260101T000000Z] [--plain]

--changed: so many of the events have another title. --stamp: DTSTAMP, which servers write anew at every fetch.
--plain: single events alone.
"""

import argparse
import random
from datetime import datetime, timedelta

ZONES = {
    "Europe/Berlin": [("DAYLIGHT", "+0100", "+0200", "19810329T020000", "3;BYDAY=-1SU"),
                      ("STANDARD", "+0200", "+0100", "19961027T030000", "10;BYDAY=-1SU")],
    "America/New_York": [("DAYLIGHT", "-0500", "-0400", "20070311T020000", "3;BYDAY=2SU"),
                         ("STANDARD", "-0400", "-0500", "20071104T020000", "11;BYDAY=1SU")],
    "Europe/London": [("DAYLIGHT", "+0000", "+0100", "19810329T010000", "3;BYDAY=-1SU"),
                      ("STANDARD", "+0100", "+0000", "19961027T020000", "10;BYDAY=-1SU")],
    "Asia/Tokyo": [("STANDARD", "+0900", "+0900", "19510101T000000", None)],
}
TOPICS = ["Review", "Planning", "Site visit", "Interview", "Jour fixe", "Übergabe", "Workshop", "Call", "Demo", "会議"]
SUBJECTS = ["roof repair", "Q3 budget", "the north wing", "hiring", "invoice 4711", "safety, tools; ladders", "press"]
PLACES = ["Room 5", "Café Central, Vienna", "https://meet.example.com/", "Gate 4", "Straße des 17. Juni 135, Berlin"]
PEOPLE = ["Ada Lovelace", "Grace Hopper", "Zoë Müller", "Jean-Luc Picard", "Lin O'Hara", "Sato Yuki"]
WORDS = ("the agenda of this meeting is open until noon please bring figures from last quarter and what customers said "
         "about delivery times we will look at every open point once and decide who takes it over until next week").split()
RULES = ["FREQ=WEEKLY;COUNT=10", "FREQ=MONTHLY;BYDAY=-1FR;COUNT=6", "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,WE;COUNT=8",
         "FREQ=YEARLY", "FREQ=DAILY;COUNT=5"]


def escaped(text):
    for plain, written in (("\\", "\\\\"), (";", "\\;"), (",", "\\,"), ("\n", "\\n")):
        text = text.replace(plain, written)
    return text


def folded(line):
    octets = line.encode()
    pieces, room = [], 75
    while len(octets) > room:
        end = room
        while octets[end] & 0xC0 == 0x80:
            end -= 1
        pieces.append(octets[:end])
        octets, room = octets[end:], 74
    pieces.append(octets)
    return b"\r\n ".join(pieces) + b"\r\n"


def zone(name, observances):
    yield "BEGIN:VTIMEZONE"
    yield f"TZID:{name}"
    for kind, before, after, start, rule in observances:
        yield f"BEGIN:{kind}"
        yield f"TZOFFSETFROM:{before}"
        yield f"TZOFFSETTO:{after}"
        yield f"DTSTART:{start}"
        if rule:
            yield f"RRULE:FREQ=YEARLY;BYMONTH={rule}"
        yield f"END:{kind}"
    yield "END:VTIMEZONE"


def mail(name):
    return "".join(character for character in name.lower() if character.isascii() and character.isalnum()) + "@example.com"


def event(number, rng, options):
    begin = datetime(2025, 1, 1) + timedelta(minutes=15 * rng.randrange(4 * 24 * 900))
    name = rng.choice(list(ZONES))
    title = f"{rng.choice(TOPICS)}: {rng.choice(SUBJECTS)} {number}"
    kind = rng.random()
    recurring = rng.random() < 0.04 and not options.plain
    changed = rng.random() < options.changed
    uid = f"{number:08x}-{rng.getrandbits(48):012x}@calendar.example.com"
    yield "BEGIN:VEVENT"
    yield f"UID:{uid}"
    yield f"DTSTAMP:{options.stamp}"
    if kind < 0.1:
        form, written = ";VALUE=DATE", begin.strftime("%Y%m%d")
        yield f"DTSTART{form}:{written}"
        yield f"DTEND{form}:{begin + timedelta(days=1):%Y%m%d}"
    else:
        form = f";TZID={name}"
        yield f"DTSTART{form}:{begin:%Y%m%dT%H%M%S}"
        yield f"DTEND{form}:{begin + timedelta(minutes=rng.choice((30, 60, 90))):%Y%m%dT%H%M%S}"
    if recurring:
        yield f"RRULE:{rng.choice(RULES)}"
        yield f"EXDATE{form}:{begin + timedelta(days=7):%Y%m%d}" + ("" if kind < 0.1 else f"T{begin:%H%M%S}")
    yield f"SUMMARY:{escaped(title + (' (moved)' if changed else ''))}"
    if rng.random() < 0.6:
        text = " ".join(rng.choice(WORDS) for _ in range(rng.choice((8, 15, 40))))
        yield f"DESCRIPTION:{escaped(text.capitalize() + '.' + chr(10) + 'See you, ' + rng.choice(PEOPLE))}"
    if rng.random() < 0.5:
        yield f"LOCATION:{escaped(rng.choice(PLACES))}"
    if rng.random() < 0.25:
        organizer = rng.choice(PEOPLE)
        yield f"ORGANIZER;CN={organizer}:mailto:{mail(organizer)}"
        for guest in rng.sample(PEOPLE, rng.choice((1, 1, 2, 4))):
            answer = rng.choice(("ACCEPTED", "NEEDS-ACTION", "DECLINED"))
            yield f"ATTENDEE;CUTYPE=INDIVIDUAL;ROLE=REQ-PARTICIPANT;PARTSTAT={answer};CN={guest}:mailto:{mail(guest)}"
    if rng.random() < 0.2:
        yield "CATEGORIES:Work,Important"
    yield "STATUS:CONFIRMED"
    yield "TRANSP:OPAQUE"
    yield f"LAST-MODIFIED:{datetime(2024, 12, 1) + timedelta(minutes=number):%Y%m%dT%H%M%SZ}"
    yield "SEQUENCE:0"
    if rng.random() < 0.15:
        yield from ("BEGIN:VALARM", "ACTION:DISPLAY", "DESCRIPTION:Reminder", "TRIGGER:-PT15M", "END:VALARM")
    yield "END:VEVENT"


def lines(options):
    yield from ("BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//example.com//bench//EN", "X-WR-CALNAME:Company",
                "X-WR-TIMEZONE:Europe/Berlin")
    for name, observances in ZONES.items():
        yield from zone(name, observances)
    for number in range(options.events):
        yield from event(number, random.Random(number), options)
    yield "END:VCALENDAR"


parser = argparse.ArgumentParser()
parser.add_argument("file")
parser.add_argument("--events", type=int, default=50_000)
parser.add_argument("--changed", type=float, default=0)
parser.add_argument("--stamp", default="20260101T000000Z")
parser.add_argument("--plain", action="store_true")
options = parser.parse_args()
with open(options.file, "wb") as file:
    for line in lines(options):
        file.write(folded(line))
