//! All events of one tracked table at once.

use pgrx::pg_sys;
use uuid::Uuid;

use super::datum::{uuid, uuid_of};
use super::{Statement, as_owner, queue, senders};
use crate::errors::SqlResult;

thread_local! {
    static DELETE_ALL: Statement =
        const { Statement::new("delete from @calendar_events where related_table = $1", &[pg_sys::TEXTOID]) };
    static PAGE: Statement = const {
        Statement::new(
            "select related_id, event_id from @calendar_events
             where related_table = $1 and related_id > $2
             order by related_id limit $3",
            &[pg_sys::TEXTOID, pg_sys::UUIDOID, pg_sys::INT8OID],
        )
    };
    static RENAME_TABLE: [Statement; 3] = const {
        [
            Statement::new(
                "update @calendar_events set related_table = $2 where related_table = $1",
                &[pg_sys::TEXTOID, pg_sys::TEXTOID],
            ),
            Statement::new(
                "update @calendar_sync_log set related_table = $2 where related_table = $1",
                &[pg_sys::TEXTOID, pg_sys::TEXTOID],
            ),
            Statement::new(
                "update @calendar_sync_failures set related_table = $2 where related_table = $1",
                &[pg_sys::TEXTOID, pg_sys::TEXTOID],
            ),
        ]
    };
    static OWNERS: Statement = const {
        Statement::new(
            "select exists (select from @calendar_connections where user_id ~* $1)
                 or exists (select from @calendar_feeds where user_id ~* $1)",
            &[pg_sys::TEXTOID],
        )
    };
    static LOG_MANY: Statement = const {
        Statement::new(
            "insert into @calendar_sync_log (related_table, provider, action, status, updated, deleted)
             values ($1, 'interaction', $2, 'success', $3, $4)",
            &[pg_sys::TEXTOID, pg_sys::TEXTOID, pg_sys::INT8OID, pg_sys::INT8OID],
        )
    };
}

/// Deletes all events of a tracked table, also where they were sent to; how many.
pub fn delete_all(related_table: &str) -> SqlResult<i64> {
    as_owner(|installation| {
        let sends = senders::are_there(installation)?;
        let sent = if sends { queue::known_events(installation, Some(related_table))? } else { Vec::new() };
        let deleted = DELETE_ALL.with(|delete| delete.execute(installation, &[related_table.into()]))?;
        queue::changed(installation, &sent, None)?;
        Ok(deleted as i64)
    })
}

/// The next events of a tracked table by their interactions' ids: (interaction, event).
pub fn page(related_table: &str, after: Uuid, limit: i64) -> SqlResult<Vec<(Uuid, Uuid)>> {
    let after = uuid(after);
    let id = |id: Option<pgrx::Uuid>| id.map_or(Uuid::nil(), uuid_of);
    as_owner(|installation| {
        PAGE.with(|page| {
            page.run(installation, &[related_table.into(), after.into(), limit.into()], |rows| {
                rows.map(|row| Ok((id(row.get(1)?), id(row.get(2)?)))).collect()
            })
        })
    })
}

/// An attached table goes by another name from now on.
pub fn rename_table(before: &str, after: &str) -> SqlResult<()> {
    as_owner(|installation| {
        RENAME_TABLE.with(|statements| {
            statements
                .iter()
                .try_for_each(|rename| rename.execute(installation, &[before.into(), after.into()]).map(|_| ()))
        })
    })
}

/// Whether any outside or published calendar belongs to an owner that is a UUID's text.
pub fn owners_are_uuids_elsewhere() -> SqlResult<bool> {
    const UUID: &str = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$";
    as_owner(|installation| {
        OWNERS.with(|owners| owners.run(installation, &[UUID.into()], |rows| rows.first().get_one::<bool>()))
    })
    .map(|found| found.unwrap_or(false))
}

/// One row in the log for an operation on many interactions.
pub fn log_many(related_table: &str, action: &str, written: i64, deleted: i64) -> SqlResult<()> {
    as_owner(|installation| {
        let counts = [related_table.into(), action.into(), written.into(), deleted.into()];
        LOG_MANY.with(|log| log.execute(installation, &counts))?;
        Ok(())
    })
}
