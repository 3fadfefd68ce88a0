//! The occurrences of a series, one by one.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::sides::{Merge, Mode, Rules, Side, Sides};
use super::{Base, three_way};
use crate::event::{Body, Details, Event, EventStatus, Override, Series};

/// An occurrence's original start, and whether what is said of it holds for all later ones.
type Key = (DateTime<Utc>, bool);

/// What a series says of one of its occurrences.
#[derive(Clone, Serialize)]
enum State {
    /// It follows the rule, or is not given by it.
    AsRuled,
    Gone,
    Own(Box<Override>),
}

impl State {
    fn of(body: &Body, key: Key) -> Self {
        let Body::Series(series) = body else { return Self::AsRuled };
        let own = series.overrides.iter().find(|one| key_of(one) == key);
        match own {
            Some(own) => Self::Own(Box::new(own.clone())),
            None if !key.1 && series.exdates.contains(&key.0) => Self::Gone,
            None => Self::AsRuled,
        }
    }

    /// Somebody wants it as it is said here.
    fn takes_place(&self) -> bool {
        self.own().is_some_and(|own| !is_cancelled(own))
    }

    /// Excluded, or cancelled.
    fn is_off(&self) -> bool {
        matches!(self, Self::Gone) || self.own().is_some_and(is_cancelled)
    }

    const fn own(&self) -> Option<&Override> {
        match self {
            Self::Own(own) => Some(own),
            _ => None,
        }
    }
}

impl Sides<State> {
    /// It follows its series here, as it always did since it was made one of its own there.
    fn follow_only_here(&self) -> bool {
        self.local == State::AsRuled
            && self.base_local == State::AsRuled
            && self.remote.takes_place()
            && self.remote == self.base_remote
    }

    /// There is nothing here that a change there could be laid over: it took place on neither side.
    fn was_off(&self) -> bool {
        self.local == State::Gone || self.local.is_off() && self.base_remote.is_off()
    }

    fn is_made_own_here(&self) -> bool {
        self.local.own().is_some() && self.base_local == State::AsRuled && self.remote == State::AsRuled
    }
}

/// Equal but for what comes with a version.
impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::AsRuled, Self::AsRuled) | (Self::Gone, Self::Gone) => true,
            (Self::Own(one), Self::Own(other)) => {
                // Of one that is cancelled nothing is certain but that.
                is_cancelled(one) && is_cancelled(other) || edited(one) == edited(other)
            }
            _ => false,
        }
    }
}

fn is_cancelled(one: &Override) -> bool {
    one.event.details.event_status == EventStatus::Cancelled
}

fn edited(one: &Override) -> Override {
    Override { event: without_version(&one.event), ..one.clone() }
}

/// Two templates that say the same, whenever they take place.
fn is_same(one: &Event, other: &Event) -> bool {
    without_version(one).details == without_version(other).details
}

fn without_version(event: &Event) -> Event {
    let details = Details {
        ical_uid: None,
        sequence: 0,
        last_updated: None,
        series_master_id: None,
        conversation_id: None,
        ..event.details.clone()
    };
    Event { details, ..event.clone() }
}

const fn key_of(one: &Override) -> Key {
    (one.recurrence_id, one.this_and_future)
}

