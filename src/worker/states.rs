//! What the view calendar_worker_status shows.

use pgrx::pg_sys;

use super::shared::{self, Slot, State};
use crate::settings;

/// A row of calendar_worker_status.
pub struct DatabaseState {
    pub database: pg_sys::Oid,
    pub pid: Option<i32>,
    pub state: &'static str,
    pub last_loop: Option<i64>,
    pub due: Option<i32>,
    pub in_flight: Option<i32>,
    pub last_error: Option<String>,
}

/// Every database that has, or should have, a worker; this one at least.
pub fn states() -> Vec<DatabaseState> {
    // SAFETY: reads a variable of this process, and one in shared memory.
    let (here, standby) = unsafe { (pg_sys::MyDatabaseId, pg_sys::RecoveryInProgress()) };
    let plain = |state| DatabaseState {
        database: here,
        pid: None,
        state,
        last_loop: None,
        due: None,
        in_flight: None,
        last_error: None,
    };
    if !shared::is_preloaded() {
        return vec![plain("not in shared_preload_libraries")];
    }
    if standby {
        return vec![plain("standby")];
    }
    if !settings::WORKER.get() {
        return vec![plain("off")];
    }
    let mut states: Vec<_> = shared::slots().iter().filter(|slot| slot.state != State::Absent).map(state_of).collect();
    if !states.iter().any(|state| state.database == here) {
        states.push(plain("none"));
    }
    states
}

fn state_of(slot: &Slot) -> DatabaseState {
    let alive = slot.worker.pid != 0;
    DatabaseState {
        database: slot.database,
        pid: alive.then_some(slot.worker.pid),
        state: match slot.state {
            _ if slot.held_by != 0 => "held off",
            State::SteppedAside => "held off",
            State::Running => "running",
            State::Aside => "stands aside: restored copy",
            State::Waiting => "waits: nothing attached or subscribed yet",
            State::NoSlot => "no worker slot",
            State::Failing => "failing",
            State::Unknown | State::Starting => "starting",
            State::Stopped if slot.failed_starts > 1 => "does not start: see the server's log",
            State::Stopped | State::Absent => "stopped",
        },
        last_loop: Some(slot.last_loop).filter(|_| alive && slot.last_loop != 0),
        due: alive.then_some(slot.due),
        in_flight: alive.then_some(slot.in_flight),
        last_error: slot.trouble.get().map(str::to_owned),
    }
}
