//! A Notion workspace on loopback, as far as the API shows it: databases with one data source each, pages, users,
//! tokens, webhooks, and Notion's traps.
//!
//! Stamps are rounded down to the minute, the name of a time's zone is forgotten, a query ends after 10,000 rows, pages
//! in the trash are in no list but their own, and nothing tells of what has left it.

mod api;
mod dates;
mod error;
mod faults;
mod oauth;
mod query;
mod schema;
mod table;
mod values;
mod webhooks;
mod world;

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value, json};

pub use faults::NotionFault;
pub use webhooks::Delivery;

use crate::web::{Reply, Request, serve_on};
use world::{Author, World};

/// Requests that are remembered; more are only counted.
const REMEMBERED: usize = 20_000;

/// Stays up as long as the process.
pub struct FakeNotion {
    address: SocketAddr,
    world: Arc<Mutex<World>>,
}

impl FakeNotion {
    /// With one integration's token ([`FakeNotion::TOKEN`]), two users, no database.
    pub fn start() -> Self {
        Self::start_on(TcpListener::bind("127.0.0.1:0").expect("a free port"))
    }

    pub fn start_on(listener: TcpListener) -> Self {
        static SEED: AtomicU64 = AtomicU64::new(1);
        let mut world = World::new(SEED.fetch_add(1, Ordering::Relaxed));
        world.add_user("Ada", "ada@example.com");
        world.add_user("Bob", "bob@example.com");
        world.logins.integrations.insert(Self::TOKEN.to_owned());
        let world = Arc::new(Mutex::new(world));
        let shared = world.clone();
        let address = serve_on(listener, move |request| talk(&shared, request));
        Self { address, world }
    }

    /// Of the internal integration.
    pub const TOKEN: &str = "ntn_integration-5f1cbb07a2";

    /// What stands in for <https://api.notion.com>.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The database that most teams have: Name, When, Where, Notes, Tags, Status, People, Link.
    pub fn usual_schema() -> Value {
        json!({
            "Name": { "title": {} },
            "When": { "date": {} },
            "Where": { "rich_text": {} },
            "Notes": { "rich_text": {} },
            "Tags": { "multi_select": {} },
            "Status": { "status": { "options": [
                { "name": "Planned" }, { "name": "Tentative" }, { "name": "Cancelled" }, { "name": "Done" },
            ] } },
            "People": { "people": {} },
            "Link": { "url": {} },
        })
    }

    /// Makes a database; gives the id of its data source.
    pub fn add_database(&self, title: &str, properties: &Value) -> String {
        self.world().add_table(title, properties).expect("a schema")
    }

    /// Somebody adds a page, with values as the API takes them; gives its id.
    pub fn add_page(&self, data_source: &str, properties: &Value) -> String {
        let mut world = self.world();
        let table = world.table(data_source).expect("a data source");
        let place = world.create_page(table, &members(properties), Author::Person).expect("values");
        world.row(place).expect("the page").id.clone()
    }

    /// Somebody adds a page of that title and date.
    pub fn add_event(&self, data_source: &str, title: &str, date: &Value) -> String {
        self.add_page(data_source, &json!({ "Name": title_of(title), "When": { "date": date } }))
    }

    /// Somebody edits a page.
    pub fn edit_page(&self, id: &str, properties: &Value) {
        let mut world = self.world();
        let place = world.page(id).expect("a page");
        world.update_page(place, &members(properties), None, Author::Person).expect("values");
    }

    /// Somebody moves a page into the trash.
    pub fn trash_page(&self, id: &str) {
        self.set_trash(id, true);
    }

    /// Somebody takes a page out of the trash.
    pub fn restore_page(&self, id: &str) {
        self.set_trash(id, false);
    }

    fn set_trash(&self, id: &str, in_trash: bool) {
        let mut world = self.world();
        let place = world.page(id).expect("a page");
        world.update_page(place, &Map::new(), Some(in_trash), Author::Person).expect("the page");
    }

    /// The page is gone for good: it is in no list any more, and no notification tells of it.
    pub fn erase_page(&self, id: &str) {
        self.world().erase_page(id).expect("a page");
    }

    /// As the API shows it.
    pub fn page(&self, id: &str) -> Value {
        let world = self.world();
        world.page(id).and_then(|place| world.render_page(place, true)).expect("a page")
    }

    /// All pages of a data source that are not in the trash, in the order in which they were made.
    pub fn pages(&self, data_source: &str) -> Vec<Value> {
        let world = self.world();
        let at = world.table(data_source).expect("a data source");
        let order = world.tables[at].order(false, false);
        order.iter().map(|(_, number)| world.render_page((at, *number), true).expect("a page")).collect()
    }

    /// Changes the properties of a data source: null removes one, `{"name": ...}` renames it, a new name adds one.
    pub fn change_schema(&self, data_source: &str, changes: &Value) {
        let mut world = self.world();
        let at = world.table(data_source).expect("a data source");
        world.tables[at].schema.change(&members(changes)).expect("a schema");
    }

