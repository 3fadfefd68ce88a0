//! What real and wrong calendar files are read as.

use calendar_sync_core::event::{Body, Event, EventStatus, Importance, Item, Sensitivity, Series, ShowAs};
use calendar_sync_core::ics::{self, BadEvent, ReadError};
use calendar_sync_core::recurrence::{Instances, Window};
use calendar_sync_core::zones::ChronoZones;
use chrono::{DateTime, TimeDelta, Utc};

const LIMIT: usize = 200_000;

fn items(file: &str) -> Vec<Result<Item, BadEvent>> {
    let zones = ChronoZones::default();
    ics::resolve(ics::read(file.as_bytes(), LIMIT).unwrap(), &zones, "Europe/Vienna").unwrap().collect()
}

fn calendar(body: &str) -> String {
    format!("BEGIN:VCALENDAR\r\n{body}\r\nEND:VCALENDAR\r\n")
}

fn event(lines: &str) -> String {
    calendar(&format!("BEGIN:VEVENT\r\n{lines}\r\nEND:VEVENT"))
}

fn single(lines: &str) -> Event {
    let mut items = items(&event(lines));
    assert_eq!(items.len(), 1);
    match items.remove(0).unwrap().body {
        Body::Single(event) => *event,
        other => panic!("not a single event: {other:?}"),
    }
}

fn series(file: &str) -> Series {
    let mut items = items(file);
    assert_eq!(items.len(), 1, "{items:?}");
    match items.remove(0).unwrap().body {
        Body::Series(series) => *series,
        other => panic!("not a series: {other:?}"),
    }
}

