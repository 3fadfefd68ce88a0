//! Channels asked for by hand, in a session.

use pgrx::PgSqlErrorCode;
use pgrx::pg_sys::panic::ErrorReport;
use uuid::Uuid;

use super::integrations;
use super::receive::secret_of;
use crate::errors::{SqlResult, error, invalid_argument};
use crate::http::Address;
use crate::settings;
use crate::store::channels::{self, Subject};
use crate::store::installation_row::{self, Standing};
use crate::store::{self, Installation, webhooks};

/// Longest address, in bytes; Graph takes no longer one.
const LONGEST_ADDRESS: usize = 2000;

/// Has the provider notify us of changes of that connection's calendar; returns the channel's id.
///
/// # Errors
/// 22023 for an address that no provider calls, 0A000 for a calendar that nobody notifies us of, 55000 in a restored copy.
pub fn register(connection_id: Uuid, notification_url: &str) -> SqlResult<Uuid> {
    store::as_owner(|installation| {
        let subject = subject(installation, connection_id, notification_url)?;
        if subject.provider == "notion" {
            return await_notion(installation, &subject, notification_url);
        }
        let id = store::new_id();
        channels::add(installation, id, connection_id, &subject.provider, notification_url)?;
        Ok(id)
    })
}

/// Ends a channel.
pub fn stop(webhook_id: Uuid) -> SqlResult<()> {
    store::as_owner(|installation| channels::given_up(installation, webhook_id, None))
}

/// Whose channel it will be, and that there can be one; as the extension's owner.
fn subject(installation: &Installation, connection_id: Uuid, notification_url: &str) -> SqlResult<Subject> {
    check_address(notification_url)?;
    let refused = |message: String, hint: &str| {
        Err(error(PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED, message).set_hint(hint.to_owned()))
    };
    let subject = channels::subject(installation, connection_id)?.ok_or_else(|| gone(connection_id))?;
    match subject.provider.as_str() {
        "google" | "microsoft" | "notion" if subject.calendar.account_id.is_some() => {}
        provider => {
            return refused(
                format!("calendars of provider {provider} are polled: nobody notifies us of their changes"),
                "Calendars of an account (calendar_connect) can have webhooks.",
            );
        }
    }
    if subject.direction == "push" {
        return refused(
            "this connection only sends: changes there do not concern it".to_owned(),
            "Give it the direction pull or both (calendar_connect) first.",
        );
    }
    if subject.status == "paused" {
        return Err(error(PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, "the connection is paused")
            .set_hint("Continue it first: calendar_continue(connection_id)."));
    }
    match installation_row::standing(installation)? {
        Standing::Here => Ok(subject),
        _ => Err(error(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            "this database is a restored copy: the original's channels stay as they are",
        )
        .set_hint("calendar_resume() makes this copy the real one.")),
    }
}

/// Notion's webhooks are made in its settings: the channel waits for the call that brings the token. Where another
/// connection's channel has one under this address already, the integration is the same, and so is the token.
fn await_notion(installation: &Installation, subject: &Subject, notification_url: &str) -> SqlResult<Uuid> {
    let id = store::new_id();
    let verified = webhooks::verified_at(installation, notification_url)?
        .filter(|channel| channel.connection_id != subject.connection_id);
    channels::add(installation, id, subject.connection_id, &subject.provider, notification_url)?;
    channels::forget_waiting(installation, id)?;
    if let Some(token) = verified.as_ref().and_then(secret_of) {
        integrations::verify(installation, id, &token)?;
        channels::replace_others(installation, id)?;
    }
    Ok(id)
}

/// Providers call https alone. Where private addresses are allowed (development, tests) a loopback one may be http.
fn check_address(text: &str) -> SqlResult<()> {
    let refused = |why: &str| {
        Err(invalid_argument("this notification_url can't be called by a provider")
            .set_detail(format!("{why}."))
            .set_hint("Give the https address of a front end that hands calls to calendar_webhook_receive."))
    };
    let address = match Address::parse(text) {
        _ if text.len() > LONGEST_ADDRESS => return refused("It is too long"),
        Err(_) => return refused("It is not the address of a web server"),
        Ok(address) => address,
    };
    let is_local = matches!(address.host(), "localhost" | "127.0.0.1" | "[::1]");
    if address.authorization().is_some() || text.contains('#') {
        return refused("It holds a login or a fragment");
    }
    if address.is_https() || (is_local && settings::HTTP_ALLOW_PRIVATE.get()) {
        return Ok(());
    }
    refused("It is not https")
}

fn gone(connection_id: Uuid) -> ErrorReport {
    error(PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT, format!("there is no connection {connection_id}"))
        .set_hint("calendar_sync_status(user_id) lists a user's connections.")
}
