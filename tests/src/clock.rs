//! The clock of a fake provider: real time and what tests add to it.

use chrono::{DateTime, TimeDelta, Utc};

/// All stamps, identifiers and tokens come from it.
#[derive(Debug, Default)]
pub struct Clock {
    ahead: TimeDelta,
    frozen: Option<DateTime<Utc>>,
    last: DateTime<Utc>,
    numbers: u64,
}

impl Clock {
    /// In whole milliseconds; never before the last [`Clock::tick`].
    pub fn now(&self) -> DateTime<Utc> {
        let now = self.frozen.unwrap_or_else(Utc::now) + self.ahead;
        DateTime::from_timestamp_millis(now.timestamp_millis()).unwrap_or(now).max(self.last)
    }

    /// It stands still from now on, but for [`Clock::advance`].
    pub fn freeze(&mut self, at: DateTime<Utc>) {
        *self = Self { frozen: Some(at), numbers: self.numbers, ..Self::default() };
    }

    pub fn advance(&mut self, by: TimeDelta) {
        self.ahead += by;
    }

    /// The time of a change: never twice the same.
    pub fn tick(&mut self) -> DateTime<Utc> {
        self.last = self.now().max(self.last + TimeDelta::milliseconds(1));
        self.last
    }

    /// Never twice the same.
    pub fn new_number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// A word that nobody can guess, as far as tests go.
    pub fn new_word(&mut self, prefix: &str) -> String {
        format!("{prefix}{}-{}", uuid::Uuid::new_v4().simple(), self.new_number())
    }
}
