//! What is made of Google's event resources.

use calendar_sync_core::event::{Body, EventStatus, Sensitivity, Series, ShowAs};
use calendar_sync_core::providers::google::is_deleted;
use calendar_sync_core::recurrence::{Instances, Window};
use calendar_sync_core::zones::ChronoZones;
use serde_json::{Value, json};

#[path = "common/google.rs"]
mod google;

use google::{at, cancelled_exception, event, exception, found, good, series, single};

fn starts(series: &Series, from: &str, to: &str) -> Vec<String> {
    let window = Window { from: at(from).timestamp(), to: at(to).timestamp() };
    let zones = ChronoZones::default();
    let instances = Instances::new(series, &zones, window).unwrap().map(Result::unwrap);
    instances.map(|one| one.start.format("%m-%dT%H:%M").to_string()).collect()
}

#[test]
fn an_event_is_read_with_its_people_its_version_and_its_words() {
    let value = event(
        "e1aaa",
        json!({
            "description": "Agenda\r\n1. Budget", "location": "Room 5", "visibility": "private", "status": "tentative",
            "attendees": [
                {"email": "ada@example.com", "self": true, "responseStatus": "accepted", "organizer": true},
                {"email": "bob@example.com", "displayName": "Bob", "responseStatus": "needsAction"},
                {"email": "BOB@example.com"}
            ],
            "extendedProperties": {"shared": {"conversationId": "AAQk"}, "private": {"other": "x"}}
        }),
    );
    let found = good(std::slice::from_ref(&value)).remove(0);
    assert_eq!((found.item.external_id.as_str(), found.etag.as_deref()), ("e1aaa", Some("\"3181161784712000\"")));
    let event = single(value);
    assert_eq!(event.timing.start, at("2030-01-07T08:00:00Z"));
    assert_eq!(event.timing.end, Some(at("2030-01-07T09:00:00Z")));
    assert_eq!((event.timing.time_zone.as_deref(), event.timing.all_day), (Some("Europe/Berlin"), false));
    let details = event.details;
    assert_eq!(details.description.as_deref(), Some("Agenda\n1. Budget"));
    assert_eq!((details.event_status, details.sensitivity), (EventStatus::Tentative, Sensitivity::Private));
    assert_eq!(details.participants, ["ada@example.com", "Bob"]);
    assert_eq!(details.attendees[1].response.as_deref(), Some("needs-action"));
    assert_eq!(details.conversation_id.as_deref(), Some("AAQk"));
    assert_eq!((details.sequence, details.ical_uid.as_deref()), (2, Some("e1aaa@google.com")));
    assert_eq!(details.last_updated, Some(at("2026-02-03T04:05:06.789Z")));
}

#[test]
fn days_are_dates_and_what_has_no_end_has_none() {
    let days = single(event("e1aaa", json!({"start": {"date": "2030-03-30"}, "end": {"date": "2030-04-02"}})));
    assert_eq!((days.timing.start, days.timing.end), (at("2030-03-30T00:00:00Z"), Some(at("2030-04-02T00:00:00Z"))));
    assert!(days.timing.all_day && days.timing.time_zone.is_none());
    assert_eq!(single(event("e1aaa", json!({"endTimeUnspecified": true}))).timing.end, None);
    let start = event("e1aaa", json!({}))["start"].clone();
    assert_eq!(single(event("e1aaa", json!({"end": start}))).timing.end, None);
}

#[test]
fn times_without_an_offset_are_in_their_zone_and_those_without_a_zone_in_the_calendars() {
    let local = json!({"dateTime": "2030-07-01T09:00:00", "timeZone": "America/New_York"});
    let event_in = |start: &Value| single(event("e1aaa", json!({"start": start, "end": start})));
    assert_eq!(event_in(&local).timing.start, at("2030-07-01T13:00:00Z"));
    let bare = event_in(&json!({"dateTime": "2030-07-01T09:00:00.5Z"}));
    assert_eq!(
        (bare.timing.start, bare.timing.time_zone.as_deref()),
        (at("2030-07-01T09:00:00Z"), Some("Europe/Berlin"))
    );
    let unknown = event_in(&json!({"dateTime": "2030-07-01T09:00:00Z", "timeZone": "Mars/Base"}));
    assert_eq!(unknown.timing.time_zone.as_deref(), Some("Europe/Berlin"));
    assert_eq!(event_in(&json!({"dateTime": "2030-07-01T09:00:00Z", "timeZone": "UTC"})).timing.time_zone, None);
}

