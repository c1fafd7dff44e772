//! Which files differ between two trees, and single files of a branch.

use std::path::Path;

use git2::{DiffOptions, Oid, Repository};

use super::GitError;

/// A file of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileText {
    /// There is none.
    Missing,
    /// It is longer than asked for.
    TooLong,
    /// Its text; what is no UTF-8 is replaced.
    Text(String),
}

/// Returns the paths that a tree changes of those of a commit; a file that was moved differs at both places.
///
/// # Errors
/// When one of them is not there.
pub fn paths(repository: &Repository, commit: &str, new: &str) -> Result<Vec<String>, GitError> {
    let old = repository.find_commit(Oid::from_str(commit)?)?.tree()?;
    let new = repository.find_tree(Oid::from_str(new)?)?;
    let mut options = DiffOptions::new();
    options.skip_binary_check(true).include_typechange(true);
    let diff = repository.diff_tree_to_tree(Some(&old), Some(&new), Some(&mut options))?;
    let path = |delta: git2::DiffDelta<'_>| {
        let file = delta.new_file().path().or(delta.old_file().path())?;
        Some(file.to_string_lossy().into_owned())
    };
    Ok(diff.deltas().filter_map(path).collect())
}

/// Returns the first of some files that a tree has, unless it is longer than so many bytes.
///
/// # Errors
/// When the tree is not there.
pub fn first_text(repository: &Repository, tree: &str, paths: &[&str], limit: usize) -> Result<FileText, GitError> {
    let tree = repository.find_tree(Oid::from_str(tree)?)?;
    let found = paths.iter().find_map(|path| {
        let entry = tree.get_path(Path::new(path)).ok()?;
        // A link is a blob too; what it leads to is not followed.
        (entry.filemode() != i32::from(git2::FileMode::Link)).then(|| repository.find_blob(entry.id()).ok())?
    });
    Ok(match found {
        None => FileText::Missing,
        Some(blob) if blob.size() > limit => FileText::TooLong,
        Some(blob) => FileText::Text(String::from_utf8_lossy(blob.content()).into_owned()),
    })
}