fn bad(lines: &str) -> BadEvent {
    let mut items = items(&event(lines));
    assert_eq!(items.len(), 1);
    items.remove(0).unwrap_err()
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn times(lines: &str) -> (String, Option<String>) {
    let timing = single(lines).timing;
    let show = |instant: DateTime<Utc>| instant.format(if timing.all_day { "%F" } else { "%FT%H:%M:%SZ" }).to_string();
    (show(timing.start), timing.end.map(show))
}

#[test]
fn an_event_is_read_with_all_that_it_says() {
    let event = single(
        "UID:a@b\r\nDTSTAMP:20240101T000000Z\r\nLAST-MODIFIED:20240102T030405Z\r\nDTSTART;TZID=Europe/Berlin:20240701T0900\
         00\r\nDTEND;TZID=Europe/Berlin:20240701T103000\r\nSUMMARY;LANGUAGE=de:Fr\u{fc}hst\u{fc}ck\\, lang\r\nDESCRIPTION:one\\n\
         two\r\nLOCATION:Room 1\\; left\r\nSTATUS:TENTATIVE\r\nCLASS:CONFIDENTIAL\r\nPRIORITY:1\r\nSEQUENCE:3\r\n\
         CATEGORIES:a,b\\,c\r\nCATEGORIES:d\r\nORGANIZER;CN=Boss:mailto:boss@example.com\r\nATTENDEE;CN=\"Doe, Jane\";PART\
         STAT=ACCEPTED:MAILTO:jane@example.com\r\nATTENDEE;CN=Room:invalid:nomail\r\nX-MICROSOFT-CDO-BUSYSTATUS:OOF\r\n\
         BEGIN:VALARM\r\nDESCRIPTION:alarm\r\nBEGIN:X-DEEP\r\nEND:X-DEEP\r\nSUMMARY:no\r\nEND:VALARM\r\nX-A:b",
    );
    assert_eq!(event.timing.start, at("2024-07-01T07:00:00Z"));
    assert_eq!(event.timing.end, Some(at("2024-07-01T08:30:00Z")));
    assert_eq!(event.timing.time_zone.as_deref(), Some("Europe/Berlin"));
    assert!(!event.timing.floating && !event.timing.all_day);
    let details = event.details;
    assert_eq!(details.title, "Fr\u{fc}hst\u{fc}ck, lang");
    assert_eq!(details.description.as_deref(), Some("one\ntwo"));
    assert_eq!(details.location.as_deref(), Some("Room 1; left"));
    assert_eq!(details.event_status, EventStatus::Tentative);
    assert_eq!(details.sensitivity, Sensitivity::Confidential);
    assert_eq!(details.importance, Importance::High);
    assert_eq!(details.show_as, ShowAs::OutOfOffice);
    assert_eq!(details.sequence, 3);
    assert_eq!(details.categories, ["a", "b,c", "d"]);
    assert_eq!(details.organizer.as_deref(), Some("boss@example.com"));
    assert_eq!(details.attendees[0].address, "jane@example.com");
    assert_eq!(details.attendees[0].name.as_deref(), Some("Doe, Jane"));
    assert_eq!(details.attendees[0].response.as_deref(), Some("accepted"));
    assert_eq!((details.attendees[1].address.as_str(), &details.attendees[1].name), ("Room", &None));
    assert_eq!(details.ical_uid.as_deref(), Some("a@b"));
    assert_eq!(details.last_updated, Some(at("2024-01-02T03:04:05Z")));
}

#[test]
fn ends_are_found_however_they_are_given() {
    let start = "DTSTART:20240131T100000Z";
    for (lines, end) in [
        ("", None),
        ("DTEND:", None),
        ("DTEND:20240131T100000Z", None),
        ("DTEND:20240131T113000Z", Some("2024-01-31T11:30:00Z")),
        ("DTEND;TZID=America/New_York:20240131T063000", Some("2024-01-31T11:30:00Z")),
        ("DURATION:PT1H30M", Some("2024-01-31T11:30:00Z")),
        ("DURATION:P1D", Some("2024-02-01T10:00:00Z")),
        ("DTEND;VALUE=DATE:20240201", Some("2024-02-01T00:00:00Z")),
        ("DTEND;VALUE=DATE:20240131", None),
    ] {
        assert_eq!(
            times(&format!("{start}\r\n{lines}")),
            ("2024-01-31T10:00:00Z".into(), end.map(Into::into)),
            "{lines}"
        );
    }
    let start = "DTSTART;VALUE=DATE:20240131";
    for (lines, end) in [
        ("", "2024-02-01"),
        ("DTEND;VALUE=DATE:20240131", "2024-02-01"),
        ("DTEND:20240202", "2024-02-02"),
        ("DTEND:20240131T120000Z", "2024-02-01"),
        ("DTEND:20240202T000000Z", "2024-02-02"),
        ("DURATION:P2D", "2024-02-02"),
        ("DURATION:PT1H", "2024-02-01"),
    ] {
        assert_eq!(times(&format!("{start}\r\n{lines}")), ("2024-01-31".into(), Some(end.into())), "{lines}");
    }
}

#[test]
fn a_day_over_a_clock_change_is_a_day_on_the_clock() {
    let lines = "DTSTART;TZID=Europe/Berlin:20240330T120000\r\nDURATION:P1D";
    assert_eq!(times(lines), ("2024-03-30T11:00:00Z".into(), Some("2024-03-31T10:00:00Z".into())));
    let lines = "DTSTART;TZID=Europe/Berlin:20240330T120000\r\nDURATION:PT24H";
    assert_eq!(times(lines).1.as_deref(), Some("2024-03-31T11:00:00Z"));
}

#[test]
fn an_end_before_the_start_is_swapped_with_it() {
    let lines = "DTSTART:20240131T100000Z\r\nDTEND:20240131T090000Z";
    assert_eq!(times(lines), ("2024-01-31T09:00:00Z".into(), Some("2024-01-31T10:00:00Z".into())));
    let lines = "DTSTART;VALUE=DATE:20240131\r\nDTEND;VALUE=DATE:20240129";
    assert_eq!(times(lines), ("2024-01-29".into(), Some("2024-01-31".into())));
    assert_eq!(times("DTSTART:20240131T100000Z\r\nDURATION:-PT1H").0, "2024-01-31T09:00:00Z");
}

#[test]
fn a_date_and_a_time_are_told_apart_by_their_looks() {
    for date in ["DTSTART:20240131", "DTSTART;VALUE=DATE-TIME:20240131", "DTSTART;VALUE=DATE:20240131T000000Z"] {
        assert!(single(date).timing.all_day, "{date}");
    }
    assert!(!single("DTSTART;VALUE=DATE:20240131T100000Z").timing.all_day);
}

#[test]
fn floating_times_are_in_the_calendar_s_zone() {
    let event = single("DTSTART:20240131T100000");
    assert_eq!((event.timing.start, event.timing.floating), (at("2024-01-31T09:00:00Z"), true));
    assert_eq!(event.timing.time_zone.as_deref(), Some("Europe/Vienna"));
    // Also where X-WR-TIMEZONE comes after the event.
    let file = calendar("BEGIN:VEVENT\r\nDTSTART:20240131T100000\r\nEND:VEVENT\r\nX-WR-TIMEZONE:America/New_York");
    let Body::Single(event) = items(&file).remove(0).unwrap().body else { panic!() };
    assert_eq!(event.timing.start, at("2024-01-31T15:00:00Z"));
    assert_eq!(event.timing.time_zone.as_deref(), Some("America/New_York"));
}

#[test]
fn what_cannot_be_read_costs_one_event() {
    let file = calendar(
        "BEGIN:VEVENT\r\nUID:1\r\nDTSTART:20240101\r\nEND:VEVENT\r\n\
         BEGIN:VEVENT\r\nDTSTART:2024\r\nUID:2\r\nEND:VEVENT\r\n\
         BEGIN:VEVENT\r\nUID:3\r\nDTSTART:20240101\r\nRRULE:FREQ=OFTEN\r\nEND:VEVENT\r\n\
         BEGIN:VEVENT\r\nUID:4\r\nDTSTART:20240101T100000\r\nEXDATE:x\r\nEND:VEVENT\r\n\
         BEGIN:VEVENT\r\nUID:5\r\nSUMMARY:when?\r\nEND:VEVENT\r\n\
         BEGIN:VEVENT\r\nUID:6\r\nDTSTART:20240101\r\n\
         BEGIN:VEVENT\r\nUID:7\r\nDTSTART:20240101\r\nthis is no line\r\n:nor this\r\nEND:VEVENT",
    );
    let items = items(&file);
    let mut good: Vec<_> = items.iter().flatten().map(|item| item.external_id.as_str()).collect();
    good.sort_unstable();
    assert_eq!(good, ["1", "7"]);
    let mut bad: Vec<_> = items
        .iter()
        .filter_map(|item| item.as_ref().err())
        .map(|bad| (bad.uid.as_deref().unwrap(), bad.line))
        .collect();
    bad.sort_unstable();
    assert_eq!(bad, [("2", 7), ("3", 13), ("4", 18), ("5", 20), ("6", 24)]);
}

#[test]
fn a_file_is_a_calendar_and_complete_or_is_said_not_to_be() {
    fn read(text: &str) -> Result<ics::Calendar<'_>, ReadError> {
        ics::read(text.as_bytes(), LIMIT)
    }
    for text in ["", "<html><body>Sign in</body></html>", "BEGIN:VEVENT\nDTSTART:20240101\nEND:VEVENT"] {
        assert_eq!(read(text).unwrap_err(), ReadError::NotACalendar);
    }
    let whole = event("UID:1\r\nDTSTART:20240101");
    assert!(read(&whole).unwrap().complete);
    assert!(read(&format!("junk\r\n{whole}{whole}trailing junk")).unwrap().complete);
    for cut in 16..whole.len() - 2 {
        assert!(!read(&whole[..cut]).unwrap().complete, "{cut}");
    }
    assert_eq!(read(&whole.repeat(3)).unwrap().len(), 3);
    assert_eq!(ics::read(whole.repeat(3).as_bytes(), 2).unwrap_err(), ReadError::TooManyEvents(2));
}

