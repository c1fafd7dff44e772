//! The project's repository: branches, and merges as the server makes them.

use std::{collections::BTreeMap, path::PathBuf};

use git2::{BranchType, Oid, Repository, Signature};
use serde_json::{Value, json};

/// A bare repository.
pub(super) struct Git {
    dir: PathBuf,
}

impl Git {
    pub(super) fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    fn open(&self) -> Result<Repository, git2::Error> {
        Repository::open_bare(&self.dir)
    }

    /// Returns every branch with its head.
    pub(super) fn heads(&self) -> Result<BTreeMap<String, String>, git2::Error> {
        let git = self.open()?;
        let mut heads = BTreeMap::new();
        for branch in git.branches(Some(BranchType::Local))? {
            let (branch, _) = branch?;
            if let (Some(name), Some(head)) = (branch.name()?, branch.get().target()) {
                heads.insert(name.to_owned(), head.to_string());
            }
        }
        Ok(heads)
    }

    /// Returns the head of a branch.
    pub(super) fn head(&self, branch: &str) -> Option<String> {
        self.heads().ok()?.remove(branch)
    }

    /// Commits files to a branch, which is made when it is not there; returns the commit.
    pub(super) fn commit(
        &self,
        branch: &str,
        subject: &str,
        files: &[(String, String)],
    ) -> Result<String, git2::Error> {
        let git = self.open()?;
        let parent = self.head(branch).and_then(|sha| git.find_commit(Oid::from_str(&sha).ok()?).ok());
        let mut tree = parent.as_ref().map(git2::Commit::tree).transpose()?;
        for (path, text) in files {
            let blob = git.blob(text.as_bytes())?;
            let mut update = git2::build::TreeUpdateBuilder::new();
            update.upsert(path.as_str(), blob, git2::FileMode::Blob);
            let base = match tree {
                Some(tree) => tree,
                None => git.find_tree(git.treebuilder(None)?.write()?)?,
            };
            tree = Some(git.find_tree(update.create_updated(&git, &base)?)?);
        }
        let tree = tree.ok_or_else(|| git2::Error::from_str("there is nothing to commit"))?;
        let by = Signature::now("Dora", "dora@example.com")?;
        let parents: Vec<&git2::Commit<'_>> = parent.iter().collect();
        let name = format!("refs/heads/{branch}");
        Ok(git.commit(Some(&name), &by, &by, subject, &tree, &parents)?.to_string())
    }

    /// Makes a branch from another.
    pub(super) fn branch_off(&self, new: &str, from: &str) -> Result<(), git2::Error> {
        let git = self.open()?;
        let from = git.find_commit(Oid::from_str(&self.head(from).unwrap_or_default())?)?;
        git.branch(new, &from, false).map(drop)
    }

    /// Returns the message of a commit.
    pub(super) fn message(&self, sha: &str) -> Result<String, git2::Error> {
        let git = self.open()?;
        let commit = git.find_commit(Oid::from_str(sha)?)?;
        Ok(commit.message().unwrap_or_default().to_owned())
    }

    /// Returns the branches that hold a commit, by the alphabet.
    pub(super) fn branches_with(&self, sha: &str) -> Value {
        let all = self.heads().unwrap_or_default();
        let holding = all.iter().filter(|(_, head)| self.holds(head, sha).unwrap_or(false));
        holding.map(|(name, _)| json!({"type": "branch", "name": name})).collect()
    }

    fn holds(&self, head: &str, sha: &str) -> Result<bool, git2::Error> {
        let (head, sha) = (Oid::from_str(head)?, Oid::from_str(sha)?);
        Ok(head == sha || self.open()?.graph_descendant_of(head, sha)?)
    }

    /// Says whether a head conflicts with a branch.
    pub(super) fn conflicts(&self, head: &str, base: &str) -> bool {
        let index = || {
            let git = self.open()?;
            let ours = git.find_commit(Oid::from_str(&self.head(base).unwrap_or_default())?)?;
            git.merge_commits(&ours, &git.find_commit(Oid::from_str(head)?)?, None)
        };
        index().is_ok_and(|index: git2::Index| index.has_conflicts())
    }

    /// Merges a head into a branch with a commit of its own; returns it.
    pub(super) fn merge(&self, head: &str, base: &str, message: &str, squash: bool) -> Result<String, git2::Error> {
        let git = self.open()?;
        let ours = git.find_commit(Oid::from_str(&self.head(base).unwrap_or_default())?)?;
        let theirs = git.find_commit(Oid::from_str(head)?)?;
        let tree = git.find_tree(git.merge_commits(&ours, &theirs, None)?.write_tree_to(&git)?)?;
        let by = Signature::now("GitLab", "noreply@gitlab.example.com")?;
        let parents = if squash { vec![&ours] } else { vec![&ours, &theirs] };
        let name = format!("refs/heads/{base}");
        Ok(git.commit(Some(&name), &by, &by, message, &tree, &parents)?.to_string())
    }

    /// Returns the commits of `base..head`, newest first.
    pub(super) fn commits(&self, range: &str) -> Value {
        let commits = || {
            let git = self.open()?;
            let mut walk = git.revwalk()?;
            walk.push_range(range)?;
            let commit = |oid: Result<Oid, git2::Error>| {
                let commit = git.find_commit(oid?)?;
                Ok(json!({"id": commit.id().to_string(), "author_name": commit.author().name().unwrap_or_default(),
                    "author_email": commit.author().email().unwrap_or_default()}))
            };
            walk.map(commit).collect::<Result<Vec<_>, git2::Error>>()
        };
        json!(commits().unwrap_or_default())
    }
}
