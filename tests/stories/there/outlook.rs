//! A user's calendar in Outlook.

use std::collections::BTreeMap;

use calendar_sync_e2e::{FakeGraph, GRAPH_CLIENT, GraphCall, GraphFault, Random};
use chrono::{DateTime, Datelike, NaiveDateTime, Utc};
use serde_json::{Value, json};

use super::plan::{self, Freq, Plan};
use super::series::{Edit, Occurrence, WithSeries, last, window};
use super::{Entry, Field, Shown, There, description, end_of, number_of, start_text, text, with};

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

    /// A change of the times takes the pattern along, whose first day is the start's.
    fn times(plan: &Plan) -> Value {
        let time = |time: NaiveDateTime| json!({ "dateTime": time.format("%Y-%m-%dT%H:%M:%S").to_string(), "timeZone": plan.zone });
        json!({
            "isAllDay": plan.all_day, "start": time(plan.start), "end": time(plan.end()),
            "recurrence": Self::pattern(plan),
        })
    }

    fn pattern(plan: &Plan) -> Value {
        let weekday = plan.start.weekday().to_string();
        let day = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
            .into_iter()
            .find(|name| name.starts_with(&weekday))
            .unwrap_or_default()
            .to_lowercase();
        let pattern = match plan.freq {
            Freq::Daily => json!({ "type": "daily", "interval": plan.interval }),
            Freq::Weekly => json!({
                "type": "weekly", "interval": plan.interval, "daysOfWeek": [day], "firstDayOfWeek": "monday",
            }),
            Freq::Monthly => json!({
                "type": "absoluteMonthly", "interval": plan.interval, "dayOfMonth": plan.start.day(),
            }),
        };
        json!({
            "pattern": pattern,
            "range": {
                "type": "numbered", "startDate": plan.start.date().to_string(),
                "numberOfOccurrences": plan.count, "recurrenceTimeZone": plan.zone,
            },
        })
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
        let event = json!({ "body": { "contentType": "text", "content": description(number) } });
        let event = shown.iter().fold(event, |event, (field, value)| with(event, Self::value(*field, value)));
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

    fn lose_answer_to_create(&self) {
        self.fake.fail(GraphCall::Create, 1, GraphFault::LoseReply);
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

impl WithSeries for Outlook {
    fn add_series(&self, plan: &Plan, title: &str) {
        let body = json!({ "contentType": "text", "content": plan.description() });
        let event = with(json!({ "subject": title, "body": body }), Self::times(plan));
        self.fake.calendar(&self.calendar).insert(event);
    }

    fn edit_series(&self, series: &str, edit: &Edit) {
        self.fake.calendar(&self.calendar).edit(series, Self::change(edit, None));
    }

    fn replan(&self, series: &str, plan: &Plan) {
        self.fake.calendar(&self.calendar).edit(series, Self::times(plan));
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
            number: plan::number_of(&text(&event["body"]["content"])).unwrap_or_default(),
            original: event["originalStart"].as_str().and_then(|text| text.parse().ok()).expect("an original start"),
            start: time_of(&event["start"]),
            end: time_of(&event["end"]),
            all_day: event["isAllDay"] == true,
            title: text(&event["subject"]),
            place: text(&event["location"]["displayName"]),
        };
        self.fake.calendar(&self.calendar).occurrences(from, to).iter().map(read).collect()
    }

    fn refuse_as_changed(&self) {
        self.fake.fail(None, 1, GraphFault::Refuse(412, "ErrorIrresolvableConflict"));
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

fn time_of(value: &Value) -> DateTime<Utc> {
    let local: Option<NaiveDateTime> = value["dateTime"].as_str().and_then(|text| text.parse().ok());
    local.unwrap_or_else(|| panic!("no time: {value}")).and_utc()
}
