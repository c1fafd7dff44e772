//! Through which pull request a rollback is merged, or what restores over drift: neither waits for a person to open one.

use jiff::Timestamp;

use crate::domain::{
    ids::{ProposedSha, PullRequestNumber},
    plan::{FORGE_LAG, Planner},
    snapshot::{OpenPullRequest, PlaceState},
    strategy::{Environment, MergeMode},
};

/// How something that is proposed is merged.
pub(super) enum Through {
    /// Through this pull request, or without any.
    Ready(Option<PullRequestNumber>),
    /// Through one that is still to be opened.
    Unopened,
    /// Not before the forge is asked again.
    Later(Timestamp),
}

impl Planner<'_> {
    /// Says how `head` is merged, for which `pull_request` was opened.
    pub(super) fn through(
        &self,
        environment: &Environment,
        state: &PlaceState,
        pull_request: Option<&OpenPullRequest>,
        head: &ProposedSha,
    ) -> Through {
        // The forge has not caught up with the push.
        if pull_request.is_some_and(|pull_request| pull_request.head != *head) {
            return Through::Later(self.snapshot.now + FORGE_LAG);
        }
        if let Some(refusal) = self.refusal(state, head) {
            return Through::Later(refusal.retry_at);
        }
        match pull_request {
            Some(pull_request) => Through::Ready(Some(pull_request.number)),
            None if environment.merge_mode == MergeMode::Direct => Through::Ready(None),
            None => Through::Unopened,
        }
    }
}
