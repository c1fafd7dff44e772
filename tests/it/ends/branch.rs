//! What became of an active branch: its commits, lane by lane.
//!
//! - In which order lanes are merged nobody promises. So commits are compared within their lane, each with what it
//!   changed; what the branch holds in the end is compared as a whole.
//! - A record of verification stands on any of the commits that a lane ran the same in, and is compared once for it.
//! - An approval that a merge rests on must have been given to the head that was merged.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use git2::{DiffOptions, Oid};
use hydromote::local_forge::Repository;
use serde_json::Value;

use super::newest_of;
use crate::world::Fallible;

/// The lane of strategies without lanes, and of commits that several share.
const UNDIVIDED: &str = "default";

/// Files by their paths; nothing where one was deleted.
type Files = BTreeMap<String, Option<String>>;

/// A commit of an active branch.
struct Commit {
    id: String,
    trailers: Vec<(String, String)>,
    /// What it changed of what the branch held before.
    changed: Files,
}

/// Returns what became of the branch of an environment, a fact a line.
pub(super) fn read(git: &Path, forge: &Repository, environment: &str) -> Fallible<Vec<String>> {
    let git = git2::Repository::open_bare(git)?;
    let head = forge.branch(&format!("env/{environment}")).ok_or("the branch is gone")?;
    let commits = commits(&git, head)?;
    let mut facts = vec![format!("env/{environment} holds {:?}", held(&git, head)?)];
    let lanes: BTreeSet<&str> = commits.iter().flat_map(Commit::lanes).collect();
    if lanes.iter().all(|lane| *lane == UNDIVIDED) {
        facts.extend(runs(forge, &commits, |_| Some(UNDIVIDED)).map(|fact| format!("env/{environment} {fact}")));
        return Ok(facts);
    }
    for lane in lanes {
        let of_lane = runs(forge, &commits, |commit| commit.lanes().into_iter().find(|other| *other == lane));
        facts.extend(of_lane.map(|fact| format!("env/{environment} {fact}")));
    }
    let nobodys = commits.iter().filter(|commit| commit.lanes().is_empty());
    facts.extend(nobodys.map(|commit| format!("env/{environment} without a lane changed {:?}", commit.changed)));
    Ok(facts)
}

/// Returns what each commit brought to one lane, oldest first, and whether it was verified as long as that ran.
fn runs<'c>(
    forge: &Repository,
    commits: &'c [Commit],
    lane_in: impl Fn(&'c Commit) -> Option<&'c str>,
) -> impl Iterator<Item = String> {
    let mut runs: Vec<(&str, &Commit, Vec<&str>)> = Vec::new();
    for commit in commits {
        match (lane_in(commit), runs.last_mut()) {
            (Some(lane), _) => runs.push((lane, commit, vec![&commit.id])),
            (None, Some((_, _, heads))) => heads.push(&commit.id),
            (None, None) => {}
        }
    }
    let facts: Vec<String> = runs
        .iter()
        .enumerate()
        .map(|(at, (lane, commit, heads))| {
            let (key, of_lane) = match *lane {
                UNDIVIDED => ("hydromote/verified".to_owned(), String::new()),
                lane => (format!("hydromote/verified/{lane}"), format!("{lane} ")),
            };
            let record = newest_of(forge, heads, &key);
            format!("{of_lane}{at}: {}, record {record:?}", commit.brought(forge, lane))
        })
        .collect();
    facts.into_iter()
}

impl Commit {
    fn trailer(&self, key: &str) -> Option<&str> {
        self.all(key).last()
    }

