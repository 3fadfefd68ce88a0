//! The network side against a fake workspace, without a database.

use std::collections::BTreeSet;
use std::time::Duration;

use calendar_sync_core::event::{Body, Details, Event, Timing};
use calendar_sync_core::zones::{Zone, Zones};
use calendar_sync_e2e::{FakeNotion, NotionFault, text_of, title_of};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value, json};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::Notion;
use crate::http::{Address, Client, Options, Policy};
use crate::providers::account::{AccountProvider, Ask, Change, Changes, ChangesRequest, Pushed};
use crate::providers::api::{ApiError, Token};

struct NoZones;

impl Zones for NoZones {
    fn zone(&self, _name: &str) -> Option<Box<dyn Zone + '_>> {
        None
    }
}

/// A connection as the engine keeps one.
struct Connection {
    ask: Ask,
    cursor: Option<String>,
}

impl Connection {
    fn new(notion: &FakeNotion, calendar: &str, options: Value) -> Self {
        let http = Options {
            policy: Policy { allow_private: true, ..Policy::default() },
            timeout: Duration::from_secs(20),
            max_bytes: 10_000_000,
            user_agent: "test".into(),
            ca_file: None,
            proxy: None,
            names_good_for: Duration::ZERO,
        };
        let ask = Ask {
            client: Client::with(http).unwrap(),
            api: Address::parse(&notion.url()).unwrap(),
            token: Token::new(Zeroizing::new(FakeNotion::TOKEN.to_owned())),
            calendar: calendar.to_owned(),
            mailbox: None,
            options,
        };
        Self { ask, cursor: None }
    }

    fn try_pull(&mut self, everything: bool) -> Result<Changes, ApiError> {
        self.pull_as(everything, true)
    }

    fn pull_as(&mut self, everything: bool, is_called_for: bool) -> Result<Changes, ApiError> {
        let now = Utc::now();
        let request = ChangesRequest {
            cursor: self.cursor.clone().filter(|_| !everything),
            everything,
            is_called_for,
            window: (now, now),
            max_events: 100_000,
            unseen: vec![],
            gone: vec![],
            connection_id: Uuid::nil(),
        };
        let changes = Notion.pull(&self.ask, &request)?;
        self.cursor = changes.cursor.clone();
        if let Some(learned) = &changes.learned {
            let members = self.ask.options.as_object().cloned().unwrap_or_default();
            let learned = learned.as_object().unwrap().clone();
            self.ask.options = Value::Object(members.into_iter().chain(learned).collect());
        }
        Ok(changes)
    }

    fn pull(&mut self) -> Changes {
        self.try_pull(false).unwrap()
    }

    /// As the worker does when it is time.
    fn poll(&mut self) -> Changes {
        self.pull_as(false, false).unwrap()
    }

    fn push(&self, change: &Change) -> Pushed {
        Notion.push(&self.ask, change).unwrap()
    }

    /// Later, by our clock: nothing more happens in the newest minute that was seen.
    fn settle(&mut self) {
        let mut cursor: Value = serde_json::from_str(self.cursor.as_ref().unwrap()).unwrap();
        let seen: DateTime<Utc> = cursor["seen_at"].as_str().unwrap().parse().unwrap();
        cursor["seen_at"] = json!(seen - TimeDelta::minutes(10));
        self.cursor = Some(cursor.to_string());
    }
}

fn workspace() -> (FakeNotion, String, Connection) {
    let notion = FakeNotion::start();
    let source = notion.add_database("Team", &FakeNotion::usual_schema());
    let connection = Connection::new(&notion, &source, json!({}));
    (notion, source, connection)
}

fn at(start: &str) -> Value {
    json!({ "start": start })
}

fn payload(title: &str) -> Map<String, Value> {
    let start = "2030-05-01T09:00:00Z".parse().unwrap();
    let timing =
        Timing { start, end: Some(start + TimeDelta::hours(1)), all_day: false, time_zone: None, floating: false };
    let details = Details { title: title.into(), ..Details::default() };
    Notion.write(&Body::Single(Box::new(Event { timing, details })), &Value::Null, &NoZones).unwrap()
}

fn create(key: u128, title: &str) -> Change {
    Change::Create {
        key: Uuid::from_u128(key),
        is_new: false,
        is_retry: false,
        payload: payload(title),
        instances: vec![],
    }
}

fn written(pushed: Pushed) -> (String, Option<String>) {
    match pushed {
        Pushed::Written { external_id, etag, .. } => (external_id, etag),
        other => panic!("{other:?}"),
    }
}

fn only(title: &str) -> Map<String, Value> {
    Map::from_iter([("title".to_owned(), json!(title))])
}

