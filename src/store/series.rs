//! Rows of `calendar_series`: looked up, written and deleted in sets.

use calendar_sync_core::content::Hash;
use calendar_sync_core::event::{Details, Event, Series, Timing};
use chrono::{DateTime, TimeDelta, Utc};
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys;
use pgrx::spi::SpiResult;
use uuid::Uuid;

use super::datum::{Columns, column, instant_array, stamp, uuid, within_scratch};
use super::details::{self, names, selected, taken_over, values};
use super::{Installation, Source, Statement, Wanted};
use crate::errors::{SqlResult, internal};

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
    pub expansion: Expansion,
}

/// What is compared of a stored series.
pub struct Known {
    pub series_id: Uuid,
    pub external_id: String,
    pub hash: Option<Hash>,
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

/// `$from` names the series `s`.
macro_rules! known {
    ($from:literal) => {
        concat!(
            "select s.series_id, s.external_id, s.content_hash, s.sync_status = 'deleted', s.sync_status = 'error',
                s.sync_status <> 'deleted' and s.ends_at > $5, s.expanded_from
            from ",
            $from
        )
    };
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

macro_rules! upsert {
    ($end:literal) => {
        concat!(
            "insert into @calendar_series as s (
                user_id, connection_id, external_source, synced_from, last_synced_at, changed_at, created_at, updated_at,
                series_id, external_id, external_id_full, dtstart, duration, local_start, nominal_duration, all_day,
                time_zone, floating, rrule, exrule, rdates, rdate_ends, exdates, overrides, expanded_from,
                expanded_until, expand_at, ends_at, content_hash, ",
            names!(),
            ")
            select $1, $2, $3, $47, $4, $4, $4, $4, r.series_id, r.external_id, r.external_id_full, r.dtstart,
                make_interval(secs => r.duration), r.local_start::timestamp, r.nominal_duration, r.all_day, r.time_zone, r.floating, r.rrule, r.exrule,
                r.rdates::timestamptz[], r.rdate_ends::jsonb, r.exdates::timestamptz[], r.overrides::jsonb,
                r.expanded_from, r.expanded_until, r.expand_at, r.ends_at, r.content_hash, ",
            values!(),
            " from unnest($5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23,
                $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37, $38, $39, $40, $41, $42, $43, $44, $45, $46)
            as r (
                series_id, external_id, external_id_full, dtstart, duration, local_start, nominal_duration, all_day,
                time_zone, floating, rrule, exrule, rdates, rdate_ends, exdates, overrides, expanded_from,
                expanded_until, expand_at, ends_at, content_hash, ",
            names!(),
            ")
            on conflict (user_id, external_source, connection_id, external_id)
            do update set
                external_id_full = excluded.external_id_full, dtstart = excluded.dtstart,
                duration = excluded.duration, local_start = excluded.local_start,
                nominal_duration = excluded.nominal_duration, all_day = excluded.all_day,
                time_zone = excluded.time_zone,
                floating = excluded.floating, rrule = excluded.rrule, exrule = excluded.exrule,
                rdates = excluded.rdates, rdate_ends = excluded.rdate_ends, exdates = excluded.exdates,
                overrides = excluded.overrides, expanded_from = excluded.expanded_from,
                expanded_until = excluded.expanded_until, expand_at = excluded.expand_at,
                ends_at = excluded.ends_at, synced_from = excluded.synced_from,
                content_hash = excluded.content_hash, sync_status = 'synced', last_synced_at = $4,
                updated_at = $4, ",
            taken_over!(),
            $end,
            " returning series_id"
        )
    };
}

const UPSERT_TYPES: [pg_sys::Oid; 47] = {
    let mut types = [pg_sys::TEXTARRAYOID; 47];
    let first = [
        pg_sys::TEXTOID,
        pg_sys::UUIDOID,
        pg_sys::TEXTOID,
        pg_sys::TIMESTAMPTZOID,
        pg_sys::UUIDARRAYOID,
        pg_sys::TEXTARRAYOID,
        pg_sys::TEXTARRAYOID,
        pg_sys::TIMESTAMPTZARRAYOID,
        pg_sys::FLOAT8ARRAYOID,
        pg_sys::TEXTARRAYOID,
        pg_sys::TEXTARRAYOID,
        pg_sys::BOOLARRAYOID,
        pg_sys::TEXTARRAYOID,
        pg_sys::BOOLARRAYOID,
        pg_sys::TEXTARRAYOID,
        pg_sys::TEXTARRAYOID,
        pg_sys::TEXTARRAYOID,
        pg_sys::TEXTARRAYOID,
        pg_sys::TEXTARRAYOID,
        pg_sys::TEXTARRAYOID,
        pg_sys::TIMESTAMPTZARRAYOID,
        pg_sys::TIMESTAMPTZARRAYOID,
        pg_sys::TIMESTAMPTZARRAYOID,
        pg_sys::TIMESTAMPTZARRAYOID,
        pg_sys::BYTEAARRAYOID,
    ];
    let mut place = 0;
    while place < types.len() {
        types[place] = if place < first.len() {
            first[place]
        } else if place < first.len() + details::COUNT {
            details::TYPES[place - first.len()]
        } else {
            pg_sys::TEXTOID
        };
        place += 1;
    }
    types
};

const SOURCE_TYPES: [pg_sys::Oid; 5] =
    [pg_sys::TEXTOID, pg_sys::TEXTOID, pg_sys::UUIDOID, pg_sys::TEXTARRAYOID, pg_sys::TIMESTAMPTZOID];

thread_local! {
    static KNOWN_OF_CONNECTION: Statement = const { Statement::new(
        known!("(select * from @calendar_series
                where connection_id = $3 and user_id = $1 and external_source = $2 and $4 is null) s"),
        &SOURCE_TYPES,
    ) };
    static KNOWN_OF_APPLICATION: Statement = const { Statement::new(
        known!("(select * from @calendar_series
                where user_id = $1 and external_source = $2 and connection_id is null and $3 is null
                limit $4) s"),
        &[pg_sys::TEXTOID, pg_sys::TEXTOID, pg_sys::UUIDOID, pg_sys::INT8OID, pg_sys::TIMESTAMPTZOID],
    ) };
    // By key: see the events.
    static KNOWN_BY_KEY_OF_CONNECTION: Statement = const { Statement::new(
        known!("unnest($4) k (external_id)
            cross join lateral (
                select * from @calendar_series
                where user_id = $1 and external_source = $2 and connection_id = $3 and external_id = k.external_id
                offset 0
            ) s"),
        &SOURCE_TYPES,
    ) };
    static KNOWN_BY_KEY_OF_APPLICATION: Statement = const { Statement::new(
        known!("unnest($4) k (external_id)
            cross join lateral (
                select * from @calendar_series
                where user_id = $1 and external_source = $2 and connection_id is null and $3 is null
                  and external_id = k.external_id
                offset 0
            ) s"),
        &SOURCE_TYPES,
    ) };
    static UPSERT: Statement = const { Statement::new(upsert!(", changed_at = $4"), &UPSERT_TYPES) };
    static UPSERT_SILENTLY: Statement = const { Statement::new(upsert!(""), &UPSERT_TYPES) };
    static DELETE: Statement = const { Statement::new(
        "update @calendar_series
         set sync_status = 'deleted', event_status = 'cancelled', last_synced_at = $2, changed_at = $2, updated_at = $2
         where series_id = any ($1) and sync_status <> 'deleted'",
        &[pg_sys::UUIDARRAYOID, pg_sys::TIMESTAMPTZOID],
    ) };
    static MARK: Statement = const { Statement::new(
        "update @calendar_series
         set sync_status = $2, updated_at = $3
         where series_id = any ($1) and sync_status <> $2",
        &[pg_sys::UUIDARRAYOID, pg_sys::TEXTOID, pg_sys::TIMESTAMPTZOID],
    ) };
    static FIND: Statement = const { Statement::new(whole!("where series_id = any ($1)"), &[pg_sys::UUIDARRAYOID]) };
    static LOCK: Statement = const { Statement::new(
        whole!("where series_id = any ($1) for update"),
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
    let statement = match (source.connection_id, wanted) {
        (Some(_), Wanted::Keys(_)) => &KNOWN_BY_KEY_OF_CONNECTION,
        (Some(_), _) => &KNOWN_OF_CONNECTION,
        (None, Wanted::Keys(_)) => &KNOWN_BY_KEY_OF_APPLICATION,
        (None, _) => &KNOWN_OF_APPLICATION,
    };
    within_scratch(|| {
        let arguments = source.arguments(wanted, now);
        statement.with(|statement| {
            statement.run(installation, &arguments, |mut rows| {
                while rows.next().is_some() {
                    take(read_known(&mut Columns::of(&rows))?);
                }
                Ok(())
            })
        })
    })
}

fn read_known(columns: &mut Columns) -> SpiResult<Known> {
    Ok(Known {
        series_id: columns.uuid()?.unwrap_or_default(),
        external_id: columns.word()?,
        hash: columns.hash()?,
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
    let statement = if silently { &UPSERT_SILENTLY } else { &UPSERT };
    let ids = within_scratch(|| {
        let details: Vec<&Details> = rows.iter().map(|row| &row.series.template.details).collect();
        let arguments = upsert_arguments(source, rows, &details, now);
        statement.with(|statement| {
            statement.run(installation, &arguments, |mut rows| {
                let mut ids = Vec::with_capacity(rows.len());
                while rows.next().is_some() {
                    ids.push(Columns::of(&rows).uuid()?.unwrap_or_default());
                }
                Ok(ids)
            })
        })
    })?;
    if ids.len() != rows.len() {
        return Err(internal("calendar_sync: a trigger on calendar_series suppressed rows"));
    }
    Ok(ids)
}

fn upsert_arguments<'a>(
    source: &'a Source,
    rows: &'a [Row],
    details: &'a [&'a Details],
    now: DateTime<Utc>,
) -> Vec<DatumWithOid<'a>> {
    let mut arguments: Vec<DatumWithOid> = vec![
        source.user_id.into(),
        source.connection_id.map(uuid).into(),
        source.external_source.into(),
        stamp(now).into(),
        column(rows, |row| uuid(row.series_id)),
        column(rows, |row| row.external_id),
        column(rows, |row| row.external_id_full),
        column(rows, |row| stamp(row.series.template.timing.start)),
        column(rows, |row| seconds(&row.series.template.timing)),
        column(rows, |row| row.series.local_start.map(|local| local.to_string())),
        column(rows, |row| row.series.duration.map(|duration| duration.to_string())),
        column(rows, |row| row.series.template.timing.all_day),
        column(rows, |row| row.series.template.timing.time_zone.as_deref()),
        column(rows, |row| row.series.template.timing.floating),
        column(rows, |row| lines(&row.series.rrules)),
        column(rows, |row| lines(&row.series.exrules)),
        column(rows, |row| instant_array(&row.series.rdates)),
        column(rows, |row| json(&row.series.rdate_ends)),
        column(rows, |row| instant_array(&row.series.exdates)),
        column(rows, |row| json(&row.series.overrides)),
        column(rows, |row| stamp(row.expansion.from)),
        column(rows, |row| stamp(row.expansion.until)),
        column(rows, |row| stamp(row.expansion.again_at)),
        column(rows, |row| stamp(row.expansion.ends_at)),
        column(rows, |row| row.hash.as_slice()),
    ];
    arguments.extend(details::arguments(details));
    arguments.push(source.synced_from.into());
    arguments
}

/// Length of an instance in seconds.
fn seconds(timing: &Timing) -> Option<f64> {
    timing.end.map(|end| (end - timing.start).num_milliseconds() as f64 / 1000.0)
}

fn lines(values: &[String]) -> Option<String> {
    (!values.is_empty()).then(|| values.join("\n"))
}

fn json<T: serde::Serialize>(values: &[T]) -> Option<String> {
    if values.is_empty() { None } else { serde_json::to_string(values).ok() }
}

/// Marks series as deleted; they stay as history. Returns how many were not deleted before.
pub fn delete(installation: &Installation, ids: &[Uuid], now: DateTime<Utc>) -> SqlResult<u64> {
    if ids.is_empty() {
        return Ok(0);
    }
    within_scratch(|| {
        let arguments = [column(ids, |id| uuid(*id)), stamp(now).into()];
        DELETE.with(|statement| statement.execute(installation, &arguments))
    })
}

/// Sets the sync_status of series that have another.
pub fn mark(installation: &Installation, ids: &[Uuid], sync_status: &str, now: DateTime<Utc>) -> SqlResult<u64> {
    if ids.is_empty() {
        return Ok(0);
    }
    within_scratch(|| {
        let arguments = [column(ids, |id| uuid(*id)), sync_status.into(), stamp(now).into()];
        MARK.with(|statement| statement.execute(installation, &arguments))
    })
}

/// The series of these ids.
pub fn find(installation: &Installation, ids: &[Uuid]) -> SqlResult<Vec<Stored>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    select(installation, &FIND, || vec![column(ids, |id| uuid(*id))])
}

/// The same, locked until the end of the transaction.
pub fn lock(installation: &Installation, ids: &[Uuid]) -> SqlResult<Vec<Stored>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    select(installation, &LOCK, || vec![column(ids, |id| uuid(*id))])
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
        statement.with(|statement| {
            statement.run(installation, &arguments, |mut rows| {
                let mut found = Vec::with_capacity(rows.len());
                while rows.next().is_some() {
                    found.push(read_stored(&mut Columns::of(&rows))?);
                }
                Ok(found)
            })
        })
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
