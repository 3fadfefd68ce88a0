//! What a worker does now and then besides pulling.

use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};

use super::extension::{Extension, logged, within_here, within_here_as_worker};
use crate::interaction;
use crate::settings;
use crate::sync::apply;
use crate::sync::changes::comparison;
use crate::sync::cleanup;
use crate::zones::PgZones;

/// Time between two looks at what failed and at the series' windows.
const OFTEN: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// Failed interactions that are tried again in one transaction.
const RETRIES: i32 = 100;
/// Connections that are compared one after the other.
const COMPARISONS: usize = 10;

/// When each of it is next.
pub struct Upkeep {
    next: Instant,
    next_cleanup: Instant,
    cleanup: cleanup::Rounds,
}

impl Upkeep {
    pub fn new(now: Instant) -> Self {
        Self { next: now, next_cleanup: now, cleanup: cleanup::Rounds::default() }
    }

    /// Whether any of it is due.
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
        if extension != Extension::Present {
            return extension;
        }
        let (extension, more_to_compare) = compare();
        let more = more_to_compare
            || extended.is_some_and(|series| series > 0)
            || retried.is_some_and(|tried| tried.len() == RETRIES as usize);
        self.next = if more { now } else { now + OFTEN };
        if extension != Extension::Present || now < self.next_cleanup {
            return extension;
        }
        self.clean_up(now)
    }

    /// One batch of the daily cleanup.
    fn clean_up(&mut self, now: Instant) -> Extension {
        let ago = |seconds: i32| Utc::now() - TimeDelta::seconds(i64::from(seconds));
        let before =
            cleanup::before(ago(settings::LOG_RETENTION.get()), ago(settings::QUEUE_RETENTION.get()), Utc::now());
        let (extension, removed) = logged(within_here(|installation| self.cleanup.next(installation, &before)));
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

/// Some of the daily comparison, each connection in a transaction of its own; whether there may be more.
fn compare() -> (Extension, bool) {
    for _ in 0..COMPARISONS {
        let (extension, compared) = logged(within_here(comparison::next));
        if extension != Extension::Present || compared == Some(false) {
            return (extension, false);
        }
        if compared.is_none() {
            logged(within_here(comparison::put_off));
        }
    }
    (Extension::Present, true)
}
