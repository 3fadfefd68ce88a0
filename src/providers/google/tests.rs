//! The network side with a fake Google.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use calendar_sync_core::providers::google::{event_id, instance_id};
use calendar_sync_e2e::{FakeGoogle, GoogleCall, GoogleFault, GoogleListing, GoogleRole, Reply};
use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Google;
use crate::http::Address;
use crate::providers::account::{
    AccountProvider, Ask, Change, Changes, ChangesRequest, InstanceChange, Pushed, Watch, Watched,
};
use crate::providers::api::ApiError;
use crate::providers::testing::{self, at, delete, payload, update, watch};

const ADA: &str = "ada@example.com";

fn google() -> (FakeGoogle, Ask) {
    let google = FakeGoogle::start();
    google.add_person(ADA, "Europe/Berlin");
    let ask = ask_as(&google, ADA);
    (google, ask)
}

/// In somebody's name, about Ada's calendar.
fn ask_as(google: &FakeGoogle, who: &str) -> Ask {
    testing::ask(&google.api(), google.grant(who).0, ADA)
}

fn pull(ask: &Ask, cursor: Option<&str>) -> Result<Changes, ApiError> {
    let request = ChangesRequest {
        cursor: cursor.map(str::to_owned),
        everything: false,
        is_called_for: true,
        window: (at("2030-01-01T00:00:00Z"), at("2031-01-01T00:00:00Z")),
        max_events: 1_000,
        unseen: vec![],
        gone: vec![],
        connection_id: Uuid::nil(),
    };
    Google.pull(ask, &request)
}

fn timed(title: &str, day: u32) -> Value {
    let time =
        |hour: u32| json!({ "dateTime": format!("2030-01-{day:02}T{hour:02}:00:00Z"), "timeZone": "Europe/Berlin" });
    json!({ "summary": title, "status": "confirmed", "start": time(9), "end": time(10) })
}

fn create(title: &str) -> Change {
    Change::Create {
        key: Uuid::from_u128(7),
        is_new: false,
        is_retry: false,
        payload: payload(timed(title, 7)),
        instances: vec![],
    }
}

fn written(pushed: Result<Pushed, ApiError>) -> (String, String, Vec<Value>) {
    match pushed {
        Ok(Pushed::Written { external_id, etag, values }) => (external_id, etag.unwrap(), values),
        other => panic!("{other:?}"),
    }
}

fn ids(values: &[Value]) -> Vec<&str> {
    values.iter().map(|value| value["id"].as_str().unwrap()).collect()
}

/// Hardest point 7.
#[test]
fn pages_are_followed_to_the_last_whatever_they_are_like() {
    let (google, ask) = google();
    let calendar = google.calendar(ADA);
    let all: Vec<String> = (7..14).map(|day| calendar.insert(timed("Day", day))).collect();
    calendar.insert(json!({ "start": { "date": "2020-01-01" } }));
    google.set_listing(GoogleListing { page_size: Some(2), empty_pages: true, repeats: true, reversed: true });
    let first = pull(&ask, None).unwrap();
    let mut found = ids(&first.values);
    found.sort_unstable();
    assert_eq!(found, all);
    assert!(first.complete && !first.partial_series && first.deleted.is_empty());
    assert_eq!((first.name.as_deref(), first.time_zone.as_deref()), (Some(ADA), Some("Europe/Berlin")));
    assert_eq!(google.count(GoogleCall::NextPage), 7);
}

#[test]
fn pages_that_lead_in_a_circle_are_not_followed_for_ever() {
    let asked = AtomicUsize::new(0);
    let circle = calendar_sync_e2e::serve(move |_| {
        let token = ["a", "b"][asked.fetch_add(1, Ordering::Relaxed) % 2];
        Some(Reply::json(200, &json!({ "items": [], "nextPageToken": token })))
    });
    let (_google, mut ask) = google();
    ask.api = Address::parse(&format!("http://{circle}/calendar/v3")).unwrap();
    assert!(pull(&ask, None).unwrap_err().to_string().contains("in a circle"));
}

#[test]
fn empty_pages_without_end_count_as_events() {
    let asked = AtomicUsize::new(0);
    let endless = calendar_sync_e2e::serve(move |_| {
        let token = asked.fetch_add(1, Ordering::Relaxed).to_string();
        Some(Reply::json(200, &json!({ "items": [], "nextPageToken": token })))
    });
    let (_google, mut ask) = google();
    ask.api = Address::parse(&format!("http://{endless}/calendar/v3")).unwrap();
    assert!(pull(&ask, None).unwrap_err().to_string().contains("more than 1000 events"));
}

