//! Data sources: their properties, and the types that these have.

use serde_json::{Map, Value, json};

use super::error::{Outcome, Refusal};

/// Types whose values are given; Notion has more that it computes.
const GIVEN: [&str; 13] = [
    "title",
    "rich_text",
    "number",
    "select",
    "multi_select",
    "status",
    "date",
    "people",
    "checkbox",
    "url",
    "email",
    "phone_number",
    "place",
];
const COMPUTED: [&str; 3] = ["created_time", "last_edited_time", "created_by"];

/// A property of a data source.
#[derive(Clone, Debug)]
pub(super) struct Property {
    pub id: String,
    pub name: String,
    pub kind: String,
    /// Of a select, multi-select or status.
    pub choices: Vec<Choice>,
}

#[derive(Clone, Debug)]
pub(super) struct Choice {
    pub id: String,
    pub name: String,
}

impl Choice {
    pub fn render(&self) -> Value {
        json!({ "id": self.id, "name": self.name, "color": "default" })
    }
}

impl Property {
    /// From a definition: `{"rich_text": {}}`, `{"status": {"options": [{"name": "Done"}]}}`. The id is made of `number`,
    /// with a character that stands in it percent-encoded, as Notion's often have.
    pub fn define(name: &str, definition: &Value, number: u64) -> Outcome<Self> {
        let stated = definition["type"].as_str();
        let kinds = GIVEN.iter().chain(&COMPUTED);
        let kind = kinds.copied().find(|kind| stated.map_or(!definition[*kind].is_null(), |stated| stated == *kind));
        let kind =
            kind.ok_or_else(|| Refusal::invalid(format!("body.properties.{name} should define a property type.")))?;
        let id = if kind == "title" { "title".to_owned() } else { format!("%3A{number:03x}") };
        let mut property = Self { id, name: name.to_owned(), kind: kind.to_owned(), choices: vec![] };
        let choices = definition[kind]["options"].as_array().cloned().unwrap_or_default();
        let names = choices.iter().filter_map(|choice| choice["name"].as_str());
        names.for_each(|name| {
            property.choose_or_make(name);
        });
        if kind == "status" && property.choices.is_empty() {
            ["Not started", "In progress", "Done"].iter().for_each(|name| {
                property.choose_or_make(name);
            });
        }
        Ok(property)
    }

    /// The id of the choice of that name; a new one where there is none.
    pub fn choose_or_make(&mut self, name: &str) -> String {
        if let Some(choice) = self.choices.iter().find(|choice| choice.name == name) {
            return choice.id.clone();
        }
        let id = format!("{}~{:02x}", self.id, self.choices.len());
        self.choices.push(Choice { id: id.clone(), name: name.to_owned() });
        id
    }

    pub fn is_computed(&self) -> bool {
        COMPUTED.contains(&self.kind.as_str())
    }

    fn render(&self) -> Value {
        let choices: Vec<Value> = self.choices.iter().map(Choice::render).collect();
        let inner = match self.kind.as_str() {
            "select" | "multi_select" => json!({ "options": choices }),
            "status" => json!({ "options": choices, "groups": self.groups() }),
            "number" => json!({ "format": "number" }),
            _ => json!({}),
        };
        json!({ "id": self.id, "name": self.name, "description": null, "type": self.kind, self.kind.as_str(): inner })
    }

    /// The first choice is to do, the last one is complete, those between are in progress.
    fn groups(&self) -> Value {
        let ids: Vec<&String> = self.choices.iter().map(|choice| &choice.id).collect();
        let (first, rest) = ids.split_first().map_or((vec![], &[][..]), |(first, rest)| (vec![*first], rest));
        let (last, between) = rest.split_last().map_or((vec![], &[][..]), |(last, between)| (vec![*last], between));
        let group = |id: &str, name: &str, ids: &[&String]| json!({ "id": id, "name": name, "color": "gray", "option_ids": ids });
        json!([group("g1", "To-do", &first), group("g2", "In progress", between), group("g3", "Complete", &last)])
    }
}

/// A data source without its rows.
#[derive(Clone, Debug)]
pub(super) struct Schema {
    pub properties: Vec<Property>,
    next: u64,
}

impl Schema {
    pub fn define(definitions: &Value) -> Outcome<Self> {
        let mut schema = Self { properties: vec![], next: 1 };
        for (name, definition) in definitions.as_object().into_iter().flatten() {
            schema.add(name, definition)?;
        }
        match schema.properties.iter().filter(|property| property.kind == "title").count() {
            1 => Ok(schema),
            _ => Err(Refusal::invalid("Title is not provided, or more than one is.")),
        }
    }

    fn add(&mut self, name: &str, definition: &Value) -> Outcome<()> {
        self.next += 1;
        self.properties.push(Property::define(name, definition, self.next)?);
        Ok(())
    }

    /// By name or by id.
    pub fn find(&self, key: &str) -> Option<usize> {
        self.properties.iter().position(|property| property.name == key || property.id == key)
    }

    /// What PATCH gets as `properties`: null removes, a new name adds, `{"name": ...}` renames.
    pub fn change(&mut self, changes: &Map<String, Value>) -> Outcome<()> {
        for (key, change) in changes {
            match (self.find(key), change) {
                (Some(at), Value::Null) if self.properties[at].kind == "title" => {
                    return Err(Refusal::invalid("Cannot delete the title property."));
                }
                (Some(at), Value::Null) => {
                    self.properties.remove(at);
                }
                (Some(at), change) => {
                    if let Some(name) = change["name"].as_str() {
                        self.properties[at].name = name.to_owned();
                    }
                }
                (None, Value::Null) => return Err(Refusal::invalid(format!("{key} is not a property that exists."))),
                (None, definition) => self.add(key, definition)?,
            }
        }
        Ok(())
    }

    pub fn render(&self) -> Value {
        let properties = self.properties.iter().map(|property| (property.name.clone(), property.render()));
        Value::Object(properties.collect())
    }
}
