//! The files of a work tree as they are: edited, new and removed ones count, ignored ones do not.

use std::path::Path;

use anyhow::Context;
use git2::{Repository, StatusOptions};
use hydrators::{DirectoryTree, Entry, EntryKind, SourceTree, TreeError};

/// The files of a work tree.
pub struct WorkTree {
    files: DirectoryTree,
    entries: Vec<Entry>,
}

impl WorkTree {
    /// Lists the work tree of `repository` in `folder`.
    pub fn of(repository: &Repository, folder: &Path) -> anyhow::Result<Self> {
        let mut options = StatusOptions::new();
        options.include_untracked(true).recurse_untracked_dirs(true).include_unmodified(true).include_ignored(false);
        let listed = repository.statuses(Some(&mut options)).context("could not list the work tree")?;
        let mut entries = Vec::new();
        for status in listed.iter() {
            let path = String::from_utf8_lossy(status.path_bytes()).into_owned();
            entries.extend(entry(folder, path));
        }
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        entries.dedup();
        Ok(Self { files: DirectoryTree::new(folder), entries })
    }
}

/// Returns the entry of a path; nothing when it was removed, or is another repository.
fn entry(folder: &Path, path: String) -> Option<Entry> {
    use std::os::unix::fs::PermissionsExt;
    if path.ends_with('/') {
        return None;
    }
    let metadata = folder.join(&path).symlink_metadata().ok()?;
    let kind = if metadata.is_dir() {
        EntryKind::Submodule
    } else if metadata.is_symlink() {
        EntryKind::Symlink
    } else if metadata.permissions().mode() & 0o111 != 0 {
        EntryKind::Executable
    } else {
        EntryKind::File
    };
    Some(Entry { path, kind, size: metadata.len() })
}

impl SourceTree for WorkTree {
    fn entries(&self) -> Result<Vec<Entry>, TreeError> {
        Ok(self.entries.clone())
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, TreeError> {
        self.files.read(path)
    }
}
