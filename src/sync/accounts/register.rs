//! The application's registration at a provider.

use pgrx::pg_sys::panic::ErrorReport;
use serde_json::{Map, Value, json};
use url::Url;

use super::site;
use crate::errors::{SqlResult, invalid_argument};
use crate::http::Address;
use crate::store::oauth::{self, Addresses, Registered};
use crate::store::sealed::CLIENT_SECRET;
use crate::store::{self, Installation, installation_row};
use crate::sync::fetch::http_options;
use crate::sync::keys;
use crate::sync::subscribe::capitalized;

const KEYS: &str = "The keys are redirect_uris, scopes, api_url, authorize_url, token_url, revoke_url (or endpoints, with \
                    api, authorize, token and revoke) and, for microsoft, tenant.";

/// Schemes whose addresses lead nowhere: a browser runs or shows what they say.
const RUNS_OR_SHOWS: [&str; 3] = ["javascript", "data", "vbscript"];

/// Registers the application; as the extension's owner, for an administrator.
pub fn register(
    installation: &Installation,
    provider: &str,
    client_id: &str,
    client_secret: Option<&str>,
    options: &Value,
) -> SqlResult<()> {
    let usual = site::provider(provider)?.endpoints();
    let client_id = site::secret("client_id", client_id)?;
    let mut read = Read::new(provider, options)?;
    read.addresses.api = read.addresses.api.map(|api| with_usual_path(api, usual.api));
    installation_row::ensure(installation)?;
    let id = store::new_id();
    let seal = |secret: &str| keys::seal(installation, CLIENT_SECRET.place(id), secret);
    let client = Registered {
        id,
        client_id: client_id.to_string(),
        client_secret: client_secret.map(str::trim).filter(|it| !it.is_empty()).map(seal).transpose()?,
        addresses: read.addresses,
        redirect_uris: read.redirect_uris,
        scopes: read.scopes,
        options: read.tenant.map_or_else(|| json!({}), |tenant| json!({ "tenant": tenant })),
    };
    oauth::register(installation, provider, client)
}

/// The options, read.
#[derive(Default)]
struct Read {
    addresses: Addresses,
    redirect_uris: Vec<String>,
    scopes: Option<Vec<String>>,
    tenant: Option<String>,
}

impl Read {
    fn new(provider: &str, options: &Value) -> SqlResult<Self> {
        let mut read = Self::default();
        for (key, value) in object("options", options)? {
            match key.as_str() {
                _ if value.is_null() => {}
                "redirect_uris" | "redirect_uri" => read.redirect_uris = redirect_uris(key, value)?,
                "scopes" | "scope" => read.scopes = Some(texts(key, value)?),
                "tenant" if provider == "microsoft" => read.tenant = Some(tenant(value)?),
                "endpoints" => {
                    for (key, value) in object(key, value)? {
                        read.endpoint(key, value)?;
                    }
                }
                _ => read.endpoint(key, value)?,
            }
        }
        Ok(read)
    }

    /// An address, by our names for it or by those of RFC 8414 (authorization_endpoint).
    fn endpoint(&mut self, key: &str, value: &Value) -> SqlResult<()> {
        let name = ["_url", "_uri", "_endpoint"].iter().find_map(|end| key.strip_suffix(end)).unwrap_or(key);
        // Whether it is sent secrets: the user's browser goes where one authorizes.
        let (place, hears_secrets) = match name {
            "api" | "api_base" | "base" => (&mut self.addresses.api, true),
            "authorize" | "authorization" | "auth" => (&mut self.addresses.authorize, false),
            "token" => (&mut self.addresses.token, true),
            "revoke" | "revocation" => (&mut self.addresses.revoke, true),
            _ => {
                return Err(invalid_argument(format!("options: the key \"{key}\" is not known")).set_hint(KEYS));
            }
        };
        if !value.is_null() {
            *place = Some(address(key, value, hears_secrets)?);
        }
        Ok(())
    }
}

/// An API's address that is but a server: the API is where it is on the provider's own.
fn with_usual_path(api: String, usual: &str) -> String {
    match (Url::parse(&api), Url::parse(usual)) {
        (Ok(mut own), Ok(usual)) if own.path() == "/" => {
            own.set_path(usual.path());
            own.into()
        }
        _ => api,
    }
}

fn object<'a>(name: &str, value: &'a Value) -> SqlResult<&'a Map<String, Value>> {
    value.as_object().ok_or_else(|| invalid_argument(format!("{name} is not a JSON object")).set_hint(KEYS))
}

/// A list of texts, or one text whose words they are.
fn texts(key: &str, value: &Value) -> SqlResult<Vec<String>> {
    let list = match value {
        Value::String(words) => Some(words.split_whitespace().map(str::to_owned).collect()),
        Value::Array(list) => list.iter().map(|it| it.as_str().map(str::to_owned)).collect(),
        _ => None,
    };
    list.ok_or_else(|| invalid_argument(format!("options: {key} is not a list of texts")).set_hint(KEYS))
}

fn redirect_uris(key: &str, value: &Value) -> SqlResult<Vec<String>> {
    let list = texts(key, value)?;
    for uri in &list {
        // RFC 6749, 3.1.2; an application's own scheme is as good as https (RFC 8252, 7.1).
        if !Url::parse(uri).is_ok_and(|url| url.fragment().is_none() && !RUNS_OR_SHOWS.contains(&url.scheme())) {
            return Err(invalid_argument(format!("options: \"{uri}\" is no redirect URI"))
                .set_hint("Give the whole address that users come back to, as it is registered at the provider."));
        }
    }
    Ok(list)
}

/// A directory's id or domain, or one of Microsoft's words for several.
fn tenant(value: &Value) -> SqlResult<String> {
    let is_name = |it: &&str| !it.is_empty() && it.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.'));
    value.as_str().filter(is_name).map(str::to_owned).ok_or_else(|| {
        invalid_argument("options: tenant is no directory")
            .set_hint("Give its id or domain, or common, organizations or consumers.")
    })
}

fn address(key: &str, value: &Value, hears_secrets: bool) -> SqlResult<String> {
    let text =
        value.as_str().ok_or_else(|| invalid_argument(format!("options: {key} is not a text")).set_hint(KEYS))?;
    let address = Address::parse(text)
        .map_err(|why| bad_address(key).set_detail(format!("{}.", capitalized(&why.to_string()))))?;
    if address.authorization().is_some() {
        return Err(bad_address(key)
            .set_detail("It holds a login, which would be stored in plain.")
            .set_hint("Leave the user name and the password out; the application's are client_id and client_secret."));
    }
    let policy = http_options().policy;
    if let Some(why) = policy.refuses(&address) {
        return Err(bad_address(key).set_detail(format!("{address} must not be asked: {why}.")).set_hint(
            "An administrator can allow it: calendar_sync.http_allow_private, http_allow_hosts, http_deny_hosts.",
        ));
    }
    if hears_secrets && !address.is_https() && !policy.may_hear_secrets_in_clear(&address) {
        return Err(bad_address(key).set_detail(format!("Secrets would go to {address} unencrypted.")).set_hint(
            "Give an https address. A superuser can allow http: calendar_sync.http_allow_private for tests, \
                 http_allow_hosts for hosts that are reached safely.",
        ));
    }
    Ok(text.trim().to_owned())
}

fn bad_address(key: &str) -> ErrorReport {
    invalid_argument(format!("options: {key} is no address that can be asked"))
        .set_hint("Give the whole address, as https://login.example.com/token.")
}
