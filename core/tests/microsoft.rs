//! Events of Microsoft Graph, as items.

use calendar_sync_core::event::{Body, Event, EventStatus, Importance, Sensitivity, Series, ShowAs};
use calendar_sync_core::providers::microsoft::{Found, Reader};
use calendar_sync_core::zones::ChronoZones;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

fn at(time: &str) -> DateTime<Utc> {
    time.parse().unwrap()
}

/// In a calendar of Berlin.
fn read(value: &Value) -> Result<Found, String> {
    let zones = ChronoZones::default();
    Reader::new(&zones, "Europe/Berlin").unwrap().read(value).map_err(|bad| bad.message)
}

fn event(value: &Value) -> Event {
    match read(value).unwrap().item.body {
        Body::Single(event) => *event,
        other => panic!("{other:?}"),
    }
}

fn series(value: &Value) -> Series {
    match read(value).unwrap().item.body {
        Body::Series(series) => *series,
        other => panic!("{other:?}"),
    }
}

fn with(mut value: Value, more: Value) -> Value {
    value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    value
}

/// From 9 to 10 o'clock in Berlin.
fn meeting() -> Value {
    json!({
        "@odata.etag": "W/\"DwAAAA==\"",
        "id": "AAMkAGI1=",
        "changeKey": "DwAAAA==",
        "transactionId": null,
        "lastModifiedDateTime": "2026-11-02T07:11:12.1234567Z",
        "originalStartTimeZone": "W. Europe Standard Time",
        "originalEndTimeZone": "W. Europe Standard Time",
        "iCalUId": "040000008200E00074C5B7101A82E008",
        "subject": "Budget",
        "bodyPreview": "Numbers",
        "importance": "normal",
        "sensitivity": "normal",
        "isAllDay": false,
        "isCancelled": false,
        "showAs": "busy",
        "type": "singleInstance",
        "categories": [],
        "body": { "contentType": "html", "content": "<html><body><p>Numbers</p></body></html>" },
        "start": { "dateTime": "2026-11-30T08:00:00.0000000", "timeZone": "UTC" },
        "end": { "dateTime": "2026-11-30T09:00:00.0000000", "timeZone": "UTC" },
        "location": { "displayName": "Room 5" },
        "recurrence": null,
        "attendees": [],
        "organizer": { "emailAddress": { "name": "Ada", "address": "ada@example.com" } },
        "onlineMeeting": null,
    })
}

/// Every Monday at 9 in Berlin from 2026-10-19 on, over the change of clocks.
fn weekly() -> Value {
    with(
        meeting(),
        json!({
            "type": "seriesMaster",
            "start": { "dateTime": "2026-10-19T07:00:00.0000000", "timeZone": "UTC" },
            "end": { "dateTime": "2026-10-19T08:00:00.0000000", "timeZone": "UTC" },
            "recurrence": {
                "pattern": {
                    "type": "weekly", "interval": 1, "month": 0, "dayOfMonth": 0, "daysOfWeek": ["monday"],
                    "firstDayOfWeek": "sunday", "index": "first"
                },
                "range": {
                    "type": "endDate", "startDate": "2026-10-19", "endDate": "2026-12-28",
                    "recurrenceTimeZone": "W. Europe Standard Time", "numberOfOccurrences": 0
                }
            },
        }),
    )
}

#[test]
fn a_meeting_is_read_with_all_that_outlook_says_of_it() {
    let value = with(
        meeting(),
        json!({
            "importance": "high",
            "sensitivity": "personal",
            "showAs": "workingElsewhere",
            "categories": ["Red category", "Travel"],
            "isCancelled": true,
            "webLink": "https://outlook.office365.com/owa/?itemid=1",
            "transactionId": "5f2c",
            "attendees": [
                { "type": "required", "status": { "response": "accepted" },
                  "emailAddress": { "name": "Bob", "address": "bob@example.com" } },
                { "type": "optional", "emailAddress": { "address": "BOB@example.com" } }
            ],
            "singleValueExtendedProperties": [{ "id": "Binary 0x3013", "value": "AQHW" }],
        }),
    );
    let found = read(&value).unwrap();
    assert_eq!(found.item.external_id, "AAMkAGI1=");
    assert_eq!(found.etag.as_deref(), Some("W/\"DwAAAA==\""));
    assert_eq!(found.transaction_id.as_deref(), Some("5f2c"));
    let Event { timing, details } = event(&value);
    assert_eq!((timing.start, timing.end), (at("2026-11-30T08:00:00Z"), Some(at("2026-11-30T09:00:00Z"))));
    assert_eq!(timing.time_zone.as_deref(), Some("Europe/Berlin"));
    assert_eq!((details.title.as_str(), details.description.as_deref()), ("Budget", Some("Numbers")));
    assert_eq!(details.location.as_deref(), Some("Room 5"));
    assert_eq!((details.importance, details.sensitivity), (Importance::High, Sensitivity::Private));
    assert_eq!((details.show_as, details.event_status), (ShowAs::Elsewhere, EventStatus::Cancelled));
    assert_eq!(details.categories, ["Red category", "Travel"]);
    assert_eq!((details.attendees.len(), details.participants.as_slice()), (1, &["Bob".to_owned()][..]));
    assert_eq!(details.attendees[0].response.as_deref(), Some("accepted"));
    assert_eq!(details.conversation_id.as_deref(), Some("AQHW"));
    assert_eq!(details.last_updated, Some(at("2026-11-02T07:11:12Z")));
    assert_eq!(details.teams, None);
}

