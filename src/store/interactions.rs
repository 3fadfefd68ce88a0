//! Events of interactions: made, changed, cancelled and deleted row by row, each with its row in the log.

mod changes;
mod reading;

use pgrx::{IntoDatum, pg_sys};
use uuid::Uuid;

use changes::{changes, shown};
pub use reading::read;

use super::links::ItemId;
use super::raw::{self, Value, kept_text};
use super::{Installation, Table, Writer, as_owner, new_id, queue, senders};
use crate::errors::SqlResult;

/// The fields of an event that come from its interaction. Instants are PostgreSQL's: microseconds since 2000.
pub struct Event {
    pub user_id: pg_sys::Datum,
    pub title: Value,
    pub description: Value,
    pub location: Value,
    pub event_type: Value,
    pub event_date: i64,
    /// `None`: of unknown length, all-day and free.
    pub event_end: Option<i64>,
    pub participants: Value,
    /// An event that exists keeps its participants: the names as they were at the time.
    pub keeps_participants: bool,
    pub metadata: Value,
    pub created_by: Value,
    pub updated_by: Value,
    pub created_at: Option<i64>,
    pub updated_at: Option<i64>,
}

/// What became of an interaction's event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Created,
    Updated,
    Cancelled,
    Deleted,
    /// There was nothing to do.
    Unchanged,
}

impl Outcome {
    const fn action(self) -> &'static str {
        match self {
            Self::Created => "create",
            Self::Updated => "update",
            Self::Cancelled => "cancel",
            Self::Deleted => "delete",
            Self::Unchanged => "none",
        }
    }
}

/// Columns of calendar_events that an interaction gives.
mod event {
    pub const EVENT_ID: usize = 0;
    pub const USER_ID: usize = 1;
    pub const TITLE: usize = 2;
    pub const DESCRIPTION: usize = 3;
    pub const LOCATION: usize = 4;
    pub const EVENT_TYPE: usize = 5;
    pub const EVENT_STATUS: usize = 6;
    pub const SHOW_AS: usize = 7;
    pub const METADATA: usize = 8;
    pub const EVENT_DATE: usize = 9;
    pub const EVENT_END: usize = 10;
    pub const ALL_DAY: usize = 11;
    pub const TIME_ZONE: usize = 12;
    pub const PARTICIPANTS: usize = 13;
    pub const RELATED_TABLE: usize = 14;
    pub const RELATED_ID: usize = 15;
    pub const SYNCED_FROM: usize = 16;
    pub const SYNC_STATUS: usize = 17;
    pub const LAST_SYNCED_AT: usize = 18;
    pub const CHANGED_AT: usize = 19;
    pub const CREATED_BY: usize = 20;
    pub const UPDATED_BY: usize = 21;
    pub const CREATED_AT: usize = 22;
    pub const UPDATED_AT: usize = 23;
    pub const SEQUENCE: usize = 24;

    pub const COLUMNS: &[&str] = &[
        "event_id",
        "user_id",
        "title",
        "description",
        "location",
        "event_type",
        "event_status",
        "show_as",
        "metadata",
        "event_date",
        "event_end",
        "all_day",
        "time_zone",
        "participants",
        "related_table",
        "related_id",
        "synced_from",
        "sync_status",
        "last_synced_at",
        "changed_at",
        "created_by",
        "updated_by",
        "created_at",
        "updated_at",
        "sequence",
    ];

    /// What makes it another meeting for whoever has it in a calendar (RFC 5546, 2.1.4).
    pub const WHEN: [usize; 4] = [EVENT_DATE, EVENT_END, ALL_DAY, EVENT_STATUS];
}

/// Columns of calendar_sync_log that an interaction's row gives.
const LOG_COLUMNS: &[&str] = &[
    "log_id",
    "related_table",
    "interaction_id",
    "event_id",
    "provider",
    "user_id",
    "action",
    "status",
    "error_message",
    "created_at",
    "created_by",
];

thread_local! {
    static EVENTS: Table = const {
        Table::with_key(
            "calendar_events",
            event::COLUMNS,
            "calendar_events_related_key",
        )
    };
    static LOG: Table = const { Table::new("calendar_sync_log", LOG_COLUMNS) };
}

/// The events of one tracked table, open for writing.
pub struct Events<'a> {
    events: &'a mut Writer,
    log: &'a mut Writer,
    table: &'a RelatedTable,
    /// Events that are made; events that are changed or deleted.
    made: &'a mut Vec<Uuid>,
    changed: &'a mut Vec<ItemId>,
}

/// What all events of one tracked table share.
pub struct RelatedTable {
    pub name: pg_sys::Datum,
    pub time_zone: pg_sys::Datum,
    /// The transaction's time, as PostgreSQL counts it.
    pub now: i64,
}

/// Opens the events of a tracked table while `work` runs.
pub fn write<T>(
    installation: &Installation,
    table: &RelatedTable,
    work: impl FnOnce(&mut Events) -> SqlResult<T>,
) -> SqlResult<T> {
    let (mut made, mut changed) = (Vec::new(), Vec::new());
    let result = EVENTS.with(|events| {
        LOG.with(|log| {
            events.write(installation, |events| {
                log.write(installation, |log| {
                    work(&mut Events { events, log, table, made: &mut made, changed: &mut changed })
                })
            })
        })
    })?;
    if made.len() + changed.len() > 0 && !senders::are_known_not_to_be() {
        as_owner(|installation| {
            queue::made(installation, &made)?;
            queue::changed(installation, &changed, None)
        })?;
    }
    Ok(result)
}

