//! The rules of the recurrence benchmark, expanded by calendar_sync and by the rrule crate; and what lies far away.
//!
//! `cargo bench -p calendar_sync_core --bench recurrence`

use std::hint::black_box;

use calendar_sync_core::recurrence::{Occurrences, Rule, Window};
use calendar_sync_core::zones::{ChronoZone, ChronoZones};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rrule::RRuleSet;

/// 2026-01-01T09:00:00 in both zones.
const START: &str = "20260101T090000";

const RULES: [(&str, &str, &str); 6] = [
    ("daily", "UTC", "FREQ=DAILY;COUNT=1000"),
    ("weekly", "UTC", "FREQ=WEEKLY;BYDAY=MO,WE,FR;COUNT=1000"),
    ("monthly", "UTC", "FREQ=MONTHLY;BYDAY=-1FR;COUNT=500"),
    ("yearly", "UTC", "FREQ=YEARLY;BYMONTH=11;BYDAY=4TH;COUNT=100"),
    ("until", "UTC", "FREQ=DAILY;INTERVAL=10;UNTIL=27760101T000000Z"),
    ("daily in New York", "America/New_York", "FREQ=DAILY;COUNT=1000"),
];

/// From 1970 on, two days of 2040, of 9990, and of a COUNT that has to be counted on the way there.
const FAR: [(&str, i64, &str); 4] = [
    ("daily, 2040", 2_208_988_800, "FREQ=DAILY"),
    ("minutely, 2040", 2_208_988_800, "FREQ=MINUTELY;INTERVAL=7;BYHOUR=9"),
    ("monthly with COUNT, 9990", 253_086_768_000, "FREQ=MONTHLY;BYDAY=-1FR;COUNT=1000000"),
    ("minutely with COUNT, 2040", 2_208_988_800, "FREQ=MINUTELY;INTERVAL=7;BYDAY=MO;COUNT=100000000"),
];

fn ours(rule: &str, start: i64, zone: &ChronoZone, window: Window) -> usize {
    let found = Rule::parse(rule).map(|rule| Occurrences::new(&rule, start, zone.clone(), window));
    found.map_or(0, |found| found.map_or(0, |found| found.filter(Result::is_ok).count()))
}

fn theirs(rule: &str, zone: &str) -> usize {
    let text = format!("DTSTART;TZID={zone}:{START}\nRRULE:{rule}");
    text.parse::<RRuleSet>().map_or(0, |set| set.into_iter().count())
}

fn whole_rules(criterion: &mut Criterion) {
    let zones = ChronoZones::default();
    for (name, zone_name, rule) in RULES {
        let Some(zone) = zones.get(zone_name) else { continue };
        let start = if zone_name == "UTC" { 1_767_258_000 } else { 1_767_276_000 };
        let count = ours(rule, start, &zone, Window::ALL);
        assert_eq!(count, theirs(rule, zone_name), "{rule}");
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function("calendar_sync", |b| b.iter(|| ours(black_box(rule), start, &zone, Window::ALL)));
        group.bench_function("rrule", |b| b.iter(|| theirs(black_box(rule), zone_name)));
        group.finish();
    }
}

fn far_windows(criterion: &mut Criterion) {
    let zones = ChronoZones::default();
    let Some(zone) = zones.get("America/New_York") else { return };
    let mut group = criterion.benchmark_group("far");
    for (name, from, rule) in FAR {
        let window = Window { from, to: from + 2 * 86_400 };
        group.bench_function(name, |b| b.iter(|| ours(black_box(rule), 0, &zone, window)));
    }
    group.finish();
}

criterion_group!(benches, whole_rules, far_windows);
criterion_main!(benches);
