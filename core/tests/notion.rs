//! Rows of a Notion data source as events, and events as rows.

mod common;

use calendar_sync_core::event::{Attendee, Body, Details, Event, EventStatus, Series, Timing};
use calendar_sync_core::providers::notion::{self, Mapping, Role};
use calendar_sync_core::zones::ChronoZones;
use chrono::{DateTime, Utc};
use common::cases;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// A data source with properties of these types.
fn data_source(properties: &[(&str, &str)]) -> Value {
    let of = |(number, (name, kind)): (usize, &(&str, &str))| {
        let choices = json!({ "options": [{ "name": "Planned" }, { "name": "Cancelled" }, { "name": "Done" }] });
        let inner = if matches!(*kind, "status" | "select") { choices } else { json!({}) };
        ((*name).to_owned(), json!({ "id": format!("p{number}"), "name": name, "type": kind, (*kind): inner }))
    };
    let properties: Map<String, Value> = properties.iter().enumerate().map(of).collect();
    json!({ "object": "data_source", "id": "source", "properties": properties })
}

const USUAL: [(&str, &str); 10] = [
    ("Name", "title"),
    ("When", "date"),
    ("Where", "rich_text"),
    ("Notes", "rich_text"),
    ("Tags", "multi_select"),
    ("Status", "status"),
    ("People", "people"),
    ("Link", "url"),
    ("Owner", "people"),
    ("calendar_sync key", "rich_text"),
];

fn usual() -> Mapping {
    Mapping::find(&data_source(&USUAL), &Value::Null).unwrap()
}

fn found(properties: &[(&str, &str)], options: Value) -> Result<Vec<String>, String> {
    let roles = [
        Role::Title,
        Role::Start,
        Role::End,
        Role::Description,
        Role::Location,
        Role::Status,
        Role::Url,
        Role::Attendees,
        Role::Categories,
        Role::Key,
    ];
    let mapping = Mapping::find(&data_source(properties), &options).map_err(|error| error.to_string())?;
    let named = |role: &Role| Some(format!("{}={}", role.word(), mapping.get(*role)?.name));
    Ok(roles.iter().filter_map(named).collect())
}

/// The page that Notion shows after it was given these properties: texts in one piece, times with an offset.
fn page_of(properties: &Map<String, Value>) -> Value {
    let shown = |(name, value): (&String, &Value)| {
        let (kind, value) = value.as_object().unwrap().iter().next().unwrap();
        let id = USUAL.iter().position(|(known, _)| known == name).unwrap();
        let value = match kind.as_str() {
            "title" | "rich_text" => {
                let items = value.as_array().unwrap().iter().map(|item| item["text"]["content"].as_str().unwrap());
                json!([{ "plain_text": items.collect::<String>() }])
            }
            "date" => date_of(value),
            _ => value.clone(),
        };
        (name.clone(), json!({ "id": format!("p{id}"), "type": kind, (kind): value }))
    };
    let properties: Map<String, Value> = properties.iter().map(shown).collect();
    json!({
        "object": "page", "id": "page", "url": "https://notion.so/page", "last_edited_time": "2026-05-01T09:30:00.000Z",
        "in_trash": false, "properties": properties,
    })
}

fn date_of(value: &Value) -> Value {
    use chrono::TimeZone;
    let Some(zone) = value["time_zone"].as_str() else { return value.clone() };
    let zone: chrono_tz::Tz = zone.parse().unwrap();
    let instant = |text: &Value| {
        let local: chrono::NaiveDateTime = text.as_str()?.parse().unwrap();
        Some(zone.from_local_datetime(&local).earliest().unwrap().to_rfc3339())
    };
    json!({ "start": instant(&value["start"]), "end": instant(&value["end"]), "time_zone": null })
}

