//! What draws attention to a strategy, and which of the things that were read it makes stale.

use serde::{Deserialize, Serialize};

use crate::domain::ids::{BranchName, PullRequestNumber};

/// A hint that something may have changed. The truth is read from git and the forge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attention {
    /// A branch moved, came or went.
    Branch(BranchName),
    /// Something was reported on a commit.
    Commit(String),
    /// A pull request changed.
    PullRequest(PullRequestNumber),
    /// Anything may have changed: a timer, a restart, a person.
    Everything,
    /// Only the store changed: a command was written down.
    Command,
}

/// A hint from the forge, as it is written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heard {
    /// What it is about.
    pub about: Attention,
    /// The account that did it, where the forge says so.
    pub by: Option<u64>,
}

impl Heard {
    /// Says whether this is the echo of an act of our own account: its outcome is known already, and
    /// the timer has everything read again anyway.
    pub fn is_echo(&self, account: u64) -> bool {
        self.by == Some(account)
    }
}
