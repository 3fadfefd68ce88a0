//! Catching up: interactions that were there before their table was attached, or that no trigger saw.

use std::collections::HashSet;
use std::rc::Rc;

use calendar_sync_core::mapping::Field;
use pgrx::{PgSqlErrorCode, check_for_interrupts, direct_function_call_as_datum, notice, pg_sys};
use uuid::Uuid;

use super::apply::{self, Outcomes, related_table, sync_ids};
use super::event::{Wanted, map};
use super::layout::{Layout, Tracked};
use super::names::NameBook;
use super::row::Row;
use super::{check, reread};
use crate::errors::{SqlResult, error};
use crate::store::interactions::{self, Outcome};
use crate::store::{Installation, guarded, related, tracked};

/// Interactions read at once.
const CHUNK: i64 = 5_000;
/// How many are read between two words on how far it is.
const PROGRESS: u64 = 50_000;

/// What is not as it should be.
pub struct Unsynced {
    pub related_table: String,
    pub interaction_id: Uuid,
    pub event_id: Option<Uuid>,
    /// 'create', 'update' or 'delete': what a backfill would do.
    pub action: &'static str,
}

/// Brings the events of one attached table, or of all, up to date; how many were written or deleted.
///
/// `since`: interactions from then on (PostgreSQL's microseconds); `None`: from the window's start on.
///
/// # Errors
/// 55000 where the table is not attached, 42501 where it is another's.
pub fn backfill(table: Option<pg_sys::Oid>, since: Option<i64>) -> SqlResult<i64> {
    let mut written = 0;
    for row in tables(table)? {
        let Some(tracked) = Tracked::find(row.id)? else { continue };
        written += backfill_table(&tracked, since.unwrap_or_else(|| apply::earliest(&tracked)))?;
    }
    Ok(written)
}

fn tables(table: Option<pg_sys::Oid>) -> SqlResult<Vec<tracked::Row>> {
    let Some(oid) = table else {
        let all = tracked::all()?;
        all.iter().try_for_each(|row| check::own_table(row.table).map(|_| ()))?;
        return Ok(all);
    };
    let table = check::own_table(oid)?;
    match tracked::by_table(oid)? {
        Some(row) => Ok(vec![row]),
        None => Err(error(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!("{} is not attached", table.qualified),
        )
        .set_hint(format!("SELECT calendar_attach('{}');", table.qualified.replace('\'', "''")))),
    }
}

fn backfill_table(tracked: &Rc<Tracked>, since: i64) -> SqlResult<i64> {
    reread::check_fit(tracked)?;
    let (mut read, mut changed, mut deleted) = (0, 0, 0);
    scan(tracked, since, |rows, layout| {
        let todo: Vec<Uuid> =
            unsynced_of(tracked, layout, rows, since)?.into_iter().map(|item| item.interaction_id).collect();
        changed += written(&sync_ids(tracked, &todo, since)?);
        let before = read;
        read += rows.len() as u64;
        if before / PROGRESS != read / PROGRESS {
            notice!("calendar_backfill: {}: {read} interactions read, {changed} events written", tracked.name);
        }
        Ok(())
    })?;
    each_orphan(tracked, |orphans| {
        let ids: Vec<Uuid> = orphans.iter().map(|(interaction, _)| *interaction).collect();
        deleted += written(&sync_ids(tracked, &ids, since)?);
        Ok(())
    })?;
    if changed + deleted > 0 {
        related::log_many(&tracked.name, "backfill", changed, deleted)?;
    }
    Ok(changed + deleted)
}

fn written(outcomes: &Outcomes) -> i64 {
    outcomes.iter().filter(|(_, outcome)| matches!(outcome, Ok(outcome) if *outcome != Outcome::Unchanged)).count()
        as i64
}

/// What a backfill of the window would do, over all attached tables; each table's rows are handed over in chunks.
///
/// A table that can't be read is reported by a warning and left out: the view shows the others.
pub fn each_unsynced(mut each: impl FnMut(Unsynced)) -> SqlResult<()> {
    for row in tracked::all()? {
        let Some(tracked) = Tracked::find(row.id)? else { continue };
        let found = guarded(|| {
            use pgrx::pg_sys::panic::ErrorReportable;
            unsynced_of_table(&tracked).unwrap_or_report()
        });
        match found {
            Ok(found) => found.into_iter().for_each(&mut each),
            Err(failure) => pgrx::warning!("calendar_sync: {} could not be read: {}", tracked.name, failure.message),
        }
    }
    Ok(())
}

