//! Channels kept alive: what came of an errand is noted, and says when the next one is due.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::errand::Outcome;
use super::receive::opened;
use crate::errors::SqlResult;
use crate::providers::api::ApiError;
use crate::store::channels::{self, Due, Registration};
use crate::store::sealed::CLIENT_STATE;
use crate::store::{self, Installation, notices, registrations};
use crate::sync::{keys, schedule};

/// A channel is renewed so long before it expires.
const AHEAD: TimeDelta = TimeDelta::days(1);
/// How long an old channel is taken from beside the new one.
const OVERLAP: Duration = Duration::from_secs(60);
/// A channel that can't be ended expires by itself one day.
const TRIES_TO_END: u32 = 5;
/// Polls in a row that find what no notification has announced.
const SILENT_POLLS: i32 = 3;

const NOT_NOTIFIED: &str = "the provider notifies nobody of changes of this calendar; it is polled";

/// Notes what came of what was due for a channel; `random` is in 0..1.
pub fn finish(
    installation: &Installation,
    channel: &Due,
    result: &Result<Outcome, ApiError>,
    now: DateTime<Utc>,
    random: f64,
) -> SqlResult<()> {
    let id = channel.webhook_id;
    match result {
        Ok(Outcome::Open(registration, secret)) => open(installation, channel, registration, secret, now),
        Ok(Outcome::Longer(registration)) => {
            registrations::extended(installation, id, registration.expires, renew_at(registration, now))
        }
        Ok(Outcome::Impossible) => channels::given_up(installation, id, Some(NOT_NOTIFIED)),
        Ok(Outcome::Ended) => registrations::ended(installation, id, None),
        Err(error) => failed(installation, channel, &error.to_string(), error.retry_after(), random),
    }
}

/// Notes that it could not be done; one that was to be ended is left to expire in the end. `random` is in 0..1.
pub fn failed(
    installation: &Installation,
    channel: &Due,
    error: &str,
    retry_after: Option<Duration>,
    random: f64,
) -> SqlResult<()> {
    if channel.is_to_end && channel.failures + 1 >= TRIES_TO_END {
        return registrations::ended(installation, channel.webhook_id, Some(error));
    }
    let pause = schedule::after_failure(channel.failures + 1, retry_after, random);
    registrations::failed(installation, channel.webhook_id, error, pause)
}

/// The channel is what was registered now; what it was before is taken from a little longer. Nobody was notified of what
/// changed between the last pull and this moment, so it is pulled.
pub fn open(
    installation: &Installation,
    channel: &Due,
    registration: &Registration,
    secret: &str,
    now: DateTime<Utc>,
) -> SqlResult<()> {
    let sealed = keys::seal(installation, CLIENT_STATE.place(channel.webhook_id), secret)?;
    let is_wanted = registrations::registered(
        installation,
        channel.webhook_id,
        registration,
        &sealed,
        renew_at(registration, now),
    )?;
    if !is_wanted {
        return pass(installation, channel, registration, secret, Duration::ZERO);
    }
    if let (Some(old), Some(sealed)) = (&channel.registration, &channel.client_state)
        && let Some(secret) = opened(channel.webhook_id, sealed)
    {
        pass(installation, channel, old, &secret, OVERLAP)?;
    }
    notices::announce(installation, &[channel.connection_id])
}

fn pass(
    installation: &Installation,
    channel: &Due,
    old: &Registration,
    secret: &str,
    overlap: Duration,
) -> SqlResult<()> {
    let id = store::new_id();
    let sealed = keys::seal(installation, CLIENT_STATE.place(id), secret)?;
    registrations::add_passing(installation, id, channel, old, &sealed, overlap)
}

/// A day before it expires; where that is past or near, when half of its time is over.
fn renew_at(registration: &Registration, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let expires = registration.expires?;
    let half = now + (expires - now) / 2;
    Some(half.max(expires - AHEAD).min(expires))
}

/// A pull has found changes that nobody here had sent, and is about to be noted. A channel that says nothing of such
/// changes again and again is lost.
pub fn found_changes(installation: &Installation, connection_id: Uuid) -> SqlResult<()> {
    registrations::found_unannounced(installation, connection_id, SILENT_POLLS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_is_renewed_a_day_before_it_expires_and_a_short_one_at_half_time() {
        let now: DateTime<Utc> = "2030-01-01T00:00:00Z".parse().unwrap();
        let hours = |life: i64| {
            let expires = Some(now + TimeDelta::hours(life));
            let registration =
                Registration { subscription_id: "a".into(), resource_id: None, resource_path: None, expires };
            renew_at(&registration, now).map(|at| (at - now).num_hours())
        };
        assert_eq!([hours(7 * 24), hours(48), hours(24), hours(2)], [Some(6 * 24), Some(24), Some(12), Some(1)]);
    }
}
