//! The other side: series in a provider's calendar, as its user sees and edits them.

use std::collections::BTreeMap;

use calendar_sync_e2e::{FakeGoogle, FakeGraph, GoogleFault, GraphFault, LINKED_CALENDAR, connect_calendar};
use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeDelta, Utc};
use postgres::Client;
use serde_json::{Value, json};

use super::plan::{Dice, Plan, Seen, time_text};

/// One occurrence there.
#[derive(Clone, Debug)]
pub struct Occurrence {
    pub series: String,
    pub number: usize,
    /// As the series has it.
    pub original: DateTime<Utc>,
    pub start: DateTime<Utc>,
    pub end: DateTime<Utc>,
    pub all_day: bool,
    pub title: String,
    pub place: String,
}

impl Occurrence {
    pub fn key(&self) -> (usize, String) {
        (self.number, time_text(self.original, self.all_day))
    }

    pub fn seen(&self) -> Seen {
        let time = |at| time_text(at, self.all_day);
        (self.title.clone(), self.place.clone(), time(self.start), time(self.end))
    }
}

/// What somebody changes there of a series or of one occurrence.
pub enum Edit {
    Title(String),
    Place(String),
    /// Of an occurrence: its new start; it is as long as before.
    Move(DateTime<Utc>),
}

pub trait There {
    fn add(&self, plan: &Plan, title: &str);
    fn edit(&self, series: &str, edit: &Edit);
    /// Other times, or another rule.
    fn replan(&self, series: &str, plan: &Plan);
    fn delete(&self, series: &str);
    fn edit_one(&self, one: &Occurrence, edit: &Edit);
    fn cancel_one(&self, one: &Occurrence);
    fn occurrences(&self) -> Vec<Occurrence>;
    fn trouble(&self, dice: &mut Dice);
    fn no_trouble(&self);
    /// The last ones, for whoever looks into a failure.
    fn requests(&self) -> String;

    fn all(&self) -> BTreeMap<(usize, String), Vec<Seen>> {
        let mut all: BTreeMap<_, Vec<Seen>> = BTreeMap::new();
        for one in self.occurrences() {
            all.entry(one.key()).or_default().push(one.seen());
        }
        all
    }
}

