//! Google Calendar on loopback, as far as whoever uses its API can see: calendars, events, series and their
//! exceptions, etags, sync tokens, pages, channels, OAuth.
//!
//! What it does follows the published discovery document and guides (Handle API errors, Synchronize resources, Version
//! resources, Push notifications); `tests/fidelity/check_google.py` lets Google's own client library talk to it. It is
//! stricter than Google: parameters and keys that it does not know are an error, and of what was deleted it tells no
//! more than is certain.

mod calendar;
mod channels;
mod events;
mod faults;
mod listing;
mod oauth;
mod query;
mod refusal;
mod resource;
mod routes;
mod series;
#[cfg(test)]
mod tests;
mod user;
mod when;
mod world;

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard};

use chrono::TimeDelta;

pub use calendar::GoogleRole;
pub use channels::{GoogleChannel, GoogleDelivery, GoogleNotification};
pub use faults::{GoogleCall, GoogleFault, GoogleRequest};
pub use listing::Listing as GoogleListing;
pub use oauth::GOOGLE_CLIENT;
pub use user::GoogleCalendar;

use self::calendar::Calendar;
use self::channels::{Channels, Delivered};
use self::world::World;
use crate::web::serve_on;

/// Stays up as long as the process.
pub struct FakeGoogle {
    address: SocketAddr,
    world: Arc<Mutex<World>>,
    delivered: Arc<Delivered>,
}

impl FakeGoogle {
    /// On a free port, with nobody in it.
    pub fn start() -> Self {
        Self::start_on(TcpListener::bind("127.0.0.1:0").expect("a free port"))
    }

    pub fn start_on(listener: TcpListener) -> Self {
        let channels = Channels::new();
        let delivered = channels.delivered.clone();
        let world = Arc::new(Mutex::new(World::new(channels)));
        let shared = world.clone();
        let address = serve_on(listener, move |request| {
            let response = routes::respond(&mut shared.lock().expect("the fake's world"), request);
            if let Some(delay) = response.delay {
                std::thread::sleep(delay);
            }
            response.reply
        });
        Self { address, world, delivered }
    }

    /// Where all of it is.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Below it is the API.
    pub fn api(&self) -> String {
        format!("http://{}/calendar/v3", self.address)
    }

    /// Where users would be sent; see [`FakeGoogle::consent`].
    pub fn authorize(&self) -> String {
        format!("http://{}/o/oauth2/v2/auth", self.address)
    }

    pub fn token(&self) -> String {
        format!("http://{}/token", self.address)
    }

    pub fn revoke(&self) -> String {
        format!("http://{}/revoke", self.address)
    }

    /// Somebody with a primary calendar, whose id is the address.
    pub fn add_person(&self, email: &str, time_zone: &str) {
        self.add_calendar(email, email, email, time_zone);
    }

    /// # Panics
    /// Where the zone is none of IANA's.
    pub fn add_calendar(&self, owner: &str, id: &str, summary: &str, time_zone: &str) {
        let zone = time_zone.parse().unwrap_or_else(|_| panic!("no time zone {time_zone}"));
        let mut world = self.world();
        let calendar = Calendar::new(id, summary, owner, zone, world.clock.now());
        world.calendars.insert(id.to_owned(), calendar);
    }

    /// Somebody else may use a calendar; `None`: not any more.
    pub fn share(&self, calendar: &str, email: &str, role: Option<GoogleRole>) {
        let mut world = self.world();
        let calendar = world.calendars.get_mut(calendar).expect("the calendar");
        match role {
            Some(role) => calendar.roles.insert(email.to_owned(), role),
            None => calendar.roles.remove(email),
        };
    }

