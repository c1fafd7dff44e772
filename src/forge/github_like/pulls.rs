//! Pull requests: naming one, editing and closing it, and the words for how it is merged.

use http::Method;
use serde_json::json;

use crate::{
    domain::{
        ids::{PullRequestNumber, RepositoryId},
        strategy::MergeMethod,
    },
    forge::{
        ForgeError, PullRequestState,
        calls::{Call, Client, Importance, Transport, settle_close},
    },
};

/// The route of all of them.
pub(in crate::forge) const PULLS_ROUTE: &str = "/repos/{owner}/{repo}/pulls";

/// Returns the call about one pull request.
pub(in crate::forge) fn one(repository: &RepositoryId, number: PullRequestNumber, verb: &str) -> Call {
    Call::new(
        "/repos/{owner}/{repo}/pulls/{pull_number}",
        format!("/repos/{repository}/pulls/{}", number.0),
        format!("{verb} pull request {number} of `{repository}`"),
    )
}

/// Returns the call that merges one pull request.
pub(in crate::forge) fn merge(repository: &RepositoryId, number: PullRequestNumber) -> Call {
    let mut call = one(repository, number, "merge");
    call.route = "/repos/{owner}/{repo}/pulls/{pull_number}/merge";
    call.path.push_str("/merge");
    call
}

/// Replaces title and body.
pub(in crate::forge) async fn edit<T: Transport>(
    client: &Client<T>,
    repository: &RepositoryId,
    number: PullRequestNumber,
    title: &str,
    body: &str,
) -> Result<(), ForgeError> {
    let call = one(repository, number, "edit").of(Importance::Status);
    client.write(Method::PATCH, &call, &json!({"title": title, "body": body})).await.map(drop)
}

/// Closes without merging; `state` tells what it is when the forge refuses, or its answer is lost.
pub(in crate::forge) async fn close<T: Transport>(
    client: &Client<T>,
    repository: &RepositoryId,
    number: PullRequestNumber,
    state: impl Future<Output = Result<PullRequestState, ForgeError>>,
) -> Result<(), ForgeError> {
    let call = one(repository, number, "close");
    settle_close(client.write(Method::PATCH, &call, &json!({"state": "closed"})).await, state).await
}

/// Returns the forge's word for a way to merge.
pub(in crate::forge) fn method_word(method: MergeMethod) -> &'static str {
    match method {
        MergeMethod::Merge => "merge",
        MergeMethod::Squash => "squash",
        MergeMethod::Rebase => "rebase",
    }
}
