//! Items in their provider's form, and what of that is sent.

use std::collections::BTreeMap;

use calendar_sync_core::busy::only_busy;
use calendar_sync_core::event::{Body, Event, EventStatus, Override, Series};
use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::difference;
use crate::providers::account::{AccountProvider, CannotHold, InstanceChange};
use crate::store::links::Base;
use crate::sync::dates::place_day;
use crate::sync::given::{gives, is_same_rule};
use crate::zones::PgZones;

/// Writes what goes to one connection.
pub struct Writer<'a> {
    pub provider: &'static dyn AccountProvider,
    pub options: &'a Value,
    /// Only when something takes place is said.
    pub busy_only: bool,
}

/// What an item that is there needs to be as it is here.
pub struct Update {
    pub payload: Map<String, Value>,
    pub instances: Vec<InstanceChange>,
}

impl Update {
    /// The provider has all of it.
    pub fn is_empty(&self) -> bool {
        self.payload.is_empty() && self.instances.is_empty()
    }

    /// What is needed from either of two states.
    fn or(mut self, other: Self) -> Self {
        self.payload.extend(other.payload);
        let is_known =
            |one: &InstanceChange| self.instances.iter().any(|known| known.recurrence_id == one.recurrence_id);
        let others: Vec<InstanceChange> = other.instances.into_iter().filter(|one| !is_known(one)).collect();
        self.instances.extend(others);
        self
    }
}

