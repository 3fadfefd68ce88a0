//! Notion's webhooks: of a whole integration, signed (<https://developers.notion.com/reference/webhooks>).

use serde_json::Value;

use super::{Call, CallError, secret};

/// Longest verification token that is taken, in bytes.
const MAX_TOKEN: usize = 512;
/// Longest body, in bytes: a signature may have to be tried with the tokens of several integrations.
const MAX_BODY: usize = 64 * 1024;

/// What Notion says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told<'a> {
    /// The first call of a new subscription, which nothing proves: the secret of all that follow.
    Verification(String),
    Signed(Signed<'a>),
}

/// A call that claims to be signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed<'a> {
    signature: Vec<u8>,
    body: &'a str,
    /// What it is about and what that stands in, as far as it is said: identifiers of pages, databases, data sources;
    /// see [`plain_id`].
    pub about: Vec<String>,
    /// The data source is among them.
    pub names_data_source: bool,
}

/// # Errors
/// A call that is neither.
pub fn read<'a>(call: &Call<'a>) -> Result<Told<'a>, CallError> {
    if call.body.len() > MAX_BODY {
        return Err(CallError::TooLong);
    }
    let body = call.json()?;
    // Signed or not: that it is signed with the token that it brings proves nothing.
    if let Some(token) = body["verification_token"].as_str() {
        let is_one = (1..=MAX_TOKEN).contains(&token.len()) && token.chars().all(|it| it.is_ascii_graphic());
        return match is_one {
            true => Ok(Told::Verification(token.to_owned())),
            false => Err(CallError::Malformed("its verification token can't be one")),
        };
    }
    let signature = call.header("X-Notion-Signature").ok_or(CallError::Malformed("it is not signed"))?;
    let signature = signature.strip_prefix("sha256=").and_then(bytes_of_hex);
    let signature = signature.ok_or(CallError::Malformed("its signature can't be one"))?;
    let (entity, data, parent) = (&body["entity"], &body["data"], &body["data"]["parent"]);
    let of_data_source = [&parent["data_source_id"], &data["data_source_id"]];
    let others = [&entity["id"], &parent["id"], &parent["database_id"], &data["database_id"]];
    let names_data_source = entity["type"] == "data_source" || of_data_source.iter().any(|id| id.is_string());
    let about = of_data_source.into_iter().chain(others).filter_map(Value::as_str).map(plain_id).collect();
    Ok(Told::Signed(Signed { signature, body: call.body, about, names_data_source }))
}

impl Signed<'_> {
    /// Whether it is signed with that verification token: `sha256=` HMAC-SHA-256 of the body as it came.
    pub fn is_proved_by(&self, verification_token: &str) -> bool {
        secret::is_signature(&self.signature, self.body.as_bytes(), verification_token)
    }
}

/// An identifier without its dashes, in lower case: Notion takes and gives both forms.
pub fn plain_id(id: &str) -> String {
    id.chars().filter(|letter| *letter != '-').map(|letter| letter.to_ascii_lowercase()).collect()
}

fn bytes_of_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text.chars().map(|it| it.to_digit(16).and_then(|it| u8::try_from(it).ok())).collect();
    let digits = digits.filter(|digits| digits.len() == 64)?;
    Some(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}
