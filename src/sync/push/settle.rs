//! The main thread's half after the network.

use std::time::Duration;

use calendar_sync_core::content;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use super::agreed::{agreed_on, leave_news};
use super::{Operation, Outcome, Purpose, Sent};
use crate::errors::SqlResult;
use crate::providers::account::{AccountProvider, Change, Pushed, Remote};
use crate::store::agreement::{self, Agreed};
use crate::store::connections::Connection;
use crate::store::delivery::{self, PushLog};
use crate::store::links;
use crate::store::outbox::{self, Dead, Missed, Operation as Kind, Taken};
use crate::store::{Installation, reconciled, twins, unseen};
use crate::sync::pull::{self, Trouble};
use crate::sync::schedule;
use crate::zones::PgZones;

const STALE: &str = "it was changed there meanwhile";
const GONE: &str = "it is not there";

/// What became of a batch.
#[derive(Default)]
pub struct Settled {
    /// created, updated, deleted there
    pub counts: [i32; 3],
    /// Of each operation its status as calendar_queue_process shows it, and what is wrong.
    pub operations: Vec<(Taken, &'static str, Option<String>)>,
    /// Why it was broken off.
    pub trouble: Option<Trouble>,
    /// Something has changed there: a pull comes before the next push.
    pub poll: bool,
    /// There is more to be sent at once.
    pub again: bool,
}

impl Settled {
    /// How many changes the provider has taken.
    pub fn pushed(&self) -> i32 {
        self.counts.iter().sum()
    }
}

/// What is written of a batch, gathered so that each kind is one statement.
struct Ledger<'a> {
    connection: &'a Connection,
    provider: &'static dyn AccountProvider,
    options: &'a Value,
    settled: Settled,
    agreed: Vec<Agreed>,
    gone: Vec<Uuid>,
    anew: Vec<Uuid>,
    stale: Vec<Uuid>,
    overlooked: Vec<Uuid>,
    found: Vec<(Uuid, String, Option<String>)>,
    done: Vec<Uuid>,
    missed: Vec<Missed>,
    dead: Vec<Dead>,
}

/// Notes what came of a batch; call only with the connection's row locked (see [`crate::store::connections::lock`]). Ends
/// the lease, unless it was broken off: that is for the caller to note.
pub fn settle(
    installation: &Installation,
    connection: &Connection,
    provider: &'static dyn AccountProvider,
    sent: Sent,
    duration: Duration,
    now: DateTime<Utc>,
) -> SqlResult<Settled> {
    let options = connection.options.clone().unwrap_or_default();
    let mut ledger = Ledger {
        connection,
        provider,
        options: &options,
        settled: Settled { trouble: sent.trouble, ..Settled::default() },
        agreed: Vec::new(),
        gone: Vec::new(),
        anew: Vec::new(),
        stale: Vec::new(),
        overlooked: Vec::new(),
        found: Vec::new(),
        done: Vec::new(),
        missed: Vec::new(),
        dead: Vec::new(),
    };
    for (operation, outcome) in sent.operations {
        ledger.enter(operation, outcome)?;
    }
    ledger.write(installation, duration, now)
}