fn titles(changes: &Changes) -> BTreeSet<&str> {
    changes.values.iter().map(|entry| entry["title"].as_str().unwrap()).collect()
}

#[test]
fn data_sources_are_the_calendars() {
    let (notion, source, connection) = workspace();
    for number in 0..120 {
        notion.add_database(&format!("Other {number}"), &FakeNotion::usual_schema());
    }
    let found = Notion.calendars(&connection.ask).unwrap();
    assert_eq!(found.len(), 121);
    assert_eq!((found[0].external_calendar_id.as_str(), found[0].name.as_str()), (source.as_str(), "Team"));
}

#[test]
fn an_idle_poll_is_one_request_and_one_that_was_called_for_looks_at_the_trash_as_well() {
    let (notion, source, mut connection) = workspace();
    for number in 0..250 {
        notion.add_event(&source, &format!("Event {number}"), &at("2030-05-01"));
    }
    let first = connection.pull();
    assert!(first.complete && first.values.len() == 250);
    assert_eq!(first.name.as_deref(), Some("Team"));
    connection.settle();
    notion.forget_requests();
    let idle = connection.poll();
    assert!(!idle.complete && idle.values.is_empty() && idle.deleted.is_empty());
    assert_eq!(notion.count_requests(), 1);
    notion.forget_requests();
    connection.pull();
    assert_eq!(notion.count_requests(), 2);
}

#[test]
fn a_row_in_the_trash_is_found_by_the_fifth_idle_poll_or_with_the_first_change() {
    let (notion, source, mut connection) = workspace();
    notion.freeze("2030-01-01T10:00:20Z".parse().unwrap());
    let pages: Vec<String> =
        ["a", "b", "c"].iter().map(|title| notion.add_event(&source, title, &at("2030-05-01"))).collect();
    connection.pull();
    // In the minute of the newest change, which is settled by the time that the trash is looked at.
    notion.trash_page(&pages[0]);
    notion.forget_requests();
    for poll in 0..4 {
        assert!(connection.poll().deleted.is_empty());
        if poll == 1 {
            connection.settle();
        }
    }
    assert_eq!(notion.count_requests(), 4);
    assert_eq!(connection.poll().deleted, [pages[0].clone()]);
    notion.advance(TimeDelta::minutes(5));
    notion.trash_page(&pages[1]);
    assert!(connection.poll().deleted.is_empty());
    notion.edit_page(&pages[2], &json!({ "Name": title_of("d") }));
    let changes = connection.poll();
    assert_eq!((titles(&changes), &changes.deleted), (["d"].into(), &vec![pages[1].clone()]));
}

#[test]
fn two_edits_in_one_minute_are_both_seen() {
    let (notion, source, mut connection) = workspace();
    notion.freeze("2030-01-01T10:00:20Z".parse().unwrap());
    let page = notion.add_event(&source, "first", &at("2030-05-01"));
    connection.pull();
    notion.advance(TimeDelta::seconds(10));
    notion.edit_page(&page, &json!({ "Name": title_of("second") }));
    assert_eq!(titles(&connection.pull()), ["second"].into());
    notion.advance(TimeDelta::seconds(10));
    notion.edit_page(&page, &json!({ "Name": title_of("third") }));
    assert_eq!(titles(&connection.pull()), ["third"].into());
}

#[test]
fn rows_in_the_trash_without_a_date_and_gone_for_good_are_found() {
    let (notion, source, mut connection) = workspace();
    let pages: Vec<String> =
        ["a", "b", "c", "d"].iter().map(|title| notion.add_event(&source, title, &at("2030-05-01"))).collect();
    connection.pull();
    notion.trash_page(&pages[0]);
    notion.edit_page(&pages[1], &json!({ "When": { "date": null } }));
    notion.erase_page(&pages[2]);
    let changes = connection.pull();
    let deleted: BTreeSet<&String> = changes.deleted.iter().collect();
    assert_eq!(deleted, [&pages[0], &pages[1]].into());
    let all = connection.try_pull(true).unwrap();
    assert!(all.complete);
    assert_eq!(titles(&all), ["d"].into());
    notion.restore_page(&pages[0]);
    assert!(titles(&connection.pull()).contains("a"));
}

