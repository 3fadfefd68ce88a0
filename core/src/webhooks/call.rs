//! A provider's call, as an HTTP front end passes it on.

use std::borrow::Cow;

use serde_json::Value;

use super::MAX_BODY;

/// A call of a webhook.
#[derive(Debug, Clone)]
pub struct Call<'a> {
    headers: &'a Value,
    query: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// As it came, byte for byte: signatures are of that.
    pub body: &'a str,
}

/// Why a call is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    #[error("the body is too long")]
    TooLong,
    #[error("this is no notification: {0}")]
    Malformed(&'static str),
}

impl<'a> Call<'a> {
    /// `headers`: an object from names, in whatever case, to a text or to a list of texts, of which the first counts.
    /// `query`: an object of decoded parameters, or the query string as it came. Null for none.
    ///
    /// # Errors
    /// What has another shape, or a body of more than [`MAX_BODY`] bytes.
    pub fn new(headers: &'a Value, query: &'a Value, body: &'a str) -> Result<Self, CallError> {
        if body.len() > MAX_BODY {
            return Err(CallError::TooLong);
        }
        if !(headers.is_object() || headers.is_null()) {
            return Err(CallError::Malformed("the headers are no object"));
        }
        let query = match query {
            Value::Null => Vec::new(),
            Value::String(text) => form_urlencoded::parse(text.as_bytes()).collect(),
            Value::Object(parameters) => {
                parameters.iter().filter_map(|(name, value)| Some((name.as_str().into(), text_of(value)?))).collect()
            }
            _ => return Err(CallError::Malformed("the query is no object")),
        };
        Ok(Self { headers, query, body })
    }

    pub(super) fn header(&self, name: &str) -> Option<Cow<'a, str>> {
        let (_, value) = self.headers.as_object()?.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        text_of(value)
    }

    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_ref())
    }

    /// The body as JSON.
    pub(super) fn json(&self) -> Result<Value, CallError> {
        serde_json::from_str(self.body).map_err(|_| CallError::Malformed("the body is not the JSON of one"))
    }
}

/// Whether a call may have been meant for that address: whatever stands in the address's own query stands in the call's.
pub fn is_covered_by(notification_url: &str, call: &Call) -> bool {
    let query = notification_url.split_once('?').map_or("", |(_, query)| query);
    form_urlencoded::parse(query.as_bytes()).all(|(name, value)| call.query.contains(&(name, value)))
}

fn text_of(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(text.as_str().into()),
        Value::Number(number) => Some(number.to_string().into()),
        Value::Array(values) => values.first().filter(|first| !first.is_array()).and_then(text_of),
        _ => None,
    }
}
