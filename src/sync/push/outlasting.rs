//! What a conflict takes from the other side is on record before that side is overwritten, also where the session's
//! transaction is undone afterwards.
//!
//! What was sent stays there. The rows of the log that tell what was lost would go with the transaction that has settled the
//! conflict, and the next pull would find both sides equal. So a short background worker commits them first.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::Value;
use uuid::Uuid;

use super::{Batch, Operation};
use crate::errors::{SqlResult, internal};
use crate::http::Bell;
use crate::store::Installation;
use crate::store::conflicts::{self, Won};
use crate::store::connections::Connection;
use crate::store::links::ItemId;
use crate::store::outbox::{self, Missed, Taken};
use crate::sync::parcel::Parcel;
use crate::sync::short_worker::{self, Work};

/// Why an operation is not sent.
pub const WAITS: &str = "it settles a conflict in this transaction, which is to be committed first: what was lost could not \
                         be noted on its own (no free slot of max_worker_processes, or the log is locked)";

impl Batch {
    /// Has the conflicts that this transaction has settled, and that these operations carry out, put on record; these are
    /// sent last. Where that can't be done they stay in the queue, and are returned.
    pub fn outlast(&mut self, installation: &Installation, connection: &Connection) -> SqlResult<Vec<Taken>> {
        let items: Vec<Uuid> = self.operations.iter().map(Operation::item_id).collect();
        let won = conflicts::won(installation, connection.id, &items)?;
        if won.is_empty() {
            return Ok(Vec::new());
        }
        let items: HashSet<Uuid> = won.iter().map(|one| one.item).collect();
        let settles = |operation: &Operation| items.contains(&operation.item_id());
        let (settling, others): (Vec<_>, Vec<_>) = std::mem::take(&mut self.operations).into_iter().partition(settles);
        self.operations = others;
        if keep(&won)? {
            conflicts::forget(installation, &won)?;
            self.operations.extend(settling);
            return Ok(Vec::new());
        }
        let waiting: Vec<Taken> = settling.iter().flat_map(Operation::all).cloned().collect();
        let missed = |taken: &Taken| Missed {
            queue_id: taken.queue_id,
            error: None,
            counts: false,
            again_in: Duration::ZERO,
            operation: None,
        };
        outbox::put_back(installation, &waiting.iter().map(missed).collect::<Vec<_>>())?;
        Ok(waiting)
    }
}

impl Operation {
    /// As the log has it.
    const fn item_id(&self) -> Uuid {
        match self.taken.item {
            ItemId::Event(id) | ItemId::Series(id) => id,
        }
    }
}

/// Whether the rows are committed, and on disk.
fn keep(won: &[Won]) -> SqlResult<bool> {
    let copies: Vec<&Value> = won.iter().map(|one| &one.copy).collect();
    let Some(parcel) = Parcel::pack(&serde_json::to_vec(&copies).map_err(internal)?) else { return Ok(false) };
    let bell = Bell::new().map_err(internal)?;
    Ok(short_worker::run(Work::KeepConflicts, &parcel.number().to_string(), &bell) && parcel.has_receipt())
}
