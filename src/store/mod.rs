//! All SQL of the extension: statements on the calendar tables, prepared once per backend.

mod datum;
mod details;
pub mod events;
mod installation;
pub mod series;
mod source;
mod statement;

pub use installation::{Installation, as_owner};
pub use source::Source;
pub use statement::Statement;

/// A new key: time-ordered, so that the rows of one load lie side by side in the primary key's index.
pub fn new_id() -> uuid::Uuid {
    uuid::Uuid::now_v7()
}
