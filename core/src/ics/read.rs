//! Reading a calendar file: what it says of itself, and where its events are.
//!
//! One pass over the content lines with a state of fixed size: nesting is counted, never followed by recursion, so
//! 200,000 BEGINs cost nothing. Of an event no more is looked at than its UID and its stamps; see [`File::event`].

use std::borrow::Cow;
use std::collections::HashMap;
use std::num::NonZeroU32;

use chrono::{DateTime, Datelike, TimeDelta, Utc};

use super::file::{self, File, Kind, Vevent, kind, of};
use super::lines::{Line, Lines};
use super::text;
use super::values;
use super::vevent::{self, Tzids};
use super::vtimezone::VTimeZone;
use crate::content::{self, ByDigest};

/// Distinct VTIMEZONEs of a file that are kept.
const MAX_ZONES: usize = 10_000;
/// Distinct sets of TZIDs, and TZIDs in one, that are kept.
const MAX_ZONE_SETS: usize = 100;

/// What was read of a file. Made without any zone, so on whatever thread; see [`super::resolve`] for what comes next.
#[derive(Debug, Clone)]
pub struct Calendar<'a> {
    /// NAME (RFC 7986) or X-WR-CALNAME of the first VCALENDAR that has one; so with the three that follow.
    pub name: Option<String>,
    /// X-WR-TIMEZONE, as it came.
    pub time_zone: Option<String>,
    /// METHOD in upper case: 'PUBLISH', 'REQUEST', 'CANCEL', ...
    pub method: Option<String>,
    /// How often its publisher wants to be asked: REFRESH-INTERVAL, else X-PUBLISHED-TTL.
    pub refresh: Option<TimeDelta>,
    /// Whether each VCALENDAR that begins also ends. If not, the file is cut off: that an event is not in it means
    /// nothing.
    pub complete: bool,
    pub(super) file: File<'a>,
    pub(super) tzids: Tzids,
    pub(super) heads: Vec<Head>,
    /// Each with the index of the VCALENDAR where it is first defined so.
    pub(super) zones: Vec<(u32, VTimeZone)>,
    /// The year in which it was last changed, as far as its events say.
    pub(super) year: Option<i32>,
}

/// What a VCALENDAR says of all its events.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Head {
    pub time_zone: Option<String>,
    pub method: Option<String>,
}

/// Why nothing could be read. A single event that can't be is a [`BadItem`](crate::providers::BadItem).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    #[error("this is not a calendar: there is no BEGIN:VCALENDAR")]
    NotACalendar,
    #[error("the calendar is longer than four gigabytes")]
    TooLong,
    #[error("the calendar has more than {0} events")]
    TooManyEvents(usize),
}

impl Calendar<'_> {
    /// VEVENTs, good and bad; overrides count for themselves.
    pub fn len(&self) -> usize {
        self.file.vevents.len()
    }

    /// Whether it holds no VEVENT at all, good or bad.
    pub fn is_empty(&self) -> bool {
        self.file.vevents.is_empty()
    }
}

/// Reads a file of one or more VCALENDARs, of which at most `max_events` VEVENTs, good and bad.
///
/// Memory: the file, if it is handed over or in UTF-16, and some 100 bytes for each event. Time is linear in its length.
pub fn read<'a>(input: impl Into<Cow<'a, [u8]>>, max_events: usize) -> Result<Calendar<'a>, ReadError> {
    let mut input = input.into();
    if let Some(in_utf_8) = text::from_utf_16(&input) {
        input = in_utf_8.into_bytes().into();
    }
    if input.len() > u32::MAX as usize {
        return Err(ReadError::TooLong);
    }
    let mut calendar: Calendar<'a> = scan(&input, max_events)?;
    calendar.file.input = input;
    Ok(calendar)
}

