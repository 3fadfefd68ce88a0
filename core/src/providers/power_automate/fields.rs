//! The fields of an event as it stands in an answer.

use crate::providers::{json, outlook};

macro_rules! fields {
    ($($field:ident = $name:literal),+ $(,)?) => {
        /// A field that is read, by its name in the connector's items or in Graph's.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Field { $($field),+ }

        const NAMES: &[&str] = &[$($name),+];
    };
}

fields! {
    Id = "id",
    ICalUid = "iCalUId",
    SeriesMasterId = "seriesMasterId",
    ActionType = "actionType",
    Subject = "subject",
    Start = "start",
    End = "end",
    StartWithTimeZone = "startWithTimeZone",
    EndWithTimeZone = "endWithTimeZone",
    TimeZone = "timeZone",
    OriginalStartTimeZone = "originalStartTimeZone",
    OriginalStart = "originalStart",
    IsAllDay = "isAllDay",
    IsCancelled = "isCancelled",
    Recurrence = "recurrence",
    RecurrenceEnd = "recurrenceEnd",
    // The connector spells it with one r.
    NumberOfOccurences = "numberOfOccurences",
    NumberOfOccurrences = "numberOfOccurrences",
    ShowAs = "showAs",
    Sensitivity = "sensitivity",
    Importance = "importance",
    Categories = "categories",
    Organizer = "organizer",
    RequiredAttendees = "requiredAttendees",
    OptionalAttendees = "optionalAttendees",
    ResourceAttendees = "resourceAttendees",
    Attendees = "attendees",
    Location = "location",
    Body = "body",
    IsHtml = "isHtml",
    WebLink = "webLink",
    OnlineMeeting = "onlineMeeting",
    LastModified = "lastModifiedDateTime",
}

/// The fields of one event, each where it stands. Of two of a name the last counts; null is as good as absent.
pub struct Fields<'a>([Option<&'a str>; NAMES.len()]);

impl<'a> Fields<'a> {
    /// `None` for what is no object. Names are taken in any case: older versions of the actions have `Subject`.
    pub fn read(value: &'a str) -> Option<Self> {
        let mut fields = [None; NAMES.len()];
        for (name, value) in json::members(value)? {
            if let Some(index) = NAMES.iter().position(|known| known.eq_ignore_ascii_case(&name)) {
                fields[index] = Some(value).filter(|value| *value != "null");
            }
        }
        Some(Self(fields))
    }

    pub fn has_any(&self, fields: &[Field]) -> bool {
        fields.iter().any(|field| self.raw(*field).is_some())
    }

    pub fn raw(&self, field: Field) -> Option<&'a str> {
        self.0[field as usize]
    }

    /// A text that says something, as a database takes it.
    pub fn text(&self, field: Field) -> Option<String> {
        self.raw(field).and_then(text)
    }

    /// A word or a number.
    pub fn word(&self, field: Field) -> Option<String> {
        self.raw(field).and_then(word)
    }

    pub fn flag(&self, field: Field) -> bool {
        self.raw(field).is_some_and(|value| value == "true" || value.trim_matches('"').eq_ignore_ascii_case("true"))
    }

    /// A member of a field that is an object.
    pub fn inner(&self, field: Field, name: &str) -> Option<&'a str> {
        member(self.raw(field)?, name)
    }
}

pub fn member<'a>(value: &'a str, name: &str) -> Option<&'a str> {
    let mut members = json::members(value)?;
    members.find(|(it, _)| it.eq_ignore_ascii_case(name)).map(|(_, value)| value).filter(|value| *value != "null")
}

pub fn text(value: &str) -> Option<String> {
    outlook::tidy(&json::string(value)?)
}

pub fn word(value: &str) -> Option<String> {
    json::word(value).map(|word| word.trim().to_owned()).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_known_in_any_case_the_last_of_a_name_counts_and_null_is_absent() {
        let fields = Fields::read(
            r#"{"Subject":"a","ID":7,"subject":"b\r\nc\u0000","isAllDay":"True","x":[{}],"location":null}"#,
        )
        .unwrap();
        assert_eq!(fields.text(Field::Subject).as_deref(), Some("b\nc"));
        assert_eq!(fields.word(Field::Id).as_deref(), Some("7"));
        assert!(fields.flag(Field::IsAllDay) && !fields.has_any(&[Field::Location, Field::Start]));
    }
}
