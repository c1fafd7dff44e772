//! How what is on an active branch is divided among the lanes of a strategy.
//!
//! - A root belongs to the lane that its labels name at the newest commit that holds it, also in all the
//!   history before: a root that moved takes its past along, and lanes can be turned on and off.
//! - Labels that stand on the branch are those that it was promoted with. A root whose labels there name no lane
//!   is in the lane that the newest rendering gives it, and else in the one that strategies without lanes have,
//!   until another takes it over.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use git2::{Oid, Repository};

use super::{LookError, context::StrategyContext, forge_view::ForgeView, sharing::Sharing};
use crate::{
    domain::{
        content::Content,
        hydration::{EnvironmentHydration, Hydration},
        ids::{DrySha, LaneName, RootName},
        lane::{LaneBranch, Lanes},
        line::DryLine,
        selection::RootLabels,
        strategy::Environment,
    },
    forge::PullRequestState,
    git::{
        GitError,
        history::{self, BranchCommit},
        tree::{self, Owned},
    },
};

/// An environment as git and the store have it, before it is divided.
#[derive(Debug)]
pub struct EnvironmentReading {
    /// The first-parent history of the active branch, newest first; absent when the branch is not there.
    pub history: Option<Vec<(BranchCommit, Arc<Owned>)>>,
    /// By commit that merged another and has another tree: the roots that the merged one held otherwise.
    unlike: BTreeMap<Oid, BTreeSet<RootName>>,
    /// What came of hydrating dry SHAs.
    pub hydrations: Arc<BTreeMap<DrySha, EnvironmentHydration>>,
    lanes: Lanes,
    of: BTreeMap<RootName, LaneName>,
    /// Which outputs are of the strategy.
    pub sharing: Sharing,
}

/// A commit of an active branch, seen from one lane.
#[derive(Debug, Clone)]
pub struct LaneCommit {
    /// The commit.
    pub commit: BranchCommit,
    /// What the lane holds in it.
    pub content: Content,
    /// Whether the commit that it merged held the same in the lane.
    pub is_as_merged: bool,
}

/// Reads the active branch of an environment, of which it is known what came of `hydrations`.
pub async fn read(
    context: &StrategyContext,
    environment: &Environment,
    line: &DryLine,
    hydrations: BTreeMap<DrySha, EnvironmentHydration>,
) -> Result<EnvironmentReading, LookError> {
    let lanes = context.strategy.lanes.clone();
    let rendered = newest_rendered(&hydrations, line).unwrap_or_default();
    let branch = context.destination.mirror.local(&environment.branch);
    let sharing = context.sharing(environment, rendered.keys());
    let whose = sharing.clone();
    let read = context.destination.mirror.read(move |repository, cache| {
        let Some(commits) = history::active_history(repository, &branch)? else { return Ok((None, BTreeMap::new())) };
        let read = commits.into_iter().map(|commit| {
            let owned = whose.part(&cache.read(repository, commit.tree)?);
            Ok::<_, GitError>((whose.claim_where_it_stood(commit, &owned), owned))
        });
        let history = read.collect::<Result<Vec<_>, _>>()?;
        let unlike = history.iter().filter_map(|(commit, owned)| Some((commit.id, unlike(repository, commit, owned)?)));
        let unlike = unlike.collect();
        Ok((Some(history), unlike))
    });
    let (history, unlike) = read.await?;
    let of = match &history {
        Some(history) => assign(&lanes, history, &rendered),
        None => BTreeMap::new(),
    };
    Ok(EnvironmentReading { history, unlike, hydrations: Arc::new(hydrations), lanes, of, sharing })
}

impl EnvironmentReading {
    /// Returns the lanes that have roots at the head of the branch.
    fn at_head(&self) -> BTreeSet<LaneName> {
        let head = self.history.iter().flatten().next();
        head.into_iter().flat_map(|(_, owned)| owned.content.iter()).map(|(root, _)| self.lane_of(root)).collect()
    }

