//! Where the extension lives in this database, and acting as its owner.

use std::cell::{Cell, RefCell};
use std::ffi::CStr;
use std::rc::Rc;

use pgrx::prelude::*;
use pgrx::{PgSqlErrorCode, pg_sys};

use super::statement::ReadOnly;
use super::transaction::check_can_write;
use super::{catalog, watch};
use crate::errors::{SqlResult, error};

/// The extension's oid, schema and owner in this database.
#[derive(Debug, PartialEq, Eq)]
pub struct Installation {
    pub extension: pg_sys::Oid,
    pub owner: pg_sys::Oid,
    pub schema_oid: pg_sys::Oid,
    /// Name of its schema, quoted as an identifier.
    pub schema: String,
    /// Tells it from what was here before: another extension, or the same one under another schema's name or owner.
    pub version: u64,
}

thread_local! {
    /// With `watch::changes()` at which it was read.
    static CURRENT: RefCell<Option<(u64, Rc<Installation>)>> = const { RefCell::new(None) };
    static VERSIONS: Cell<u64> = const { Cell::new(0) };
}

impl Installation {
    /// The installation in the current database.
    ///
    /// # Errors
    /// 42704 (undefined_object) where the extension is not created in this database.
    pub fn current() -> SqlResult<Rc<Self>> {
        // SAFETY: a look-up in the catalog, within a transaction.
        let extension = unsafe { pg_sys::get_extension_oid(c"calendar_sync".as_ptr(), true) };
        let changes = watch::changes();
        if let Some((read_at, known)) = CURRENT.with_borrow(Clone::clone)
            && known.extension == extension
            && read_at == changes
            && known.schema_is_still_named_so()
        {
            return Ok(known);
        }
        if extension == pg_sys::InvalidOid {
            return Err(error(
                PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT,
                "the extension calendar_sync is not created in this database",
            )
            .set_hint("CREATE EXTENSION calendar_sync;"));
        }
        let found = Rc::new(Self::read(extension)?);
        // REASSIGN OWNED gives another owner to both, of which a table alone tells.
        if let Some(table) = catalog::relation_in(found.schema_oid, "calendar_installation")? {
            watch::watch(table);
            CURRENT.set(Some((changes, found.clone())));
        }
        Ok(found)
    }

    /// False after ALTER SCHEMA ... RENAME.
    fn schema_is_still_named_so(&self) -> bool {
        // SAFETY: look-ups in the catalog, within a transaction; both texts are the callee's copies, or NULL.
        unsafe {
            let name = pg_sys::get_namespace_name(self.schema_oid);
            if name.is_null() {
                return false;
            }
            let same = CStr::from_ptr(pg_sys::quote_identifier(name)).to_bytes() == self.schema.as_bytes();
            pg_sys::pfree(name.cast());
            same
        }
    }

    fn read(extension: pg_sys::Oid) -> SqlResult<Self> {
        // As whoever calls, but not by the caller's search_path: it might name types and operators of its own.
        // SAFETY: reads a variable.
        let _identity = Identity::assume(unsafe { pg_sys::GetUserId() }, 0);
        let (owner, schema_oid, schema) = Spi::connect(|client| {
            let query = "select e.extowner, n.oid, pg_catalog.quote_ident(n.nspname::pg_catalog.text)
                         from pg_catalog.pg_extension e
                         join pg_catalog.pg_namespace n on n.oid operator(pg_catalog.=) e.extnamespace
                         where e.oid operator(pg_catalog.=) $1";
            let row = client.select(query, Some(1), &[extension.into()])?.first();
            row.get_three::<pg_sys::Oid, pg_sys::Oid, String>()
        })
        .map_err(crate::errors::spi)?;
        match (owner, schema_oid, schema) {
            (Some(owner), Some(schema_oid), Some(schema)) => {
                let version = VERSIONS.replace(VERSIONS.get() + 1);
                Ok(Self { extension, owner, schema_oid, schema, version })
            }
            _ => Err(crate::errors::internal("calendar_sync: its own row in pg_extension is gone")),
        }
    }
}

/// The extension's version in this database; `None` where it is not created.
pub fn installed_version() -> SqlResult<Option<String>> {
    // SAFETY: reads a variable.
    let _identity = Identity::assume(unsafe { pg_sys::GetUserId() }, 0);
    Spi::get_one(
        "select (select extversion from pg_catalog.pg_extension where extname operator(pg_catalog.=) 'calendar_sync')",
    )
    .map_err(crate::errors::spi)
}

/// Runs `work` as the extension's owner, with a search_path that holds nothing of the caller's, and returns to the
/// caller's identity afterwards, also on an error.
///
/// Who calls must have been read and checked before.
///
/// # Errors
/// 25006 (read_only_sql_transaction) where nothing can be written and this is not [`reading`].
pub fn as_owner<T>(work: impl FnOnce(&Installation) -> SqlResult<T>) -> SqlResult<T> {
    if !ReadOnly::is_on() {
        check_can_write()?;
    }
    let installation = Installation::current()?;
    let _identity = Identity::assume(installation.owner, pg_sys::SECURITY_LOCAL_USERID_CHANGE as i32);
    work(&installation)
}

