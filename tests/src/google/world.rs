//! All that the fake knows.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use chrono::{DateTime, TimeDelta, Utc};

use super::calendar::Calendar;
use super::channels::Channels;
use super::faults::Faults;
use super::listing::{Listing, Pages};
use super::oauth::OAuth;

/// Real time and what tests add to it; never twice the same stamp.
pub(super) struct Clock {
    ahead: TimeDelta,
    last: i64,
    ids: u64,
}

impl Clock {
    fn new() -> Self {
        Self { ahead: TimeDelta::zero(), last: 0, ids: 0 }
    }

    pub fn now(&self) -> DateTime<Utc> {
        let real = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
        let real = i64::try_from(real).unwrap_or(i64::MAX);
        let now = real.saturating_add(self.ahead.num_milliseconds()).max(self.last);
        DateTime::from_timestamp_millis(now).unwrap_or_default()
    }

    pub fn advance(&mut self, by: TimeDelta) {
        self.ahead += by;
    }

    /// The time of a change, and an etag for it.
    pub fn stamp(&mut self) -> (DateTime<Utc>, String) {
        self.last = self.now().timestamp_millis().max(self.last + 1);
        let now = DateTime::from_timestamp_millis(self.last).unwrap_or_default();
        (now, format!("\"{}\"", self.last * 2))
    }

    /// As Google makes them: 26 characters of base32hex.
    pub fn new_id(&mut self) -> String {
        self.ids += 1;
        format!("{:026}", self.ids)
    }

    /// A word that nobody can guess, as far as tests go.
    pub fn new_word(&mut self, prefix: &str) -> String {
        self.ids += 1;
        format!("{prefix}{}-{}", uuid::Uuid::new_v4().simple(), self.ids)
    }
}

pub(super) struct World {
    pub clock: Clock,
    pub calendars: BTreeMap<String, Calendar>,
    pub oauth: OAuth,
    pub channels: Channels,
    pub faults: Faults,
    pub listing: Listing,
    pub pages: Pages,
    /// Requests that Google takes in a minute, and the times of those in the last one.
    pub quota: Option<usize>,
    pub recent: std::collections::VecDeque<DateTime<Utc>>,
    /// Mails that attendees would have got.
    pub mails: usize,
}

impl World {
    pub fn new(channels: Channels) -> Self {
        Self {
            clock: Clock::new(),
            calendars: BTreeMap::new(),
            oauth: OAuth::default(),
            channels,
            faults: Faults::default(),
            listing: Listing::default(),
            pages: Pages::default(),
            quota: None,
            recent: std::collections::VecDeque::new(),
            mails: 0,
        }
    }

    /// Tells the channels of a calendar that it has changed.
    pub fn announce(&mut self, calendar: &str) {
        let now = self.clock.now();
        self.channels.announce(calendar, now);
    }
}
