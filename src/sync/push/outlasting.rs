//! What must be on record before it is sent, since it stays there also where the session's transaction is undone: what a
//! conflict takes from the other side, and what would have to be undone there ([`super::undo`]).
//!
//! The rows of the log that tell what was lost would go with the transaction that has settled the conflict, and the next
//! pull would find both sides equal. So would all that tells what was sent. So a short background worker commits both first.

use std::collections::HashSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::{Batch, Operation, Purpose};
use crate::errors::{SqlResult, internal};
use crate::http::Bell;
use crate::providers::account::Change;
use crate::store::conflicts::{self, Won};
use crate::store::connections::Connection;
use crate::store::links::ItemId;
use crate::store::outbox::{self, Missed, Taken};
use crate::store::unconfirmed::{self, Note, Operation as Kind};
use crate::store::{Installation, new_id, uncommitted};
use crate::sync::parcel::Parcel;
use crate::sync::short_worker::{self, Work};

/// Why an operation is not sent.
pub const WAITS: &str = "this transaction is to be committed first: it has itself taken from there what is to be hidden or \
                         deleted there; or what would have to be undone there if it were not committed, or is lost there \
                         by a conflict, could not be noted on its own (no free slot of max_worker_processes, a table that \
                         is locked, or a calendar that was connected just now)";

/// What a short background worker is given to commit.
#[derive(Serialize, Deserialize)]
pub struct Notes {
    /// [`Won::copy`]
    pub conflicts: Vec<Value>,
    /// [`Note::row`]
    pub pushes: Vec<Value>,
}

impl Batch {
    /// Has the conflicts that this transaction has settled, and that these operations carry out, put on record; and what is
    /// sent, where the transaction `may_be_undone`. Operations that this can't be done for, and those that would take away
    /// what only this transaction knows of, stay in the queue, and are returned.
    pub fn outlast(
        &mut self,
        installation: &Installation,
        connection: &Connection,
        may_be_undone: bool,
    ) -> SqlResult<Vec<Taken>> {
        let mut waiting = self.keep_what_came(installation, connection, may_be_undone)?;
        waiting.extend(self.keep_notes(installation, connection, may_be_undone)?);
        Ok(waiting)
    }

    /// What this transaction has taken from there is nowhere else once it is hidden or deleted there.
    fn keep_what_came(
        &mut self,
        installation: &Installation,
        connection: &Connection,
        may_be_undone: bool,
    ) -> SqlResult<Vec<Taken>> {
        let taking: Vec<ItemId> =
            self.operations.iter().filter(|one| one.takes_away()).map(|one| one.taken.item).collect();
        let came = uncommitted::agreed_on(installation, connection.id, &taking)?;
        self.put_back(installation, |operation| {
            // What was deleted before that came has not come; what this transaction has deleted may have.
            let may_have_come = |is_here: bool| is_here || may_be_undone && operation.is_queued_here();
            operation.takes_away() && came.get(&operation.taken.item).is_some_and(|is_here| may_have_come(*is_here))
        })
    }

    fn keep_notes(
        &mut self,
        installation: &Installation,
        connection: &Connection,
        may_be_undone: bool,
    ) -> SqlResult<Vec<Taken>> {
        let items: Vec<Uuid> = self.operations.iter().map(Operation::item_id).collect();
        let won = conflicts::won(installation, connection.id, &items)?;
        let own = if may_be_undone { self.own(installation)? } else { HashSet::new() };
        let note = |operation: &Operation| operation.note(own.contains(&operation.taken.item));
        let notes: Vec<Note> =
            if may_be_undone { self.operations.iter().filter_map(note).collect() } else { Vec::new() };
        if won.is_empty() && notes.is_empty() {
            return Ok(Vec::new());
        }
        if keep(connection, &won, &notes)? {
            conflicts::forget(installation, &won)?;
            unconfirmed::forget(installation, &notes)?;
            return Ok(Vec::new());
        }
        let settled: HashSet<Uuid> = won.iter().map(|one| one.item).collect();
        self.put_back(installation, |operation| {
            settled.contains(&operation.item_id()) || own.contains(&operation.taken.item)
        })
    }

