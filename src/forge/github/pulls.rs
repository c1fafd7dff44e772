//! Pull requests: find, open, merge. Each write can be repeated by its caller.

use http::Method;
use serde_json::json;

use super::{
    client::Client,
    model::{MergedBody, PullBody},
    rules::{self, Refused},
};
use crate::{
    domain::ids::{BranchName, PullRequestNumber, RepositoryId},
    forge::{
        ForgeError, Merge, NewPullRequest, PullRequest, PullRequestState,
        calls::{Call, encoded, is_worth_reading_back, named, parse},
        github_like::pulls::{self, PULLS_ROUTE, method_word, one},
    },
};

/// Returns the pull requests from `head` into `base` in every state, newest first, at most 100.
pub(super) async fn list(
    client: &Client,
    repository: &RepositoryId,
    head: &BranchName,
    base: &BranchName,
) -> Result<Vec<PullRequest>, ForgeError> {
    // Without its owner the head is ignored, and every pull request would be listed.
    let from = encoded(&format!("{}:{head}", repository.owner()));
    let into = encoded(base.as_str());
    let call = Call::new(
        PULLS_ROUTE,
        format!("/repos/{repository}/pulls?state=all&head={from}&base={into}&sort=created&direction=desc"),
        format!("list pull requests from `{head}` into `{base}` of `{repository}`"),
    );
    let bodies = client.pages::<Vec<PullBody>>(&call, 1).await?;
    let wanted = |body: &PullBody| body.head.branch == head.as_str() && body.base.branch == base.as_str();
    Ok(bodies.into_iter().filter(wanted).map(PullBody::pull_request).collect())
}

/// Returns the pull requests into `base` in every state, the last changed first, at most 100.
pub(super) async fn list_into(
    client: &Client,
    repository: &RepositoryId,
    base: &BranchName,
) -> Result<Vec<PullRequest>, ForgeError> {
    let into = encoded(base.as_str());
    let call = Call::new(
        PULLS_ROUTE,
        format!("/repos/{repository}/pulls?state=all&base={into}&sort=updated&direction=desc"),
        format!("list pull requests into `{base}` of `{repository}`"),
    );
    let bodies = client.pages::<Vec<PullBody>>(&call, 1).await?;
    Ok(bodies.into_iter().filter(|body| body.base.branch == base.as_str()).map(PullBody::pull_request).collect())
}

/// Returns one pull request with what the forge says about merging it.
pub(super) async fn read(
    client: &Client,
    repository: &RepositoryId,
    number: PullRequestNumber,
) -> Result<PullRequest, ForgeError> {
    let body: Result<PullBody, _> = client.get(&one(repository, number, "show")).await;
    let body = body.map_err(|error| named(error, || format!("pull request {number} of `{repository}`")))?;
    Ok(body.pull_request())
}

/// Opens a pull request, or returns the open one with the same head and base.
pub(super) async fn open(
    client: &Client,
    repository: &RepositoryId,
    new: &NewPullRequest,
) -> Result<PullRequest, ForgeError> {
    let call = Call::new(
        PULLS_ROUTE,
        format!("/repos/{repository}/pulls"),
        format!("open a pull request from `{}` into `{}` of `{repository}`", new.head, new.base),
    );
    let request = json!({"title": new.title, "body": new.body, "head": new.head.as_str(), "base": new.base.as_str()});
    let opened = client.write(Method::POST, &call, &request).await;
    let error = match opened.and_then(|answer| parse::<PullBody>(&answer, &call.what)) {
        Ok(body) => return Ok(body.pull_request()),
        Err(error) => error,
    };
    let exists_already = match &error {
        ForgeError::Refused { words, .. } => words.contains("already exists"),
        lost => matches!(lost, ForgeError::Unavailable { .. }),
    };
    if !exists_already {
        return Err(error);
    }
    match list(client, repository, &new.head, &new.base).await {
        Ok(found) => found.into_iter().find(|pull| pull.state == PullRequestState::Open).ok_or(error),
        Err(_) => Err(error),
    }
}

/// Merges exactly the expected head; returns the commit on the base branch.
pub(super) async fn merge(
    client: &Client,
    repository: &RepositoryId,
    number: PullRequestNumber,
    merge: &Merge,
) -> Result<String, ForgeError> {
    let call = pulls::merge(repository, number);
    let request = json!({
        "sha": merge.expected_head,
        "merge_method": method_word(merge.method),
        "commit_title": merge.title,
        "commit_message": merge.message,
    });
    let answer = client.write(Method::PUT, &call, &request).await;
    let error = match answer.and_then(|answer| merged_sha(&answer, &call.what)) {
        Ok(sha) => return Ok(sha),
        Err(error) => error,
    };
    if !is_worth_reading_back(&error) {
        return Err(error);
    }
    // The reason for a 405 stands in the forge's prose only: what really happened is read back.
    let Ok(pull) = read(client, repository, number).await else { return Err(error) };
    let (base, draft) = (pull.base.clone(), pull.draft);
    match settle(pull, merge, error) {
        Err(ForgeError::Refused { what, words }) => {
            let (head, method) = (merge.expected_head.as_str(), merge.method);
            let missing = match draft {
                true => vec!["it is a draft: mark it as ready for review".to_owned()],
                false => rules::missing(client, &Refused { repository, number, base: &base, head, method }).await,
            };
            let said = if missing.is_empty() { words.as_str() } else { words.trim_end_matches('.') };
            let words = std::iter::once(said).chain(missing.iter().map(String::as_str)).collect::<Vec<_>>().join("; ");
            Err(ForgeError::Refused { what, words })
        }
        settled => settled,
    }
}

/// Says what became of a merge that was refused or whose answer was lost.
fn settle(pull: PullRequest, merge: &Merge, error: ForgeError) -> Result<String, ForgeError> {
    let is_expected = pull.head_sha == merge.expected_head;
    match (pull.state, pull.merge_sha, error) {
        (PullRequestState::Merged, Some(sha), _) if is_expected => Ok(sha),
        (PullRequestState::Merged, _, _) if !is_expected => {
            Err(ForgeError::Moved { words: format!("pull request {} was merged with another head", pull.number) })
        }
        (PullRequestState::Open, _, _) if !is_expected => {
            Err(ForgeError::Moved { words: format!("pull request {} has another head", pull.number) })
        }
        // The base moved between the forge's test merge and ours: nothing stands against another try.
        (_, _, ForgeError::Refused { words, .. }) if words.contains("was modified") => Err(ForgeError::Moved { words }),
        (_, _, error) => Err(error),
    }
}

fn merged_sha(answer: &str, what: &str) -> Result<String, ForgeError> {
    let body: MergedBody = parse(answer, what)?;
    match body.sha {
        Some(sha) if body.merged => Ok(sha),
        _ => Err(ForgeError::Refused { what: what.to_owned(), words: body.message }),
    }
}
