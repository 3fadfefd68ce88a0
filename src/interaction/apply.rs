//! Brings the events of a batch of interactions up to date. What fails for one interaction is recorded and keeps none
//! of the others from being written.

use std::collections::HashMap;
use std::rc::Rc;

use pgrx::pg_sys::panic::ErrorReportable;
use pgrx::{check_for_interrupts, pg_sys};
use uuid::Uuid;

use super::event::{Wanted, map};
use super::layout::{Layout, Tracked};
use super::names::NameBook;
use super::reread::reread;
use super::row::{Change, Row};
use crate::errors::SqlResult;
use crate::settings;
use crate::store::interactions::{self, Events, Outcome, RelatedTable};
use crate::store::{Failure, Installation, failures, guarded, new_id};

/// What became of a batch: each interaction with its outcome.
pub type Outcomes = Vec<(Uuid, Result<Outcome, Failure>)>;

/// Applies the rows of one relation in their order.
///
/// # Errors
/// Only what belongs to the whole transaction: see [`guarded`].
pub fn apply(layout: &Layout, mut rows: Vec<Row>, names: &mut NameBook) -> SqlResult<Outcomes> {
    if rows.iter().all(|row| row.change == Change::Inserted) {
        // In the order of the index over their ids, so that it is walked through once instead of hit at random. Rows are
        // large: by cached keys each is moved once.
        rows.sort_by_cached_key(|row| row.id);
        return attempt(layout, &mut rows, names, Road::Fresh, earliest(&layout.tracked));
    }
    let (superseded, mut rows): (Vec<Row>, Vec<Row>) =
        last_of_each(rows).into_iter().partition(|row| row.change == Change::Superseded);
    let mut outcomes = attempt(layout, &mut rows, names, Road::Careful, earliest(&layout.tracked))?;
    if !superseded.is_empty() {
        let ids: Vec<Uuid> = superseded.iter().map(|row| row.id).collect();
        outcomes.extend(sync_ids(&layout.tracked, &ids, earliest(&layout.tracked))?);
    }
    Ok(outcomes)
}

/// Brings the events of those interactions to what stands in their table now; `since`: the start of the window that new
/// events must lie in.
pub fn sync_ids(tracked: &Rc<Tracked>, ids: &[Uuid], since: i64) -> SqlResult<Outcomes> {
    let read = match guarded(|| reread(tracked, ids).unwrap_or_report()) {
        Ok(read) => read,
        Err(failure) => {
            let rows: Vec<Row> = ids.iter().map(|id| Row::of_id(Change::Present, *id)).collect();
            return all_failed(tracked, &rows, &failure);
        }
    };
    attempt(&read.layout, &mut last_of_each(read.rows), &mut NameBook::default(), Road::Careful, since)
}

/// How a batch is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Road {
    /// All are new: nothing is looked for first, since a new interaction has no event.
    Fresh,
    /// Looks for each event before it is written.
    Careful,
}

/// Writes a batch in one subtransaction; when something in it fails, its halves, down to the one that fails.
fn attempt(layout: &Layout, rows: &mut [Row], names: &mut NameBook, road: Road, since: i64) -> SqlResult<Outcomes> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    if let Some(misfit) = &layout.misfit {
        return all_failed(&layout.tracked, rows, misfit);
    }
    let failure = match guarded(|| write(layout, rows, names, road, since).unwrap_or_report()) {
        Ok(outcomes) => return settle(layout, rows, outcomes, road),
        Err(failure) => failure,
    };
    check_for_interrupts!();
    // What was noted as known may be what could not be looked up.
    *names = NameBook::default();
    if road == Road::Fresh && failure.sqlstate == UNIQUE_VIOLATION {
        let rows = rows.iter_mut().map(|row| std::mem::replace(row, Row::of_id(row.change, row.id)));
        attempt(layout, &mut last_of_each(rows.collect()), names, Road::Careful, since)
    } else if rows.len() == 1 {
        all_failed(&layout.tracked, rows, &failure)
    } else {
        let (left, right) = rows.split_at_mut(rows.len() / 2);
        let mut outcomes = attempt(layout, left, names, road, since)?;
        outcomes.extend(attempt(layout, right, names, road, since)?);
        Ok(outcomes)
    }
}

const UNIQUE_VIOLATION: &str = "23505";

fn write(layout: &Layout, rows: &mut [Row], names: &mut NameBook, road: Road, since: i64) -> SqlResult<Outcomes> {
    names.look_up(layout, rows)?;
    let table = related_table(&layout.tracked);
    let installation = Installation::current()?;
    interactions::write(&installation, &table, |events| {
        set_aside_moved(rows, events);
        rows.iter_mut().map(|row| Ok((row.id, write_one(layout, row, names, since, road, events)?))).collect()
    })
}

