//! Writing the items of a batch. What the database refuses (a constraint or a trigger that somebody has put there) is one
//! bad item; the others are written.

use calendar_sync_core::content;
use chrono::{DateTime, Utc};
use pgrx::check_for_interrupts;
use pgrx::pg_sys::panic::ErrorReportable;
use uuid::Uuid;

use super::expansion::{self, Rows};
use super::known::{Key, Slot};
use super::pending::{Items, Mark, NewEvent, NewSeries};
use crate::errors::SqlResult;
use crate::store::links::ItemId;
use crate::store::{Failure, Installation, Source, events, guarded, instances, queue, series};

/// A database that refuses more items of one batch than this is at fault itself.
const MOST_REFUSED: usize = 100;
/// Sync status of an item that could not be read or stored: its last good data stays.
const IN_ERROR: &str = "error";

/// Where items are written to.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    pub installation: &'a Installation,
    pub source: &'a Source<'a>,
    pub now: DateTime<Utc>,
}

/// An item that stands in the tables now.
pub struct Written {
    pub index: usize,
    pub key: Key,
    pub is_series: bool,
    pub slot: Slot,
}

impl Written {
    const fn item(&self) -> ItemId {
        if self.is_series { ItemId::Series(self.slot.id) } else { ItemId::Event(self.slot.id) }
    }
}

/// An item that the database did not take; what was stored of it is as it was.
pub struct Refused {
    pub mark: Mark,
    pub is_series: bool,
    pub message: String,
}

/// What became of items.
pub struct Done {
    pub written: Vec<Written>,
    pub refused: Vec<Refused>,
    refused_before: usize,
}

impl Done {
    /// Nothing yet, in a batch of which so many items have been refused.
    pub const fn after(refused_before: usize) -> Self {
        Self { written: Vec::new(), refused: Vec::new(), refused_before }
    }
}

