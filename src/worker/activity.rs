//! What pg_stat_activity shows of a worker. Never an address.

use std::ffi::CString;

use pgrx::pg_sys;

/// At work on something.
pub fn busy(what: &str) {
    report(pg_sys::BackendState::STATE_RUNNING, what);
}

/// Waiting for the time, the network or a session.
pub fn idle(what: &str) {
    report(pg_sys::BackendState::STATE_IDLE, what);
}

fn report(state: pg_sys::BackendState::Type, what: &str) {
    if let Ok(text) = CString::new(format!("calendar_sync: {what}")) {
        // SAFETY: the text is copied.
        unsafe { pg_sys::pgstat_report_activity(state, text.as_ptr()) };
    }
}
