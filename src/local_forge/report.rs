//! Commit statuses and check runs: their data and what they add up to.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::state::Repository;

/// How many statuses GitHub takes for one SHA and context.
pub(super) const STATUSES_PER_CONTEXT: usize = 1_000;

/// A commit status's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StatusState {
    /// Something broke that says nothing about the commit.
    Error,
    /// The answer is no.
    Failure,
    /// Not known yet.
    Pending,
    /// The answer is yes.
    Success,
}

impl StatusState {
    /// Returns GitHub's word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Failure => "failure",
            Self::Pending => "pending",
            Self::Success => "success",
        }
    }
}

/// A commit status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The numeric id.
    pub id: u64,
    /// The commit.
    pub sha: String,
    /// The key.
    pub context: String,
    /// The state.
    pub state: StatusState,
    /// A short text.
    pub description: Option<String>,
    /// A page about it.
    pub target_url: Option<String>,
    /// Who reported it.
    pub creator: String,
    /// When.
    pub created_at: Timestamp,
}

/// A check run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckRun {
    /// The numeric id.
    pub id: u64,
    /// The suite's id.
    pub suite: u64,
    /// The commit.
    pub sha: String,
    /// The name.
    pub name: String,
    /// `queued`, `in_progress`, `completed`, …
    pub status: String,
    /// `success`, `failure`, …, once completed.
    pub conclusion: Option<String>,
    /// A page about it.
    pub details_url: Option<String>,
    /// The reporter's own id.
    pub external_id: Option<String>,
    /// When it started.
    pub started_at: Timestamp,
    /// When it ended.
    pub completed_at: Option<Timestamp>,
    /// The heading of its output.
    pub title: Option<String>,
    /// The short text of its output.
    pub summary: Option<String>,
    /// The long text of its output.
    pub text: Option<String>,
    /// Who reported it.
    pub creator: String,
}

impl CheckRun {
    /// Returns the App in whose name it was made; `local-checks` for those of people, who can make none on GitHub.
    pub(super) fn app(&self) -> &str {
        self.creator.strip_suffix("[bot]").unwrap_or("local-checks")
    }

    /// Returns what it says in the words of commit statuses; skipped and neutral count as success.
    pub fn outcome(&self) -> StatusState {
        match self.conclusion.as_deref() {
            None => StatusState::Pending,
            Some("success" | "neutral" | "skipped") => StatusState::Success,
            Some(_) => StatusState::Failure,
        }
    }
}

/// Returns the latest status of each context on `sha`, oldest context first.
pub(super) fn latest_statuses<'a>(repository: &'a Repository, sha: &str) -> Vec<&'a Status> {
    let mut latest: Vec<&Status> = Vec::new();
    for status in repository.statuses.iter().filter(|status| status.sha == sha) {
        latest.retain(|earlier| earlier.context != status.context);
        latest.push(status);
    }
    latest
}

/// Returns the latest check run of each name on `sha`.
pub(super) fn latest_check_runs<'a>(repository: &'a Repository, sha: &str) -> Vec<&'a CheckRun> {
    let mut latest: Vec<&CheckRun> = Vec::new();
    for run in repository.check_runs.iter().filter(|run| run.sha == sha) {
        latest.retain(|earlier| (earlier.app(), &earlier.name) != (run.app(), &run.name));
        latest.push(run);
    }
    latest
}

/// Returns what statuses add up to: nothing at all is pending, as on GitHub.
pub(super) fn combined(states: impl IntoIterator<Item = StatusState>) -> StatusState {
    let mut sum = None;
    for state in states {
        sum = match (sum, state) {
            (Some(StatusState::Failure), _) | (_, StatusState::Failure | StatusState::Error) => {
                Some(StatusState::Failure)
            }
            (Some(StatusState::Pending), _) | (_, StatusState::Pending) => Some(StatusState::Pending),
            _ => Some(StatusState::Success),
        };
    }
    sum.unwrap_or(StatusState::Pending)
}

/// Returns whether `context` is reported on `sha` and every report of it, status and check run, passed.
pub(super) fn has_passed(repository: &Repository, sha: &str, context: &str) -> bool {
    let statuses = latest_statuses(repository, sha);
    let runs = latest_check_runs(repository, sha);
    let of_statuses = statuses.iter().filter(|status| status.context == context).map(|status| status.state);
    let of_runs = runs.iter().filter(|run| run.name == context).map(|run| run.outcome());
    let reports: Vec<StatusState> = of_statuses.chain(of_runs).collect();
    !reports.is_empty() && reports.iter().all(|state| *state == StatusState::Success)
}

#[cfg(test)]
mod tests {
    use super::{StatusState::*, combined};

    #[test]
    fn no_status_at_all_is_pending() {
        assert_eq!(combined([]), Pending);
    }

    #[test]
    fn an_error_wins_over_pending_and_counts_as_failure() {
        assert_eq!(combined([Success, Pending, Error]), Failure);
        assert_eq!(combined([Success, Pending]), Pending);
        assert_eq!(combined([Success, Success]), Success);
    }
}
