//! The database half of a pull: what was fetched is applied, and the connection says how it went.

use std::time::Duration;

use calendar_sync_core::providers::{BadItem, Document};
use chrono::Utc;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::apply::{self, Applied, HeldBack, Source, Terms};
use super::job::TokenId;
use super::{keys, schedule, tokens};
use crate::errors::{KNOWN_ZONES, SqlResult, invalid_argument};
use crate::providers::account;
use crate::providers::api::ApiError;
use crate::providers::{self, Fetched, Pending, PullError, Validators};
use crate::settings;
use crate::store::connections::Connection;
use crate::store::leases;
use crate::store::pulls::{self, Failed, Outcome, PullLog};
use crate::store::sealed::PENDING_LOCATION;
use crate::store::{Installation, runs};
use crate::zones::PgZones;

/// So many bad events are named in the log.
const BAD_IN_LOG: usize = 20;
/// Pulls in a row that give the same deletes make them true.
const POLLS_TO_CONFIRM: i32 = 3;

/// What a pull did: `fetched` events stood in the calendar, good and bad; of the other numbers a series counts as one.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Counts {
    pub fetched: i32,
    pub created: i32,
    pub updated: i32,
    pub deleted: i32,
    pub unchanged: i32,
    /// Items that both sides had changed, and differently.
    pub conflicts: i32,
}

/// Applies a calendar to a connection that is locked (see [`connections::lock`]) and logs it. Returns the counts, and
/// why it is not all right if it is not.
pub fn apply(
    installation: &Installation,
    connection: &Connection,
    fetched: Fetched,
    duration: Duration,
    force: bool,
) -> SqlResult<(Counts, Option<String>)> {
    let Fetched { validators, body_hash, refresh, document, until, learned } = fetched;
    let (name, partial, events) = (document.name().map(str::to_owned), document.partial(), document.len());
    let terms = Terms {
        complete: partial.is_none(),
        until,
        force,
        confirms: confirms(connection),
        alone: false,
        outcomes: false,
        now: Utc::now(),
    };
    let applied = write(installation, connection, document, &terms)?;
    if let Some(learned) = learned {
        runs::learned(installation, connection.id, learned)?;
    }
    let trouble = applied.held_back.as_ref().map(held_back_message);
    // What was held back must come again, and so not be taken for known.
    let keep = applied.held_back.is_none();
    let refresh = refresh.map(schedule::hint);
    let outcome = Outcome {
        etag: validators.etag.filter(|_| keep),
        last_modified: validators.last_modified.filter(|_| keep),
        body_hash: Some(body_hash).filter(|_| keep),
        calendar_name: name,
        held_back: applied.held_back.as_ref().map(|held| held_back(connection, held)),
        error: trouble.clone(),
        refresh,
        next_poll: next_poll(connection, refresh)?,
    };
    pulls::applied(installation, connection, &outcome)?;
    let counts = Counts {
        fetched: i32::try_from(events).unwrap_or(i32::MAX),
        created: applied.created,
        updated: applied.updated,
        deleted: applied.deleted,
        unchanged: applied.unchanged,
        ..Counts::default()
    };
    pulls::log_pull(installation, connection, log(&counts, &applied, partial, trouble.clone(), duration))?;
    if settings::NOTIFY.get() && counts.changes() > 0 {
        pulls::notify(installation, connection.id)?;
    }
    Ok((counts, trouble))
}

/// Writes the events of a calendar, and deletes those that it says are deleted.
fn write(
    installation: &Installation,
    connection: &Connection,
    document: Document,
    terms: &Terms,
) -> SqlResult<Applied> {
    let source = Source {
        user_id: &connection.user_id,
        external_source: &connection.provider,
        connection_id: Some(connection.id),
        synced_from: &connection.provider,
    };
    let deleted = document.deleted();
    let items = document
        .resolve(&PgZones, &default_zone(connection))
        .map_err(|unknown| invalid_argument(unknown.to_string()).set_hint(KNOWN_ZONES))?;
    let mut applied = apply::document(installation, &source, &PgZones, items, terms)?;
    for external_id in &deleted {
        applied.deleted += i32::from(apply::delete(installation, &source, external_id, terms.now)?);
    }
    Ok(applied)
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, more: Self) {
        self.fetched += more.fetched;
        self.created += more.created;
        self.updated += more.updated;
        self.deleted += more.deleted;
        self.unchanged += more.unchanged;
        self.conflicts += more.conflicts;
    }
}

