//! Lists of rows, past the end that a query has.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::api;
use crate::providers::account::Ask;
use crate::providers::api::ApiError;

/// Rows of one page; Notion gives no more.
const PAGE: usize = 100;
/// Pages that hold nothing new before it is no list any more. What follows the end of a query begins with the minute that it
/// ended in: as much as a query gives, 10,000 rows, may be known already.
const MAX_EMPTY: usize = 150;

/// Which rows are wanted.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// Rows in the trash instead of those that are not.
    pub in_trash: bool,
    /// Changed in this minute or later.
    pub changed_since: Option<DateTime<Utc>>,
}

impl Wanted {
    /// Whole lists go by when rows were made, which never changes. Changes go backwards: a row that is changed meanwhile
    /// moves to where the list began, and not over one that is still to come.
    const fn order(&self) -> (&'static str, &'static str) {
        match self.changed_since {
            None => ("created_time", "ascending"),
            Some(_) => ("last_edited_time", "descending"),
        }
    }

    /// `from`: where the last query ended.
    fn body(&self, from: Option<&str>) -> Value {
        let (timestamp, direction) = self.order();
        let condition = |operator: &str, time: &str| json!({ "timestamp": timestamp, timestamp: { operator: time } });
        let since = self.changed_since.map(|since| since.to_rfc3339_opts(SecondsFormat::Millis, true));
        let from_operator = if self.changed_since.is_some() { "on_or_before" } else { "on_or_after" };
        let mut conditions: Vec<Value> = since.iter().map(|since| condition("on_or_after", since)).collect();
        conditions.extend(from.map(|from| condition(from_operator, from)));
        let mut body = json!({ "sorts": [{ "timestamp": timestamp, "direction": direction }], "page_size": PAGE });
        match conditions.as_slice() {
            [] => {}
            [one] => body["filter"] = one.clone(),
            _ => body["filter"] = json!({ "and": conditions }),
        }
        if self.in_trash {
            body["in_trash"] = json!(true);
        }
        body
    }
}

/// All rows of a list, each once, and as it was seen last.
pub fn list(
    ask: &Ask,
    data_source: &str,
    wanted: Wanted,
    max: usize,
    patience: &mut Duration,
) -> Result<Vec<Value>, ApiError> {
    let mut rows = Rows { all: vec![], places: HashMap::new() };
    let mut from: Option<String> = None;
    loop {
        let is_complete = query(ask, data_source, wanted.body(from.as_deref()), max, patience, &mut rows)?;
        if is_complete {
            return Ok(rows.all);
        }
        // The query has ended before the list: the rest follows from the last row on.
        let (timestamp, _) = wanted.order();
        let last = rows.all.last().and_then(|row| row[timestamp].as_str()).map(str::to_owned);
        if last.is_none() || last == from {
            let why = format!("more rows than one query gives have the same {timestamp}");
            return Err(ApiError::Unexpected(api::address(ask, &[]), why));
        }
        from = last;
    }
}

struct Rows {
    all: Vec<Value>,
    places: HashMap<String, usize>,
}

impl Rows {
    /// Whether it was not there yet. Of two states of a row the later one counts.
    fn add(&mut self, row: &Value) -> bool {
        let Some(id) = row["id"].as_str().filter(|_| row["object"] != "data_source") else { return false };
        if let Some(place) = self.places.get(id) {
            let known = &mut self.all[*place];
            if known["last_edited_time"].as_str() <= row["last_edited_time"].as_str() {
                *known = row.clone();
            }
            return false;
        }
        self.places.insert(id.to_owned(), self.all.len());
        self.all.push(row.clone());
        true
    }
}

/// One query with its pages; whether it was complete.
fn query(
    ask: &Ask,
    data_source: &str,
    mut body: Value,
    max: usize,
    patience: &mut Duration,
    rows: &mut Rows,
) -> Result<bool, ApiError> {
    let address = || api::address(ask, &[]);
    let mut empty = 0;
    loop {
        let page = api::post_patiently(ask, &["data_sources", data_source, "query"], &body, patience);
        let page = page.map_err(api::no_access)?;
        let Some(found) = page["results"].as_array() else {
            return Err(ApiError::Unexpected(address(), "the answer to a query is no list".into()));
        };
        let added = found.iter().filter(|row| rows.add(row)).count();
        empty = if added == 0 { empty + 1 } else { 0 };
        if rows.all.len() > max {
            return Err(ApiError::Unexpected(address(), format!("there are more than {max} rows")));
        }
        if page["request_status"]["type"] == "incomplete" {
            return Ok(false);
        }
        if page["has_more"] != true {
            return Ok(true);
        }
        let Some(next) = page["next_cursor"].as_str().filter(|_| empty < MAX_EMPTY) else {
            return Err(ApiError::Unexpected(address(), "a list goes on without an end".into()));
        };
        body["start_cursor"] = json!(next);
    }
}