#[test]
fn what_the_calendar_says_of_itself_is_read() {
    let text = calendar(
        "X-WR-CALNAME:Old\r\nNAME:N\\, ew\r\nX-PUBLISHED-TTL:PT1H\r\nREFRESH-INTERVAL;VALUE=DURATION:PT2H\r\nX-WR-CALNAME:O\r\n\
         METHOD:publish\r\nX-WR-TIMEZONE:Europe/Rome",
    );
    let calendar = ics::read(text.as_bytes(), LIMIT).unwrap();
    assert_eq!(calendar.name.as_deref(), Some("N, ew"));
    assert_eq!(calendar.refresh, Some(TimeDelta::hours(2)));
    assert_eq!(calendar.method.as_deref(), Some("PUBLISH"));
    assert_eq!(calendar.time_zone.as_deref(), Some("Europe/Rome"));
    assert!(calendar.is_empty());
}

#[test]
fn a_series_is_joined_with_its_overrides_in_any_order() {
    let overridden = "BEGIN:VEVENT\r\nUID:1\r\nRECURRENCE-ID;TZID=Europe/Berlin:20240708T090000\r\nDTSTART;TZID=Europe/Berlin:\
                      20240709T100000\r\nSUMMARY:moved\r\nEND:VEVENT";
    let older = overridden.replace("SUMMARY:moved", "SUMMARY:older\r\nSEQUENCE:-1");
    let cancelled = "BEGIN:VEVENT\r\nUID:1\r\nRECURRENCE-ID:20240715T070000Z\r\nSTATUS:CANCELLED\r\nEND:VEVENT";
    let excluded = "BEGIN:VEVENT\r\nUID:1\r\nRECURRENCE-ID:20240722T070000Z\r\nDTSTART:20240722T080000Z\r\nEND:VEVENT";
    let master = "BEGIN:VEVENT\r\nUID:1\r\nDTSTART;TZID=Europe/Berlin:20240701T090000\r\nDTEND;TZID=Europe/Berlin:20240701T1000\
                  00\r\nRRULE:FREQ=WEEKLY;COUNT=10\r\nRRULE:FREQ=WEEKLY;COUNT=10\r\nEXDATE;TZID=Europe/Berlin:20240805T090000,\
                  20240722T090000\r\nEXDATE;VALUE=DATE:20240729\r\nRDATE;VALUE=PERIOD:20240702T070000Z/PT2H,20240703T0700\
                  00Z/20240703T080000Z\r\nRDATE:20240704T090000\r\nSUMMARY:weekly\r\nEND:VEVENT";
    let series_of = |parts: &[&str]| series(&calendar(&parts.join("\r\n")));
    let series = series_of(&[overridden, &older, excluded, master, cancelled]);
    assert_eq!(series, series_of(&[cancelled, master, excluded, &older, overridden]));
    assert_eq!(series.rrules, ["FREQ=WEEKLY;COUNT=10"]);
    assert_eq!(series.template.timing.start, at("2024-07-01T07:00:00Z"));
    let dates = ["2024-07-22T07:00:00Z", "2024-07-29T07:00:00Z", "2024-08-05T07:00:00Z"];
    assert_eq!(series.exdates, dates.map(at));
    let dates = ["2024-07-02T07:00:00Z", "2024-07-03T07:00:00Z", "2024-07-04T07:00:00Z"];
    assert_eq!(series.rdates, dates.map(at));
    let ends = [("2024-07-02T07:00:00Z", "2024-07-02T09:00:00Z"), ("2024-07-03T07:00:00Z", "2024-07-03T08:00:00Z")];
    assert_eq!(series.rdate_ends, ends.map(|(start, end)| (at(start), at(end))));
    let overrides: Vec<_> = series
        .overrides
        .iter()
        .map(|one| (one.recurrence_id, one.event.timing.start, one.event.details.event_status))
        .collect();
    assert_eq!(
        overrides,
        [
            (at("2024-07-08T07:00:00Z"), at("2024-07-09T08:00:00Z"), EventStatus::Scheduled),
            (at("2024-07-15T07:00:00Z"), at("2024-07-15T07:00:00Z"), EventStatus::Cancelled),
        ]
    );
    assert_eq!(series.overrides[0].event.details.title, "moved");
}

