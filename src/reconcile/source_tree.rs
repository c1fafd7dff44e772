//! The tree of a dry commit, or of what would be one, as the renderers' library reads it.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Mutex, PoisonError},
};

use git2::{ObjectType, Oid, Repository};
use hydrators::{Entry, EntryKind, SourceTree, TreeError};

use crate::{domain::ids::DrySha, git::GitError};

/// A dry tree in a mirror.
pub struct CommitTree {
    repository: Mutex<Repository>,
    entries: Vec<Entry>,
    blobs: BTreeMap<String, Oid>,
    tree: Oid,
}

impl CommitTree {
    /// Opens the tree of a commit in the mirror at `path`.
    pub fn open(path: &Path, dry: &DrySha) -> Result<Self, GitError> {
        let repository = Repository::open_bare(path)?;
        let tree = repository.find_commit(Oid::from_str(dry.as_str())?)?.tree_id();
        Self::read_all(repository, tree)
    }

    /// Opens a tree that no commit has yet in the mirror at `path`.
    pub fn open_tree(path: &Path, tree: Oid) -> Result<Self, GitError> {
        Self::read_all(Repository::open_bare(path)?, tree)
    }

    fn read_all(repository: Repository, tree: Oid) -> Result<Self, GitError> {
        let mut read = Self { repository: Mutex::new(repository), entries: Vec::new(), blobs: BTreeMap::new(), tree };
        read.list()?;
        Ok(read)
    }

    /// Returns the tree's id.
    pub fn id(&self) -> Oid {
        self.tree
    }

    fn list(&mut self) -> Result<(), GitError> {
        let repository = self.repository.lock().unwrap_or_else(PoisonError::into_inner);
        let odb = repository.odb()?;
        let mut found = Vec::new();
        repository.find_tree(self.tree)?.walk(git2::TreeWalkMode::PreOrder, |folder, entry| {
            if entry.kind() != Some(ObjectType::Tree) {
                let path = format!("{folder}{}", String::from_utf8_lossy(entry.name_bytes()));
                found.push((path, entry.filemode(), entry.id()));
            }
            git2::TreeWalkResult::Ok
        })?;
        for (path, mode, id) in found {
            let kind = match mode {
                0o120_000 => EntryKind::Symlink,
                0o160_000 => EntryKind::Submodule,
                0o100_755 => EntryKind::Executable,
                _ => EntryKind::File,
            };
            let size = match kind {
                EntryKind::Submodule => 0,
                _ => odb.read_header(id)?.0 as u64,
            };
            self.entries.push(Entry { path: path.clone(), kind, size });
            self.blobs.insert(path, id);
        }
        self.entries.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(())
    }
}

impl SourceTree for CommitTree {
    fn entries(&self) -> Result<Vec<Entry>, TreeError> {
        Ok(self.entries.clone())
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, TreeError> {
        let failed = |source: std::io::Error| TreeError::Io { path: path.to_owned(), source };
        let id = self.blobs.get(path).ok_or_else(|| failed(std::io::ErrorKind::NotFound.into()))?;
        let repository = self.repository.lock().unwrap_or_else(PoisonError::into_inner);
        let blob = repository.find_blob(*id).map_err(|e| failed(std::io::Error::other(e.message().to_owned())))?;
        Ok(blob.content().to_vec())
    }
}
