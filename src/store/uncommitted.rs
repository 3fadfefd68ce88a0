//! What the current transaction has written itself, and nobody else can see yet.

use std::collections::{HashMap, HashSet};

use pgrx::pg_sys;
use uuid::Uuid;

use super::datum::{uuid, within_scratch};
use super::links::ItemId;
use super::rows::Columns;
use super::{Installation, Statement};
use crate::errors::SqlResult;

/// Whether a row with that xmin is of the current transaction. Rows that it has written, with its subtransactions, have its
/// number or a later one. So have those that others have committed since it began to write: to count these does no harm. A
/// transaction that has written nothing has no number.
macro_rules! is_own {
    ($xmin:literal) => {
        concat!("coalesce(age(", $xmin, ") <= age(pg_current_xact_id_if_assigned()::xid), false)")
    };
}

pub(super) use is_own;

thread_local! {
    // A series is one item with all of its occurrences.
    static AMONG: Statement = const { Statement::new(
        concat!(
            "select event_id, null::uuid
             from @calendar_events
             where event_id = any ($1) and ", is_own!("xmin"), "
             union
             select null, series_id
             from @calendar_series
             where series_id = any ($2) and ", is_own!("xmin"), "
             union
             select null, series_id
             from @calendar_events
             where series_id = any ($2) and ", is_own!("xmin")
        ),
        &[pg_sys::UUIDARRAYOID, pg_sys::UUIDARRAYOID],
    ) };
    static AGREED: Statement = const { Statement::new(
        concat!(
            "select l.event_id, l.series_id, coalesce(coalesce(e.sync_status, s.sync_status) <> 'deleted', false)
             from @calendar_event_links l
             left join @calendar_events e on e.event_id = l.event_id
             left join @calendar_series s on s.series_id = l.series_id
             where (l.event_id = any ($1) or l.series_id = any ($2))
               and l.connection_id = $3
               and ", is_own!("l.xmin")
        ),
        &[pg_sys::UUIDARRAYOID, pg_sys::UUIDARRAYOID, pg_sys::UUIDOID],
    ) };
}

/// Those of these items that this transaction has written.
pub fn among(installation: &Installation, items: &[ItemId]) -> SqlResult<HashSet<ItemId>> {
    let found = within_scratch(|| {
        AMONG.with(|statement| statement.rows(installation, &ItemId::arguments(items), ItemId::read))
    })?;
    Ok(found.into_iter().collect())
}

/// Those of these items of which this transaction has agreed on something with a connection, and whether they are here: it may
/// have taken it from there.
pub fn agreed_on(installation: &Installation, connection: Uuid, items: &[ItemId]) -> SqlResult<HashMap<ItemId, bool>> {
    if items.is_empty() {
        return Ok(HashMap::new());
    }
    let found = within_scratch(|| {
        let [events, series] = ItemId::arguments(items);
        let arguments = [events, series, uuid(connection).into()];
        let read = |columns: &mut Columns| Ok((ItemId::read(columns)?, columns.flag()?));
        AGREED.with(|statement| statement.rows(installation, &arguments, read))
    })?;
    Ok(found.into_iter().collect())
}