fn instant(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn event(start: &str, end: Option<&str>, all_day: bool, time_zone: Option<&str>) -> Event {
    let end = end.map(instant);
    let time_zone = time_zone.map(str::to_owned);
    let timing = Timing { start: instant(start), end, all_day, time_zone, floating: false };
    Event { timing, details: Details { title: "Review".into(), ..Details::default() } }
}

fn written(event: &Event) -> Map<String, Value> {
    notion::write(&Body::Single(Box::new(event.clone())), &ChronoZones::default()).unwrap()
}

fn read_page(page: &Value) -> Result<Event, String> {
    let entry = notion::entry(page, &usual()).ok_or("no entry")?;
    match notion::read(&entry).map_err(|bad| bad.message)?.item.body {
        Body::Single(event) => Ok(*event),
        body => panic!("{body:?}"),
    }
}

fn sent_and_read(event: &Event) -> Event {
    read_page(&page_of(&notion::properties(&written(event), &usual(), true))).unwrap()
}

#[test]
fn properties_are_found_by_name_and_type() {
    assert_eq!(
        found(&USUAL, Value::Null).unwrap(),
        [
            "title=Name",
            "start=When",
            "description=Notes",
            "location=Where",
            "status=Status",
            "url=Link",
            "attendees=People",
            "categories=Tags",
            "key=calendar_sync key"
        ]
    );
    let apart =
        [("Titel", "title"), ("Start Date", "date"), ("End date", "date"), ("Due", "date"), ("State", "select")];
    assert_eq!(
        found(&apart, Value::Null).unwrap(),
        ["title=Titel", "start=Start Date", "end=End date", "status=State"]
    );
    // A name alone does not make a property what it can't be; a lone date is when, whatever it is called.
    let odd = [("x", "title"), ("Deadline", "date"), ("Location", "number"), ("Progress", "status")];
    assert_eq!(found(&odd, Value::Null).unwrap(), ["title=x", "start=Deadline", "status=Progress"]);
}

#[test]
fn options_name_properties_and_leave_some_out() {
    let two = [("Name", "title"), ("When", "date"), ("Due", "date"), ("Notes", "rich_text"), ("Text", "rich_text")];
    let options = json!({ "properties": { "start": "Due", "description": "p4", "location": null } });
    assert_eq!(found(&two, options).unwrap(), ["title=Name", "start=Due", "description=Text"]);
    let options = json!({ "properties": { "description": null } });
    assert_eq!(found(&two, options).unwrap(), ["title=Name", "start=When"]);
}

#[test]
fn what_is_missing_is_named() {
    let error = |properties: &[(&str, &str)], options| found(properties, options).unwrap_err();
    assert_eq!(
        error(&[("Name", "title")], Value::Null),
        "the data source has no property of type date for options.properties.start"
    );
    let wrong = json!({ "properties": { "start": "Name", "location": "Nowhere", "colour": "x", "url": 5 } });
    let said = error(&USUAL, wrong);
    for part in [
        "property \"Name\" (options.properties.start) is of type title, and must be of type date",
        "the data source has no property \"Nowhere\" (options.properties.location); it has \"Link\", \"Name\"",
        "options.properties.colour is not known: there are title, start, end",
        "options.properties.url is no property's name",
    ] {
        assert!(said.contains(part), "{said}");
    }
    let twice = json!({ "properties": { "description": "Notes", "location": "Notes" } });
    assert_eq!(error(&USUAL, twice), "options.properties names \"Notes\" twice: description and location");
}

#[test]
fn the_last_day_of_an_all_day_event_is_its_end_at_notion() {
    let three = event("2026-03-28T00:00:00Z", Some("2026-03-31T00:00:00Z"), true, None);
    assert_eq!(written(&three)["date"], json!({ "start": "2026-03-28", "end": "2026-03-30" }));
    assert_eq!(sent_and_read(&three).timing, three.timing);
    let one = event("2026-03-29T00:00:00Z", Some("2026-03-30T00:00:00Z"), true, None);
    assert_eq!(written(&one)["date"], json!({ "start": "2026-03-29", "end": null }));
    assert_eq!(sent_and_read(&one).timing, one.timing);
    // An interaction without a length is a day in the zone of its table, and its instant is kept there.
    let call = event("2026-03-28T23:30:00Z", None, true, Some("Europe/Berlin"));
    assert_eq!(written(&call)["date"]["start"], "2026-03-29");
}

#[test]
fn times_are_sent_in_their_zone_and_read_as_instants() {
    let summer = event("2026-07-01T07:00:00Z", Some("2026-07-01T08:30:00Z"), false, Some("Europe/Berlin"));
    assert_eq!(
        written(&summer)["date"],
        json!({ "start": "2026-07-01T09:00:00", "end": "2026-07-01T10:30:00", "time_zone": "Europe/Berlin" })
    );
    let read = sent_and_read(&summer).timing;
    assert_eq!((read.start, read.end, read.time_zone), (summer.timing.start, summer.timing.end, None));
    let plain = event("2026-07-01T07:00:00Z", None, false, None);
    assert_eq!(written(&plain)["date"], json!({ "start": "2026-07-01T07:00:00Z", "end": null }));
    // The second 02:30 of the night in which clocks go back can't be told by its zone.
    let second = event("2026-10-25T01:30:00Z", None, false, Some("Europe/Berlin"));
    assert_eq!(written(&second)["date"]["start"], "2026-10-25T01:30:00Z");
    assert_eq!(sent_and_read(&second).timing.start, second.timing.start);
    let first = event("2026-10-25T00:30:00Z", None, false, Some("Europe/Berlin"));
    assert_eq!(written(&first)["date"]["start"], "2026-10-25T02:30:00");
    // Names that only PostgreSQL knows are not sent.
    assert!(written(&event("2026-10-25T00:30:00Z", None, false, Some("EST5EDT")))["date"].get("time_zone").is_none());
}

#[test]
fn start_and_end_may_have_properties_of_their_own() {
    let apart = [("Name", "title"), ("Start", "date"), ("End", "date")];
    let mapping = Mapping::find(&data_source(&apart), &Value::Null).unwrap();
    let days = event("2026-03-28T00:00:00Z", Some("2026-03-31T00:00:00Z"), true, None);
    let sent = notion::properties(&written(&days), &mapping, true);
    assert_eq!(sent["Start"], json!({ "date": { "start": "2026-03-28" } }));
    assert_eq!(sent["End"], json!({ "date": { "start": "2026-03-30" } }));
    let page = json!({ "id": "a", "properties": {
        "Start": { "id": "p1", "type": "date", "date": { "start": "2026-03-28", "end": null } },
        "End": { "id": "p2", "type": "date", "date": { "start": "2026-03-30", "end": null } },
    } });
    let found = notion::read(&notion::entry(&page, &mapping).unwrap()).unwrap();
    let Body::Single(read) = found.item.body else { panic!() };
    assert_eq!(read.timing, days.timing);
    let endless = event("2026-03-28T09:00:00Z", None, false, None);
    assert_eq!(notion::properties(&written(&endless), &mapping, false)["End"], json!({ "date": null }));
}

#[test]
fn long_texts_go_in_pieces_of_2_000_characters_as_notion_counts_them() {
    let mut long = event("2026-07-01T07:00:00Z", None, false, None);
    long.details.description = Some("😀".repeat(1_500) + &"x".repeat(4_000));
    let sent = notion::properties(&written(&long), &usual(), true);
    let items = sent["Notes"]["rich_text"].as_array().unwrap();
    let lengths: Vec<usize> =
        items.iter().map(|item| item["text"]["content"].as_str().unwrap().encode_utf16().count()).collect();
    assert_eq!(lengths, [2_000, 2_000, 2_000, 1_000]);
    assert_eq!(sent_and_read(&long).details.description, long.details.description);
    long.details.description = Some("x".repeat(200_001));
    let refused = notion::write(&Body::Single(Box::new(long)), &ChronoZones::default());
    assert_eq!(refused.unwrap_err(), "a description of over 200,000 characters");
}

#[test]
fn a_recurring_event_has_no_form_at_notion() {
    let template = event("2026-07-01T07:00:00Z", None, false, None);
    let series = Series {
        template,
        local_start: None,
        duration: None,
        rrules: vec!["FREQ=DAILY".into()],
        exrules: vec![],
        rdates: vec![],
        rdate_ends: vec![],
        exdates: vec![],
        overrides: vec![],
    };
    let refused = notion::write(&Body::Series(Box::new(series)), &ChronoZones::default());
    assert_eq!(refused.unwrap_err(), "a recurring event: a page is one event");
}

#[test]
fn everything_that_a_page_holds_comes_back() {
    let mut whole = event("2026-07-01T07:00:00Z", Some("2026-07-01T08:00:00Z"), false, None);
    whole.details = Details {
        title: "Review".into(),
        description: Some("one\ntwo".into()),
        location: Some("Room 5".into()),
        event_status: EventStatus::Completed,
        categories: vec!["red".into(), "blue".into()],
        metadata: Some(json!({ "url": "https://example.com", "web_link": "https://notion.so/page" })),
        last_updated: Some(instant("2026-05-01T09:30:00Z")),
        ..Details::default()
    };
    assert_eq!(sent_and_read(&whole), whole);
    // Guests are Notion's own users there: they are read, and never sent.
    whole.details.attendees = vec![Attendee { address: "ada@example.com".into(), ..Attendee::default() }];
    assert!(!notion::properties(&written(&whole), &usual(), true).contains_key("People"));
    let mut page = page_of(&notion::properties(&written(&whole), &usual(), true));
    page["properties"]["People"] = json!({ "id": "p6", "type": "people", "people": [
        { "id": "u1", "name": "Ada", "person": { "email": "ada@example.com" } }, { "id": "u2", "name": "Bob" }, { "id": "u3" },
    ] });
    let read = read_page(&page).unwrap().details;
    assert_eq!(read.participants, ["Ada", "Bob"]);
    assert_eq!(read.attendees[0].address, "ada@example.com");
    assert_eq!(read.attendees[1].address, "Bob");
}

#[test]
fn a_status_is_sent_only_as_a_choice_that_is_there() {
    let mut tentative = event("2026-07-01T07:00:00Z", None, false, None);
    let sent = |event: &Event, is_new| notion::properties(&written(event), &usual(), is_new).get("Status").cloned();
    assert_eq!(sent(&tentative, true), None);
    assert_eq!(sent(&tentative, false), Some(json!({ "status": { "name": "Planned" } })));
    tentative.details.event_status = EventStatus::Tentative;
    assert_eq!(sent(&tentative, false), None);
    tentative.details.event_status = EventStatus::Completed;
    assert_eq!(sent(&tentative, true), Some(json!({ "status": { "name": "Done" } })));
}

#[test]
fn a_version_tells_what_a_page_says_of_its_event_and_nothing_else() {
    let page =
        page_of(&notion::properties(&written(&event("2026-07-01T07:00:00Z", None, false, None)), &usual(), true));
    let version = |page: &Value| notion::version(&notion::entry(page, &usual()).unwrap());
    let mut touched = page.clone();
    touched["last_edited_time"] = json!("2027-01-01T00:00:00.000Z");
    touched["properties"]["Owner"] = json!({ "id": "p8", "type": "people", "people": [] });
    // Another choice of the same meaning is the same.
    touched["properties"]["Status"] = json!({ "id": "p5", "type": "status", "status": { "name": "In progress" } });
    let mut other = touched.clone();
    other["properties"]["Status"]["status"]["name"] = json!("Done");
    let mut plain = page.clone();
    plain["properties"]["Status"] = json!({ "id": "p5", "type": "status", "status": { "name": "Planned" } });
    assert_eq!(version(&plain), version(&touched));
    assert_ne!(version(&touched), version(&other));
    // It stays the same property when it is renamed.
    let mut renamed = page.clone();
    let title = renamed["properties"].as_object_mut().unwrap().remove("Name").unwrap();
    renamed["properties"]["Called"] = title;
    assert_eq!(version(&renamed), version(&page));
}

#[test]
fn a_page_without_a_date_is_no_event_and_one_that_ends_before_it_starts_is_a_bad_one() {
    let page =
        |date: Value| json!({ "id": "a", "properties": { "When": { "id": "p1", "type": "date", "date": date } } });
    assert_eq!(read_page(&page(Value::Null)).unwrap_err(), "no entry");
    let backwards = json!({ "start": "2026-03-28T09:00:00Z", "end": "2026-03-28T08:00:00Z" });
    assert_eq!(read_page(&page(backwards)).unwrap_err(), "it ends before it starts");
    assert_eq!(read_page(&page(json!({ "start": "soon" }))).unwrap_err(), "its start is no time");
}

/// A value of any kind and depth, of the words that pages are made of.
fn any_value() -> impl Strategy<Value = Value> {
    let words =
        ["start", "2026-03-28", "2026-03-28T09:00:00+02:00", "+262142-12-31", "title", "p1", "", "9999-12-31", "a,b"];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        prop::sample::select(words.to_vec()).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    let keys = ["start", "end", "id", "type", "name", "date", "title", "rich_text", "plain_text", "people", "person"];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(prop::sample::select(keys.to_vec()), inner, 0..6)
                .prop_map(|members| members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        ]
    })
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn no_page_is_too_strange(values in prop::collection::vec(any_value(), USUAL.len()), other in any_value()) {
        let shown = USUAL.iter().zip(values).enumerate().map(|(number, ((name, kind), value))| {
            ((*name).to_owned(), json!({ "id": format!("p{number}"), "type": kind, (*kind): value }))
        });
        let page = json!({ "id": "a", "url": other, "properties": shown.collect::<Map<_, _>>() });
        for page in [&page, &other] {
            if let Some(entry) = notion::entry(page, &usual()) {
                let _ = notion::read(&entry);
            }
        }
        let _ = notion::read(&other);
        let _ = Mapping::find(&other, &page);
        let _ = Mapping::find(&data_source(&USUAL), &json!({ "properties": other }));
        let _ = notion::properties(other.as_object().unwrap_or(&Map::new()), &usual(), false);
    }

    #[test]
    fn what_is_sent_is_read_again(
        minute in 20_000_000i64..60_000_000,
        length in prop::option::of(1i64..5_000),
        all_day: bool,
        zone in prop::sample::select(vec![None, Some("Europe/Berlin"), Some("America/St_Johns"), Some("Pacific/Apia")]),
        title in any::<String>(),
        description in prop::option::of(".{1,300}"),
    ) {
        let unit = if all_day { 1_440 } else { 1 };
        let at = |minute: i64| DateTime::from_timestamp(minute / unit * unit * 60, 0).unwrap();
        let length = length.map(|length| length / unit * unit + unit).or(all_day.then_some(unit));
        let start = at(minute);
        let timing = Timing {
            start,
            end: length.map(|length| start + chrono::TimeDelta::minutes(length)),
            all_day,
            time_zone: zone.filter(|_| !all_day).map(str::to_owned),
            floating: false,
        };
        let details = Details { title, description, ..Details::default() };
        let event = Event { timing, details };
        let read = sent_and_read(&event);
        prop_assert_eq!((read.timing.start, read.timing.end), (event.timing.start, event.timing.end));
        prop_assert_eq!(read.timing.all_day, all_day);
        // What is read and sent again is the same.
        let again = sent_and_read(&read);
        prop_assert_eq!(written(&again), written(&read));
    }
}
