//! Rows of calendar_sync_log about conflicts, and which of them the current transaction has written.

use std::cell::RefCell;

use pgrx::{JsonB, pg_sys};
use serde_json::Value;
use uuid::Uuid;

use super::connections::Connection;
use super::datum::{column, uuid, within_scratch};
use super::links::ItemId;
use super::{Installation, Statement, new_id};
use crate::errors::SqlResult;

/// A row that this transaction has written, about a conflict whose loser is overwritten there.
pub struct Won {
    pub log_id: Uuid,
    /// The event's or the series'.
    pub item: Uuid,
    /// The same row with another key, for [`keep`].
    pub copy: Value,
}

thread_local! {
    static LOG: Statement = const { Statement::new(
        "insert into @calendar_sync_log (log_id, event_id, connection_id, provider, user_id, action, status, details)
         select r.log_id, r.id, $1, $2, $3, 'conflict', 'success', r.details::jsonb
         from unnest($4, $5, $6) r (log_id, id, details)",
        &[
            pg_sys::UUIDOID, pg_sys::TEXTOID, pg_sys::TEXTOID, pg_sys::UUIDARRAYOID, pg_sys::UUIDARRAYOID,
            pg_sys::TEXTARRAYOID,
        ],
    ) };
    static WON: Statement = const { Statement::new(
        "select log_id, event_id, (to_jsonb(l) || jsonb_build_object('log_id', @calendar_uuid_v7()))::text
         from @calendar_sync_log l
         where log_id = any ($1)
           and event_id = any ($3)
           and (connection_id <> $2 or details ->> 'winner' = 'local')",
        &[pg_sys::UUIDARRAYOID, pg_sys::UUIDOID, pg_sys::UUIDARRAYOID],
    ) };
    static KEEP: Statement = const { Statement::new(
        "insert into @calendar_sync_log
         select r.*
         from jsonb_populate_recordset(null::@calendar_sync_log, $1) r",
        &[pg_sys::JSONBOID],
    ) };
    static FORGET: Statement = const { Statement::new(
        "delete from @calendar_sync_log where log_id = any ($1)",
        &[pg_sys::UUIDARRAYOID],
    ) };

    /// The keys of the rows that a transaction has written, and which one.
    static WRITTEN: RefCell<(u64, Vec<Uuid>)> = const { RefCell::new((0, Vec::new())) };
}

/// Rows about conflicts of a connection: (item, details).
pub fn log(installation: &Installation, connection: &Connection, conflicts: &[(ItemId, Value)]) -> SqlResult<()> {
    if conflicts.is_empty() {
        return Ok(());
    }
    let keys: Vec<Uuid> = conflicts.iter().map(|_| new_id()).collect();
    within_scratch(|| {
        let id = |item: ItemId| item.series().or(item.event()).map(uuid);
        let given = [
            uuid(connection.id).into(),
            connection.provider.as_str().into(),
            connection.user_id.as_str().into(),
            column(&keys, |key| uuid(*key)),
            column(conflicts, |(item, _)| id(*item)),
            column(conflicts, |(_, details)| details.to_string()),
        ];
        LOG.with(|statement| statement.execute(installation, &given))
    })?;
    written(|written| written.extend(keys));
    Ok(())
}

/// Those of this transaction's rows that tell what is lost where these items are sent to a connection: to what is here, or
/// to what came from another one.
pub fn won(installation: &Installation, connection: Uuid, items: &[Uuid]) -> SqlResult<Vec<Won>> {
    let keys = written(|written| written.clone());
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    within_scratch(|| {
        let given = [column(&keys, |key| uuid(*key)), uuid(connection).into(), column(items, |item| uuid(*item))];
        WON.with(|statement| {
            statement.rows(installation, &given, |row| {
                Ok(Won {
                    log_id: row.uuid()?.unwrap_or_default(),
                    item: row.uuid()?.unwrap_or_default(),
                    copy: row.json()?,
                })
            })
        })
    })
}

/// Writes rows that another transaction has made copies of ([`Won::copy`]).
pub fn keep(installation: &Installation, copies: Vec<Value>) -> SqlResult<()> {
    KEEP.with(|statement| statement.execute(installation, &[JsonB(Value::Array(copies)).into()]))?;
    Ok(())
}

/// Takes this transaction's rows back, after their copies were kept.
pub fn forget(installation: &Installation, won: &[Won]) -> SqlResult<()> {
    within_scratch(|| {
        let given = [column(won, |one| uuid(one.log_id))];
        FORGET.with(|statement| statement.execute(installation, &given))
    })?;
    Ok(())
}

fn written<T>(work: impl FnOnce(&mut Vec<Uuid>) -> T) -> T {
    // SAFETY: reads the transaction's state. Zero stands for one that has written nothing.
    let transaction = unsafe { pg_sys::GetTopFullTransactionIdIfAny() }.value;
    WRITTEN.with_borrow_mut(|(of, keys)| {
        if *of != transaction {
            *of = transaction;
            keys.clear();
        }
        work(keys)
    })
}
