//! What the fakes of Google and Microsoft Graph have in common: an address, people's logins, what goes wrong, what was
//! asked, and who was told.

use std::hash::Hash;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use chrono::TimeDelta;

use crate::clock::Clock;
use crate::faults::Faults;
use crate::oauth::{Logins, Platform};

/// What both know.
pub struct Common<Call, Fault, Request> {
    pub clock: Clock,
    pub logins: Logins,
    pub faults: Faults<Call, Fault, Request>,
    /// Mails that attendees would have got.
    pub mails: usize,
}

impl<Call, Fault, Request> Common<Call, Fault, Request> {
    pub fn of(platform: &'static Platform) -> Self {
        Self { clock: Clock::default(), logins: Logins::of(platform), faults: Faults::default(), mails: 0 }
    }
}

/// All that a fake knows.
pub trait World {
    type Call: Copy + Eq + Hash;
    type Fault: Clone;
    type Request: Clone;
    type Notification: Clone;

    /// Requests for tokens, which are none of the API.
    const TOKEN: Self::Call;

    fn common(&mut self) -> &mut Common<Self::Call, Self::Fault, Self::Request>;
}

/// A provider on loopback. Stays up as long as the process.
pub struct Fake<W: World> {
    pub(crate) address: SocketAddr,
    pub(crate) world: Arc<Mutex<W>>,
    pub(crate) delivered: Arc<Delivered<W::Notification>>,
}

impl<W: World> Fake<W> {
    /// Where all of it is.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Somebody agrees on the page at this address (calendar_oauth_begin): where the browser is sent then.
    ///
    /// # Panics
    /// Where the address asks for something that the provider's page would refuse.
    pub fn consent(&self, address: &str, email: &str) -> String {
        let mut world = self.world();
        let Common { logins, clock, .. } = world.common();
        logins.consent(address, email, clock).unwrap_or_else(|problem| panic!("no consent: {problem}"))
    }

    /// Somebody takes the consent back, or changes the password: invalid_grant from now on.
    pub fn withdraw_consent(&self, email: &str) {
        self.world().common().logins.withdraw(email);
    }

    /// An access and a refresh token, as an application that did OAuth itself has them.
    pub fn grant(&self, email: &str) -> (String, String) {
        let mut world = self.world();
        let Common { logins, clock, .. } = world.common();
        logins.grant(email, clock)
    }

    /// These tokens are somebody's.
    pub fn grant_as(&self, email: &str, access: &str, refresh: &str) {
        let mut world = self.world();
        let Common { logins, clock, .. } = world.common();
        logins.grant_as(email, access, refresh, clock);
    }

    /// All access tokens are over; refresh tokens still work.
    pub fn expire_access_tokens(&self) {
        self.world().common().logins.expire_access();
    }

    /// Whether a refresh gives a new refresh token and ends the old one (neither provider ends it, usually).
    pub fn spend_refresh_tokens(&self, spends: bool) {
        self.world().common().logins.spends = spends;
    }

    /// Every token and code that was ever given out: to be read nowhere.
    pub fn secrets(&self) -> Vec<String> {
        self.world().common().logins.secrets()
    }

    /// Moves the fake's own clock on.
    pub fn advance(&self, by: TimeDelta) {
        self.world().common().clock.advance(by);
    }

    /// The next requests of this kind go wrong so; `None`: of any kind.
    pub fn fail(&self, call: impl Into<Option<W::Call>>, times: usize, fault: W::Fault) {
        self.world().common().faults.plan(call.into(), times, fault);
    }

    pub fn stop_failing(&self) {
        self.world().common().faults.clear();
    }

    /// Every request so far, oldest first, since they were last forgotten.
    pub fn requests(&self) -> Vec<W::Request> {
        self.world().common().faults.requests.clone()
    }

    /// How many requests of this kind there were since they were last forgotten.
    pub fn count(&self, call: W::Call) -> usize {
        self.world().common().faults.count(call)
    }

    /// How many requests of the API there were, tokens' apart, since they were last forgotten.
    pub fn calls(&self) -> usize {
        self.world().common().faults.count_others(W::TOKEN)
    }

    pub fn forget_requests(&self) {
        self.world().common().faults.forget_requests();
    }

    /// Waits until all notifications so far are delivered, and gives them all.
    pub fn notifications(&self) -> Vec<W::Notification> {
        self.delivered.wait()
    }

    /// How many mails attendees would have got.
    pub fn mails(&self) -> usize {
        self.world().common().mails
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, W> {
        self.world.lock().expect("the fake's world")
    }
}

/// Notifications that are delivered, and how many are not yet.
pub struct Delivered<Notification> {
    made: Mutex<(Vec<Notification>, usize)>,
    changed: Condvar,
}

impl<Notification> Default for Delivered<Notification> {
    fn default() -> Self {
        Self { made: Mutex::new((Vec::new(), 0)), changed: Condvar::new() }
    }
}

impl<Notification: Clone> Delivered<Notification> {
    fn wait(&self) -> Vec<Notification> {
        let made = self.made.lock().expect("the deliveries");
        let made = self.changed.wait_while(made, |(_, open)| *open > 0).expect("the deliveries");
        made.0.clone()
    }

    /// One is on its way.
    pub fn open(&self) {
        self.made.lock().expect("the deliveries").1 += 1;
    }

    /// It has come, or never will.
    pub fn close(&self, notification: Notification) {
        let mut made = self.made.lock().expect("the deliveries");
        made.0.push(notification);
        made.1 -= 1;
        self.changed.notify_all();
    }
}
