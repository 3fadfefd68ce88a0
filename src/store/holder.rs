//! Who holds a lease: a process of this server. The lease of one that is no more is void, however long it was given for.

use pgrx::pg_sys;

/// When this process was started. A process is told by its pid and this.
macro_rules! started_at {
    () => {
        "(select p.backend_start from pg_stat_get_activity(pg_backend_pid()) p)"
    };
}

/// That the process of these columns is still there. Where its start is not ours to see, whoever has its pid is taken for it.
macro_rules! is_there {
    ($pid:literal, $started_at:literal) => {
        concat!(
            "exists (
                 select
                 from pg_stat_get_activity(",
            $pid,
            ") p
                 where coalesce(p.backend_start = ",
            $started_at,
            ", true)
             )"
        )
    };
}

pub(super) use {is_there, started_at};

/// Which processes there are is looked up anew, also within a transaction.
pub fn look_again() {
    // SAFETY: forgets what this process has read of the statistics.
    unsafe { pg_sys::pgstat_clear_snapshot() };
}
