//! The exact inputs of a root: what its renderer gets to read, and nothing else.
//!
//! A closure is found by following what the sources name, never by running anything. That it is complete need not be
//! believed: the renderer runs in a folder that holds the closure alone, so one that lacks something shows as a failure
//! or another rendering, and never as a rendering that should have changed and did not.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::indexed::IndexedTree;
use crate::tree::{EntryKind, Place, TreeError, join, parent};

/// What one root is rendered from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Closure {
    /// Files and links, by where they are laid, with where they are in the tree.
    entries: BTreeMap<String, String>,
    /// Folders that must be there even when nothing lies in them, since a path leads through them.
    folders: BTreeSet<String>,
}

impl Closure {
    /// Returns the paths in the tree of all files and links.
    pub fn paths(&self) -> BTreeSet<&str> {
        self.entries.values().map(String::as_str).collect()
    }

    /// Returns all files and links, by where they are laid, with where they are in the tree.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries.iter().map(|(laid, path)| (laid.as_str(), path.as_str()))
    }

    /// Follows a path as [`Index::resolve`](crate::tree::Index::resolve) does, and adds what lies on the way: links,
    /// folders, and the file at its end.
    pub(crate) fn follow(&mut self, tree: &IndexedTree, folder: &str, path: &str) -> Place {
        let place = tree.index().follow(folder, path, &mut |passed| self.pass(tree, passed));
        if let Place::File(file) = &place {
            self.add(file);
        }
        place
    }

    fn pass(&mut self, tree: &IndexedTree, passed: &str) {
        if tree.index().link_target(passed).is_some() {
            self.add(passed);
        } else {
            self.folders.insert(passed.to_string());
        }
    }

    fn add(&mut self, path: &str) {
        self.entries.insert(path.to_string(), path.to_string());
    }

    /// Adds everything in a folder and below, also behind links.
    pub(crate) fn add_folder(&mut self, tree: &IndexedTree, folder: &str) {
        let (mut seen, mut ahead) = (BTreeSet::new(), vec![folder.to_string()]);
        while let Some(folder) = ahead.pop() {
            if !seen.insert(folder.clone()) {
                continue;
            }
            for entry in tree.index().below(&folder) {
                if entry.kind == EntryKind::Submodule {
                    continue;
                }
                if let Place::Folder(behind) = self.follow(tree, "", &entry.path) {
                    ahead.push(behind);
                }
            }
        }
    }

    /// Lays what is in `from` and below a second time, below `to`; links become what they lead to.
    pub(crate) fn lay_folder(&mut self, tree: &IndexedTree, from: &str, to: &str) {
        let (mut seen, mut ahead) = (BTreeSet::new(), vec![(from.to_string(), to.to_string())]);
        while let Some((from, to)) = ahead.pop() {
            if !seen.insert(from.clone()) {
                continue;
            }
            for entry in tree.index().below(&from) {
                let inner = entry.path[from.len()..].trim_start_matches('/');
                match tree.index().resolve("", &entry.path) {
                    Place::File(file) => drop(self.entries.insert(join(&to, inner), file)),
                    Place::Folder(folder) => ahead.push((folder, join(&to, inner))),
                    Place::Missing | Place::Outside => {}
                }
            }
        }
    }

    /// Adds everything of another closure.
    pub(crate) fn join(&mut self, other: &Self) {
        self.entries.extend(other.entries.clone());
        self.folders.extend(other.folders.clone());
    }

    /// Returns where something that was laid at `path` is in the tree.
    pub(crate) fn origin<'a>(&'a self, path: &'a str) -> &'a str {
        self.entries.get(path).map_or(path, String::as_str)
    }

    /// Adds everything that a renderer sees to a digest.
    pub(crate) fn add_to(&self, tree: &IndexedTree, digest: &mut Sha256) -> Result<(), TreeError> {
        for folder in &self.folders {
            digest.update(format!("folder {folder}\0"));
        }
        for (path, origin) in &self.entries {
            let kind = match tree.index().entry(origin).map(|entry| entry.kind) {
                Some(EntryKind::Executable) => "executable",
                Some(EntryKind::Symlink) => "link",
                _ => "file",
            };
            digest.update(format!("{kind} {path}\0{}\0", tree.digest(origin)?));
        }
        Ok(())
    }

    /// Writes everything to the empty folder `into`, for nobody to change.
    pub(crate) fn write(&self, tree: &IndexedTree, into: &Path) -> Result<(), TreeError> {
        self.check_size(tree)?;
        for folder in &self.folders {
            fs::create_dir_all(into.join(folder)).map_err(TreeError::io(folder))?;
        }
        let mut made = "";
        for (path, origin) in &self.entries {
            let (target, io) = (into.join(path), || TreeError::io(origin.clone()));
            if parent(path) != made {
                made = parent(path);
                fs::create_dir_all(into.join(made)).map_err(io())?;
            }
            if let Some(link) = tree.index().link_target(origin) {
                symlink(link, &target).map_err(io())?;
                continue;
            }
            fs::write(&target, tree.read_bytes(origin)?).map_err(io())?;
            let is_program = tree.index().entry(origin).is_some_and(|entry| entry.kind == EntryKind::Executable);
            let mode = if is_program { 0o555 } else { 0o444 };
            fs::set_permissions(&target, fs::Permissions::from_mode(mode)).map_err(io())?;
        }
        Ok(())
    }

    fn check_size(&self, tree: &IndexedTree) -> Result<(), TreeError> {
        let sizes = || self.entries.values().filter_map(|path| tree.index().entry(path)).map(|entry| entry.size);
        let (found, limit) = (sizes().sum::<u64>(), tree.limits().bytes);
        if found <= limit {
            return Ok(());
        }
        let largest = self.entries.values().max_by_key(|path| tree.index().entry(path).map(|entry| entry.size));
        Err(TreeError::TooLarge { most: largest.cloned().unwrap_or_default(), unit: "bytes", found, limit })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::sync::Arc;

    use super::*;
    use crate::indexed::TreeLimits;
    use crate::tree::DirectoryTree;
    use crate::tree::tests::folder_with;

    fn indexed(folder: &tempfile::TempDir, bytes: u64) -> IndexedTree {
        let limits = TreeLimits { bytes, ..TreeLimits::default() };
        IndexedTree::read(Arc::new(DirectoryTree::new(folder.path())), limits).expect("a tree")
    }

    #[test]
    fn a_closure_has_the_links_on_its_way_and_nothing_else() {
        let folder = folder_with(&[("real/base/a.yaml", "a: 1"), ("real/other.yaml", ""), ("app/x/y", "")]);
        symlink("../real", folder.path().join("app/link")).expect("a link");
        let tree = indexed(&folder, 1000);
        let mut closure = Closure::default();
        assert_eq!(closure.follow(&tree, "app/x", "../link/base/a.yaml"), Place::File("real/base/a.yaml".into()));
        assert_eq!(closure.follow(&tree, "app", "x/nothing"), Place::Missing);
        let into = tempfile::tempdir().expect("a folder");
        closure.write(&tree, into.path()).expect("written");
        assert_eq!(fs::read_to_string(into.path().join("app/x/../link/base/a.yaml")).expect("a file"), "a: 1");
        assert!(!into.path().join("real/other.yaml").exists() && !into.path().join("app/x/y").exists());
    }

    #[test]
    fn a_folder_comes_with_what_its_links_lead_to() {
        let folder = folder_with(&[("chart/Chart.yaml", ""), ("shared/all/a", ""), ("shared/more", ""), ("else", "")]);
        symlink("../shared/all", folder.path().join("chart/templates")).expect("a link");
        symlink("../more", folder.path().join("shared/all/more")).expect("a link");
        symlink("../all", folder.path().join("shared/all/self")).expect("a link");
        let mut closure = Closure::default();
        closure.add_folder(&indexed(&folder, 1000), "chart");
        let paths = [
            "chart/Chart.yaml",
            "chart/templates",
            "shared/all/a",
            "shared/all/more",
            "shared/all/self",
            "shared/more",
        ];
        assert_eq!(Vec::from_iter(closure.paths()), paths);
    }

    #[test]
    fn what_is_larger_than_the_limit_is_not_written() {
        let folder = folder_with(&[("a", "12345"), ("b", "12345")]);
        let mut closure = Closure::default();
        closure.add_folder(&indexed(&folder, 1000), "");
        let write = |bytes| closure.write(&indexed(&folder, bytes), tempfile::tempdir().expect("a folder").path());
        assert!(matches!(write(9), Err(TreeError::TooLarge { unit: "bytes", .. })));
        assert!(write(10).is_ok());
    }

    #[test]
    fn the_digest_changes_with_content_place_and_kind() {
        let digest = |files: &[(&str, &str)], program: bool| {
            let folder = folder_with(files);
            if program {
                let mode = fs::Permissions::from_mode(0o755);
                fs::set_permissions(folder.path().join(files[0].0), mode).expect("a mode");
            }
            let (tree, mut closure, mut digest) = (indexed(&folder, 1000), Closure::default(), Sha256::new());
            closure.add_folder(&tree, "");
            closure.add_to(&tree, &mut digest).expect("a digest");
            digest.finalize()
        };
        let first = digest(&[("a", "1"), ("b", "2")], false);
        assert_eq!(first, digest(&[("b", "2"), ("a", "1")], false));
        for other in [&[("a", "2"), ("b", "2")][..], &[("a", "1"), ("c", "2")], &[("a", "1")]] {
            assert_ne!(first, digest(other, false));
        }
        assert_ne!(first, digest(&[("a", "1"), ("b", "2")], true));
    }
}
