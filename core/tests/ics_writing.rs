//! What is written, and that it is read again as it was.

mod common;

use calendar_sync_core::event::{
    Attendee, Body, Details, Event, EventStatus, Importance, Item, Override, Sensitivity, Series, ShowAs, TeamsMeeting,
    Timing,
};
use calendar_sync_core::ics::{self, Head, Visibility, Writer};
use calendar_sync_core::zones::{ChronoZones, Resolver, Zones};
use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use proptest::prelude::*;

const DETAILS: Head<'_> = Head { name: None, refresh: None, visibility: Visibility::Details };

thread_local!(static CHRONO: ChronoZones = ChronoZones::default());

fn write(items: &[Item], head: &Head<'_>) -> String {
    CHRONO.with(|zones| {
        let mut writer = Writer::new(head, zones);
        items.iter().for_each(|item| writer.item(item));
        writer.finish()
    })
}

fn read(file: &str, zones: &ChronoZones) -> Vec<Item> {
    let calendar = ics::read(file.as_bytes(), 100_000).unwrap();
    assert!(calendar.complete);
    ics::resolve(calendar, zones, "Asia/Tokyo").unwrap().map(|item| item.unwrap()).collect()
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn timing(start: &str, end: &str, zone: Option<&str>) -> Timing {
    Timing { start: at(start), end: Some(at(end)), all_day: false, time_zone: zone.map(Into::into), floating: false }
}

fn titled(title: &str) -> Details {
    Details { title: title.into(), last_updated: Some(at("2024-01-02T03:04:05Z")), ..Default::default() }
}

fn weekly() -> Item {
    let template = Event {
        timing: timing("2024-01-01T08:00:00Z", "2024-01-01T09:00:00Z", Some("Europe/Berlin")),
        details: Details {
            description: Some(
                "Line one\nline two; with, all\\ of it, and long enough to be folded: \u{fc}\u{fc}\u{fc}\u{fc}".into(),
            ),
            organizer: Some("boss@example.com".into()),
            categories: vec!["a,b".into(), "c".into()],
            show_as: ShowAs::OutOfOffice,
            sensitivity: Sensitivity::Private,
            importance: Importance::High,
            sequence: 2,
            ..titled("Weekly")
        },
    };
    let moved = Event {
        timing: timing("2024-07-02T10:00:00Z", "2024-07-02T11:00:00Z", None),
        details: Details { event_status: EventStatus::Tentative, show_as: ShowAs::Tentative, ..titled("Moved") },
    };
    let series = Series {
        template,
        local_start: None,
        duration: None,
        rrules: vec!["FREQ=WEEKLY;UNTIL=20241231".into()],
        exrules: vec![],
        rdates: vec![at("2024-01-03T08:00:00Z"), at("2024-01-04T08:00:00Z")],
        rdate_ends: vec![(at("2024-01-04T08:00:00Z"), at("2024-01-04T12:00:00Z"))],
        exdates: vec![at("2024-07-08T07:00:00Z")],
        overrides: vec![Override {
            recurrence_id: at("2024-07-01T07:00:00Z"),
            this_and_future: true,
            duration: None,
            event: moved,
        }],
    };
    Item { external_id: "w@x".into(), body: Body::Series(Box::new(series)) }
}

#[test]
fn a_series_is_written_as_rules_and_overrides() {
    let head = Head { name: Some("Team; all"), refresh: Some(TimeDelta::hours(1)), visibility: Visibility::Details };
    let expected = "\
BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//calendar_sync//calendar_sync//EN
CALSCALE:GREGORIAN
METHOD:PUBLISH
NAME:Team\\; all
X-WR-CALNAME:Team\\; all
REFRESH-INTERVAL;VALUE=DURATION:PT1H
X-PUBLISHED-TTL:PT1H
BEGIN:VTIMEZONE
TZID:Europe/Berlin
BEGIN:DAYLIGHT
DTSTART:20230326T020000
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU
END:DAYLIGHT
BEGIN:STANDARD
DTSTART:20231029T030000
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU
END:STANDARD
END:VTIMEZONE
BEGIN:VEVENT
UID:w@x
DTSTAMP:20240102T030405Z
LAST-MODIFIED:20240102T030405Z
SEQUENCE:2
DTSTART;TZID=Europe/Berlin:20240101T090000
DTEND;TZID=Europe/Berlin:20240101T100000
RRULE:FREQ=WEEKLY;UNTIL=20241230T230000Z
RDATE;TZID=Europe/Berlin:20240103T090000
RDATE;VALUE=PERIOD;TZID=Europe/Berlin:20240104T090000/20240104T130000
EXDATE;TZID=Europe/Berlin:20240708T090000
STATUS:CONFIRMED
TRANSP:OPAQUE
CLASS:PRIVATE
X-MICROSOFT-CDO-BUSYSTATUS:OOF
PRIORITY:1
SUMMARY:Weekly
DESCRIPTION:Line one\\nline two\\; with\\, all\\\\ of it\\, and long enough to be
  folded: \u{fc}\u{fc}\u{fc}\u{fc}
CATEGORIES:a\\,b,c
ORGANIZER:mailto:boss@example.com
END:VEVENT
BEGIN:VEVENT
UID:w@x
DTSTAMP:20240102T030405Z
LAST-MODIFIED:20240102T030405Z
SEQUENCE:0
RECURRENCE-ID;RANGE=THISANDFUTURE;TZID=Europe/Berlin:20240701T090000
DTSTART:20240702T100000Z
DTEND:20240702T110000Z
STATUS:TENTATIVE
TRANSP:OPAQUE
CLASS:PUBLIC
SUMMARY:Moved
END:VEVENT
END:VCALENDAR
";
    assert_eq!(write(&[weekly()], &head), expected.replace('\n', "\r\n"));
}

#[test]
fn a_busy_file_shows_times_and_nothing_else() {
    let busy = |key: &'static [u8]| Head { visibility: Visibility::Busy { key }, ..DETAILS };
    let file = write(&[weekly()], &busy(b"salt"));
    for secret in ["Weekly", "Moved", "w@x", "boss", "one", "CATEGORIES", "PRIORITY", "X-MICROSOFT", "CLASS"] {
        assert!(!file.contains(secret), "{secret}");
    }
    assert_eq!(file.matches("SUMMARY:Busy\r\n").count(), 2);
    let uids = |file: &str| -> Vec<String> {
        let unfolded = file.replace("\r\n ", "");
        unfolded.lines().filter_map(|line| line.strip_prefix("UID:")).map(Into::into).collect()
    };
    let of_file = uids(&file);
    assert!(of_file.len() == 2 && of_file[0] == of_file[1] && of_file[0].len() == 64);
    assert_eq!(of_file, uids(&write(&[weekly()], &busy(b"salt"))));
    assert_ne!(of_file, uids(&write(&[weekly()], &busy(b"pepper"))));
}

#[test]
fn the_second_of_two_equal_wall_clock_times_is_written_in_utc() {
    // 2:30 in Berlin is there at 0:30 and at 1:30 UTC.
    for (start, expected) in [
        ("2024-10-27T00:30:00Z", "DTSTART;TZID=Europe/Berlin:20241027T023000\r\n"),
        ("2024-10-27T01:30:00Z", "DTSTART:20241027T013000Z\r\n"),
    ] {
        let timing = timing(start, "2024-10-27T05:00:00Z", Some("Europe/Berlin"));
        let event = Event { timing, details: titled("x") };
        let file = write(&[Item { external_id: "1".into(), body: Body::Single(Box::new(event)) }], &DETAILS);
        assert!(file.contains(expected), "{file}");
    }
}

#[test]
fn the_first_and_the_last_year_are_written() {
    let single = |id: &str, timing: Timing| {
        let event = Event { timing, details: titled(id) };
        Item { external_id: id.into(), body: Body::Single(Box::new(event)) }
    };
    let date = |start, end| Timing { all_day: true, ..timing(start, end, None) };
    let zone = Some("America/New_York");
    let mut series = weekly();
    if let Body::Series(series) = &mut series.body {
        series.template.timing.start = at("9998-12-30T08:00:00Z");
        series.template.timing.end = Some(at("9998-12-30T09:00:00Z"));
        series.rrules = vec!["FREQ=WEEKLY;COUNT=2".into()];
        series.rdates = vec![at("9999-12-31T08:00:00Z")];
        series.rdate_ends = vec![];
        series.exdates = vec![at("9999-01-06T08:00:00Z")];
        series.overrides = vec![];
    }
    let items = [
        single("first", timing("0001-01-01T00:00:00Z", "0001-01-01T01:00:00Z", zone)),
        single("second", timing("0002-01-01T00:00:00Z", "0002-01-01T01:00:00Z", zone)),
        single("last", timing("9999-12-31T22:00:00Z", "9999-12-31T23:00:00Z", zone)),
        single("beyond", timing("9999-12-31T22:00:00Z", "+10000-01-01T02:00:00Z", zone)),
        single("last day", date("9999-12-31T00:00:00Z", "+10000-01-01T00:00:00Z")),
        series,
    ];
    let file = write(&items, &DETAILS);
    assert!(file.contains("DTSTART:00010101T000000Z\r\n") && file.contains("DURATION:PT14400S\r\n"), "{file}");
    let times = |items: &[Item]| -> Vec<(DateTime<Utc>, Option<DateTime<Utc>>)> {
        let timing = |item: &Item| match &item.body {
            Body::Single(event) => event.timing.clone(),
            Body::Series(series) => series.template.timing.clone(),
            Body::Overrides(overrides) => overrides[0].event.timing.clone(),
        };
        items.iter().map(timing).map(|timing| (timing.start, timing.end)).collect()
    };
    let again = CHRONO.with(|zones| read(&file, zones));
    assert_eq!(times(&again), times(&items));
    let dates = |item: &Item| match &item.body {
        Body::Series(series) => (series.rdates.clone(), series.exdates.clone()),
        _ => (vec![], vec![]),
    };
    assert_eq!(dates(&again[5]), dates(&items[5]));
}

#[test]
fn a_date_of_a_series_that_cannot_be_written_does_not_take_the_series_along() {
    let mut item = weekly();
    if let Body::Series(series) = &mut item.body {
        series.rdates.push(at("+10000-01-03T08:00:00Z"));
        series.exdates.push(at("+12000-01-03T08:00:00Z"));
    }
    assert_eq!(write(&[item], &DETAILS), write(&[weekly()], &DETAILS));
}

#[test]
fn hostile_texts_stay_in_their_line() {
    let nasty = "x\r\nEND:VEVENT\r\nBEGIN:VEVENT\u{0}\u{7}";
    let details = Details {
        ical_uid: Some(nasty.into()),
        organizer: Some(nasty.into()),
        description: Some(nasty.into()),
        location: Some(nasty.into()),
        categories: vec![nasty.into()],
        teams: Some(TeamsMeeting { url: Some(nasty.into()), ..Default::default() }),
        ..titled(nasty)
    };
    let timing = timing("2024-01-01T00:00:00Z", "2024-01-01T01:00:00Z", Some(nasty));
    let event = Event { timing: timing.clone(), details: details.clone() };
    let series = Series {
        template: event.clone(),
        local_start: None,
        duration: None,
        rrules: vec![nasty.into()],
        exrules: vec![nasty.into()],
        rdates: vec![],
        rdate_ends: vec![],
        exdates: vec![],
        overrides: vec![],
    };
    let items = [
        Item { external_id: nasty.into(), body: Body::Single(Box::new(event)) },
        Item { external_id: nasty.into(), body: Body::Series(Box::new(series)) },
    ];
    let file = write(&items, &Head { name: Some(nasty), ..DETAILS });
    let begins = file.split("\r\n").filter(|line| line.starts_with("BEGIN:VEVENT")).count();
    assert_eq!((begins, file.contains('\0'), file.replace("\r\n", "").contains(['\r', '\n'])), (2, false, false));
}

/// What is read of an item that was written: everything but what a published file has no place for.
fn published(mut item: Item) -> Item {
    let id = item.external_id.clone();
    let strip = |event: &mut Event| {
        event.details.attendees.clear();
        event.details.participants.clear();
        event.details.ical_uid.get_or_insert_with(|| id.clone());
    };
    match &mut item.body {
        Body::Single(event) => strip(event),
        Body::Series(series) => {
            strip(&mut series.template);
            series.overrides.iter_mut().for_each(|one| strip(&mut one.event));
        }
        Body::Overrides(overrides) => overrides.iter_mut().for_each(|one| strip(&mut one.event)),
    }
    item
}

#[test]
fn every_golden_file_is_written_and_read_again_as_it_was() {
    let beside = || std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/golden");
    let folder = std::env::var_os("CALENDAR_SYNC_GOLDEN").map_or_else(beside, Into::into).join("ics");
    let Ok(files) = std::fs::read_dir(&folder) else {
        println!("NOT TESTED: no golden calendar files at {} (set CALENDAR_SYNC_GOLDEN)", folder.display());
        return;
    };
    let zones = ChronoZones::default();
    for path in files.map(|file| file.unwrap().path()).filter(|path| path.extension().is_some_and(|it| it == "ics")) {
        let calendar = ics::read(std::fs::read(&path).unwrap(), 100_000).unwrap();
        let items: Vec<Item> = ics::resolve(calendar, &zones, "UTC").unwrap().flatten().collect();
        let file = write(&items, &DETAILS);
        assert_eq!(file, write(&items, &DETAILS));
        let items: Vec<Item> = items.into_iter().map(published).collect();
        assert_eq!(read(&file, &zones), items, "{}", path.display());
    }
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z,;:\\\\\"^ \n]{1,12}", "\\PC{1,100}"].prop_map(|text: String| format!("x{text}x"))
}

