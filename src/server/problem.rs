//! What went wrong with a request, as one JSON document.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{forge::ForgeError, reconcile::commands::CommandError, store::StoreError};

/// Why a request was not answered as asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The status of the answer.
    pub status: StatusCode,
    /// What is said.
    pub document: ProblemDocument,
    /// How to prove who asks, when that is what is missing.
    pub challenge: Option<&'static str>,
}

/// What is said of a problem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProblemDocument {
    /// What is wrong: one sentence.
    pub error: String,
    /// What to do about it.
    pub help: String,
}

impl Problem {
    /// Makes a problem.
    pub(super) fn new(status: StatusCode, error: impl Into<String>, help: impl Into<String>) -> Self {
        Self { status, document: ProblemDocument { error: error.into(), help: help.into() }, challenge: None }
    }

    /// Says that there is no such thing.
    pub(super) fn not_found(error: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, error, "The strategies that there are stand in `/api/v1/strategies`.")
    }
}

impl From<CommandError> for Problem {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::Unknown { message, help } => Self::new(StatusCode::NOT_FOUND, message, help),
            CommandError::Malformed { message, help } => Self::new(StatusCode::BAD_REQUEST, message, help),
            CommandError::Refused { message, help } => Self::new(StatusCode::CONFLICT, message, help),
            CommandError::Forge(error) => forge(&error),
            CommandError::Store(error) => error.into(),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::error!(error = &error as &dyn std::error::Error, "could not use the store for a request");
        let help = "Try again; if that does not help, the service's log says more.";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "The database could not be used.", help)
    }
}

fn forge(error: &ForgeError) -> Problem {
    tracing::warn!(error = error as &dyn std::error::Error, "the forge did not do what a command asked for");
    let status = match error {
        ForgeError::RateLimited { .. } | ForgeError::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
        ForgeError::NotFound { .. } | ForgeError::Moved { .. } | ForgeError::Refused { .. } => StatusCode::CONFLICT,
        ForgeError::Unauthorised { .. } => StatusCode::BAD_GATEWAY,
    };
    Problem::new(status, format!("Nothing was done: {error}."), "Try again when the forge can do it.")
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.document)).into_response();
        if let Some(challenge) = self.challenge {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        response
    }
}
