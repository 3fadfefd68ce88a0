//! Waiting as a PostgreSQL process must: on its latch, so that cancel, shutdown and barriers are attended to at once.

use std::time::{Duration, Instant};

use pgrx::pg_sys;

use crate::errors::{SqlResult, internal};
use crate::http::Bell;

/// How long [`patiently`] naps.
const NAP: Duration = Duration::from_millis(100);

/// As [`pause`]; then does what PostgreSQL asks of the process. A cancel or a termination ends in an error from here.
pub fn wait(bell: &Bell, timeout: Duration) {
    pause(bell, timeout);
    pg_sys::check_for_interrupts!();
}

/// Waits until the latch is set, the bell is rung, or the time is over.
pub fn pause(bell: &Bell, timeout: Duration) {
    let events = pg_sys::WL_LATCH_SET | pg_sys::WL_TIMEOUT | pg_sys::WL_SOCKET_READABLE | pg_sys::WL_EXIT_ON_PM_DEATH;
    // SAFETY: the process's own latch, and a descriptor that `bell` keeps open.
    unsafe {
        pg_sys::WaitLatchOrSocket(
            pg_sys::MyLatch,
            events as i32,
            bell.descriptor(),
            timeout.as_millis().clamp(1, 600_000) as _,
            pg_sys::PG_WAIT_EXTENSION,
        );
        pg_sys::ResetLatch(pg_sys::MyLatch);
    }
    bell.hush();
}

/// Tries again and again until it gives something; `None` when that takes longer than `patience`.
pub fn patiently<T>(patience: Duration, mut attempt: impl FnMut() -> SqlResult<Option<T>>) -> SqlResult<Option<T>> {
    let bell = Bell::new().map_err(internal)?;
    let started = Instant::now();
    loop {
        if let Some(result) = attempt()? {
            return Ok(Some(result));
        }
        if started.elapsed() > patience {
            return Ok(None);
        }
        wait(&bell, NAP);
    }
}
