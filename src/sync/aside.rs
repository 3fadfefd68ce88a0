//! One piece of work for the network in a session, on a thread of its own, while the session waits as it must.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, TryRecvError};
use std::time::Duration;

use super::wait::wait;
use crate::errors::{SqlResult, internal};
use crate::http::{self, Bell};

/// Longest nap.
const NAP: Duration = Duration::from_millis(100);

/// Runs `work`, which must not call Postgres, on a thread and waits for it. A cancel ends the wait with its error, and what
/// is under way on the network with it.
pub fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> SqlResult<T> {
    aside_with(work, |bell| wait(bell, NAP))
}

/// [`aside`] for a process that naps in a way of its own.
pub fn aside_with<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static, nap: impl Fn(&Bell)) -> SqlResult<T> {
    let bell = Bell::new().map_err(internal)?;
    let (sender, receiver) = mpsc::channel();
    let ring = bell.clone();
    http::spawn("calendar_sync", move || {
        // Where it panics there is no result, and the other end notices.
        if let Ok(result) = catch_unwind(AssertUnwindSafe(work)) {
            let _ = sender.send(result);
        }
        ring.ring();
    })
    .map_err(|error| internal(format!("no thread for the network: {error}")))?;
    let unless_done = AbandonOnDrop;
    loop {
        match receiver.try_recv() {
            Ok(result) => {
                std::mem::forget(unless_done);
                return Ok(result);
            }
            Err(TryRecvError::Disconnected) => return Err(internal("the network thread failed; see the server's log")),
            Err(TryRecvError::Empty) => nap(&bell),
        }
    }
}

/// An error that passes through here (a cancel) leaves nobody to take the answer.
pub struct AbandonOnDrop;

impl Drop for AbandonOnDrop {
    fn drop(&mut self) {
        http::abandon();
    }
}
