//! What the current transaction has written itself, and nobody else can see yet.

use std::collections::HashSet;

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
}

/// Those of these items that this transaction has written.
pub fn among(installation: &Installation, items: &[ItemId]) -> SqlResult<HashSet<ItemId>> {
    let of_kind = |id: fn(ItemId) -> Option<Uuid>| -> Vec<pgrx::Uuid> {
        items.iter().copied().filter_map(id).map(uuid).collect()
    };
    let found = within_scratch(|| {
        let arguments = [of_kind(ItemId::event).into(), of_kind(ItemId::series).into()];
        let item = |columns: &mut Columns| Ok(ItemId::of(columns.uuid()?, columns.uuid()?));
        AMONG.with(|statement| statement.rows(installation, &arguments, item))
    })?;
    Ok(found.into_iter().collect())
}
