//! Inserting many rows into a table together, as COPY does (commands/copyfrom.c).

use std::ptr;

use pgrx::pg_sys;

use super::unbound;

/// What ExecSimpleRelationInsert does for one row, with one WAL record and one visit to the page for many.
///
/// # Safety
/// The table and its indexes are open in `result` and have no triggers; the rows are of the table and live through the
/// call.
pub unsafe fn insert_together(
    result: *mut pg_sys::ResultRelInfo,
    estate: *mut pg_sys::EState,
    rows: &mut [*mut pg_sys::TupleTableSlot],
) {
    // SAFETY: the caller's.
    unsafe {
        let relation = (*result).ri_RelationDesc;
        let constraints = (*(*relation).rd_att).constr;
        for row in rows.iter().filter(|_| !constraints.is_null()) {
            if (*constraints).has_generated_stored {
                unbound::exec_compute_stored_generated(result, estate, *row, pg_sys::CmdType::CMD_INSERT);
            }
            pg_sys::ExecConstraints(result, *row, estate);
        }
        let command = pg_sys::GetCurrentCommandId(true);
        if let Some(multi_insert) = (*(*relation).rd_tableam).multi_insert {
            multi_insert(relation, rows.as_mut_ptr(), rows.len() as i32, command, 0, ptr::null_mut());
        }
        for row in rows {
            insert_index_tuples(result, *row, estate);
        }
    }
}

/// # Safety
/// As [`insert_together`].
unsafe fn insert_index_tuples(
    result: *mut pg_sys::ResultRelInfo,
    row: *mut pg_sys::TupleTableSlot,
    estate: *mut pg_sys::EState,
) {
    let none = ptr::null_mut();
    // SAFETY: the caller's.
    unsafe {
        #[cfg(feature = "pg15")]
        pg_sys::ExecInsertIndexTuples(result, row, estate, false, false, none, ptr::null_mut());
        #[cfg(not(feature = "pg15"))]
        pg_sys::ExecInsertIndexTuples(result, row, estate, false, false, none, ptr::null_mut(), false);
    }
}
