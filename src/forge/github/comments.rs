//! Reading comments on pull requests, and what their authors may do.

use jiff::Timestamp;

use super::{
    client::Client,
    model::{CommentBody, PermissionBody},
};
use crate::{
    domain::{
        ids::{PullRequestNumber, RepositoryId},
        permission::Permission,
    },
    forge::{
        Account, COMMENTS_AT_ONCE, Comment, ForgeError, RecentComments,
        calls::{Call, Importance, encoded},
        github_like::comments::on_pull_request,
    },
};

/// The most pages read of a list.
const MAX_PAGES: usize = COMMENTS_AT_ONCE / 100;

/// Returns the comments on every pull request that changed at `since` or later, the oldest change first.
pub(super) async fn since(
    client: &Client,
    repository: &RepositoryId,
    since: Timestamp,
) -> Result<RecentComments, ForgeError> {
    let since = since.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let call = Call::new(
        "/repos/{owner}/{repo}/issues/comments",
        format!("/repos/{repository}/issues/comments?sort=updated&direction=asc&since={}", encoded(&since)),
        format!("list the comments of `{repository}` since {since}"),
    )
    .of(Importance::Comment);
    let bodies = client.pages::<Vec<CommentBody>>(&call, MAX_PAGES).await?;
    Ok(RecentComments {
        read_to: bodies.last().map(|body| body.updated_at),
        more: bodies.len() >= COMMENTS_AT_ONCE,
        skipped: false,
        comments: bodies.into_iter().filter_map(CommentBody::comment).collect(),
    })
}

/// Returns the comments on one pull request, oldest first.
pub(super) async fn list(
    client: &Client,
    repository: &RepositoryId,
    number: PullRequestNumber,
) -> Result<Vec<Comment>, ForgeError> {
    let call = on_pull_request(repository, number, "list the comments on");
    let bodies = client.pages::<Vec<CommentBody>>(&call, MAX_PAGES).await?;
    Ok(bodies.into_iter().filter_map(CommentBody::comment).collect())
}

/// Returns the right of the account with this id; none when its login is another's by now.
pub(super) async fn permission(
    client: &Client,
    repository: &RepositoryId,
    account: &Account,
) -> Result<Permission, ForgeError> {
    let call = Call::new(
        "/repos/{owner}/{repo}/collaborators/{username}/permission",
        format!("/repos/{repository}/collaborators/{}/permission", encoded(&account.login)),
        format!("say what `{}` may do in `{repository}`", account.login),
    );
    match client.get::<PermissionBody>(&call).await {
        Ok(body) if body.user.as_ref().is_some_and(|user| user.id == account.id) => Ok(body.permission()),
        Ok(_) | Err(ForgeError::NotFound { .. }) => Ok(Permission::None),
        Err(error) => Err(error),
    }
}
