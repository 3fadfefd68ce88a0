//! What plain SQL changes in `calendar_events`: collected row by row, queued when the statement ends.
//!
//! That a change can't be queued is no reason for somebody's statement to fail: it is said in a warning and in the log, and
//! the change goes out with the next that is made, or with the daily comparison.

mod collected;
pub mod comparison;
mod exclusions;
mod trigger;

use chrono::Utc;
use pgrx::pg_sys::panic::ErrorReportable;
use pgrx::warning;

use crate::errors::SqlResult;
use crate::store::links::ItemId;
use crate::store::{Installation, as_owner, guarded, queue, senders, series};

use collected::Collected;

/// Changes that are queued at once; a statement of more has several turns.
const MOST: usize = 20_000;
const NOT_QUEUED: &str = "changes of calendar_events were not queued for other calendars";

/// A row was changed.
fn add(collect: impl FnOnce(&mut Collected)) {
    if collected::add(collect) >= MOST {
        flush();
    }
}

/// Takes deleted occurrences out of their series, and queues what was collected.
fn flush() {
    let Collected { items, deleted } = collected::take();
    if !deleted.is_empty() {
        let series: Vec<ItemId> = deleted.iter().map(|(series_id, _)| ItemId::Series(*series_id)).collect();
        let what = "deleted occurrences were not taken out of their series";
        attempt(&series, what, |installation| exclusions::exclude(installation, deleted, Utc::now()));
    }
    if !items.is_empty() {
        let items: Vec<ItemId> = items.into_iter().collect();
        attempt(&items, NOT_QUEUED, |installation| queue::changed(installation, &items, None));
    }
}

/// The table is about to be emptied: all that is linked or queued is deleted, and so are the series whose occurrences go.
fn about_to_be_emptied() {
    let known = attempt(&[], NOT_QUEUED, |installation| {
        if senders::are_there(installation)? { queue::known_events(installation, None) } else { Ok(Vec::new()) }
    });
    let series = attempt(&[], "series were not deleted with their occurrences", |installation| {
        let all = series::all(installation)?;
        series::delete(installation, &all, Utc::now())?;
        Ok(all)
    });
    let series = series.into_iter().flatten().map(ItemId::Series);
    collected::add(|collected| collected.items.extend(known.into_iter().flatten().chain(series)));
}

/// What comes of `work`; `None` where it fails: `what` says what that means.
fn attempt<T>(items: &[ItemId], what: &str, work: impl FnOnce(&Installation) -> SqlResult<T>) -> Option<T> {
    let failure = match guarded(|| as_owner(work).unwrap_or_report()) {
        Ok(result) => return Some(result),
        Err(failure) => failure,
    };
    warning!("calendar_sync: {what}: {}", failure.message);
    let noted = guarded(|| {
        as_owner(|installation| queue::note_failure(installation, items, &failure)).unwrap_or_report();
    });
    if let Err(failure) = noted {
        warning!("calendar_sync: nor could that be written to its log: {}", failure.message);
    }
    None
}