#[test]
fn a_rule_that_is_given_twice_counts_once_however_it_is_written() {
    let rules = "RRULE:FREQ=DAILY;UNTIL=20240105T000000Z\r\nRRULE:until=20240105t000000z;freq=daily;interval=1\r\n";
    let series = series(&calendar(&event(&format!("DTSTART:20240101T100000Z\r\n{rules}"))));
    assert_eq!(series.rrules, ["FREQ=DAILY;UNTIL=20240105T000000Z"]);
}

#[test]
fn recurrence_ids_of_an_all_day_series_are_dates() {
    let mut file =
        "X-WR-TIMEZONE:Europe/Berlin\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTART;VALUE=DATE:20240701\r\nRRULE:FREQ=DAILY\r\n\
                    EXDATE:20240709T000000Z\r\nEND:VEVENT\r\n"
            .to_owned();
    for id in [";VALUE=DATE:20240702", ":20240703", ":20240704T000000Z", ":20240704T220000Z", ":20240706T100000"] {
        file += &format!("BEGIN:VEVENT\r\nUID:1\r\nRECURRENCE-ID{id}\r\nDTSTART:20240801\r\nEND:VEVENT\r\n");
    }
    let series = series(&calendar(&file));
    let dates: Vec<_> = series.overrides.iter().map(|one| one.recurrence_id.format("%d").to_string()).collect();
    assert_eq!(dates, ["02", "03", "04", "05", "06"]);
    assert_eq!(series.exdates, [at("2024-07-09T00:00:00Z")]);
}

