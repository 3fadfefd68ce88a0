//! The worker of one database: leases what is due, has the pool fetch it, applies what comes back.
//!
//! Its main thread does SQL and waits on its latch; no transaction is open while the network is waited for.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use pgrx::prelude::*;
use pgrx::{FromDatum, pg_sys};
use uuid::Uuid;

use super::counters::Counters;
use super::extension::{Extension, logged, within, within_here};
use super::pool::Pool;
use super::shared::{self, State, Text};
use super::upkeep::Upkeep;
use super::{activity, process, trouble};
use crate::errors::SqlResult;
use crate::providers::{Answer, Fetched, Pending, Validators};
use crate::settings;
use crate::store::Installation;
use crate::store::connections::{self, Connection};
use crate::store::installation_row::{self, Standing};
use crate::sync::fetch::{Fetch, Job, http_options};
use crate::sync::pull::{self, Counts, Trouble};

/// Longest nap while something is due, and when nothing is known to be.
const NAP: Duration = Duration::from_secs(5);
/// Nap while what is due can't be had: another session has it locked.
const PATIENCE: Duration = Duration::from_millis(500);
/// Longest nap while rounds end in an error.
const LONGEST_NAP: Duration = Duration::from_secs(60);
/// Nap when a DROP or ALTER EXTENSION has the extension locked.
const STEP_ASIDE: Duration = Duration::from_millis(200);
/// Jobs that are leased for each thread, so that none of them waits for the main thread.
const JOBS_PER_THREAD: usize = 4;

/// Runs until the server stops, or until the extension is dropped.
#[pg_guard]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn calendar_sync_database_main(argument: pg_sys::Datum) {
    // SAFETY: the launcher passes a database's oid.
    let database = unsafe { pg_sys::Oid::from_datum(argument, false) }.unwrap_or(pg_sys::InvalidOid);
    process::set_signal_handlers();
    process::set_search_path();
    if !shared::enter(database) {
        return;
    }
    // SAFETY: once, at the start of a background worker. The callback runs when the process ends, however it does.
    unsafe {
        pg_sys::on_shmem_exit(Some(leave), argument);
        pg_sys::BackgroundWorkerInitializeConnectionByOid(database, pg_sys::InvalidOid, 0);
        pg_sys::pgstat_report_appname(c"calendar_sync worker".as_ptr());
    }
    process::reload_if_asked(true);
    process::set_transactions();
    match Worker::new(database) {
        Ok(mut worker) => worker.run(),
        Err(error) => pgrx::error!("calendar_sync worker: no threads for the network: {error}"),
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn leave(_code: i32, argument: pg_sys::Datum) {
    // SAFETY: what calendar_sync_database_main passed.
    if let Some(database) = unsafe { pg_sys::Oid::from_datum(argument, false) } {
        shared::leave(database, process::was_told_to_end());
    }
}

struct Worker {
    database: pg_sys::Oid,
    pool: Pool,
    /// Leased, and not yet back.
    in_flight: HashMap<Uuid, Connection>,
    /// Back, and not yet applied.
    results: Vec<(Connection, Fetch)>,
    upkeep: Upkeep,
    standing: Standing,
    /// Not yet shown.
    counters: Counters,
    /// Rounds in a row that ended in an error.
    failures: u32,
    left: Left,
}

/// What a worker before this one had leased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    /// Nothing, or it was seen to.
    Nothing,
    /// That worker was told to end, or stood elsewhere: nothing is known against the calendars.
    InOrder,
    /// The server went down meanwhile, maybe because of one of them.
    InACrash,
}

/// What one round in the database has found.
#[derive(Default)]
struct Round {
    jobs: Vec<(Connection, Job)>,
    due: i64,
    next: Option<Duration>,
    standing: Standing,
    /// Leased, and failed before they were on their way.
    failed: u64,
}

impl Worker {
    fn new(database: pg_sys::Oid) -> std::io::Result<Self> {
        Ok(Self {
            database,
            pool: Pool::new(threads())?,
            in_flight: HashMap::new(),
            results: Vec::new(),
            upkeep: Upkeep::new(Instant::now()),
            standing: Standing::Here,
            counters: Counters::NONE,
            failures: 0,
            left: match shared::with_slot(database, |slot| slot.ended_as_told) {
                Some(true) => Left::InOrder,
                _ => Left::InACrash,
            },
        })
    }

    fn run(&mut self) {
        loop {
            if process::reload_if_asked(false)
                && threads() != self.pool.threads()
                && let Err(error) = self.pool.resize(threads())
            {
                pgrx::warning!("calendar_sync worker: no threads for the network: {error}");
            }
            let Some(nap) = self.round() else {
                if self.may_end() {
                    return;
                }
                continue;
            };
            activity::idle(&format!("waiting, {} calendars on the network", self.in_flight.len()));
            process::nap(self.pool.bell(), nap);
        }
    }

