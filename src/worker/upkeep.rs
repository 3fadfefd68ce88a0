//! What a worker does now and then besides pulling.

use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};

use super::extension::{Extension, logged, within_here, within_here_as_worker};
use crate::interaction;
use crate::settings;
use crate::sync::apply;
use crate::sync::cleanup::Rounds;
use crate::zones::PgZones;

/// Time between two looks at what failed and at the series' windows.
const OFTEN: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// Failed interactions that are tried again in one transaction.
const RETRIES: i32 = 100;

pub struct Upkeep {
    next: Instant,
    next_cleanup: Instant,
    cleanup: Rounds,
}

impl Upkeep {
    pub fn new(now: Instant) -> Self {
        Self { next: now, next_cleanup: now, cleanup: Rounds::default() }
    }

    pub fn is_due(&self, now: Instant) -> bool {
        now >= self.next
    }

    /// One batch of each; what is left over is due again at once.
    pub fn run(&mut self, now: Instant) -> Extension {
        let (extension, retried) = logged(within_here_as_worker(|| interaction::retry_due(RETRIES)));
        if extension != Extension::Present {
            return extension;
        }
        let (extension, extended) =
            logged(within_here(|installation| apply::extend(installation, &PgZones, Utc::now())));
        let more =
            extended.is_some_and(|series| series > 0) || retried.is_some_and(|tried| tried.len() == RETRIES as usize);
        self.next = if more { now } else { now + OFTEN };
        if extension != Extension::Present || now < self.next_cleanup {
            return extension;
        }
        self.clean_up(now)
    }

    /// One batch of the daily cleanup.
    fn clean_up(&mut self, now: Instant) -> Extension {
        let before = Utc::now() - TimeDelta::seconds(i64::from(settings::LOG_RETENTION.get()));
        let (extension, removed) = logged(within_here(|installation| self.cleanup.next(installation, before)));
        if extension == Extension::Locked {
            return extension;
        }
        if self.cleanup.finished(removed.unwrap_or_default()) {
            self.next_cleanup = now + DAY;
        } else {
            self.next = now;
        }
        extension
    }
}
