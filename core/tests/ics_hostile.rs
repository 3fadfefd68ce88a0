//! Files that were made to harm: each ends with an answer, and what is good in it is read.

mod common;

use calendar_sync_core::event::{Body, Item};
use calendar_sync_core::ics::{self, BadEvent, Head, Visibility, Writer};
use calendar_sync_core::zones::ChronoZones;
use proptest::prelude::*;

thread_local!(static ZONES: ChronoZones = ChronoZones::default());

fn results(file: &[u8]) -> Vec<Result<Item, BadEvent>> {
    let calendar = ics::read(file, 300_000).unwrap();
    ZONES.with(|zones| ics::resolve(calendar, zones, "Europe/Berlin").unwrap().collect())
}

fn items(file: &[u8]) -> Vec<Item> {
    results(file).into_iter().map(|item| item.unwrap()).collect()
}

/// The one good event that each file here has, after `before` and with `lines`.
fn with_event(before: &str, lines: &str) -> Vec<u8> {
    let event = "BEGIN:VEVENT\r\nUID:good\r\nDTSTART:20240101T100000Z\r\n";
    format!("BEGIN:VCALENDAR\r\n{before}{event}{lines}END:VEVENT\r\nEND:VCALENDAR\r\n").into_bytes()
}

fn good(file: &[u8]) -> Item {
    let mut items = items(file);
    assert_eq!(items.len(), 1);
    items.remove(0)
}

#[test]
fn deep_nesting_is_counted_not_followed() {
    for name in ["VALARM", "X-A", "VTIMEZONE", "VTODO"] {
        let nested = format!("BEGIN:{name}\r\n").repeat(200_000);
        assert_eq!(good(&with_event("", &nested)).external_id, "good");
        let closed = nested.clone() + &format!("END:{name}\r\n").repeat(200_000);
        assert_eq!(good(&with_event("", &closed)).external_id, "good");
        // Around the event instead of in it: what is skipped ends where an event begins.
        assert_eq!(good(&with_event(&nested, "")).external_id, "good");
    }
    for name in ["VEVENT", "VCALENDAR"] {
        let nested = format!("BEGIN:{name}\r\n").repeat(200_000);
        let results = results(&with_event(&nested, ""));
        assert_eq!(results.iter().flatten().count(), 1);
    }
    let ends = "END:VALARM\r\nEND:VEVENT\r\nEND:VTIMEZONE\r\n".repeat(100_000);
    assert_eq!(good(&with_event(&ends, "")).external_id, "good");
}

#[test]
fn a_line_of_64_megabytes_harms_nothing_and_loses_nothing() {
    let huge = "x".repeat(64 << 20);
    assert_eq!(good(&with_event(&format!("X-A:{huge}\r\n"), "")).external_id, "good");
    assert_eq!(good(&with_event("", &format!("ATTACH;X={huge}\r\n"))).external_id, "good");
    assert_eq!(good(&with_event("", &format!("{huge}\r\n"))).external_id, "good");
    for (line, length) in [
        (format!("DESCRIPTION:{huge}\r\n"), 64 << 20),
        (format!("DESCRIPTION:{}\r\n", "x\r\n ".repeat(5 << 20)), 5 << 20),
    ] {
        let Body::Single(event) = good(&with_event("", &line)).body else { panic!() };
        assert_eq!(event.details.description.unwrap().len(), length);
    }
}

#[test]
fn ten_million_properties_are_passed_over() {
    assert_eq!(good(&with_event("", &"A:1\n".repeat(10_000_000))).external_id, "good");
    assert_eq!(good(&with_event("", &"SUMMARY:1\n".repeat(1_000_000))).external_id, "good");
}

#[test]
fn a_hundred_thousand_exdates_are_read_and_no_more() {
    let dates: Vec<String> =
        (0..100_000).map(|n| format!("{:04}{:02}{:02}T100000Z", 2000 + n / 336, n / 28 % 12 + 1, n % 28 + 1)).collect();
    for line in [format!("EXDATE:{}\r\n", dates.join(",")), format!("EXDATE:{}\r\n", dates.join("\r\nEXDATE:"))] {
        let results = results(&with_event("", &format!("{line}RRULE:FREQ=DAILY\r\n")));
        match results[0].as_ref() {
            Ok(Item { body: Body::Series(series), .. }) => assert_eq!(series.exdates.len(), 100_000),
            other => panic!("{other:?}"),
        }
    }
    let line = format!("EXDATE:{}\r\n", dates.join("\r\nEXDATE:"));
    let results = results(&with_event("", &line.repeat(2)));
    assert!(results[0].as_ref().unwrap_err().reason.starts_with("more than 100000"));
}

