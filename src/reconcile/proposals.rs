//! Proposed commits that no branch holds any more: what they stand for is read from themselves.
//!
//! The store knows which dry SHA each proposal of ours stands for. When it was lost, the forge still
//! tells the heads of pull requests that ended, and their trailers name the dry SHA.

use super::{LookError, active::KnownProposals, context::StrategyContext, lanes::LaneCommit};
use crate::{
    domain::ids::{DrySha, Place, ProposedSha, RootName},
    forge::{PullRequest, PullRequestState},
    git::{
        GitError,
        history::{self, BranchCommit},
        tree::{self, tree_id},
    },
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
        let brought = history.iter().find(|seen| seen.commit.id.to_string() == id)?;
        (brought.commit.trailers.is_none() && brought.commit.merged_trailers.is_none()).then_some(brought)
    };
    for merged in pull_requests.iter().filter(|pr| pr.state == PullRequestState::Merged) {
        let Ok(head) = ProposedSha::new(merged.head_sha.clone()) else { continue };
        let Some(brought) = merged.merge_sha.as_deref().and_then(silent) else { continue };
        if known.trees.contains_key(&tree_id(brought.commit.tree)) {
            continue;
        }
        let commit = read(context, &head).await?;
        let dry = match known.commits.get(&head) {
            Some(dry) => Some(dry.clone()),
            None => dry_of(context, place, &head, &commit).await?,
        };
        let Some(dry) = dry else { continue };
        if holds_the_same(context, &commit, brought).await? {
            // Where another lane was merged before it, the tree is another one than was proposed.
            known.trees.insert(tree_id(brought.commit.tree), dry.clone());
        }
        known.trees.insert(tree_id(commit.tree), dry.clone());
        known.commits.insert(head, dry);
    }
    Ok(())
}

/// Says whether a commit on the active branch holds in its lane what another proposed.
async fn holds_the_same(
    context: &StrategyContext,
    proposed: &BranchCommit,
    brought: &LaneCommit,
) -> Result<bool, LookError> {
    let (ours, theirs) = (brought.commit.tree, proposed.tree);
    let roots: Vec<RootName> = brought.content.iter().map(|(root, _)| root.clone()).collect();
    let mirror = &context.destination.mirror;
    let differing = mirror.read(move |repository, _| tree::differing(repository, ours, theirs, roots.iter())).await?;
    Ok(differing.is_empty())
}

/// Reads a commit that was proposed, and fetches it where the mirror does not have it any more.
pub async fn read(context: &StrategyContext, head: &ProposedSha) -> Result<BranchCommit, LookError> {
    let mirror = &context.destination.mirror;
    let id = head.as_str();
    let read = async || {
        let id = id.to_owned();
        mirror.read(move |repository, _| history::commit_by_id(repository, &id)).await
    };
    let commit = match read().await {
        Err(GitError::Missing { .. }) => {
            mirror.fetch_commit(&context.remote().await?, id).await?;
            read().await?
        }
        read => read?,
    };
    Ok(context.claim(commit))
}

/// Returns the dry SHA that a commit of ours says it proposes, and writes it down.
pub async fn dry_of(
    context: &StrategyContext,
    place: &Place,
    head: &ProposedSha,
    commit: &BranchCommit,
) -> Result<Option<DrySha>, LookError> {
    let origin = context.origin(place);
    let ours = commit.trailers.as_ref().filter(|trailers| trailers.is_of(&origin));
    let Some(dry) = ours.and_then(|trailers| trailers.dry_of(&place.lane)) else { return Ok(None) };
    let tree = tree_id(commit.tree);
    context.shared.store.save_proposal(&context.id, place, head, &tree, dry).await?;
    Ok(Some(dry.clone()))
}
