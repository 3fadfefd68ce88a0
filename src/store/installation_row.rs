//! calendar_installation: which server and database this calendar belongs to.
//!
//! A dump restored beside the original carries the row of the original. It differs from where it is then, and nothing
//! is sent out or pulled by the worker until calendar_resume(). Amid a restore the row may not be there yet although
//! other rows are: without it the worker stands aside as well.

use pgrx::{PgSqlErrorCode, pg_sys};

use super::statement::ReadOnly;
use super::{Installation, Statement};
use crate::errors::{SqlResult, error};
use crate::secrets;

thread_local! {
    static READ: Statement = const {
        Statement::new("select system_identifier, database_oid, salt from @calendar_installation", &[])
    };
    static ADD: Statement = const {
        Statement::new(
            "insert into @calendar_installation (system_identifier, database_oid, salt)
             values ($1, $2, $3)
             on conflict do nothing",
            &[pg_sys::INT8OID, pg_sys::OIDOID, pg_sys::BYTEAOID],
        )
    };
    static MOVE: Statement = const {
        Statement::new(
            "update @calendar_installation set system_identifier = $1, database_oid = $2",
            &[pg_sys::INT8OID, pg_sys::OIDOID],
        )
    };
}

struct Row {
    system_identifier: i64,
    database: pg_sys::Oid,
    salt: Vec<u8>,
}

/// Where this backend is. The identifier is the bit pattern of an unsigned number, as pg_control_system() shows it.
fn here() -> (i64, pg_sys::Oid) {
    // SAFETY: reads two values that never change within a process.
    unsafe { (pg_sys::GetSystemIdentifier() as i64, pg_sys::MyDatabaseId) }
}

fn read(installation: &Installation) -> SqlResult<Option<Row>> {
    READ.with(|read| {
        read.run(installation, &[], |mut rows| {
            let Some(row) = rows.next() else { return Ok(None) };
            match (row.get(1)?, row.get(2)?, row.get(3)?) {
                (Some(system_identifier), Some(database), Some(salt)) => {
                    Ok(Some(Row { system_identifier, database, salt }))
                }
                _ => Ok(None),
            }
        })
    })
}

/// Writes the row if it is not there: the first attach, subscribe, import, feed or event of an application in a new
/// installation.
pub fn ensure(installation: &Installation) -> SqlResult<()> {
    let known = {
        let _read_only = ReadOnly::begin();
        read(installation)?
    };
    if known.is_none() {
        let (system_identifier, database) = here();
        let salt = secrets::random::<32>()?;
        ADD.with(|add| {
            add.execute(installation, &[system_identifier.into(), database.into(), salt.as_slice().into()])
        })?;
    }
    Ok(())
}

/// Whether a calendar belongs to the database that it is in.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    #[default]
    Here,
    /// There is no row: nothing was attached or subscribed to yet, or a restore has not come to it yet.
    Nowhere,
    /// A restored copy.
    Elsewhere,
}

/// What the row of calendar_installation says of the server and the database that this is.
pub fn standing(installation: &Installation) -> SqlResult<Standing> {
    Ok(match read(installation)? {
        None => Standing::Nowhere,
        Some(row) if (row.system_identifier, row.database) == here() => Standing::Here,
        Some(_) => Standing::Elsewhere,
    })
}

/// Whether the worker must leave everything alone and nothing may be sent out.
pub fn stands_aside(installation: &Installation) -> SqlResult<bool> {
    Ok(standing(installation)? != Standing::Here)
}

/// The key of keyed hashes. Never writes the row: amid a restore another one is on its way.
///
/// # Errors
/// 55000 (object_not_in_prerequisite_state) where the row is not there (see [`ensure`]).
pub fn salt(installation: &Installation) -> SqlResult<Vec<u8>> {
    let row = read(installation)?.ok_or_else(|| {
        error(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            "calendar_sync has no key yet that identifiers are hidden with",
        )
        .set_detail("calendar_installation has no row: nothing has been set up here, or a restore is under way.")
        .set_hint("Outside of a read-only transaction, attach a table, create a feed or export with visibility busy.")
    })?;
    Ok(row.salt)
}

/// "This restored copy is the real one now."
pub fn resume(installation: &Installation) -> SqlResult<()> {
    ensure(installation)?;
    let (system_identifier, database) = here();
    MOVE.with(|r#move| r#move.execute(installation, &[system_identifier.into(), database.into()]))?;
    Ok(())
}
