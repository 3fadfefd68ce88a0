//! Events and series as they stand here, whatever their origin: what is compared with an outside calendar, and sent there.

use std::collections::{HashMap, HashSet};

use calendar_sync_core::content::{self, Hash};
use calendar_sync_core::event::{Body, Event, Override, Series};
use chrono::{DateTime, Utc};
use pgrx::pg_sys;
use pgrx::spi::SpiResult;
use uuid::Uuid;

use super::datum::{column, stamp, uuid, within_scratch};
use super::details::{self, selected};
use super::events::read_timing;
use super::links::ItemId;
use super::outside::execute_on;
use super::rows::Columns;
use super::{Installation, Statement, series};
use crate::errors::SqlResult;

/// An item as it stands.
#[derive(Debug, Clone)]
pub struct Standing {
    pub item: ItemId,
    pub user_id: String,
    /// Where it came from; `None` for what is of this database.
    pub connection_id: Option<Uuid>,
    /// Of what an application hands in, or what came from outside, with its key.
    pub key: Option<(String, String)>,
    /// See [`super::Source::synced_from`].
    pub synced_from: String,
    /// It is of an interaction, whose fields are the CRM's.
    pub of_interaction: bool,
    /// It is kept as history alone.
    pub deleted: bool,
    /// When it last changed here.
    pub changed_at: DateTime<Utc>,
    /// What was done to the instances of a series one by one is among its overrides and EXDATEs.
    pub body: Body,
    /// Something was.
    pub has_edits: bool,
    /// Of an instance of a series: that, and its original start.
    pub occurrence: Option<(Uuid, DateTime<Utc>)>,
}

/// An instance of a series that was changed for itself.
struct Edit {
    series_id: Uuid,
    recurrence_id: DateTime<Utc>,
    /// `None`: deleted.
    event: Option<Event>,
}

macro_rules! whole {
    ($end:literal) => {
        concat!(
            "select event_id, user_id, connection_id, external_source, external_id, synced_from,
                 related_table is not null, sync_status = 'deleted', changed_at, series_id, recurrence_id, event_date, event_end, all_day, time_zone,
                 floating, ",
            selected!(),
            " from @calendar_events
             where event_id = any ($1)
             order by event_id ",
            $end
        )
    };
}

thread_local! {
    static FIND: Statement = const { Statement::new(whole!(""), &[pg_sys::UUIDARRAYOID]) };
    static LOCK: Statement = const { Statement::new(whole!("for update"), &[pg_sys::UUIDARRAYOID]) };
    // What a sync writes it stamps with one time.
    static EDITS: Statement = const { Statement::new(
        concat!(
            "select series_id, recurrence_id, sync_status = 'deleted', content_hash, is_override, event_date, event_end,
                 all_day, time_zone, floating, ",
            selected!(),
            " from @calendar_events
             where series_id = any ($1)
               and recurrence_id is not null
               and (sync_status = 'deleted' or changed_at <> last_synced_at)
             order by series_id, recurrence_id"
        ),
        &[pg_sys::UUIDARRAYOID],
    ) };
    // What has begun is not stored again.
    static FORGET_INSTANCES: Statement = const { Statement::new(
        "update @calendar_events
         set content_hash = case when event_date <= $2 then content_hash end,
             last_synced_at = case when event_date <= $2 then changed_at else last_synced_at end
         where series_id = any ($1)
           and (sync_status = 'deleted' or changed_at <> last_synced_at)",
        &[pg_sys::UUIDARRAYOID, pg_sys::TIMESTAMPTZOID],
    ) };
    static FORGET_SERIES: Statement = const { Statement::new(
        "update @calendar_series set content_hash = null where series_id = any ($1)",
        &[pg_sys::UUIDARRAYOID],
    ) };
}

/// These items; those that are not there are left out.
pub fn find(installation: &Installation, items: &[ItemId]) -> SqlResult<Vec<Standing>> {
    read(installation, items, false)
}

/// The same, locked until the end of the transaction.
pub fn lock(installation: &Installation, items: &[ItemId]) -> SqlResult<Vec<Standing>> {
    read(installation, items, true)
}

fn read(installation: &Installation, items: &[ItemId], lock: bool) -> SqlResult<Vec<Standing>> {
    let [events, ids] = ItemId::split(items);
    let mut found = Vec::with_capacity(items.len());
    if !events.is_empty() {
        let statement = if lock { &LOCK } else { &FIND };
        let arguments = || [column(&events, |id| uuid(*id))];
        found = within_scratch(|| statement.with(|find| find.rows(installation, &arguments(), read_event)))?;
    }
    let stored = if lock { series::lock(installation, &ids)? } else { series::find(installation, &ids)? };
    let mut edits = edits(installation, &ids)?;
    found.extend(stored.into_iter().map(|stored| {
        let edits = edits.remove(&stored.series_id).unwrap_or_default();
        of_series(stored, edits)
    }));
    Ok(found)
}

