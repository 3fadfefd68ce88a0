//! What a complete batch does not hold: new identifiers of known items, and deletes.

use std::collections::HashMap;

use calendar_sync_core::content;
use calendar_sync_core::event::{Body, Event, Item};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::HeldBack;
use super::batch::Batch;
use super::known::{Key, Known, Slot};
use crate::errors::SqlResult;
use crate::store::{Installation, Source, Wanted, events, series};

/// Deletes of no more items than this are always done.
const FEW: usize = 10;

/// Items that are read whole at once.
const ITEMS_AT_ONCE: usize = 1_000;

/// Takes the new items, after those under a new identifier have got that by which they are known: a feed that makes
/// new UIDs at every fetch holds the same meetings. More than half of its items are new then.
pub fn settle(batch: &mut Batch) -> SqlResult<()> {
    batch.settle = true;
    let mut unsettled = std::mem::take(&mut batch.unsettled);
    if unsettled.len() * 2 > batch.applied.fetched as usize {
        rename(batch, &mut unsettled)?;
    }
    unsettled.into_iter().try_for_each(|(index, item)| batch.item(index, item))
}

/// What a meeting is known by if its identifier is worth nothing: start, end, title; a series apart from an event.
type Likeness = (DateTime<Utc>, Option<DateTime<Utc>>, String, bool);

fn likeness(event: &Event, is_series: bool) -> Likeness {
    (event.timing.start, event.timing.end, event.details.title.clone(), is_series)
}

fn rename(batch: &Batch, items: &mut [(usize, Item)]) -> SqlResult<()> {
    let mut known: HashMap<Likeness, Vec<String>> = HashMap::new();
    let unseen = |slots: &HashMap<Key, Slot>| -> Vec<Uuid> {
        let unseen = slots.values().filter(|slot| !slot.seen && !slot.deleted);
        unseen.map(|slot| slot.id).collect()
    };
    for ids in unseen(&batch.known.events).chunks(ITEMS_AT_ONCE) {
        for stored in events::find(batch.installation, ids)? {
            known.entry(likeness(&stored.event, false)).or_default().push(stored.external_id);
        }
    }
    for ids in unseen(&batch.known.series).chunks(ITEMS_AT_ONCE) {
        for stored in series::find(batch.installation, ids)? {
            known.entry(likeness(&stored.series.template, true)).or_default().push(stored.external_id);
        }
    }
    for (_, item) in items {
        let likeness = match &item.body {
            Body::Single(event) => likeness(event, false),
            Body::Series(series) => likeness(&series.template, true),
            Body::Overrides(_) => continue,
        };
        if let Some(external_id) = known.get_mut(&likeness).and_then(Vec::pop) {
            item.external_id = external_id;
        }
    }
    Ok(())
}

/// Deletes what is stored, not over, and not in the batch; unless that is suspiciously much.
pub fn delete(batch: &mut Batch) -> SqlResult<()> {
    let now = batch.terms.now;
    let absent = |slots: &HashMap<Key, Slot>| -> Vec<(Key, Uuid)> {
        let absent = slots.iter().filter(|(_, slot)| slot.upcoming && !slot.seen && !slot.deleted);
        absent.map(|(key, slot)| (*key, slot.id)).collect()
    };
    let (events, series) = (absent(&batch.known.events), absent(&batch.known.series));
    let deletes = events.len() + series.len();
    let upcoming = batch.upcoming;
    if deletes > FEW && deletes * 2 > upcoming && !batch.terms.force {
        let keys = events.iter().chain(&series).map(|(key, _)| *key).collect();
        batch.applied.held_back =
            Some(HeldBack { deletes: deletes as i32, upcoming: upcoming as i32, digest: digest(keys) });
        return Ok(());
    }
    let ids = |found: Vec<(Key, Uuid)>| -> Vec<Uuid> { found.into_iter().map(|(_, id)| id).collect() };
    let (events, series) = (ids(events), ids(series));
    events::delete(batch.installation, &events, now)?;
    series::delete(batch.installation, &series, now)?;
    events::delete_instances(batch.installation, &series, now, now)?;
    batch.applied.deleted += deletes as i32;
    Ok(())
}

/// Names a set of keys.
fn digest(mut keys: Vec<Key>) -> String {
    keys.sort_unstable();
    let bytes: Vec<u8> = keys.into_iter().flat_map(Key::to_le_bytes).collect();
    format!("{:032x}", content::digest(&bytes))
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
    let ids = |slots: &HashMap<Key, Slot>| -> Vec<Uuid> { slots.values().map(|slot| slot.id).collect() };
    let (events, series) = (ids(&known.events), ids(&known.series));
    let deleted = events::delete(installation, &events, now)? + series::delete(installation, &series, now)?;
    events::delete_instances(installation, &series, DateTime::<Utc>::MIN_UTC, now)?;
    Ok(deleted > 0)
}