fn details() -> impl Strategy<Value = Details> {
    let texts = (text(), proptest::option::of(text()), proptest::option::of(text()));
    let organizer =
        proptest::option::of(prop_oneof![text(), "[a-z]{3}@[a-z]{3}"].prop_map(|name| name.replace('\n', "")));
    let words = (
        proptest::sample::select(vec![EventStatus::Scheduled, EventStatus::Tentative, EventStatus::Cancelled]),
        proptest::sample::select(ShowAs::ALL),
        proptest::sample::select(Sensitivity::ALL),
        proptest::sample::select(Importance::ALL),
    );
    let categories = proptest::collection::vec(text(), 0..3);
    (texts, organizer, words, categories, 0..9, proptest::option::of(0i64..2_000_000_000)).prop_map(
        |((title, description, location), organizer, words, categories, sequence, updated)| Details {
            title,
            description,
            location,
            organizer,
            event_status: words.0,
            show_as: words.1,
            sensitivity: words.2,
            importance: words.3,
            categories,
            sequence,
            last_updated: updated.and_then(|updated| DateTime::from_timestamp(updated, 0)),
            ..Default::default()
        },
    )
}

const ZONES: [&str; 5] = ["Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Apia"];

fn timings() -> impl Strategy<Value = Timing> {
    // From 1950 to 2080.
    let minutes = -10_000_000i64..58_000_000;
    let zone = proptest::option::of(proptest::sample::select(&ZONES[..]));
    (minutes, proptest::option::of(1i64..100_000), any::<(bool, bool)>(), zone).prop_map(
        |(start, length, (all_day, floating), zone)| {
            let minute = if all_day { 1440 } else { 1 };
            let start = DateTime::from_timestamp(start / minute * minute * 60, 0).unwrap();
            let length = length.map(|length| TimeDelta::minutes((length + minute - 1) / minute * minute));
            let time_zone = zone.filter(|_| !all_day).map(Into::into);
            Timing {
                // An event whose zone's clock shows its start twice loses the zone; that is tested elsewhere.
                start: first_of_two(start, zone.filter(|_| !all_day)),
                end: length.or(all_day.then(|| TimeDelta::days(1))).map(|length| start + length),
                all_day,
                floating: floating && time_zone.is_some(),
                time_zone,
            }
        },
    )
}

