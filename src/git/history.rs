//! Histories: the dry line, and what an active branch went through.

use git2::{Commit, Oid, Repository};
use jiff::Timestamp;

use super::{GitError, compose::COMMITTER, mirror::LocalName, other_hydrator, trailers::Trailers};
use crate::domain::{adoption::OtherHydrator, ids::DrySha, line::DryLine};

/// How much of a first-parent history is read: older dry SHAs are older than everything that counts.
const LINE_LIMIT: usize = 5_000;

/// How many commits of an active branch are looked at.
const ACTIVE_LIMIT: usize = 200;

/// A commit of an environment branch, with what is known from itself.
#[derive(Debug, Clone)]
pub struct BranchCommit {
    /// Its id.
    pub id: Oid,
    /// Its tree.
    pub tree: Oid,
    /// The commit before it on the branch.
    pub parent: Option<Oid>,
    /// The commit that was merged by it: the second parent.
    pub merged: Option<Oid>,
    /// That commit's tree.
    pub merged_tree: Option<Oid>,
    /// Trailers of its own message.
    pub trailers: Option<Trailers>,
    /// Trailers of the merged commit.
    pub merged_trailers: Option<Trailers>,
    /// The committer's time.
    pub committed_at: Timestamp,
    /// The author's name.
    pub author: String,
    /// The other hydrator that made it, where it was one.
    pub hydrator: Option<OtherHydrator>,
    /// Whether it is a commit that we composed, exactly as it is: on an active branch it came by a fast-forward, and existed before.
    pub composed_by_us: bool,
}

/// A dry commit as people wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DryCommit {
    /// The commit.
    pub sha: DrySha,
    /// `Name <mail>`.
    pub author: String,
    /// When it was authored.
    pub authored_at: Timestamp,
    /// The committer's time in seconds since 1970.
    pub committed_seconds: i64,
    /// The first line of the message.
    pub subject: String,
    /// The rest of it.
    pub body: String,
}

/// Returns the dry line and whether it was read to its beginning.
///
/// `running` are dry SHAs that run somewhere: those that left the line are placed on it.
pub fn dry_line(repository: &Repository, branch: &LocalName, running: &[DrySha]) -> Result<(DryLine, Reach), GitError> {
    let head = repository.refname_to_id(branch.as_str())?;
    let shallow = repository.path().join("shallow").exists();
    let mut newest_first = Vec::new();
    let mut current = Some(head);
    // Not by a `Revwalk`, which fails where a shallow branch was cut.
    while let Some(id) = current.filter(|_| newest_first.len() < LINE_LIMIT) {
        current = match repository.find_commit(id) {
            Ok(commit) => commit.parent_id(0).ok(),
            Err(error) if shallow && error.code() == git2::ErrorCode::NotFound && id != head => break,
            Err(error) => return Err(error.into()),
        };
        newest_first.push(id);
    }
    let known: std::collections::HashSet<Oid> = newest_first.iter().copied().collect();
    let (mut left, mut missing, mut is_short) = (Vec::new(), Vec::new(), false);
    for dry in running {
        let Ok(id) = Oid::from_str(dry.as_str()) else { continue };
        if known.contains(&id) {
            continue;
        }
        let shared = newest_shared(repository, id, &known);
        is_short |= shared.is_none() && shallow;
        if repository.find_commit(id).is_err() {
            missing.push(dry.clone());
        }
        left.push((dry.clone(), shared.map(dry_sha)));
    }
    let reach = match (is_short, missing.is_empty()) {
        (true, _) => Reach::TooShort,
        (false, true) => Reach::Enough,
        (false, false) => Reach::Missing(missing),
    };
    Ok((DryLine::new(newest_first.into_iter().rev().map(dry_sha).collect(), left), reach))
}

/// Whether the fetched part of the dry branch answers what was asked of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// It does.
    Enough,
    /// Something runs that may be older than what was fetched.
    TooShort,
    /// These run, are on no branch, and were not fetched.
    Missing(Vec<DrySha>),
}

/// Follows first parents from a commit until one that is on the line.
fn newest_shared(repository: &Repository, from: Oid, line: &std::collections::HashSet<Oid>) -> Option<Oid> {
    let mut current = repository.find_commit(from).ok();
    for _ in 0..LINE_LIMIT {
        let commit = current?;
        if line.contains(&commit.id()) {
            return Some(commit.id());
        }
        current = commit.parent(0).ok();
    }
    None
}

