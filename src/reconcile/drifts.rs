//! What is remembered of drift of a place, and how it is read back.
//!
//! The store has one document for each place. When it was lost, what a person said of drift is read
//! from our own status on the commit that brought it; that is done once for each such commit.

use std::collections::{BTreeMap, BTreeSet};

use git2::Oid;
use serde::{Deserialize, Serialize};

use super::{
    LookError,
    active::{self, BranchReading, KnownProposals},
    context::StrategyContext,
    forge_view::ForgeView,
    keys::drift_key,
    lanes::{EnvironmentReading, LaneCommit},
    observe, proposals,
};
use crate::{
    domain::{
        content::Content,
        drift::{Adoption, Discard, Drift, DriftMark, DriftWay, ForeignWork, LastPromoted, Restore},
        ids::{ActiveSha, Place, ProposedSha, TreeId},
        snapshot::{PlaceState, Proposal, Restoring, Run},
        strategy::Environment,
    },
    forge::{PullRequest, PullRequestState},
    git::{
        GitError,
        history::{self, BranchCommit},
        mirror::Watched,
    },
    store::PlaceNote,
};

/// What is remembered of drift of one place.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriftBook {
    /// What a person wants restored.
    pub restore: Option<Restore>,
    /// What people adopted, by the commit that brought it.
    pub adopted: BTreeMap<ActiveSha, Adoption>,
    /// Commits of drift on which the forge was asked for what was said of them.
    pub asked: BTreeSet<ActiveSha>,
    /// What was there last without drift.
    pub promoted: Option<Seen>,
    /// The commit that a forced push took away and whose content is there all the same.
    pub rewritten: Option<ActiveSha>,
    /// Whose commits on the proposed branch a person has replaced.
    pub discard: Option<Discard>,
}

/// An active branch as it was seen last without drift.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The commit that brought what ran.
    pub commit: ActiveSha,
    /// The head.
    pub head: ActiveSha,
}

impl PlaceNote for DriftBook {
    const KIND: &'static str = "drift";
}

/// Returns what is remembered of a place.
pub async fn book(context: &StrategyContext, place: &Place) -> Result<DriftBook, LookError> {
    Ok(context.shared.store.note(&context.id, place).await?.unwrap_or_default())
}

/// Says of drift what the branch alone does not: that a merge of ours brought it.
pub fn explain(reading: &mut BranchReading, pull_requests: &[PullRequest]) {
    let Some(drift) = &mut reading.drift else { return };
    let merged = |pr: &&PullRequest| {
        pr.state == PullRequestState::Merged && pr.merge_sha.as_deref() == Some(drift.commit.as_str())
    };
    if let Some(merged) = pull_requests.iter().find(merged) {
        drift.way = DriftWay::Merge { number: merged.number };
        drift.author = merged.merged_by.clone().or(drift.author.take());
    }
}

/// Finds out whether a forced push took away what was promoted last, and notes what is there when not.
///
/// The branch does not show what it lost: the store knows what was there last, and the forge which pull
/// request was merged last.
pub async fn find_forced_push(
    context: &StrategyContext,
    view: &mut ForgeView,
    environment: &Environment,
    at: &Lane<'_>,
    known: &KnownProposals,
    reading: &mut BranchReading,
    book: &mut DriftBook,
) -> Result<(), LookError> {
    let Some(head) = at.history.first() else { return Ok(()) };
    let merged = last_merged(context, view, environment, at, book).await?;
    let told = merged.as_ref().and_then(|pr| ActiveSha::new(pr.merge_sha.clone()?).ok());
    let seen = book.promoted.as_ref().map(|seen| seen.commit.clone());
    let Some(lost) = newest_lost(context, told.into_iter().chain(seen).collect(), head.commit.id).await? else {
        return remember(context, at, reading, book).await;
    };
    let is_known = book.rewritten.as_ref() == Some(&lost)
        || book.adopted.values().any(|adoption| adoption.lost.as_ref().is_some_and(|was| was.commit == lost));
    if is_known || is_behind(context, environment, head.commit.id).await? {
        return Ok(());
    }
    let Some((promoted, content)) = read_lost(context, at, &lost, merged.as_ref(), known).await? else {
        tracing::warn!(environment.name = %at.place.environment, active.sha = %lost, "what was promoted last cannot be read");
        return Ok(());
    };
    if content == head.content {
        let note = |book: &mut DriftBook| book.rewritten = Some(lost.clone());
        *book = context.shared.store.change_note(&context.id, at.place, note).await?;
        return remember(context, at, reading, book).await;
    }
    let since = active::since_when(at.history).unwrap_or(head);
    let newest = active::active_sha(&since.commit);
    reading.drift = Some(Drift {
        way: DriftWay::ForcedPush,
        commit: newest.clone(),
        author: reading.drift.take().and_then(|drift| drift.author),
        outputs: content.differing(&head.content).into_iter().map(ToString::to_string).collect(),
        newest,
        promoted: Some(promoted),
        hydrator: None,
    });
    Ok(())
}

