//! The golden cases of whole series: RRULE with RDATE and EXDATE.

mod common;

use calendar_sync_core::event::{Details, Event, Series, Timing};
use calendar_sync_core::recurrence::{Instances, Window};
use calendar_sync_core::zones::ChronoZones;
use chrono::{DateTime, Utc};
use common::{all_seconds, difference, own, report, seconds};

fn utc(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

#[test]
fn rules_with_dates_added_and_taken_away() {
    let zones = ChronoZones::default();
    let rows = own("rrule_sets.jsonl");
    let mut wrong = Vec::new();
    for row in &rows {
        let timing = Timing {
            start: utc(seconds(row["dtstart"].as_str().unwrap())),
            end: None,
            all_day: false,
            time_zone: None,
            floating: row["tz"] == "floating",
        };
        let dates = |field: &str| all_seconds(row, field).into_iter().map(utc).collect();
        let series = Series {
            template: Event { timing, details: Details::default() },
            local_start: None,
            duration: None,
            rrules: vec![row["rule"].as_str().unwrap().to_owned()],
            exrules: Vec::new(),
            rdates: dates("rdate"),
            rdate_ends: Vec::new(),
            exdates: dates("exdate"),
            overrides: Vec::new(),
        };
        let window = Window { from: i64::MIN, to: row["up_to"].as_str().map_or(i64::MAX, seconds) };
        let found: Vec<i64> = Instances::new(&series, &zones, window)
            .unwrap()
            .map(|instance| instance.unwrap().start.timestamp())
            .collect();
        wrong.extend(difference(row, &all_seconds(row, "expected_local"), &found));
    }
    report("rrule_sets", rows.len(), &wrong);
}
