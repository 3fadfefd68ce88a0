//! The golden cases: every rule that other engines were asked about gives what they agree on.

mod common;

use calendar_sync_core::recurrence::{Dates, Occurrences, Rule, Window};
use calendar_sync_core::zones::{ChronoZones, Resolver, Utc, Zone, Zones};
use common::{all_seconds, difference, own, report, rows, seconds, shared};
use serde_json::Value;

struct Case<'a> {
    rule: Rule,
    start: i64,
    zone: Box<dyn Zone + 'a>,
}

impl<'a> Case<'a> {
    fn new(row: &Value, zones: &'a ChronoZones) -> Self {
        let zone: Box<dyn Zone + 'a> = match row["tz"].as_str().unwrap() {
            "floating" => Box::new(Utc),
            name => zones.zone(name).unwrap(),
        };
        let start = Resolver::new(&zone).resolve(seconds(row["dtstart"].as_str().unwrap())).instant;
        Self { rule: Rule::parse(row["rule"].as_str().unwrap()).unwrap_or_else(|e| panic!("{row}: {e}")), start, zone }
    }

    fn take(&self, window: Window, count: usize) -> Vec<i64> {
        Occurrences::new(&self.rule, self.start, &self.zone, window).unwrap().take(count).map(Result::unwrap).collect()
    }
}

/// The instants that a row of rrule_golden expects; for floating time the local ones.
fn instants(row: &Value) -> Vec<i64> {
    all_seconds(row, if row["tz"] == "floating" { "expected_local" } else { "expected_utc" })
}

#[test]
fn random_rules_in_all_zones() {
    let zones = ChronoZones::default();
    let rows = own("rrule_golden.jsonl");
    let mut wrong = Vec::new();
    for row in &rows {
        let expected = instants(row);
        let extra = usize::from(row["complete"].as_bool().unwrap());
        let found = Case::new(row, &zones).take(Window::ALL, expected.len() + extra);
        wrong.extend(difference(row, &expected, &found));
    }
    report("rrule_golden", rows.len(), &wrong);
}

#[test]
fn a_window_gives_what_lies_in_it_and_no_more() {
    let zones = ChronoZones::default();
    let rows = own("rrule_golden.jsonl");
    let mut wrong = Vec::new();
    for row in &rows {
        let expected = instants(row);
        let case = Case::new(row, &zones);
        for (first, last) in [(0, 0), (1, 3), (7, 11), (20, 40), (39, 39)] {
            let Some(&from) = expected.get(first) else { continue };
            let to = expected[last.min(expected.len() - 1)];
            let inside: Vec<i64> = expected.iter().copied().filter(|at| (from..=to).contains(at)).collect();
            wrong.extend(difference(row, &inside, &case.take(Window { from, to }, 100)));
            let open = Window { from: from - 1, to: to + 1 };
            let inside: Vec<i64> = expected.iter().copied().filter(|at| (open.from..=open.to).contains(at)).collect();
            if to < expected[expected.len() - 1] || row["complete"].as_bool().unwrap() {
                wrong.extend(difference(row, &inside, &case.take(open, 100)));
            }
        }
    }
    report("rrule_golden in windows", rows.len(), &wrong);
}

#[test]
fn clock_changes() {
    let zones = ChronoZones::default();
    let rows = own("rrule_dst.jsonl");
    let mut wrong = Vec::new();
    for row in &rows {
        let mut expected = all_seconds(row, "expected_utc_shift");
        if row["shift_has_duplicates"].as_bool().unwrap() {
            // What a gap shifts on to later ones counts once, in its place in time.
            expected.sort_unstable();
            expected.dedup();
        }
        let found = Case::new(row, &zones).take(Window::ALL, expected.len());
        assert!(found.is_sorted_by(|a, b| a < b), "{row}");
        wrong.extend(difference(row, &expected, &found));
    }
    report("rrule_dst", rows.len(), &wrong);
}

#[test]
fn dates() {
    const DAY: i64 = 86_400;
    let rows = own("rrule_dates.jsonl");
    let mut wrong = Vec::new();
    for row in &rows {
        let expected = all_seconds(row, "expected");
        let rule = Rule::parse(row["rule"].as_str().unwrap()).unwrap();
        let start = seconds(row["dtstart"].as_str().unwrap()) / DAY;
        let extra = usize::from(row["complete"].as_bool().unwrap());
        let dates = Dates::new(&rule, start, Window::ALL).unwrap().take(expected.len() + extra);
        let found: Vec<i64> = dates.map(|day| day.unwrap() * DAY).collect();
        wrong.extend(difference(row, &expected, &found));
    }
    report("rrule_dates", rows.len(), &wrong);
}

#[test]
fn regression_cases_of_libical() {
    let Some(path) = shared("rrule_libical.jsonl") else { return };
    let zones = ChronoZones::default();
    let rows = rows(path);
    let mut wrong = Vec::new();
    for row in &rows {
        let expected = all_seconds(row, "expected_local");
        let found = Case::new(row, &zones).take(Window::ALL, expected.len());
        wrong.extend(difference(row, &expected, &found));
    }
    report("rrule_libical", rows.len(), &wrong);
}