/// One lane of an active branch.
pub struct Lane<'a> {
    /// Which.
    pub place: &'a Place,
    /// Its environment.
    pub reading: &'a EnvironmentReading,
    /// Its history, newest first.
    pub history: &'a [LaneCommit],
    /// Its promotions.
    pub pull_requests: &'a [PullRequest],
}

/// Notes what is on the branch, where nothing is wrong with it.
async fn remember(
    context: &StrategyContext,
    at: &Lane<'_>,
    reading: &BranchReading,
    book: &mut DriftBook,
) -> Result<(), LookError> {
    let running = reading.runs.first().filter(|_| reading.drift.is_none());
    let (Some(commit), Some(head)) = (running.and_then(Run::brought_by), at.history.first()) else { return Ok(()) };
    let seen = Seen { commit: commit.clone(), head: active::active_sha(&head.commit) };
    if book.promoted.as_ref() != Some(&seen) {
        let note = |book: &mut DriftBook| book.promoted = Some(seen);
        *book = context.shared.store.change_note(&context.id, at.place, note).await?;
    }
    Ok(())
}

/// Returns the pull request that was merged last. Where the store knows nothing, those of rollbacks and of
/// restoring count too.
async fn last_merged(
    context: &StrategyContext,
    view: &mut ForgeView,
    environment: &Environment,
    at: &Lane<'_>,
    book: &DriftBook,
) -> Result<Option<PullRequest>, LookError> {
    let (mut all, lane) = (at.pull_requests.to_vec(), &at.place.lane);
    if book.promoted.is_none() && !all.is_empty() {
        for head in [environment.rollback_branch(lane), environment.restore_branch(lane)] {
            all.extend(view.pull_requests(context, &head, &environment.branch).await?);
        }
    }
    let merged = all.into_iter().filter(|pr| pr.state == PullRequestState::Merged && pr.merge_sha.is_some());
    Ok(merged.max_by_key(|pr| (pr.ended_at, pr.number)))
}

/// Returns the newest of these commits that cannot be reached from `head`.
async fn newest_lost(
    context: &StrategyContext,
    commits: Vec<ActiveSha>,
    head: Oid,
) -> Result<Option<ActiveSha>, LookError> {
    let find = context.destination.mirror.read(move |repository, _| {
        let mut newest: Option<(Oid, ActiveSha)> = None;
        for sha in commits {
            let id = Oid::from_str(sha.as_str())?;
            let is_newer = newest.as_ref().is_none_or(|(known, _)| history::is_reachable(repository, *known, id));
            if !history::is_reachable(repository, id, head) && is_newer {
                newest = Some((id, sha));
            }
        }
        Ok(newest.map(|(_, sha)| sha))
    });
    Ok(find.await?)
}

/// Says whether the branch has moved since it was fetched: the forge may tell of a merge before git does.
async fn is_behind(context: &StrategyContext, environment: &Environment, head: Oid) -> Result<bool, LookError> {
    let mirror = &context.destination.mirror;
    let branch = [Watched::One(environment.branch.clone())];
    mirror.refresh(&context.remote().await?, &branch).await?;
    Ok(mirror.branch(&environment.branch).await? != Some(head))
}