/// home-assistant/core#81527: the offset may be of the calendar's zone, and of another season.
#[test]
fn a_series_recurs_by_the_clock_of_its_zone_whatever_its_offset() {
    let value = event(
        "e1aaa",
        json!({
            "start": {"dateTime": "2030-03-25T04:00:00-04:00", "timeZone": "Europe/Berlin"},
            "end": {"dateTime": "2030-03-25T05:00:00-04:00", "timeZone": "Europe/Berlin"},
            "recurrence": ["RRULE:FREQ=WEEKLY;UNTIL=20300415"]
        }),
    );
    let series = series(&[value]);
    assert_eq!(series.template.details.series_master_id.as_deref(), Some("e1aaa"));
    let found = starts(&series, "2030-03-01T00:00:00Z", "2030-05-01T00:00:00Z");
    assert_eq!(found, ["03-25T08:00", "04-01T07:00", "04-08T07:00"]);
}

#[test]
fn dates_of_a_series_are_read_in_every_form() {
    let lines = json!([
        "RRULE:FREQ=DAILY;COUNT=3",
        "RDATE;TZID=America/New_York:20300110T030000,20300111T030000",
        "RDATE:20300112T080000Z",
        "EXDATE;VALUE=DATE:20300108",
        "EXDATE;TZID=Europe/Berlin:20300109T090000"
    ]);
    let found = starts(
        &series(&[event("e1aaa", json!({"recurrence": lines}))]),
        "2030-01-01T00:00:00Z",
        "2031-01-01T00:00:00Z",
    );
    assert_eq!(found, ["01-07T08:00", "01-10T08:00", "01-11T08:00", "01-12T08:00"]);
}

#[test]
fn exceptions_join_their_series_in_either_order() {
    let master = event("e1aaa", json!({"recurrence": ["RRULE:FREQ=WEEKLY;COUNT=4"]}));
    let moved = exception(
        "e1aaa",
        "2030-01-14T09:00:00+01:00",
        json!({
            "summary": "Moved",
            "start": {"dateTime": "2030-01-15T11:00:00+01:00", "timeZone": "Europe/Berlin"},
            "end": {"dateTime": "2030-01-15T12:00:00+01:00", "timeZone": "Europe/Berlin"}
        }),
    );
    let gone = cancelled_exception("e1aaa", "2030-01-21T09:00:00+01:00");
    for values in [[master.clone(), moved.clone(), gone.clone()], [gone.clone(), moved.clone(), master.clone()]] {
        let found = good(&values);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].occurrences.len(), 2);
        let series = series(&values);
        let one = |original| series.overrides.iter().find(|one| one.recurrence_id == at(original)).unwrap();
        assert_eq!(one("2030-01-14T08:00:00Z").event.timing.start, at("2030-01-15T10:00:00Z"));
        assert_eq!(one("2030-01-14T08:00:00Z").event.details.series_master_id.as_deref(), Some("e1aaa"));
        // What the increment did not say is the series'.
        let gone = &one("2030-01-21T08:00:00Z").event;
        assert_eq!((gone.details.event_status, gone.details.title.as_str()), (EventStatus::Cancelled, "Planning"));
        assert_eq!(gone.timing.end, Some(at("2030-01-21T09:00:00Z")));
    }
}

#[test]
fn exceptions_without_their_series_wait_for_it() {
    let found = good(&[cancelled_exception("e1aaa", "2030-01-21T09:00:00+01:00")]);
    assert_eq!(found[0].item.external_id, "e1aaa");
    let Body::Overrides(overrides) = &found[0].item.body else { panic!("{found:?}") };
    assert_eq!(overrides[0].recurrence_id, at("2030-01-21T08:00:00Z"));
    assert_eq!(overrides[0].event.details.event_status, EventStatus::Cancelled);
    assert_eq!(found[0].occurrences[0].external_id, "e1aaa_20300121T080000Z");
}

#[test]
fn an_exception_of_an_all_day_series_is_known_by_its_date() {
    let master = event(
        "e1aaa",
        json!({"start": {"date": "2030-01-07"}, "end": {"date": "2030-01-08"}, "recurrence": ["RRULE:FREQ=DAILY;COUNT=3"]}),
    );
    let gone = json!({
        "id": "e1aaa_20300108", "status": "cancelled", "recurringEventId": "e1aaa",
        "originalStartTime": {"date": "2030-01-08"}
    });
    let series = series(&[master, gone]);
    assert_eq!(series.overrides[0].recurrence_id, at("2030-01-08T00:00:00Z"));
    assert!(series.overrides[0].event.timing.all_day);
}

