//! Commit statuses, read and written. Gitea has no check runs.

use serde::de::IgnoredAny;

use super::{client::Client, model::StatusBody};
use crate::{
    domain::{ids::RepositoryId, status::CommitStatus},
    forge::{
        ForgeError, NewStatus,
        calls::{Call, encoded},
        github_like,
    },
};

/// The most reports that are read of one commit.
const MOST: usize = 1_000;

/// Returns every report about `sha`, newest first.
pub(super) async fn read(
    client: &Client,
    repository: &RepositoryId,
    sha: &str,
) -> Result<Vec<CommitStatus>, ForgeError> {
    let call = Call::new(
        "/repos/{owner}/{repo}/statuses/{sha}", // By its name this sorting begins with the lowest index; it begins with the highest. Those by time leave the
        // order within a second to chance.
        format!("/repos/{repository}/statuses/{}?sort=leastindex", encoded(sha)),
        format!("list the reports about `{sha}` of `{repository}`"),
    );
    let mut bodies = client.pages(&call, |all: &[StatusBody]| all.len() >= MOST).await?;
    if bodies.is_empty() {
        // The same is said of a commit that was never pushed.
        find_commit(client, repository, sha).await?;
    }
    bodies.truncate(MOST);
    let mut reports: Vec<CommitStatus> = bodies.into_iter().filter_map(StatusBody::report).collect();
    reports.sort_by_key(|report| std::cmp::Reverse((report.reported_at, report.id)));
    Ok(reports)
}

/// Posts a commit status.
pub(super) async fn post(
    client: &Client,
    repository: &RepositoryId,
    sha: &str,
    status: &NewStatus,
) -> Result<(), ForgeError> {
    match github_like::statuses::post(client, repository, sha, status).await {
        // A commit that is not there is a 500, like a forge in trouble.
        Err(error @ ForgeError::Unavailable { .. }) => match find_commit(client, repository, sha).await {
            Err(not_found @ ForgeError::NotFound { .. }) => Err(not_found),
            _ => Err(error),
        },
        posted => posted,
    }
}

/// Fails when the forge has no such commit.
async fn find_commit(client: &Client, repository: &RepositoryId, sha: &str) -> Result<(), ForgeError> {
    let call = Call::new(
        "/repos/{owner}/{repo}/git/commits/{sha}",
        format!("/repos/{repository}/git/commits/{}?stat=false&verification=false&files=false", encoded(sha)),
        format!("show the commit `{sha}` of `{repository}`"),
    );
    match client.get::<IgnoredAny>(&call).await {
        Ok(_) => Ok(()),
        Err(ForgeError::NotFound { .. } | ForgeError::Refused { .. }) => {
            Err(ForgeError::NotFound { what: format!("the commit `{sha}` of `{repository}`") })
        }
        Err(error) => Err(error),
    }
}
