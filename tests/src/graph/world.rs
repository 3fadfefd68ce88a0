//! All that the fake knows.

use std::collections::{BTreeMap, HashMap};
use std::time::{SystemTime, UNIX_EPOCH};

use chrono::{DateTime, TimeDelta, Utc};

use super::calendar::Calendar;
use super::delta::Rounds;
use super::event::Stamp;
use super::faults::Faults;
use super::oauth::OAuth;
use super::subscriptions::Subscriptions;

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

    /// The time of a change, and a change key.
    pub fn stamp(&mut self) -> Stamp {
        self.last = self.now().timestamp_millis().max(self.last + 1);
        let at = DateTime::from_timestamp_millis(self.last).unwrap_or_default();
        Stamp { key: format!("DwAAABYAAAD{:016X}", self.last), at }
    }

    /// In upper and lower case, which are not the same.
    pub fn new_id(&mut self) -> String {
        self.ids += 1;
        format!("AAkALgAAAAAAHYQDEapmEc2byACqAC-EWg0A{:012}aB=", self.ids)
    }

    /// A word that nobody can guess, as far as tests go.
    pub fn new_word(&mut self, prefix: &str) -> String {
        self.ids += 1;
        format!("{prefix}{}-{}", uuid::Uuid::new_v4().simple(), self.ids)
    }
}

pub(super) struct World {
    pub clock: Clock,
    /// By their ids.
    pub calendars: BTreeMap<String, Calendar>,
    pub oauth: OAuth,
    pub subscriptions: Subscriptions,
    pub rounds: Rounds,
    pub faults: Faults,
    /// Events by the transactionId that they were created with, and the mailbox.
    pub transactions: HashMap<(String, String), String>,
    /// Requests to a mailbox that are under way.
    pub open: HashMap<String, usize>,
    /// Masters do not say which of their occurrences were deleted.
    pub hides_cancelled: bool,
    /// Mails that attendees would have got.
    pub mails: usize,
    pub api: String,
}

impl World {
    pub fn new(subscriptions: Subscriptions) -> Self {
        Self {
            clock: Clock::new(),
            calendars: BTreeMap::new(),
            oauth: OAuth::default(),
            subscriptions,
            rounds: Rounds::default(),
            faults: Faults::default(),
            transactions: HashMap::new(),
            open: HashMap::new(),
            hides_cancelled: false,
            mails: 0,
            api: String::new(),
        }
    }

    /// The calendar in which an identifier is of something, among those of a mailbox.
    pub fn holder(&self, mailbox: &str, id: &str) -> Option<&Calendar> {
        self.calendars.values().find(|calendar| calendar.mailbox == mailbox && calendar.find(id).is_some())
    }

    pub fn default_of(&self, mailbox: &str) -> Option<&Calendar> {
        self.calendars.values().find(|calendar| calendar.mailbox == mailbox && calendar.is_default)
    }

    pub fn announce(&mut self, calendar: &str, change: &str, event: &str) {
        let now = self.clock.now();
        self.subscriptions.announce(calendar, change, event, now);
    }
}