#[test]
fn a_list_goes_on_where_a_query_ends() {
    let (notion, source, mut connection) = workspace();
    notion.freeze("2030-01-01T10:00:00Z".parse().unwrap());
    notion.limit_rows(120);
    for number in 0..310 {
        notion.advance(TimeDelta::seconds(7));
        notion.add_event(&source, &format!("Event {number}"), &at("2030-05-01"));
    }
    assert_eq!(titles(&connection.pull()).len(), 310);
    // Backwards, too.
    let mut cursor: Value = serde_json::from_str(connection.cursor.as_ref().unwrap()).unwrap();
    cursor["newest"] = json!("2030-01-01T10:02:00Z");
    connection.cursor = Some(cursor.to_string());
    assert_eq!(titles(&connection.pull()).len(), 310);
    // More than a query gives were made in one minute: nothing tells them apart, and a part is not the whole.
    for number in 0..130 {
        notion.add_event(&source, &format!("Copy {number}"), &at("2030-05-01"));
    }
    let error = connection.try_pull(true).unwrap_err().to_string();
    assert!(error.contains("more rows than one query gives have the same created_time"), "{error}");
}

#[test]
fn pages_that_are_empty_doubled_or_in_disorder_lose_nothing() {
    let (notion, source, mut connection) = workspace();
    for number in 0..250 {
        notion.add_event(&source, &format!("Event {number}"), &at("2030-05-01"));
    }
    let query = format!("POST /v1/data_sources/{source}/query");
    for fault in [NotionFault::EmptyPage, NotionFault::Duplicate, NotionFault::Reverse] {
        notion.fail(&query, fault, 1);
    }
    let changes = connection.pull();
    assert_eq!((titles(&changes).len(), changes.values.len()), (250, 250));
    notion.fail(&query, NotionFault::EmptyPage, 1_000);
    assert!(matches!(connection.try_pull(true), Err(ApiError::Unexpected(..))));
}

#[test]
fn a_short_wait_is_waited_for_and_a_long_one_is_passed_on() {
    let (notion, source, mut connection) = workspace();
    notion.add_event(&source, "Review", &at("2030-05-01"));
    let query = format!("POST /v1/data_sources/{source}/query");
    notion.fail(&query, NotionFault::Refuse(429, Some(0)), 3);
    assert_eq!(titles(&connection.pull()), ["Review"].into());
    notion.fail(&query, NotionFault::Refuse(529, Some(300)), 1);
    let error = connection.try_pull(true).unwrap_err();
    assert!(error.is_of_account());
    assert_eq!(error.retry_after(), Some(Duration::from_secs(300)));
}

#[test]
fn a_create_whose_answer_was_lost_is_not_made_again() {
    let (notion, source, mut connection) = workspace();
    notion.fail("POST /v1/pages", NotionFault::LoseReply, 1);
    assert!(Notion.push(&connection.ask, &create(1, "Review")).is_err());
    let (id, etag) = written(connection.push(&create(1, "Review, moved")));
    let pages = notion.pages(&source);
    assert_eq!(pages.len(), 1);
    assert_eq!(pages[0]["id"], json!(id));
    assert_eq!(pages[0]["properties"]["Name"]["title"][0]["plain_text"], "Review, moved");
    // What is pulled is known by the key, and is the same version.
    let pulled = Notion.read(connection.pull().values, &Value::Null, &NoZones, "UTC").remove(0).unwrap();
    assert_eq!((pulled.mark, pulled.etag), (Some(Uuid::from_u128(1).to_string()), etag));
    assert_ne!(written(connection.push(&create(2, "Review"))).0, id);
    // Somebody was there between two tries: the pull finds both.
    notion.fail("POST /v1/pages", NotionFault::LoseReply, 1);
    assert!(Notion.push(&connection.ask, &create(3, "Plan")).is_err());
    let third = notion.pages(&source)[2]["id"].as_str().unwrap().to_owned();
    notion.edit_page(&third, &json!({ "Name": title_of("Plan B") }));
    assert!(matches!(connection.push(&create(3, "Plan")), Pushed::Stale));
    notion.edit_page(&third, &json!({ "Name": title_of("Plan") }));
    assert_eq!(written(connection.push(&create(3, "Plan"))).0, third);
}

#[test]
fn what_earlier_tries_have_made_is_looked_for_at_once() {
    let (notion, _, connection) = workspace();
    for key in [1, 60] {
        written(connection.push(&create(key, "Review")));
    }
    let keys: Vec<Uuid> = (1..=70).map(Uuid::from_u128).collect();
    notion.forget_requests();
    let not_made = Notion.not_made(&connection.ask, &keys).unwrap();
    assert_eq!(notion.count_requests(), 2, "two queries");
    let made: Vec<u128> = keys.iter().filter(|key| !not_made.contains(key)).map(Uuid::as_u128).collect();
    assert_eq!(made, [1, 60]);
}

