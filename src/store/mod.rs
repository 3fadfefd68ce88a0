//! All SQL of the extension: statements on the calendar tables, prepared once per backend.

pub mod account_connections;
pub mod accounts;
pub mod agenda;
pub mod belonging;
pub mod catalog;
pub mod channels;
pub mod cleanup;
pub mod conflicts;
pub mod connections;
pub mod crm;
mod datum;
pub mod ddl;
pub mod delivery;
mod details;
pub mod deviations;
pub mod events;
pub mod exclusions;
pub mod failures;
pub mod feeds;
mod found;
pub mod grants;
mod holder;
mod installation;
pub mod installation_row;
pub mod instances;
pub mod interactions;
pub mod items;
pub mod kept;
mod kept_plan;
mod key_scan;
mod kind;
pub mod leases;
pub mod links;
pub mod moved_links;
mod multi_insert;
pub mod names;
pub mod notices;
pub mod oauth;
mod operations;
pub mod outbox;
mod outside;
pub mod own_writing;
mod planned_once;
pub mod policies;
mod private_lock;
pub mod pulls;
pub mod queue;
pub mod raw;
mod reader;
pub mod reconciled;
pub mod registrations;
pub mod related;
mod rows;
pub mod runs;
pub mod sealed;
pub mod senders;
pub mod series;
mod source;
mod statement;
pub mod subscriptions;
mod subtransaction;
pub mod tokens;
pub mod tracked;
mod transaction;
pub mod transaction_end;
pub mod tuples;
pub mod twins;
pub mod unbound;
pub mod unseen;
pub mod waiting;
pub mod watch;
pub mod webhooks;
mod writer;

pub use datum::{instant, stamp};
pub use installation::{Identity, Installation, as_owner, installed_version, reading};
pub use source::{Source, Wanted};
pub use statement::{ReadOnly, Statement};
pub use subtransaction::{Failure, guarded};
pub use transaction::{can_write, can_write_in_passing, commit_durably};
pub use writer::{Table, Writer};

/// A new key: time-ordered, so that the rows of one load lie side by side in the primary key's index.
pub fn new_id() -> uuid::Uuid {
    uuid::Uuid::now_v7()
}
