//! What row triggers have seen and no statement trigger has queued yet.

use std::cell::RefCell;
use std::collections::HashSet;

use pgrx::pg_sys;

use crate::store::links::ItemId;
use crate::store::transaction_end::Keeper;

thread_local! {
    /// With the subtransaction that changed it: what that does counts for nothing where it is rolled back.
    static COLLECTED: RefCell<Vec<(pg_sys::SubTransactionId, HashSet<ItemId>)>> = const { RefCell::new(Vec::new()) };
}

static KEEPER: Keeper = Keeper::new(
    || COLLECTED.with_borrow_mut(Vec::clear),
    |ended| COLLECTED.with_borrow_mut(|collected| collected.retain(|(subtransaction, _)| *subtransaction != ended)),
);

/// Collects items; returns how many there are now.
pub fn add(items: impl Iterator<Item = ItemId>) -> usize {
    KEEPER.register();
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