#[test]
fn of_a_teams_meeting_the_ways_to_join_are_read_and_the_body_is_what_people_wrote() {
    let rule = "_".repeat(80);
    let value = with(
        meeting(),
        json!({
            "isOnlineMeeting": true,
            "onlineMeetingProvider": "teamsForBusiness",
            "onlineMeeting": {
                "joinUrl": "https://teams.microsoft.com/l/meetup-join/19%3ameeting",
                "conferenceId": "912345",
                "tollNumber": "+49 30 1234",
                "quickDial": "tel:+49301234,,912345#"
            },
            "body": { "contentType": "html", "content": format!(
                "<html><body><p>Bring the numbers.</p><br><div>{rule}<p>Microsoft Teams meeting</p>Join</div>{rule}</body>"
            ) },
        }),
    );
    let details = event(&value).details;
    let teams = details.teams.unwrap();
    assert_eq!(teams.url.as_deref(), Some("https://teams.microsoft.com/l/meetup-join/19%3ameeting"));
    assert_eq!(teams.conference_id.as_deref(), Some("912345"));
    assert_eq!(teams.dial_in_url.as_deref(), Some("tel:+49301234,,912345#"));
    assert_eq!(details.description.as_deref(), Some("Bring the numbers."));
    let skype = json!({ "isOnlineMeeting": true, "onlineMeetingProvider": "skypeForBusiness",
                        "onlineMeetingUrl": "https://meet.example.com/1" });
    assert_eq!(event(&with(meeting(), skype)).details.teams, None);
}

#[test]
fn all_day_events_are_dates_whatever_zone_stands_beside() {
    for zone in ["UTC", "Pacific Standard Time", "tzone://Microsoft/Custom"] {
        let timing = event(&with(
            meeting(),
            json!({
                "isAllDay": true,
                "originalStartTimeZone": "Tokyo Standard Time",
                "start": { "dateTime": "2026-11-30T00:00:00.0000000", "timeZone": zone },
                "end": { "dateTime": "2026-12-02T00:00:00.0000000", "timeZone": zone },
            }),
        ))
        .timing;
        assert!(timing.all_day && timing.time_zone.is_none());
        assert_eq!((timing.start, timing.end), (at("2026-11-30T00:00:00Z"), Some(at("2026-12-02T00:00:00Z"))));
    }
}

#[test]
fn zones_that_are_nobodys_are_the_calendars_own() {
    let zone = |original: Value, end: &str| {
        let value = with(meeting(), json!({ "originalStartTimeZone": original, "originalEndTimeZone": end }));
        event(&value).timing.time_zone
    };
    assert_eq!(zone(json!("tzone://Microsoft/Custom"), "tzone://Microsoft/Custom").as_deref(), Some("Europe/Berlin"));
    assert_eq!(zone(json!("tzone://Microsoft/Custom"), "Tokyo Standard Time").as_deref(), Some("Asia/Tokyo"));
    assert_eq!(zone(json!("tzone://Microsoft/Utc"), "Tokyo Standard Time"), None);
    assert_eq!(zone(json!("America/New_York"), "").as_deref(), Some("America/New_York"));
    assert_eq!(zone(Value::Null, ""), None);
}

#[test]
fn what_says_never_is_no_time() {
    let start = json!({ "start": { "dateTime": "0001-01-01T00:00:00.0000000", "timeZone": "UTC" } });
    assert_eq!(read(&with(meeting(), start)), Err("it has no start".to_owned()));
    let end = json!({ "end": { "dateTime": "9999-12-31T23:59:59.9999999", "timeZone": "UTC" } });
    assert_eq!(event(&with(meeting(), end)).timing.end, None);
    assert_eq!(read(&json!({ "subject": "a" })), Err("the event has no id".to_owned()));
    assert_eq!(read(&json!({ "id": "a", "unreadable": "status 500" })), Err("status 500".to_owned()));
}

