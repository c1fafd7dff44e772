//! Approvals of merge requests, and objections to them, as reviews of one head.
//!
//! GitLab does not say which commit somebody approved, only when. It keeps each push to a merge request with its time,
//! so the commit is the one that was pushed last before the approval. Where the time is missing (older releases) the
//! approval counts only when the project takes approvals back at each push; otherwise it names no commit, and counts
//! for none.

use gitlab::api::projects::{
    approvals::ProjectApprovals,
    merge_requests::{MergeRequestReviewers, approvals::MergeRequestApprovals},
};
use jiff::Timestamp;
use serde::Deserialize;

use super::{
    client::{Client, reading},
    model::UserBody,
    requests::{attempt, below},
};
use crate::{
    domain::{
        approvals::{Opinion, Review, Reviewer},
        ids::{PullRequestNumber, RepositoryId},
    },
    forge::{ForgeError, Reviews},
};

/// The most pages of pushes: the newest come first.
const MAX_VERSION_PAGES: usize = 10;
/// The most pages of reviewers.
const MAX_REVIEWER_PAGES: usize = 2;
/// Orders what one person said: an objection is taken back by an approval, so one that stands is the newer.
const APPROVAL: u64 = 1;
const OBJECTION: u64 = 2;

#[derive(Deserialize)]
struct ApprovalsBody {
    #[serde(default)]
    approved_by: Vec<ApprovalBody>,
}

#[derive(Deserialize)]
struct ApprovalBody {
    user: Option<UserBody>,
    approved_at: Option<Timestamp>,
}

/// One push to a merge request.
#[derive(Deserialize)]
struct VersionBody {
    head_commit_sha: String,
    created_at: Timestamp,
}

#[derive(Deserialize)]
struct ReviewerBody {
    user: UserBody,
    state: String,
    created_at: Timestamp,
}

#[derive(Deserialize)]
struct RulesBody {
    #[serde(default)]
    reset_approvals_on_push: bool,
}

/// Returns the reviews of a merge request that have a verdict, oldest first.
pub(super) async fn list(
    client: &Client,
    repository: &RepositoryId,
    number: PullRequestNumber,
) -> Result<Reviews, ForgeError> {
    let endpoint = MergeRequestApprovals::builder().project(repository.as_str()).merge_request(number.0).build();
    let route = "/projects/{id}/merge_requests/{merge_request_iid}/approvals";
    let call = reading(endpoint, route, attempt("list the approvals of", repository, number))?;
    let approvals = client.get::<ApprovalsBody>(&call).await?.approved_by;
    let mut reviews = objections(client, repository, number).await?;
    if !approvals.is_empty() || !reviews.is_empty() {
        let route = "/projects/{id}/merge_requests/{merge_request_iid}/versions";
        let call = below(repository, number, route, "versions", "list the pushes to");
        let versions: Vec<VersionBody> = client.pages(&call, MAX_VERSION_PAGES).await?;
        let is_reset = match approvals.iter().all(|approval| approval.approved_at.is_some()) {
            true => false,
            false => resets_on_push(client, repository).await?,
        };
        // An objection stands until it is taken back, so it is about what is there now.
        let newest = versions.iter().max_by_key(|version| version.created_at);
        for review in &mut reviews {
            review.commit = newest.map(|version| version.head_commit_sha.clone()).unwrap_or_default();
        }
        reviews.extend(approvals.into_iter().filter_map(|approval| approval.review(&versions, is_reset)));
    }
    reviews.sort_by_key(|review| (review.at, review.id));
    Ok(Reviews::All(reviews))
}

