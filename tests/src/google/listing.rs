//! `events.list`: everything, or what has changed since a token; page by page.

use std::collections::{HashMap, VecDeque};

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use chrono_tz::Tz;
use serde_json::{Value, json};

use super::calendar::{Calendar, GoogleRole};
use super::query::Query;
use super::refusal::Refusal;
use super::resource::{Resource, View, is_cancelled, text, tombstone};
use super::series;
use super::when::When;
use super::world::World;

/// Not allowed beside a syncToken.
const NOT_WITH_TOKEN: [&str; 8] = [
    "iCalUID",
    "orderBy",
    "privateExtendedProperty",
    "q",
    "sharedExtendedProperty",
    "timeMin",
    "timeMax",
    "updatedMin",
];
/// To be the same with a syncToken as when it was made.
const SAME_WITH_TOKEN: [&str; 5] = ["singleEvents", "eventTypes", "maxAttendees", "showHiddenInvitations", "timeZone"];
pub(super) const PARAMETERS: [&str; 18] = [
    "alwaysIncludeEmail",
    "eventTypes",
    "iCalUID",
    "maxAttendees",
    "maxResults",
    "orderBy",
    "pageToken",
    "privateExtendedProperty",
    "q",
    "sharedExtendedProperty",
    "showDeleted",
    "showHiddenInvitations",
    "singleEvents",
    "syncToken",
    "timeMax",
    "timeMin",
    "timeZone",
    "updatedMin",
];
/// Listings whose further pages can be asked for.
const MAX_OPEN: usize = 1_000;
/// How far series are followed where no timeMax is given.
const HORIZON: TimeDelta = TimeDelta::days(730);

/// How pages are cut, for tests that want them odd.
#[derive(Clone, Copy, Debug, Default)]
pub struct Listing {
    /// No page is longer, whatever is asked for.
    pub page_size: Option<usize>,
    /// An empty page with a token stands before each other one.
    pub empty_pages: bool,
    /// Each page begins with the last event of the one before.
    pub repeats: bool,
    /// The last changed first.
    pub reversed: bool,
}

enum Entry {
    /// As it is when its page is asked for.
    Stored(String),
    Instance(Resource),
}

struct Session {
    calendar: String,
    entries: Vec<Entry>,
    /// The calendar's version when the listing began.
    version: u64,
    /// What the next syncToken is bound to.
    signature: String,
    changes: bool,
}

/// Listings under way.
#[derive(Default)]
pub(super) struct Pages {
    sessions: HashMap<u64, Session>,
    order: VecDeque<u64>,
    next: u64,
    /// Sync tokens of earlier ages are of no use.
    pub age: u64,
}

impl Pages {
    fn open(&mut self, session: Session) -> u64 {
        self.next += 1;
        self.sessions.insert(self.next, session);
        self.order.push_back(self.next);
        if self.order.len() > MAX_OPEN
            && let Some(oldest) = self.order.pop_front()
        {
            self.sessions.remove(&oldest);
        }
        self.next
    }

    /// Page tokens that are out are of no use any more.
    pub fn expire(&mut self) {
        self.sessions.clear();
        self.order.clear();
    }
}

