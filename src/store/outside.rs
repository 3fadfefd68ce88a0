//! What events and series of outside origin have in common: how they are looked up by their origin's keys, written in
//! sets, deleted and marked. Each of the two tables is a [`Kind`]; its statements are made of that.

use std::thread::LocalKey;

use calendar_sync_core::ics::SourceHash;
use chrono::{DateTime, Utc};
use pgrx::PgSqlErrorCode;
use pgrx::datum::DatumWithOid;
use pgrx::spi::SpiResult;
use uuid::Uuid;

use super::datum::{column, stamp, uuid, within_scratch};
use super::details;
use super::kind::{Column, Kind};
use super::rows::Columns;
use super::{Installation, Source, Statement, Wanted};
use crate::errors::{SqlResult, error};

/// The statements on such a table. Keep them in a `thread_local!`.
pub struct Outside {
    kind: &'static Kind,
    known_of_connection: Statement,
    known_of_application: Statement,
    known_by_key_of_connection: Statement,
    known_by_key_of_application: Statement,
    upsert: Statement,
    upsert_silently: Statement,
    delete: Statement,
    mark: Statement,
}

impl Outside {
    pub const fn new(kind: &'static Kind) -> Self {
        Self {
            kind,
            known_of_connection: Statement::of_kind(known_of_connection, kind),
            known_of_application: Statement::of_kind(known_of_application, kind),
            known_by_key_of_connection: Statement::of_kind(known_by_key_of_connection, kind),
            known_by_key_of_application: Statement::of_kind(known_by_key_of_application, kind),
            upsert: Statement::of_kind(upsert, kind),
            upsert_silently: Statement::of_kind(upsert_silently, kind),
            delete: Statement::of_kind(delete, kind),
            mark: Statement::of_kind(mark, kind),
        }
    }

    /// Hands out what is stored of `source`, as far as it is compared.
    pub fn known(
        &self,
        installation: &Installation,
        source: &Source,
        wanted: Wanted,
        now: DateTime<Utc>,
        take: impl FnMut(&mut Columns) -> SpiResult<()>,
    ) -> SqlResult<()> {
        let statement = match (source.connection_id, wanted) {
            (Some(_), Wanted::Keys(_)) => &self.known_by_key_of_connection,
            (Some(_), _) => &self.known_of_connection,
            (None, Wanted::Keys(_)) => &self.known_by_key_of_application,
            (None, _) => &self.known_of_application,
        };
        within_scratch(|| statement.stream(installation, &source.arguments(wanted, now), take))
    }

    /// Inserts or updates rows, all of them known to differ from what is stored; `rows` are the arguments of the kind's
    /// columns and of its details'. Returns their ids, in that order: that of a stored row where there is one.
    /// `silently`: nothing of the content has changed.
    pub fn upsert<'a>(
        &self,
        installation: &Installation,
        source: &'a Source,
        now: DateTime<Utc>,
        silently: bool,
        count: usize,
        rows: impl FnOnce() -> Vec<DatumWithOid<'a>>,
    ) -> SqlResult<Vec<Uuid>> {
        let statement = if silently { &self.upsert_silently } else { &self.upsert };
        let ids = within_scratch(|| {
            let arguments = upsert_arguments(source, now, rows());
            statement.rows(installation, &arguments, |columns| Ok(columns.uuid()?.unwrap_or_default()))
        })?;
        if ids.len() != count {
            return Err(error(
                PgSqlErrorCode::ERRCODE_TRIGGERED_ACTION_EXCEPTION,
                format!("a trigger on {} suppresses the row", self.kind.table),
            )
            .set_hint("Let it return the row, or raise an error that says what is wrong with it."));
        }
        Ok(ids)
    }

    /// Marks rows as deleted; they stay as history. Returns how many were not deleted before.
    pub fn delete(&self, installation: &Installation, ids: &[Uuid], now: DateTime<Utc>) -> SqlResult<u64> {
        execute_on(installation, &self.delete, ids, || vec![stamp(now).into()])
    }

    /// Sets the sync_status of rows that have another.
    pub fn mark(
        &self,
        installation: &Installation,
        ids: &[Uuid],
        sync_status: &str,
        now: DateTime<Utc>,
    ) -> SqlResult<u64> {
        execute_on(installation, &self.mark, ids, || vec![stamp(now).into(), sync_status.into()])
    }
}

/// What every upsert says before its rows.
pub fn upsert_arguments<'a>(
    source: &'a Source,
    now: DateTime<Utc>,
    rows: Vec<DatumWithOid<'a>>,
) -> Vec<DatumWithOid<'a>> {
    let mut arguments: Vec<DatumWithOid> = vec![
        source.user_id.into(),
        source.connection_id.map(uuid).into(),
        source.external_source.into(),
        source.synced_from.into(),
        stamp(now).into(),
    ];
    arguments.extend(rows);
    arguments
}

