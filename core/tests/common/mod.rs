//! Reading the golden cases, and saying what is wrong with what came out; how many random cases there are.

#![allow(dead_code, reason = "every test file uses a part of this")]

use std::path::PathBuf;

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};
use proptest::prelude::ProptestConfig;
use serde_json::Value;

/// So many random cases of a property; LONG_RUN times as many in a long run (`make test-long`).
pub fn cases(usual: u32) -> ProptestConfig {
    let times = std::env::var("LONG_RUN").ok().and_then(|times| times.parse().ok()).unwrap_or(1);
    let cases = usual.saturating_mul(times);
    // A property may leave out many cases, however many there are.
    let max_global_rejects = cases.saturating_mul(20);
    ProptestConfig { cases, max_global_rejects, failure_persistence: None, ..ProptestConfig::default() }
}

pub fn rows(path: PathBuf) -> Vec<Value> {
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

pub fn own(name: &str) -> Vec<Value> {
    rows(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name))
}

/// Local or UTC seconds of `20240131`, `20240131T090000` or `20240131T090000Z`.
pub fn seconds(text: &str) -> i64 {
    let text = text.trim_end_matches('Z');
    let date = NaiveDate::parse_from_str(&text[..8], "%Y%m%d").unwrap();
    let time = text.get(9..).map_or(NaiveTime::MIN, |time| NaiveTime::parse_from_str(time, "%H%M%S").unwrap());
    NaiveDateTime::new(date, time).and_utc().timestamp()
}

pub fn all_seconds(row: &Value, field: &str) -> Vec<i64> {
    row[field].as_array().unwrap().iter().map(|text| seconds(text.as_str().unwrap())).collect()
}

/// These may be read where they are, but are not ours to keep here.
pub fn shared(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("CALENDAR_SYNC_GOLDEN")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/golden"), PathBuf::from);
    let path = folder.join(name);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: {name} is not in {}; set CALENDAR_SYNC_GOLDEN to its folder", folder.display());
    None
}

pub fn report(name: &str, total: usize, wrong: &[String]) {
    assert!(wrong.is_empty(), "{} of {total} cases of {name} are wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(total > 0);
}

pub fn difference(row: &Value, expected: &[i64], found: &[i64]) -> Option<String> {
    if expected == found {
        return None;
    }
    let at = expected.iter().zip(found).take_while(|(a, b)| a == b).count();
    let show = |list: &[i64]| list.get(at).map(|s| chrono::DateTime::from_timestamp(*s, 0).unwrap().to_string());
    Some(format!(
        "{} {} from {} ({}): {} expected, {} found; at {at}: {:?} expected, {:?} found",
        row["id"],
        row["rule"],
        row["dtstart"],
        row["tz"],
        expected.len(),
        found.len(),
        show(expected),
        show(found)
    ))
}
