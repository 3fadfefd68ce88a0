//! A provider's logins on loopback, and as much of an API (Microsoft Graph's) as tells whether a token is good.
//!
//! Refresh tokens are good for one use: whoever presents one that was used before loses the whole login, as where reuse
//! is taken for theft (RFC 9700, 4.14.2).

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::{Url, form_urlencoded};

use crate::web::{Reply, Request, serve};

/// The application that it knows.
pub const LOGIN_CLIENT: (&str, &str) = ("client-of-the-stories", "client-secret-of-the-stories");
/// Where it sends users back to.
pub const REDIRECT_URI: &str = "https://crm.example.com/oauth/callback";

#[derive(Default)]
struct State {
    /// Whose code, and what its proof must hash to.
    codes: HashMap<String, (String, String)>,
    access: HashMap<String, String>,
    refresh: HashMap<String, String>,
    used: HashMap<String, String>,
    issued: usize,
    /// In seconds; `None`: it does not say.
    lifetime: Option<u64>,
    takes_used: bool,
    held: bool,
    /// What is held is forgotten.
    drops_held: bool,
    /// Requests to the token endpoint that get no answer, though they are heeded.
    lost: usize,
    /// Answers of the token endpoint instead of tokens.
    refusals: Vec<(u16, Value)>,
    down: HashSet<&'static str>,
    requests: Vec<Request>,
}

/// Stays up as long as the process.
pub struct FakeLogin {
    address: SocketAddr,
    state: Arc<(Mutex<State>, Condvar)>,
}

impl FakeLogin {
    pub fn start() -> Self {
        let state = Arc::new((Mutex::new(State { lifetime: Some(3600), ..State::default() }), Condvar::new()));
        let shared = state.clone();
        let address = serve(move |request| answer(request, &shared));
        Self { address, state }
    }

    /// The options of calendar_oauth_register.
    pub fn options(&self) -> Value {
        let at = |path: &str| format!("http://{}{path}", self.address);
        json!({
            "redirect_uris": [REDIRECT_URI],
            "endpoints": {"api": at("/v1.0"), "authorize": at("/authorize"), "token": at("/token"), "revoke": at("/revoke")},
        })
    }

    /// The user agrees to what the page at this address asks: (state, code) that they come back with.
    pub fn consent(&self, address: &str, email: &str) -> (String, String) {
        let url = Url::parse(address).expect("a URL");
        assert_eq!((url.path(), url.port()), ("/authorize", Some(self.address.port())));
        let asked: HashMap<String, String> = url.query_pairs().into_owned().collect();
        assert_eq!(asked["response_type"], "code");
        assert_eq!(asked["client_id"], LOGIN_CLIENT.0);
        assert_eq!(asked["redirect_uri"], REDIRECT_URI);
        assert_eq!(asked["code_challenge_method"], "S256");
        let mut state = self.state();
        let code = state.new_token("code");
        state.codes.insert(code.clone(), (email.to_owned(), asked["code_challenge"].clone()));
        (asked["state"].clone(), code)
    }

    /// An access and a refresh token, as an application gets them that does OAuth itself.
    pub fn grant(&self, email: &str) -> (String, String) {
        self.state().grant(email)
    }

    /// These tokens are somebody's from now on.
    pub fn grant_as(&self, email: &str, access: &str, refresh: &str) {
        let mut state = self.state();
        state.access.insert(access.to_owned(), email.to_owned());
        state.refresh.insert(refresh.to_owned(), email.to_owned());
    }

    /// No access token that there is is good any more, whatever it said when it was given.
    pub fn expire(&self) {
        self.state().access.clear();
    }

    /// How long access tokens last from now on, in seconds.
    pub fn set_lifetime(&self, seconds: Option<u64>) {
        self.state().lifetime = seconds;
    }

    /// A refresh token that was used is taken again.
    pub fn take_used_tokens(&self) {
        self.state().takes_used = true;
    }

    /// The token endpoint says nothing until [`FakeLogin::go_on`].
    pub fn hold(&self) {
        let mut state = self.state();
        (state.held, state.drops_held) = (true, false);
    }

    /// As if what is held had never come: it is neither heeded nor answered.
    pub fn drop_held(&self) {
        self.state().drops_held = true;
        self.go_on();
    }

    pub fn go_on(&self) {
        self.state().held = false;
        self.state.1.notify_all();
    }

    /// So many answers of the token endpoint are lost on the way.
    pub fn lose(&self, answers: usize) {
        self.state().lost = answers;
    }

    /// What the token endpoint says next instead of giving tokens.
    pub fn refuse(&self, status: u16, says: Value) {
        self.state().refusals.push((status, says));
    }

    /// Requests whose path begins so are not answered from now on.
    pub fn shut_down(&self, path: &'static str) {
        self.state().down.insert(path);
    }

    pub fn requests(&self) -> Vec<Request> {
        self.state().requests.clone()
    }

    /// Requests whose path begins so.
    pub fn count(&self, path: &str) -> usize {
        self.state().requests.iter().filter(|request| request.target.starts_with(path)).count()
    }

    /// Refresh tokens that were taken: each once, unless used ones are taken again.
    pub fn taken(&self) -> usize {
        self.state().used.len()
    }