#[test]
fn overrides_without_their_series_stay_together() {
    let file = calendar(
        "METHOD:CANCEL\r\nBEGIN:VEVENT\r\nUID:1\r\nRECURRENCE-ID;RANGE=THISANDFUTURE:20240102T100000Z\r\nEND:VEVENT\r\n\
         BEGIN:VEVENT\r\nUID:1\r\nRECURRENCE-ID:20240101T100000Z\r\nDTSTART:20240101T110000Z\r\nEND:VEVENT",
    );
    let Body::Overrides(overrides) = items(&file).remove(0).unwrap().body else { panic!() };
    let ids: Vec<_> = overrides.iter().map(|one| (one.recurrence_id, one.this_and_future)).collect();
    assert_eq!(ids, [(at("2024-01-01T10:00:00Z"), false), (at("2024-01-02T10:00:00Z"), true)]);
    assert!(overrides.iter().all(|one| one.event.details.event_status == EventStatus::Cancelled));
    // Those of a series that could not be read would replace what is known of it.
    let file = calendar(
        "BEGIN:VEVENT\r\nUID:1\r\nRECURRENCE-ID:20240102T100000Z\r\nDTSTART:20240102T100000Z\r\nEND:VEVENT\r\n\
         BEGIN:VEVENT\r\nUID:1\r\nDTSTART:soon\r\nRRULE:FREQ=DAILY\r\nEND:VEVENT",
    );
    let items = items(&file);
    assert!(items.len() == 1 && items[0].is_err(), "{items:?}");
}