#[test]
fn a_series_keeps_its_time_by_the_clock_and_its_last_day_is_one_of_its_zone() {
    let series = series(&weekly());
    assert_eq!(series.rrules, ["FREQ=WEEKLY;UNTIL=20261228T225959Z;BYDAY=MO;WKST=SU"]);
    assert_eq!(series.template.timing.time_zone.as_deref(), Some("Europe/Berlin"));
    assert_eq!(series.template.details.series_master_id.as_deref(), Some("AAMkAGI1="));
    assert!(series.exdates.is_empty() && series.overrides.is_empty());
}

#[test]
fn deleted_occurrences_are_those_that_the_master_lists() {
    let value = with(
        weekly(),
        json!({ "cancelledOccurrences": ["OID.AAMkAGI1=.2026-10-26", "OID.AAMkAGI1=.2026-10-27", "x"] }),
    );
    assert_eq!(series(&value).exdates, [at("2026-10-26T08:00:00Z")]);
}

#[test]
fn where_the_master_lists_none_a_deleted_occurrence_is_one_that_is_missing_between_the_others() {
    let occurrence = |start: &str| json!({ "type": "occurrence", "start": { "dateTime": format!("{start}.0000000"), "timeZone": "UTC" } });
    let exception = json!({ "type": "exception", "originalStart": "2026-11-09T08:00:00Z",
                            "start": { "dateTime": "2026-11-10T12:00:00.0000000", "timeZone": "UTC" } });
    let of = |value: Vec<Value>| {
        let instances = json!({ "from": "2026-10-20T00:00:00Z", "to": "2026-11-17T00:00:00Z", "value": value });
        series(&with(weekly(), json!({ "instances": instances }))).exdates
    };
    let held = vec![occurrence("2026-10-26T08:00:00"), exception, occurrence("2026-11-16T08:00:00")];
    assert_eq!(of(held.clone()), [at("2026-11-02T08:00:00Z")]);
    // The rule is another one there: nothing follows from what is missing.
    assert!(of([held, vec![occurrence("2026-11-03T08:00:00")]].concat()).is_empty());
}

#[test]
fn an_exception_is_known_by_the_start_that_it_had() {
    let exception = with(
        meeting(),
        json!({
            "id": "AAMkAGI1=exception", "@odata.etag": "W/\"2\"", "type": "exception", "subject": "Budget, later",
            "seriesMasterId": "AAMkAGI1=", "originalStart": "2026-11-02T08:00:00Z",
            "start": { "dateTime": "2026-11-03T13:00:00.0000000", "timeZone": "UTC" },
            "end": { "dateTime": "2026-11-03T14:00:00.0000000", "timeZone": "UTC" },
        }),
    );
    let value = with(weekly(), json!({ "exceptionOccurrences": [exception], "cancelledOccurrences": [] }));
    let found = read(&value).unwrap();
    assert_eq!(found.occurrences.len(), 1);
    assert_eq!(found.occurrences[0].recurrence_id, at("2026-11-02T08:00:00Z"));
    assert_eq!(found.occurrences[0].external_id, "AAMkAGI1=exception");
    assert_eq!(found.occurrences[0].etag.as_deref(), Some("W/\"2\""));
    let one = &series(&value).overrides[0];
    assert_eq!((one.recurrence_id, one.event.timing.start), (at("2026-11-02T08:00:00Z"), at("2026-11-03T13:00:00Z")));
    assert_eq!(one.event.details.title, "Budget, later");
}

#[test]
fn an_exception_of_an_all_day_series_is_of_a_day_though_outlook_gives_the_mailboxs_midnight() {
    let day = |date: &str| json!({ "dateTime": format!("{date}T00:00:00.0000000"), "timeZone": "UTC" });
    let master = with(
        weekly(),
        json!({
            "isAllDay": true, "start": day("2026-10-19"), "end": day("2026-10-20"),
            "originalStartTimeZone": "Pacific Standard Time",
        }),
    );
    for (original, expected) in [("2026-11-02T08:00:00Z", "2026-11-02"), ("2026-11-01T11:00:00Z", "2026-11-02")] {
        let exception = json!({
            "id": "e", "isAllDay": true, "originalStart": original, "start": day("2026-11-04"), "end": day("2026-11-05"),
        });
        let series = series(&with(master.clone(), json!({ "exceptionOccurrences": [exception] })));
        assert_eq!(series.overrides[0].recurrence_id, at(&format!("{expected}T00:00:00Z")), "{original}");
        assert_eq!(series.rrules, ["FREQ=WEEKLY;UNTIL=20261228;BYDAY=MO;WKST=SU"]);
    }
}

#[test]
fn a_series_whose_pattern_nobody_knows_is_bad_by_its_id() {
    for pattern in [json!({}), json!({ "type": "lunar", "interval": 1 }), json!({ "type": "weekly", "daysOfWeek": 3 })]
    {
        let value = with(weekly(), json!({ "recurrence": { "pattern": pattern, "range": { "type": "noEnd" } } }));
        assert_eq!(read(&value), Err("its recurrence has no pattern that is known".to_owned()));
    }
}
