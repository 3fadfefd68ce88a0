//! Pulling in a session: in the caller's transaction, with the network on a thread of its own.

use std::sync::mpsc::{self, TryRecvError};
use std::time::{Duration, Instant};

use pgrx::pg_sys::panic::ErrorReportable;

use super::fetch::{Fetch, Job, http_options};
use super::pull::{self, Counts, Trouble};
use super::wait::{patiently, wait};
use crate::errors::SqlResult;
use crate::http::{self, Bell};
use crate::providers::Answer;
use crate::store::connections::{self, Connection};
use crate::store::{self, Installation};

/// How long another pull of the same connection is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest nap while something is waited for.
const NAP: Duration = Duration::from_millis(500);

/// One connection's row of calendar_sync_now.
#[derive(Debug)]
pub struct Report {
    pub connection: Connection,
    pub status: &'static str,
    pub counts: Counts,
    pub error: Option<String>,
    pub duration: Duration,
}

impl Report {
    pub fn new(connection: Connection, status: &'static str) -> Self {
        Self { connection, status, counts: Counts::default(), error: None, duration: Duration::ZERO }
    }
}

/// Pulls one connection. What goes wrong with it stands in the report; only what ends the caller's statement (a cancel,
/// a time-out, a serialization failure) is an error.
pub fn pull(connection: Connection, force: bool) -> SqlResult<Report> {
    let started = Instant::now();
    let mut report = Report::new(connection, "success");
    if !alone(&report.connection)? {
        report.status = "busy";
        report.error = Some("another session or the worker is pulling this calendar".into());
        return Ok(report);
    }
    let outcome = match fetch(&report.connection, force) {
        Ok(Fetch { result: Ok(answer), duration, .. }) => finish(&report.connection, answer, duration, force),
        Ok(Fetch { result: Err(error), duration, .. }) => Err((Trouble::from(&error), duration)),
        Err(trouble) => Err((trouble, started.elapsed())),
    };
    match outcome {
        Ok(None) => report.status = "pending",
        Ok(Some((counts, error))) => {
            report.counts = counts;
            report.error = error;
        }
        Err((trouble, duration)) => {
            store::as_owner(|installation| {
                if connections::lock(installation, &report.connection)? {
                    pull::failed(installation, &report.connection, &trouble, duration)?;
                }
                Ok(())
            })?;
            report.error = Some(trouble.message);
        }
    }
    if report.error.is_some() {
        report.status = "error";
    }
    report.duration = started.elapsed();
    Ok(report)
}

/// Takes the connection for this transaction.
fn alone(connection: &Connection) -> SqlResult<bool> {
    let taken = || {
        let alone = store::as_owner(|installation| connections::try_alone(installation, connection.id))?;
        Ok(alone.then_some(()))
    };
    Ok(patiently(PATIENCE, taken)?.is_some())
}

/// Fetches on another thread while this one stays open to a cancel. A cancel breaks the request off.
fn fetch(connection: &Connection, force: bool) -> Result<Fetch, Trouble> {
    let job = Job::new(connection, http_options(), force).map_err(|report| Trouble::new(report.message()))?.counted();
    let bell = Bell::new().map_err(|error| Trouble::new(error.to_string()))?;
    let (sender, receiver) = mpsc::sync_channel(1);
    let ring = bell.clone();
    http::spawn("calendar_sync", move || {
        let _ = sender.send(job.run());
        ring.ring();
    })
    .map_err(|error| Trouble::new(format!("no thread for the network: {error}")))?;
    let unless_done = AbandonOnDrop;
    loop {
        match receiver.try_recv() {
            Ok(fetch) => {
                std::mem::forget(unless_done);
                return Ok(fetch);
            }
            Err(TryRecvError::Disconnected) => return Err(Trouble::new("the network thread failed")),
            Err(TryRecvError::Empty) => wait(&bell, NAP),
        }
    }
}

/// An error that passes through here (a cancel) leaves nobody to take the answer.
struct AbandonOnDrop;

impl Drop for AbandonOnDrop {
    fn drop(&mut self) {
        http::abandon();
    }
}

/// `None` where the answer is still being made.
type Done = Option<(Counts, Option<String>)>;
type Finished = Result<Done, (Trouble, Duration)>;

/// Applies the answer in a subtransaction, so that a failure leaves nothing of it and no other connection suffers.
fn finish(connection: &Connection, answer: Answer, duration: Duration, force: bool) -> Finished {
    let work = move || {
        store::as_owner(|installation| apply(installation, connection, answer, duration, force)).unwrap_or_report()
    };
    store::guarded(work).map_err(|failure| (Trouble::new(failure.message), duration))
}

fn apply(
    installation: &Installation,
    connection: &Connection,
    answer: Answer,
    duration: Duration,
    force: bool,
) -> SqlResult<Done> {
    if !connections::lock(installation, connection)? {
        let why = "the calendar was paused, unsubscribed from or given another URL meanwhile";
        return Ok(Some((Counts::default(), Some(why.into()))));
    }
    match answer {
        Answer::Unchanged(validators) => {
            pull::unchanged(installation, &[(connection, validators)])?;
            Ok(Some((Counts::default(), None)))
        }
        Answer::Calendar(fetched) => pull::apply(installation, connection, *fetched, duration, force).map(Some),
        Answer::Pending(pending) => pull::pending(installation, connection, &pending).map(|()| None),
    }
}
