//! The golden calendars: real files with the occurrences that an independent reader finds in them.

use std::path::PathBuf;

use chrono::{Days, NaiveDate};
use serde_json::Value;

use crate::repository;

/// A calendar file and what is in it.
pub struct GoldenCalendar {
    pub file: String,
    pub ics: Vec<u8>,
    /// How many VEVENTs stand in the file.
    pub vevents: i64,
    /// The window that `starts` is complete for; none where the file has no events to compare. The reader that found
    /// them took it in each event's own zone.
    pub window: Option<(NaiveDate, NaiveDate)>,
    /// Every occurrence's start in the window, sorted: `20240326T010000Z`, or without Z for a floating time, or a date.
    pub starts: Vec<String>,
}

impl GoldenCalendar {
    /// Where starts differ from the expected ones, in words; in UTC, or dates. The first and the last day of the window
    /// are not compared, since what falls on them depends on the zone.
    ///
    /// A floating time has no Z in the golden data; the extension takes it in UTC, which is the setting's default.
    pub fn differences(&self, found: impl IntoIterator<Item = String>) -> Result<(), String> {
        let sorted = |starts: Vec<String>| {
            let mut starts: Vec<String> = starts.iter().map(|it| it.trim_end_matches('Z').to_string()).collect();
            starts.retain(|start| self.is_well_inside(start));
            starts.sort();
            starts
        };
        let (found, expected) = (sorted(found.into_iter().collect()), sorted(self.starts.clone()));
        if found == expected {
            return Ok(());
        }
        let missing: Vec<&String> = expected.iter().filter(|start| !found.contains(start)).collect();
        let surplus: Vec<&String> = found.iter().filter(|start| !expected.contains(start)).collect();
        let (count, wanted) = (found.len(), expected.len());
        Err(format!("{count} occurrences, expected {wanted}; missing {missing:?}, surplus {surplus:?}"))
    }

    fn is_well_inside(&self, start: &str) -> bool {
        let date = start.get(..8).and_then(|date| NaiveDate::parse_from_str(date, "%Y%m%d").ok());
        let inside = |(from, to): (NaiveDate, NaiveDate), date| from < date && date < to - Days::new(1);
        date.zip(self.window).is_some_and(|(date, window)| inside(window, date))
    }
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
        let file = text(&row["file"]);
        let date = |key: &str| row[key].as_str().map(|date| date.parse().expect("a date"));
        GoldenCalendar {
            ics: std::fs::read(folder.join(&file)).expect("the golden file"),
            vevents: row["vevents"].as_i64().expect("its number of events"),
            window: date("from").zip(date("to")),
            starts: row["starts"].as_array().map(|starts| starts.iter().map(text).collect()).unwrap_or_default(),
            file,
        }
    });
    Some(calendars.collect())
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_string()
}
