//! All that the fake knows.

use std::collections::{BTreeMap, HashMap};

use super::calendar::Calendar;
use super::delta::Rounds;
use super::faults::Faults;
use super::oauth::OAuth;
use super::subscriptions::Subscriptions;
use crate::clock::Clock;

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
            clock: Clock::default(),
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