/// Cancelled means two things, and the exceptions of a series that is gone are none that wait for it.
#[test]
fn what_is_cancelled_and_no_occurrence_was_deleted() {
    let gone = json!({"id": "e1aaa", "status": "cancelled", "etag": "\"1\""});
    let child = cancelled_exception("e1aaa", "2030-01-21T09:00:00+01:00");
    assert!(is_deleted(&gone) && !is_deleted(&child));
    assert_eq!(found(&[child, gone]), []);
}

#[test]
fn of_an_event_that_stands_twice_the_last_counts() {
    let (first, second) = (event("e1aaa", json!({"summary": "A"})), event("e1aaa", json!({"summary": "B"})));
    let found = good(&[first, event("e2aaa", json!({})), second]);
    let titles: Vec<_> = found.iter().map(|found| found.item.external_id.as_str()).collect();
    assert_eq!(titles, ["e2aaa", "e1aaa"]);
    assert!(matches!(&found[1].item.body, Body::Single(event) if event.details.title == "B"));
}

#[test]
fn a_bad_event_is_named_and_spoils_no_other() {
    let backwards = json!({"end": {"dateTime": "2030-01-07T08:00:00+01:00"}});
    let values = [
        event("e1aaa", backwards),
        event("e2aaa", json!({"recurrence": ["RRULE:FREQ=NEVER"]})),
        event("e3aaa", json!({"recurrence": ["DTSTART:20300101T000000Z"]})),
        event("e4aaa", json!({"start": {}})),
        event("", json!({})),
        event("e5aaa", json!({"recurrence": ["RRULE:FREQ=DAILY;COUNT=2"]})),
        exception("e5aaa", "2030-01-08T09:00:00+01:00", json!({"start": {"date": "tomorrow"}})),
        json!("text"),
    ];
    let found = found(&values);
    let bad: Vec<_> = found.iter().filter_map(|one| one.as_ref().err()).collect();
    let names: Vec<_> = bad.iter().map(|bad| bad.external_id.as_deref().unwrap_or("-")).collect();
    assert_eq!(names, ["e1aaa", "e2aaa", "e3aaa", "e4aaa", "", "e5aaa", "-"], "{bad:?}");
    assert!(bad[5].is_override && bad[5].message.contains("e5aaa_20300108T080000Z"), "{:?}", bad[5]);
    assert_eq!(found.len() - bad.len(), 1);
}

#[test]
fn googles_own_kinds_are_no_meetings() {
    let kind = |word: &str, more: Value| {
        let mut value = event("e1aaa", more);
        value["eventType"] = json!(word);
        let details = single(value).details;
        (details.event_type.0, details.show_as)
    };
    assert_eq!(kind("outOfOffice", json!({})), ("out_of_office".into(), ShowAs::OutOfOffice));
    assert_eq!(kind("focusTime", json!({})), ("focus_time".into(), ShowAs::Busy));
    assert_eq!(kind("workingLocation", json!({})), ("working_location".into(), ShowAs::Free));
    assert_eq!(kind("birthday", json!({"transparency": "transparent"})), ("birthday".into(), ShowAs::Free));
    assert_eq!(kind("default", json!({"transparency": "transparent"})), ("meeting".into(), ShowAs::Free));
    let declined = json!({"attendees": [{"email": "ada@example.com", "self": true, "responseStatus": "declined"}]});
    assert_eq!(kind("default", declined), ("meeting".into(), ShowAs::Free));
}

#[test]
fn where_to_join_is_kept_and_a_teams_meeting_is_known() {
    let meet = single(event("e1aaa", json!({"hangoutLink": "https://meet.google.com/abc"})));
    assert_eq!(meet.details.metadata.unwrap()["video_link"], "https://meet.google.com/abc");
    let link = "https://teams.microsoft.com/l/meetup-join/19%3a";
    let points = json!([{"entryPointType": "video", "uri": link}, {"entryPointType": "phone", "uri": "tel:+49-30"}]);
    let teams = single(event("e1aaa", json!({"conferenceData": {"conferenceId": "123", "entryPoints": points}})));
    let teams = teams.details.teams.unwrap();
    assert_eq!((teams.url.as_deref(), teams.conference_id.as_deref()), (Some(link), Some("123")));
    assert_eq!(teams.dial_in_url.as_deref(), Some("tel:+49-30"));
}
