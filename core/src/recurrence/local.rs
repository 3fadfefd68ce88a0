//! A rule's occurrences in local time: COUNT, UNTIL and the bound of the search around an [`Engine`].

use super::civil::{DAY, LAST_SECOND};
use super::counting::{DAYS_OF_ROUND, least_common_multiple};
use super::engine::Engine;
use super::error::RecurrenceError;
use super::rule::{Frequency, Rule};

/// Seconds of 400 years.
const ROUND: i64 = DAYS_OF_ROUND * DAY;

#[derive(Debug)]
pub(super) struct Local {
    engine: Engine,
    /// Occurrences that COUNT leaves; `u64::MAX` without COUNT.
    left: u64,
    /// Last local second that is wanted.
    limit: i64,
    /// Nothing wanted by then means that the rule never matches, rather than that its end or the window's is reached.
    must_find: bool,
}

impl Local {
    /// Occurrences of a rule from `start` (DTSTART) on, those before `from` left out (but counted by COUNT), up to
    /// `limit` if there is one. All are local seconds.
    pub fn new(rule: &Rule, start: i64, from: i64, limit: Option<i64>) -> Self {
        let mut engine = Engine::new(rule, start);
        let mut left = rule.count.map_or(u64::MAX, u64::from);
        if from > start {
            if rule.count.is_some() {
                left = left.saturating_sub(engine.count_to(from));
            } else {
                engine.seek(from);
            }
        }
        // A window that starts so late that the rule's last occurrence may lie before it proves nothing.
        let must_find = limit.is_none() && (from <= start || LAST_SECOND - from >= round_of(rule));
        Self { engine, left, limit: limit.unwrap_or(LAST_SECOND).min(LAST_SECOND), must_find }
    }

    /// The next time, in local seconds since 1970; `None` after the last one.
    #[inline]
    pub fn next(&mut self) -> Result<Option<i64>, RecurrenceError> {
        if self.left == 0 {
            return Ok(None);
        }
        match self.engine.next(self.limit)? {
            Some(next) if next <= self.limit => {
                self.must_find = false;
                if self.left != u64::MAX {
                    self.left -= 1;
                }
                Ok(Some(next))
            }
            _ => {
                self.left = 0;
                if self.must_find { Err(RecurrenceError::LimitExceeded) } else { Ok(None) }
            }
        }
    }
}

/// Seconds after which a rule that has not matched never will: the calendar repeats itself after 400 years, which are
/// 146,097 days and 20,871 weeks, and so do INTERVAL's phases in it.
fn round_of(rule: &Rule) -> i64 {
    let interval = i64::from(rule.interval);
    // As many periods are 400 years; of hours and what is shorter, all of a day are looked at together.
    let (periods, seconds) = match rule.frequency {
        Frequency::Yearly => (400, ROUND / 400),
        Frequency::Monthly => (4800, ROUND / 4800),
        Frequency::Weekly => (20_871, 7 * DAY),
        Frequency::Daily => (146_097, DAY),
        _ => return ROUND,
    };
    least_common_multiple(periods, interval).saturating_mul(seconds)
}
