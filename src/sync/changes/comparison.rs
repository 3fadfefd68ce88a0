//! Comparing all that stands here with what was sent, for changes that no trigger has seen: those of a session with
//! `session_replication_role = replica`, of transactions that were open while their calendar was connected, of a copy
//! before it became the real one.

use uuid::Uuid;

use crate::errors::SqlResult;
use crate::store::{Installation, queue};

/// Connections that are compared in one transaction.
const AT_ONCE: usize = 10;

/// Compares all connections.
pub fn all(installation: &Installation) -> SqlResult<()> {
    let senders = queue::senders(installation)?;
    senders.into_iter().try_for_each(|connection| queue::reconcile(installation, connection, false))
}

/// Goes through all connections some at a time, from one call to the next.
#[derive(Debug, Default)]
pub struct Rounds {
    waiting: Option<Vec<Uuid>>,
}

impl Rounds {
    /// Compares some; whether that were the last.
    pub fn next(&mut self, installation: &Installation) -> SqlResult<bool> {
        let mut waiting = match self.waiting.take() {
            Some(waiting) => waiting,
            None => queue::senders(installation)?,
        };
        let rest = waiting.split_off(waiting.len().min(AT_ONCE));
        let is_last = rest.is_empty();
        self.waiting = (!is_last).then_some(rest);
        waiting.into_iter().try_for_each(|connection| queue::reconcile(installation, connection, false))?;
        Ok(is_last)
    }
}