impl Ledger<'_> {
    fn enter(&mut self, operation: Operation, outcome: Outcome) -> SqlResult<()> {
        match outcome {
            Outcome::Pushed(Pushed::Written { external_id, etag, values }) => {
                self.written(operation, external_id, etag, values);
                Ok(())
            }
            Outcome::Pushed(Pushed::Found { external_id }) => self.found(operation, external_id),
            Outcome::Pushed(Pushed::Gone) => self.not_there(operation),
            Outcome::Pushed(Pushed::Stale) => {
                let link = operation.link.as_ref().map(|link| link.link_id);
                if self.connection.pulls() {
                    self.settled.poll = true;
                    // It may lie beyond the span of time that the pull speaks of.
                    self.overlooked.extend(link.filter(|_| self.provider.overlooks_beyond_span()));
                } else {
                    // What changed there is never looked at: ours goes over it.
                    self.stale.extend(link);
                    self.settled.again = true;
                }
                self.failed(operation, Trouble::new(STALE), Some(Duration::ZERO))
            }
            Outcome::Pushed(Pushed::Refused(why)) => {
                self.bury(&operation, &format!("the provider does not take it: {why}"));
                Ok(())
            }
            Outcome::Failed(trouble) => self.failed(operation, trouble, None),
            Outcome::NotTried => {
                self.put_back(&operation, None, None, Duration::ZERO);
                let why = self.settled.trouble.as_ref().map(|trouble| trouble.message.clone());
                if let Some((_, _, error)) = self.settled.operations.last_mut() {
                    *error = why;
                }
                Ok(())
            }
        }
    }

    /// It is there as it is here.
    fn written(&mut self, operation: Operation, external_id: String, etag: Option<String>, values: Vec<Value>) {
        let is_create = operation.is_create();
        let (body, only_busy) = match &operation.purpose {
            Purpose::Agree { body, only_busy } => (body.clone(), *only_busy),
            // Only now it is known what is to be deleted.
            Purpose::Find => {
                self.found.extend(operation.link.as_ref().map(|link| (link.link_id, external_id, etag)));
                return self.put_back(&operation, None, Some(Kind::Delete), Duration::ZERO);
            }
            // A provider that marks what is deleted rather than removing it.
            Purpose::Delete => return self.deleted(&operation),
        };
        let mut remote = self.read(&external_id, values);
        // For the next pull, which takes what has no version for changed.
        let has_news = is_create && remote.as_mut().is_some_and(|remote| leave_news(remote, &body));
        self.settled.poll |= has_news && self.connection.pulls();
        let link = operation.link.as_ref();
        let base = link.and_then(|link| link.base.as_ref());
        let key = links::key(&external_id);
        // An update changes nothing about that: either a pull has shown it, and the next will tell who deletes it, or it is
        // unseen since it was made. An identifier that is not kept as it is can't be asked for.
        let is_new = link.and_then(|link| link.external_id.as_ref()) != Some(&key) && key == external_id;
        let etag = etag.or_else(|| remote.as_ref().and_then(|remote| remote.etag.clone())).filter(|_| !has_news);
        self.agreed.push(Agreed {
            item: operation.taken.item,
            external_id,
            local_version: content::of_body(&body),
            remote_version: etag.clone(),
            etag,
            base: agreed_on(body, remote, base).with_visibility(only_busy),
            is_unseen: is_new && self.provider.overlooks_new() && self.connection.pulls(),
        });
        self.settled.counts[usize::from(!is_create)] += 1;
        self.complete(&operation);
    }

    /// An earlier try has made it, and it is otherwise: a pull is to say what has become of what that one has sent. Without
    /// one ours goes over it.
    fn found(&mut self, operation: Operation, external_id: String) -> SqlResult<()> {
        let pulls = self.connection.pulls();
        self.settled.poll |= pulls;
        self.settled.again |= !pulls;
        let is_unseen = pulls && (self.provider.overlooks_new() || self.provider.overlooks_beyond_span());
        let note = operation.link.as_ref().and_then(|link| link.base.clone()).filter(|base| base.unheard);
        self.agreed.extend(note.map(|base| Agreed {
            item: operation.taken.item,
            external_id,
            etag: None,
            local_version: content::of_body(&base.local),
            remote_version: None,
            base,
            is_unseen,
        }));
        self.failed(operation, Trouble::new(STALE), Some(Duration::ZERO))
    }

    /// As the provider holds it now.
    fn read(&self, external_id: &str, values: Vec<Value>) -> Option<Remote> {
        let zone = pull::default_zone(self.connection);
        let found = self.provider.read(values, self.options, &PgZones, &zone).into_iter().flatten();
        found.into_iter().find(|remote| remote.item.external_id == external_id)
    }

    fn not_there(&mut self, operation: Operation) -> SqlResult<()> {
        match (&operation.change, &operation.link) {
            (Change::Delete { .. }, _) => {
                self.deleted(&operation);
                Ok(())
            }
            // An edit beats a delete.
            (Change::Update { .. }, Some(link)) => {
                self.anew.push(link.link_id);
                self.put_back(&operation, None, Some(Kind::Create), Duration::ZERO);
                Ok(())
            }
            _ => self.failed(operation, Trouble::new(GONE), None),
        }
    }

    fn deleted(&mut self, operation: &Operation) {
        self.gone.extend(operation.link.as_ref().map(|link| link.link_id));
        self.settled.counts[2] += 1;
        self.complete(operation);
    }

    /// `again_in`: `None` for later and later.
    fn failed(&mut self, operation: Operation, trouble: Trouble, again_in: Option<Duration>) -> SqlResult<()> {
        let taken = &operation.taken;
        if taken.retries >= taken.max_retries {
            self.bury(&operation, &trouble.message);
            return Ok(());
        }
        let failures = u32::try_from(taken.retries).unwrap_or_default() + 1;
        let pause = match again_in {
            Some(pause) => pause,
            None => schedule::before_retry(failures, trouble.retry_after, crate::secrets::fraction()?),
        };
        self.put_back(&operation, Some(trouble.message), None, pause);
        Ok(())
    }

    fn complete(&mut self, operation: &Operation) {
        for one in operation.all() {
            self.done.push(one.queue_id);
            self.settled.operations.push((one.clone(), "completed", None));
        }
    }

    /// Without an error it was not to blame, and no try is counted.
    fn put_back(&mut self, operation: &Operation, error: Option<String>, kind: Option<Kind>, again_in: Duration) {
        self.settled.again |= error.is_none();
        for one in operation.all() {
            let missed = Missed {
                queue_id: one.queue_id,
                counts: error.is_some(),
                error: error.clone(),
                again_in,
                operation: kind,
            };
            self.missed.push(missed);
            self.settled.operations.push((one.clone(), "pending", error.clone()));
        }
    }

    fn bury(&mut self, operation: &Operation, error: &str) {
        for one in operation.all() {
            self.dead.push(Dead { queue_id: one.queue_id, item: one.item, error: error.to_owned() });
            self.settled.operations.push((one.clone(), "failed", Some(error.to_owned())));
        }
    }

    fn write(mut self, installation: &Installation, duration: Duration, now: DateTime<Utc>) -> SqlResult<Settled> {
        let (connection, id) = (self.connection, self.connection.id);
        let others = agreement::agree(installation, id, &self.agreed, now)?;
        if twins::remove(installation, connection, &others)? {
            // What they said of single occurrences is wanted once more.
            reconciled::remember(installation, id, None, None)?;
            self.settled.poll = connection.pulls();
        }
        agreement::gone(installation, &self.gone, now)?;
        delivery::anew(installation, &self.anew)?;
        delivery::overwrite(installation, &self.stale)?;
        unseen::look_at(installation, &self.overlooked)?;
        delivery::found(installation, &self.found)?;
        outbox::complete(installation, &self.done)?;
        outbox::put_back(installation, &self.missed)?;
        outbox::bury(installation, id, &self.dead)?;
        self.log(installation, duration)?;
        if self.settled.trouble.is_none() {
            delivery::sent(installation, id, self.settled.poll)?;
        }
        Ok(self.settled)
    }

    /// One row for all that was taken, one for each that was not.
    fn log(&self, installation: &Installation, duration: Duration) -> SqlResult<()> {
        let [created, updated, deleted] = self.settled.counts;
        if self.settled.pushed() > 0 {
            let log = PushLog {
                status: "success",
                counts: Some([created, updated, deleted, 0]),
                duration,
                ..PushLog::default()
            };
            delivery::log(installation, self.connection, log)?;
        }
        let blamed = |taken: &Taken| !self.missed.iter().any(|one| one.queue_id == taken.queue_id && !one.counts);
        for (taken, status, error) in &self.settled.operations {
            let Some(error) = error.as_ref().filter(|_| blamed(taken)) else { continue };
            let log = PushLog {
                item: Some(taken.item),
                status: if *status == "failed" { "failed" } else { "retry" },
                error: Some(error.clone()),
                details: Some(json!({ "operation": taken.operation.word(), "queue_id": taken.queue_id.to_string() })),
                ..PushLog::default()
            };
            delivery::log(installation, self.connection, log)?;
        }
        Ok(())
    }
}

impl Operation {
    pub(super) fn all(&self) -> impl Iterator<Item = &Taken> {
        std::iter::once(&self.taken).chain(&self.others)
    }
}
