//! A dry tree with what was found out about it: one value serves all roots and environments of a dry SHA.
//!
//! Guarantees:
//!
//! - A file is read through the symbolic links on its way, and never from outside of the tree.
//! - A link that leaves the tree, and a submodule, are known and never given to a renderer: a root that has one among
//!   its files fails instead of rendering without it.
//! - Each kustomization is read once, however many roots build on it.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::failure::RenderFailure;
use crate::kustomization::{self, Kustomization};
use crate::tree::{Entry, EntryKind, Index, Place, SourceTree, TreeError, join, parent};

/// How a file begins that Git LFS keeps elsewhere, and the longest that such a file is.
const POINTER: &[u8] = b"version https://git-lfs.github.com/spec/v1\n";
const LONGEST_POINTER: u64 = 1024;

/// The largest file that is read as text. Bundles of definitions come near 5 MiB.
const TEXT_BYTES: u64 = 32 << 20;

/// How large a tree, and what of it is given to one renderer, may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreeLimits {
    /// Number of files and links of the tree.
    pub files: u64,
    /// Bytes of all files of one root together.
    pub bytes: u64,
}

impl Default for TreeLimits {
    fn default() -> Self {
        Self { files: 200_000, bytes: 1 << 30 }
    }
}

/// An entry of the dry tree that no renderer gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// The path in the tree.
    pub path: String,
    /// Why, for the author.
    pub reason: String,
}

/// What a folder's kustomization says, or what is wrong with it.
type Known = Arc<Result<Kustomization, RenderFailure>>;

/// A dry tree and its index.
pub struct IndexedTree {
    tree: Arc<dyn SourceTree>,
    index: Index,
    limits: TreeLimits,
    left_out: Vec<LeftOut>,
    kustomizations: Mutex<HashMap<String, Option<Known>>>,
}

impl IndexedTree {
    /// Lists a tree.
    ///
    /// # Errors
    ///
    /// When it has more files than `limits`, has a path that may not be written to a disk, or cannot be read.
    pub fn read(tree: Arc<dyn SourceTree>, limits: TreeLimits) -> Result<Self, TreeError> {
        let index = Index::of(&*tree)?;
        let files = index.entries().count() as u64;
        if files > limits.files {
            return Err(TreeError::TooLarge {
                most: fullest(&index),
                unit: "files",
                found: files,
                limit: limits.files,
            });
        }
        let left_out = index.entries().filter_map(|entry| {
            let reason = refusal(&index, entry)?;
            Some(LeftOut { path: entry.path.clone(), reason })
        });
        let left_out = left_out.collect();
        Ok(Self { tree, index, limits, left_out, kustomizations: Mutex::default() })
    }

    /// Returns what no renderer gets, by path, and why.
    pub fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    pub(crate) fn limits(&self) -> TreeLimits {
        self.limits
    }

    pub(crate) fn index(&self) -> &Index {
        &self.index
    }

    /// Returns the content of a file.
    pub(crate) fn read_bytes(&self, path: &str) -> Result<Vec<u8>, TreeError> {
        match self.index.resolve("", path) {
            Place::File(file) => self.tree.read(&file),
            _ => Err(TreeError::io(path)(std::io::ErrorKind::NotFound.into())),
        }
    }

    /// Reads a file as text, unless it is so large that nobody has written it.
    pub(crate) fn read_text(&self, path: &str) -> Result<String, TreeError> {
        self.index.check_size(path, TEXT_BYTES)?;
        Ok(String::from_utf8_lossy(&self.read_bytes(path)?).into_owned())
    }

    /// Returns what names the content of an entry.
    pub(crate) fn digest(&self, path: &str) -> Result<String, TreeError> {
        self.tree.digest(path)
    }

    /// Returns the kustomization of a folder, when it has one.
    pub(crate) fn kustomization(&self, folder: &str) -> Option<Known> {
        let known = || self.kustomizations.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known().get(folder) {
            return known.clone();
        }
        let read = kustomization::find(&self.index, folder).map(|file| Arc::new(self.read_kustomization(file)));
        known().insert(folder.to_string(), read.clone());
        read
    }

