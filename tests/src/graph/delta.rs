//! Rounds of calendarView/delta: each bound to a calendar and a span of time, which its tokens hold.
//!
//! As Graph does it: occurrences are stubs, a series comes whole whenever anything of it has changed, an occurrence that
//! was deleted is not spoken of, and what has left the span is said to be removed, as what was deleted is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::calendar::Calendar;
use super::event::{Entry, View};
use super::refusal::Refusal;

/// Rounds that are remembered; Graph's cache is not endless either.
const REMEMBERED: usize = 256;

/// How pages come.
#[derive(Clone, Copy, Debug, Default)]
pub struct GraphPages {
    /// Not more than is asked for.
    pub size: Option<usize>,
    /// Every other page is empty, with a link to the next.
    pub empty: bool,
    /// Events come twice, and what they were before their last change comes behind that.
    pub replays: bool,
    pub backwards: bool,
}

#[derive(Clone)]
struct Round {
    calendar: String,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    /// The calendar's version when it ended.
    version: u64,
    /// What was in the span then.
    known: Arc<BTreeSet<String>>,
}

struct Rest {
    values: Vec<Value>,
    ends: Round,
    after_empty: bool,
}

#[derive(Default)]
pub(super) struct Rounds {
    pub pages: GraphPages,
    ended: BTreeMap<u64, Round>,
    under_way: BTreeMap<u64, Rest>,
    last: u64,
}

/// What a request of delta gives: the values of a page, and the name and number of the token that goes on.
type Page = (Vec<Value>, &'static str, u64);

impl Rounds {
    /// No token is known any more.
    pub fn forget(&mut self) {
        self.ended.clear();
        self.under_way.clear();
    }

    pub fn begin(
        &mut self,
        calendar: &Calendar,
        span: (DateTime<Utc>, DateTime<Utc>),
        size: usize,
        view: &View,
    ) -> Page {
        let (from, to) = span;
        let values = calendar.within(from, to).flat_map(|entry| values_of(entry, from, to, view)).collect();
        let known = Arc::new(known_of(calendar, from, to));
        let ends = Round { calendar: calendar.id.clone(), from, to, version: calendar.version, known };
        self.page(values, ends, size, false)
    }

    /// From the end of an earlier round on; the same token again gives the same again.
    pub fn go_on(&mut self, calendar: &Calendar, token: u64, size: usize, view: &View) -> Result<Page, Refusal> {
        let round = self.ended.get(&token).filter(|round| round.calendar == calendar.id).cloned().ok_or_else(lost)?;
        if round.version == calendar.version {
            return Ok(self.page(vec![], round, size, false));
        }
        let (from, to) = (round.from, round.to);
        let known = known_of(calendar, from, to);
        let mut values = Vec::new();
        for entry in calendar.changed_since(round.version) {
            values.extend(values_of(entry, from, to, view));
            if self.pages.replays
                && let Some(before) = calendar.before.get(&entry.id)
            {
                values
                    .extend(values_of(before, from, to, view).into_iter().filter(|it| it["type"] == "singleInstance"));
            }
        }
        let gone: BTreeSet<&str> = calendar.gone_since(round.version).collect();
        for id in round.known.difference(&known) {
            let series = id.rsplit_once("OC").map(|(series, _)| series);
            // Of a series that is there, occurrences that are not are not spoken of.
            if series.is_some_and(|series| known.contains(series)) {
                continue;
            }
            let reason = if gone.contains(series.unwrap_or(id)) { "deleted" } else { "changed" };
            values.push(json!({ "id": id, "@removed": { "reason": reason } }));
        }
        let ends = Round { version: calendar.version, known: Arc::new(known), ..round };
        Ok(self.page(values, ends, size, false))
    }

    pub fn next_page(&mut self, token: u64, size: usize) -> Result<Page, Refusal> {
        let rest = self.under_way.get(&token).ok_or_else(lost)?;
        let (values, ends, after_empty) = (rest.values.clone(), rest.ends.clone(), rest.after_empty);
        Ok(self.page(values, ends, size, after_empty))
    }

    /// Whose a token is.
    pub fn calendar_of(&self, token: u64) -> Option<&str> {
        let under_way = self.under_way.get(&token).map(|rest| rest.ends.calendar.as_str());
        self.ended.get(&token).map(|round| round.calendar.as_str()).or(under_way)
    }

    fn page(&mut self, mut values: Vec<Value>, ends: Round, size: usize, after_empty: bool) -> Page {
        if self.pages.backwards && !after_empty {
            values.reverse();
        }
        let size = self.pages.size.map_or(size, |most| most.min(size)).max(1);
        self.last += 1;
        if self.pages.empty && !after_empty && !values.is_empty() {
            self.under_way.insert(self.last, Rest { values, ends, after_empty: true });
            return (vec![], "$skiptoken", self.last);
        }
        if values.len() > size {
            let rest = values.split_off(size);
            // A backward listing stays in its order from page to page.
            let rest = if self.pages.backwards { rest.into_iter().rev().collect() } else { rest };
            self.under_way.insert(self.last, Rest { values: rest, ends, after_empty: false });
            self.shorten();
            return (values, "$skiptoken", self.last);
        }
        self.ended.insert(self.last, ends);
        self.shorten();
        (values, "$deltatoken", self.last)
    }

    fn shorten(&mut self) {
        while self.ended.len() > REMEMBERED {
            self.ended.pop_first();
        }
        while self.under_way.len() > REMEMBERED {
            self.under_way.pop_first();
        }
    }
}

fn lost() -> Refusal {
    Refusal::new(410, "syncStateNotFound", "The sync state generation is not found; please start over.")
}

/// A single event; of a series its master, and every occurrence in the span.
fn values_of(entry: &Entry, from: DateTime<Utc>, to: DateTime<Utc>, view: &View) -> Vec<Value> {
    if !entry.is_in(from, to) {
        return vec![];
    }
    let occurrences = entry.occurrences(from, to);
    let mut values = vec![entry.show(view)];
    values.extend(occurrences.iter().map(|(day, _)| entry.show_stub(*day, view)));
    values
}

fn known_of(calendar: &Calendar, from: DateTime<Utc>, to: DateTime<Utc>) -> BTreeSet<String> {
    let ids = calendar.within(from, to).flat_map(|entry| {
        let days = entry.occurrences(from, to);
        let occurrences = days.into_iter().map(|(day, _)| entry.occurrence_id(day)).collect::<Vec<_>>();
        std::iter::once(entry.id.clone()).chain(occurrences)
    });
    ids.collect()
}