    /// A calendar as a person uses it.
    pub fn calendar(&self, id: &str) -> GoogleCalendar<'_> {
        GoogleCalendar { google: self, id: id.to_owned() }
    }

    /// Somebody agrees on the page at this address (calendar_oauth_begin): where the browser is sent then.
    ///
    /// # Panics
    /// Where the address asks for something that Google's page would refuse.
    pub fn consent(&self, address: &str, email: &str) -> String {
        let mut world = self.world();
        let World { oauth, clock, .. } = &mut *world;
        oauth.consent(address, email, clock).unwrap_or_else(|problem| panic!("no consent: {problem}"))
    }

    /// Somebody takes the consent back: invalid_grant from now on.
    pub fn withdraw_consent(&self, email: &str) {
        self.world().oauth.withdraw(email);
    }

    /// An access and a refresh token, as an application that did OAuth itself has them.
    pub fn grant(&self, email: &str) -> (String, String) {
        let mut world = self.world();
        let World { oauth, clock, .. } = &mut *world;
        oauth.grant(email, clock)
    }

    /// These tokens are somebody's.
    pub fn grant_as(&self, email: &str, access: &str, refresh: &str) {
        let mut world = self.world();
        let World { oauth, clock, .. } = &mut *world;
        oauth.grant_as(email, access, refresh, clock);
    }

    /// All access tokens are over; refresh tokens still work.
    pub fn expire_access_tokens(&self) {
        self.world().oauth.expire_access();
    }

    /// Whether a refresh gives a new refresh token and ends the old one (Google does not, usually).
    pub fn rotate_refresh_tokens(&self, rotates: bool) {
        self.world().oauth.rotates = rotates;
    }

    /// Every token and code that was ever given out: to be read nowhere.
    pub fn secrets(&self) -> Vec<String> {
        let mut secrets = self.world().oauth.issued.clone();
        secrets.push(GOOGLE_CLIENT.1.to_owned());
        secrets
    }

    /// Moves the fake's own clock on.
    pub fn advance(&self, by: TimeDelta) {
        self.world().clock.advance(by);
    }

    /// All sync tokens are too old: 410 fullSyncRequired.
    pub fn expire_sync_tokens(&self) {
        self.world().pages.age += 1;
    }

    /// Listings under way can't be gone on with: their page tokens are not known any more.
    pub fn expire_page_tokens(&self) {
        self.world().pages.expire();
    }

    pub fn set_listing(&self, listing: GoogleListing) {
        self.world().listing = listing;
    }

    /// So many requests in a minute of the fake's clock; more get 403 rateLimitExceeded.
    pub fn set_quota(&self, quota: impl Into<Option<usize>>) {
        self.world().quota = quota.into();
    }

    /// The next requests of this kind go wrong so; `None`: of any kind.
    pub fn fail(&self, call: impl Into<Option<GoogleCall>>, times: usize, fault: GoogleFault) {
        self.world().faults.plan(call.into(), times, fault);
    }

    pub fn stop_failing(&self) {
        self.world().faults.clear();
    }

    /// Every request so far, oldest first, since they were last forgotten.
    pub fn requests(&self) -> Vec<GoogleRequest> {
        self.world().faults.requests.clone()
    }

    /// How many requests of this kind there were since they were last forgotten.
    pub fn count(&self, call: GoogleCall) -> usize {
        self.world().faults.count(call)
    }

    /// How many requests of the API there were, tokens' apart, since they were last forgotten.
    pub fn calls(&self) -> usize {
        self.world().faults.count_others(GoogleCall::Token)
    }

    pub fn forget_requests(&self) {
        self.world().faults.forget_requests();
    }

    /// What becomes of notifications from now on.
    pub fn deliver(&self, delivery: GoogleDelivery) {
        self.world().channels.delivery = delivery;
    }

    pub fn channels(&self) -> Vec<GoogleChannel> {
        self.world().channels.all()
    }

    /// Waits until all notifications so far are delivered, and gives them all.
    pub fn notifications(&self) -> Vec<GoogleNotification> {
        self.delivered.wait();
        self.delivered.all()
    }

    /// How many mails attendees would have got.
    pub fn mails(&self) -> usize {
        self.world().mails
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().expect("the fake's world")
    }
}
