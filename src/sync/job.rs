//! What the network's threads are given to do, and what came of it: a further kind of work is a variant of both.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::account_pull::Pull;
use super::fetch::Fetch;
use super::pull::Trouble;
use super::push::{Batch, MOST, Sent};
use super::tokens::{Renewal, Renewed};
use super::webhooks::visit::{Visit, Visited};
use crate::providers::Answer;
use crate::providers::account::Changes;
use crate::store::connections::Connection;

/// Something to do, ready for any thread.
pub struct Job {
    task: Task,
    /// Of the lease that it is done under; `None` in a session.
    generation: Option<i64>,
    token: Option<TokenId>,
}

/// The account in whose name something is asked, and the generation of its tokens.
pub type TokenId = (Uuid, i64);

/// Work that needs nothing but the network.
pub enum Task {
    /// A calendar by its URL.
    Fetch(Box<Fetch>),
    /// What changed in an account's calendar.
    Pull(Box<Pull>),
    /// Changes on their way to one.
    Push(Box<Batch>),
    /// An account's tokens.
    Renew(Box<Renewal>),
    /// What is due for a channel of notifications.
    Visit(Box<Visit>),
}

/// What came of it.
pub struct Done {
    /// As the job's: its connection may have been leased anew since.
    pub generation: Option<i64>,
    pub token: Option<TokenId>,
    pub result: Result<Got, Trouble>,
    pub duration: Duration,
}

/// What came of a [`Task`], variant by variant.
pub enum Got {
    Calendar(Answer),
    Changes(Box<Changes>),
    Sent(Sent),
    Tokens(Box<Renewed>),
    Visited(Box<Visited>),
}

impl Job {
    /// For a calendar that is asked for without an account.
    pub fn new(connection: &Connection, task: Task) -> Self {
        Self { task, generation: connection.generation, token: None }
    }

    /// For a calendar that is reached through an account, whose tokens are these.
    pub fn of_account(connection: &Connection, token: TokenId, task: Task) -> Self {
        Self { task, generation: connection.generation, token: Some(token) }
    }

    /// It is under no lease: that of the account keeps others from doing the same.
    pub fn renewal(renewal: Box<Renewal>) -> Self {
        Self { task: Task::Renew(renewal), generation: None, token: None }
    }

    /// It is under no lease of a connection, either.
    pub fn visit(visit: Box<Visit>) -> Self {
        let token = Some(visit.token());
        Self { task: Task::Visit(visit), generation: None, token }
    }

    /// Scheme, host and port of the server, as calendar_connections.url_host has it.
    pub fn origin(&self) -> String {
        match &self.task {
            Task::Fetch(fetch) => fetch.origin(),
            Task::Pull(pull) => pull.ask.api.origin(),
            Task::Push(batch) => batch.ask.api.origin(),
            Task::Renew(renewal) => renewal.origin(),
            Task::Visit(visit) => visit.origin(),
        }
    }

    /// The account in whose name it asks for calendars: not all of its jobs are done at once.
    pub fn account(&self) -> Option<Uuid> {
        self.token.map(|(account, _)| account)
    }

    /// Whether there is more of the same where this comes from.
    pub fn is_full(&self) -> bool {
        matches!(&self.task, Task::Push(batch) if batch.operations.len() >= MOST)
    }

    /// What it is to send, before it is handed to a thread.
    pub fn batch(&mut self) -> Option<&mut Batch> {
        match &mut self.task {
            Task::Push(batch) => Some(batch),
            _ => None,
        }
    }

    /// Any thread.
    pub fn run(self) -> Done {
        let started = Instant::now();
        let Self { task, generation, token } = self;
        let result = catch_unwind(AssertUnwindSafe(|| task.run()))
            .unwrap_or_else(|_| Err(Trouble::new("the network thread failed; see the server's log")));
        Done { generation, token, result, duration: started.elapsed() }
    }
}

impl Task {
    fn run(self) -> Result<Got, Trouble> {
        match self {
            Self::Fetch(fetch) => fetch.run().map(Got::Calendar).map_err(|error| Trouble::from(&error)),
            Self::Pull(pull) => {
                pull.run().map(|changes| Got::Changes(Box::new(changes))).map_err(|error| Trouble::from(&error))
            }
            Self::Push(batch) => Ok(Got::Sent(batch.send())),
            Self::Renew(renewal) => Ok(Got::Tokens(Box::new(renewal.run()))),
            Self::Visit(visit) => Ok(Got::Visited(Box::new(visit.run()))),
        }
    }
}

impl Done {
    /// The tokens that the provider has refused (401).
    pub fn refused(&self) -> Option<TokenId> {
        let trouble = match &self.result {
            Err(trouble) => Some(trouble),
            Ok(Got::Sent(sent)) => sent.trouble.as_ref(),
            Ok(_) => None,
        };
        self.token.filter(|_| trouble.is_some_and(|trouble| trouble.is_unauthorized))
    }
}