#[test]
fn of_several_versions_the_latest_counts() {
    let version =
        |start: &str, more: &str| format!("BEGIN:VEVENT\r\nUID:1\r\nDTSTART:{start}\r\n{more}\r\nEND:VEVENT\r\n");
    let one = |versions: &[String]| {
        let items = items(&calendar(&versions.concat()));
        items.into_iter().map(|item| item.unwrap().external_id).collect::<Vec<_>>()
    };
    let title = |versions: &[String]| {
        let mut items = items(&calendar(&versions.concat()));
        assert_eq!(items.len(), 1);
        match items.remove(0).unwrap().body {
            Body::Single(event) => event.details.title,
            _ => panic!(),
        }
    };
    let (a, b) = (version("20240101", "SUMMARY:a\r\nSEQUENCE:2"), version("20240102", "SUMMARY:b\r\nSEQUENCE:1"));
    assert_eq!(title(&[a.clone(), b.clone()]), "a");
    assert_eq!(title(&[b, a]), "a");
    let (a, b) = (version("20240101", "SUMMARY:a"), version("20240101", "SUMMARY:b"));
    assert_eq!(title(&[a, b]), "b");
    // One UID for all is a fault of the program that wrote the file; its events are still events.
    assert_eq!(one(&[version("20240101", ""), version("20240102T100000Z", "")]), ["1", "1#20240102T100000Z"]);
    // What would get the same id is the same event.
    let (berlin, tokyo) = ["Europe/Berlin", "Asia/Tokyo"]
        .map(|zone| format!("BEGIN:VEVENT\r\nUID:1\r\nDTSTART;TZID={zone}:20240102T100000\r\nEND:VEVENT\r\n"))
        .into();
    let all = [version("20240101", ""), berlin, version("20240102T100000", ""), tokyo];
    assert_eq!(one(&all), ["1", "1#20240102T100000"]);
}

#[test]
fn events_without_a_uid_get_a_stable_one() {
    let event = |title: &str| format!("BEGIN:VEVENT\r\nDTSTART:20240101\r\nUID:\r\nSUMMARY:{title}\r\nEND:VEVENT\r\n");
    let read = |file: &str| items(file).into_iter().map(|item| item.unwrap()).collect::<Vec<_>>();
    let both = read(&calendar(&(event("a") + &event("b") + &event("a"))));
    assert_eq!(both.len(), 2);
    assert_ne!(both[0].external_id, both[1].external_id);
    assert_eq!(both[1], read(&calendar(&event("b")))[0]);
}

const CUSTOM: &str = "BEGIN:VTIMEZONE\r\nTZID:Customized Time Zone\r\nBEGIN:STANDARD\r\nDTSTART:16010101T030000\r\nTZOFFSETFROM:+FR\
                      OM\r\nTZOFFSETTO:+TO\r\nRRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10\r\nEND:STANDARD\r\nBEGIN:DAYLIGHT\r\nDTSTART:\
                      16010101T020000\r\nTZOFFSETFROM:+TO\r\nTZOFFSETTO:+FROM\r\nRRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3\r\nEND:DAY\
                      LIGHT\r\nEND:VTIMEZONE\r\n";

fn custom(from: &str, to: &str) -> String {
    CUSTOM
        .replace("FROM:+FROM", "FROM:+a")
        .replace("+FROM", "+a")
        .replace("+TO", "+b")
        .replace("+a", from)
        .replace("+b", to)
}

fn zone_of(tzid: &str, definition: &str) -> Option<String> {
    let file = calendar(&format!(
        "{definition}BEGIN:VEVENT\r\nUID:1\r\nDTSTAMP:20240301T000000Z\r\nDTSTART;TZID={tzid}:20240701T090000\r\nRRULE:FREQ=DAILY;\
         COUNT=2\r\nEND:VEVENT"
    ));
    series(&file).template.timing.time_zone
}

