//! Reads an active branch as what ran on it.
//!
//! - A *run* is a stretch of first-parent history over which the content stayed the same. It
//!   begins with a commit that holds the tree of a proposal of ours, whoever merged it and by
//!   whichever method.
//! - Trailers alone prove nothing about a dry SHA that we have hydrated: people copy messages. They
//!   count only with the content that was hydrated.
//! - A commit by somebody else that touches nothing we own belongs to the run that it stands on.
//! - One that changes what we own, be it back to what ran before, is *drift*, until the content is again what the run held or a
//!   proposal of ours is merged on it.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    domain::{
        content::Content,
        hydration::Hydration,
        ids::{ActiveSha, DrySha, Place, ProposedSha, StrategyName, TreeId},
        rollback::{self, Restored},
        snapshot::{ActiveCommit, Drift, Run},
    },
    git::{history::BranchCommit, trailers::Trailers, tree::Owned},
    store::PlaceNote,
};

/// When commits that came onto a branch by a fast-forward were first seen there, where the forge knows of no merge.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FirstSeen(pub BTreeMap<String, Timestamp>);

impl PlaceNote for FirstSeen {
    const KIND: &'static str = "first_seen";
}

/// What is known about proposals of one place.
#[derive(Debug, Default)]
pub struct KnownProposals {
    /// The dry SHA that each proposed tree stands for.
    pub trees: BTreeMap<TreeId, DrySha>,
    /// The dry SHA that each proposed commit stands for.
    pub commits: BTreeMap<ProposedSha, DrySha>,
    /// When the pull request with each head was merged.
    pub merged_at: BTreeMap<String, Timestamp>,
    /// When commits that came by a fast-forward were first seen on the branch.
    pub seen_at: FirstSeen,
    /// What came of hydrating dry SHAs for the place.
    pub hydrations: BTreeMap<DrySha, Hydration>,
}

/// What ran on an active branch.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct BranchReading {
    /// Newest first.
    pub runs: Vec<Run>,
    /// What somebody else changed at the head.
    pub drift: Option<Drift>,
}

/// Reads the first-parent history of an active branch, newest first, with what we own in each tree.
pub fn read_branch(
    strategy: &StrategyName,
    place: &Place,
    history: &[(BranchCommit, Arc<Owned>)],
    known: &KnownProposals,
) -> BranchReading {
    let mut runs: Vec<Run> = Vec::new();
    let mut drift = None;
    for (commit, owned) in history.iter().rev() {
        let holds = runs.last().map(|run| run.content == owned.content);
        if holds == Some(true) || (holds.is_none() && owned.content.is_empty()) {
            if let Some(run) = runs.last_mut() {
                run.ended_at = None;
                run.commits.insert(0, active_commit(commit, known));
            }
            drift = None;
        } else if let Some((dry, restored)) = brought(strategy, place, commit, &owned.content, &runs, known) {
            drift = None;
            let brought = active_commit(commit, known);
            end(runs.last_mut(), brought.arrived_at);
            runs.push(Run {
                dry,
                content: owned.content.clone(),
                commits: vec![brought],
                record: None,
                reports: Vec::new(),
                ended_at: None,
                restored,
            });
        } else if drift.is_none() {
            end(runs.last_mut(), commit.committed_at);
            let last = runs.last().map(|run| run.content.clone()).unwrap_or_default();
            drift = Some(Drift {
                commit: active_sha(commit),
                author: commit.author.clone(),
                outputs: last.differing(&owned.content).into_iter().map(ToString::to_string).collect(),
            });
        }
    }
    runs.reverse();
    BranchReading { runs, drift }
}

/// Notes that other content took the place of a run, when nothing did before.
fn end(run: Option<&mut Run>, at: Timestamp) {
    if let Some(run) = run {
        run.ended_at.get_or_insert(at);
    }
}

