//! Notion: rows of a data source as events.
//!
//! A row is a set of properties that its owner named. A [`Mapping`] says which of them hold what, found by type and name,
//! or as the connection's options have it. On the way in a page becomes an [`entry`] by it, on any thread: the fields that
//! an event can have, each under one name whatever its property is called. [`read`] makes an item of that; [`write`] makes
//! an entry of an item, and [`properties`] the properties that a page is given by it.
//!
//! What Notion cannot hold: a rule (a page is one event), the name of a zone (a time is read again with its offset
//! alone), seconds, who is invited where that is a property of Notion's own users. It has no version of a page either,
//! and its time of the last change has whole minutes: the [`version`] of an entry is a digest of what it says.

mod entry;
mod mapping;
mod properties;
mod read;
mod rich_text;
mod status;
mod times;
mod write;

pub use entry::{entry, is_in_trash, version};
pub use mapping::{Mapping, MappingError, Property, Role, key_definition, title_of};
pub use properties::properties;
pub use read::{Found, read};
pub use rich_text::plain;
pub use times::is_same_date;
pub use write::write;

/// Name of the property in which the key of a page stands that was made here: what is looked for before one is made
/// again.
pub const KEY_PROPERTY: &str = "calendar_sync key";