    fn read_kustomization(&self, file: String) -> Result<Kustomization, RenderFailure> {
        let text = self.read_text(&file)?;
        Kustomization::parse(file, text).map_err(|bad| RenderFailure::author(bad.message).at(bad.file, bad.line))
    }

    /// Returns an entry in `folder` or below that was left out, when there is one.
    pub(crate) fn left_out_of(&self, folder: &str) -> Option<&LeftOut> {
        let prefix = join(folder, "");
        let after = self.left_out.partition_point(|entry| entry.path < prefix);
        self.left_out.get(after).filter(|entry| entry.path.starts_with(&prefix))
    }

    /// Returns whether the file is only where Git LFS would look for its content.
    pub(crate) fn is_pointer(&self, path: &str) -> Result<bool, TreeError> {
        let is_short = self.index.entry(path).is_some_and(|entry| entry.size <= LONGEST_POINTER);
        Ok(is_short && self.read_bytes(path)?.starts_with(POINTER))
    }
}

impl fmt::Debug for IndexedTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IndexedTree").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// Returns the folder with the most files directly in it.
fn fullest(index: &Index) -> String {
    let mut files: BTreeMap<&str, usize> = BTreeMap::new();
    index.entries().for_each(|entry| *files.entry(parent(&entry.path)).or_default() += 1);
    files.into_iter().max_by_key(|(_, count)| *count).map(|(folder, _)| folder.to_string()).unwrap_or_default()
}

fn refusal(index: &Index, entry: &Entry) -> Option<String> {
    match entry.kind {
        EntryKind::File | EntryKind::Executable => None,
        EntryKind::Submodule => Some("it is a submodule, which is not fetched".into()),
        EntryKind::Symlink if index.resolve("", &entry.path) == Place::Outside => {
            Some("it is a symbolic link that leaves the repository".into())
        }
        EntryKind::Symlink => None,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::tree::DirectoryTree;
    use crate::tree::tests::folder_with;

    fn indexed(folder: &tempfile::TempDir) -> IndexedTree {
        IndexedTree::read(Arc::new(DirectoryTree::new(folder.path())), TreeLimits::default()).expect("a tree")
    }

    #[test]
    fn a_link_out_of_the_tree_is_left_out_and_named() {
        let folder = folder_with(&[("app/a.yaml", "a: b"), ("app-z", "")]);
        symlink("/etc/passwd", folder.path().join("app/absolute")).expect("a link");
        symlink("../../etc", folder.path().join("app/relative")).expect("a link");
        symlink("a.yaml", folder.path().join("app/good")).expect("a link");
        let tree = indexed(&folder);
        let names: Vec<_> = tree.left_out().iter().map(|entry| entry.path.as_str()).collect();
        assert_eq!(names, ["app/absolute", "app/relative"]);
        assert!(tree.read_bytes("app/absolute").is_err());
        assert_eq!(tree.read_text("app/good").expect("a file"), "a: b");
        assert!(
            tree.left_out_of("app").is_some() && tree.left_out_of("ap").is_none() && tree.left_out_of("").is_some()
        );
    }

    #[test]
    fn a_tree_of_more_files_than_may_be_is_refused() {
        let folder = folder_with(&[("a", "12345"), ("b", "12345")]);
        let read =
            |files| IndexedTree::read(Arc::new(DirectoryTree::new(folder.path())), TreeLimits { files, bytes: 100 });
        assert!(matches!(read(1), Err(TreeError::TooLarge { unit: "files", .. })));
        assert!(read(2).is_ok());
    }

    #[test]
    fn a_hostile_path_is_refused() {
        struct Hostile(&'static str);
        impl SourceTree for Hostile {
            fn entries(&self) -> Result<Vec<Entry>, TreeError> {
                Ok(vec![Entry { path: self.0.into(), kind: EntryKind::File, size: 0 }])
            }
            fn read(&self, _: &str) -> Result<Vec<u8>, TreeError> {
                Ok(Vec::new())
            }
        }
        for path in ["../x", "/etc/x", "a/../../x", "a//b", ".git/hooks/x", "a/.GIT/x", ""] {
            let read = IndexedTree::read(Arc::new(Hostile(path)), TreeLimits::default());
            assert!(matches!(read, Err(TreeError::UnsafePath { .. })), "{path}");
        }
    }
}
