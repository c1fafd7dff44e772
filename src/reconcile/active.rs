//! Reads an active branch as what ran on it.
//!
//! - A *run* is a stretch of first-parent history over which the content stayed the same. It
//!   begins with a commit that holds the tree of a proposal of ours, whoever merged it and by
//!   whichever method.
//! - Everything is seen from one lane: what others brought changes nothing in it, unless roots moved between
//!   lanes, or lanes were turned on or off. Then what the commit's own lane brought is told by its trailers, and
//!   the run came about *beside* this lane.
//! - Trailers alone prove nothing about a dry SHA that we have hydrated: people copy messages. They
//!   count only with the content that was hydrated.
//! - A commit that takes a branch over begins the first run on it, whatever it holds.
//! - A commit by somebody else that touches nothing we own belongs to the run that it stands on.
//! - One that changes what we own, be it back to what ran before, is *drift*, until the content is again what the run held, a
//!   proposal of ours is merged on it, or a person adopts it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::lanes::LaneCommit;
use crate::{
    domain::{
        adoption::TakenOver,
        content::Content,
        drift::{Adoption, Drift},
        hydration::{EnvironmentHydration, Hydration},
        ids::{ActiveSha, DrySha, LaneName, Place, ProposedSha, StrategyName, TreeId},
        rollback::{self, Restored},
        snapshot::{ActiveCommit, Run},
    },
    git::{history::BranchCommit, trailers::Trailers, tree::tree_id},
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
    /// The same as the branch is divided now, of those that were hydrated before a root moved between lanes.
    pub redivided: BTreeMap<DrySha, Hydration>,
    /// What came of hydrating dry SHAs for all lanes of its environment.
    pub rendered: Arc<BTreeMap<DrySha, EnvironmentHydration>>,
    /// What people adopted, by the commit that brought it.
    pub adopted: BTreeMap<ActiveSha, Adoption>,
}

/// What ran on an active branch.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct BranchReading {
    /// Newest first.
    pub runs: Vec<Run>,
    /// What somebody else changed at the head.
    pub drift: Option<Drift>,
}

/// Reads the first-parent history of an active branch, newest first, as one lane sees it.
pub fn read_branch(
    strategy: &StrategyName,
    place: &Place,
    history: &[LaneCommit],
    known: &KnownProposals,
) -> BranchReading {
    let mut runs: Vec<Run> = Vec::new();
    let mut drift: Option<Drift> = None;
    let mut before = &Content::default();
    for seen in history.iter().rev() {
        let LaneCommit { commit, content, .. } = seen;
        let changed = *content != *std::mem::replace(&mut before, content);
        let holds = runs.last().map(|run| run.content == *content);
        if holds == Some(true) || (holds.is_none() && content.is_empty()) {
            if let Some(run) = runs.last_mut() {
                run.ended_at = None;
                run.commits.insert(0, active_commit(commit, known));
            }
            drift = None;
        } else if let Some(adoption) = taken_over(strategy, place, seen, &runs, known) {
            drift = None;
            runs.push(Run {
                dry: adoption.0,
                content: content.clone(),
                commits: vec![active_commit(commit, known)],
                record: None,
                reports: Vec::new(),
                roots: Vec::new(),
                ended_at: None,
                restored: None,
                beside: false,
                taken_over: Some(adoption.1),
                adopted: None,
            });
        } else if let Some(Brought { dry, restored, beside }) = brought(strategy, place, seen, &runs, known) {
            drift = None;
            let brought = active_commit(commit, known);
            end(runs.last_mut(), brought.arrived_at);
            runs.push(Run {
                dry,
                content: content.clone(),
                commits: vec![brought],
                record: None,
                reports: Vec::new(),
                roots: Vec::new(),
                ended_at: None,
                restored,
                beside,
                adopted: None,
                taken_over: None,
            });
        } else if changed || drift.is_none() {
            end(runs.last_mut(), commit.committed_at);
            let mut drifted = Drift::of_commit(
                active_sha(commit),
                commit.author.clone(),
                outputs(runs.last(), content),
                runs.last().and_then(Run::as_promoted),
            );
            drifted.hydrator = commit.hydrator;
            if let Some(adoption) = known.adopted.get(&drifted.newest) {
                drift = None;
                adopt(&mut runs, active_commit(commit, known), content.clone(), adoption);
                continue;
            }
            if let Some(begun) = drift {
                (drifted.commit, drifted.author) = (begun.commit, begun.author);
            }
            drift = Some(drifted);
        }
    }
    runs.reverse();
    BranchReading { runs, drift }
}

