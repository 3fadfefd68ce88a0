//! The mapping of a CRM's interaction table: which of its columns mean what, and where names are looked up.
//!
//! What `calendar_attach` is given as JSON; every key is optional.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

/// The columns that the sync knows, by the names that they have without a mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(usize)]
pub enum Field {
    InteractionId,
    Subject,
    Description,
    Location,
    InteractionDate,
    DurationMinutes,
    Archived,
    CustomerId,
    ContactId,
    CreatedBy,
    UpdatedBy,
    CreatedAt,
    UpdatedAt,
}

impl Field {
    /// Every field, in the order of the enum.
    pub const ALL: [Self; 13] = [
        Self::InteractionId,
        Self::Subject,
        Self::Description,
        Self::Location,
        Self::InteractionDate,
        Self::DurationMinutes,
        Self::Archived,
        Self::CustomerId,
        Self::ContactId,
        Self::CreatedBy,
        Self::UpdatedBy,
        Self::CreatedAt,
        Self::UpdatedAt,
    ];

    /// The column's name without a mapping, which is also its key in `"columns"`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::InteractionId => "interaction_id",
            Self::Subject => "subject",
            Self::Description => "description",
            Self::Location => "location",
            Self::InteractionDate => "interaction_date",
            Self::DurationMinutes => "duration_minutes",
            Self::Archived => "archived",
            Self::CustomerId => "customer_id",
            Self::ContactId => "contact_id",
            Self::CreatedBy => "created_by",
            Self::UpdatedBy => "updated_by",
            Self::CreatedAt => "created_at",
            Self::UpdatedAt => "updated_at",
        }
    }

    /// Without these there is no event; without another column its event lacks what the column says.
    pub const fn is_required(self) -> bool {
        matches!(self, Self::InteractionId | Self::Subject | Self::InteractionDate)
    }

    /// Whether a change of this column alone changes the event. Who changed the interaction and when is copied with a
    /// change, but is none: many a CRM stamps `updated_at` at every write.
    pub const fn matters(self) -> bool {
        !matches!(self, Self::CreatedBy | Self::UpdatedBy | Self::CreatedAt | Self::UpdatedAt)
    }
}

/// A mapping as given, checked for its form; whether its tables and columns exist is for the catalog to say.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mapping {
    /// What stands in `calendar_events.related_table`; the table's own name if not given.
    pub name: Option<String>,
    /// Known name of a column -> the table's own name for it.
    pub columns: BTreeMap<String, String>,
    /// The owner of the events.
    pub user: Option<User>,
    pub customer: Names,
    pub contact: Names,
    /// The column that gives the event's type; `'interaction'` if not given.
    pub event_type: Option<String>,
    /// Columns whose values go into the event's metadata.
    pub metadata: Vec<String>,
    /// IANA name of the zone of wall-clock columns.
    pub time_zone: Option<String>,
    /// An interval in PostgreSQL's notation: how old an interaction may be and still get an event.
    pub window: Option<String>,
    /// `false` leaves `calendar_synced_at` out of the table.
    pub synced_at: Option<bool>,
    /// Lets the triggers fire in logical replication apply, too.
    pub replica: bool,
}

/// Where the owner's name comes from: a column, or a table that the column points to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with column, table, key and name")]
pub struct User {
    pub column: Option<String>,
    pub table: Option<String>,
    pub key: Option<String>,
    pub name: Option<Name>,
}

/// Whether and where the name of a customer or contact is looked up.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(try_from = "Value")]
pub enum Names {
    /// In the table of that name, if there is one of the usual form.
    #[default]
    Usual,
    /// Not at all (`null` or `false`).
    Off,
    In(LookUp),
}

impl TryFrom<Value> for Names {
    type Error = serde_json::Error;

    fn try_from(value: Value) -> Result<Self, Self::Error> {
        match value {
            Value::Null | Value::Bool(false) => Ok(Self::Off),
            value => serde_json::from_value(value).map(Self::In),
        }
    }
}

/// A table that gives a name for a key.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with table, key and name, or false")]
pub struct LookUp {
    /// As in SQL: `crm.customer`, quoted where need be.
    pub table: String,
    pub key: Option<String>,
    pub name: Option<Name>,
}

