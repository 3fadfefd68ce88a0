//! An item as an entry.

use serde_json::{Map, Value, json};

use super::rich_text::{fits, length};
use super::times;
use crate::event::{Body, Event};
use crate::zones::Zones;

/// Limits of one page (developers.notion.com/reference/request-limits): the whole request, with room for what is around
/// it; a URL; a category; how many there are of those.
const MAX_BYTES: usize = 450_000;
const MAX_URL: usize = 2_000;
const MAX_CATEGORY: usize = 100;
const MAX_CATEGORIES: usize = 100;

/// The fields of an entry that say what an event is. One that Notion cannot hold is not among them.
///
/// # Errors
/// What Notion cannot hold at all, as the end of a sentence: "a recurrence rule: ...".
pub fn write(body: &Body, zones: &dyn Zones) -> Result<Map<String, Value>, String> {
    let Event { timing, details } = match body {
        Body::Single(event) => event.as_ref(),
        Body::Series(_) | Body::Overrides(_) => return Err("a recurring event: a page is one event".into()),
    };
    let texts = [
        ("title", Some(&details.title)),
        ("description", details.description.as_ref()),
        ("location", details.location.as_ref()),
    ];
    let mut entry = Map::new();
    for (key, text) in texts {
        if !text.is_none_or(|text| fits(text)) {
            return Err(format!("a {key} of over 200,000 characters"));
        }
        entry.insert(key.into(), json!(text.filter(|text| key == "title" || !text.is_empty())));
    }
    entry.insert("date".into(), times::date(timing, zones));
    entry.insert("status".into(), json!(details.event_status.word()));
    let url = details.metadata.as_ref().and_then(|metadata| metadata["url"].as_str());
    if url.is_none_or(|url| !url.is_empty() && length(url) <= MAX_URL) {
        entry.insert("url".into(), json!(url));
    }
    let people = details.attendees.iter().map(|one| {
        let address = Some(&one.address).filter(|address| !address.is_empty());
        json!(address.or(one.name.as_ref()))
    });
    entry.insert("attendees".into(), people.collect());
    let can_be_category = |name: &String| !name.is_empty() && !name.contains(',') && length(name) <= MAX_CATEGORY;
    if details.categories.len() <= MAX_CATEGORIES && details.categories.iter().all(can_be_category) {
        entry.insert("categories".into(), json!(details.categories));
    }
    let bytes = serde_json::to_string(&entry).map_or(usize::MAX, |text| text.len());
    if bytes > MAX_BYTES {
        return Err(format!("an event of {bytes} bytes"));
    }
    Ok(entry)
}
