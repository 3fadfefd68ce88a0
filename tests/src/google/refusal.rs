//! Errors in Google's envelope.

use serde_json::{Value, json};

/// Why a request is not answered as it wishes.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub status: u16,
    pub reason: String,
    message: String,
    /// What of the request is wrong: its kind (`parameter`, `header`) and its name.
    location: Option<(&'static str, String)>,
    pub headers: Vec<String>,
}

impl Refusal {
    pub fn new(status: u16, reason: &str, message: impl Into<String>) -> Self {
        Self { status, reason: reason.into(), message: message.into(), location: None, headers: vec![] }
    }

    /// 400: a value that can't be.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "invalid", message)
    }

    /// 400: something is missing.
    pub fn required(message: impl Into<String>) -> Self {
        Self::new(400, "required", message)
    }

    pub fn parameter(name: &str, message: impl Into<String>) -> Self {
        Self { location: Some(("parameter", name.into())), ..Self::invalid(message) }
    }

    pub fn not_found() -> Self {
        Self::new(404, "notFound", "Not Found")
    }

    /// A second delete of the same.
    pub fn deleted() -> Self {
        Self::new(410, "deleted", "Resource has been deleted")
    }

    pub fn stale() -> Self {
        let location = Some(("header", "If-Match".into()));
        Self { location, ..Self::new(412, "conditionNotMet", "Precondition Failed") }
    }

    pub fn unauthorized() -> Self {
        Self {
            location: Some(("header", "Authorization".into())),
            headers: vec![
                "WWW-Authenticate: Bearer realm=\"https://accounts.google.com/\", error=\"invalid_token\"".into(),
            ],
            ..Self::new(401, "authError", "Invalid Credentials")
        }
    }

    pub fn forbidden(reason: &str, message: &str) -> Self {
        Self::new(403, reason, message)
    }

    pub fn body(&self) -> Value {
        let mut error = json!({ "domain": self.domain(), "reason": self.reason, "message": self.message });
        if let Some((kind, name)) = &self.location {
            error["locationType"] = json!(kind);
            error["location"] = json!(name);
        }
        json!({ "error": { "code": self.status, "message": self.message, "errors": [error] } })
    }

    fn domain(&self) -> &'static str {
        match self.reason.as_str() {
            "rateLimitExceeded" | "userRateLimitExceeded" | "quotaExceeded" => "usageLimits",
            "fullSyncRequired" | "updatedMinTooLongAgo" | "requiredAccessLevel" => "calendar",
            _ => "global",
        }
    }
}
