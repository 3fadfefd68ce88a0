//! Who wins, and what is kept of who lost.

use calendar_sync_core::event::Body;
use calendar_sync_core::merge::{Base, Field, Merged, Side, Treatment};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::known::Known;
use crate::store::connections::{Calendar, Direction};
use crate::store::items::Standing;

/// What becomes of fields that both sides have changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    LastWrite,
    Local,
    Remote,
    /// Somebody decides ([`super::resolve()`]).
    Manual,
    /// What is ours is not changed there.
    Ours,
}

impl Policy {
    /// Of a calendar. Where nothing is sent there is nobody to convince: then what came counts.
    pub fn of(calendar: &Calendar) -> Self {
        match (calendar.direction, calendar.conflict_policy.as_str()) {
            (Direction::Pull, _) | (_, "remote") => Self::Remote,
            (_, "local") => Self::Local,
            (_, "manual") => Self::Manual,
            _ => Self::LastWrite,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::LastWrite => "last_write",
            Self::Local => "local",
            Self::Remote => "remote",
            Self::Manual => "manual",
            Self::Ours => "interaction",
        }
    }

    /// The later of two changes; of two at the same time, or where the other one's is not known, the other side's.
    pub fn winner(self, changed_at: DateTime<Utc>, remote: &Body) -> Side {
        match self {
            Self::Local | Self::Ours => Side::Local,
            Self::Remote | Self::Manual => Side::Remote,
            Self::LastWrite if updated(remote).is_some_and(|updated| updated < changed_at) => Side::Local,
            Self::LastWrite => Side::Remote,
        }
    }
}

/// When an item last changed there, by that side's clock.
pub fn updated(remote: &Body) -> Option<DateTime<Utc>> {
    match remote {
        Body::Single(event) => event.details.last_updated,
        Body::Series(series) => {
            let own = series.overrides.iter().map(|one| one.event.details.last_updated);
            own.chain([series.template.details.last_updated]).flatten().max()
        }
        Body::Overrides(overrides) => overrides.iter().filter_map(|one| one.event.details.last_updated).max(),
    }
}

/// The fields of an interaction's event that its interaction gives (4-behaviour, "Interaction to event").
const OF_INTERACTION: [&str; 11] = [
    "title",
    "description",
    "location",
    "time",
    "time_zone",
    "event_type",
    "event_status",
    "participants",
    "metadata",
    "recurrence",
    "occurrence",
];
/// What is sent where only busy times are.
const OF_BUSY: [&str; 5] = ["time", "time_zone", "event_status", "recurrence", "occurrence"];
/// What an event that has no key of its own can't become: a series.
const OF_SERIES: [&str; 2] = ["recurrence", "occurrence"];

/// What becomes of changes of a field there.
pub fn treatment(standing: &Standing, base: &Base) -> impl Fn(&str) -> Treatment + use<> {
    let of_block = of_what_was_told(base);
    let (of_interaction, has_key) = (standing.of_interaction, standing.key.is_some());
    move |field| {
        if of_block(field) == Treatment::Ignore {
            Treatment::Ignore
        } else if of_interaction && OF_INTERACTION.contains(&field) || !has_key && OF_SERIES.contains(&field) {
            Treatment::Ours
        } else {
            Treatment::Merge
        }
    }
}

/// Whatever is written on a block of busy time, it is none of the item's.
pub fn of_what_was_told(base: &Base) -> impl Fn(&str) -> Treatment + use<> {
    let only_busy = base.only_busy;
    move |field| if only_busy && !OF_BUSY.contains(&field) { Treatment::Ignore } else { Treatment::Merge }
}

/// A conflict, as it stands in conflict_data; `None` where there is none.
pub fn data(merged: &Merged, policy: Policy, winner: Option<Side>, known: &Known, remote: &Body) -> Option<Value> {
    let (fields, policy, winner): (&[Field], _, _) = match (&merged.conflicts[..], &merged.overruled[..]) {
        ([], []) => return None,
        ([], overruled) => (overruled, Policy::Ours, Some(Side::Local)),
        (conflicts, _) => (conflicts, policy, winner),
    };
    let local = known.standing.as_ref().map(|standing| &standing.body);
    Some(json!({
        "policy": policy.word(),
        "winner": winner.map(Side::word),
        "fields": fields,
        "local": local,
        "remote": remote,
        "local_changed_at": known.standing.as_ref().map(|standing| standing.changed_at),
        "remote_updated": updated(remote),
    }))
}

/// What the log says of it: also each value that was lost, since the next conflict takes the place of this one in
/// conflict_data.
pub fn in_log(data: &Value) -> Value {
    json!({"policy": data["policy"], "winner": data["winner"], "fields": data["fields"]})
}
