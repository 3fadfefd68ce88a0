//! An independent reader of calendars: Python's icalendar and recurring_ical_events, which share no code with ours.

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use crate::repository;

/// One occurrence as the independent reader sees it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Occurrence {
    /// `20240326T010000Z`, or without Z for a floating time, or a date for an all-day event.
    pub start: String,
    pub end: String,
    pub summary: String,
    pub uid: String,
    pub status: String,
}

/// The occurrences of `ics` between two instants (ISO 8601), sorted.
///
/// # Panics
/// Where the reader refuses the calendar.
pub fn read_occurrences(ics: &str, from: &str, to: &str) -> Vec<Occurrence> {
    static FILES: AtomicUsize = AtomicUsize::new(0);
    let folder = repository().join("target/scratch");
    std::fs::create_dir_all(&folder).expect("target/scratch");
    let file = folder.join(format!("read-{}-{}.ics", std::process::id(), FILES.fetch_add(1, Ordering::Relaxed)));
    std::fs::write(&file, ics).expect("the calendar's file");
    let output = Command::new(repository().join("target/venv/bin/python"))
        .arg(repository().join("tests/python/occurrences.py"))
        .arg(&file)
        .args([from, to])
        .output()
        .expect("target/venv is there: run bin/setup test");
    std::fs::remove_file(&file).expect("the calendar's file");
    assert!(output.status.success(), "the reader refuses it:\n{}\n{ics}", String::from_utf8_lossy(&output.stderr));
    let mut occurrences: Vec<Occurrence> = String::from_utf8_lossy(&output.stdout).lines().map(occurrence).collect();
    occurrences.sort();
    occurrences
}

fn occurrence(line: &str) -> Occurrence {
    let row: Value = serde_json::from_str(line).expect("a line of JSON");
    let text = |key: &str| row[key].as_str().unwrap_or_default().to_string();
    Occurrence {
        start: text("start"),
        end: text("end"),
        summary: text("summary"),
        uid: text("uid"),
        status: text("status"),
    }
}
