//! Why the forge does not do what was asked: a status and GitHub's words.

use serde_json::{Value, json};

/// An answer that says no.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{status}: {message}")]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// GitHub's words.
    pub message: String,
    /// GitHub's error objects, for 422.
    pub errors: Vec<Value>,
}

impl Refusal {
    /// Returns a refusal without error objects.
    pub(super) fn new(status: u16, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), errors: Vec::new() }
    }

    /// The thing is not there, or may not be seen.
    pub(super) fn not_found() -> Self {
        Self::new(404, "Not Found")
    }

    /// The token is not one of ours.
    pub(super) fn bad_credentials() -> Self {
        Self::new(401, "Bad credentials")
    }

    /// There is no token.
    pub(super) fn not_decoded() -> Self {
        Self::new(401, "A JSON web token could not be decoded")
    }

    pub(super) fn requires_authentication() -> Self {
        Self::new(401, "Requires authentication")
    }

    /// The token's owner lacks the right.
    pub(super) fn forbidden() -> Self {
        Self::new(403, "Resource not accessible by personal access token")
    }

    /// A merge that is not possible now.
    pub(super) fn not_mergeable() -> Self {
        Self::new(405, "Pull Request is not mergeable")
    }

    /// 422 with one error object in GitHub's form for a rule of its own.
    pub(super) fn custom(resource: &str, message: impl Into<String>) -> Self {
        let message: String = message.into();
        Self::validation(json!({"resource": resource, "code": "custom", "message": message}))
    }

    /// 422 for a field whose value cannot be used.
    pub(super) fn invalid(resource: &str, field: &str) -> Self {
        Self::validation(json!({"resource": resource, "field": field, "code": "invalid"}))
    }

    /// 422 for a field that is not there.
    pub(super) fn missing(resource: &str, field: &str) -> Self {
        Self::validation(json!({"resource": resource, "field": field, "code": "missing_field"}))
    }

    /// 422 for something that is there already.
    pub(super) fn already_exists(resource: &str, field: &str) -> Self {
        Self::validation(json!({"resource": resource, "field": field, "code": "already_exists"}))
    }

    fn validation(error: Value) -> Self {
        Self { errors: vec![error], ..Self::new(422, "Validation Failed") }
    }

    /// Returns the answer's body.
    pub(super) fn body(&self) -> Value {
        let mut body = json!({
            "message": self.message,
            "documentation_url": "https://docs.github.com/rest",
            "status": self.status.to_string(),
        });
        if !self.errors.is_empty() {
            body["errors"] = Value::Array(self.errors.clone());
        }
        body
    }
}

impl From<git2::Error> for Refusal {
    /// Git failed where our own state says that it cannot: a fault of the forge, not of the caller.
    fn from(error: git2::Error) -> Self {
        tracing::error!(error = %error, "the local forge could not work on a repository");
        Self::new(500, "Server Error")
    }
}