    /// The items that nobody knows of as they are but this transaction, or not that they are to be sent.
    fn own(&self, installation: &Installation) -> SqlResult<HashSet<ItemId>> {
        let items: Vec<ItemId> = self.operations.iter().map(|one| one.taken.item).collect();
        let mut own = uncommitted::among(installation, &items)?;
        let queued = self.operations.iter().filter(|one| one.is_queued_here());
        own.extend(queued.map(|one| one.taken.item));
        Ok(own)
    }

    fn put_back(&mut self, installation: &Installation, waits: impl Fn(&Operation) -> bool) -> SqlResult<Vec<Taken>> {
        let (waiting, others): (Vec<_>, Vec<_>) = std::mem::take(&mut self.operations).into_iter().partition(waits);
        self.operations = others;
        if waiting.is_empty() {
            return Ok(Vec::new());
        }
        let waiting: Vec<Taken> = waiting.iter().flat_map(Operation::all).cloned().collect();
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
    /// Nobody but this transaction knows that it is to be sent.
    fn is_queued_here(&self) -> bool {
        self.all().any(|taken| taken.is_own)
    }

    /// As the log has it.
    const fn item_id(&self) -> Uuid {
        match self.taken.item {
            ItemId::Event(id) | ItemId::Series(id) => id,
        }
    }

    /// It leaves nothing of what is there, or no more than when that takes place.
    fn takes_away(&self) -> bool {
        let Some(link) = &self.link else { return false };
        match (&self.change, &self.purpose) {
            (Change::Delete { .. }, _) => true,
            (Change::Update { .. }, Purpose::Agree { only_busy: true, .. }) => {
                link.deleted_at.is_none() && link.base.as_ref().is_none_or(|base| !base.only_busy)
            }
            _ => false,
        }
    }

    /// What is to be known of it if the transaction comes to nothing. A change that others know of is sent again: `is_own`
    /// says that they do not. That something is there, or may be there no more, is known by a note alone.
    fn note(&self, is_own: bool) -> Option<Note> {
        let (operation, sent, only_busy) = match (&self.change, &self.purpose, &self.link) {
            (Change::Create { .. }, Purpose::Agree { body, only_busy }, _) => (Kind::Create, Some(body), *only_busy),
            (Change::Update { .. }, Purpose::Agree { body, only_busy }, Some(link)) => {
                let returns = link.deleted_at.is_some() || link.is_returning();
                (if returns { Kind::Return } else { Kind::Update }, Some(body), *only_busy)
            }
            (Change::Delete { .. }, _, Some(_)) => (Kind::Delete, None, false),
            // What is only looked for is looked for again.
            _ => return None,
        };
        if !is_own && operation == Kind::Update {
            return None;
        }
        let base = self.link.as_ref().and_then(|link| link.base.as_ref()).filter(|_| operation == Kind::Update);
        Some(Note {
            note_id: new_id(),
            item: self.taken.item,
            operation,
            revision: self.link.as_ref().map_or(0, |link| link.revision),
            before: base.map(|base| base.local.clone()),
            sent: sent.cloned(),
            only_busy,
        })
    }
}

/// Whether all of it is committed, and on disk.
fn keep(connection: &Connection, won: &[Won], notes: &[Note]) -> SqlResult<bool> {
    let notes = Notes {
        conflicts: won.iter().map(|one| one.copy.clone()).collect(),
        pushes: notes.iter().map(|note| note.row(connection.id)).collect(),
    };
    let Some(parcel) = Parcel::pack(&serde_json::to_vec(&notes).map_err(internal)?) else { return Ok(false) };
    let bell = Bell::new().map_err(internal)?;
    Ok(short_worker::run(Work::KeepNotes, &parcel.number().to_string(), &bell) && parcel.has_receipt())
}
