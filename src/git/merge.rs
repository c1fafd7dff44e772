//! The tree that a branch would have after a merge, made in process: no branch moves, and nothing is checked out.

use git2::{ErrorCode, IndexConflict, Oid, Repository};

use super::{GitError, compose::signature};
use crate::domain::ids::{DrySha, HeadSha};

/// The most paths in conflict that are told.
const PATHS_LIMIT: usize = 100;

/// What came of a merge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Merged {
    /// The tree with both sides.
    Tree(Oid),
    /// Both sides changed these paths.
    Conflict(Vec<String>),
    /// The histories, as far as the mirror has them, share no commit.
    Unrelated,
}

/// Merges `head` onto `dry`; the tree is written to the mirror.
pub fn merge(repository: &Repository, dry: &DrySha, head: &HeadSha) -> Result<Merged, GitError> {
    merge_commits(repository, Oid::from_str(dry.as_str())?, Oid::from_str(head.as_str())?)
}

/// Merges `head` onto `base`; the tree is written to the mirror.
pub fn merge_commits(repository: &Repository, base: Oid, head: Oid) -> Result<Merged, GitError> {
    let (ours, theirs) = (repository.find_commit(base)?, repository.find_commit(head)?);
    match repository.merge_base(ours.id(), theirs.id()) {
        Ok(_) => {}
        Err(error) if error.code() == ErrorCode::NotFound => return Ok(Merged::Unrelated),
        Err(error) => return Err(error.into()),
    }
    let mut index = repository.merge_commits(&ours, &theirs, None)?;
    if index.has_conflicts() {
        let mut paths: Vec<String> = Vec::new();
        for conflict in index.conflicts()?.take(PATHS_LIMIT) {
            paths.extend(path(&conflict?));
        }
        paths.dedup();
        return Ok(Merged::Conflict(paths));
    }
    Ok(Merged::Tree(index.write_tree_to(repository)?))
}

/// Merges `head` onto `base` as a commit with both as parents; it is written to the mirror, and on no branch yet.
///
/// # Errors
/// [`GitError::Moved`] when both changed the same, which was not so when it was decided.
pub fn merge_commit(
    repository: &Repository,
    base: Oid,
    head: Oid,
    message: &str,
    seconds: i64,
) -> Result<Oid, GitError> {
    let Merged::Tree(tree) = merge_commits(repository, base, head)? else {
        return Err(GitError::Moved { reference: base.to_string() });
    };
    let (who, tree) = (signature(seconds)?, repository.find_tree(tree)?);
    let parents = [&repository.find_commit(base)?, &repository.find_commit(head)?];
    Ok(repository.commit(None, &who, &who, message, &tree, &parents)?)
}

fn path(conflict: &IndexConflict) -> Option<String> {
    let entry = [&conflict.our, &conflict.their, &conflict.ancestor].into_iter().flatten().next()?;
    Some(String::from_utf8_lossy(&entry.path).into_owned())
}

#[cfg(test)]
mod tests {
    use git2::{FileMode, Signature, Time, build::TreeUpdateBuilder};

    use super::*;

    /// Commits files on top of a commit, or on nothing.
    fn commit(repository: &Repository, parent: Option<Oid>, files: &[(&str, &str)]) -> Oid {
        let who = Signature::new("ada", "ada@example.com", &Time::new(0, 0)).expect("a name");
        let parent = parent.map(|id| repository.find_commit(id).expect("is there"));
        let empty = repository.treebuilder(None).and_then(|builder| builder.write()).expect("is written");
        let base = parent.as_ref().map_or(empty, git2::Commit::tree_id);
        let mut change = TreeUpdateBuilder::new();
        for (path, text) in files {
            change.upsert(*path, repository.blob(text.as_bytes()).expect("is written"), FileMode::Blob);
        }
        let base = repository.find_tree(base).expect("is there");
        let tree = change.create_updated(repository, &base).expect("is written");
        let tree = repository.find_tree(tree).expect("is there");
        let parents: Vec<_> = parent.iter().collect();
        repository.commit(None, &who, &who, "a commit", &tree, &parents).expect("is written")
    }

    fn merged(repository: &Repository, dry: Oid, head: Oid) -> Merged {
        let (dry, head) = (DrySha::new(dry.to_string()), HeadSha::new(head.to_string()));
        merge(repository, &dry.expect("an id"), &head.expect("an id")).expect("is merged")
    }

    #[test]
    fn both_sides_are_in_the_tree_or_the_conflict_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let repository = Repository::init_bare(folder.path()).expect("a repository");
        let base = commit(&repository, None, &[("a", "1\n"), ("b", "1\n")]);
        let dry = commit(&repository, Some(base), &[("a", "2\n")]);
        let apart = commit(&repository, Some(base), &[("b", "2\n")]);
        let both = commit(&repository, Some(dry), &[("b", "2\n")]);
        let tree = repository.find_commit(both).expect("is there").tree_id();
        assert_eq!(merged(&repository, dry, apart), Merged::Tree(tree));
        let against = commit(&repository, Some(base), &[("a", "3\n")]);
        assert_eq!(merged(&repository, dry, against), Merged::Conflict(vec!["a".to_owned()]));
        let elsewhere = commit(&repository, None, &[("a", "4\n")]);
        assert_eq!(merged(&repository, dry, elsewhere), Merged::Unrelated);
    }
}
