//! Whole series: DTSTART, EXDATE, EXRULE, overrides, THISANDFUTURE, in windows.

use calendar_sync_core::event::{Details, Duration, Event, Override, Series, Timing};
use calendar_sync_core::recurrence::{Instance, Instances, RecurrenceError, Window, gives_its_start};
use calendar_sync_core::zones::ChronoZones;
use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};

fn at(text: &str) -> DateTime<Utc> {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap().and_utc()
}

fn event(start: &str, hours: i64, time_zone: Option<&str>) -> Event {
    let start = at(start);
    let timing = Timing {
        start,
        end: Some(start + TimeDelta::hours(hours)),
        all_day: false,
        time_zone: time_zone.map(str::to_owned),
        floating: false,
    };
    Event { timing, details: Details::default() }
}

fn series(start: &str, rule: &str) -> Series {
    Series {
        template: event(start, 1, None),
        local_start: None,
        duration: None,
        rrules: vec![rule.to_owned()],
        exrules: Vec::new(),
        rdates: Vec::new(),
        rdate_ends: Vec::new(),
        exdates: Vec::new(),
        overrides: Vec::new(),
    }
}

fn moved(id: &str, to: &str, hours: i64) -> Override {
    Override { recurrence_id: at(id), this_and_future: false, duration: None, event: event(to, hours, None) }
}

fn instances(series: &Series, from: &str, to: &str) -> Vec<Instance> {
    let zones = ChronoZones::default();
    let window = Window { from: at(from).timestamp(), to: at(to).timestamp() };
    Instances::new(series, &zones, window).unwrap().map(Result::unwrap).collect()
}

fn starts(series: &Series, from: &str, to: &str) -> Vec<String> {
    instances(series, from, to).iter().map(|i| i.start.format("%Y-%m-%d %H:%M").to_string()).collect()
}

#[test]
fn dtstart_is_the_first_instance_even_if_the_rule_does_not_give_it() {
    let mut series = series("2024-01-03 09:00", "FREQ=WEEKLY;BYDAY=MO;COUNT=2");
    assert_eq!(
        starts(&series, "2024-01-01 00:00", "2025-01-01 00:00"),
        ["2024-01-03 09:00", "2024-01-08 09:00", "2024-01-15 09:00"]
    );
    series.exdates = vec![at("2024-01-03 09:00"), at("2024-01-15 09:00")];
    assert_eq!(starts(&series, "2024-01-01 00:00", "2025-01-01 00:00"), ["2024-01-08 09:00"]);
}

#[test]
fn several_rules_are_joined_and_exrule_takes_away() {
    let mut series = series("2024-01-01 09:00", "FREQ=DAILY;COUNT=6");
    series.rrules.push("FREQ=DAILY;INTERVAL=3;COUNT=4".to_owned());
    series.exrules.push("FREQ=WEEKLY;BYDAY=TU,SA".to_owned());
    assert_eq!(
        starts(&series, "2024-01-01 00:00", "2025-01-01 00:00"),
        [
            "2024-01-01 09:00",
            "2024-01-03 09:00",
            "2024-01-04 09:00",
            "2024-01-05 09:00",
            "2024-01-07 09:00",
            "2024-01-10 09:00"
        ]
    );
}

#[test]
fn an_instance_that_began_before_the_window_and_lasts_into_it_is_there() {
    let series = series("2024-01-01 09:00", "FREQ=DAILY");
    assert_eq!(starts(&series, "2024-03-01 09:30", "2024-03-01 12:00"), ["2024-03-01 09:00"]);
    assert_eq!(starts(&series, "2024-03-01 10:00", "2024-03-01 12:00"), Vec::<String>::new());
}

#[test]
fn an_override_is_found_where_it_was_moved_to_and_no_longer_where_it_was() {
    let mut series = series("2024-01-01 09:00", "FREQ=DAILY");
    series.overrides.push(moved("2024-01-10 09:00", "2024-03-01 15:00", 2));
    let found = instances(&series, "2024-03-01 00:00", "2024-03-01 23:00");
    assert_eq!(found.len(), 2);
    assert_eq!(found[1].recurrence_id, at("2024-01-10 09:00"));
    assert_eq!((found[1].end, found[1].override_index), (Some(at("2024-03-01 17:00")), Some(0)));
    assert_eq!(starts(&series, "2024-01-10 00:00", "2024-01-10 23:00"), Vec::<String>::new());
}

#[test]
fn an_override_that_no_rule_gives_is_shown_unless_its_date_is_excluded() {
    let mut series = series("2024-01-01 09:00", "FREQ=DAILY;COUNT=2");
    series.overrides.push(moved("2024-05-05 09:00", "2024-05-05 10:00", 1));
    assert_eq!(starts(&series, "2024-05-01 00:00", "2024-06-01 00:00"), ["2024-05-05 10:00"]);
    series.exdates.push(at("2024-05-05 09:00"));
    assert_eq!(starts(&series, "2024-05-01 00:00", "2024-06-01 00:00"), Vec::<String>::new());
}

