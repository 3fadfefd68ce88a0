//! Local time to instants and back.

use super::{Span, Zone};

/// No zone's clocks are further from UTC (PostgreSQL reads POSIX zones up to 167 hours away).
const MAX_OFFSET: i64 = 7 * 86_400;

/// How far from an instant its local time can be decided elsewhere.
const REACH: i64 = 2 * MAX_OFFSET;

/// A local time as an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resolved {
    /// Seconds UTC since 1970.
    pub instant: i64,
    /// The clocks of the zone never show this local time.
    pub in_gap: bool,
}

/// Turns local seconds (since 1970 as the zone's clocks show it) into instants as RFC 5545, 3.3.5 says: a time that
/// does not exist is taken with the offset before the gap, a time that exists twice is the first.
///
/// The stretch of local time around the last answer in which the offset does not change is remembered: there, an answer
/// costs two comparisons and a subtraction, and the zone is not asked.
#[derive(Debug, Clone)]
pub struct Resolver<Z> {
    zone: Z,
    /// Local times from `low` up to but without `high` are met once, `offset` seconds ahead of UTC.
    low: i64,
    high: i64,
    offset: i64,
}

/// A span with its start; neighbours have different offsets.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    start: i64,
    until: i64,
    offset: i64,
}

impl Stretch {
    /// The local time that ends it.
    fn local_end(&self) -> i64 {
        self.until.saturating_add(self.offset)
    }
}

impl<Z: Zone> Resolver<Z> {
    pub const fn new(zone: Z) -> Self {
        Self { zone, low: 0, high: 0, offset: 0 }
    }

    pub const fn zone(&self) -> &Z {
        &self.zone
    }

    /// What the zone's clocks show at an instant, in local seconds since 1970.
    pub fn to_local(&self, instant: i64) -> i64 {
        instant.saturating_add(i64::from(self.zone.span(instant).offset))
    }

    /// The instant of a local time, if that is in the remembered stretch.
    #[inline]
    pub fn exact(&self, local: i64) -> Option<i64> {
        (self.low <= local && local < self.high).then(|| local - self.offset)
    }

    /// The instant of any local time.
    pub fn resolve(&mut self, local: i64) -> Resolved {
        if let Some(instant) = self.exact(local) {
            return Resolved { instant, in_gap: false };
        }
        let stretches = self.stretches(local.saturating_sub(REACH), local.saturating_add(REACH));
        // What ends before the first stretch does so at the latest there.
        let mut passed = stretches[0].start.saturating_add(MAX_OFFSET);
        for (index, stretch) in stretches.iter().enumerate() {
            let instant = local - stretch.offset;
            if stretch.start <= instant && instant < stretch.until {
                self.low = passed.max(stretch.start.saturating_add(stretch.offset));
                self.high = stretch.local_end();
                self.offset = stretch.offset;
                return Resolved { instant, in_gap: false };
            }
            let gap_ends = stretches.get(index + 1).map(|next| next.start.saturating_add(next.offset));
            if stretch.local_end() <= local && gap_ends.is_some_and(|end| local < end) {
                // Unless a later stretch has it after all (a second change soon after this one).
                let later = stretches[index + 1..].iter().map(|later| (later, local - later.offset));
                let exists =
                    later.filter(|(later, at)| later.start <= *at && *at < later.until).map(|(_, at)| at).next();
                return Resolved { instant: exists.unwrap_or(instant), in_gap: exists.is_none() };
            }
            passed = passed.max(stretch.local_end());
        }
        // Reached only at the ends of time: the stretches cover every instant that any other local time could be.
        Resolved { instant: local.saturating_sub(i64::from(self.zone.span(local).offset)), in_gap: false }
    }

    /// A local time such that every local time that resolves to `instant` or later is not before it.
    pub fn earliest_local(&self, instant: i64) -> i64 {
        let near = self.stretches(instant - REACH, instant + REACH);
        let index = near.partition_point(|stretch| stretch.until <= instant).min(near.len() - 1);
        let offset = near[index].offset;
        match index.checked_sub(1).map(|before| near[before].offset) {
            // More than one change within reach: rare enough to be careful.
            _ if near.len() > 2 => instant + near.iter().map(|stretch| stretch.offset).min().unwrap_or(offset),
            // As long as the gap was, times in it are shifted to here.
            Some(before) if instant < near[index].start + (offset - before) => instant + before,
            _ => instant + offset,
        }
    }

    /// A local time such that every local time that resolves to `instant` or earlier is not after it.
    pub fn latest_local(&self, instant: i64) -> i64 {
        let near = self.stretches(instant - REACH, instant);
        near.iter().map(|stretch| instant.min(stretch.until - 1) + stretch.offset).max().unwrap_or(instant)
    }

