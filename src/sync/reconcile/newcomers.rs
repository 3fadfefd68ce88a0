//! What was not known: stored as any calendar's events are, and linked.

use calendar_sync_core::cancellation::is_bare;
use calendar_sync_core::content;
use calendar_sync_core::event::{Body, Item, Series};
use calendar_sync_core::merge::{Base, Occurrence};
use calendar_sync_core::providers::BadItem;
use uuid::Uuid;

use super::Run;
use super::incoming::Incoming;
use super::settle::version;
use crate::errors::SqlResult;
use crate::store::Source;
use crate::store::agreement::{self, Agreed};
use crate::store::links::ItemId;
use crate::store::moved_links::{self, Named};
use crate::sync::apply::{self, Action, Terms};
use crate::zones::PgZones;

/// Stores items that were not known, and links them.
pub fn store_new(run: &mut Run, new: Vec<Incoming>) -> SqlResult<()> {
    // Of an occurrence that does not take place, of a series that is not here, there is nothing to tell.
    let says_nothing = |one: &Incoming| match &one.body {
        Body::Overrides(overrides) => overrides.iter().all(|one| is_bare(&one.event)),
        _ => false,
    };
    let (nothing, new): (Vec<_>, Vec<_>) = new.into_iter().partition(says_nothing);
    run.counts.unchanged += i32::try_from(nothing.len()).unwrap_or_default();
    let stored = store(run, &run.source(), new.iter().map(Incoming::item).collect())?;
    let mut agreed = Vec::with_capacity(new.len());
    let mut named = Vec::new();
    for (one, stored) in new.into_iter().zip(stored) {
        let (id, action) = match stored {
            Ok(stored) => stored,
            Err(message) => {
                run.bad(BadItem { external_id: Some(one.external_id), is_override: false, message });
                continue;
            }
        };
        match action {
            Action::Created => run.counts.created += 1,
            Action::Updated => run.counts.updated += 1,
            Action::Unchanged => run.counts.unchanged += 1,
        }
        let has_own_id = one.series.as_ref() != Some(&one.external_id);
        let Some((item, body)) = followed(id, one.body, has_own_id) else { continue };
        if let (ItemId::Series(id), Body::Series(series)) = (item, &body) {
            named.extend(names(id, series, &one.occurrences));
        }
        run.changed.push(item);
        agreed.push(Agreed {
            item,
            external_id: one.external_id,
            etag: one.etag,
            local_version: content::of_body(&body),
            remote_version: Some(version(&body)),
            base: Base::new(body.clone(), body).with_occurrences(one.occurrences),
            is_unseen: false,
        });
    }
    agreement::agree(run.installation, run.connection.id, &agreed, run.now)?;
    moved_links::name_occurrences(run.installation, run.connection.id, &named, run.now)
}

/// What is linked of what was stored under that id. An override without its series that has no identifier of its own is not
/// followed.
fn followed(id: Uuid, body: Body, has_own_id: bool) -> Option<(ItemId, Body)> {
    match body {
        Body::Series(_) => Some((ItemId::Series(id), body)),
        Body::Single(_) => Some((ItemId::Event(id), body)),
        Body::Overrides(mut overrides) => {
            let own = overrides.pop().filter(|_| has_own_id)?;
            Some((ItemId::Event(id), Body::Single(Box::new(own.event))))
        }
    }
}

/// The occurrences that are not as the rule gives them, and have identifiers of their own.
pub(super) fn names(series_id: Uuid, series: &Series, occurrences: &[Occurrence]) -> Vec<Named> {
    let is_own = |one: &&Occurrence| series.overrides.iter().any(|own| own.recurrence_id == one.recurrence_id);
    let named = occurrences.iter().filter(is_own).map(|one| Named {
        series_id,
        recurrence_id: one.recurrence_id,
        external_id: one.external_id.clone(),
        etag: one.etag.clone(),
    });
    named.collect()
}

pub(super) type Stored = Result<(Uuid, Action), String>;

/// Stores items of one origin as any calendar's are.
pub(super) fn store(run: &Run, source: &Source, items: Vec<Item>) -> SqlResult<Vec<Stored>> {
    if items.is_empty() {
        return Ok(Vec::new());
    }
    let terms = Terms::handed_in(false, run.now);
    let applied = apply::calendar(run.installation, source, &PgZones, items.into_iter().map(Ok), &terms)?;
    let outcomes = applied.outcomes.into_iter().map(|outcome| match (outcome.action, outcome.event_id) {
        (Ok(action), Some(id)) => Ok((id, action)),
        (Ok(_), None) => Err("it came to nothing".to_owned()),
        (Err(message), _) => Err(message),
    });
    Ok(outcomes.collect())
}
