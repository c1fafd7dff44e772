//! One call and its answer, without HTTP around them.

use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::local_forge::{credentials::Caller, refusal::Refusal};

/// A call, with its path cut at the slashes.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) method: String,
    pub(super) segments: Vec<String>,
    /// The path as it came, for links.
    pub(super) path: String,
    pub(super) query: Vec<(String, String)>,
    pub(super) body: Option<Value>,
    caller: Caller,
}

impl Call {
    pub(super) fn new(method: &str, path: &str, query: &str, body: Option<Value>, caller: Caller) -> Self {
        let segments = path.split('/').filter(|segment| !segment.is_empty());
        Self {
            method: method.to_owned(),
            segments: segments.map(|one| percent_decode_str(one).decode_utf8_lossy().into_owned()).collect(),
            path: path.to_owned(),
            query: url::form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
            body,
            caller,
        }
    }

    /// Returns who calls.
    pub(super) fn actor(&self) -> Option<&str> {
        match &self.caller {
            Caller::Account(account) => Some(&account.login),
            Caller::Nobody | Caller::App(_) => None,
        }
    }

    /// Returns which App asks for itself.
    pub(super) fn app(&self) -> Option<u64> {
        match self.caller {
            Caller::App(id) => Some(id),
            Caller::Nobody | Caller::Account(_) => None,
        }
    }

    /// Returns a query parameter, if it says something.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// Reads the body.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        let body = self.body.clone().unwrap_or_else(|| Value::Object(serde_json::Map::new()));
        serde_json::from_value(body).map_err(|error| Refusal::new(422, format!("Invalid request.\n\n{error}")))
    }
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Option<Value>,
    pub(super) headers: Vec<(&'static str, String)>,
}

impl Answer {
    /// Returns a 200.
    pub(super) fn ok(body: impl Into<Value>) -> Self {
        Self { status: 200, body: Some(body.into()), headers: Vec::new() }
    }

    /// Returns a 201.
    pub(super) fn created(body: impl Into<Value>) -> Self {
        Self { status: 201, ..Self::ok(body) }
    }

    /// Returns a 204.
    pub(super) fn nothing() -> Self {
        Self { status: 204, body: None, headers: Vec::new() }
    }
}
