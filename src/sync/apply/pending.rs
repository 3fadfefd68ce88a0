//! What a batch has decided to write, and is written together.

use std::collections::HashSet;

use calendar_sync_core::content::{self, ByDigest, Hash};
use calendar_sync_core::event::{Event, Series};
use calendar_sync_core::ics::SourceHash;
use calendar_sync_core::recurrence::Instance;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::expansion::{self, Rows};
use super::known::{Key, Slot};
use super::volume::{BYTES_AT_ONCE, weight};
use crate::errors::SqlResult;
use crate::store::series::Expansion;
use crate::store::{Installation, Source, events, new_id, series};

/// Events that are written at once.
const EVENTS_AT_ONCE: usize = 1_000;
/// Instances of series that are computed before they are written.
const INSTANCES_AT_ONCE: usize = 5_000;

/// Sync status of an item that could not be read: its last good data stays.
const IN_ERROR: &str = "error";

#[derive(Default)]
pub struct Pending {
    events: Vec<NewEvent>,
    series: Vec<NewSeries>,
    instances: usize,
    bytes: usize,
    /// Keys of all of these.
    keys: HashSet<Key, ByDigest>,
    /// What became a series, or ceased to be one: its old form goes.
    pub replaced_events: Vec<Uuid>,
    /// Each with the start of the single event that takes its place.
    pub replaced_series: Vec<(Uuid, DateTime<Utc>)>,
    pub events_in_error: Vec<Uuid>,
    pub series_in_error: Vec<Uuid>,
}

pub struct NewEvent {
    /// Place in the batch.
    pub index: usize,
    pub key: Key,
    pub external_id: String,
    pub recurrence_id: Option<DateTime<Utc>>,
    pub event: Event,
    pub hash: Hash,
    pub source_hash: Option<SourceHash>,
    pub silent: bool,
}

pub struct NewSeries {
    pub index: usize,
    pub key: Key,
    pub external_id: String,
    pub series: Box<Series>,
    pub hash: Hash,
    pub source_hash: Option<SourceHash>,
    pub silent: bool,
    pub is_new: bool,
    pub instances: Vec<Instance>,
    pub expansion: Expansion,
}

/// An item that stands in the tables now.
pub struct Written {
    pub index: usize,
    pub key: Key,
    pub is_series: bool,
    pub slot: Slot,
}

impl Pending {
    /// `external_key` is the key of the external id alone.
    pub fn add_event(&mut self, event: NewEvent, external_key: Key) {
        self.keys.extend([event.key, external_key]);
        self.bytes += weight(&event.event.details);
        self.events.push(event);
    }

    pub fn add_series(&mut self, series: NewSeries) {
        self.keys.insert(series.key);
        self.instances += series.instances.len();
        self.bytes += weight(&series.series.template.details);
        self.series.push(series);
    }

    /// Whether it must be written before something with that key is added.
    pub fn blocks(&self, key: Key) -> bool {
        self.keys.contains(&key)
            || self.events.len() >= EVENTS_AT_ONCE
            || self.instances >= INSTANCES_AT_ONCE
            || self.bytes >= BYTES_AT_ONCE
    }

    /// Writes it all, and is empty.
    pub fn write(
        &mut self,
        installation: &Installation,
        source: &Source,
        now: DateTime<Utc>,
    ) -> SqlResult<Vec<Written>> {
        let all = std::mem::take(self);
        events::delete(installation, &all.replaced_events, now)?;
        let replaced: Vec<Uuid> = all.replaced_series.iter().map(|(series_id, _)| *series_id).collect();
        series::delete(installation, &replaced, now)?;
        events::delete_instances(installation, &replaced, now, now)?;
        events::delete_occurrences(installation, &all.replaced_series, now)?;
        events::mark(installation, &all.events_in_error, IN_ERROR, now)?;
        series::mark(installation, &all.series_in_error, IN_ERROR, now)?;
        let mut written = Vec::with_capacity(all.series.len() + all.events.len());
        let (silent, changed): (Vec<_>, Vec<_>) = all.series.into_iter().partition(|series| series.silent);
        for (series, silently) in [(changed, false), (silent, true)] {
            write_series(installation, source, &series, silently, now, &mut written)?;
        }
        let (silent, changed): (Vec<_>, Vec<_>) = all.events.into_iter().partition(|event| event.silent);
        for (events, silently) in [(changed, false), (silent, true)] {
            write_events(installation, source, &events, silently, now, &mut written)?;
        }
        Ok(written)
    }
}

