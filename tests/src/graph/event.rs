//! Events as the mailbox keeps them, and as Graph takes and gives them.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use serde_json::{Map, Value, json};

use super::body;
use super::pattern::Pattern;
use super::refusal::Refusal;
use super::when::{self, Zone};

/// Members that are kept as they are given.
const PLAIN: [&str; 12] = [
    "subject",
    "importance",
    "sensitivity",
    "showAs",
    "categories",
    "attendees",
    "isReminderOn",
    "reminderMinutesBeforeStart",
    "responseRequested",
    "allowNewTimeProposals",
    "hideAttendees",
    "singleValueExtendedProperties",
];
/// Members that mean something.
const SPECIAL: [&str; 9] = [
    "body",
    "location",
    "start",
    "end",
    "isAllDay",
    "recurrence",
    "isOnlineMeeting",
    "onlineMeetingProvider",
    "transactionId",
];
/// What the client library says of an object's type.
const ANNOTATION: &str = "@odata.type";

/// What an event, or one occurrence, is.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub members: Map<String, Value>,
    pub body: String,
    pub zone: Zone,
    pub start: NaiveDateTime,
    pub end: NaiveDateTime,
    pub all_day: bool,
    /// Address to join, of an online meeting.
    pub join: Option<String>,
    pub cancelled: bool,
}

/// A version.
#[derive(Clone, Debug)]
pub(super) struct Stamp {
    pub key: String,
    pub at: DateTime<Utc>,
}

impl Stamp {
    /// Of a change at that time; no other has the same.
    pub fn of(at: DateTime<Utc>) -> Self {
        Self { key: format!("DwAAABYAAAD{:016X}", at.timestamp_millis()), at }
    }
}

/// An event or a series.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub id: String,
    pub facts: Facts,
    pub recurrence: Option<Pattern>,
    pub exceptions: BTreeMap<NaiveDate, (Facts, Stamp)>,
    pub deleted: BTreeSet<NaiveDate>,
    pub transaction: Option<String>,
    pub created: DateTime<Utc>,
    pub stamp: Stamp,
    /// The calendar's, as it was changed last.
    pub version: u64,
}

/// How a request wants events to be shown.
#[derive(Clone, Debug)]
pub(super) struct View {
    pub zone: Zone,
    pub text: bool,
}

impl Facts {
    pub fn new(given: &Map<String, Value>, join: impl Fn() -> String) -> Result<Self, Refusal> {
        for name in ["start", "end"] {
            if given.get(name).is_none_or(Value::is_null) {
                return Err(Refusal::property(name));
            }
        }
        let blank = Self {
            members: Map::new(),
            body: body::of_text(""),
            zone: Zone::utc(),
            start: NaiveDateTime::default(),
            end: NaiveDateTime::default(),
            all_day: false,
            join: None,
            cancelled: false,
        };
        blank.changed(given, join)
    }

    /// With what is given, as PATCH has it.
    pub fn changed(&self, given: &Map<String, Value>, join: impl Fn() -> String) -> Result<Self, Refusal> {
        let mut facts = self.clone();
        for (name, value) in given {
            if PLAIN.contains(&name.as_str()) {
                check_word(name, value)?;
                facts.members.insert(name.clone(), value.clone());
            } else if !SPECIAL.contains(&name.as_str()) && name != ANNOTATION {
                let message =
                    format!("The property '{name}' does not exist on type 'Microsoft.OutlookServices.Event'.");
                return Err(Refusal::new(400, "RequestBodyRead", message));
            }
        }
        if let Some(location) = given.get("location") {
            let name = location["displayName"].as_str().unwrap_or_default();
            facts.members.insert("location".into(), json!({ "displayName": name, "locationType": "default" }));
        }
        facts.take_body(given)?;
        facts.take_times(given)?;
        // Once it is online it stays so.
        if facts.join.is_some() && given.get("isOnlineMeeting").is_some_and(|it| *it != json!(true)) {
            return Err(Refusal::property("isOnlineMeeting"));
        }
        if given.get("isOnlineMeeting") == Some(&json!(true)) && facts.join.is_none() {
            let url = join();
            facts.body = body::with_join_part(&facts.body, &url);
            facts.join = Some(url);
        }
        Ok(facts)
    }

    /// An online meeting whose body says no more how to join is none.
    fn take_body(&mut self, given: &Map<String, Value>) -> Result<(), Refusal> {
        let Some(body) = given.get("body") else { return Ok(()) };
        let content = body["content"].as_str().unwrap_or_default();
        self.body = match body["contentType"].as_str() {
            Some(kind) if kind.eq_ignore_ascii_case("html") => content.to_owned(),
            None | Some(_) if body["contentType"].as_str().is_none_or(|it| it.eq_ignore_ascii_case("text")) => {
                body::of_text(content)
            }
            _ => return Err(Refusal::property("body.contentType")),
        };
        if self.join.as_ref().is_some_and(|url| !self.body.contains(url)) {
            self.join = None;
        }
        Ok(())
    }