#[test]
fn lists_have_an_end() {
    for (line, count) in [("ATTENDEE:mailto:a@b\n", 20_000), ("CATEGORIES:a,b\n", 20_000)] {
        assert!(results(&with_event("", &line.repeat(count)))[0].is_err());
    }
    let rules: String = (1..200).map(|n| format!("RRULE:FREQ=DAILY;INTERVAL={n}\n")).collect();
    assert!(results(&with_event("", &rules))[0].is_err());
}

#[test]
fn thousands_of_parameters_are_no_trouble() {
    let params: String = (0..50_000).map(|n| format!(";X{n}=\"{n};:\"")).collect();
    let item = good(&with_event("", &format!("DTEND{params};TZID=Europe/Berlin:20240101T120000\r\n")));
    let Body::Single(event) = item.body else { panic!() };
    assert_eq!(event.timing.end.unwrap().to_rfc3339(), "2024-01-01T11:00:00+00:00");
}

#[test]
fn what_a_database_refuses_is_cleaned() {
    let file = b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:a\0b\xFFc\nDTSTART:2024\x000101\nDTSTART:20240101\nSUMMARY:\0\xC3(\xF0\x9F\n\
                 CATEGORIES:\0\nORGANIZER:\xFF\0\nEND:VEVENT\nEND:VCALENDAR\n";
    let results = results(file);
    assert!(results[0].as_ref().is_err_and(|bad| bad.uid.as_deref() == Some("ab\u{ff}c") && bad.line == 4));
    let text = String::from_utf8_lossy(file).replace("DTSTART:2024\x000101\n", "");
    let shown = format!("{:?}", good(text.as_bytes()));
    assert!(!shown.contains("\\0"), "{shown}");
}

#[test]
fn a_uid_of_six_kilobytes_is_kept_whole() {
    let uid = "u".repeat(6_000);
    let file = String::from_utf8(with_event("", "")).unwrap().replace("UID:good", &format!("UID:{uid}"));
    assert_eq!(good(file.as_bytes()).external_id, uid);
}

#[test]
fn ten_thousand_zones_are_looked_up_once_each_and_bad_ones_are_given_up() {
    let mut file = String::from("BEGIN:VCALENDAR\n");
    for n in 0..3_000 {
        // A rule that never matches, in a zone of its own.
        file += &format!(
            "BEGIN:VTIMEZONE\nTZID:z{n}\nBEGIN:STANDARD\nDTSTART:19700101T000000\nTZOFFSETFROM:+0100\nTZOFFSETTO:+0200\n\
             RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30\nEND:STANDARD\nEND:VTIMEZONE\n\
             BEGIN:VEVENT\nUID:{n}\nDTSTART;TZID=z{n}:20240101T100000\nRRULE:FREQ=DAILY\nEND:VEVENT\n"
        );
    }
    let results = results((file + "END:VCALENDAR\n").as_bytes());
    assert_eq!(results.len(), 3_000);
}

#[test]
fn hundreds_of_thousands_of_zones_are_not_compared_with_each_other() {
    let zones: String = (0..200_000)
        .map(|n| {
            format!("BEGIN:VTIMEZONE\nTZID:{n}\nBEGIN:STANDARD\nDTSTART:19700101\nTZOFFSETTO:+0100\nEND:STANDARD\nEND:VTIMEZONE\n")
        })
        .collect();
    let times: String = (0..200_000).map(|n| format!("DTEND;TZID=Area/{n}:20240101T120000\n")).collect();
    assert_eq!(good(&with_event(&zones, &times)).external_id, "good");
}

#[test]
fn days_are_left_out_of_a_series_that_goes_on_for_millennia() {
    let start = "DTSTART;TZID=Europe/Berlin:00030101T000000\r\nDTEND;TZID=Europe/Berlin:90010101T000000\r\n";
    let lines = format!("{start}RRULE:FREQ=SECONDLY;INTERVAL=7\r\nEXDATE;VALUE=DATE:80010101,80010102\r\n");
    let text = String::from_utf8(with_event("", &lines)).unwrap().replace("DTSTART:20240101T100000Z\r\n", "");
    let Body::Series(series) = good(text.as_bytes()).body else { panic!() };
    assert!(series.exdates.len() >= 2 * 86_400 / 7, "{}", series.exdates.len());
}

#[test]
fn the_name_of_a_zone_may_be_any_text() {
    // A character that is more than a byte long wherever the name is looked into.
    for at in 0.."Europe/Berlin".len() {
        let mut name = "Europe/Berlin".to_owned();
        name.replace_range(at..=at, "\u{fc}\u{20ac}");
        let file = with_event(&format!("X-WR-TIMEZONE:{name}\r\n"), &format!("DTEND;TZID={name}:20240101T120000\r\n"));
        assert_eq!(good(&file).external_id, "good", "{name}");
    }
}

#[test]
fn a_duration_whose_parts_add_up_to_more_than_time_has_is_refused() {
    for part in ["999999999W", "999999999999W", "T999999999999H", "99999999999999999999D"] {
        for times in [1, 20, 100_000] {
            let duration = format!("DURATION:P{}\r\n", part.repeat(times));
            assert!(results(&with_event("", &duration))[0].is_err(), "{part} {times} times");
            let refresh = format!("REFRESH-INTERVAL:P{}\r\n", part.repeat(times));
            assert_eq!(good(&with_event(&refresh, "")).external_id, "good");
        }
    }
    let hours = format!("DURATION:PT{}\r\n", "999999999999H".repeat(100_000));
    assert!(results(&with_event("", &hours))[0].is_err());
}

#[test]
fn every_cut_of_a_file_is_read_without_harm() {
    let file = String::from_utf8(with_event(
        "BEGIN:VTIMEZONE\r\nTZID:a\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\nTZOFFSETTO:+0100\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n",
        "RRULE:FREQ=DAILY;COUNT=3\r\nEXDATE;TZID=a:20240102T110000\r\nDURATION:PT1H\r\nSUMMARY:\u{fc}\u{fc}\\n\\,\r\n",
    ))
    .unwrap()
    .into_bytes();
    for cut in 17..file.len() {
        let calendar = ics::read(&file[..cut], 10).unwrap();
        assert_eq!(calendar.complete, cut >= file.len() - 2);
        ZONES.with(|zones| ics::resolve(calendar, zones, "UTC").unwrap().count());
    }
}

/// Words of calendar files in any order: closer to what breaks a reader than random bytes.
fn lines() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        proptest::sample::select(vec![
            "BEGIN:VCALENDAR",
            "END:VCALENDAR",
            "BEGIN:VEVENT",
            "END:VEVENT",
            "BEGIN:VTIMEZONE",
            "END:VTIMEZONE",
            "BEGIN:STANDARD",
            "END:STANDARD",
            "BEGIN:VALARM",
            "END:VALARM",
            "UID:1",
            "UID:2",
            "DTSTART",
            "DTEND",
            "RDATE",
            "EXDATE",
            "RECURRENCE-ID",
            "DURATION",
            "RRULE",
            "TZID:x",
            ";TZID=x",
            ";VALUE=DATE",
            ";VALUE=PERIOD",
            ":",
            "20240101",
            "20240101T100000",
            "20240301T000000Z",
            "/",
            "P1D",
            "-PT1H",
            "PT99999999S",
            "P999999999W",
            ",",
            "\\",
            "\"",
            "\r",
            "\n",
            "\r\n",
            "\r\n ",
            "FREQ=DAILY",
            ";COUNT=3",
            ";UNTIL=20240301",
            ";UNTIL=99991231T235959Z",
            "TZOFFSETFROM:+0100",
            "TZOFFSETTO:-2359",
            "00010101T000000",
            "99991231T235959",
            "99991231",
            "SEQUENCE:7",
            ";RANGE=THISANDFUTURE",
            "STATUS:CANCELLED",
            "METHOD:CANCEL",
            "X-WR-TIMEZONE:Asia/Tokyo",
            "SUMMARY:a\\",
            "^n",
        ])
        .prop_map(|word| word.as_bytes().to_vec()),
        proptest::collection::vec(any::<u8>(), 0..4),
    ];
    proptest::collection::vec(prop_oneof![3 => word, 1 => Just(b"\r\n".to_vec())], 0..120)
        .prop_map(|words| words.concat())
}

fn survives(file: &[u8]) {
    let Ok(calendar) = ics::read(file, 1_000) else { return };
    ZONES.with(|zones| {
        let items: Vec<_> = ics::resolve(calendar, zones, "America/New_York").unwrap().flatten().collect();
        for visibility in [Visibility::Details, Visibility::Busy { key: b"" }] {
            let mut writer = Writer::new(&Head { name: None, refresh: None, visibility }, zones);
            items.iter().for_each(|item| writer.item(item));
            let file = writer.finish();
            assert!(ics::read(file.as_bytes(), 1_000).unwrap().complete);
        }
    });
}

proptest! {
    #![proptest_config(common::cases(500))]

    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        survives(&[b"BEGIN:VCALENDAR\nBEGIN:VEVENT\n", &*bytes].concat());
    }

    #[test]
    fn any_lines_are_survived(lines in lines()) {
        survives(&[b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDTSTART:20240101T100000\r\n", &*lines].concat());
    }
}
