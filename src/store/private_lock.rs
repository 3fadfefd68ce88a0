//! A lock on a row of ours that no SQL can take: advisory locks are anybody's to take, and pg_locks shows which.

use pgrx::pg_sys;
use uuid::Uuid;

use super::{Installation, catalog};
use crate::errors::{SqlResult, internal};

const MODE: pg_sys::LOCKMODE = pg_sys::ExclusiveLock as pg_sys::LOCKMODE;

/// Takes the lock for the row of that key until the transaction ends, also if it has it already; false if another
/// transaction has it. A savepoint that is rolled back does not let go of it: what others would find is not settled yet.
pub fn try_take(installation: &Installation, table: &str, key: Uuid) -> SqlResult<bool> {
    let tag = tag(installation, table, key)?;
    // SAFETY: within a transaction, which releases it.
    let taken = as_transaction(|| unsafe { pg_sys::LockAcquire(&raw const tag, MODE, false, true) });
    Ok(taken != pg_sys::LockAcquireResult::LOCKACQUIRE_NOT_AVAIL)
}

/// Takes back one [`try_take`] of this transaction that was granted; those before it hold.
pub fn give_back(installation: &Installation, table: &str, key: Uuid) -> SqlResult<()> {
    let tag = tag(installation, table, key)?;
    // SAFETY: a lock that this transaction has; where it has not, that is a warning.
    as_transaction(|| unsafe { pg_sys::LockRelease(&raw const tag, MODE, false) });
    Ok(())
}

/// What `work` takes is held by the transaction itself, in whatever subtransaction it runs.
fn as_transaction<T>(work: impl FnOnce() -> T) -> T {
    // SAFETY: both owners live as long as the transaction. After an error its abort sets the current one itself.
    unsafe {
        let current = pg_sys::CurrentResourceOwner;
        pg_sys::CurrentResourceOwner = pg_sys::TopTransactionResourceOwner;
        let done = work();
        pg_sys::CurrentResourceOwner = current;
        done
    }
}

/// As PostgreSQL locks an object of a catalog: by the table's oid and, here, the last 48 bits of the key, all random.
fn tag(installation: &Installation, table: &str, key: Uuid) -> SqlResult<pg_sys::LOCKTAG> {
    let table = catalog::relation_in(installation.schema_oid, table)?
        .ok_or_else(|| internal(format!("calendar_sync: the table {table} is gone")))?;
    let (_, random) = key.as_u64_pair();
    Ok(pg_sys::LOCKTAG {
        // SAFETY: reads a variable.
        locktag_field1: unsafe { pg_sys::MyDatabaseId }.to_u32(),
        locktag_field2: table.to_u32(),
        locktag_field3: random as u32,
        locktag_field4: (random >> 32) as u16,
        locktag_type: pg_sys::LockTagType::LOCKTAG_OBJECT as u8,
        locktag_lockmethodid: pg_sys::DEFAULT_LOCKMETHOD as u8,
    })
}
