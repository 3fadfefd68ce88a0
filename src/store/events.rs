//! Rows of `calendar_events` of outside origin: looked up, written and deleted in sets. Instances of series: see
//! [`super::instances`].

use calendar_sync_core::content::Hash;
use calendar_sync_core::event::{Details, Event, Timing};
use calendar_sync_core::ics::SourceHash;
use chrono::{DateTime, TimeDelta, Utc};
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys;
use pgrx::spi::SpiResult;
use uuid::Uuid;

use super::datum::{column, stamp, uuid, within_scratch};
use super::details::{self, selected};
use super::kind::{Kind, columns};
use super::outside::{self, Outside, source_hash};
use super::rows::Columns;
use super::{Installation, Source, Statement, Wanted};
use crate::errors::SqlResult;

/// A row to be written.
pub struct Row<'a> {
    pub event_id: Uuid,
    /// The key, not over 1,024 bytes.
    pub external_id: &'a str,
    pub recurrence_id: Option<DateTime<Utc>>,
    pub series_id: Option<Uuid>,
    pub is_override: bool,
    pub timing: &'a Timing,
    pub details: &'a Details,
    /// The rule in JSON, for an instance of a series.
    pub recurrence: Option<&'a str>,
    pub hash: Hash,
    /// What tells that it stands in a file as it does now.
    pub source_hash: Option<SourceHash>,
}

/// What is compared of a stored event that is no instance of a series.
pub struct Known {
    pub event_id: Uuid,
    pub external_id: String,
    /// Of an override whose series is not here.
    pub recurrence_id: Option<DateTime<Utc>>,
    pub hash: Option<Hash>,
    pub source_hash: Option<SourceHash>,
    pub deleted: bool,
    /// Its last fetch could not be read.
    pub in_error: bool,
    /// Not deleted and not over.
    pub upcoming: bool,
}

/// A stored event that is no instance of a series.
pub struct Stored {
    pub event_id: Uuid,
    pub external_id: String,
    pub deleted: bool,
    pub event: Event,
}

/// An event to be shown, whatever its origin.
pub struct Shown {
    pub event_id: Uuid,
    /// Of an override whose series is not here.
    pub recurrence_id: Option<DateTime<Utc>>,
    /// Its external_source, else the word for its origin.
    pub source: String,
    /// Its connection takes changes.
    pub writable: bool,
    /// `last_updated` is when it last changed here, if the origin does not say.
    pub event: Event,
}

macro_rules! whole {
    ($end:literal) => {
        concat!(
            "select event_id, external_id, sync_status = 'deleted', event_date, event_end, all_day, time_zone,
                floating, ",
            selected!(),
            " from @calendar_events
            where event_id = any ($1)",
            $end
        )
    };
}

columns! {
    row: Row<'a>;
    "event_id" => uuid(row.event_id),
    "external_id" => row.external_id,
    "recurrence_id" => row.recurrence_id.map(stamp),
    "series_id" => row.series_id.map(uuid),
    "is_override" => row.is_override,
    "event_date" => stamp(row.timing.start),
    "event_end" => row.timing.end.map(stamp),
    "all_day" => row.timing.all_day,
    "time_zone" => row.timing.time_zone.as_deref(),
    "floating" => row.timing.floating,
    "recurrence" as "r.recurrence::jsonb" => row.recurrence,
    "content_hash" => row.hash.as_slice(),
    "source_hash" => source_hash(&row.source_hash),
}

pub(super) const EVENTS_KIND: Kind = Kind {
    table: "calendar_events",
    id: "event_id",
    columns: COLUMNS,
    keys: &["event_id", "external_id", "recurrence_id"],
    // Not instances of a series.
    rows: "external_id is not null and series_id is null",
    known: "t.event_id, t.external_id, t.recurrence_id, t.content_hash, t.source_hash, t.sync_status = 'deleted', \
            t.sync_status = 'error', t.sync_status <> 'deleted' and coalesce(t.event_end, t.event_date) > $5",
    conflict: "(user_id, external_source, connection_id, external_id, recurrence_id) where external_id is not null",
};

thread_local! {
    static EVENTS: Outside = const { Outside::new(&EVENTS_KIND) };
    // Two index scans: what starts in the window or up to a day before, and the few long events that reach into it. The
    // user's connections are read once: to ask for each event's, the planner may read everybody's.
    static BETWEEN: Statement = const { Statement::new(
        concat!(
            "select event_id, recurrence_id, coalesce(external_source, synced_from), changed_at,
                coalesce(e.connection_id = any (array(
                    select connection_id from @calendar_connections where user_id = $1 and direction <> 'pull'
                )), false),
                event_date, event_end, all_day, time_zone, floating, ",
            selected!(),
            " from (
                select *
                from @calendar_events
                where user_id = $1
                  and event_date >= $4
                  and event_date < $3
                union all
                select *
                from @calendar_events
                where user_id = $1
                  and event_end > $2
                  and event_end - event_date > interval '24 hours'
                  and event_date < $4
            ) e
            where series_id is null
              and sync_status <> 'deleted'
              and (coalesce(event_end, event_date) > $2 or event_date >= $2)
            order by event_date, event_id"
        ),
        &[pg_sys::TEXTOID, pg_sys::TIMESTAMPTZOID, pg_sys::TIMESTAMPTZOID, pg_sys::TIMESTAMPTZOID],
    ) };
    static STARTING_FROM: Statement = const { Statement::new(
        "select event_id from @calendar_events where event_id = any ($1) and event_date >= $2",
        &[pg_sys::UUIDARRAYOID, pg_sys::TIMESTAMPTZOID],
    ) };
    static FIND: Statement = const { Statement::new(whole!(""), &[pg_sys::UUIDARRAYOID]) };
    static LOCK: Statement = const { Statement::new(
        whole!(" order by external_id, recurrence_id for update"),
        &[pg_sys::UUIDARRAYOID],
    ) };
}

