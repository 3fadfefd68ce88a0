//! What a person does in a calendar on the web.

use std::sync::MutexGuard;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::FakeGoogle;
use super::calendar::Calendar;
use super::faults::Common;
use super::refusal::Refusal;
use super::resource::{Resource, View, is_cancelled, with_end};
use super::series;
use super::when::When;
use super::world::World;
use crate::clock::Clock;

/// A calendar in a person's hands. Everything changes etags and is announced, as everything done through the API.
pub struct GoogleCalendar<'g> {
    pub(super) google: &'g FakeGoogle,
    pub(super) id: String,
}

impl GoogleCalendar<'_> {
    /// A new event; an end is made where there is none. Its id.
    pub fn insert(&self, event: Value) -> String {
        self.change(|calendar, clock| calendar.insert(with_end(object(event)), &calendar.owner.clone(), clock))
    }

    /// Changes what is given; null clears.
    pub fn edit(&self, id: &str, changes: Value) {
        self.change(|calendar, clock| calendar.patch(id, object(changes), clock));
    }

    pub fn delete(&self, id: &str) {
        self.change(|calendar, clock| calendar.delete(id, clock));
    }

    /// Changes the one occurrence that was to start then.
    pub fn edit_instance(&self, series: &str, original: DateTime<Utc>, changes: Value) -> String {
        self.change(|calendar, clock| {
            let id = instance_id(calendar, series, original)?;
            calendar.patch(&id, object(changes), clock).map(|()| id)
        })
    }

    pub fn cancel_instance(&self, series: &str, original: DateTime<Utc>) -> String {
        self.change(|calendar, clock| {
            let id = instance_id(calendar, series, original)?;
            calendar.delete(&id, clock).map(|()| id)
        })
    }

    /// Puts a resource there as it is, whatever the API would say to it.
    pub fn put(&self, resource: Value) {
        self.change(|calendar, clock| {
            calendar.put(object(resource), clock);
            Ok(())
        });
    }

    /// An event as its organizer sees it; deleted ones, too, as long as they are not forgotten.
    pub fn event(&self, id: &str) -> Option<Value> {
        let world = self.google.world();
        let calendar = world.calendars.get(&self.id)?;
        calendar.find(id).map(|resource| shown(calendar, &resource))
    }

    /// All that is not cancelled, by id: events, series, and their exceptions.
    pub fn events(&self) -> Vec<Value> {
        self.all(|resource| !is_cancelled(resource))
    }

    /// The occurrences of a series that do not take place, as their resources.
    pub fn cancelled_instances(&self, series: &str) -> Vec<Value> {
        self.all(|one| is_cancelled(one) && one.get("recurringEventId") == Some(&json!(series)))
    }

    /// What takes place of all series, those that start within a window by the rule, as instances.
    pub fn occurrences(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> Vec<Value> {
        let world = self.google.world();
        let Some(calendar) = world.calendars.get(&self.id) else { return vec![] };
        let is_series = |one: &&Resource| one.contains_key("recurrence") && !is_cancelled(one);
        let instances_of = |master: &Resource| -> Vec<Resource> {
            let id = master.get("id").and_then(Value::as_str).unwrap_or_default();
            let starts = series::starts(master, calendar.zone, from, to);
            starts.iter().filter_map(|start| calendar.find(&format!("{id}_{}", start.suffix()))).collect()
        };
        let instances = calendar.events.values().map(|it| &it.resource).filter(is_series).flat_map(instances_of);
        instances.filter(|one| !is_cancelled(one)).map(|one| shown(calendar, &one)).collect()
    }

    fn all(&self, is_wanted: impl Fn(&Resource) -> bool) -> Vec<Value> {
        let world = self.google.world();
        let Some(calendar) = world.calendars.get(&self.id) else { return vec![] };
        let mut all: Vec<(&String, Value)> = calendar
            .events
            .iter()
            .filter(|(_, it)| is_wanted(&it.resource))
            .map(|(id, it)| (id, shown(calendar, &it.resource)))
            .collect();
        all.sort_by_key(|(id, _)| id.as_str());
        all.into_iter().map(|(_, event)| event).collect()
    }

    /// Forgets what was deleted: ids are free again, older sync tokens get 410.
    pub fn purge(&self) {
        self.change(|calendar, _| {
            calendar.purge();
            Ok(())
        });
    }

    /// It can't be watched, as calendars of holidays can't.
    pub fn refuse_channels(&self) {
        self.change(|calendar, _| {
            calendar.refuses_channels = true;
            Ok(())
        });
    }

    fn change<T>(&self, change: impl FnOnce(&mut Calendar, &mut Clock) -> Result<T, Refusal>) -> T {
        let mut world: MutexGuard<'_, World> = self.google.world();
        let World { calendars, common: Common { clock, .. }, .. } = &mut *world;
        let calendar = calendars.get_mut(&self.id).unwrap_or_else(|| panic!("no calendar {}", self.id));
        let version = calendar.version;
        let result = change(calendar, clock);
        if calendar.version != version {
            world.announce(&self.id);
        }
        result.unwrap_or_else(|refusal| panic!("a person can't do that: {}", refusal.body()))
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("not an object: {other}"),
    }
}

fn shown(calendar: &Calendar, resource: &Resource) -> Value {
    View { zone: calendar.zone, hides_private: false, max_attendees: None }.show(resource, calendar.zone)
}

fn instance_id(calendar: &Calendar, series: &str, original: DateTime<Utc>) -> Result<String, Refusal> {
    let master = calendar.get(series).ok_or_else(Refusal::not_found)?;
    let start: When = series::starts(master, calendar.zone, original, original).pop().ok_or_else(Refusal::not_found)?;
    Ok(format!("{series}_{}", start.suffix()))
}
