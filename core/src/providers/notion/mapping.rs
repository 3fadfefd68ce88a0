//! Which property of a data source holds what.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{KEY_PROPERTY, plain};
use crate::content::digest;

/// What a property can hold of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Title,
    /// When it takes place; with its end, unless that has a property of its own.
    Start,
    End,
    Description,
    Location,
    Status,
    Url,
    Attendees,
    Categories,
    /// See [`KEY_PROPERTY`].
    Key,
}

impl Role {
    const ALL: [Self; 10] = [
        Self::Title,
        Self::Start,
        Self::End,
        Self::Description,
        Self::Location,
        Self::Status,
        Self::Url,
        Self::Attendees,
        Self::Categories,
        Self::Key,
    ];

    /// Its name in the connection's options.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Title => "title",
            Self::Start => "start",
            Self::End => "end",
            Self::Description => "description",
            Self::Location => "location",
            Self::Status => "status",
            Self::Url => "url",
            Self::Attendees => "attendees",
            Self::Categories => "categories",
            Self::Key => "key",
        }
    }

    /// Types that it can have.
    const fn kinds(self) -> &'static [&'static str] {
        match self {
            Self::Title => &["title"],
            Self::Start | Self::End => &["date"],
            Self::Description | Self::Key => &["rich_text"],
            Self::Location => &["rich_text", "place", "select"],
            Self::Status => &["status", "select"],
            Self::Url => &["url"],
            Self::Attendees => &["people", "rich_text", "email"],
            Self::Categories => &["multi_select", "select"],
        }
    }

    /// Names that mean it, the likeliest first, without blanks and in lower case.
    const fn names(self) -> &'static [&'static str] {
        match self {
            Self::Title => &[],
            Self::Start => &[
                "date",
                "when",
                "start",
                "starts",
                "startdate",
                "starttime",
                "startsat",
                "begin",
                "begins",
                "from",
                "day",
                "eventdate",
                "eventtime",
                "datum",
                "termin",
                "wann",
                "beginn",
                "von",
            ],
            Self::End => &["end", "ends", "enddate", "endtime", "endsat", "until", "to", "ende", "bis"],
            Self::Description => &[
                "description",
                "notes",
                "note",
                "details",
                "summary",
                "agenda",
                "body",
                "text",
                "beschreibung",
                "notizen",
            ],
            Self::Location => &["location", "place", "where", "venue", "room", "address", "ort", "raum", "wo"],
            Self::Status => &["status", "state", "eventstatus"],
            Self::Url => &["url", "link", "website", "webpage", "web"],
            Self::Attendees => {
                &["attendees", "people", "participants", "guests", "invitees", "who", "teilnehmer", "personen", "wer"]
            }
            Self::Categories => {
                &["categories", "category", "tags", "tag", "labels", "label", "kategorien", "kategorie"]
            }
            Self::Key => &["calendar_synckey"],
        }
    }
}

/// A property of a data source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Property {
    /// Stays when it is renamed.
    pub id: String,
    pub name: String,
    #[serde(rename = "type")]
    pub kind: String,
    /// What a status or a select can be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
}

/// The properties of a data source that are used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mapping {
    pub data_source: String,
    properties: BTreeMap<Role, Property>,
}

/// What is missing, or wrong with the options.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("; "))]
pub struct MappingError(Vec<String>);

impl Mapping {
    /// Finds the properties of a data source object. `options` are the connection's: `{"properties": {"start": "When",
    /// "location": null}}` names one by its name or id, null leaves one out.
    ///
    /// # Errors
    /// [`MappingError`] names all that is missing, and all that the options name and is not there or of another type.
    pub fn find(data_source: &Value, options: &Value) -> Result<Self, MappingError> {
        let mut finder = Finder { all: listed(data_source), found: BTreeMap::new(), problems: vec![] };
        let chosen = &options["properties"];
        for role in Role::ALL {
            match chosen.get(role.word()) {
                Some(Value::String(name)) => finder.take_named(role, name),
                Some(Value::Null) | None => {}
                Some(_) => finder.problem(format!("options.properties.{} is no property's name", role.word())),
            }
        }
        for word in chosen.as_object().into_iter().flat_map(|chosen| chosen.keys()) {
            if !Role::ALL.iter().any(|role| role.word() == word) {
                let words: Vec<&str> = Role::ALL.iter().map(|role| role.word()).collect();
                finder.problem(format!("options.properties.{word} is not known: there are {}", words.join(", ")));
            }
        }
        let is_left_out = |role: Role| chosen.get(role.word()).is_some();
        Role::ALL.into_iter().filter(|role| !is_left_out(*role)).for_each(|role| finder.take_by_name(role));
        Role::ALL.into_iter().filter(|role| !is_left_out(*role)).for_each(|role| finder.take_by_type(role));
        finder.finish(data_source["id"].as_str().unwrap_or_default())
    }