    /// Returns the lanes that have had roots on the branch, now or before.
    pub fn ever(&self) -> BTreeSet<LaneName> {
        self.of.values().cloned().collect()
    }

    fn lane_of(&self, root: &RootName) -> LaneName {
        self.of.get(root).cloned().unwrap_or_else(LaneName::single)
    }

    /// Returns what came of hydrating dry SHAs for one lane.
    pub fn hydrations_of(&self, lane: &LaneName) -> BTreeMap<DrySha, Hydration> {
        self.hydrations.iter().map(|(dry, all)| (dry.clone(), all.of_lane(&self.lanes, lane))).collect()
    }

    /// Returns what came of hydrating dry SHAs for one lane, as the branch is divided: only where that is another
    /// division than their own labels give, since a root has moved.
    pub fn redivided(&self, lane: &LaneName) -> BTreeMap<DrySha, Hydration> {
        let by_labels = |root: &RootName, labels: &BTreeMap<String, String>| self.lanes.of(root, labels);
        let of = |root: &RootName, labels: &BTreeMap<String, String>| match self.of.get(root) {
            Some(lane) => Ok(lane.clone()),
            None => by_labels(root, labels),
        };
        let moves = |hydration: &EnvironmentHydration| match hydration {
            EnvironmentHydration::Done(roots) => {
                roots.labels.iter().any(|(root, labels)| of(root, labels).ok() != by_labels(root, labels).ok())
            }
            EnvironmentHydration::Failed(_) => false,
        };
        let moved = self.hydrations.iter().filter(|(_, hydration)| moves(hydration));
        moved.map(|(dry, hydration)| (dry.clone(), hydration.divided(of, lane))).collect()
    }

    /// Returns the part of what is on the branch that is in one lane.
    fn in_lane(&self, lane: &LaneName, content: &Content) -> Content {
        content.only(|root| self.lane_of(root) == *lane)
    }

    /// Returns what a commit proposes for one lane: also roots that it takes over from others.
    pub fn proposed(&self, lane: &LaneName, owned: &Owned) -> Content {
        let labelled = |root: &RootName| self.lanes.of(root, owned.labels.get(root)?).ok();
        owned.content.only(|root| labelled(root).unwrap_or_else(|| self.lane_of(root)) == *lane)
    }

    /// Says whether a branch that would hold `landed` holds `proposed` in a lane, and in the others what it
    /// holds now.
    pub fn would_hold(&self, lane: &LaneName, proposed: &Content, landed: &Content) -> bool {
        let head = self.history.iter().flatten().next();
        let now = head.map(|(_, owned)| owned.content.clone()).unwrap_or_default();
        let others = now.only(|root| self.lane_of(root) != *lane);
        others.laid_under(proposed) == *landed
    }

    /// Says whether a branch that would hold `landed` holds what a bundle proposes in its lanes, and in the others
    /// what it holds now.
    pub fn would_hold_all(&self, lanes: &BTreeSet<LaneName>, proposed: &Owned, landed: &Content) -> bool {
        let head = self.history.iter().flatten().next();
        let now = head.map(|(_, owned)| owned.content.clone()).unwrap_or_default();
        let others = now.only(|root| !lanes.contains(&self.lane_of(root)));
        let parts = lanes.iter().map(|lane| self.proposed(lane, proposed));
        parts.fold(others, |content, part| content.laid_under(&part)) == *landed
    }

    /// Returns the history of one lane, newest first.
    pub fn of_lane(&self, lane: &LaneName) -> Vec<LaneCommit> {
        let seen = |(commit, owned): &(BranchCommit, Arc<Owned>)| {
            let content = self.in_lane(lane, &owned.content);
            let unlike = self.unlike.get(&commit.id);
            let is_as_merged = commit.merged.is_some()
                && unlike.is_none_or(|unlike| content.iter().all(|(root, _)| !unlike.contains(root)));
            LaneCommit { commit: commit.clone(), content, is_as_merged }
        };
        self.history.iter().flatten().map(seen).collect()
    }

