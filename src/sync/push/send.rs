//! The network half. Any thread.

use std::time::{Duration, Instant};

use uuid::Uuid;

use super::{Batch, Operation, Outcome, Sent};
use crate::providers::account::{Change, Pushed};
use crate::providers::api::ApiError;
use crate::sync::pull::Trouble;

/// How long a thread goes on with one connection's operations.
const LONGEST: Duration = Duration::from_secs(10);

impl Batch {
    /// Sends one operation after the other, until something is in the way of all of them.
    pub fn send(mut self) -> Sent {
        self.look_for_earlier_tries();
        let until = Instant::now() + LONGEST;
        let mut sent = Sent { operations: Vec::with_capacity(self.operations.len()), trouble: None };
        let (ask, provider) = (self.ask, self.provider);
        for operation in self.operations {
            let outcome = if sent.trouble.is_some() || Instant::now() > until {
                Outcome::NotTried
            } else {
                outcome(provider.push(&ask, &operation.change), &mut sent.trouble)
            };
            sent.operations.push((operation, outcome));
        }
        sent
    }

    /// Where that fails each is looked for by itself.
    fn look_for_earlier_tries(&mut self) {
        let key = |operation: &Operation| match operation.change {
            Change::Create { key, .. } => Some(key),
            _ => None,
        };
        let keys: Vec<Uuid> = self.operations.iter().filter_map(key).collect();
        let not_made = match keys.len() {
            0 | 1 => return,
            _ => self.provider.not_made(&self.ask, &keys).unwrap_or_default(),
        };
        for operation in &mut self.operations {
            if let Change::Create { key, is_new, .. } = &mut operation.change {
                *is_new = not_made.contains(key);
            }
        }
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

impl Operation {
    /// Whether it may have been sent although nobody knows what came of it.
    pub(super) fn is_create(&self) -> bool {
        matches!(self.change, Change::Create { .. })
    }
}
