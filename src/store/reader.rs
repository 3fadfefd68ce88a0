//! Looks rows of one calendar table up by a unique index. Takes no lock but a reader's, so that it works on a standby.

use pgrx::pg_sys;

use super::Installation;
use super::found::Found;
use super::key_scan::KeyScan;
use super::writer::{Table, attributes_of, relation_named};
use crate::errors::SqlResult;

/// A table open for looking rows up.
pub struct Reader {
    relation: pg_sys::Relation,
    key_index: pg_sys::Oid,
    attributes: Vec<usize>,
    row: *mut pg_sys::TupleTableSlot,
}

impl Table {
    /// Opens the table for looking rows up by its key while `work` runs.
    pub fn read<T>(&self, installation: &Installation, work: impl FnOnce(&mut Reader) -> SqlResult<T>) -> SqlResult<T> {
        let relation = relation_named(self.name(), installation.schema_oid)?;
        let key_index = self.key_index(installation)?;
        // SAFETY: locked before anything is read of it; what is opened is closed below, or by an error's end of the
        // transaction.
        let mut reader = unsafe {
            let relation = pg_sys::table_open(relation, pg_sys::AccessShareLock as i32);
            let attributes = attributes_of(self, (*relation).rd_att)?;
            Reader { relation, key_index, attributes, row: pg_sys::table_slot_create(relation, std::ptr::null_mut()) }
        };
        let result = work(&mut reader);
        // SAFETY: opened above.
        unsafe {
            pg_sys::ExecDropSingleTupleTableSlot(reader.row);
            pg_sys::table_close(reader.relation, pg_sys::AccessShareLock as i32);
        }
        result
    }
}

impl Reader {
    /// The row with that key as the active snapshot sees it. `key`: its columns' values, in order.
    pub fn look(&mut self, key: &[pg_sys::Datum]) -> Option<Found<'_>> {
        // SAFETY: the table is open; the scan is ended before the index is closed; the row stays in its slot.
        unsafe {
            let mut scan = KeyScan::open(self.relation, self.key_index, key, pg_sys::GetActiveSnapshot());
            let found = scan.first(self.row);
            if found {
                pg_sys::ExecMaterializeSlot(self.row);
                pg_sys::slot_getallattrs(self.row);
            }
            scan.close();
            found.then(|| Found::new(self.row, &self.attributes))
        }
    }
}