    /// How often somebody came with a refresh token.
    pub fn refreshes(&self) -> usize {
        let is_refresh = |request: &&Request| field(request, "grant_type").as_deref() == Some("refresh_token");
        self.state().requests.iter().filter(is_refresh).count()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.0.lock().expect("the state")
    }
}

impl State {
    fn new_token(&mut self, kind: &str) -> String {
        self.issued += 1;
        format!("{kind}-of-the-stories-{}", self.issued)
    }

    fn grant(&mut self, email: &str) -> (String, String) {
        let (access, refresh) = (self.new_token("access"), self.new_token("refresh"));
        self.access.insert(access.clone(), email.to_owned());
        self.refresh.insert(refresh.clone(), email.to_owned());
        (access, refresh)
    }

    fn token(&mut self, request: &Request) -> Reply {
        let get = |name: &str| field(request, name).unwrap_or_default();
        let refused = |error: &str| Reply::json(400, &json!({"error": error, "error_description": "as it is"}));
        if (get("client_id").as_str(), get("client_secret").as_str()) != LOGIN_CLIENT {
            return Reply::json(401, &json!({"error": "invalid_client"}));
        }
        if !self.refusals.is_empty() {
            let (status, says) = self.refusals.remove(0);
            return Reply::json(status, &says);
        }
        let email = match get("grant_type").as_str() {
            "authorization_code" => match self.codes.remove(&get("code")) {
                Some((email, challenge))
                    if challenge == hash(&get("code_verifier")) && get("redirect_uri") == REDIRECT_URI =>
                {
                    email
                }
                _ => return refused("invalid_grant"),
            },
            "refresh_token" => {
                let token = get("refresh_token");
                match (self.refresh.remove(&token), self.used.get(&token).cloned()) {
                    (Some(email), _) => {
                        self.used.insert(token, email.clone());
                        email
                    }
                    (None, Some(email)) if self.takes_used => email,
                    (None, thief) => {
                        self.refresh.retain(|_, email| Some(&*email) != thief.as_ref());
                        self.access.retain(|_, email| Some(&*email) != thief.as_ref());
                        return refused("invalid_grant");
                    }
                }
            }
            _ => return refused("unsupported_grant_type"),
        };
        let (access, refresh) = self.grant(&email);
        let mut answer = json!({"access_token": access, "refresh_token": refresh, "token_type": "Bearer", "scope": "Calendars.ReadWrite"});
        if let Some(lifetime) = self.lifetime {
            answer["expires_in"] = json!(lifetime);
        }
        Reply::json(200, &answer)
    }

    fn api(&self, request: &Request, address: &str) -> Reply {
        let token =
            request.headers.get("authorization").and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
        let Some(email) = self.access.get(token) else {
            return Reply::json(
                401,
                &json!({"error": {"code": "InvalidAuthenticationToken", "message": format!("no: {token}")}}),
            );
        };
        let calendar = |id: &str, name: &str, writable: bool| json!({"id": id, "name": name, "canEdit": writable, "owner": {"address": email}});
        match request.path().trim_end_matches('/') {
            "/v1.0/me" => Reply::json(200, &json!({"mail": null, "userPrincipalName": email})),
            "/v1.0/me/calendars" => {
                let own = [
                    calendar("work", "Calendar", true),
                    calendar("team", "Team", true),
                    calendar("holidays", "Holidays", false),
                ];
                Reply::json(200, &json!({"value": own}))
            }
            "/v1.0/me/calendars/work" => Reply::json(200, &calendar("work", "Calendar", true)),
            "/v1.0/me/calendars/team" => Reply::json(200, &calendar("team", "Team", true)),
            path if path.ends_with("/delta") => {
                let next = format!("http://{address}{path}?$deltatoken=1");
                Reply::json(200, &json!({"value": [], "@odata.deltaLink": next}))
            }
            _ => Reply::json(404, &json!({"error": {"code": "ErrorItemNotFound", "message": "not found"}})),
        }
    }
}

fn answer(request: &Request, (state, changed): &(Mutex<State>, Condvar)) -> Option<Reply> {
    let mut state = state.lock().expect("the state");
    state.requests.push(request.clone());
    let path = request.path().to_owned();
    if state.down.iter().any(|down| path.starts_with(down)) {
        return None;
    }
    match path.as_str() {
        "/token" => {
            let was_held = state.held;
            let mut state = changed.wait_while(state, |state| state.held).expect("the state");
            if was_held && state.drops_held {
                return None;
            }
            let reply = state.token(request);
            if state.lost > 0 {
                state.lost -= 1;
                return None;
            }
            Some(reply)
        }
        "/revoke" => {
            let token = field(request, "token").unwrap_or_default();
            let email = state.refresh.get(&token).or(state.access.get(&token)).cloned();
            state.refresh.retain(|_, owner| Some(&*owner) != email.as_ref());
            state.access.retain(|_, owner| Some(&*owner) != email.as_ref());
            Some(Reply::empty(200))
        }
        _ => {
            let address = request.headers.get("host").cloned().unwrap_or_default();
            Some(state.api(request, &address))
        }
    }
}

/// A field of the form that was sent.
fn field(request: &Request, name: &str) -> Option<String> {
    let mut fields = form_urlencoded::parse(request.body.as_bytes());
    fields.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

fn hash(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()))
}
