//! A lock on a row of ours that no SQL can take: advisory locks are anybody's to take, and pg_locks shows which.

use pgrx::pg_sys;
use uuid::Uuid;

use super::{Installation, catalog};
use crate::errors::{SqlResult, internal};

/// Takes the lock for the row of that key until the transaction ends, also if it has it already; false if another
/// transaction has it.
pub fn try_take(installation: &Installation, table: &str, key: Uuid) -> SqlResult<bool> {
    let table = catalog::relation_in(installation.schema_oid, table)?
        .ok_or_else(|| internal(format!("calendar_sync: the table {table} is gone")))?;
    // As PostgreSQL locks an object of a catalog: by the table's oid and, here, the last 48 bits of the key, all random.
    let (_, random) = key.as_u64_pair();
    // SAFETY: reads a variable.
    let database = unsafe { pg_sys::MyDatabaseId };
    let tag = pg_sys::LOCKTAG {
        locktag_field1: database.to_u32(),
        locktag_field2: table.to_u32(),
        locktag_field3: random as u32,
        locktag_field4: (random >> 32) as u16,
        locktag_type: pg_sys::LockTagType::LOCKTAG_OBJECT as u8,
        locktag_lockmethodid: pg_sys::DEFAULT_LOCKMETHOD as u8,
    };
    // SAFETY: within a transaction, which releases it.
    let taken = unsafe { pg_sys::LockAcquire(&raw const tag, pg_sys::ExclusiveLock as i32, false, true) };
    Ok(taken != pg_sys::LockAcquireResult::LOCKACQUIRE_NOT_AVAIL)
}