    /// The extension was not found: unless somebody has called since that was looked at, the launcher starts a worker
    /// again when it is there.
    fn may_end(&self) -> bool {
        let called = shared::with_slot(self.database, |slot| {
            if !slot.called {
                slot.state = State::Absent;
            }
            slot.called
        });
        called != Some(true)
    }

    /// One round; how long to nap after it, or `None` when the extension is gone.
    fn round(&mut self) -> Option<Duration> {
        shared::with_slot(self.database, |slot| slot.called = false);
        for (id, fetch) in self.pool.results() {
            let is_of_this_lease = |connection: &Connection| connection.generation == fetch.generation;
            if self.in_flight.get(&id).is_some_and(is_of_this_lease)
                && let Some(connection) = self.in_flight.remove(&id)
            {
                self.counters.network += fetch.duration;
                self.results.push((connection, fetch));
            }
        }
        match self.apply_results() {
            Extension::Present => {}
            Extension::Absent => return None,
            Extension::Locked => return Some(STEP_ASIDE),
        }
        let free = (self.pool.threads() * JOBS_PER_THREAD).saturating_sub(self.in_flight.len());
        activity::busy("looking for calendars that are due");
        let round = match within(|installation| self.lease(installation, free)) {
            (Extension::Absent, _) => return None,
            (Extension::Locked, _) => return Some(STEP_ASIDE),
            (Extension::Present, Some(Err(message))) => return Some(self.fail(&message)),
            (Extension::Present, round) => round.and_then(Result::ok).unwrap_or_default(),
        };
        self.note(&round);
        let (leased_all, leased_none) = (round.jobs.len() < free, round.jobs.is_empty());
        for (connection, job) in round.jobs {
            self.pool.submit(connection.id, job);
            self.in_flight.insert(connection.id, connection);
        }
        if self.standing == Standing::Here && self.upkeep.is_due(Instant::now()) {
            activity::busy("tidying up");
            if self.upkeep.run(Instant::now()) == Extension::Absent {
                return None;
            }
        }
        let shortest = if leased_none && round.due > 0 { PATIENCE } else { Duration::from_millis(10) };
        let nap = round.next.unwrap_or(NAP).clamp(shortest, NAP);
        Some(if leased_all { nap } else { NAP })
    }

    /// The round ended in an error, as it will again until somebody sees to it: says so once, and shows it.
    fn fail(&mut self, message: &str) -> Duration {
        let message = trouble::explained(message);
        trouble::log(&message);
        shared::with_slot(self.database, |slot| {
            slot.state = State::Failing;
            slot.last_loop = shared::now();
            slot.trouble = Text::new(&message);
        });
        self.failures = self.failures.saturating_add(1);
        (NAP * 2_u32.pow(self.failures.min(5) - 1)).min(LONGEST_NAP)
    }

    /// Shows the state; says once that this is a restored copy.
    fn note(&mut self, round: &Round) {
        if round.standing == Standing::Elsewhere && self.standing != Standing::Elsewhere {
            pgrx::log!(
                "calendar_sync worker stands aside: this database is a restored copy; \
                 calendar_resume() makes it the real one"
            );
        }
        self.standing = round.standing;
        self.failures = 0;
        match round.standing {
            Standing::Here => self.left = Left::Nothing,
            Standing::Nowhere | Standing::Elsewhere => self.left = Left::InOrder,
        }
        let in_flight = self.in_flight.len() + round.jobs.len();
        self.counters.failed += round.failed;
        let counters = &mut self.counters;
        shared::with_slot(self.database, |slot| {
            slot.state = match round.standing {
                Standing::Here => State::Running,
                Standing::Nowhere => State::Waiting,
                Standing::Elsewhere => State::Aside,
            };
            slot.trouble = Text::EMPTY;
            slot.last_loop = shared::now();
            slot.counters.take_from(counters);
            slot.due = i32::try_from(round.due).unwrap_or(i32::MAX);
            slot.in_flight = i32::try_from(in_flight).unwrap_or(i32::MAX);
        });
    }

