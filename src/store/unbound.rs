//! Functions of PostgreSQL that pgrx has no binding for.

use pgrx::pg_sys;
use pgrx::pg_sys::ffi::pg_guard_ffi_boundary;

mod c {
    use pgrx::pg_sys;

    unsafe extern "C-unwind" {
        pub fn datum_image_eq(value1: pg_sys::Datum, value2: pg_sys::Datum, by_value: bool, length: i32) -> bool;
        pub fn get_partition_ancestors(relation: pg_sys::Oid) -> *mut pg_sys::List;
        pub fn ExecComputeStoredGenerated(
            result: *mut pg_sys::ResultRelInfo,
            estate: *mut pg_sys::EState,
            slot: *mut pg_sys::TupleTableSlot,
            command: pg_sys::CmdType::Type,
        );
    }
}

/// utils/datum.h: whether two values are the same to the bit, be they toasted or not.
///
/// # Safety
/// Both values are of a type of that storage.
pub unsafe fn datum_image_eq(value1: pg_sys::Datum, value2: pg_sys::Datum, by_value: bool, length: i32) -> bool {
    // SAFETY: the caller's; errors come back as Rust panics.
    unsafe { pg_guard_ffi_boundary(|| c::datum_image_eq(value1, value2, by_value, length)) }
}

/// catalog/partition.h: the oids of all tables above a partition, nearest first.
///
/// # Safety
/// Within a transaction; `relation` is a partition.
pub unsafe fn get_partition_ancestors(relation: pg_sys::Oid) -> *mut pg_sys::List {
    // SAFETY: the caller's; errors come back as Rust panics.
    unsafe { pg_guard_ffi_boundary(|| c::get_partition_ancestors(relation)) }
}

/// executor/nodeModifyTable.h: fills in a row's generated columns.
///
/// # Safety
/// The row is of the table that `result` stands for.
pub unsafe fn exec_compute_stored_generated(
    result: *mut pg_sys::ResultRelInfo,
    estate: *mut pg_sys::EState,
    slot: *mut pg_sys::TupleTableSlot,
    command: pg_sys::CmdType::Type,
) {
    // SAFETY: the caller's; errors come back as Rust panics.
    unsafe { pg_guard_ffi_boundary(|| c::ExecComputeStoredGenerated(result, estate, slot, command)) }
}
