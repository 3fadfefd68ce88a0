//! What must hold of every calendar file: it is read without harm, and what is written of it is read again as it was.

use calendar_sync_core::event::{Body, Event, Item};
use calendar_sync_core::ics::{self, Head, Visibility, Writer};
use calendar_sync_core::recurrence::{Instances, Window};
use calendar_sync_core::zones::Zones;
use chrono::Datelike;

use crate::times::{DAY, FewZones};

/// Events of a file that are read.
const MAX_EVENTS: usize = 5_000;

/// Items of a file, and how many of its events are bad.
fn read(file: &[u8], zones: &dyn Zones) -> Option<(Vec<Item>, usize)> {
    let calendar = ics::read(file, MAX_EVENTS).ok()?;
    let mut items = vec![];
    let mut bad = 0;
    for item in ics::resolve(calendar, zones, "Europe/Berlin").ok()? {
        match item {
            Ok(item) => items.push(item),
            Err(fault) => {
                assert!(fault.line > 0 && !fault.reason.is_empty(), "{fault:?}");
                bad += 1;
            }
        }
    }
    Some((items, bad))
}

fn write(items: &[Item], visibility: Visibility<'_>, zones: &dyn Zones) -> String {
    let mut writer = Writer::new(&Head { name: Some("fuzz"), refresh: None, visibility }, zones);
    items.iter().for_each(|item| writer.item(item));
    writer.finish()
}

/// Reads, expands, writes and reads again.
pub fn check(file: &[u8]) {
    let zones = &FewZones;
    let Some((items, _)) = read(file, zones) else { return };
    items.iter().for_each(|item| expand(item, zones));
    write(&items, Visibility::Busy { key: b"key" }, zones);
    let written = write(&items, Visibility::Details, zones);
    let lines = written.strip_suffix("\r\n").unwrap_or("");
    assert!(lines.split("\r\n").all(|line| line.len() <= 75 && !line.contains(['\r', '\n', '\0'])), "{written}");
    let again = rewritten(&written, zones);
    if items.iter().all(keeps_its_form) {
        assert_eq!(again, written);
    }
    assert_eq!(rewritten(&again, zones), again);
}

/// What is written of what is read of what was written.
fn rewritten(written: &str, zones: &dyn Zones) -> String {
    let Some((items, bad)) = read(written.as_bytes(), zones) else { panic!("not read again: {written}") };
    assert_eq!(bad, 0, "{written}");
    write(&items, Visibility::Details, zones)
}

/// Whether what is read of it must be the very same. Other years and UTC by name are written in UTC without one; and the
/// DURATION of what turns out to be no series comes back as its end.
fn keeps_its_form(item: &Item) -> bool {
    let is = |event: &Event| {
        let timing = &event.timing;
        if timing.time_zone.as_deref() == Some("UTC") {
            return false;
        }
        [Some(timing.start), timing.end].iter().flatten().all(|at| (3..=9998).contains(&at.year()))
    };
    match &item.body {
        Body::Single(event) => is(event),
        Body::Series(series) if series.duration.is_some() => false,
        Body::Series(series) => is(&series.template) && series.overrides.iter().all(|one| is(&one.event)),
        Body::Overrides(overrides) => overrides.iter().all(|one| is(&one.event)),
    }
}

/// The first instances around where a series starts.
fn expand(item: &Item, zones: &dyn Zones) {
    let Body::Series(series) = &item.body else { return };
    let start = series.template.timing.start.timestamp();
    for window in [Window { from: start, to: i64::MAX }, Window { from: start + 400 * DAY, to: start + 500 * DAY }] {
        let Ok(instances) = Instances::new(series, zones, window) else { continue };
        instances.take(100).take_while(Result::is_ok).count();
    }
}
