//! What a database's worker has done since the server started.

use std::time::Duration;

use crate::sync::pull::Counts;

/// Sums that only grow, until the server restarts or the database is gone.
#[derive(Debug, Clone, Copy)]
pub struct Counters {
    /// Pulls that found nothing new, that read a calendar, and that failed.
    pub unchanged: u64,
    pub applied: u64,
    pub failed: u64,
    /// Events made, changed and deleted; a series counts as one.
    pub created: u64,
    pub updated: u64,
    pub deleted: u64,
    /// Time that servers took to answer, of all threads together.
    pub network: Duration,
}

impl Counters {
    /// Nothing was counted yet.
    pub const NONE: Self =
        Self { unchanged: 0, applied: 0, failed: 0, created: 0, updated: 0, deleted: 0, network: Duration::ZERO };

    /// A calendar was read and applied.
    pub fn count_applied(&mut self, counts: &Counts) {
        let number = |count: i32| u64::try_from(count).unwrap_or_default();
        self.applied += 1;
        self.created += number(counts.created);
        self.updated += number(counts.updated);
        self.deleted += number(counts.deleted);
    }

    /// Adds what was counted since, and begins anew.
    pub fn take_from(&mut self, since: &mut Self) {
        let since = std::mem::replace(since, Self::NONE);
        self.unchanged += since.unchanged;
        self.applied += since.applied;
        self.failed += since.failed;
        self.created += since.created;
        self.updated += since.updated;
        self.deleted += since.deleted;
        self.network += since.network;
    }
}
