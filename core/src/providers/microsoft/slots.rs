//! The places of a series' occurrences by its rule, which exceptions and deleted occurrences are known by.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

use super::times::midnight;
use crate::providers::outlook::Clock;
use crate::recurrence::{Dates, Occurrences, Rule, Window};

/// Occurrences that are looked at in one span of time.
const MAX_SEARCH: usize = 20_000;
const DAY: i64 = 86_400;

/// A series' rule, and the clock by which it goes.
pub struct Slots<'a, 'z> {
    pub rule: &'a Rule,
    pub start: DateTime<Utc>,
    pub all_day: bool,
    pub clock: &'a Clock<'z>,
}

impl Slots<'_, '_> {
    /// The occurrence on a day of the series' zone; or, as Exchange is not known to count days by that, of UTC.
    pub fn on(&self, date: NaiveDate) -> Option<DateTime<Utc>> {
        let around = self.around(midnight(date));
        let local = around.iter().find(|slot| self.date(**slot) == date);
        local.or_else(|| around.iter().find(|slot| slot.date_naive() == date)).copied()
    }

    /// The occurrence that was to start then. Of an all-day series Exchange gives the instant at which that day began in
    /// the mailbox's zone, up to a day off.
    pub fn at(&self, original: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let distance = |slot: &DateTime<Utc>| (*slot - original).abs();
        let nearest = self.around(original).into_iter().min_by_key(distance)?;
        let close = if self.all_day { TimeDelta::hours(14) } else { TimeDelta::zero() };
        Some(nearest).filter(|slot| distance(slot) <= close)
    }

    /// All from `from` on before `to`.
    pub fn within(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> Vec<DateTime<Utc>> {
        let (from, to) = (from.timestamp(), to.timestamp() - 1);
        let instant = |seconds: i64| DateTime::from_timestamp(seconds, 0);
        if self.all_day {
            let window = Window { from: from.div_euclid(DAY), to: to.div_euclid(DAY) };
            let Ok(dates) = Dates::new(self.rule, self.start.timestamp().div_euclid(DAY), window) else {
                return vec![];
            };
            return dates.map_while(Result::ok).take(MAX_SEARCH).filter_map(|day| instant(day * DAY)).collect();
        }
        let window = Window { from, to };
        let Ok(found) = Occurrences::new(self.rule, self.start.timestamp(), self.clock, window) else { return vec![] };
        found.map_while(Result::ok).take(MAX_SEARCH).filter_map(instant).collect()
    }

    fn around(&self, at: DateTime<Utc>) -> Vec<DateTime<Utc>> {
        let add = |days| at.checked_add_signed(TimeDelta::days(days)).unwrap_or(at);
        self.within(add(-2), add(3))
    }

    fn date(&self, slot: DateTime<Utc>) -> NaiveDate {
        if self.all_day { slot.date_naive() } else { self.clock.local(slot).date() }
    }
}
