//! Keys of the calendar tables.

use pgrx::prelude::*;

use crate::store;

/// A new time-ordered UUID (RFC 9562, version 7), monotonic within a backend. Declared in `sql/010_types.sql`, since
/// the tables' defaults need it before anything that pgrx declares.
#[pg_extern(sql = "")]
fn calendar_uuid_v7() -> pgrx::Uuid {
    store::uuid(store::new_id())
}