/// Returns the dry SHA of a commit that brought a proposal of ours, and how a rollback came about: by
/// its tree, else by trailers of its own or of the merged commit with the same tree.
///
/// A rollback brings back what ran before, and nothing else.
///
/// A commit that only looks like a proposal that has run already was made by somebody who took a
/// newer one back: we never go back by a promotion.
fn brought(
    strategy: &StrategyName,
    place: &Place,
    commit: &BranchCommit,
    content: &Content,
    runs: &[Run],
    known: &KnownProposals,
) -> Option<(DrySha, Option<Restored>)> {
    let ours = |trailers: &&Trailers| {
        trailers.origin.strategy == *strategy
            && trailers.origin.environment == place.environment
            && trailers.origin.lane == place.lane
    };
    let merged = commit.merged.and_then(|id| ProposedSha::new(id.to_string()).ok());
    let own = ProposedSha::new(commit.id.to_string()).ok();
    let tree = TreeId::new(commit.tree.to_string()).ok()?;
    let by_commit = merged.iter().chain(&own).find_map(|sha| known.commits.get(sha));
    let by_tree = known.trees.get(&tree).map(|by_tree| by_commit.unwrap_or(by_tree));
    let running = runs.last().map(|run| run.content.clone()).unwrap_or_default();
    let as_hydrated = |trailers: &&Trailers| match known.hydrations.get(&trailers.dry) {
        Some(hydration) => hydration.content_over(&running).as_ref() == Some(content),
        None => true,
    };
    let trailers = commit.merged_trailers.as_ref().filter(ours).or(commit.trailers.as_ref().filter(ours));
    let ran_before = |restored: &Restored| {
        runs.iter().any(|run| rollback::restored(&running, &run.content, &restored.roots) == *content)
    };
    if let Some(restored) = trailers.and_then(|trailers| trailers.restored.clone()).filter(ran_before) {
        return trailers.map(|trailers| (trailers.dry.clone(), Some(restored)));
    }
    let dry = by_tree.or(trailers.filter(as_hydrated).map(|t| &t.dry))?;
    // After a rollback what it left may be promoted again; our own message says that it was.
    let promoted_again = runs.last().is_some_and(|run| run.restored.is_some())
        && trailers.is_some_and(|trailers| trailers.dry == *dry && trailers.restored.is_none());
    let taken_back =
        by_commit.is_none() && commit.merged.is_none() && !promoted_again && runs.iter().any(|run| run.dry == *dry);
    (!taken_back).then(|| (dry.clone(), None))
}

fn active_commit(commit: &BranchCommit, known: &KnownProposals) -> ActiveCommit {
    let existed_before = came_by_fast_forward(commit, &known.commits);
    let id = commit.id.to_string();
    // Its own date is the dry commit's, and says nothing of when it came here.
    let arrived_at = known.merged_at.get(&id).or(known.seen_at.0.get(&id)).filter(|_| existed_before);
    ActiveCommit {
        sha: active_sha(commit),
        arrived_at: arrived_at.copied().unwrap_or(commit.committed_at),
        existed_before,
    }
}

/// Says whether a commit of an active branch is a proposed commit itself.
pub fn came_by_fast_forward(commit: &BranchCommit, proposed: &BTreeMap<ProposedSha, DrySha>) -> bool {
    let id = ProposedSha::new(commit.id.to_string()).ok();
    commit.composed_by_us || id.is_some_and(|sha| proposed.contains_key(&sha))
}