fn read_event(columns: &mut Columns) -> SpiResult<Standing> {
    let item = ItemId::Event(columns.uuid()?.unwrap_or_default());
    let user_id = columns.word()?;
    let connection_id = columns.uuid()?;
    let source = columns.text()?;
    let external_id = columns.text()?;
    Ok(Standing {
        item,
        user_id,
        connection_id,
        key: source.zip(external_id),
        synced_from: columns.word()?,
        of_interaction: columns.flag()?,
        deleted: columns.flag()?,
        changed_at: columns.instant()?.unwrap_or_default(),
        occurrence: columns.uuid()?.zip(columns.instant()?),
        body: Body::Single(Box::new(Event { timing: read_timing(columns)?, details: details::read(columns)? })),
        has_edits: false,
    })
}

fn of_series(stored: series::Stored, edits: Vec<Edit>) -> Standing {
    let (mut series, mut has_edits) = (stored.series, false);
    // Those of a series that is deleted were deleted with it.
    for edit in edits.into_iter().filter(|_| !stored.deleted) {
        has_edits |= lay_over(&mut series, edit);
    }
    Standing {
        item: ItemId::Series(stored.series_id),
        user_id: stored.user_id,
        connection_id: stored.connection_id,
        key: Some((stored.external_source, stored.external_id)),
        synced_from: stored.synced_from,
        of_interaction: false,
        deleted: stored.deleted,
        changed_at: stored.changed_at,
        body: Body::Series(Box::new(series)),
        has_edits,
        occurrence: None,
    }
}

/// Adds to series what was done to their instances one by one. Returns the ids of those that have such.
pub fn lay_edits_over(installation: &Installation, series: &mut [(Uuid, &mut Series)]) -> SqlResult<HashSet<Uuid>> {
    let ids: Vec<Uuid> = series.iter().map(|(id, _)| *id).collect();
    let mut edits = edits(installation, &ids)?;
    let edited = edits.keys().copied().collect();
    for (id, series) in series {
        for edit in edits.remove(id).into_iter().flatten() {
            lay_over(series, edit);
        }
    }
    Ok(edited)
}

/// Returns whether that changes something.
fn lay_over(series: &mut Series, edit: Edit) -> bool {
    let Edit { recurrence_id, event, .. } = edit;
    let is_same = |one: &Override| one.recurrence_id == recurrence_id && !one.this_and_future;
    let Some(event) = event else {
        let known = series.exdates.contains(&recurrence_id);
        series.overrides.retain(|one| !is_same(one));
        if !known {
            series.exdates.push(recurrence_id);
        }
        return !known;
    };
    series.overrides.retain(|one| !is_same(one));
    series.overrides.push(Override { recurrence_id, this_and_future: false, duration: None, event });
    true
}

fn edits(installation: &Installation, series: &[Uuid]) -> SqlResult<HashMap<Uuid, Vec<Edit>>> {
    let mut edits: HashMap<Uuid, Vec<Edit>> = HashMap::new();
    if series.is_empty() {
        return Ok(edits);
    }
    let found = within_scratch(|| {
        EDITS.with(|statement| statement.rows(installation, &[column(series, |id| uuid(*id))], read_edit))
    })?;
    for edit in found.into_iter().flatten() {
        edits.entry(edit.series_id).or_default().push(edit);
    }
    Ok(edits)
}

/// `None` for one that is as it was stored.
fn read_edit(columns: &mut Columns) -> SpiResult<Option<Edit>> {
    let series_id = columns.uuid()?.unwrap_or_default();
    let recurrence_id = columns.instant()?.unwrap_or_default();
    let deleted = columns.flag()?;
    let hash: Option<Hash> = columns.hash()?;
    let is_override = columns.flag()?;
    let event = Event { timing: read_timing(columns)?, details: details::read(columns)? };
    let is_as_stored = hash == Some(content::of_instance(&event.timing, &event.details, is_override));
    Ok((deleted || !is_as_stored).then(|| Edit { series_id, recurrence_id, event: (!deleted).then_some(event) }))
}

/// What was done to instances one by one is to be written over with what their series say: those that are to come are
/// taken for changed when these are stored the next time. The others are history, and no news any more.
pub fn forget_edits(installation: &Installation, series: &HashSet<Uuid>, now: DateTime<Utc>) -> SqlResult<()> {
    forget_instances(installation, series, now)?;
    let ids: Vec<Uuid> = series.iter().copied().collect();
    FORGET_SERIES.with(|statement| execute_on(installation, statement, &ids, Vec::new))?;
    Ok(())
}

/// The same of series that are known to be written.
pub fn forget_instances(installation: &Installation, series: &HashSet<Uuid>, now: DateTime<Utc>) -> SqlResult<()> {
    let ids: Vec<Uuid> = series.iter().copied().collect();
    FORGET_INSTANCES.with(|statement| execute_on(installation, statement, &ids, || vec![stamp(now).into()]))?;
    Ok(())
}
