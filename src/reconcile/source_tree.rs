//! The tree of a dry commit, or of what would be one, as the renderers' library reads it.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Mutex, PoisonError},
};

use git2::{ObjectType, Oid, Repository};
use hydrators::{Entry, EntryKind, SourceTree, TreeError, TreeLimits};

use crate::{domain::ids::DrySha, git::GitError};

/// The longest path, as in Linux. It bounds how deep folders lie in each other.
const LONGEST_PATH: usize = 4096;

/// Why a tree was not read to its end: a few objects can stand for more entries than any memory holds.
#[derive(Debug)]
enum Beyond {
    /// It has more entries than may be exported.
    Many { folder: String },
    /// A path is too long.
    Long { path: String },
}

/// A dry tree in a mirror.
pub struct CommitTree {
    repository: Mutex<Repository>,
    entries: Vec<Entry>,
    beyond: Option<Beyond>,
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
        let mut read = Self {
            repository: Mutex::new(repository),
            entries: Vec::new(),
            beyond: None,
            blobs: BTreeMap::new(),
            tree,
        };
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
        let (mut found, mut beyond) = (Vec::new(), None);
        let walked = repository.find_tree(self.tree)?.walk(git2::TreeWalkMode::PreOrder, |folder, entry| {
            if folder.len() > LONGEST_PATH {
                let path = folder[..folder.floor_char_boundary(100)].to_owned();
                beyond = Some(Beyond::Long { path });
            } else if found.len() as u64 > TreeLimits::default().files {
                beyond = Some(Beyond::Many { folder: folder.trim_end_matches('/').to_owned() });
            } else if entry.kind() != Some(ObjectType::Tree) {
                let path = format!("{folder}{}", String::from_utf8_lossy(entry.name_bytes()));
                found.push((path, entry.filemode(), entry.id()));
            }
            if beyond.is_some() { git2::TreeWalkResult::Abort } else { git2::TreeWalkResult::Ok }
        });
        if beyond.is_some() {
            self.beyond = beyond;
            return Ok(());
        }
        walked?;
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
        match &self.beyond {
            None => Ok(self.entries.clone()),
            Some(Beyond::Long { path }) => Err(TreeError::UnsafePath { path: format!("{path}…") }),
            Some(Beyond::Many { folder }) => {
                let limit = TreeLimits::default().files;
                Err(TreeError::TooLarge { most: folder.clone(), unit: "files", found: limit + 1, limit })
            }
        }
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, TreeError> {
        let failed = |source: std::io::Error| TreeError::Io { path: path.to_owned(), source };
        let id = self.blobs.get(path).ok_or_else(|| failed(std::io::ErrorKind::NotFound.into()))?;
        let repository = self.repository.lock().unwrap_or_else(PoisonError::into_inner);
        let blob = repository.find_blob(*id).map_err(|e| failed(std::io::Error::other(e.message().to_owned())))?;
        Ok(blob.content().to_vec())
    }

    /// Git's own name of the content.
    fn digest(&self, path: &str) -> Result<String, TreeError> {
        let absent = || TreeError::Io { path: path.to_owned(), source: std::io::ErrorKind::NotFound.into() };
        Ok(self.blobs.get(path).ok_or_else(absent)?.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repository() -> (tempfile::TempDir, Repository) {
        let folder = tempfile::tempdir().expect("a folder");
        let repository = Repository::init_bare(folder.path()).expect("a repository");
        (folder, repository)
    }

    /// Puts an object into so many folders, each time as often as there are names.
    fn nested(repository: &Repository, names: &[&str], levels: usize) -> Oid {
        let (mut id, mut mode) = (repository.blob(b"x").expect("a blob"), 0o100_644);
        for _ in 0..levels {
            let mut builder = repository.treebuilder(None).expect("a builder");
            names.iter().for_each(|name| drop(builder.insert(name, id, mode).expect("inserted")));
            (id, mode) = (builder.write().expect("a tree"), 0o040_000);
        }
        id
    }

    #[test]
    fn a_few_objects_that_stand_for_ten_billion_files_are_refused_soon() {
        let (folder, repository) = repository();
        let bomb = nested(&repository, &["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"], 10);
        let tree = CommitTree::open_tree(folder.path(), bomb).expect("a tree");
        let refused = tree.entries().expect_err("a refusal").to_string();
        assert!(
            refused.starts_with("the dry tree has 200001 files, more than the limit of 200000; most are"),
            "{refused}"
        );
    }

    #[test]
    fn folders_that_lie_in_each_other_for_ever_are_refused() {
        let (folder, repository) = repository();
        let deep = nested(&repository, &["a"], 20_000);
        let tree = CommitTree::open_tree(folder.path(), deep).expect("a tree");
        assert!(matches!(tree.entries(), Err(TreeError::UnsafePath { .. })));
    }
}
