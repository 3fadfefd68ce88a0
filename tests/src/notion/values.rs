//! Values of properties: what Notion takes, keeps and shows.

use serde_json::{Value, json};

use super::dates::DateValue;
use super::error::{Outcome, Refusal};
use super::schema::Property;

/// Notion's limits (developers.notion.com/reference/request-limits).
const MAX_TEXT: usize = 2_000;
const MAX_ITEMS: usize = 100;
const MAX_ADDRESS: usize = 200;

/// What is kept of a value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Stored {
    Text(String),
    Date(DateValue),
    /// Ids of choices.
    Choices(Vec<String>),
    /// Ids of users.
    People(Vec<String>),
    /// A number, a checkbox, an address, a place.
    Plain(Value),
}

/// Somebody who can be mentioned.
#[derive(Clone, Debug)]
pub(super) struct User {
    pub id: String,
    pub name: String,
    pub email: String,
}

impl User {
    pub fn render(&self) -> Value {
        json!({
            "object": "user",
            "id": self.id,
            "name": self.name,
            "avatar_url": null,
            "type": "person",
            "person": { "email": self.email },
        })
    }
}

/// Takes the value that a request gives for a property; `None` clears it.
pub(super) fn parse(property: &mut Property, given: &Value, users: &[User]) -> Outcome<Option<Stored>> {
    let kind = property.kind.clone();
    if property.is_computed() {
        return Err(Refusal::invalid(format!("{} can't be updated.", property.name)));
    }
    let Some(value) = given.as_object().and_then(|given| given.get(&kind)) else {
        return Err(Refusal::invalid(format!("{} is expected to be {kind}.", property.name)));
    };
    let wrong = |problem: &str| Refusal::invalid(format!("body.properties.{}.{kind} {problem}", property.name));
    if value.is_null() && !matches!(kind.as_str(), "title" | "rich_text" | "multi_select" | "people" | "checkbox") {
        return Ok(None);
    }
    let list = || value.as_array().ok_or_else(|| wrong("should be an array."));
    let stored = match kind.as_str() {
        "title" | "rich_text" => Stored::Text(rich_text(list()?, &wrong)?),
        "date" => Stored::Date(DateValue::parse(value)?),
        "select" | "status" => {
            let id = choice(property, value)?;
            Stored::Choices(vec![id])
        }
        "multi_select" => {
            let list = list()?;
            if list.len() > MAX_ITEMS {
                return Err(wrong("length should be ≤ `100`."));
            }
            Stored::Choices(list.iter().map(|value| choice(property, value)).collect::<Outcome<_>>()?)
        }
        "people" => Stored::People(people(list()?, users, &wrong)?),
        "checkbox" if value.is_boolean() => Stored::Plain(value.clone()),
        "number" if value.is_number() => Stored::Plain(value.clone()),
        "url" => Stored::Plain(limited(value, MAX_TEXT, &wrong)?),
        "email" | "phone_number" => Stored::Plain(limited(value, MAX_ADDRESS, &wrong)?),
        "place" if value["lat"].is_number() && value["lon"].is_number() => Stored::Plain(value.clone()),
        _ => return Err(wrong("has a value of a wrong type.")),
    };
    Ok(Some(stored).filter(|stored| *stored != Stored::Text(String::new())))
}

fn limited(value: &Value, max: usize, wrong: &dyn Fn(&str) -> Refusal) -> Outcome {
    let text = value.as_str().ok_or_else(|| wrong("should be a string or `null`."))?;
    match text.encode_utf16().count() {
        0 => Err(wrong("should be a non-empty string or `null`.")),
        length if length > max => Err(wrong(&format!("length should be ≤ `{max}`, instead was `{length}`."))),
        _ => Ok(value.clone()),
    }
}

