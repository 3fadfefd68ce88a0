//! Reads the CRM's own tables, always as their owner and in a security-restricted context.

use std::ffi::CString;

use pgrx::pg_sys;
use pgrx::spi::quote_identifier;
use uuid::Uuid;

use super::Identity;
use super::datum::{bound, uuid};
use super::raw::Value;
use crate::errors::{SqlResult, internal};

/// What to read.
pub struct Selection<'a> {
    pub owner: pg_sys::Oid,
    pub table: pg_sys::Oid,
    pub columns: &'a [String],
    pub id_column: &'a str,
}

impl Selection<'_> {
    fn statement(&self, condition: &str) -> SqlResult<CString> {
        let columns: Vec<String> = self.columns.iter().map(quote_identifier).collect();
        let statement = format!("select {} from {} t {condition}", columns.join(", "), qualified_name(self.table)?);
        CString::new(statement).map_err(internal)
    }

    /// The rows with those ids; `locked` against change until the transaction ends.
    pub fn by_ids(
        &self,
        ids: &[Uuid],
        locked: bool,
        each: impl FnMut(pg_sys::HeapTuple, pg_sys::TupleDesc),
    ) -> SqlResult<()> {
        let lock = if locked { "for share" } else { "" };
        let condition = format!("where t.{} operator(pg_catalog.=) any ($1) {lock}", quote_identifier(self.id_column));
        let ids: Vec<pgrx::Uuid> = ids.iter().map(|id| uuid(*id)).collect();
        self.read(&condition, &[(pg_sys::UUIDARRAYOID, pgrx::IntoDatum::into_datum(ids))], each)
    }

    /// The rows whose `date_column` is at `since` or later (all where that is `None`), `chunk` at a time; `each_chunk`
    /// is called as the caller.
    pub fn since(
        &self,
        date_column: &str,
        since: Option<(pg_sys::Oid, pg_sys::Datum)>,
        chunk: i64,
        mut each_chunk: impl FnMut(&mut dyn Iterator<Item = (pg_sys::HeapTuple, pg_sys::TupleDesc)>) -> SqlResult<()>,
    ) -> SqlResult<()> {
        let condition = match since {
            Some(_) => format!("where t.{} operator(pg_catalog.>=) $1", quote_identifier(date_column)),
            None => String::new(),
        };
        let statement = self.statement(&condition)?;
        let mut types: Vec<pg_sys::Oid> = since.iter().map(|(type_oid, _)| *type_oid).collect();
        let mut values: Vec<pg_sys::Datum> = since.iter().map(|(_, value)| *value).collect();
        // SAFETY: connected to SPI from here to the end; the portal is closed with it, on an error by the transaction.
        unsafe {
            pg_sys::SPI_connect();
            let portal = {
                let _identity = Identity::restricted(self.owner).seeing_all_rows();
                pg_sys::SPI_cursor_open_with_args(
                    std::ptr::null(),
                    statement.as_ptr(),
                    types.len() as i32,
                    types.as_mut_ptr(),
                    values.as_mut_ptr(),
                    std::ptr::null(),
                    true,
                    0,
                )
            };
            loop {
                {
                    let _identity = Identity::restricted(self.owner).seeing_all_rows();
                    pg_sys::SPI_cursor_fetch(portal, true, chunk);
                }
                let (table, rows) = (pg_sys::SPI_tuptable, pg_sys::SPI_processed as usize);
                if rows == 0 {
                    break;
                }
                each_chunk(&mut (0..rows).map(|row| (*(*table).vals.add(row), (*table).tupdesc)))?;
                pg_sys::SPI_freetuptable(table);
            }
            pg_sys::SPI_cursor_close(portal);
            pg_sys::SPI_finish();
        }
        Ok(())
    }

    fn read(
        &self,
        condition: &str,
        arguments: &[(pg_sys::Oid, Value)],
        mut each: impl FnMut(pg_sys::HeapTuple, pg_sys::TupleDesc),
    ) -> SqlResult<()> {
        let statement = self.statement(condition)?;
        let mut types: Vec<pg_sys::Oid> = arguments.iter().map(|(type_oid, _)| *type_oid).collect();
        let (mut values, nulls) = bound(arguments.iter().map(|(_, value)| *value));
        let _identity = Identity::restricted(self.owner).seeing_all_rows();
        // SAFETY: connected to SPI from here to the end; rows are handed out before that.
        unsafe {
            let result = pg_sys::CurrentMemoryContext;
            pg_sys::SPI_connect();
            let code = pg_sys::SPI_execute_with_args(
                statement.as_ptr(),
                types.len() as i32,
                types.as_mut_ptr(),
                values.as_mut_ptr(),
                nulls.as_ptr(),
                false,
                0,
            );
            if code != pg_sys::SPI_OK_SELECT as i32 {
                return Err(internal(format!("calendar_sync: reading an attached table gave {code}")));
            }
            let table = pg_sys::SPI_tuptable;
            let connected = pg_sys::MemoryContextSwitchTo(result);
            for row in 0..pg_sys::SPI_processed as usize {
                each(*(*table).vals.add(row), (*table).tupdesc);
            }
            pg_sys::MemoryContextSwitchTo(connected);
            pg_sys::SPI_finish();
        }
        Ok(())
    }
}

/// Schema and table, quoted.
fn qualified_name(table: pg_sys::Oid) -> SqlResult<String> {
    // SAFETY: look-ups in the catalog, within a transaction.
    unsafe {
        let name = pg_sys::get_rel_name(table);
        let schema = pg_sys::get_namespace_name(pg_sys::get_rel_namespace(table));
        if name.is_null() || schema.is_null() {
            return Err(internal(format!("calendar_sync: there is no table with oid {}", table.to_u32())));
        }
        let text = pg_sys::quote_qualified_identifier(schema, name);
        Ok(std::ffi::CStr::from_ptr(text).to_string_lossy().into_owned())
    }
}
