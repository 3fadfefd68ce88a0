//! The launcher: finds the databases that have the extension and keeps one worker in each.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pgrx::bgworkers::{BackgroundWorkerBuilder, BackgroundWorkerStatus, DynamicBackgroundWorker};
use pgrx::prelude::*;
use pgrx::{IntoDatum, PgMemoryContexts, pg_sys};

use super::activity;
use super::databases::{self, Database};
use super::process::{self, nap};
use super::shared::{self, Slot, State};
use crate::http::Bell;
use crate::settings;

/// Time between two looks at the databases when nobody calls.
const LOOK: Duration = Duration::from_secs(30);
/// Time after which a database without the extension is looked at again, in microseconds. CREATE EXTENSION tells by
/// itself, but not as a part of another extension's CASCADE.
const LOOK_AGAIN: i64 = 1_800_000_000;
/// Pause before a worker that ended is started again, in microseconds; doubled with each failed start up to 64 times.
const RESTART: i64 = 2_000_000;
/// How long a worker may take to say whether the extension is in its database, in microseconds.
const PATIENCE: i64 = 30_000_000;

/// That there are too many databases was said.
static TOO_MANY: AtomicBool = AtomicBool::new(false);

/// Registers the launcher with the postmaster; while shared_preload_libraries are loaded.
pub fn register() {
    BackgroundWorkerBuilder::new("calendar_sync launcher")
        .set_type("calendar_sync launcher")
        .set_library("calendar_sync")
        .set_function("calendar_sync_launcher_main")
        .enable_spi_access()
        .set_restart_time(Some(Duration::from_secs(5)))
        .load();
}

/// Runs until the server stops. On a standby PostgreSQL starts it at promotion.
#[pg_guard]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn calendar_sync_launcher_main(_argument: pg_sys::Datum) {
    process::set_signal_handlers();
    process::set_search_path();
    // SAFETY: once, at the start of a background worker; without a database, so that none is kept from being dropped.
    unsafe { pg_sys::BackgroundWorkerInitializeConnection(std::ptr::null(), std::ptr::null(), 0) };
    process::reload_if_asked(true);
    shared::set_launcher();
    let Ok(bell) = Bell::new() else { return exit_to_be_restarted() };
    loop {
        activity::busy("looking for databases");
        // SAFETY: nothing that is allocated in it leaves it. What PostgreSQL allocates for a registration is its
        // caller's to free, and goes with the context.
        let pause = unsafe { PgMemoryContexts::new("calendar_sync look").switch_to(|_| look(&bell)) };
        activity::idle("waiting");
        nap(&bell, pause);
        process::reload_if_asked(false);
    }
}

/// Returning would end the launcher for good.
fn exit_to_be_restarted() {
    // SAFETY: ends the process as PostgreSQL does.
    unsafe { pg_sys::proc_exit(1) }
}

/// One look at all databases; returns when the next is due.
fn look(bell: &Bell) -> Duration {
    let databases = match process::transaction(|| Ok(databases::eligible())) {
        Ok(databases) => databases,
        Err(message) => {
            pgrx::warning!("calendar_sync launcher: {message}");
            return LOOK;
        }
    };
    let wanted: Vec<pg_sys::Oid> =
        if settings::WORKER.get() { databases.iter().map(|it| it.oid).collect() } else { vec![] };
    shared::forget_all_but(&wanted);
    for slot in shared::slots().iter().filter(|slot| slot.worker.pid != 0 && !wanted.contains(&slot.database)) {
        slot.worker.terminate();
    }
    let mut pause = LOOK;
    for database in databases.iter().filter(|database| wanted.contains(&database.oid)) {
        let Some(slot) = shared::with_slot_made(database.oid, |slot| *slot) else {
            if !TOO_MANY.swap(true, Ordering::Relaxed) {
                pgrx::warning!("calendar_sync launcher: too many databases, {} gets no worker", database.name);
            }
            continue;
        };
        match wants_start(&slot, shared::now()) {
            Start::Now => start(database, bell),
            Start::In(left) => pause = pause.min(left),
            Start::No => {}
        }
    }
    pause
}