#[test]
fn this_and_future_moves_what_follows_on_the_wall_clock() {
    let mut series = series("2024-03-25 08:00", "FREQ=DAILY;COUNT=10");
    series.template.timing.time_zone = Some("Europe/Berlin".to_owned());
    // 9:00 in Berlin becomes 11:00 for three hours from the 28th on; clocks change on the 31st.
    let mut future = moved("2024-03-28 08:00", "2024-03-28 10:00", 3);
    future.this_and_future = true;
    series.overrides.push(future);
    series.overrides.push(moved("2024-03-30 08:00", "2024-03-30 20:00", 1));
    let found = instances(&series, "2024-03-27 00:00", "2024-04-02 00:00");
    let found: Vec<(String, i64, Option<usize>)> = found
        .iter()
        .map(|i| (i.start.format("%d %H:%M").to_string(), (i.end.unwrap() - i.start).num_hours(), i.override_index))
        .collect();
    let expected: [(&str, i64, Option<usize>); 6] = [
        ("27 08:00", 1, None),
        ("28 10:00", 3, Some(0)),
        ("29 10:00", 3, Some(0)),
        ("30 20:00", 1, Some(1)),
        ("31 09:00", 3, Some(0)),
        ("01 09:00", 3, Some(0)),
    ];
    assert_eq!(found, expected.map(|(start, hours, index)| (start.to_owned(), hours, index)));
}

#[test]
fn a_window_far_on_finds_what_this_and_future_moved_there() {
    let mut series = series("2024-01-01 09:00", "FREQ=MONTHLY");
    let mut future = moved("2024-02-01 09:00", "2024-02-11 09:00", 1);
    future.this_and_future = true;
    series.overrides.push(future);
    assert_eq!(starts(&series, "2030-05-02 00:00", "2030-06-02 00:00"), ["2030-05-11 09:00"]);
}

#[test]
fn an_all_day_series_stays_on_its_dates() {
    let mut series = series("2024-03-30 00:00", "FREQ=DAILY;UNTIL=20240402T120000Z");
    series.template.timing.all_day = true;
    series.template.timing.end = Some(at("2024-03-31 00:00"));
    series.rdates.push(at("2024-04-10 00:00"));
    assert_eq!(
        starts(&series, "2024-01-01 00:00", "2025-01-01 00:00"),
        ["2024-03-30 00:00", "2024-03-31 00:00", "2024-04-01 00:00", "2024-04-02 00:00", "2024-04-10 00:00"]
    );
}

#[test]
fn an_rdate_with_a_period_has_its_own_length() {
    let mut series = series("2024-01-01 09:00", "FREQ=DAILY;COUNT=1");
    series.rdate_ends.push((at("2024-02-01 09:00"), at("2024-02-03 09:00")));
    let found = instances(&series, "2024-02-02 00:00", "2024-02-02 01:00");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].end, Some(at("2024-02-03 09:00")));
}

#[test]
fn what_is_excluded_for_ever_is_given_up() {
    let mut series = series("2024-01-01 09:00", "FREQ=SECONDLY");
    series.exrules.push("FREQ=SECONDLY".to_owned());
    let zones = ChronoZones::default();
    let found: Vec<_> = Instances::new(&series, &zones, Window::ALL).unwrap().collect();
    assert_eq!(found, [Err(RecurrenceError::LimitExceeded)]);
}

#[test]
fn a_bad_rule_or_zone_is_an_error() {
    let zones = ChronoZones::default();
    let mut bad = series("2024-01-01 09:00", "FREQ=NEVER");
    assert!(matches!(Instances::new(&bad, &zones, Window::ALL).err(), Some(RecurrenceError::Rule(_))));
    bad = series("2024-01-01 09:00", "FREQ=DAILY");
    bad.template.timing.time_zone = Some("Mars/Olympus".to_owned());
    let unknown = RecurrenceError::UnknownZone("Mars/Olympus".to_owned());
    assert_eq!(Instances::new(&bad, &zones, Window::ALL).err(), Some(unknown));
}

#[test]
fn a_first_instance_over_a_clock_change_leaves_the_others_their_length_on_the_clock() {
    let ends = |hours: i64, start: &str, rule: &str| -> Vec<String> {
        let mut series = series(start, rule);
        series.template = event(start, hours, Some("America/New_York"));
        let found = instances(&series, "2026-01-01 00:00", "2027-01-01 00:00");
        let written = |i: &Instance| format!("{}-{}", i.start.format("%d %H:%M"), i.end.unwrap().format("%H:%M"));
        found.iter().map(written).collect()
    };
    // 1:30 to 2:30, back an hour at 2:00 on November 1.
    assert_eq!(
        ends(2, "2026-11-01 05:30", "FREQ=DAILY;UNTIL=20261103T063000Z"),
        ["01 05:30-07:30", "02 06:30-07:30", "03 06:30-07:30"]
    );
    // 1:30 to 4:30, on an hour at 2:00 on March 8.
    assert_eq!(ends(2, "2026-03-08 06:30", "FREQ=DAILY;COUNT=2"), ["08 06:30-08:30", "09 05:30-08:30"]);
    // 1:30 to 1:30: the clock shows no length.
    assert_eq!(ends(1, "2026-11-01 05:30", "FREQ=DAILY;COUNT=2"), ["01 05:30-06:30", "02 06:30-07:30"]);
}

