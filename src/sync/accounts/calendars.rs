//! What an account can see.

use uuid::Uuid;

use crate::errors::SqlResult;
use crate::providers::account::FoundCalendar;
use crate::sync::tokens::session::{About, ask};

/// The calendars of an account, or of the mailbox that it may see.
pub fn calendars(account_id: Uuid, mailbox: Option<&str>) -> SqlResult<Vec<FoundCalendar>> {
    let about = About { mailbox: mailbox.map(str::to_owned), ..About::default() };
    ask(account_id, &about, |provider, ask| provider.calendars(ask))
}

/// The account's name at the provider, as that says now.
pub fn login(account_id: Uuid) -> SqlResult<Option<String>> {
    ask(account_id, &About::default(), |provider, ask| provider.login(ask))
}