/// Runs a statement whose first argument are ids; does nothing without any.
pub fn execute_on<'a>(
    installation: &Installation,
    statement: &Statement,
    ids: &[Uuid],
    others: impl FnOnce() -> Vec<DatumWithOid<'a>>,
) -> SqlResult<u64> {
    if ids.is_empty() {
        return Ok(0);
    }
    within_scratch(|| {
        let mut arguments = vec![column(ids, |id| uuid(*id))];
        arguments.extend(others());
        statement.execute(installation, &arguments)
    })
}

/// Reads the rows with these ids.
pub fn find<T>(
    installation: &Installation,
    statement: &'static LocalKey<Statement>,
    ids: &[Uuid],
    read: impl FnMut(&mut Columns) -> SpiResult<T>,
) -> SqlResult<Vec<T>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    within_scratch(|| statement.with(|statement| statement.rows(installation, &[column(ids, |id| uuid(*id))], read)))
}

/// A source hash on its way into a row.
pub fn source_hash(hash: &Option<SourceHash>) -> Option<&[u8]> {
    hash.as_ref().map(SourceHash::as_slice)
}

fn known_of_connection(kind: &Kind) -> String {
    let Kind { table, rows, known, .. } = kind;
    format!(
        "select {known}
         from @{table} t
         where connection_id = $3 and user_id = $1 and external_source = $2 and $4 is null and {rows}"
    )
}

/// All, if it is not more than a limit; the limit takes the place of the keys.
fn known_of_application(kind: &Kind) -> String {
    let Kind { table, rows, known, .. } = kind;
    format!(
        "select {known}
         from @{table} t
         where user_id = $1 and external_source = $2 and connection_id is null and $3 is null and {rows}
         limit $4"
    )
}

fn known_by_key_of_connection(kind: &Kind) -> String {
    known_by_key(kind, "connection_id = $3")
}

fn known_by_key_of_application(kind: &Kind) -> String {
    known_by_key(kind, "connection_id is null and $3 is null")
}

/// One look-up in the index for each key, whatever the planner knows of the table. (With = any it may prefer to compare
/// each row of the user with each key.)
fn known_by_key(Kind { table, rows, known, .. }: &Kind, connection: &str) -> String {
    format!(
        "select {known}
         from unnest($4) k (external_id)
            cross join lateral (
                select *
                from @{table}
                where user_id = $1 and external_source = $2 and {connection} and external_id = k.external_id and {rows}
                offset 0
            ) t"
    )
}

/// With `changed_at` only where the content has changed.
fn upsert(kind: &Kind) -> String {
    format!("{}, changed_at = $5 returning {}", upsert_text(kind), kind.id)
}

fn upsert_silently(kind: &Kind) -> String {
    format!("{} returning {}", upsert_text(kind), kind.id)
}

/// INSERT of arrays from `$6` on, up to the end of what ON CONFLICT sets.
pub fn upsert_text(kind: &Kind) -> String {
    let columns = || kind.columns.iter().chain(details::COLUMNS);
    let list = |of: &dyn Fn(&Column) -> String| columns().map(of).collect::<Vec<_>>().join(", ");
    let names = list(&|column| column.name.to_owned());
    let values = list(&|column| column.value.map_or_else(|| format!("r.{}", column.name), str::to_owned));
    let arrays: Vec<String> = columns().enumerate().map(|(place, _)| format!("${}", place + 6)).collect();
    let changes: Vec<String> = columns()
        .filter(|column| !kind.keys.contains(&column.name))
        .map(|column| format!("{0} = excluded.{0}", column.name))
        .collect();
    format!(
        "insert into @{table} as t (
            user_id, connection_id, external_source, synced_from, last_synced_at, changed_at, created_at, updated_at,
            {names})
        select $1, $2, $3, $4, $5, $5, $5, $5, {values}
        from unnest({arrays}) as r ({names})
        on conflict {conflict}
        do update set {changes}, sync_status = 'synced', synced_from = $4, last_synced_at = $5, updated_at = $5",
        table = kind.table,
        conflict = kind.conflict,
        arrays = arrays.join(", "),
        changes = changes.join(", "),
    )
}

fn delete(Kind { table, id, .. }: &Kind) -> String {
    format!(
        "update @{table}
         set sync_status = 'deleted', event_status = 'cancelled', last_synced_at = $2, changed_at = $2, updated_at = $2
         where {id} = any ($1) and sync_status <> 'deleted'"
    )
}

fn mark(Kind { table, id, .. }: &Kind) -> String {
    format!(
        "update @{table}
         set sync_status = $3, updated_at = $2
         where {id} = any ($1) and sync_status <> $3"
    )
}
