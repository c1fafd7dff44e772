//! The differences between two commits as text, for people.

use git2::{Diff, DiffFormat, DiffOptions, Oid, Repository, Tree};

use super::GitError;

/// Lines of context around a change.
const CONTEXT: u32 = 3;

/// Larger files are told as binary ones, bytes.
const FILE_LIMIT: i64 = 4 << 20;

/// What differs between two commits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patch {
    /// Files that differ.
    pub files: usize,
    /// Lines that come.
    pub added: usize,
    /// Lines that go.
    pub removed: usize,
    /// A unified diff, cut between lines.
    pub text: String,
    /// Whether something was cut off.
    pub cut: bool,
}

/// Compares two commits, or nothing with a commit; `told` chooses the paths, `limit` bounds the text, bytes.
pub fn between(
    repository: &Repository,
    old: Option<&str>,
    new: &str,
    told: impl Fn(&str) -> bool,
    limit: usize,
) -> Result<Patch, GitError> {
    let tree = |id: &str| -> Result<Tree<'_>, git2::Error> { repository.find_commit(Oid::from_str(id)?)?.tree() };
    let (old, new) = (old.map(tree).transpose()?, tree(new)?);
    let mut options = DiffOptions::new();
    options.context_lines(CONTEXT).max_size(FILE_LIMIT);
    let diff = repository.diff_tree_to_tree(old.as_ref(), Some(&new), Some(&mut options))?;
    write(&diff, &told, limit)
}

fn write(diff: &Diff<'_>, told: &impl Fn(&str) -> bool, limit: usize) -> Result<Patch, GitError> {
    let mut patch = Patch { files: 0, added: 0, removed: 0, text: String::new(), cut: false };
    diff.print(DiffFormat::Patch, |delta, _, line| {
        let file = delta.new_file().path().or(delta.old_file().path());
        if !file.is_some_and(|path| told(&path.to_string_lossy())) {
            return true;
        }
        let mark = line.origin();
        match mark {
            'F' => patch.files += 1,
            '+' => patch.added += 1,
            '-' => patch.removed += 1,
            _ => {}
        }
        let content = String::from_utf8_lossy(line.content());
        patch.cut |= patch.text.len() + content.len() + 1 > limit;
        if !patch.cut {
            if matches!(mark, '+' | '-' | ' ') {
                patch.text.push(mark);
            }
            patch.text.push_str(&content);
        }
        true
    })?;
    Ok(patch)
}
