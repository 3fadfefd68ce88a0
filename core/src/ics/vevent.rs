//! One VEVENT (RFC 5545, 3.6.1) as its lines say it, before zones are known.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

use super::lines::Line;
use super::property::Property;
use super::text;
use super::values::{self, Value};
use super::words::{busy_status, implied_show_as, importance, priority, sensitivity, status};
use crate::event::{Attendee, Details, Duration, Importance, ShowAs, TeamsMeeting};

/// RDATEs and EXDATEs of one event together.
pub const MAX_DATES: usize = 100_000;
/// RRULEs and EXRULEs of one event together.
const MAX_RULES: usize = 100;
/// Attendees, and categories, of one event.
const MAX_LIST: usize = 10_000;

/// What is wrong with one event of a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct BadEvent {
    /// If it has one and it could be read.
    pub uid: Option<String>,
    /// It has a RECURRENCE-ID: one occurrence of a series is bad, not the series.
    pub is_override: bool,
    /// Where the fault is, or where the event begins; from 1.
    pub line: u32,
    pub reason: String,
}

/// A time as written: its value, and the zone that its property names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Time {
    pub value: Value,
    /// Index of the TZID among the file's.
    pub tzid: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    None,
    At(Time),
    After(Duration),
}

/// A VEVENT that can be understood; its zones are not looked up yet.
#[derive(Debug)]
pub(super) struct ParsedEvent {
    /// Line of its BEGIN.
    pub line: u32,
    /// Index of its VCALENDAR in the file.
    pub calendar: u32,
    pub uid: Option<String>,
    /// Stands in for a UID that is missing.
    pub derived_uid: Option<String>,
    /// RECURRENCE-ID, and whether RANGE=THISANDFUTURE.
    pub recurrence_id: Option<(Time, bool)>,
    pub start: Time,
    /// A cancellation that does not say when: `start` means nothing.
    pub undated: bool,
    pub end: End,
    /// Said by X-CALENDAR-SYNC-FLOATING, beside a time in a zone.
    pub floating: bool,
    pub recurrence: Option<Box<Recurrence>>,
    pub details: Details,
    /// LAST-MODIFIED, else DTSTAMP: tells which of two versions is the later.
    pub stamp: Option<DateTime<Utc>>,
}

impl ParsedEvent {
    /// Its UID, or the one that it was given for want of one.
    pub fn id(&self) -> &str {
        self.uid.as_deref().or(self.derived_uid.as_deref()).unwrap_or_default()
    }
}

/// The properties of a series, as written. Rules carry their line.
#[derive(Debug, Default)]
pub(super) struct Recurrence {
    pub rrules: Vec<(u32, String)>,
    pub exrules: Vec<(u32, String)>,
    pub rdates: Vec<Time>,
    /// RDATEs that are PERIODs; not in `rdates`.
    pub periods: Vec<(Time, End)>,
    pub exdates: Vec<Time>,
}

/// TZIDs of a file, each once.
#[derive(Debug, Clone, Default)]
pub(super) struct Tzids(pub Vec<String>, HashMap<String, u32>);

impl Tzids {
    /// More than this many names in a file are not looked up again: the last stands for the rest.
    const MAX: usize = 10_000;

    /// The place of a name, which is added where it is new.
    pub fn index(&mut self, name: &str) -> u32 {
        let name = name.trim();
        if let Some(index) = self.1.get(name) {
            return *index;
        }
        if self.0.len() < Self::MAX {
            self.1.insert(name.to_owned(), self.0.len() as u32);
            self.0.push(name.to_owned());
        }
        (self.0.len() - 1) as u32
    }
}

/// Collects the lines between BEGIN:VEVENT and END:VEVENT.
pub(super) struct Builder {
    line: u32,
    uid: Option<String>,
    recurrence_id: Option<(Time, bool)>,
    start: Option<Time>,
    end: End,
    recurrence: Option<Box<Recurrence>>,
    dates: usize,
    details: Details,
    last_modified: Option<DateTime<Utc>>,
    dtstamp: Option<DateTime<Utc>>,
    transparent: bool,
    floating: bool,
    busy_status: Option<ShowAs>,
    priority: Option<Importance>,
    importance: Option<Importance>,
    fault: Option<(u32, String)>,
}

