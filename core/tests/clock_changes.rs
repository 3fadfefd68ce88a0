//! Series that meet clock changes, as their calendar files mean them: read, expanded, written and read again.

use calendar_sync_core::event::{Body, Item};
use calendar_sync_core::ics::{self, Head, Visibility, Writer};
use calendar_sync_core::recurrence::{Instances, Window};
use calendar_sync_core::zones::ChronoZones;
use chrono::{DateTime, Utc};

fn read(file: &str) -> Vec<Item> {
    let zones = ChronoZones::default();
    let calendar = ics::read(file.as_bytes(), 100).unwrap();
    ics::resolve(calendar, &zones, "UTC").unwrap().map(Result::unwrap).collect()
}

fn written(items: &[Item]) -> String {
    let zones = ChronoZones::default();
    let head = Head { name: None, refresh: None, visibility: Visibility::Details };
    let mut writer = Writer::new(&head, &zones);
    items.iter().for_each(|item| writer.item(item));
    writer.finish()
}

/// Start and end of every occurrence, in UTC. What is written again is read as the same.
fn occurrences(lines: &str) -> Vec<String> {
    let lines = lines.replace('\n', "\r\n");
    let items =
        read(&format!("BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:1\r\n{lines}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"));
    let again = written(&items);
    assert_eq!(read(&again), items, "{again}");
    let zones = ChronoZones::default();
    let show = |start: DateTime<Utc>, end: Option<DateTime<Utc>>| match end {
        Some(end) => format!("{} - {}", start.format("%d %H:%M"), end.format("%d %H:%M")),
        None => start.format("%d %H:%M").to_string(),
    };
    match &items[0].body {
        Body::Single(event) => vec![show(event.timing.start, event.timing.end)],
        Body::Series(series) => {
            let instances = Instances::new(series, &zones, Window::ALL).unwrap().map(Result::unwrap);
            instances.map(|instance| show(instance.start, instance.end)).collect()
        }
        Body::Overrides(_) => panic!("{items:?}"),
    }
}

/// Berlin goes on from 2:00 to 3:00 on 2024-03-31 (1:00 UTC), and back from 3:00 to 2:00 on 2024-10-27 (1:00 UTC).
const NIGHT: &str = "DTSTART;TZID=Europe/Berlin:20240329T220000\nRRULE:FREQ=DAILY;COUNT=3\n";

#[test]
fn by_dtend_every_instance_takes_as_much_time() {
    let found = occurrences(&format!("{NIGHT}DTEND;TZID=Europe/Berlin:20240330T060000"));
    assert_eq!(found, ["29 21:00 - 30 05:00", "30 21:00 - 31 05:00", "31 20:00 - 01 04:00"]);
}

#[test]
fn a_duration_of_days_is_counted_on_the_clock() {
    let found = occurrences(&format!("{NIGHT}DURATION:P1D"));
    assert_eq!(found, ["29 21:00 - 30 21:00", "30 21:00 - 31 20:00", "31 20:00 - 01 20:00"]);
    let found = occurrences(&format!("{NIGHT}DURATION:P1DT2H"));
    assert_eq!(found, ["29 21:00 - 30 23:00", "30 21:00 - 31 22:00", "31 20:00 - 01 22:00"]);
}

#[test]
fn a_duration_of_hours_is_time_that_passes() {
    let found = occurrences(&format!("{NIGHT}DURATION:PT24H"));
    assert_eq!(found, ["29 21:00 - 30 21:00", "30 21:00 - 31 21:00", "31 20:00 - 01 20:00"]);
    // Also where the first instance spans the change.
    let found = occurrences(&format!("{}DURATION:PT24H", NIGHT.replace("0329", "0330")));
    assert_eq!(found, ["30 21:00 - 31 21:00", "31 20:00 - 01 20:00", "01 20:00 - 02 20:00"]);
}

#[test]
fn days_are_as_long_as_they_are() {
    let found = occurrences("DTSTART;VALUE=DATE:20240330\nDURATION:P2D\nRRULE:FREQ=DAILY;INTERVAL=2;COUNT=2");
    assert_eq!(found, ["30 00:00 - 01 00:00", "01 00:00 - 03 00:00"]);
}