/// Reads what a commit held that no branch holds any more; a pull request's own commit holds the same.
async fn read_lost(
    context: &StrategyContext,
    at: &Lane<'_>,
    lost: &ActiveSha,
    merged: Option<&PullRequest>,
    known: &KnownProposals,
) -> Result<Option<(LastPromoted, Content)>, LookError> {
    let proposed = merged.filter(|pr| pr.merge_sha.as_deref() == Some(lost.as_str())).map(|pr| pr.head_sha.clone());
    for id in [Some(lost.to_string()), proposed].into_iter().flatten() {
        let (Ok(sha), Ok(commit)) = (ProposedSha::new(id.as_str()), ActiveSha::new(id)) else { continue };
        let read = match proposals::read(context, &sha).await {
            Ok(read) => read,
            Err(LookError::Git(error)) => {
                tracing::info!(commit = %sha, %error, "a commit that was on an active branch is gone");
                continue;
            }
            Err(error) => return Err(error),
        };
        let origin = context.origin(at.place);
        let own = read.merged_trailers.or(read.trailers).and_then(|trailers| trailers.seen_from(&origin));
        let by_tree = TreeId::new(read.tree.to_string()).ok().and_then(|tree| known.trees.get(&tree).cloned());
        let Some(dry) = own.map(|trailers| trailers.dry).or(by_tree) else { continue };
        let tree = read.tree;
        let owned = context.destination.mirror.read(move |repository, cache| cache.read(repository, tree)).await?;
        let owned = at.reading.sharing.part(&owned);
        // Told by the lost commit, so that what is adopted or restored of it is told the same.
        let commit = if merged.is_some_and(|pr| pr.head_sha == commit.as_str()) { commit } else { lost.clone() };
        return Ok(Some((LastPromoted { commit, dry }, at.reading.proposed(&at.place.lane, &owned))));
    }
    Ok(None)
}

/// Returns what others pushed onto the proposed branch, unless a person has it replaced.
pub async fn find_foreign_work(
    context: &StrategyContext,
    view: &mut ForgeView,
    at: &Lane<'_>,
    proposal: Option<&Proposal>,
    known: &KnownProposals,
    book: &DriftBook,
) -> Result<Option<ForeignWork>, LookError> {
    let (Some(proposal), Some(head)) = (proposal.filter(|proposal| !proposal.composed), at.history.first()) else {
        return Ok(None);
    };
    if book.discard.as_ref().is_some_and(|discard| discard.of == proposal.sha) {
        return Ok(None);
    }
    let (ours, trees) = (known.commits.clone(), known.trees.clone());
    let (origin, whose) = (context.origin(&context.proposer(at.place)), at.reading.sharing.clone());
    let (pushed, active) = (Oid::from_str(proposal.sha.as_str()).map_err(GitError::from)?, head.commit.id);
    let find = context.destination.mirror.read(move |repository, cache| {
        let is_ours = |commit: &BranchCommit| {
            let known = ProposedSha::new(commit.id.to_string()).is_ok_and(|sha| ours.contains_key(&sha));
            let same = TreeId::new(commit.tree.to_string()).is_ok_and(|tree| trees.contains_key(&tree));
            let by_words = || whose.claim(commit.clone()).trailers.is_some_and(|trailers| trailers.origin == origin);
            known || same || commit.composed_by_us && by_words()
        };
        let Some(work) = history::work_of_others(repository, pushed, active, is_ours)? else { return Ok(None) };
        let base = work.base.map(|tree| cache.read(repository, tree)).transpose()?;
        Ok(Some((work.commit.author, base)))
    });
    let Some((author, base)) = find.await? else { return Ok(None) };
    let (key, account) = (drift_key(context.strategy.told_apart(at.place), at.place), context.destination.account.id);
    let said = view.statuses(context, proposal.sha.as_str()).await?;
    let marks = said.iter().filter(|status| status.key == key && status.creator == Some(account));
    if marks.filter_map(DriftMark::read).any(|mark| matches!(mark, DriftMark::Restoring { .. })) {
        return Ok(None);
    }
    // What they began with may be from before the branch was taken over.
    let base = base.map(|owned| at.reading.proposed(&at.place.lane, &at.reading.sharing.part(&owned)));
    let base = base.filter(|base| !base.is_empty()).unwrap_or_else(|| head.content.clone());
    let outputs = base.differing(&proposal.content).into_iter().map(ToString::to_string).collect();
    Ok(Some(ForeignWork { head: proposal.sha.clone(), author, outputs }))
}