/// Returns the outputs that are not what a run holds.
pub fn outputs(run: Option<&Run>, content: &Content) -> Vec<String> {
    let promoted = run.map(|run| run.content.clone()).unwrap_or_default();
    promoted.differing(content).into_iter().map(ToString::to_string).collect()
}

/// Returns the commit since which a lane holds what it does at the head.
pub fn since_when(newest_first: &[LaneCommit]) -> Option<&LaneCommit> {
    let head = newest_first.first()?;
    newest_first.iter().take_while(|seen| seen.content == head.content).last()
}

/// Has run what a person adopted after a forced push had brought something back that ran before: by itself
/// the branch does not tell it from that.
pub fn adopt_what_was_forced(newest_first: &[LaneCommit], known: &KnownProposals, reading: &mut BranchReading) {
    let Some(since) = since_when(newest_first).filter(|_| reading.drift.is_none()) else { return };
    let id = active_sha(&since.commit);
    let Some(adoption) = known.adopted.get(&id).filter(|adoption| adoption.lost.is_some()) else { return };
    let mut oldest_first: Vec<Run> = std::mem::take(&mut reading.runs).into_iter().rev().collect();
    let was = oldest_first.pop_if(|run| run.brought_by() == Some(&id));
    if oldest_first.last().or(was.as_ref()).is_none_or(|run| run.adopted.is_none()) {
        adopt(&mut oldest_first, active_commit(&since.commit, known), since.content.clone(), adoption);
    }
    if let (Some(adopted), Some(was)) = (oldest_first.last_mut(), was) {
        adopted.commits = was.commits;
    }
    oldest_first.reverse();
    reading.runs = oldest_first;
}

/// Adds what a person adopted, over the newest of `runs`.
fn adopt(runs: &mut Vec<Run>, commit: ActiveCommit, content: Content, adoption: &Adoption) {
    let lost = adoption.lost.as_ref().map(|lost| &lost.dry);
    let Some(dry) = lost.or(runs.last().map(|run| &run.dry)).cloned() else { return };
    runs.push(Run {
        dry,
        content,
        commits: vec![commit],
        record: None,
        reports: Vec::new(),
        roots: Vec::new(),
        ended_at: None,
        restored: None,
        beside: false,
        adopted: Some(adoption.clone()),
        taken_over: None,
    });
}

/// Notes that other content took the place of a run, when nothing did before.
fn end(run: Option<&mut Run>, at: Timestamp) {
    if let Some(run) = run {
        run.ended_at.get_or_insert(at);
    }
}

/// How a commit brought content.
struct Brought {
    dry: DrySha,
    restored: Option<Restored>,
    beside: bool,
}

