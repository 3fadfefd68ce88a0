//! Commands on databases that a worker would be in the way of: its worker is stopped first, and started again after.

use std::ffi::CStr;
use std::sync::OnceLock;
use std::time::Duration;

use pgrx::pg_sys::panic::ErrorReportable;
use pgrx::prelude::*;
use pgrx::{PgList, is_a, pg_sys};

use super::{launcher, shared, wake};
use crate::errors::{SqlResult, internal};
use crate::http::Bell;
use crate::sync::wait::wait;

static NEXT: OnceLock<pg_sys::ProcessUtility_hook_type> = OnceLock::new();

/// How often a worker is looked for until it has ended, every 10 ms.
const TRIES: usize = 1_000;

/// Puts the hook in place; while shared_preload_libraries are loaded.
pub fn register() {
    // SAFETY: the postmaster is single-threaded here, and hooks are made to be replaced by such as this.
    unsafe {
        let _ = NEXT.set(pg_sys::ProcessUtility_hook);
        pg_sys::ProcessUtility_hook = Some(process_utility);
    }
}

#[pg_guard]
#[allow(clippy::too_many_arguments, reason = "PostgreSQL's signature")]
unsafe extern "C-unwind" fn process_utility(
    statement: *mut pg_sys::PlannedStmt,
    text: *const std::ffi::c_char,
    read_only_tree: bool,
    context: pg_sys::ProcessUtilityContext::Type,
    parameters: pg_sys::ParamListInfo,
    environment: *mut pg_sys::QueryEnvironment,
    destination: *mut pg_sys::DestReceiver,
    completion: *mut pg_sys::QueryCompletion,
) {
    // SAFETY: what PostgreSQL hands over is handed on unchanged.
    let run = || unsafe {
        match NEXT.get().copied().flatten() {
            Some(next) => pgrx::pg_sys::ffi::pg_guard_ffi_boundary(|| {
                next(statement, text, read_only_tree, context, parameters, environment, destination, completion)
            }),
            None => pg_sys::standard_ProcessUtility(
                statement,
                text,
                read_only_tree,
                context,
                parameters,
                environment,
                destination,
                completion,
            ),
        }
    };
    // SAFETY: a utility statement's node, valid for the call.
    match unsafe { concern((*statement).utilityStmt) } {
        Concern::None => run(),
        Concern::Extension => {
            run();
            wake::wake_at_commit();
        }
        Concern::Database(database) => {
            let hold = Hold::take(database).unwrap_or_report();
            run();
            drop(hold);
        }
    }
}

enum Concern {
    None,
    /// CREATE, ALTER or DROP EXTENSION, or its schema.
    Extension,
    /// This database must have no other connections.
    Database(pg_sys::Oid),
}

/// # Safety
/// `node` is a utility statement.
unsafe fn concern(node: *mut pg_sys::Node) -> Concern {
    // SAFETY: each cast follows the node's tag; strings are the parser's.
    let name = unsafe {
        match (*node).type_ {
            pg_sys::NodeTag::T_DropdbStmt => (*node.cast::<pg_sys::DropdbStmt>()).dbname,
            pg_sys::NodeTag::T_AlterDatabaseStmt => {
                let alter = node.cast::<pg_sys::AlterDatabaseStmt>();
                match option((*alter).options, c"tablespace") {
                    Some(_) => (*alter).dbname,
                    None => return Concern::None,
                }
            }
            pg_sys::NodeTag::T_RenameStmt => {
                let rename = node.cast::<pg_sys::RenameStmt>();
                match (*rename).renameType {
                    pg_sys::ObjectType::OBJECT_DATABASE => (*rename).subname,
                    _ => return Concern::None,
                }
            }
            pg_sys::NodeTag::T_CreatedbStmt => {
                match option((*node.cast::<pg_sys::CreatedbStmt>()).options, c"template") {
                    Some(template) if !(*template).arg.is_null() => pg_sys::defGetString(template),
                    _ => return Concern::None,
                }
            }
            pg_sys::NodeTag::T_CreateExtensionStmt => {
                let created = CStr::from_ptr((*node.cast::<pg_sys::CreateExtensionStmt>()).extname);
                return if created == c"calendar_sync" { Concern::Extension } else { Concern::None };
            }
            _ => return Concern::None,
        }
    };
    if name.is_null() {
        return Concern::None;
    }
    // SAFETY: look-ups in the catalog, within the statement's transaction.
    unsafe {
        let database = pg_sys::get_database_oid(name, true);
        if database == pg_sys::InvalidOid || !may_command(database) {
            Concern::None
        } else {
            Concern::Database(database)
        }
    }
}

/// # Safety
/// `options` is a list of DefElem.
unsafe fn option(options: *mut pg_sys::List, name: &CStr) -> Option<*mut pg_sys::DefElem> {
    // SAFETY: see above; names are the parser's strings.
    unsafe {
        PgList::<pg_sys::DefElem>::from_pg(options).iter_ptr().find(|element| {
            is_a((*element).cast(), pg_sys::NodeTag::T_DefElem) && CStr::from_ptr((**element).defname) == name
        })
    }
}

/// Who may not drop or copy a database must not be able to stop its worker either.
///
/// # Safety
/// Within a transaction.
unsafe fn may_command(database: pg_sys::Oid) -> bool {
    // SAFETY: look-ups in the catalog.
    unsafe {
        let user = pg_sys::GetUserId();
        #[cfg(feature = "pg15")]
        return pg_sys::pg_database_ownercheck(database, user);
        #[cfg(not(feature = "pg15"))]
        return pg_sys::object_ownercheck(pg_sys::DatabaseRelationId, database, user);
    }
}

/// Keeps a database without a worker; dropped, also by an error, it lets the launcher start one again.
struct Hold(pg_sys::Oid);

impl Hold {
    fn take(database: pg_sys::Oid) -> SqlResult<Self> {
        // SAFETY: reads a variable of this process.
        let me = unsafe { pg_sys::MyProcPid };
        // Where the launcher has not seen the database yet, no worker can be in it.
        shared::with_slot(database, |slot| slot.held_by = me);
        let hold = Self(database);
        let bell = Bell::new().map_err(internal)?;
        for _ in 0..TRIES {
            let busy = shared::with_slot(database, |slot| (slot.worker.pid, slot.state == shared::State::Starting));
            match busy {
                None | Some((0, false)) => break,
                Some((0, true)) => {}
                Some((pid, _)) => launcher::terminate(pid),
            }
            wait(&bell, Duration::from_millis(10));
        }
        Ok(hold)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        shared::with_slot(self.0, |slot| {
            slot.held_by = 0;
            slot.started_at = 0;
        });
        shared::wake_launcher(None);
    }
}
