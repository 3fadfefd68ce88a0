//! Rows of `calendar_series`: looked up, written and deleted in sets.

use calendar_sync_core::content::Hash;
use calendar_sync_core::event::{Details, Event, Series, Timing};
use calendar_sync_core::ics::SourceHash;
use chrono::{DateTime, TimeDelta, Utc};
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys;
use pgrx::spi::SpiResult;
use uuid::Uuid;

use super::datum::{instant_array, stamp, uuid, within_scratch};
use super::details::{self, selected};
use super::kind::{Kind, columns};
use super::outside::{self, Outside, source_hash};
use super::rows::Columns;
use super::{Installation, Source, Statement, Wanted};
use crate::errors::SqlResult;

/// What is stored of a series beside what its origin gave: how far its instances stand in `calendar_events`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expansion {
    /// Instances that start from here on stand there; `MIN_UTC` if all earlier ones do.
    pub from: DateTime<Utc>,
    /// Instances that start before this stand there; `MAX_UTC` if there are no later ones.
    pub until: DateTime<Utc>,
    /// When to move that on; `MAX_UTC`: never.
    pub again_at: DateTime<Utc>,
    /// End of the last instance; `MAX_UTC` for a series without an end.
    pub ends_at: DateTime<Utc>,
}

/// A row to be written.
pub struct Row<'a> {
    pub series_id: Uuid,
    /// The key, not over 1,024 bytes.
    pub external_id: &'a str,
    /// The identifier itself, where the key is a digest of it.
    pub external_id_full: Option<&'a str>,
    pub series: &'a Series,
    pub hash: Hash,
    /// What tells that it stands in a file as it does now.
    pub source_hash: Option<SourceHash>,
    pub expansion: Expansion,
}

/// What is compared of a stored series.
pub struct Known {
    pub series_id: Uuid,
    pub external_id: String,
    pub hash: Option<Hash>,
    pub source_hash: Option<SourceHash>,
    pub deleted: bool,
    pub in_error: bool,
    /// Not deleted and not over.
    pub upcoming: bool,
    pub expanded_from: DateTime<Utc>,
}

/// A stored series, whole.
pub struct Stored {
    pub series_id: Uuid,
    pub user_id: String,
    pub external_source: String,
    pub connection_id: Option<Uuid>,
    pub external_id: String,
    pub synced_from: String,
    pub deleted: bool,
    /// When it last changed here.
    pub changed_at: DateTime<Utc>,
    pub expansion: Expansion,
    pub series: Series,
}

macro_rules! whole {
    ($rest:literal) => {
        concat!(
            "select series_id, user_id, external_source, connection_id, external_id, synced_from,
                sync_status = 'deleted', changed_at, expanded_from, expanded_until, expand_at, ends_at, dtstart,
                extract(epoch from duration)::float8::text, local_start at time zone 'UTC', nominal_duration, all_day,
                time_zone, floating, rrule, exrule, rdates, rdate_ends::text, exdates, overrides::text, ",
            selected!(),
            " from @calendar_series ",
            $rest
        )
    };
}

columns! {
    row: Row<'a>;
    "series_id" => uuid(row.series_id),
    "external_id" => row.external_id,
    "external_id_full" => row.external_id_full,
    "dtstart" => stamp(row.series.template.timing.start),
    "duration" as "make_interval(secs => r.duration)" => seconds(&row.series.template.timing),
    "local_start" as "r.local_start::timestamp" => row.series.local_start.map(|local| local.to_string()),
    "nominal_duration" => row.series.duration.map(|duration| duration.to_string()),
    "all_day" => row.series.template.timing.all_day,
    "time_zone" => row.series.template.timing.time_zone.as_deref(),
    "floating" => row.series.template.timing.floating,
    "rrule" => lines(&row.series.rrules),
    "exrule" => lines(&row.series.exrules),
    "rdates" as "r.rdates::timestamptz[]" => instant_array(&row.series.rdates),
    "rdate_ends" as "r.rdate_ends::jsonb" => json(&row.series.rdate_ends),
    "exdates" as "r.exdates::timestamptz[]" => instant_array(&row.series.exdates),
    "overrides" as "r.overrides::jsonb" => json(&row.series.overrides),
    "expanded_from" => stamp(row.expansion.from),
    "expanded_until" => stamp(row.expansion.until),
    "expand_at" => stamp(row.expansion.again_at),
    "ends_at" => stamp(row.expansion.ends_at),
    "content_hash" => row.hash.as_slice(),
    "source_hash" => source_hash(&row.source_hash),
}

const SERIES_KIND: Kind = Kind {
    table: "calendar_series",
    id: "series_id",
    columns: COLUMNS,
    keys: &["series_id", "external_id"],
    rows: "true",
    known: "t.series_id, t.external_id, t.content_hash, t.source_hash, t.sync_status = 'deleted', \
            t.sync_status = 'error', t.sync_status <> 'deleted' and t.ends_at > $5, t.expanded_from",
    conflict: "(user_id, external_source, connection_id, external_id)",
};

