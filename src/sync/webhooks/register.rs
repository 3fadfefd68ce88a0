//! Channels asked for by hand, in a session.

use chrono::Utc;
use pgrx::PgSqlErrorCode;
use pgrx::pg_sys::panic::ErrorReport;
use uuid::Uuid;

use super::errand::{Errand, Outcome, watched};
use super::receive::secret_of;
use super::{integrations, keep};
use crate::errors::{SqlResult, error, internal, invalid_argument};
use crate::http::Address;
use crate::providers::account::{AccountProvider, Ask};
use crate::providers::api::ApiError;
use crate::settings;
use crate::store::channels::{self, Calendar, Due, Subject};
use crate::store::installation_row::{self, Standing};
use crate::store::{self, Installation, webhooks};
use crate::sync::tokens::session::{self, About};

/// Longest address, in bytes; Graph takes no longer one.
const LONGEST_ADDRESS: usize = 2000;

/// Has the provider notify us of changes of that connection's calendar; returns the channel's id. What there was before
/// is taken from until the worker has ended it.
///
/// # Errors
/// 22023 for an address that no provider calls, 0A000 for a calendar that nobody notifies us of, 55000 in a restored copy;
/// those of [`session::ask`].
pub fn register(connection_id: Uuid, notification_url: &str) -> SqlResult<Uuid> {
    let (subject, before) = store::as_owner(|installation| {
        let subject = subject(installation, connection_id, notification_url)?;
        Ok((subject, channels::registrations(installation, connection_id)?))
    })?;
    if subject.provider == "notion" {
        return store::as_owner(|installation| await_notion(installation, &subject, notification_url));
    }
    let channel = Due::new(&subject, notification_url);
    let errand = Errand::new(&channel)?;
    let outcome = ask(&subject.calendar, move |provider, ask| match errand.clone().run(provider, ask) {
        // Some take one channel of a calendar and no more.
        Err(error) if error.status() == Some(409) && !before.is_empty() => {
            before.iter().try_for_each(|old| provider.unwatch(ask, &watched(old)))?;
            errand.clone().run(provider, ask)
        }
        outcome => outcome,
    })?;
    match outcome {
        Outcome::Open(registration, secret) => store::as_owner(|installation| {
            channels::add(installation, channel.webhook_id, connection_id, &subject.provider, notification_url)?;
            keep::open(installation, &channel, &registration, &secret, Utc::now())?;
            channels::replace_others(installation, channel.webhook_id)?;
            Ok(channel.webhook_id)
        }),
        _ => Err(error(
            PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
            "the provider notifies nobody of changes of this calendar",
        )
        .set_hint("It is polled; poll_interval says how often.")),
    }
}

/// Ends a channel, here and at the provider. Where that can't be reached, the worker tries again; nothing is taken from
/// the channel meanwhile.
///
/// # Errors
/// 55000 in a restored copy.
pub fn stop(webhook_id: Uuid) -> SqlResult<()> {
    let channel = store::as_owner(|installation| {
        must_stand_here(installation)?;
        channels::one(installation, webhook_id)
    })?;
    let Some(channel) = channel else { return Ok(()) };
    let ended = match &channel.registration {
        Some(registration) if channel.client_state.is_some() => {
            let old = watched(registration);
            ask(&channel.calendar, move |provider, ask| provider.unwatch(ask, &old))
        }
        _ => Ok(()),
    };
    store::as_owner(|installation| match ended {
        Ok(()) => channels::given_up(installation, webhook_id, None),
        Err(report) => channels::stop(installation, webhook_id, report.message()),
    })
}

fn ask<T: Send + 'static>(
    calendar: &Calendar,
    request: impl Fn(&dyn AccountProvider, &Ask) -> Result<T, ApiError> + Clone + Send + 'static,
) -> SqlResult<T> {
    let account = calendar.account_id.ok_or_else(|| internal("the calendar has no account"))?;
    let about = About {
        calendar: calendar.external_id.clone(),
        mailbox: calendar.mailbox.clone(),
        options: calendar.options.clone(),
    };
    session::ask(account, &about, request)
}

/// Whose channel it will be, and that there can be one.
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
    must_stand_here(installation)?;
    Ok(subject)
}

/// A copy's channels are the original's.
fn must_stand_here(installation: &Installation) -> SqlResult<()> {
    match installation_row::standing(installation)? {
        Standing::Here => Ok(()),
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
