//! A workspace, and what of it one connection can see.

use std::collections::HashMap;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::error::{Outcome, Refusal};
use super::faults::Faults;
use super::oauth::Logins;
use super::schema::Schema;
use super::table::{Row, Table};
use super::values::{self, User};
use super::webhooks::{Happened, Webhooks};
use crate::clock::Clock;
use crate::web::Request;

/// Who changes something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Author {
    /// Whoever the API speaks for.
    Bot,
    /// Somebody in Notion itself.
    Person,
}

pub(super) struct World {
    pub clock: Clock,
    pub users: Vec<User>,
    pub bot: String,
    pub tables: Vec<Table>,
    /// Where a page is: its data source's place in `tables`, and its number there.
    pages: HashMap<String, (usize, u64)>,
    pub logins: Logins,
    pub faults: Faults,
    pub webhooks: Webhooks,
    /// Schemas can't be changed through the API.
    pub locked: bool,
    /// A query gives no more rows than this, on all its pages.
    pub most_rows: u64,
    pub requests: Vec<Request>,
    pub counted: usize,
    serial: u64,
    seed: u64,
}

impl World {
    pub fn new(seed: u64) -> Self {
        let mut world = Self {
            clock: Clock::default(),
            users: vec![],
            bot: String::new(),
            tables: vec![],
            pages: HashMap::new(),
            logins: Logins::default(),
            faults: Faults::default(),
            webhooks: Webhooks::default(),
            locked: false,
            most_rows: 10_000,
            requests: vec![],
            counted: 0,
            serial: 0,
            seed,
        };
        world.bot = world.new_id();
        world
    }

    pub fn new_id(&mut self) -> String {
        self.serial += 1;
        // As good as random to look at, and the same in every run.
        let mixed = (self.serial ^ self.seed << 40).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Uuid::from_u64_pair(mixed, mixed.rotate_left(29) ^ self.serial).to_string()
    }

    pub fn add_user(&mut self, name: &str, email: &str) -> String {
        let id = self.new_id();
        self.users.push(User { id: id.clone(), name: name.to_owned(), email: email.to_owned() });
        id
    }

    /// A database with one data source; gives the data source's id.
    pub fn add_table(&mut self, title: &str, properties: &Value) -> Outcome<String> {
        let (id, database) = (self.new_id(), self.new_id());
        let table = Table::new(id.clone(), database, title, Schema::define(properties)?, self.clock.now());
        self.tables.push(table);
        Ok(id)
    }

    /// A data source that the connection can see; ids are taken with dashes and without.
    pub fn table(&self, id: &str) -> Outcome<usize> {
        let at = self.tables.iter().position(|table| table.shared && is_same(&table.id, id));
        at.ok_or_else(|| Refusal::not_found("data_source", id))
    }

    /// A page that the connection can see.
    pub fn page(&self, id: &str) -> Outcome<(usize, u64)> {
        let id_of = Uuid::parse_str(id).map_err(|_| {
            Refusal::invalid(format!(
                "path failed validation: path.page_id should be a valid uuid, instead was `\"{id}\"`."
            ))
        })?;
        let found = self.pages.get(&id_of.to_string()).copied();
        found.filter(|(table, _)| self.tables[*table].shared).ok_or_else(|| Refusal::not_found("page", id))
    }

    pub fn row(&self, (table, number): (usize, u64)) -> Outcome<&Row> {
        self.tables[table].row(number).ok_or_else(|| Refusal::not_found("page", ""))
    }

    pub fn render_page(&self, (table, number): (usize, u64), with_archived: bool) -> Outcome {
        let row = self.row((table, number))?;
        Ok(self.tables[table].render_row(row, &self.users, with_archived))
    }