    /// The names of a data source's properties.
    pub fn property_names(&self, data_source: &str) -> Vec<String> {
        let world = self.world();
        let at = world.table(data_source).expect("a data source");
        world.tables[at].schema.properties.iter().map(|property| property.name.clone()).collect()
    }

    /// Whether the API may change schemas; at first it may.
    pub fn lock_schemas(&self, locked: bool) {
        self.world().locked = locked;
    }

    /// Shares a data source with the connection, or takes it away; at first each is shared.
    pub fn share(&self, data_source: &str, shared: bool) {
        let mut world = self.world();
        let table = world.tables.iter_mut().find(|table| table.id == data_source).expect("a data source");
        table.shared = shared;
    }

    /// By the workspace's clock, which is the computer's until it is moved.
    pub fn now(&self) -> DateTime<Utc> {
        self.world().clock.now()
    }

    pub fn advance(&self, by: TimeDelta) {
        self.world().clock.advance(by);
    }

    /// The clock stands still from now on, but for [`FakeNotion::advance`].
    pub fn freeze(&self, at: DateTime<Utc>) {
        self.world().clock.freeze(at);
    }

    /// Requests like `POST /v1/pages` or `GET /v1/pages/*` go wrong so many times.
    pub fn fail(&self, what: &str, fault: NotionFault, times: usize) {
        self.world().faults.plan(what, fault, times);
    }

    /// Takes no more requests than this in a minute of its clock.
    pub fn limit_requests(&self, per_minute: impl Into<Option<usize>>) {
        self.world().faults.limit(per_minute.into());
    }

    /// A query ends after so many rows; at first after 10,000.
    pub fn limit_rows(&self, most: u64) {
        self.world().most_rows = most;
    }

    /// All is well again.
    pub fn clear_faults(&self) {
        self.world().faults.clear();
    }

    /// An OAuth client, beside the internal integration.
    pub fn register_client(&self, id: &str, secret: &str) {
        self.world().logins.client = Some((id.to_owned(), secret.to_owned()));
    }

    /// A user agrees to the connection; gives the code.
    pub fn consent(&self, redirect_uri: &str, email: &str) -> String {
        self.world().logins.consent(redirect_uri, email)
    }

    /// Access tokens of OAuth have expired.
    pub fn expire_tokens(&self) {
        self.world().logins.expire();
    }

    /// The user takes the connection away, and the integration's token is no more.
    pub fn revoke_tokens(&self) {
        let mut world = self.world();
        world.logins.revoke_all();
        world.logins.integrations.clear();
    }

    /// How often a token was refreshed.
    pub fn refreshes(&self) -> usize {
        self.world().logins.refreshes
    }

    /// Somebody subscribes an address in the integration's settings; what is sent there first is the answer.
    pub fn subscribe(&self, url: &str, token: &str) -> Delivery {
        self.world().webhooks.subscription = Some((url.to_owned(), token.to_owned()));
        webhooks::handshake(token)
    }

    /// The notifications that are due: to be sent on in any order, once, twice or never.
    pub fn notifications(&self) -> Vec<Delivery> {
        self.world().webhooks.take()
    }

    /// Posts what is due to the subscribed address; gives how many were taken.
    pub fn deliver(&self) -> usize {
        let deliveries = self.notifications();
        api::send(&self.world(), &deliveries)
    }

    /// How many requests there were so far.
    pub fn count_requests(&self) -> usize {
        self.world().counted
    }

    /// The last requests, oldest first.
    pub fn requests(&self) -> Vec<Request> {
        self.world().requests.clone()
    }

    /// Forgets them.
    pub fn forget_requests(&self) {
        let mut world = self.world();
        world.requests.clear();
        world.counted = 0;
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().expect("the workspace")
    }
}

/// The value of a title or a text.
pub fn title_of(text: &str) -> Value {
    json!({ "title": [{ "text": { "content": text } }] })
}

/// The value of a text property.
pub fn text_of(text: &str) -> Value {
    json!({ "rich_text": [{ "text": { "content": text } }] })
}

fn members(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

fn talk(world: &Mutex<World>, request: &Request) -> Option<Reply> {
    let lock = || world.lock().expect("the workspace");
    if request.target.starts_with("/control/") {
        let body = serde_json::from_str(&request.body).unwrap_or_default();
        let answer = api::control(&mut lock(), &request.target, &body);
        return Some(answer.map_or_else(|| Reply::empty(400), |answer| Reply::json(200, &answer)));
    }
    let path = request.target.split('?').next().unwrap_or_default();
    let fault = lock().faults.take(&request.method, path);
    if let Some(NotionFault::Delay(pause)) = fault {
        std::thread::sleep(pause);
    }
    let mut world = lock();
    world.counted += 1;
    if world.requests.len() < REMEMBERED {
        world.requests.push(request.clone());
    }
    api::answer(&mut world, path, request, fault)
}
