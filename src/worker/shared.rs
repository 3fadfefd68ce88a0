//! What the launcher, the workers and the sessions know of each other, in shared memory.

use std::sync::atomic::{AtomicBool, Ordering};

use pgrx::prelude::*;
use pgrx::{PGRXSharedMemory, PgLwLock, pg_shmem_init, pg_sys};

use super::counters::Counters;

/// Databases that are known at a time. One that has a worker keeps its place; one that was found to be without the
/// extension gives way to a new one.
const MAX_DATABASES: usize = 1024;

static SHARED: PgLwLock<Shared> = {
    // SAFETY: the name is the extension's own.
    unsafe { PgLwLock::new(c"calendar_sync") }
};
static PRELOADED: AtomicBool = AtomicBool::new(false);

/// What a database's worker is up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Not looked at yet, or to be looked at again.
    Unknown,
    Starting,
    Running,
    /// The extension is not in that database.
    Absent,
    /// A restored copy.
    Aside,
    /// Nothing is there to work on yet.
    Waiting,
    NoSlot,
    /// Its rounds end in an error.
    Failing,
    /// Somebody has the extension locked, to drop it.
    SteppedAside,
    /// Ended; started again after a pause.
    Stopped,
}

/// A text of at most so many bytes.
#[derive(Debug, Clone, Copy)]
pub struct Text<const SIZE: usize> {
    length: usize,
    bytes: [u8; SIZE],
}

impl<const SIZE: usize> Text<SIZE> {
    /// No text.
    pub const EMPTY: Self = Self { length: 0, bytes: [0; SIZE] };

    /// The beginning of `text`, as far as there is room.
    pub fn new(text: &str) -> Self {
        let length = (0..=text.len().min(SIZE)).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
        let mut new = Self { length, ..Self::EMPTY };
        new.bytes[..length].copy_from_slice(&text.as_bytes()[..length]);
        new
    }

    /// `None` where it is empty.
    pub fn get(&self) -> Option<&str> {
        std::str::from_utf8(&self.bytes[..self.length]).ok().filter(|text| !text.is_empty())
    }
}

/// A process and the latch that wakes it. The latch belongs to its place in PostgreSQL's array of processes: it stays
/// valid, at worst it wakes another process for nothing.
#[derive(Debug, Clone, Copy)]
pub struct Process {
    pub pid: i32,
    latch: *mut pg_sys::Latch,
}

impl Process {
    const NONE: Self = Self { pid: 0, latch: std::ptr::null_mut() };

    fn me() -> Self {
        // SAFETY: reads two variables of this process.
        unsafe { Self { pid: pg_sys::MyProcPid, latch: pg_sys::MyLatch } }
    }

    /// Asks it to end. By its pid: a worker may have been registered by a launcher before this one.
    pub fn terminate(self) {
        if self.pid != 0 {
            // SAFETY: a signal to a process of this server.
            unsafe { libc::kill(self.pid, libc::SIGTERM) };
        }
    }

    fn wake(self) {
        if self.pid != 0 && !self.latch.is_null() {
            // SAFETY: a latch in shared memory, see above.
            unsafe { pg_sys::SetLatch(self.latch) };
        }
    }
}

/// A database with a worker, or that should have one.
#[derive(Debug, Clone, Copy)]
pub struct Slot {
    /// InvalidOid: the slot is free.
    pub database: pg_sys::Oid,
    pub state: State,
    pub worker: Process,
    /// The session that keeps this database without a worker (DROP DATABASE and the like); 0: none.
    pub held_by: i32,
    /// When it was last started or looked at, and its last round.
    pub started_at: i64,
    pub last_loop: i64,
    pub due: i32,
    pub in_flight: i32,
    pub counters: Counters,
    pub failed_starts: u32,
    pub warned: bool,
    /// Somebody has called the worker since its last round began.
    pub called: bool,
    /// The last worker ended because it was told to: what it had leased is in nobody's hands.
    pub ended_as_told: bool,
    /// What its rounds end in.
    pub trouble: Text<200>,
}

impl Slot {
    const FREE: Self = Self {
        database: pg_sys::InvalidOid,
        state: State::Unknown,
        worker: Process::NONE,
        held_by: 0,
        started_at: 0,
        last_loop: 0,
        due: 0,
        in_flight: 0,
        counters: Counters::NONE,
        failed_starts: 0,
        warned: false,
        called: false,
        ended_as_told: false,
        trouble: Text::EMPTY,
    };
}

struct Shared {
    launcher: Process,
    slots: [Slot; MAX_DATABASES],
}

// SAFETY: plain data; the pointers in it point into shared memory, which every process maps at the same address.
unsafe impl PGRXSharedMemory for Shared {}

/// Asks for the memory; while shared_preload_libraries are loaded.
#[allow(unexpected_cfgs, reason = "pgrx' macro asks for PostgreSQL versions that this crate does not have")]
pub fn register() {
    PRELOADED.store(true, Ordering::Relaxed);
    pg_shmem_init!(SHARED = Shared { launcher: Process::NONE, slots: [Slot::FREE; MAX_DATABASES] });
}

