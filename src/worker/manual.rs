//! How often users have their calendars pulled by hand.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use pgrx::prelude::*;
use pgrx::{PGRXSharedMemory, PgLwLock, pg_shmem_init, pg_sys};

use super::shared;

/// Users that are counted at a time; a further one takes the oldest one's place.
const MAX_USERS: usize = 1024;
/// In microseconds.
const MINUTE: i64 = 60_000_000;

static COUNTS: PgLwLock<Counts> = {
    // SAFETY: the name is the extension's own.
    unsafe { PgLwLock::new(c"calendar_sync_manual") }
};

struct Counts {
    manual: [Manual; MAX_USERS],
}

#[derive(Clone, Copy)]
struct Manual {
    key: u64,
    since: i64,
    count: i32,
}

// SAFETY: plain data.
unsafe impl PGRXSharedMemory for Counts {}

/// Asks for the memory; while shared_preload_libraries are loaded.
#[allow(unexpected_cfgs, reason = "pgrx' macro asks for PostgreSQL versions that this crate does not have")]
pub fn register() {
    pg_shmem_init!(COUNTS = Counts { manual: [Manual { key: 0, since: 0, count: 0 }; MAX_USERS] });
}

/// Counts a manual sync of that user and says whether it is within `limit` a minute; in shared memory if there is any,
/// else in this backend.
pub fn allow_manual_sync(user_id: &str, limit: i32) -> bool {
    thread_local! {
        static HERE: RefCell<HashMap<u64, (i64, i32)>> = RefCell::default();
    }
    let mut hasher = DefaultHasher::new();
    // SAFETY: reads a variable of this process.
    (unsafe { pg_sys::MyDatabaseId.to_u32() }, user_id).hash(&mut hasher);
    let (key, now) = (hasher.finish(), shared::now());
    if shared::is_preloaded() {
        let mut counts = COUNTS.exclusive();
        let known = counts.manual.iter().position(|manual| manual.key == key && manual.count > 0);
        let oldest = || counts.manual.iter().enumerate().min_by_key(|(_, manual)| manual.since).map(|(place, _)| place);
        let Some(place) = known.or_else(oldest) else { return true };
        let manual = &mut counts.manual[place];
        if manual.key != key {
            *manual = Manual { key, since: now, count: 0 };
        }
        return within(&mut manual.since, &mut manual.count, now, limit);
    }
    HERE.with_borrow_mut(|users| {
        users.retain(|_, (since, _)| now - *since < MINUTE);
        let (since, count) = users.entry(key).or_insert((now, 0));
        within(since, count, now, limit)
    })
}

fn within(since: &mut i64, count: &mut i32, now: i64, limit: i32) -> bool {
    if now - *since >= MINUTE {
        (*since, *count) = (now, 0);
    }
    *count = count.saturating_add(1);
    *count <= limit
}
