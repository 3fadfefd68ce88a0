//! The network half. Any thread.

use std::time::{Duration, Instant};

use super::{Batch, Operation, Outcome, Sent};
use crate::providers::account::{Change, Pushed};
use crate::providers::api::ApiError;
use crate::sync::pull::Trouble;

/// How long a thread goes on with one connection's operations.
const LONGEST: Duration = Duration::from_secs(10);

impl Batch {
    /// Sends one operation after the other, until something is in the way of all of them.
    pub fn send(self) -> Sent {
        let until = Instant::now() + LONGEST;
        let mut sent = Sent { operations: Vec::with_capacity(self.operations.len()), trouble: None };
        let (ask, provider, overwrites) = (self.ask, self.provider, self.overwrites);
        let push = |change: &Change| match provider.push(&ask, change) {
            Ok(Pushed::Stale) if overwrites => provider.push(&ask, &unconditional(change)),
            pushed => pushed,
        };
        for operation in self.operations {
            let outcome = if sent.trouble.is_some() || Instant::now() > until {
                Outcome::NotTried
            } else {
                outcome(push(&operation.change), &mut sent.trouble)
            };
            sent.operations.push((operation, outcome));
        }
        sent
    }
}

fn outcome(pushed: Result<Pushed, ApiError>, trouble: &mut Option<Trouble>) -> Outcome {
    match pushed {
        Ok(pushed) => Outcome::Pushed(pushed),
        Err(error) if error.is_of_account() => {
            *trouble = Some(Trouble::from(&error));
            Outcome::NotTried
        }
        Err(error) => Outcome::Failed(Trouble::from(&error)),
    }
}

/// The same whatever is there now.
fn unconditional(change: &Change) -> Change {
    let mut change = change.clone();
    match &mut change {
        Change::Update { etag, .. } | Change::Delete { etag, .. } => *etag = None,
        Change::Create { .. } => {}
    }
    change
}

impl Operation {
    /// Whether it may have been sent although nobody knows what came of it.
    pub(super) fn is_create(&self) -> bool {
        matches!(self.change, Change::Create { .. })
    }
}
