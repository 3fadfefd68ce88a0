//! All that the fake knows.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::calendar::Calendar;
use super::channels::{Channels, GoogleNotification};
use super::faults::{Common, GoogleCall, GoogleFault, GoogleRequest};
use super::listing::{Listing, Pages};
use super::oauth::PLATFORM;
use crate::fake;

pub struct World {
    pub(super) common: Common,
    pub(super) calendars: BTreeMap<String, Calendar>,
    pub(super) channels: Channels,
    pub(super) listing: Listing,
    pub(super) pages: Pages,
    /// Requests that Google takes in a minute, and the times of those in the last one.
    pub(super) quota: Option<usize>,
    pub(super) recent: std::collections::VecDeque<DateTime<Utc>>,
}

impl World {
    pub(super) fn new(channels: Channels) -> Self {
        Self {
            common: Common::of(&PLATFORM),
            calendars: BTreeMap::new(),
            channels,
            listing: Listing::default(),
            pages: Pages::default(),
            quota: None,
            recent: std::collections::VecDeque::new(),
        }
    }

    /// Tells the channels of a calendar that it has changed.
    pub(super) fn announce(&mut self, calendar: &str) {
        let now = self.common.clock.now();
        self.channels.announce(calendar, now);
    }
}

impl fake::World for World {
    type Call = GoogleCall;
    type Fault = GoogleFault;
    type Request = GoogleRequest;
    type Notification = GoogleNotification;

    const TOKEN: GoogleCall = GoogleCall::Token;

    fn common(&mut self) -> &mut Common {
        &mut self.common
    }
}
