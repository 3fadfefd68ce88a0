//! What plain SQL changes in `calendar_events`: collected row by row, queued when the statement ends.
//!
//! That a change can't be queued is no reason for somebody's statement to fail: it is said in a warning and in the log, and
//! the change goes out with the next that is made, or with the daily comparison.

mod collected;
pub mod comparison;
mod trigger;

use pgrx::pg_sys::panic::ErrorReportable;
use pgrx::warning;

use crate::errors::SqlResult;
use crate::store::links::ItemId;
use crate::store::{Installation, as_owner, guarded, queue, senders};

/// Changes that are queued at once; a statement of more has several turns.
const MOST: usize = 20_000;

/// A row was changed.
fn add(items: impl Iterator<Item = ItemId>) {
    if collected::add(items) >= MOST {
        flush();
    }
}

/// Queues what was collected.
fn flush() {
    let items = collected::take();
    if !items.is_empty() {
        attempt(&items, |installation| queue::changed(installation, &items, None));
    }
}

/// The table is about to be emptied: all that is linked or queued is deleted.
fn about_to_be_emptied() {
    let known = attempt(&[], |installation| {
        if senders::are_there(installation)? { queue::known_events(installation, None) } else { Ok(Vec::new()) }
    });
    collected::add(known.unwrap_or_default().into_iter());
}

/// What comes of `work`; `None` where it fails.
fn attempt<T>(items: &[ItemId], work: impl FnOnce(&Installation) -> SqlResult<T>) -> Option<T> {
    let failure = match guarded(|| as_owner(work).unwrap_or_report()) {
        Ok(result) => return Some(result),
        Err(failure) => failure,
    };
    warning!("calendar_sync: changes of calendar_events were not queued for other calendars: {}", failure.message);
    let noted = guarded(|| {
        as_owner(|installation| queue::note_failure(installation, items, &failure)).unwrap_or_report();
    });
    if let Err(failure) = noted {
        warning!("calendar_sync: nor could that be written to its log: {}", failure.message);
    }
    None
}
