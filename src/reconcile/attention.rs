//! What draws attention to a strategy, and which of the things that were read it makes stale.

use serde::{Deserialize, Serialize};

use crate::domain::{
    deployed::Deployed,
    ids::{BranchName, DestinationId, PullRequestNumber},
};

/// A hint that something may have changed. The truth is read from git and the forge.
///
/// A hint that says what is known already is the echo of an act of our own, and makes nothing stale.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attention {
    /// A branch moved, came or went.
    Branch {
        /// The branch.
        branch: BranchName,
        /// Where it is now; absent when it is gone.
        after: Option<String>,
    },
    /// Something was reported on a commit.
    Commit {
        /// The commit.
        sha: String,
        /// The key, where it is known.
        key: Option<String>,
    },
    /// A pull request changed.
    PullRequest {
        /// Its number.
        number: PullRequestNumber,
        /// Its head now, where it is known.
        head: Option<String>,
        /// `open`, `closed` or `merged` now, where it is known.
        state: Option<String>,
    },
    /// Somebody commented on a pull request.
    Comment {
        /// Its number.
        number: PullRequestNumber,
        /// The numeric id of who did, where it is known.
        author: Option<u64>,
    },
    /// A tool told what became of a commit that it deployed: to be put on the forge.
    Deployed(Deployed),
    /// Something happened in another repository, into which strategies promote.
    Elsewhere {
        /// It.
        destination: DestinationId,
        /// What happened.
        what: Box<Self>,
    },
    /// Anything may have changed: a timer, a restart, a person.
    Everything,
    /// Only the store changed: a command was written down.
    Command,
}

impl Attention {
    /// Returns what it says of another repository, or of the dry one.
    pub fn of_repository(&self, destination: Option<&DestinationId>) -> Option<&Self> {
        match (self, destination) {
            (Self::Everything | Self::Command, _) => Some(self),
            (Self::Elsewhere { destination, what }, Some(wanted)) => destination.is(wanted).then_some(what),
            (Self::Elsewhere { .. }, None) | (_, Some(_)) => None,
            (_, None) => Some(self),
        }
    }

    /// Returns what it says to a strategy whose environments are in another repository, or in the dry one: what is
    /// reported on dry commits is for all.
    pub fn of_strategy(&self, destination: Option<&DestinationId>) -> Option<&Self> {
        match self {
            Self::Commit { .. } => Some(self),
            _ => self.of_repository(destination),
        }
    }
}