    /// The property that has that role.
    pub fn get(&self, role: Role) -> Option<&Property> {
        self.properties.get(&role)
    }

    /// The property of the key was made since.
    pub fn set_key(&mut self, property: Property) {
        self.properties.insert(Role::Key, property);
    }

    /// Changes when an entry of a page may be another by it.
    pub fn fingerprint(&self) -> String {
        let used = self.properties.iter().filter(|(role, _)| **role != Role::Key);
        let parts =
            used.map(|(role, one)| format!("{}={}:{}:{}\n", role.word(), one.id, one.kind, one.choices.join(",")));
        format!("{:032x}", digest(parts.collect::<String>().as_bytes()))
    }
}

struct Finder {
    all: Vec<Property>,
    found: BTreeMap<Role, Property>,
    problems: Vec<String>,
}

impl Finder {
    fn problem(&mut self, problem: String) {
        self.problems.push(problem);
    }

    fn take_named(&mut self, role: Role, name: &str) {
        let Some(property) = self.all.iter().find(|one| one.name == name || one.id == name) else {
            let names: Vec<String> = self.all.iter().map(|one| format!("\"{}\"", one.name)).collect();
            let there = names.join(", ");
            return self.problem(format!(
                "the data source has no property \"{name}\" (options.properties.{}); it has {there}",
                role.word()
            ));
        };
        if !role.kinds().contains(&property.kind.as_str()) {
            let kinds = role.kinds().join(" or ");
            let kind = property.kind.clone();
            return self.problem(format!(
                "property \"{name}\" (options.properties.{}) is of type {kind}, and must be of type {kinds}",
                role.word()
            ));
        }
        if let Some((other, _)) = self.found.iter().find(|(_, taken)| taken.id == property.id) {
            let other = other.word();
            return self.problem(format!("options.properties names \"{name}\" twice: {other} and {}", role.word()));
        }
        self.found.insert(role, property.clone());
    }

    fn take_by_name(&mut self, role: Role) {
        let mut names = role.names().iter();
        let found = names.find_map(|name| self.free(role).find(|one| normal(&one.name) == *name));
        if let Some(property) = found.cloned() {
            self.found.entry(role).or_insert(property);
        }
    }

    /// What can be nothing else, whatever its name.
    fn take_by_type(&mut self, role: Role) {
        let found = match role {
            Role::Title => self.free(role).next(),
            Role::Start => self.free(role).find(|one| !Role::End.names().contains(&normal(&one.name).as_str())),
            Role::Status => self.free(role).find(|one| one.kind == "status"),
            _ => None,
        };
        if let Some(property) = found.cloned() {
            self.found.entry(role).or_insert(property);
        }
    }

    /// Of a type that it can have, and not taken.
    fn free(&self, role: Role) -> impl Iterator<Item = &Property> {
        let is_free = move |one: &&Property| {
            role.kinds().contains(&one.kind.as_str()) && !self.found.values().any(|taken| taken.id == one.id)
        };
        self.all.iter().filter(is_free)
    }

    fn finish(mut self, data_source: &str) -> Result<Mapping, MappingError> {
        for (role, what) in [(Role::Title, "title"), (Role::Start, "date")] {
            if !self.found.contains_key(&role) && self.problems.is_empty() {
                let word = role.word();
                self.problem(format!("the data source has no property of type {what} for options.properties.{word}"));
            }
        }
        if self.problems.is_empty() {
            return Ok(Mapping { data_source: data_source.to_owned(), properties: self.found });
        }
        Err(MappingError(self.problems))
    }
}

/// In the order of their names, as JSON gives no other.
fn listed(data_source: &Value) -> Vec<Property> {
    let members = data_source["properties"].as_object().into_iter().flatten();
    let property = |(name, one): (&String, &Value)| {
        let kind = one["type"].as_str()?.to_owned();
        let options = one[kind.as_str()]["options"].as_array().into_iter().flatten();
        let is_status = matches!(kind.as_str(), "status" | "select");
        let choices = options.filter(|_| is_status).filter_map(|option| option["name"].as_str().map(str::to_owned));
        Some(Property { id: one["id"].as_str()?.to_owned(), name: name.clone(), choices: choices.collect(), kind })
    };
    members.filter_map(property).collect()
}

/// A name as names are compared.
fn normal(name: &str) -> String {
    let kept = name.chars().filter(|character| character.is_alphanumeric() || *character == '_');
    kept.flat_map(char::to_lowercase).collect()
}

/// The title of a data source or a database.
pub fn title_of(object: &Value) -> Option<String> {
    Some(plain(&object["title"])).filter(|title| !title.is_empty())
}

/// The definition that adds the property of the key.
pub fn key_definition() -> Value {
    serde_json::json!({ "properties": { KEY_PROPERTY: { "rich_text": {} } } })
}