    fn take_times(&mut self, given: &Map<String, Value>) -> Result<(), Refusal> {
        if let Some(all_day) = given.get("isAllDay").and_then(Value::as_bool) {
            self.all_day = all_day;
        }
        if let Some(start) = given.get("start") {
            (self.start, self.zone) = when::read(start, "start")?;
        }
        if let Some(end) = given.get("end") {
            let (end, zone) = when::read(end, "end")?;
            if self.all_day && zone != self.zone && given.contains_key("start") {
                return Err(Refusal::invalid("The start and end of an all-day event are in different time zones."));
            }
            self.end = if zone == self.zone || self.all_day { end } else { self.zone.local(zone.instant(end)) };
        }
        let is_midnight = |time: NaiveDateTime| time.time() == NaiveTime::MIN;
        if self.all_day && !(is_midnight(self.start) && is_midnight(self.end)) {
            return Err(Refusal::invalid("The Event.Start property for an all-day event needs to be set to midnight."));
        }
        if self.end < self.start || (self.all_day && self.end == self.start) {
            return Err(Refusal::new(
                400,
                "ErrorCalendarEndDateIsEarlierThanStartDate",
                "The end is before the start.",
            ));
        }
        Ok(())
    }

    /// The same on another day.
    fn on(&self, day: NaiveDate) -> Self {
        let shift = day - self.start.date();
        Self { start: self.start + shift, end: self.end + shift, ..self.clone() }
    }

    /// When it takes place; of days their midnights UTC, as views take them.
    pub fn instants(&self) -> (DateTime<Utc>, DateTime<Utc>) {
        if self.all_day {
            return (self.start.and_utc(), self.end.and_utc());
        }
        (self.zone.instant(self.start), self.zone.instant(self.end))
    }

