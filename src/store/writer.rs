//! Writes rows of one calendar table by the road that logical replication apply takes (executor/execReplication.c):
//! BEFORE triggers, generated columns, constraints, heap, indexes, AFTER triggers, without a plan or an executor run.
//!
//! An INSERT through SPI sets all of that up anew for every statement: it opens the relation, parses the CHECK
//! constraints, plans the generated columns and each partial index's predicate. For one interaction at a time that is
//! more work than the row itself. Here it is set up once per backend and kept until the table changes.

use std::cell::RefCell;
use std::ffi::CString;
use std::ptr;

use pgrx::pg_sys;

use super::found::Found;
use super::installation::Identity;
use super::key_scan;
use super::multi_insert::insert_together;
use super::own_writing::{self, OwnWriting};
use super::raw::Value;
use super::tuples::{attribute_form, attribute_named};
use super::{Installation, watch};
use crate::errors::{SqlResult, internal};

/// A calendar table that is written row by row. Keep it in a `thread_local!`.
pub struct Table {
    name: &'static str,
    columns: &'static [&'static str],
    /// The unique index that a row is found by.
    key: Option<&'static str>,
    /// Kept between statements.
    writer: RefCell<Option<Box<Writer>>>,
}

/// Rows inserted at once: enough for the page and the WAL record to be shared by many.
const ROWS_AT_ONCE: usize = 256;

