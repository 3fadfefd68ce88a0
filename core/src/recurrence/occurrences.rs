//! A rule's occurrences as instants, or as dates.

use std::collections::VecDeque;

use super::civil::{DAY, FIRST_SECOND, LAST_SECOND};
use super::error::{RecurrenceError, RuleError};
use super::local::Local;
use super::rule::{Frequency, Rule, Until};
use crate::zones::{Resolver, Zone};

/// Which occurrences are wanted, both ends inclusive: in seconds UTC since 1970 for [`Occurrences`], in days since then
/// for [`Dates`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    pub from: i64,
    pub to: i64,
}

impl Window {
    /// Without an end on either side.
    pub const ALL: Self = Self { from: i64::MIN, to: i64::MAX };
}

/// The instants (seconds UTC since 1970) that a rule gives, strictly increasing, computed as they are asked for.
///
/// An item is an error if the search was given up; nothing follows it.
#[derive(Debug)]
pub struct Occurrences<Z> {
    local: Local,
    resolver: Resolver<Z>,
    /// DTSTART. Local time that exists twice may make it look later than it is.
    start: i64,
    window: Window,
    /// The last one that was given.
    last: i64,
    /// Instants of local times that do not exist: they are as late as others that come after them in local time.
    shifted: VecDeque<i64>,
    /// What comes after those.
    following: Option<i64>,
    finished: bool,
}

impl<Z: Zone> Occurrences<Z> {
    /// Expands `rule` from `start` (DTSTART, an instant) on, with the wall clock of `zone`. DTSTART is among the
    /// occurrences only if the rule gives it, and COUNT counts what the rule gives.
    ///
    /// A local time in a gap is taken with the offset before the gap, one that exists twice is the first (RFC 5545,
    /// 3.3.5). An UNTIL that is an instant is compared as such; a date is its local midnight.
    ///
    /// # Errors
    /// [`RecurrenceError::StartOutOfRange`] before 4714 BC and after 9999.
    pub fn new(rule: &Rule, start: i64, zone: Z, window: Window) -> Result<Self, RecurrenceError> {
        let resolver = Resolver::new(zone);
        let local_start = resolver.to_local(start);
        Self::starting_at(rule, start, local_start, resolver, window)
    }

    /// The same from `local_start` on, in local seconds: where the clock never shows that time, `start` is later.
    pub(super) fn starting_at(
        rule: &Rule,
        start: i64,
        local_start: i64,
        resolver: Resolver<Z>,
        mut window: Window,
    ) -> Result<Self, RecurrenceError> {
        if !(FIRST_SECOND..=LAST_SECOND).contains(&start) {
            return Err(RecurrenceError::StartOutOfRange);
        }
        let mut limit = None;
        match rule.until {
            Some(Until::Utc(until)) => window.to = window.to.min(until),
            Some(Until::Local(until)) => limit = Some(until),
            Some(Until::Date(day)) => limit = Some(day * DAY),
            None => {}
        }
        if window.to < LAST_SECOND {
            let end = resolver.latest_local(window.to.max(FIRST_SECOND));
            limit = Some(limit.map_or(end, |limit| limit.min(end)));
        }
        let from = if window.from > start {
            resolver.earliest_local(window.from.min(LAST_SECOND + DAY)).max(local_start)
        } else {
            local_start
        };
        let local = Local::new(rule, local_start, from, limit);
        let finished = window.to < start || window.from > window.to;
        Ok(Self { local, resolver, start, window, last: i64::MIN, shifted: VecDeque::new(), following: None, finished })
    }

    /// The next instant, in order but for what `next` checks.
    #[inline]
    fn candidate(&mut self) -> Result<Option<i64>, RecurrenceError> {
        if !self.shifted.is_empty() || self.following.is_some() {
            return self.queued();
        }
        let Some(local) = self.local.next()? else { return Ok(None) };
        match self.resolver.exact(local) {
            Some(instant) => Ok(Some(instant)),
            None => self.near_change(local),
        }
    }