impl Builder {
    pub fn new(line: u32) -> Self {
        Self {
            line,
            uid: None,
            recurrence_id: None,
            start: None,
            end: End::None,
            recurrence: None,
            dates: 0,
            details: Details::default(),
            last_modified: None,
            dtstamp: None,
            transparent: false,
            floating: false,
            busy_status: None,
            priority: None,
            importance: None,
            fault: None,
        }
    }

    /// The first fault stays; the lines after it are still read, for the UID.
    fn fault(&mut self, line: u32, reason: impl Into<String>) {
        self.fault.get_or_insert_with(|| (line, reason.into()));
    }

    /// The event was left without its END.
    pub fn unfinished(&mut self, reason: &str) {
        self.fault(self.line, reason);
    }

    /// Takes one property. What is empty is passed over, and of what may stand there once all but the first.
    pub fn property(&mut self, property: Property, line: &Line<'_>, tzids: &mut Tzids) {
        use Property as P;
        if line.value.trim_ascii().is_empty() {
            return;
        }
        let read = match property {
            _ if line.cut => Err(format!("{} is too long", text::clean(line.name).to_ascii_uppercase())),
            P::DtStart | P::DtEnd | P::Duration | P::RecurrenceId => self.timing(property, line, tzids),
            P::RRule | P::ExRule => self.rule(property, line),
            P::RDate | P::ExDate => self.dates(property, line, tzids),
            P::Attendee => self.attendee(line),
            P::Categories => self.categories(line),
            P::Summary | P::Description | P::Location | P::Uid => {
                self.text(property, line);
                Ok(())
            }
            _ => {
                self.detail(property, line);
                Ok(())
            }
        };
        if let Err(reason) = read {
            self.fault(line.number, reason);
        }
    }

    fn timing(&mut self, property: Property, line: &Line<'_>, tzids: &mut Tzids) -> Result<(), String> {
        match property {
            Property::DtStart if self.start.is_none() => self.start = Some(one_time(line, tzids)?),
            Property::DtEnd if self.end == End::None => self.end = End::At(one_time(line, tzids)?),
            Property::Duration if self.end == End::None => {
                self.end = End::After(values::duration(line.value).ok_or_else(|| unreadable(line))?);
            }
            Property::RecurrenceId if self.recurrence_id.is_none() => {
                let range = line.param("RANGE").is_some_and(|range| range.eq_ignore_ascii_case("THISANDFUTURE"));
                self.recurrence_id = Some((one_time(line, tzids)?, range));
            }
            _ => {}
        }
        Ok(())
    }

    fn rule(&mut self, property: Property, line: &Line<'_>) -> Result<(), String> {
        let rule = (line.number, text::clean(line.value.trim_ascii()).into_owned());
        let recurrence = self.recurrence.get_or_insert_default();
        if recurrence.rrules.len() + recurrence.exrules.len() >= MAX_RULES {
            return Err(format!("more than {MAX_RULES} rules"));
        }
        let rules = if property == Property::RRule { &mut recurrence.rrules } else { &mut recurrence.exrules };
        // The same rule twice says the same as once.
        if !rules.iter().any(|(_, known)| *known == rule.1) {
            rules.push(rule);
        }
        Ok(())
    }

