//! Real calendar files, against what python-recurring-ical-events reads in them (see its README in the golden data).

use std::path::PathBuf;

use calendar_sync_core::event::{Body, Item, Timing};
use calendar_sync_core::ics;
use calendar_sync_core::recurrence::{Instances, Window};
use calendar_sync_core::zones::{ChronoZones, Zone, Zones};
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use serde::Deserialize;

#[derive(Deserialize)]
struct Expected {
    file: String,
    vevents: usize,
    #[serde(default)]
    from: NaiveDate,
    #[serde(default)]
    to: NaiveDate,
    #[serde(default)]
    starts: Vec<String>,
    error: Option<String>,
}

/// The golden files with what is expected of each; none, said on stdout, where they are not.
fn golden() -> Vec<(Expected, Vec<u8>)> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/golden");
    let folder = std::env::var_os("CALENDAR_SYNC_GOLDEN").map_or_else(beside, PathBuf::from).join("ics");
    let Ok(lines) = std::fs::read_to_string(folder.join("expected.jsonl")) else {
        println!("NOT TESTED: no golden calendar files at {} (set CALENDAR_SYNC_GOLDEN)", folder.display());
        return vec![];
    };
    let expected = lines.lines().map(|line| serde_json::from_str::<Expected>(line).unwrap());
    expected
        .map(|expected| (std::fs::read(folder.join(&expected.file)).unwrap(), expected))
        .map(|(a, b)| (b, a))
        .collect()
}

/// Starts of what takes place between two midnights of each event's own zone, as the golden files write them.
fn starts(items: &[Item], zones: &ChronoZones, from: i64, to: i64) -> Vec<String> {
    let mut starts = vec![];
    let mut add = |start: DateTime<Utc>, end: Option<DateTime<Utc>>, timing: &Timing| {
        let zone = timing.time_zone.as_deref().map(|zone| zones.zone(zone).unwrap());
        let local = |at: DateTime<Utc>| {
            at.timestamp() + zone.as_ref().map_or(0, |zone| i64::from(zone.span(at.timestamp()).offset))
        };
        if local(start) < to && (local(start) >= from || end.is_some_and(|end| local(end) > from)) {
            starts.push(start.format(if timing.all_day { "%Y%m%d" } else { "%Y%m%dT%H%M%SZ" }).to_string());
        }
    };
    let window = Window { from: from - 86_400, to: to + 86_400 };
    for item in items {
        match &item.body {
            Body::Single(event) => add(event.timing.start, event.timing.end, &event.timing),
            Body::Overrides(overrides) => {
                let timings = overrides.iter().map(|one| &one.event.timing);
                timings.for_each(|timing| add(timing.start, timing.end, timing));
            }
            Body::Series(series) => {
                for instance in Instances::new(series, zones, window).unwrap() {
                    let instance = instance.unwrap();
                    let event = instance.override_index.map_or(&series.template, |at| &series.overrides[at].event);
                    add(instance.start, instance.end, &event.timing);
                }
            }
        }
    }
    starts.sort_unstable();
    starts
}

fn read(bytes: &[u8], zones: &ChronoZones) -> (usize, Vec<Item>, Vec<ics::BadEvent>) {
    let calendar = ics::read(bytes, 100_000).unwrap();
    assert!(calendar.complete);
    let read = calendar.len();
    let (mut items, mut bad) = (vec![], vec![]);
    for result in ics::resolve(calendar, zones, "UTC").unwrap() {
        match result {
            Ok(item) => items.push(item),
            Err(error) => bad.push(error),
        }
    }
    (read, items, bad)
}

#[test]
fn every_golden_file_gives_its_events_and_occurrences() {
    let zones = ChronoZones::default();
    let mut wrong = vec![];
    for (expected, bytes) in golden() {
        let (vevents, items, bad) = read(&bytes, &zones);
        assert_eq!(vevents, expected.vevents, "{}", expected.file);
        if expected.error.is_some() {
            assert!(items.is_empty() && bad.len() == 1, "{}: {bad:?}", expected.file);
            assert_eq!((bad[0].uid.as_deref(), bad[0].line), (Some("blabla"), 9), "{}", expected.file);
            continue;
        }
        if !bad.is_empty() {
            wrong.push(format!("{}: {bad:?}", expected.file));
        }
        let midnight = |date: NaiveDate| date.and_time(NaiveTime::MIN).and_utc().timestamp();
        let mut expected_starts = expected.starts.clone();
        expected_starts.sort_unstable();
        let found = starts(&items, &zones, midnight(expected.from), midnight(expected.to));
        if found != expected_starts {
            let missing: Vec<_> = expected_starts.iter().filter(|start| !found.contains(start)).take(5).collect();
            let more: Vec<_> = found.iter().filter(|start| !expected_starts.contains(start)).take(5).collect();
            wrong.push(format!(
                "{}: {} for {}, -{missing:?} +{more:?}",
                expected.file,
                found.len(),
                expected_starts.len()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
