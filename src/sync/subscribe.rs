//! Subscribing to a calendar by its URL.

use pgrx::PgSqlErrorCode;
use pgrx::datum::Interval;
use uuid::Uuid;

use super::fetch::http_options;
use super::keys;
use crate::errors::{SqlResult, error, invalid_argument};
use crate::http::Address;
use crate::providers;
use crate::secrets;
use crate::store::sealed::CONNECTION_URL;
use crate::store::subscriptions::{self, Subscription};
use crate::store::{self, Installation, installation_row};

/// Connections that one user may have.
const MAX_CONNECTIONS: i64 = 20_000;
/// Polls more often than this, in microseconds, are taken for a mistake.
const SHORTEST_INTERVAL: i128 = 1_000_000;
const LONGEST_INTERVAL: i128 = 366 * 24 * 3_600 * 1_000_000;

/// Makes, re-points or revives the user's connection to `url`; as the extension's owner.
pub fn subscribe(
    installation: &Installation,
    user_id: &str,
    url: &str,
    provider: &str,
    name: Option<&str>,
    poll_interval: Option<Interval>,
) -> SqlResult<Uuid> {
    check(provider, name, poll_interval.as_ref())?;
    let address = address(url)?;
    installation_row::ensure(installation)?;
    let url_hash = secrets::keyed_hash(&installation_row::salt(installation)?, &address.canonical())?;
    let origin = address.origin();
    let wanted = Subscription { user_id, provider, origin: &origin, url_hash: &url_hash, poll_interval };
    let find = || match name {
        Some(name) => subscriptions::by_name(installation, user_id, name),
        None => subscriptions::by_url(installation, &wanted),
    };
    // What is sealed is what was given: it may carry a user name and a password.
    let seal = |id| keys::seal(installation, CONNECTION_URL.place(id), url.trim());
    if let Some(known) = find()? {
        return repoint(installation, &known, &seal(known.id)?, &wanted);
    }
    check_room(installation, user_id)?;
    let id = store::new_id();
    let sealed = seal(id)?;
    for number in 1.. {
        let own = match name {
            Some(name) => name.to_owned(),
            None if number == 1 => address.host().to_owned(),
            None => format!("{} ({number})", address.host()),
        };
        if subscriptions::add(installation, id, &own, &sealed, &wanted)? {
            break;
        }
        // Somebody else may just have made the one of that name, or with that URL.
        if let Some(known) = find()? {
            return repoint(installation, &known, &seal(known.id)?, &wanted);
        }
    }
    Ok(id)
}

/// # Errors
/// 54000 where the user has as many connections as there can be.
pub fn check_room(installation: &Installation, user_id: &str) -> SqlResult<()> {
    if !subscriptions::has_at_least(installation, user_id, MAX_CONNECTIONS)? {
        return Ok(());
    }
    Err(error(
        PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED,
        format!("a user can have {MAX_CONNECTIONS} connections at most"),
    )
    .set_hint("Unsubscribe from calendars that are no longer needed: calendar_unsubscribe(connection_id)."))
}

fn repoint(
    installation: &Installation,
    known: &subscriptions::Known,
    sealed: &[u8],
    wanted: &Subscription,
) -> SqlResult<Uuid> {
    if known.of_account {
        return Err(error(PgSqlErrorCode::ERRCODE_DUPLICATE_OBJECT, "a calendar of an account has this name")
            .set_hint("Give another name."));
    }
    subscriptions::repoint(installation, known.id, sealed, wanted)?;
    Ok(known.id)
}

fn check(provider: &str, name: Option<&str>, poll_interval: Option<&Interval>) -> SqlResult<()> {
    if name.is_some_and(|name| name.trim().is_empty()) {
        return Err(invalid_argument("name must not be empty")
            .set_hint("Leave it out to have the connection named after the calendar's host."));
    }
    if providers::named(provider).is_none() {
        return Err(error(
            PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
            format!("calendars of provider \"{provider}\" cannot be subscribed to by URL"),
        )
        .set_hint("The provider of a calendar file (.ics) is 'ics', that of a Power Automate flow 'powerautomate'."));
    }
    poll_interval.map_or(Ok(()), check_interval)
}

/// # Errors
/// 22023 for a poll_interval that makes no sense.
pub fn check_interval(poll_interval: &Interval) -> SqlResult<()> {
    if (SHORTEST_INTERVAL..=LONGEST_INTERVAL).contains(&poll_interval.as_micros()) {
        return Ok(());
    }
    Err(invalid_argument("poll_interval must be between a second and a year")
        .set_hint("Leave it out to have the calendar polled every calendar_sync.poll_interval."))
}

fn address(url: &str) -> SqlResult<Address> {
    let address = Address::parse(url).map_err(|why| {
        invalid_argument("this URL cannot be subscribed to")
            .set_detail(format!("{}.", capitalized(&why.to_string())))
            .set_hint("Give the calendar's whole address, such as https://calendar.example.com/team.ics.")
    })?;
    if let Some(why) = http_options().policy.refuses(&address) {
        return Err(invalid_argument(format!("{address} must not be asked"))
            .set_detail(format!("{}.", capitalized(why)))
            .set_hint(
                "An administrator can allow it: calendar_sync.http_allow_private, http_allow_hosts, http_deny_hosts.",
            ));
    }
    Ok(address)
}

/// With a capital letter at its beginning.
pub fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
