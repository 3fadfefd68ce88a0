//! What row triggers have seen and no statement trigger has dealt with yet.

use std::cell::RefCell;
use std::collections::HashSet;

use chrono::{DateTime, Utc};
use pgrx::pg_sys;
use uuid::Uuid;

use crate::store::links::ItemId;
use crate::store::transaction_end::Keeper;

/// What statements have changed.
#[derive(Default)]
pub struct Collected {
    pub items: HashSet<ItemId>,
    /// Occurrences of series whose rows were deleted, by series and original start.
    pub deleted: Vec<(Uuid, DateTime<Utc>)>,
}

thread_local! {
    /// With the subtransaction that changed it: what that does counts for nothing where it is rolled back.
    static COLLECTED: RefCell<Vec<(pg_sys::SubTransactionId, Collected)>> = const { RefCell::new(Vec::new()) };
}

static KEEPER: Keeper = Keeper::new(
    || COLLECTED.with_borrow_mut(Vec::clear),
    |ended| COLLECTED.with_borrow_mut(|collected| collected.retain(|(subtransaction, _)| *subtransaction != ended)),
);

/// Has something collected; returns how much there is now.
pub fn add(collect: impl FnOnce(&mut Collected)) -> usize {
    KEEPER.register();
    let current = current();
    COLLECTED.with_borrow_mut(|collected| {
        if collected.last().is_none_or(|(subtransaction, _)| *subtransaction != current) {
            collected.push((current, Collected::default()));
        }
        let Some((_, own)) = collected.last_mut() else { return 0 };
        collect(own);
        own.items.len() + own.deleted.len()
    })
}

/// Takes what was collected in this subtransaction; what was further out is left for the statement that did it, since this
/// one may be rolled back.
pub fn take() -> Collected {
    let current = current();
    COLLECTED.with_borrow_mut(|collected| {
        let own = collected.iter().position(|(subtransaction, _)| *subtransaction == current);
        own.map(|place| collected.remove(place).1).unwrap_or_default()
    })
}

fn current() -> pg_sys::SubTransactionId {
    // SAFETY: within a transaction.
    unsafe { pg_sys::GetCurrentSubTransactionId() }
}