    /// The stretches that cover `from` to `to`; at least one.
    fn stretches(&self, from: i64, to: i64) -> Vec<Stretch> {
        let mut stretches: Vec<Stretch> = Vec::with_capacity(4);
        let mut start = from;
        loop {
            let Span { offset, until } = self.zone.span(start);
            // A zone that does not go forward must not keep us here.
            let until = until.max(start.saturating_add(1));
            let offset = i64::from(offset);
            match stretches.last_mut() {
                Some(last) if last.offset == offset => last.until = until,
                _ => stretches.push(Stretch { start, until, offset }),
            }
            if until > to || until == i64::MAX {
                return stretches;
            }
            start = until;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Offsets from given instants on; the first also before it.
    struct Changes(Vec<(i64, i32)>);

    impl Zone for Changes {
        fn span(&self, utc: i64) -> Span {
            let index = self.0.partition_point(|(from, _)| *from <= utc).max(1) - 1;
            Span { offset: self.0[index].1, until: self.0.get(index + 1).map_or(i64::MAX, |next| next.0) }
        }
    }

    fn resolve(changes: &[(i64, i32)], local: i64) -> (i64, bool) {
        let mut resolver = Resolver::new(Changes(changes.to_vec()));
        let resolved = resolver.resolve(local);
        assert_eq!(resolver.resolve(local), resolved, "the remembered stretch gives another answer");
        (resolved.instant, resolved.in_gap)
    }

    const YEAR: i64 = 31_536_000;

    #[test]
    fn a_time_in_a_gap_takes_the_offset_before_it() {
        let spring = [(-YEAR, 3600), (0, 7200)];
        assert_eq!(resolve(&spring, 3599), (-1, false));
        assert_eq!(resolve(&spring, 3600), (0, true));
        assert_eq!(resolve(&spring, 5400), (1800, true));
        assert_eq!(resolve(&spring, 7199), (3599, true));
        assert_eq!(resolve(&spring, 7200), (0, false));
    }

    #[test]
    fn a_time_that_exists_twice_is_the_first() {
        let autumn = [(-YEAR, 7200), (0, 3600)];
        assert_eq!(resolve(&autumn, 3600), (-3600, false));
        assert_eq!(resolve(&autumn, 7199), (-1, false));
        assert_eq!(resolve(&autumn, 7200), (3600, false));
    }

    #[test]
    fn a_day_that_never_was_moves_to_the_next() {
        // Pacific/Apia went from -10 to +14 hours and left out 2011-12-30.
        let apia = [(-YEAR, -36_000), (0, 50_400)];
        assert_eq!(resolve(&apia, 0), (36_000, true));
        assert_eq!(resolve(&apia, 50_400), (0, false));
    }

    #[test]
    fn two_changes_in_a_day_are_both_seen() {
        let both = [(-YEAR, 0), (0, 3600), (7200, 0)];
        assert_eq!(resolve(&both, 1800), (1800, true));
        assert_eq!(resolve(&both, 3600), (0, false));
        assert_eq!(resolve(&both, 9000), (5400, false));
        assert_eq!(resolve(&both, 10_800), (10_800, false));
        // Forth and back within the hour that was left out: its end exists after all.
        let quick = [(-YEAR, 0), (0, 3600), (1800, 0)];
        assert_eq!(resolve(&quick, 1799), (1799, true));
        assert_eq!(resolve(&quick, 1801), (1801, false));
    }

    #[test]
    fn windows_of_local_time_hold_every_time_that_resolves_into_them() {
        let zones: [&[(i64, i32)]; 4] = [
            &[(-YEAR, 3600), (0, 7200)],
            &[(-YEAR, 7200), (0, 3600)],
            &[(-YEAR, -36_000), (0, 50_400)],
            &[(-YEAR, 0), (0, 3600), (1800, 0), (9000, -3600)],
        ];
        for changes in zones {
            let bounds = Resolver::new(Changes(changes.to_vec()));
            let mut resolver = Resolver::new(Changes(changes.to_vec()));
            for local in (-200_000..200_000).step_by(450) {
                let instant = resolver.resolve(local).instant;
                for edge in [instant - 900, instant, instant + 900] {
                    assert!(edge > instant || local >= bounds.earliest_local(edge), "{changes:?} {local} {edge}");
                    assert!(edge < instant || local <= bounds.latest_local(edge), "{changes:?} {local} {edge}");
                }
            }
        }
    }
}
