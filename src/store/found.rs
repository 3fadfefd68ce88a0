//! A row of a calendar table that was found by its key.

use pgrx::pg_sys;
use uuid::Uuid;

use super::raw::{Storage, Value};
use super::tuples::attribute_form;

/// Valid while the table is open and nothing else is looked for in it.
#[derive(Clone, Copy)]
pub struct Found<'a> {
    slot: *mut pg_sys::TupleTableSlot,
    /// Attribute (from 0) of each of the table's columns.
    attributes: &'a [usize],
}

impl<'a> Found<'a> {
    /// # Safety
    /// `slot` holds a deformed row of the table with those attributes.
    pub unsafe fn new(slot: *mut pg_sys::TupleTableSlot, attributes: &'a [usize]) -> Self {
        Self { slot, attributes }
    }

    /// A column's value.
    pub fn get(self, column: usize) -> Value {
        let place = self.attributes[column];
        // SAFETY: the whole row is deformed.
        unsafe { (!*(*self.slot).tts_isnull.add(place)).then(|| *(*self.slot).tts_values.add(place)) }
    }

    /// A column of type uuid.
    pub fn uuid(self, column: usize) -> Option<Uuid> {
        // SAFETY: a uuid is 16 bytes.
        self.get(column).map(|id| Uuid::from_bytes(unsafe { *id.cast_mut_ptr::<[u8; 16]>() }))
    }

    /// Whether a column has that value.
    pub fn is(self, column: usize, value: Value) -> bool {
        // SAFETY: as in `get`; the value is of the column's type.
        unsafe {
            let attribute = attribute_form((*self.slot).tts_tupleDescriptor, self.attributes[column]);
            Storage::of_attribute(attribute).same(self.get(column), value)
        }
    }
}
