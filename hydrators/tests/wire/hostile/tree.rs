//! The tree of a case: as a forge would give it, and as it would lie on a disk without our export.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use hydrators::{Entry, EntryKind, SourceTree, TreeError};

use super::case::Content;

/// A tree in memory, with whatever paths the case has.
pub(super) struct CaseTree(Vec<(String, EntryKind, Vec<u8>)>);

impl CaseTree {
    pub(super) fn of(content: &Content) -> Self {
        let mut entries = Vec::new();
        let mut add = |path: &str, kind, bytes: &[u8]| entries.push((path.to_string(), kind, bytes.to_vec()));
        content.links.iter().for_each(|(path, target)| add(path, EntryKind::Symlink, target.as_bytes()));
        content.files.iter().for_each(|(path, text)| add(path, EntryKind::File, text.as_bytes()));
        content.programs.iter().for_each(|(path, text)| add(path, EntryKind::Executable, text.as_bytes()));
        content.binaries.iter().for_each(|(path, digits)| add(path, EntryKind::File, &bytes(digits)));
        content.submodules.iter().for_each(|path| add(path, EntryKind::Submodule, b""));
        for (path, repeated) in &content.repeated {
            let text = format!("{}{}{}", repeated.before, repeated.text.repeat(repeated.times), repeated.after);
            add(path, EntryKind::File, text.as_bytes());
        }
        if let Some(many) = &content.many {
            (0..many.count).for_each(|number| add(&format!("{}/{number}", many.folder), EntryKind::File, b""));
        }
        Self(entries)
    }

    /// Writes everything as it is, which the service never does.
    pub(super) fn lay_out(&self, folder: &Path) -> std::io::Result<()> {
        for (path, kind, content) in &self.0 {
            let target = folder.join(path);
            fs::create_dir_all(target.parent().unwrap_or(folder))?;
            match kind {
                EntryKind::Symlink => symlink(String::from_utf8_lossy(content).as_ref(), &target)?,
                EntryKind::Submodule => fs::create_dir_all(&target)?,
                EntryKind::File => fs::write(&target, content)?,
                EntryKind::Executable => {
                    fs::write(&target, content)?;
                    fs::set_permissions(&target, fs::Permissions::from_mode(0o755))?;
                }
            }
        }
        Ok(())
    }
}

impl SourceTree for CaseTree {
    fn entries(&self) -> Result<Vec<Entry>, TreeError> {
        let entry = |(path, kind, content): &(String, EntryKind, Vec<u8>)| Entry {
            path: path.clone(),
            kind: *kind,
            size: content.len() as u64,
        };
        Ok(self.0.iter().map(entry).collect())
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, TreeError> {
        let found = self.0.iter().find(|(name, ..)| name == path);
        Ok(found.map(|(.., content)| content.clone()).unwrap_or_default())
    }
}

fn bytes(digits: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        digits.chars().filter_map(|digit| digit.to_digit(16)).filter_map(|digit| u8::try_from(digit).ok()).collect();
    digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect()
}
