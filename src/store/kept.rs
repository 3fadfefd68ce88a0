//! Rows of calendar_sync_log about what was deleted in somebody's calendar and stays here.

use pgrx::pg_sys;

use super::connections::Connection;
use super::datum::{column, uuid, within_scratch};
use super::links::ItemId;
use super::{Installation, Statement};
use crate::errors::SqlResult;

thread_local! {
    static LOG: Statement = const { Statement::new(
        "insert into @calendar_sync_log
             (related_table, interaction_id, event_id, connection_id, provider, user_id, action, status, error_message)
         select e.related_table, e.related_id, r.id, $1, $2, $3, 'delete', 'skipped',
             'it was deleted there and stays here; it is sent there again when it changes'
         from unnest($4) r (id)
         left join @calendar_events e on e.event_id = r.id",
        &[pg_sys::UUIDOID, pg_sys::TEXTOID, pg_sys::TEXTOID, pg_sys::UUIDARRAYOID],
    ) };
}

/// These were deleted in that connection's calendar.
pub fn log(installation: &Installation, connection: &Connection, items: &[ItemId]) -> SqlResult<()> {
    if items.is_empty() {
        return Ok(());
    }
    within_scratch(|| {
        let arguments = [
            uuid(connection.id).into(),
            connection.provider.as_str().into(),
            connection.user_id.as_str().into(),
            column(items, |item| item.series().or(item.event()).map(uuid)),
        ];
        LOG.with(|statement| statement.execute(installation, &arguments))
    })?;
    Ok(())
}
