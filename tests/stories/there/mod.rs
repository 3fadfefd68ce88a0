//! The other side: a provider's calendar as its user sees it.

pub mod plan;
pub mod series;

use std::collections::BTreeMap;
use std::rc::Rc;

use calendar_sync_e2e::{
    FakeGoogle, FakeGraph, FakeNotion, GOOGLE_CLIENT, GRAPH_CLIENT, GoogleFault, GraphFault, NotionFault, Random,
    text_of, title_of,
};
use chrono::{DateTime, TimeDelta, Utc};
use postgres::Client;
use serde_json::{Value, json};

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

pub struct Google {
    fake: Rc<FakeGoogle>,
    person: String,
}

impl Google {
    pub fn of(fake: &Rc<FakeGoogle>, person: &str) -> Self {
        fake.add_person(person, "Europe/Berlin");
        Self { fake: fake.clone(), person: person.to_owned() }
    }

    fn value(field: Field, value: &str) -> Value {
        match field {
            Field::Title => json!({ "summary": value }),
            Field::Location => json!({ "location": value }),
            Field::Start => json!({ "start": { "dateTime": value }, "end": { "dateTime": end_of(value) } }),
        }
    }
}

impl There for Google {
    fn provider(&self) -> &'static str {
        "google"
    }

    fn registration(&self) -> (String, String, Value) {
        let endpoints = json!({ "api": self.fake.api(), "token": self.fake.token(), "revoke": self.fake.revoke() });
        (GOOGLE_CLIENT.0.to_owned(), GOOGLE_CLIENT.1.to_owned(), json!({ "endpoints": endpoints }))
    }

    fn tokens(&self) -> (String, Option<String>) {
        let (access, refresh) = self.fake.grant(&self.person);
        (access, Some(refresh))
    }

    fn calendar(&self) -> String {
        self.person.clone()
    }

    fn add(&self, number: usize, shown: &Shown) {
        let mut event = json!({ "description": description(number) });
        for (field, value) in shown {
            let Value::Object(members) = Self::value(*field, value) else { continue };
            event.as_object_mut().expect("an object").extend(members);
        }
        self.fake.calendar(&self.person).insert(event);
    }

    fn edit(&self, id: &str, field: Field, value: &str) {
        self.fake.calendar(&self.person).edit(id, Self::value(field, value));
    }

    fn delete(&self, id: &str) {
        self.fake.calendar(&self.person).delete(id);
    }

    fn entries(&self) -> Vec<Entry> {
        let events = self.fake.calendar(&self.person).events();
        let seen = events.iter().map(|event| {
            let text = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
            let start = start_text(&event["start"]["dateTime"]);
            let shown = BTreeMap::from([
                (Field::Title, text("summary")),
                (Field::Location, text("location")),
                (Field::Start, start),
            ]);
            Entry { number: number_of(&text("description")), id: text("id"), shown }
        });
        seen.collect()
    }

    fn count_requests(&self) -> usize {
        let calls = self.fake.calls();
        self.fake.forget_requests();
        calls
    }

    fn trouble(&self, random: &mut Random) {
        let faults = [
            GoogleFault::LoseReply,
            GoogleFault::LoseReply,
            GoogleFault::Drop,
            GoogleFault::Html,
            GoogleFault::Refuse(500, "backendError"),
            GoogleFault::Refuse(403, "rateLimitExceeded"),
            GoogleFault::RefuseFor(429, "rateLimitExceeded", 1),
            GoogleFault::RefuseFor(503, "backendError", 1),
        ];
        match random.below(10) {
            0 => self.fake.expire_sync_tokens(),
            1 => self.fake.expire_page_tokens(),
            2 => self.fake.expire_access_tokens(),
            _ => {
                let fault = random.one_of(&faults).clone();
                self.fake.fail(None, 1 + random.below(3), fault);
            }
        }
    }

    fn no_trouble(&self) {
        self.fake.stop_failing();
    }
}

pub struct Outlook {
    fake: FakeGraph,
    person: String,
    calendar: String,
}

impl Outlook {
    pub fn of(person: &str) -> Self {
        let fake = FakeGraph::start();
        let calendar = fake.add_mailbox(person);
        Self { fake, person: person.to_owned(), calendar }
    }

    fn value(field: Field, value: &str) -> Value {
        let time = |text: &str| json!({ "dateTime": text.trim_end_matches("+00:00"), "timeZone": "UTC" });
        match field {
            Field::Title => json!({ "subject": value }),
            Field::Location => json!({ "location": { "displayName": value } }),
            Field::Start => json!({ "start": time(value), "end": time(&end_of(value)) }),
        }
    }
}

