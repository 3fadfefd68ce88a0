//! One statement, one batch: what row triggers collect is written when the statement ends.
//!
//! A BEFORE STATEMENT trigger opens a batch, row triggers add to it, an AFTER STATEMENT trigger writes it. Row triggers
//! are what sees every change (statement triggers do not fire for an INSERT straight into a partition, nor in logical
//! replication apply): one that finds no batch of its table at its query level writes its row at once.

use std::cell::RefCell;
use std::rc::Rc;

use pgrx::pg_sys;

use super::apply::apply;
use super::layout::Layout;
use super::names::NameBook;
use super::row::{Change, Row};
use crate::errors::SqlResult;
use crate::store::transaction_end::Keeper;

/// Rows written at once: each write is one subtransaction, of which a transaction should not have many (64 are cached
/// for other sessions' snapshots), and what is collected must fit in memory.
const MOST_ROWS: usize = 20_000;

struct Batch {
    root: pg_sys::Oid,
    subtransaction: pg_sys::SubTransactionId,
    /// The statement's command counter: what its query nests has a higher one.
    command: pg_sys::CommandId,
    /// Statement triggers that opened it: an upsert fires those of INSERT and of UPDATE.
    opened: usize,
    /// Of one of the table's relations; rows of all its partitions have the same columns.
    layout: Option<Rc<Layout>>,
    collected: Vec<Row>,
    memory: pg_sys::MemoryContext,
}

thread_local! {
    /// Open batches, the innermost statement's last.
    static OPEN: RefCell<Vec<Batch>> = const { RefCell::new(Vec::new()) };
}

/// Nothing is open beyond its transaction; the batches' memory goes with that.
static KEEPER: Keeper = Keeper::new(
    || OPEN.with_borrow_mut(Vec::clear),
    |ended| OPEN.with_borrow_mut(|open| open.retain(|batch| batch.subtransaction != ended)),
);

/// Where a trigger stands: in which subtransaction, in which command.
fn level() -> (pg_sys::SubTransactionId, pg_sys::CommandId) {
    // SAFETY: within a transaction; a trigger has an active snapshot.
    unsafe {
        let snapshot = pg_sys::GetActiveSnapshot();
        let command = if snapshot.is_null() { pg_sys::GetCurrentCommandId(false) } else { (*snapshot).curcid };
        (pg_sys::GetCurrentSubTransactionId(), command)
    }
}

/// The place of the open batch that a trigger on `root` belongs to.
///
/// Referential actions (ON DELETE CASCADE) open a batch in their own, deeper query, but their row triggers fire in the
/// query that caused them: so a batch also takes rows from further out.
fn place(root: pg_sys::Oid) -> Option<usize> {
    let (subtransaction, command) = level();
    OPEN.with_borrow(|open| {
        open.iter()
            .rposition(|batch| batch.root == root && batch.subtransaction == subtransaction && command <= batch.command)
    })
}

/// A statement on `root` begins.
pub fn open(root: pg_sys::Oid) -> SqlResult<()> {
    KEEPER.register();
    let (subtransaction, command) = level();
    let again = OPEN.with_borrow_mut(|open| {
        let batch = open
            .last_mut()
            .filter(|batch| batch.root == root && batch.subtransaction == subtransaction && batch.command == command);
        batch.map(|batch| batch.opened += 1).is_some()
    });
    if again {
        return Ok(());
    }
    // What an outer statement has collected comes before what this one will do.
    flush_outer(root)?;
    // SAFETY: lives until the batch is dropped, at the latest with the transaction.
    let memory = unsafe {
        pg_sys::AllocSetContextCreateInternal(
            pg_sys::TopTransactionContext,
            c"calendar_sync batch".as_ptr(),
            pg_sys::ALLOCSET_DEFAULT_MINSIZE as usize,
            pg_sys::ALLOCSET_DEFAULT_INITSIZE as usize,
            pg_sys::ALLOCSET_DEFAULT_MAXSIZE as usize,
        )
    };
    let batch = Batch { root, subtransaction, command, opened: 1, layout: None, collected: Vec::new(), memory };
    OPEN.with_borrow_mut(|open| open.push(batch));
    Ok(())
}

/// A row changed. `collect` copies it into the memory context that it is called in.
pub fn add(layout: &Rc<Layout>, collect: impl FnOnce() -> Option<Row>) -> SqlResult<()> {
    let root = layout.tracked.root;
    let Some(place) = place(root) else {
        flush_outer(root)?;
        return collect().map_or(Ok(()), |row| apply(layout, vec![row], &mut NameBook::default()).map(|_| ()));
    };
    let is_full = OPEN.with_borrow_mut(|open| {
        let batch = &mut open[place];
        batch.layout.get_or_insert_with(|| layout.clone());
        batch.collected.extend(in_context(batch.memory, collect));
        batch.collected.len() >= MOST_ROWS
    });
    if is_full { flush(place) } else { Ok(()) }
}

/// A statement on `root` ends.
pub fn close(root: pg_sys::Oid) -> SqlResult<()> {
    let Some(place) = place(root) else { return Ok(()) };
    flush(place)?;
    OPEN.with_borrow_mut(|open| {
        open[place].opened -= 1;
        if open[place].opened == 0 {
            let batch = open.remove(place);
            // SAFETY: its rows are written.
            unsafe { pg_sys::MemoryContextDelete(batch.memory) };
        }
    });
    Ok(())
}

/// Writes what outer statements on `root` have collected, before something further in touches the same rows.
///
/// Further in may be a subtransaction, which may yet be rolled back, and this with it: then the outer statement brings
/// the same interactions up to date once more when it ends.
fn flush_outer(root: pg_sys::Oid) -> SqlResult<()> {
    let (subtransaction, _) = level();
    let places: Vec<usize> =
        OPEN.with_borrow(|open| (0..open.len()).filter(|place| open[*place].root == root).collect());
    for place in places {
        let (layout, again) = OPEN.with_borrow(|open| {
            let batch = &open[place];
            let is_further_out = batch.subtransaction != subtransaction;
            let again = batch.collected.iter().filter(|_| is_further_out);
            (batch.layout.clone(), again.map(|row| Row::of_id(Change::Superseded, row.id)).collect::<Vec<_>>())
        });
        flush(place)?;
        if !again.is_empty() {
            OPEN.with_borrow_mut(|open| {
                open[place].layout = layout;
                open[place].collected = again;
            });
        }
    }
    Ok(())
}

/// Writes what a batch has collected.
fn flush(place: usize) -> SqlResult<()> {
    let (layout, collected, memory) = OPEN.with_borrow_mut(|open| {
        let batch = &mut open[place];
        (batch.layout.take(), std::mem::take(&mut batch.collected), batch.memory)
    });
    let Some(layout) = layout else { return Ok(()) };
    let result = in_context(memory, || apply(&layout, collected, &mut NameBook::default()));
    // SAFETY: rows and names are done with.
    unsafe { pg_sys::MemoryContextReset(memory) };
    result.map(|_| ())
}

fn in_context<T>(memory: pg_sys::MemoryContext, work: impl FnOnce() -> T) -> T {
    // SAFETY: put back after; on an error, by whoever catches it.
    unsafe {
        let before = pg_sys::MemoryContextSwitchTo(memory);
        let result = work();
        pg_sys::MemoryContextSwitchTo(before);
        result
    }
}
