//! Changes on their way out: taken from the queue and written in the provider's form on the main thread, sent by another,
//! and noted on the main thread again.
//!
//! What is about to be sent is committed before it is (see [`prepare()`]), and a create says the same however often it is
//! tried: whatever a crash or a lost answer leaves in doubt is simply sent again.

mod agreed;
mod by_hand;
mod difference;
mod heard;
mod item;
mod outlasting;
mod payload;
mod prepare;
mod send;
mod settle;
mod undo;

use std::time::Duration;

use calendar_sync_core::event::Body;

use super::pull::Trouble;
use crate::providers::account::{AccountProvider, Ask, Change, Pushed};
use crate::store::links::Link;
use crate::store::outbox::Taken;

pub use by_hand::process;
pub use heard::heard;
pub use outlasting::{Notes, WAITS};
pub use prepare::{Prepared, prepare};
pub use settle::{Settled, settle};
pub use undo::undo;

/// Operations that are sent to a connection before anything else is looked at again.
pub const MOST: usize = 100;
/// The same where that takes a moment: what would then take long are the transactions around it, which wait for the disk.
pub const MOST_WHERE_QUICK: usize = 500;
/// Time for each operation up to which it does.
const QUICK: Duration = Duration::from_millis(2);

/// One change, and what both sides will have come to once it is there.
pub struct Operation {
    taken: Taken,
    /// The same item's: occurrences of a series are sent with it.
    others: Vec<Taken>,
    link: Option<Link>,
    change: Change,
    purpose: Purpose,
}

enum Purpose {
    /// The item here and the one there are to be the same; or there no more is to be said than when it takes place.
    Agree { body: Body, only_busy: bool },
    /// It is to be there no more.
    Delete,
    /// It may be there, and is here no more: once it is found there it is to be deleted.
    Find,
}

/// What one thread sends, one after the other.
pub struct Batch {
    pub ask: Ask,
    pub provider: &'static dyn AccountProvider,
    pub operations: Vec<Operation>,
}

/// What came of a batch.
pub struct Sent {
    operations: Vec<(Operation, Outcome)>,
    /// Why it was broken off.
    pub trouble: Option<Trouble>,
}

impl Sent {
    /// Whether a longer batch would be sent within a moment, too.
    pub fn was_quick(&self, took: Duration) -> bool {
        let count = self.operations.len();
        let longest = QUICK * u32::try_from(count).unwrap_or(u32::MAX);
        self.trouble.is_none() && count >= MOST && took <= longest
    }
}

enum Outcome {
    Pushed(Pushed),
    /// What concerns this operation alone.
    Failed(Trouble),
    NotTried,
}