#[test]
fn zones_are_found_by_their_many_names() {
    for (tzid, zone) in [
        ("Europe/Berlin", Some("Europe/Berlin")),
        ("\"/freeassociation.sourceforge.net/Tzfile/Europe/Berlin\"", Some("Europe/Berlin")),
        ("europe/berlin", Some("Europe/Berlin")),
        ("W. Europe Standard Time", Some("Europe/Berlin")),
        ("(UTC-05:00) Eastern Time (US & Canada)", Some("America/New_York")),
        ("\"tzone://Microsoft/Utc\"", None),
        ("UTC", None),
        ("GMT+0200", Some("Etc/GMT-2")),
        ("Nowhere/At All", Some("Europe/Vienna")),
    ] {
        assert_eq!(zone_of(tzid, "").as_deref(), zone, "{tzid}");
    }
}

#[test]
fn a_zone_that_the_file_defines_is_found_by_its_rules() {
    // The default zone has these rules, and no name speaks for another.
    assert_eq!(zone_of("Customized Time Zone", &custom("+0200", "+0100")).as_deref(), Some("Europe/Vienna"));
    // A name that agrees goes before the default; one that does not agree is not believed.
    let named = |name: &str, from, to| custom(from, to).replace("Customized Time Zone", name);
    let berlin = named("W. Europe Standard Time", "+0200", "+0100");
    assert_eq!(zone_of("W. Europe Standard Time", &berlin).as_deref(), Some("Europe/Berlin"));
    let athens =
        named("W. Europe Standard Time", "+0300", "+0200").replace("T030000", "T040000").replace("T020000", "T030000");
    let zone = zone_of("W. Europe Standard Time", &athens).unwrap();
    assert_ne!(zone, "Europe/Berlin");
    // EST is IANA's for five hours west all the year; who defines a summer time under that name means something else.
    let eastern = "BEGIN:VTIMEZONE\r\nTZID:EST\r\nBEGIN:STANDARD\r\nDTSTART:20071104T020000\r\nTZOFFSETFROM:-0400\r\nTZOFFSETTO:-050\
                   0\r\nRRULE:FREQ=YEARLY;BYMONTH=11;BYDAY=1SU\r\nEND:STANDARD\r\nBEGIN:DAYLIGHT\r\nDTSTART:20070311T020000\r\nTZOFF\
                   SETFROM:-0500\r\nTZOFFSETTO:-0400\r\nRRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=2SU\r\nEND:DAYLIGHT\r\nEND:VTIMEZONE\r\n";
    assert_eq!(zone_of("EST", eastern).as_deref(), Some("America/New_York"));
}

#[test]
fn a_zone_that_only_the_file_knows_still_gives_the_right_instants() {
    // Half an hour in summer, at the European dates.
    let file = calendar(&format!(
        "{}BEGIN:VEVENT\r\nUID:1\r\nDTSTAMP:20240301T000000Z\r\nDTSTART;TZID=Customized Time Zone:20240330T120000\r\nEND:VEVENT\r\n\
         BEGIN:VEVENT\r\nUID:2\r\nDTSTART;TZID=Customized Time Zone:20240330T120000\r\nRRULE:FREQ=DAILY;COUNT=4\r\n\
         EXRULE:FREQ=DAILY;INTERVAL=3\r\nEXDATE;TZID=Customized Time Zone:20240401T120000\r\nEND:VEVENT",
        custom("+0130", "+0100")
    ));
    let items: Vec<_> = items(&file).into_iter().map(|item| item.unwrap().body).collect();
    let Body::Single(event) = &items[0] else { panic!() };
    assert_eq!((event.timing.start, &event.timing.time_zone), (at("2024-03-30T11:00:00Z"), &None));
    let Body::Series(series) = &items[1] else { panic!() };
    assert!(series.rrules.is_empty() && series.exrules.is_empty());
    assert_eq!(series.rdates, ["2024-03-31T10:30:00Z", "2024-04-01T10:30:00Z"].map(at));
    assert_eq!(series.exdates, [at("2024-04-01T10:30:00Z")]);
}

