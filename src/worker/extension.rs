//! Transactions on the extension's tables that never keep DROP or ALTER EXTENSION waiting.

use pgrx::pg_sys;

use super::{process, trouble};
use crate::errors::SqlResult;
use crate::store::installation_row::stands_aside;
use crate::store::{self, Installation};

/// Whether a transaction could use the extension's tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extension {
    Present,
    Absent,
    /// Being dropped or altered: step aside.
    Locked,
}

/// Runs `work` in a transaction as the extension's owner, with the extension locked against being dropped for as long.
/// A result is there only where the extension was [`Extension::Present`]; an error undoes the work.
pub fn within<T>(work: impl FnOnce(&Installation) -> SqlResult<T>) -> (Extension, Option<Result<T, String>>) {
    run(|| store::as_owner(work))
}

fn run<T>(work: impl FnOnce() -> SqlResult<T>) -> (Extension, Option<Result<T, String>>) {
    let mut extension = Extension::Absent;
    let result = process::transaction(|| {
        extension = lock();
        if extension == Extension::Present { work().map(Some) } else { Ok(None) }
    });
    match result {
        Ok(None) => (extension, None),
        Ok(Some(done)) => (extension, Some(Ok(done))),
        Err(message) => (Extension::Present, Some(Err(message))),
    }
}

/// As [`within`], for work that is done only where the calendar does not stand aside; else it comes to nothing, as its
/// default says.
pub fn within_here<T: Default>(
    work: impl FnOnce(&Installation) -> SqlResult<T>,
) -> (Extension, Option<Result<T, String>>) {
    within(|installation| if stands_aside(installation)? { Ok(T::default()) } else { work(installation) })
}

/// As [`within_here`], but as the worker itself, for work that takes the identity that it needs.
pub fn within_here_as_worker<T: Default>(
    work: impl FnOnce() -> SqlResult<T>,
) -> (Extension, Option<Result<T, String>>) {
    run(|| if store::as_owner(stands_aside)? { Ok(T::default()) } else { work() })
}

/// What was done, if it was; an error goes to the server's log.
pub fn logged<T>((extension, done): (Extension, Option<Result<T, String>>)) -> (Extension, Option<T>) {
    let done = done.and_then(|done| done.inspect_err(|message| trouble::log(message)).ok());
    (extension, done)
}

/// Locks the extension as its users do, if nobody is dropping it. It may have been dropped and created anew before, so
/// its oid is looked up again under the lock.
fn lock() -> Extension {
    // SAFETY: within a transaction, which releases the lock. The tag is SET_LOCKTAG_OBJECT's.
    unsafe {
        let extension = pg_sys::get_extension_oid(c"calendar_sync".as_ptr(), true);
        if extension == pg_sys::InvalidOid {
            return Extension::Absent;
        }
        let tag = pg_sys::LOCKTAG {
            locktag_field1: pg_sys::MyDatabaseId.to_u32(),
            locktag_field2: pg_sys::ExtensionRelationId.to_u32(),
            locktag_field3: extension.to_u32(),
            locktag_field4: 0,
            locktag_type: pg_sys::LockTagType::LOCKTAG_OBJECT as u8,
            locktag_lockmethodid: pg_sys::DEFAULT_LOCKMETHOD as u8,
        };
        let got = pg_sys::LockAcquire(&tag, pg_sys::AccessShareLock as _, false, true);
        if got == pg_sys::LockAcquireResult::LOCKACQUIRE_NOT_AVAIL {
            return Extension::Locked;
        }
        pg_sys::AcceptInvalidationMessages();
        match pg_sys::get_extension_oid(c"calendar_sync".as_ptr(), true) {
            pg_sys::InvalidOid => Extension::Absent,
            again if again == extension => Extension::Present,
            _ => Extension::Locked,
        }
    }
}
