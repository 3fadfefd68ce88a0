//! What outside calendars answer with, each provider in its own form.
//!
//! Reading has two steps everywhere, since zones belong to the main thread where this runs inside of PostgreSQL: a
//! provider's reader makes a [`Document`] of bytes on any thread, [`Document::resolve`] makes items of that one after
//! the other.

pub mod google;
mod graph_recurrence;
mod html;
mod json;
pub mod microsoft;
pub mod notion;
mod outlook;
pub mod power_automate;

use crate::ics::{self, BadEvent, SourceHash, Sourced, UnknownZone};
use crate::zones::Zones;

/// One whole answer of a provider, read as far as that needs no time zone.
#[derive(Debug, Clone)]
pub enum Document {
    Ics(ics::Calendar<'static>),
    PowerAutomate(power_automate::Answer),
}

impl Document {
    /// What the calendar calls itself.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Ics(calendar) => calendar.name.as_deref(),
            Self::PowerAutomate(_) => None,
        }
    }

    /// How many events stand in it, good and bad.
    pub fn len(&self) -> usize {
        match self {
            Self::Ics(calendar) => calendar.len(),
            Self::PowerAutomate(answer) => answer.len(),
        }
    }

    /// Whether there is no event in it, good or bad.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Why it does not hold all events of the calendar, if it does not: that one is not in it means nothing then.
    pub fn partial(&self) -> Option<String> {
        match self {
            Self::Ics(_) => None,
            Self::PowerAutomate(answer) => answer.partial(),
        }
    }

    /// The external ids of events that it says are deleted.
    pub fn deleted(&self) -> Vec<String> {
        match self {
            Self::Ics(_) => vec![],
            Self::PowerAutomate(answer) => answer.deleted(),
        }
    }

    /// Its items, each made as it is asked for. Times that name no zone, where that means the reader's own, are in
    /// `default_zone`.
    pub fn resolve<'z>(self, zones: &'z dyn Zones, default_zone: &str) -> Result<Items<'z>, UnknownZone> {
        match self {
            Self::Ics(calendar) => ics::resolve(calendar, zones, default_zone).map(Items::from),
            Self::PowerAutomate(answer) => {
                answer.resolve(zones, default_zone).map(|items| Items::PowerAutomate(Box::new(items)))
            }
        }
    }
}

/// The items of a [`Document`], good and bad.
pub enum Items<'z> {
    Ics(Box<ics::Items<'z>>),
    PowerAutomate(Box<power_automate::Items<'z>>),
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
            Self::PowerAutomate(items) => {
                items.next().map(|found| found.map(|item| Sourced { item, source: None, cancels: None }))
            }
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
