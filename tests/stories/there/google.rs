//! A user's calendar at Google.

use std::collections::BTreeMap;
use std::rc::Rc;

use calendar_sync_e2e::{FakeGoogle, GOOGLE_CLIENT, GoogleCall, GoogleFault, Random};
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use serde_json::{Value, json};

use super::plan::{self, Plan, time_text};
use super::series::{Edit, Occurrence, WithSeries, last, window};
use super::{Entry, Field, Shown, There, description, end_of, number_of, start_text, text, with};

pub struct Google {
    fake: Rc<FakeGoogle>,
    person: String,
}

impl Google {
    pub fn of(fake: &Rc<FakeGoogle>, person: &str) -> Self {
        fake.add_person(person, "Europe/Berlin");
        Self { fake: fake.clone(), person: person.to_owned() }
    }

    fn value(field: Field, value: &str) -> Value {
        match field {
            Field::Title => json!({ "summary": value }),
            Field::Location => json!({ "location": value }),
            Field::Start => json!({ "start": { "dateTime": value }, "end": { "dateTime": end_of(value) } }),
        }
    }

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

    fn times(plan: &Plan) -> Value {
        let time = |time| match plan.all_day {
            true => json!({ "date": plan.text(time), "dateTime": null, "timeZone": null }),
            false => json!({ "dateTime": plan.text(time), "timeZone": plan.zone, "date": null }),
        };
        json!({ "start": time(plan.start), "end": time(plan.end()) })
    }
}

impl There for Google {
    fn provider(&self) -> &'static str {
        "google"
    }

    fn registration(&self) -> (String, String, Value) {
        let endpoints = json!({ "api": self.fake.api(), "token": self.fake.token(), "revoke": self.fake.revoke() });
        (GOOGLE_CLIENT.0.to_owned(), GOOGLE_CLIENT.1.to_owned(), json!({ "endpoints": endpoints }))
    }

    fn tokens(&self) -> (String, Option<String>) {
        let (access, refresh) = self.fake.grant(&self.person);
        (access, Some(refresh))
    }

    fn calendar(&self) -> String {
        self.person.clone()
    }

    fn add(&self, number: usize, shown: &Shown) {
        let event = json!({ "description": description(number) });
        let event = shown.iter().fold(event, |event, (field, value)| with(event, Self::value(*field, value)));
        self.fake.calendar(&self.person).insert(event);
    }

    fn edit(&self, id: &str, field: Field, value: &str) {
        self.fake.calendar(&self.person).edit(id, Self::value(field, value));
    }

    fn delete(&self, id: &str) {
        self.fake.calendar(&self.person).delete(id);
    }

    fn entries(&self) -> Vec<Entry> {
        let events = self.fake.calendar(&self.person).events();
        let seen = events.iter().map(|event| {
            let shown = BTreeMap::from([
                (Field::Title, text(&event["summary"])),
                (Field::Location, text(&event["location"])),
                (Field::Start, start_text(&event["start"]["dateTime"])),
            ]);
            Entry { number: number_of(&text(&event["description"])), id: text(&event["id"]), shown }
        });
        seen.collect()
    }

    fn count_requests(&self) -> usize {
        let calls = self.fake.calls();
        self.fake.forget_requests();
        calls
    }

    fn lose_answer_to_create(&self) {
        self.fake.fail(GoogleCall::Insert, 1, GoogleFault::LoseReply);
    }

    fn trouble(&self, random: &mut Random) {
        let faults = [
            GoogleFault::LoseReply,
            GoogleFault::LoseReply,
            GoogleFault::Drop,
            GoogleFault::Html,
            GoogleFault::Refuse(500, "backendError"),
            GoogleFault::Refuse(403, "rateLimitExceeded"),
            GoogleFault::RefuseFor(429, "rateLimitExceeded", 1),
            GoogleFault::RefuseFor(503, "backendError", 1),
        ];
        match random.below(10) {
            0 => self.fake.expire_sync_tokens(),
            1 => self.fake.expire_page_tokens(),
            2 => self.fake.expire_access_tokens(),
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

impl WithSeries for Google {
    fn add_series(&self, plan: &Plan, title: &str) {
        let event = json!({ "summary": title, "description": plan.description(), "recurrence": plan.rule() });
        self.fake.calendar(&self.person).insert(with(event, Self::times(plan)));
    }

    fn edit_series(&self, series: &str, edit: &Edit) {
        self.fake.calendar(&self.person).edit(series, Self::change(edit, None));
    }

    fn replan(&self, series: &str, plan: &Plan) {
        let change = with(Self::times(plan), json!({ "recurrence": plan.rule() }));
        self.fake.calendar(&self.person).edit(series, change);
    }

    fn edit_one(&self, one: &Occurrence, edit: &Edit) {
        let change = Self::change(edit, Some(one));
        self.fake.calendar(&self.person).edit_instance(&one.series, one.original, change);
    }

    fn cancel_one(&self, one: &Occurrence) {
        self.fake.calendar(&self.person).cancel_instance(&one.series, one.original);
    }

    fn occurrences(&self) -> Vec<Occurrence> {
        let (from, to) = window();
        let read = |event: &Value| {
            let (start, all_day) = time_of(&event["start"]);
            Occurrence {
                series: text(&event["recurringEventId"]),
                number: plan::number_of(&text(&event["description"])).unwrap_or_default(),
                original: time_of(&event["originalStartTime"]).0,
                start,
                end: time_of(&event["end"]).0,
                all_day,
                title: text(&event["summary"]),
                place: text(&event["location"]),
            }
        };
        self.fake.calendar(&self.person).occurrences(from, to).iter().map(read).collect()
    }

    fn refuse_as_changed(&self) {
        self.fake.fail(None, 1, GoogleFault::Refuse(412, "conditionNotMet"));
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

fn time_of(value: &Value) -> (DateTime<Utc>, bool) {
    if let Some(date) = value["date"].as_str() {
        let date: NaiveDate = date.parse().expect("a date");
        return (date.and_time(NaiveTime::MIN).and_utc(), true);
    }
    let at = value["dateTime"].as_str().and_then(|text| text.parse().ok());
    (at.unwrap_or_else(|| panic!("no time: {value}")), false)
}
