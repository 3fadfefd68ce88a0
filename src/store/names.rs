//! Names that stand in the CRM's other tables: an owner's, a customer's, a contact's.
//!
//! Every look-up runs as the owner of the interaction table, in a security-restricted context: the "table" may be a
//! view with functions of anybody.

use std::cell::RefCell;
use std::ffi::CString;

use pgrx::pg_sys;
use pgrx::spi::{quote_identifier, quote_literal};
use serde::{Deserialize, Serialize};

use super::Identity;
use super::datum::bound;
use super::raw::{Value, text};
use crate::errors::{SqlResult, internal};

/// Whose name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Whose {
    User,
    Customer,
    Contact,
}

impl Whose {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::User, Self::Customer, Self::Contact];
}

/// Where a name stands, settled at attach: names that were found in the catalog then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Schema and table, quoted.
    pub table: String,
    pub key: String,
    pub name: Vec<Part>,
}

/// A piece of a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    Column(String),
    Literal(String),
}

/// The sources of a tracked table, stored beside its mapping.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sources {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<Source>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer: Option<Source>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contact: Option<Source>,
    /// Columns of the interaction table that were found at attach.
    #[serde(default)]
    pub columns: Vec<String>,
}

impl Source {
    /// The name as an expression over the table's alias `c`, by nothing that a search_path could change.
    fn expression(&self) -> String {
        let parts: Vec<String> = self
            .name
            .iter()
            .map(|part| match part {
                Part::Column(column) => format!("c.{}", quote_identifier(column)),
                Part::Literal(literal) => quote_literal(literal),
            })
            .collect();
        format!("pg_catalog.concat({})", parts.join(", "))
    }
}

/// The look-ups of one tracked table, with their plans.
pub struct LookUps {
    sources: [Option<Source>; 3],
    /// Types of the keys, as the interaction table has them.
    types: [pg_sys::Oid; 3],
    /// All sources, one key of each.
    one: RefCell<Option<Plan>>,
    /// One source, many keys.
    many: [RefCell<Option<Plan>>; 3],
}

impl LookUps {
    /// `types`: of the columns that hold the keys; of no matter where there is no source.
    pub fn new(sources: Sources, types: [pg_sys::Oid; 3]) -> Self {
        let Sources { user, customer, contact, .. } = sources;
        Self { sources: [user, customer, contact], types, one: RefCell::default(), many: Default::default() }
    }

    /// Whether such names are looked up at all.
    pub fn has(&self, whose: Whose) -> bool {
        self.sources[whose as usize].is_some()
    }

    /// The names for one key of each kind, in one statement: texts in the current memory context. `None` where there
    /// is no source or no key, nothing is found, or the name is empty.
    ///
    /// # Errors
    /// Raises what the statement raises.
    pub fn one(&self, owner: pg_sys::Oid, keys: [Value; 3]) -> SqlResult<[Value; 3]> {
        if !Whose::ALL.iter().any(|whose| self.has(*whose) && keys[*whose as usize].is_some()) {
            return Ok([None; 3]);
        }
        let _identity = Identity::restricted(owner);
        let spi = Connection::open()?;
        if self.one.borrow().is_none() {
            let names: Vec<String> = Whose::ALL.iter().map(|whose| self.one_name(*whose)).collect();
            self.one.replace(Some(spi.prepare(&format!("select {}", names.join(", ")), &self.types)?));
        }
        let plan = self.one.borrow();
        let mut names = [None; 3];
        spi.run(plan.as_ref(), &keys, |row| names = [row.text(1), row.text(2), row.text(3)])?;
        Ok(names)
    }

    fn one_name(&self, whose: Whose) -> String {
        let parameter = whose as usize + 1;
        match &self.sources[whose as usize] {
            Some(source) => format!(
                "(select {} from {} c where c.{} operator(pg_catalog.=) ${parameter} limit 1)",
                source.expression(),
                source.table,
                quote_identifier(&source.key),
            ),
            // A parameter that is given must be mentioned.
            None => format!("case when ${parameter} is null then null::pg_catalog.text end"),
        }
    }

