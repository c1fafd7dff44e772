//! Git work on one bare repository: making it, its refs, its commits, its diffs.
//!
//! Everything here blocks; it is called from blocking threads only. Refs are moved by compare-and-swap.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use git2::{Diff, DiffOptions, Oid, Patch, Repository, RepositoryInitOptions, Signature};
use jiff::Timestamp;

/// The hook that refuses what a branch's protection forbids, per ref, so that `--atomic` holds.
const UPDATE_HOOK: &str = include_str!("update_hook.sh");

/// The longest patch of one file that is shown.
const PATCH_BYTES: usize = 256 * 1024;

/// How many files of a diff are listed, as on GitHub.
const DIFF_FILES: usize = 300;

/// A person at a time, on a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) name: String,
    pub(super) email: String,
    pub(super) at: Timestamp,
}

/// A commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CommitInfo {
    pub(super) sha: String,
    pub(super) tree: String,
    pub(super) message: String,
    pub(super) author: Stamp,
    pub(super) committer: Stamp,
    pub(super) parents: Vec<String>,
}

impl CommitInfo {
    /// Returns the first line of the message.
    pub(super) fn subject(&self) -> &str {
        self.message.lines().next().unwrap_or_default()
    }

    /// Returns the message without its first paragraph.
    pub(super) fn rest(&self) -> &str {
        self.message.split_once("\n\n").map(|(_, rest)| rest.trim_end()).unwrap_or_default()
    }
}

/// How one file differs between two trees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileChange {
    pub(super) path: String,
    pub(super) previous: Option<String>,
    /// GitHub's word: added, removed, modified, renamed.
    pub(super) status: &'static str,
    pub(super) blob: String,
    pub(super) additions: usize,
    pub(super) deletions: usize,
    /// Absent for binary and very large files.
    pub(super) patch: Option<String>,
}

/// An entry of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) is_folder: bool,
}

/// What a path in a tree leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    Folder(Vec<Entry>),
    File(Vec<u8>),
}

/// A bare repository.
pub(super) struct GitRepository {
    git: Repository,
}

impl GitRepository {
    /// Makes a bare repository that takes pushes over HTTP.
    pub(super) fn create(path: &Path, default_branch: &str) -> anyhow::Result<Self> {
        let mut options = RepositoryInitOptions::new();
        options.bare(true).mkpath(true).no_reinit(true).external_template(false).initial_head(default_branch);
        let git = Repository::init_opts(path, &options)?;
        let mut config = git.config()?;
        config.set_bool("http.receivepack", true)?;
        config.set_bool("uploadpack.allowAnySHA1InWant", true)?;
        config.set_bool("uploadpack.allowFilter", true)?;
        config.set_bool("receive.autogc", false)?;
        config.set_i64("gc.auto", 0)?;
        config.set_str("receive.hideRefs", "refs/pull")?;
        write_hook(path)?;
        Ok(Self { git })
    }

    /// Opens a repository.
    pub(super) fn open(path: &Path) -> Result<Self, git2::Error> {
        Repository::open_bare(path).map(|git| Self { git })
    }

    /// Returns the git library's handle.
    pub(super) fn git(&self) -> &Repository {
        &self.git
    }

    /// Returns branches and tags, full name to the object's SHA.
    pub(super) fn refs(&self) -> Result<BTreeMap<String, String>, git2::Error> {
        let mut refs = BTreeMap::new();
        for pattern in ["refs/heads/*", "refs/tags/*"] {
            for reference in self.git.references_glob(pattern)? {
                let reference = reference?;
                if let (Ok(name), Some(oid)) = (reference.name(), reference.target()) {
                    refs.insert(name.to_owned(), oid.to_string());
                }
            }
        }
        Ok(refs)
    }

    /// Returns the commit that a branch, tag, full ref or full SHA names.
    pub(super) fn resolve(&self, revision: &str) -> Option<Oid> {
        let names = [
            format!("refs/heads/{revision}"),
            format!("refs/tags/{revision}"),
            format!("refs/{revision}"),
            revision.to_owned(),
        ];
        let by_name = names.iter().find_map(|name| self.git.find_reference(name).ok());
        let by_sha = || is_sha(revision).then(|| Oid::from_str(revision).ok()).flatten();
        let object = match by_name {
            Some(reference) => reference.peel_to_commit().ok()?.id(),
            None => by_sha()?,
        };
        self.git.find_commit(object).ok().map(|commit| commit.id())
    }