impl Writer<'_> {
    /// All of an item, for a create.
    pub fn whole(&self, body: &Body) -> Result<Map<String, Value>, CannotHold> {
        self.write(body, self.busy_only)
    }

    fn write(&self, body: &Body, busy_only: bool) -> Result<Map<String, Value>, CannotHold> {
        let mut body = if busy_only { only_busy(body) } else { body.clone() };
        if let Body::Single(event) = &mut body {
            place_day(&mut event.timing, &PgZones);
        }
        self.provider.write(&body, self.options, &PgZones)
    }

    /// What differs from what was agreed on; without that, everything. Where what was sent may never have arrived, also what
    /// differs from what was there before.
    pub fn update(&self, body: &Body, base: Option<&Base>) -> Result<Update, CannotHold> {
        let earlier = base.into_iter().flat_map(Base::earlier);
        earlier.fold(self.since(body, base), |update, before| Ok(update?.or(self.since(body, Some(before))?)))
    }

    fn since(&self, body: &Body, base: Option<&Base>) -> Result<Update, CannotHold> {
        let whole = self.whole(body)?;
        let comparable = base.filter(|base| std::mem::discriminant(&base.local) == std::mem::discriminant(body));
        let payload = match comparable {
            // What was agreed on is written without an error, or was never sent as it is.
            Some(base) => match self.before(base) {
                Ok(before) => difference::members(&before, &whole),
                Err(_) => whole,
            },
            None => whole,
        };
        let comparable = comparable.filter(|base| base.only_busy == self.busy_only);
        let instances = if self.provider.forgets_occurrences(&payload) {
            self.occurrences(body, None, None)?
        } else {
            self.occurrences(body, comparable.map(|base| &base.local), base)?
        };
        Ok(Update { payload, instances })
    }

    /// What was agreed on, as it was written; where another visibility was, what is there.
    fn before(&self, base: &Base) -> Result<Map<String, Value>, CannotHold> {
        if base.only_busy == self.busy_only {
            return self.write(&base.local, self.busy_only);
        }
        self.write(base.remote(), false)
    }

    /// The occurrences of a series that stand beside its rule otherwise than before.
    pub fn occurrences(
        &self,
        body: &Body,
        before: Option<&Body>,
        base: Option<&Base>,
    ) -> Result<Vec<InstanceChange>, CannotHold> {
        let Body::Series(series) = body else { return Ok(Vec::new()) };
        let now = Beside::of(series)?;
        let before = match before {
            Some(Body::Series(before)) => Beside::of(before)?,
            _ => Beside::default(),
        };
        let mut changes: BTreeMap<DateTime<Utc>, Option<Event>> = BTreeMap::new();
        for (at, event) in &now.overrides {
            // Excluded or cancelled is the same where nothing is excluded by a rule.
            let was_excluded = !self.provider.excludes_by_rule() && before.excluded.contains(at);
            if before.overrides.get(at) != Some(event) && !(was_excluded && event.is_none()) {
                changes.insert(*at, event.cloned());
            }
        }
        for at in before.overrides.keys().filter(|at| !now.overrides.contains_key(*at)) {
            // One that is excluded now is, by the rule's own means or below; with another rule it may be none any more.
            if !now.excluded.contains(at) && gives(series, *at) {
                changes.insert(*at, Some(as_ruled(series, *at)));
            }
        }
        for at in self.follow_their_series(series, base)? {
            if !now.overrides.contains_key(&at) && !now.excluded.contains(&at) {
                changes.entry(at).or_insert_with(|| Some(as_ruled(series, at)));
            }
        }
        if !self.provider.excludes_by_rule() {
            let takes_place = |at: &DateTime<Utc>| !now.excluded.contains(at) && now.overrides.get(at) != Some(&None);
            if before.excluded.iter().any(takes_place) {
                return Err(CannotHold("an occurrence that takes place again".into()));
            }
            changes.extend(now.excluded.iter().filter(|at| !before.excluded.contains(at)).map(|at| (*at, None)));
        }
        changes.into_iter().map(|(at, event)| self.occurrence(series, at, event, base)).collect()
    }

    /// Occurrences that stand for themselves there and follow the series here: what changes of that is no news for them
    /// there. Where the rule has changed they are dealt with as that says.
    fn follow_their_series(&self, series: &Series, base: Option<&Base>) -> Result<Vec<DateTime<Utc>>, CannotHold> {
        let Some(base) = base else { return Ok(Vec::new()) };
        let (Body::Series(before), Body::Series(there)) = (&base.local, base.remote()) else { return Ok(Vec::new()) };
        if !is_same_rule(before, series) {
            return Ok(Vec::new());
        }
        let one = |series: &Series| self.whole(&Body::Single(Box::new(as_ruled(series, series.template.timing.start))));
        if one(before)? == one(series)? {
            return Ok(Vec::new());
        }
        let own = Beside::of(there)?.overrides;
        Ok(own.into_iter().filter_map(|(at, event)| event.map(|_| at)).collect())
    }

    /// `event`: `None` where it does not take place.
    fn occurrence(
        &self,
        series: &Series,
        recurrence_id: DateTime<Utc>,
        event: Option<Event>,
        base: Option<&Base>,
    ) -> Result<InstanceChange, CannotHold> {
        let known = base.and_then(|base| base.occurrence(recurrence_id));
        let single = |event: Event| self.whole(&Body::Single(Box::new(event)));
        Ok(InstanceChange {
            recurrence_id,
            all_day: series.template.timing.all_day,
            external_id: known.map(|known| known.external_id.clone()),
            etag: known.and_then(|known| known.etag.clone()),
            payload: event.map(single).transpose()?,
        })
    }
}

/// What stands beside the rules of a series.
#[derive(Default)]
struct Beside<'a> {
    /// `None`: cancelled.
    overrides: BTreeMap<DateTime<Utc>, Option<&'a Event>>,
    excluded: Vec<DateTime<Utc>>,
}

impl<'a> Beside<'a> {
    fn of(series: &'a Series) -> Result<Self, CannotHold> {
        if series.overrides.iter().any(|one| one.this_and_future) {
            return Err(CannotHold("a change of an occurrence and all that follow it".into()));
        }
        let takes_place =
            |one: &'a Override| (one.event.details.event_status != EventStatus::Cancelled).then_some(&one.event);
        let overrides = series.overrides.iter().map(|one| (one.recurrence_id, takes_place(one))).collect();
        Ok(Self { overrides, excluded: series.exdates.clone() })
    }
}

/// An occurrence as its rule gives it.
fn as_ruled(series: &Series, at: DateTime<Utc>) -> Event {
    let mut event = series.template.clone();
    event.timing.end = event.timing.end.map(|end| at + (end - event.timing.start));
    event.timing.start = at;
    event
}
