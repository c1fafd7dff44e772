//! Waits that have passed their deadline: people are told of each once.
//!
//! Past a deadline nothing is merged, rolled back or rejected. Whoever the strategy names is told, once for each wait and commit.

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};

use super::ids::{ActiveSha, ProposedSha, PullRequestNumber};

/// What waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Waiting {
    /// A proposal, in its open pull request.
    Proposal {
        /// The head.
        proposed: ProposedSha,
        /// The pull request.
        number: PullRequestNumber,
    },
    /// What runs, for its verdict.
    Run {
        /// The commit that brought it.
        brought_by: ActiveSha,
    },
}

/// A wait of one commit, to remember that people were told of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Wait(String);

/// A wait that is overdue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overdue {
    /// The wait.
    pub wait: Wait,
    /// What it waits for and since when it is overdue, as it is shown everywhere.
    pub words: String,
}

/// The waits of a place that people were told of, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Told(Vec<Wait>);

/// How many waits are remembered for a place: far more than wait at once.
const REMEMBERED: usize = 100;

impl Wait {
    /// Returns the wait of that name of what waits.
    pub fn new(name: &str, waiting: &Waiting) -> Self {
        Self(format!("{name} {waiting}"))
    }
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Proposal { proposed, .. } => proposed.fmt(f),
            Self::Run { brought_by } => brought_by.fmt(f),
        }
    }
}

impl Told {
    /// Says whether people were told of a wait.
    pub fn contains(&self, wait: &Wait) -> bool {
        self.0.contains(wait)
    }

    /// Notes that people were told; the oldest are forgotten.
    pub fn note(&mut self, waits: impl IntoIterator<Item = Wait>) {
        let known: BTreeSet<Wait> = self.0.iter().cloned().collect();
        self.0.extend(waits.into_iter().filter(|wait| !known.contains(wait)));
        let forgotten = self.0.len().saturating_sub(REMEMBERED);
        self.0.drain(..forgotten);
    }
}
