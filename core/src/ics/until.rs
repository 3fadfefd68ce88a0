//! UNTIL as RFC 5545, 3.3.10 wants it beside its DTSTART.

use chrono::{DateTime, NaiveDateTime, Utc};

use crate::recurrence::{Rule, Until};

const DAY: i64 = 86_400;

/// Makes UNTIL a date in a series of dates, else an instant. A date before was its midnight (as
/// [`crate::recurrence::Occurrences`] takes it), which `instant` gives for local time, as for others without a zone.
pub fn conform(rule: &mut Rule, all_day: bool, instant: impl FnOnce(NaiveDateTime) -> DateTime<Utc>) {
    let resolved = |seconds: i64| {
        let local = DateTime::from_timestamp(seconds, 0).unwrap_or_default().naive_utc();
        Until::Utc(instant(local).timestamp())
    };
    rule.until = rule.until.map(|until| match until {
        Until::Local(seconds) | Until::Utc(seconds) if all_day => Until::Date(seconds.div_euclid(DAY)),
        Until::Date(day) if !all_day => resolved(day * DAY),
        Until::Local(seconds) => resolved(seconds),
        until => until,
    });
}