impl There for Outlook {
    fn provider(&self) -> &'static str {
        "microsoft"
    }

    fn registration(&self) -> (String, String, Value) {
        let endpoints = json!({ "api": self.fake.api(), "token": self.fake.token() });
        (GRAPH_CLIENT.0.to_owned(), GRAPH_CLIENT.1.to_owned(), json!({ "endpoints": endpoints }))
    }

    fn tokens(&self) -> (String, Option<String>) {
        let (access, refresh) = self.fake.grant(&self.person);
        (access, Some(refresh))
    }

    fn calendar(&self) -> String {
        self.calendar.clone()
    }

    fn add(&self, number: usize, shown: &Shown) {
        let mut event = json!({ "body": { "contentType": "text", "content": description(number) } });
        for (field, value) in shown {
            let Value::Object(members) = Self::value(*field, value) else { continue };
            event.as_object_mut().expect("an object").extend(members);
        }
        self.fake.calendar(&self.calendar).insert(event);
    }

    fn edit(&self, id: &str, field: Field, value: &str) {
        self.fake.calendar(&self.calendar).edit(id, Self::value(field, value));
    }

    fn delete(&self, id: &str) {
        self.fake.calendar(&self.calendar).delete(id);
    }

    fn entries(&self) -> Vec<Entry> {
        let events = self.fake.calendar(&self.calendar).events();
        let seen = events.iter().filter_map(|event| {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let start = text(&event["start"]["dateTime"]);
            let start = start_text(&json!(format!("{}Z", start.split('.').next()?)));
            let shown = BTreeMap::from([
                (Field::Title, text(&event["subject"])),
                (Field::Location, text(&event["location"]["displayName"])),
                (Field::Start, start),
            ]);
            Some(Entry { number: number_of(&text(&event["body"]["content"])), id: text(&event["id"]), shown })
        });
        seen.collect()
    }

    fn count_requests(&self) -> usize {
        let calls = self.fake.calls();
        self.fake.forget_requests();
        calls
    }

    fn trouble(&self, random: &mut Random) {
        let faults = [
            GraphFault::LoseReply,
            GraphFault::LoseReply,
            GraphFault::Drop,
            GraphFault::Gone,
            GraphFault::Refuse(500, "InternalServerError"),
            GraphFault::RefuseFor(429, "ApplicationThrottled", 1),
            GraphFault::RefuseFor(503, "ServiceUnavailable", 1),
        ];
        match random.below(10) {
            0 => self.fake.forget_rounds(),
            1 => self.fake.expire_access_tokens(),
            _ => {
                let fault = random.one_of(&faults).clone();
                self.fake.fail(None, 1 + random.below(3), fault);
            }
        }
    }

    fn no_trouble(&self) {
        self.fake.stop_failing();
    }
}

pub struct Notion {
    fake: FakeNotion,
    data_source: String,
    /// A page that is no event.
    other_page: String,
}

impl Notion {
    pub fn new() -> Self {
        let fake = FakeNotion::start();
        let data_source = fake.add_database("Plans", &FakeNotion::usual_schema());
        let other_page = fake.add_page(&data_source, &json!({ "Name": title_of("Not an event") }));
        Self { fake, data_source, other_page }
    }

    fn value(field: Field, value: &str) -> Value {
        match field {
            Field::Title => json!({ "Name": title_of(value) }),
            Field::Location => json!({ "Where": text_of(value) }),
            Field::Start => json!({ "When": { "date": { "start": value, "end": end_of(value) } } }),
        }
    }
}

impl There for Notion {
    fn provider(&self) -> &'static str {
        "notion"
    }

    fn registration(&self) -> (String, String, Value) {
        ("client".to_owned(), "secret".to_owned(), json!({ "endpoints": { "api": self.fake.url() } }))
    }

    fn tokens(&self) -> (String, Option<String>) {
        (FakeNotion::TOKEN.to_owned(), None)
    }

    fn calendar(&self) -> String {
        self.data_source.clone()
    }

    fn add(&self, number: usize, shown: &Shown) {
        let mut page = json!({ "Notes": text_of(&description(number)) });
        for (field, value) in shown {
            let Value::Object(members) = Self::value(*field, value) else { continue };
            page.as_object_mut().expect("an object").extend(members);
        }
        self.fake.add_page(&self.data_source, &page);
    }

    fn edit(&self, id: &str, field: Field, value: &str) {
        self.fake.edit_page(id, &Self::value(field, value));
    }

    fn delete(&self, id: &str) {
        self.fake.trash_page(id);
    }

    fn entries(&self) -> Vec<Entry> {
        let pages = self.fake.pages(&self.data_source);
        let seen = pages.iter().filter_map(|page| {
            let texts = |name: &str, kind: &str| -> String {
                let items = page["properties"][name][kind].as_array().map_or(&[][..], Vec::as_slice);
                items.iter().filter_map(|item| item["plain_text"].as_str()).collect()
            };
            let start = &page["properties"]["When"]["date"]["start"];
            let shown = BTreeMap::from([
                (Field::Title, texts("Name", "title")),
                (Field::Location, texts("Where", "rich_text")),
                (Field::Start, start.is_string().then(|| start_text(start))?),
            ]);
            let id = page["id"].as_str().unwrap_or_default().to_owned();
            Some(Entry { number: number_of(&texts("Notes", "rich_text")), id, shown })
        });
        seen.collect()
    }

    fn count_requests(&self) -> usize {
        let requests = self.fake.count_requests();
        self.fake.forget_requests();
        requests
    }

    /// Rows in the trash are a list of their own.
    fn least_requests(&self) -> usize {
        2
    }

    fn rest(&self) {
        self.fake.advance(TimeDelta::minutes(10));
        self.fake.edit_page(&self.other_page, &json!({ "Name": title_of("Not an event") }));
    }

    fn trouble(&self, random: &mut Random) {
        let faults = [
            NotionFault::LoseReply,
            NotionFault::LoseReply,
            NotionFault::LoseRequest,
            NotionFault::Gateway,
            NotionFault::Refuse(500, None),
            NotionFault::Refuse(429, Some(1)),
            NotionFault::Refuse(529, Some(1)),
            NotionFault::Duplicate,
            NotionFault::Reverse,
            NotionFault::EmptyPage,
        ];
        self.fake.fail("", random.one_of(&faults).clone(), 1 + random.below(3));
    }

    fn no_trouble(&self) {
        self.fake.clear_faults();
    }
}
