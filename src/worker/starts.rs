//! What is due is leased, and made jobs of.

use std::time::Duration;

use uuid::Uuid;

use crate::errors::SqlResult;
use crate::http::Options;
use crate::store::connections::{self, Connection};
use crate::store::leases::{self, Wanted};
use crate::store::{self, Failure, Installation, unconfirmed};
use crate::sync::job::Job;
use crate::sync::pull::{self, Trouble};
use crate::sync::push;
use crate::sync::start::{Start, Starter};
use crate::sync::tokens::Renewal;
use crate::sync::webhooks::visit::{self, Visit};

/// Errands for channels that are begun at once.
const VISITS: usize = 16;

/// What was begun in one transaction.
#[derive(Default)]
pub struct Begun {
    pub jobs: Vec<(Connection, Job)>,
    pub renewals: Vec<Renewal>,
    pub visits: Vec<Visit>,
    /// Whether there was more than could be leased.
    pub more_is_due: bool,
    /// Leased, and failed before they were on their way.
    pub failed: u64,
}

/// Leases what is due: first what is to be polled, so that a pull comes before a push. `most`: how many operations are sent
/// to a connection at once.
pub fn begin(
    installation: &Installation,
    wanted: &Wanted,
    options: &Options,
    most: impl Fn(Uuid) -> usize,
) -> SqlResult<Begun> {
    let mut begun = Begun::default();
    if wanted.limit == 0 {
        begun.more_is_due = true;
        return Ok(begun);
    }
    let channels = visit::begin(installation, VISITS, options)?;
    (begun.visits, begun.renewals) = (channels.visits, channels.renewals);
    let polls = leases::lease_polls(installation, wanted)?;
    let limit = wanted.limit - polls.len();
    let pushes = if limit > 0 { leases::lease_pushes(installation, &Wanted { limit, ..*wanted })? } else { Vec::new() };
    begun.more_is_due = pushes.len() == limit;
    let of_accounts = polls.iter().chain(&pushes).filter(|connection| connection.calendar.is_some());
    let with_notes =
        unconfirmed::connections(installation, &of_accounts.map(|connection| connection.id).collect::<Vec<_>>())?;
    let mut starter = Starter::new(installation, options.clone(), polls.iter().chain(&pushes))?;
    for connection in polls {
        begun.add(installation, connection, &with_notes, |connection| starter.poll(connection))?;
    }
    for connection in pushes {
        begun.add(installation, connection, &with_notes, |connection| starter.push(connection, most(connection.id)))?;
    }
    Ok(begun)
}

impl Begun {
    fn add(
        &mut self,
        installation: &Installation,
        connection: Connection,
        with_notes: &[Uuid],
        start: impl FnOnce(&Connection) -> SqlResult<Start>,
    ) -> SqlResult<()> {
        // A session that is at it has no lease, but the private lock.
        if connection.calendar.is_some() && !connections::try_alone(installation, connection.id)? {
            return leases::end(installation, connection.id, false);
        }
        let undone = if with_notes.contains(&connection.id) { undo(installation, &connection) } else { Ok(false) };
        let trouble = match undone {
            Ok(false) => match start(&connection) {
                Ok(Start::Job(job)) => {
                    self.more_is_due |= job.is_full();
                    self.jobs.push((connection, job));
                    return Ok(());
                }
                Ok(Start::Renew(renewal)) => {
                    self.renewals.push(*renewal);
                    return leases::end(installation, connection.id, false);
                }
                Ok(Start::Wait | Start::Nothing) => return leases::end(installation, connection.id, false),
                Ok(Start::LoginRequired(why)) => Trouble { wants_login: true, ..Trouble::new(why) },
                Err(report) => Trouble::new(report.message()),
            },
            // What has happened there since is looked at before what waits is sent.
            Ok(true) => {
                self.more_is_due = true;
                return leases::end(installation, connection.id, connection.pulls());
            }
            Err(failure) if failure.is_locked() => return leases::end(installation, connection.id, false),
            Err(failure) => Trouble::new(failure.message),
        };
        pull::failed(installation, &connection, &trouble, Duration::ZERO)?;
        self.failed += 1;
        Ok(())
    }
}

/// Undoes what transactions that came to nothing had sent. Whether there was anything. A session that has begun to change
/// the same again is not waited for.
fn undo(installation: &Installation, connection: &Connection) -> Result<bool, Failure> {
    store::without_waiting(installation, || push::undo(installation, connection))
}
