//! Microsoft Graph's calendars on loopback, as far as whoever uses its API can see: calendars, events, series and their
//! exceptions, change keys, rounds of delta, subscriptions, throttling, OAuth.
//!
//! What it does follows Microsoft's documentation of the event, delta query, change notifications and throttling, and
//! what is known of Exchange where that says otherwise (a deleted occurrence that delta does not speak of, a new pattern
//! that takes all exceptions away); `tests/fidelity/check_microsoft.py` lets Microsoft's own client library talk to it.
//! It is stricter than Graph: members that it does not know are an error.

mod answers;
mod body;
mod calendar;
mod connected;
mod delta;
mod event;
mod faults;
mod oauth;
mod pattern;
mod refusal;
mod routes;
mod subscriptions;
mod user;
mod when;
mod world;

use std::net::TcpListener;
use std::sync::{Arc, Mutex};

pub use delta::GraphPages;
pub use faults::{GraphCall, GraphFault, GraphRequest};
pub use oauth::GRAPH_CLIENT;
pub use subscriptions::{GraphDelivery, GraphNotification, GraphSubscription};
pub use user::GraphCalendar;

use self::calendar::Calendar;
use self::subscriptions::Subscriptions;
use self::world::World;
use crate::fake::Fake;
use crate::web::serve_on;

/// Microsoft Graph; [`Fake`] has what is not particular to it.
pub type FakeGraph = Fake<World>;

impl FakeGraph {
    /// On a free port, with nobody in it.
    pub fn start() -> Self {
        Self::start_on(TcpListener::bind("127.0.0.1:0").expect("a free port"))
    }

    pub fn start_on(listener: TcpListener) -> Self {
        let subscriptions = Subscriptions::new();
        let delivered = subscriptions.delivered.clone();
        let world = Arc::new(Mutex::new(World::new(subscriptions)));
        let shared = world.clone();
        let address = serve_on(listener, move |request| routes::respond(&shared, request));
        let graph = Self { address, world, delivered };
        graph.world().api = graph.api();
        graph
    }

    /// Below it is the API.
    pub fn api(&self) -> String {
        format!("http://{}/v1.0", self.address)
    }

    /// Where users would be sent; see [`FakeGraph::consent`].
    pub fn authorize(&self) -> String {
        format!("http://{}/common/oauth2/v2.0/authorize", self.address)
    }

    pub fn token(&self) -> String {
        format!("http://{}/common/oauth2/v2.0/token", self.address)
    }

    /// A mailbox with a calendar of its own. That one's id.
    pub fn add_mailbox(&self, address: &str) -> String {
        self.add(address, "Calendar", true)
    }

    /// A further calendar of a mailbox. Its id.
    pub fn add_calendar(&self, mailbox: &str, name: &str) -> String {
        self.add(mailbox, name, false)
    }

    fn add(&self, mailbox: &str, name: &str, is_default: bool) -> String {
        let mut world = self.world();
        let id = calendar::new_id(&mut world.common.clock);
        world.calendars.insert(id.clone(), Calendar::new(&id, name, mailbox, is_default));
        id
    }

    /// Somebody else may see a calendar, and change it if `can_edit`; `None`: not any more.
    pub fn share(&self, calendar: &str, with: &str, can_edit: Option<bool>) {
        let mut world = self.world();
        let shared = &mut world.calendars.get_mut(calendar).expect("the calendar").shared;
        match can_edit {
            Some(can_edit) => shared.insert(with.to_owned(), can_edit),
            None => shared.remove(with),
        };
    }

    /// A calendar as a person uses it.
    pub fn calendar(&self, id: &str) -> GraphCalendar<'_> {
        GraphCalendar { graph: self, id: id.to_owned() }
    }

    /// Takes a calendar away, with all that is in it.
    pub fn remove_calendar(&self, id: &str) {
        self.world().calendars.remove(id);
    }

    /// No token of a round is known any more: 410 syncStateNotFound.
    pub fn forget_rounds(&self) {
        self.world().rounds.forget();
    }

    pub fn set_pages(&self, pages: GraphPages) {
        self.world().rounds.pages = pages;
    }

    /// Masters do not say any more which of their occurrences were deleted.
    pub fn hide_cancelled_occurrences(&self, hides: bool) {
        self.world().hides_cancelled = hides;
    }

    /// What becomes of notifications from now on.
    pub fn deliver(&self, delivery: GraphDelivery) {
        self.world().subscriptions.delivery = delivery;
    }

    pub fn subscriptions(&self) -> Vec<GraphSubscription> {
        self.world().subscriptions.all()
    }

    /// Tells of something that happened to a subscription: `reauthorizationRequired`, `subscriptionRemoved` or `missed`.
    pub fn tell_of_subscription(&self, id: &str, event: &str) {
        self.world().subscriptions.lifecycle(id, event);
    }
}
