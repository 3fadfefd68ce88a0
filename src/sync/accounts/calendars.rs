//! What an account can see.

use pgrx::check_for_interrupts;
use uuid::Uuid;

use crate::errors::SqlResult;
use crate::providers::account::FoundCalendar;
use crate::sync::tokens::session::{About, ask};

/// The calendars of an account, or of the mailbox that it may see.
pub fn calendars(account_id: Uuid, mailbox: Option<&str>) -> SqlResult<Vec<FoundCalendar>> {
    let about = About { mailbox: mailbox.map(str::to_owned), ..About::default() };
    let found = ask(account_id, &about, |provider, ask| provider.calendars(ask))?;
    check_for_interrupts!();
    Ok(found)
}
