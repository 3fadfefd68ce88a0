//! Events of interactions as they are, nothing written or locked.

use uuid::Uuid;

use super::super::Installation;
use super::super::found::Found;
use super::super::reader::Reader;
use super::{EVENTS, Event, RelatedTable, changes, event, key};
use crate::errors::SqlResult;

/// The events of one tracked table, open for looking at.
pub struct Events<'a> {
    events: &'a mut Reader,
    table: &'a RelatedTable,
}

/// An interaction's event.
pub struct Existing<'a> {
    found: Found<'a>,
    table: &'a RelatedTable,
}

/// Opens the events of a tracked table while `work` runs.
pub fn read<T>(
    installation: &Installation,
    table: &RelatedTable,
    work: impl FnOnce(&mut Events) -> SqlResult<T>,
) -> SqlResult<T> {
    EVENTS.with(|events| events.read(installation, |events| work(&mut Events { events, table })))
}

impl Events<'_> {
    /// The interaction's event, if it has one.
    pub fn look(&mut self, id: Uuid) -> Option<Existing<'_>> {
        let found = self.events.look(&key(self.table, id))?;
        Some(Existing { found, table: self.table })
    }
}

impl Existing<'_> {
    /// Whether a sync would change it.
    pub fn would_change(&self, event: Option<&Event>, cancelled: bool) -> bool {
        !changes(self.found, self.table, event, cancelled).is_empty()
    }

    /// The event's id; `None` where there is none.
    pub fn id(&self) -> Option<Uuid> {
        self.found.uuid(event::EVENT_ID)
    }
}