#[test]
fn a_start_that_the_clock_leaves_out_is_only_later_on_that_day() {
    let found = occurrences(
        "DTSTART;TZID=Europe/Berlin:20240331T023000\nDTEND;TZID=Europe/Berlin:20240331T033000\nRRULE:FREQ=DAILY;COUNT=3",
    );
    assert_eq!(found, ["31 01:30 - 31 02:30", "01 00:30 - 01 01:30", "02 00:30 - 02 01:30"]);
    let found = occurrences("DTSTART;TZID=Europe/Berlin:20240331T023000\nRRULE:FREQ=YEARLY;COUNT=2\nDURATION:PT1H");
    assert_eq!(found, ["31 01:30 - 31 02:30", "31 00:30 - 31 01:30"]);
    // Nor does a start that has overtaken its end change places with it.
    let found = occurrences("DTSTART;TZID=Europe/Berlin:20240331T023000\nDTEND;TZID=Europe/Berlin:20240331T030000");
    assert_eq!(found, ["31 01:30 - 31 02:00"]);
}

#[test]
fn an_end_that_the_clock_leaves_out_is_no_reason_for_longer_instances() {
    let found = occurrences(
        "DTSTART;TZID=Europe/Berlin:20240331T010000\nDTEND;TZID=Europe/Berlin:20240331T023000\nRRULE:FREQ=DAILY;COUNT=2",
    );
    assert_eq!(found, ["31 00:00 - 31 01:30", "31 23:00 - 01 00:30"]);
}

#[test]
fn every_property_takes_the_same_instant_for_a_time_that_exists_twice_or_not_at_all() {
    let daily = |start: &str, more: &str| {
        occurrences(&format!("DTSTART;TZID=Europe/Berlin:{start}T023000\nRRULE:FREQ=DAILY;COUNT=3\n{more}"))
    };
    for (start, at) in [("20240329", "20240331T023000"), ("20241025", "20241027T023000")] {
        assert_eq!(daily(start, &format!("EXDATE;TZID=Europe/Berlin:{at}")).len(), 2, "{at}");
        assert_eq!(daily(start, &format!("RDATE;TZID=Europe/Berlin:{at}")).len(), 3, "{at}");
        let rule = format!("DTSTART;TZID=Europe/Berlin:{start}T023000\nRRULE:FREQ=DAILY;UNTIL={at}");
        assert_eq!(occurrences(&rule).len(), 3, "{at}");
    }
    assert_eq!(daily("20240329", ""), ["29 01:30", "30 01:30", "31 01:30"]);
    assert_eq!(daily("20241025", ""), ["25 00:30", "26 00:30", "27 00:30"]);
}

#[test]
fn an_exdate_that_is_a_date_leaves_nothing_of_that_day() {
    let twice = "DTSTART;TZID=America/New_York:20240101T090000\nRRULE:FREQ=DAILY;BYHOUR=9,22;COUNT=6\n";
    let found = occurrences(&format!("{twice}EXDATE;VALUE=DATE:20240102"));
    // 22:00 in New York is the next day in UTC.
    assert_eq!(found, ["01 14:00", "02 03:00", "03 14:00", "04 03:00"]);
    let with_another = occurrences(&format!("{twice}RDATE:20240102T200000Z\nEXDATE;VALUE=DATE:20240102,20240103"));
    assert_eq!(with_another, ["01 14:00", "02 03:00"]);
}

#[test]
fn dates_that_are_excluded_by_the_thousand_end_soon() {
    let days: Vec<String> = (1..9999).map(|year| format!("{year:04}0101")).collect();
    let lines = format!("DTSTART:20240101T000000Z\nRRULE:FREQ=SECONDLY;COUNT=10\nEXDATE;VALUE=DATE:{}", days.join(","));
    assert!(occurrences(&lines).is_empty());
}

#[test]
fn an_exdate_in_another_form_names_the_same_occurrence() {
    let daily = "DTSTART;TZID=America/New_York:20240309T210000\nRRULE:FREQ=DAILY;COUNT=3\n";
    for exdate in
        [":20240311T010000Z", ":20240310T210000", ";TZID=Europe/Berlin:20240311T020000", ";VALUE=DATE:20240310"]
    {
        assert_eq!(occurrences(&format!("{daily}EXDATE{exdate}")), ["10 02:00", "12 01:00"], "{exdate}");
    }
}

#[test]
fn a_duration_that_changes_for_the_future_is_counted_as_one_of_the_series() {
    let found = occurrences(
        "DTSTART;TZID=Europe/Berlin:20240329T220000\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=3\nEND:VEVENT\nBEGIN:VEVENT\nUID:1\n\
         RECURRENCE-ID;RANGE=THISANDFUTURE;TZID=Europe/Berlin:20240329T220000\nDTSTART;TZID=Europe/Berlin:20240329T220000\n\
         DURATION:P1D",
    );
    assert_eq!(found, ["29 21:00 - 30 21:00", "30 21:00 - 31 20:00", "31 20:00 - 01 20:00"]);
}
