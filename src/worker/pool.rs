//! The threads that ask servers. They never call Postgres.

use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;

use crate::http::{self, Bell};
use crate::sync::fetch::{Fetch, Job};

/// So many threads as were asked for; jobs beyond wait their turn.
pub struct Pool {
    threads: usize,
    jobs: Sender<(Uuid, Job)>,
    results: Receiver<(Uuid, Fetch)>,
    /// For the threads of a pool of another size.
    result_sender: Sender<(Uuid, Fetch)>,
    bell: Bell,
}

impl Pool {
    pub fn new(threads: usize) -> std::io::Result<Self> {
        let bell = Bell::new()?;
        let (result_sender, results) = mpsc::channel();
        let jobs = start(threads, &result_sender, &bell)?;
        Ok(Self { threads, jobs, results, result_sender, bell })
    }

    /// Rings whenever a result is there.
    pub fn bell(&self) -> &Bell {
        &self.bell
    }

    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Other threads from now on; the old ones end when they have done what they were given.
    pub fn resize(&mut self, threads: usize) -> std::io::Result<()> {
        self.jobs = start(threads, &self.result_sender, &self.bell)?;
        self.threads = threads;
        Ok(())
    }

    pub fn submit(&self, id: Uuid, job: Job) {
        // Fails only when all threads have died; the lease ends by itself then.
        let _ = self.jobs.send((id, job));
    }

    /// The results that are there now.
    pub fn results(&self) -> Vec<(Uuid, Fetch)> {
        self.results.try_iter().collect()
    }
}

fn start(threads: usize, results: &Sender<(Uuid, Fetch)>, bell: &Bell) -> std::io::Result<Sender<(Uuid, Job)>> {
    let (sender, receiver) = mpsc::channel::<(Uuid, Job)>();
    let jobs = Arc::new(Mutex::new(receiver));
    for _ in 0..threads {
        let (jobs, results, bell) = (jobs.clone(), results.clone(), bell.clone());
        http::spawn("calendar_sync", move || {
            while let Some((id, job)) = next(&jobs) {
                if results.send((id, job.run())).is_err() {
                    break;
                }
                bell.ring();
            }
        })?;
    }
    Ok(sender)
}

fn next(jobs: &Mutex<Receiver<(Uuid, Job)>>) -> Option<(Uuid, Job)> {
    jobs.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}
