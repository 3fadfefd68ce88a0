//! From a connection to a job: what its threads are given to do.

use std::collections::HashMap;

use uuid::Uuid;

use super::account_pull::{Pull, provider_of};
use super::accounts::site::Sites;
use super::fetch::Fetch;
use super::job::{Job, Task};
use super::push::{self, Batch, Prepared};
use super::tokens::{self, Access, Pass, Renewal};
use crate::errors::SqlResult;
use crate::http::{Client, Options};
use crate::providers::account::Ask;
use crate::store::connections::{Calendar, Connection};
use crate::store::tokens::Account;
use crate::store::{self, Installation};

/// How a connection is to be asked now.
pub enum Start {
    Job(Job),
    /// Once its account's tokens are renewed.
    Renew(Box<Renewal>),
    /// Once whoever renews them is done.
    Wait,
    /// Only once its user has logged in again, and why.
    LoginRequired(String),
    /// There is nothing to be sent.
    Nothing,
}

/// Makes jobs for the connections of one round; accounts and what is known of providers are read once.
pub struct Starter<'a> {
    installation: &'a Installation,
    options: Options,
    sites: Sites,
    accounts: HashMap<Uuid, Account>,
}

impl<'a> Starter<'a> {
    pub fn new<'c>(
        installation: &'a Installation,
        options: Options,
        connections: impl Iterator<Item = &'c Connection>,
    ) -> SqlResult<Self> {
        let mut ids: Vec<Uuid> = connections.filter_map(|one| Some(one.calendar.as_ref()?.account_id)).collect();
        ids.sort_unstable();
        ids.dedup();
        let accounts = if ids.is_empty() { Vec::new() } else { store::tokens::read(installation, &ids)? };
        let accounts = accounts.into_iter().map(|account| (account.id, account)).collect();
        Ok(Self { installation, options, sites: Sites::default(), accounts })
    }

    /// To be polled.
    pub fn poll(&mut self, connection: &Connection) -> SqlResult<Start> {
        let Some(calendar) = &connection.calendar else {
            let fetch = Fetch::new(connection, self.options.clone(), false)?;
            return Ok(Start::Job(Job::new(connection, Task::Fetch(Box::new(fetch)))));
        };
        Ok(match self.access(calendar)? {
            Ok(pass) => Start::Job(pull(self.installation, connection, calendar, pass, self.options.clone(), false)?),
            Err(start) => start,
        })
    }

    /// To be sent what waits for it, `most` operations at once.
    pub fn push(&mut self, connection: &Connection, most: usize) -> SqlResult<Start> {
        let Some(calendar) = &connection.calendar else { return Ok(Start::Nothing) };
        Ok(match self.access(calendar)? {
            Ok(pass) => match push(self.installation, connection, calendar, pass, self.options.clone(), most)? {
                (Some(mut job), _) => {
                    job.batch().map_or(Ok(()), |batch| batch.doubt_deletes(self.installation))?;
                    Start::Job(job)
                }
                (None, _) => Start::Nothing,
            },
            Err(start) => start,
        })
    }

    fn access(&mut self, calendar: &Calendar) -> SqlResult<Result<Pass, Start>> {
        let Some(account) = self.accounts.get(&calendar.account_id) else {
            return Ok(Err(Start::LoginRequired("the account is no more".to_owned())));
        };
        Ok(match tokens::access(self.installation, account, &mut self.sites, &self.options)? {
            Access::Ready(pass) => Ok(pass),
            Access::Renew(renewal) => {
                // For this round's other connections of the account somebody is at it.
                self.accounts
                    .entry(calendar.account_id)
                    .and_modify(|account| account.renewed_for = Some(self.options.timeout));
                Err(Start::Renew(renewal))
            }
            Access::Wait(_) => Err(Start::Wait),
            Access::LoginRequired(why) => Err(Start::LoginRequired(why)),
        })
    }
}

/// What changed in an account's calendar. `all`: everything, whatever the cursor.
pub fn pull(
    installation: &Installation,
    connection: &Connection,
    calendar: &Calendar,
    pass: Pass,
    options: Options,
    all: bool,
) -> SqlResult<Job> {
    let token = (pass.account_id, pass.generation);
    let pull = Pull::new(installation, connection, calendar, ask(connection, calendar, pass, options)?, all)?;
    Ok(Job::of_account(connection, token, Task::Pull(Box::new(pull))))
}

/// What waits to be sent to an account's calendar; no job where there is nothing to be sent.
pub fn push(
    installation: &Installation,
    connection: &Connection,
    calendar: &Calendar,
    pass: Pass,
    options: Options,
    limit: usize,
) -> SqlResult<(Option<Job>, Prepared)> {
    let token = (pass.account_id, pass.generation);
    let provider = provider_of(connection)?;
    let ask = ask(connection, calendar, pass, options)?;
    let mut prepared = push::prepare(installation, connection, provider, &ask.options, limit)?;
    let operations = std::mem::take(&mut prepared.operations);
    if operations.is_empty() {
        return Ok((None, prepared));
    }
    let batch = Batch { ask, provider, operations };
    Ok((Some(Job::of_account(connection, token, Task::Push(Box::new(batch)))), prepared))
}

fn ask(connection: &Connection, calendar: &Calendar, pass: Pass, options: Options) -> SqlResult<Ask> {
    let client = Client::with(options).map_err(crate::errors::internal)?;
    let own = connection.options.clone().unwrap_or_default();
    Ok(pass.ask(client, calendar.external_id.clone(), calendar.mailbox.clone(), own))
}
