//! What outside calendars answer with, each provider in its own form.
//!
//! Reading has two steps everywhere, since zones belong to the main thread where this runs inside of PostgreSQL: a
//! provider's reader makes a [`Document`] of bytes on any thread, [`Document::resolve`] makes items of that one after
//! the other.

use crate::ics::{self, BadEvent, SourceHash, Sourced, UnknownZone};
use crate::zones::Zones;

/// One whole answer of a provider, read as far as that needs no time zone.
#[derive(Debug, Clone)]
pub enum Document {
    Ics(ics::Calendar<'static>),
}

impl Document {
    /// What the calendar calls itself.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Ics(calendar) => calendar.name.as_deref(),
        }
    }

    /// How many events stand in it, good and bad.
    pub fn len(&self) -> usize {
        match self {
            Self::Ics(calendar) => calendar.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its items, each made as it is asked for. Times that name no zone, where that means the reader's own, are in
    /// `default_zone`.
    pub fn resolve<'z>(self, zones: &'z dyn Zones, default_zone: &str) -> Result<Items<'z>, UnknownZone> {
        match self {
            Self::Ics(calendar) => ics::resolve(calendar, zones, default_zone).map(Items::from),
        }
    }
}

/// The items of a [`Document`], good and bad.
pub enum Items<'z> {
    Ics(Box<ics::Items<'z>>),
}

impl<'z> From<ics::Items<'z>> for Items<'z> {
    fn from(items: ics::Items<'z>) -> Self {
        Self::Ics(Box::new(items.with_sources()))
    }
}

impl Items<'_> {
    /// The next item of which `is_known` does not say, by its external id and its source hash, that it need not be
    /// read.
    pub fn next_unless(&mut self, is_known: impl FnMut(&str, &SourceHash) -> bool) -> Option<Result<Sourced, BadItem>> {
        match self {
            Self::Ics(items) => items.next_unless(is_known).map(|found| found.map_err(BadItem::from)),
        }
    }
}

/// An item that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadItem {
    /// Its identifier, as far as it could be read.
    pub external_id: Option<String>,
    /// One occurrence of a series could not be read; the series is another item.
    pub is_override: bool,
    pub message: String,
}

impl From<BadEvent> for BadItem {
    fn from(bad: BadEvent) -> Self {
        let message = format!("line {}: {}", bad.line, bad.reason);
        Self { external_id: bad.uid, is_override: bad.is_override, message }
    }
}