/// Whether the library was loaded by shared_preload_libraries. All below but what takes this into account needs it.
pub fn is_preloaded() -> bool {
    PRELOADED.load(Ordering::Relaxed)
}

/// Microseconds since 2000, as PostgreSQL counts.
pub fn now() -> i64 {
    // SAFETY: reads the clock.
    unsafe { pg_sys::GetCurrentTimestamp() }
}

/// Announces this process as the launcher.
pub fn set_launcher() {
    SHARED.exclusive().launcher = Process::me();
}

/// Wakes the launcher.
pub fn wake_launcher() {
    if is_preloaded() {
        let launcher = SHARED.share().launcher;
        launcher.wake();
    }
}

/// Wakes the worker of this session's database; where there is none, or one that is about to end because it did not
/// find the extension, has the launcher look at once.
pub fn call_worker() {
    if !is_preloaded() {
        return;
    }
    // SAFETY: reads a variable of this process.
    let database = unsafe { pg_sys::MyDatabaseId };
    let called = {
        let mut shared = SHARED.exclusive();
        let launcher = shared.launcher;
        match shared.slots.iter_mut().find(|slot| slot.database == database) {
            Some(slot) if slot.worker.pid != 0 && slot.state != State::Absent => {
                slot.called = true;
                slot.worker
            }
            Some(slot) => {
                if matches!(slot.state, State::Absent | State::NoSlot) {
                    slot.state = State::Unknown;
                }
                launcher
            }
            None => launcher,
        }
    };
    called.wake();
}

/// Reads and changes a database's slot; `None` where it has none.
pub fn with_slot<T>(database: pg_sys::Oid, change: impl FnOnce(&mut Slot) -> T) -> Option<T> {
    SHARED.exclusive().slots.iter_mut().find(|slot| slot.database == database).map(change)
}

/// As [`with_slot`], with a new slot where there is none; `None` where all are taken by databases with the extension.
pub fn with_slot_made<T>(database: pg_sys::Oid, change: impl FnOnce(&mut Slot) -> T) -> Option<T> {
    let mut shared = SHARED.exclusive();
    let given_way = |slot: &Slot| slot.state == State::Absent && slot.worker.pid == 0 && slot.held_by == 0;
    let place = shared
        .slots
        .iter()
        .position(|slot| slot.database == database)
        .or_else(|| shared.slots.iter().position(|slot| slot.database == pg_sys::InvalidOid))
        .or_else(|| shared.slots.iter().position(given_way))?;
    let slot = &mut shared.slots[place];
    if slot.database != database {
        *slot = Slot { database, ..Slot::FREE };
    }
    Some(change(slot))
}

/// Asks a database's worker to end, and the launcher to start another at once.
pub fn restart(database: pg_sys::Oid) {
    let worker = with_slot(database, |slot| {
        slot.started_at = 0;
        slot.worker
    });
    worker.unwrap_or(Process::NONE).terminate();
}

/// Frees the slots of databases that are gone. A held one stays: a DROP DATABASE may yet be rolled back.
pub fn forget_all_but(databases: &[pg_sys::Oid]) {
    for slot in &mut SHARED.exclusive().slots {
        if slot.worker.pid == 0 && slot.held_by == 0 && !databases.contains(&slot.database) {
            *slot = Slot::FREE;
        }
    }
}

/// All slots in use.
pub fn slots() -> Vec<Slot> {
    SHARED.share().slots.iter().filter(|slot| slot.database != pg_sys::InvalidOid).copied().collect()
}

/// Puts this process into its database's slot; false where there is a worker already, or a session wants none.
pub fn enter(database: pg_sys::Oid) -> bool {
    with_slot(database, |slot| {
        // SAFETY: looks a process up in shared memory.
        let taken = slot.worker.pid != 0 && unsafe { !pg_sys::BackendPidGetProc(slot.worker.pid).is_null() };
        if slot.held_by == 0 && !taken {
            slot.worker = Process::me();
            return true;
        }
        false
    })
    .unwrap_or(false)
}

/// Takes this process out of its slot; at exit.
pub fn leave(database: pg_sys::Oid, as_told: bool) {
    let me = Process::me().pid;
    with_slot(database, |slot| {
        if slot.worker.pid == me {
            slot.worker = Process::NONE;
            slot.due = 0;
            slot.in_flight = 0;
            slot.ended_as_told = as_told;
            if !matches!(slot.state, State::Absent | State::Unknown) {
                slot.state = State::Stopped;
            }
        }
    });
    wake_launcher();
}

/// What this session's database has had done by its worker; `None` where none has been in sight.
pub fn counters() -> Option<Counters> {
    // SAFETY: reads a variable of this process.
    let database = unsafe { pg_sys::MyDatabaseId };
    let slots = if is_preloaded() { slots() } else { Vec::new() };
    slots.iter().find(|slot| slot.database == database).map(|slot| slot.counters)
}

/// Whether this database has a worker.
pub fn is_running() -> bool {
    // SAFETY: reads a variable of this process.
    let database = unsafe { pg_sys::MyDatabaseId };
    is_preloaded() && SHARED.share().slots.iter().any(|slot| slot.database == database && slot.worker.pid != 0)
}
