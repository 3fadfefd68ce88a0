//! A zone as its VTIMEZONE defines it: a table of its clock changes.

use std::ops::ControlFlow;

use chrono::NaiveDateTime;

use super::vtimezone::{Observance, VTimeZone};
use crate::recurrence::{Occurrences, Rule, Window};
use crate::zones::{Span, Zone};

/// What is expanded of a rule without an end: 1900 to 2100, in seconds since 1970. Windows' definitions start in 1601.
const EXPANDED: Window = Window { from: -2_208_988_800, to: 4_102_444_800 };

/// Clock changes of one zone; in two centuries real ones have 400.
const MAX_CHANGES: usize = 5_000;

/// Offsets by time. After the last change of the table its offset stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableZone {
    /// Before the first change.
    first: i32,
    /// From this second (UTC, since 1970) on, that offset; strictly increasing.
    changes: Vec<(i64, i32)>,
}

impl TableZone {
    /// A zone that never changes; `offset` in seconds east of Greenwich.
    pub fn fixed(offset: i32) -> Self {
        Self { first: offset, changes: vec![] }
    }

    /// `None` if the definition says no offset, or has a rule that cannot be followed.
    pub(super) fn new(zone: &VTimeZone) -> Option<Self> {
        let mut changes = vec![];
        for observance in &zone.observances {
            if let ControlFlow::Break(()) = onsets(observance, &mut changes) {
                return None;
            }
        }
        changes.sort_unstable();
        changes.dedup_by_key(|(instant, ..)| *instant);
        let first = changes.first().map(|(_, from, _)| *from)?;
        let mut changes: Vec<_> = changes.into_iter().map(|(instant, _, to)| (instant, to)).collect();
        let mut last = first;
        changes.retain(|(_, offset)| std::mem::replace(&mut last, *offset) != *offset);
        Some(Self { first, changes })
    }

    /// Its only offset, if it never changes.
    pub fn only_offset(&self) -> Option<i32> {
        self.changes.is_empty().then_some(self.first)
    }

    /// Whether the other zone has the same offset at every second from `from` to before `to`.
    pub fn agrees(&self, other: &dyn Zone, from: i64, to: i64) -> bool {
        let mut at = from;
        while at < to {
            let (own, other) = (self.span(at), other.span(at));
            if own.offset != other.offset {
                return false;
            }
            at = own.until.min(other.until).max(at + 1);
        }
        true
    }
}

impl Zone for TableZone {
    fn span(&self, utc: i64) -> Span {
        let next = self.changes.partition_point(|(instant, _)| *instant <= utc);
        let offset = next.checked_sub(1).map_or(self.first, |current| self.changes[current].1);
        Span { offset, until: self.changes.get(next).map_or(i64::MAX, |(instant, _)| *instant) }
    }
}

/// Appends the part's changes: (instant, offset before, offset from then on).
fn onsets(observance: &Observance, changes: &mut Vec<(i64, i32, i32)>) -> ControlFlow<()> {
    let (Some(start), Some(to)) = (observance.start, observance.to) else { return ControlFlow::Break(()) };
    let from = observance.from.unwrap_or(to);
    let instant = |local: NaiveDateTime| local.and_utc().timestamp() - i64::from(from);
    let listed = std::iter::once(start).chain(observance.rdates.iter().copied());
    changes.extend(listed.map(|local| (instant(local), from, to)));
    for rule in &observance.rrules {
        let Ok(rule) = Rule::parse(rule) else { return ControlFlow::Break(()) };
        let Ok(onsets) = Occurrences::new(&rule, instant(start), TableZone::fixed(from), EXPANDED) else {
            return ControlFlow::Break(());
        };
        for onset in onsets {
            let Ok(onset) = onset else { return ControlFlow::Break(()) };
            if changes.len() >= MAX_CHANGES {
                return ControlFlow::Break(());
            }
            changes.push((onset, from, to));
        }
    }
    ControlFlow::Continue(())
}
