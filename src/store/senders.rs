//! Whether changes are sent anywhere at all: remembered, so that a database without such a connection pays nothing.

use std::cell::Cell;

use pgrx::pg_sys;

use super::installation_row::{Standing, standing};
use super::{Installation, Statement, catalog, watch};
use crate::errors::SqlResult;

/// The tables that it depends on; their triggers say when it may have changed (sql/062_event_changes.sql).
const TABLES: [&str; 2] = ["calendar_connections", "calendar_installation"];

thread_local! {
    /// With `watch::changes()` at which it was found.
    static KNOWN: Cell<Option<(u64, bool)>> = const { Cell::new(None) };
    static ARE_THERE: Statement = const { Statement::new(
        "select exists (
             select
             from @calendar_connections
             where account_id is not null
               and direction <> 'pull'
               and status <> 'removed'
         )",
        &[],
    ) };
}

/// Whether it is known, without looking, that there are none.
pub fn are_known_not_to_be() -> bool {
    KNOWN.get() == Some((watch::changes(), false))
}

/// Whether any connection of this database sends changes, and this database is the one to send them: a restored copy
/// stands aside.
pub fn are_there(installation: &Installation) -> SqlResult<bool> {
    if let Some((read_at, known)) = KNOWN.get()
        && read_at == watch::changes()
    {
        return Ok(known);
    }
    // Watched before they are read, so that no change is missed in between.
    for table in TABLES {
        if let Some(table) = catalog::relation_in(installation.schema_oid, table)? {
            watch::watch(table);
        }
    }
    let changes = watch::changes();
    let found = standing(installation)? == Standing::Here
        && ARE_THERE.with(|statement| statement.run(installation, &[], |rows| rows.first().get_one::<bool>()))?
            == Some(true);
    // SAFETY: reads the transaction's state. Under a snapshot for the whole transaction it may not be as it is now.
    if unsafe { pg_sys::XactIsoLevel } <= pg_sys::XACT_READ_COMMITTED as i32 {
        KNOWN.set(Some((changes, found)));
    }
    Ok(found)
}

/// Says to every session that it may be otherwise from now on; `table` is one of those that it depends on.
pub fn may_have_changed(table: pg_sys::Oid) {
    // SAFETY: within a transaction; the message goes out when that commits.
    unsafe { pg_sys::CacheInvalidateRelcacheByRelid(table) };
}
