//! Query strings.

use chrono::{DateTime, Datelike, Utc};

use super::refusal::Refusal;
use super::when::YEARS;

/// What every call takes.
const COMMON: [&str; 9] =
    ["alt", "fields", "key", "oauth_token", "prettyPrint", "quotaUser", "userIp", "access_token", "$.xgafv"];

pub(super) struct Query(pub Vec<(String, String)>);

impl Query {
    pub fn of(target: &str) -> Self {
        let text = target.split_once('?').map_or("", |(_, query)| query);
        Self(url::form_urlencoded::parse(text.as_bytes()).into_owned().collect())
    }

    /// Nothing else is allowed.
    pub fn only(&self, names: &[&str]) -> Result<(), Refusal> {
        let unknown =
            self.0.iter().find(|(name, _)| !names.contains(&name.as_str()) && !COMMON.contains(&name.as_str()));
        match unknown {
            Some((name, _)) => Err(Refusal::parameter(name, format!("Unknown parameter: {name}"))),
            None => Ok(()),
        }
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub fn all<'q>(&'q self, name: &'q str) -> impl Iterator<Item = &'q str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub fn flag(&self, name: &str) -> Result<bool, Refusal> {
        match self.get(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(other) => Err(Refusal::parameter(name, format!("Invalid boolean value: '{other}'."))),
        }
    }

    pub fn number(&self, name: &str) -> Result<Option<usize>, Refusal> {
        let number = self.get(name).map(|text| text.parse().map_err(|_| text));
        number.transpose().map_err(|text| Refusal::parameter(name, format!("Invalid integer value: '{text}'.")))
    }

    /// RFC 3339 with an offset.
    pub fn instant(&self, name: &str) -> Result<Option<DateTime<Utc>>, Refusal> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let instant = DateTime::parse_from_rfc3339(text).ok().map(|at| at.with_timezone(&Utc));
        let instant = instant.filter(|at| YEARS.contains(&at.year()));
        instant.map(Some).ok_or_else(|| Refusal::parameter(name, "Bad Request"))
    }
}
