//! Tokens: of internal integrations, which last, and of OAuth, which rotate.

use std::collections::{HashMap, HashSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::world::World;
use crate::web::{Reply, Request};

/// What is known of clients and tokens.
#[derive(Debug, Default)]
pub(super) struct Logins {
    /// Tokens that are taken as they are.
    pub integrations: HashSet<String>,
    pub client: Option<(String, String)>,
    /// By code: where it goes, and whose it is.
    codes: HashMap<String, (String, String)>,
    /// By token: whose it is.
    pub access: HashMap<String, String>,
    refresh: HashMap<String, String>,
    serial: u64,
    pub refreshes: usize,
}

impl Logins {
    pub fn is_known(&self, token: &str) -> bool {
        self.integrations.contains(token) || self.access.contains_key(token)
    }

    /// A user agrees; gives the code that goes to the redirect address.
    pub fn consent(&mut self, redirect_uri: &str, user: &str) -> String {
        self.serial += 1;
        let code = format!("code-{}", self.serial);
        self.codes.insert(code.clone(), (redirect_uri.to_owned(), user.to_owned()));
        code
    }

    /// Access tokens are refused from now on, as when they have expired; they can be refreshed.
    pub fn expire(&mut self) {
        self.access.clear();
    }

    /// The user takes the connection away.
    pub fn revoke_all(&mut self) {
        self.access.clear();
        self.refresh.clear();
    }

    fn issue(&mut self, user: &str) -> (String, String) {
        self.serial += 1;
        let tokens = (format!("ntn_access{}", self.serial), format!("nrt_refresh{}", self.serial));
        self.access.insert(tokens.0.clone(), user.to_owned());
        self.refresh.insert(tokens.1.clone(), user.to_owned());
        tokens
    }
}

/// `/v1/oauth/...`: with the client's credentials by Basic, errors as RFC 6749, 5.2, has them.
pub(super) fn answer(world: &mut World, path: &str, request: &Request) -> Reply {
    let body: Value = match serde_json::from_str(&request.body) {
        Ok(body) => body,
        Err(_) => return refuse(400, "invalid_request", "the body is no JSON"),
    };
    if !has_client(world, request) {
        return refuse(401, "invalid_client", "Client authentication failed.");
    }
    let text = |key: &str| body[key].as_str().unwrap_or_default();
    match path {
        "/v1/oauth/token" => token(world, &body),
        "/v1/oauth/revoke" => {
            world.logins.access.remove(text("token"));
            world.logins.refresh.remove(text("token"));
            Reply::json(200, &json!({ "request_id": "r" }))
        }
        "/v1/oauth/introspect" => {
            Reply::json(200, &json!({ "active": world.logins.is_known(text("token")), "scope": "read_content" }))
        }
        _ => refuse(404, "invalid_request", "there is no such endpoint"),
    }
}

fn has_client(world: &World, request: &Request) -> bool {
    let Some((id, secret)) = &world.logins.client else { return false };
    let wanted = format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")));
    request.headers.get("authorization") == Some(&wanted)
}

fn token(world: &mut World, body: &Value) -> Reply {
    let text = |key: &str| body[key].as_str().unwrap_or_default();
    let user = match text("grant_type") {
        "authorization_code" => match world.logins.codes.remove(text("code")) {
            Some((redirect, user)) if redirect == text("redirect_uri") => user,
            _ => return refuse(400, "invalid_grant", "Invalid code."),
        },
        "refresh_token" => match world.logins.refresh.remove(text("refresh_token")) {
            Some(user) => {
                world.logins.refreshes += 1;
                user
            }
            None => return refuse(400, "invalid_grant", "Invalid refresh token."),
        },
        _ => return refuse(400, "unsupported_grant_type", "grant_type is not supported"),
    };
    let (access, refresh) = world.logins.issue(&user);
    let owner = world.users.iter().find(|known| known.email == user).map(|known| known.render());
    Reply::json(
        200,
        &json!({
            "access_token": access,
            "token_type": "bearer",
            "refresh_token": refresh,
            "bot_id": world.bot,
            "workspace_icon": null,
            "workspace_name": "Acme",
            "workspace_id": world.bot,
            "owner": { "type": "user", "user": owner },
            "duplicated_template_id": null,
            "request_id": "r",
        }),
    )
}

fn refuse(status: u16, error: &str, description: &str) -> Reply {
    Reply::json(status, &json!({ "error": error, "error_description": description, "request_id": "r" }))
}
