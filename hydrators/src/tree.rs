//! The dry tree: what can be listed and read of it, wherever it is stored.
//!
//! Paths are relative to the tree, with `/` between segments, and never contain `.`, `..` or
//! `.git`; the tree's own folder is the empty path.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// How many symbolic links a path may pass, as in Linux.
const MAX_LINKS: usize = 40;

/// The longest target of a symbolic link, as in Linux.
const LONGEST_TARGET: u64 = 4096;

/// A tree of files at one revision.
pub trait SourceTree: Send + Sync {
    /// Returns all entries but folders, sorted by path.
    ///
    /// # Errors
    ///
    /// When the tree cannot be read, or has a path that is not text.
    fn entries(&self) -> Result<Vec<Entry>, TreeError>;

    /// Returns the content of a file, or the target of a symbolic link.
    ///
    /// # Errors
    ///
    /// When there is no such entry or it cannot be read.
    fn read(&self, path: &str) -> Result<Vec<u8>, TreeError>;

    /// Returns what names the content of a file or link: equal for equal content, and never equal for other.
    ///
    /// # Errors
    ///
    /// When there is no such entry or it cannot be read.
    fn digest(&self, path: &str) -> Result<String, TreeError> {
        Ok(format!("sha256:{}", hex::encode(Sha256::digest(self.read(path)?))))
    }
}

/// One entry of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The path, relative to the tree.
    pub path: String,
    /// What it is.
    pub kind: EntryKind,
    /// Size in bytes.
    pub size: u64,
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A file.
    File,
    /// A file with the executable bit.
    Executable,
    /// A symbolic link.
    Symlink,
    /// A submodule, which is never fetched.
    Submodule,
}

/// Why a tree cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// A file could not be read or written.
    #[error("could not access `{path}`")]
    Io {
        /// The path in the tree.
        path: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The store behind the tree failed.
    #[error("could not read `{path}` of the dry tree")]
    Store {
        /// The path in the tree.
        path: String,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A path is not one that may be written to a disk.
    #[error(
        "the path `{}` is not allowed in a dry tree: it leads elsewhere, is git's own, or has control characters",
        .path.escape_debug()
    )]
    UnsafePath {
        /// The path in the tree.
        path: String,
    },
    /// Two entries of the tree are in each other's way, which git itself never writes.
    #[error("the path `{path}` is in the dry tree twice, once as {}", if *.is_folder { "a folder" } else { "another file" })]
    Doubled {
        /// The path in the tree.
        path: String,
        /// Whether one of them is a folder.
        is_folder: bool,
    },
    /// A file that would have to be held in memory is too large for that.
    #[error("`{path}` has {found} bytes, more than the limit of {limit} for such a file")]
    LargeFile {
        /// The path in the tree.
        path: String,
        /// Its size.
        found: u64,
        /// How large it may be.
        limit: u64,
    },
    /// The tree is larger than the limits.
    #[error("the dry tree has {found} {unit}, more than the limit of {limit}; most are in `{most}`")]
    TooLarge {
        /// The largest file, or the folder with the most files.
        most: String,
        /// What was counted.
        unit: &'static str,
        /// How many there are, as far as was counted.
        found: u64,
        /// How many there may be.
        limit: u64,
    },
}

impl TreeError {
    pub(crate) fn io(path: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}

/// A folder on disk; `.git` is not part of it.
#[derive(Debug, Clone)]
pub struct DirectoryTree {
    root: PathBuf,
}

impl DirectoryTree {
    /// Returns the tree under `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    fn walk(&self, folder: &str, entries: &mut Vec<Entry>) -> Result<(), TreeError> {
        for item in fs::read_dir(self.root.join(folder)).map_err(TreeError::io(folder))? {
            let item = item.map_err(TreeError::io(folder))?;
            let Ok(name) = item.file_name().into_string() else {
                let path = join(folder, &item.file_name().to_string_lossy());
                return Err(TreeError::UnsafePath { path });
            };
            if name == ".git" {
                continue;
            }
            let path = join(folder, &name);
            let metadata = item.metadata().map_err(TreeError::io(&path))?;
            let kind = if metadata.is_dir() {
                self.walk(&path, entries)?;
                continue;
            } else if metadata.is_symlink() {
                EntryKind::Symlink
            } else if !metadata.is_file() {
                return Err(TreeError::UnsafePath { path });
            } else if metadata.permissions().mode() & 0o111 != 0 {
                EntryKind::Executable
            } else {
                EntryKind::File
            };
            entries.push(Entry { path, kind, size: metadata.len() });
        }
        Ok(())
    }
}

