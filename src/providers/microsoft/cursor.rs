//! Where a delta round is, and which span of time it is bound to.

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::http::Address;

/// Of this file's way of asking: a cursor of another is not gone on with.
const VERSION: u64 = 1;
/// Days after which the span moves on.
const STEP: i64 = 7;
/// Graph gives a view of at most 1,825 days, leap days included.
const LONGEST: u64 = 1_820;

/// A span of whole days, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub from: DateTime<Utc>,
    pub to: DateTime<Utc>,
}

impl Span {
    /// The one that holds what is wanted, and stays the same for a week: in other calendars its days are others, so that
    /// not all of them begin anew at once.
    pub fn of(wanted: (DateTime<Utc>, DateTime<Utc>), connection: Uuid) -> Self {
        let shift = i64::try_from(connection.as_u128() % STEP.unsigned_abs() as u128).unwrap_or_default();
        let day = |at: DateTime<Utc>| at.date_naive().signed_duration_since(NaiveDate::default()).num_days();
        let floor = |day: i64| (day + shift).div_euclid(STEP) * STEP - shift;
        let at = |day: i64| DateTime::from_timestamp(day.saturating_mul(86_400), 0).unwrap_or_default();
        let from = at(floor(day(wanted.0)));
        let longest = from.checked_add_days(Days::new(LONGEST)).unwrap_or(from);
        Self { from, to: at(floor(day(wanted.1)) + STEP).min(longest) }
    }

    /// As the view's parameters want them.
    pub fn query(&self) -> [(&'static str, String); 2] {
        let text = |at: DateTime<Utc>| at.format("%Y-%m-%dT%H:%M:%SZ").to_string();
        [("startDateTime", text(self.from)), ("endDateTime", text(self.to))]
    }

    /// Around occurrences.
    pub fn around(occurrences: impl IntoIterator<Item = DateTime<Utc>>) -> Self {
        let mut all: Vec<DateTime<Utc>> = occurrences.into_iter().collect();
        all.sort_unstable();
        let bound = |at: Option<&DateTime<Utc>>| at.copied().unwrap_or_default();
        let from = bound(all.first()) - TimeDelta::days(1);
        let longest = from.checked_add_days(Days::new(LONGEST)).unwrap_or(from);
        Self { from, to: (bound(all.last()) + TimeDelta::days(2)).min(longest) }
    }
}

/// The text that is stored.
pub fn write(link: &Address, span: &Span) -> String {
    json!({ "version": VERSION, "link": link.secret(), "from": span.from, "to": span.to }).to_string()
}

/// The link to go on with; `None` where a new round is to begin: the span has moved on.
pub fn read(cursor: &str, span: &Span) -> Option<String> {
    let cursor: Value = serde_json::from_str(cursor).ok()?;
    let bound = |name: &str| cursor[name].as_str().and_then(|text| text.parse::<DateTime<Utc>>().ok());
    let is_same =
        cursor["version"].as_u64() == Some(VERSION) && bound("from") == Some(span.from) && bound("to") == Some(span.to);
    cursor["link"].as_str().filter(|_| is_same).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(now: &str, connection: u128) -> Span {
        let now: DateTime<Utc> = now.parse().unwrap();
        Span::of((now - TimeDelta::days(30), now + TimeDelta::days(365)), Uuid::from_u128(connection))
    }

    #[test]
    fn a_span_holds_what_is_wanted_and_moves_on_once_a_week_on_other_days_for_others() {
        let mut moves = Vec::new();
        for connection in 0..7 {
            let days: Vec<Span> =
                (1..=28).map(|day| span(&format!("2026-11-{day:02}T12:34:56Z"), connection)).collect();
            let moved: Vec<usize> = (1..28).filter(|day| days[*day] != days[day - 1]).collect();
            assert!(moved.len() <= 8, "{moved:?}");
            moves.push(moved);
        }
        moves.sort();
        moves.dedup();
        assert_eq!(moves.len(), 7);
        let one = span("2026-11-21T12:34:56Z", 3);
        assert!(one.from <= "2026-10-22T12:34:56Z".parse::<DateTime<Utc>>().unwrap());
        assert!(one.to > "2027-11-21T12:34:56Z".parse::<DateTime<Utc>>().unwrap());
    }

    #[test]
    fn a_span_is_no_longer_than_graph_takes() {
        let from: DateTime<Utc> = "2026-01-01T00:00:00Z".parse().unwrap();
        let span = Span::of((from, from + TimeDelta::days(4_000)), Uuid::nil());
        assert!((span.to - span.from).num_days() <= 1_825);
    }

    #[test]
    fn a_cursor_is_good_for_its_span_alone() {
        let link = Address::parse("https://graph.example.com/v1.0/me/calendarView/delta?$deltatoken=x").unwrap();
        let (one, other) = (span("2026-11-21T12:00:00Z", 1), span("2026-12-21T12:00:00Z", 1));
        let cursor = write(&link, &one);
        assert_eq!(read(&cursor, &one).as_deref(), Some(link.secret()));
        assert_eq!(read(&cursor, &other), None);
        assert_eq!(read("https://elsewhere.example.com", &one), None);
    }
}
