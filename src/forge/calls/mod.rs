//! What every adapter needs to speak with an HTTP API: time limits, pacing, waits that the forge asks for,
//! conditional reads, and answers by the reaction that they ask for.
//!
//! - A read may run beside others; writes go out one after another with a pause between them, unless the forge takes
//!   several at once, merges first.
//! - No request is ever repeated here: a write has its read-back rule, a read its next look.
//! - After the forge asked to wait nothing is sent until then, and when it allows few more calls comments wait; callers
//!   get [`ForgeError::RateLimited`].
//! - A forge that does not answer is left alone for a while: calls fail at once.
//! - No redirect is followed: credentials are for one address, and a repeated write is another one.
//!
//! How bytes travel is the adapter's: it brings a [`Transport`], or takes [`Http`]. So are pages, which every forge numbers its own way.

mod answer;
mod breaker;
mod budget;
mod client;
mod etags;
mod http_transport;
mod meters;
mod read_back;
mod turns;

use std::{
    num::NonZeroUsize,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;

pub(super) use self::{
    answer::Answer,
    breaker::Breaker,
    client::{Client, CredentialState, Request, Transport},
    http_transport::{Http, TokenHeader},
    meters::count,
    read_back::{is_worth_reading_back, settle_close},
};
use super::ForgeError;
pub(super) use crate::network::Outgoing;

/// What stays readable in a path segment or a query's value.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// How long to wait for what.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// For a connection.
    pub connect: Duration,
    /// For a whole request with its answer.
    pub call: Duration,
    /// Between two writes of one credential; GitHub asks for a second.
    pub write_interval: Duration,
    /// How many writes of one credential are under way at once; GitHub asks for one.
    pub writes_at_once: NonZeroUsize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            call: Duration::from_secs(30),
            write_interval: Duration::from_secs(1),
            writes_at_once: NonZeroUsize::MIN,
        }
    }
}

/// What a call is for; what matters more goes first, and on for longer when the forge allows few more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Importance {
    /// Merging, opening and closing pull requests, and what that is decided on.
    Merge,
    /// Statuses, and the texts of pull requests.
    Status,
    /// Comments, reactions, and looking for comments.
    Comment,
}

impl Importance {
    /// Returns the word for metrics.
    fn word(self) -> &'static str {
        match self {
            Self::Merge => "merge",
            Self::Status => "status",
            Self::Comment => "comment",
        }
    }
}

/// One kind of request: its place in the API, as metrics name it, and what it is for, as errors name it.
#[derive(Debug, Clone)]
pub(super) struct Call {
    /// The path with placeholders.
    pub(super) route: &'static str,
    /// The path with its query, without a page.
    pub(super) path: String,
    /// What is attempted, completing "was asked to …".
    pub(super) what: String,
    /// How much it matters.
    pub(super) importance: Importance,
}

impl Call {
    /// Returns a call that matters as much as any, until [`Call::of`] says otherwise.
    pub(super) fn new(route: &'static str, path: String, what: String) -> Self {
        Self { route, path, what, importance: Importance::Merge }
    }

    /// Returns the call with another importance.
    pub(super) fn of(self, importance: Importance) -> Self {
        Self { importance, ..self }
    }
}

/// Returns the call that asks whose token it is; every forge answers it at the same path.
pub(super) fn whose_token() -> Call {
    Call::new("/user", "/user".to_owned(), "say whose token this is".to_owned())
}

/// Returns `text` for use as one path segment or one value of a query.
pub(super) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, PLAIN).to_string()
}

/// Says what was not found as a thing, not as an attempt.
pub(super) fn named(error: ForgeError, what: impl FnOnce() -> String) -> ForgeError {
    match error {
        ForgeError::NotFound { .. } => ForgeError::NotFound { what: what() },
        other => other,
    }
}

/// Reads the body of a successful answer.
pub(super) fn parse<T: DeserializeOwned>(body: &str, what: &str) -> Result<T, ForgeError> {
    serde_json::from_str(body)
        .map_err(|error| ForgeError::Unavailable { what: what.to_owned(), source: anyhow::Error::new(error) })
}

/// Locks; a panic elsewhere leaves plain values behind that stay usable.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