/// Hardest point 2: what was deleted is said to be, and only then.
#[test]
fn after_everything_only_changes_are_listed_and_nothing_takes_one_request() {
    let (google, ask) = google();
    let calendar = google.calendar(ADA);
    let all: Vec<String> = (7..10).map(|day| calendar.insert(timed("Day", day))).collect();
    let first = pull(&ask, None).unwrap();
    google.forget_requests();
    let second = pull(&ask, first.cursor.as_deref()).unwrap();
    assert!(second.values.is_empty() && second.deleted.is_empty() && !second.complete);
    assert_eq!(google.calls(), 1);
    calendar.edit(&all[0], json!({ "summary": "Other" }));
    calendar.delete(&all[1]);
    let third = pull(&ask, second.cursor.as_deref()).unwrap();
    assert_eq!((ids(&third.values), third.deleted), (vec![all[0].as_str()], vec![all[1].clone()]));
    assert!(third.partial_series);
}

/// Nothing is to be made of what is said of its occurrences beside that: they would seem to wait for it.
#[test]
fn a_deleted_series_takes_its_exceptions_with_it() {
    let (google, ask) = google();
    let calendar = google.calendar(ADA);
    let mut series = timed("Daily", 7);
    series["recurrence"] = json!(["RRULE:FREQ=DAILY;COUNT=5"]);
    let id = calendar.insert(series);
    let original = at("2030-01-08T09:00:00Z");
    calendar.edit_instance(&id, original, json!({ "location": "Room 5" }));
    let cursor = pull(&ask, None).unwrap().cursor;
    calendar.delete(&id);
    let page = pull(&ask, cursor.as_deref()).unwrap();
    assert_eq!((page.values.len(), page.deleted), (0, vec![id]));
}

/// Hardest point 6, as far as the network goes.
#[test]
fn a_sync_token_that_is_lost_means_everything_in_the_same_pull() {
    let (google, ask) = google();
    google.calendar(ADA).insert(timed("Day", 7));
    let cursor = pull(&ask, None).unwrap().cursor;
    google.expire_sync_tokens();
    let after = pull(&ask, cursor.as_deref()).unwrap();
    assert!(after.complete && after.values.len() == 1 && after.cursor != cursor);
    for known in ["1 no-such-token", "0 of-another-version", ""] {
        assert!(pull(&ask, Some(known)).unwrap().complete, "{known}");
    }
}

#[test]
fn a_place_between_two_pages_that_is_lost_means_once_more_from_the_beginning() {
    for fault in [GoogleFault::ForgetPages, GoogleFault::Refuse(410, "fullSyncRequired")] {
        let (google, ask) = google();
        (7..14).for_each(|day| drop(google.calendar(ADA).insert(timed("Day", day))));
        google.set_listing(GoogleListing { page_size: Some(3), ..GoogleListing::default() });
        google.fail(GoogleCall::NextPage, 1, fault);
        assert_eq!(pull(&ask, None).unwrap().values.len(), 7);
        assert_eq!(google.count(GoogleCall::List), 2);
    }
}

/// Hardest point 13: what limits the account is told from what refuses a request, whatever the status.
#[test]
fn a_403_is_a_limit_or_a_refusal_by_its_reason() {
    let (google, ask) = google();
    let told = |status, reason| {
        google.fail(GoogleCall::List, 1, GoogleFault::Refuse(status, reason));
        pull(&ask, None).unwrap_err()
    };
    for reason in ["rateLimitExceeded", "userRateLimitExceeded"] {
        assert!(matches!(told(403, reason), ApiError::Throttled(_, None)), "{reason}");
    }
    assert!(matches!(told(403, "quotaExceeded"), ApiError::Throttled(_, Some(_))));
    assert!(matches!(told(429, "rateLimitExceeded"), ApiError::Throttled(_, None)));
    assert!(matches!(told(403, "forbidden"), ApiError::NoAccess(..)));
    assert!(matches!(told(404, "notFound"), ApiError::NoAccess(..)));
    assert!(told(401, "authError").is_unauthorized());
    google.fail(GoogleCall::Insert, 1, GoogleFault::RefuseFor(403, "rateLimitExceeded", 30));
    let error = Google.push(&ask, &create("A")).unwrap_err();
    assert_eq!((error.is_of_account(), error.retry_after()), (true, Some(Duration::from_secs(30))));
    google.fail(GoogleCall::Insert, 1, GoogleFault::Refuse(403, "forbiddenForNonOrganizer"));
    assert!(matches!(Google.push(&ask, &create("A")), Ok(Pushed::Refused(_))));
}

