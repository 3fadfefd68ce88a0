//! What a session keeps of a transaction goes with it.

use std::ffi::c_void;
use std::ptr::from_ref;
use std::sync::atomic::{AtomicBool, Ordering};

use pgrx::{pg_guard, pg_sys};

/// Somebody who keeps things of a transaction outside of PostgreSQL's own memory.
pub struct Keeper {
    /// The transaction is over: committed, prepared or rolled back.
    ended: fn(),
    /// A subtransaction is rolled back: what was done in it has not happened.
    rolled_back: fn(pg_sys::SubTransactionId),
    is_registered: AtomicBool,
}

impl Keeper {
    /// Nobody is told before [`Keeper::register`].
    pub const fn new(ended: fn(), rolled_back: fn(pg_sys::SubTransactionId)) -> Self {
        Self { ended, rolled_back, is_registered: AtomicBool::new(false) }
    }

    /// It is told of all ends of transactions from now on; to be called before anything is kept.
    pub fn register(&'static self) {
        if !self.is_registered.swap(true, Ordering::Relaxed) {
            let argument = from_ref(self).cast_mut().cast::<c_void>();
            // SAFETY: registered once per backend; the keeper stays as long as the backend.
            unsafe {
                pg_sys::RegisterXactCallback(Some(transaction_ends), argument);
                pg_sys::RegisterSubXactCallback(Some(subtransaction_ends), argument);
            }
        }
    }
}

#[pg_guard]
extern "C-unwind" fn transaction_ends(event: pg_sys::XactEvent::Type, keeper: *mut c_void) {
    use pg_sys::XactEvent::{XACT_EVENT_ABORT, XACT_EVENT_COMMIT, XACT_EVENT_PREPARE};
    if matches!(event, XACT_EVENT_ABORT | XACT_EVENT_COMMIT | XACT_EVENT_PREPARE) {
        // SAFETY: as it was registered.
        (unsafe { &*keeper.cast::<Keeper>() }.ended)();
    }
}

#[pg_guard]
extern "C-unwind" fn subtransaction_ends(
    event: pg_sys::SubXactEvent::Type,
    ended: pg_sys::SubTransactionId,
    _parent: pg_sys::SubTransactionId,
    keeper: *mut c_void,
) {
    if event == pg_sys::SubXactEvent::SUBXACT_EVENT_ABORT_SUB {
        // SAFETY: as it was registered.
        (unsafe { &*keeper.cast::<Keeper>() }.rolled_back)(ended);
    }
}
