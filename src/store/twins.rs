//! Events that a pull has taken for somebody else's although they are ours: sent, and the answer lost.

use pgrx::pg_sys;
use pgrx::spi::SpiResult;
use uuid::Uuid;

use super::connections::Connection;
use super::datum::{column, uuid, within_scratch};
use super::links::ItemId;
use super::outside::execute_on;
use super::rows::Columns;
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
    let [events, series] = ids(left);
    let twins = within_scratch(|| {
        let arguments = [uuid(connection.id).into(), column(&events, |id| uuid(*id)), column(&series, |id| uuid(*id))];
        OF_CONNECTION.with(|statement| statement.rows(installation, &arguments, read))
    })?;
    let [events, series] = ids(&twins);
    within_scratch(|| {
        let arguments = [column(&events, |id| uuid(*id)), column(&series, |id| uuid(*id))];
        REMOVE_EVENTS.with(|statement| statement.execute(installation, &arguments))
    })?;
    REMOVE_SERIES.with(|statement| execute_on(installation, statement, &series, Vec::new))?;
    // Calendars that mirror that one may have them by now.
    queue::changed(installation, &twins, Some(connection.id))?;
    Ok(!twins.is_empty())
}

/// Of events, and of series.
fn ids(items: &[ItemId]) -> [Vec<Uuid>; 2] {
    [ItemId::event, ItemId::series].map(|id| items.iter().copied().filter_map(id).collect())
}

fn read(columns: &mut Columns) -> SpiResult<ItemId> {
    Ok(ItemId::of(columns.uuid()?, columns.uuid()?))
}
