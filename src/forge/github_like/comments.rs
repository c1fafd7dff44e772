//! Writing comments on pull requests, and reacting to them.
//!
//! A pull request's comments are an issue's to this API; those on lines of code are others, and nobody gives commands
//! there.

use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::json;

use crate::{
    domain::ids::{PullRequestNumber, RepositoryId},
    forge::{
        ForgeError, Reacted, Reaction,
        calls::{Call, Client, Importance, Transport},
    },
};

#[derive(Deserialize)]
struct CreatedBody {
    id: u64,
}

/// Returns the call about the comments on a pull request.
pub(in crate::forge) fn on_pull_request(repository: &RepositoryId, number: PullRequestNumber, verb: &str) -> Call {
    Call::new(
        "/repos/{owner}/{repo}/issues/{issue_number}/comments",
        format!("/repos/{repository}/issues/{}/comments", number.0),
        format!("{verb} pull request {number} of `{repository}`"),
    )
    .of(Importance::Comment)
}

/// Comments on a pull request; returns the comment's id.
pub(in crate::forge) async fn post<T: Transport>(
    client: &Client<T>,
    repository: &RepositoryId,
    number: PullRequestNumber,
    body: &str,
) -> Result<u64, ForgeError> {
    let call = on_pull_request(repository, number, "comment on");
    Ok(client.create::<CreatedBody>(&call, &json!({"body": body})).await?.id)
}

/// Replaces the text of a comment.
pub(in crate::forge) async fn edit<T: Transport>(
    client: &Client<T>,
    repository: &RepositoryId,
    comment: u64,
    body: &str,
) -> Result<(), ForgeError> {
    let call = Call::new(
        "/repos/{owner}/{repo}/issues/comments/{comment_id}",
        format!("/repos/{repository}/issues/comments/{comment}"),
        format!("edit the comment {comment} in `{repository}`"),
    )
    .of(Importance::Comment);
    client.write(Method::PATCH, &call, &json!({"body": body})).await.map(drop)
}

/// Reacts to a comment; the forge answers 200 instead of 201 when we had reacted so before.
pub(in crate::forge) async fn react<T: Transport>(
    client: &Client<T>,
    repository: &RepositoryId,
    comment: u64,
    reaction: Reaction,
) -> Result<Reacted, ForgeError> {
    let call = Call::new(
        "/repos/{owner}/{repo}/issues/comments/{comment_id}/reactions",
        format!("/repos/{repository}/issues/comments/{comment}/reactions"),
        format!("react to the comment {comment} in `{repository}`"),
    )
    .of(Importance::Comment);
    let word = match reaction {
        Reaction::Eyes => "eyes",
        Reaction::Confused => "confused",
    };
    let answer = client.write_for_answer(Method::POST, &call, &json!({"content": word})).await?;
    Ok(if answer.status == StatusCode::CREATED { Reacted::Now } else { Reacted::Before })
}