impl Merge<'_> {
    /// EXDATEs and overrides.
    pub fn occurrences(
        &mut self,
        bodies: Sides<&Body>,
        templates: Sides<&Event>,
    ) -> (Vec<DateTime<Utc>>, Vec<Override>) {
        let (mut exdates, mut overrides) = (Vec::new(), Vec::new());
        for key in keys([bodies.local, bodies.remote]) {
            let states = bodies.map(|body| State::of(body, key));
            match self.occurrence(key, &states, templates) {
                State::AsRuled => {}
                State::Gone => exdates.push(key.0),
                State::Own(own) => overrides.push(*own),
            }
        }
        (exdates, overrides)
    }

    fn occurrence(&mut self, key: Key, states: &Sides<State>, templates: Sides<&Event>) -> State {
        const NAME: &str = "occurrence";
        if self.mode == Mode::Assume {
            return if states.remote == State::AsRuled { State::AsRuled } else { states.local.clone() };
        }
        let place = format!("{} ", key.0.format("%Y-%m-%dT%H:%M:%SZ"));
        let before = std::mem::replace(&mut self.place, place);
        let merged = self.settle(NAME, key, states, templates);
        self.place = before;
        merged
    }

    fn settle(&mut self, name: &str, key: Key, states: &Sides<State>, templates: Sides<&Event>) -> State {
        let local_changed = states.local != states.base_local;
        let remote_changed = states.remote != states.base_remote && states.remote != states.local;
        if local_changed && remote_changed && states.local.takes_place() != states.remote.takes_place() {
            let edited = if states.local.takes_place() { Side::Local } else { Side::Remote };
            self.conflict(name, states.as_ref(), edited);
            return states.of(edited).clone();
        }
        if states.follow_only_here() && !is_same(templates.base_remote, templates.remote) {
            // Its series has changed there, and it has not.
            self.takes_remote = true;
            return states.remote.clone();
        }
        match states.remote {
            State::Own(_) if remote_changed && !states.was_off() => self.own(key, states, templates),
            _ => match self.side(name, states.as_ref()) {
                Side::Remote => states.remote.clone(),
                // It was made one of its own here, of what the rule gives there by now.
                Side::Local if states.is_made_own_here() => self.own(key, states, templates),
                Side::Local => states.local.clone(),
            },
        }
    }

    /// An occurrence that stands for itself on one side or on both.
    fn own(&mut self, key: Key, states: &Sides<State>, templates: Sides<&Event>) -> State {
        let events = Sides {
            base_local: event_of(&states.base_local, templates.base_local, key),
            base_remote: event_of(&states.base_remote, templates.base_remote, key),
            local: event_of(&states.local, templates.local, key),
            remote: event_of(&states.remote, templates.remote, key),
        };
        let taken_before = std::mem::take(&mut self.takes_remote);
        let (event, remote_time) = self.event(events.as_ref());
        let takes_remote = self.takes_remote;
        self.takes_remote |= taken_before;
        if !takes_remote {
            return states.local.clone();
        }
        let timed_by = if remote_time { &states.remote } else { &states.local };
        let duration = timed_by.own().and_then(|own| own.duration);
        State::Own(Box::new(Override { recurrence_id: key.0, this_and_future: key.1, duration, event }))
    }
}

/// What is shown of an occurrence.
fn event_of(state: &State, template: &Event, key: Key) -> Event {
    if let Some(own) = state.own() {
        return own.event.clone();
    }
    let mut event = template.clone();
    event.timing.start = key.0;
    event.timing.end = template.timing.end.and_then(|end| key.0.checked_add_signed(end - template.timing.start));
    event
}

/// An occurrence that stands for itself, after its series has changed: what was the same as in the series still is, the
/// rest is as it was.
pub fn following(own: &Override, before: &Series, after: &Series) -> Override {
    let [before, after] = [before, after].map(|series| {
        let event = event_of(&State::AsRuled, &series.template, key_of(own));
        Body::Single(Box::new(event))
    });
    let rules = Rules { winner: Side::Local, ..Rules::MERGE };
    let local = Body::Single(Box::new(own.event.clone()));
    match three_way(&Base::new(before.clone(), before), &local, &after, &rules).body {
        Body::Single(event) => {
            let duration = own.duration.filter(|_| event.timing == own.event.timing);
            Override { event: *event, duration, ..own.clone() }
        }
        _ => own.clone(),
    }
}

/// The occurrences of which something is said, in the order of the first body, then of the second.
fn keys(bodies: [&Body; 2]) -> Vec<Key> {
    let mut keys = Vec::new();
    for body in bodies {
        let Body::Series(series) = body else { continue };
        let Series { exdates, overrides, .. } = &**series;
        keys.extend(exdates.iter().map(|date| (*date, false)).chain(overrides.iter().map(key_of)));
    }
    let mut seen = std::collections::HashSet::new();
    keys.retain(|key| seen.insert(*key));
    keys
}
