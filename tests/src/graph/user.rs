//! What a person does in Outlook.

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Map, Value, json};

use super::FakeGraph;
use super::calendar::Calendar;
use super::event::{Entry, View};
use super::faults::Common;
use super::refusal::Refusal;
use super::when::Zone;
use super::world::World;
use crate::clock::Clock;

/// A calendar in a person's hands. Everything changes versions and is announced, as everything done through the API.
pub struct GraphCalendar<'g> {
    pub(super) graph: &'g FakeGraph,
    pub(super) id: String,
}

impl GraphCalendar<'_> {
    /// A new event, or series. Its id.
    pub fn insert(&self, event: Value) -> String {
        self.change("created", |calendar, clock| calendar.insert(&object(event), clock).map(|id| (id.clone(), id)))
    }

    /// Changes what is given.
    pub fn edit(&self, id: &str, changes: Value) {
        self.change("updated", |calendar, clock| calendar.patch(id, &object(changes), clock).map(|()| ((), id.into())));
    }

    pub fn delete(&self, id: &str) {
        self.change("deleted", |calendar, clock| calendar.delete(id, clock).map(|()| ((), id.into())));
    }

    /// Changes the one occurrence that was to start then.
    pub fn edit_occurrence(&self, series: &str, original: DateTime<Utc>, changes: Value) -> String {
        self.change("updated", |calendar, clock| {
            let id = occurrence(calendar, series, original)?;
            calendar.patch(&id, &object(changes), clock).map(|()| (id.clone(), id))
        })
    }

    /// Deletes the one occurrence that was to start then.
    pub fn delete_occurrence(&self, series: &str, original: DateTime<Utc>) {
        self.change("updated", |calendar, clock| {
            let id = occurrence(calendar, series, original)?;
            calendar.delete(&id, clock).map(|()| ((), id))
        });
    }

    /// Its organizer calls it off: it stays, as cancelled.
    pub fn cancel(&self, id: &str) {
        self.change("updated", |calendar, clock| calendar.cancel(id, clock).map(|()| ((), id.into())));
    }

    /// Exchange gives it a new version; nothing else is new.
    pub fn touch(&self, id: &str) {
        self.change("updated", |calendar, clock| {
            calendar.touch_key(id, clock);
            Ok(((), id.into()))
        });
    }

    /// Takes an event to another calendar of the mailbox; its (immutable) identifier stays.
    pub fn move_to(&self, id: &str, other: &str) {
        let entry = {
            let world = self.graph.world();
            world.calendars.get(&self.id).and_then(|calendar| calendar.entries.get(id)).cloned().expect("the event")
        };
        self.delete(id);
        self.graph.calendar(other).change("created", |calendar, clock| {
            calendar.receive(entry, clock);
            Ok(((), id.into()))
        });
    }

    /// An event as Graph gives it, in UTC and with its body as text; of a series with `exceptionOccurrences` and
    /// `cancelledOccurrences`.
    pub fn event(&self, id: &str) -> Option<Value> {
        let world = self.graph.world();
        world.calendars.get(&self.id)?.entries.get(id).map(shown)
    }

    /// All events and series, by id.
    pub fn events(&self) -> Vec<Value> {
        let world = self.graph.world();
        let calendar = world.calendars.get(&self.id).unwrap_or_else(|| panic!("no calendar {}", self.id));
        calendar.entries.values().map(shown).collect()
    }

    /// What takes place of all series within a window, as occurrences.
    pub fn occurrences(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> Vec<Value> {
        let world = self.graph.world();
        let calendar = world.calendars.get(&self.id).unwrap_or_else(|| panic!("no calendar {}", self.id));
        let view = View { zone: Zone::utc(), text: true };
        let days = |entry: &Entry| entry.occurrences(from, to).into_iter().map(|(day, _)| day).collect::<Vec<_>>();
        let of_entry = |entry: &Entry| -> Vec<Value> {
            days(entry).into_iter().map(|day| entry.show_occurrence(day, &view)).collect()
        };
        calendar.entries.values().filter(|entry| entry.recurrence.is_some()).flat_map(of_entry).collect()
    }

    fn change<T>(
        &self,
        kind: &str,
        change: impl FnOnce(&mut Calendar, &mut Clock) -> Result<(T, String), Refusal>,
    ) -> T {
        let mut world = self.graph.world();
        let World { calendars, common: Common { clock, .. }, .. } = &mut *world;
        let calendar = calendars.get_mut(&self.id).unwrap_or_else(|| panic!("no calendar {}", self.id));
        let (result, id) =
            change(calendar, clock).unwrap_or_else(|refusal| panic!("a person can't do that: {}", refusal.body()));
        world.announce(&self.id, kind, &id);
        result
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("not an object: {other}"),
    }
}

fn shown(entry: &Entry) -> Value {
    let view = View { zone: Zone::utc(), text: true };
    let mut shown = entry.show(&view);
    if entry.recurrence.is_some() {
        shown["exceptionOccurrences"] = entry.exceptions.keys().map(|day| entry.show_occurrence(*day, &view)).collect();
        shown["cancelledOccurrences"] = json!(entry.cancelled_occurrences());
    }
    shown
}

fn occurrence(calendar: &Calendar, series: &str, original: DateTime<Utc>) -> Result<String, Refusal> {
    let entry = calendar.entries.get(series).ok_or_else(Refusal::not_found)?;
    let day: NaiveDate = entry.day_of(original);
    if entry.has(day) { Ok(entry.occurrence_id(day)) } else { Err(Refusal::not_found()) }
}
