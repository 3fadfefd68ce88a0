//! The server's databases, read without being connected to any.

use std::ffi::CStr;

use pgrx::pg_sys;

use crate::settings;

/// A row of pg_database.
pub struct Database {
    pub oid: pg_sys::Oid,
    pub name: String,
}

/// Databases that may have a worker: no templates, none that takes no connections, and those that
/// `calendar_sync.worker_databases` names.
///
/// Within a transaction; a scan of the shared catalog, since SPI needs a database.
pub fn eligible() -> Vec<Database> {
    let setting = settings::WORKER_DATABASES.get().and_then(|list| list.into_string().ok()).unwrap_or_default();
    let wanted: Vec<&str> = setting.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    let mut databases = all();
    if !wanted.contains(&"*") {
        databases.retain(|database| wanted.contains(&database.name.as_str()));
    }
    databases
}

fn all() -> Vec<Database> {
    let mut databases = Vec::new();
    // SAFETY: as the autovacuum launcher reads this catalog (get_database_list): every tuple is used before the next is
    // asked for, and the scan and the relation are closed. The fixed part of a tuple is a FormData_pg_database.
    unsafe {
        let relation = pg_sys::table_open(pg_sys::DatabaseRelationId, pg_sys::AccessShareLock as _);
        let scan = pg_sys::table_beginscan_catalog(relation, 0, std::ptr::null_mut());
        loop {
            let tuple = pg_sys::heap_getnext(scan, pg_sys::ScanDirection::ForwardScanDirection);
            if tuple.is_null() {
                break;
            }
            let form = pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_database>();
            // -2 marks a database whose DROP was interrupted.
            if !(*form).datistemplate && (*form).datallowconn && (*form).datconnlimit != -2 {
                let name = CStr::from_ptr((*form).datname.data.as_ptr()).to_string_lossy().into_owned();
                databases.push(Database { oid: (*form).oid, name });
            }
        }
        pg_sys::table_endscan(scan);
        pg_sys::table_close(relation, pg_sys::AccessShareLock as _);
    }
    databases
}
