//! When a connection is pulled next.

use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
/// Longest pause after failures, and the pause once the circuit breaker is open.
const LONGEST_PAUSE: Duration = Duration::from_secs(6 * 3600);
/// A server may ask for a longer pause, but for no longer than this.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(24 * 3600);
/// A feed may ask to be left alone for longer than the usual interval, but for no longer than this.
const LONGEST_HINT: Duration = Duration::from_secs(24 * 3600);
/// An answer that is still being made is asked for no more often.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
/// Failures in a row after which a connection's status is 'error'.
pub const FAILURES_TO_ERROR: u32 = 5;

/// What counts of the pause that a feed asks for.
pub fn hint(asked: Duration) -> Duration {
    asked.min(LONGEST_HINT)
}

/// Time between two polls. The connection's own interval is its owner's will; the usual one gives way to a feed that asks
/// for a longer one (see [`hint`]).
pub fn interval(own: Option<Duration>, usual: Duration, hint: Option<Duration>) -> Duration {
    own.unwrap_or_else(|| usual.max(hint.unwrap_or_default()))
}

/// The next regular poll, spread by `jitter_percent` around the interval so that not all come at once.
/// `random` is in 0..1.
pub fn after_success(interval: Duration, jitter_percent: u32, random: f64) -> Duration {
    interval.mul_f64(1.0 + f64::from(jitter_percent) / 100.0 * (2.0 * random - 1.0))
}

/// When an answer that is still being made is looked for: as its server wants, but soon.
pub fn while_pending(asked: Duration, interval: Duration) -> Duration {
    asked.min(interval).max(SHORTEST_PAUSE)
}

/// The next try after so many failures in a row (this one counted): 1, 2, 4, 8 minutes with jitter, then, as the
/// circuit breaker opens, every six hours. A longer Retry-After is obeyed.
pub fn after_failure(failures: u32, retry_after: Option<Duration>, random: f64) -> Duration {
    let pause = if failures >= FAILURES_TO_ERROR {
        LONGEST_PAUSE
    } else {
        (MINUTE * 2_u32.pow(failures.saturating_sub(1))).min(LONGEST_PAUSE)
    };
    let spread = pause.mul_f64(0.9 + 0.2 * random).min(LONGEST_PAUSE);
    spread.max(retry_after.unwrap_or_default().min(LONGEST_RETRY_AFTER))
}

/// The next try of an operation after so many failures of it (this one counted): 1, 2, 4, ... minutes with jitter. What its
/// provider asks for is obeyed.
pub fn before_retry(failures: u32, retry_after: Option<Duration>, random: f64) -> Duration {
    let pause = MINUTE.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1))).min(LONGEST_PAUSE);
    pause.mul_f64(0.9 + 0.2 * random).min(LONGEST_PAUSE).max(retry_after.unwrap_or_default().min(LONGEST_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_until_the_circuit_breaker_opens() {
        let minutes: Vec<u64> = (1..=6).map(|failures| after_failure(failures, None, 0.5).as_secs() / 60).collect();
        assert_eq!(minutes, [1, 2, 4, 8, 360, 360]);
    }

    #[test]
    fn an_operation_is_tried_later_and_later_and_not_before_its_provider_wants_it() {
        let minutes: Vec<u64> = (1..=4).map(|failures| before_retry(failures, None, 0.5).as_secs() / 60).collect();
        assert_eq!(minutes, [1, 2, 4, 8]);
        assert_eq!(before_retry(u32::MAX, None, 0.999), LONGEST_PAUSE);
        assert_eq!(before_retry(1, Some(Duration::from_secs(600)), 0.5).as_secs(), 600);
    }

    #[test]
    fn a_pause_is_at_most_six_hours_whatever_the_jitter() {
        for failures in [1, 5, 100, u32::MAX] {
            for random in [0.0, 0.5, 0.999] {
                assert!(after_failure(failures, None, random) <= LONGEST_PAUSE);
            }
        }
    }

    #[test]
    fn an_answer_that_is_being_made_is_looked_for_soon() {
        let seconds =
            |asked, interval| while_pending(Duration::from_secs(asked), Duration::from_secs(interval)).as_secs();
        assert_eq!([seconds(20, 600), seconds(0, 600), seconds(9_000, 600)], [20, 1, 600]);
    }

    #[test]
    fn retry_after_is_obeyed_within_a_day() {
        let hour = Duration::from_secs(3600);
        assert_eq!(after_failure(1, Some(hour), 0.5), hour);
        assert_eq!(after_failure(1, Some(Duration::from_secs(1)), 0.5), MINUTE);
        assert_eq!(after_failure(1, Some(hour * 1000), 0.5), hour * 24);
    }

    #[test]
    fn a_feed_may_ask_for_fewer_polls_but_not_for_more_and_its_owner_decides() {
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        assert_eq!(interval(None, hours(2), Some(hours(1))), hours(2));
        assert_eq!(interval(None, hours(2), Some(hours(3))), hours(3));
        assert_eq!(interval(Some(hours(1)), hours(2), Some(hours(3))), hours(1));
        assert_eq!(interval(None, hours(2), None), hours(2));
        assert_eq!(hint(hours(100_000_000)), hours(24));
    }

    #[test]
    fn regular_polls_are_spread_evenly_around_the_interval() {
        let hour = Duration::from_secs(3600);
        assert_eq!(after_success(hour, 10, 0.0), hour.mul_f64(0.9));
        assert_eq!(after_success(hour, 10, 0.5), hour);
        assert_eq!(after_success(hour, 0, 0.9), hour);
    }
}
