//! When something takes place: its time, its zone, and the rule of a series.
//!
//! Each is a field, and merged as one, as long as what comes of that fits together: "Tuesdays" of one side does not go with
//! a first day that the other side has moved to a Wednesday. Where it does not, all of it goes to one side.

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use serde::Serialize;

use super::sides::{Merge, Mode, Side, Sides};
use crate::event::{Body, Duration, Event, Series, Timing};

// As fields.
const TIME: &str = "time";
const ZONE: &str = "time_zone";
const RULE: &str = "recurrence";

/// Start and end belong together: whoever moves a meeting moves both.
#[derive(Clone, PartialEq, Serialize)]
struct When {
    start: DateTime<Utc>,
    end: Option<DateTime<Utc>>,
    all_day: bool,
}

impl When {
    const fn of(timing: &Timing) -> Self {
        Self { start: timing.start, end: timing.end, all_day: timing.all_day }
    }

    fn length(&self) -> Option<TimeDelta> {
        self.end.map(|end| end - self.start)
    }
}

/// By whose clock it takes place: the zone's name, and whether it is everybody's own.
type Clock = (Option<String>, bool);

fn clock(timing: &Timing) -> Clock {
    (timing.time_zone.clone(), timing.floating)
}

/// What dates the occurrences of a series; of a single event nothing.
#[derive(Clone, PartialEq, Default, Serialize)]
pub struct Rule {
    pub rrules: Vec<String>,
    pub exrules: Vec<String>,
    pub rdates: Vec<DateTime<Utc>>,
    pub rdate_ends: Vec<(DateTime<Utc>, DateTime<Utc>)>,
}

impl Rule {
    fn of(body: &Body) -> Self {
        let Body::Series(series) = body else { return Self::default() };
        Self {
            rrules: series.rrules.clone(),
            exrules: series.exrules.clone(),
            rdates: series.rdates.clone(),
            rdate_ends: series.rdate_ends.clone(),
        }
    }
}

/// All that says when a body takes place, but for single occurrences.
#[derive(Clone)]
pub struct Schedule {
    pub timing: Timing,
    pub local_start: Option<NaiveDateTime>,
    pub duration: Option<Duration>,
    pub rule: Rule,
}

impl Schedule {
    fn of(body: &Body, timing: &Timing) -> Self {
        let (local_start, duration) = match body {
            Body::Series(series) => (series.local_start, series.duration),
            _ => (None, None),
        };
        Self { timing: timing.clone(), local_start, duration, rule: Rule::of(body) }
    }

    /// A series that takes place by it, with nothing said of single occurrences. Of `template` the details count.
    pub fn series(self, template: Event) -> Series {
        let Self { timing, local_start, duration, rule } = self;
        let Rule { rrules, exrules, rdates, rdate_ends } = rule;
        let template = Event { timing, ..template };
        Series {
            template,
            local_start,
            duration,
            rrules,
            exrules,
            rdates,
            rdate_ends,
            exdates: Vec::new(),
            overrides: Vec::new(),
        }
    }
}

impl Merge<'_> {
    /// When it takes place: field by field where that fits together, else all as the winner has it.
    pub fn schedule(&mut self, bodies: Sides<&Body>, events: Sides<&Event>) -> Schedule {
        let mut apart = Merge::new(self.mode, self.rules);
        let schedule = apart.field_by_field(bodies, events);
        // Whatever one side alone has made of it that side wants, also a start that its rule does not give.
        let is_mixed = apart.keeps_local && apart.takes_remote;
        if is_mixed && !schedule.rule.rrules.is_empty() {
            let whole = self.as_winner_has_it(bodies, events);
            let is_moved_by_both = apart.conflicts.iter().any(|field| field.name == TIME);
            // Whoever takes a series to another zone means the time that he gives it there.
            let is_moved_elsewhere = is_moved_by_both && clock(&schedule.timing) != clock(&whole.timing);
            if is_moved_elsewhere || !(self.rules.fits)(&schedule.clone().series(events.local.clone())) {
                self.conflicts_of_whole(bodies, events);
                return whole;
            }
        }
        self.join(apart);
        schedule
    }

    fn field_by_field(&mut self, bodies: Sides<&Body>, events: Sides<&Event>) -> Schedule {
        let (timing, is_remote) = self.timing(events.map(|event| &event.timing));
        let timed_by = if is_remote { bodies.remote } else { bodies.local };
        let rule = self.value(RULE, bodies.map(Rule::of).as_ref());
        Schedule { rule, ..Schedule::of(timed_by, &timing) }
    }

    /// Where that is the other side, what it has not touched or can't hold is as it was here.
    fn as_winner_has_it(&self, bodies: Sides<&Body>, events: Sides<&Event>) -> Schedule {
        match self.rules.winner {
            Side::Local => Schedule::of(bodies.local, &events.local.timing),
            Side::Remote => {
                let bodies = Sides { local: bodies.base_local, ..bodies };
                let events = Sides { local: events.base_local, ..events };
                Merge::new(self.mode, self.rules).field_by_field(bodies, events)
            }
        }
    }

    fn conflicts_of_whole(&mut self, bodies: Sides<&Body>, events: Sides<&Event>) {
        let timings = events.map(|event| &event.timing);
        self.conflict_if_changed(TIME, timings.map(When::of).as_ref());
        self.conflict_if_changed(ZONE, timings.map(clock).as_ref());
        self.conflict_if_changed(RULE, bodies.map(Rule::of).as_ref());
    }

    fn conflict_if_changed<T: PartialEq + Serialize>(&mut self, name: &str, of: Sides<&T>) {
        let is_changed = of.local != of.base_local || of.remote != of.base_remote;
        if is_changed && of.local != of.remote {
            self.conflict(name, of, self.rules.winner);
        }
    }

    /// When it takes place, and whether that is as it is there.
    pub fn timing(&mut self, of: Sides<&Timing>) -> (Timing, bool) {
        let times = of.map(When::of);
        if self.mode == Mode::Assume {
            let zone = if of.remote.time_zone.is_some() { of.local } else { of.remote };
            let Timing { time_zone, floating, .. } = zone.clone();
            return (Timing { time_zone, floating, ..of.local.clone() }, false);
        }
        let side = self.side(TIME, times.as_ref());
        if times.local.all_day || times.remote.all_day {
            // A date has no zone: with one it might be the day before.
            return (Timing::clone(of.of(side)), side == Side::Remote);
        }
        let (time_zone, floating) = self.value(ZONE, of.map(clock).as_ref());
        let When { start, end, all_day } = times.of(side).clone();
        if side == Side::Local {
            return (Timing { start, end, all_day, time_zone, floating }, false);
        }
        let lengths = times.as_ref().map(When::length);
        let same_length = lengths.base_remote == lengths.remote && lengths.base_local == lengths.local;
        // A length that nobody has touched is as it is here: the other side may not hold it, or none.
        let end = if same_length { lengths.local.map(|length| start + length) } else { end };
        (Timing { start, end, all_day, time_zone, floating }, true)
    }
}
