//! Where a provider is asked, and as which application: as it is registered, else as usual.

use std::collections::HashMap;
use std::rc::Rc;

use pgrx::PgSqlErrorCode;
use pgrx::pg_sys::panic::ErrorReport;
use zeroize::Zeroizing;

use crate::errors::{SqlResult, error, internal, invalid_argument};
use crate::http::Address;
use crate::providers::account::{self, AccountProvider, Endpoints};
use crate::providers::oauth::{Application, is_token};
use crate::secrets;
use crate::store::Installation;
use crate::store::oauth::{self, Registered};
use crate::store::sealed::CLIENT_SECRET;
use crate::sync::fetch::http_options;

/// A provider as this installation reaches it.
pub struct Site {
    pub name: String,
    pub provider: &'static dyn AccountProvider,
    pub endpoints: Endpoints,
    api: Address,
    registered: Option<Registered>,
}

/// The sites that one round needs, each read once.
#[derive(Default)]
pub struct Sites(HashMap<String, Rc<Site>>);

impl Sites {
    /// # Errors
    /// As [`Site::of`].
    pub fn get(&mut self, installation: &Installation, provider: &str) -> SqlResult<Rc<Site>> {
        if let Some(site) = self.0.get(provider) {
            return Ok(site.clone());
        }
        let site = Rc::new(Site::of(installation, provider)?);
        self.0.insert(provider.to_owned(), site.clone());
        Ok(site)
    }
}

impl Site {
    /// # Errors
    /// 22023 for a provider that has no accounts.
    pub fn of(installation: &Installation, name: &str) -> SqlResult<Self> {
        let provider = provider(name)?;
        let endpoints = provider.endpoints();
        let registered = oauth::registered(installation, name)?;
        let own = registered.as_ref().and_then(|it| it.addresses.api.as_deref());
        let api = Address::parse(own.unwrap_or(endpoints.api)).map_err(internal)?;
        Ok(Self { name: name.to_owned(), provider, endpoints, api, registered })
    }

    /// The application, with its secret opened; `None` where none is registered.
    pub fn application(&self) -> SqlResult<Option<Application>> {
        let Some(registered) = &self.registered else { return Ok(None) };
        let open = |sealed: &Vec<u8>| secrets::open(CLIENT_SECRET.place(registered.id), sealed);
        Ok(Some(Application {
            client_id: registered.client_id.clone(),
            client_secret: registered.client_secret.as_ref().map(open).transpose()?,
            authentication: self.endpoints.client_authentication,
        }))
    }

    /// The registration.
    ///
    /// # Errors
    /// 55000 where there is none.
    pub fn registered(&self) -> SqlResult<&Registered> {
        self.registered.as_ref().ok_or_else(|| {
            error(
                PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("no application is registered at {}", self.name),
            )
            .set_hint(
                "An administrator does that: calendar_oauth_register(provider, client_id, client_secret, options).",
            )
        })
    }

    /// Below it is all of the API.
    ///
    /// # Errors
    /// 55000 where secrets must not go there, as of [`Site::token`] and [`Site::revoke`].
    pub fn api(&self) -> SqlResult<Address> {
        hears_secrets(self.api.clone())
    }

    /// Scheme, host and port of the API, for people to read.
    pub fn origin(&self) -> String {
        self.api.origin()
    }

    /// Where users are sent to log in.
    pub fn authorize(&self) -> SqlResult<Address> {
        self.address(|own| own.authorize.as_deref(), self.endpoints.authorize)
    }

    /// Where codes and refresh tokens are exchanged.
    pub fn token(&self) -> SqlResult<Address> {
        self.address(|own| own.token.as_deref(), self.endpoints.token).and_then(hears_secrets)
    }

    /// Where tokens are ended, if the provider has such a place. One that stands elsewhere than usual has what it says.
    pub fn revoke(&self) -> SqlResult<Option<Address>> {
        let addresses = self.registered.as_ref().map(|it| &it.addresses);
        match addresses.and_then(|own| own.revoke.as_deref()) {
            Some(own) => hears_secrets(Address::parse(own).map_err(internal)?).map(Some),
            None if addresses.is_some_and(|own| own.token.is_some()) => Ok(None),
            None => self.endpoints.revoke.map(|usual| self.usual(usual)).transpose(),
        }
    }

    /// What users are asked to allow.
    pub fn scopes(&self) -> Vec<String> {
        let own = self.registered.as_ref().and_then(|it| it.scopes.clone());
        own.unwrap_or_else(|| self.endpoints.scopes.iter().map(|scope| (*scope).to_owned()).collect())
    }

    fn address(&self, own: impl Fn(&oauth::Addresses) -> Option<&str>, usual: &str) -> SqlResult<Address> {
        match self.registered.as_ref().and_then(|it| own(&it.addresses)) {
            Some(own) => Address::parse(own).map_err(internal),
            None => self.usual(usual),
        }
    }

    /// The usual address; of a tenant's own where one is registered (Microsoft).
    fn usual(&self, usual: &str) -> SqlResult<Address> {
        let tenant = self.registered.as_ref().and_then(|it| it.options["tenant"].as_str());
        let of_tenant = tenant.map(|tenant| usual.replacen("/common/", &format!("/{tenant}/"), 1));
        Address::parse(of_tenant.as_deref().unwrap_or(usual)).map_err(internal)
    }
}

/// The provider of accounts of that name.
///
/// # Errors
/// 22023 for any other.
pub fn provider(name: &str) -> SqlResult<&'static dyn AccountProvider> {
    account::named(name).ok_or_else(|| unknown(name))
}

fn unknown(name: &str) -> ErrorReport {
    invalid_argument(format!("there are no accounts at provider \"{name}\""))
        .set_hint("The provider is google, microsoft or notion. A calendar by its URL: calendar_subscribe.")
}

/// This address, which is about to be sent secrets. What calendar_oauth_register took may have become too little since: settings
/// change.
fn hears_secrets(address: Address) -> SqlResult<Address> {
    if address.is_https() || http_options().policy.may_hear_secrets_in_clear(&address) {
        return Ok(address);
    }
    let refusal = error(
        PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        format!("secrets would go to {address} unencrypted"),
    );
    Err(refusal.set_hint(
        "Register an https address (calendar_oauth_register), or have a superuser allow http again: \
         calendar_sync.http_allow_private or http_allow_hosts.",
    ))
}

/// A secret that must not be empty.
pub fn secret(name: &str, value: &str) -> SqlResult<Zeroizing<String>> {
    match value.trim() {
        "" => Err(invalid_argument(format!("{name} is empty")).set_hint("Pass it as the provider gave it.")),
        value => Ok(Zeroizing::new(value.to_owned())),
    }
}

/// A token, as [`is_token`] has it.
pub fn token(name: &str, value: &str) -> SqlResult<Zeroizing<String>> {
    let token = secret(name, value)?;
    if is_token(&token) {
        return Ok(token);
    }
    Err(invalid_argument(format!("{name} is no token"))
        .set_detail("It holds a space, a control character or one that is not ASCII.")
        .set_hint("Pass it as the provider gave it, without what stands around it."))
}
