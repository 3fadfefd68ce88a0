//! EXDATEs that are dates in a series of times: not what RFC 5545, 3.8.5.1 asks for, but seen, and what is meant is that
//! nothing of the series takes place on that day.

use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeDelta, Utc};

use crate::event::Series;
use crate::recurrence::{Instances, Rule, Window};
use crate::zones::Zones;

/// Days that are looked up of one series. Beyond, a day excludes what it has at the time of day of DTSTART.
const MAX_DAYS: usize = 10_000;

/// The occurrences of `series` on those days of its clock, which `instant` turns into instants; at most so many.
pub(super) fn occurrences_on(
    days: &[NaiveDate],
    series: &Series,
    zones: &dyn Zones,
    instant: impl Fn(NaiveDateTime) -> DateTime<Utc>,
    at_most: usize,
) -> Vec<DateTime<Utc>> {
    // What has taken place before needs no counting: to exclude what would not take place does no harm.
    let endless = |rule: &String| Rule::parse(rule).map(|rule| Rule { count: None, ..rule }.to_string());
    let rrules = series.rrules.iter().filter_map(|rule| endless(rule).ok()).collect();
    let mut rdates = series.rdates.clone();
    rdates.sort_unstable();
    // Without lengths: else what goes on for centuries would be asked for on each of these days.
    let mut template = series.template.clone();
    template.timing.end = None;
    let series = Series {
        template,
        local_start: series.local_start,
        duration: None,
        rrules,
        exrules: series.exrules.clone(),
        rdates: vec![],
        rdate_ends: vec![],
        exdates: vec![],
        overrides: vec![],
    };
    let mut found = vec![];
    for day in days.iter().take(MAX_DAYS) {
        let midnight = day.and_time(Default::default());
        let Some(next) = midnight.checked_add_signed(TimeDelta::days(1)) else { continue };
        let (from, to) = (instant(midnight), instant(next));
        let window = Window { from: from.timestamp(), to: to.timestamp() - 1 };
        let Ok(instances) = Instances::new(&series, zones, window) else { continue };
        let room = at_most.saturating_sub(found.len());
        let starts = instances.map_while(Result::ok).map(|instance| instance.recurrence_id);
        let listed = rdates[rdates.partition_point(|date| *date < from)..].iter().take_while(|date| **date < to);
        found.extend(starts.filter(|start| (from..to).contains(start)).chain(listed.copied()).take(room));
    }
    found
}
