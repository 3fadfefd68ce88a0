//! Occurrences whose rows somebody has deleted: their series leaves them out from now on.

use std::collections::{HashMap, HashSet};

use calendar_sync_core::content;
use calendar_sync_core::event::{Body, Series};
use chrono::{DateTime, Utc};
use pgrx::check_for_interrupts;
use uuid::Uuid;

use crate::errors::SqlResult;
use crate::store::exclusions::{self, Excluded};
use crate::store::{Installation, series};
use crate::sync::given::{given, has_any};

/// Series that are looked up and written at once.
const AT_ONCE: usize = 500;

/// Takes occurrences, by series and original start, out of those series that are ours to change. One that has no other
/// is deleted.
pub fn exclude(
    installation: &Installation,
    occurrences: Vec<(Uuid, DateTime<Utc>)>,
    now: DateTime<Utc>,
) -> SqlResult<()> {
    let mut dates: HashMap<Uuid, Vec<DateTime<Utc>>> = HashMap::new();
    occurrences.into_iter().for_each(|(series_id, date)| dates.entry(series_id).or_default().push(date));
    let mut all: Vec<Uuid> = dates.keys().copied().collect();
    all.sort_unstable();
    for ids in all.chunks(AT_ONCE) {
        check_for_interrupts!();
        exclude_some(installation, ids, &dates, now)?;
    }
    Ok(())
}

fn exclude_some(
    installation: &Installation,
    ids: &[Uuid],
    dates: &HashMap<Uuid, Vec<DateTime<Utc>>>,
    now: DateTime<Utc>,
) -> SqlResult<()> {
    let mut waiting: HashSet<Uuid> = exclusions::ours(installation, ids)?.into_iter().collect();
    let ours: Vec<Uuid> = ids.iter().copied().filter(|id| waiting.contains(id)).collect();
    let (mut changed, mut over) = (Vec::new(), Vec::new());
    // Somebody who has locked a series may be waiting for the rows that were deleted here.
    for stored in series::lock_free(installation, &ours)? {
        waiting.remove(&stored.series_id);
        let Some(series) = without(stored.series, &dates[&stored.series_id]) else { continue };
        if !has_any(&series) {
            over.push(stored.series_id);
            continue;
        }
        let body = Body::Series(Box::new(series));
        let hash = content::of_body(&body);
        let Body::Series(series) = body else { continue };
        changed.push(Excluded { series_id: stored.series_id, series: *series, hash });
    }
    exclusions::exclude(installation, &changed, now)?;
    series::delete(installation, &over, now)?;
    let stand_for: Vec<(Uuid, DateTime<Utc>)> =
        waiting.into_iter().flat_map(|id| dates[&id].iter().map(move |date| (id, *date))).collect();
    exclusions::stand_for(installation, &stand_for, now)
}

/// `None` where it does not have any of them.
fn without(mut series: Series, dates: &[DateTime<Utc>]) -> Option<Series> {
    let given = given(&series, dates);
    let gone: HashSet<&DateTime<Utc>> = dates.iter().collect();
    let before = series.overrides.len();
    series.overrides.retain(|one| one.this_and_future || !gone.contains(&one.recurrence_id));
    let mut excluded: Vec<DateTime<Utc>> = given.into_iter().collect();
    if excluded.is_empty() && series.overrides.len() == before {
        return None;
    }
    excluded.sort_unstable();
    series.exdates.extend(excluded);
    Some(series)
}
