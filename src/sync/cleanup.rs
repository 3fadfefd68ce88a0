//! Removing what may go after a while: in one call, or batch by batch as the worker does.

use chrono::{DateTime, TimeDelta, Utc};
use pgrx::{check_for_interrupts, notice};

use crate::errors::SqlResult;
use crate::store::Installation;
use crate::store::cleanup::{self, Before, KINDS};

/// Rows that a round of the worker removes, in a short transaction.
const ROWS_A_ROUND: i64 = 5_000;
/// Rows that a call removes at once. Each statement passes by what those before it have removed.
const ROWS_A_STATEMENT: i64 = 100_000;

/// How long it is remembered what was deleted elsewhere.
const LINKS: TimeDelta = TimeDelta::days(30);

/// What may go of the log and of the queue is older than this.
pub fn before(log: DateTime<Utc>, queue: DateTime<Utc>, now: DateTime<Utc>) -> Before {
    Before { log, queue, links: now - LINKS }
}

/// Removes all that is older than `before`. Says of each kind how many rows that were; can be cancelled.
pub fn all(installation: &Installation, before: &Before) -> SqlResult<Vec<(&'static str, u64)>> {
    let mut removed = Vec::with_capacity(KINDS.len());
    for kind in KINDS {
        let mut rows = 0;
        loop {
            check_for_interrupts!();
            let batch = cleanup::remove(installation, kind, before, ROWS_A_STATEMENT)?;
            rows += batch;
            if batch < ROWS_A_STATEMENT.unsigned_abs() {
                break;
            }
            notice!("calendar_cleanup: {}: {rows} rows removed", kind.what);
        }
        removed.push((kind.what, rows));
    }
    Ok(removed)
}

/// Goes through all kinds a batch at a time, from one call to the next.
#[derive(Debug, Default)]
pub struct Rounds {
    kind: usize,
}

impl Rounds {
    /// Removes one batch.
    pub fn next(&self, installation: &Installation, before: &Before) -> SqlResult<u64> {
        match KINDS.get(self.kind) {
            Some(kind) => cleanup::remove(installation, kind, before, ROWS_A_ROUND),
            None => Ok(0),
        }
    }

    /// After a batch of so many rows (none, where it failed): what is next. Whether that was the last of all.
    pub fn finished(&mut self, removed: u64) -> bool {
        if removed < ROWS_A_ROUND.unsigned_abs() {
            self.kind = (self.kind + 1) % KINDS.len();
            return self.kind == 0;
        }
        false
    }
}
