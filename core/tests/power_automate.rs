//! What Power Automate flows answer with, as items: its wrapping, its events, whether it is all.

#[path = "common/flows.rs"]
mod flows;

use calendar_sync_core::event::{Body, Event, EventStatus, Importance, Sensitivity, ShowAs};
use calendar_sync_core::providers::power_automate::{Answer, ReadError};
use flows::{MAX, at, good, item, items, read, with};
use serde_json::{Value, json};

fn event(value: &Value) -> Event {
    match good(&json!([value])).remove(0).body {
        Body::Single(event) => *event,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_wrapping_gives_the_same_events() {
    let list = json!([
        item("a", "2026-12-01T09:00:00", "2026-12-01T10:00:00"),
        item("b", "2026-12-02T09:00:00", "2026-12-02T10:00:00")
    ]);
    let expected = good(&list);
    assert_eq!(expected.len(), 2);
    let text = list.to_string();
    for body in [
        json!({ "value": list }).to_string(),
        json!({ "body": { "value": list } }).to_string(),
        json!({ "body": list }).to_string(),
        json!({ "statusCode": 200, "headers": { "a": "b" }, "body": { "value": list } }).to_string(),
        json!(text).to_string(),
        json!({ "value": text }).to_string(),
        json!({ "body": json!({ "value": list }).to_string() }).to_string(),
        json!(json!({ "body": text }).to_string()).to_string(),
        format!("\u{feff} {text}\r\n"),
    ] {
        let answer = read(&body);
        assert_eq!(answer.partial(), None);
        assert_eq!(items(answer).into_iter().map(Result::unwrap).collect::<Vec<_>>(), expected, "{body}");
    }
    let utf_16: Vec<u8> = "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    assert_eq!(Answer::read(&utf_16, MAX).unwrap().len(), 2);
}

#[test]
fn one_event_alone_is_taken_and_tells_nothing_of_the_others() {
    let one = item("a", "2026-12-01T09:00:00", "2026-12-01T10:00:00");
    for body in [one.clone(), json!({ "body": one }), json!({ "value": one })] {
        let answer = read(&body.to_string());
        assert!(answer.partial().is_some_and(|why| why.contains("one event")));
        assert_eq!(items(answer).len(), 1);
    }
}

#[test]
fn what_is_no_list_of_events_is_an_error_and_an_empty_list_is_none() {
    let read = |body: &str| Answer::read(body.as_bytes(), 10).map(|answer| answer.len());
    for empty in ["[]", r#"{"value":[]}"#, r#"{"body":{"value":[]}}"#, r#""[]""#] {
        assert_eq!(read(empty), Ok(0), "{empty}");
    }
    for (body, error) in [
        ("", ReadError::Empty),
        (" \r\n", ReadError::Empty),
        ("\"\"", ReadError::NotJson),
        ("<html>", ReadError::NotJson),
        (r#"{"value":[{"id":"a"}"#, ReadError::NotJson),
        ("null", ReadError::NoEvents),
        ("{}", ReadError::NoEvents),
        ("true", ReadError::NoEvents),
        ("[1,2]", ReadError::NoEvents),
        (r#"{"value":null}"#, ReadError::NoEvents),
        (r#"{"body":{}}"#, ReadError::NoEvents),
        (r#"{"status":"ok"}"#, ReadError::NoEvents),
        (r#"{"error":{"code":"NoResponse","message":"x"}}"#, ReadError::Failed(Some("NoResponse".into()))),
        (r#"{"error":{"code":"a b?sig=1"}}"#, ReadError::Failed(None)),
        (&format!("[{}{{}}]", "{},".repeat(10)), ReadError::TooMany(10)),
    ] {
        assert_eq!(read(body), Err(error), "{body}");
    }
}

#[test]
fn an_item_becomes_an_event_with_all_that_it_says() {
    let event = event(&with(
        item("a", "2026-12-01T09:00:00", "2026-12-01T10:30:00"),
        json!({
            "body": "<html><body><p>Gr&uuml;&szlig;e</p></body></html>", "timeZone": "W. Europe Standard Time",
            "requiredAttendees": "bob@example.com;Ada@example.com;", "optionalAttendees": "ada@example.com; eve@example.com",
            "categories": ["Red", "Blue"], "importance": "high", "showAs": "oof", "sensitivity": "private",
            "location": "Room 1", "seriesMasterId": "master"
        }),
    ));
    assert_eq!(event.timing.start, at("2026-12-01T09:00:00Z"));
    assert_eq!(event.timing.end, Some(at("2026-12-01T10:30:00Z")));
    assert_eq!(event.timing.time_zone.as_deref(), Some("Europe/Berlin"));
    let details = event.details;
    assert_eq!((details.title.as_str(), details.description.as_deref()), ("Meeting a", Some("Grüße")));
    assert_eq!(details.location.as_deref(), Some("Room 1"));
    assert_eq!((details.show_as, details.importance), (ShowAs::OutOfOffice, Importance::High));
    assert_eq!((details.sensitivity, details.event_status), (Sensitivity::Private, EventStatus::Scheduled));
    assert_eq!(details.categories, ["Red", "Blue"]);
    assert_eq!(details.organizer.as_deref(), Some("ada@example.com"));
    let addresses: Vec<_> = details.attendees.iter().map(|one| one.address.as_str()).collect();
    assert_eq!(addresses, ["bob@example.com", "Ada@example.com", "eve@example.com"]);
    assert_eq!(details.ical_uid.as_deref(), Some("uid-a"));
    assert_eq!(details.series_master_id.as_deref(), Some("master"));
    assert_eq!(details.last_updated, Some(at("2026-02-03T04:05:06Z")));
    assert_eq!(details.metadata, Some(json!({ "web_link": "https://outlook.example.com/1" })));
}

#[test]
fn graphs_own_items_are_taken_too() {
    let event = event(&json!({
        "id": "AAMk", "subject": "Graph", "isCancelled": true, "isAllDay": false,
        "start": { "dateTime": "2026-12-01T09:00:00.0000000", "timeZone": "Pacific Standard Time" },
        "end": { "dateTime": "2026-12-01T10:00:00.0000000", "timeZone": "Pacific Standard Time" },
        "body": { "contentType": "html", "content": "<p>one</p><p>two</p>" }, "location": { "displayName": "Here" },
        "organizer": { "emailAddress": { "name": "Ada", "address": "ada@example.com" } },
        "attendees": [{ "type": "required", "status": { "response": "tentativelyAccepted" },
            "emailAddress": { "name": "Bob", "address": "bob@example.com" } }],
        "onlineMeeting": { "joinUrl": "https://teams.example.com/l" }
    }));
    assert_eq!(event.timing.start, at("2026-12-01T17:00:00Z"));
    assert_eq!(event.timing.time_zone.as_deref(), Some("America/Los_Angeles"));
    assert_eq!(event.details.event_status, EventStatus::Cancelled);
    assert_eq!(event.details.description.as_deref(), Some("one\n\ntwo"));
    assert_eq!(event.details.location.as_deref(), Some("Here"));
    assert_eq!(event.details.organizer.as_deref(), Some("ada@example.com"));
    assert_eq!(event.details.participants, ["Bob"]);
    assert_eq!(event.details.attendees[0].response.as_deref(), Some("tentative"));
    assert_eq!(event.details.teams.and_then(|teams| teams.url).as_deref(), Some("https://teams.example.com/l"));
}

#[test]
fn an_instant_is_what_its_offset_says_else_what_its_zone_says_else_utc() {
    let timing = |value: Value| event(&with(json!({ "id": "a", "subject": "" }), value)).timing;
    // In summer, so that Berlin is two hours ahead.
    for (given, start, zone) in [
        (json!({ "start": "2026-07-01T09:00:00.0000000" }), "2026-07-01T09:00:00Z", None),
        (json!({ "start": "2026-07-01T09:00:00Z" }), "2026-07-01T09:00:00Z", None),
        (json!({ "start": "2026-07-01T09:00:00+02:00" }), "2026-07-01T07:00:00Z", None),
        (json!({ "start": "2026-07-01T09:00:00", "timeZone": "UTC" }), "2026-07-01T09:00:00Z", None),
        (
            json!({ "start": "2026-07-01T09:00:00", "timeZone": "W. Europe Standard Time" }),
            "2026-07-01T07:00:00Z",
            Some("Europe/Berlin"),
        ),
        (
            json!({ "start": "2026-07-01T09:00:00", "startWithTimeZone": "2026-07-01T09:00:00+00:00",
                    "timeZone": "W. Europe Standard Time" }),
            "2026-07-01T09:00:00Z",
            Some("Europe/Berlin"),
        ),
        (
            json!({ "startWithTimeZone": "2026-07-01T09:00:00+05:30", "timeZone": "Europe/Berlin" }),
            "2026-07-01T03:30:00Z",
            Some("Europe/Berlin"),
        ),
        (
            json!({ "start": { "dateTime": "2026-07-01T07:00:00", "timeZone": "UTC" },
                    "originalStartTimeZone": "W. Europe Standard Time" }),
            "2026-07-01T07:00:00Z",
            Some("Europe/Berlin"),
        ),
    ] {
        let timing = timing(given.clone());
        assert_eq!((timing.start, timing.time_zone.as_deref()), (at(start), zone), "{given}");
        assert!(!timing.floating);
    }
    // A zone that nobody knows: the calendar's own.
    let unknown = timing(json!({ "start": "2026-07-01T09:00:00", "timeZone": "tzone://Microsoft/Custom" }));
    assert_eq!((unknown.start, unknown.floating), (at("2026-07-01T00:00:00Z"), true));
    assert_eq!(unknown.time_zone.as_deref(), Some("Asia/Tokyo"));
}

#[test]
fn fractions_of_seconds_tell_nothing() {
    let of = |fraction: &str| {
        event(&json!({ "id": "a", "start": format!("2026-07-01T09:00:00{fraction}"),
            "end": format!("2026-07-01T10:00:00{fraction}") }))
    };
    for fraction in [".0000000", ".1234567", ".9999999", ".1"] {
        assert_eq!(of(fraction), of(""));
    }
}

#[test]
fn all_day_events_are_the_dates_that_are_written() {
    for (given, start, end) in [
        (
            json!({ "start": "2026-12-24T00:00:00.0000000", "end": "2026-12-27T00:00:00.0000000", "timeZone": "UTC" }),
            24,
            27,
        ),
        (json!({ "start": "2026-12-24", "end": "2026-12-24" }), 24, 25),
        (json!({ "start": "2026-12-24T00:00:00" }), 24, 25),
        (json!({ "start": "2026-12-24T00:00:00", "end": "2026-12-24T23:59:59" }), 24, 25),
        (
            json!({ "start": "2026-12-24T00:00:00", "startWithTimeZone": "2026-12-24T00:00:00+01:00",
                    "end": "2026-12-25T00:00:00", "timeZone": "W. Europe Standard Time" }),
            24,
            25,
        ),
        // Converted to UTC on the way.
        (
            json!({ "start": "2026-12-23T23:00:00", "end": "2026-12-24T23:00:00", "timeZone": "W. Europe Standard Time" }),
            24,
            25,
        ),
        (
            json!({ "start": "2026-12-23T23:00:00", "startWithTimeZone": "2026-12-24T00:00:00+01:00",
                    "end": "2026-12-24T23:00:00", "endWithTimeZone": "2026-12-25T00:00:00+01:00" }),
            24,
            25,
        ),
    ] {
        let timing = event(&with(json!({ "id": "a", "isAllDay": true }), given.clone())).timing;
        assert_eq!(timing.start, at(&format!("2026-12-{start}T00:00:00Z")), "{given}");
        assert_eq!(timing.end, Some(at(&format!("2026-12-{end}T00:00:00Z"))), "{given}");
        assert!(timing.all_day && timing.time_zone.is_none());
    }
}

#[test]
fn a_bad_item_is_told_by_its_id_and_the_others_are_taken() {
    let found = items(read(
        &json!([
            { "id": "no start", "subject": "x" },
            { "id": "never", "start": "0001-01-01T00:00:00.0000000" },
            { "id": "no time", "start": "soon" },
            { "id": "backwards", "start": "2026-12-01T09:00:00", "end": "2026-12-01T08:00:00" },
            { "id": "odd", "start": "2026-12-01T09:00:00", "recurrence": "hourly" },
            { "subject": "nameless", "start": "2026-12-01T09:00:00" },
            7,
            { "id": 8, "start": "2026-12-01T09:00:00", "end": 5, "categories": {}, "organizer": [], "attendees": "x" },
        ])
        .to_string(),
    ));
    let told: Vec<_> = found
        .iter()
        .map(|found| match found {
            Ok(item) => format!("{}: ok", item.external_id),
            Err(bad) => format!("{}: {}", bad.external_id.as_deref().unwrap_or("?"), bad.message),
        })
        .collect();
    assert_eq!(
        told,
        [
            "no start: it has no start",
            "never: it has no start",
            "no time: its start is no time",
            "backwards: it ends before it starts",
            "odd: its recurrence is none of none, daily, weekly, monthly and yearly",
            "?: event 6 has neither id nor iCalUId",
            "?: event 7 is no object",
            "8: ok",
        ]
    );
}

#[test]
fn an_answer_is_partial_where_it_says_so_or_cannot_be_told_to_be_whole() {
    let one = || item("a", "2026-12-01T09:00:00", "2026-12-01T10:00:00");
    for (body, why) in [
        (json!({ "value": [one()], "@odata.nextLink": "https://example.com/2" }), "further page"),
        (json!({ "value": [one()], "nextLink": "https://example.com/2" }), "further page"),
        (json!({ "body": { "value": [one()], "@odata.count": 2 } }), "there are 2 events and holds 1"),
        (json!({ "value": [one()], "count": "2" }), "there are 2 events and holds 1"),
        (json!([with(one(), json!({ "actionType": "updated" }))]), "changes"),
        (json!([one(), { "subject": "nameless" }]), "neither id nor iCalUId"),
    ] {
        let partial = read(&body.to_string()).partial();
        assert!(partial.as_ref().is_some_and(|partial| partial.contains(why)), "{why}: {partial:?}");
    }
    for whole in
        [json!({ "value": [one()], "@odata.count": 1, "nextLink": null }), json!({ "value": [], "nextLink": "" })]
    {
        assert_eq!(read(&whole.to_string()).partial(), None);
    }
}

#[test]
fn pages_join_to_one_answer() {
    let page = |numbers: std::ops::Range<u32>, next: Option<&str>| {
        let events: Vec<_> =
            numbers.map(|n| item(&n.to_string(), "2026-12-01T09:00:00", "2026-12-01T10:00:00")).collect();
        read(&json!({ "value": events, "nextLink": next }).to_string())
    };
    let mut answer = page(0..3, Some("/2"));
    assert_eq!(answer.next_link(), Some("/2"));
    answer.join(page(2..5, None), MAX).unwrap();
    assert_eq!((answer.len(), answer.partial()), (5, None));
    assert_eq!(answer.join(page(5..9, None), 8), Err(ReadError::TooMany(8)));
    let ids: Vec<_> = items(answer).into_iter().map(|item| item.unwrap().external_id).collect();
    assert_eq!(ids, ["0", "1", "2", "3", "4"]);
}

#[test]
fn of_two_of_an_id_the_last_counts_and_without_an_id_the_uid_and_the_start_are_one() {
    let a = item("a", "2026-12-01T09:00:00", "2026-12-01T10:00:00");
    let answer = read(&json!([a, with(a.clone(), json!({ "subject": "later" }))]).to_string());
    assert_eq!(answer.len(), 1);
    let found = items(answer);
    let Body::Single(event) = &found[0].as_ref().unwrap().body else { panic!() };
    assert_eq!(event.details.title, "later");

    let nameless = |start: &str| json!({ "iCalUId": "u", "startWithTimeZone": start, "subject": "" });
    let found = good(&json!([
        nameless("2026-12-01T09:00:00+00:00"),
        nameless("2026-12-01T10:00:00+01:00"),
        nameless("2026-12-02T09:00:00.5Z")
    ]));
    let ids: Vec<_> = found.iter().map(|item| item.external_id.as_str()).collect();
    assert_eq!(ids, ["u|2026-12-01T09:00:00Z", "u|2026-12-02T09:00:00Z"]);
}

#[test]
fn reported_deletes_are_told_apart_from_events() {
    let a = item("a", "2026-12-01T09:00:00", "2026-12-01T10:00:00");
    let action = |id: &str, action: &str| with(a.clone(), json!({ "id": id, "actionType": action }));
    let answer = read(
        &json!([action("a", "added"), action("b", "deleted"), { "id": "c", "actionType": "Deleted" },
        action("d", "deleted"), action("d", "updated")])
        .to_string(),
    );
    assert_eq!(answer.deleted(), ["b", "c"]);
    let ids: Vec<_> = items(answer).into_iter().map(|item| item.unwrap().external_id).collect();
    assert_eq!(ids, ["a", "d"]);
}