fn unsynced_of_table(tracked: &Rc<Tracked>) -> SqlResult<Vec<Unsynced>> {
    reread::check_fit(tracked)?;
    let since = apply::earliest(tracked);
    let mut found = Vec::new();
    scan(tracked, since, |rows, layout| {
        found.extend(unsynced_of(tracked, layout, rows, since)?);
        Ok(())
    })?;
    each_orphan(tracked, |orphans| {
        found.extend(orphans.iter().map(|(interaction, event)| Unsynced {
            related_table: tracked.name.clone(),
            interaction_id: *interaction,
            event_id: Some(*event),
            action: "delete",
        }));
        Ok(())
    })?;
    Ok(found)
}

/// Reads the table's interactions from `since` on, a chunk at a time.
fn scan(
    tracked: &Rc<Tracked>,
    since: i64,
    mut each: impl FnMut(&mut [Row], &Layout) -> SqlResult<()>,
) -> SqlResult<()> {
    let columns = reread::columns(tracked)?;
    let bound = bound(&reread::root_layout(tracked)?, since);
    let date_column = tracked.mapping.column(Field::InteractionDate).0;
    reread::selection(tracked, &columns).since(date_column, bound, CHUNK, |tuples| {
        check_for_interrupts!();
        let (mut layout, mut rows) = (None, Vec::new());
        for (tuple, descriptor) in tuples {
            // SAFETY: a row that was just read, with its descriptor.
            unsafe { reread::collect(tracked, tuple, descriptor, &mut layout, &mut rows) };
        }
        match layout {
            Some(layout) => each(&mut rows, &layout),
            None => Ok(()),
        }
    })
}

/// The start of the range as the date column has it; `None`: everything.
fn bound(layout: &Layout, since: i64) -> Option<(pg_sys::Oid, pg_sys::Datum)> {
    let column = layout.column(Field::InteractionDate).filter(|_| since > i64::MIN)?;
    let since = pg_sys::Datum::from(since);
    match column.type_oid {
        // SAFETY: timestamptz_zone(zone text, timestamptz): the wall clock in the mapping's zone.
        pg_sys::TIMESTAMPOID => unsafe {
            let zone = Some(layout.tracked.time_zone);
            direct_function_call_as_datum(pg_sys::timestamptz_zone, &[zone, Some(since)])
                .map(|since| (pg_sys::TIMESTAMPOID, since))
        },
        type_oid => Some((type_oid, since)),
    }
}

/// Which of these interactions have no event that they should have, or another one.
fn unsynced_of(tracked: &Tracked, layout: &Layout, rows: &mut [Row], since: i64) -> SqlResult<Vec<Unsynced>> {
    let mut names = NameBook::default();
    names.look_up(layout, rows)?;
    let installation = Installation::current()?;
    interactions::read(&installation, &related_table(tracked), |events| {
        let mut found = Vec::new();
        for row in rows {
            let Wanted { may_create, cancelled, event } = match map(layout, row, names.of(row), since)? {
                Ok(wanted) => wanted,
                // A sync would find the same, and record it.
                Err(_) => Wanted { may_create: true, cancelled: false, event: None },
            };
            let (action, event_id) = match events.look(row.id) {
                Some(existing) if existing.would_change(event.as_ref(), cancelled) => ("update", existing.id()),
                None if may_create => ("create", None),
                _ => continue,
            };
            found.push(Unsynced { related_table: tracked.name.clone(), interaction_id: row.id, event_id, action });
        }
        Ok(found)
    })
}

/// Events whose interaction is gone, a chunk at a time: (interaction, event).
fn each_orphan(tracked: &Tracked, mut each: impl FnMut(&[(Uuid, Uuid)]) -> SqlResult<()>) -> SqlResult<()> {
    let columns = [tracked.mapping.column(Field::InteractionId).0.to_owned()];
    let mut after = Uuid::nil();
    loop {
        check_for_interrupts!();
        let page = related::page(&tracked.name, after, CHUNK)?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        after = *last;
        let ids: Vec<Uuid> = page.iter().map(|(interaction, _)| *interaction).collect();
        let mut existing = HashSet::new();
        reread::selection(tracked, &columns).by_ids(&ids, false, |tuple, descriptor| {
            let mut is_null = false;
            // SAFETY: a row that was just read; its only column is the id, a uuid of 16 bytes.
            unsafe {
                let id = pg_sys::heap_getattr(tuple, 1, descriptor, &mut is_null);
                if !is_null {
                    existing.insert(Uuid::from_bytes(*id.cast_mut_ptr::<[u8; 16]>()));
                }
            }
        })?;
        let orphans: Vec<(Uuid, Uuid)> = page.into_iter().filter(|(id, _)| !existing.contains(id)).collect();
        if !orphans.is_empty() {
            each(&orphans)?;
        }
    }
}
