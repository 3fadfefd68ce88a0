//! One calendar: its events, and which of them changed when.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, SecondsFormat, Utc};
use chrono_tz::Tz;
use serde_json::{Value, json};

use super::refusal::Refusal;
use super::resource::{Resource, is_cancelled, merge, settle, text};
use super::series;
use super::when::{When, basic};
use crate::clock::Clock;

/// What somebody may do with a calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum GoogleRole {
    FreeBusyReader,
    Reader,
    WriterWithoutPrivateAccess,
    Writer,
    Owner,
}

impl GoogleRole {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::FreeBusyReader => "freeBusyReader",
            Self::Reader => "reader",
            Self::WriterWithoutPrivateAccess => "writerWithoutPrivateAccess",
            Self::Writer => "writer",
            Self::Owner => "owner",
        }
    }
}

pub(super) struct Stored {
    pub resource: Resource,
    /// The calendar's version that it is of.
    pub changed: u64,
}

pub(super) struct Calendar {
    pub id: String,
    pub summary: String,
    pub owner: String,
    pub zone: Tz,
    pub roles: BTreeMap<String, GoogleRole>,
    pub refuses_channels: bool,
    pub events: HashMap<String, Stored>,
    /// Ids by version, the last for each.
    pub by_change: BTreeMap<u64, String>,
    /// Exceptions by their series.
    children: HashMap<String, BTreeSet<String>>,
    pub version: u64,
    /// Changes before this version are not known any more.
    pub forgotten: u64,
    pub updated: DateTime<Utc>,
}

impl Calendar {
    pub fn new(id: &str, summary: &str, owner: &str, zone: Tz, now: DateTime<Utc>) -> Self {
        Self {
            id: id.into(),
            summary: summary.into(),
            owner: owner.into(),
            zone,
            roles: BTreeMap::from([(owner.to_string(), GoogleRole::Owner)]),
            refuses_channels: false,
            events: HashMap::new(),
            by_change: BTreeMap::new(),
            children: HashMap::new(),
            version: 0,
            forgotten: 0,
            updated: now,
        }
    }

    pub fn get(&self, id: &str) -> Option<&Resource> {
        self.events.get(id).map(|stored| &stored.resource)
    }

    /// An event, or an instance of a series that does not stand for itself yet.
    pub fn find(&self, id: &str) -> Option<Resource> {
        if let Some(resource) = self.get(id) {
            return Some(resource.clone());
        }
        let (master, suffix) = id.rsplit_once('_')?;
        let master = self.get(master).filter(|master| master.contains_key("recurrence") && !is_cancelled(master))?;
        let original = basic(suffix, self.zone)?;
        let original = series::starts(master, self.zone, original, original).pop()?;
        (original.suffix() == suffix).then(|| series::instance(master, original, self.zone))?
    }

    /// The exceptions of a series, cancelled ones included.
    pub fn children(&self, master: &str) -> impl Iterator<Item = &Resource> {
        self.children.get(master).into_iter().flatten().filter_map(|id| self.get(id))
    }

    /// Whether it is an occurrence of a series that is still there.
    pub fn is_of_live_series(&self, resource: &Resource) -> bool {
        let master = text(resource, "recurringEventId").and_then(|id| self.get(id));
        master.is_some_and(|master| !is_cancelled(master))
    }

    /// A new event; what is missing is made.
    pub fn insert(&mut self, mut resource: Resource, by: &str, clock: &mut Clock) -> Result<String, Refusal> {
        let id = match text(&resource, "id") {
            Some(id) => id.to_owned(),
            None => new_id(clock),
        };
        if self.events.contains_key(&id) {
            return Err(Refusal::new(409, "duplicate", "The requested identifier already exists."));
        }
        let now = json!(clock.now().to_rfc3339_opts(SecondsFormat::Millis, true));
        let mut set = |key: &str, value: Value| {
            resource.entry(key).or_insert(value);
        };
        set("kind", json!("calendar#event"));
        set("created", now);
        set("creator", json!({ "email": by }));
        set("organizer", json!({ "email": self.id, "self": true }));
        set("iCalUID", json!(format!("{id}@google.com")));
        set("htmlLink", json!(format!("https://www.google.com/calendar/event?eid={id}")));
        set("eventType", json!("default"));
        set("sequence", json!(0));
        set("reminders", json!({ "useDefault": true }));
        resource.insert("id".into(), json!(id));
        let resource = settle(resource, self.zone)?;
        self.put(resource, clock);
        Ok(id)
    }

