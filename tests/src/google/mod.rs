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

use std::net::TcpListener;
use std::sync::{Arc, Mutex};

pub use calendar::GoogleRole;
pub use channels::{GoogleChannel, GoogleDelivery, GoogleNotification};
pub use faults::{GoogleCall, GoogleFault, GoogleRequest};
pub use listing::Listing as GoogleListing;
pub use oauth::GOOGLE_CLIENT;
pub use user::GoogleCalendar;

use self::calendar::Calendar;
use self::channels::Channels;
use self::world::World;
use crate::fake::Fake;
use crate::web::serve_on;

/// Google; [`Fake`] has what is not particular to it.
pub type FakeGoogle = Fake<World>;

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
        let calendar = Calendar::new(id, summary, owner, zone, world.common.clock.now());
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

    /// What becomes of notifications from now on.
    pub fn deliver(&self, delivery: GoogleDelivery) {
        self.world().channels.delivery = delivery;
    }

    pub fn channels(&self) -> Vec<GoogleChannel> {
        self.world().channels.all()
    }
}
