//! Independent readers of calendars, which share no code with ours: Python's icalendar with recurring_ical_events, and
//! libical.

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

/// The occurrences of `ics` between two instants (ISO 8601), sorted, as icalendar and recurring_ical_events see them.
///
/// # Panics
/// Where the reader refuses the calendar.
pub fn read_occurrences(ics: &str, from: &str, to: &str) -> Vec<Occurrence> {
    let mut reader = Command::new(repository().join("target/venv/bin/python"));
    reader.arg(repository().join("tests/python/occurrences.py"));
    let output = read(reader, ics, &[from, to]);
    let mut occurrences: Vec<Occurrence> = output.lines().map(occurrence).collect();
    occurrences.sort();
    occurrences
}

/// The same as libical sees them; without their UIDs and STATUS.
///
/// # Panics
/// Where libical refuses the calendar.
pub fn read_with_libical(ics: &str, from: &str, to: &str) -> Vec<Occurrence> {
    let basic = |instant: &str| instant.replace("+00:00", "Z").replace(['-', ':'], "");
    let output = read(Command::new(repository().join("target/libical-occurrences")), ics, &[&basic(from), &basic(to)]);
    let mut occurrences: Vec<Occurrence> = output
        .lines()
        .map(|line| {
            let mut fields = line.splitn(3, '\t').map(str::to_owned);
            let mut next = || fields.next().unwrap_or_default();
            Occurrence { start: next(), end: next(), summary: next(), uid: String::new(), status: String::new() }
        })
        .collect();
    occurrences.sort();
    occurrences
}

/// Runs a reader on a file with the calendar, and returns what it prints.
fn read(mut reader: Command, ics: &str, window: &[&str]) -> String {
    static FILES: AtomicUsize = AtomicUsize::new(0);
    let folder = repository().join("target/scratch");
    std::fs::create_dir_all(&folder).expect("target/scratch");
    let file = folder.join(format!("read-{}-{}.ics", std::process::id(), FILES.fetch_add(1, Ordering::Relaxed)));
    std::fs::write(&file, ics).expect("the calendar's file");
    let output = reader.arg(&file).args(window).output().expect("the readers are there: run bin/setup test");
    std::fs::remove_file(&file).expect("the calendar's file");
    assert!(output.status.success(), "the reader refuses it:\n{}\n{ics}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
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
