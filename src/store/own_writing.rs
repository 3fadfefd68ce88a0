//! Whether a trigger of a calendar table was fired by a statement of the store itself, which queues what it changes
//! (see [`super::queue`]), or by somebody else's.

use std::cell::Cell;
use std::ffi::CStr;

use pgrx::{direct_function_call, pg_sys};

thread_local! {
    /// How many triggers deep the store's own statement runs; triggers that it fires run one deeper. What further triggers,
    /// those of others, do to calendar tables is not the store's.
    static DEPTH: Cell<Option<i32>> = const { Cell::new(None) };
}

/// Until dropped, also by an error, what is written is written by the store.
pub(super) struct OwnWriting(Option<i32>);

impl OwnWriting {
    /// From now on, until it is dropped.
    pub fn begin() -> Self {
        Self(DEPTH.replace(trigger_depth()))
    }
}

impl Drop for OwnWriting {
    fn drop(&mut self) {
        DEPTH.set(self.0);
    }
}

/// In a trigger: whether the store's own statement has fired it.
pub fn has_fired() -> bool {
    DEPTH.get().is_some_and(|depth| trigger_depth() == Some(depth + 1))
}

/// How many triggers are being executed, one inside the other.
fn trigger_depth() -> Option<i32> {
    // SAFETY: pg_trigger_depth() reads a variable.
    unsafe { direct_function_call(pg_sys::pg_trigger_depth, &[]) }
}

/// Whether a table has triggers whose functions are not this extension's.
///
/// # Safety
/// `triggers` is a relation's, or null; within a transaction.
pub(super) unsafe fn fires_others(triggers: *mut pg_sys::TriggerDesc, schema: pg_sys::Oid) -> bool {
    // SAFETY: the caller's; the name is the callee's copy, or NULL.
    unsafe {
        if triggers.is_null() {
            return false;
        }
        let count = (*triggers).numtriggers.unsigned_abs() as usize;
        std::slice::from_raw_parts((*triggers).triggers, count).iter().any(|trigger| {
            let name = pg_sys::get_func_name(trigger.tgfoid);
            let is_own = !name.is_null()
                && CStr::from_ptr(name).to_bytes().starts_with(b"calendar_")
                && pg_sys::get_func_namespace(trigger.tgfoid) == schema;
            !is_own
        })
    }
}
