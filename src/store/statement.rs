//! A statement of the store: its text with the schema's name to be filled in, prepared once per backend.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use pgrx::datum::DatumWithOid;
use pgrx::prelude::*;
use pgrx::spi::{OwnedPreparedStatement as Plan, SpiClient, SpiTupleTable};
use pgrx::{PgOid, pg_sys};

use super::Installation;
use crate::errors::{SqlResult, spi};

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
    text: &'static str,
    arguments: &'static [pg_sys::Oid],
    /// The plan, and the extension that it was made for (it may have been dropped and created anew since).
    plan: RefCell<Option<(pg_sys::Oid, Rc<Plan>)>>,
}

thread_local! {
    static READ_ONLY: Cell<bool> = const { Cell::new(false) };
}

/// Until dropped, statements only read: they get no transaction id, which a standby could not give and for which a
/// primary would have to write at commit, and they see what the caller's own statement sees.
pub struct ReadOnly(bool);

impl ReadOnly {
    pub fn begin() -> Self {
        Self(READ_ONLY.replace(true))
    }
}

impl Drop for ReadOnly {
    fn drop(&mut self) {
        READ_ONLY.set(self.0);
    }
}

impl Statement {
    pub const fn new(text: &'static str, arguments: &'static [pg_sys::Oid]) -> Self {
        Self { text, arguments, plan: RefCell::new(None) }
    }

    /// Runs it and hands its rows to `rows`. Sees what this transaction has written.
    pub fn run<T>(
        &self,
        installation: &Installation,
        arguments: &[DatumWithOid],
        rows: impl FnOnce(SpiTupleTable) -> Result<T, pgrx::spi::Error>,
    ) -> SqlResult<T> {
        Spi::connect_mut(|client| {
            let plan = self.plan(client, installation)?;
            rows(if READ_ONLY.get() {
                client.select(&*plan, None, arguments)?
            } else {
                client.update(&*plan, None, arguments)?
            })
        })
        .map_err(spi)
    }

    /// Runs it and returns how many rows it gave or touched.
    pub fn execute(&self, installation: &Installation, arguments: &[DatumWithOid]) -> SqlResult<u64> {
        self.run(installation, arguments, |rows| Ok(rows.len() as u64))
    }

    fn plan(&self, client: &SpiClient, installation: &Installation) -> Result<Rc<Plan>, pgrx::spi::Error> {
        if let Some((made_for, plan)) = &*self.plan.borrow()
            && *made_for == installation.extension
        {
            return Ok(plan.clone());
        }
        let text = self.text.replace("@calendar_", &format!("{}.calendar_", installation.schema));
        let types: Vec<PgOid> = self.arguments.iter().map(|oid| PgOid::from(*oid)).collect();
        let plan = Rc::new(client.prepare(text.as_str(), &types)?.keep());
        self.plan.replace(Some((installation.extension, plan.clone())));
        Ok(plan)
    }
}