#[test]
fn where_no_property_can_be_added_a_page_is_known_by_its_title_and_date() {
    let (notion, source, connection) = workspace();
    notion.lock_schemas(true);
    notion.add_event(&source, "Review", &at("2030-05-01T09:00:00Z"));
    notion.fail("POST /v1/pages", NotionFault::LoseReply, 1);
    assert!(Notion.push(&connection.ask, &create(1, "Review")).is_err());
    written(connection.push(&create(1, "Review")));
    assert_eq!(notion.pages(&source).len(), 2);
    assert!(!notion.property_names(&source).contains(&"calendar_sync key".to_owned()));
}

#[test]
fn what_was_changed_there_since_is_not_overwritten() {
    let (notion, _, connection) = workspace();
    let (id, etag) = written(connection.push(&create(1, "Review")));
    let update = |etag: &Option<String>, title: &str| Change::Update {
        external_id: id.clone(),
        etag: etag.clone(),
        payload: only(title),
        instances: vec![],
    };
    let (_, newer) = written(connection.push(&update(&etag, "Review 2")));
    assert_ne!(etag, newer);
    // In the same minute: its time does not tell.
    notion.edit_page(&id, &json!({ "Where": text_of("Room 5") }));
    assert!(matches!(connection.push(&update(&newer, "Review 3")), Pushed::Stale));
    let delete = |etag: &Option<String>| Change::Delete { external_id: id.clone(), etag: etag.clone() };
    assert!(matches!(connection.push(&delete(&newer)), Pushed::Stale));
    notion.fail("PATCH /v1/pages/*", NotionFault::Refuse(409, None), 1);
    assert!(matches!(connection.push(&update(&None, "Review 3")), Pushed::Stale));
    assert!(matches!(connection.push(&delete(&None)), Pushed::Gone));
    assert_eq!(notion.page(&id)["in_trash"], true);
    assert!(matches!(connection.push(&delete(&newer)), Pushed::Gone));
    assert!(matches!(connection.push(&update(&newer, "Review 4")), Pushed::Gone));
    notion.erase_page(&id);
    assert!(matches!(connection.push(&delete(&newer)), Pushed::Gone));
}

#[test]
fn access_that_is_lost_is_no_delete() {
    let (notion, source, mut connection) = workspace();
    let (id, etag) = written(connection.push(&create(1, "Review")));
    connection.pull();
    notion.share(&source, false);
    assert!(matches!(connection.try_pull(false), Err(ApiError::NoAccess(..))));
    assert!(matches!(connection.try_pull(true), Err(ApiError::NoAccess(..))));
    let delete = Change::Delete { external_id: id, etag };
    assert!(matches!(Notion.push(&connection.ask, &delete), Err(ApiError::NoAccess(..))));
    assert!(matches!(Notion.push(&connection.ask, &create(2, "x")), Err(ApiError::NoAccess(..))));
    notion.share(&source, true);
    notion.revoke_tokens();
    assert!(connection.try_pull(false).unwrap_err().is_unauthorized());
}

#[test]
fn properties_may_be_renamed_and_removed_meanwhile() {
    let (notion, source, mut connection) = workspace();
    let (id, etag) = written(connection.push(&create(1, "Review")));
    connection.pull();
    notion.change_schema(&source, &json!({ "Name": { "name": "Called" }, "When": { "name": "At" }, "Link": null }));
    let update = Change::Update { external_id: id.clone(), etag, payload: only("Review 2"), instances: vec![] };
    written(connection.push(&update));
    assert_eq!(notion.page(&id)["properties"]["Called"]["title"][0]["plain_text"], "Review 2");
    written(connection.push(&create(2, "Plan")));
    assert_eq!(titles(&connection.pull()), ["Review 2", "Plan"].into());
    let mut options = connection.ask.options.clone();
    options["properties"] = json!({ "start": "Nowhere" });
    connection.ask.options = options;
    let error = connection.try_pull(false).unwrap_err().to_string();
    assert!(error.contains("the data source has no property \"Nowhere\" (options.properties.start)"), "{error}");
}

#[test]
fn what_notion_does_not_take_is_refused_once_and_for_all() {
    let (notion, source, connection) = workspace();
    let change = Change::Create {
        key: Uuid::from_u128(1),
        is_new: false,
        is_retry: false,
        payload: Map::from_iter([("title".to_owned(), json!("x")), ("date".to_owned(), at("not a date"))]),
        instances: vec![],
    };
    let Pushed::Refused(why) = connection.push(&change) else { panic!() };
    assert!(why.contains("ISO 8601"), "{why}");
    notion.fail("POST /v1/pages", NotionFault::Refuse(500, None), 1);
    let error = Notion.push(&connection.ask, &create(2, "x")).unwrap_err();
    assert!(!error.is_of_account() && error.status() == Some(500));
    assert!(notion.pages(&source).is_empty());
}
