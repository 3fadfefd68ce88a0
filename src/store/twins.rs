//! Events that a pull has taken for somebody else's although they are ours: sent, and the answer lost.

use pgrx::pg_sys;

use super::connections::Connection;
use super::datum::{uuid, within_scratch};
use super::links::ItemId;
use super::outside::execute_on;
use super::{Installation, Statement, queue};
use crate::errors::SqlResult;

thread_local! {
    static OF_CONNECTION: Statement = const { Statement::new(
        "select event_id, null::uuid
         from @calendar_events
         where connection_id = $1 and event_id = any ($2)
         union all
         select null, series_id
         from @calendar_series
         where connection_id = $1 and series_id = any ($3)",
        &[pg_sys::UUIDOID, pg_sys::UUIDARRAYOID, pg_sys::UUIDARRAYOID],
    ) };
    static REMOVE_EVENTS: Statement = const { Statement::new(
        "delete from @calendar_events where event_id = any ($1) or series_id = any ($2)",
        &[pg_sys::UUIDARRAYOID, pg_sys::UUIDARRAYOID],
    ) };
    static REMOVE_SERIES: Statement = const { Statement::new(
        "delete from @calendar_series where series_id = any ($1)",
        &[pg_sys::UUIDARRAYOID],
    ) };
}

/// Removes those of these items that are of that connection: what is there under their identifiers has turned out to be
/// the like of others. Returns whether there were any.
pub fn remove(installation: &Installation, connection: &Connection, left: &[ItemId]) -> SqlResult<bool> {
    if left.is_empty() {
        return Ok(false);
    }
    let twins = within_scratch(|| {
        let [events, series] = ItemId::arguments(left);
        let arguments = [uuid(connection.id).into(), events, series];
        OF_CONNECTION.with(|statement| statement.rows(installation, &arguments, ItemId::read))
    })?;
    within_scratch(|| REMOVE_EVENTS.with(|statement| statement.execute(installation, &ItemId::arguments(&twins))))?;
    let [_, series] = ItemId::split(&twins);
    REMOVE_SERIES.with(|statement| execute_on(installation, statement, &series, Vec::new))?;
    // Calendars that mirror that one may have them by now.
    queue::changed(installation, &twins, Some(connection.id))?;
    Ok(!twins.is_empty())
}