/// What the file says, without the file.
fn scan(input: &[u8], max_events: usize) -> Result<Calendar<'static>, ReadError> {
    let mut reader = Reader {
        calendar: Calendar {
            name: None,
            time_zone: None,
            method: None,
            refresh: None,
            complete: false,
            file: File { input: Cow::Borrowed(&[]), vevents: vec![], zone_sets: vec![] },
            tzids: Tzids::default(),
            heads: vec![],
            zones: vec![],
            year: None,
        },
        input,
        inside: Inside::Calendar,
        last_of: HashMap::default(),
        last_start: None,
        head_is_used: false,
        named_by: Standard::No,
        refresh_by: Standard::No,
        begun: false,
        latest_zones: HashMap::new(),
        open: 0,
        max_events,
    };
    let mut lines = Lines::new(input);
    while let Some((kind, line)) = lines.next(|name| kind(name, |name| reader.inside.reads(name).then_some(()))) {
        match kind {
            Kind::Begin => reader.begin(&line)?,
            Kind::End => reader.end(&line)?,
            Kind::Property(()) => reader.property(&line),
        }
    }
    reader.finish(input.len())
}

struct Reader<'i> {
    calendar: Calendar<'static>,
    input: &'i [u8],
    inside: Inside,
    /// The last event so far of each UID, by the UID's digest.
    last_of: HashMap<u128, u32, ByDigest>,
    /// The last year in which an event starts.
    last_start: Option<i32>,
    /// Whether an event belongs to the last of `calendar.heads`; if none does, the next VCALENDAR takes its place.
    head_is_used: bool,
    named_by: Standard,
    refresh_by: Standard,
    begun: bool,
    /// By TZID: the last of its definitions, as an index into `calendar.zones`.
    latest_zones: HashMap<String, usize>,
    /// VCALENDARs that have begun and not ended.
    open: usize,
    max_events: usize,
}

/// By what a property of the calendar was given: an older X- property, or the standard's own, which goes before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Standard {
    No,
    Older,
    Own,
}

enum Inside {
    Calendar,
    /// `depth`: sub-components (VALARM) that are open in it.
    Event {
        event: Seen,
        depth: u32,
    },
    Zone {
        zone: Box<VTimeZone>,
        in_observance: bool,
    },
    /// A component that is not read, with `depth` of them open.
    Other {
        depth: u32,
    },
}

/// What is looked at of an event on the way through the file.
struct Seen {
    /// Its length is not known yet.
    vevent: Vevent,
    uid: Option<u128>,
    /// The TZIDs that it names, each once.
    tzids: Vec<u32>,
    last_modified: Option<DateTime<Utc>>,
    dtstamp: Option<DateTime<Utc>>,
}

impl Inside {
    /// Whether a property of that name is read here.
    fn reads(&self, name: &[u8]) -> bool {
        let is = |read: &[u8]| name.eq_ignore_ascii_case(read);
        match self {
            Self::Calendar | Self::Zone { .. } => true,
            // This is asked of each line of the file.
            Self::Event { depth: 0, .. } => match name.len() {
                3 => is(b"UID"),
                5 => is(b"DTEND") || is(b"RDATE"),
                6 => is(b"EXDATE"),
                7 => is(b"DTSTAMP") || is(b"DTSTART"),
                13 => is(b"LAST-MODIFIED") || is(b"RECURRENCE-ID"),
                _ => false,
            },
            Self::Event { .. } | Self::Other { .. } => false,
        }
    }
}

impl Seen {
    fn new(line: &Line<'_>) -> Self {
        let vevent = Vevent {
            position: line.after,
            length: 0,
            dtstamp: (0, 0),
            uid: None,
            stamp: None,
            line: line.number,
            calendar: 0,
            zone_set: None,
            first: true,
            next: None,
        };
        Self { vevent, uid: None, tzids: vec![], last_modified: None, dtstamp: None }
    }

    fn property(&mut self, line: &Line<'_>) {
        let before = (line.start - self.vevent.position.bytes) as u32;
        if line.is("UID") {
            if self.uid.is_none()
                && let Some(uid) = vevent::uid(line.value)
            {
                self.uid = Some(content::digest(uid.as_bytes()));
                self.vevent.uid = Some(before);
            }
        } else if line.is("LAST-MODIFIED") {
            self.last_modified = vevent::instant(line.value);
        } else if line.is("DTSTAMP") {
            self.dtstamp = vevent::instant(line.value);
            self.vevent.dtstamp = (before, (line.after.bytes - line.start) as u32);
        }
    }
}

