//! Interaction sync: rows of a CRM's table become calendar events within the transaction that writes them.

mod apply;
mod attach;
mod backfill;
mod batch;
mod check;
mod event;
mod layout;
mod names;
mod reread;
mod retry;
mod row;
mod settle;
mod trigger;
mod truncate;

pub use attach::{attach, detach};
pub use backfill::{backfill, each_unsynced};
pub use retry::retry_due;
