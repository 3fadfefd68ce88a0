//! Writing what one outside calendar holds into the tables: only what changed, as one batch.

mod absent;
mod batch;
mod completion;
mod expansion;
mod intake;
mod known;
mod pending;
mod renamed;
#[cfg(any(test, feature = "pg_test"))]
mod stories;
mod tally;
mod volume;
mod write;

use calendar_sync_core::event::Item;
use calendar_sync_core::ics::Sourced;
use calendar_sync_core::providers::Items;
use calendar_sync_core::zones::Zones;
use chrono::{DateTime, Utc};
use pgrx::check_for_interrupts;
use uuid::Uuid;

use crate::errors::SqlResult;
use crate::store::Installation;
pub use crate::store::Source;
pub use calendar_sync_core::providers::BadItem;
pub use expansion::{extend, first_start, horizon, shown};
pub use intake::{KnownZones, check};

use batch::Batch;

/// How a batch is to be taken.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// The batch is all that the origin holds: what is not in it and not over yet is deleted.
    pub complete: bool,
    /// Single events from then on are none of it: they were not asked for.
    pub until: Option<DateTime<Utc>>,
    /// Deletes go through however many they are.
    pub force: bool,
    /// So do just these, by their [`HeldBack::digest`]: they have been held back for long enough.
    pub confirms: Option<u128>,
    /// The batch is one item, and what the database has against it is the caller's error.
    pub alone: bool,
    /// Say for every single item what became of it ([`Applied::outcomes`]).
    pub outcomes: bool,
    /// The present, passed in.
    pub now: DateTime<Utc>,
}

impl Terms {
    /// For what an application hands in: it wants to know of each item what became of it.
    pub const fn handed_in(alone: bool, now: DateTime<Utc>) -> Self {
        Self { complete: false, until: None, force: false, confirms: None, alone, outcomes: true, now }
    }
}

/// What became of a batch. The counts are of items: a series with its instances and overrides is one.
#[derive(Debug, Default)]
pub struct Applied {
    pub fetched: i32,
    pub created: i32,
    pub updated: i32,
    pub deleted: i32,
    pub unchanged: i32,
    /// Items that could not be read or stored; their last good data stays, with sync_status 'error'.
    pub errors: i32,
    /// The first of these, for the log.
    pub bad: Vec<BadItem>,
    pub held_back: Option<HeldBack>,
    /// In the order of the batch; empty unless asked for.
    pub outcomes: Vec<Outcome>,
}

/// Deletes that were not done, since they are more than 10 and more than half of the upcoming items.
///
/// The pull is an error then; its validators (ETag, body hash) must not be kept, or the deletes would never be seen
/// again. The poll that is the third to give the same `digest` confirms it ([`Terms::confirms`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldBack {
    pub deletes: i32,
    pub upcoming: i32,
    /// Of the set of keys that would have been deleted.
    pub digest: u128,
}

/// What became of one item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    pub external_id: Option<Box<str>>,
    /// The event, or the series of a recurring one.
    pub event_id: Option<Uuid>,
    /// An error's message.
    pub action: Result<Action, String>,
}

/// What became of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Created,
    Updated,
    Unchanged,
}

impl Action {
    /// As it stands in results and logs.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Unchanged => "unchanged",
        }
    }
}

/// What a reader of calendars gives.
pub type Read = Result<Item, BadItem>;

/// Brings what is stored of `source` in line with `items`: what differs from its stored content hash is written, and
/// nothing else.
///
/// Runs within [`crate::store::as_owner`], in the caller's transaction. An item that can't be read or stored is counted
/// and reported and does not stop the others.
pub fn calendar(
    installation: &Installation,
    source: &Source,
    zones: &dyn Zones,
    items: impl IntoIterator<Item = Read>,
    terms: &Terms,
) -> SqlResult<Applied> {
    let mut batch = Batch::new(installation, source, zones, terms)?;
    for item in items {
        batch.take(item.map(|item| Sourced { item, source: None, cancels: None }))?;
    }
    batch.finish()
}

/// The same for what a provider answered with; what stands in it as it did is not even read.
pub fn document(
    installation: &Installation,
    source: &Source,
    zones: &dyn Zones,
    mut items: Items,
    terms: &Terms,
) -> SqlResult<Applied> {
    let mut batch = Batch::new(installation, source, zones, terms)?;
    while let Some(found) = items.next_unless(|uid, source_hash| batch.passes(uid, source_hash)) {
        check_for_interrupts!();
        batch.take(found)?;
    }
    batch.finish()
}

/// Marks one item as deleted: its event, or its series with all instances. Returns whether there was one.
pub fn delete(installation: &Installation, source: &Source, external_id: &str, now: DateTime<Utc>) -> SqlResult<bool> {
    absent::delete_one(installation, source, external_id, now)
}