#[test]
fn each_calendar_of_a_file_has_its_own_zones() {
    let part = |from, to| {
        format!(
            "BEGIN:VCALENDAR\r\n{}BEGIN:VEVENT\r\nUID:{to}\r\nDTSTART;TZID=Customized Time Zone:20240101T120000\r\nEND:VEVENT\r\n\
             END:VCALENDAR\r\n",
            custom(from, to)
        )
    };
    let items = items(&(part("+0130", "+0100") + &part("+0230", "+0200")));
    let starts: Vec<_> = items
        .into_iter()
        .map(|item| match item.unwrap().body {
            Body::Single(event) => event.timing.start,
            _ => panic!(),
        })
        .collect();
    assert_eq!(starts, [at("2024-01-01T11:00:00Z"), at("2024-01-01T10:00:00Z")]);
}

#[test]
fn a_time_in_a_zone_that_nobody_knows_is_floating() {
    let timing = single("DTSTART;TZID=Nowhere:20240131T100000").timing;
    assert_eq!((timing.start, timing.floating), (at("2024-01-31T09:00:00Z"), true));
}

#[test]
fn a_series_that_ends_before_it_starts_has_its_first_instance() {
    for until in ["20240130", "20240131T095959Z"] {
        let series = series(&event(&format!("DTSTART:20240131T100000Z\r\nRRULE:FREQ=DAILY;UNTIL={until}")));
        assert!(series.exdates.is_empty());
        let zones = ChronoZones::default();
        let found: Vec<_> =
            Instances::new(&series, &zones, Window::ALL).unwrap().map(|one| one.unwrap().start).collect();
        assert_eq!(found, [at("2024-01-31T10:00:00Z")]);
    }
    let endless = series(&event("DTSTART:20240131T100000Z\r\nRRULE:FREQ=DAILY;COUNT=-1;INTERVAL=2"));
    assert_eq!((endless.rrules, endless.exdates), (vec!["FREQ=DAILY;INTERVAL=2".to_owned()], vec![]));
}

#[test]
fn an_override_of_an_earlier_version_goes_with_its_occurrence() {
    let part = |more: &str| format!("BEGIN:VEVENT\r\nUID:1\r\nDTSTART:20240729T100000Z\r\n{more}END:VEVENT\r\n");
    let id = "RECURRENCE-ID:20240729T100000Z\r\n";
    let master = part("RRULE:FREQ=WEEKLY;UNTIL=20240720\r\nSEQUENCE:2\r\n").replace("20240729T", "20240701T");
    for (lines, left) in [("RRULE:FREQ=DAILY\r\nSEQUENCE:1\r\n", 0), ("RRULE:FREQ=DAILY\r\nSEQUENCE:2\r\n", 1), ("", 1)]
    {
        let series = series(&calendar(&(part(&format!("{id}{lines}")) + &master)));
        assert_eq!(series.overrides.len(), left, "{lines}");
    }
}

#[test]
fn a_fault_is_told_with_its_line() {
    let bad = bad("UID:x\r\nDTSTART:20240101T000000Z\r\nEXDATE:never");
    assert_eq!(bad.to_string(), "line 5: EXDATE cannot be read: never");
}

#[test]
fn a_cancelled_occurrence_that_is_only_named_is_the_one_that_was_to_be() {
    let file = calendar(
        "BEGIN:VEVENT\r\nUID:1\r\nRECURRENCE-ID:20240702T100000Z\r\nSTATUS:CANCELLED\r\nSEQUENCE:3\r\nEND:VEVENT\r\n\
         BEGIN:VEVENT\r\nUID:1\r\nDTSTART:20240701T100000Z\r\nDURATION:PT1H\r\nRRULE:FREQ=DAILY\r\nSUMMARY:daily\r\nEND:VEVENT",
    );
    let one = &series(&file).overrides[0].event;
    assert_eq!((one.details.title.as_str(), one.details.event_status), ("daily", EventStatus::Cancelled));
    assert_eq!((one.timing.end, one.details.sequence), (Some(at("2024-07-02T11:00:00Z")), 3));
}