enum Start {
    Now,
    In(Duration),
    No,
}

fn wants_start(slot: &Slot, now: i64) -> Start {
    if slot.worker.pid != 0 {
        return Start::No;
    }
    if slot.held_by != 0 {
        if is_alive(slot.held_by) {
            return Start::In(Duration::from_secs(1));
        }
        // It died in the middle of its DROP DATABASE.
        shared::with_slot(slot.database, |slot| slot.held_by = 0);
    }
    let at = match slot.state {
        State::Absent => slot.started_at + LOOK_AGAIN,
        State::Stopped => slot.started_at + (RESTART << slot.failed_starts.min(6)),
        // Of no slot: asking again costs nothing, and there is one as soon as another worker has ended.
        _ => return Start::Now,
    };
    match u64::try_from(at - now) {
        Ok(left) if left > 0 => Start::In(Duration::from_micros(left)),
        _ => Start::Now,
    }
}

/// Starts a worker and waits until it says whether the extension is there: databases are tried one at a time.
fn start(database: &Database, bell: &Bell) {
    let began = shared::now();
    let free = shared::with_slot(database.oid, |slot| {
        let free = slot.held_by == 0;
        if free {
            slot.state = State::Starting;
            slot.started_at = began;
        }
        free
    });
    if free != Some(true) {
        return;
    }
    let Some(worker) = register_worker(database) else {
        let warned = shared::with_slot(database.oid, |slot| {
            slot.state = State::NoSlot;
            std::mem::replace(&mut slot.warned, true)
        });
        if warned == Some(false) {
            pgrx::warning!(
                "calendar_sync: no free worker slot for database {}; raise max_worker_processes",
                database.name
            );
        }
        return;
    };
    watch(database, &worker, began, bell);
}

/// Waits until a worker says whether the extension is there, or has ended.
fn watch(database: &Database, worker: &DynamicBackgroundWorker, began: i64, bell: &Bell) {
    let ended =
        || matches!(worker.pid(), Err(BackgroundWorkerStatus::Stopped | BackgroundWorkerStatus::PostmasterDied));
    while shared::with_slot(database.oid, |slot| slot.state) == Some(State::Starting)
        && !ended()
        && shared::now() - began < PATIENCE
    {
        nap(bell, Duration::from_millis(100));
    }
    shared::with_slot(database.oid, |slot| {
        slot.warned = false;
        match slot.state {
            State::Starting | State::Stopped if !slot.ended_as_told => {
                slot.state = State::Stopped;
                slot.failed_starts = slot.failed_starts.saturating_add(1);
            }
            State::Starting => slot.state = State::Stopped,
            _ => slot.failed_starts = 0,
        }
    });
    // Whoever called meanwhile has woken these naps instead of the next one.
    shared::wake_launcher();
}

fn register_worker(database: &Database) -> Option<DynamicBackgroundWorker> {
    // SAFETY: reads a variable of this process.
    let me = unsafe { pg_sys::MyProcPid };
    BackgroundWorkerBuilder::new(&format!("calendar_sync worker: {}", short(&database.name)))
        .set_type("calendar_sync worker")
        .set_library("calendar_sync")
        .set_function("calendar_sync_database_main")
        .set_argument(database.oid.into_datum())
        .enable_spi_access()
        .set_restart_time(None)
        .set_notify_pid(me)
        .load_dynamic()
        .ok()
}

/// A worker's name has room for 95 bytes.
fn short(name: &str) -> &str {
    let end = (0..=name.len().min(63)).rev().find(|end| name.is_char_boundary(*end)).unwrap_or_default();
    &name[..end]
}

fn is_alive(pid: i32) -> bool {
    // SAFETY: looks a process up in shared memory.
    unsafe { !pg_sys::BackendPidGetProc(pid).is_null() }
}
