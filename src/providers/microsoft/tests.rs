//! The network side with a fake Graph.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use calendar_sync_e2e::{FakeGraph, GraphCall, GraphFault, GraphPages, Reply};
use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Microsoft;
use crate::http::Address;
use crate::providers::account::{
    AccountProvider, Ask, Change, Changes, ChangesRequest, InstanceChange, Pushed, Watched,
};
use crate::providers::api::ApiError;
use crate::providers::testing::{self, at, delete, instance, payload, update, watch};

const ADA: &str = "ada@example.com";

/// Ada's mailbox; what is asked is about its own calendar.
fn graph() -> (FakeGraph, Ask) {
    let graph = FakeGraph::start();
    let calendar = graph.add_mailbox(ADA);
    let ask = testing::ask(&graph.api(), graph.grant(ADA).0, &calendar);
    (graph, ask)
}

fn pull_at(ask: &Ask, cursor: Option<&str>, now: &str) -> Result<Changes, ApiError> {
    Microsoft.pull(ask, &request(cursor, now))
}

fn request(cursor: Option<&str>, now: &str) -> ChangesRequest {
    ChangesRequest {
        cursor: cursor.map(str::to_owned),
        everything: false,
        is_called_for: true,
        window: (at(now) - TimeDelta::days(30), at(now) + TimeDelta::days(365)),
        max_events: 1_000,
        connection_id: Uuid::nil(),
        unseen: vec![],
        gone: vec![],
    }
}

fn pull(ask: &Ask, cursor: Option<&str>) -> Result<Changes, ApiError> {
    pull_at(ask, cursor, "2030-01-05T12:00:00Z")
}

fn time(text: &str) -> Value {
    json!({ "dateTime": text, "timeZone": "W. Europe Standard Time" })
}

fn meeting(subject: &str, day: u32) -> Value {
    json!({
        "subject": subject, "start": time(&format!("2030-01-{day:02}T09:00:00")),
        "end": time(&format!("2030-01-{day:02}T10:00:00")),
    })
}

/// Ten Mondays at nine in Berlin.
fn weekly() -> Value {
    let pattern = json!({ "type": "weekly", "interval": 1, "daysOfWeek": ["monday"], "firstDayOfWeek": "monday" });
    let range = json!({ "type": "numbered", "startDate": "2030-01-07", "numberOfOccurrences": 10,
                        "recurrenceTimeZone": "W. Europe Standard Time" });
    let mut event = meeting("Stand-up", 7);
    event["recurrence"] = json!({ "pattern": pattern, "range": range });
    event
}

fn create(event: Value, instances: Vec<InstanceChange>) -> Change {
    Change::Create { key: Uuid::from_u128(7), is_new: false, is_retry: false, payload: payload(event), instances }
}

fn written(pushed: Result<Pushed, ApiError>) -> (String, String, Value) {
    match pushed {
        Ok(Pushed::Written { external_id, etag, mut values }) => (external_id, etag.unwrap(), values.remove(0)),
        other => panic!("{other:?}"),
    }
}

