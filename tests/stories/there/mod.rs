//! The other side: a provider's calendar as its user sees it.

mod google;
mod notion;
mod outlook;
pub mod plan;
pub mod series;

use std::collections::BTreeMap;
use std::rc::Rc;

use calendar_sync_e2e::{ADA, FakeGoogle, Random};
use chrono::{DateTime, TimeDelta, Utc};
use postgres::Client;
use serde_json::Value;

pub use google::Google;
pub use notion::Notion;
pub use outlook::Outlook;

/// A calendar of Ada's at every provider.
pub const ALL: [fn() -> Box<dyn There>; 3] = [
    || Box::new(Google::of(&Rc::new(FakeGoogle::start()), ADA)),
    || Box::new(Outlook::of("ada@contoso.example")),
    || Box::new(Notion::new()),
];

/// What people edit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    Title,
    Location,
    Start,
}

impl Field {
    pub const ALL: [Self; 3] = [Self::Title, Self::Location, Self::Start];
}

/// The values of an event's fields, as texts.
pub type Shown = BTreeMap<Field, String>;

/// How long every event is.
pub const LENGTH: TimeDelta = TimeDelta::minutes(30);

/// An event there: its number, its provider's id, and what is to be seen of it.
pub struct Seen {
    pub number: usize,
    pub id: String,
    pub shown: Shown,
}

/// Likewise of one that may say no more than when it takes place.
pub struct Entry {
    pub number: Option<usize>,
    pub id: String,
    pub shown: Shown,
}

/// A provider with one calendar, which a user looks at and edits.
pub trait There {
    /// As calendar_connect takes it.
    fn provider(&self) -> &'static str;
    /// What calendar_oauth_register takes: client_id, client_secret, options.
    fn registration(&self) -> (String, String, Value);
    /// Access token, refresh token.
    fn tokens(&self) -> (String, Option<String>);
    fn calendar(&self) -> String;

    fn add(&self, number: usize, shown: &Shown);
    fn edit(&self, id: &str, field: Field, value: &str);
    fn delete(&self, id: &str);
    fn entries(&self) -> Vec<Entry>;

    /// Those that can be told by their numbers.
    fn events(&self) -> Vec<Seen> {
        let seen = |Entry { number, id, shown }| Some(Seen { number: number?, id, shown });
        self.entries().into_iter().filter_map(seen).collect()
    }

    /// Requests of its API since they were last counted, those for tokens apart.
    fn count_requests(&self) -> usize;

    /// What a sync asks where nothing has changed.
    fn least_requests(&self) -> usize {
        1
    }

    /// Lets the time pass after which what was edited so far is no longer asked for again.
    fn rest(&self) {}

    /// The next event that is created there is, and nobody hears of it.
    fn lose_answer_to_create(&self);

    /// Something goes wrong with what is asked next.
    fn trouble(&self, random: &mut Random);
    fn no_trouble(&self);
}

/// The description by which an event is known on both sides.
pub fn description(number: usize) -> String {
    format!("event {number}")
}

pub fn number_of(description: &str) -> Option<usize> {
    description.strip_prefix("event ")?.trim().parse().ok()
}

/// An object with these members, too.
fn with(mut object: Value, members: Value) -> Value {
    let (Value::Object(inner), Value::Object(members)) = (&mut object, members) else { return object };
    inner.extend(members);
    object
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn end_of(start: &str) -> String {
    let start: DateTime<Utc> = start.parse().expect("a start");
    (start + LENGTH).to_rfc3339()
}

/// A start as it is written everywhere in these stories.
fn start_text(value: &Value) -> String {
    let start: DateTime<Utc> = value.as_str().and_then(|text| text.parse().ok()).expect("a start");
    start.to_rfc3339()
}

/// Connects a user here with it, in both directions.
pub fn connect(client: &mut Client, there: &dyn There, user: &str, options: &Value) {
    let (id, secret, endpoints) = there.registration();
    let provider = there.provider();
    client
        .execute("select calendar_oauth_register($1, $2, $3, $4)", &[&provider, &id, &secret, &endpoints])
        .expect("register");
    let (access, refresh) = there.tokens();
    let account: uuid::Uuid = client
        .query_one("select calendar_account_add($1, $2, $3, $4)", &[&user, &provider, &access, &refresh])
        .expect("an account")
        .get(0);
    client
        .execute("select calendar_connect($1, $2, 'both', options => $3)", &[&account, &there.calendar(), &options])
        .expect("connect");
}
