//! What is stored of a source, as far as it is compared.

use std::collections::HashMap;

use calendar_sync_core::content::{self, ByDigest, Hash};
use calendar_sync_core::ics::SourceHash;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::errors::SqlResult;
use crate::store::{Installation, Source, Wanted, events, series};

/// Digest of an external id: a whole calendar is held in memory, and identifiers may be long.
pub type Key = u128;

/// By which what is stored is found.
pub fn key(external_id: &str) -> Key {
    content::digest(external_id.as_bytes())
}

/// Of an override whose series is not here.
fn occurrence(external_id: Key, recurrence_id: DateTime<Utc>) -> Key {
    let mut bytes = [0; 24];
    bytes[..16].copy_from_slice(&external_id.to_le_bytes());
    bytes[16..].copy_from_slice(&recurrence_id.timestamp_micros().to_le_bytes());
    content::digest(&bytes)
}

/// Key of a single event, or of an override whose series is not here.
pub fn event_key(external_id: Key, recurrence_id: Option<DateTime<Utc>>) -> Key {
    recurrence_id.map_or(external_id, |recurrence_id| occurrence(external_id, recurrence_id))
}

/// A stored event or series.
#[derive(Debug, Clone, Copy)]
pub struct Slot {
    pub id: Uuid,
    pub hash: Option<Hash>,
    /// Of what it was read from.
    pub source_hash: Option<SourceHash>,
    pub deleted: bool,
    pub in_error: bool,
    pub upcoming: bool,
    /// It is in the batch.
    pub seen: bool,
    /// Of a series.
    pub expanded_from: DateTime<Utc>,
}

impl Slot {
    /// Of what has just been written.
    pub const fn written(id: Uuid, hash: Hash, source_hash: Option<SourceHash>, expanded_from: DateTime<Utc>) -> Self {
        let (deleted, in_error, upcoming, seen) = (false, false, false, true);
        Self { id, hash: Some(hash), source_hash, deleted, in_error, upcoming, seen, expanded_from }
    }

    /// Stored as it is: nothing to write.
    pub fn is(&self, hash: &Hash) -> bool {
        self.hash.as_ref() == Some(hash) && !self.deleted && !self.in_error
    }

    /// To be written, but its content has not changed, or nobody can say whether it has: its hash is of another
    /// version.
    pub fn unchanged_as_far_as_known(&self, hash: &Hash) -> bool {
        let comparable = self.hash.is_some_and(|stored| stored[0] == content::VERSION);
        !self.deleted && (!comparable || self.hash.as_ref() == Some(hash))
    }
}

/// What is stored, by its key.
pub type Slots = HashMap<Key, Slot, ByDigest>;

/// An override whose series is not here.
pub struct Orphan {
    pub event_id: Uuid,
    pub recurrence_id: DateTime<Utc>,
}

/// What is stored of a source, as far as it was read.
#[derive(Default)]
pub struct Known {
    pub events: Slots,
    pub series: Slots,
    pub orphans: HashMap<Key, Vec<Orphan>, ByDigest>,
}

impl Known {
    /// Adds what is stored.
    pub fn load(
        &mut self,
        installation: &Installation,
        source: &Source,
        wanted: Wanted,
        now: DateTime<Utc>,
    ) -> SqlResult<()> {
        let (events, orphans) = (&mut self.events, &mut self.orphans);
        events::known(installation, source, wanted, now, |stored| {
            let external_id = key(&stored.external_id);
            if let Some(recurrence_id) = stored.recurrence_id
                && !stored.deleted
            {
                let orphan = Orphan { event_id: stored.event_id, recurrence_id };
                orphans.entry(external_id).or_default().push(orphan);
            }
            let slot = Slot {
                id: stored.event_id,
                hash: stored.hash,
                source_hash: stored.source_hash,
                deleted: stored.deleted,
                in_error: stored.in_error,
                upcoming: stored.upcoming,
                seen: false,
                expanded_from: DateTime::<Utc>::MIN_UTC,
            };
            events.insert(event_key(external_id, stored.recurrence_id), slot);
        })?;
        let series = &mut self.series;
        series::known(installation, source, wanted, now, |stored| {
            let slot = Slot {
                id: stored.series_id,
                hash: stored.hash,
                source_hash: stored.source_hash,
                deleted: stored.deleted,
                in_error: stored.in_error,
                upcoming: stored.upcoming,
                seen: false,
                expanded_from: stored.expanded_from,
            };
            series.insert(key(&stored.external_id), slot);
        })
    }

    /// The one event or series of that key, if it was read from just that.
    pub fn as_in_source(&mut self, key: Key, source_hash: &SourceHash) -> Option<&mut Slot> {
        // Overrides that are to join their series are for whoever reads it.
        if self.orphans.contains_key(&key) {
            return None;
        }
        let slots = [self.events.get_mut(&key), self.series.get_mut(&key)];
        let mut stored = slots.into_iter().flatten().filter(|slot| !slot.deleted);
        let slot = stored.next().filter(|slot| !slot.in_error && slot.source_hash.as_ref() == Some(source_hash));
        slot.filter(|_| stored.next().is_none())
    }

    /// How many events and series these are.
    pub fn len(&self) -> usize {
        self.events.len() + self.series.len()
    }

    /// Whether nothing is stored.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty() && self.series.is_empty()
    }

    /// Events and series that are neither deleted nor over.
    pub fn upcoming(&self) -> usize {
        self.events.values().chain(self.series.values()).filter(|slot| slot.upcoming).count()
    }
}
