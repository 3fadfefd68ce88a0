//! A data source with its rows, in the orders that queries ask for.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, DurationRound, SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};

use super::schema::Schema;
use super::values::{Stored, User, render};

/// A page of a data source.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub id: String,
    pub created: DateTime<Utc>,
    pub edited: DateTime<Utc>,
    pub in_trash: bool,
    /// By the property's id.
    pub values: HashMap<String, Stored>,
    pub created_by: String,
    pub edited_by: String,
}

/// Where a row stands in an order: its minute, then its number.
pub(super) type Place = (i64, u64);

pub(super) struct Table {
    pub id: String,
    pub database: String,
    pub title: String,
    pub created: DateTime<Utc>,
    /// Whether the connection may see it.
    pub shared: bool,
    pub schema: Schema,
    rows: HashMap<u64, Row>,
    /// Of the live ones, and of those in the trash.
    by_created: [BTreeSet<Place>; 2],
    by_edited: [BTreeSet<Place>; 2],
    /// Rows by a property's id and its whole text.
    by_text: HashMap<(String, String), BTreeSet<u64>>,
    next: u64,
}

impl Table {
    pub fn new(id: String, database: String, title: &str, schema: Schema, created: DateTime<Utc>) -> Self {
        let (by_created, by_edited) = Default::default();
        let title = title.to_owned();
        Self {
            id,
            database,
            title,
            created,
            shared: true,
            schema,
            rows: HashMap::new(),
            by_created,
            by_edited,
            by_text: HashMap::new(),
            next: 0,
        }
    }

    /// Puts a row in; gives its number.
    pub fn insert(&mut self, row: Row) -> u64 {
        self.next += 1;
        self.enter(self.next, row);
        self.next
    }

    /// Changes a row, which finds its new place in every order.
    pub fn change(&mut self, number: u64, change: impl FnOnce(&mut Row)) {
        if let Some(mut row) = self.take(number) {
            change(&mut row);
            self.enter(number, row);
        }
    }

    /// For good.
    pub fn take(&mut self, number: u64) -> Option<Row> {
        let row = self.rows.remove(&number)?;
        let trash = usize::from(row.in_trash);
        self.by_created[trash].remove(&(minute(row.created), number));
        self.by_edited[trash].remove(&(minute(row.edited), number));
        for key in texts(&row) {
            if let Some(rows) = self.by_text.get_mut(&key) {
                rows.remove(&number);
            }
        }
        Some(row)
    }

    fn enter(&mut self, number: u64, row: Row) {
        let trash = usize::from(row.in_trash);
        self.by_created[trash].insert((minute(row.created), number));
        self.by_edited[trash].insert((minute(row.edited), number));
        for key in texts(&row) {
            self.by_text.entry(key).or_default().insert(number);
        }
        self.rows.insert(number, row);
    }

    pub fn row(&self, number: u64) -> Option<&Row> {
        self.rows.get(&number)
    }

    /// Rows in the order of a timestamp.
    pub fn order(&self, edited: bool, in_trash: bool) -> &BTreeSet<Place> {
        let orders = if edited { &self.by_edited } else { &self.by_created };
        &orders[usize::from(in_trash)]
    }

    /// Whether the values of a property are texts that [`Table::with_text`] knows.
    pub fn has_text(&self, property: &str) -> bool {
        let kinds = ["title", "rich_text"];
        self.schema.properties.iter().any(|one| one.id == property && kinds.contains(&one.kind.as_str()))
    }

    /// The places, in the order of a timestamp, of rows of which a property has that whole text.
    pub fn with_text(&self, property: &str, text: &str, edited: bool, in_trash: bool) -> BTreeSet<Place> {
        let rows = self.by_text.get(&(property.to_owned(), text.to_owned())).into_iter().flatten();
        let rows =
            rows.filter_map(|number| Some((number, self.row(*number)?))).filter(|(_, row)| row.in_trash == in_trash);
        rows.map(|(number, row)| (minute(if edited { row.edited } else { row.created }), *number)).collect()
    }

    /// A page object. Versions from 2026-03-11 on know no `archived` any more.
    pub fn render_row(&self, row: &Row, users: &[User], with_archived: bool) -> Value {
        let properties = self.schema.properties.iter().map(|property| {
            let value = match property.kind.as_str() {
                "created_time" => {
                    json!({ "id": property.id, "type": "created_time", "created_time": stamp(row.created) })
                }
                "last_edited_time" => {
                    json!({ "id": property.id, "type": "last_edited_time", "last_edited_time": stamp(row.edited) })
                }
                _ => render(property, row.values.get(&property.id), users),
            };
            (property.name.clone(), value)
        });
        let mut page = json!({
            "object": "page",
            "id": row.id,
            "created_time": stamp(row.created),
            "last_edited_time": stamp(row.edited),
            "created_by": { "object": "user", "id": row.created_by },
            "last_edited_by": { "object": "user", "id": row.edited_by },
            "cover": null,
            "icon": null,
            "parent": { "type": "data_source_id", "data_source_id": self.id, "database_id": self.database },
            "in_trash": row.in_trash,
            "is_archived": false,
            "is_locked": false,
            "properties": Value::Object(properties.collect()),
            "url": format!("https://www.notion.so/{}", row.id.replace('-', "")),
            "public_url": null,
        });
        if with_archived {
            page["archived"] = json!(row.in_trash);
        }
        page
    }

    pub fn render(&self, with_archived: bool) -> Value {
        let mut source = json!({
            "object": "data_source",
            "id": self.id,
            "title": self.render_title(),
            "description": [],
            "parent": { "type": "database_id", "database_id": self.database },
            "database_parent": { "type": "workspace", "workspace": true },
            "is_inline": false,
            "in_trash": false,
            "created_time": stamp(self.created),
            "last_edited_time": stamp(self.created),
            "created_by": { "object": "user", "id": self.database },
            "last_edited_by": { "object": "user", "id": self.database },
            "properties": self.schema.render(),
            "icon": null,
            "cover": null,
            "url": format!("https://www.notion.so/{}", self.database.replace('-', "")),
            "public_url": null,
        });
        if with_archived {
            source["archived"] = json!(false);
        }
        source
    }

    fn render_title(&self) -> Value {
        json!([{
            "type": "text",
            "text": { "content": self.title, "link": null },
            "plain_text": self.title,
            "href": null,
        }])
    }
}

fn texts(row: &Row) -> Vec<(String, String)> {
    let text = |(id, value): (&String, &Stored)| match value {
        Stored::Text(text) => Some((id.clone(), text.clone())),
        _ => None,
    };
    row.values.iter().filter_map(text).collect()
}

/// Timestamps are rounded down to the minute.
pub(super) fn stamp(time: DateTime<Utc>) -> String {
    let minute = time.duration_trunc(TimeDelta::minutes(1)).unwrap_or(time);
    minute.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// The minute of a timestamp, in seconds since 1970.
pub(super) fn minute(time: DateTime<Utc>) -> i64 {
    time.timestamp().div_euclid(60) * 60
}
