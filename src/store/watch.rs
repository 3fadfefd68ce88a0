//! Whether relations that something is remembered of have changed since.

use std::cell::{Cell, RefCell};

use pgrx::{pg_guard, pg_sys};

thread_local! {
    static WATCHED: RefCell<Vec<pg_sys::Oid>> = const { RefCell::new(Vec::new()) };
    static CHANGES: Cell<u64> = const { Cell::new(0) };
    static REGISTERED: Cell<bool> = const { Cell::new(false) };
}

/// Counts changes of watched relations, of their indexes, triggers and constraints, by whatever backend. What was made
/// at another count must be made anew.
pub fn changes() -> u64 {
    CHANGES.get()
}

/// Counts changes of that relation from now on.
pub fn watch(relation: pg_sys::Oid) {
    if !REGISTERED.replace(true) {
        // SAFETY: registered once per backend, as relation caches do.
        unsafe { pg_sys::CacheRegisterRelcacheCallback(Some(relation_changed), pg_sys::Datum::from(0usize)) };
    }
    WATCHED.with_borrow_mut(|watched| {
        if !watched.contains(&relation) {
            watched.push(relation);
        }
    });
}

#[pg_guard]
extern "C-unwind" fn relation_changed(_argument: pg_sys::Datum, relation: pg_sys::Oid) {
    if relation == pg_sys::InvalidOid || WATCHED.with_borrow(|watched| watched.contains(&relation)) {
        CHANGES.set(CHANGES.get() + 1);
    }
}
