//! Finding a row by a unique index, as the executor's replication road does (executor/execReplication.c).
//!
//! Not by that road's own RelationFindReplTupleByIndex: from version 16 on it compares every column of the row, unless
//! the index is the primary key or the replica identity.

use std::ptr;

use pgrx::pg_sys;

use super::tuples::attribute_form;
use crate::errors::internal;

/// An open scan of an index for one key.
pub struct KeyScan {
    index: pg_sys::Relation,
    scan: pg_sys::IndexScanDesc,
    keys: Vec<pg_sys::ScanKeyData>,
}

impl KeyScan {
    /// Opens the index; `key`: its columns' values, in order.
    ///
    /// # Safety
    /// `relation` is open and `index` one of its indexes; `snapshot` stays valid until `close`.
    pub unsafe fn open(
        relation: pg_sys::Relation,
        index: pg_sys::Oid,
        key: &[pg_sys::Datum],
        snapshot: pg_sys::Snapshot,
    ) -> Self {
        // SAFETY: the caller's; a B-tree's columns have an equality operator.
        unsafe {
            let index = pg_sys::index_open(index, pg_sys::AccessShareLock as i32);
            let keys: Vec<_> = key.iter().enumerate().map(|(place, value)| equals(index, place, *value)).collect();
            #[cfg(not(feature = "pg18"))]
            let scan = pg_sys::index_beginscan(relation, index, snapshot, keys.len() as i32, 0);
            #[cfg(feature = "pg18")]
            let scan = pg_sys::index_beginscan(relation, index, snapshot, ptr::null_mut(), keys.len() as i32, 0);
            Self { index, scan, keys }
        }
    }

    /// Puts the row, if there is one, into `slot`.
    ///
    /// # Safety
    /// `slot` is one of the scanned table's.
    pub unsafe fn first(&mut self, slot: *mut pg_sys::TupleTableSlot) -> bool {
        // SAFETY: the caller's; the scan is open.
        unsafe {
            pg_sys::index_rescan(self.scan, self.keys.as_mut_ptr(), self.keys.len() as i32, ptr::null_mut(), 0);
            pg_sys::index_getnext_slot(self.scan, pg_sys::ScanDirection::ForwardScanDirection, slot)
        }
    }

    /// # Safety
    /// It is open.
    pub unsafe fn close(self) {
        // SAFETY: opened by `open`, and not used any more.
        unsafe {
            pg_sys::index_endscan(self.scan);
            pg_sys::index_close(self.index, pg_sys::AccessShareLock as i32);
        }
    }
}

unsafe fn equals(index: pg_sys::Relation, place: usize, value: pg_sys::Datum) -> pg_sys::ScanKeyData {
    // SAFETY: the index is open and has that column.
    unsafe {
        let form = attribute_form((*index).rd_att, place);
        let family = *(*index).rd_opfamily.add(place);
        let equal = pg_sys::BTEqualStrategyNumber as u16;
        let operator = pg_sys::get_opfamily_member(family, form.atttypid, form.atttypid, equal as i16);
        let mut key = std::mem::zeroed();
        pg_sys::ScanKeyEntryInitialize(
            &mut key,
            0,
            place as i16 + 1,
            equal,
            pg_sys::InvalidOid,
            *(*index).rd_indcollation.add(place),
            pg_sys::get_opcode(operator),
            value,
        );
        key
    }
}

/// Finds the row with that key and locks it for a change, waiting for whoever is inserting or changing it.
///
/// # Safety
/// As [`KeyScan::open`] and [`KeyScan::first`].
pub unsafe fn find_and_lock(
    relation: pg_sys::Relation,
    index: pg_sys::Oid,
    key: &[pg_sys::Datum],
    slot: *mut pg_sys::TupleTableSlot,
) -> bool {
    // SAFETY: the caller's. A dirty snapshot is all zero but for its type; it tells which transactions are at the row.
    unsafe {
        let mut dirty: pg_sys::SnapshotData = std::mem::zeroed();
        dirty.snapshot_type = pg_sys::SnapshotType::SNAPSHOT_DIRTY;
        let mut scan = KeyScan::open(relation, index, key, &raw mut dirty);
        let found = loop {
            if !scan.first(slot) {
                break false;
            }
            pg_sys::ExecMaterializeSlot(slot);
            let busy = if dirty.xmin == pg_sys::InvalidTransactionId { dirty.xmax } else { dirty.xmin };
            if busy != pg_sys::InvalidTransactionId {
                pg_sys::XactLockTableWait(busy, ptr::null_mut(), ptr::null_mut(), pg_sys::XLTW_Oper::XLTW_None);
                continue;
            }
            match lock(relation, slot) {
                pg_sys::TM_Result::TM_Ok => break true,
                // Somebody was quicker: look again.
                pg_sys::TM_Result::TM_Updated | pg_sys::TM_Result::TM_Deleted => {}
                other => internal(format!("calendar_sync: a row can't be locked (TM_Result {other})"))
                    .report(pgrx::PgLogLevel::ERROR),
            }
        };
        scan.close();
        found
    }
}

unsafe fn lock(relation: pg_sys::Relation, slot: *mut pg_sys::TupleTableSlot) -> pg_sys::TM_Result::Type {
    // SAFETY: the slot holds a row of the relation.
    unsafe {
        let mut row = (*slot).tts_tid;
        let mut failure: pg_sys::TM_FailureData = std::mem::zeroed();
        pg_sys::PushActiveSnapshot(pg_sys::GetLatestSnapshot());
        let result = pg_sys::table_tuple_lock(
            relation,
            &raw mut row,
            pg_sys::GetActiveSnapshot(),
            slot,
            pg_sys::GetCurrentCommandId(false),
            pg_sys::LockTupleMode::LockTupleNoKeyExclusive,
            pg_sys::LockWaitPolicy::LockWaitBlock,
            0,
            &raw mut failure,
        );
        pg_sys::PopActiveSnapshot();
        result
    }
}
