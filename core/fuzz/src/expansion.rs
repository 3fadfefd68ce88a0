//! What must hold of every expansion.

use calendar_sync_core::recurrence::{Dates, Frequency, Occurrences, RecurrenceError, Rule, Window};
use calendar_sync_core::zones::Zone;

use crate::oracle;
use crate::times::DAY;

/// Occurrences that are looked at.
const MOST: usize = 400;

/// A part of what an expansion gives.
#[derive(Debug)]
struct Part {
    found: Vec<i64>,
    /// It ended by itself, rather than being cut after [`MOST`] or given up.
    ended: bool,
}

/// What comes from an expansion: ascending and within the window, whatever it is.
fn part<I>(expansion: Result<I, RecurrenceError>, window: Window) -> Option<Part>
where
    I: Iterator<Item = Result<i64, RecurrenceError>>,
{
    let mut part = Part { found: vec![], ended: false };
    for at in expansion.ok()?.take(MOST) {
        let Ok(at) = at else { return Some(part) };
        assert!(part.found.last().is_none_or(|last| *last < at), "{at} follows {:?}", part.found.last());
        assert!((window.from..=window.to).contains(&at), "{at} is outside of {window:?}");
        part.found.push(at);
    }
    part.ended = part.found.len() < MOST;
    Some(part)
}

/// A window gives what the whole gives in it.
fn agree(whole: &Part, windowed: &Part, window: Window) {
    let expected: Vec<i64> = whole.found.iter().copied().filter(|at| *at >= window.from).collect();
    let both = expected.len().min(windowed.found.len());
    assert_eq!(windowed.found[..both], expected[..both], "{window:?}");
    if whole.ended && windowed.ended {
        assert_eq!(windowed.found.len(), expected.len(), "{window:?}");
    }
    if whole.ended {
        assert!(windowed.found.len() <= expected.len(), "{window:?}");
    }
    if windowed.ended {
        assert!(expected.len() <= windowed.found.len(), "{window:?}");
    }
}

/// From each of some occurrences on, the next one is the next one.
fn steps(whole: &Part, next_after: impl Fn(i64) -> Option<Result<i64, RecurrenceError>>) {
    let stride = whole.found.len() / 7 + 1;
    for pair in whole.found.windows(2).step_by(stride) {
        match next_after(pair[0]) {
            Some(Ok(next)) => assert_eq!(next, pair[1], "after {}", pair[0]),
            Some(Err(_)) => {}
            None => panic!("nothing after {}", pair[0]),
        }
    }
}

/// Checks the expansion of a series of times.
pub fn check_times(rule: &Rule, start: i64, zone: &(impl Zone + Clone), window: Window) {
    check(start, window, |window| Occurrences::new(rule, start, zone.clone(), window));
}

/// Checks the expansion of a series of dates; what is given in seconds is taken as the day.
pub fn check_dates(rule: &Rule, start: i64, window: Window) {
    let days = |window: Window| Window { from: window.from.div_euclid(DAY), to: window.to.div_euclid(DAY) };
    let (start, window) = (start.div_euclid(DAY), days(window));
    check(start, window, |window| Dates::new(rule, start, window));
}

/// Checks one way to expand a rule from `start` on: its window against the whole, each step against the next.
fn check<I>(start: i64, window: Window, expand: impl Fn(Window) -> Result<I, RecurrenceError>)
where
    I: Iterator<Item = Result<i64, RecurrenceError>>,
{
    let all = Window { from: i64::MIN, to: window.to };
    let windowed = part(expand(window), window);
    let Some(whole) = part(expand(all), all) else { return };
    assert!(whole.found.first().is_none_or(|first| *first >= start));
    if let Some(windowed) = windowed {
        agree(&whole, &windowed, window);
    }
    steps(&whole, |at| expand(Window { from: at + 1, to: i64::MAX }).map_or_else(|e| Some(Err(e)), |mut it| it.next()));
}

/// Checks the first occurrences, in UTC, against the oracle.
pub fn check_oracle(rule: &Rule, start: i64) {
    let many = rule.by_hour.len().max(1) * rule.by_minute.len().max(1) * rule.by_second.len().max(1) > 64;
    // The oracle knows neither UNTIL nor times outside of the years that are written.
    if many
        || rule.until.is_some()
        || rule.by_second.contains(&60)
        || !(-60_000_000_000..4_000_000_000).contains(&start)
    {
        return;
    }
    let interval = i64::from(rule.interval.min(4));
    let reach = match rule.frequency {
        Frequency::Yearly => 3 * 366 * DAY * interval,
        Frequency::Monthly => 200 * DAY * interval,
        Frequency::Weekly => 70 * DAY * interval,
        Frequency::Daily => 30 * DAY * interval,
        Frequency::Hourly => DAY * interval,
        Frequency::Minutely => 7200 * interval,
        Frequency::Secondly => 900 * interval,
    };
    let window = Window { from: i64::MIN, to: start + reach };
    let Some(found) = part(Occurrences::new(rule, start, calendar_sync_core::zones::Utc, window), window) else {
        return;
    };
    let expected = oracle::occurrences(rule, start, start + reach);
    if found.ended {
        assert_eq!(found.found, expected);
    } else {
        assert!(expected.starts_with(&found.found), "{:?} instead of {expected:?}", found.found);
    }
}
