//! What a worker does now and then besides pulling.

use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};

use super::extension::{Extension, within_logged};
use crate::settings;
use crate::store::connections;
use crate::sync::apply;
use crate::zones::PgZones;

/// Time between two looks at what failed and at the series' windows.
const OFTEN: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// Rows in one transaction.
const BATCH: i64 = 5_000;

pub struct Upkeep {
    next: Instant,
    next_purge: Instant,
}

impl Upkeep {
    pub fn new(now: Instant) -> Self {
        Self { next: now, next_purge: now + OFTEN }
    }

    pub fn is_due(&self, now: Instant) -> bool {
        now >= self.next
    }

    /// One batch of each; what is left over is due again at once.
    pub fn run(&mut self, now: Instant) -> Extension {
        let (extension, extended) = within_logged(|installation| apply::extend(installation, &PgZones, Utc::now()));
        self.next = if extended.is_some_and(|series| series > 0) { now } else { now + OFTEN };
        if extension != Extension::Present || now < self.next_purge {
            return extension;
        }
        let kept = TimeDelta::seconds(i64::from(settings::LOG_RETENTION.get()));
        let (extension, purged) =
            within_logged(|installation| connections::purge_log(installation, Utc::now() - kept, BATCH));
        match purged {
            Some(rows) if rows >= BATCH.unsigned_abs() => self.next = now,
            _ => self.next_purge = now + DAY,
        }
        extension
    }
}