impl Counts {
    fn changes(&self) -> i32 {
        self.created + self.updated + self.deleted
    }
}

/// Of times that the provider gives without one.
pub fn default_zone(connection: &Connection) -> String {
    let setting = || settings::TIME_ZONE.get().and_then(|zone| zone.into_string().ok());
    connection.time_zone.clone().or_else(setting).unwrap_or_else(|| "UTC".into())
}

/// What this pull confirms if it gives the same deletes as those before.
pub fn confirms(connection: &Connection) -> Option<u128> {
    let held_back = connection.held_back.as_ref().filter(|_| connection.held_back_polls + 1 >= POLLS_TO_CONFIRM)?;
    u128::from_str_radix(held_back, 16).ok()
}

/// The digest of deletes that are held back, and for how many pulls in a row now.
pub fn held_back(connection: &Connection, held: &HeldBack) -> (String, i32) {
    (digest_text(held.digest), held_back_polls(connection, held))
}

fn held_back_polls(connection: &Connection, held: &HeldBack) -> i32 {
    if connection.held_back.as_ref() == Some(&digest_text(held.digest)) { connection.held_back_polls + 1 } else { 1 }
}

fn digest_text(digest: u128) -> String {
    format!("{digest:032x}")
}

/// What a connection says of deletes that wait to be confirmed.
pub fn held_back_message(held: &HeldBack) -> String {
    format!(
        "{} of {} upcoming events are gone from the calendar; they are kept until calendar_sync_now(..., force => true) \
         confirms it or {POLLS_TO_CONFIRM} polls in a row say the same",
        held.deletes, held.upcoming
    )
}

/// A bad item in the log, whose JSON can't hold NUL.
pub fn named(bad: &BadItem) -> Value {
    let shown = |text: &str| text.replace('\0', "\u{fffd}");
    json!({"external_id": bad.external_id.as_deref().map(shown), "error": shown(&bad.message)})
}

fn log(
    counts: &Counts,
    applied: &Applied,
    partial: Option<String>,
    error: Option<String>,
    duration: Duration,
) -> PullLog {
    let bad: Vec<_> = applied.bad.iter().take(BAD_IN_LOG).map(named).collect();
    let mut details = Map::new();
    if applied.errors > 0 {
        details.extend([("bad_events".to_owned(), json!(applied.errors)), ("first".to_owned(), json!(bad))]);
    }
    // What is not in such an answer was not deleted.
    details.extend(partial.map(|why| ("partial".to_owned(), json!(why))));
    let details = (!details.is_empty()).then_some(Value::Object(details));
    let counts = [counts.fetched, counts.created, counts.updated, counts.deleted, counts.unchanged];
    PullLog { error, retry: false, details, counts: Some(counts), duration }
}

/// Nothing new; where the answer came with other validators than before, these are kept. Returns the connections that
/// this was written for (see [`pulls::unchanged`]).
pub fn unchanged(installation: &Installation, pulls: &[(&Connection, &Validators)]) -> SqlResult<Vec<Uuid>> {
    if pulls.is_empty() {
        return Ok(Vec::new());
    }
    let mut finished = Vec::with_capacity(pulls.len());
    for (connection, validators) in pulls {
        if (&connection.etag, &connection.last_modified) != (&validators.etag, &validators.last_modified) {
            let (etag, last_modified) = (validators.etag.as_deref(), validators.last_modified.as_deref());
            pulls::keep_validators(installation, connection.id, connection.generation, etag, last_modified)?;
        }
        finished.push((*connection, next_poll(connection, connection.refresh)?));
    }
    pulls::unchanged(installation, &finished)
}

/// The answer is still being made: it is asked for again soon. Only with the row locked.
pub fn pending(installation: &Installation, connection: &Connection, pending: &Pending) -> SqlResult<()> {
    let location = keys::seal(installation, PENDING_LOCATION.place(connection.id), pending.location.secret())?;
    let interval = schedule::interval(connection.poll_interval, usual_interval(&connection.provider), None);
    let pause = schedule::while_pending(pending.pause, interval);
    if let Some(learned) = &pending.learned {
        runs::learned(installation, connection.id, learned.clone())?;
    }
    runs::pending(installation, connection.id, &location, pending.is_same, pause)
}

