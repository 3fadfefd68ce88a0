//! Which occurrences a series gives.

use std::collections::HashSet;

use calendar_sync_core::event::{Override, Series};
use calendar_sync_core::recurrence::{Instances, RecurrenceError, Window, gives_its_start};
use chrono::{DateTime, Utc};

use crate::zones::PgZones;

/// Whether the rules of a series give an occurrence.
pub fn gives(series: &Series, recurrence_id: DateTime<Utc>) -> bool {
    !given(series, &[recurrence_id]).is_empty()
}

/// Those of some occurrences that the rules of a series give; all of them where that can't be found out.
pub fn given(series: &Series, of: &[DateTime<Utc>]) -> HashSet<DateTime<Utc>> {
    let wanted: HashSet<DateTime<Utc>> = of.iter().copied().collect();
    let (Some(first), Some(last)) = (wanted.iter().min(), wanted.iter().max()) else { return wanted };
    let plain = Series { overrides: Vec::new(), ..series.clone() };
    let window = Window { from: first.timestamp(), to: last.timestamp() };
    let find = || -> Result<HashSet<DateTime<Utc>>, RecurrenceError> {
        let ids = Instances::new(&plain, &PgZones, window)?.map(|found| Ok(found?.recurrence_id));
        ids.filter(|id| !id.as_ref().is_ok_and(|id| !wanted.contains(id))).collect()
    };
    find().unwrap_or_else(|_| wanted.clone())
}

/// Changed occurrences that the rules of their series do not give.
pub fn strays(series: &Series) -> Vec<Override> {
    let single = || series.overrides.iter().filter(|one| !one.this_and_future);
    let dates: Vec<DateTime<Utc>> = single().map(|one| one.recurrence_id).collect();
    let given = given(series, &dates);
    single().filter(|one| !given.contains(&one.recurrence_id)).cloned().collect()
}

/// Excluded occurrences that the rules of their series would not give anyway.
pub fn stray_exdates(series: &Series) -> Vec<DateTime<Utc>> {
    let whole = Series { exdates: Vec::new(), ..series.clone() };
    let given = given(&whole, &series.exdates);
    series.exdates.iter().filter(|date| !given.contains(date)).copied().collect()
}

/// Whether two series take place at the same times, as far as their rules say.
pub fn is_same_rule(one: &Series, other: &Series) -> bool {
    let rule = |series: &Series| {
        (series.template.timing.start, series.rrules.clone(), series.exrules.clone(), series.rdates.clone())
    };
    rule(one) == rule(other)
}

/// Whether a series starts when its rule says so. What can't be found out does not fit.
pub fn starts_by_its_rule(series: &Series) -> bool {
    gives_its_start(series, &PgZones).unwrap_or(false)
}

/// Whether a series has any occurrence, whenever that is. A search that is given up does not say no.
pub fn has_any(series: &Series) -> bool {
    Instances::new(series, &PgZones, Window::ALL).map_or(true, |mut instances| instances.next().is_some())
}