/// Returns the first-parent history of an active branch, newest first, or nothing when the branch
/// is not there.
pub fn active_history(repository: &Repository, branch: &LocalName) -> Result<Option<Vec<BranchCommit>>, GitError> {
    let Ok(head) = repository.refname_to_id(branch.as_str()) else { return Ok(None) };
    let mut commits = Vec::new();
    let mut current = Some(head);
    while let Some(id) = current.filter(|_| commits.len() < ACTIVE_LIMIT) {
        let Ok(commit) = repository.find_commit(id) else { break };
        let read = branch_commit(repository, &commit);
        current = read.parent;
        commits.push(read);
    }
    Ok(Some(commits))
}

/// Returns the first-parent history of a dry commit, newest first, at most so many commits.
pub fn first_parents(repository: &Repository, from: &DrySha, limit: usize) -> Result<Vec<DrySha>, GitError> {
    let mut walk = repository.revwalk()?;
    walk.simplify_first_parent()?;
    walk.push(Oid::from_str(from.as_str())?)?;
    walk.take(limit).map(|id| Ok(dry_sha(id?))).collect()
}

/// Says whether a commit of ours is in the part of an active branch's history that counts.
pub fn was_promoted_to(repository: &Repository, head: Oid) -> Result<bool, GitError> {
    let mut walk = repository.revwalk()?;
    walk.simplify_first_parent()?;
    walk.push(head)?;
    for id in walk.take(ACTIVE_LIMIT) {
        let commit = branch_commit(repository, &repository.find_commit(id?)?);
        if commit.trailers.is_some() || commit.merged_trailers.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns the head of a branch as a commit.
pub fn head_commit(repository: &Repository, branch: &LocalName) -> Result<Option<BranchCommit>, GitError> {
    let Ok(head) = repository.refname_to_id(branch.as_str()) else { return Ok(None) };
    Ok(Some(branch_commit(repository, &repository.find_commit(head)?)))
}

/// Says whether a commit is reachable from `head`; what is not here is not.
pub fn is_reachable(repository: &Repository, commit: Oid, head: Oid) -> bool {
    commit == head || repository.graph_descendant_of(head, commit).unwrap_or(false)
}

/// Work of others on a branch on which we propose.
#[derive(Debug, Clone)]
pub struct OthersWork {
    /// The newest commit of it.
    pub commit: BranchCommit,
    /// The tree that it stands on.
    pub base: Option<Oid>,
}

/// How many commits of a proposed branch are looked at: people add a few.
const WORK_LIMIT: usize = 50;

/// Returns work of others that a proposed branch holds. Commits that change nothing, and merges of the
/// active branch, are none: people make them to run checks, or forges at the press of a button.
pub fn work_of_others(
    repository: &Repository,
    head: Oid,
    active: Oid,
    is_ours: impl Fn(&BranchCommit) -> bool,
) -> Result<Option<OthersWork>, GitError> {
    let (mut newest, mut next) = (None, Some(head));
    for _ in 0..WORK_LIMIT {
        let Some(id) = next else { break };
        let commit = branch_commit(repository, &repository.find_commit(id)?);
        if is_ours(&commit) || is_reachable(repository, id, active) {
            return Ok(newest.map(|newest| OthersWork { commit: newest, base: Some(commit.tree) }));
        }
        let before =
            commit.parent.and_then(|parent| repository.find_commit(parent).ok()).map(|parent| parent.tree_id());
        let follows_active = commit.merged.is_some_and(|merged| is_reachable(repository, merged, active));
        next = commit.parent;
        if newest.is_none() && before != Some(commit.tree) && !follows_active {
            newest = Some(commit);
        }
    }
    Ok(newest.map(|newest| OthersWork { commit: newest, base: None }))
}

/// Returns a commit of an environment branch.
pub fn commit_by_id(repository: &Repository, id: &str) -> Result<BranchCommit, GitError> {
    Ok(branch_commit(repository, &repository.find_commit(Oid::from_str(id)?)?))
}

fn branch_commit(repository: &Repository, commit: &Commit<'_>) -> BranchCommit {
    let merged = commit.parent_id(1).ok();
    let merged_commit = merged.and_then(|id| repository.find_commit(id).ok());
    let message = |merged: &Commit<'_>| Trailers::parse(&String::from_utf8_lossy(merged.message_bytes()));
    let merged_trailers = merged_commit.as_ref().and_then(message);
    let trailers = message(commit);
    let composed_by_us = commit.committer().email_bytes() == COMMITTER.1.as_bytes() && commit.parent_count() == 1;
    let is_ours = composed_by_us || trailers.is_some() || merged_trailers.is_some();
    BranchCommit {
        id: commit.id(),
        tree: commit.tree_id(),
        parent: commit.parent_id(0).ok(),
        merged,
        merged_tree: merged_commit.as_ref().map(Commit::tree_id),
        merged_trailers,
        trailers,
        committed_at: timestamp(commit.committer().when().seconds()),
        author: String::from_utf8_lossy(commit.author().name_bytes()).into_owned(),
        hydrator: if is_ours { None } else { other_hydrator::of_commit(repository, commit) },
        composed_by_us,
    }
}

/// Returns a dry commit.
pub fn dry_commit(repository: &Repository, sha: &DrySha) -> Result<DryCommit, GitError> {
    let missing = || GitError::Missing { id: sha.to_string() };
    let commit = Oid::from_str(sha.as_str()).ok().and_then(|id| repository.find_commit(id).ok()).ok_or_else(missing)?;
    let message = String::from_utf8_lossy(commit.message_bytes()).into_owned();
    let (subject, body) = message.split_once('\n').unwrap_or((&message, ""));
    let author = commit.author();
    Ok(DryCommit {
        sha: sha.clone(),
        author: format!(
            "{} <{}>",
            String::from_utf8_lossy(author.name_bytes()),
            String::from_utf8_lossy(author.email_bytes())
        ),
        authored_at: timestamp(author.when().seconds()),
        committed_seconds: commit.committer().when().seconds(),
        subject: subject.trim().to_owned(),
        body: body.trim().to_owned(),
    })
}

/// Returns the dry SHA of a commit.
pub fn dry_sha(id: Oid) -> DrySha {
    DrySha::new(id.to_string()).expect("because git's ids are hexadecimal")
}

fn timestamp(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use git2::Signature;

    use super::*;

    type TestResult = Result<(), Box<dyn std::error::Error>>;

    /// Makes so many empty commits, each on the one before it.
    fn commits(repository: &Repository, count: usize) -> Result<Vec<Oid>, git2::Error> {
        let tree = repository.find_tree(repository.treebuilder(None)?.write()?)?;
        let who = Signature::new("A", "a@example.com", &git2::Time::new(0, 0))?;
        let mut made: Vec<Oid> = Vec::new();
        for number in 0..count {
            let parent = made.last().map(|id| repository.find_commit(*id)).transpose()?;
            let parents: Vec<&Commit<'_>> = parent.iter().collect();
            made.push(repository.commit(None, &who, &who, &number.to_string(), &tree, &parents)?);
        }
        Ok(made)
    }

    #[test]
    fn the_line_of_a_shallow_branch_ends_where_it_was_cut() -> TestResult {
        let (whole, cut) = (tempfile::tempdir()?, tempfile::tempdir()?);
        let whole = Repository::init_bare(whole.path())?;
        let made = commits(&whole, 4)?;
        let shallow = Repository::init_bare(cut.path())?;
        for id in &made[2..] {
            let objects = whole.odb()?;
            let object = objects.read(*id)?;
            shallow.odb()?.write(object.kind(), object.data())?;
        }
        std::fs::write(shallow.path().join("shallow"), format!("{}\n", made[2]))?;
        let branch = crate::git::mirror::Mirror::open(cut.path())?.local(&"main".to_owned().try_into()?);
        shallow.reference(branch.as_str(), made[3], false, "fetched")?;
        let shallow = Repository::open_bare(cut.path())?;

        let (line, reach) = dry_line(&shallow, &branch, &[dry_sha(made[2])])?;
        assert_eq!((line.head(), reach), (Some(&dry_sha(made[3])), Reach::Enough));
        assert!(line.contains(&dry_sha(made[2])));
        let (_, reach) = dry_line(&shallow, &branch, &[dry_sha(made[0])])?;
        assert_eq!(reach, Reach::TooShort);
        Ok(())
    }
}
