//! Which events are shown to somebody: the filter of a published feed.
//!
//! `{"event_type": [..], "categories": [..], "external_source": [..], "metadata": {..}}`, every part optional; an event
//! must meet all that are given.

use serde_json::{Number, Value};

use crate::event::Details;

/// What is wrong with a filter, and with which of its keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{part} {problem}")]
pub struct FilterError {
    /// The filter, or one of its keys.
    pub part: String,
    /// Goes on after that: "is not a list of texts".
    pub problem: &'static str,
    /// What to do: a whole sentence.
    pub hint: &'static str,
}

/// Which events pass: those that meet all of its parts.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Filter {
    /// The event's type is one of these.
    event_types: Option<Vec<String>>,
    /// The event has all of these.
    categories: Vec<String>,
    /// The event comes from one of these.
    sources: Option<Vec<String>>,
    /// The event's metadata contain this, as jsonb's `@>` has it.
    metadata: Option<Value>,
}

impl Filter {
    /// Reads a filter from its JSON; `{}` lets everything pass.
    ///
    /// # Errors
    /// Names the first key that is unknown or of a wrong type.
    pub fn parse(json: &Value) -> Result<Self, FilterError> {
        let Value::Object(members) = json else {
            return Err(FilterError { part: "the filter".to_owned(), problem: "is not a JSON object", hint: KEYS });
        };
        let mut filter = Self::default();
        for (key, value) in members {
            match key.as_str() {
                "event_type" => filter.event_types = Some(texts(key, value)?),
                "categories" => filter.categories = texts(key, value)?,
                "external_source" => filter.sources = Some(texts(key, value)?),
                "metadata" if value.is_object() => filter.metadata = Some(value.clone()),
                "metadata" => return Err(wrong(key, "is not a JSON object", "Give what an event's metadata contain.")),
                _ => return Err(wrong(key, "is not known", KEYS)),
            }
        }
        Ok(filter)
    }

    /// Whether an event of that source is shown. `source`: its external_source, else the word for its origin
    /// ('interaction', 'manual').
    pub fn takes(&self, source: &str, details: &Details) -> bool {
        let listed =
            |list: &Option<Vec<String>>, word: &str| list.as_ref().is_none_or(|list| list.iter().any(|it| it == word));
        listed(&self.event_types, &details.event_type.0)
            && listed(&self.sources, source)
            && self.categories.iter().all(|category| details.categories.contains(category))
            && self
                .metadata
                .as_ref()
                .is_none_or(|wanted| details.metadata.as_ref().is_some_and(|metadata| contains(metadata, wanted)))
    }
}

const KEYS: &str = "Its keys are event_type, categories, external_source (lists of texts) and metadata (an object).";

fn wrong(key: &str, problem: &'static str, hint: &'static str) -> FilterError {
    FilterError { part: format!("filter key \"{key}\""), problem, hint }
}

fn texts(key: &str, value: &Value) -> Result<Vec<String>, FilterError> {
    let texts = value.as_array().and_then(|list| {
        list.iter().map(|element| element.as_str().map(str::to_owned)).collect::<Option<Vec<String>>>()
    });
    match texts {
        None => Err(wrong(key, "is not a list of texts", "Give a list such as [\"meeting\", \"task\"].")),
        Some(texts) if texts.is_empty() => {
            Err(wrong(key, "is an empty list", "Leave the key out to have no condition on it."))
        }
        Some(texts) => Ok(texts),
    }
}

/// jsonb's `whole @> part`.
fn contains(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => {
            part.iter().all(|(key, value)| whole.get(key).is_some_and(|own| contains(own, value)))
        }
        (Value::Array(whole), Value::Array(part)) => {
            part.iter().all(|value| whole.iter().any(|own| contains(own, value)))
        }
        (Value::Number(whole), Value::Number(part)) => whole == part || decimal(whole) == decimal(part),
        (whole, part) => whole == part,
    }
}

/// Whether a number is negative, its digits without zeros at either end, and the power of ten of the last: 1, 1.0 and
/// 10e-1 are the same number; 9007199254740992 and 9007199254740993 are not, though a float has but one for both.
fn decimal(number: &Number) -> (bool, String, i64) {
    let text = number.to_string();
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((&text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{}{fraction}", whole.trim_start_matches('-'));
    let significant = digits.trim_end_matches('0');
    let zeros = (digits.len() - significant.len()) as i64;
    let power = exponent.parse().unwrap_or(i64::MAX).saturating_add(zeros).saturating_sub(fraction.len() as i64);
    match significant.trim_start_matches('0') {
        "" => (false, String::new(), 0),
        significant => (whole.starts_with('-'), significant.to_owned(), power),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::event::EventType;

    fn visit() -> Details {
        Details {
            event_type: EventType("visit".into()),
            categories: vec!["north".into(), "new".into()],
            metadata: Some(json!({"project": {"id": 7, "tags": ["a", "b"]}, "open": true})),
            ..Details::default()
        }
    }

    fn takes(filter: Value) -> bool {
        Filter::parse(&filter).unwrap().takes("interaction", &visit())
    }

    #[test]
    fn every_part_that_is_given_must_be_met() {
        assert!(takes(json!({})));
        assert!(takes(json!({"event_type": ["task", "visit"]})));
        assert!(!takes(json!({"event_type": ["task"]})));
        assert!(takes(json!({"categories": ["new", "north"]})));
        assert!(!takes(json!({"categories": ["north", "south"]})));
        assert!(takes(json!({"external_source": ["interaction"]})));
        assert!(!takes(json!({"external_source": ["ics"]})));
        assert!(!takes(json!({"event_type": ["visit"], "categories": ["south"]})));
    }

    #[test]
    fn metadata_are_contained_as_in_jsonb() {
        assert!(takes(json!({"metadata": {}})));
        assert!(takes(json!({"metadata": {"project": {"id": 7.0}}})));
        assert!(takes(json!({"metadata": {"project": {"tags": ["b"]}, "open": true}})));
        assert!(!takes(json!({"metadata": {"project": {"tags": "b"}}})));
        assert!(!takes(json!({"metadata": {"project": 7}})));
        assert!(!takes(json!({"metadata": {"closed": null}})));
        let none = Filter::parse(&json!({"metadata": {}})).unwrap();
        assert!(!none.takes("interaction", &Details::default()));
    }

    #[test]
    fn numbers_are_the_same_by_their_value_however_long() {
        let same = |one: &str, other: &str| {
            let [one, other] = [one, other].map(|text| serde_json::from_str(text).unwrap());
            contains(&one, &other)
        };
        assert!(same("7", "7.0") && same("70", "7e1") && same("-0.0", "0") && same("0.50", "5E-1"));
        assert!(!same("7", "-7") && !same("7", "70") && !same("0.7", "7"));
        assert!(!same("9007199254740992", "9007199254740993"));
    }

    #[test]
    fn what_is_unknown_or_of_a_wrong_type_is_named() {
        for (filter, error) in [
            (json!([]), "the filter is not a JSON object"),
            (json!({"kind": ["visit"]}), "filter key \"kind\" is not known"),
            (json!({"event_type": "visit"}), "filter key \"event_type\" is not a list of texts"),
            (json!({"categories": [1]}), "filter key \"categories\" is not a list of texts"),
            (json!({"external_source": []}), "filter key \"external_source\" is an empty list"),
            (json!({"metadata": ["project"]}), "filter key \"metadata\" is not a JSON object"),
        ] {
            assert_eq!(Filter::parse(&filter).unwrap_err().to_string(), error);
        }
    }
}