    /// The names for many keys of one kind: (place in `keys`, name). `keys` is an array of the key's type.
    ///
    /// # Errors
    /// Raises what the statement raises.
    pub fn many(&self, owner: pg_sys::Oid, whose: Whose, keys: pg_sys::Datum) -> SqlResult<Vec<(usize, Value)>> {
        let Some(source) = &self.sources[whose as usize] else { return Ok(Vec::new()) };
        let _identity = Identity::restricted(owner);
        let spi = Connection::open()?;
        let kept = &self.many[whose as usize];
        if kept.borrow().is_none() {
            // SAFETY: a look-up in the catalog, within a transaction.
            let array_type = unsafe { pg_sys::get_array_type(self.types[whose as usize]) };
            let statement = format!(
                "select k.place, {} from pg_catalog.unnest($1) with ordinality k(key, place)
                 join {} c on c.{} operator(pg_catalog.=) k.key",
                source.expression(),
                source.table,
                quote_identifier(&source.key),
            );
            kept.replace(Some(spi.prepare(&statement, &[array_type])?));
        }
        let mut names = Vec::new();
        spi.run(kept.borrow().as_ref(), &[Some(keys)], |row| {
            if let Some(place) = row.value(1) {
                names.push((place.value() - 1, row.text(2)));
            }
        })?;
        Ok(names)
    }
}

/// A connection to SPI whose results are copied to the memory context in which it was opened.
struct Connection {
    result: pg_sys::MemoryContext,
}

/// A kept plan of SPI.
struct Plan(pg_sys::SPIPlanPtr);

impl Connection {
    fn open() -> SqlResult<Self> {
        // SAFETY: closed when dropped; on an error, by the end of the (sub)transaction.
        unsafe {
            let result = pg_sys::CurrentMemoryContext;
            match pg_sys::SPI_connect() {
                code if code == pg_sys::SPI_OK_CONNECT as i32 => Ok(Self { result }),
                code => Err(internal(format!("calendar_sync: SPI_connect gave {code}"))),
            }
        }
    }

    fn prepare(&self, statement: &str, types: &[pg_sys::Oid]) -> SqlResult<Plan> {
        let text = CString::new(statement).map_err(internal)?;
        // SAFETY: connected; the plan is kept beyond the connection.
        unsafe {
            let plan = pg_sys::SPI_prepare(text.as_ptr(), types.len() as i32, types.as_ptr().cast_mut());
            if plan.is_null() || pg_sys::SPI_keepplan(plan) != 0 {
                return Err(internal("calendar_sync: a look-up of names could not be prepared"));
            }
            Ok(Plan(plan))
        }
    }

    fn run(&self, plan: Option<&Plan>, arguments: &[Value], mut each: impl FnMut(&Row)) -> SqlResult<()> {
        let Some(plan) = plan else { return Err(internal("calendar_sync: a look-up of names has no plan")) };
        let (mut values, nulls) = bound(arguments.iter().copied());
        // SAFETY: connected; values and nulls are as many as the plan has parameters; the rows stay until SPI_finish.
        unsafe {
            let code = pg_sys::SPI_execute_plan(plan.0, values.as_mut_ptr(), nulls.as_ptr(), false, 0);
            if code != pg_sys::SPI_OK_SELECT as i32 {
                return Err(internal(format!("calendar_sync: a look-up of names gave {code}")));
            }
            let table = pg_sys::SPI_tuptable;
            for place in 0..pg_sys::SPI_processed as usize {
                each(&Row { table, tuple: *(*table).vals.add(place), result: self.result });
            }
        }
        Ok(())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // SAFETY: opened by `open`.
        unsafe { pg_sys::SPI_finish() };
    }
}

impl Drop for Plan {
    fn drop(&mut self) {
        // SAFETY: kept by `prepare`, freed once.
        unsafe { pg_sys::SPI_freeplan(self.0) };
    }
}

/// A row of a result.
struct Row {
    table: *mut pg_sys::SPITupleTable,
    tuple: pg_sys::HeapTuple,
    result: pg_sys::MemoryContext,
}

impl Row {
    fn value(&self, column: i32) -> Value {
        let mut is_null = false;
        // SAFETY: a row of the table.
        let value = unsafe { pg_sys::SPI_getbinval(self.tuple, (*self.table).tupdesc, column, &mut is_null) };
        (!is_null).then_some(value)
    }

    /// A text without blanks around it, copied to the result's context; `None` if it is empty.
    fn text(&self, column: i32) -> Value {
        let value = self.value(column)?;
        // SAFETY: the column is a text.
        unsafe {
            let plain = pg_sys::pg_detoast_datum_packed(value.cast_mut_ptr());
            let name = String::from_utf8_lossy(pgrx::varlena::varlena_to_byte_slice(plain));
            let name = name.trim();
            if name.is_empty() {
                return None;
            }
            let before = pg_sys::MemoryContextSwitchTo(self.result);
            let copy = text(name);
            pg_sys::MemoryContextSwitchTo(before);
            Some(copy)
        }
    }
}