/// Returns the dry SHA of a commit that brought a proposal of ours, and how a rollback came about: by
/// its tree, else by trailers of its own or of the merged commit with the same content.
///
/// A rollback brings back what ran before, and nothing else.
///
/// A commit that only looks like a proposal that has run already was made by somebody who took a
/// newer one back: we never go back by a promotion.
fn brought(
    strategy: &StrategyName,
    place: &Place,
    seen: &LaneCommit,
    runs: &[Run],
    known: &KnownProposals,
) -> Option<Brought> {
    let LaneCommit { commit, content, is_as_merged } = seen;
    let of_environment = |trailers: &&Trailers| {
        trailers.origin.strategy == *strategy && trailers.origin.environment == place.environment
    };
    let ours = |trailers: &&Trailers| of_environment(trailers) && trailers.dry_of(&place.lane).is_some();
    let merged = commit.merged.filter(|_| *is_as_merged).and_then(|id| ProposedSha::new(id.to_string()).ok());
    let merged_trailers = commit.merged_trailers.as_ref().filter(|_| *is_as_merged);
    let own = ProposedSha::new(commit.id.to_string()).ok();
    let tree = TreeId::new(commit.tree.to_string()).ok()?;
    let by_commit = merged.iter().chain(&own).find_map(|sha| known.commits.get(sha));
    let by_tree = by_commit.or_else(|| known.trees.get(&tree));
    let running = runs.last().map(|run| run.content.clone()).unwrap_or_default();
    let gives = |hydration: &Hydration| hydration.content_over(&running).as_ref() == Some(content);
    let as_hydrated = |dry: &&DrySha| match known.hydrations.get(*dry) {
        Some(hydration) => gives(hydration) || known.redivided.get(*dry).is_some_and(gives),
        None => true,
    };
    let trailers = merged_trailers.filter(ours).or(commit.trailers.as_ref().filter(ours));
    let told = trailers.and_then(|trailers| trailers.dry_of(&place.lane));
    let ran_before = |restored: &Restored| {
        runs.iter().any(|run| rollback::restored(&running, &run.content, &restored.roots) == *content)
    };
    if let Some(restored) = trailers.and_then(|trailers| trailers.restored.clone()).filter(ran_before) {
        return trailers.map(|trailers| Brought { dry: trailers.dry.clone(), restored: Some(restored), beside: false });
    }
    let Some(dry) = by_tree.or(told.filter(as_hydrated)) else {
        let of_others = merged_trailers.or(commit.trailers.as_ref()).filter(of_environment).filter(|t| !ours(t))?;
        // Before lanes were turned on all roots travelled together.
        if of_others.dry_of(&LaneName::single()).filter(as_hydrated).is_some() {
            return Some(Brought { dry: of_others.dry.clone(), restored: None, beside: false });
        }
        let explains = |dry: &&DrySha| is_rendered(known.rendered.get(*dry), &running, content);
        let dry = of_others.dries().map(|(_, dry)| dry).find(explains)?;
        return Some(Brought { dry: dry.clone(), restored: None, beside: true });
    };
    // After a rollback what it left may be promoted again; our own message says that it was.
    let promoted_again = runs.last().is_some_and(|run| run.restored.is_some())
        && trailers.is_some_and(|trailers| told == Some(dry) && trailers.restored.is_none());
    let taken_back = by_commit.is_none()
        && commit.merged.is_none()
        && !promoted_again
        && runs.iter().any(|run| run.dry == *dry && !run.beside);
    (!taken_back).then(|| Brought { dry: dry.clone(), restored: None, beside: false })
}

/// Returns the dry SHAs that commits of an active branch name which are no proposals that are known.
pub fn claimed(place: &Place, history: &[LaneCommit], known: &KnownProposals) -> BTreeSet<DrySha> {
    let is_known = |commit: &BranchCommit| {
        let ids = commit.merged.into_iter().chain([commit.id]).filter_map(|id| ProposedSha::new(id.to_string()).ok());
        ids.into_iter().any(|id| known.commits.contains_key(&id)) || known.trees.contains_key(&tree_id(commit.tree))
    };
    let unknown = history.iter().map(|seen| &seen.commit).filter(|commit| !is_known(commit));
    let trailers = unknown.flat_map(|commit| commit.trailers.iter().chain(&commit.merged_trailers));
    trailers.filter_map(|trailers| trailers.dry_of(&place.lane)).cloned().collect()
}

