//! Writes a dry tree to a fresh folder, where renderers can read it.
//!
//! Guarantees:
//!
//! - Nothing but files, folders and symbolic links that stay in the tree is ever written.
//! - A link that leaves the tree, and a submodule, are left out and remembered: a root that has
//!   one among its files fails instead of rendering without it.
//! - A file whose content Git LFS keeps elsewhere is remembered too.
//! - The folder is on memory where there is such a file system, and goes when the value goes.
//!
//! One export serves all roots and environments of a dry SHA. A [`Selection`] is the seam for an
//! export of one root's files alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use crate::temporary::TemporaryFolder;
use crate::tree::{Entry, EntryKind, Index, Place, SourceTree, TreeError, join, parent};

/// How a file begins that Git LFS keeps elsewhere, and the longest that such a file is.
const POINTER: &[u8] = b"version https://git-lfs.github.com/spec/v1\n";
const LONGEST_POINTER: usize = 1024;

/// The largest file that is read as text. Bundles of definitions come near 5 MiB.
pub(crate) const TEXT_BYTES: u64 = 32 << 20;

/// How large an exported tree may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExportLimits {
    /// Number of files and links.
    pub files: u64,
    /// Bytes of all files together.
    pub bytes: u64,
}

impl Default for ExportLimits {
    fn default() -> Self {
        Self { files: 200_000, bytes: 1 << 30 }
    }
}

/// Which entries are exported.
#[derive(Debug, Clone, Copy)]
pub enum Selection<'a> {
    /// The whole tree.
    All,
    /// These paths only.
    Paths(&'a BTreeSet<String>),
}

/// A dry tree on disk, read-only for everyone who renders from it.
#[derive(Debug)]
pub struct ExportedTree {
    folder: TemporaryFolder,
    root: PathBuf,
    index: Index,
    left_out: Vec<LeftOut>,
    pointers: BTreeSet<String>,
}

/// An entry of the dry tree that was not exported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// The path in the tree.
    pub path: String,
    /// Why, for the author.
    pub reason: String,
}

impl ExportedTree {
    /// Exports the selected entries of `tree` to a fresh folder.
    ///
    /// # Errors
    ///
    /// When the tree is larger than `limits`, has a path that may not be written, or the disk fails.
    pub fn export(tree: &dyn SourceTree, selection: Selection<'_>, limits: &ExportLimits) -> Result<Self, TreeError> {
        let index = Index::of(tree)?;
        let folder = TemporaryFolder::new().map_err(TreeError::io("the folder for exports"))?;
        let root = folder.path().canonicalize().map_err(TreeError::io("the folder for exports"))?;
        let (left_out, pointers) = write(tree, &index, selection, &root, limits)?;
        Ok(Self { folder, root, index, left_out, pointers })
    }

    /// Returns the folder on this machine.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns what was not exported, and why.
    pub fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    pub(crate) fn index(&self) -> &Index {
        &self.index
    }

    pub(crate) fn read(&self, path: &str) -> Result<Vec<u8>, TreeError> {
        fs::read(self.root.join(path)).map_err(TreeError::io(path))
    }

    /// Reads a file as text, unless it is so large that nobody has written it.
    pub(crate) fn read_text(&self, path: &str) -> Result<String, TreeError> {
        self.index.check_size(path, TEXT_BYTES)?;
        Ok(String::from_utf8_lossy(&self.read(path)?).into_owned())
    }

    /// Returns an entry that was left out of `folder`, when there is one.
    pub(crate) fn left_out_of(&self, folder: &str) -> Option<&LeftOut> {
        let prefix = join(folder, "");
        self.left_out.iter().find(|entry| entry.path.starts_with(&prefix))
    }

    /// Returns whether the file is only where Git LFS would look for its content.
    pub(crate) fn is_pointer(&self, path: &str) -> bool {
        self.pointers.contains(path)
    }

    /// Returns such a file in `folder` or below, when there is one.
    pub(crate) fn pointer_in(&self, folder: &str) -> Option<&str> {
        let prefix = join(folder, "");
        self.pointers.range(prefix.clone()..).next().filter(|path| path.starts_with(&prefix)).map(String::as_str)
    }

    /// Deletes the folder, and says when that fails.
    ///
    /// # Errors
    ///
    /// When the folder cannot be deleted.
    pub fn close(self) -> std::io::Result<()> {
        self.folder.close()
    }
}

