//! JSON that is looked at where it stands: what an answer holds beside what is wanted takes no memory, however much it is.
//!
//! serde_json finds where a value ends (without recursion: nesting costs no stack); what is wanted is then read.

use std::fmt;

use serde::Deserializer as _;
use serde::de::{Error, IgnoredAny, Visitor};
use serde_json::Deserializer;

/// The one value that a text is, without the blanks around it.
pub fn whole(text: &str) -> Option<&str> {
    let (value, rest) = first(text)?;
    rest.trim_ascii().is_empty().then_some(value)
}

/// The first value of a text, and what stands behind it.
fn first(text: &str) -> Option<(&str, &str)> {
    let mut values = Deserializer::from_str(text).into_iter::<IgnoredAny>();
    values.next()?.ok()?;
    let (value, rest) = text.split_at_checked(values.byte_offset())?;
    Some((value.trim_ascii_start(), rest))
}

/// The elements of a value, if it is an array.
pub fn elements(value: &str) -> Option<impl Iterator<Item = &str>> {
    let mut rest = value.strip_prefix('[')?;
    Some(std::iter::from_fn(move || {
        let (element, behind) = first(rest)?;
        rest = behind.trim_ascii_start().strip_prefix(',').unwrap_or_default();
        Some(element)
    }))
}

/// The names and values of a value, if it is an object.
pub fn members(value: &str) -> Option<impl Iterator<Item = (String, &str)>> {
    let mut rest = value.strip_prefix('{')?;
    Some(std::iter::from_fn(move || {
        let (name, behind) = first(rest)?;
        let (value, behind) = first(behind.trim_ascii_start().strip_prefix(':')?)?;
        rest = behind.trim_ascii_start().strip_prefix(',').unwrap_or_default();
        Some((string(name)?, value))
    }))
}

/// A string. Halves of surrogate pairs, which flows that cut texts leave behind, become U+FFFD.
pub fn string(value: &str) -> Option<String> {
    struct Text;

    impl Visitor<'_> for Text {
        type Value = String;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a string")
        }

        fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<String, E> {
            Ok(String::from_utf8_lossy(bytes).into_owned())
        }
    }

    if !value.starts_with('"') {
        return None;
    }
    Deserializer::from_str(value).deserialize_bytes(Text).ok()
}

/// A string, or a number as it is written.
pub fn word(value: &str) -> Option<String> {
    let is_number = value.starts_with(|first: char| first == '-' || first.is_ascii_digit());
    if is_number { Some(value.to_owned()) } else { string(value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_found_where_they_stand() {
        let text = r#" {"a" : [1, "x,]", {"b": []}] , "c":null} "#;
        let value = whole(text).unwrap();
        let found: Vec<_> = members(value).unwrap().collect();
        assert_eq!(found, [("a".to_owned(), r#"[1, "x,]", {"b": []}]"#), ("c".to_owned(), "null")]);
        assert_eq!(elements(found[0].1).unwrap().collect::<Vec<_>>(), ["1", r#""x,]""#, r#"{"b": []}"#]);
        assert_eq!(elements("[]").unwrap().count(), 0);
        assert_eq!(members("{}").unwrap().count(), 0);
    }

    #[test]
    fn what_is_not_one_value_is_nothing() {
        for text in ["", " ", "[1", "{\"a\"}", "[1,]", "1 2", "[] []", "\u{0}", "\"\\u00", "<html>"] {
            assert_eq!(whole(text), None, "{text}");
        }
    }

    #[test]
    fn nesting_takes_no_stack() {
        let deep = format!("{}{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
        assert_eq!(elements(whole(&deep).unwrap()).unwrap().count(), 1);
        assert_eq!(whole(&"[".repeat(1_000_000)), None);
        assert_eq!(whole(&"{\"a\":".repeat(1_000_000)), None);
    }

    #[test]
    fn half_a_surrogate_pair_spoils_no_text() {
        assert_eq!(string(r#""a\ud83d\u0000b""#).as_deref(), Some("a\u{FFFD}\u{FFFD}\u{FFFD}\u{0}b"));
        assert_eq!(string(r#""\ud83d\ude00""#).as_deref(), Some("\u{1F600}"));
        assert_eq!(word("12.50").as_deref(), Some("12.50"));
        assert_eq!(word("true"), None);
    }
}
