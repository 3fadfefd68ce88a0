//! What a page says of an event, whatever its properties are called.

use serde_json::{Map, Value, json};

use super::KEY_PROPERTY;
use super::mapping::{Mapping, Property, Role};
use super::rich_text::{plain, storable};
use super::status;
use crate::content::digest;

/// Fields that say which page it is and when it was touched, and nothing of the event.
const ABOUT: [&str; 5] = ["id", "web_link", "last_edited_time", "mark", "version"];
/// People and categories of one page that are kept.
const MAX_LISTED: usize = 1_000;

/// The entry of a page: `id`, `web_link`, `last_edited_time`, `mark` (the key), `version`, and of the event `title`,
/// `date` (`start`, `end`), `description`, `location`, `status`, `url`, `attendees`, `categories`, each null where there
/// is none. `None` for what is no page, or has no date: it is no event.
pub fn entry(page: &Value, mapping: &Mapping) -> Option<Value> {
    let id = page["id"].as_str()?;
    let values = Values { page, mapping };
    let date = values.date()?;
    let mut entry = json!({
        "id": id,
        "web_link": page["url"].as_str(),
        "last_edited_time": page["last_edited_time"].as_str(),
        "mark": values.mark(),
        "title": values.text(Role::Title).unwrap_or_default(),
        "date": date,
        "description": values.text(Role::Description),
        "location": values.text(Role::Location),
        "status": values.text(Role::Status).map(|name| status::meaning(&name).word()),
        "url": values.text(Role::Url),
        "attendees": values.attendees(),
        "categories": values.categories(),
    });
    entry["version"] = json!(version(&entry));
    Some(entry)
}

/// A digest of what an entry says of its event.
pub fn version(entry: &Value) -> String {
    let members = entry.as_object().cloned().unwrap_or_default();
    let said: Map<String, Value> = members.into_iter().filter(|(name, _)| !ABOUT.contains(&name.as_str())).collect();
    format!("{:032x}", digest(Value::Object(said).to_string().as_bytes()))
}

/// Whether a page is in the trash, in any version of the API.
pub fn is_in_trash(page: &Value) -> bool {
    [&page["in_trash"], &page["archived"]].iter().any(|flag| flag.as_bool() == Some(true))
}

struct Values<'a> {
    page: &'a Value,
    mapping: &'a Mapping,
}

impl<'a> Values<'a> {
    /// By its id, which stays when the property is renamed.
    fn value(&self, role: Role) -> Option<(&'a Property, &'a Value)> {
        let property = self.mapping.get(role)?;
        let properties = self.page["properties"].as_object()?;
        let is_it = |value: &&Value| value["id"].as_str() == Some(property.id.as_str());
        let named = properties.get(&property.name).filter(is_it);
        let value = named.or_else(|| properties.values().find(is_it)).or_else(|| properties.get(&property.name))?;
        Some((property, &value[property.kind.as_str()]))
    }

    /// Of any property that is a text to its reader; `None` for an empty one.
    fn text(&self, role: Role) -> Option<String> {
        let (property, value) = self.value(role)?;
        let text = match property.kind.as_str() {
            "title" | "rich_text" => plain(value),
            "select" | "status" => storable(value["name"].as_str()?),
            "place" => storable(value["name"].as_str().or(value["address"].as_str())?),
            _ => storable(value.as_str()?),
        };
        Some(text).filter(|text| !text.is_empty())
    }

    /// Where no property is known to hold keys, it may have been made since the others were learned.
    fn mark(&self) -> Option<String> {
        if self.mapping.get(Role::Key).is_some() {
            return self.text(Role::Key);
        }
        Some(plain(&self.page["properties"][KEY_PROPERTY]["rich_text"])).filter(|text| !text.is_empty())
    }

    /// `{start, end}`; an end that has a property of its own counts.
    fn date(&self) -> Option<Value> {
        let (_, start) = self.value(Role::Start)?;
        let of_its_own = self.value(Role::End).map(|(_, end)| end["end"].as_str().or(end["start"].as_str()));
        let end = of_its_own.flatten().or(start["end"].as_str());
        Some(json!({ "start": start["start"].as_str()?, "end": end }))
    }

    fn attendees(&self) -> Value {
        let Some((property, value)) = self.value(Role::Attendees) else { return Value::Null };
        if property.kind != "people" {
            let text = self.text(Role::Attendees).unwrap_or_default();
            let parts = text.split([',', ';', '\n']).map(str::trim).filter(|part| !part.is_empty());
            return parts.take(MAX_LISTED).map(|address| json!({ "address": address, "name": null })).collect();
        }
        let person = |person: &Value| {
            let name = person["name"].as_str().map(storable);
            let email = person["person"]["email"].as_str().map(storable);
            let address = email.clone().or_else(|| name.clone())?;
            Some(json!({ "address": address, "name": name.filter(|_| email.is_some()) }))
        };
        value.as_array().into_iter().flatten().take(MAX_LISTED).filter_map(person).collect()
    }

    fn categories(&self) -> Value {
        let Some((property, value)) = self.value(Role::Categories) else { return Value::Null };
        let name = |choice: &Value| choice["name"].as_str().map(storable);
        match property.kind.as_str() {
            "select" => name(value).into_iter().collect(),
            _ => value.as_array().into_iter().flatten().take(MAX_LISTED).filter_map(name).collect(),
        }
    }
}
