//! A pull request's own data.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Where a pull request is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PullState {
    /// Open.
    Open,
    /// Closed without merging.
    Closed,
    /// Merged.
    Merged,
}

/// How a pull request is merged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MergeMethod {
    /// A commit with two parents.
    #[default]
    Merge,
    /// One commit with everything.
    Squash,
    /// Each commit again, on top of the base.
    Rebase,
}

/// Whether two commits merge without a conflict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mergeability {
    /// The base's tip it was tried on.
    pub base: String,
    /// The head it was tried with.
    pub head: String,
    /// Whether there was no conflict.
    pub clean: bool,
}

/// A pull request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullRequest {
    /// The numeric id.
    pub id: u64,
    /// The number in its repository.
    pub number: u64,
    /// The title.
    pub title: String,
    /// The text.
    pub body: Option<String>,
    /// Who opened it.
    pub author: String,
    /// The branch to merge.
    pub head: String,
    /// The branch to merge into.
    pub base: String,
    /// The head commit.
    pub head_sha: String,
    /// The base's tip when it was opened, last pushed to, or merged.
    pub base_sha: String,
    /// Open, closed or merged.
    pub state: PullState,
    /// Whether it is a draft.
    pub draft: bool,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// When it was closed or merged.
    pub closed_at: Option<Timestamp>,
    /// When it was merged.
    pub merged_at: Option<Timestamp>,
    /// Who merged it.
    pub merged_by: Option<String>,
    /// The commit that merging made on the base.
    pub merge_commit_sha: Option<String>,
    /// The names of its labels.
    pub labels: Vec<String>,
    /// The last trial merge; it counts only for these two commits.
    pub mergeability: Option<Mergeability>,
}

impl PullRequest {
    /// Returns whether it is open.
    pub fn is_open(&self) -> bool {
        self.state == PullState::Open
    }

    /// Returns the trial merge of the head onto `base_tip`, if it was made.
    pub(super) fn trial(&self, base_tip: &str) -> Option<bool> {
        let trial = self.mergeability.as_ref()?;
        (trial.base == base_tip && trial.head == self.head_sha).then_some(trial.clean)
    }
}
