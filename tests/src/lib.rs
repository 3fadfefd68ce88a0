//! What the end-to-end stories stand on: scratch clusters with the extension preloaded, a web server that can be told
//! to misbehave, a front end that publishes feeds, a real calendar client, independent readers, the golden data.
//!
//! Everything here panics where something is not as it should be: these are test fixtures.
//!
//! ```ignore
//! let web = FakeWeb::start();
//! web.serve("/team.ics", ics);
//! let cluster = Cluster::start();
//! let mut client = cluster.create_database("crm");
//! client.execute("select calendar_subscribe('ada@example.com', $1)", &[&web.url("/team.ics")]).unwrap();
//! eventually("the calendar is pulled", || count(&mut client, "select count(*) from calendar_events") > 0);
//! ```

mod clock;
mod cluster;
mod crm;
mod fake;
mod faults;
mod flow;
mod front_end;
mod golden;
mod google;
mod graph;
mod hooks;
mod khal;
mod leaks;
mod login;
mod name_server;
mod notion;
mod oauth;
mod peers;
mod pulls;
mod random;
mod reader;
mod sql_examples;
mod two_way;
mod web;
mod worker;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub use cluster::Cluster;
pub use crm::{INSERT_INTERACTIONS, create_crm};
pub use fake::Fake;
pub use flow::{FakeFlow, Pace, outlook_event};
pub use front_end::FrontEnd;
pub use golden::{GoldenCalendar, golden_calendars, golden_folder};
pub use google::{
    FakeGoogle, GOOGLE_CLIENT, GoogleCalendar, GoogleCall, GoogleChannel, GoogleDelivery, GoogleFault, GoogleListing,
    GoogleNotification, GoogleRequest, GoogleRole,
};
pub use graph::{
    FakeGraph, GRAPH_CLIENT, GraphCalendar, GraphCall, GraphDelivery, GraphFault, GraphNotification, GraphPages,
    GraphRequest, GraphSubscription,
};
pub use hooks::{Hooked, Hooks};
pub use khal::{Khal, Shown};
pub use leaks::{Looker, Overheard, TALKATIVE};
pub use login::{FakeLogin, LOGIN_CLIENT, REDIRECT_URI};
pub use name_server::NameServer;
pub use notion::{Delivery, FakeNotion, NotionFault, text_of, title_of};
pub use peers::{Nginx, Radicale, login};
pub use pulls::{ADA, ONE_EVENT, Pulled, calendar_of, pull, pull_with, subscribe, text, vevent, vevent_series};
pub use random::Random;
pub use reader::{Occurrence, read_occurrences, read_with_libical};
pub use sql_examples::{Example, examples_of};
pub use two_way::{LINKED_CALENDAR, Linked, add_google_account, connect_calendar};
pub use web::{Authority, DeadEnd, Echo, FakeWeb, Fault, Presents, Proxy, Reply, Request, post, serve, serve_on};
pub use worker::{activity_of, numbered_calendar, rounds, subscribe_to, worker_of, worker_state};

/// Folder of the repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ stands in the repository")
}

/// Waits until `condition` holds.
///
/// # Panics
/// After two minutes: far longer than anything here takes, so that only what never happens fails.
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(120), "did not come about: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The one number that a query gives.
pub fn count(client: &mut postgres::Client, query: &str) -> i64 {
    client.query_one(query, &[]).unwrap_or_else(|error| panic!("{query}: {error:?}")).get(0)
}

fn script(name: &str) -> PathBuf {
    repository().join("bin").join(name)
}