pub(super) fn list(world: &mut World, calendar: &str, by: &str, query: &Query) -> Result<Value, Refusal> {
    let most = query.number("maxResults")?.unwrap_or(250);
    if !(1..=2500).contains(&most) {
        return Err(Refusal::parameter("maxResults", "Invalid integer value: it is not between 1 and 2500."));
    }
    let found = world.calendars.get(calendar).ok_or_else(Refusal::not_found)?;
    let (number, offset, was_empty) = match query.get("pageToken") {
        Some(token) => page_token(token).ok_or_else(|| invalid_page(token))?,
        None => {
            let session = begin(world, found, query)?;
            (world.pages.open(session), 0, false)
        }
    };
    let session = world.pages.sessions.get(&number).filter(|session| session.calendar == calendar);
    let session = session.ok_or_else(|| invalid_page(query.get("pageToken").unwrap_or_default()))?;
    let found = world.calendars.get(calendar).ok_or_else(Refusal::not_found)?;
    let view = view(found, by, query)?;
    let odd = world.listing;
    let most = odd.page_size.unwrap_or(most).min(most).max(1);
    let offset = offset.min(session.entries.len());
    let is_empty_page = odd.empty_pages && !was_empty;
    let end = if is_empty_page { offset } else { (offset + most).min(session.entries.len()) };
    let start = offset.saturating_sub(usize::from(odd.repeats && !is_empty_page));
    let items: Vec<Value> =
        session.entries[start.min(end)..end].iter().filter_map(|entry| shown(entry, found, view)).collect();
    let role = found.roles.get(by).copied().unwrap_or(GoogleRole::FreeBusyReader);
    let mut answer = json!({
        "kind": "calendar#events",
        "etag": format!("\"p{}\"", found.version),
        "summary": found.summary,
        "updated": found.updated.to_rfc3339_opts(SecondsFormat::Millis, true),
        "timeZone": view.zone.name(),
        "accessRole": role.word(),
        "defaultReminders": [],
        "items": items,
    });
    if is_empty_page || end < session.entries.len() {
        answer["nextPageToken"] = json!(format!("p.{number}.{end}.{}", u8::from(is_empty_page)));
    } else if !session.changes && query.get("orderBy").is_some() {
        // An order of one's own gives no token.
    } else {
        let signature = &session.signature;
        answer["nextSyncToken"] = json!(format!("s.{}.{}.{signature}", world.pages.age, session.version));
    }
    Ok(answer)
}

fn invalid_page(token: &str) -> Refusal {
    Refusal::parameter("pageToken", format!("Invalid page token value: {token}"))
}

fn page_token(token: &str) -> Option<(u64, usize, bool)> {
    let mut parts = token.strip_prefix("p.")?.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()? == "1"))
}

pub(super) fn view(calendar: &Calendar, by: &str, query: &Query) -> Result<View, Refusal> {
    let zone = match query.get("timeZone") {
        Some(name) => name.parse().map_err(|_| Refusal::parameter("timeZone", "Invalid time zone"))?,
        None => calendar.zone,
    };
    let role = calendar.roles.get(by).copied().unwrap_or(GoogleRole::FreeBusyReader);
    Ok(View {
        zone,
        hides_private: role <= GoogleRole::WriterWithoutPrivateAccess,
        max_attendees: query.number("maxAttendees")?,
    })
}

fn shown(entry: &Entry, calendar: &Calendar, view: View) -> Option<Value> {
    let resource = match entry {
        Entry::Stored(id) => calendar.get(id)?,
        Entry::Instance(resource) => resource,
    };
    if is_cancelled(resource) {
        return Some(tombstone(resource, calendar.is_of_live_series(resource), view, calendar.zone));
    }
    Some(view.show(resource, calendar.zone))
}

fn signature(query: &Query) -> String {
    let same = SAME_WITH_TOKEN.iter().flat_map(|name| query.all(name).map(move |value| format!("{name}={value}")));
    let same: Vec<String> = same.collect();
    crate::web::etag_of(same.join("&").as_bytes()).trim_matches('"').to_owned()
}

fn begin(world: &World, calendar: &Calendar, query: &Query) -> Result<Session, Refusal> {
    let signature = signature(query);
    let single = query.flag("singleEvents")?;
    let mut ids: Vec<&String>;
    let changes = query.get("syncToken");
    if let Some(token) = changes {
        if let Some(name) = NOT_WITH_TOKEN.iter().find(|name| query.get(name).is_some()) {
            let message = format!("Sync token cannot be used with other query restrictions: {name}");
            return Err(Refusal::parameter(name, message));
        }
        if query.get("showDeleted") == Some("false") {
            return Err(Refusal::parameter("showDeleted", "showDeleted can't be false beside a sync token."));
        }
        let since = sync_token(token, &signature, world.pages.age)?;
        if since < calendar.forgotten {
            return Err(full_sync_required());
        }
        ids = calendar.by_change.range(since + 1..).map(|(_, id)| id).collect();
    } else {
        let filter = Filter::read(query, world.common.clock.now(), single)?;
        let all = calendar.by_change.values();
        ids = all.filter(|id| calendar.get(id).is_some_and(|resource| filter.takes(resource, calendar))).collect();
    }
    if world.listing.reversed {
        ids.reverse();
    }
    let mut entries: Vec<Entry> = ids.into_iter().cloned().map(Entry::Stored).collect();
    if single {
        entries = expanded(entries, calendar, query)?;
    }
    let (calendar, version) = (calendar.id.clone(), calendar.version);
    Ok(Session { calendar, entries, version, signature, changes: changes.is_some() })
}