fn first_of_two(instant: DateTime<Utc>, zone: Option<&str>) -> DateTime<Utc> {
    let Some(zone) = zone else { return instant };
    CHRONO.with(|zones| {
        let mut resolver = Resolver::new(zones.zone(zone).unwrap());
        let first = resolver.resolve(resolver.to_local(instant.timestamp())).instant;
        DateTime::from_timestamp(first, 0).unwrap()
    })
}

fn events() -> impl Strategy<Value = Event> {
    (timings(), details()).prop_map(|(timing, details)| Event { timing, details })
}

fn series() -> impl Strategy<Value = Series> {
    let rules = proptest::sample::subsequence(
        vec!["FREQ=DAILY;COUNT=10", "FREQ=WEEKLY;BYDAY=MO,FR", "FREQ=MONTHLY;INTERVAL=2;BYMONTHDAY=-1"],
        0..3,
    );
    let days = || proptest::collection::btree_set(1i64..400, 0..4);
    let overrides = proptest::collection::btree_map((1i64..400, any::<bool>()), events(), 0..3);
    (events(), rules, days(), days(), overrides, any::<bool>()).prop_map(
        |(template, rules, rdates, exdates, overrides, periods)| {
            let day = |day: i64| template.timing.start + TimeDelta::days(day);
            let rdates: Vec<_> = rdates.into_iter().map(day).collect();
            let ends = rdates.iter().filter(|_| periods && !template.timing.all_day);
            let exdates: Vec<_> = exdates.into_iter().map(|at| day(at) + TimeDelta::days(400)).collect();
            Series {
                rdate_ends: ends.map(|start| (*start, *start + TimeDelta::hours(3))).collect(),
                overrides: overrides
                    .into_iter()
                    .map(|((at, this_and_future), event)| Override {
                        recurrence_id: day(at),
                        this_and_future,
                        duration: None,
                        event,
                    })
                    .collect(),
                rrules: rules.into_iter().map(Into::into).chain(["FREQ=YEARLY".into()]).collect(),
                exrules: vec![],
                rdates,
                exdates,
                template,
                local_start: None,
                duration: None,
            }
        },
    )
}

