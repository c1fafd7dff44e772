//! Commits that bring earlier content of an active branch back.
//!
//! Nothing is rendered: the files of each root that goes back are those of the commit that held
//! them, with their metadata. Files of other people stay as they are on the head.

use std::{collections::BTreeSet, sync::Arc};

use git2::{Oid, Repository};

use super::{
    GitError,
    batch::{Batch, Entry},
    compose::{Composed, commit_bytes, refuse_foreign_files, refuse_meeting},
    metadata,
    tree::{self, Edits, Owned},
};
use crate::domain::ids::RootName;

/// What goes back, on what.
#[derive(Debug, Clone)]
pub struct Restoration {
    /// The active head.
    pub parent: Oid,
    /// The commit that holds the earlier content.
    pub target: Oid,
    /// The roots that go back; all that differ when there are none.
    pub roots: BTreeSet<RootName>,
    /// Whether everything on the branch travels together: then the file that names the dry SHA goes back too.
    pub is_undivided: bool,
    /// Which files may be written over.
    pub over: Over,
    /// The time of the commit, in seconds since 1970: the same restoration gives the same commit.
    pub seconds: i64,
}

/// Which files of the head are ours to write over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// Those that it lists as ours.
    Listed,
    /// Also those that `target` lists: people change the lists too, or what stands there was never ours.
    Promoted,
}

/// Composes the commit that restores `target` on `parent`; `read` tells what Hydromote owns in a tree, and `part` what
/// of that is of the strategy.
pub fn restore_commit(
    repository: &Repository,
    restoration: &Restoration,
    mut read: impl FnMut(Oid) -> Result<Arc<Owned>, GitError>,
    part: impl Fn(&Arc<Owned>) -> Arc<Owned>,
    message: &str,
) -> Result<Composed, GitError> {
    let head = repository.find_commit(restoration.parent)?.tree_id();
    let earlier = repository.find_commit(restoration.target)?.tree_id();
    let (all, then) = (read(head)?, part(&read(earlier)?));
    let now = part(&all);
    let goes_back = |root: &&RootName| restoration.roots.is_empty() || restoration.roots.contains(*root);
    let roots: Vec<&RootName> = now.content.differing(&then.content).into_iter().filter(goes_back).collect();
    let new = roots.iter().copied().filter(|root| now.content.get(root).is_none());
    refuse_meeting(new, &all.without(&now))?;
    let mut edits = Edits::new();
    for root in roots {
        let files = |owned: &Owned| owned.files.get(root).cloned().unwrap_or_default();
        edits.extend(files(&now).into_keys().map(|path| (path, None)));
        edits.extend(files(&then).into_iter().map(|(path, entry)| (path, Some(entry))));
    }
    let mut ours = now.paths();
    if restoration.over == Over::Promoted {
        ours.extend(then.paths());
    }
    refuse_foreign_files(repository, Some(head), &ours, &edits)?;
    if restoration.is_undivided
        && let Some(entry) = repository.find_tree(earlier)?.get_name(metadata::FILE_NAME)
    {
        edits.insert(metadata::FILE_NAME.to_owned(), Some(Entry::file(entry.id())));
    }
    let mut batch = Batch::default();
    let tree = match tree::edit(repository, &mut batch, Some(head), &edits)? {
        Some(tree) => tree,
        None => batch.tree(&std::collections::BTreeMap::new())?,
    };
    let bytes = commit_bytes(tree, Some(restoration.parent), restoration.seconds, message);
    let commit = batch.commit(bytes)?;
    batch.write(repository)?;
    Ok(Composed { commit, tree })
}