    /// Returns whether an object exists.
    pub(super) fn has_object(&self, sha: &str) -> bool {
        is_sha(sha) && Oid::from_str(sha).is_ok_and(|oid| self.git.odb().is_ok_and(|odb| odb.exists(oid)))
    }

    /// Makes a ref; fails when it is there.
    pub(super) fn create_ref(&self, name: &str, oid: Oid) -> Result<(), git2::Error> {
        self.git.reference(name, oid, false, "local forge").map(drop)
    }

    /// Moves a ref that points to `expected`; fails when it points elsewhere.
    pub(super) fn move_ref(&self, name: &str, oid: Oid, expected: Oid) -> Result<(), git2::Error> {
        self.git.reference_matching(name, oid, true, expected, "local forge").map(drop)
    }

    /// Sets a ref that only the forge writes.
    pub(super) fn set_ref(&self, name: &str, oid: Oid) -> Result<(), git2::Error> {
        self.git.reference(name, oid, true, "local forge").map(drop)
    }

    /// Deletes a ref.
    pub(super) fn delete_ref(&self, name: &str) -> Result<(), git2::Error> {
        self.git.find_reference(name)?.delete()
    }

    /// Returns a commit.
    pub(super) fn commit(&self, oid: Oid) -> Result<CommitInfo, git2::Error> {
        let commit = self.git.find_commit(oid)?;
        Ok(CommitInfo {
            sha: oid.to_string(),
            tree: commit.tree_id().to_string(),
            message: String::from_utf8_lossy(commit.message_bytes()).into_owned(),
            author: stamp(&commit.author()),
            committer: stamp(&commit.committer()),
            parents: commit.parent_ids().map(|parent| parent.to_string()).collect(),
        })
    }

    /// Returns commits, in the given order.
    pub(super) fn commits(&self, oids: &[Oid]) -> Result<Vec<CommitInfo>, git2::Error> {
        oids.iter().map(|oid| self.commit(*oid)).collect()
    }

    /// Returns how many commits `head` has that `base` has not, and the other way round.
    pub(super) fn ahead_behind(&self, head: Oid, base: Oid) -> Result<(usize, usize), git2::Error> {
        self.git.graph_ahead_behind(head, base)
    }

    /// Returns whether `descendant` contains `ancestor`.
    pub(super) fn contains(&self, descendant: Oid, ancestor: Oid) -> bool {
        descendant == ancestor || self.git.graph_descendant_of(descendant, ancestor).unwrap_or(false)
    }

    /// Returns the best common ancestor.
    pub(super) fn merge_base(&self, one: Oid, two: Oid) -> Option<Oid> {
        self.git.merge_base(one, two).ok()
    }

    /// Returns what changed from `from` (nothing at all when absent) to `to`.
    pub(super) fn changes(&self, from: Option<Oid>, to: Oid) -> Result<Vec<FileChange>, git2::Error> {
        let from = from.map(|oid| self.git.find_commit(oid)?.tree()).transpose()?;
        let to = self.git.find_commit(to)?.tree()?;
        let mut options = DiffOptions::new();
        let mut diff = self.git.diff_tree_to_tree(from.as_ref(), Some(&to), Some(&mut options))?;
        diff.find_similar(None)?;
        (0..diff.deltas().len().min(DIFF_FILES)).map(|index| file_change(&diff, index)).collect()
    }

    /// Returns what `path` is in a commit's tree, or nothing when it is not there.
    pub(super) fn look_up(&self, commit: Oid, path: &str) -> Result<Option<Found>, git2::Error> {
        let tree = self.git.find_commit(commit)?.tree()?;
        let tree = match path {
            "" => tree,
            _ => {
                let Ok(entry) = tree.get_path(Path::new(path)) else { return Ok(None) };
                match entry.kind() {
                    Some(git2::ObjectType::Blob) => {
                        let blob = self.git.find_blob(entry.id())?;
                        return Ok(Some(Found::File(blob.content().to_vec())));
                    }
                    Some(git2::ObjectType::Tree) => self.git.find_tree(entry.id())?,
                    _ => return Ok(None),
                }
            }
        };
        let mut entries: Vec<Entry> = tree
            .iter()
            .map(|entry| Entry {
                name: String::from_utf8_lossy(entry.name_bytes()).into_owned(),
                is_folder: entry.kind() == Some(git2::ObjectType::Tree),
            })
            .collect();
        entries.sort_by_key(|entry| (!entry.is_folder, entry.name.clone()));
        Ok(Some(Found::Folder(entries)))
    }

