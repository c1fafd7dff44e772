//! Comments on pull requests, reactions to them, and what their authors may do.
//!
//! A pull request's comments are an issue's to this API; those on lines of code are others, and
//! nobody gives commands there.

use http::{Method, StatusCode};
use jiff::Timestamp;
use serde_json::json;

use super::{
    client::Client,
    model::{CommentBody, CreatedBody, PermissionBody},
};
use crate::{
    domain::{
        ids::{PullRequestNumber, RepositoryId},
        permission::Permission,
    },
    forge::{
        Account, COMMENTS_AT_ONCE, Comment, ForgeError, Reacted, Reaction, RecentComments,
        calls::{Call, encoded, parse},
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
    let call = Call {
        route: "/repos/{owner}/{repo}/issues/comments",
        path: format!("/repos/{repository}/issues/comments?sort=updated&direction=asc&since={}", encoded(&since)),
        what: format!("list the comments of `{repository}` since {since}"),
    };
    let bodies = client.pages::<Vec<CommentBody>>(&call, MAX_PAGES).await?;
    Ok(RecentComments {
        read_to: bodies.last().map(|body| body.updated_at),
        more: bodies.len() >= COMMENTS_AT_ONCE,
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

/// Comments on a pull request; returns the comment's id.
pub(super) async fn post(
    client: &Client,
    repository: &RepositoryId,
    number: PullRequestNumber,
    body: &str,
) -> Result<u64, ForgeError> {
    let call = on_pull_request(repository, number, "comment on");
    let answer = client.write(Method::POST, &call, &json!({"body": body})).await?;
    Ok(parse::<CreatedBody>(&answer, &call.what)?.id)
}

/// Replaces the text of a comment.
pub(super) async fn edit(
    client: &Client,
    repository: &RepositoryId,
    comment: u64,
    body: &str,
) -> Result<(), ForgeError> {
    let call = Call {
        route: "/repos/{owner}/{repo}/issues/comments/{comment_id}",
        path: format!("/repos/{repository}/issues/comments/{comment}"),
        what: format!("edit the comment {comment} in `{repository}`"),
    };
    client.write(Method::PATCH, &call, &json!({"body": body})).await.map(drop)
}

/// Reacts to a comment; the forge answers 200 instead of 201 when we had reacted so before.
pub(super) async fn react(
    client: &Client,
    repository: &RepositoryId,
    comment: u64,
    reaction: Reaction,
) -> Result<Reacted, ForgeError> {
    let call = Call {
        route: "/repos/{owner}/{repo}/issues/comments/{comment_id}/reactions",
        path: format!("/repos/{repository}/issues/comments/{comment}/reactions"),
        what: format!("react to the comment {comment} in `{repository}`"),
    };
    let word = match reaction {
        Reaction::Eyes => "eyes",
        Reaction::Confused => "confused",
    };
    let answer = client.write_for_answer(Method::POST, &call, &json!({"content": word})).await?;
    Ok(if answer.status == StatusCode::CREATED { Reacted::Now } else { Reacted::Before })
}

/// Returns the right of the account with this id; none when its login is another's by now.
pub(super) async fn permission(
    client: &Client,
    repository: &RepositoryId,
    account: &Account,
) -> Result<Permission, ForgeError> {
    let call = Call {
        route: "/repos/{owner}/{repo}/collaborators/{username}/permission",
        path: format!("/repos/{repository}/collaborators/{}/permission", encoded(&account.login)),
        what: format!("say what `{}` may do in `{repository}`", account.login),
    };
    match client.get::<PermissionBody>(&call).await {
        Ok(body) if body.user.as_ref().is_some_and(|user| user.id == account.id) => Ok(body.permission()),
        Ok(_) | Err(ForgeError::NotFound { .. }) => Ok(Permission::None),
        Err(error) => Err(error),
    }
}

fn on_pull_request(repository: &RepositoryId, number: PullRequestNumber, verb: &str) -> Call {
    Call {
        route: "/repos/{owner}/{repo}/issues/{issue_number}/comments",
        path: format!("/repos/{repository}/issues/{}/comments", number.0),
        what: format!("{verb} pull request {number} of `{repository}`"),
    }
}