fn write_one(
    layout: &Layout,
    row: &mut Row,
    names: &mut NameBook,
    since: i64,
    road: Road,
    events: &mut Events,
) -> SqlResult<Result<Outcome, Failure>> {
    if row.change == Change::Deleted {
        return Ok(Ok(delete(events, row.id)));
    }
    let wanted = match map(layout, row, names.of(row), since)? {
        Ok(wanted) => wanted,
        Err(failure) => return Ok(Err(failure)),
    };
    let exists = road == Road::Careful && (row.id_before.is_some_and(|id| events.find(id)) || events.find(row.id));
    Ok(Ok(match wanted {
        Wanted { event, cancelled, .. } if exists => events.update(row.id, event.as_ref(), cancelled),
        Wanted { may_create: true, .. } if row.change == (Change::Updated { names_changed: false }) => {
            // Not looked up, since an event that exists keeps its participants; this one is yet to be made.
            row.change = Change::Present;
            names.look_up(layout, std::slice::from_mut(row))?;
            return write_one(layout, row, names, since, road, events);
        }
        Wanted { event: Some(event), may_create: true, .. } => {
            events.create(row.id, &event);
            Outcome::Created
        }
        _ => Outcome::Unchanged,
    }))
}

/// Interactions may swap their ids within one statement: first all of their events leave the old ones.
fn set_aside_moved(rows: &mut [Row], events: &mut Events) {
    let mut moved = false;
    for row in rows.iter_mut() {
        if let Some(before) = row.id_before.take()
            && events.find(before)
        {
            let aside = new_id();
            events.rename(aside);
            row.id_before = Some(aside);
            moved = true;
        }
    }
    if moved {
        // SAFETY: within a transaction. What was set aside is seen by what comes next.
        unsafe { pg_sys::CommandCounterIncrement() };
    }
}

fn delete(events: &mut Events, id: Uuid) -> Outcome {
    if events.find(id) {
        events.delete(id);
        Outcome::Deleted
    } else {
        Outcome::Unchanged
    }
}

/// Failures of the mapping are recorded, old failures of what went well are resolved.
fn settle(layout: &Layout, rows: &[Row], outcomes: Outcomes, road: Road) -> SqlResult<Outcomes> {
    let name = &layout.tracked.name;
    for (row, (id, outcome)) in rows.iter().zip(&outcomes) {
        if let Err(failure) = outcome {
            failures::record(name, *id, action(row.change), is_again(row.change), failure)?;
        }
    }
    // A new interaction has no failures behind it.
    if road == Road::Careful {
        let well = |deleted: bool| -> Vec<Uuid> {
            rows.iter()
                .zip(&outcomes)
                .filter(|(row, (_, outcome))| outcome.is_ok() && (row.change == Change::Deleted) == deleted)
                .map(|(row, _)| row.id)
                .collect()
        };
        let (changed, deleted) = (well(false), well(true));
        if !changed.is_empty() {
            failures::resolve(name, &changed)?;
        }
        if !deleted.is_empty() {
            failures::forget(name, &deleted)?;
        }
    }
    Ok(outcomes)
}

fn all_failed(tracked: &Tracked, rows: &[Row], failure: &Failure) -> SqlResult<Outcomes> {
    for row in rows {
        failures::record(&tracked.name, row.id, action(row.change), is_again(row.change), failure)?;
    }
    Ok(rows.iter().map(|row| (row.id, Err(failure.clone()))).collect())
}

const fn action(change: Change) -> &'static str {
    match change {
        Change::Inserted => "create",
        Change::Updated { .. } | Change::Present | Change::Superseded => "update",
        Change::Deleted => "delete",
    }
}

/// Whether an event is brought to what stands in the interaction's table, whatever has changed there.
const fn is_again(change: Change) -> bool {
    matches!(change, Change::Present)
}

/// Whose events they are, as the store wants it.
pub fn related_table(tracked: &Tracked) -> RelatedTable {
    RelatedTable { name: tracked.name_text, time_zone: tracked.time_zone, now: now() }
}

/// The start of the window that new events must lie in.
pub fn earliest(tracked: &Tracked) -> i64 {
    now() - tracked.window.unwrap_or(i64::from(settings::SYNC_WINDOW.get()) * 1_000_000)
}

/// The transaction's time, as PostgreSQL counts it.
fn now() -> i64 {
    // SAFETY: within a transaction.
    unsafe { pg_sys::GetCurrentTransactionStartTimestamp() }
}

/// Of each interaction the last change of the batch; a delete and an insert in one statement are an update: the event
/// stays the same.
fn last_of_each(rows: Vec<Row>) -> Vec<Row> {
    let mut places: HashMap<Uuid, usize> = HashMap::with_capacity(rows.len());
    let mut last: Vec<Row> = Vec::with_capacity(rows.len());
    for mut row in rows {
        match places.get(&row.id) {
            Some(place) => {
                if row.change == Change::Inserted || matches!(row.change, Change::Updated { .. }) {
                    row.change = Change::Present;
                }
                row.id_before = row.id_before.or(last[*place].id_before);
                last[*place] = row;
            }
            None => {
                places.insert(row.id, last.len());
                last.push(row);
            }
        }
    }
    last
}