/// Says whether each root that differs is as it was rendered, as far as that is known.
fn is_rendered(rendered: Option<&EnvironmentHydration>, before: &Content, after: &Content) -> bool {
    match rendered {
        Some(EnvironmentHydration::Done(roots)) => {
            before.differing(after).into_iter().all(|root| roots.content.get(root) == after.get(root))
        }
        Some(EnvironmentHydration::Failed(_)) => false,
        None => true,
    }
}

/// Returns the dry SHA that a commit which takes the branch over counts as.
///
/// That is for branches on which nothing of ours ran yet: anywhere else the words of a commit do not
/// make what it holds a run.
fn taken_over(
    strategy: &StrategyName,
    place: &Place,
    seen: &LaneCommit,
    runs: &[Run],
    known: &KnownProposals,
) -> Option<(DrySha, TakenOver)> {
    let LaneCommit { commit, content, is_as_merged } = seen;
    let is_here = |trailers: &&Trailers| {
        trailers.origin.strategy == *strategy && trailers.origin.environment == place.environment
    };
    let merged = commit.merged_trailers.as_ref().filter(|_| *is_as_merged);
    let trailers = merged.or(commit.trailers.as_ref()).filter(is_here)?;
    let said = trailers.taken_over.filter(|_| runs.is_empty())?;
    let hydrated = known.hydrations.get(&trailers.dry);
    let is_other = hydrated.is_some_and(|known| known.content_over(content).as_ref() != Some(content));
    Some((trailers.dry.clone(), if is_other { TakenOver::Differing } else { said }))
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
        bundle::Part,
        content::Content,
        ids::{EnvironmentName, LaneName, RenderingId, RootName},
    };
    use crate::git::metadata::Origin;

    fn id(n: u8) -> Oid {
        Oid::from_bytes(&[n; 20]).expect("twenty bytes")
    }

    fn commit(n: u8, tree: u8, owned: Option<&str>) -> LaneCommit {
        let commit = BranchCommit {
            id: id(n),
            tree: id(tree),
            parent: (n > 1).then(|| id(n - 1)),
            merged: None,
            merged_tree: None,
            trailers: None,
            merged_trailers: None,
            committed_at: Timestamp::from_second(i64::from(n)).expect("a time"),
            author: "developer".into(),
            hydrator: None,
            composed_by_us: false,
        };
        let content: Content = owned
            .iter()
            .map(|r| (RootName::new("shop").expect("a folder"), RenderingId::new(*r).expect("an id")))
            .collect();
        LaneCommit { commit, content, is_as_merged: false }
    }

    fn read(oldest_first: Vec<LaneCommit>) -> BranchReading {
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
        let mut tampered = commit(2, 9, Some("hand"));
        tampered.commit.trailers = Some(Trailers::of_promotion(dry.clone(), origin));
        let history = [tampered, commit(1, 8, None)];
        let unknown = KnownProposals::default();
        assert_eq!(read_branch(&strategy, &place, &history, &unknown).drift, None, "all that is left is the message");
        let content = commit(1, 1, Some("a")).content;
        let hydrated = Hydration::Done { content, kept: BTreeMap::new(), elsewhere: BTreeSet::new() };
        let known = KnownProposals { hydrations: BTreeMap::from([(dry, hydrated)]), ..Default::default() };
        assert!(read_branch(&strategy, &place, &history, &known).drift.is_some());
    }

    #[test]
    fn a_squash_merge_is_known_by_its_tree() {
        let reading = read(vec![commit(2, 1, Some("a")), commit(3, 2, Some("b"))]);
        assert_eq!(reading.runs.iter().map(|r| r.dry.as_str()).collect::<Vec<_>>(), ["dry-2", "dry-1"]);
    }

    /// A commit of a lane, with the roots that it holds, by the trailers of our merge.
    fn of_lane(n: u8, lane: &str, dry: &str, roots: &[(&str, &str)]) -> LaneCommit {
        let mut seen = commit(n, n, None);
        let (strategy, environment) = (StrategyName::new("shop"), EnvironmentName::new("dev"));
        let origin = Origin {
            strategy: strategy.expect("a name"),
            environment: environment.expect("a name"),
            lane: LaneName::new(lane).expect("a name"),
        };
        seen.commit.trailers = Some(Trailers::of_promotion(DrySha::new(dry).expect("a word"), origin));
        let rendering = |id: &str| RenderingId::new(id).expect("an id");
        seen.content = roots.iter().map(|(r, id)| (RootName::new(*r).expect("a folder"), rendering(id))).collect();
        seen
    }

    fn seen_from(lane: &str, oldest_first: Vec<LaneCommit>) -> Vec<(String, bool)> {
        let (environment, lane) = (EnvironmentName::new("dev"), LaneName::new(lane));
        let place = Place { environment: environment.expect("a name"), lane: lane.expect("a name") };
        let newest_first: Vec<_> = oldest_first.into_iter().rev().collect();
        let strategy = StrategyName::new("shop").expect("a name");
        let reading = read_branch(&strategy, &place, &newest_first, &KnownProposals::default());
        assert_eq!(reading.drift, None);
        reading.runs.into_iter().map(|run| (run.dry.to_string(), run.beside)).collect()
    }

    /// A commit of a bundle, seen from a lane with these roots.
    fn of_bundle(n: u8, parts: &[(&str, &str)], roots: &[(&str, &str)]) -> LaneCommit {
        let mut seen = of_lane(n, "default", "dry-9", roots);
        let part = |(lane, dry): &(&str, &str)| Part {
            lane: LaneName::new(*lane).expect("a name"),
            dry: DrySha::new(*dry).expect("a word"),
            gates: Vec::new(),
        };
        let parts = parts.iter().map(part).collect();
        seen.commit.trailers = seen.commit.trailers.map(|trailers| Trailers { parts, ..trailers });
        seen
    }

    #[test]
    fn each_lane_reads_its_own_part_of_a_bundle() {
        let parts = [("cart", "dry-1"), ("pay", "dry-2")];
        assert_eq!(seen_from("cart", vec![of_bundle(1, &parts, &[("cart", "a")])]), [("dry-1".to_owned(), false)]);
        assert_eq!(seen_from("pay", vec![of_bundle(1, &parts, &[("pay", "a")])]), [("dry-2".to_owned(), false)]);
        // It was no part of it: the root came over from a lane that was.
        assert_eq!(seen_from("web", vec![of_bundle(1, &parts, &[("cart", "a")])]), [("dry-1".to_owned(), true)]);
    }

    #[test]
    fn what_came_before_lanes_were_turned_on_is_the_content_of_its_dry_sha() {
        let history =
            vec![of_lane(1, "default", "dry-1", &[("cart", "a")]), of_lane(2, "cart", "dry-2", &[("cart", "b")])];
        assert_eq!(seen_from("cart", history), [("dry-2".to_owned(), false), ("dry-1".to_owned(), false)]);
    }

    #[test]
    fn a_root_that_was_taken_over_brings_its_past_along_and_that_is_of_no_dry_sha() {
        let history = vec![
            of_lane(1, "shop", "dry-1", &[("jobs", "a")]),
            of_lane(2, "money", "dry-1", &[("jobs", "a"), ("pay", "a")]),
            of_lane(3, "shop", "dry-2", &[("jobs", "b"), ("pay", "a")]),
            of_lane(4, "money", "dry-3", &[("jobs", "b"), ("pay", "c")]),
        ];
        let runs = seen_from("money", history);
        let expected = [("dry-3", false), ("dry-2", true), ("dry-1", false), ("dry-1", true)];
        assert_eq!(runs, expected.map(|(dry, beside)| (dry.to_owned(), beside)));
    }
}
