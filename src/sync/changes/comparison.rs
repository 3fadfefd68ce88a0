//! Comparing all that stands here with what was sent, for changes that no trigger has seen: those of a session with
//! `session_replication_role = replica`, of transactions that were open while their calendar was connected, of a copy
//! before it became the real one.
//!
//! Each connection keeps when that was done last, so that a worker that starts anew does not begin anew. A crash is no
//! reason to: what it takes it takes from the events and from the queue alike.

use std::time::Duration;

use crate::errors::SqlResult;
use crate::store::{Installation, queue};

/// Time from one comparison of a connection to the next.
const EVERY: Duration = Duration::from_secs(24 * 3600);

/// Compares all connections.
pub fn all(installation: &Installation) -> SqlResult<()> {
    let senders = queue::senders(installation)?;
    senders.into_iter().try_for_each(|connection| queue::reconcile(installation, connection, false))
}

/// Compares a connection that is due; false where none is.
pub fn next(installation: &Installation) -> SqlResult<bool> {
    let due = queue::not_compared_for(installation, EVERY)?;
    due.map_or(Ok(()), |connection| queue::reconcile(installation, connection, false))?;
    Ok(due.is_some())
}

/// The connection that is due can't be compared: that is tried again when it is due the next time.
pub fn put_off(installation: &Installation) -> SqlResult<()> {
    let due = queue::not_compared_for(installation, EVERY)?;
    due.map_or(Ok(()), |connection| queue::compared(installation, connection))
}
