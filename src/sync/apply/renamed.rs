//! Feeds that change their identifiers at every fetch.

use std::collections::HashMap;

use calendar_sync_core::event::{Body, Event};
use calendar_sync_core::ics::Sourced;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::batch::Batch;
use super::known::Slots;
use crate::errors::SqlResult;
use crate::store::{events, series};

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

fn rename(batch: &Batch, items: &mut [(usize, Sourced)]) -> SqlResult<()> {
    let mut known: HashMap<Likeness, Vec<String>> = HashMap::new();
    let unseen = |slots: &Slots| -> Vec<Uuid> {
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
    for (_, Sourced { item, source, .. }) in items {
        let likeness = match &item.body {
            Body::Single(event) => likeness(event, false),
            Body::Series(series) => likeness(&series.template, true),
            Body::Overrides(_) => continue,
        };
        if let Some(external_id) = known.get_mut(&likeness).and_then(Vec::pop) {
            item.external_id = external_id;
            // It is known by another identifier than the one that it is found by in the file.
            *source = None;
        }
    }
    Ok(())
}
