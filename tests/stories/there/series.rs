//! The other side: series in a provider's calendar, as its user sees and edits them.

use std::collections::BTreeMap;
use std::rc::Rc;

use calendar_sync_e2e::FakeGoogle;
use chrono::{DateTime, TimeDelta, Utc};
use postgres::Client;
use serde_json::json;

use super::plan::{Plan, Seen, time_text};
use super::{Google, Outlook, There, connect};

/// One occurrence there.
#[derive(Clone, Debug)]
pub struct Occurrence {
    pub series: String,
    pub number: usize,
    /// As the series has it.
    pub original: DateTime<Utc>,
    pub start: DateTime<Utc>,
    pub end: DateTime<Utc>,
    pub all_day: bool,
    pub title: String,
    pub place: String,
}

impl Occurrence {
    pub fn key(&self) -> (usize, String) {
        (self.number, time_text(self.original, self.all_day))
    }

    pub fn seen(&self) -> Seen {
        let time = |at| time_text(at, self.all_day);
        (self.title.clone(), self.place.clone(), time(self.start), time(self.end))
    }
}

/// What somebody changes there of a series or of one occurrence.
pub enum Edit {
    Title(String),
    Place(String),
    /// Of an occurrence: its new start; it is as long as before.
    Move(DateTime<Utc>),
}

/// A provider whose calendars hold series.
pub trait WithSeries: There {
    fn add_series(&self, plan: &Plan, title: &str);
    fn edit_series(&self, series: &str, edit: &Edit);
    /// Other times, or another rule.
    fn replan(&self, series: &str, plan: &Plan);
    fn edit_one(&self, one: &Occurrence, edit: &Edit);
    fn cancel_one(&self, one: &Occurrence);
    fn occurrences(&self) -> Vec<Occurrence>;
    /// The next request is refused as if what it is about had changed meanwhile (412).
    fn refuse_as_changed(&self);
    /// The last ones, for whoever looks into a failure.
    fn requests(&self) -> String;

    fn all(&self) -> BTreeMap<(usize, String), Vec<Seen>> {
        let mut all: BTreeMap<_, Vec<Seen>> = BTreeMap::new();
        for one in self.occurrences() {
            all.entry(one.key()).or_default().push(one.seen());
        }
        all
    }
}

/// A user's calendar at a fake Google, connected in both directions.
pub fn google(client: &mut Client, user: &str) -> Box<dyn WithSeries> {
    connected(client, user, Google::of(&Rc::new(FakeGoogle::start()), user))
}

/// The same at a fake Graph.
pub fn outlook(client: &mut Client, user: &str) -> Box<dyn WithSeries> {
    connected(client, user, Outlook::of(user))
}

fn connected(client: &mut Client, user: &str, there: impl WithSeries + 'static) -> Box<dyn WithSeries> {
    connect(client, &there, user, &json!({}));
    Box::new(there)
}

/// The span in which occurrences are looked at.
pub(super) fn window() -> (DateTime<Utc>, DateTime<Utc>) {
    (Utc::now() - TimeDelta::days(1), Utc::now() + TimeDelta::days(364))
}

pub(super) fn last(lines: Vec<String>) -> String {
    lines[lines.len().saturating_sub(25)..].join("\n")
}