impl Table {
    /// `columns`: those that rows give, in their order; the others get their defaults.
    pub const fn new(name: &'static str, columns: &'static [&'static str]) -> Self {
        Self { name, columns, key: None, writer: RefCell::new(None) }
    }

    /// A table whose rows are found by a unique index.
    pub const fn with_key(name: &'static str, columns: &'static [&'static str], index: &'static str) -> Self {
        Self { name, columns, key: Some(index), writer: RefCell::new(None) }
    }

    pub(super) const fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn key_index(&self, installation: &Installation) -> SqlResult<pg_sys::Oid> {
        self.key.map_or(Ok(pg_sys::InvalidOid), |index| relation_named(index, installation.schema_oid))
    }

    /// Opens the table for writing while `work` runs. What was written is seen by later commands.
    pub fn write<T>(
        &self,
        installation: &Installation,
        work: impl FnOnce(&mut Writer) -> SqlResult<T>,
    ) -> SqlResult<T> {
        // Taken out while in use: a trigger on the table that comes here again gets a writer of its own.
        let mut writer = match self.writer.take() {
            Some(writer) => writer,
            None => Box::new(Writer::new(self, installation)?),
        };
        writer.open(self)?;
        let result = if writer.has_triggers() {
            let _own = OwnWriting::begin();
            let _identity = Identity::assume(installation.owner, pg_sys::SECURITY_LOCAL_USERID_CHANGE as i32);
            // SAFETY: begun and ended around the rows' writing, as the executor does.
            unsafe { pg_sys::AfterTriggerBeginQuery() };
            let result = work(&mut writer);
            // SAFETY: as above.
            unsafe { pg_sys::AfterTriggerEndQuery(writer.estate) };
            result
        } else {
            work(&mut writer)
        };
        writer.close();
        if !writer.has_triggers() {
            self.writer.replace(Some(writer));
        }
        result
    }
}

/// A table open for writing.
pub struct Writer {
    relation: pg_sys::Oid,
    /// The extension's.
    schema: pg_sys::Oid,
    key_index: pg_sys::Oid,
    /// Holds all that the pointers below lead to.
    context: pg_sys::MemoryContext,
    /// `watch::changes()` when it was set up.
    made_at: Option<u64>,
    estate: *mut pg_sys::EState,
    result: *mut pg_sys::ResultRelInfo,
    /// The row to be found or updated.
    row: *mut pg_sys::TupleTableSlot,
    /// Rows to be inserted; `waiting` of them are.
    rows: Vec<*mut pg_sys::TupleTableSlot>,
    waiting: usize,
    /// The row that `find` found, while the table is open.
    found: *mut pg_sys::TupleTableSlot,
    indexes: Vec<pg_sys::Oid>,
    /// Attribute (from 0) of each of the table's columns.
    attributes: Vec<usize>,
    defaults: Vec<(usize, *mut pg_sys::ExprState)>,
}

impl Writer {
    fn new(table: &Table, installation: &Installation) -> SqlResult<Self> {
        let relation = relation_named(table.name, installation.schema_oid)?;
        let key_index = table.key_index(installation)?;
        watch::watch(relation);
        // SAFETY: a context of its own that lives until this writer is dropped.
        let context = unsafe {
            pg_sys::AllocSetContextCreateInternal(
                pg_sys::TopMemoryContext,
                c"calendar_sync writer".as_ptr(),
                pg_sys::ALLOCSET_DEFAULT_MINSIZE as usize,
                pg_sys::ALLOCSET_DEFAULT_INITSIZE as usize,
                pg_sys::ALLOCSET_DEFAULT_MAXSIZE as usize,
            )
        };
        Ok(Self {
            relation,
            schema: installation.schema_oid,
            key_index,
            context,
            made_at: None,
            estate: ptr::null_mut(),
            result: ptr::null_mut(),
            row: ptr::null_mut(),
            rows: Vec::new(),
            waiting: 0,
            found: ptr::null_mut(),
            indexes: Vec::new(),
            attributes: Vec::new(),
            defaults: Vec::new(),
        })
    }

    /// Opens table and indexes, and sets everything up where that has not been done since the table last changed.
    fn open(&mut self, table: &Table) -> SqlResult<()> {
        // SAFETY: the relation is locked before anything is read of it, and taking the lock lets `watch` hear of
        // changes; what is kept lives in `self.context`, what is opened is closed by `close` or by the transaction.
        unsafe {
            let relation = pg_sys::table_open(self.relation, pg_sys::RowExclusiveLock as i32);
            if self.made_at == Some(watch::changes()) {
                (*self.result).ri_RelationDesc = relation;
                for (place, index) in self.indexes.iter().enumerate() {
                    *(*self.result).ri_IndexRelationDescs.add(place) =
                        pg_sys::index_open(*index, pg_sys::RowExclusiveLock as i32);
                }
            } else {
                self.set_up(table, relation)?;
            }
        }
        Ok(())
    }

    unsafe fn set_up(&mut self, table: &Table, relation: pg_sys::Relation) -> SqlResult<()> {
        // SAFETY: see `open`.
        unsafe {
            pg_sys::MemoryContextReset(self.context);
            let before = pg_sys::MemoryContextSwitchTo(self.context);
            // Not the relation's own descriptor, whose reference would end with the transaction.
            self.rows.clear();
            let descriptor = pg_sys::CreateTupleDescCopy((*relation).rd_att);
            self.estate = pg_sys::CreateExecutorState();
            self.result = pg_sys::palloc0(size_of::<pg_sys::ResultRelInfo>()).cast();
            pg_sys::InitResultRelInfo(self.result, relation, 0, ptr::null_mut(), 0);
            if !own_writing::fires_others((*self.result).ri_TrigDesc, self.schema) {
                (*self.result).ri_TrigDesc = ptr::null_mut();
            }
            pg_sys::ExecOpenIndices(self.result, false);
            let indexes = (*self.result).ri_NumIndices as usize;
            self.indexes = (0..indexes).map(|i| (**(*self.result).ri_IndexRelationDescs.add(i)).rd_id).collect();
            self.row = pg_sys::MakeSingleTupleTableSlot(descriptor, &raw const pg_sys::TTSOpsVirtual);
            self.attributes = attributes_of(table, descriptor)?;
            self.defaults = self.defaults_of_other_columns(relation);
            pg_sys::MemoryContextSwitchTo(before);
        }
        self.made_at = Some(watch::changes());
        Ok(())
    }

    /// Columns that rows do not give, but that have a default.
    unsafe fn defaults_of_other_columns(&self, relation: pg_sys::Relation) -> Vec<(usize, *mut pg_sys::ExprState)> {
        // SAFETY: reads the open relation's descriptor; expressions go to the executor state's own context.
        unsafe {
            let attributes = (*(*relation).rd_att).natts as usize;
            (0..attributes)
                .filter(|place| {
                    let attribute = attribute_form((*relation).rd_att, *place);
                    attribute.atthasdef
                        && !attribute.attisdropped
                        && attribute.attgenerated == 0
                        && !self.attributes.contains(place)
                })
                .map(|place| {
                    let default = pg_sys::build_column_default(relation, place as i32 + 1);
                    (place, pg_sys::ExecPrepareExpr(default.cast(), self.estate))
                })
                .collect()
        }
    }

    /// Others' triggers; our own have nothing to say to what we write.
    fn has_triggers(&self) -> bool {
        // SAFETY: set up by `open`.
        unsafe { !(*self.result).ri_TrigDesc.is_null() }
    }

    /// Writes a row; `values` in the order of the table's columns. They must stay where they are until the table is
    /// closed: rows are written some hundred at a time.
    ///
    /// # Errors
    /// Raises, now or later, what the table raises: a unique violation, a failed constraint, a trigger's error.
    pub fn insert(&mut self, values: &[Value]) {
        // SAFETY: the table is open; the values live in the caller's memory until the row is written.
        unsafe {
            let row = self.next_row();
            pg_sys::ExecClearTuple(row);
            ptr::write_bytes((*row).tts_isnull, 1, (*(*row).tts_tupleDescriptor).natts as usize);
            for (place, value) in self.attributes.iter().zip(values) {
                set(row, *place, *value);
            }
            for (place, default) in &self.defaults {
                let mut is_null = false;
                let value = pg_sys::ExecEvalExprSwitchContext(*default, self.per_row(), &mut is_null);
                set(row, *place, (!is_null).then_some(value));
            }
            pg_sys::ExecStoreVirtualTuple(row);
            self.waiting += 1;
        }
        if self.waiting == ROWS_AT_ONCE || self.has_triggers() {
            self.flush();
        }
    }

    unsafe fn next_row(&mut self) -> *mut pg_sys::TupleTableSlot {
        if self.waiting == self.rows.len() {
            // SAFETY: made in the writer's own context.
            unsafe {
                let before = pg_sys::MemoryContextSwitchTo(self.context);
                let descriptor = (*self.row).tts_tupleDescriptor;
                self.rows.push(pg_sys::MakeSingleTupleTableSlot(descriptor, &raw const pg_sys::TTSOpsVirtual));
                pg_sys::MemoryContextSwitchTo(before);
            }
        }
        self.rows[self.waiting]
    }

    /// Writes the rows that wait.
    fn flush(&mut self) {
        // SAFETY: the table is open; what is allocated for the rows goes with the per-row context.
        unsafe {
            let per_row = self.per_row();
            let before = pg_sys::MemoryContextSwitchTo((*per_row).ecxt_per_tuple_memory);
            match self.waiting {
                0 => {}
                1 => pg_sys::ExecSimpleRelationInsert(self.result, self.estate, self.rows[0]),
                waiting => insert_together(self.result, self.estate, &mut self.rows[..waiting]),
            }
            pg_sys::MemoryContextSwitchTo(before);
            for row in &self.rows[..std::mem::take(&mut self.waiting)] {
                pg_sys::ExecClearTuple(*row);
            }
            pg_sys::MemoryContextReset((*per_row).ecxt_per_tuple_memory);
        }
    }

    /// Finds and locks the row with that key, waiting for whoever is changing it. `key`: its columns' values, in order.
    pub fn find(&mut self, key: &[pg_sys::Datum]) -> bool {
        self.flush();
        // SAFETY: the table is open; the found row, pinned, stands in `found`.
        unsafe {
            let relation = (*self.result).ri_RelationDesc;
            let found = key_scan::find_and_lock(relation, self.key_index, key, self.slot_for_found());
            if found {
                pg_sys::slot_getallattrs(self.found);
            }
            found
        }
    }

    unsafe fn slot_for_found(&mut self) -> *mut pg_sys::TupleTableSlot {
        if self.found.is_null() {
            // SAFETY: the table is open.
            self.found = unsafe { pg_sys::table_slot_create((*self.result).ri_RelationDesc, ptr::null_mut()) };
        }
        self.found
    }

    /// The row that `find` found.
    pub fn found(&self) -> Found<'_> {
        // SAFETY: `find` has deformed the whole row.
        unsafe { Found::new(self.found, &self.attributes) }
    }

    /// Changes the found row: `changes` are (column, new value), all else stays.
    pub fn update(&mut self, changes: &[(usize, Value)]) {
        // SAFETY: as in `insert`; the found row's values stay pinned until the new row is written.
        unsafe {
            pg_sys::ExecClearTuple(self.row);
            let attributes = (*(*self.row).tts_tupleDescriptor).natts as usize;
            ptr::copy_nonoverlapping((*self.found).tts_values, (*self.row).tts_values, attributes);
            ptr::copy_nonoverlapping((*self.found).tts_isnull, (*self.row).tts_isnull, attributes);
            for (column, value) in changes {
                set(self.row, self.attributes[*column], *value);
            }
            pg_sys::ExecStoreVirtualTuple(self.row);
            let mut recheck = empty_recheck_state();
            pg_sys::ExecSimpleRelationUpdate(self.result, self.estate, &mut recheck, self.found, self.row);
            pg_sys::ExecClearTuple(self.row);
            let per_row = self.per_row();
            pg_sys::MemoryContextReset((*per_row).ecxt_per_tuple_memory);
        }
    }

    /// Deletes the found row.
    pub fn delete(&mut self) {
        // SAFETY: as in `update`.
        unsafe {
            let mut recheck = empty_recheck_state();
            pg_sys::ExecSimpleRelationDelete(self.result, self.estate, &mut recheck, self.found);
        }
    }

    fn per_row(&self) -> *mut pg_sys::ExprContext {
        // SAFETY: GetPerTupleExprContext, a macro in C.
        unsafe {
            let existing = (*self.estate).es_per_tuple_exprcontext;
            if existing.is_null() { pg_sys::MakePerTupleExprContext(self.estate) } else { existing }
        }
    }

    fn close(&mut self) {
        self.flush();
        // SAFETY: closes what `open` opened; the lock on the table stays until the transaction ends.
        unsafe {
            if !self.found.is_null() {
                pg_sys::ExecDropSingleTupleTableSlot(std::mem::replace(&mut self.found, ptr::null_mut()));
            }
            if self.has_triggers() {
                pg_sys::ExecCloseResultRelations(self.estate);
                pg_sys::ExecResetTupleTable((*self.estate).es_tupleTable, false);
            }
            let relation = (*self.result).ri_RelationDesc;
            pg_sys::ExecCloseIndices(self.result);
            pg_sys::table_close(relation, pg_sys::NoLock as i32);
            // What comes next in this transaction sees the rows.
            pg_sys::CommandCounterIncrement();
        }
    }
}

unsafe fn set(row: *mut pg_sys::TupleTableSlot, place: usize, value: Value) {
    // SAFETY: the caller's: `place` is an attribute of the row's table.
    unsafe {
        *(*row).tts_values.add(place) = value.unwrap_or(pg_sys::Datum::from(0usize));
        *(*row).tts_isnull.add(place) = value.is_none();
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // SAFETY: nothing points into it any more.
        unsafe { pg_sys::MemoryContextDelete(self.context) };
    }
}

/// For a row that is locked already there is nothing to recheck.
fn empty_recheck_state() -> pg_sys::EPQState {
    // SAFETY: all zero is what EvalPlanQualInit makes of a state without a plan, but for a parameter that is unused.
    unsafe { std::mem::zeroed() }
}

/// Attribute (from 0) of each of the table's columns.
///
/// # Safety
/// `descriptor` is the table's.
pub(super) unsafe fn attributes_of(table: &Table, descriptor: pg_sys::TupleDesc) -> SqlResult<Vec<usize>> {
    // SAFETY: the caller's.
    let places = table.columns.iter().map(|column| unsafe { attribute_named(descriptor, column) });
    let places: Option<Vec<usize>> = places.collect();
    places.ok_or_else(|| internal(format!("calendar_sync: its table {} lacks a column", table.name)))
}

pub(super) fn relation_named(name: &str, schema: pg_sys::Oid) -> SqlResult<pg_sys::Oid> {
    let text = CString::new(name).map_err(internal)?;
    // SAFETY: a look-up in the catalog, within a transaction.
    match unsafe { pg_sys::get_relname_relid(text.as_ptr(), schema) } {
        pg_sys::InvalidOid => Err(internal(format!("calendar_sync: its table or index {name} is gone"))),
        oid => Ok(oid),
    }
}