impl SourceTree for DirectoryTree {
    fn entries(&self) -> Result<Vec<Entry>, TreeError> {
        let mut entries = Vec::new();
        self.walk("", &mut entries)?;
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(entries)
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, TreeError> {
        let full = self.root.join(path);
        let metadata = full.symlink_metadata().map_err(TreeError::io(path))?;
        if metadata.is_symlink() {
            let target = fs::read_link(&full).map_err(TreeError::io(path))?;
            return Ok(target.to_string_lossy().into_owned().into_bytes());
        }
        fs::read(&full).map_err(TreeError::io(path))
    }
}

/// The names in a tree, for questions about paths.
#[derive(Debug)]
pub(crate) struct Index {
    entries: BTreeMap<String, Entry>,
    folders: BTreeSet<String>,
    links: BTreeMap<String, String>,
}

/// Where a path leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    File(String),
    Folder(String),
    Missing,
    /// Out of the tree.
    Outside,
}

impl Index {
    pub(crate) fn of(tree: &dyn SourceTree) -> Result<Self, TreeError> {
        let mut index =
            Self { entries: BTreeMap::new(), folders: BTreeSet::from([String::new()]), links: BTreeMap::new() };
        for entry in tree.entries()? {
            if !is_safe(&entry.path) {
                return Err(TreeError::UnsafePath { path: entry.path });
            }
            if entry.kind == EntryKind::Symlink {
                check_size(&entry, LONGEST_TARGET)?;
                let target = String::from_utf8_lossy(&tree.read(&entry.path)?).into_owned();
                index.links.insert(entry.path.clone(), target);
            }
            let mut folder = parent(&entry.path);
            while index.folders.insert(folder.to_string()) {
                folder = parent(folder);
            }
            if let Some(Entry { path, .. }) = index.entries.insert(entry.path.clone(), entry) {
                return Err(TreeError::Doubled { path, is_folder: false });
            }
        }
        match index.folders.iter().find(|folder| index.entries.contains_key(*folder)) {
            Some(path) => Err(TreeError::Doubled { path: path.clone(), is_folder: true }),
            None => Ok(index),
        }
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// Returns what is at a path, without following a link there.
    pub(crate) fn entry(&self, path: &str) -> Option<&Entry> {
        self.entries.get(path)
    }

    pub(crate) fn folders(&self) -> impl Iterator<Item = &str> {
        self.folders.iter().map(String::as_str)
    }

    /// Returns the files directly in a folder, by name.
    pub(crate) fn files_in<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = &'a str> {
        self.below(folder).map(|entry| &entry.path[prefix_length(folder)..]).filter(|name| !name.contains('/'))
    }

    /// Returns the entries in a folder and below.
    pub(crate) fn below(&self, folder: &str) -> impl Iterator<Item = &Entry> {
        let start = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let prefix = start.clone();
        self.entries.range(start..).take_while(move |(path, _)| path.starts_with(&prefix)).map(|(_, entry)| entry)
    }

    /// Fails when a file is larger than `limit`, before it is read.
    pub(crate) fn check_size(&self, path: &str, limit: u64) -> Result<(), TreeError> {
        let file = match self.resolve("", path) {
            Place::File(file) => file,
            _ => path.to_string(),
        };
        self.entries.get(&file).map_or(Ok(()), |entry| check_size(entry, limit))
    }

    pub(crate) fn link_target(&self, path: &str) -> Option<&str> {
        self.links.get(path).map(String::as_str)
    }

    /// Follows `path`, as seen from `folder`, through symbolic links.
    pub(crate) fn resolve(&self, folder: &str, path: &str) -> Place {
        self.follow(folder, path, &mut |_| {})
    }

