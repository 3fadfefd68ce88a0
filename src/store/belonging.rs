//! What belongs to the calendar of a connection that changes are sent to: as far as its owner, its filter, and where it came
//! from go.

use std::collections::HashSet;
use std::thread::LocalKey;

use pgrx::pg_sys;
use uuid::Uuid;

use super::Installation;
use super::datum::{column, uuid, within_scratch};
use super::links::ItemId;
use super::planned_once::PlannedOnce;
use super::rows::Columns;
use crate::errors::SqlResult;

/// The items `i.id` that belong to the calendar of a connection that changes are sent to: as `t` and `c`.
///
/// What came from a connection belongs there whatever its filter says, and elsewhere only where that is asked for. Each item
/// is looked up in the index, whatever the planner knows of the table.
#[rustfmt::skip]
macro_rules! belonging {
    (id: $id:literal, table: $table:literal, single: $single:literal, lives: $lives:literal, item: $item:literal) => {
        concat!(
            "from (
                 select t.*
                 from ", $item, "
                 cross join lateral (select * from @", $table, " where ", $id, " = i.id offset 0) t
                 offset 0
             ) t
             join @calendar_connections c on (c.user_id collate \"C\") = t.user_id
             where t.sync_status <> 'deleted'
               and ", $lives, "
               and ", $single, "
               and c.account_id is not null
               and c.direction <> 'pull'
               and c.status <> 'removed'
               and (
                   t.connection_id is null
                   or t.connection_id = c.connection_id
                   or exists (
                       select
                       from @calendar_connections origin
                       where origin.connection_id = t.connection_id
                         and c.options -> 'mirror_from' ? origin.name
                   )
               )
               and (
                   c.filter = '{}'
                   or t.connection_id = c.connection_id
                   or (c.filter -> 'event_type' is null or c.filter -> 'event_type' ? t.event_type)
                      and (c.filter -> 'external_source' is null
                          or c.filter -> 'external_source' ? coalesce(t.external_source, t.synced_from))
                      and (c.filter -> 'categories' is null or to_jsonb(t.categories) @> (c.filter -> 'categories'))
                      and (c.filter -> 'metadata' is null or t.metadata @> (c.filter -> 'metadata'))
               )"
        )
    };
}

pub(super) use belonging;

/// Of the items `$2` those that belong to the calendar of the connection `$1`, as far as its filter and its owner go.
macro_rules! of_connection {
    (id: $id:literal, table: $table:literal, single: $single:literal) => {
        concat!(
            "select t.",
            $id,
            " ",
            belonging!(id: $id, table: $table, single: $single, lives: "true", item: "unnest($2) i (id)"),
            " and c.connection_id = $1"
        )
    };
}

thread_local! {
    static EVENTS_BELONGING: PlannedOnce = const { PlannedOnce::new(
        of_connection!(id: "event_id", table: "calendar_events", single: "t.series_id is null"),
        &[pg_sys::UUIDOID, pg_sys::UUIDARRAYOID],
    ) };
    static SERIES_BELONGING: PlannedOnce = const { PlannedOnce::new(
        of_connection!(id: "series_id", table: "calendar_series", single: "true"),
        &[pg_sys::UUIDOID, pg_sys::UUIDARRAYOID],
    ) };
}

/// Those of these items that belong to a connection's calendar. What else is there of them is to be deleted there.
pub fn among(installation: &Installation, connection: Uuid, items: &[ItemId]) -> SqlResult<HashSet<ItemId>> {
    let mut found = HashSet::with_capacity(items.len());
    let mut take = |statement: &'static LocalKey<PlannedOnce>, ids: Vec<Uuid>, item: fn(Uuid) -> ItemId| {
        if ids.is_empty() {
            return Ok(());
        }
        let rows = within_scratch(|| {
            let arguments = [uuid(connection).into(), column(&ids, |id| uuid(*id))];
            statement.with(|statement| statement.rows(installation, &arguments, Columns::uuid))
        })?;
        found.extend(rows.into_iter().flatten().map(item));
        Ok(())
    };
    let [events, series] = ItemId::split(items);
    take(&EVENTS_BELONGING, events, ItemId::Event)?;
    take(&SERIES_BELONGING, series, ItemId::Series)?;
    Ok(found)
}
