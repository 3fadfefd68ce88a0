//! Secrets on their way into tables, and under a new key.

use std::time::Duration;

use pgrx::PgSqlErrorCode;
use pgrx::pg_sys::panic::{ErrorReport, ErrorReportable};

use super::wait::patiently;
use crate::errors::{SqlResult, error};
use crate::secrets::{self, Place, Rotation};
use crate::store::sealed::{self, COLUMNS, Secret};
use crate::store::{Installation, guarded};

/// How long others who work on a secret's row are waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long what is free of them is held meanwhile: a transaction that stores several secrets, or pulls several calendars,
/// may wait for one of these, and holds others until it had it.
const HOLD: Duration = Duration::from_millis(500);
/// So many secrets that do not open are named.
const NAMED: usize = 10;

/// Seals a secret that this transaction will store.
///
/// # Errors
/// Those of [`secrets::seal`].
pub fn seal(installation: &Installation, place: Place, secret: &str) -> SqlResult<Vec<u8>> {
    sealed::begin_to_store(installation)?;
    secrets::seal(place, secret)
}

/// Seals every stored secret anew with the newest key; returns how many they are. All or none: a key may be taken from
/// the file once nothing is sealed with it.
///
/// # Errors
/// 55000 where the key file is unusable or some secrets do not open, with their rows; 55P03 (lock_not_available) where
/// others keep rows locked for long.
pub fn rotate(installation: &Installation) -> SqlResult<u64> {
    let rows = patiently(PATIENCE, || lock_all(installation))?.ok_or_else(busy)?;
    // Read only now: whoever stored a secret before may have done so with a newer key than an earlier look had shown.
    let keys = Rotation::begin()?;
    let mut count = 0;
    let mut lost = Vec::new();
    for (column, rows) in COLUMNS.into_iter().zip(rows) {
        for (row, sealed) in rows {
            match keys.seal_anew(column.place(row), &sealed) {
                Ok(anew) => column.replace(installation, row, &anew)?,
                Err(why) => lost.push(format!("{}: {why}", column.describe(row))),
            }
            count += 1;
        }
    }
    if lost.is_empty() { Ok(count) } else { Err(unopened(&lost)) }
}

/// All stored secrets, by column, and until the end of this transaction nobody else stores one. `None`, with nothing locked,
/// where others are at work on some of them for longer than [`HOLD`].
fn lock_all(installation: &Installation) -> SqlResult<Option<Vec<Vec<Secret>>>> {
    let free = || Ok(sealed::try_to_rotate(installation)?.then_some(()));
    let lock = |column: &sealed::Column| patiently(HOLD, || column.lock(installation))?.ok_or_else(busy);
    let attempt = || {
        patiently(HOLD, free)?.ok_or_else(busy)?;
        COLUMNS.into_iter().map(lock).collect::<SqlResult<Vec<_>>>()
    };
    match guarded(|| attempt().unwrap_or_report()) {
        Ok(secrets) => Ok(Some(secrets)),
        Err(failure) if failure.is_locked() => Ok(None),
        Err(failure) => Err(failure.into_error()),
    }
}

fn busy() -> ErrorReport {
    error(
        PgSqlErrorCode::ERRCODE_LOCK_NOT_AVAILABLE,
        "nothing was encrypted anew: another transaction is at work on a calendar and does not come to its end",
    )
    .set_hint("Call calendar_rotate_key() again. pg_stat_activity shows transactions that are open for long.")
}

fn unopened(lost: &[String]) -> ErrorReport {
    let mut detail = lost.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join("; ");
    if lost.len() > NAMED {
        detail.push_str("; and more");
    }
    error(
        PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        format!("nothing was encrypted anew: {} of the stored secrets cannot be opened", lost.len()),
    )
    .set_detail(format!("{detail}."))
    .set_hint(
        "Add the key that they were sealed with as a further line of calendar_sync.encryption_key_file, or subscribe to \
         these calendars again or unsubscribe from them, then call calendar_rotate_key() again.",
    )
}