impl Events<'_> {
    /// Makes the event of an interaction that has none.
    ///
    /// # Errors
    /// Raises 23505 (unique_violation) where it has one after all.
    pub fn create(&mut self, id: Uuid, event: &Event) {
        let now = instant(self.table.now);
        let id_of_event = new_id();
        self.made.push(id_of_event);
        let event_id = raw::uuid(id_of_event);
        let related_id = raw::uuid(id);
        let (all_day, show_as) = shown(event);
        let mut row = [None; event::COLUMNS.len()];
        row[event::EVENT_ID] = event_id;
        row[event::USER_ID] = Some(event.user_id);
        row[event::TITLE] = event.title;
        row[event::DESCRIPTION] = event.description;
        row[event::LOCATION] = event.location;
        row[event::EVENT_TYPE] = event.event_type;
        row[event::EVENT_STATUS] = Some(kept_text("scheduled"));
        row[event::SHOW_AS] = Some(kept_text(show_as));
        row[event::METADATA] = event.metadata;
        row[event::EVENT_DATE] = instant(event.event_date);
        row[event::EVENT_END] = event.event_end.and_then(instant);
        row[event::ALL_DAY] = all_day.into_datum();
        row[event::TIME_ZONE] = Some(self.table.time_zone);
        row[event::PARTICIPANTS] = event.participants;
        row[event::RELATED_TABLE] = Some(self.table.name);
        row[event::RELATED_ID] = related_id;
        row[event::SYNCED_FROM] = Some(kept_text("interaction"));
        row[event::SYNC_STATUS] = Some(kept_text("synced"));
        row[event::LAST_SYNCED_AT] = now;
        row[event::CHANGED_AT] = now;
        row[event::CREATED_BY] = event.created_by;
        row[event::UPDATED_BY] = event.updated_by;
        row[event::CREATED_AT] = event.created_at.map_or(now, instant);
        row[event::UPDATED_AT] = event.updated_at.map_or(now, instant);
        self.events.insert(&row);
        self.log(Outcome::Created, related_id, event_id, Some(event.user_id), event.created_by);
    }

    /// Whether the interaction has an event; finds and locks it.
    pub fn find(&mut self, id: Uuid) -> bool {
        self.events.find(&key(self.table, id))
    }

    /// Brings the found event up to date, also where its interaction has another id now. `event`: `None` where there
    /// is nothing to show any more.
    pub fn update(&mut self, id: Uuid, event: Option<&Event>, cancelled: bool) -> Outcome {
        let mut changes = changes(self.events.found(), self.table, event, cancelled);
        if !self.events.found().is(event::RELATED_ID, raw::uuid(id)) {
            changes.push((event::RELATED_ID, raw::uuid(id)));
        }
        if changes.is_empty() {
            return Outcome::Unchanged;
        }
        let outcome = match changes.first() {
            Some((event::EVENT_STATUS, _)) if cancelled => Outcome::Cancelled,
            _ => Outcome::Updated,
        };
        if changes.iter().any(|(column, _)| event::WHEN.contains(column)) {
            changes.push((event::SEQUENCE, self.next_sequence()));
        }
        let now = instant(self.table.now);
        changes.extend([(event::LAST_SYNCED_AT, now), (event::CHANGED_AT, now)]);
        if let Some(event) = event {
            changes.extend([
                (event::UPDATED_BY, event.updated_by),
                (event::UPDATED_AT, event.updated_at.map_or(now, instant)),
            ]);
        }
        let (event_id, user_id) = (self.events.found().get(event::EVENT_ID), self.events.found().get(event::USER_ID));
        let by = event.and_then(|event| event.updated_by);
        self.note_change();
        self.log(outcome, raw::uuid(id), event_id, event.map_or(user_id, |event| Some(event.user_id)), by);
        self.events.update(&changes);
        outcome
    }

    fn next_sequence(&self) -> Value {
        let sequence = self.events.found().get(event::SEQUENCE).map_or(0, |sequence| sequence.value() as i32);
        sequence.saturating_add(1).into_datum()
    }

    /// Gives the found event to another interaction; not a change that anybody is told of.
    pub fn rename(&mut self, id: Uuid) {
        self.events.update(&[(event::RELATED_ID, raw::uuid(id))]);
    }

    /// Deletes the found event.
    pub fn delete(&mut self, id: Uuid) {
        let (event_id, user_id) = (self.events.found().get(event::EVENT_ID), self.events.found().get(event::USER_ID));
        self.note_change();
        self.log(Outcome::Deleted, raw::uuid(id), event_id, user_id, None);
        self.events.delete();
    }

    /// Of the found event.
    fn note_change(&mut self) {
        self.changed.extend(self.events.found().uuid(event::EVENT_ID).map(ItemId::Event));
    }

    fn log(&mut self, outcome: Outcome, interaction: Value, event: Value, user: Value, by: Value) {
        // In the order of LOG_COLUMNS.
        self.log.insert(&[
            raw::uuid(new_id()),
            Some(self.table.name),
            interaction,
            event,
            Some(kept_text("interaction")),
            user,
            Some(kept_text(outcome.action())),
            Some(kept_text("success")),
            None,
            instant(self.table.now),
            by,
        ]);
    }
}

/// An event's key: its table and interaction.
fn key(table: &RelatedTable, id: Uuid) -> Vec<pg_sys::Datum> {
    [Some(table.name), raw::uuid(id)].into_iter().flatten().collect()
}

fn instant(instant: i64) -> Value {
    Some(pg_sys::Datum::from(instant))
}
