//! A series asked for whole: its master, its exceptions, and which of its occurrences were deleted.

use serde_json::{Value, json};

use super::api;
use super::cursor::Span;
use crate::providers::account::Ask;
use crate::providers::api::ApiError;

/// Graph gives the deleted occurrences only where they are selected, and then what else is wanted must be, too.
const FIELDS: &str = "id,changeKey,createdDateTime,lastModifiedDateTime,categories,transactionId,originalStartTimeZone,\
    originalEndTimeZone,iCalUId,subject,bodyPreview,body,importance,sensitivity,isAllDay,isCancelled,isOrganizer,\
    seriesMasterId,showAs,type,webLink,onlineMeetingUrl,isOnlineMeeting,onlineMeetingProvider,onlineMeeting,start,end,\
    originalStart,location,recurrence,attendees,organizer,cancelledOccurrences,exceptionOccurrences";
/// Pages of one series' occurrences that are followed.
const MAX_PAGES: usize = 200;

/// As [`whole`], or that it can't be read: one event that Exchange itself fails at, and again, must not stop the
/// calendar. It is asked for again when it changes, and once a week with all others.
pub fn whole_or_unreadable(ask: &Ask, id: &str, span: &Span) -> Result<Option<Value>, ApiError> {
    let is_broken = |error: &ApiError| error.status() == Some(500);
    match whole(ask, id, span) {
        Err(error) if is_broken(&error) => match whole(ask, id, span) {
            Err(error) if is_broken(&error) => Ok(Some(json!({ "id": id, "unreadable": error.to_string() }))),
            second => second,
        },
        first => first,
    }
}

/// `None` where there is no such event.
pub fn whole(ask: &Ask, id: &str, span: &Span) -> Result<Option<Value>, ApiError> {
    let query = [("$select", FIELDS), ("$expand", "exceptionOccurrences")];
    let mut master = match api::get(ask, api::event(ask, id, &[], &query)) {
        // A server that does not know these properties.
        Err(error) if api::failed(&error, 400).is_some() => match plain(ask, id)? {
            None => return Ok(None),
            Some(master) => master,
        },
        Err(error) if api::is_gone(&error) => return Ok(None),
        master => master?,
    };
    let is_series = master["recurrence"].is_object();
    let lists = |name: &str| master[name].is_array();
    if is_series && !(lists("cancelledOccurrences") && lists("exceptionOccurrences")) {
        add_instances(ask, id, span, &mut master)?;
    }
    Ok(Some(master))
}

/// An event by its id, as it is; `None` where there is none.
pub fn plain(ask: &Ask, id: &str) -> Result<Option<Value>, ApiError> {
    match api::get(ask, api::event(ask, id, &[], &[])) {
        Err(error) if api::is_gone(&error) => Ok(None),
        event => event.map(Some),
    }
}

/// The occurrences of a span of time.
pub fn instances(ask: &Ask, id: &str, span: &Span) -> Result<Vec<Value>, ApiError> {
    let query = span.query();
    let query: Vec<(&str, &str)> = query.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut next = Some(api::event(ask, id, &["instances"], &query));
    let mut found = Vec::new();
    for _ in 0..MAX_PAGES {
        let Some(address) = next.take() else { break };
        let mut page = api::get_page(ask, address, 200)?;
        if let Value::Array(values) = page["value"].take() {
            found.extend(values);
        }
        next = page["@odata.nextLink"].as_str().map(|text| api::link(ask, text)).transpose()?;
    }
    match next {
        None => Ok(found),
        Some(address) => Err(ApiError::Unexpected(address, "the pages of a series do not end".into())),
    }
}

/// All that is left of the series in the span: what is missing was deleted.
fn add_instances(ask: &Ask, id: &str, span: &Span, master: &mut Value) -> Result<(), ApiError> {
    let instances = match instances(ask, id, span) {
        // A server that gives neither: nothing is known of deleted occurrences.
        Err(error) if matches!(error.status(), Some(400 | 404 | 405 | 501)) => return Ok(()),
        instances => instances?,
    };
    if !master["exceptionOccurrences"].is_array() {
        let is_exception = |one: &&Value| one["type"].as_str() == Some("exception");
        master["exceptionOccurrences"] = instances.iter().filter(is_exception).cloned().collect();
    }
    master["instances"] = json!({ "from": span.from, "to": span.to, "value": instances });
    Ok(())
}