    /// Returns the labels of the lane's roots at the head of the branch.
    pub fn labels(&self, lane: &LaneName) -> RootLabels {
        let head = self.history.iter().flatten().next();
        let labels = head.into_iter().flat_map(|(_, owned)| &owned.labels);
        labels.filter(|(root, _)| self.lane_of(root) == *lane).map(|(r, labels)| (r.clone(), labels.clone())).collect()
    }
}

/// Returns the lanes of a strategy, in every environment the same: those that have roots on an active branch or
/// in what was hydrated last, and those in which something is still proposed. There is always one.
pub async fn known(
    context: &StrategyContext,
    view: &mut ForgeView,
    environments: &[EnvironmentReading],
    line: &DryLine,
) -> Result<BTreeSet<LaneName>, LookError> {
    let lanes = &context.strategy.lanes;
    let mut known: BTreeSet<LaneName> = environments.iter().flat_map(EnvironmentReading::at_head).collect();
    for environment in environments {
        let labels = newest_rendered(&environment.hydrations, line).unwrap_or_default();
        known.extend(labels.iter().filter_map(|(root, labels)| lanes.of(root, labels).ok()));
    }
    if lanes.label().is_none() {
        known.insert(LaneName::single());
    }
    for environment in &context.strategy.environments {
        let proposed = environment.branch_of_lane(&LaneName::single());
        let heads = context.destination.mirror.branches_starting_with(proposed.as_str()).await?;
        for branch in heads {
            let lane = match environment.lane_of_branch(&branch) {
                // What all lanes propose together is of none of them.
                Some(LaneBranch::Proposed(_)) if environment.is_bundle() => continue,
                Some(LaneBranch::Proposed(lane) | LaneBranch::Rollback(lane) | LaneBranch::Restore(lane))
                    if !known.contains(&lane) =>
                {
                    lane
                }
                _ => continue,
            };
            let pull_requests = view.pull_requests(context, &branch, &environment.branch).await?;
            if pull_requests.iter().any(|pull_request| pull_request.state == PullRequestState::Open) {
                known.insert(lane);
            }
        }
    }
    if known.is_empty() {
        known.insert(LaneName::single());
    }
    Ok(known)
}

/// Returns the labels of all roots at the newest dry SHA on the line whose roots were found.
fn newest_rendered(hydrations: &BTreeMap<DrySha, EnvironmentHydration>, line: &DryLine) -> Option<RootLabels> {
    let found = hydrations.iter().filter_map(|(dry, hydration)| match hydration {
        EnvironmentHydration::Done(roots) if line.contains(dry) => Some((line.position(dry), &roots.labels)),
        _ => None,
    });
    found.max_by_key(|(position, _)| *position).map(|(_, labels)| labels.clone())
}

/// Assigns every root of a history to a lane.
fn assign(
    lanes: &Lanes,
    history: &[(BranchCommit, Arc<Owned>)],
    rendered: &RootLabels,
) -> BTreeMap<RootName, LaneName> {
    let mut of = BTreeMap::new();
    if lanes.label().is_none() {
        return of;
    }
    for (_, owned) in history {
        for (root, labels) in &owned.labels {
            if of.contains_key(root) {
                continue;
            }
            let by_rendering = || lanes.of(root, rendered.get(root)?).ok();
            let lane = lanes.of(root, labels).ok().or_else(by_rendering).unwrap_or_else(LaneName::single);
            of.insert(root.clone(), lane);
        }
    }
    of
}

/// Returns the roots whose folders a merge left otherwise than the merged commit has them, or nothing when the
/// trees are the same or nothing was merged.
fn unlike(repository: &Repository, commit: &BranchCommit, owned: &Owned) -> Option<BTreeSet<RootName>> {
    commit.merged.filter(|_| commit.merged_tree != Some(commit.tree))?;
    let roots = || owned.content.iter().map(|(root, _)| root);
    let differing = commit.merged_tree.and_then(|tree| tree::differing(repository, commit.tree, tree, roots()).ok());
    Some(differing.unwrap_or_else(|| roots().cloned().collect()))
}
