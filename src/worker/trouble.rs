//! What goes wrong again and again is said once.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::process;
use crate::store;

/// Time after which the same is said again.
const AGAIN: Duration = Duration::from_secs(3600);
/// Different messages that are remembered.
const MOST: usize = 100;

thread_local! {
    static SAID: RefCell<HashMap<String, Instant>> = RefCell::default();
}

/// Writes a warning to the server's log, unless it said the same within the hour.
pub fn log(message: &str) {
    let is_new = SAID.with_borrow_mut(|said| {
        if said.len() >= MOST {
            said.retain(|_, at| at.elapsed() < AGAIN);
        }
        let known = said.get(message).is_some_and(|at| at.elapsed() < AGAIN);
        if !known && said.len() < MOST {
            said.insert(message.to_owned(), Instant::now());
        }
        !known
    });
    if is_new {
        pgrx::warning!("calendar_sync worker: {message}");
    }
}

/// With what is most likely behind it, where library and extension are of different versions.
pub fn explained(message: &str) -> String {
    let library = env!("CARGO_PKG_VERSION");
    match process::transaction(store::installed_version) {
        Ok(Some(extension)) if extension != library => format!(
            "{message} (the extension is of version {extension}, the server's library of {library}: \
             ALTER EXTENSION calendar_sync UPDATE, or restart the server)"
        ),
        _ => message.to_owned(),
    }
}
