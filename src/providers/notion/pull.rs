//! What changed.

use std::collections::HashSet;

use calendar_sync_core::providers::notion::{self, Mapping};
use chrono::{DateTime, Utc};
use serde_json::Value;

use super::api;
use super::cursor::Cursor;
use super::rows::{Wanted, list};
use super::schema::Schema;
use crate::providers::account::{Ask, Changes, ChangesRequest};
use crate::providers::api::ApiError;

/// [`crate::providers::account::AccountProvider::pull`]
pub fn pull(ask: &Ask, request: &ChangesRequest) -> Result<Changes, ApiError> {
    let now = Utc::now();
    let cursor = request.cursor.as_deref().filter(|_| !request.everything).and_then(Cursor::parse);
    if let Some(cursor) = cursor.filter(|cursor| !cursor.is_listing_due(now)) {
        let schema = Schema::known(ask)?;
        let since = cursor.since(now).filter(|_| schema.mapping.fingerprint() == cursor.mapping);
        if let Some(since) = since {
            return changes(ask, request, schema, cursor, (since, now));
        }
    }
    everything(ask, request, now)
}

/// All rows: those that are not among them are deleted.
fn everything(ask: &Ask, request: &ChangesRequest, now: DateTime<Utc>) -> Result<Changes, ApiError> {
    let schema = Schema::fetch(ask)?;
    let mut patience = api::LONGEST_WAIT;
    let all = Wanted { in_trash: false, changed_since: None };
    let rows = list(ask, &schema.mapping.data_source, all, request.max_events, &mut patience)?;
    let cursor = Cursor::after_listing(schema.mapping.fingerprint(), newest(&rows), request.connection_id, now);
    Ok(Changes {
        values: rows
            .iter()
            .filter(|row| !notion::is_in_trash(row))
            .filter_map(|row| notion::entry(row, &schema.mapping))
            .collect(),
        complete: true,
        cursor: cursor.render(),
        learned: schema.learned(ask),
        name: schema.name,
        ..Changes::default()
    })
}

/// Rows that were changed from `since` on, and those that were moved into the trash. Nothing that is asked of the rows tells
/// whether there are any of the latter, so that most pulls which find nothing are done with the one request.
fn changes(
    ask: &Ask,
    request: &ChangesRequest,
    schema: Schema,
    cursor: Cursor,
    (since, now): (DateTime<Utc>, DateTime<Utc>),
) -> Result<Changes, ApiError> {
    let mut patience = api::LONGEST_WAIT;
    let source = &schema.mapping.data_source;
    let mut rows = |in_trash, since| {
        let wanted = Wanted { in_trash, changed_since: Some(since) };
        list(ask, source, wanted, request.max_events, &mut patience)
    };
    let live = rows(false, since)?;
    let newest = newest(&live);
    let (trash, cursor) = if request.is_called_for || cursor.is_trash_due(newest) {
        let trash = rows(true, cursor.trash_since(since))?;
        let newest = newest.max(self::newest(&trash));
        (trash, cursor.after(newest, now))
    } else {
        (vec![], cursor.without_trash(since))
    };
    let (values, deleted) = sorted_out(&live, &trash, &schema.mapping);
    Ok(Changes {
        values,
        deleted,
        cursor: cursor.render(),
        learned: schema.learned(ask),
        name: schema.name,
        ..Changes::default()
    })
}

/// Events, and identifiers of rows that are none any more: they are in the trash, or have lost their date. The trash was
/// asked for later, and counts.
fn sorted_out(live: &[Value], trash: &[Value], mapping: &Mapping) -> (Vec<Value>, Vec<String>) {
    let id = |row: &Value| row["id"].as_str().map(str::to_owned);
    let mut deleted: Vec<String> = trash.iter().filter_map(id).collect();
    let in_trash: HashSet<String> = deleted.iter().cloned().collect();
    let mut values = vec![];
    for row in live.iter().filter(|row| id(row).is_some_and(|id| !in_trash.contains(&id))) {
        match notion::entry(row, mapping).filter(|_| !notion::is_in_trash(row)) {
            Some(entry) => values.push(entry),
            None => deleted.extend(id(row)),
        }
    }
    (values, deleted)
}

/// When the one was changed that was changed last.
fn newest(rows: &[Value]) -> Option<DateTime<Utc>> {
    rows.iter().filter_map(edited).max()
}

fn edited(row: &Value) -> Option<DateTime<Utc>> {
    Some(DateTime::parse_from_rfc3339(row["last_edited_time"].as_str()?).ok()?.to_utc())
}
