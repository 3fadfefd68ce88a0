//! A statement of the store: its text with the schema's name to be filled in, prepared once per backend.

use std::borrow::Cow;
use std::cell::Cell;
use std::ffi::CString;
use std::rc::Rc;

use pgrx::datum::DatumWithOid;
use pgrx::prelude::*;
use pgrx::spi::{OwnedPreparedStatement as Plan, SpiClient, SpiError, SpiErrorCodes, SpiResult, SpiTupleTable};
use pgrx::{PgOid, pg_sys};

use super::Installation;
use super::datum::{bound, value_of};
use super::kept_plan::KeptPlan;
use super::kind::Kind;
use super::own_writing::OwnWriting;
use super::rows::{Columns, Rows};
use crate::errors::{SqlResult, internal, spi};

/// Rows that [`Statement::stream`] fetches at once.
const ROWS_AT_ONCE: i64 = 500;

/// Keep one in a `thread_local!`:
///
/// ```ignore
/// thread_local! {
///     static FIND: Statement = const { Statement::new(
///         "select event_id from @calendar_events where user_id = $1", &[pg_sys::TEXTOID]) };
/// }
/// ```
///
/// `@calendar_` stands for `calendar_` in the extension's schema. Names of functions and operators resolve in pg_catalog, since
/// statements run within [`super::as_owner`].
pub struct Statement {
    text: Text,
    plan: KeptPlan<Plan>,
}

enum Text {
    Written(&'static str, &'static [pg_sys::Oid]),
    Made(fn(&Kind) -> String, &'static Kind),
}

thread_local! {
    static READ_ONLY: Cell<bool> = const { Cell::new(false) };
}

/// Until dropped, statements only read: they get no transaction id, which a standby could not give and for which a
/// primary would have to write at commit, and they see what the caller's own statement sees.
pub struct ReadOnly(bool);

impl ReadOnly {
    /// From now on, until it is dropped.
    pub fn begin() -> Self {
        Self(READ_ONLY.replace(true))
    }

    /// Whether there is one.
    pub fn is_on() -> bool {
        READ_ONLY.get()
    }
}

impl Drop for ReadOnly {
    fn drop(&mut self) {
        READ_ONLY.set(self.0);
    }
}

impl Statement {
    /// `@` before a name stands for the schema of the extension.
    pub const fn new(text: &'static str, arguments: &'static [pg_sys::Oid]) -> Self {
        Self { text: Text::Written(text, arguments), plan: KeptPlan::none() }
    }

    /// A statement that is made for a table; its arguments are of the types that they are first given in.
    pub const fn of_kind(text: fn(&Kind) -> String, kind: &'static Kind) -> Self {
        Self { text: Text::Made(text, kind), plan: KeptPlan::none() }
    }

    /// Runs it and hands its rows to `rows`. Sees what this transaction has written.
    pub fn run<T>(
        &self,
        installation: &Installation,
        arguments: &[DatumWithOid],
        rows: impl FnOnce(SpiTupleTable) -> Result<T, pgrx::spi::Error>,
    ) -> SqlResult<T> {
        let _own = OwnWriting::begin();
        Spi::connect_mut(|client| {
            let plan = self.plan(client, installation, arguments)?;
            rows(if READ_ONLY.get() {
                client.select(&*plan, None, arguments)?
            } else {
                client.update(&*plan, None, arguments)?
            })
        })
        .map_err(spi)
    }

    /// Runs it and reads its rows, in their order.
    pub fn rows<T>(
        &self,
        installation: &Installation,
        arguments: &[DatumWithOid],
        read: impl FnMut(&mut Columns) -> SpiResult<T>,
    ) -> SqlResult<Vec<T>> {
        self.run(installation, arguments, |_| {
            // SAFETY: this is what `run` has run.
            unsafe { Rows::of_last_command() }.all(read)
        })
    }

    /// As [`Statement::rows`] for what only reads, under a snapshot of its own that is taken now: sees what others have
    /// committed, in whatever transaction. (What pgrx runs sees what the transaction's own snapshot shows.)
    pub fn rows_now<T>(
        &self,
        installation: &Installation,
        arguments: &[DatumWithOid],
        read: impl FnMut(&mut Columns) -> SpiResult<T>,
    ) -> SqlResult<Vec<T>> {
        self.rows_at_latest(installation, arguments, true, read)
    }