impl ApprovalBody {
    /// Returns the approval with the commit that it is about; none when GitLab does not tell.
    fn review(self, versions: &[VersionBody], is_reset: bool) -> Option<Review> {
        let newest = versions.iter().max_by_key(|version| version.created_at);
        let approved = match self.approved_at {
            Some(at) => {
                versions.iter().filter(|version| version.created_at <= at).max_by_key(|version| version.created_at)
            }
            None => newest.filter(|_| is_reset),
        };
        let UserBody { id, username: login } = self.user?;
        Some(Review {
            id: APPROVAL,
            by: Reviewer { id, login },
            opinion: Opinion::Approved,
            commit: approved.map(|version| version.head_commit_sha.clone()).unwrap_or_default(),
            at: self.approved_at.or(newest.map(|version| version.created_at)).unwrap_or(Timestamp::UNIX_EPOCH),
        })
    }
}

/// Returns the objections of reviewers; not every edition and release has them.
async fn objections(
    client: &Client,
    repository: &RepositoryId,
    number: PullRequestNumber,
) -> Result<Vec<Review>, ForgeError> {
    let endpoint = MergeRequestReviewers::builder().project(repository.as_str()).merge_request(number.0).build();
    let route = "/projects/{id}/merge_requests/{merge_request_iid}/reviewers";
    let call = reading(endpoint, route, attempt("list the reviewers of", repository, number))?;
    let reviewers: Vec<ReviewerBody> = match client.pages(&call, MAX_REVIEWER_PAGES).await {
        Err(ForgeError::NotFound { .. }) => Vec::new(),
        reviewers => reviewers?,
    };
    let objects = reviewers.into_iter().filter(|reviewer| reviewer.state == "requested_changes");
    Ok(objects
        .map(|ReviewerBody { user, created_at, .. }| Review {
            id: OBJECTION,
            by: Reviewer { id: user.id, login: user.username },
            opinion: Opinion::ChangesRequested,
            commit: String::new(),
            at: created_at,
        })
        .collect())
}

/// Says whether the project takes approvals back at each push; where that cannot be set, it is not told.
async fn resets_on_push(client: &Client, repository: &RepositoryId) -> Result<bool, ForgeError> {
    let endpoint = ProjectApprovals::builder().project(repository.as_str()).build();
    let what = format!("read the rules for approvals of `{repository}`");
    match client.get::<RulesBody>(&reading(endpoint, "/projects/{id}/approvals", what)?).await {
        Ok(rules) => Ok(rules.reset_approvals_on_push),
        Err(ForgeError::NotFound { .. } | ForgeError::Unauthorised { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().expect("because the tests use RFC 3339")
    }

    fn approval(at: Option<&str>) -> ApprovalBody {
        let user = Some(UserBody { id: 7, username: "ada".into() });
        ApprovalBody { user, approved_at: at.map(time) }
    }

    fn versions() -> [VersionBody; 2] {
        [("head-2", "2026-01-02T00:00:00Z"), ("head-1", "2026-01-01T00:00:00Z")]
            .map(|(sha, at)| VersionBody { head_commit_sha: sha.into(), created_at: time(at) })
    }

    #[test]
    fn an_approval_is_about_what_was_pushed_last_before_it() {
        let commit = |at: &str| approval(Some(at)).review(&versions(), false).expect("because it has a user").commit;
        assert_eq!(commit("2026-01-03T00:00:00Z"), "head-2");
        assert_eq!(commit("2026-01-01T12:00:00Z"), "head-1");
        assert_eq!(commit("2025-12-31T00:00:00Z"), "");
    }

    #[test]
    fn an_approval_without_its_time_counts_only_where_a_push_takes_it_back() {
        let commit = |is_reset| approval(None).review(&versions(), is_reset).expect("because it has a user").commit;
        assert_eq!(commit(true), "head-2");
        assert_eq!(commit(false), "");
    }

    #[test]
    fn genuine_approvals_are_read() {
        let text = include_str!("../../../tests/data/gitlab/merge_request.approvals.json");
        let body: ApprovalsBody = serde_json::from_str(text).expect("because the sample is as expected");
        let users: Vec<_> =
            body.approved_by.into_iter().map(|approval| (approval.user, approval.approved_at)).collect();
        let [(Some(user), Some(_))] = users.as_slice() else { panic!("one approval with user and time") };
        assert_eq!(user.username, "root");
    }
}