fn write_events(
    installation: &Installation,
    source: &Source,
    new: &[NewEvent],
    silently: bool,
    now: DateTime<Utc>,
    written: &mut Vec<Written>,
) -> SqlResult<()> {
    if new.is_empty() {
        return Ok(());
    }
    let keys: Vec<_> = new.iter().map(|event| content::key(&event.external_id)).collect();
    let rows: Vec<events::Row> = new.iter().zip(&keys).map(|(event, key)| event.row(key)).collect();
    let ids = events::upsert(installation, source, &rows, silently, now)?;
    written.extend(new.iter().zip(ids).map(|(event, id)| Written {
        index: event.index,
        key: event.key,
        is_series: false,
        slot: Slot::written(id, event.hash, event.source_hash, DateTime::<Utc>::MIN_UTC),
    }));
    Ok(())
}

fn write_series(
    installation: &Installation,
    source: &Source,
    new: &[NewSeries],
    silently: bool,
    now: DateTime<Utc>,
    written: &mut Vec<Written>,
) -> SqlResult<()> {
    if new.is_empty() {
        return Ok(());
    }
    let keys: Vec<_> = new.iter().map(|series| content::key(&series.external_id)).collect();
    let rows: Vec<series::Row> = new.iter().zip(&keys).map(|(series, key)| series.row(key)).collect();
    let ids = series::upsert(installation, source, &rows, silently, now)?;
    let changed = || new.iter().zip(&ids).filter(|(series, _)| !series.is_new);
    let changed_ids: Vec<Uuid> = changed().map(|(_, id)| *id).collect();
    let given: Vec<(Uuid, DateTime<Utc>)> = changed()
        .flat_map(|(series, id)| series.instances.iter().map(|instance| (*id, instance.recurrence_id)))
        .collect();
    events::remove_instances(installation, &changed_ids, now, &given)?;
    let rows: Vec<Rows> = new
        .iter()
        .zip(keys.iter().zip(&ids))
        .map(|(series, (key, id))| Rows {
            series_id: *id,
            external_id: key,
            series: &series.series,
            instances: &series.instances,
        })
        .collect();
    expansion::store(installation, source, &rows, now)?;
    written.extend(new.iter().zip(ids).map(|(series, id)| Written {
        index: series.index,
        key: series.key,
        is_series: true,
        slot: Slot::written(id, series.hash, series.source_hash, series.expansion.from),
    }));
    Ok(())
}

impl NewEvent {
    fn row<'b>(&'b self, key: &'b str) -> events::Row<'b> {
        events::Row {
            event_id: new_id(),
            external_id: key,
            recurrence_id: self.recurrence_id,
            series_id: None,
            is_override: self.recurrence_id.is_some(),
            timing: &self.event.timing,
            details: &self.event.details,
            recurrence: None,
            hash: self.hash,
            source_hash: self.source_hash,
        }
    }
}

impl NewSeries {
    fn row<'b>(&'b self, key: &'b str) -> series::Row<'b> {
        series::Row {
            series_id: new_id(),
            external_id: key,
            external_id_full: (key != self.external_id).then_some(self.external_id.as_str()),
            series: &self.series,
            hash: self.hash,
            source_hash: self.source_hash,
            expansion: self.expansion,
        }
    }
}