    /// Replaces an event by a version of it that is checked: its sequence goes up where it takes place at another time,
    /// and exceptions go that the series no longer gives.
    pub fn replace(&mut self, before: &Resource, after: Resource, clock: &mut Clock) -> Result<(), Refusal> {
        let mut after = settle(after, self.zone)?;
        let moved = ["start", "end", "recurrence", "status"].iter().any(|key| before.get(*key) != after.get(*key));
        if moved {
            let sequence = before.get("sequence").and_then(Value::as_i64).unwrap_or(0) + 1;
            after.insert("sequence".into(), json!(sequence));
        }
        let id = text(&after, "id").unwrap_or_default().to_owned();
        let was_series = before.contains_key("recurrence");
        self.put(after, clock);
        if moved && was_series {
            self.drop_strays(&id, clock);
        }
        Ok(())
    }

    fn drop_strays(&mut self, master: &str, clock: &mut Clock) {
        let Some(series) = self.get(master).cloned() else { return };
        let gives = |original: When| {
            !is_cancelled(&series)
                && !series::starts(&series, self.zone, original.instant(), original.instant()).is_empty()
        };
        let is_stray = |child: &&Resource| {
            When::read(child, "originalStartTime", self.zone).ok().flatten().is_some_and(|original| !gives(original))
        };
        let strays: Vec<Resource> = self.children(master).filter(is_stray).cloned().collect();
        for mut stray in strays {
            stray.insert("status".into(), json!("cancelled"));
            self.put(stray, clock);
        }
    }

    /// Changes an event (or an instance, which then stands for itself) as a PATCH does.
    pub fn patch(&mut self, id: &str, patch: Resource, clock: &mut Clock) -> Result<(), Refusal> {
        let before = self.find(id).ok_or_else(Refusal::not_found)?;
        let mut after = before.clone();
        merge(&mut after, patch);
        self.replace(&before, after, clock)
    }

    /// Deletes an event, a series with its exceptions, or one occurrence of a series.
    pub fn delete(&mut self, id: &str, clock: &mut Clock) -> Result<(), Refusal> {
        let mut resource = self.find(id).ok_or_else(Refusal::not_found)?;
        if is_cancelled(&resource) {
            return Err(Refusal::deleted());
        }
        let mut all: Vec<Resource> = self.children(id).filter(|child| !is_cancelled(child)).cloned().collect();
        resource.insert("status".into(), json!("cancelled"));
        all.push(resource);
        for mut gone in all {
            gone.insert("status".into(), json!("cancelled"));
            self.put(gone, clock);
        }
        Ok(())
    }

    /// Writes a version as it is, with a new etag.
    pub fn put(&mut self, mut resource: Resource, clock: &mut Clock) {
        let now = clock.tick();
        let etag = format!("\"{}\"", now.timestamp_millis() * 2);
        resource.insert("updated".into(), json!(now.to_rfc3339_opts(SecondsFormat::Millis, true)));
        resource.insert("etag".into(), json!(etag));
        let id = text(&resource, "id").unwrap_or_default().to_owned();
        if let Some(master) = text(&resource, "recurringEventId") {
            self.children.entry(master.to_owned()).or_default().insert(id.clone());
        }
        self.version += 1;
        self.updated = now;
        self.by_change.insert(self.version, id.clone());
        if let Some(before) = self.events.insert(id, Stored { resource, changed: self.version }) {
            self.by_change.remove(&before.changed);
        }
    }

    /// Forgets what was deleted: those ids are free again, and tokens from before are too old.
    pub fn purge(&mut self) {
        let gone: Vec<String> = self
            .events
            .iter()
            .filter(|(_, it)| is_cancelled(&it.resource) && !self.is_of_live_series(&it.resource))
            .map(|(id, _)| id.clone())
            .collect();
        for id in gone {
            if let Some(stored) = self.events.remove(&id) {
                self.by_change.remove(&stored.changed);
            }
            self.children.remove(&id);
        }
        self.forgotten = self.version;
    }
}

/// As Google makes them: 26 characters of base32hex.
fn new_id(clock: &mut Clock) -> String {
    format!("{:026}", clock.new_number())
}
