//! Changes of a calendar: a list of everything, then of what has changed since its sync token.

use std::collections::{HashMap, HashSet};

use calendar_sync_core::providers::google::is_deleted;
use chrono::SecondsFormat;
use serde_json::{Value, json};

use super::api;
use crate::providers::account::{Ask, Changes, ChangesRequest};
use crate::providers::api::ApiError;

/// Stands before the sync token in a cursor. To be raised with every change of the parameters below or of what is made
/// of events: then everything is listed once more.
const VERSION: &str = "1 ";
/// Sent with every list. Those of a list of changes must be those of the list that its token is from.
const PARAMETERS: [(&str, &str); 2] = [("maxResults", "2500"), ("singleEvents", "false")];
/// Events that are asked for one by one in a pull, which must come to its end within its lease. The next goes on.
const MOST_ASKED: usize = 50;

/// All changes since the cursor. Where Google does not know that any more, everything is listed; where it forgets its
/// place between two pages of that, once again.
pub fn pull(ask: &Ask, request: &ChangesRequest) -> Result<Changes, ApiError> {
    let known = request.cursor.as_deref().filter(|_| !request.everything);
    if let Some(token) = known.and_then(|cursor| cursor.strip_prefix(VERSION)) {
        match List::read(ask, &[("syncToken", token)], request.max_events) {
            Err(error) if is_lost(&error) => {}
            list => {
                let mut list = list.map_err(api::no_access)?;
                let seen = list.look_for(ask, &request.unseen)?;
                return Ok(Changes { seen, ..list.changes(false) });
            }
        }
    }
    // By what ends later: everything that is not over is in it, and what is not in it is gone. A series begins whenever.
    let since = request.window.0.to_rfc3339_opts(SecondsFormat::Secs, true);
    let everything = || List::read(ask, &[("timeMin", &since)], request.max_events);
    let list = match everything() {
        Err(error) if is_lost(&error) => everything(),
        list => list,
    };
    list.map_err(api::no_access).map(|list| list.changes(true))
}

/// Whatever reason stands beside a 410; and 400 where a token is no token.
fn is_lost(error: &ApiError) -> bool {
    let ApiError::Failed(failure) = error else { return false };
    let location = failure.json["error"]["errors"][0]["location"].as_str();
    failure.status == 410 || (failure.status == 400 && matches!(location, Some("syncToken" | "pageToken")))
}

/// The pages of one list.
#[derive(Default)]
struct List {
    values: Vec<Value>,
    token: Option<String>,
    name: Option<String>,
    time_zone: Option<String>,
}

impl List {
    fn read(ask: &Ask, parameters: &[(&str, &str)], max_events: usize) -> Result<Self, ApiError> {
        let mut list = Self::default();
        let mut next: Option<String> = None;
        let mut seen = 0;
        let mut tokens = HashSet::new();
        loop {
            let mut query = [&PARAMETERS, parameters].concat();
            query.extend(next.as_deref().map(|token| ("pageToken", token)));
            let address = api::events(ask, &[], &query);
            let mut page = api::get(ask, address.clone())?;
            // A page may be empty and not the last; there are no more of these than events.
            seen += 1;
            if let Value::Array(values) = page["items"].take() {
                seen += values.len().saturating_sub(1);
                list.values.extend(values);
            }
            if seen > max_events {
                return Err(ApiError::Unexpected(address, format!("the calendar has more than {max_events} events")));
            }
            let text = |key: &str| page[key].as_str().map(str::to_owned);
            list.name = text("summary").or(list.name);
            list.time_zone = text("timeZone").or(list.time_zone);
            list.token = text("nextSyncToken");
            if list.token.is_some() {
                return Ok(list);
            }
            let Some(token) = text("nextPageToken") else {
                let message = "the answer says neither how to go on nor that it ends";
                return Err(ApiError::Unexpected(address, message.into()));
            };
            if !tokens.insert(token.clone()) {
                return Err(ApiError::Unexpected(address, "its pages lead in a circle".into()));
            }
            next = Some(token);
        }
    }

    /// Asks for those that it does not show. What was over when everything was listed, and had changed before, is in
    /// neither that list nor the changes after it. Returns those that need not be asked for again.
    fn look_for(&mut self, ask: &Ask, unseen: &[String]) -> Result<Vec<String>, ApiError> {
        let shown: HashSet<&str> = self.values.iter().filter_map(|value| value["id"].as_str()).collect();
        let (mut seen, absent): (Vec<String>, Vec<String>) =
            unseen.iter().cloned().partition(|id| shown.contains(id.as_str()));
        for id in absent.into_iter().take(MOST_ASKED) {
            let value = match api::get(ask, api::events(ask, &[&id], &[])) {
                Ok(value) => value,
                Err(ApiError::Failed(failure)) if matches!(failure.status, 404 | 410) => {
                    json!({ "id": id, "status": "cancelled" })
                }
                Err(error) if error.is_of_account() => return Err(error),
                // Of this one alone nothing is said, and it stops no others.
                Err(_) => continue,
            };
            self.values.push(value);
            seen.push(id);
        }
        Ok(seen)
    }

    fn changes(self, complete: bool) -> Changes {
        let last: HashMap<&str, usize> =
            self.values.iter().enumerate().filter_map(|(index, value)| Some((value["id"].as_str()?, index))).collect();
        // What stands on two pages is on the later one as it is now.
        let is_last: Vec<bool> = self
            .values
            .iter()
            .enumerate()
            .map(|(index, value)| value["id"].as_str().is_none_or(|id| last.get(id) == Some(&index)))
            .collect();
        let values = self.values.into_iter().zip(is_last).filter(|(_, is_last)| *is_last).map(|(value, _)| value);
        let (deleted, mut values): (Vec<Value>, Vec<Value>) = values.partition(is_deleted);
        let deleted: HashSet<String> =
            deleted.iter().filter_map(|value| value["id"].as_str().map(str::to_owned)).collect();
        // What is said of the occurrences of a deleted series is not said of something that is there.
        values.retain(|value| !value["recurringEventId"].as_str().is_some_and(|series| deleted.contains(series)));
        let is_of_deleted = |id: &str| id.rsplit_once('_').is_some_and(|(series, _)| deleted.contains(series));
        let mut deleted: Vec<String> = deleted.iter().filter(|id| !is_of_deleted(id)).cloned().collect();
        deleted.sort_unstable();
        Changes {
            values,
            deleted,
            complete,
            partial_series: !complete,
            cursor: self.token.map(|token| format!("{VERSION}{token}")),
            name: self.name,
            time_zone: self.time_zone,
            ..Changes::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cancelled_occurrence_of_a_deleted_series_is_not_mentioned() {
        let occurrence =
            |id: &str, series: &str| json!({ "id": id, "status": "cancelled", "recurringEventId": series });
        let gone = |id: &str| json!({ "id": id, "status": "cancelled" });
        let values = vec![
            occurrence("gone_20300108", "gone"),
            gone("gone_20300109"),
            occurrence("there_20300108", "there"),
            gone("gone"),
            gone("single"),
        ];
        let changes = List { values, ..List::default() }.changes(false);
        let ids: Vec<&str> = changes.values.iter().filter_map(|value| value["id"].as_str()).collect();
        assert_eq!((ids, changes.deleted), (vec!["there_20300108"], vec!["gone".to_owned(), "single".to_owned()]));
    }
}
