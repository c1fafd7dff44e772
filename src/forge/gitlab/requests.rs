//! Merge requests: find, open, edit, close. Each write can be repeated by its caller.

use gitlab::api::{
    common::SortOrder,
    projects::{
        Project,
        merge_requests::{
            CreateMergeRequest, EditMergeRequest, MergeRequest, MergeRequestOrderBy, MergeRequestScope,
            MergeRequestStateEvent, MergeRequests,
        },
    },
};

use super::{
    client::{Client, reading, writing},
    model::{MergeRequestBody, ProjectBody},
    quick_actions,
};
use crate::{
    domain::ids::{BranchName, PullRequestNumber, RepositoryId},
    forge::{
        ForgeError, NewPullRequest, PullRequest, PullRequestState,
        calls::{Call, Importance, encoded, is_worth_reading_back, named, parse, settle_close},
    },
};

/// The route of one merge request.
const ONE_ROUTE: &str = "/projects/{id}/merge_requests/{merge_request_iid}";
/// The route of all of them.
const ALL_ROUTE: &str = "/projects/{id}/merge_requests";

/// Returns what GitLab says about a repository.
pub(super) async fn project(client: &Client, repository: &RepositoryId) -> Result<ProjectBody, ForgeError> {
    let endpoint = Project::builder().project(repository.as_str()).build();
    let call = reading(endpoint, "/projects/{id}", format!("show the repository `{repository}`"))?;
    client.get(&call).await.map_err(|error| named(error, || format!("the repository `{repository}`")))
}

/// Returns the merge requests from `head` into `base` in every state, newest first, at most 100.
///
/// Branches of the same name in forks are left out: GitLab looks for the name alone.
pub(super) async fn list(
    client: &Client,
    repository: &RepositoryId,
    head: &BranchName,
    base: &BranchName,
) -> Result<Vec<PullRequest>, ForgeError> {
    let endpoint = MergeRequests::builder()
        .project(repository.as_str())
        .scope(MergeRequestScope::All)
        .source_branch(head.as_str())
        .target_branch(base.as_str())
        .order_by(MergeRequestOrderBy::CreatedAt)
        .sort(SortOrder::Descending)
        .build();
    let what = format!("list pull requests from `{head}` into `{base}` of `{repository}`");
    let bodies: Vec<MergeRequestBody> = client.pages(&reading(endpoint, ALL_ROUTE, what)?, 1).await?;
    let is_wanted = |body: &MergeRequestBody| {
        body.source_branch == head.as_str() && body.target_branch == base.as_str() && body.is_inside()
    };
    Ok(bodies.into_iter().filter(is_wanted).map(MergeRequestBody::listed).collect())
}

/// Returns the merge requests into `base` in every state, the last changed first, at most 100.
pub(super) async fn list_into(
    client: &Client,
    repository: &RepositoryId,
    base: &BranchName,
) -> Result<Vec<PullRequest>, ForgeError> {
    let endpoint = MergeRequests::builder()
        .project(repository.as_str())
        .scope(MergeRequestScope::All)
        .target_branch(base.as_str())
        .order_by(MergeRequestOrderBy::UpdatedAt)
        .sort(SortOrder::Descending)
        .build();
    let what = format!("list pull requests into `{base}` of `{repository}`");
    let bodies: Vec<MergeRequestBody> = client.pages(&reading(endpoint, ALL_ROUTE, what)?, 1).await?;
    Ok(bodies.into_iter().filter(|body| body.target_branch == base.as_str()).map(MergeRequestBody::listed).collect())
}

/// Returns one merge request with what GitLab says about merging it; asking makes GitLab check again.
pub(super) async fn read(
    client: &Client,
    repository: &RepositoryId,
    number: PullRequestNumber,
) -> Result<MergeRequestBody, ForgeError> {
    let endpoint = MergeRequest::builder().project(repository.as_str()).merge_request(number.0).build();
    let call = reading(endpoint, ONE_ROUTE, attempt("show", repository, number))?;
    client.get(&call).await.map_err(|error| named(error, || format!("pull request {number} of `{repository}`")))
}

/// Opens a merge request, or returns the open one with the same head and base.
pub(super) async fn open(
    client: &Client,
    repository: &RepositoryId,
    new: &NewPullRequest,
) -> Result<PullRequest, ForgeError> {
    // Whether the source branch goes with the merge is a setting of the project, unless it is said here.
    let endpoint = CreateMergeRequest::builder()
        .project(repository.as_str())
        .source_branch(new.head.as_str())
        .target_branch(new.base.as_str())
        .title(new.title.as_str())
        .description(quick_actions::defused(&new.body))
        .remove_source_branch(false)
        .build();
    let what = format!("open a pull request from `{}` into `{}` of `{repository}`", new.head, new.base);
    let write = writing(endpoint, ALL_ROUTE, what)?;
    let opened = client.perform(&write).await;
    let error = match opened.and_then(|answer| parse::<MergeRequestBody>(&answer, &write.call.what)) {
        Ok(body) => return Ok(body.listed()),
        Err(error) => error,
    };
    if !is_worth_reading_back(&error) {
        return Err(error);
    }
    match list(client, repository, &new.head, &new.base).await {
        Ok(found) => found.into_iter().find(|pull| pull.state == PullRequestState::Open).ok_or(error),
        Err(_) => Err(error),
    }
}

/// Replaces title and body.
pub(super) async fn edit(
    client: &Client,
    repository: &RepositoryId,
    number: PullRequestNumber,
    title: &str,
    body: &str,
) -> Result<(), ForgeError> {
    let endpoint = EditMergeRequest::builder()
        .project(repository.as_str())
        .merge_request(number.0)
        .title(title)
        .description(quick_actions::defused(body))
        .build();
    let write = writing(endpoint, ONE_ROUTE, attempt("edit", repository, number))?.of(Importance::Status);
    client.perform(&write).await.map(drop)
}

/// Closes without merging; closing a closed one is a success.
pub(super) async fn close(
    client: &Client,
    repository: &RepositoryId,
    number: PullRequestNumber,
) -> Result<(), ForgeError> {
    let endpoint = EditMergeRequest::builder()
        .project(repository.as_str())
        .merge_request(number.0)
        .state_event(MergeRequestStateEvent::Close)
        .build();
    let written = client.perform(&writing(endpoint, ONE_ROUTE, attempt("close", repository, number))?).await;
    let state = async { read(client, repository, number).await.map(|body| body.pull_request_state()) };
    settle_close(written, state).await
}

/// Names an attempt at one merge request.
pub(super) fn attempt(verb: &str, repository: &RepositoryId, number: PullRequestNumber) -> String {
    format!("{verb} pull request {number} of `{repository}`")
}

/// Returns a call about something of one merge request that the SDK does not describe.
pub(super) fn below(
    repository: &RepositoryId,
    number: PullRequestNumber,
    route: &'static str,
    rest: &str,
    verb: &str,
) -> Call {
    let project = encoded(repository.as_str());
    let path = format!("/projects/{project}/merge_requests/{}/{rest}", number.0);
    Call::new(route, path, attempt(verb, repository, number))
}