/// Hardest point 9.
#[test]
fn an_event_whose_answer_was_lost_is_found_again_and_not_made_twice() {
    let (google, ask) = google();
    google.fail(GoogleCall::Insert, 1, GoogleFault::LoseReply);
    assert!(Google.push(&ask, &create("A")).is_err());
    let (id, ..) = written(Google.push(&ask, &create("A")));
    assert_eq!(id, event_id(7));
    assert_eq!((google.calendar(ADA).events().len(), google.count(GoogleCall::Patch)), (1, 0));
    // It is wanted otherwise by now.
    let (_, _, values) = written(Google.push(&ask, &create("B")));
    assert_eq!(values[0]["summary"], "B");
    assert_eq!((google.calendar(ADA).events().len(), google.mails()), (1, 0));
}

#[test]
fn what_somebody_made_of_an_event_whose_answer_was_lost_is_not_written_over() {
    let (google, ask) = google();
    google.fail(GoogleCall::Insert, 1, GoogleFault::LoseReply);
    assert!(Google.push(&ask, &create("A")).is_err());
    google.advance(TimeDelta::seconds(30));
    google.calendar(ADA).edit(&event_id(7), json!({ "location": "Room 5", "summary": "A!" }));
    assert!(matches!(Google.push(&ask, &create("A")), Ok(Pushed::Stale)));
    assert_eq!(google.calendar(ADA).event(&event_id(7)).unwrap()["summary"], "A!");
}

#[test]
fn an_event_that_was_deleted_gets_up_again_under_its_identifier() {
    let (google, ask) = google();
    written(Google.push(&ask, &create("A")));
    google.calendar(ADA).delete(&event_id(7));
    let (id, _, values) = written(Google.push(&ask, &create("B")));
    assert_eq!((id, values[0]["status"].as_str()), (event_id(7), Some("confirmed")));
    google.calendar(ADA).delete(&event_id(7));
    // An update that goes over whatever is there does the same.
    let mut whole = timed("C", 7);
    whole["status"] = json!("confirmed");
    let (_, _, values) = written(Google.push(&ask, &update(&event_id(7), None, whole, vec![])));
    assert_eq!((values[0]["status"].as_str(), values[0]["summary"].as_str()), (Some("confirmed"), Some("C")));
}

/// Hardest point 10.
#[test]
fn a_version_that_is_not_ours_is_neither_changed_nor_deleted() {
    let (google, ask) = google();
    let (id, etag, _) = written(Google.push(&ask, &create("A")));
    google.calendar(ADA).edit(&id, json!({ "location": "Room 5" }));
    let stale = update(&id, Some(&etag), json!({ "summary": "B" }), vec![]);
    assert!(matches!(Google.push(&ask, &stale), Ok(Pushed::Stale)));
    let delete = |etag: Option<&str>| Google.push(&ask, &delete(&id, etag));
    assert!(matches!(delete(Some(&etag)), Ok(Pushed::Stale)));
    let etag = google.calendar(ADA).event(&id).unwrap()["etag"].as_str().unwrap().to_owned();
    let (_, etag, _) = written(Google.push(&ask, &update(&id, Some(&etag), json!({ "summary": "B" }), vec![])));
    let event = google.calendar(ADA).event(&id).unwrap();
    assert_eq!((&event["summary"], &event["location"]), (&json!("B"), &json!("Room 5")));
    assert!(matches!(delete(Some(&etag)), Ok(Pushed::Gone)));
    assert!(matches!(delete(None), Ok(Pushed::Gone)));
    google.calendar(ADA).purge();
    assert!(matches!(delete(None), Ok(Pushed::Gone)));
    assert!(matches!(Google.push(&ask, &stale), Ok(Pushed::Gone)));
}

fn occurrence(day: u32, changes: Option<Value>) -> InstanceChange {
    testing::instance(&format!("2030-01-{day:02}T09:00:00Z"), changes)
}