fn number_of(description: &Value) -> usize {
    let text = description.as_str().unwrap_or_default();
    text.trim().strip_prefix("series ").and_then(|number| number.parse().ok()).unwrap_or_default()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn last(lines: Vec<String>) -> String {
    lines[lines.len().saturating_sub(25)..].join("\n")
}

fn window() -> (DateTime<Utc>, DateTime<Utc>) {
    (Utc::now() - TimeDelta::days(1), Utc::now() + TimeDelta::days(364))
}

pub struct Google(pub FakeGoogle);

fn with(mut event: Value, members: Value) -> Value {
    let (Some(event_members), Value::Object(members)) = (event.as_object_mut(), members) else { return event };
    event_members.extend(members);
    event
}

impl Google {
    fn change(edit: &Edit, one: Option<&Occurrence>) -> Value {
        match (edit, one) {
            (Edit::Title(title), _) => json!({ "summary": title }),
            (Edit::Place(place), _) => json!({ "location": place }),
            (Edit::Move(start), Some(one)) => {
                let time = |at: DateTime<Utc>| match one.all_day {
                    true => json!({ "date": time_text(at, true) }),
                    false => json!({ "dateTime": at.to_rfc3339() }),
                };
                json!({ "start": time(*start), "end": time(*start + (one.end - one.start)) })
            }
            (Edit::Move(_), None) => json!({}),
        }
    }
}

fn google_time(value: &Value) -> (DateTime<Utc>, bool) {
    if let Some(date) = value["date"].as_str() {
        let date: NaiveDate = date.parse().expect("a date");
        return (date.and_time(chrono::NaiveTime::MIN).and_utc(), true);
    }
    let at = value["dateTime"].as_str().and_then(|text| text.parse().ok());
    (at.unwrap_or_else(|| panic!("no time: {value}")), false)
}

impl There for Google {
    fn add(&self, plan: &Plan, title: &str) {
        let event = json!({ "summary": title, "description": plan.description(), "recurrence": plan.rule() });
        self.0.calendar(LINKED_CALENDAR).insert(with(event, plan.times_of_google()));
    }

    fn edit(&self, series: &str, edit: &Edit) {
        self.0.calendar(LINKED_CALENDAR).edit(series, Self::change(edit, None));
    }

    fn replan(&self, series: &str, plan: &Plan) {
        let change = with(plan.times_of_google(), json!({ "recurrence": plan.rule() }));
        self.0.calendar(LINKED_CALENDAR).edit(series, change);
    }

    fn delete(&self, series: &str) {
        self.0.calendar(LINKED_CALENDAR).delete(series);
    }

    fn edit_one(&self, one: &Occurrence, edit: &Edit) {
        let change = Self::change(edit, Some(one));
        self.0.calendar(LINKED_CALENDAR).edit_instance(&one.series, one.original, change);
    }

    fn cancel_one(&self, one: &Occurrence) {
        self.0.calendar(LINKED_CALENDAR).cancel_instance(&one.series, one.original);
    }

    fn occurrences(&self) -> Vec<Occurrence> {
        let (from, to) = window();
        let read = |event: &Value| {
            let (start, all_day) = google_time(&event["start"]);
            Occurrence {
                series: text(&event["recurringEventId"]),
                number: number_of(&event["description"]),
                original: google_time(&event["originalStartTime"]).0,
                start,
                end: google_time(&event["end"]).0,
                all_day,
                title: text(&event["summary"]),
                place: text(&event["location"]),
            }
        };
        self.0.calendar(LINKED_CALENDAR).occurrences(from, to).iter().map(read).collect()
    }

    fn trouble(&self, dice: &mut Dice) {
        let faults = [
            GoogleFault::LoseReply,
            GoogleFault::LoseReply,
            GoogleFault::Drop,
            GoogleFault::Html,
            GoogleFault::Refuse(500, "backendError"),
            GoogleFault::Refuse(412, "conditionNotMet"),
            GoogleFault::RefuseFor(429, "rateLimitExceeded", 1),
        ];
        match dice.below(8) {
            0 => self.0.expire_sync_tokens(),
            _ => self.0.fail(None, 1 + dice.below(3), dice.one_of(&faults).clone()),
        }
    }

    fn no_trouble(&self) {
        self.0.stop_failing();
    }

    fn requests(&self) -> String {
        let lines = self
            .0
            .requests()
            .into_iter()
            .map(|it| format!("{} {} {} {:?} {}", it.status, it.method, it.path, it.if_match, it.body));
        last(lines.collect())
    }
}

pub struct Outlook {
    pub fake: FakeGraph,
    pub calendar: String,
}

impl Outlook {
    fn change(edit: &Edit, one: Option<&Occurrence>) -> Value {
        match (edit, one) {
            (Edit::Title(title), _) => json!({ "subject": title }),
            (Edit::Place(place), _) => json!({ "location": { "displayName": place } }),
            (Edit::Move(start), Some(one)) => {
                let time = |at: DateTime<Utc>| json!({ "dateTime": at.format("%Y-%m-%dT%H:%M:%S").to_string(), "timeZone": "UTC" });
                json!({ "start": time(*start), "end": time(*start + (one.end - one.start)) })
            }
            (Edit::Move(_), None) => json!({}),
        }
    }
}

fn graph_time(value: &Value) -> DateTime<Utc> {
    let local: Option<NaiveDateTime> = value["dateTime"].as_str().and_then(|text| text.parse().ok());
    local.unwrap_or_else(|| panic!("no time: {value}")).and_utc()
}

impl There for Outlook {
    fn add(&self, plan: &Plan, title: &str) {
        let body = json!({ "contentType": "text", "content": plan.description() });
        let event = with(json!({ "subject": title, "body": body }), plan.times_of_graph());
        self.fake.calendar(&self.calendar).insert(event);
    }

    fn edit(&self, series: &str, edit: &Edit) {
        self.fake.calendar(&self.calendar).edit(series, Self::change(edit, None));
    }

    fn replan(&self, series: &str, plan: &Plan) {
        self.fake.calendar(&self.calendar).edit(series, plan.times_of_graph());
    }

    fn delete(&self, series: &str) {
        self.fake.calendar(&self.calendar).delete(series);
    }

    fn edit_one(&self, one: &Occurrence, edit: &Edit) {
        let change = Self::change(edit, Some(one));
        self.fake.calendar(&self.calendar).edit_occurrence(&one.series, one.original, change);
    }

    fn cancel_one(&self, one: &Occurrence) {
        self.fake.calendar(&self.calendar).delete_occurrence(&one.series, one.original);
    }

    fn occurrences(&self) -> Vec<Occurrence> {
        let (from, to) = window();
        let read = |event: &Value| Occurrence {
            series: text(&event["seriesMasterId"]),
            number: number_of(&event["body"]["content"]),
            original: event["originalStart"].as_str().and_then(|text| text.parse().ok()).expect("an original start"),
            start: graph_time(&event["start"]),
            end: graph_time(&event["end"]),
            all_day: event["isAllDay"] == true,
            title: text(&event["subject"]),
            place: text(&event["location"]["displayName"]),
        };
        self.fake.calendar(&self.calendar).occurrences(from, to).iter().map(read).collect()
    }

    fn trouble(&self, dice: &mut Dice) {
        let faults = [
            GraphFault::LoseReply,
            GraphFault::LoseReply,
            GraphFault::Drop,
            GraphFault::Gone,
            GraphFault::Refuse(500, "InternalServerError"),
            GraphFault::Refuse(412, "ErrorIrresolvableConflict"),
            GraphFault::RefuseFor(429, "ApplicationThrottled", 1),
        ];
        match dice.below(8) {
            0 => self.fake.forget_rounds(),
            _ => self.fake.fail(None, 1 + dice.below(3), dice.one_of(&faults).clone()),
        }
    }

    fn no_trouble(&self) {
        self.fake.stop_failing();
    }

    fn requests(&self) -> String {
        let lines = self
            .fake
            .requests()
            .into_iter()
            .map(|it| format!("{} {} {} {:?} {}", it.status, it.method, it.path, it.if_match, it.body));
        last(lines.collect())
    }
}

/// Connects that user's calendar at a fake Google, in both directions.
pub fn google(client: &mut Client, user: &str) -> Box<dyn There> {
    let fake = FakeGoogle::start();
    fake.add_person(LINKED_CALENDAR, "Europe/Berlin");
    let account = calendar_sync_e2e::add_google_account(client, &fake, user, LINKED_CALENDAR);
    connect_calendar(client, account, LINKED_CALENDAR, "both", &json!({}));
    Box::new(Google(fake))
}

/// The same at a fake Graph.
pub fn outlook(client: &mut Client, user: &str) -> Box<dyn There> {
    let fake = FakeGraph::start();
    let calendar = fake.add_mailbox(user);
    fake.connect(client, user, &calendar, "both");
    Box::new(Outlook { fake, calendar })
}
