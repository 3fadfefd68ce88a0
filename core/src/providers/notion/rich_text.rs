//! Rich text: an array of items of one style each.

use serde_json::{Value, json};

use crate::ics::clean;

/// Limits of one value (developers.notion.com/reference/request-limits). Lengths are counted as JavaScript does, in
/// UTF-16 units.
const MAX_ITEM: usize = 2_000;
const MAX_ITEMS: usize = 100;

/// The text of a rich text array, without its styles.
pub fn plain(items: &Value) -> String {
    let items = items.as_array().into_iter().flatten();
    let texts = items.filter_map(|item| item["plain_text"].as_str().or(item["text"]["content"].as_str()));
    storable(&texts.collect::<String>())
}

/// Without characters that no text here has.
pub fn storable(text: &str) -> String {
    clean(text.as_bytes()).into_owned()
}

/// As many items as it takes; an empty array for an empty text. `None` for a text that needs more of them than there
/// can be.
pub fn items(text: &str) -> Option<Value> {
    let mut items = vec![];
    let mut rest = text;
    while !rest.is_empty() {
        if items.len() == MAX_ITEMS {
            return None;
        }
        let (item, after) = rest.split_at(end_of_item(rest));
        items.push(json!({ "type": "text", "text": { "content": item } }));
        rest = after;
    }
    Some(Value::Array(items))
}

fn end_of_item(text: &str) -> usize {
    let mut length = 0;
    for (at, character) in text.char_indices() {
        length += character.len_utf16();
        if length > MAX_ITEM {
            return at;
        }
    }
    text.len()
}

/// Whether a text has a place in one property.
pub fn fits(text: &str) -> bool {
    // An item that ends before a character of two units is one unit short.
    text.len() <= (MAX_ITEM - 1) * MAX_ITEMS || items(text).is_some()
}

/// In UTF-16 units.
pub fn length(text: &str) -> usize {
    text.encode_utf16().count()
}
