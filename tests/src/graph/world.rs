//! All that the fake knows.

use std::collections::{BTreeMap, HashMap};

use super::calendar::Calendar;
use super::delta::Rounds;
use super::faults::{Common, GraphCall, GraphFault, GraphRequest};
use super::oauth::PLATFORM;
use super::subscriptions::{GraphNotification, Subscriptions};
use crate::fake;

pub struct World {
    pub(super) common: Common,
    /// By their ids.
    pub(super) calendars: BTreeMap<String, Calendar>,
    pub(super) subscriptions: Subscriptions,
    pub(super) rounds: Rounds,
    /// Events by the transactionId that they were created with, and the mailbox.
    pub(super) transactions: HashMap<(String, String), String>,
    /// Requests to a mailbox that are under way.
    pub(super) open: HashMap<String, usize>,
    /// Masters do not say which of their occurrences were deleted.
    pub(super) hides_cancelled: bool,
    pub(super) api: String,
}

impl World {
    pub(super) fn new(subscriptions: Subscriptions) -> Self {
        Self {
            common: Common::of(&PLATFORM),
            calendars: BTreeMap::new(),
            subscriptions,
            rounds: Rounds::default(),
            transactions: HashMap::new(),
            open: HashMap::new(),
            hides_cancelled: false,
            api: String::new(),
        }
    }

    /// The calendar in which an identifier is of something, among those of a mailbox.
    pub(super) fn holder(&self, mailbox: &str, id: &str) -> Option<&Calendar> {
        self.calendars.values().find(|calendar| calendar.mailbox == mailbox && calendar.find(id).is_some())
    }

    pub(super) fn default_of(&self, mailbox: &str) -> Option<&Calendar> {
        self.calendars.values().find(|calendar| calendar.mailbox == mailbox && calendar.is_default)
    }

    pub(super) fn announce(&mut self, calendar: &str, change: &str, event: &str) {
        let now = self.common.clock.now();
        self.subscriptions.announce(calendar, change, event, now);
    }
}

impl fake::World for World {
    type Call = GraphCall;
    type Fault = GraphFault;
    type Request = GraphRequest;
    type Notification = GraphNotification;

    const TOKEN: GraphCall = GraphCall::Token;

    fn common(&mut self) -> &mut Common {
        &mut self.common
    }
}