fn ids(values: &[Value]) -> Vec<&str> {
    let mut ids: Vec<&str> = values.iter().map(|value| value["id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    ids
}

#[test]
fn pages_that_lead_in_a_circle_are_not_followed_for_ever() {
    let asked = AtomicUsize::new(0);
    let circle = calendar_sync_e2e::serve(move |request| {
        let link =
            format!("http://{}/v1.0/page?of={}", request.headers["host"], asked.fetch_add(1, Ordering::Relaxed) % 2);
        Some(Reply::json(200, &json!({ "value": [], "@odata.nextLink": link })))
    });
    let (_graph, mut ask) = graph();
    ask.api = Address::parse(&format!("http://{circle}/v1.0")).unwrap();
    assert!(pull(&ask, None).unwrap_err().to_string().contains("in a circle"));
}

/// Hardest point 7.
#[test]
fn pages_are_followed_to_the_last_whatever_they_are_like() {
    let (graph, ask) = graph();
    let calendar = graph.calendar(&ask.calendar);
    let mut all: Vec<String> = (7..14).map(|day| calendar.insert(meeting("Day", day))).collect();
    all.push(calendar.insert(weekly()));
    graph.set_pages(GraphPages { size: Some(2), empty: true, replays: true, backwards: true });
    let first = pull(&ask, None).unwrap();
    all.sort_unstable();
    assert_eq!(ids(&first.values), all);
    assert!(first.complete && first.deleted.is_empty());
    assert_eq!(first.name.as_deref(), Some("Calendar"));
    assert!(graph.requests().iter().all(|request| request.wants_immutable_ids()));
}

#[test]
fn after_everything_only_changes_are_asked_for_and_nothing_takes_one_request() {
    let (graph, ask) = graph();
    let calendar = graph.calendar(&ask.calendar);
    let all: Vec<String> = (7..10).map(|day| calendar.insert(meeting("Day", day))).collect();
    calendar.insert(weekly());
    let first = pull(&ask, None).unwrap();
    graph.forget_requests();
    let idle = pull(&ask, first.cursor.as_deref()).unwrap();
    assert_eq!((idle.values.len(), idle.deleted.len(), idle.complete, graph.calls()), (0, 0, false, 1));
    calendar.edit(&all[1], json!({ "subject": "Other" }));
    let next = pull(&ask, idle.cursor.as_deref()).unwrap();
    assert_eq!(ids(&next.values), [all[1].as_str()]);
    assert_eq!(graph.calls(), 2);
}

/// Of one that comes twice the last one that was changed counts, in whichever order they come.
#[test]
fn an_older_version_that_comes_again_is_not_taken() {
    let (graph, ask) = graph();
    let calendar = graph.calendar(&ask.calendar);
    let id = calendar.insert(meeting("Old", 7));
    let first = pull(&ask, None).unwrap();
    calendar.edit(&id, json!({ "subject": "New" }));
    for backwards in [false, true] {
        graph.set_pages(GraphPages { size: Some(1), replays: true, backwards, ..GraphPages::default() });
        let next = pull(&ask, first.cursor.as_deref()).unwrap();
        assert_eq!(next.values.len(), 1);
        assert_eq!(next.values[0]["subject"], "New");
    }
}

/// Hardest point 2: deleted, out of the span, elsewhere, not for us any more.
#[test]
fn what_is_said_to_be_removed_is_deleted_only_if_it_is_there_no_more() {
    let (graph, ask) = graph();
    let calendar = graph.calendar(&ask.calendar);
    let other = graph.add_calendar(ADA, "Other");
    let [deleted, later, moved] = ["a", "b", "c"].map(|name| calendar.insert(meeting(name, 8)));
    let first = pull(&ask, None).unwrap();
    calendar.delete(&deleted);
    calendar.edit(&later, json!({ "start": time("2035-01-08T09:00:00"), "end": time("2035-01-08T10:00:00") }));
    calendar.move_to(&moved, &other);
    let next = pull(&ask, first.cursor.as_deref()).unwrap();
    let mut gone = next.deleted.clone();
    gone.sort_unstable();
    assert_eq!(gone, [deleted, moved]);
    assert_eq!(ids(&next.values), [later.as_str()]);
    graph.remove_calendar(&ask.calendar);
    assert!(matches!(pull(&ask, None), Err(ApiError::NoAccess(..))));
}

/// Hardest point 4.
#[test]
fn a_deleted_occurrence_that_delta_does_not_speak_of_is_found() {
    let (graph, ask) = graph();
    let calendar = graph.calendar(&ask.calendar);
    let series = calendar.insert(weekly());
    let first = pull(&ask, None).unwrap();
    calendar.delete_occurrence(&series, at("2030-01-14T08:00:00Z"));
    let next = pull(&ask, first.cursor.as_deref()).unwrap();
    assert_eq!(ids(&next.values), [series.as_str()]);
    assert_eq!(next.values[0]["cancelledOccurrences"], json!([format!("OID.{series}.2030-01-14")]));
    assert!(next.deleted.is_empty());
    // Where the master does not list them, all that are left are: the reader finds the gap.
    graph.hide_cancelled_occurrences(true);
    let next = pull(&ask, first.cursor.as_deref()).unwrap();
    let left: Vec<&str> = next.values[0]["instances"]["value"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["start"]["dateTime"].as_str().unwrap().get(..10).unwrap())
        .collect();
    assert_eq!(left.len(), 9);
    assert!(!left.contains(&"2030-01-14"));
}

/// Hardest point 7.
#[test]
fn one_series_that_exchange_itself_fails_at_does_not_stop_the_others() {
    let (graph, ask) = graph();
    let calendar = graph.calendar(&ask.calendar);
    let (series, single) = (calendar.insert(weekly()), calendar.insert(meeting("Day", 8)));
    graph.fail(GraphCall::Get, 2, GraphFault::Refuse(500, "ErrorInternalServerError"));
    let first = pull(&ask, None).unwrap();
    let mut both = [series.as_str(), single.as_str()];
    both.sort_unstable();
    assert_eq!(ids(&first.values), both);
    let bad = first.values.iter().find(|value| value["id"] == series.as_str()).unwrap();
    assert!(bad["unreadable"].as_str().unwrap().contains("500"));
    // Once is no sign of that.
    graph.fail(GraphCall::Get, 1, GraphFault::Refuse(500, "ErrorInternalServerError"));
    assert!(pull(&ask, None).unwrap().values.iter().all(|value| value["unreadable"].is_null()));
    // Nor is one that is busy.
    graph.fail(GraphCall::Get, 1, GraphFault::RefuseFor(503, "ServiceUnavailable", 5));
    assert!(pull(&ask, None).is_err());
}

/// Hardest point 3.
#[test]
fn exceptions_come_with_their_series_by_the_start_that_they_had() {
    let (graph, ask) = graph();
    let calendar = graph.calendar(&ask.calendar);
    let series = calendar.insert(weekly());
    let first = pull(&ask, None).unwrap();
    let changes =
        json!({ "subject": "Later", "start": time("2030-01-15T15:00:00"), "end": time("2030-01-15T16:00:00") });
    calendar.edit_occurrence(&series, at("2030-01-14T08:00:00Z"), changes);
    let next = pull(&ask, first.cursor.as_deref()).unwrap();
    assert_eq!(ids(&next.values), [series.as_str()]);
    let exception = &next.values[0]["exceptionOccurrences"][0];
    assert_eq!((&exception["subject"], &exception["originalStart"]), (&json!("Later"), &json!("2030-01-14T08:00:00Z")));
}

/// Hardest point 6.
#[test]
fn a_round_that_graph_does_not_know_any_more_is_begun_anew_within_the_pull() {
    let (graph, ask) = graph();
    let calendar = graph.calendar(&ask.calendar);
    for day in 7..12 {
        calendar.insert(meeting("Day", day));
    }
    let first = pull(&ask, None).unwrap();
    graph.forget_rounds();
    assert!(pull(&ask, first.cursor.as_deref()).unwrap().complete);
    for fault in [
        GraphFault::Gone,
        GraphFault::Refuse(400, "SyncStateInvalid"),
        GraphFault::Refuse(404, "syncStateNotFound"),
        GraphFault::Refuse(410, "resyncRequired"),
    ] {
        graph.set_pages(GraphPages { size: Some(2), ..GraphPages::default() });
        graph.fail(GraphCall::DeltaPage, 1, fault);
        let again = pull(&ask, None).unwrap();
        assert!(again.complete);
        assert_eq!(again.values.len(), 5);
    }
}

#[test]
fn a_round_is_begun_anew_when_its_span_has_moved_on() {
    let (graph, ask) = graph();
    graph.calendar(&ask.calendar).insert(meeting("Day", 7));
    let first = pull(&ask, None).unwrap();
    assert!(!pull_at(&ask, first.cursor.as_deref(), "2030-01-05T23:00:00Z").unwrap().complete);
    let later = pull_at(&ask, first.cursor.as_deref(), "2030-01-20T12:00:00Z").unwrap();
    assert!(later.complete);
    let (from, to) = later.window.unwrap();
    assert!(from > first.window.unwrap().0 && to > first.window.unwrap().1);
}

/// Hardest point 9.
#[test]
fn an_event_whose_answer_was_lost_is_created_once() {
    let (graph, ask) = graph();
    graph.fail(GraphCall::Create, 1, GraphFault::LoseReply);
    assert!(Microsoft.push(&ask, &create(meeting("Budget", 7), vec![])).is_err());
    // It has changed here meanwhile.
    let (id, etag, value) = written(Microsoft.push(&ask, &create(meeting("Budget 2", 9), vec![])));
    let events = graph.calendar(&ask.calendar).events();
    assert_eq!(events.len(), 1);
    assert_eq!((events[0]["id"].as_str(), events[0]["subject"].as_str()), (Some(id.as_str()), Some("Budget 2")));
    assert_eq!(events[0]["start"]["dateTime"], "2030-01-09T08:00:00.0000000");
    assert_eq!(events[0]["@odata.etag"].as_str(), Some(etag.as_str()));
    assert_eq!(value["transactionId"].as_str(), Some(Uuid::from_u128(7).to_string().as_str()));
    assert_eq!(graph.mails(), 0);
}

/// Hardest point 10.
#[test]
fn another_version_than_the_one_that_is_known_is_never_written_over() {
    let (graph, ask) = graph();
    let (id, etag, _) = written(Microsoft.push(&ask, &create(meeting("Budget", 7), vec![])));
    graph.calendar(&ask.calendar).edit(&id, json!({ "subject": "Theirs" }));
    let push = |change: Change| Microsoft.push(&ask, &change).unwrap();
    assert!(matches!(push(update(&id, Some(&etag), json!({ "subject": "Ours" }), vec![])), Pushed::Stale));
    assert!(matches!(push(delete(&id, Some(&etag))), Pushed::Stale));
    assert_eq!(graph.calendar(&ask.calendar).event(&id).unwrap()["subject"], "Theirs");
    // Exchange says 412 to whoever names no version, too, while it is at work.
    graph.fail(GraphCall::Update, 2, GraphFault::Refuse(412, "ErrorIrresolvableConflict"));
    let (_, etag, _) = written(Ok(push(update(&id, None, json!({ "subject": "Ours" }), vec![]))));
    assert!(matches!(push(delete(&id, Some(&etag))), Pushed::Gone));
    assert!(matches!(push(delete(&id, Some(&etag))), Pushed::Gone));
    assert!(matches!(push(update(&id, None, json!({ "subject": "Ours" }), vec![])), Pushed::Gone));
}

#[test]
fn single_occurrences_are_changed_and_deleted_by_their_original_start() {
    let (_graph, ask) = graph();
    let moved = json!({ "subject": "Later", "isAllDay": false, "start": time("2030-01-15T15:00:00"),
                        "end": time("2030-01-15T16:00:00"), "isOnlineMeeting": true });
    let changes = vec![instance("2030-01-14T08:00:00Z", Some(moved)), instance("2030-01-28T08:00:00Z", None)];
    let (id, etag, value) = written(Microsoft.push(&ask, &create(weekly(), changes)));
    assert_eq!(value["cancelledOccurrences"], json!([format!("OID.{id}.2030-01-28")]));
    assert_eq!(value["exceptionOccurrences"][0]["originalStart"], "2030-01-14T08:00:00Z");
    assert_eq!(value["exceptionOccurrences"][0]["subject"], "Later");
    // The exception is not where it was; it is found by where it was.
    let again = vec![instance("2030-01-14T08:00:00Z", Some(json!({ "subject": "Later still" })))];
    let (_, etag, value) = written(Microsoft.push(&ask, &update(&id, Some(&etag), json!({}), again)));
    assert_eq!(value["exceptionOccurrences"][0]["subject"], "Later still");
    // Over its neighbour's day: Exchange refuses it, and says why.
    let over = json!({ "start": time("2030-01-22T15:00:00"), "end": time("2030-01-22T16:00:00") });
    let over = vec![instance("2030-01-14T08:00:00Z", Some(over))];
    let refused = Microsoft.push(&ask, &update(&id, Some(&etag), json!({}), over)).unwrap();
    assert!(matches!(refused, Pushed::Refused(why) if why.contains("adjacent occurrence")));
    let back = vec![instance("2030-01-28T08:00:00Z", Some(json!({ "subject": "Back" })))];
    let refused = Microsoft.push(&ask, &update(&id, Some(&etag), json!({}), back)).unwrap();
    assert!(matches!(refused, Pushed::Refused(why) if why.contains("cannot be restored")));
}

#[test]
fn a_teams_meeting_keeps_the_way_to_join_when_its_text_changes() {
    let (graph, ask) = graph();
    let mut event = meeting("Call", 7);
    event["isOnlineMeeting"] = json!(true);
    event["onlineMeetingProvider"] = json!("teamsForBusiness");
    event["body"] = json!({ "contentType": "text", "content": "Agenda" });
    let Pushed::Written { external_id: id, etag: None, values } = Microsoft.push(&ask, &create(event, vec![])).unwrap()
    else {
        panic!("how to join is not left to the next pull")
    };
    assert_eq!((&values[0]["isOnlineMeeting"], &values[0]["onlineMeeting"]), (&json!(true), &Value::Null));
    let there = graph.calendar(&ask.calendar).event(&id).unwrap();
    let url = there["onlineMeeting"]["joinUrl"].as_str().unwrap();
    let body = json!({ "body": { "contentType": "text", "content": "Agenda\n2 < 3" },
                       "isOnlineMeeting": null, "onlineMeetingProvider": null });
    let etag = there["@odata.etag"].as_str();
    let (_, _, value) = written(Microsoft.push(&ask, &update(&id, etag, body, vec![])));
    assert_eq!((&value["isOnlineMeeting"], &value["onlineMeeting"]["joinUrl"]), (&json!(true), &json!(url)));
    assert!(value["body"]["content"].as_str().unwrap().starts_with("Agenda\r\n2 < 3\r\n____"));
}

/// Hardest point 13.
#[test]
fn throttling_says_how_long_to_wait_and_is_no_items_fault() {
    let (graph, ask) = graph();
    graph.fail(None, 1, GraphFault::RefuseFor(429, "ApplicationThrottled", 17));
    let error = Microsoft.push(&ask, &create(meeting("Budget", 7), vec![])).unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(17)));
    assert!(error.is_of_account());
    graph.fail(None, 1, GraphFault::RefuseFor(503, "ServiceUnavailable", 5));
    let error = pull(&ask, None).unwrap_err();
    assert!(error.is_of_account() && error.retry_after() == Some(Duration::from_secs(5)));
    let refused = Microsoft.push(&ask, &create(json!({ "subject": "No time" }), vec![])).unwrap();
    assert!(matches!(refused, Pushed::Refused(_)));
}

