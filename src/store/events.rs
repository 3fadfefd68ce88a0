//! Rows of `calendar_events` of outside origin: looked up, written and deleted in sets.

use calendar_sync_core::content::Hash;
use calendar_sync_core::event::{Details, Event, Timing};
use chrono::{DateTime, TimeDelta, Utc};
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys;
use pgrx::spi::SpiResult;
use uuid::Uuid;

use super::datum::{Columns, column, stamp, uuid, within_scratch};
use super::details::{self, names, selected, taken_over, values};
use super::{Installation, Source, Statement, Wanted};
use crate::errors::{SqlResult, internal};

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
}

/// What is compared of a stored event that is no instance of a series.
pub struct Known {
    pub event_id: Uuid,
    pub external_id: String,
    /// Of an override whose series is not here.
    pub recurrence_id: Option<DateTime<Utc>>,
    pub hash: Option<Hash>,
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

/// Of single events: `$from` names them `e`.
macro_rules! known {
    ($from:literal) => {
        concat!(
            "select e.event_id, e.external_id, e.recurrence_id, e.content_hash, e.sync_status = 'deleted',
                e.sync_status = 'error',
                e.sync_status <> 'deleted' and coalesce(e.event_end, e.event_date) > $5
            from ",
            $from,
            " where e.series_id is null"
        )
    };
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

macro_rules! upsert {
    ($end:literal) => {
        concat!(
            "insert into @calendar_events as e (
                user_id, connection_id, external_source, synced_from, last_synced_at, changed_at, created_at,
                updated_at, event_id, external_id, recurrence_id, series_id, is_override, event_date, event_end,
                all_day, time_zone, floating, recurrence, content_hash, ",
            names!(),
            ")
            select $1, $2, $3, $4, $5, $5, $5, $5, r.event_id, r.external_id, r.recurrence_id, r.series_id,
                r.is_override, r.event_date, r.event_end, r.all_day, r.time_zone, r.floating, r.recurrence::jsonb,
                r.content_hash, ",
            values!(),
            " from unnest($6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24,
                $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37, $38) as r (
                event_id, external_id, recurrence_id, series_id, is_override, event_date, event_end, all_day,
                time_zone, floating, recurrence, content_hash, ",
            names!(),
            ")
            on conflict (user_id, external_source, connection_id, external_id, recurrence_id)
                where external_id is not null
            do update set
                series_id = excluded.series_id, is_override = excluded.is_override,
                event_date = excluded.event_date, event_end = excluded.event_end, all_day = excluded.all_day,
                time_zone = excluded.time_zone, floating = excluded.floating, recurrence = excluded.recurrence,
                content_hash = excluded.content_hash, sync_status = 'synced', synced_from = excluded.synced_from,
                last_synced_at = $5, updated_at = $5, ",
            taken_over!(),
            $end
        )
    };
}

const UPSERT_TYPES: [pg_sys::Oid; 38] = {
    let mut types = [pg_sys::TEXTARRAYOID; 38];
    let scalars = [pg_sys::TEXTOID, pg_sys::UUIDOID, pg_sys::TEXTOID, pg_sys::TEXTOID, pg_sys::TIMESTAMPTZOID];
    let arrays = [
        pg_sys::UUIDARRAYOID,
        pg_sys::TEXTARRAYOID,
        pg_sys::TIMESTAMPTZARRAYOID,
        pg_sys::UUIDARRAYOID,
        pg_sys::BOOLARRAYOID,
        pg_sys::TIMESTAMPTZARRAYOID,
        pg_sys::TIMESTAMPTZARRAYOID,
        pg_sys::BOOLARRAYOID,
        pg_sys::TEXTARRAYOID,
        pg_sys::BOOLARRAYOID,
        pg_sys::TEXTARRAYOID,
        pg_sys::BYTEAARRAYOID,
    ];
    let mut place = 0;
    while place < types.len() {
        types[place] = if place < 5 {
            scalars[place]
        } else if place < 17 {
            arrays[place - 5]
        } else {
            details::TYPES[place - 17]
        };
        place += 1;
    }
    types
};

const SOURCE_TYPES: [pg_sys::Oid; 5] =
    [pg_sys::TEXTOID, pg_sys::TEXTOID, pg_sys::UUIDOID, pg_sys::TEXTARRAYOID, pg_sys::TIMESTAMPTZOID];

thread_local! {
    static KNOWN_OF_CONNECTION: Statement = const { Statement::new(
        known!("(select * from @calendar_events
                where connection_id = $3 and user_id = $1 and external_source = $2 and $4 is null) e"),
        &SOURCE_TYPES,
    ) };
    // All, if it is not more than a limit; the limit takes the place of the keys.
    static KNOWN_OF_APPLICATION: Statement = const { Statement::new(
        known!("(select * from @calendar_events
                where user_id = $1 and external_source = $2 and connection_id is null and $3 is null
                  and external_id is not null and series_id is null
                limit $4) e"),
        &[pg_sys::TEXTOID, pg_sys::TEXTOID, pg_sys::UUIDOID, pg_sys::INT8OID, pg_sys::TIMESTAMPTZOID],
    ) };
    // By key: one look-up in the index for each, whatever the planner knows of the table. (With = any it may prefer
    // to compare each row of the user with each key.)
    static KNOWN_BY_KEY_OF_CONNECTION: Statement = const { Statement::new(
        known!("unnest($4) k (external_id)
            cross join lateral (
                select * from @calendar_events
                where user_id = $1 and external_source = $2 and connection_id = $3 and external_id = k.external_id
                offset 0
            ) e"),
        &SOURCE_TYPES,
    ) };
    static KNOWN_BY_KEY_OF_APPLICATION: Statement = const { Statement::new(
        known!("unnest($4) k (external_id)
            cross join lateral (
                select * from @calendar_events
                where user_id = $1 and external_source = $2 and connection_id is null and $3 is null
                  and external_id = k.external_id
                offset 0
            ) e"),
        &SOURCE_TYPES,
    ) };
    static UPSERT: Statement = const { Statement::new(
        upsert!(", changed_at = $5 returning event_id"),
        &UPSERT_TYPES,
    ) };
    static UPSERT_SILENTLY: Statement = const { Statement::new(upsert!(" returning event_id"), &UPSERT_TYPES) };
    static UPSERT_INSTANCES: Statement = const { Statement::new(
        upsert!(", changed_at = $5
            where e.content_hash is distinct from excluded.content_hash
               or e.series_id is distinct from excluded.series_id
               or e.sync_status <> 'synced'"),
        &UPSERT_TYPES,
    ) };
    static DELETE: Statement = const { Statement::new(
        "update @calendar_events
         set sync_status = 'deleted', event_status = 'cancelled', last_synced_at = $2, changed_at = $2, updated_at = $2
         where event_id = any ($1) and sync_status <> 'deleted'",
        &[pg_sys::UUIDARRAYOID, pg_sys::TIMESTAMPTZOID],
    ) };
    static DELETE_INSTANCES: Statement = const { Statement::new(
        "update @calendar_events
         set sync_status = 'deleted', event_status = 'cancelled', last_synced_at = $2, changed_at = $2, updated_at = $2
         where series_id = any ($1)
           and coalesce(event_end, event_date) > $3
           and sync_status <> 'deleted'",
        &[pg_sys::UUIDARRAYOID, pg_sys::TIMESTAMPTZOID, pg_sys::TIMESTAMPTZOID],
    ) };
    // One look-up in the index for each, as by key.
    static DELETE_OCCURRENCES: Statement = const { Statement::new(
        "update @calendar_events
         set sync_status = 'deleted', event_status = 'cancelled', last_synced_at = $3, changed_at = $3, updated_at = $3
         where event_id = any (array(
                 select e.event_id
                 from unnest($1, $2) o (series_id, recurrence_id)
                 cross join lateral (
                     select event_id from @calendar_events
                     where series_id = o.series_id and recurrence_id = o.recurrence_id
                     offset 0
                 ) e
             ))
           and sync_status <> 'deleted'",
        &[pg_sys::UUIDARRAYOID, pg_sys::TIMESTAMPTZARRAYOID, pg_sys::TIMESTAMPTZOID],
    ) };
    // NOT IN is hashed however many are given; a generic plan of NOT EXISTS would compare each with each.
    static REMOVE_INSTANCES: Statement = const { Statement::new(
        "delete from @calendar_events e
         where e.series_id = any ($1)
           and e.event_date > $2
           and (e.series_id, e.recurrence_id) not in (select * from unnest($3, $4))",
        &[pg_sys::UUIDARRAYOID, pg_sys::TIMESTAMPTZOID, pg_sys::UUIDARRAYOID, pg_sys::TIMESTAMPTZARRAYOID],
    ) };
    static MARK: Statement = const { Statement::new(
        "update @calendar_events
         set sync_status = $2, updated_at = $3
         where event_id = any ($1) and sync_status <> $2",
        &[pg_sys::UUIDARRAYOID, pg_sys::TEXTOID, pg_sys::TIMESTAMPTZOID],
    ) };
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
    static FIND: Statement = const { Statement::new(whole!(""), &[pg_sys::UUIDARRAYOID]) };
    static LOCK: Statement = const { Statement::new(whole!(" for update"), &[pg_sys::UUIDARRAYOID]) };
}

/// What is stored of `source`'s single events.
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
        event_id: columns.uuid()?.unwrap_or_default(),
        external_id: columns.word()?,
        recurrence_id: columns.instant()?,
        hash: columns.hash()?,
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
    let statement = if silently { &UPSERT_SILENTLY } else { &UPSERT };
    let ids = within_scratch(|| {
        let details: Vec<&Details> = rows.iter().map(|row| row.details).collect();
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
        return Err(internal("calendar_sync: a trigger on calendar_events suppressed rows"));
    }
    Ok(ids)
}

/// Inserts or updates instances of series; those that are as they are stored are not written.
pub fn upsert_instances(
    installation: &Installation,
    source: &Source,
    rows: &[Row],
    now: DateTime<Utc>,
) -> SqlResult<()> {
    within_scratch(|| {
        let details: Vec<&Details> = rows.iter().map(|row| row.details).collect();
        let arguments = upsert_arguments(source, rows, &details, now);
        UPSERT_INSTANCES.with(|statement| statement.execute(installation, &arguments))
    })?;
    Ok(())
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
        source.synced_from.into(),
        stamp(now).into(),
        column(rows, |row| uuid(row.event_id)),
        column(rows, |row| row.external_id),
        column(rows, |row| row.recurrence_id.map(stamp)),
        column(rows, |row| row.series_id.map(uuid)),
        column(rows, |row| row.is_override),
        column(rows, |row| stamp(row.timing.start)),
        column(rows, |row| row.timing.end.map(stamp)),
        column(rows, |row| row.timing.all_day),
        column(rows, |row| row.timing.time_zone.as_deref()),
        column(rows, |row| row.timing.floating),
        column(rows, |row| row.recurrence),
        column(rows, |row| row.hash.as_slice()),
    ];
    arguments.extend(details::arguments(details));
    arguments
}

/// Marks events as deleted; they stay as history. Returns how many were not deleted before.
pub fn delete(installation: &Installation, ids: &[Uuid], now: DateTime<Utc>) -> SqlResult<u64> {
    if ids.is_empty() {
        return Ok(0);
    }
    within_scratch(|| {
        let arguments = [column(ids, |id| uuid(*id)), stamp(now).into()];
        DELETE.with(|statement| statement.execute(installation, &arguments))
    })
}

/// Marks those instances of series as deleted that are not over at `after`.
pub fn delete_instances(
    installation: &Installation,
    series: &[Uuid],
    after: DateTime<Utc>,
    now: DateTime<Utc>,
) -> SqlResult<u64> {
    if series.is_empty() {
        return Ok(0);
    }
    within_scratch(|| {
        let arguments = [column(series, |id| uuid(*id)), stamp(now).into(), stamp(after).into()];
        DELETE_INSTANCES.with(|statement| statement.execute(installation, &arguments))
    })
}

/// Marks single occurrences of series as deleted, by series and original start.
pub fn delete_occurrences(
    installation: &Installation,
    occurrences: &[(Uuid, DateTime<Utc>)],
    now: DateTime<Utc>,
) -> SqlResult<u64> {
    if occurrences.is_empty() {
        return Ok(0);
    }
    within_scratch(|| {
        let arguments = [
            column(occurrences, |(series_id, _)| uuid(*series_id)),
            column(occurrences, |(_, recurrence_id)| stamp(*recurrence_id)),
            stamp(now).into(),
        ];
        DELETE_OCCURRENCES.with(|statement| statement.execute(installation, &arguments))
    })
}

/// Removes the instances of series that start after `after` and are not among `given`.
pub fn remove_instances(
    installation: &Installation,
    series: &[Uuid],
    after: DateTime<Utc>,
    given: &[(Uuid, DateTime<Utc>)],
) -> SqlResult<u64> {
    if series.is_empty() {
        return Ok(0);
    }
    within_scratch(|| {
        let arguments = [
            column(series, |id| uuid(*id)),
            stamp(after).into(),
            column(given, |(series_id, _)| uuid(*series_id)),
            column(given, |(_, recurrence_id)| stamp(*recurrence_id)),
        ];
        REMOVE_INSTANCES.with(|statement| statement.execute(installation, &arguments))
    })
}

/// Sets the sync_status of events that have another.
pub fn mark(installation: &Installation, ids: &[Uuid], sync_status: &str, now: DateTime<Utc>) -> SqlResult<u64> {
    if ids.is_empty() {
        return Ok(0);
    }
    within_scratch(|| {
        let arguments = [column(ids, |id| uuid(*id)), sync_status.into(), stamp(now).into()];
        MARK.with(|statement| statement.execute(installation, &arguments))
    })
}

/// The events of these ids, whole.
pub fn find(installation: &Installation, ids: &[Uuid]) -> SqlResult<Vec<Stored>> {
    select(installation, &FIND, ids)
}

/// The same, locked until the end of the transaction.
pub fn lock(installation: &Installation, ids: &[Uuid]) -> SqlResult<Vec<Stored>> {
    select(installation, &LOCK, ids)
}

fn select(
    installation: &Installation,
    statement: &'static std::thread::LocalKey<Statement>,
    ids: &[Uuid],
) -> SqlResult<Vec<Stored>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    within_scratch(|| {
        let arguments = [column(ids, |id| uuid(*id))];
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
        BETWEEN.with(|statement| {
            statement.run(installation, &arguments, |mut rows| {
                let mut found = Vec::with_capacity(rows.len());
                while rows.next().is_some() {
                    found.push(read_shown(&mut Columns::of(&rows))?);
                }
                Ok(found)
            })
        })
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
