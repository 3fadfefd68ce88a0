//! Removing what may go after a while: in one call, or batch by batch as the worker does.

use chrono::{DateTime, Utc};
use pgrx::{check_for_interrupts, notice};

use crate::errors::SqlResult;
use crate::store::Installation;
use crate::store::cleanup::{self, KINDS};

/// Rows that are removed at once.
const BATCH: i64 = 5_000;
/// Removed rows from one word about how far it is to the next.
const PROGRESS: u64 = 100_000;

/// Removes all that is older than `before`. Says of each kind how many rows that were; can be cancelled.
pub fn all(installation: &Installation, before: DateTime<Utc>) -> SqlResult<Vec<(&'static str, u64)>> {
    let mut removed = Vec::with_capacity(KINDS.len());
    for kind in KINDS {
        let mut rows = 0;
        loop {
            check_for_interrupts!();
            let batch = cleanup::remove(installation, kind, before, BATCH)?;
            if rows / PROGRESS != (rows + batch) / PROGRESS {
                notice!("calendar_cleanup: {}: {} rows removed", kind.what, rows + batch);
            }
            rows += batch;
            if batch < BATCH.unsigned_abs() {
                break;
            }
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
    pub fn next(&self, installation: &Installation, before: DateTime<Utc>) -> SqlResult<u64> {
        match KINDS.get(self.kind) {
            Some(kind) => cleanup::remove(installation, kind, before, BATCH),
            None => Ok(0),
        }
    }

    /// After a batch of so many rows (none, where it failed): what is next. Whether that was the last of all.
    pub fn finished(&mut self, removed: u64) -> bool {
        if removed < BATCH.unsigned_abs() {
            self.kind = (self.kind + 1) % KINDS.len();
            return self.kind == 0;
        }
        false
    }
}
