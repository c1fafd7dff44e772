//! Commit statuses: what is reported about one commit, from statuses and check runs alike.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{deployed::Tool, ids::StatusKey};

/// The verdict of one report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StatusState {
    /// No verdict yet.
    Pending,
    /// Good.
    Success,
    /// The content is bad.
    Failure,
    /// The check itself broke; says nothing about the content.
    Error,
}

impl StatusState {
    /// Returns the word used on forges and in messages.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Error => "error",
        }
    }
}

/// Where a report comes from; a forge keeps the two apart, we do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum StatusSource {
    /// A commit status.
    Status,
    /// A check run.
    CheckRun,
}

/// One report about one commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitStatus {
    /// The key, or the check run's name.
    pub key: StatusKey,
    /// The verdict.
    pub state: StatusState,
    /// Where it comes from.
    pub source: StatusSource,
    /// When it was reported (a check run: when it ended, else when it started).
    pub reported_at: Timestamp,
    /// Orders reports of one source: the forge's own rising id.
    pub id: u64,
    /// The reporter's words.
    pub description: String,
    /// The reporter's account, where the forge says it.
    pub creator: Option<u64>,
    /// Who reports, where that is known.
    pub reporter: Option<Reporter>,
}

/// Who reports a commit status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reporter {
    /// An account of the forge, by its login.
    Account(String),
    /// A tool that deploys, by the service's own receiver.
    Tool(Tool),
}

impl fmt::Display for Reporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(login) => f.write_str(login),
            Self::Tool(tool) => f.write_str(tool.word()),
        }
    }
}