/// Returns the active SHA of a commit.
pub fn active_sha(commit: &BranchCommit) -> ActiveSha {
    ActiveSha::new(commit.id.to_string()).expect("because git's ids are hexadecimal")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use git2::Oid;

    use super::*;
    use crate::domain::{
        content::Content,
        ids::{EnvironmentName, LaneName, RenderingId, RootName},
    };
    use crate::git::metadata::Origin;

    fn id(n: u8) -> Oid {
        Oid::from_bytes(&[n; 20]).expect("twenty bytes")
    }

    fn commit(n: u8, tree: u8, owned: Option<&str>) -> (BranchCommit, Arc<Owned>) {
        let commit = BranchCommit {
            id: id(n),
            tree: id(tree),
            parent: (n > 1).then(|| id(n - 1)),
            merged: None,
            trailers: None,
            merged_trailers: None,
            committed_at: Timestamp::from_second(i64::from(n)).expect("a time"),
            author: "developer".into(),
            composed_by_us: false,
        };
        let content: Content = owned
            .iter()
            .map(|r| (RootName::new("shop").expect("a folder"), RenderingId::new(*r).expect("an id")))
            .collect();
        (commit, Arc::new(Owned { content, ..Owned::default() }))
    }

    fn read(oldest_first: Vec<(BranchCommit, Arc<Owned>)>) -> BranchReading {
        let place = Place { environment: EnvironmentName::new("dev").expect("a name"), lane: LaneName::single() };
        let trees = [(1, "dry-1"), (2, "dry-2")]
            .map(|(n, dry)| (TreeId::new(id(n).to_string()).expect("an id"), DrySha::new(dry).expect("a word")));
        let known = KnownProposals { trees: trees.into(), ..Default::default() };
        let newest_first: Vec<_> = oldest_first.into_iter().rev().collect();
        read_branch(&StrategyName::new("shop").expect("a name"), &place, &newest_first, &known)
    }

    #[test]
    fn a_foreign_commit_that_touches_nothing_of_ours_belongs_to_the_run() {
        let reading = read(vec![commit(1, 9, None), commit(2, 1, Some("a")), commit(3, 8, Some("a"))]);
        assert_eq!(reading.drift, None);
        assert_eq!(reading.runs.len(), 1);
        assert_eq!(reading.runs[0].commits.len(), 2);
        assert_eq!(reading.runs[0].since(), Timestamp::from_second(2).expect("a time"));
    }

    #[test]
    fn a_foreign_change_of_our_files_is_drift_until_it_is_taken_back() {
        let drifted = vec![commit(2, 1, Some("a")), commit(3, 8, Some("hand")), commit(4, 7, Some("hand2"))];
        let reading = read(drifted.clone());
        assert_eq!(reading.drift.as_ref().map(|d| d.commit.as_str()), Some(id(3).to_string().as_str()));
        assert_eq!(reading.runs.len(), 1);
        let healed = drifted.into_iter().chain([commit(5, 6, Some("a"))]).collect();
        assert_eq!(read(healed).drift, None);
    }

    #[test]
    fn what_somebody_takes_back_by_hand_is_drift() {
        let promoted = vec![commit(2, 1, Some("a")), commit(3, 2, Some("b"))];
        let reverted = promoted.into_iter().chain([commit(4, 1, Some("a"))]).collect();
        let reading = read(reverted);
        assert_eq!(reading.drift.map(|d| d.commit.to_string()), Some(id(4).to_string()));
        assert_eq!(reading.runs.first().map(|r| r.dry.as_str()), Some("dry-2"));
    }

    #[test]
    fn copied_trailers_do_not_make_a_promotion_of_other_content() {
        let place = Place { environment: EnvironmentName::new("dev").expect("a name"), lane: LaneName::single() };
        let strategy = StrategyName::new("shop").expect("a name");
        let dry = DrySha::new("dry-1").expect("a word");
        let origin =
            Origin { strategy: strategy.clone(), environment: place.environment.clone(), lane: LaneName::single() };
        let (mut tampered, owned) = commit(2, 9, Some("hand"));
        tampered.trailers = Some(Trailers::of_promotion(dry.clone(), origin));
        let history = [(tampered, owned), commit(1, 8, None)];
        let unknown = KnownProposals::default();
        assert_eq!(read_branch(&strategy, &place, &history, &unknown).drift, None, "all that is left is the message");
        let content = commit(1, 1, Some("a")).1.content.clone();
        let hydrated = Hydration::Done { content, kept: BTreeMap::new(), elsewhere: BTreeSet::new() };
        let known = KnownProposals { hydrations: BTreeMap::from([(dry, hydrated)]), ..Default::default() };
        assert!(read_branch(&strategy, &place, &history, &known).drift.is_some());
    }

    #[test]
    fn a_squash_merge_is_known_by_its_tree() {
        let reading = read(vec![commit(2, 1, Some("a")), commit(3, 2, Some("b"))]);
        assert_eq!(reading.runs.iter().map(|r| r.dry.as_str()).collect::<Vec<_>>(), ["dry-2", "dry-1"]);
    }
}
