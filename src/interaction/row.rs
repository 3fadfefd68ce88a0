//! A changed interaction as the trigger collects it: the columns that the sync knows, copied out of the tuple.

use std::cell::RefCell;

use calendar_sync_core::mapping::Field;
use pgrx::pg_sys;
use uuid::Uuid;

use super::layout::{Column, Layout};
use crate::store::raw::Value;

/// What is to be done for an interaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// A new interaction: there is no event yet, unless something is odd.
    Inserted,
    /// A changed one; the names of customer and contact are looked up again only where their keys changed.
    Updated {
        names_changed: bool,
    },
    /// An interaction as it stands in its table now (backfill, retry), whatever happened to it before.
    Present,
    /// Its row was changed again before the trigger ran: what it is now must be read from the table.
    Superseded,
    Deleted,
}

/// One interaction; values live in the memory context in which it was collected.
pub struct Row {
    pub change: Change,
    pub id: Uuid,
    /// The id before an update that changed it.
    pub id_before: Option<Uuid>,
    values: [Value; Field::ALL.len()],
    pub user: Value,
    pub event_type: Value,
    /// As in the layout's `metadata`.
    pub metadata: Vec<Value>,
    /// Where its names stand in the batch's `NameBook`.
    pub names: [Option<usize>; 3],
}

impl Row {
    pub fn value(&self, field: Field) -> Value {
        self.values[field as usize]
    }

    /// A row of which only the id is known.
    pub fn of_id(change: Change, id: Uuid) -> Self {
        let values = [None; Field::ALL.len()];
        Self {
            change,
            id,
            id_before: None,
            values,
            user: None,
            event_type: None,
            metadata: Vec::new(),
            names: [None; 3],
        }
    }

    /// Copies what the sync knows of a tuple into the current memory context. `None` where the id is NULL.
    ///
    /// # Safety
    /// The tuple is deformed, by a descriptor that the layout was made for.
    pub unsafe fn copy(change: Change, layout: &Layout, tuple: &Deformed) -> Option<Self> {
        // SAFETY: the caller's.
        let copy = |column: Option<Column>| unsafe { tuple.copy(column?) };
        // SAFETY: attach has checked that the column is a uuid.
        let id = unsafe { tuple.id(layout) }?;
        let mut row = Self::of_id(change, id);
        for field in Field::ALL {
            if field != Field::InteractionId {
                row.values[field as usize] = copy(layout.column(field));
            }
        }
        row.user = copy(layout.user);
        row.event_type = copy(layout.event_type);
        row.metadata = layout.metadata.iter().map(|(_, column)| copy(Some(*column))).collect();
        Some(row)
    }
}

/// A tuple taken apart. The room for it is used again by the next one: this is made for every row.
pub struct Deformed {
    room: Room,
}

type Room = (Vec<pg_sys::Datum>, Vec<bool>);

thread_local! {
    static FREE_ROOM: RefCell<Vec<Room>> = const { RefCell::new(Vec::new()) };
}

impl Drop for Deformed {
    fn drop(&mut self) {
        FREE_ROOM.with_borrow_mut(|free| free.push(std::mem::take(&mut self.room)));
    }
}

impl Deformed {
    /// # Safety
    /// `tuple` is of that descriptor; both outlive what is made here.
    pub unsafe fn new(tuple: pg_sys::HeapTuple, descriptor: pg_sys::TupleDesc) -> Self {
        let (mut values, mut nulls) = FREE_ROOM.with_borrow_mut(Vec::pop).unwrap_or_default();
        // SAFETY: the caller's; there is room for all attributes.
        unsafe {
            let attributes = (*descriptor).natts as usize;
            values.resize(attributes, pg_sys::Datum::from(0usize));
            nulls.resize(attributes, true);
            pg_sys::heap_deform_tuple(tuple, descriptor, values.as_mut_ptr(), nulls.as_mut_ptr());
        }
        Self { room: (values, nulls) }
    }

    fn value(&self, column: Column) -> Value {
        (!self.room.1[column.place]).then(|| self.room.0[column.place])
    }

    /// # Safety
    /// The tuple is still there.
    unsafe fn copy(&self, column: Column) -> Value {
        // SAFETY: the caller's; the storage is the attribute's own.
        self.value(column).map(|value| unsafe { column.storage.copy(value) })
    }

    /// # Safety
    /// The tuple is still there.
    pub unsafe fn id(&self, layout: &Layout) -> Option<Uuid> {
        let value = self.value(layout.column(Field::InteractionId)?)?;
        // SAFETY: attach has checked that the column is a uuid: 16 bytes.
        Some(Uuid::from_bytes(unsafe { *value.cast_mut_ptr::<[u8; 16]>() }))
    }

    /// Whether a column is the same in both.
    ///
    /// # Safety
    /// Both are tuples of the same descriptor.
    pub unsafe fn same(&self, other: &Self, column: Option<Column>) -> bool {
        // SAFETY: the caller's.
        column.is_none_or(|column| unsafe { column.storage.same(self.value(column), other.value(column)) })
    }
}
