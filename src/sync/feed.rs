//! Published feeds: calendars that whoever knows their token can read. It has 256 random bits, and only its hash is kept.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use calendar_sync_core::filter::{Filter, FilterError};
use calendar_sync_core::zones::Zones;
use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use pgrx::PgSqlErrorCode;
use pgrx::pg_sys::panic::ErrorReport;
use serde_json::Value;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::agenda::Range;
use super::export::{Publication, export};
use crate::errors::{SqlResult, error, invalid_argument};
use crate::secrets;
use crate::store::feeds::{self, Feed, NewFeed, TokenHash};
use crate::store::{Installation, installation_row};

/// How often readers are told to ask again.
const REFRESH: TimeDelta = TimeDelta::hours(1);

/// Random bytes of a token.
const TOKEN_BYTES: usize = 32;
/// Its letters: base64 without padding.
const TOKEN_LENGTH: usize = (TOKEN_BYTES * 8).div_ceil(6);

/// Publishes a user's calendar; returns the feed's id and its token, which is kept nowhere.
///
/// # Errors
/// 22023 for a filter that is not of its form; 23505 where the user has a feed of that name.
pub fn create(
    installation: &Installation,
    user_id: &str,
    name: &str,
    details: bool,
    filter: &Value,
) -> SqlResult<(Uuid, String)> {
    Filter::parse(filter).map_err(bad_filter)?;
    // So that UIDs can be hidden whatever transaction reads it.
    installation_row::ensure(installation)?;
    let (token, token_hash) = new_token()?;
    let feed = NewFeed { user_id, name, token_hash, details, filter };
    match feeds::add(installation, &feed)? {
        Some(feed_id) => Ok((feed_id, token)),
        None => Err(name_is_taken(feeds::by_name(installation, user_id, name)?, name)),
    }
}

/// The feed and its calendar under that token. The same data give the same bytes from midnight to midnight UTC.
///
/// # Errors
/// 42704 for a token that opens nothing, whatever the reason. 55000 for a feed of times alone amid a restore.
pub fn read(
    installation: &Installation,
    zones: &dyn Zones,
    token: Option<&str>,
    now: DateTime<Utc>,
) -> SqlResult<(Feed, String)> {
    let token = token.filter(|token| token.len() == TOKEN_LENGTH).ok_or_else(no_such_feed)?;
    let feed = feeds::open(installation, hash(token))?.ok_or_else(no_such_feed)?;
    let filter = Filter::parse(&feed.filter).map_err(bad_filter)?;
    let today = now.with_time(NaiveTime::MIN).single().unwrap_or(now);
    let days = |count: i32| TimeDelta::days(count.into());
    let range = Range { from: today - days(feed.days_back), to: today + days(feed.days_ahead) + days(1) };
    let file = export(
        installation,
        zones,
        &Publication {
            user_id: &feed.user_id,
            range,
            details: feed.details,
            filter: &filter,
            name: Some(&feed.name),
            refresh: Some(REFRESH),
        },
    )?;
    Ok((feed, file))
}

/// Gives a feed a new token; returns it.
pub fn rotate(installation: &Installation, feed_id: Uuid) -> SqlResult<String> {
    let (token, token_hash) = new_token()?;
    feeds::rotate(installation, feed_id, token_hash)?;
    Ok(token)
}

fn new_token() -> SqlResult<(String, TokenHash)> {
    let token = URL_SAFE_NO_PAD.encode(secrets::random::<TOKEN_BYTES>()?);
    let token_hash = hash(&token);
    Ok((token, token_hash))
}

fn hash(token: &str) -> TokenHash {
    Sha256::digest(token.as_bytes()).into()
}

fn no_such_feed() -> ErrorReport {
    error(PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT, "there is no feed under this token")
        .set_detail("Its token may have been replaced, or the feed switched off.")
        .set_hint("Ask whoever gave you the link for the present one.")
}

fn name_is_taken(feed_id: Option<Uuid>, name: &str) -> ErrorReport {
    let taken =
        error(PgSqlErrorCode::ERRCODE_UNIQUE_VIOLATION, format!("the user has a feed named \"{name}\" already"))
            .set_hint("Give another name, or give that feed a new token: calendar_feed_rotate(feed_id).");
    match feed_id {
        Some(feed_id) => taken.set_detail(format!("Its feed_id is {feed_id}.")),
        None => taken,
    }
}

/// An error for the caller, with its hint.
pub fn bad_filter(bad: FilterError) -> ErrorReport {
    invalid_argument(bad.to_string()).set_hint(bad.hint)
}
