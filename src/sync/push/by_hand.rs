//! What the worker does with the queue, in a session.

use uuid::Uuid;

use crate::errors::SqlResult;
use crate::store::connections::Connection;
use crate::sync::now::{self, Wish};

/// An operation, and what became of it.
pub struct Handled {
    pub queue_id: Uuid,
    pub operation: &'static str,
    /// As calendar_sync_queue has it.
    pub status: &'static str,
    pub error: Option<String>,
}

/// Sends up to `limit` due operations of these connections. What is in the way of all that waits for one is a warning.
///
/// `may_be_undone`: see [`crate::store::may_be_undone`].
pub fn process(connections: Vec<Connection>, limit: usize, may_be_undone: bool) -> SqlResult<Vec<Handled>> {
    let reports = now::run(connections, Wish::Push { limit }, may_be_undone)?;
    for report in &reports {
        if let (Some(error), []) = (&report.error, report.operations.as_slice()) {
            pgrx::warning!("calendar_sync: nothing was sent to the calendar \"{}\": {error}", report.connection.name);
        }
    }
    let operations = reports.into_iter().flat_map(|report| report.operations);
    let handled = operations.map(|(taken, status, error)| Handled {
        queue_id: taken.queue_id,
        operation: taken.operation.word(),
        status,
        error,
    });
    Ok(handled.collect())
}
