//! One calendar of a mailbox: what is in it, and what becomes of it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Map, Value};

use super::event::{Entry, Facts, Stamp};
use super::pattern::Pattern;
use super::refusal::Refusal;
use crate::clock::Clock;

pub(super) struct Calendar {
    pub id: String,
    pub name: String,
    /// Address of the mailbox.
    pub mailbox: String,
    pub is_default: bool,
    /// Who may see it, and whether they may change it.
    pub shared: BTreeMap<String, bool>,
    pub entries: BTreeMap<String, Entry>,
    /// Counts the changes.
    pub version: u64,
    /// Entries by the version that they were changed at last.
    changed: BTreeMap<u64, String>,
    /// Of what was deleted, by the version at which it was.
    pub gone: BTreeMap<u64, String>,
    /// What every entry was before its last change, for replays.
    pub before: BTreeMap<String, Entry>,
}

/// What an identifier names.
pub(super) enum Named {
    Event(String),
    Occurrence(String, NaiveDate),
}

impl Calendar {
    pub fn new(id: &str, name: &str, mailbox: &str, is_default: bool) -> Self {
        Self {
            id: id.into(),
            name: name.into(),
            mailbox: mailbox.into(),
            is_default,
            shared: BTreeMap::new(),
            entries: BTreeMap::new(),
            version: 0,
            changed: BTreeMap::new(),
            gone: BTreeMap::new(),
            before: BTreeMap::new(),
        }
    }

    /// What has changed since a version, in the order in which it did.
    pub fn changed_since(&self, version: u64) -> impl Iterator<Item = &Entry> {
        self.changed.range(version + 1..).filter_map(|(_, id)| self.entries.get(id))
    }

    /// Deleted since a version.
    pub fn gone_since(&self, version: u64) -> impl Iterator<Item = &str> {
        self.gone.range(version + 1..).map(|(_, id)| id.as_str())
    }

    pub fn find(&self, id: &str) -> Option<Named> {
        if self.entries.contains_key(id) {
            return Some(Named::Event(id.into()));
        }
        let (series, day) = id.rsplit_once("OC")?;
        let day = NaiveDate::parse_from_str(day, "%Y%m%d").ok()?;
        self.entries.get(series).filter(|entry| entry.has(day)).map(|_| Named::Occurrence(series.into(), day))
    }

    /// The version that an identifier has now.
    pub fn key(&self, named: &Named) -> Option<&str> {
        match named {
            Named::Event(id) => self.entries.get(id).map(|entry| entry.stamp.key.as_str()),
            Named::Occurrence(id, day) => {
                let entry = self.entries.get(id)?;
                let stamp = entry.exceptions.get(day).map_or(&entry.stamp, |(_, stamp)| stamp);
                Some(&stamp.key)
            }
        }
    }

    pub fn insert(&mut self, given: &Map<String, Value>, clock: &mut Clock) -> Result<String, Refusal> {
        let facts = Facts::new(given, || clock_url(given))?;
        let recurrence = given.get("recurrence").filter(|it| !it.is_null()).map(Pattern::read).transpose()?;
        check_start(&facts, recurrence.as_ref())?;
        let (id, stamp) = (new_id(clock), Stamp::of(clock.tick()));
        let entry = Entry {
            id: id.clone(),
            facts,
            recurrence,
            exceptions: BTreeMap::new(),
            deleted: BTreeSet::new(),
            transaction: given.get("transactionId").and_then(Value::as_str).map(str::to_owned),
            created: stamp.at,
            stamp,
            version: 0,
        };
        self.entries.insert(id.clone(), entry);
        self.touch(&id);
        Ok(id)
    }

    pub fn patch(&mut self, id: &str, given: &Map<String, Value>, clock: &mut Clock) -> Result<(), Refusal> {
        if given.contains_key("transactionId") {
            return Err(Refusal::property("transactionId"));
        }
        match self.find(id).ok_or_else(Refusal::not_found)? {
            Named::Event(id) => self.patch_event(&id, given, clock),
            Named::Occurrence(id, day) => self.patch_occurrence(&id, day, given, clock),
        }
    }

    /// A new pattern, or new times, take all exceptions away.
    fn patch_event(&mut self, id: &str, given: &Map<String, Value>, clock: &mut Clock) -> Result<(), Refusal> {
        let entry = self.entries.get(id).ok_or_else(Refusal::not_found)?;
        let mut changed = entry.clone();
        changed.facts = entry.facts.changed(given, || clock_url(given))?;
        match given.get("recurrence") {
            None => {}
            Some(Value::Null) => changed.recurrence = None,
            Some(recurrence) => changed.recurrence = Some(Pattern::read(recurrence)?),
        }
        check_start(&changed.facts, changed.recurrence.as_ref())?;
        let when = |facts: &Facts| (facts.start, facts.end, facts.all_day, facts.zone.name.clone());
        let given_pattern = |entry: &Entry| entry.recurrence.as_ref().map(|pattern| pattern.given.clone());
        if when(&changed.facts) != when(&entry.facts) || given_pattern(&changed) != given_pattern(entry) {
            changed.exceptions.clear();
            changed.deleted.clear();
        }
        self.replace(changed, clock);
        Ok(())
    }

