//! Reviews of pull requests, and who wrote the commits that they are about.

use jiff::Timestamp;
use serde::Deserialize;

use super::{
    client::{Client, Page},
    model::UserBody,
};
use crate::{
    domain::{
        approvals::{Opinion, Review, Reviewer},
        ids::{PullRequestNumber, RepositoryId},
    },
    forge::{
        Account, COMMITS_AT_ONCE, CommitAuthor, ForgeError, Reviews,
        calls::{Call, encoded},
    },
};

/// The most pages of reviews that are read: they come oldest first, so the last page must be among them.
const MAX_PAGES: usize = 20;
/// The most pages of commits.
const MAX_COMMIT_PAGES: usize = COMMITS_AT_ONCE / 100;
/// Entries of a full page.
const PAGE: usize = 100;
/// As whom the forge commits what it merges: <https://github.com/web-flow>.
const FORGE_ITSELF: &str = "web-flow";

/// A review: <https://docs.github.com/rest/pulls/reviews#list-reviews-for-a-pull-request>.
#[derive(Deserialize)]
struct ReviewBody {
    id: u64,
    /// None when the account is gone.
    user: Option<UserBody>,
    state: String,
    /// None when the commit is gone.
    commit_id: Option<String>,
    /// None while it is a draft that only its author sees.
    submitted_at: Option<Timestamp>,
}

#[derive(Deserialize)]
struct ComparisonBody {
    commits: Vec<CommitBody>,
}

#[derive(Deserialize)]
struct CommitBody {
    sha: String,
    commit: CommitInfoBody,
    #[serde(default)]
    author: Option<UserBody>,
    #[serde(default)]
    committer: Option<UserBody>,
    #[serde(default)]
    parents: Vec<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct CommitInfoBody {
    author: Option<PersonBody>,
}

#[derive(Deserialize)]
struct PersonBody {
    #[serde(default)]
    name: String,
}

impl Page for ComparisonBody {
    type Entry = CommitBody;
    fn entries(self) -> Vec<CommitBody> {
        self.commits
    }
}

/// Returns the reviews of a pull request that have a verdict, oldest first.
pub(super) async fn list(
    client: &Client,
    repository: &RepositoryId,
    number: PullRequestNumber,
) -> Result<Reviews, ForgeError> {
    let call = Call::new(
        "/repos/{owner}/{repo}/pulls/{pull_number}/reviews",
        format!("/repos/{repository}/pulls/{}/reviews", number.0),
        format!("list the reviews of {number} in `{repository}`"),
    );
    let bodies = client.pages::<Vec<ReviewBody>>(&call, MAX_PAGES).await?;
    if bodies.len() >= MAX_PAGES * PAGE {
        return Ok(Reviews::TooMany);
    }
    Ok(Reviews::All(bodies.into_iter().filter_map(ReviewBody::review).collect()))
}

/// Returns who wrote the commits that `head` holds and `base` does not.
///
/// <https://docs.github.com/rest/commits/commits#compare-two-commits>
pub(super) async fn authors(
    client: &Client,
    repository: &RepositoryId,
    base: Option<&str>,
    head: &str,
) -> Result<Vec<CommitAuthor>, ForgeError> {
    let Some(base) = base else {
        let call = Call::new(
            "/repos/{owner}/{repo}/commits/{ref}",
            format!("/repos/{repository}/commits/{}", encoded(head)),
            format!("show the commit `{head}` of `{repository}`"),
        );
        return Ok(vec![client.get::<CommitBody>(&call).await?.author()]);
    };
    let call = Call::new(
        "/repos/{owner}/{repo}/compare/{basehead}",
        format!("/repos/{repository}/compare/{}...{}", encoded(base), encoded(head)),
        format!("compare `{base}` with `{head}` in `{repository}`"),
    );
    let bodies = client.pages::<ComparisonBody>(&call, MAX_COMMIT_PAGES).await?;
    Ok(bodies.into_iter().map(CommitBody::author).collect())
}

impl ReviewBody {
    fn review(self) -> Option<Review> {
        let opinion = match self.state.as_str() {
            "APPROVED" => Opinion::Approved,
            "CHANGES_REQUESTED" => Opinion::ChangesRequested,
            "DISMISSED" => Opinion::Dismissed,
            // Comments and drafts have no verdict, and leave the one before alone.
            _ => return None,
        };
        let UserBody { id, login } = self.user?;
        Some(Review {
            id: self.id,
            by: Reviewer { id, login },
            opinion,
            commit: self.commit_id.unwrap_or_default(),
            at: self.submitted_at?,
        })
    }
}

impl CommitBody {
    fn author(self) -> CommitAuthor {
        let is_merge = self.parents.len() > 1;
        CommitAuthor {
            merged_by_forge: is_merge && self.committer.is_some_and(|committer| committer.login == FORGE_ITSELF),
            sha: self.sha,
            account: self.author.map(|UserBody { id, login }| Account { id, login }),
            name: self.commit.author.map(|person| person.name).unwrap_or_default(),
        }
    }
}
