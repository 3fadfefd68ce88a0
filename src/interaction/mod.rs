//! Interaction sync: rows of a CRM's table become calendar events within the transaction that writes them.

mod apply;
mod attach;
mod batch;
mod check;
mod event;
mod layout;
mod names;
mod reread;
mod row;
mod settle;
mod trigger;
mod truncate;

pub use attach::{attach, detach};
