//! All that the fake knows.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::calendar::Calendar;
use super::channels::Channels;
use super::faults::Faults;
use super::listing::{Listing, Pages};
use super::oauth::OAuth;
use crate::clock::Clock;

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
            clock: Clock::default(),
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