    /// Returns the newest commits of a branch.
    pub(super) fn log(&self, from: Oid, count: usize) -> Result<Vec<CommitInfo>, git2::Error> {
        let mut walk = self.git.revwalk()?;
        walk.push(from)?;
        walk.set_sorting(git2::Sort::TOPOLOGICAL | git2::Sort::TIME)?;
        let oids = walk.take(count).collect::<Result<Vec<_>, _>>()?;
        self.commits(&oids)
    }

    /// Commits `files` onto `parent` (or as a first commit), keeping the parent's other files.
    pub(super) fn commit_files(
        &self,
        parent: Option<Oid>,
        files: &[(String, String)],
        message: &str,
        who: &Signature<'_>,
    ) -> Result<Oid, git2::Error> {
        let mut index = git2::Index::new()?;
        let parent = parent.map(|oid| self.git.find_commit(oid)).transpose()?;
        if let Some(parent) = &parent {
            index.read_tree(&parent.tree()?)?;
        }
        for (path, text) in files {
            index.add(&index_entry(path, self.git.blob(text.as_bytes())?))?;
        }
        let tree = self.git.find_tree(index.write_tree_to(&self.git)?)?;
        let parents: Vec<&git2::Commit<'_>> = parent.iter().collect();
        self.git.commit(None, who, who, message, &tree, &parents)
    }
}

/// Returns whether `text` is a full SHA-1.
pub(super) fn is_sha(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Returns where a repository lies under the forge's folder.
pub(super) fn path_of(root: &Path, owner: &str, name: &str) -> PathBuf {
    root.join(owner).join(format!("{name}.git"))
}

/// Writes the hook again, so that repositories of an older forge get today's rules too.
pub(super) fn write_hook(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let hooks = path.join("hooks");
    std::fs::create_dir_all(&hooks)?;
    let file = hooks.join("update");
    std::fs::write(&file, UPDATE_HOOK)?;
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755))
}

fn index_entry(path: &str, id: Oid) -> git2::IndexEntry {
    let time = git2::IndexTime::new(0, 0);
    git2::IndexEntry {
        ctime: time,
        mtime: time,
        dev: 0,
        ino: 0,
        mode: 0o100_644,
        uid: 0,
        gid: 0,
        file_size: 0,
        id,
        flags: 0,
        flags_extended: 0,
        path: path.as_bytes().to_vec(),
    }
}

fn stamp(signature: &Signature<'_>) -> Stamp {
    Stamp {
        name: String::from_utf8_lossy(signature.name_bytes()).into_owned(),
        email: String::from_utf8_lossy(signature.email_bytes()).into_owned(),
        at: Timestamp::from_second(signature.when().seconds()).unwrap_or(Timestamp::UNIX_EPOCH),
    }
}

fn file_change(diff: &Diff<'_>, index: usize) -> Result<FileChange, git2::Error> {
    let mut patch = Patch::from_diff(diff, index)?;
    let delta = diff.get_delta(index).ok_or_else(|| git2::Error::from_str("a diff lost an entry"))?;
    let status = match delta.status() {
        git2::Delta::Added => "added",
        git2::Delta::Deleted => "removed",
        git2::Delta::Renamed => "renamed",
        git2::Delta::Copied => "copied",
        _ => "modified",
    };
    let text = |path: Option<&Path>| path.map(|path| path.to_string_lossy().into_owned());
    let (_, additions, deletions) = patch.as_ref().map_or(Ok((0, 0, 0)), Patch::line_stats)?;
    let old = text(delta.old_file().path());
    let path = text(delta.new_file().path()).or_else(|| old.clone()).unwrap_or_default();
    let shown = if status == "removed" { delta.old_file() } else { delta.new_file() };
    Ok(FileChange {
        previous: old.filter(|old| *old != path),
        path,
        status,
        blob: shown.id().to_string(),
        additions,
        deletions,
        patch: patch.as_mut().map(hunks).transpose()?.flatten(),
    })
}

/// Returns a patch from its first hunk on, or nothing when it is binary or too long.
fn hunks(patch: &mut Patch<'_>) -> Result<Option<String>, git2::Error> {
    if patch.num_hunks() == 0 || patch.size(true, true, false) > PATCH_BYTES {
        return Ok(None);
    }
    let text = patch.to_buf()?;
    let text = String::from_utf8_lossy(&text).into_owned();
    let start = text.find("\n@@").map_or(0, |at| at + 1);
    Ok(Some(text[start..].trim_end_matches('\n').to_owned()))
}