/// Reads what a person said of drift from the forge, when the store does not know: it may have been
/// lost. Says whether it was adopted.
pub async fn read_back(
    context: &StrategyContext,
    view: &mut ForgeView,
    place: &Place,
    reading: &BranchReading,
    known: &mut KnownProposals,
    book: &mut DriftBook,
) -> Result<bool, LookError> {
    let Some(drift) = reading.drift.as_ref().filter(|drift| !book.asked.contains(&drift.newest)) else {
        return Ok(false);
    };
    let (key, account) = (drift_key(context.strategy.told_apart(place), place), context.destination.account.id);
    let statuses = view.statuses(context, drift.newest.as_str()).await?;
    let ours = statuses.iter().filter(|status| status.key == key && status.creator == Some(account));
    // That there is drift may have been told after what a person said of it.
    let marks = ours.filter_map(|status| Some((status, DriftMark::read(status)?)));
    let newest = marks.max_by_key(|(status, _)| (status.reported_at, status.id));
    let said = newest.map(|(status, mark)| (mark, status.reported_at));
    let lost = drift.lost().cloned();
    let of = drift.newest.clone();
    let note = |book: &mut DriftBook| {
        book.asked.insert(of.clone());
        match said {
            Some((DriftMark::Adopted { by, reason }, at)) => {
                book.adopted.entry(of).or_insert(Adoption { by, reason, at, lost });
            }
            // A command that came meanwhile is newer than what was read.
            Some((DriftMark::Restoring { by, reason }, at)) if book.restore.is_none() => {
                book.restore = Some(Restore { of, by, reason, at });
            }
            Some((DriftMark::Restoring { .. } | DriftMark::Over, _)) | None => {}
        }
    };
    *book = context.shared.store.change_note(&context.id, place, note).await?;
    known.adopted.clone_from(&book.adopted);
    Ok(book.adopted.contains_key(&drift.newest))
}

/// Fills in how far the restoring is that a person wants.
pub async fn read_restoring(
    context: &StrategyContext,
    view: &mut ForgeView,
    environment: &Environment,
    place: &Place,
    book: DriftBook,
    proposal: Option<Proposal>,
    state: &mut PlaceState,
) -> Result<(), LookError> {
    let store = &context.shared.store;
    if let Some(drift) = state.branch().and_then(|branch| branch.drift.as_ref()) {
        let posted = store
            .posted_statuses(&context.id.repository, &drift_key(context.strategy.told_apart(place), place))
            .await?;
        state.drift_status = posted.get(drift.newest.as_str()).cloned();
    }
    let Some(restore) = book.restore else { return Ok(()) };
    let head = environment.restore_branch(&place.lane);
    let pulls = view.pull_requests(context, &head, &environment.branch).await?;
    let ours = store.closed_by_us(&context.destination.id).await?;
    let closed = pulls.iter().find(|pr| {
        let is_ours = proposal.as_ref().is_some_and(|proposal| proposal.sha.as_str() == pr.head_sha);
        // The forge dates in whole seconds.
        let is_later = pr.created_at.as_second() >= restore.at.as_second();
        pr.state == PullRequestState::Closed && is_ours && is_later && !ours.contains(&pr.number)
    });
    state.restoring = Some(Restoring {
        restore,
        closed: closed.map(|pr| pr.number),
        pull_request: pulls.iter().find(|pr| pr.state == PullRequestState::Open).and_then(observe::open_pull_request),
        proposal,
    });
    Ok(())
}
