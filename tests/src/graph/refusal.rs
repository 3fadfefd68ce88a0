//! Errors in Graph's envelope.

use serde_json::{Value, json};

/// Why a request is not answered as it wishes.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub status: u16,
    pub code: String,
    message: String,
    pub headers: Vec<String>,
}

impl Refusal {
    pub fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self { status, code: code.into(), message: message.into(), headers: vec![] }
    }

    pub fn with_header(mut self, header: String) -> Self {
        self.headers.push(header);
        self
    }

    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "ErrorInvalidRequest", message)
    }

    pub fn property(name: &str) -> Self {
        Self::new(400, "ErrorPropertyValidationFailure", format!("At least one property failed validation: {name}"))
    }

    pub fn not_found() -> Self {
        Self::new(404, "ErrorItemNotFound", "The specified object was not found in the store.")
    }

    pub fn denied() -> Self {
        Self::new(403, "ErrorAccessDenied", "Access is denied. Check credentials and try again.")
    }

    pub fn stale() -> Self {
        let message = "The send or update operation could not be performed because the change key passed in the \
                       request does not match the current change key for the item.";
        Self::new(412, "ErrorIrresolvableConflict", message)
    }

    pub fn unauthorized() -> Self {
        Self::new(401, "InvalidAuthenticationToken", "Access token has expired or is not yet valid.")
            .with_header("WWW-Authenticate: Bearer realm=\"\", error=\"invalid_token\"".into())
    }

    pub fn body(&self) -> Value {
        json!({
            "error": {
                "code": self.code,
                "message": self.message,
                "innerError": { "request-id": "00000000-0000-0000-0000-000000000000" },
            }
        })
    }
}