    fn dates(&mut self, property: Property, line: &Line<'_>, tzids: &mut Tzids) -> Result<(), String> {
        let (tzid, value) = line.dates();
        let tzid = tzid.map(|tzid| tzids.index(&tzid));
        let recurrence = self.recurrence.get_or_insert_default();
        for value in value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).filter(|value| !value.is_empty()) {
            self.dates += 1;
            if self.dates > MAX_DATES {
                return Err(format!("more than {MAX_DATES} RDATEs and EXDATEs"));
            }
            let time = |value| read_time(value, tzid, line).ok_or_else(|| unreadable(line));
            match value.iter().position(|&byte| byte == b'/').map(|slash| value.split_at(slash)) {
                // A PERIOD in EXDATE is not allowed; its start says what is meant.
                Some((start, _)) if property == Property::ExDate => recurrence.exdates.push(time(start)?),
                Some((start, end)) => {
                    let end = match values::duration(&end[1..]) {
                        Some(duration) => End::After(duration),
                        None => End::At(time(&end[1..])?),
                    };
                    recurrence.periods.push((time(start)?, end));
                }
                None if property == Property::ExDate => recurrence.exdates.push(time(value)?),
                None => recurrence.rdates.push(time(value)?),
            }
        }
        Ok(())
    }

    fn attendee(&mut self, line: &Line<'_>) -> Result<(), String> {
        let attendees = &mut self.details.attendees;
        if attendees.len() >= MAX_LIST {
            return Err(format!("more than {MAX_LIST} attendees"));
        }
        let name = line.param("CN").map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
        let response = line.param("PARTSTAT").map(|response| response.to_ascii_lowercase());
        match address(line) {
            Some(address) => attendees.push(Attendee { address, name, response }),
            // Exchange's invalid:nomail: only the name is known.
            None => attendees.extend(name.map(|name| Attendee { address: name, name: None, response })),
        }
        Ok(())
    }

    fn categories(&mut self, line: &Line<'_>) -> Result<(), String> {
        for category in text::unescape_list(line.value) {
            if self.details.categories.len() >= MAX_LIST {
                return Err(format!("more than {MAX_LIST} categories"));
            }
            self.details.categories.push(category);
        }
        Ok(())
    }

    fn text(&mut self, property: Property, line: &Line<'_>) {
        let details = &mut self.details;
        match property {
            Property::Uid if self.uid.is_none() => self.uid = uid(line.value),
            Property::Summary if details.title.is_empty() => {
                details.title = text::said(line.value).unwrap_or_default();
            }
            Property::Description if details.description.is_none() => {
                details.description = text::said(line.value);
            }
            Property::Location if details.location.is_none() => details.location = text::said(line.value),
            _ => {}
        }
    }

    fn detail(&mut self, property: Property, line: &Line<'_>) {
        let details = &mut self.details;
        let value = line.value.trim_ascii();
        match property {
            Property::Organizer if details.organizer.is_none() => {
                details.organizer = address(line)
                    .or_else(|| line.param("CN").map(|name| name.trim().to_owned()))
                    .filter(|organizer| !organizer.is_empty());
            }
            Property::Status => details.event_status = status(value),
            Property::Transp => self.transparent = value.eq_ignore_ascii_case(b"TRANSPARENT"),
            Property::Floating => self.floating = value.eq_ignore_ascii_case(b"TRUE"),
            Property::MsBusyStatus => self.busy_status = busy_status(value),
            Property::Class => details.sensitivity = sensitivity(value),
            Property::Priority => self.priority = priority(value),
            Property::MsImportance => self.importance = importance(value),
            Property::Sequence => details.sequence = text::clean(value).parse().unwrap_or_default(),
            Property::MsTeamsUrl => {
                let url = Some(text::word(value));
                details.teams = Some(TeamsMeeting { url, ..Default::default() });
            }
            Property::LastModified => self.last_modified = instant(value),
            Property::DtStamp => self.dtstamp = instant(value),
            _ => {}
        }
    }

    /// `cancels`: it is in a calendar that cancels; there it need not say when it is.
    pub fn finish(self, calendar: u32, cancels: bool) -> Result<ParsedEvent, BadEvent> {
        let is_override = self.recurrence_id.is_some();
        let bad = |uid, line, reason| Err(BadEvent { uid, is_override, line, reason });
        if let Some((line, reason)) = self.fault {
            return bad(self.uid, line, reason);
        }
        // A cancelled occurrence may be named by its RECURRENCE-ID alone (RFC 5546, 3.2.5).
        let named = self.start.or(self.recurrence_id.map(|(id, _)| id));
        // All of an event, by its UID.
        let unnamed = cancels.then(|| Time { value: Value::Utc(self.dtstamp.unwrap_or_default()), tzid: None });
        let Some(start) = named.or(unnamed) else {
            return bad(self.uid, self.line, "the event has no DTSTART".into());
        };
        let mut details = self.details;
        details.show_as = self.busy_status.unwrap_or_else(|| implied_show_as(self.transparent, details.event_status));
        details.importance = self.importance.or(self.priority).unwrap_or_default();
        // Not DTSTAMP: many servers write the time of the request there, and then nothing would ever be unchanged.
        details.last_updated = self.last_modified;
        let mut event = ParsedEvent {
            line: self.line,
            calendar,
            uid: self.uid,
            derived_uid: None,
            recurrence_id: self.recurrence_id,
            start,
            undated: named.is_none(),
            end: self.end,
            floating: self.floating,
            recurrence: self.recurrence,
            details,
            stamp: self.last_modified.or(self.dtstamp),
        };
        if event.uid.is_none() {
            event.derived_uid = Some(derived_uid(&event));
            // It names an occurrence of nothing that can be found, and is one event.
            if event.recurrence_id.take().is_some() {
                event.recurrence = None;
            }
        }
        Ok(event)
    }
}