#[test]
fn a_mailbox_that_is_shared_goes_by_its_address_and_cannot_be_watched() {
    let (graph, mut ask) = graph();
    let room = graph.add_mailbox("room@example.com");
    ask.mailbox = Some("room@example.com".into());
    assert!(matches!(Microsoft.calendars(&ask), Err(ApiError::NoAccess(..))));
    graph.share(&room, ADA, Some(true));
    let found = Microsoft.calendars(&ask).unwrap();
    let ids: Vec<&str> = found.iter().map(|calendar| calendar.external_calendar_id.as_str()).collect();
    assert_eq!(ids, [room.as_str(), "room@example.com"]);
    ask.calendar = "room@example.com".into();
    let (id, _, _) = written(Microsoft.push(&ask, &create(meeting("In the room", 7), vec![])));
    assert_eq!(self::ids(&pull(&ask, None).unwrap().values), [id.as_str()]);
    assert_eq!(Microsoft.watch(&ask, &watch("https://example.com/hook")).unwrap(), None);
    graph.share(&room, ADA, Some(false));
    let refused = Microsoft.push(&ask, &delete(&id, None)).unwrap();
    assert!(matches!(refused, Pushed::Refused(_)));
}

#[test]
fn a_subscription_is_renewed_replaced_where_it_is_lost_and_ended() {
    let (graph, ask) = graph();
    let hook = calendar_sync_e2e::serve(|request| {
        let query = request.target.split_once("validationToken=").map_or("", |(_, token)| token);
        let token = url::form_urlencoded::parse(format!("t={query}").as_bytes()).next().map(|(_, it)| it.into_owned());
        Some(calendar_sync_e2e::Reply { status: 200, headers: vec![], body: token.unwrap_or_default().into_bytes() })
    });
    let watch = watch(&format!("http://{hook}/hook"));
    let first: Watched = Microsoft.watch(&ask, &watch).unwrap().unwrap();
    assert!(first.expires.unwrap() < Utc::now() + TimeDelta::days(7));
    assert_eq!(graph.subscriptions()[0].resource, format!("me/calendars/{}/events", ask.calendar));
    let renewed = Microsoft.renew(&ask, &watch, &first).unwrap().unwrap();
    assert_eq!(renewed.subscription_id, first.subscription_id);
    // One whose answer was lost is in the way of the next.
    graph.fail(GraphCall::Subscribe, 1, GraphFault::LoseReply);
    Microsoft.unwatch(&ask, &renewed).unwrap();
    assert!(Microsoft.watch(&ask, &watch).is_err());
    let second = Microsoft.watch(&ask, &watch).unwrap().unwrap();
    assert_eq!(graph.subscriptions().len(), 1);
    Microsoft.unwatch(&ask, &second).unwrap();
    Microsoft.unwatch(&ask, &second).unwrap();
    let third = Microsoft.renew(&ask, &watch, &second).unwrap().unwrap();
    assert_ne!(third.subscription_id, second.subscription_id);
    assert_eq!(graph.subscriptions().len(), 1);
}

#[test]
fn no_link_leads_the_token_to_another_host() {
    let (graph, ask) = graph();
    let elsewhere = FakeGraph::start();
    let span = super::cursor::Span::of((at("2029-12-06T12:00:00Z"), at("2031-01-05T12:00:00Z")), Uuid::nil());
    let cursor = super::cursor::write(&Address::parse(&elsewhere.api()).unwrap(), &span);
    assert!(pull(&ask, Some(&cursor)).unwrap().complete);
    assert_eq!(elsewhere.calls(), 0);
    assert!(graph.calls() > 0);
    assert_eq!(Microsoft.login(&ask).unwrap().as_deref(), Some(ADA));
}