#[test]
fn an_exrule_that_gives_far_more_than_the_rule_is_sought_not_walked() {
    let mut series = series("2000-03-05 09:00", "FREQ=YEARLY");
    series.exrules = vec!["FREQ=SECONDLY;BYDAY=SU,MO".to_owned()];
    let years = ["2002-03-05 09:00", "2003-03-05 09:00", "2004-03-05 09:00", "2005-03-05 09:00", "2008-03-05 09:00"];
    assert_eq!(starts(&series, "2000-01-01 00:00", "2009-01-01 00:00"), years);
    assert_eq!(starts(&series, "9000-01-01 00:00", "9002-01-01 00:00"), ["9000-03-05 09:00", "9001-03-05 09:00"]);
    series.exrules = vec!["FREQ=SECONDLY".to_owned()];
    assert!(starts(&series, "2000-01-01 00:00", "9999-01-01 00:00").is_empty());
}

#[test]
fn a_series_in_many_thousand_parts_is_still_expanded_part_after_part() {
    let count = 28_000;
    let mut series = series("2024-01-01 09:00", "FREQ=DAILY");
    let start = at("2024-01-01 09:00");
    series.rdates = (0..count).map(|n| start + TimeDelta::minutes(n)).collect();
    series.overrides = (0..count)
        .map(|n| {
            let recurrence_id = start + TimeDelta::minutes(n);
            let mut event = event("2024-01-01 09:00", 1, None);
            event.timing.start = recurrence_id + TimeDelta::seconds(1);
            event.timing.end = Some(recurrence_id + TimeDelta::hours(1));
            Override { recurrence_id, this_and_future: true, duration: None, event }
        })
        .collect();
    let found = instances(&series, "2024-01-01 00:00", "2024-01-21 00:00");
    assert_eq!(found.len(), count as usize);
    assert!(found.iter().all(|one| one.start == one.recurrence_id + TimeDelta::seconds(1)));
    series.rrules = (1..=9).map(|interval| format!("FREQ=DAILY;INTERVAL={interval}")).collect();
    let zones = ChronoZones::default();
    let expanded = Instances::new(&series, &zones, Window::ALL).map(Iterator::count);
    assert_eq!(expanded, Err(RecurrenceError::LimitExceeded));
}

#[test]
fn one_period_of_centuries_is_no_reason_to_walk_through_them() {
    let mut series = series("0701-01-01 00:00", "FREQ=SECONDLY;INTERVAL=7200");
    series.rrules.push("FREQ=SECONDLY;COUNT=1000000000".to_owned());
    series.rdate_ends = vec![(at("0702-01-01 00:00"), at("9701-01-01 00:00"))];
    series.rdates = vec![at("0702-01-01 00:00")];
    let days = ["0702-01-01 00:00", "9000-01-01 00:00", "9000-01-01 02:00", "9000-01-01 04:00"];
    assert_eq!(starts(&series, "9000-01-01 00:00", "9000-01-01 05:00"), days);
    series.duration = Some(Duration { days: 1, seconds: 0 });
    assert_eq!(starts(&series, "9000-01-01 00:00", "9000-01-01 01:00").len(), 1 + 12);
}

#[test]
fn a_series_starts_by_its_rule_or_does_not() {
    let cases = [
        ("FREQ=WEEKLY", true),
        ("FREQ=WEEKLY;BYDAY=WE", true),
        ("FREQ=WEEKLY;BYDAY=MO,WE;INTERVAL=2", true),
        ("FREQ=WEEKLY;BYDAY=MO", false),
        ("FREQ=MONTHLY;BYMONTHDAY=3;UNTIL=20240103T080000Z", true),
        ("FREQ=MONTHLY;BYMONTHDAY=3;UNTIL=20240103T075959Z", false),
        ("FREQ=DAILY;BYHOUR=9", true),
        ("FREQ=DAILY;BYHOUR=8", false),
    ];
    let zones = ChronoZones::default();
    for (rule, expected) in cases {
        let mut series = series("2024-01-03 08:00", rule);
        series.template.timing.time_zone = Some("Europe/Berlin".into());
        assert_eq!(gives_its_start(&series, &zones), Ok(expected), "{rule}");
        series.rrules.push("FREQ=WEEKLY;BYDAY=WE".into());
        assert_eq!(gives_its_start(&series, &zones), Ok(true), "{rule} and another");
    }
    let mut dates = series("2024-01-03 00:00", "FREQ=WEEKLY;BYDAY=WE;UNTIL=20240103");
    dates.template.timing.all_day = true;
    assert_eq!(gives_its_start(&dates, &zones), Ok(true));
}