/// A UID; `None` where there is none in it.
pub(super) fn uid(value: &[u8]) -> Option<String> {
    Some(text::word(value)).filter(|uid| !uid.trim().is_empty())
}

/// The same for the same event at every reading.
fn derived_uid(event: &ParsedEvent) -> String {
    let mut hash = Sha256::new();
    let rules = event.recurrence.as_ref().map(|recurrence| &recurrence.rrules);
    hash.update(format!("{:?}", (event.start.value, event.recurrence_id.map(|(id, _)| id.value))));
    for text in rules.into_iter().flatten().map(|(_, rule)| rule).chain([&event.details.title]) {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    }
    hash.finalize()[..16].iter().fold("no-uid-".to_owned(), |id, byte| id + &format!("{byte:02x}"))
}

fn unreadable(line: &Line<'_>) -> String {
    let value: String = text::clean(line.value).chars().take(60).collect();
    format!("{} cannot be read: {value}", text::clean(line.name).to_ascii_uppercase())
}

fn one_time(line: &Line<'_>, tzids: &mut Tzids) -> Result<Time, String> {
    let (tzid, value) = line.dates();
    let tzid = tzid.map(|tzid| tzids.index(&tzid));
    read_time(value, tzid, line).ok_or_else(|| unreadable(line))
}

/// What the value looks like decides, not VALUE: `DTSTART:20240131` is a date. Only midnight under VALUE=DATE is meant
/// as a date, too.
fn read_time(value: &[u8], tzid: Option<u32>, line: &Line<'_>) -> Option<Time> {
    let said_date = || line.param("VALUE").is_some_and(|value| value.eq_ignore_ascii_case("DATE"));
    let value = match values::time(value)? {
        Value::Local(local) if is_midnight(local.time()) && said_date() => Value::Date(local.date()),
        Value::Utc(instant) if is_midnight(instant.time()) && said_date() => Value::Date(instant.date_naive()),
        value => value,
    };
    Some(Time { value, tzid: tzid.filter(|_| matches!(value, Value::Local(_))) })
}

fn is_midnight(time: chrono::NaiveTime) -> bool {
    time == chrono::NaiveTime::MIN
}

/// A time that must be UTC (3.8.7); without `Z` it is taken as if it had one.
pub(super) fn instant(value: &[u8]) -> Option<DateTime<Utc>> {
    match values::time(value)? {
        Value::Date(date) => Some(date.and_time(chrono::NaiveTime::MIN).and_utc()),
        Value::Local(local) => Some(local.and_utc()),
        Value::Utc(instant) => Some(instant),
    }
}

/// The address of a CAL-ADDRESS, without `mailto:`; RFC 7986's EMAIL where the value is something else.
fn address(line: &Line<'_>) -> Option<String> {
    let value = text::word(line.value);
    let mail = value.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("mailto:")).map(|_| value[7..].trim());
    if let Some(mail) = mail.filter(|mail| !mail.is_empty()) {
        return Some(mail.to_owned());
    }
    if let Some(email) = line.param("EMAIL").filter(|email| !email.trim().is_empty()) {
        return Some(email.trim().to_owned());
    }
    let nobody = mail.is_some() || value.is_empty() || value.eq_ignore_ascii_case("invalid:nomail");
    (!nobody).then_some(value)
}
