//! Operations of the queue that a pull finds waiting, and has become needless or needed by what it brought.

use pgrx::pg_sys;
use uuid::Uuid;

use super::datum::{column, uuid, within_scratch};
use super::links::ItemId;
use super::{Installation, Statement};
use crate::errors::SqlResult;

/// An operation that waits, or is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    pub item: ItemId,
    pub is_delete: bool,
}

/// Queues operations of one kind of items, which take the place of others that wait.
macro_rules! need {
    ($id:literal) => {
        concat!(
            "insert into @calendar_sync_queue as q (operation, ",
            $id,
            ", connection_id, priority, max_retries)
             select r.operation, r.",
            $id,
            ", $1, 10, $5
             from unnest($2, $3, $4) r (operation, event_id, series_id)
             where r.",
            $id,
            " is not null
             on conflict (",
            $id,
            ", connection_id) where ",
            $id,
            " is not null and status = 'pending'
             do update set operation = excluded.operation, payload = null
             where q.operation <> excluded.operation"
        )
    };
}

const NEEDED: &[pg_sys::Oid] =
    &[pg_sys::UUIDOID, pg_sys::TEXTARRAYOID, pg_sys::UUIDARRAYOID, pg_sys::UUIDARRAYOID, pg_sys::INT4OID];

thread_local! {
    static WAITING: Statement = const { Statement::new(
        "select event_id, series_id, operation = 'delete'
         from @calendar_sync_queue
         where connection_id = $1
           and status in ('pending', 'processing')
           and (event_id = any ($2) or series_id = any ($3))",
        &[pg_sys::UUIDOID, pg_sys::UUIDARRAYOID, pg_sys::UUIDARRAYOID],
    ) };
    static NEED: Statement = const { Statement::new(need!("event_id"), NEEDED) };
    static NEED_SERIES: Statement = const { Statement::new(need!("series_id"), NEEDED) };
    static DROP: Statement = const { Statement::new(
        "delete from @calendar_sync_queue
         where connection_id = $1
           and status = 'pending'
           and (event_id = any ($2) or series_id = any ($3))",
        &[pg_sys::UUIDOID, pg_sys::UUIDARRAYOID, pg_sys::UUIDARRAYOID],
    ) };
}

/// The operations of these items that are not done yet.
pub fn find(installation: &Installation, connection: Uuid, items: &[ItemId]) -> SqlResult<Vec<Waiting>> {
    if items.is_empty() {
        return Ok(Vec::new());
    }
    within_scratch(|| {
        let [events, series] = ItemId::arguments(items);
        let given = [uuid(connection).into(), events, series];
        WAITING.with(|statement| {
            statement.rows(installation, &given, |columns| {
                Ok(Waiting { item: ItemId::read(columns)?, is_delete: columns.flag()? })
            })
        })
    })
}

/// These are to be sent: 'create' or 'update'. What waits becomes that.
pub fn need(
    installation: &Installation,
    connection: Uuid,
    operations: &[(&'static str, ItemId)],
    max_retries: i32,
) -> SqlResult<()> {
    if operations.is_empty() {
        return Ok(());
    }
    within_scratch(|| {
        let given = || {
            [
                uuid(connection).into(),
                column(operations, |(operation, _)| *operation),
                column(operations, |(_, item)| item.event().map(uuid)),
                column(operations, |(_, item)| item.series().map(uuid)),
                max_retries.into(),
            ]
        };
        NEED.with(|statement| statement.execute(installation, &given()))?;
        NEED_SERIES.with(|statement| statement.execute(installation, &given()))
    })?;
    Ok(())
}

/// Nothing of these is to be sent any more.
pub fn drop(installation: &Installation, connection: Uuid, items: &[ItemId]) -> SqlResult<()> {
    if items.is_empty() {
        return Ok(());
    }
    within_scratch(|| {
        let [events, series] = ItemId::arguments(items);
        let given = [uuid(connection).into(), events, series];
        DROP.with(|statement| statement.execute(installation, &given))
    })?;
    Ok(())
}
