//! Proposed commits that no branch holds any more: what they stand for is read from themselves.
//!
//! The store knows which dry SHA each proposal of ours stands for. When it was lost, the forge still
//! tells the heads of pull requests that ended, and their trailers name the dry SHA.

use git2::Oid;

use super::{LookError, active::KnownProposals, context::StrategyContext, lanes::LaneCommit};
use crate::{
    domain::ids::{DrySha, Place, ProposedSha, TreeId},
    forge::{PullRequest, PullRequestState},
    git::history::{self, BranchCommit},
};

/// Finds out what commits on an active branch stand for that were made of our proposals, and say nothing
/// of them: people squash with words of their own.
pub async fn recognise(
    context: &StrategyContext,
    place: &Place,
    pull_requests: &[PullRequest],
    history: &[LaneCommit],
    known: &mut KnownProposals,
) -> Result<(), LookError> {
    let silent = |id: &str| {
        let brought = history.iter().find(|seen| seen.commit.id.to_string() == id);
        brought.is_some_and(|seen| seen.commit.trailers.is_none() && seen.commit.merged_trailers.is_none())
    };
    for merged in pull_requests.iter().filter(|pr| pr.state == PullRequestState::Merged) {
        let Ok(head) = ProposedSha::new(merged.head_sha.clone()) else { continue };
        if known.commits.contains_key(&head) || !merged.merge_sha.as_deref().is_some_and(silent) {
            continue;
        }
        let commit = read(context, &head).await?;
        if let Some(dry) = dry_of(context, place, &head, &commit).await? {
            known.trees.insert(tree_of(&commit), dry.clone());
            known.commits.insert(head, dry);
        }
    }
    Ok(())
}

/// Reads a commit that was proposed, and fetches it where the mirror does not have it any more.
pub async fn read(context: &StrategyContext, head: &ProposedSha) -> Result<BranchCommit, LookError> {
    let mirror = &context.repository.mirror;
    let id = head.as_str().to_owned();
    let is_here = mirror.read(move |repository, _| Ok(repository.find_commit(Oid::from_str(&id)?).is_ok())).await?;
    if !is_here {
        mirror.fetch_commit(&context.remote().await?, head.as_str()).await?;
    }
    let id = head.as_str().to_owned();
    Ok(mirror.read(move |repository, _| history::commit_by_id(repository, &id)).await?)
}

/// Returns the dry SHA that a commit of ours says it proposes, and writes it down.
pub async fn dry_of(
    context: &StrategyContext,
    place: &Place,
    head: &ProposedSha,
    commit: &BranchCommit,
) -> Result<Option<DrySha>, LookError> {
    let origin = context.origin(place);
    let Some(trailers) = commit.trailers.as_ref().filter(|trailers| trailers.origin == origin) else { return Ok(None) };
    let tree = tree_of(commit);
    context.repository.shared.store.save_proposal(&context.id, place, head, &tree, &trailers.dry).await?;
    Ok(Some(trailers.dry.clone()))
}

fn tree_of(commit: &BranchCommit) -> TreeId {
    TreeId::new(commit.tree.to_string()).expect("because git's ids are hexadecimal")
}
