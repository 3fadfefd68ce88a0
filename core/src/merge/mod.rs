//! Two sides that were equal once, and have both gone on: what each of them changed, laid together.
//!
//! Nothing here looks at a clock. What changed is what differs from what both sides last agreed on (their [`Base`]), field
//! by field. Each side has a base of its own, as it was then: a calendar that can't hold something has not deleted it.
//! Fields that only one side touched are merged; one that both touched, and differently, is a conflict, and goes to the
//! side that the caller's [`Rules`] name. So do the times and the rule of a series, all of them, where one side's rule does
//! not go with the other one's times. An edit beats a delete.

mod base;
mod fields;
mod occurrences;
mod schedule;
mod sides;

use crate::event::{Body, Event, Series};
pub use base::{Base, Occurrence};
pub use occurrences::following;
pub use sides::{Field, Rules, Side, Treatment};

use schedule::Rule;
use sides::{Merge, Mode, Sides};

/// What comes of two sides.
#[derive(Debug, Clone, PartialEq)]
pub struct Merged {
    pub body: Body,
    /// Fields that both sides touched, and differently, or so that they do not fit together; in `body` each is as the side of
    /// [`Rules::winner`] has it.
    pub conflicts: Vec<Field>,
    /// Fields that only the other side touched, and that are [`Treatment::Ours`].
    pub overruled: Vec<Field>,
    /// `body` is not as it is here: there is something to write here.
    pub takes_remote: bool,
    /// Something of `body` was changed here, and the other side does not have it yet.
    pub keeps_local: bool,
}

/// Merges what is here and what is there now.
pub fn three_way(base: &Base, local: &Body, remote: &Body, rules: &Rules) -> Merged {
    let mut merge = Merge::new(Mode::ThreeWay, rules);
    let body = merged(&mut merge, Sides { base_local: &base.local, base_remote: base.remote(), local, remote });
    let body = if merge.takes_remote { body } else { local.clone() };
    let Merge { conflicts, overruled, takes_remote, keeps_local, .. } = merge;
    Merged { body, conflicts, overruled, takes_remote, keeps_local }
}

/// What `local` would be, had it not changed since: that is, what both sides agree on once this remote version is known
/// here. What differs from it is still to be sent.
pub fn rebase(base: &Base, remote: &Body, rules: &Rules) -> Base {
    let treatment = |field: &str| match (rules.treatment)(field) {
        // What was overruled differs, and is sent back.
        Treatment::Ours => Treatment::Merge,
        other => other,
    };
    let rules = Rules { treatment: &treatment, ..Rules::MERGE };
    let local = three_way(base, &base.local, remote, &rules).body;
    let agreed = Base::new(local, remote.clone()).with_occurrences(base.occurrences.clone());
    agreed.with_visibility(base.only_busy)
}

/// A base for two sides of which nobody knows any more what they agreed on. What is here counts as unchanged; what the
/// other side has, and has differently, as changed there; what it does not have, as what it can't hold.
pub fn assumed(local: &Body, remote: &Body) -> Base {
    let mut merge = Merge::new(Mode::Assume, &Rules::MERGE);
    let assumed = merged(&mut merge, Sides { base_local: local, base_remote: remote, local, remote });
    Base::new(local.clone(), assumed)
}

/// A remote series of which only some occurrences are known to have changed.
pub fn with_overrides(series: &Series, overrides: &[crate::event::Override]) -> Series {
    let mut series = series.clone();
    for one in overrides {
        let is_same = |other: &crate::event::Override| {
            (other.recurrence_id, other.this_and_future) == (one.recurrence_id, one.this_and_future)
        };
        series.overrides.retain(|other| !is_same(other));
        series.exdates.retain(|date| *date != one.recurrence_id);
        series.overrides.push(one.clone());
    }
    series
}

fn merged(merge: &mut Merge, bodies: Sides<&Body>) -> Body {
    let all = (
        first_event(bodies.base_local),
        first_event(bodies.base_remote),
        first_event(bodies.local),
        first_event(bodies.remote),
    );
    // Overrides without their series: nothing to lay them over.
    let (Some(base_local), Some(base_remote), Some(local), Some(remote)) = all else {
        return merge.value("event", bodies);
    };
    let templates = Sides { base_local, base_remote, local, remote };
    let schedule = merge.schedule(bodies, templates);
    let template =
        Event { timing: schedule.timing.clone(), details: merge.details(templates.map(|event| &event.details)) };
    let single = matches!(bodies.local, Body::Single(_)) || matches!(bodies.remote, Body::Single(_));
    if single && schedule.rule == Rule::default() {
        return Body::Single(Box::new(template));
    }
    let (exdates, overrides) = merge.occurrences(bodies, templates);
    Body::Series(Box::new(Series { exdates, overrides, ..schedule.series(template) }))
}

/// The event, or the template of a series.
fn first_event(body: &Body) -> Option<&Event> {
    match body {
        Body::Single(event) => Some(event),
        Body::Series(series) => Some(&series.template),
        Body::Overrides(_) => None,
    }
}
