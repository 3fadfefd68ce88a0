//! Commands that a worker would be in the way of: the worker of the database concerned is stopped first, and started
//! again when the command's transaction is over. And commands after which somebody has to look: the launcher for a new
//! database, or for the extension in an old one.

use std::sync::OnceLock;
use std::time::Duration;

use pgrx::pg_sys;
use pgrx::pg_sys::panic::ErrorReportable;
use pgrx::prelude::*;

use super::command::{Concern, concern};
use super::shared::{self, State};
use super::wake;
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
        Concern::Nobody => run(),
        Concern::Extension => {
            run();
            wake::wake_at_commit();
        }
        Concern::Launcher => {
            run();
            wake::look_at_commit();
        }
        Concern::Alone(database) => {
            hold(database).unwrap_or_report();
            run();
            wake::look_at_commit();
        }
        Concern::Restart(database) => {
            run();
            wake::restart_at_commit(database);
        }
    }
}

/// Stops a database's worker, and keeps another from starting until the current transaction is over.
fn hold(database: pg_sys::Oid) -> SqlResult<()> {
    // SAFETY: reads a variable of this process.
    let me = unsafe { pg_sys::MyProcPid };
    wake::when_over(move || {
        shared::with_slot(database, |slot| {
            if slot.held_by == me {
                slot.held_by = 0;
                slot.started_at = 0;
            }
        });
        shared::wake_launcher();
    });
    // A slot is made where there is none: the launcher might see the database only now.
    shared::with_slot_made(database, |slot| slot.held_by = me);
    let bell = Bell::new().map_err(internal)?;
    for _ in 0..TRIES {
        match shared::with_slot(database, |slot| (slot.worker, slot.state)) {
            Some((worker, _)) if worker.pid != 0 => worker.terminate(),
            Some((_, State::Starting)) => {}
            _ => break,
        }
        wait(&bell, Duration::from_millis(10));
    }
    Ok(())
}
