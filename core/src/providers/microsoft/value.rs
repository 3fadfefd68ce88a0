//! Members of Graph's objects. Null is as good as absent, and so is what has another type.

use serde_json::Value;

use crate::providers::outlook;

/// A text that says something, as a database takes it.
pub fn text(value: &Value) -> Option<String> {
    value.as_str().and_then(outlook::tidy)
}

/// An identifier or a word: not changed in any way. One with a NUL, which no database holds, is none.
pub fn word(value: &Value) -> Option<String> {
    value.as_str().filter(|word| !word.is_empty() && !word.contains('\0')).map(str::to_owned)
}

/// False where it is absent.
pub fn flag(value: &Value) -> bool {
    value.as_bool().unwrap_or_default()
}

/// The version of an object: `@odata.etag`, or what that is made of.
pub fn etag(value: &Value) -> Option<String> {
    word(&value["@odata.etag"]).or_else(|| word(&value["changeKey"]).map(|key| format!("W/\"{key}\"")))
}

/// Nothing where it is absent.
pub fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
