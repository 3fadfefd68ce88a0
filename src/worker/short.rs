//! What short-lived background workers begin with. Sessions start them: [`crate::sync::short_worker`].

use std::ffi::CStr;

use pgrx::{FromDatum, pg_sys};

use super::{activity, process};

/// `argument`: as the session has passed it; `name` and `doing`: for pg_stat_activity.
pub fn begin(argument: pg_sys::Datum, name: &CStr, doing: &str) {
    // SAFETY: a session passes its database's oid.
    let database = unsafe { pg_sys::Oid::from_datum(argument, false) }.unwrap_or(pg_sys::InvalidOid);
    process::set_signal_handlers();
    process::set_search_path();
    // SAFETY: once, at the start of a background worker.
    unsafe {
        pg_sys::BackgroundWorkerInitializeConnectionByOid(database, pg_sys::InvalidOid, 0);
        pg_sys::pgstat_report_appname(name.as_ptr());
    }
    process::reload_if_asked(true);
    process::set_transactions();
    activity::busy(doing);
}