    /// The same for what writes.
    pub fn change_now<T>(
        &self,
        installation: &Installation,
        arguments: &[DatumWithOid],
        read: impl FnMut(&mut Columns) -> SpiResult<T>,
    ) -> SqlResult<Vec<T>> {
        let _own = OwnWriting::begin();
        self.rows_at_latest(installation, arguments, false, read)
    }

    fn rows_at_latest<T>(
        &self,
        installation: &Installation,
        arguments: &[DatumWithOid],
        reads_only: bool,
        read: impl FnMut(&mut Columns) -> SpiResult<T>,
    ) -> SqlResult<Vec<T>> {
        let Text::Written(text, types) = self.text else {
            return Err(internal("calendar_sync: this statement is made for a table"));
        };
        if arguments.len() != types.len() {
            return Err(internal("calendar_sync: this statement takes another number of arguments"));
        }
        let text = CString::new(text_in(installation, text)).map_err(internal)?;
        let mut types = types.to_vec();
        let (mut values, nulls) = bound(arguments.iter().map(value_of));
        Spi::connect(|_| {
            // SAFETY: within an SPI connection, which ends with the plan; as many values as types; the snapshot is copied.
            let rows = unsafe {
                let plan = pg_sys::SPI_prepare(text.as_ptr(), types.len() as i32, types.as_mut_ptr());
                if plan.is_null() {
                    return Err(SpiError::SpiError(SpiErrorCodes::Argument));
                }
                let code = pg_sys::SPI_execute_snapshot(
                    plan,
                    values.as_mut_ptr(),
                    nulls.as_ptr(),
                    pg_sys::GetLatestSnapshot(),
                    std::ptr::null_mut(),
                    reads_only,
                    false,
                    0,
                );
                Spi::check_status(code)?;
                Rows::of_last_command()
            };
            rows.all(read)
        })
        .map_err(spi)
    }

    /// Runs it and reads its first row.
    pub fn first<T>(
        &self,
        installation: &Installation,
        arguments: &[DatumWithOid],
        read: impl FnMut(&mut Columns) -> SpiResult<T>,
    ) -> SqlResult<Option<T>> {
        Ok(self.rows(installation, arguments, read)?.into_iter().next())
    }

    /// Runs it through a cursor and hands out its rows: however many they are, few are in memory at once.
    pub fn stream(
        &self,
        installation: &Installation,
        arguments: &[DatumWithOid],
        mut take: impl FnMut(&mut Columns) -> SpiResult<()>,
    ) -> SqlResult<()> {
        let _own = OwnWriting::begin();
        Spi::connect_mut(|client| {
            let plan = self.plan(client, installation, arguments)?;
            let mut cursor = client.try_open_cursor_mut(&*plan, arguments)?;
            loop {
                cursor.fetch(ROWS_AT_ONCE)?;
                // SAFETY: this is what was fetched just now.
                let rows = unsafe { Rows::of_last_command() };
                if rows.len() == 0 {
                    return Ok(());
                }
                rows.each(&mut take)?;
            }
        })
        .map_err(spi)
    }

    /// Runs it and returns how many rows it gave or touched.
    pub fn execute(&self, installation: &Installation, arguments: &[DatumWithOid]) -> SqlResult<u64> {
        self.run(installation, arguments, |rows| Ok(rows.len() as u64))
    }

    fn plan(
        &self,
        client: &SpiClient,
        installation: &Installation,
        arguments: &[DatumWithOid],
    ) -> Result<Rc<Plan>, pgrx::spi::Error> {
        self.plan.or_make(installation, || {
            let (text, types): (Cow<str>, Vec<pg_sys::Oid>) = match self.text {
                Text::Written(text, types) => (text.into(), types.to_vec()),
                Text::Made(text, kind) => (text(kind).into(), arguments.iter().map(DatumWithOid::oid).collect()),
            };
            let text = text_in(installation, &text);
            let types: Vec<PgOid> = types.into_iter().map(PgOid::from).collect();
            Ok(client.prepare(text.as_str(), &types)?.keep())
        })
    }
}

pub(super) fn text_in(installation: &Installation, text: &str) -> String {
    text.replace("@calendar_", &format!("{}.calendar_", installation.schema))
}