    fn patch_occurrence(
        &mut self,
        id: &str,
        day: NaiveDate,
        given: &Map<String, Value>,
        clock: &mut Clock,
    ) -> Result<(), Refusal> {
        if given.contains_key("recurrence") {
            return Err(Refusal::property("recurrence"));
        }
        let entry = self.entries.get(id).ok_or_else(Refusal::not_found)?;
        let facts = entry.occurrence(day).changed(given, || clock_url(given))?;
        if crosses(entry, day, &facts) {
            let message = "Modified occurrence is crossing or overlapping adjacent occurrence.";
            return Err(Refusal::new(400, "ErrorOccurrenceCrossingBoundary", message));
        }
        let mut changed = entry.clone();
        changed.exceptions.insert(day, (facts, Stamp::of(clock.tick())));
        self.replace(changed, clock);
        Ok(())
    }

    pub fn delete(&mut self, id: &str, clock: &mut Clock) -> Result<(), Refusal> {
        match self.find(id).ok_or_else(Refusal::not_found)? {
            Named::Event(id) => {
                if let Some(entry) = self.entries.remove(&id) {
                    self.changed.remove(&entry.version);
                }
                self.before.remove(&id);
                self.version += 1;
                self.gone.insert(self.version, id);
            }
            Named::Occurrence(id, day) => {
                let Some(mut changed) = self.entries.get(&id).cloned() else { return Ok(()) };
                changed.exceptions.remove(&day);
                changed.deleted.insert(day);
                self.replace(changed, clock);
            }
        }
        Ok(())
    }

    /// What an organizer's cancellation makes of an event, or of one occurrence, in an attendee's calendar.
    pub fn cancel(&mut self, id: &str, clock: &mut Clock) -> Result<(), Refusal> {
        let named = self.find(id).ok_or_else(Refusal::not_found)?;
        let (Named::Event(id) | Named::Occurrence(id, _)) = &named;
        let Some(mut changed) = self.entries.get(id).cloned() else { return Ok(()) };
        match named {
            Named::Event(_) => changed.facts.cancelled = true,
            Named::Occurrence(_, day) => {
                let mut facts = changed.occurrence(day);
                facts.cancelled = true;
                changed.exceptions.insert(day, (facts, Stamp::of(clock.tick())));
            }
        }
        self.replace(changed, clock);
        Ok(())
    }

    /// Takes in what was in another calendar.
    pub fn receive(&mut self, entry: Entry, clock: &mut Clock) {
        self.replace(entry, clock);
    }

    fn replace(&mut self, mut entry: Entry, clock: &mut Clock) {
        let id = entry.id.clone();
        entry.stamp = Stamp::of(clock.tick());
        if let Some(before) = self.entries.insert(id.clone(), entry) {
            self.before.insert(id.clone(), before);
        }
        self.touch(&id);
    }

    /// Another change key, though nothing has changed that anybody sees.
    pub fn touch_key(&mut self, id: &str, clock: &mut Clock) {
        if let Some(entry) = self.entries.get_mut(id) {
            entry.stamp = Stamp { at: entry.stamp.at, ..Stamp::of(clock.tick()) };
        }
        self.touch(id);
    }

    fn touch(&mut self, id: &str) {
        self.version += 1;
        if let Some(entry) = self.entries.get_mut(id) {
            self.changed.remove(&entry.version);
            entry.version = self.version;
            self.changed.insert(self.version, id.into());
        }
    }

    /// All that overlaps a span.
    pub fn within(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> impl Iterator<Item = &Entry> {
        self.entries.values().filter(move |entry| entry.is_in(from, to))
    }
}

fn clock_url(given: &Map<String, Value>) -> String {
    let seed = crate::web::etag_of(Value::Object(given.clone()).to_string().as_bytes());
    format!("https://teams.microsoft.com/l/meetup-join/19%3ameeting_{}/0", seed.trim_matches('"'))
}

/// The first occurrence is where the series starts.
fn check_start(facts: &Facts, recurrence: Option<&Pattern>) -> Result<(), Refusal> {
    let Some(pattern) = recurrence else { return Ok(()) };
    if pattern.start != facts.start.date() || !pattern.is_day(pattern.start) {
        return Err(Refusal::invalid("The recurrence range's startDate must match the event's start and pattern."));
    }
    Ok(())
}

/// Whether an occurrence would be on the day of one of its neighbours, or past it, as their series counts days.
fn crosses(entry: &Entry, day: NaiveDate, facts: &Facts) -> bool {
    let Some(pattern) = &entry.recurrence else { return false };
    let to = facts.start.date().max(day) + chrono::TimeDelta::days(400);
    let days = pattern.days_until(to);
    let zone = &entry.facts.zone;
    let day_of = |facts: &Facts| {
        if facts.all_day { facts.start.date() } else { zone.local(facts.zone.instant(facts.start)).date() }
    };
    let (moved_to, at) = (day_of(facts), |other: &NaiveDate| day_of(&entry.occurrence(*other)));
    let before = days.iter().rev().find(|other| **other < day && !entry.deleted.contains(other));
    let after = days.iter().find(|other| **other > day && !entry.deleted.contains(other));
    before.is_some_and(|other| moved_to <= at(other)) || after.is_some_and(|other| moved_to >= at(other))
}

/// In upper and lower case, which are not the same.
pub(super) fn new_id(clock: &mut Clock) -> String {
    format!("AAkALgAAAAAAHYQDEapmEc2byACqAC-EWg0A{:012}aB=", clock.new_number())
}