    /// Local time close to a clock change: gathers those in a gap until the first that is not.
    fn near_change(&mut self, mut local: i64) -> Result<Option<i64>, RecurrenceError> {
        loop {
            let resolved = self.resolver.resolve(local);
            if !resolved.in_gap {
                self.following = Some(resolved.instant);
                break;
            }
            self.shifted.push_back(resolved.instant);
            match self.local.next()? {
                Some(next) => local = next,
                None => break,
            }
        }
        self.queued()
    }

    /// Merges what a gap has shifted with what follows.
    fn queued(&mut self) -> Result<Option<i64>, RecurrenceError> {
        if self.following.is_none()
            && !self.shifted.is_empty()
            && let Some(local) = self.local.next()?
        {
            self.following = Some(self.resolver.resolve(local).instant);
        }
        match (self.shifted.front(), self.following) {
            (Some(&shifted), Some(following)) if shifted > following => Ok(self.following.take()),
            (Some(_), _) => Ok(self.shifted.pop_front()),
            (None, _) => Ok(self.following.take()),
        }
    }
}

impl<Z: Zone> Iterator for Occurrences<Z> {
    type Item = Result<i64, RecurrenceError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        while !self.finished {
            match self.candidate() {
                Ok(Some(instant)) if instant > self.window.to => self.finished = true,
                Ok(Some(instant)) => {
                    let instant = instant.max(self.start);
                    if instant > self.last && instant >= self.window.from {
                        self.last = instant;
                        return Some(Ok(instant));
                    }
                }
                Ok(None) => self.finished = true,
                Err(error) => {
                    self.finished = true;
                    return Some(Err(error));
                }
            }
        }
        None
    }
}

/// The dates (days since 1970) that a rule of an all-day series gives, strictly increasing.
#[derive(Debug)]
pub struct Dates {
    local: Local,
    finished: bool,
}

impl Dates {
    /// Expands `rule` from the day `start` (DTSTART with VALUE=DATE) on. BYHOUR, BYMINUTE and BYSECOND are ignored, as
    /// RFC 5545, 3.3.10 wants it; of an UNTIL with a time the date counts.
    ///
    /// # Errors
    /// As for [`Occurrences::new`]; and [`RuleError`] for a FREQ that is shorter than a day.
    pub fn new(rule: &Rule, start: i64, window: Window) -> Result<Self, RecurrenceError> {
        if rule.frequency > Frequency::Daily {
            return Err(RecurrenceError::Rule(RuleError {
                part: "FREQ".to_owned(),
                problem: format!(
                    "{} needs a time of day, which a series of dates does not have",
                    rule.frequency.word()
                ),
                hint: "Use FREQ=DAILY or longer, or start the series at a time.",
            }));
        }
        if !(FIRST_SECOND / DAY..=LAST_SECOND / DAY).contains(&start) {
            return Err(RecurrenceError::StartOutOfRange);
        }
        let until = rule.until.map(|until| match until {
            Until::Date(day) => day,
            Until::Local(second) | Until::Utc(second) => second.div_euclid(DAY),
        });
        let mut last = until.unwrap_or(i64::MAX).min(window.to);
        if last > LAST_SECOND / DAY {
            last = i64::MAX;
        }
        let limit = (last != i64::MAX).then(|| last.max(FIRST_SECOND / DAY) * DAY);
        let untimed = Rule { by_hour: Vec::new(), by_minute: Vec::new(), by_second: Vec::new(), ..rule.clone() };
        let from = window.from.clamp(start, LAST_SECOND / DAY + 1);
        let local = Local::new(&untimed, start * DAY, from * DAY, limit);
        Ok(Self { local, finished: last < start || window.from > last })
    }
}

impl Iterator for Dates {
    type Item = Result<i64, RecurrenceError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.finished {
            return None;
        }
        match self.local.next() {
            Ok(Some(second)) => Some(Ok(second.div_euclid(DAY))),
            Ok(None) => {
                self.finished = true;
                None
            }
            Err(error) => {
                self.finished = true;
                Some(Err(error))
            }
        }
    }
}