thread_local! {
    static SERIES: Outside = const { Outside::new(&SERIES_KIND) };
    static FIND: Statement = const { Statement::new(whole!("where series_id = any ($1)"), &[pg_sys::UUIDARRAYOID]) };
    static LOCK: Statement = const { Statement::new(
        whole!("where series_id = any ($1) order by external_id for update"),
        &[pg_sys::UUIDARRAYOID],
    ) };
    static LOCK_FREE: Statement = const { Statement::new(
        whole!("where series_id = any ($1) order by external_id for update skip locked"),
        &[pg_sys::UUIDARRAYOID],
    ) };
    static DUE: Statement = const { Statement::new(
        whole!("where expand_at <= $1 and expand_at < 'infinity' and sync_status <> 'deleted'
            order by expand_at limit $2 for update skip locked"),
        &[pg_sys::TIMESTAMPTZOID, pg_sys::INT4OID],
    ) };
    // Overrides and RDATEs may lie before DTSTART.
    static BEYOND: Statement = const { Statement::new(
        whole!("where user_id = $1
              and sync_status <> 'deleted'
              and (dtstart < $3 or overrides is not null or rdates is not null)
              and ends_at > $2
              and (expanded_until < $3 or expanded_from > $2)"),
        &[pg_sys::TEXTOID, pg_sys::TIMESTAMPTZOID, pg_sys::TIMESTAMPTZOID],
    ) };
    static OF_USER: Statement = const { Statement::new(
        whole!("where user_id = $1 and sync_status <> 'deleted' and ends_at > $2
              and (dtstart < $3 or overrides is not null or rdates is not null)
            order by series_id"),
        &[pg_sys::TEXTOID, pg_sys::TIMESTAMPTZOID, pg_sys::TIMESTAMPTZOID],
    ) };
    static ALL: Statement = const { Statement::new(
        "select series_id from @calendar_series where sync_status <> 'deleted'",
        &[],
    ) };
    static MOVE: Statement = const { Statement::new(
        "update @calendar_series
         set expanded_until = $2, expand_at = $3, ends_at = $4
         where series_id = $1",
        &[pg_sys::UUIDOID, pg_sys::TIMESTAMPTZOID, pg_sys::TIMESTAMPTZOID, pg_sys::TIMESTAMPTZOID],
    ) };
}

/// What is stored of `source`'s series.
pub fn known(
    installation: &Installation,
    source: &Source,
    wanted: Wanted,
    now: DateTime<Utc>,
    mut take: impl FnMut(Known),
) -> SqlResult<()> {
    SERIES.with(|series| {
        series.known(installation, source, wanted, now, |columns| {
            take(read_known(columns)?);
            Ok(())
        })
    })
}

fn read_known(columns: &mut Columns) -> SpiResult<Known> {
    Ok(Known {
        series_id: columns.uuid()?.unwrap_or_default(),
        external_id: columns.word()?,
        hash: columns.hash()?,
        source_hash: columns.hash()?,
        deleted: columns.flag()?,
        in_error: columns.flag()?,
        upcoming: columns.flag()?,
        expanded_from: columns.instant()?.unwrap_or(DateTime::<Utc>::MIN_UTC),
    })
}

/// Inserts or updates series. Returns their ids, in the order of `rows`: that of a stored series where there is one.
pub fn upsert(
    installation: &Installation,
    source: &Source,
    rows: &[Row],
    silently: bool,
    now: DateTime<Utc>,
) -> SqlResult<Vec<Uuid>> {
    let details: Vec<&Details> = rows.iter().map(|row| &row.series.template.details).collect();
    SERIES.with(|series| {
        series.upsert(installation, source, now, silently, rows.len(), || {
            let mut arguments = arguments(rows);
            arguments.extend(details::arguments(&details));
            arguments
        })
    })
}

/// Length of an instance in seconds.
fn seconds(timing: &Timing) -> Option<f64> {
    timing.end.map(|end| (end - timing.start).num_milliseconds() as f64 / 1000.0)
}

fn lines(values: &[String]) -> Option<String> {
    (!values.is_empty()).then(|| values.join("\n"))
}

pub(super) fn json<T: serde::Serialize>(values: &[T]) -> Option<String> {
    if values.is_empty() { None } else { serde_json::to_string(values).ok() }
}

/// Marks series as deleted; they stay as history. Returns how many were not deleted before.
pub fn delete(installation: &Installation, ids: &[Uuid], now: DateTime<Utc>) -> SqlResult<u64> {
    SERIES.with(|series| series.delete(installation, ids, now))
}

/// All series that are not deleted.
pub fn all(installation: &Installation) -> SqlResult<Vec<Uuid>> {
    let ids = ALL.with(|all| all.rows(installation, &[], Columns::uuid))?;
    Ok(ids.into_iter().flatten().collect())
}

/// Sets the sync_status of series that have another.
pub fn mark(installation: &Installation, ids: &[Uuid], sync_status: &str, now: DateTime<Utc>) -> SqlResult<u64> {
    SERIES.with(|series| series.mark(installation, ids, sync_status, now))
}

/// The series of these ids.
pub fn find(installation: &Installation, ids: &[Uuid]) -> SqlResult<Vec<Stored>> {
    outside::find(installation, &FIND, ids, read_stored)
}

/// The same, locked until the end of the transaction.
pub fn lock(installation: &Installation, ids: &[Uuid]) -> SqlResult<Vec<Stored>> {
    outside::find(installation, &LOCK, ids, read_stored)
}

/// The same, but for those that somebody else has locked.
pub fn lock_free(installation: &Installation, ids: &[Uuid]) -> SqlResult<Vec<Stored>> {
    outside::find(installation, &LOCK_FREE, ids, read_stored)
}

/// Up to `limit` series whose stored window is to be moved on, locked; those longest in want of it first.
pub fn due(installation: &Installation, now: DateTime<Utc>, limit: i32) -> SqlResult<Vec<Stored>> {
    select(installation, &DUE, || vec![stamp(now).into(), limit.into()])
}

/// The user's series that may have instances in the window which are not stored.
pub fn beyond(
    installation: &Installation,
    user_id: &str,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> SqlResult<Vec<Stored>> {
    select(installation, &BEYOND, || vec![user_id.into(), stamp(from).into(), stamp(to).into()])
}

/// The user's series that may have instances in the window.
pub fn of_user(
    installation: &Installation,
    user_id: &str,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> SqlResult<Vec<Stored>> {
    select(installation, &OF_USER, || vec![user_id.into(), stamp(from).into(), stamp(to).into()])
}

/// Notes how far a series is expanded.
pub fn move_on(installation: &Installation, series_id: Uuid, expansion: &Expansion) -> SqlResult<()> {
    let arguments = [
        uuid(series_id).into(),
        stamp(expansion.until).into(),
        stamp(expansion.again_at).into(),
        stamp(expansion.ends_at).into(),
    ];
    MOVE.with(|statement| statement.execute(installation, &arguments))?;
    Ok(())
}

fn select<'a>(
    installation: &Installation,
    statement: &'static std::thread::LocalKey<Statement>,
    arguments: impl FnOnce() -> Vec<DatumWithOid<'a>>,
) -> SqlResult<Vec<Stored>> {
    within_scratch(|| {
        let arguments = arguments();
        statement.with(|statement| statement.rows(installation, &arguments, read_stored))
    })
}

fn read_stored(columns: &mut Columns) -> SpiResult<Stored> {
    let series_id = columns.uuid()?.unwrap_or_default();
    let user_id = columns.word()?;
    let external_source = columns.word()?;
    let connection_id = columns.uuid()?;
    let external_id = columns.word()?;
    let synced_from = columns.word()?;
    let deleted = columns.flag()?;
    let changed_at = columns.instant()?.unwrap_or_default();
    let expansion = Expansion {
        from: columns.instant()?.unwrap_or(DateTime::<Utc>::MIN_UTC),
        until: columns.instant()?.unwrap_or(DateTime::<Utc>::MIN_UTC),
        again_at: columns.instant()?.unwrap_or(DateTime::<Utc>::MAX_UTC),
        ends_at: columns.instant()?.unwrap_or(DateTime::<Utc>::MAX_UTC),
    };
    let start = columns.instant()?.unwrap_or_default();
    let length = columns.text()?.and_then(|seconds| seconds.parse::<f64>().ok());
    let local_start = columns.instant()?.map(|local| local.naive_utc());
    let duration = columns.text()?.and_then(|text| text.parse().ok());
    let timing = Timing {
        start,
        end: length.map(|seconds| start + TimeDelta::milliseconds((seconds * 1000.0).round() as i64)),
        all_day: columns.flag()?,
        time_zone: columns.text()?,
        floating: columns.flag()?,
    };
    let split = |text: Option<String>| text.map(|text| text.lines().map(str::to_owned).collect()).unwrap_or_default();
    let rrules = split(columns.text()?);
    let exrules = split(columns.text()?);
    let rdates = columns.instants()?;
    let rdate_ends = columns.json()?;
    let exdates = columns.instants()?;
    let overrides = columns.json()?;
    let details = details::read(columns)?;
    let template = Event { timing, details };
    let series = Series { template, local_start, duration, rrules, exrules, rdates, rdate_ends, exdates, overrides };
    Ok(Stored {
        series_id,
        user_id,
        external_source,
        connection_id,
        external_id,
        synced_from,
        deleted,
        changed_at,
        expansion,
        series,
    })
}
