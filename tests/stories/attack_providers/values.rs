//! Events, and what may stand in their fields.

use serde_json::{Value, json};

/// A good one, as that provider has it.
pub fn event(provider: &str, id: &str, title: &str) -> Value {
    match provider {
        "google" => json!({
            "id": id, "etag": "\"1\"", "status": "confirmed", "summary": title, "description": "d", "location": "l",
            "updated": "2026-01-01T00:00:00Z", "iCalUID": id, "visibility": "default", "transparency": "opaque",
            "start": { "dateTime": "2030-01-07T09:00:00Z", "timeZone": "UTC" },
            "end": { "dateTime": "2030-01-07T10:00:00Z", "timeZone": "UTC" },
            "attendees": [{ "email": "a@example.com", "responseStatus": "accepted" }], "organizer": { "email": "a@example.com" },
            "extendedProperties": { "private": { "a": "b" } }, "recurrence": [], "recurringEventId": null,
            "originalStartTime": null, "reminders": { "useDefault": true }, "hangoutLink": "https://example.com/x",
            "conferenceData": { "entryPoints": [{ "uri": "https://example.com" }] }, "eventType": "default",
        }),
        "microsoft" => json!({
            "id": id, "@odata.etag": "W/\"1\"", "changeKey": "1", "subject": title, "type": "singleInstance",
            "body": { "contentType": "text", "content": "d" }, "bodyPreview": "d", "importance": "normal",
            "sensitivity": "normal", "showAs": "busy", "isAllDay": false, "isCancelled": false, "isOrganizer": true,
            "start": { "dateTime": "2030-01-07T09:00:00.0000000", "timeZone": "UTC" },
            "end": { "dateTime": "2030-01-07T10:00:00.0000000", "timeZone": "UTC" },
            "location": { "displayName": "l" }, "categories": ["a"], "iCalUId": id, "seriesMasterId": null,
            "attendees": [{ "type": "required", "emailAddress": { "address": "a@example.com", "name": "a" },
                            "status": { "response": "accepted" } }],
            "organizer": { "emailAddress": { "address": "a@example.com", "name": "a" } }, "recurrence": null,
            "isOnlineMeeting": false, "onlineMeetingProvider": "unknown", "onlineMeeting": null, "webLink": "https://x",
            "lastModifiedDateTime": "2026-01-01T00:00:00Z", "originalStartTimeZone": "UTC", "transactionId": null,
        }),
        _ => json!({
            "object": "page", "id": id, "created_time": "2026-01-01T00:00:00.000Z",
            "last_edited_time": "2026-01-01T00:00:00.000Z", "in_trash": false, "url": "https://notion.so/x",
            "created_by": { "id": "me" }, "last_edited_by": { "id": "me" },
            "properties": {
                "Name": { "id": "title", "type": "title", "title": [{ "plain_text": title, "text": { "content": title } }] },
                "When": { "id": "when", "type": "date",
                          "date": { "start": "2030-01-07T09:00:00.000Z", "end": null, "time_zone": null } },
                "Notes": { "id": "notes", "type": "rich_text", "rich_text": [{ "plain_text": "d" }] },
                "Tags": { "id": "tags", "type": "multi_select", "multi_select": [{ "name": "a" }] },
            },
        }),
    }
}

/// A series of three days, as that provider has it; Notion has none.
pub fn series(provider: &str) -> Option<Value> {
    let mut event = event(provider, "", "Series");
    match provider {
        "google" => {
            event["recurrence"] = json!(["RRULE:FREQ=DAILY;COUNT=3", "EXDATE;VALUE=DATE-TIME:20300108T090000Z"])
        }
        "microsoft" => {
            event["type"] = json!("seriesMaster");
            event["recurrence"] = json!({
                "pattern": { "type": "relativeMonthly", "interval": 1, "daysOfWeek": ["monday"], "firstDayOfWeek": "monday",
                             "index": "first", "month": 0, "dayOfMonth": 0 },
                "range": { "type": "numbered", "startDate": "2030-01-07", "endDate": "2030-03-07",
                           "numberOfOccurrences": 3, "recurrenceTimeZone": "UTC" },
            });
            event["cancelledOccurrences"] = json!(["OID.x.2030-02-04"]);
            let mut exception = self::event(provider, "exception", "Moved");
            exception["type"] = json!("exception");
            exception["originalStart"] = json!("2030-01-07T09:00:00Z");
            event["exceptionOccurrences"] = json!([exception]);
        }
        _ => return None,
    }
    Some(event)
}

pub fn hostile_values() -> Vec<Value> {
    let deep = (0..100).fold(json!(1), |inner, _| json!([inner]));
    let mut values = vec![
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(1e308),
        json!(u64::MAX),
        json!([]),
        json!({}),
        deep,
        json!([null, 1, {}]),
        json!({ "a": { "b": null } }),
        json!("x".repeat(100_000)),
        json!(["x".repeat(100_000)]),
    ];
    values.extend(
        [
            "",
            " ",
            "\0",
            "a\0b",
            "\u{feff}\u{202e}\u{ffff}",
            "..",
            "../../me",
            "%2e%2e%2f",
            "'; drop table calendar_events; --",
            "0000-01-01T00:00:00Z",
            "0000-00-00",
            "0001-01-01T00:00:00.0000000",
            "9999-12-31T23:59:59.9999999",
            "9999-12-31",
            "9999-12-31T23:59:59-23:59",
            "0001-01-01T00:00:00+23:59",
            "10000-01-01T00:00:00Z",
            "+10000-01-01T00:00:00Z",
            "+262142-12-31T23:59:59Z",
            "+262142-12-31",
            "+262142-12-31T23:59:59",
            "-262143-01-01T00:00:00",
            "-262143-01-01",
            "-4713-01-01T00:00:00",
            "294276-12-31T00:00:00Z",
            "+294277-01-01",
            "2030-02-30T00:00:00Z",
            "2030-01-07T24:00:00Z",
            "2030-01-07T23:59:60Z",
            "infinity",
            "NaN",
            "now",
            "RRULE:FREQ=SECONDLY",
            "RRULE:FREQ=DAILY;COUNT=999999999",
            "RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
            "RRULE:FREQ=SECONDLY;BYSECOND=0;BYMINUTE=0;BYHOUR=0;BYMONTHDAY=31;BYMONTH=2",
            "Asia/../../etc/passwd",
            "UTC\0",
            "tzone://Microsoft/Custom",
            "seriesMaster",
            "occurrence",
            "exception",
            "cancelled",
        ]
        .map(|text| json!(text)),
    );
    values
}

/// The event with each hostile value in each place, two levels deep; each has an id of its own, unless that is the place.
pub fn twisted(good: &Value, name: &str) -> Vec<Value> {
    let values = hostile_values();
    let mut places: Vec<String> = vec![];
    fn walk(value: &Value, path: &str, places: &mut Vec<String>) {
        let below: Vec<(String, &Value)> = match value {
            Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), value)).collect(),
            Value::Array(list) => list.iter().enumerate().map(|(index, value)| (index.to_string(), value)).collect(),
            _ => vec![],
        };
        for (name, value) in below {
            let path = format!("{path}/{name}");
            walk(value, &path, places);
            places.push(path);
        }
    }
    walk(good, "", &mut places);
    let mut all = vec![];
    for path in &places {
        for (number, value) in values.iter().enumerate() {
            let mut one = good.clone();
            one["id"] = json!(format!("{name}{}-{number}", path.replace(['@', '.', '/'], "")));
            if let Some(place) = one.pointer_mut(path) {
                *place = value.clone();
                all.push(one);
            }
        }
    }
    all
}