/// [`as_owner`] for what only reads, as a STABLE function promises: works on a standby, too.
pub fn reading<T>(work: impl FnOnce(&Installation) -> SqlResult<T>) -> SqlResult<T> {
    let _read_only = ReadOnly::begin();
    as_owner(work)
}

/// Another user's identity and a clean search_path, until dropped.
pub struct Identity {
    user: pg_sys::Oid,
    context: i32,
    settings: i32,
}

impl Identity {
    /// `context`: PostgreSQL's SECURITY_* flags, added to those in force.
    pub fn assume(user: pg_sys::Oid, context: i32) -> Self {
        let mut before = Self { user: pg_sys::InvalidOid, context: 0, settings: 0 };
        // SAFETY: plain calls within a transaction; `drop` undoes them in reverse order. If an error is raised in
        // between, the abort of the (sub)transaction restores user and settings by itself as well.
        unsafe {
            pg_sys::GetUserIdAndSecContext(&mut before.user, &mut before.context);
            pg_sys::SetUserIdAndSecContext(user, before.context | context);
            before.settings = pg_sys::NewGUCNestLevel();
            set_option(c"search_path", c"pg_catalog, pg_temp");
        }
        before
    }
}

impl Identity {
    /// The owner of a CRM's table, in the context that maintenance commands use for code of others: no session state
    /// can be changed, no temporary object made (SECURITY_RESTRICTED_OPERATION).
    pub fn restricted(owner: pg_sys::Oid) -> Self {
        Self::assume(owner, (pg_sys::SECURITY_LOCAL_USERID_CHANGE | pg_sys::SECURITY_RESTRICTED_OPERATION) as i32)
    }

    /// Takes a backslash in a string for nothing but itself, and writes it so, and quotes names only where they need it,
    /// whatever the caller has set.
    pub fn with_plain_quoting(self) -> Self {
        set_option(c"standard_conforming_strings", c"on");
        set_option(c"quote_all_identifiers", c"off");
        self
    }

    /// Waits for a lock no longer than a moment, then fails (55P03).
    pub fn in_haste(self) -> Self {
        set_option(c"lock_timeout", c"100ms");
        self
    }

    /// Lets a query fail whose rows a policy would hide (row_security = off), rather than take them for gone.
    pub fn seeing_all_rows(self) -> Self {
        set_option(c"row_security", c"off");
        self
    }
}

/// Sets an option until the current nest level ends.
fn set_option(name: &CStr, value: &CStr) {
    // SAFETY: plain call within a transaction.
    unsafe {
        pg_sys::set_config_option(
            name.as_ptr(),
            value.as_ptr(),
            pg_sys::GucContext::PGC_USERSET,
            pg_sys::GucSource::PGC_S_SESSION,
            pg_sys::GucAction::GUC_ACTION_SAVE,
            true,
            0,
            false,
        );
    }
}

impl Drop for Identity {
    fn drop(&mut self) {
        // As at an abort: what code of others has SET meanwhile must not outlast it, a search_path least of all.
        // SAFETY: see `assume`.
        unsafe {
            pg_sys::AtEOXact_GUC(false, self.settings);
            pg_sys::SetUserIdAndSecContext(self.user, self.context);
        }
    }
}

#[cfg(any(test, feature = "pg_test"))]
#[pg_schema]
mod tests {
    use pgrx::prelude::*;
    use pgrx::{PgSqlErrorCode, pg_sys};

    use super::{Installation, as_owner};
    use crate::errors::{SqlResult, error};

    fn current_user() -> pg_sys::Oid {
        // SAFETY: a look-up in the session's state.
        unsafe { pg_sys::GetUserId() }
    }

    #[pg_test]
    fn the_callers_identity_and_search_path_come_back_after_success_and_after_an_error() {
        Spi::run("create role installation_caller; set role installation_caller; set search_path = pg_temp").unwrap();
        let caller = current_user();
        let owner = Installation::current().unwrap().owner;
        assert_ne!(caller, owner);

        let inside = as_owner(|_| Ok((current_user(), Spi::get_one::<String>("show search_path")))).unwrap();
        assert_eq!(inside, (owner, Ok(Some("pg_catalog, pg_temp".to_string()))));
        assert_eq!(current_user(), caller);

        let failed: SqlResult<()> = as_owner(|_| Err(error(PgSqlErrorCode::ERRCODE_DATA_EXCEPTION, "no")));
        assert!(failed.is_err());
        assert_eq!(current_user(), caller);
        assert_eq!(Spi::get_one::<String>("show search_path"), Ok(Some("pg_temp".to_string())));
    }
}
