//! All that the fake knows.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::calendar::Calendar;
use super::channels::{Channels, GoogleNotification};
use super::faults::{Faults, GoogleCall, GoogleFault, GoogleRequest};
use super::listing::{Listing, Pages};
use super::oauth::PLATFORM;
use crate::clock::Clock;
use crate::fake;
use crate::oauth::Logins;

pub struct World {
    pub(super) clock: Clock,
    pub(super) calendars: BTreeMap<String, Calendar>,
    pub(super) logins: Logins,
    pub(super) channels: Channels,
    pub(super) faults: Faults,
    pub(super) listing: Listing,
    pub(super) pages: Pages,
    /// Requests that Google takes in a minute, and the times of those in the last one.
    pub(super) quota: Option<usize>,
    pub(super) recent: std::collections::VecDeque<DateTime<Utc>>,
    /// Mails that attendees would have got.
    pub(super) mails: usize,
}

impl World {
    pub(super) fn new(channels: Channels) -> Self {
        Self {
            clock: Clock::default(),
            calendars: BTreeMap::new(),
            logins: Logins::of(&PLATFORM),
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
    pub(super) fn announce(&mut self, calendar: &str) {
        let now = self.clock.now();
        self.channels.announce(calendar, now);
    }
}

impl fake::World for World {
    type Call = GoogleCall;
    type Fault = GoogleFault;
    type Request = GoogleRequest;
    type Notification = GoogleNotification;

    const TOKEN: GoogleCall = GoogleCall::Token;

    fn clock(&mut self) -> &mut Clock {
        &mut self.clock
    }

    fn logins(&mut self) -> (&mut Logins, &mut Clock) {
        (&mut self.logins, &mut self.clock)
    }

    fn faults(&mut self) -> &mut Faults {
        &mut self.faults
    }

    fn mails(&self) -> usize {
        self.mails
    }
}
