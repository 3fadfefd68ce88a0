//! What row triggers have seen and no statement trigger has queued yet.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;

use pgrx::{pg_guard, pg_sys};

use crate::store::links::ItemId;

thread_local! {
    /// With the subtransaction that changed it: what that does counts for nothing where it is rolled back.
    static COLLECTED: RefCell<Vec<(pg_sys::SubTransactionId, HashSet<ItemId>)>> = const { RefCell::new(Vec::new()) };
    static REGISTERED: Cell<bool> = const { Cell::new(false) };
}

/// Collects items; returns how many there are now.
pub fn add(items: impl Iterator<Item = ItemId>) -> usize {
    register();
    let current = current();
    COLLECTED.with_borrow_mut(|collected| {
        if collected.last().is_none_or(|(subtransaction, _)| *subtransaction != current) {
            collected.push((current, HashSet::new()));
        }
        let Some((_, own)) = collected.last_mut() else { return 0 };
        own.extend(items);
        own.len()
    })
}

/// Takes what was collected in this subtransaction; what was further out is left for the statement that did it, since this
/// one may be rolled back.
pub fn take() -> Vec<ItemId> {
    let current = current();
    COLLECTED.with_borrow_mut(|collected| {
        let own = collected.iter().position(|(subtransaction, _)| *subtransaction == current);
        own.map(|place| collected.remove(place).1.into_iter().collect()).unwrap_or_default()
    })
}

fn current() -> pg_sys::SubTransactionId {
    // SAFETY: within a transaction.
    unsafe { pg_sys::GetCurrentSubTransactionId() }
}

fn register() {
    if !REGISTERED.replace(true) {
        // SAFETY: registered once per backend.
        unsafe {
            pg_sys::RegisterXactCallback(Some(transaction_ends), std::ptr::null_mut());
            pg_sys::RegisterSubXactCallback(Some(subtransaction_ends), std::ptr::null_mut());
        }
    }
}

#[pg_guard]
extern "C-unwind" fn transaction_ends(event: pg_sys::XactEvent::Type, _argument: *mut std::ffi::c_void) {
    use pg_sys::XactEvent::{XACT_EVENT_ABORT, XACT_EVENT_COMMIT, XACT_EVENT_PREPARE};
    if matches!(event, XACT_EVENT_ABORT | XACT_EVENT_COMMIT | XACT_EVENT_PREPARE) {
        COLLECTED.with_borrow_mut(Vec::clear);
    }
}

#[pg_guard]
extern "C-unwind" fn subtransaction_ends(
    event: pg_sys::SubXactEvent::Type,
    ended: pg_sys::SubTransactionId,
    _parent: pg_sys::SubTransactionId,
    _argument: *mut std::ffi::c_void,
) {
    if event == pg_sys::SubXactEvent::SUBXACT_EVENT_ABORT_SUB {
        COLLECTED.with_borrow_mut(|collected| collected.retain(|(subtransaction, _)| *subtransaction != ended));
    }
}