    fn overlaps(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> bool {
        let (start, end) = self.instants();
        start < to && (end > from || (start == end && start >= from))
    }
}

fn check_word(name: &str, value: &Value) -> Result<(), Refusal> {
    let allowed: &[&str] = match name {
        "importance" => &["low", "normal", "high"],
        "sensitivity" => &["normal", "personal", "private", "confidential"],
        "showAs" => &["unknown", "free", "tentative", "busy", "oof", "workingElsewhere"],
        _ => return Ok(()),
    };
    let is_known = value.as_str().is_some_and(|word| allowed.contains(&word));
    if is_known { Ok(()) } else { Err(Refusal::property(name)) }
}

impl Entry {
    /// The days on which occurrences overlap a span, with what takes place then.
    pub fn occurrences(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> Vec<(NaiveDate, Facts)> {
        let Some(pattern) = &self.recurrence else { return vec![] };
        let last = to.date_naive() + TimeDelta::days(1);
        let days = pattern.days_until(last).into_iter().filter(|day| !self.deleted.contains(day));
        let mut found: Vec<_> = days.map(|day| (day, self.occurrence(day))).collect();
        // One may have been moved here from a day that is not looked at.
        let moved = self.exceptions.iter().filter(|(day, _)| **day > last);
        found.extend(moved.map(|(day, (facts, _))| (*day, facts.clone())));
        found.retain(|(_, facts)| facts.overlaps(from, to));
        found
    }

    /// What takes place on a day of the pattern.
    pub fn occurrence(&self, day: NaiveDate) -> Facts {
        self.exceptions.get(&day).map_or_else(|| self.facts.on(day), |(facts, _)| facts.clone())
    }

    pub fn has(&self, day: NaiveDate) -> bool {
        !self.deleted.contains(&day) && self.recurrence.as_ref().is_some_and(|pattern| pattern.is_day(day))
    }

    /// Whether it is seen in a span, in any of its occurrences.
    pub fn is_in(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> bool {
        if self.recurrence.is_some() { !self.occurrences(from, to).is_empty() } else { self.facts.overlaps(from, to) }
    }

    /// The day of the occurrence that was to start then.
    pub fn day_of(&self, original: DateTime<Utc>) -> NaiveDate {
        if self.facts.all_day { original.date_naive() } else { self.facts.zone.local(original).date() }
    }

    pub fn occurrence_id(&self, day: NaiveDate) -> String {
        format!("{}OC{}", self.id, day.format("%Y%m%d"))
    }

    /// The event itself: a single one, or the master of its series, with the dates of its first occurrence.
    pub fn show(&self, view: &View) -> Value {
        let kind = if self.recurrence.is_some() { "seriesMaster" } else { "singleInstance" };
        let mut shown = show(&self.id, kind, &self.facts, &self.stamp, self.created, view);
        shown["iCalUId"] = json!(format!("040000008200E00074C5B7101A82E008{}", self.id));
        shown["recurrence"] = self.recurrence.as_ref().map_or(Value::Null, |pattern| pattern.given.clone());
        shown["transactionId"] = json!(self.transaction);
        shown
    }

    /// An occurrence, whole.
    pub fn show_occurrence(&self, day: NaiveDate, view: &View) -> Value {
        let id = self.occurrence_id(day);
        let (kind, stamp) =
            self.exceptions.get(&day).map_or(("occurrence", &self.stamp), |(_, stamp)| ("exception", stamp));
        let mut shown = show(&id, kind, &self.occurrence(day), stamp, self.created, view);
        shown["seriesMasterId"] = json!(self.id);
        shown["iCalUId"] = json!(format!("040000008200E00074C5B7101A82E009{id}"));
        shown["originalStart"] = json!(self.original_start(day).format("%Y-%m-%dT%H:%M:%SZ").to_string());
        shown
    }

    /// As delta has it: nothing of what it is about.
    pub fn show_stub(&self, day: NaiveDate, view: &View) -> Value {
        let whole = self.show_occurrence(day, view);
        if self.exceptions.contains_key(&day) {
            return whole;
        }
        let names = ["@odata.etag", "id", "seriesMasterId", "type", "start", "end"];
        names.iter().map(|name| ((*name).to_owned(), whole[*name].clone())).collect::<Map<_, _>>().into()
    }

    /// Of an all-day series the instant at which the day began in its zone.
    fn original_start(&self, day: NaiveDate) -> DateTime<Utc> {
        self.facts.zone.instant(day.and_time(self.facts.start.time()))
    }

    pub fn cancelled_occurrences(&self) -> Vec<String> {
        self.deleted.iter().map(|day| format!("OID.{}.{day}", self.id)).collect()
    }
}

fn show(id: &str, kind: &str, facts: &Facts, stamp: &Stamp, created: DateTime<Utc>, view: &View) -> Value {
    let content = if view.text { body::to_text(&facts.body) } else { facts.body.clone() };
    let time = |local: NaiveDateTime| {
        let local = if facts.all_day { local } else { view.zone.local(facts.zone.instant(local)) };
        when::write(local, &view.zone.name)
    };
    let word = |name: &str, usual: &str| facts.members.get(name).cloned().unwrap_or_else(|| json!(usual));
    let mut shown = json!({
        "@odata.etag": format!("W/\"{}\"", stamp.key),
        "id": id,
        "changeKey": stamp.key,
        "createdDateTime": when::stamp(created),
        "lastModifiedDateTime": when::stamp(stamp.at),
        "originalStartTimeZone": facts.zone.name,
        "originalEndTimeZone": facts.zone.name,
        "subject": word("subject", ""),
        "bodyPreview": body::to_text(&facts.body).chars().take(255).collect::<String>(),
        "importance": word("importance", "normal"),
        "sensitivity": word("sensitivity", "normal"),
        "showAs": word("showAs", "busy"),
        "isAllDay": facts.all_day,
        "isCancelled": facts.cancelled,
        "isOrganizer": true,
        "isDraft": false,
        "type": kind,
        "seriesMasterId": null,
        "webLink": format!("https://outlook.office365.com/owa/?itemid={id}"),
        "categories": facts.members.get("categories").cloned().unwrap_or_else(|| json!([])),
        "attendees": facts.members.get("attendees").cloned().unwrap_or_else(|| json!([])),
        "location": facts.members.get("location").cloned().unwrap_or_else(|| json!({ "displayName": "" })),
        "body": { "contentType": if view.text { "text" } else { "html" }, "content": content },
        "start": time(facts.start),
        "end": time(facts.end),
        "recurrence": null,
        "isOnlineMeeting": facts.join.is_some(),
        "onlineMeetingProvider": if facts.join.is_some() { "teamsForBusiness" } else { "unknown" },
        "onlineMeetingUrl": null,
        "onlineMeeting": facts.join.as_ref().map(|url| json!({
            "joinUrl": url, "conferenceId": "912345678", "quickDial": "tel:+4930123456,,912345678#",
            "tollNumber": "+49 30 123456",
        })),
    });
    for name in ["isReminderOn", "reminderMinutesBeforeStart", "responseRequested"] {
        if let Some(value) = facts.members.get(name) {
            shown[name] = value.clone();
        }
    }
    shown
}
