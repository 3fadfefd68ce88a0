//! Pulling in a session: in the caller's transaction, with the network on threads of their own.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use pgrx::pg_sys::panic::ErrorReportable;
use uuid::Uuid;

use super::fetch::{Fetch, Job, http_options};
use super::pool::Pool;
use super::pull::{self, Counts, Trouble};
use super::wait::wait;
use crate::errors::{SqlResult, internal};
use crate::providers::Answer;
use crate::store::connections::{self, Connection};
use crate::store::{self, Installation};
use crate::{http, settings};

/// How long another pull of the same connection is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest nap while something is waited for.
const NAP: Duration = Duration::from_millis(100);

const CHANGED_MEANWHILE: &str = "the calendar was paused, unsubscribed from or given another URL meanwhile";

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

/// Pulls connections, as many at once as the worker would; one report each, in their order. What goes wrong with one
/// stands in its report; only what ends the caller's statement (a cancel, a time-out, a serialization failure) is an
/// error.
pub fn pull_all(due: Vec<Connection>, force: bool) -> SqlResult<Vec<Report>> {
    let threads = usize::try_from(settings::WORKER_THREADS.get()).unwrap_or(1).clamp(1, due.len().max(1));
    let mut session = Session {
        pool: Pool::new(threads).map_err(internal)?,
        force,
        reports: due.into_iter().map(|connection| Report::new(connection, "success")).collect(),
        under_way: HashMap::new(),
        in_the_way: Vec::new(),
    };
    // Dropped before the pool: what is under way ends at once, and so do the pool's threads.
    let unless_done = AbandonOnDrop;
    session.pull_all()?;
    std::mem::forget(unless_done);
    Ok(session.reports)
}

/// A call of calendar_sync_now.
struct Session {
    pool: Pool,
    force: bool,
    reports: Vec<Report>,
    /// What is fetched: its report, and since when.
    under_way: HashMap<Uuid, (usize, Instant)>,
    /// What another session or the worker is at, and since when that is waited for.
    in_the_way: Vec<(usize, Instant)>,
}

impl Session {
    fn pull_all(&mut self) -> SqlResult<()> {
        let mut begun = 0;
        loop {
            for (id, fetch) in self.pool.results(false) {
                if let Some((place, since)) = self.under_way.remove(&id) {
                    self.report(place, since, Ok(fetch))?;
                }
            }
            for (place, since) in std::mem::take(&mut self.in_the_way) {
                self.begin(place, since)?;
            }
            // Answers that are not applied yet count: they are in memory.
            while begun < self.reports.len() && self.under_way.len() < self.pool.wanted() + self.pool.load().slow {
                self.begin(begun, Instant::now())?;
                begun += 1;
            }
            if begun == self.reports.len() && self.under_way.is_empty() && self.in_the_way.is_empty() {
                return Ok(());
            }
            self.pool.staff().map_err(|error| internal(format!("no thread for the network: {error}")))?;
            wait(self.pool.bell(), NAP);
        }
    }

    /// Takes the connection for this transaction and has it fetched.
    fn begin(&mut self, place: usize, since: Instant) -> SqlResult<()> {
        let report = &mut self.reports[place];
        let id = report.connection.id;
        if !store::as_owner(|installation| connections::try_alone(installation, id))? {
            if since.elapsed() <= PATIENCE {
                self.in_the_way.push((place, since));
            } else {
                report.status = "busy";
                report.error = Some("another session or the worker is pulling this calendar".into());
                report.duration = since.elapsed();
            }
            return Ok(());
        }
        // Who was in the way may have pulled it: what it holds now is what the answer must be compared with.
        let Some(current) = store::as_owner(|installation| connections::current(installation, &report.connection))?
        else {
            report.status = "error";
            report.error = Some(CHANGED_MEANWHILE.into());
            return Ok(());
        };
        report.connection = current;
        match Job::new(&report.connection, http_options(), self.force) {
            Ok(job) => {
                self.pool.submit(id, job.counted());
                self.under_way.insert(id, (place, since));
                Ok(())
            }
            Err(error) => self.report(place, since, Err(Trouble::new(error.message()))),
        }
    }

    /// Applies what was fetched.
    fn report(&mut self, place: usize, since: Instant, fetched: Result<Fetch, Trouble>) -> SqlResult<()> {
        let report = &mut self.reports[place];
        let outcome = match fetched {
            Ok(Fetch { result: Ok(answer), duration, .. }) => finish(&report.connection, answer, duration, self.force),
            Ok(Fetch { result: Err(error), duration, .. }) => Err((Trouble::from(&error), duration)),
            Err(trouble) => Err((trouble, since.elapsed())),
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
        report.duration = since.elapsed();
        Ok(())
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
        return Ok(Some((Counts::default(), Some(CHANGED_MEANWHILE.into()))));
    }
    match answer {
        Answer::Unchanged(validators) => {
            pull::unchanged(installation, &[(connection, &validators)])?;
            Ok(Some((Counts::default(), None)))
        }
        Answer::Calendar(fetched) => pull::apply(installation, connection, *fetched, duration, force).map(Some),
        Answer::Pending(pending) => pull::pending(installation, connection, &pending).map(|()| None),
    }
}
