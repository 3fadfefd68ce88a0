//! What a batch has decided to write, until it is written together.

use std::collections::HashSet;

use calendar_sync_core::content::{ByDigest, Hash};
use calendar_sync_core::event::{Event, Series};
use calendar_sync_core::ics::SourceHash;
use calendar_sync_core::recurrence::Instance;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::Action;
use super::known::Key;
use super::volume::{BYTES_AT_ONCE, weight};
use crate::store::series::Expansion;
use crate::store::{events, new_id, series};

/// Events that are written at once.
const EVENTS_AT_ONCE: usize = 1_000;
/// Instances of series that are computed before they are written.
const INSTANCES_AT_ONCE: usize = 5_000;

/// Items that wait, and how much they are: more than so many are not kept in memory.
#[derive(Default)]
pub struct Pending {
    pub items: Items,
    instances: usize,
    bytes: usize,
    /// Keys of all of these.
    keys: HashSet<Key, ByDigest>,
}

/// What is written together.
#[derive(Default)]
pub struct Items {
    pub events: Vec<NewEvent>,
    pub series: Vec<NewSeries>,
}

/// What an item is known by in its batch.
pub struct Mark {
    /// Place in the batch.
    pub index: usize,
    pub key: Key,
    pub external_id: String,
    pub hash: Hash,
    pub source_hash: Option<SourceHash>,
    /// Its content is as it was; it is written all the same.
    pub silent: bool,
    /// As what it was counted; `None` for an override without its series, which is counted with others.
    pub counted: Option<Action>,
    /// Its old form, a series that is an event now or the other way round: that goes.
    pub replaces: Option<Uuid>,
}

/// A single event, or an override without its series, that differs from what is stored.
pub struct NewEvent {
    pub mark: Mark,
    pub recurrence_id: Option<DateTime<Utc>>,
    pub event: Event,
}

/// A series that differs from what is stored, with the instances that are to be rows.
pub struct NewSeries {
    pub mark: Mark,
    pub series: Box<Series>,
    pub is_new: bool,
    /// It could not be read, or not be stored, when it last came.
    pub was_in_error: bool,
    pub instances: Vec<Instance>,
    pub expansion: Expansion,
}

impl Mark {
    pub const fn new(index: usize, key: Key, external_id: String, hash: Hash, source_hash: Option<SourceHash>) -> Self {
        Self { index, key, external_id, hash, source_hash, silent: false, counted: None, replaces: None }
    }
}

impl Pending {
    /// `external_key` is the key of the external id alone.
    pub fn add_event(&mut self, event: NewEvent, external_key: Key) {
        self.keys.extend([event.mark.key, external_key]);
        self.bytes += weight(&event.event.details);
        self.items.events.push(event);
    }

    pub fn add_series(&mut self, series: NewSeries) {
        self.keys.insert(series.mark.key);
        self.instances += series.instances.len();
        self.bytes += weight(&series.series.template.details);
        self.items.series.push(series);
    }

    /// Whether it must be written before something with that key is added.
    pub fn blocks(&self, key: Key) -> bool {
        self.keys.contains(&key)
            || self.items.events.len() >= EVENTS_AT_ONCE
            || self.instances >= INSTANCES_AT_ONCE
            || self.bytes >= BYTES_AT_ONCE
    }
}

impl Items {
    /// Events and series.
    pub const fn len(&self) -> usize {
        self.events.len() + self.series.len()
    }

    /// Two parts of about the same length, neither empty where there are two items.
    pub fn halves(mut self) -> (Self, Self) {
        let half = self.len() / 2;
        let of_series = half.min(self.series.len());
        let rest = Self { series: self.series.split_off(of_series), events: self.events.split_off(half - of_series) };
        (self, rest)
    }

    /// The one that there is.
    pub fn into_first(mut self) -> Option<(Mark, bool)> {
        let series = self.series.pop().map(|series| (series.mark, true));
        series.or_else(|| self.events.pop().map(|event| (event.mark, false)))
    }
}

impl NewEvent {
    /// As it is to be stored under that key.
    pub fn row<'b>(&'b self, key: &'b str) -> events::Row<'b> {
        events::Row {
            event_id: new_id(),
            external_id: key,
            recurrence_id: self.recurrence_id,
            series_id: None,
            is_override: self.recurrence_id.is_some(),
            timing: &self.event.timing,
            details: &self.event.details,
            recurrence: None,
            hash: self.mark.hash,
            source_hash: self.mark.source_hash,
        }
    }
}

impl NewSeries {
    /// As it is to be stored under that key.
    pub fn row<'b>(&'b self, key: &'b str) -> series::Row<'b> {
        series::Row {
            series_id: new_id(),
            external_id: key,
            external_id_full: (key != self.mark.external_id).then_some(self.mark.external_id.as_str()),
            series: &self.series,
            hash: self.mark.hash,
            source_hash: self.mark.source_hash,
            expansion: self.expansion,
        }
    }
}
