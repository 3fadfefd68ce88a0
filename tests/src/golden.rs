//! The golden calendars: real files with the occurrences that an independent reader finds in them.

use std::path::PathBuf;

use serde_json::Value;

use crate::repository;

/// A calendar file and what is in it.
pub struct GoldenCalendar {
    pub file: String,
    pub ics: Vec<u8>,
    /// How many VEVENTs stand in the file.
    pub vevents: i64,
    /// The window that `starts` is complete for, as dates; none where the file has no events to compare.
    pub window: Option<(String, String)>,
    /// Every occurrence's start in the window, sorted: `20240326T010000Z`, or without Z for a floating time, or a date.
    pub starts: Vec<String>,
}

/// Folder with the golden data, which is kept outside of the repository: CALENDAR_SYNC_GOLDEN, or shared/golden beside
/// the repository. None where it is absent.
pub fn golden_folder() -> Option<PathBuf> {
    let folder = match std::env::var_os("CALENDAR_SYNC_GOLDEN") {
        Some(folder) => PathBuf::from(folder),
        None => repository().join("../shared/golden"),
    };
    folder.is_dir().then_some(folder)
}

/// The calendars of `ics/expected.jsonl`; none where the golden data is absent.
pub fn golden_calendars() -> Option<Vec<GoldenCalendar>> {
    let folder = golden_folder()?.join("ics");
    let expected = std::fs::read_to_string(folder.join("expected.jsonl")).expect("ics/expected.jsonl");
    let calendars = expected.lines().map(|line| {
        let row: Value = serde_json::from_str(line).expect("a line of JSON");
        let text = |key: &str| row[key].as_str().map(str::to_string);
        let file = text("file").expect("the file's name");
        GoldenCalendar {
            ics: std::fs::read(folder.join(&file)).expect("the golden file"),
            vevents: row["vevents"].as_i64().expect("its number of events"),
            window: text("from").zip(text("to")),
            starts: row["starts"].as_array().map(|starts| starts.iter().map(start).collect()).unwrap_or_default(),
            file,
        }
    });
    Some(calendars.collect())
}

fn start(value: &Value) -> String {
    value.as_str().expect("a start").to_string()
}