    /// The same; `pass` is told of each link that is followed and each folder that is left again.
    pub(crate) fn follow(&self, folder: &str, path: &str, pass: &mut dyn FnMut(&str)) -> Place {
        if path.starts_with('/') {
            return Place::Outside;
        }
        let mut here: Vec<String> = segments(folder).map(str::to_string).collect();
        let mut ahead: Vec<String> = path.split('/').rev().map(str::to_string).collect();
        let mut links = 0;
        while let Some(segment) = ahead.pop() {
            match segment.as_str() {
                "" | "." => continue,
                ".." if here.is_empty() => return Place::Outside,
                ".." => {
                    let left = here.join("/");
                    if self.folders.contains(&left) {
                        pass(&left);
                    }
                    here.pop();
                    continue;
                }
                _ => here.push(segment),
            }
            let place = here.join("/");
            if let Some(target) = self.links.get(&place) {
                pass(&place);
                links += 1;
                if target.starts_with('/') {
                    return Place::Outside;
                }
                if links > MAX_LINKS {
                    return Place::Missing;
                }
                here.pop();
                ahead.extend(target.split('/').rev().map(str::to_string));
            }
        }
        let place = here.join("/");
        match self.entries.get(&place) {
            Some(entry) if entry.kind == EntryKind::Submodule => Place::Missing,
            Some(_) => Place::File(place),
            None if self.folders.contains(&place) => Place::Folder(place),
            None => Place::Missing,
        }
    }
}

fn check_size(entry: &Entry, limit: u64) -> Result<(), TreeError> {
    if entry.size > limit {
        return Err(TreeError::LargeFile { path: entry.path.clone(), found: entry.size, limit });
    }
    Ok(())
}

fn prefix_length(folder: &str) -> usize {
    if folder.is_empty() { 0 } else { folder.len() + 1 }
}

/// Returns the folder that a path is in.
pub(crate) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// Returns the last segment of a path.
pub(crate) fn name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

pub(crate) fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_string() } else { format!("{folder}/{name}") }
}

/// Returns the segments of a path; none for the tree's own folder.
pub(crate) fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|segment| !segment.is_empty())
}

/// Returns whether a path may be written below a folder of ours.
pub(crate) fn is_safe(path: &str) -> bool {
    !path.is_empty()
        && !path.chars().any(char::is_control)
        && Path::new(path).is_relative()
        && path.split('/').all(|segment| !matches!(segment, "" | "." | "..") && !segment.eq_ignore_ascii_case(".git"))
}

#[cfg(test)]
pub(crate) mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn index_of(files: &[&str], links: &[(&str, &str)]) -> Index {
        let folder = tempfile::tempdir().expect("a folder");
        for path in files.iter().copied().chain(links.iter().map(|(path, _)| *path)) {
            fs::create_dir_all(folder.path().join(parent(path))).expect("a folder");
        }
        for path in files {
            fs::write(folder.path().join(path), "x").expect("a file");
        }
        for (path, target) in links {
            symlink(target, folder.path().join(path)).expect("a link");
        }
        Index::of(&DirectoryTree::new(folder.path())).expect("a tree")
    }

    /// Returns a folder with these files.
    pub(crate) fn folder_with(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for (path, text) in files {
            fs::create_dir_all(folder.path().join(parent(path))).expect("a folder");
            fs::write(folder.path().join(path), text).expect("a file");
        }
        folder
    }

    #[test]
    fn paths_are_followed_through_links_and_stay_in_the_tree() {
        let index = index_of(
            &["a/b/file", "c/file"],
            &[
                ("l", "a/b"),
                ("a/up", "../c"),
                ("out", "../x"),
                ("abs", "/etc"),
                ("x/y/top", "../.."),
                ("sly", "x/y/top/../etc"),
                ("loop", "loop"),
            ],
        );
        assert_eq!(index.resolve("", "l/file"), Place::File("a/b/file".into()));
        assert_eq!(index.resolve("a", "up/file"), Place::File("c/file".into()));
        assert_eq!(index.resolve("a/b", "../../c"), Place::Folder("c".into()));
        assert_eq!(index.resolve("a", "nothing"), Place::Missing);
        assert_eq!(index.resolve("", "loop"), Place::Missing);
        for path in ["out", "abs/passwd", "/etc", "sly", "../x", "a/../../x"] {
            assert_eq!(index.resolve("", path), Place::Outside, "{path}");
        }
    }

    #[test]
    fn git_itself_is_no_part_of_a_folder() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join(".git")).expect("a folder");
        fs::write(folder.path().join(".git/config"), "x").expect("a file");
        fs::write(folder.path().join("run"), "x").expect("a file");
        fs::set_permissions(folder.path().join("run"), fs::Permissions::from_mode(0o755)).expect("a mode");
        let entries = DirectoryTree::new(folder.path()).entries().expect("entries");
        assert_eq!(entries, [Entry { path: "run".into(), kind: EntryKind::Executable, size: 1 }]);
    }
}