/// What is stored of `source`'s single events.
pub fn known(
    installation: &Installation,
    source: &Source,
    wanted: Wanted,
    now: DateTime<Utc>,
    mut take: impl FnMut(Known),
) -> SqlResult<()> {
    EVENTS.with(|events| {
        events.known(installation, source, wanted, now, |columns| {
            take(read_known(columns)?);
            Ok(())
        })
    })
}

fn read_known(columns: &mut Columns) -> SpiResult<Known> {
    Ok(Known {
        event_id: columns.uuid()?.unwrap_or_default(),
        external_id: columns.word()?,
        recurrence_id: columns.instant()?,
        hash: columns.hash()?,
        source_hash: columns.hash()?,
        deleted: columns.flag()?,
        in_error: columns.flag()?,
        upcoming: columns.flag()?,
    })
}

/// Inserts or updates events that are no instances of a series, all of them known to differ from what is stored.
/// Returns their ids, in the order of `rows`: that of a stored event where there is one.
pub fn upsert(
    installation: &Installation,
    source: &Source,
    rows: &[Row],
    silently: bool,
    now: DateTime<Utc>,
) -> SqlResult<Vec<Uuid>> {
    let details: Vec<&Details> = rows.iter().map(|row| row.details).collect();
    EVENTS.with(|events| events.upsert(installation, source, now, silently, rows.len(), || both(rows, &details)))
}

/// All columns of these rows.
pub(super) fn both<'a>(rows: &'a [Row<'a>], details: &'a [&'a Details]) -> Vec<DatumWithOid<'a>> {
    let mut arguments = arguments(rows);
    arguments.extend(details::arguments(details));
    arguments
}

/// Marks events as deleted; they stay as history. Returns how many were not deleted before.
pub fn delete(installation: &Installation, ids: &[Uuid], now: DateTime<Utc>) -> SqlResult<u64> {
    EVENTS.with(|events| events.delete(installation, ids, now))
}

/// Sets the sync_status of events that have another.
pub fn mark(installation: &Installation, ids: &[Uuid], sync_status: &str, now: DateTime<Utc>) -> SqlResult<u64> {
    EVENTS.with(|events| events.mark(installation, ids, sync_status, now))
}

/// Those of these events that start at `from` or later.
pub fn starting_from(installation: &Installation, ids: &[Uuid], from: DateTime<Utc>) -> SqlResult<Vec<Uuid>> {
    within_scratch(|| {
        let arguments = [column(ids, |id| uuid(*id)), stamp(from).into()];
        let id = |columns: &mut Columns| Ok(columns.uuid()?.unwrap_or_default());
        STARTING_FROM.with(|statement| statement.rows(installation, &arguments, id))
    })
}

/// The events of these ids, whole.
pub fn find(installation: &Installation, ids: &[Uuid]) -> SqlResult<Vec<Stored>> {
    outside::find(installation, &FIND, ids, read_stored)
}

/// The same, locked until the end of the transaction.
pub fn lock(installation: &Installation, ids: &[Uuid]) -> SqlResult<Vec<Stored>> {
    outside::find(installation, &LOCK, ids, read_stored)
}

fn read_stored(columns: &mut Columns) -> SpiResult<Stored> {
    Ok(Stored {
        event_id: columns.uuid()?.unwrap_or_default(),
        external_id: columns.word()?,
        deleted: columns.flag()?,
        event: Event { timing: read_timing(columns)?, details: details::read(columns)? },
    })
}

/// The user's events that overlap the window and are neither deleted nor instances of a series, by start.
pub fn between(
    installation: &Installation,
    user_id: &str,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> SqlResult<Vec<Shown>> {
    within_scratch(|| {
        let day_before = from.checked_sub_signed(TimeDelta::hours(24)).unwrap_or(from);
        let arguments = [user_id.into(), stamp(from).into(), stamp(to).into(), stamp(day_before).into()];
        BETWEEN.with(|statement| statement.rows(installation, &arguments, read_shown))
    })
}

fn read_shown(columns: &mut Columns) -> SpiResult<Shown> {
    let event_id = columns.uuid()?.unwrap_or_default();
    let recurrence_id = columns.instant()?;
    let source = columns.word()?;
    let changed_at = columns.instant()?;
    let writable = columns.flag()?;
    let timing = read_timing(columns)?;
    let mut details = details::read(columns)?;
    details.last_updated = details.last_updated.or(changed_at);
    Ok(Shown { event_id, recurrence_id, source, writable, event: Event { timing, details } })
}

pub(super) fn read_timing(columns: &mut Columns) -> SpiResult<Timing> {
    Ok(Timing {
        start: columns.instant()?.unwrap_or_default(),
        end: columns.instant()?,
        all_day: columns.flag()?,
        time_zone: columns.text()?,
        floating: columns.flag()?,
    })
}