/// A name: one column, or columns and literals in a row.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "a name is a column or a list of columns and literals")]
pub enum Name {
    Column(String),
    /// What is the name of a column is that column, anything else stands for itself.
    Parts(Vec<String>),
}

impl Name {
    /// Columns and literals, in their order; a column alone is one.
    pub fn parts(&self) -> &[String] {
        match self {
            Self::Column(column) => std::slice::from_ref(column),
            Self::Parts(parts) => parts,
        }
    }
}

/// What is wrong with a mapping, whatever table it is for.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum MappingError {
    #[error("the mapping is not of the form that it should have: {0}")]
    Form(String),
    #[error("the mapping's \"columns\" names {0:?}, which is no column that the sync knows")]
    UnknownColumn(String),
    #[error("the mapping's \"user\" names a table but lacks {0:?}")]
    UserLacks(&'static str),
}

impl Mapping {
    /// Reads a mapping from its JSON.
    ///
    /// # Errors
    /// Names the key that is unknown, lacking or of a wrong type.
    pub fn parse(json: &Value) -> Result<Self, MappingError> {
        if !json.is_object() {
            return Err(MappingError::Form("it is not a JSON object".to_owned()));
        }
        let mapping = Self::deserialize(json).map_err(|error| MappingError::Form(error.to_string()))?;
        if let Some(unknown) = mapping.columns.keys().find(|key| !Field::ALL.iter().any(|field| field.name() == *key)) {
            return Err(MappingError::UnknownColumn(unknown.clone()));
        }
        if let Some(user) = &mapping.user
            && user.table.is_some()
        {
            if user.key.is_none() {
                return Err(MappingError::UserLacks("key"));
            }
            if user.name.is_none() {
                return Err(MappingError::UserLacks("name"));
            }
        }
        Ok(mapping)
    }

    /// The table's own name for a column, and whether the mapping says so.
    pub fn column(&self, field: Field) -> (&str, bool) {
        self.columns.get(field.name()).map_or((field.name(), false), |own| (own, true))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_empty_mapping_leaves_every_name_as_it_is() {
        let mapping = Mapping::parse(&json!({})).unwrap();
        assert_eq!(mapping, Mapping::default());
        assert_eq!(mapping.column(Field::Subject), ("subject", false));
    }

    #[test]
    fn the_documented_mapping_is_read() {
        let mapping = Mapping::parse(&json!({
            "name": "visits",
            "columns": {"subject": "title", "interaction_date": "starts"},
            "user": {"column": "created_by", "table": "app.users", "key": "user_id", "name": "email"},
            "customer": {"table": "crm.customer", "key": "customer_id", "name": "company_name"},
            "contact": {"table": "contact", "key": "contact_id", "name": ["first_name", " ", "last_name"]},
            "event_type": "interaction_type", "metadata": ["opportunity_id"],
            "time_zone": "Europe/Berlin", "window": "30 days", "synced_at": false, "replica": true
        }))
        .unwrap();
        assert_eq!(mapping.column(Field::InteractionDate), ("starts", true));
        let Names::In(contact) = &mapping.contact else { panic!("no contact") };
        assert_eq!(contact.name.as_ref().unwrap().parts().len(), 3);
    }

    #[test]
    fn what_is_unknown_or_lacking_is_named() {
        assert!(Mapping::parse(&json!({"colums": {}})).unwrap_err().to_string().contains("colums"));
        assert_eq!(
            Mapping::parse(&json!({"columns": {"subjekt": "x"}})).unwrap_err(),
            MappingError::UnknownColumn("subjekt".into())
        );
        assert_eq!(
            Mapping::parse(&json!({"user": {"table": "users", "name": "email"}})).unwrap_err(),
            MappingError::UserLacks("key")
        );
        assert!(Mapping::parse(&json!([])).is_err());
        assert!(Mapping::parse(&json!({"window": 3})).is_err());
    }

    #[test]
    fn names_can_be_switched_off() {
        assert_eq!(Mapping::parse(&json!({"customer": null})).unwrap().customer, Names::Off);
        assert_eq!(Mapping::parse(&json!({"contact": false})).unwrap().contact, Names::Off);
    }
}