impl Target<'_> {
    /// Writes items in one subtransaction; where one of them is refused, each half in its own, down to that one.
    ///
    /// # Errors
    /// What belongs to the whole transaction (see [`guarded`]); what is refused, where that is too much.
    pub fn write(self, items: Items, done: &mut Done) -> SqlResult<()> {
        if items.len() == 0 {
            return Ok(());
        }
        let failure = match guarded(|| self.write_all(&items).unwrap_or_report()) {
            Ok(written) => {
                done.written.extend(written);
                return Ok(());
            }
            Err(failure) => failure,
        };
        check_for_interrupts!();
        if items.len() == 1 {
            return refuse(items, failure, done);
        }
        let (one, other) = items.halves();
        self.write(one, done)?;
        self.write(other, done)
    }

    /// Writes items; an error is the caller's.
    pub fn write_all(self, items: &Items) -> SqlResult<Vec<Written>> {
        let mut changed = self.remove_replaced(items)?;
        let mut written = Vec::with_capacity(items.len());
        let (silent_series, new_series): (Vec<_>, Vec<_>) = items.series.iter().partition(|series| series.mark.silent);
        self.write_series(&new_series, false, &mut written)?;
        let (silent_events, new_events): (Vec<_>, Vec<_>) = items.events.iter().partition(|event| event.mark.silent);
        self.write_events(&new_events, false, &mut written)?;
        changed.extend(written.iter().map(Written::item));
        self.write_series(&silent_series, true, &mut written)?;
        self.write_events(&silent_events, true, &mut written)?;
        queue::changed(self.installation, &changed, self.source.connection_id)?;
        Ok(written)
    }

    /// Marks what takes another form as deleted; returns it.
    fn remove_replaced(self, items: &Items) -> SqlResult<Vec<ItemId>> {
        let Self { installation, now, .. } = self;
        let single: Vec<Uuid> = items.series.iter().filter_map(|series| series.mark.replaces).collect();
        events::delete(installation, &single, now)?;
        // Each with the start of the single event that takes its place.
        let replaced: Vec<(Uuid, DateTime<Utc>)> =
            items.events.iter().filter_map(|new| Some((new.mark.replaces?, new.event.timing.start))).collect();
        let series: Vec<Uuid> = replaced.iter().map(|(series_id, _)| *series_id).collect();
        series::delete(installation, &series, now)?;
        instances::delete(installation, &series, now, now)?;
        instances::delete_single(installation, &replaced, now)?;
        Ok(single.into_iter().map(ItemId::Event).chain(series.into_iter().map(ItemId::Series)).collect())
    }

    fn write_events(self, new: &[&NewEvent], silently: bool, written: &mut Vec<Written>) -> SqlResult<()> {
        if new.is_empty() {
            return Ok(());
        }
        let keys: Vec<_> = new.iter().map(|event| content::key(&event.mark.external_id)).collect();
        let rows: Vec<events::Row> = new.iter().zip(&keys).map(|(event, key)| event.row(key)).collect();
        let ids = events::upsert(self.installation, self.source, &rows, silently, self.now)?;
        let written_now = new.iter().zip(ids);
        written.extend(written_now.map(|(event, id)| stands(&event.mark, false, id, DateTime::<Utc>::MIN_UTC)));
        Ok(())
    }

    fn write_series(self, new: &[&NewSeries], silently: bool, written: &mut Vec<Written>) -> SqlResult<()> {
        let Self { installation, source, now } = self;
        if new.is_empty() {
            return Ok(());
        }
        let keys: Vec<_> = new.iter().map(|series| content::key(&series.mark.external_id)).collect();
        let rows: Vec<series::Row> = new.iter().zip(&keys).map(|(series, key)| series.row(key)).collect();
        let ids = series::upsert(installation, source, &rows, silently, now)?;
        let changed = || new.iter().zip(&ids).filter(|(series, _)| !series.is_new);
        let changed_ids: Vec<Uuid> = changed().map(|(_, id)| *id).collect();
        let given: Vec<(Uuid, DateTime<Utc>)> = changed()
            .flat_map(|(series, id)| series.instances.iter().map(|instance| (*id, instance.recurrence_id)))
            .collect();
        instances::remove(installation, &changed_ids, now, &given)?;
        let healed: Vec<Uuid> = changed().filter(|(series, _)| series.was_in_error).map(|(_, id)| *id).collect();
        instances::heal(installation, &healed, now)?;
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
        let written_now = new.iter().zip(ids);
        written.extend(written_now.map(|(series, id)| stands(&series.mark, true, id, series.expansion.from)));
        Ok(())
    }

    /// Marks what could not be read or stored, a series with what is to come of it. Where the database refuses even
    /// that, the log alone says it.
    pub fn mark_in_error(self, events: &[Uuid], series: &[Uuid]) {
        let Self { installation, now, .. } = self;
        if events.is_empty() && series.is_empty() {
            return;
        }
        let mark = || -> SqlResult<()> {
            events::mark(installation, events, IN_ERROR, now)?;
            series::mark(installation, series, IN_ERROR, now)?;
            instances::mark_in_error(installation, series, now)?;
            Ok(())
        };
        let _ = guarded(|| mark().unwrap_or_report());
    }
}

fn stands(mark: &Mark, is_series: bool, id: Uuid, expanded_from: DateTime<Utc>) -> Written {
    let slot = Slot::written(id, mark.hash, mark.source_hash, expanded_from);
    Written { index: mark.index, key: mark.key, is_series, slot }
}

fn refuse(items: Items, failure: Failure, done: &mut Done) -> SqlResult<()> {
    if done.refused_before + done.refused.len() >= MOST_REFUSED {
        return Err(failure.into_error());
    }
    let Some((mark, is_series)) = items.into_first() else { return Ok(()) };
    done.refused.push(Refused { mark, is_series, message: format!("the database refuses it: {}", failure.message) });
    Ok(())
}
