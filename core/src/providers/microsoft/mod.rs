//! Events of Microsoft Graph (Outlook, Exchange, Teams), read and written.
//!
//! A series is read of its master as `GET /events/{id}` gives it with `exceptionOccurrences` and `cancelledOccurrences`.
//! Where a server does not give the latter, `instances` stands beside, with the span of time that it covers: all
//! occurrences that are left there; what the rule gives besides does not take place. `unreadable` says why there is
//! nothing but an `id`.

mod details;
mod series;
mod slots;
mod times;
mod value;
mod write;

use serde_json::Value;

use crate::event::{Body, Event, Item};
use crate::ics::UnknownZone;
use crate::providers::BadItem;
use crate::providers::outlook::Clocks;
use crate::zones::Zones;

pub use self::details::JOIN_RULE;
pub use self::series::Occurrence;
pub use self::write::{CannotHold, write};

/// An event as it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    pub item: Item,
    pub etag: Option<String>,
    /// The transactionId that it was created with.
    pub transaction_id: Option<String>,
    /// Of a series: occurrences that have an identifier of their own.
    pub occurrences: Vec<Occurrence>,
}

/// Reads events one after the other. Zones that nobody knows are taken as `default_zone`.
pub struct Reader<'z> {
    clocks: Clocks<'z>,
}

impl<'z> Reader<'z> {
    /// # Errors
    /// `default_zone` is not known.
    pub fn new(zones: &'z dyn Zones, default_zone: &str) -> Result<Self, UnknownZone> {
        let clocks = Clocks::new(zones, default_zone).ok_or_else(|| UnknownZone(default_zone.into()))?;
        Ok(Self { clocks })
    }

    /// # Errors
    /// What is wrong with it, by its id.
    pub fn read(&mut self, value: &Value) -> Result<Found, BadItem> {
        let Some(external_id) = value::word(&value["id"]) else {
            return Err(BadItem { external_id: None, is_override: false, message: "the event has no id".into() });
        };
        self.found(&external_id, value).map_err(|message| BadItem {
            external_id: Some(external_id),
            is_override: false,
            message,
        })
    }

    fn found(&mut self, external_id: &str, value: &Value) -> Result<Found, String> {
        if let Some(why) = value["unreadable"].as_str() {
            return Err(why.to_owned());
        }
        let (body, occurrences) = if value["recurrence"].is_object() {
            let (series, occurrences) = series::read(external_id, value, &mut self.clocks)?;
            (Body::Series(Box::new(series)), occurrences)
        } else {
            let (timing, _) = times::timing(value, None, &mut self.clocks)?;
            let series = value::word(&value["seriesMasterId"]);
            let details = details::read(value, series);
            (Body::Single(Box::new(Event { timing, details })), Vec::new())
        };
        Ok(Found {
            item: Item { external_id: external_id.to_owned(), body },
            etag: value::etag(value),
            transaction_id: value::word(&value["transactionId"]),
            occurrences,
        })
    }
}