/// Neighbours of the same style are one when they are read again.
fn rich_text(items: &[Value], wrong: &dyn Fn(&str) -> Refusal) -> Outcome<String> {
    if items.len() > MAX_ITEMS {
        return Err(wrong(&format!("length should be ≤ `{MAX_ITEMS}`, instead was `{}`.", items.len())));
    }
    let mut text = String::new();
    for (number, item) in items.iter().enumerate() {
        let content = item["text"]["content"].as_str();
        let content = content.ok_or_else(|| wrong(&format!("[{number}].text should be defined.")))?;
        let length = content.encode_utf16().count();
        if length > MAX_TEXT {
            let problem = format!("[{number}].text.content.length should be ≤ `{MAX_TEXT}`, instead was `{length}`.");
            return Err(wrong(&problem));
        }
        text.push_str(content);
    }
    Ok(text)
}

/// By id or by name; a select takes a name that it does not know as a new one, a status does not.
fn choice(property: &mut Property, value: &Value) -> Outcome<String> {
    let kind = property.kind.clone();
    if let Some(id) = value["id"].as_str() {
        let known = property.choices.iter().find(|choice| choice.id == id);
        return known
            .map(|choice| choice.id.clone())
            .ok_or_else(|| Refusal::invalid(format!("{kind} option not found.")));
    }
    let Some(name) = value["name"].as_str().filter(|name| !name.is_empty()) else {
        return Err(Refusal::invalid(format!("body.properties.{}.{kind}.name should be defined.", property.name)));
    };
    let known = property.choices.iter().find(|choice| choice.name == name).map(|choice| choice.id.clone());
    match known {
        Some(id) => Ok(id),
        None if kind == "status" => {
            Err(Refusal::invalid(format!("Invalid status option. Status option \"{name}\" does not exist.")))
        }
        None if name.contains(',') => Err(Refusal::invalid("Invalid select option, commas not allowed.")),
        None if name.encode_utf16().count() > 100 => Err(Refusal::invalid("name.length should be ≤ `100`.")),
        None => Ok(property.choose_or_make(name)),
    }
}

fn people(list: &[Value], users: &[User], wrong: &dyn Fn(&str) -> Refusal) -> Outcome<Vec<String>> {
    if list.len() > MAX_ITEMS {
        return Err(wrong("length should be ≤ `100`."));
    }
    let id_of = |person: &Value| {
        let id = person["id"].as_str().ok_or_else(|| wrong("should have an id each."))?;
        let known = users.iter().any(|user| user.id == id);
        if known { Ok(id.to_owned()) } else { Err(Refusal::not_found("user", id)) }
    };
    list.iter().map(id_of).collect()
}

/// As a page shows it.
pub(super) fn render(property: &Property, stored: Option<&Stored>, users: &[User]) -> Value {
    let choice = |id: &String| property.choices.iter().find(|choice| choice.id == *id).map(|choice| choice.render());
    let value = match (property.kind.as_str(), stored) {
        ("title" | "rich_text", Some(Stored::Text(text))) => json!([rich_text_item(text)]),
        ("select" | "status", Some(Stored::Choices(ids))) => json!(ids.first().and_then(choice)),
        (_, Some(Stored::Choices(ids))) => json!(ids.iter().filter_map(choice).collect::<Vec<_>>()),
        (_, Some(Stored::Date(date))) => date.render(),
        (_, Some(Stored::People(ids))) => {
            let person = |id: &String| users.iter().find(|user| user.id == *id).map(User::render);
            json!(ids.iter().filter_map(person).collect::<Vec<_>>())
        }
        (_, Some(Stored::Plain(value))) => value.clone(),
        ("title" | "rich_text" | "multi_select" | "people", _) => json!([]),
        ("checkbox", _) => json!(false),
        ("status", _) => json!(property.choices.first().map(|choice| choice.render())),
        _ => Value::Null,
    };
    json!({ "id": property.id, "type": property.kind, property.kind.as_str(): value })
}

fn rich_text_item(text: &str) -> Value {
    json!({
        "type": "text",
        "text": { "content": text, "link": null },
        "annotations": {
            "bold": false, "italic": false, "strikethrough": false, "underline": false, "code": false, "color": "default",
        },
        "plain_text": text,
        "href": null,
    })
}
