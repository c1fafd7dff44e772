//! Reviews of pull requests, and who wrote the commits that they are about.

use jiff::Timestamp;
use serde::Deserialize;

use super::{client::Client, model::UserBody};
use crate::{
    domain::{
        approvals::{Opinion, Review, Reviewer},
        ids::{PullRequestNumber, RepositoryId},
    },
    forge::{
        COMMITS_AT_ONCE, CommitAuthor, ForgeError, Reviews,
        calls::{Call, encoded},
    },
};

/// The most reviews that are read: they come oldest first, so the last must be among them.
const MOST: usize = 2_000;

#[derive(Deserialize)]
struct ReviewBody {
    id: u64,
    /// None when a team was asked.
    user: Option<UserBody>,
    state: String,
    #[serde(default)]
    dismissed: bool,
    #[serde(default)]
    commit_id: String,
    submitted_at: Timestamp,
}

#[derive(Deserialize)]
struct ComparisonBody {
    commits: Vec<CommitBody>,
}

#[derive(Deserialize)]
struct CommitBody {
    sha: String,
    commit: CommitInfoBody,
    author: Option<UserBody>,
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

/// Returns the reviews of a pull request that have a verdict, oldest first.
pub(super) async fn list(
    client: &Client,
    repository: &RepositoryId,
    number: PullRequestNumber,
) -> Result<Reviews, ForgeError> {
    let call = Call::new(
        "/repos/{owner}/{repo}/pulls/{index}/reviews",
        format!("/repos/{repository}/pulls/{}/reviews", number.0),
        format!("list the reviews of {number} in `{repository}`"),
    );
    let bodies = client.pages(&call, |all: &[ReviewBody]| all.len() >= MOST).await?;
    if bodies.len() >= MOST {
        return Ok(Reviews::TooMany);
    }
    Ok(Reviews::All(bodies.into_iter().filter_map(ReviewBody::review).collect()))
}

/// Returns who wrote the commits that `head` holds and `base` does not.
pub(super) async fn authors(
    client: &Client,
    repository: &RepositoryId,
    base: Option<&str>,
    head: &str,
) -> Result<Vec<CommitAuthor>, ForgeError> {
    // Neither the changed files nor the checks of signatures, which take most of the time.
    let plain = "stat=false&files=false&verification=false";
    let Some(base) = base else {
        let call = Call::new(
            "/repos/{owner}/{repo}/git/commits/{sha}",
            format!("/repos/{repository}/git/commits/{}?{plain}", encoded(head)),
            format!("show the commit `{head}` of `{repository}`"),
        );
        return Ok(vec![client.get::<CommitBody>(&call).await?.author()]);
    };
    let call = Call::new(
        "/repos/{owner}/{repo}/compare/{basehead}",
        format!("/repos/{repository}/compare/{}...{}?{plain}", encoded(base), encoded(head)),
        format!("compare `{base}` with `{head}` in `{repository}`"),
    );
    let comparison: ComparisonBody = client.get(&call).await?;
    Ok(comparison.commits.into_iter().take(COMMITS_AT_ONCE).map(CommitBody::author).collect())
}

impl ReviewBody {
    fn review(self) -> Option<Review> {
        let opinion = match self.state.as_str() {
            // The forge keeps the word, and says beside it that it does not count any more.
            "APPROVED" | "REQUEST_CHANGES" if self.dismissed => Opinion::Dismissed,
            "APPROVED" => Opinion::Approved,
            "REQUEST_CHANGES" => Opinion::ChangesRequested,
            // Comments, drafts and requests for a review have no verdict, and leave the one before alone.
            _ => return None,
        };
        let by = self.user?.account()?;
        Some(Review {
            id: self.id,
            by: Reviewer { id: by.id, login: by.login },
            opinion,
            commit: self.commit_id,
            at: self.submitted_at,
        })
    }
}

impl CommitBody {
    fn author(self) -> CommitAuthor {
        CommitAuthor {
            sha: self.sha,
            account: self.author.and_then(UserBody::account),
            name: self.commit.author.map(|person| person.name).unwrap_or_default(),
            // Commits that the forge makes when it merges carry the name of whoever merged, like any other.
            merged_by_forge: false,
        }
    }
}
