//! To which pipeline a commit status belongs.
//!
//! GitLab keeps commit statuses in pipelines. Without being told it takes the newest pipeline of the commit on the
//! first branch that holds it, by the alphabet, or makes one there; and what is reported there does not count for
//! the merge request. So the pipeline is named: that of the merge request, else the newest of a branch; and where there is
//! none, the branch on which one is to be made.

use gitlab::api::{
    common::SortOrder,
    projects::{
        pipelines::{PipelineOrderBy, Pipelines},
        repository::{
            branches::Branch,
            commits::{CommitReferences, CommitRefsType, MergeRequests},
        },
    },
};
use serde::Deserialize;

use super::{
    client::{Client, reading},
    model::{MergeRequestBody, PipelineBody},
};
use crate::{
    domain::ids::RepositoryId,
    forge::{ForgeError, PullRequestState},
};

/// The most branches of which the head is looked at.
const MAX_BRANCHES: usize = 10;
/// Pipelines that stand for themselves: no status can be posted to them.
/// <https://docs.gitlab.com/api/pipelines/#list-project-pipelines>
const DANGLING: [&str; 6] = [
    "parent_pipeline",
    "webide",
    "ondemand_dast_scan",
    "ondemand_dast_validation",
    "security_orchestration_policy",
    "container_registry_push",
];

/// Where a status is posted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// In this pipeline.
    Pipeline(u64),
    /// In one that GitLab makes on this branch.
    Branch(String),
    /// Wherever GitLab puts it: no branch has the commit as its head.
    Anywhere,
}

#[derive(Deserialize)]
struct ReferenceBody {
    name: String,
}

#[derive(Deserialize)]
struct BranchBody {
    commit: HeadBody,
}

#[derive(Deserialize)]
struct HeadBody {
    id: String,
}

/// Returns where a status about `sha` is posted.
pub(super) async fn target(client: &Client, repository: &RepositoryId, sha: &str) -> Result<Target, ForgeError> {
    let endpoint = Pipelines::builder()
        .project(repository.as_str())
        .sha(sha)
        .order_by(PipelineOrderBy::Id)
        .sort(SortOrder::Descending)
        .build();
    let what = format!("list the pipelines of `{sha}` in `{repository}`");
    let pipelines = client.pages(&reading(endpoint, "/projects/{id}/pipelines", what)?, 1).await;
    let pipelines: Vec<PipelineBody> = match pipelines {
        // Pipelines are switched off, or not shown to us: statuses are taken all the same.
        Err(ForgeError::Unauthorised { .. } | ForgeError::NotFound { .. }) => Vec::new(),
        pipelines => pipelines?,
    };
    if let Some(pipeline) = chosen(&pipelines) {
        return Ok(Target::Pipeline(pipeline));
    }
    Ok(branch(client, repository, sha).await?.map_or(Target::Anywhere, Target::Branch))
}

/// Returns the pipeline of the merge request, else the newest one; they come newest first.
fn chosen(pipelines: &[PipelineBody]) -> Option<u64> {
    let is = |pipeline: &&PipelineBody, source: &str| pipeline.source.as_deref() == Some(source);
    let can_take = |pipeline: &&PipelineBody| !DANGLING.iter().any(|source| is(pipeline, source));
    let is_of_merge_request = |pipeline: &&PipelineBody| {
        is(pipeline, "merge_request_event")
            || pipeline.branch.as_deref().is_some_and(|name| name.starts_with("refs/merge-requests/"))
    };
    let mut all = pipelines.iter().filter(can_take);
    all.clone().find(is_of_merge_request).or_else(|| all.next()).map(|pipeline| pipeline.id)
}

/// Returns the branch that has `sha` as its head: the one that an open merge request proposes, where there are several.
async fn branch(client: &Client, repository: &RepositoryId, sha: &str) -> Result<Option<String>, ForgeError> {
    let what = || format!("find the branch of `{sha}` in `{repository}`");
    let endpoint = MergeRequests::builder().project(repository.as_str()).sha(sha).build();
    let call = reading(endpoint, "/projects/{id}/repository/commits/{sha}/merge_requests", what())?;
    let proposals: Vec<MergeRequestBody> = client.pages(&call, 1).await?;
    let proposes = |body: &&MergeRequestBody| {
        body.pull_request_state() == PullRequestState::Open && body.sha.as_deref() == Some(sha) && body.is_inside()
    };
    if let Some(body) = proposals.iter().find(proposes) {
        return Ok(Some(body.source_branch.clone()));
    }
    let endpoint =
        CommitReferences::builder().project(repository.as_str()).sha(sha).type_(CommitRefsType::Branch).build();
    let call = reading(endpoint, "/projects/{id}/repository/commits/{sha}/refs", what())?;
    let holding: Vec<ReferenceBody> = client.pages(&call, 1).await?;
    for ReferenceBody { name } in holding.into_iter().take(MAX_BRANCHES) {
        let endpoint = Branch::builder().project(repository.as_str()).branch(name.as_str()).build();
        let call = reading(endpoint, "/projects/{id}/repository/branches/{branch}", what())?;
        match client.get::<BranchBody>(&call).await {
            Ok(body) if body.commit.id == sha => return Ok(Some(name)),
            // It moved, or went, meanwhile.
            Ok(_) | Err(ForgeError::NotFound { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pipelines(list: &[(u64, &str, &str)]) -> Vec<PipelineBody> {
        let pipeline = |(id, source, name): &(u64, &str, &str)| PipelineBody {
            id: *id,
            source: Some((*source).to_owned()),
            branch: Some((*name).to_owned()),
        };
        list.iter().map(pipeline).collect()
    }

    #[test]
    fn the_merge_requests_pipeline_comes_before_a_newer_one_of_the_branch() {
        let both = pipelines(&[(9, "push", "next"), (8, "merge_request_event", "refs/merge-requests/1/head")]);
        assert_eq!(chosen(&both), Some(8));
    }

    #[test]
    fn the_newest_pipeline_counts_that_can_take_a_status() {
        assert_eq!(
            chosen(&pipelines(&[(9, "parent_pipeline", "next"), (8, "push", "next"), (7, "push", "next")])),
            Some(8)
        );
        assert_eq!(chosen(&pipelines(&[(9, "webide", "next")])), None);
        assert_eq!(chosen(&[]), None);
    }
}