impl Reader<'_> {
    fn begin(&mut self, line: &Line<'_>) -> Result<(), ReadError> {
        if of(line, b"VCALENDAR") {
            self.leave(line.start)?;
            self.begun = true;
            self.open += 1;
            if !self.head_is_used {
                self.calendar.heads.pop();
            }
            self.calendar.heads.push(Head::default());
            self.head_is_used = false;
        } else if of(line, b"VEVENT") {
            self.leave(line.start)?;
            self.inside = Inside::Event { event: Seen::new(line), depth: 0 };
        } else {
            match &mut self.inside {
                Inside::Calendar if of(line, b"VTIMEZONE") => {
                    self.inside = Inside::Zone { zone: Box::default(), in_observance: false };
                }
                Inside::Calendar => self.inside = Inside::Other { depth: 1 },
                Inside::Zone { zone, in_observance } => {
                    zone.begin_observance();
                    *in_observance = true;
                }
                Inside::Event { depth, .. } | Inside::Other { depth } => *depth = depth.saturating_add(1),
            }
        }
        Ok(())
    }

    fn end(&mut self, line: &Line<'_>) -> Result<(), ReadError> {
        if of(line, b"VCALENDAR") {
            self.leave(line.start)?;
            self.open = self.open.saturating_sub(1);
            return Ok(());
        }
        match &mut self.inside {
            Inside::Calendar => {}
            Inside::Event { .. } if of(line, b"VEVENT") => return self.leave(line.start),
            Inside::Event { depth, .. } => *depth = depth.saturating_sub(1),
            Inside::Zone { .. } if of(line, b"VTIMEZONE") => return self.leave(line.start),
            Inside::Zone { in_observance, .. } => *in_observance = false,
            Inside::Other { depth: 1 } => self.inside = Inside::Calendar,
            Inside::Other { depth } => *depth -= 1,
        }
        Ok(())
    }

    fn property(&mut self, line: &Line<'_>) {
        match &mut self.inside {
            Inside::Event { event, .. } => {
                event.property(line);
                self.dates(line);
            }
            Inside::Zone { zone, in_observance } => zone.property(line, *in_observance),
            Inside::Calendar => self.calendar_property(line),
            Inside::Other { .. } => {}
        }
    }

    /// Notes what years and zones its events are in.
    fn dates(&mut self, line: &Line<'_>) {
        const DATES: [&str; 5] = ["DTSTART", "DTEND", "RECURRENCE-ID", "RDATE", "EXDATE"];
        if !DATES.iter().any(|name| line.is(name)) {
            return;
        }
        let (tzid, value) = line.dates();
        if self.calendar.year.is_none() && line.is("DTSTART") {
            self.last_start = values::time(value).map(values::Value::year).max(self.last_start);
        }
        if let (Some(tzid), Inside::Event { event, .. }) = (tzid, &mut self.inside) {
            let tzid = self.calendar.tzids.index(&tzid);
            if event.tzids.len() <= MAX_ZONE_SETS && !event.tzids.contains(&tzid) {
                event.tzids.push(tzid);
            }
        }
    }

    fn zone_set(&mut self, tzids: Vec<u32>) -> Option<u32> {
        let sets = &mut self.calendar.file.zone_sets;
        // Most name one of a few.
        let index = sets.iter().position(|known| *known == tzids).unwrap_or(sets.len());
        if index == sets.len() {
            if index >= MAX_ZONE_SETS || tzids.len() > MAX_ZONE_SETS {
                return None;
            }
            sets.push(tzids);
        }
        Some(index as u32)
    }

    fn calendar_property(&mut self, line: &Line<'_>) {
        let calendar = &mut self.calendar;
        let Some(head) = calendar.heads.last_mut().filter(|_| self.open > 0 && !line.cut) else { return };
        let value = line.value.trim_ascii();
        if value.is_empty() {
        } else if let Some(by) = standard(line, "NAME", "X-WR-CALNAME").filter(|by| *by > self.named_by) {
            calendar.name = Some(text::unescape(value));
            self.named_by = by;
        } else if let Some(by) =
            standard(line, "REFRESH-INTERVAL", "X-PUBLISHED-TTL").filter(|by| *by > self.refresh_by)
        {
            if let Some(interval) = values::duration(value).map(values::nominal).filter(|it| *it > TimeDelta::zero()) {
                calendar.refresh = Some(interval);
                self.refresh_by = by;
            }
        } else if line.is("X-WR-TIMEZONE") {
            let zone = text::unescape(value);
            calendar.time_zone.get_or_insert_with(|| zone.clone());
            head.time_zone.get_or_insert(zone);
        } else if line.is("METHOD") {
            let method = text::clean(value).to_ascii_uppercase();
            calendar.method.get_or_insert_with(|| method.clone());
            head.method.get_or_insert(method);
        }
    }

    /// Ends the component that is being read; `end`: bytes before what ends it.
    fn leave(&mut self, end: usize) -> Result<(), ReadError> {
        match std::mem::replace(&mut self.inside, Inside::Calendar) {
            Inside::Event { event, .. } => self.add_event(event, end),
            Inside::Zone { zone, .. } => {
                self.add_zone(*zone);
                Ok(())
            }
            Inside::Calendar | Inside::Other { .. } => Ok(()),
        }
    }

    /// Index of the VCALENDAR that is being read.
    fn head(&mut self) -> u32 {
        if self.calendar.heads.is_empty() {
            self.calendar.heads.push(Head::default());
        }
        (self.calendar.heads.len() - 1) as u32
    }

    fn add_event(&mut self, event: Seen, end: usize) -> Result<(), ReadError> {
        if self.calendar.file.vevents.len() >= self.max_events {
            return Err(ReadError::TooManyEvents(self.max_events));
        }
        let stamp = event.last_modified.or(event.dtstamp);
        self.calendar.year = self.calendar.year.max(stamp.map(|stamp| stamp.year()));
        let mut vevent = event.vevent;
        vevent.length = (end - vevent.position.bytes) as u32;
        vevent.stamp = stamp.map(|stamp| stamp.timestamp());
        vevent.calendar = self.head();
        vevent.zone_set = self.zone_set(event.tzids);
        self.head_is_used = true;
        // Without a UID it has one derived from what it says; a bad one has none.
        let uid = event.uid.or_else(|| {
            let read = file::event(self.input, &vevent, false, &mut Tzids::default()).ok()?;
            Some(content::digest(read.id().as_bytes()))
        });
        let vevents = &mut self.calendar.file.vevents;
        let index = vevents.len() as u32;
        if let Some(last) = uid.and_then(|uid| self.last_of.insert(uid, index)) {
            vevents[last as usize].next = NonZeroU32::new(index);
            vevent.first = false;
        }
        vevents.push(vevent);
        Ok(())
    }

    /// Concatenated files repeat their zones; of equal ones the first is kept, and of different ones under one name
    /// each for its own VCALENDAR and those after it.
    fn add_zone(&mut self, zone: VTimeZone) {
        let head = self.head();
        let zones = &mut self.calendar.zones;
        let known = self.latest_zones.get(&zone.tzid).map(|index| &zones[*index].1);
        if zones.len() < MAX_ZONES && known != Some(&zone) {
            self.latest_zones.insert(zone.tzid.clone(), zones.len());
            zones.push((head, zone));
        }
    }

    fn finish(mut self, end: usize) -> Result<Calendar<'static>, ReadError> {
        if !self.begun {
            return Err(ReadError::NotACalendar);
        }
        self.leave(end)?;
        self.calendar.complete = self.open == 0;
        self.calendar.year = self.calendar.year.or(self.last_start);
        Ok(self.calendar)
    }
}

fn standard(line: &Line<'_>, own: &str, older: &str) -> Option<Standard> {
    if line.is(own) { Some(Standard::Own) } else { line.is(older).then_some(Standard::Older) }
}
