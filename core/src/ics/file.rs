//! A calendar file, and where its events begin.
//!
//! What is kept of an event between [`super::read()`] and the moment when it becomes an item is its position, a few bytes;
//! it is read where it stands when it is wanted, one after the other. So the memory that a file takes is its own text.

use std::borrow::Cow;
use std::num::NonZeroU32;

use super::lines::{Line, Lines, Position};
use super::property::Property;
use super::vevent::{self, BadEvent, Builder, ParsedEvent, Tzids};

/// The bytes of a file with its VEVENTs, good and bad, in their order.
#[derive(Debug, Clone)]
pub(super) struct File<'a> {
    pub input: Cow<'a, [u8]>,
    pub vevents: Vec<Vevent>,
    /// The sets of TZIDs that VEVENTs name, each once.
    pub zone_sets: Vec<Vec<u32>>,
}

/// Where a VEVENT is.
#[derive(Debug, Clone)]
pub(super) struct Vevent {
    /// Behind its BEGIN.
    pub position: Position,
    /// Bytes from there to its END.
    pub length: u32,
    /// Its DTSTAMP: bytes from its position on, and how many.
    pub dtstamp: (u32, u32),
    /// Bytes from its position to its UID, if it has one.
    pub uid: Option<u32>,
    /// Seconds of LAST-MODIFIED, else of DTSTAMP.
    pub stamp: Option<i64>,
    /// Line of its BEGIN, from 1.
    pub line: u32,
    /// Index of its VCALENDAR in the file.
    pub calendar: u32,
    /// Index of the set of TZIDs that it names; `None` where the file has too many.
    pub zone_set: Option<u32>,
    /// Whether no VEVENT before it has its UID.
    pub first: bool,
    /// The next VEVENT with the same UID.
    pub next: Option<NonZeroU32>,
}

/// What a line means to a reader that counts the components it is in.
pub(super) enum Kind<P> {
    Begin,
    End,
    Property(P),
}

/// The kind of a line by its name, where `property` says which properties are read.
pub(super) fn kind<P>(name: &[u8], property: impl FnOnce(&[u8]) -> Option<P>) -> Option<Kind<P>> {
    if name.eq_ignore_ascii_case(b"BEGIN") {
        Some(Kind::Begin)
    } else if name.eq_ignore_ascii_case(b"END") {
        Some(Kind::End)
    } else {
        property(name).map(Kind::Property)
    }
}

/// Whether a BEGIN or END is of that component.
pub(super) fn of(line: &Line<'_>, component: &[u8]) -> bool {
    line.value.trim_ascii().eq_ignore_ascii_case(component)
}

impl File<'_> {
    /// A VEVENT and those after it that share its UID.
    pub fn group(&self, first: usize) -> impl Iterator<Item = &Vevent> {
        let next = |vevent: &&Vevent| self.vevents.get(vevent.next?.get() as usize);
        std::iter::successors(self.vevents.get(first), next)
    }

    /// The UID of a VEVENT, as it is read.
    pub fn uid(&self, vevent: &Vevent) -> Option<String> {
        let mut lines = Lines::from(&self.input, vevent.position.forward(vevent.uid? as usize));
        let (_, line) = lines.next(|_| Some(()))?;
        vevent::uid(line.value)
    }

    /// The bytes of a VEVENT without its DTSTAMP, which servers write anew at every fetch.
    pub fn without_stamp(&self, vevent: &Vevent) -> [&[u8]; 2] {
        let start = vevent.position.bytes;
        let bytes = &self.input[start..start + vevent.length as usize];
        let (from, length) = (vevent.dtstamp.0 as usize, vevent.dtstamp.1 as usize);
        [&bytes[..from], &bytes[from + length..]]
    }
}

/// Reads an event where it stands. `cancels`: one without a start is taken, too.
pub(super) fn event(input: &[u8], vevent: &Vevent, cancels: bool, tzids: &mut Tzids) -> Result<ParsedEvent, BadEvent> {
    let mut lines = Lines::from(input, vevent.position);
    let mut builder = Builder::new(vevent.line);
    // Sub-components (VALARM) that are open in it.
    let mut depth = 0u32;
    loop {
        let Some((kind, line)) = lines.next(|name| kind(name, Property::named)) else {
            builder.unfinished("the file ends before END:VEVENT");
            break;
        };
        match kind {
            Kind::Property(property) if depth == 0 => builder.property(property, &line, tzids),
            Kind::Property(_) => {}
            Kind::End if of(&line, b"VEVENT") => break,
            _ if of(&line, b"VCALENDAR") || of(&line, b"VEVENT") => {
                builder.unfinished("the event has no END:VEVENT");
                break;
            }
            Kind::Begin => depth = depth.saturating_add(1),
            Kind::End => depth = depth.saturating_sub(1),
        }
    }
    builder.finish(vevent.calendar, cancels)
}