/// It could not be fetched, or not be applied: logged, and tried again later and later. False where it is no longer, or
/// not now, to be noted (see [`pulls::failed`]).
pub fn failed(
    installation: &Installation,
    connection: &Connection,
    trouble: &Trouble,
    duration: Duration,
) -> SqlResult<bool> {
    let failures = connection.failures + 1;
    let next_poll = if trouble.at_once && failures == 1 {
        Duration::ZERO
    } else {
        schedule::after_failure(failures, trouble.retry_after, random()?)
    };
    let failed = Failed {
        error: &trouble.message,
        wants_login: trouble.wants_login,
        breaks_at: schedule::FAILURES_TO_ERROR,
        next_poll,
        keeps_run: trouble.is_passing,
    };
    if !pulls::failed(installation, connection, &failed)? {
        return Ok(false);
    }
    let retry = connection.failures > 0 && !trouble.wants_login;
    let log = PullLog { error: Some(trouble.message.clone()), retry, duration, ..PullLog::default() };
    pulls::log_pull(installation, connection, log)?;
    Ok(true)
}

/// The provider has refused the account's tokens: they are renewed, or its user has to log in again, and then it goes on. No
/// failure of the calendar. Ends the lease.
pub fn refused(installation: &Installation, connection: &Connection, (account, generation): TokenId) -> SqlResult<()> {
    leases::end(installation, connection.id, false)?;
    tokens::rejected(installation, account, generation)
}

/// Ends the leases of a worker that is no more. `crashed`: the server went down with it, maybe because of what was being
/// pulled; then that counts as a failure, so that a calendar that does it again is tried later and later. The first time
/// all that were under way go on at once: nearly always none of them was to blame.
pub fn release(installation: &Installation, crashed: bool) -> SqlResult<()> {
    let left = leases::release_all(installation)?;
    for connection in left.iter().filter(|_| crashed) {
        let message = "the server stopped in the middle of this pull; see its log";
        let trouble = Trouble { at_once: true, ..Trouble::new(message) };
        failed(installation, connection, &trouble, Duration::ZERO)?;
    }
    Ok(())
}

/// Why a pull changed nothing.
#[derive(Debug, Clone, Default)]
pub struct Trouble {
    pub message: String,
    pub retry_after: Option<Duration>,
    pub wants_login: bool,
    /// It may be over soon: a flow that is still running is asked for its answer again.
    pub is_passing: bool,
    /// After the first failure in a row it is tried again without a pause.
    pub at_once: bool,
    /// An account's access token was refused.
    pub is_unauthorized: bool,
}

impl From<&PullError> for Trouble {
    fn from(error: &PullError) -> Self {
        Self {
            message: error.to_string(),
            retry_after: error.retry_after(),
            wants_login: error.wants_login(),
            is_passing: error.is_passing(),
            ..Self::default()
        }
    }
}

impl From<&ApiError> for Trouble {
    fn from(error: &ApiError) -> Self {
        Self {
            message: error.to_string(),
            retry_after: error.retry_after(),
            is_unauthorized: error.is_unauthorized(),
            ..Self::default()
        }
    }
}

impl Trouble {
    /// One that is tried again as usual.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), ..Self::default() }
    }
}

/// How long until the next poll after a success.
pub fn next_poll(connection: &Connection, refresh: Option<Duration>) -> SqlResult<Duration> {
    let interval = schedule::interval(connection.poll_interval, usual_interval(&connection.provider), refresh);
    let jitter = u32::try_from(settings::JITTER.get()).unwrap_or_default();
    Ok(schedule::after_success(interval, jitter, random()?))
}

fn usual_interval(provider: &str) -> Duration {
    let setting = || Duration::from_secs(u64::try_from(settings::POLL_INTERVAL.get()).unwrap_or(600));
    let of_url = || providers::named(provider).and_then(|provider| provider.poll_interval());
    let of_account = || account::named(provider).and_then(|provider| provider.poll_interval());
    of_url().or_else(of_account).unwrap_or_else(setting)
}

/// In 0..1.
fn random() -> SqlResult<f64> {
    crate::secrets::fraction()
}