    fn lease(&self, installation: &Installation, free: usize) -> SqlResult<Round> {
        let standing = installation_row::standing(installation)?;
        if standing != Standing::Here {
            return Ok(Round { standing, ..Round::default() });
        }
        if self.left != Left::Nothing {
            pull::release(installation, self.left == Left::InACrash)?;
        }
        let options = http_options();
        // A job waits for those before it; each of them ends by its time-out.
        let lease = options.timeout * (JOBS_PER_THREAD as u32 + 1) + Duration::from_secs(60);
        let mut jobs = Vec::new();
        let mut failed = 0;
        if free > 0 {
            for connection in connections::lease_due(installation, free, lease)? {
                match Job::new(&connection, options.clone(), false) {
                    Ok(job) => jobs.push((connection, job)),
                    Err(report) => {
                        let trouble = Trouble::new(report.message());
                        pull::failed(installation, &connection, &trouble, Duration::ZERO)?;
                        failed += 1;
                    }
                }
            }
        }
        if !jobs.is_empty() {
            // A calendar that takes the server down with it must be known as leased after that.
            process::commit_durably();
        }
        let (due, seconds) = connections::next_due(installation)?;
        let next = seconds.map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default());
        Ok(Round { jobs, due, next, standing, failed })
    }

    /// Applies what is back: all that is unchanged in one transaction, each other pull in its own.
    fn apply_results(&mut self) -> Extension {
        let mut unchanged: Vec<(Connection, Validators)> = Vec::new();
        let mut others = Vec::new();
        for (connection, fetch) in self.results.drain(..) {
            match fetch.result {
                Ok(Answer::Unchanged(validators)) => unchanged.push((connection, validators)),
                _ => others.push((connection, fetch)),
            }
        }
        let mut extension = Extension::Present;
        if !unchanged.is_empty() {
            let pulls: Vec<_> =
                unchanged.iter().map(|(connection, validators)| (connection, validators.clone())).collect();
            let done;
            (extension, done) = logged(within_here(|installation| pull::unchanged(installation, &pulls)));
            self.counters.unchanged += done.map_or(0, |()| pulls.len() as u64);
        }
        if extension == Extension::Locked {
            self.keep_unchanged(unchanged);
        }
        for (connection, fetch) in others {
            if extension != Extension::Present {
                self.results.push((connection, fetch));
                continue;
            }
            activity::busy(&format!("applying a calendar of {}", connection.provider));
            extension = self.finish(connection, fetch);
        }
        extension
    }

    fn keep_unchanged(&mut self, unchanged: Vec<(Connection, Validators)>) {
        self.results.extend(unchanged.into_iter().map(|(connection, validators)| {
            let (generation, duration) = (connection.generation, Duration::ZERO);
            (connection, Fetch { generation, result: Ok(Answer::Unchanged(validators)), duration })
        }));
    }

    fn finish(&mut self, connection: Connection, fetch: Fetch) -> Extension {
        let duration = fetch.duration;
        let trouble = match fetch.result {
            Ok(Answer::Calendar(fetched)) => {
                let mut fetched = Some(fetched);
                let (extension, applied) = within_here(|installation| match fetched.take() {
                    Some(fetched) => apply(installation, &connection, *fetched, duration),
                    None => Ok(None),
                });
                if let (Extension::Locked, Some(fetched)) = (extension, fetched) {
                    let (generation, result) = (connection.generation, Ok(Answer::Calendar(fetched)));
                    self.results.push((connection, Fetch { generation, result, duration }));
                    return extension;
                }
                match applied {
                    Some(Err(message)) => Trouble::new(message),
                    applied => {
                        if let Some(Ok(Some(counts))) = applied {
                            self.counters.count_applied(&counts);
                        }
                        return extension;
                    }
                }
            }
            Ok(Answer::Pending(pending)) => {
                let kept = within_here(|installation| keep_pending(installation, &connection, &pending));
                match kept {
                    (Extension::Present, Some(Err(message))) => Trouble::new(message),
                    (extension, _) => return extension,
                }
            }
            Ok(Answer::Unchanged(_)) => return Extension::Present,
            Err(error) => Trouble::from(&error),
        };
        self.counters.failed += 1;
        logged(within_here(|installation| fail(installation, &connection, &trouble, duration))).0
    }
}

/// Applies a calendar if its lease still holds. Whoever else is at this connection goes first.
fn apply(
    installation: &Installation,
    connection: &Connection,
    fetched: Fetched,
    duration: Duration,
) -> SqlResult<Option<Counts>> {
    if !connections::try_alone(installation, connection.id)? || !connections::lock(installation, connection)? {
        return Ok(None);
    }
    pull::apply(installation, connection, fetched, duration, false).map(|(counts, _)| Some(counts))
}

/// The same for an answer that is still being made.
fn keep_pending(installation: &Installation, connection: &Connection, pending: &Pending) -> SqlResult<()> {
    if connections::try_alone(installation, connection.id)? && connections::lock(installation, connection)? {
        pull::pending(installation, connection, pending)?;
    }
    Ok(())
}

/// Notes a failure if the lease still holds: the connection may have been removed, or the extension made anew.
fn fail(installation: &Installation, connection: &Connection, trouble: &Trouble, duration: Duration) -> SqlResult<()> {
    if connections::lock(installation, connection)? {
        pull::failed(installation, connection, trouble, duration)?;
    }
    Ok(())
}

fn threads() -> usize {
    usize::try_from(settings::WORKER_THREADS.get()).unwrap_or(1).max(1)
}
