//! What a complete batch does not hold, and deletes.

use std::collections::HashSet;

use calendar_sync_core::content;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::HeldBack;
use super::batch::Batch;
use super::known::{Key, Known, Slots};
use crate::errors::SqlResult;
use crate::store::links::ItemId;
use crate::store::{Installation, Source, Wanted, events, instances, queue, series};

/// Deletes of no more items than this are always done.
const FEW: usize = 10;

/// Deletes what is stored, not over, and not in the batch; unless that is suspiciously much.
pub fn delete(batch: &mut Batch) -> SqlResult<()> {
    let now = batch.terms.now;
    let absent = |slots: &Slots| -> Vec<(Key, Uuid)> {
        let absent = slots.iter().filter(|(_, slot)| slot.upcoming && !slot.seen && !slot.deleted);
        absent.map(|(key, slot)| (*key, slot.id)).collect()
    };
    let (mut events, series) = (absent(&batch.known.events), absent(&batch.known.series));
    if let Some(until) = batch.terms.until {
        let ids: Vec<Uuid> = events.iter().map(|(_, id)| *id).collect();
        let beyond: HashSet<Uuid> = events::starting_from(batch.installation, &ids, until)?.into_iter().collect();
        events.retain(|(_, id)| !beyond.contains(id));
    }
    let deletes = events.len() + series.len();
    let upcoming = batch.upcoming;
    if deletes > FEW && deletes * 2 > upcoming && !batch.terms.force {
        let digest = digest(events.iter().chain(&series).map(|(key, _)| *key).collect());
        if batch.terms.confirms != Some(digest) {
            batch.applied.held_back = Some(HeldBack { deletes: deletes as i32, upcoming: upcoming as i32, digest });
            return Ok(());
        }
    }
    let ids = |found: Vec<(Key, Uuid)>| -> Vec<Uuid> { found.into_iter().map(|(_, id)| id).collect() };
    let (events, series) = (ids(events), ids(series));
    events::delete(batch.installation, &events, now)?;
    series::delete(batch.installation, &series, now)?;
    instances::delete(batch.installation, &series, now, now)?;
    queue::changed(batch.installation, &items(&events, &series), batch.source.connection_id)?;
    batch.applied.deleted += deletes as i32;
    Ok(())
}

fn items(events: &[Uuid], series: &[Uuid]) -> Vec<ItemId> {
    let events = events.iter().copied().map(ItemId::Event);
    events.chain(series.iter().copied().map(ItemId::Series)).collect()
}

/// Names a set of keys.
fn digest(mut keys: Vec<Key>) -> u128 {
    keys.sort_unstable();
    let bytes: Vec<u8> = keys.into_iter().flat_map(Key::to_le_bytes).collect();
    content::digest(&bytes)
}

/// See [`super::delete`].
pub fn delete_one(
    installation: &Installation,
    source: &Source,
    external_id: &str,
    now: DateTime<Utc>,
) -> SqlResult<bool> {
    let external_id = content::key(external_id);
    let mut known = Known::default();
    known.load(installation, source, Wanted::Keys(&[external_id.as_ref()]), now)?;
    let ids = |slots: &Slots| -> Vec<Uuid> { slots.values().map(|slot| slot.id).collect() };
    let (events, series) = (ids(&known.events), ids(&known.series));
    let deleted = events::delete(installation, &events, now)? + series::delete(installation, &series, now)?;
    instances::delete(installation, &series, DateTime::<Utc>::MIN_UTC, now)?;
    queue::changed(installation, &items(&events, &series), source.connection_id)?;
    Ok(deleted > 0)
}
