//! Reading a calendar file: bytes to events whose zones are not looked up yet.
//!
//! One pass over the content lines with a state of fixed size: nesting is counted, never followed by recursion, so
//! 200,000 BEGINs cost nothing. What cannot be understood costs its own event and no more.

use chrono::TimeDelta;

use super::lines::{Line, Lines};
use super::text;
use super::values;
use super::vevent::{BadEvent, Builder, ParsedEvent, Tzids};
use super::vtimezone::VTimeZone;

/// Distinct VTIMEZONEs of a file that are kept.
const MAX_ZONES: usize = 10_000;

/// What was read of a file. Made without any zone, so on whatever thread; see [`super::resolve`] for what comes next.
#[derive(Debug)]
pub struct Calendar {
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
    /// Events that could not be read, in the order of the file.
    pub bad: Vec<BadEvent>,
    #[expect(clippy::vec_box, reason = "each is freed once it has become an item, not all after the last")]
    pub(super) events: Vec<Box<ParsedEvent>>,
    pub(super) tzids: Tzids,
    pub(super) heads: Vec<Head>,
    /// Each with the index of the VCALENDAR where it is first defined so.
    pub(super) zones: Vec<(u32, VTimeZone)>,
}

/// What a VCALENDAR says of all its events.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Head {
    pub time_zone: Option<String>,
    pub method: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    #[error("this is not a calendar: there is no BEGIN:VCALENDAR")]
    NotACalendar,
    #[error("the calendar has more than {0} events")]
    TooManyEvents(usize),
}

impl Calendar {
    /// Events that were read, good ones only; overrides count for themselves.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }
}

/// Reads a file of one or more VCALENDARs, of which at most `max_events` VEVENTs, good and bad.
///
/// Memory: what is kept of the events, and at most some 8 MiB more whatever the file is (one in UTF-16 is held in UTF-8,
/// too). Time is linear in its length.
pub fn read(input: &[u8], max_events: usize) -> Result<Calendar, ReadError> {
    let in_utf_8 = text::from_utf_16(input);
    let input = in_utf_8.as_deref().map_or(input, str::as_bytes);
    let mut reader = Reader {
        calendar: Calendar {
            name: None,
            time_zone: None,
            method: None,
            refresh: None,
            complete: false,
            bad: vec![],
            events: vec![],
            tzids: Tzids::default(),
            heads: vec![],
            zones: vec![],
        },
        inside: Inside::Calendar,
        head_is_used: false,
        named_by: Standard::No,
        refresh_by: Standard::No,
        begun: false,
        open: 0,
        max_events,
    };
    let mut lines = Lines::new(input);
    while let Some(line) = lines.next() {
        if line.is("BEGIN") {
            reader.begin(&line)?;
        } else if line.is("END") {
            reader.end(&line)?;
        } else {
            reader.property(&line);
        }
    }
    reader.finish()
}

struct Reader {
    calendar: Calendar,
    inside: Inside,
    /// Whether an event belongs to the last of `calendar.heads`; if none does, the next VCALENDAR takes its place.
    head_is_used: bool,
    named_by: Standard,
    refresh_by: Standard,
    begun: bool,
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
        builder: Box<Builder>,
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

impl Reader {
    fn begin(&mut self, line: &Line<'_>) -> Result<(), ReadError> {
        let what = line.value.trim_ascii();
        if what.eq_ignore_ascii_case(b"VCALENDAR") {
            self.leave("the event has no END:VEVENT")?;
            self.begun = true;
            self.open += 1;
            if !self.head_is_used {
                self.calendar.heads.pop();
            }
            self.calendar.heads.push(Head::default());
            self.head_is_used = false;
        } else if what.eq_ignore_ascii_case(b"VEVENT") {
            self.leave("the event has no END:VEVENT")?;
            self.inside = Inside::Event { builder: Box::new(Builder::new(line.number)), depth: 0 };
        } else {
            match &mut self.inside {
                Inside::Calendar if what.eq_ignore_ascii_case(b"VTIMEZONE") => {
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
        let what = line.value.trim_ascii();
        if what.eq_ignore_ascii_case(b"VCALENDAR") {
            self.leave("the event has no END:VEVENT")?;
            self.open = self.open.saturating_sub(1);
            return Ok(());
        }
        match &mut self.inside {
            Inside::Calendar => {}
            Inside::Event { .. } if what.eq_ignore_ascii_case(b"VEVENT") => return self.leave(""),
            Inside::Event { depth, .. } => *depth = depth.saturating_sub(1),
            Inside::Zone { .. } if what.eq_ignore_ascii_case(b"VTIMEZONE") => return self.leave(""),
            Inside::Zone { in_observance, .. } => *in_observance = false,
            Inside::Other { depth: 1 } => self.inside = Inside::Calendar,
            Inside::Other { depth } => *depth -= 1,
        }
        Ok(())
    }

    fn property(&mut self, line: &Line<'_>) {
        match &mut self.inside {
            Inside::Event { builder, depth: 0 } => builder.property(line, &mut self.calendar.tzids),
            Inside::Zone { zone, in_observance } => zone.property(line, *in_observance),
            Inside::Calendar => self.calendar_property(line),
            Inside::Event { .. } | Inside::Other { .. } => {}
        }
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
            if let Some(interval) = values::duration(value).map(values::nominal).filter(|it| !it.is_zero()) {
                calendar.refresh = Some(interval.abs());
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

    /// Ends the component that is being read; an event with `fault` if that is not empty.
    fn leave(&mut self, fault: &str) -> Result<(), ReadError> {
        match std::mem::replace(&mut self.inside, Inside::Calendar) {
            Inside::Event { builder, .. } => self.add_event(*builder, fault),
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

    fn add_event(&mut self, mut builder: Builder, fault: &str) -> Result<(), ReadError> {
        if !fault.is_empty() {
            builder.unfinished(fault);
        }
        let head = self.head();
        self.head_is_used = true;
        match builder.finish(head) {
            Ok(event) => self.calendar.events.push(event),
            Err(bad) => self.calendar.bad.push(bad),
        }
        if self.calendar.events.len() + self.calendar.bad.len() > self.max_events {
            return Err(ReadError::TooManyEvents(self.max_events));
        }
        Ok(())
    }

    /// Concatenated files repeat their zones; of equal ones the first is kept, and of different ones under one name
    /// each for its own VCALENDAR and those after it.
    fn add_zone(&mut self, zone: VTimeZone) {
        let head = self.head();
        let zones = &mut self.calendar.zones;
        let known = zones.iter().rev().find(|(_, known)| known.tzid == zone.tzid);
        if zones.len() < MAX_ZONES && known.is_none_or(|(_, known)| *known != zone) {
            zones.push((head, zone));
        }
    }

    fn finish(mut self) -> Result<Calendar, ReadError> {
        if !self.begun {
            return Err(ReadError::NotACalendar);
        }
        self.leave("the file ends before END:VEVENT")?;
        self.calendar.complete = self.open == 0;
        Ok(self.calendar)
    }
}

fn standard(line: &Line<'_>, own: &str, older: &str) -> Option<Standard> {
    if line.is(own) { Some(Standard::Own) } else { line.is(older).then_some(Standard::Older) }
}