    fn all<'c>(&'c self, key: &str) -> impl DoubleEndedIterator<Item = &'c str> {
        self.trailers.iter().filter(move |(other, _)| other == key).map(|(_, value)| value.as_str())
    }

    /// Returns the lanes that it brings something to; none when it is not ours.
    fn lanes(&self) -> Vec<&str> {
        let parts: Vec<&str> = self.parts().map(|(lane, _)| lane).collect();
        if parts.is_empty() { self.trailer("Hydromote-Lane").into_iter().collect() } else { parts }
    }

    fn parts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.all("Hydromote-Part").filter_map(|part| part.split_once(' '))
    }

    /// Says what it brought to a lane, on whose word, and what it changed in all.
    fn brought(&self, forge: &Repository, lane: &str) -> String {
        let own = || self.trailer("Hydromote-Dry-Sha").unwrap_or("none");
        let dry = self.parts().find(|(other, _)| *other == lane).map_or_else(own, |(_, dry)| dry);
        let from = self.trailer("Hydromote-Rollback-From").unwrap_or("none");
        let parts: Vec<_> = self.parts().collect();
        let approvals: Vec<String> = self.approvals(forge).collect();
        let changed: BTreeMap<_, _> = match lane {
            UNDIVIDED => self.changed.iter().collect(),
            // A file at the root of the branch tells of the newest commit of all lanes.
            _ => self.changed.iter().filter(|(path, _)| path.contains('/')).collect(),
        };
        format!("got {dry} in {parts:?}, rolled back from {from}, approved {approvals:?}, changed {changed:?}")
    }

    /// Says for each approval that it rests on whether it was given to what was merged.
    fn approvals(&self, forge: &Repository) -> impl Iterator<Item = String> {
        let proposed = self.trailer("Hydromote-Proposed-Sha");
        let gates = self.all("Hydromote-Gate").filter_map(|gate| serde_json::from_str::<Value>(gate).ok());
        gates.filter(|gate| gate["gate"] == "approval").map(move |gate| {
            let review = forge.reviews.iter().find(|review| gate["review"] == review.id);
            let is_of_it = review.is_some_and(|review| Some(review.commit_id.as_str()) == proposed);
            format!("by {} {}", gate["by"], if is_of_it { "on this head" } else { "on ANOTHER head" })
        })
    }
}

/// Returns the first-parent history of a commit, oldest first.
fn commits(git: &git2::Repository, head: &str) -> Fallible<Vec<Commit>> {
    let mut commits = Vec::new();
    let mut next = Some(git.find_commit(Oid::from_str(head)?)?);
    while let Some(commit) = next {
        let message = String::from_utf8_lossy(commit.message_bytes()).into_owned();
        let trailers = message.lines().filter_map(|line| line.split_once(": "));
        let trailers = trailers.filter(|(key, _)| key.starts_with("Hydromote-"));
        commits.push(Commit {
            id: commit.id().to_string(),
            trailers: trailers.map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
            changed: changed(git, &commit)?,
        });
        next = commit.parent(0).ok();
    }
    commits.reverse();
    Ok(commits)
}

/// Returns what a commit changed of its first parent.
fn changed(git: &git2::Repository, commit: &git2::Commit<'_>) -> Fallible<Files> {
    let before = commit.parent(0).ok().map(|parent| parent.tree()).transpose()?;
    let diff = git.diff_tree_to_tree(before.as_ref(), Some(&commit.tree()?), Some(&mut DiffOptions::new()))?;
    let text = |file: git2::DiffFile<'_>| -> Option<String> {
        let blob = file.exists().then(|| git.find_blob(file.id()).ok()).flatten()?;
        Some(String::from_utf8_lossy(blob.content()).into_owned())
    };
    let path = |delta: &git2::DiffDelta<'_>| {
        let path = delta.new_file().path().or_else(|| delta.old_file().path());
        path.map(|path| path.display().to_string()).unwrap_or_default()
    };
    Ok(diff.deltas().map(|delta| (path(&delta), text(delta.new_file()))).collect())
}

/// Returns the files of a commit.
fn held(git: &git2::Repository, head: &str) -> Fallible<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    git.find_commit(Oid::from_str(head)?)?.tree()?.walk(git2::TreeWalkMode::PreOrder, |folder, entry| {
        if let Ok(blob) = git.find_blob(entry.id()) {
            let name = format!("{folder}{}", entry.name().unwrap_or_default());
            files.insert(name, String::from_utf8_lossy(blob.content()).into_owned());
        }
        git2::TreeWalkResult::Ok
    })?;
    Ok(files)
}
