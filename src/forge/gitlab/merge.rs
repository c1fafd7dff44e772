//! Merging a merge request, and what its refusal means.
//!
//! GitLab answers 401 when we may not merge, 405 for everything from a draft to a check that still runs, 422 (406 in
//! older releases) for a conflict and 409 for another head, and the texts say no more. So the merge request is read
//! after each refusal, and what it *is* decides.
//!
//! - The head is always named: without it GitLab merges whatever the head is.
//! - A merge is sent again only after GitLab has refused it because it was still checking, never after its answer
//!   was lost.
//! - Nothing is left for GitLab to merge later: a new push would change what that is.

use std::time::Duration;

use gitlab::api::projects::merge_requests::MergeMergeRequest;
use tokio::time::{Instant, sleep};

use super::{
    client::{Client, Write, writing},
    model::{MergeRequestBody, ProjectBody},
    requests::{self, attempt},
};
use crate::{
    domain::{
        ids::{PullRequestNumber, RepositoryId},
        strategy::MergeMethod,
    },
    forge::{
        ForgeError, Merge, Mergeable, PullRequestState,
        calls::{is_worth_reading_back, parse},
    },
};

/// How soon after a look the next one follows, at first; each pause is twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest such pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(4);
/// How often a merge is sent that GitLab refuses because it is still checking.
const MOST_TRIES: u32 = 4;

/// One merge under way.
pub(super) struct Merging<'a> {
    pub(super) client: &'a Client,
    pub(super) repository: &'a RepositoryId,
    pub(super) number: PullRequestNumber,
    pub(super) merge: &'a Merge,
}

/// What became of a merge that was not simply done.
enum Standing {
    /// It was merged with the expected head; the commit on the base branch.
    Merged(String),
    /// GitLab has to do something first.
    NotYet(ForgeError),
    /// It was refused, and by now nothing stands against it.
    Ready(ForgeError),
    /// It was not merged, and trying again would not change that.
    Not(ForgeError),
}