fn full_sync_required() -> Refusal {
    let message = "Sync token is no longer valid, a full sync is required.";
    Refusal::new(410, "fullSyncRequired", message)
}

fn sync_token(token: &str, signature: &str, age: u64) -> Result<u64, Refusal> {
    let invalid = || Refusal::parameter("syncToken", "Invalid sync token value.");
    let mut parts = token.strip_prefix("s.").ok_or_else(invalid)?.split('.');
    let mut number = || parts.next().and_then(|part| part.parse::<u64>().ok()).ok_or_else(invalid);
    let (of_age, since) = (number()?, number()?);
    if of_age != age {
        return Err(full_sync_required());
    }
    if parts.next() != Some(signature) {
        return Err(Refusal::parameter("syncToken", "The sync token was made with other parameters."));
    }
    Ok(since)
}

/// What a listing of everything is limited to.
struct Filter<'q> {
    min: Option<DateTime<Utc>>,
    max: Option<DateTime<Utc>>,
    updated: Option<DateTime<Utc>>,
    deleted: bool,
    single: bool,
    uid: Option<&'q str>,
    words: Option<String>,
    types: Vec<&'q str>,
    properties: Vec<(&'static str, &'q str)>,
}

impl<'q> Filter<'q> {
    fn read(query: &'q Query, now: DateTime<Utc>, single: bool) -> Result<Self, Refusal> {
        let updated = query.instant("updatedMin")?;
        if updated.is_some_and(|updated| updated < now - TimeDelta::days(28)) {
            let message = "The requested minimum modification time lies too far in the past.";
            return Err(Refusal::new(410, "updatedMinTooLongAgo", message));
        }
        match query.get("orderBy") {
            None | Some("updated") => {}
            Some("startTime") if single => {}
            Some(_) => {
                let message = "The requested ordering is not available for the particular query.";
                return Err(Refusal::parameter("orderBy", message));
            }
        }
        let (min, max) = (query.instant("timeMin")?, query.instant("timeMax")?);
        if min.zip(max).is_some_and(|(min, max)| max <= min) {
            return Err(Refusal::new(400, "timeRangeEmpty", "The specified time range is empty."));
        }
        let named = |name: &'static str| query.all(name);
        Ok(Self {
            min,
            max,
            updated,
            deleted: query.flag("showDeleted")?,
            single,
            uid: query.get("iCalUID"),
            words: query.get("q").map(str::to_lowercase),
            types: query.all("eventTypes").collect(),
            properties: named("privateExtendedProperty")
                .map(|value| ("private", value))
                .chain(named("sharedExtendedProperty").map(|value| ("shared", value)))
                .collect(),
        })
    }

    fn takes(&self, resource: &Resource, calendar: &Calendar) -> bool {
        if is_cancelled(resource) {
            // Without them, a series could not be expanded.
            let is_exception = calendar.is_of_live_series(resource);
            if !(self.deleted || self.updated.is_some() || (is_exception && !self.single)) {
                return false;
            }
        }
        let updated = text(resource, "updated").and_then(|text| text.parse::<DateTime<Utc>>().ok());
        let has = |key: &str, words: &str| text(resource, key).is_some_and(|it| it.to_lowercase().contains(words));
        let property = |(kind, wanted): &(&str, &str)| {
            let held = resource.get("extendedProperties").and_then(|both| both.get(kind));
            wanted
                .split_once('=')
                .is_some_and(|(key, value)| held.and_then(|held| held.get(key)).and_then(Value::as_str) == Some(value))
        };
        self.updated.is_none_or(|since| updated.is_some_and(|updated| updated >= since))
            && self.uid.is_none_or(|uid| text(resource, "iCalUID") == Some(uid))
            && self.words.as_deref().is_none_or(|words| has("summary", words) || has("description", words))
            && (self.types.is_empty() || self.types.contains(&text(resource, "eventType").unwrap_or("default")))
            && self.properties.iter().all(property)
            && self.is_within(resource, calendar.zone)
    }