    pub fn create_page(
        &mut self,
        table: usize,
        properties: &Map<String, Value>,
        author: Author,
    ) -> Outcome<(usize, u64)> {
        let values = self.parse_values(table, properties)?;
        let (id, now) = (self.new_id(), self.clock.now());
        let mut row = Row {
            id: id.clone(),
            created: now,
            edited: now,
            in_trash: false,
            values: HashMap::new(),
            created_by: self.author(author),
            edited_by: self.author(author),
        };
        row.values.extend(values.into_iter().filter_map(|(id, value)| Some((id, value?))));
        let number = self.tables[table].insert(row);
        self.pages.insert(id, (table, number));
        self.notify((table, number), "page.created", vec![], author);
        Ok((table, number))
    }

    /// Changes properties, and takes a page into the trash or out of it.
    pub fn update_page(
        &mut self,
        place: (usize, u64),
        properties: &Map<String, Value>,
        in_trash: Option<bool>,
        author: Author,
    ) -> Outcome<()> {
        let was_in_trash = self.row(place)?.in_trash;
        if was_in_trash && in_trash != Some(false) && !properties.is_empty() {
            return Err(Refusal::invalid(
                "Can't edit block that is archived. You must unarchive the block before editing.",
            ));
        }
        let values = self.parse_values(place.0, properties)?;
        let (now, editor) = (self.clock.now(), self.author(author));
        let changed: Vec<String> = values.iter().map(|(id, _)| id.clone()).collect();
        let (table, number) = place;
        self.tables[table].change(number, |row| {
            row.edited = now;
            row.edited_by = editor;
            row.in_trash = in_trash.unwrap_or(row.in_trash);
            for (id, value) in values {
                match value {
                    Some(value) => row.values.insert(id, value),
                    None => row.values.remove(&id),
                };
            }
        });
        match in_trash.filter(|in_trash| *in_trash != was_in_trash) {
            Some(true) => self.notify(place, "page.deleted", vec![], author),
            Some(false) => self.notify(place, "page.undeleted", vec![], author),
            None => self.notify(place, "page.properties_updated", changed, author),
        }
        Ok(())
    }

    /// For good, as from the trash after thirty days: nothing tells of it.
    pub fn erase_page(&mut self, id: &str) -> Outcome<()> {
        let (table, number) = self.page(id)?;
        self.tables[table].take(number);
        self.pages.remove(id);
        Ok(())
    }

    fn parse_values(
        &mut self,
        table: usize,
        properties: &Map<String, Value>,
    ) -> Outcome<Vec<(String, Option<values::Stored>)>> {
        let users = &self.users;
        let schema = &mut self.tables[table].schema;
        // What is refused must leave no new choices behind.
        let mut trial = schema.clone();
        let mut parsed = Vec::with_capacity(properties.len());
        for (key, value) in properties {
            let at = trial.find(key);
            let at = at.ok_or_else(|| Refusal::invalid(format!("{key} is not a property that exists.")))?;
            let property = &mut trial.properties[at];
            parsed.push((property.id.clone(), values::parse(property, value, users)?));
        }
        *schema = trial;
        Ok(parsed)
    }

    fn author(&self, author: Author) -> String {
        match author {
            Author::Bot => self.bot.clone(),
            Author::Person => self.users.first().map_or_else(|| self.bot.clone(), |user| user.id.clone()),
        }
    }

    fn notify(&mut self, (table, number): (usize, u64), kind: &'static str, changed: Vec<String>, author: Author) {
        let table = &self.tables[table];
        let Some(row) = table.row(number).filter(|_| table.shared && self.webhooks.is_wanted()) else { return };
        let parent = json!({ "type": "data_source_id", "id": table.database, "data_source_id": table.id });
        let who = json!({ "id": row.edited_by, "type": if author == Author::Bot { "bot" } else { "person" } });
        let (page, at) = (row.id.clone(), self.clock.now());
        let id = self.new_id();
        self.webhooks.note(Happened { id, kind, page, parent, changed, authors: vec![who], at });
    }
}

pub(super) fn is_same(id: &str, other: &str) -> bool {
    id == other || Uuid::parse_str(other).is_ok_and(|other| other.to_string() == id)
}