impl Merging<'_> {
    /// Merges exactly the expected head; returns the commit on the base branch.
    pub(super) async fn run(&self, patience: Duration) -> Result<String, ForgeError> {
        self.check_method(&requests::project(self.client, self.repository).await?)?;
        let write = self.write()?;
        let (end, mut pause, mut tries) = (Instant::now() + patience, FIRST_PAUSE, 1);
        let mut standing = self.send(&write).await?;
        loop {
            let (error, is_ready) = match standing {
                Standing::Merged(sha) => return Ok(sha),
                Standing::Not(error) => return Err(error),
                Standing::NotYet(error) => (error, false),
                Standing::Ready(error) => (error, true),
            };
            if Instant::now() + pause > end || (is_ready && tries >= MOST_TRIES) {
                return Err(error);
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            standing = if is_ready {
                tries += 1;
                self.send(&write).await?
            } else {
                self.settle(error).await
            };
        }
    }

    /// Refuses what the project would do otherwise: how it merges is a setting of its own.
    fn check_method(&self, project: &ProjectBody) -> Result<(), ForgeError> {
        let (by, squash) = (project.merge_method.as_deref(), project.squash_option.as_deref());
        let words = match (self.merge.method, by, squash) {
            (MergeMethod::Merge, Some("ff"), _) => {
                "the project merges by fast-forward, without a merge commit; choose *Merge commit* in its settings, or \
                 `mergeMethod: rebase` in the strategy"
            }
            (MergeMethod::Rebase, Some("merge" | "rebase_merge"), _) => {
                "the project makes merge commits, and the strategy has `mergeMethod: rebase`; choose *Fast-forward \
                 merge* in its settings, or `mergeMethod: merge` in the strategy"
            }
            (MergeMethod::Merge | MergeMethod::Rebase, _, Some("always")) => {
                "the project squashes every merge request; choose *Allow* in its settings, or `mergeMethod: squash` in \
                 the strategy"
            }
            (MergeMethod::Squash, _, Some("never")) => {
                "the project does not squash, and the strategy has `mergeMethod: squash`; choose *Allow* in its \
                 settings, or another method in the strategy"
            }
            _ => return Ok(()),
        };
        Err(self.refused(words.to_owned()))
    }

    fn write(&self) -> Result<Write, ForgeError> {
        let message = format!("{}\n\n{}", self.merge.title, self.merge.message);
        let endpoint = MergeMergeRequest::builder()
            .project(self.repository.as_str())
            .merge_request(self.number.0)
            .sha(self.merge.expected_head.as_str())
            .squash(self.merge.method == MergeMethod::Squash)
            .should_remove_source_branch(false)
            .merge_commit_message(message.as_str())
            .squash_commit_message(message.as_str())
            .build();
        let route = "/projects/{id}/merge_requests/{merge_request_iid}/merge";
        writing(endpoint, route, attempt("merge", self.repository, self.number))
    }

    /// Sends the merge once and says what became of it.
    async fn send(&self, write: &Write) -> Result<Standing, ForgeError> {
        let answer = self.client.perform(write).await;
        let error = match answer.and_then(|answer| parse::<MergeRequestBody>(&answer, &write.call.what)) {
            Ok(body) => match (body.pull_request_state(), body.merged_as()) {
                (PullRequestState::Merged, Some(sha)) => return Ok(Standing::Merged(sha.to_owned())),
                _ => self.unclear("GitLab accepted the merge, and does not show it"),
            },
            Err(error) => error,
        };
        // 401 is also said to those who may not merge, with a token that is good for everything else.
        if !is_worth_reading_back(&error) && !matches!(error, ForgeError::Unauthorised { .. }) {
            return Err(error);
        }
        Ok(self.settle(error).await)
    }

    /// Says what became of a merge that was refused or whose answer was lost.
    async fn settle(&self, error: ForgeError) -> Standing {
        let Ok(body) = requests::read(self.client, self.repository, self.number).await else {
            return Standing::Not(error);
        };
        let is_expected = body.sha.as_deref() == Some(self.merge.expected_head.as_str());
        let moved = |what: &str| Standing::Not(ForgeError::Moved { words: format!("{} {what}", self.number) });
        match (body.pull_request_state(), body.merged_as()) {
            (PullRequestState::Merged, Some(sha)) if is_expected => Standing::Merged(sha.to_owned()),
            (PullRequestState::Merged, Some(_)) => moved("was merged with another head"),
            (PullRequestState::Merged, None) => Standing::Not(error),
            (PullRequestState::Closed, _) => moved("was closed"),
            (PullRequestState::Open, _) if !is_expected => moved("has another head"),
            (PullRequestState::Open, _) => self.settle_open(&body, error),
        }
    }

    /// Says why the merge request with the expected head is still open.
    fn settle_open(&self, body: &MergeRequestBody, error: ForgeError) -> Standing {
        if let ForgeError::Unauthorised { what, words, invalid } = error {
            let lacks_right = body.may_not_merge();
            let words = if lacks_right { body.may_not_merge_words() } else { words };
            return Standing::Not(ForgeError::Unauthorised { what, words, invalid: invalid && !lacks_right });
        }
        if let ForgeError::Unavailable { .. } = error {
            // While it is being merged the answer may still come true.
            return if body.state == "locked" { Standing::NotYet(error) } else { Standing::Not(error) };
        }
        match (body.mergeable(), body.merge_error.as_deref()) {
            (Mergeable::Unknown, _) => {
                Standing::NotYet(self.refused("GitLab still checks whether it can be merged".into()))
            }
            (Mergeable::Conflict, _) => {
                Standing::Not(self.refused(format!("it conflicts with `{}`", body.target_branch)))
            }
            (Mergeable::Blocked(words), _) => Standing::Not(self.refused(words)),
            (Mergeable::Yes, Some(words)) if !words.is_empty() => Standing::Not(self.refused(words.to_owned())),
            (Mergeable::Yes, _) => Standing::Ready(error),
        }
    }

    fn refused(&self, words: String) -> ForgeError {
        ForgeError::Refused { what: attempt("merge", self.repository, self.number), words }
    }

    fn unclear(&self, words: &'static str) -> ForgeError {
        ForgeError::Unavailable { what: attempt("merge", self.repository, self.number), source: anyhow::anyhow!(words) }
    }
}