/// Hardest point 3, as far as the network goes.
#[test]
fn occurrences_are_changed_and_cancelled_by_identifiers_that_nobody_has_told() {
    let (google, ask) = google();
    let mut series = timed("Daily", 7);
    series["recurrence"] = json!(["RRULE:FREQ=DAILY;COUNT=5"]);
    let moved =
        json!({ "summary": "Moved", "recurrence": null, "start": timed("", 9)["start"], "end": timed("", 9)["end"] });
    let instances = vec![occurrence(8, Some(moved)), occurrence(10, None)];
    let change =
        Change::Create { key: Uuid::from_u128(7), is_new: false, is_retry: false, payload: payload(series), instances };
    let (id, etag, values) = written(Google.push(&ask, &change));
    assert_eq!(values.len(), 3);
    assert_eq!(values[1]["id"], instance_id(&id, at("2030-01-08T09:00:00Z"), false));
    assert_eq!(google.calendar(ADA).cancelled_instances(&id).len(), 1);
    // One that the series does not give can't be changed, and need not be cancelled.
    let none = |changes| update(&id, Some(&etag), json!({}), vec![occurrence(20, changes)]);
    assert!(matches!(Google.push(&ask, &none(Some(json!({ "summary": "X" })))), Ok(Pushed::Refused(_))));
    assert_eq!(written(Google.push(&ask, &none(None))).2.len(), 1);
}

#[test]
fn an_occurrence_that_somebody_changed_unseen_is_not_written_over() {
    let (google, ask) = google();
    let mut series = timed("Daily", 7);
    series["recurrence"] = json!(["RRULE:FREQ=DAILY;COUNT=5"]);
    let change = Change::Create {
        key: Uuid::from_u128(7),
        is_new: false,
        is_retry: false,
        payload: payload(series),
        instances: vec![],
    };
    let (id, etag, _) = written(Google.push(&ask, &change));
    google.calendar(ADA).edit_instance(&id, at("2030-01-08T09:00:00Z"), json!({ "location": "Room 5" }));
    let title = || Some(json!({ "summary": "Ours" }));
    let change = |etag: Option<&str>, day| update(&id, etag, json!({}), vec![occurrence(day, title())]);
    assert!(matches!(Google.push(&ask, &change(Some(&etag), 8)), Ok(Pushed::Stale)));
    assert_eq!(written(Google.push(&ask, &change(Some(&etag), 9))).2[1]["summary"], "Ours");
    // Unless ours goes over everything.
    assert_eq!(written(Google.push(&ask, &change(None, 8))).2[1]["location"], "Room 5");
}

/// Hardest point 11, as far as the network goes.
#[test]
fn a_channel_is_replaced_before_it_ends_and_then_stopped() {
    let (google, ask) = google();
    let watch = Watch { expires: Utc::now() + TimeDelta::days(7), ..watch("http://127.0.0.1:9/hook") };
    google.fail(GoogleCall::Watch, 1, GoogleFault::LoseReply);
    assert!(Google.watch(&ask, &watch).is_err());
    let first = Google.watch(&ask, &watch).unwrap().unwrap();
    let expires = first.expires.unwrap();
    assert!((expires - watch.expires).abs() < TimeDelta::minutes(5), "{expires}");
    let second = Google.renew(&ask, &watch, &first).unwrap().unwrap();
    assert_ne!(first.subscription_id, second.subscription_id);
    assert_eq!(google.channels().len(), 3);
    for channel in [&first, &second, &second, &Watched { resource_id: None, ..first.clone() }] {
        Google.unwatch(&ask, channel).unwrap();
    }
    assert_eq!(google.channels().len(), 1);
    google.calendar(ADA).refuse_channels();
    assert_eq!(Google.watch(&ask, &watch).unwrap(), None);
}

#[test]
fn calendars_are_listed_with_what_may_be_done_to_them() {
    let (google, ask) = google();
    google.add_person("bob@example.com", "Asia/Tokyo");
    google.add_calendar("bob@example.com", "team", "Team", "Europe/London");
    google.share("team", ADA, Some(GoogleRole::Reader));
    google.set_listing(GoogleListing { page_size: Some(1), ..GoogleListing::default() });
    let found = Google.calendars(&ask).unwrap();
    let shown: Vec<_> =
        found.iter().map(|it| (it.external_calendar_id.as_str(), it.name.as_str(), it.writable)).collect();
    assert_eq!(shown, [(ADA, ADA, true), ("team", "Team", false)]);
    assert_eq!(found[1].owner_email.as_deref(), Some("bob@example.com"));
    assert_eq!(found[1].time_zone.as_deref(), Some("Europe/London"));
    // Who may only read is told so, and no single event is to blame.
    let ask = Ask { calendar: "team".into(), ..ask };
    assert!(matches!(Google.push(&ask, &create("A")), Err(ApiError::NoAccess(..))));
}