    fn is_within(&self, resource: &Resource, zone: Tz) -> bool {
        if self.min.is_none() && self.max.is_none() {
            return true;
        }
        let read = |key| When::read(resource, key, zone).ok().flatten();
        let (Some(start), Some(end)) = (read("start"), read("end")) else { return true };
        let overlaps = |start: DateTime<Utc>, end: DateTime<Utc>| {
            self.min.is_none_or(|min| end > min) && self.max.is_none_or(|max| start < max)
        };
        if !resource.contains_key("recurrence") {
            return overlaps(start.instant(), end.instant());
        }
        let length = end.instant() - start.instant();
        let from = self.min.map_or(start.instant(), |min| min - length);
        let to = self.max.unwrap_or(from.max(start.instant()) + HORIZON);
        series::starts(resource, zone, from, to).iter().any(|at| overlaps(at.instant(), at.instant() + length))
    }
}

/// Series replaced by their instances.
fn expanded(entries: Vec<Entry>, calendar: &Calendar, query: &Query) -> Result<Vec<Entry>, Refusal> {
    let mut all = vec![];
    for entry in entries {
        let Entry::Stored(id) = &entry else { continue };
        let Some(resource) = calendar.get(id) else { continue };
        if resource.contains_key("recurrence") && !is_cancelled(resource) {
            all.extend(instances(calendar, resource, query)?.into_iter().map(Entry::Instance));
        } else if !resource.contains_key("recurringEventId") || is_cancelled(resource) {
            all.push(entry);
        }
    }
    if query.get("orderBy") == Some("startTime") {
        all.sort_by_key(|entry| {
            let resource = match entry {
                Entry::Stored(id) => calendar.get(id),
                Entry::Instance(resource) => Some(resource),
            };
            resource.and_then(|it| When::read(it, "start", calendar.zone).ok().flatten()).map(When::instant)
        });
    }
    Ok(all)
}

/// The occurrences of a series as they are, exceptions in their places.
pub(super) fn instances(calendar: &Calendar, master: &Resource, query: &Query) -> Result<Vec<Resource>, Refusal> {
    let Some(start) = When::read(master, "start", calendar.zone)? else { return Ok(vec![]) };
    let (min, max) = (query.instant("timeMin")?, query.instant("timeMax")?);
    let deleted = query.flag("showDeleted")?;
    let id = text(master, "id").unwrap_or_default();
    let overlaps = |resource: &Resource| {
        let read = |key| When::read(resource, key, calendar.zone).ok().flatten().map(When::instant);
        min.is_none_or(|min| read("end").is_some_and(|end| end > min))
            && max.is_none_or(|max| read("start").is_some_and(|start| start < max))
    };
    let from = min.map_or(start.instant(), |min| min - TimeDelta::days(31));
    let to = max.unwrap_or(from.max(start.instant()) + HORIZON);
    let starts = series::starts(master, calendar.zone, from, to);
    let regular = starts.into_iter().filter_map(|original| series::instance(master, original, calendar.zone));
    let regular = regular.filter(|one| text(one, "id").is_some_and(|id| calendar.get(id).is_none()));
    let exceptions = calendar.children(id).filter(|one| deleted || !is_cancelled(one)).cloned();
    let mut all: Vec<Resource> = regular.chain(exceptions).filter(overlaps).collect();
    if let Some(original) = query.get("originalStart") {
        let wanted = DateTime::parse_from_rfc3339(original).map(|at| at.with_timezone(&Utc));
        let wanted = wanted.map_err(|_| Refusal::parameter("originalStart", "Bad Request"))?;
        all.retain(|one| {
            When::read(one, "originalStartTime", calendar.zone).ok().flatten().map(When::instant) == Some(wanted)
        });
    }
    all.sort_by_key(|one| When::read(one, "start", calendar.zone).ok().flatten().map(When::instant));
    Ok(all)
}