/// Writes the selected entries of `tree` into the empty folder `into`; returns what was left out, and which files
/// are kept elsewhere.
fn write(
    tree: &dyn SourceTree,
    index: &Index,
    selection: Selection<'_>,
    into: &Path,
    limits: &ExportLimits,
) -> Result<(Vec<LeftOut>, BTreeSet<String>), TreeError> {
    let selected: Vec<&Entry> = match selection {
        Selection::All => index.entries().collect(),
        Selection::Paths(paths) => index.entries().filter(|entry| paths.contains(&entry.path)).collect(),
    };
    check_limits(&selected, limits)?;
    let (mut left_out, mut pointers) = (Vec::new(), BTreeSet::new());
    let mut bytes = 0;
    for entry in selected {
        let target = into.join(&entry.path);
        let io = || TreeError::io(entry.path.clone());
        if let Some(reason) = refusal(index, entry) {
            left_out.push(LeftOut { path: entry.path.clone(), reason });
            continue;
        }
        fs::create_dir_all(into.join(parent(&entry.path))).map_err(io())?;
        if let Some(link) = index.link_target(&entry.path) {
            symlink(link, &target).map_err(io())?;
            continue;
        }
        let content = tree.read(&entry.path)?;
        bytes += content.len() as u64;
        if bytes > limits.bytes {
            return Err(TreeError::TooLarge {
                most: largest(index.entries()),
                unit: "bytes",
                found: bytes,
                limit: limits.bytes,
            });
        }
        if content.len() <= LONGEST_POINTER && content.starts_with(POINTER) {
            pointers.insert(entry.path.clone());
        }
        fs::write(&target, content).map_err(io())?;
        let mode = if entry.kind == EntryKind::Executable { 0o555 } else { 0o444 };
        fs::set_permissions(&target, fs::Permissions::from_mode(mode)).map_err(io())?;
    }
    Ok((left_out, pointers))
}

fn check_limits(entries: &[&Entry], limits: &ExportLimits) -> Result<(), TreeError> {
    let files = entries.len() as u64;
    if files > limits.files {
        return Err(TreeError::TooLarge { most: fullest(entries), unit: "files", found: files, limit: limits.files });
    }
    let bytes = entries.iter().map(|entry| entry.size).sum();
    if bytes > limits.bytes {
        let most = largest(entries.iter().copied());
        return Err(TreeError::TooLarge { most, unit: "bytes", found: bytes, limit: limits.bytes });
    }
    Ok(())
}

fn largest<'e>(entries: impl Iterator<Item = &'e Entry>) -> String {
    entries.max_by_key(|entry| entry.size).map(|entry| entry.path.clone()).unwrap_or_default()
}

/// Returns the folder with the most files directly in it.
fn fullest(entries: &[&Entry]) -> String {
    let mut files: BTreeMap<&str, usize> = BTreeMap::new();
    entries.iter().for_each(|entry| *files.entry(parent(&entry.path)).or_default() += 1);
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
    use tempfile::TempDir;

    use super::*;
    use crate::tree::DirectoryTree;

    fn folder_with(files: &[(&str, &str)]) -> TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for (path, text) in files {
            fs::create_dir_all(folder.path().join(parent(path))).expect("a folder");
            fs::write(folder.path().join(path), text).expect("a file");
        }
        folder
    }

    #[test]
    fn a_link_out_of_the_tree_is_left_out_and_named() {
        let folder = folder_with(&[("app/a.yaml", "a: b")]);
        symlink("/etc/passwd", folder.path().join("app/absolute")).expect("a link");
        symlink("../../etc", folder.path().join("app/relative")).expect("a link");
        symlink("a.yaml", folder.path().join("app/good")).expect("a link");
        let tree = DirectoryTree::new(folder.path());
        let exported = ExportedTree::export(&tree, Selection::All, &ExportLimits::default()).expect("an export");
        let names: Vec<_> = exported.left_out().iter().map(|entry| entry.path.as_str()).collect();
        assert_eq!(names, ["app/absolute", "app/relative"]);
        assert!(exported.root().join("app/absolute").symlink_metadata().is_err());
        assert_eq!(fs::read_to_string(exported.root().join("app/good")).expect("a file"), "a: b");
        assert!(exported.left_out_of("app").is_some() && exported.left_out_of("ap").is_none());
        let root = exported.root().to_path_buf();
        exported.close().expect("deleted");
        assert!(!root.exists());
    }

    #[test]
    fn a_tree_beyond_the_limits_is_refused() {
        let folder = folder_with(&[("a", "12345"), ("b", "12345")]);
        let tree = DirectoryTree::new(folder.path());
        let export = |files, bytes| ExportedTree::export(&tree, Selection::All, &ExportLimits { files, bytes });
        assert!(matches!(export(1, 100), Err(TreeError::TooLarge { unit: "files", .. })));
        assert!(matches!(export(2, 9), Err(TreeError::TooLarge { unit: "bytes", .. })));
        assert!(export(2, 10).is_ok());
    }

    #[test]
    fn a_selection_exports_nothing_else() {
        let folder = folder_with(&[("a/x", "1"), ("b/y", "2")]);
        let tree = DirectoryTree::new(folder.path());
        let paths = BTreeSet::from(["b/y".to_string()]);
        let exported =
            ExportedTree::export(&tree, Selection::Paths(&paths), &ExportLimits::default()).expect("an export");
        assert!(exported.root().join("b/y").exists() && !exported.root().join("a").exists());
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
            let exported = ExportedTree::export(&Hostile(path), Selection::All, &ExportLimits::default());
            assert!(matches!(exported, Err(TreeError::UnsafePath { .. })), "{path}");
        }
    }
}