fn items() -> impl Strategy<Value = Vec<Item>> {
    let body = prop_oneof![
        events().prop_map(|event| Body::Single(Box::new(event))),
        series().prop_map(|series| Body::Series(Box::new(series))),
    ];
    proptest::collection::vec(body, 1..4).prop_map(|bodies| {
        let ids = bodies.into_iter().enumerate();
        ids.map(|(id, body)| Item { external_id: format!("id, {id}; \\ \u{fc} @x"), body }).collect()
    })
}

proptest! {
    #![proptest_config(common::cases(200))]

    #[test]
    fn what_is_written_is_read_as_it_was(items in items()) {
        let file = write(&items, &DETAILS);
        prop_assert!(file.split("\r\n").all(|line| line.len() <= 75));
        let items: Vec<Item> = items.into_iter().map(published).collect();
        CHRONO.with(|zones| assert_eq!(read(&file, zones), items));
    }
}

#[test]
fn attendees_are_not_published() {
    let attendees = vec![Attendee { address: "a@b".into(), name: None, response: None }];
    let timing = Timing {
        start: at("2024-01-01T00:00:00Z"),
        end: Some(at("2024-01-02T00:00:00Z")),
        all_day: true,
        time_zone: None,
        floating: false,
    };
    assert_eq!(timing.start.time(), NaiveTime::MIN);
    let event = Event { timing, details: Details { attendees, ..titled("x") } };
    let file = write(&[Item { external_id: "1".into(), body: Body::Single(Box::new(event)) }], &DETAILS);
    assert!(!file.contains("ATTENDEE") && file.contains("DTSTART;VALUE=DATE:20240101\r\n"));
}
