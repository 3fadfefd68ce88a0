//! Tokens that are handed in, and how all of them are stored.

use chrono::{DateTime, Utc};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::site;
use crate::errors::SqlResult;
use crate::providers::oauth::{Tokens, cleaned};
use crate::store::accounts::{self, Sealed};
use crate::store::sealed::{ACCESS_TOKEN, REFRESH_TOKEN};
use crate::store::{self, Installation, installation_row};
use crate::sync::keys;

/// Stores the tokens that an application has; as the extension's owner. The user's account of that login gets them, if
/// there is one.
pub fn add(
    installation: &Installation,
    user_id: &str,
    provider: &str,
    access_token: &str,
    refresh_token: Option<&str>,
    expires_at: Option<DateTime<Utc>>,
    email: Option<&str>,
) -> SqlResult<Uuid> {
    site::provider(provider)?;
    let access_token = site::token("access_token", access_token)?;
    let refresh_token = refresh_token.map(|token| site::token("refresh_token", token)).transpose()?;
    let email = email.and_then(cleaned);
    let seal = |id| sealed(installation, id, &access_token, refresh_token.as_ref(), expires_at, None);
    keep(installation, user_id, provider, email.as_deref(), seal)
}

/// Stores what a token endpoint gave, for the user's account of that login.
pub fn store(
    installation: &Installation,
    user_id: &str,
    provider: &str,
    login: Option<&str>,
    tokens: &Tokens,
) -> SqlResult<Uuid> {
    keep(installation, user_id, provider, login, |id| seal(installation, id, tokens))
}

fn keep(
    installation: &Installation,
    user_id: &str,
    provider: &str,
    email: Option<&str>,
    seal: impl Fn(Uuid) -> SqlResult<Sealed>,
) -> SqlResult<Uuid> {
    installation_row::ensure(installation)?;
    loop {
        if let Some(known) = accounts::find(installation, user_id, provider, email)? {
            accounts::replace(installation, known, email, &seal(known)?)?;
            return Ok(known);
        }
        let id = store::new_id();
        if accounts::add(installation, id, user_id, provider, email, &seal(id)?)? {
            return Ok(id);
        }
        // Somebody else has just added it.
        pgrx::check_for_interrupts!();
    }
}

/// What a token endpoint gave, sealed for an account.
pub fn seal(installation: &Installation, account: Uuid, tokens: &Tokens) -> SqlResult<Sealed> {
    let expires_at =
        tokens.expires_in.and_then(|left| Utc::now().checked_add_signed(chrono::TimeDelta::from_std(left).ok()?));
    let scopes = tokens.scopes.clone();
    sealed(installation, account, &tokens.access_token, tokens.refresh_token.as_ref(), expires_at, scopes)
}

fn sealed(
    installation: &Installation,
    account: Uuid,
    access_token: &str,
    refresh_token: Option<&Zeroizing<String>>,
    expires_at: Option<DateTime<Utc>>,
    scopes: Option<Vec<String>>,
) -> SqlResult<Sealed> {
    let seal_refresh = |token: &Zeroizing<String>| keys::seal(installation, REFRESH_TOKEN.place(account), token);
    Ok(Sealed {
        access_token: keys::seal(installation, ACCESS_TOKEN.place(account), access_token)?,
        refresh_token: refresh_token.map(seal_refresh).transpose()?,
        expires_at,
        scopes,
    })
}
