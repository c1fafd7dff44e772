//! Reading comments on pull requests.

use jiff::Timestamp;

use super::{client::Client, model::CommentBody};
use crate::{
    domain::ids::{PullRequestNumber, RepositoryId},
    forge::{
        COMMENTS_AT_ONCE, Comment, ForgeError, RecentComments,
        calls::{Call, Importance, encoded},
        github_like::comments::on_pull_request,
    },
};

/// The most comments of a repository that are read to find those that changed first.
const LOOKED_THROUGH: usize = 10_000;

/// Returns the comments on every pull request that changed at `since` or later, the oldest change first.
///
/// The forge lists by when they were *written* those that were *changed* since then: a part of that list says nothing
/// about the rest, so all of it is read.
pub(super) async fn since(
    client: &Client,
    repository: &RepositoryId,
    since: Timestamp,
) -> Result<RecentComments, ForgeError> {
    let second = since.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let call = Call::new(
        "/repos/{owner}/{repo}/issues/comments",
        format!("/repos/{repository}/issues/comments?since={}", encoded(&second)),
        format!("list the comments of `{repository}` since {second}"),
    )
    .of(Importance::Comment);
    let mut bodies = client.pages(&call, |all: &[CommentBody]| all.len() > LOOKED_THROUGH).await?;
    if bodies.len() > LOOKED_THROUGH {
        // Those that were not read were written later, and changed later still.
        let read_to = bodies.iter().map(|body| body.updated_at).max();
        return Ok(RecentComments { comments: Vec::new(), read_to, more: true, skipped: true });
    }
    bodies.sort_by_key(|body| body.updated_at);
    let more = bodies.len() > COMMENTS_AT_ONCE;
    bodies.truncate(COMMENTS_AT_ONCE);
    Ok(RecentComments {
        read_to: bodies.last().map(|body| body.updated_at),
        more,
        skipped: false,
        comments: bodies.into_iter().filter_map(CommentBody::comment).collect(),
    })
}

/// Returns the comments on one pull request, oldest first.
///
/// This list has no pages: the forge sends all of it, whichever page is asked for.
pub(super) async fn list(
    client: &Client,
    repository: &RepositoryId,
    number: PullRequestNumber,
) -> Result<Vec<Comment>, ForgeError> {
    let bodies: Vec<CommentBody> = client.get(&on_pull_request(repository, number, "list the comments on")).await?;
    Ok(bodies.into_iter().take(COMMENTS_AT_ONCE).filter_map(CommentBody::comment).collect())
}
