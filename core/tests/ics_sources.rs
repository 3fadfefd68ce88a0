//! Source hashes: what stands in a file as it did is not read again, and what reads otherwise is.

use std::collections::HashMap;

use calendar_sync_core::ics::{self, SourceHash};
use calendar_sync_core::zones::ChronoZones;

const ZONE: &str = "BEGIN:VTIMEZONE\nTZID:Office\nBEGIN:STANDARD\nDTSTART:19700101T000000\nTZOFFSETFROM:+0300\n\
                    TZOFFSETTO:+0300\nEND:STANDARD\nEND:VTIMEZONE\n";
const SINGLE: &str =
    "BEGIN:VEVENT\nUID:single\nDTSTAMP:20260101T000000Z\nDTSTART:20260105T090000\nSUMMARY:a\nEND:VEVENT\n";
const IN_ZONE: &str = "BEGIN:VEVENT\nUID:zoned\nDTSTART;TZID=Office:20260105T090000\nEND:VEVENT\n";
const SERIES: &str = "BEGIN:VEVENT\nUID:series\nDTSTAMP:20260101T000000Z\nDTSTART:20260105T090000Z\n\
                      RRULE:FREQ=DAILY;COUNT=3\nEND:VEVENT\n\
                      BEGIN:VEVENT\nUID:series\nDTSTAMP:20260102T000000Z\nRECURRENCE-ID:20260106T090000Z\n\
                      DTSTART:20260106T100000Z\nEND:VEVENT\n";

fn file(parts: &[&str]) -> String {
    format!("BEGIN:VCALENDAR\n{}END:VCALENDAR\n", parts.concat())
}

/// Source hashes of the items that are read, by external id.
fn sources_in(zone: &str, file: &str) -> HashMap<String, Option<SourceHash>> {
    let zones = ChronoZones::default();
    let mut items = ics::resolve(ics::read(file.as_bytes(), 100).unwrap(), &zones, zone).unwrap().with_sources();
    let mut sources = HashMap::new();
    while let Some(found) = items.next_unless(|_, _| false) {
        if let Ok(found) = found {
            sources.insert(found.item.external_id, found.source);
        }
    }
    sources
}

fn sources(file: &str) -> HashMap<String, Option<SourceHash>> {
    sources_in("Europe/Vienna", file)
}

/// What is read of `after` where `before` is known.
fn read_again(before: &str, after: &str) -> Vec<String> {
    let known = sources(before);
    let zones = ChronoZones::default();
    let calendar = ics::read(after.as_bytes(), 100).unwrap();
    let mut items = ics::resolve(calendar, &zones, "Europe/Vienna").unwrap().with_sources();
    let mut read = vec![];
    while let Some(found) = items.next_unless(|uid, source| known.get(uid) == Some(&Some(*source))) {
        read.push(found.unwrap().item.external_id);
    }
    read
}

#[test]
fn what_stands_as_it_did_is_not_read_again_wherever_it_stands() {
    let before = file(&[ZONE, SINGLE, IN_ZONE, SERIES]);
    assert_eq!(read_again(&before, &before), [""; 0]);
    let moved = file(&["X-NEW:1\n", SERIES, IN_ZONE, SINGLE, ZONE]);
    assert_eq!(read_again(&before, &moved), [""; 0]);
    let stamped = before.replace("DTSTAMP:2026", "DTSTAMP:2027");
    assert_eq!(read_again(&before, &stamped), [""; 0]);
}

#[test]
fn what_reads_otherwise_is_read_again() {
    let before = file(&[ZONE, SINGLE, IN_ZONE, SERIES]);
    assert_eq!(read_again(&before, &before.replace("SUMMARY:a", "SUMMARY:b")), ["single"]);
    assert_eq!(read_again(&before, &before.replace("T100000Z", "T110000Z")), ["series"]);
    // The later version of two is another one.
    let swapped =
        before.replace("20260101T000000Z\nDTSTART:20260105T090000Z", "20260103T000000Z\nDTSTART:20260105T090000Z");
    assert_eq!(read_again(&before, &swapped), ["series"]);
    let overtaken = file(&[ZONE, SINGLE, IN_ZONE, SERIES, &SERIES.replace("COUNT=3", "COUNT=4")]);
    assert_eq!(read_again(&before, &overtaken), ["series"]);
}

#[test]
fn what_stands_around_an_event_decides_how_it_is_read() {
    let before = file(&[ZONE, SINGLE, IN_ZONE, SERIES]);
    let other_zone = before.replace("TZOFFSETTO:+0300", "TZOFFSETTO:+0400").replace("FROM:+0300", "FROM:+0400");
    assert_eq!(read_again(&before, &other_zone), ["zoned"]);
    for after in [
        before.replace("BEGIN:VCALENDAR\n", "BEGIN:VCALENDAR\nMETHOD:CANCEL\n"),
        before.replace("BEGIN:VCALENDAR\n", "BEGIN:VCALENDAR\nX-WR-TIMEZONE:Asia/Tokyo\n"),
    ] {
        assert_eq!(read_again(&before, &after), ["single", "zoned", "series"], "{after}");
    }
    assert_ne!(sources(&before), sources_in("Asia/Tokyo", &before));
}

#[test]
fn what_stands_beside_something_bad_or_has_no_uid_is_always_read() {
    let bad = "BEGIN:VEVENT\nUID:series\nRECURRENCE-ID:20260107T090000Z\nDTSTART:never\nEND:VEVENT\n";
    assert_eq!(sources(&file(&[SERIES, bad])), HashMap::from([("series".to_owned(), None)]));
    let without = SINGLE.replace("UID:single\n", "");
    assert!(sources(&file(&[&without])).values().all(Option::is_none));
}
