//! Pull requests: find, open. Each write can be repeated by its caller.
//!
//! Gitea has a route that finds a pull request by base and head. It is not used: it asks neither for the state nor
//! for an order, and returns a merged one while another is open. Its lists know no head, so that is compared here.

use http::Method;
use serde_json::json;

use super::{client::Client, heads::Heads, model::PullBody};
use crate::{
    domain::ids::{BranchName, PullRequestNumber, RepositoryId},
    forge::{
        ForgeError, NewPullRequest, PullRequest,
        calls::{Call, encoded, named, parse},
        github_like::pulls::{PULLS_ROUTE, one},
    },
};

/// The most that are returned of a list.
const MOST: usize = 100;
/// How far back is looked for those of one head: the lists hold those of every head into the same base.
const LOOKED_THROUGH: usize = 1_000;

/// Returns the pull requests from `head` into `base` in every state, newest first, at most 100.
pub(super) async fn list(
    client: &Client,
    heads: &Heads,
    repository: &RepositoryId,
    head: &BranchName,
    base: &BranchName,
) -> Result<Vec<PullRequest>, ForgeError> {
    let mut found = from(client, repository, head, base, "all").await?;
    found.sort_by_key(|body| std::cmp::Reverse(body.number));
    // Another one that is opened between two pages moves the last of the first to the second.
    found.dedup_by_key(|body| body.number);
    found.truncate(MOST);
    heads.resolve(client, repository, found).await
}

/// Returns the pull requests from `head` into `base`, of those that are `open`, or of `all`.
async fn from(
    client: &Client,
    repository: &RepositoryId,
    head: &BranchName,
    base: &BranchName,
    state: &str,
) -> Result<Vec<PullBody>, ForgeError> {
    let call = Call::new(
        PULLS_ROUTE,
        format!("/repos/{repository}/pulls?state={state}&base_branch={}", encoded(base.as_str())),
        format!("list pull requests from `{head}` into `{base}` of `{repository}`"),
    );
    let wanted = |body: &PullBody| body.is_from(head.as_str()) && body.base.label == base.as_str();
    let enough = |all: &[PullBody]| {
        all.len() >= LOOKED_THROUGH || all.iter().filter(|body| wanted(body)).take(MOST).count() >= MOST
    };
    let bodies = client.pages(&call, enough).await?;
    Ok(bodies.into_iter().filter(wanted).collect())
}

/// Returns the pull requests into `base` in every state, the last changed first, at most 100.
pub(super) async fn list_into(
    client: &Client,
    heads: &Heads,
    repository: &RepositoryId,
    base: &BranchName,
) -> Result<Vec<PullRequest>, ForgeError> {
    let call = Call::new(
        PULLS_ROUTE,
        format!("/repos/{repository}/pulls?state=all&sort=recentupdate&base_branch={}", encoded(base.as_str())),
        format!("list pull requests into `{base}` of `{repository}`"),
    );
    let mut bodies = client.pages(&call, |all: &[PullBody]| all.len() >= MOST).await?;
    bodies.retain(|body| body.base.label == base.as_str());
    bodies.truncate(MOST);
    heads.resolve(client, repository, bodies).await
}

/// Returns one pull request as the forge tells it.
pub(super) async fn read_body(
    client: &Client,
    repository: &RepositoryId,
    number: PullRequestNumber,
) -> Result<PullBody, ForgeError> {
    let body = client.get(&one(repository, number, "show")).await;
    body.map_err(|error| named(error, || format!("pull request {number} of `{repository}`")))
}

/// Returns one pull request.
pub(super) async fn read(
    client: &Client,
    heads: &Heads,
    repository: &RepositoryId,
    number: PullRequestNumber,
) -> Result<PullRequest, ForgeError> {
    let body = read_body(client, repository, number).await?;
    let read = heads.resolve(client, repository, vec![body]).await?;
    Ok(read.into_iter().next().expect("because as many are resolved as are given"))
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
        Ok(body) => return Ok(of_an_open_one(body)),
        Err(error) => error,
    };
    match error {
        // It exists already, or the answer was lost.
        ForgeError::Moved { .. } | ForgeError::Unavailable { .. } => {
            let open = from(client, repository, &new.head, &new.base, "open").await.unwrap_or_default();
            open.into_iter().next().map(of_an_open_one).ok_or(error)
        }
        error => Err(named(error, || format!("the branch `{}` or `{}` of `{repository}`", new.head, new.base))),
    }
}

fn of_an_open_one(body: PullBody) -> PullRequest {
    let head = body.head.sha.clone();
    body.pull_request(head)
}
