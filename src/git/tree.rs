//! Trees: edited path by path, and read as the content of an environment.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroUsize,
};

use git2::{Oid, Repository};

use super::{
    GitError,
    batch::{self, Batch, Entry, FOLDER, read_entries},
    merge::{self, Merged},
    metadata::{self, OutputMetadata},
};
use crate::domain::{
    content::Content,
    ids::{RenderingId, RootName, StrategyName, TreeId},
    selection::RootLabels,
};

/// Changes to a tree by path: a new entry, or none to delete.
pub type Edits = BTreeMap<String, Option<Entry>>;

/// Returns `base` with `edits`, or nothing when the tree became empty. Folders without files vanish.
pub fn edit(
    repository: &Repository,
    batch: &mut Batch,
    base: Option<Oid>,
    edits: &Edits,
) -> Result<Option<Oid>, GitError> {
    let mut entries = match base {
        Some(id) => batch.entries(repository, id)?,
        None => BTreeMap::new(),
    };
    let mut below: BTreeMap<&str, Edits> = BTreeMap::new();
    for (path, change) in edits {
        match path.split_once('/') {
            Some((folder, rest)) => {
                below.entry(folder).or_default().insert(rest.to_owned(), *change);
            }
            None => match change {
                Some(entry) => {
                    entries.insert(path.clone(), *entry);
                }
                None => {
                    entries.remove(path);
                }
            },
        }
    }
    for (folder, edits) in below {
        let inside = entries.get(folder).filter(|entry| entry.is_folder()).map(|entry| entry.id);
        match edit(repository, batch, inside, &edits)? {
            Some(id) => {
                entries.insert(folder.to_owned(), Entry { mode: FOLDER, id });
            }
            // A deletion below a name that is a file now deletes nothing.
            None if inside.is_some() => {
                entries.remove(folder);
            }
            None => {}
        }
    }
    if entries.is_empty() { Ok(None) } else { batch.tree(&entries).map(Some) }
}

/// Returns every file below a tree, by path.
pub fn files(repository: &Repository, tree: Oid) -> Result<BTreeMap<String, Entry>, GitError> {
    let mut found = BTreeMap::new();
    collect(repository, tree, "", &mut found)?;
    Ok(found)
}

fn collect(
    repository: &Repository,
    tree: Oid,
    prefix: &str,
    found: &mut BTreeMap<String, Entry>,
) -> Result<(), GitError> {
    for (name, entry) in read_entries(repository, tree)? {
        let path = format!("{prefix}{name}");
        if entry.is_folder() {
            collect(repository, entry.id, &format!("{path}/"), found)?;
        } else {
            found.insert(path, entry);
        }
    }
    Ok(())
}

/// What Hydromote owns in the tree of an environment branch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Owned {
    /// Root and rendering.
    pub content: Content,
    /// The strategy of each root.
    pub strategies: BTreeMap<RootName, StrategyName>,
    /// The labels of each root.
    pub labels: RootLabels,
    /// Name and version of what rendered each root.
    pub renderers: BTreeMap<RootName, String>,
    /// Every owned file of each root, by path from the branch's root.
    pub files: BTreeMap<RootName, BTreeMap<String, Entry>>,
}

impl Owned {
    /// Returns the part of it in these roots.
    pub fn only(&self, is_in: impl Fn(&RootName) -> bool) -> Self {
        fn of<V: Clone>(all: &BTreeMap<RootName, V>, is_in: &impl Fn(&RootName) -> bool) -> BTreeMap<RootName, V> {
            all.iter().filter(|(root, _)| is_in(root)).map(|(root, value)| (root.clone(), value.clone())).collect()
        }
        Self {
            content: self.content.only(&is_in),
            strategies: of(&self.strategies, &is_in),
            labels: of(&self.labels, &is_in),
            renderers: of(&self.renderers, &is_in),
            files: of(&self.files, &is_in),
        }
    }

    /// Returns the roots that are not in `part` of it, each with its strategy.
    pub fn without(&self, part: &Self) -> BTreeMap<RootName, StrategyName> {
        let others = self.strategies.iter().filter(|(root, _)| part.content.get(root).is_none());
        others.map(|(root, strategy)| (root.clone(), strategy.clone())).collect()
    }

    /// Returns all owned paths.
    pub fn paths(&self) -> BTreeSet<&str> {
        self.files.values().flat_map(BTreeMap::keys).map(String::as_str).collect()
    }
}

/// Reads what we own in a tree from the lists in the outputs' metadata.
///
/// A listed file that is gone is missing from the rendering, so the content differs from what was
/// promoted: that is drift.
pub fn owned(repository: &Repository, tree: Oid) -> Result<Owned, GitError> {
    let all = files(repository, tree)?;
    let mut owned = Owned::default();
    for (path, entry) in &all {
        let Some(folder) = path.strip_suffix(metadata::FILE_NAME).and_then(|p| p.strip_suffix('/')) else { continue };
        let (Ok(root), Ok(blob)) = (RootName::new(folder), repository.find_blob(entry.id)) else { continue };
        let Some(parsed) = OutputMetadata::parse(blob.content()) else { continue };
        let listed: BTreeMap<String, Entry> = parsed
            .files()
            .iter()
            .map(|file| format!("{folder}/{file}"))
            .filter_map(|path| all.get(&path).map(|entry| (path, *entry)))
            .collect();
        owned.content.insert(root.clone(), rendering(folder, &listed)?);
        owned.strategies.insert(root.clone(), parsed.hydromote.strategy);
        owned.labels.insert(root.clone(), parsed.hydromote.labels);
        owned.renderers.insert(root.clone(), parsed.hydromote.renderer);
        owned.files.insert(root, listed);
    }
    Ok(owned)
}

/// Returns the rendering that a root's owned files make: the tree of all but those that name the
/// dry SHA.
fn rendering(folder: &str, listed: &BTreeMap<String, Entry>) -> Result<RenderingId, GitError> {
    let mut top = Level::default();
    for (path, entry) in listed {
        let inside = path.strip_prefix(folder).and_then(|p| p.strip_prefix('/')).unwrap_or(path);
        if !metadata::names_the_dry_sha(inside) {
            top.insert(inside, *entry);
        }
    }
    let id = top.id()?.to_string();
    Ok(RenderingId::new(id).expect("because git's ids are hexadecimal"))
}

/// A folder in memory, to know the id of its tree without writing it.
#[derive(Default)]
struct Level {
    files: BTreeMap<String, Entry>,
    folders: BTreeMap<String, Level>,
}

impl Level {
    fn insert(&mut self, path: &str, entry: Entry) {
        match path.split_once('/') {
            Some((folder, rest)) => self.folders.entry(folder.to_owned()).or_default().insert(rest, entry),
            None => {
                self.files.insert(path.to_owned(), entry);
            }
        }
    }

    fn id(&self) -> Result<Oid, GitError> {
        let mut entries = self.files.clone();
        for (name, level) in &self.folders {
            entries.insert(name.clone(), Entry { mode: FOLDER, id: level.id()? });
        }
        batch::tree_id(&entries)
    }
}

/// Returns the roots whose folders are not the same in two trees.
pub fn differing<'r>(
    repository: &Repository,
    one: Oid,
    other: Oid,
    roots: impl Iterator<Item = &'r RootName>,
) -> Result<BTreeSet<RootName>, GitError> {
    let (one, other) = (repository.find_tree(one)?, repository.find_tree(other)?);
    let at =
        |tree: &git2::Tree<'_>, root: &RootName| tree.get_path(root.as_str().as_ref()).map(|entry| entry.id()).ok();
    Ok(roots.filter(|root| at(&one, root) != at(&other, root)).cloned().collect())
}

/// Returns the domain's name of a tree.
pub fn tree_id(id: Oid) -> TreeId {
    TreeId::new(id.to_string()).expect("because git's ids are hexadecimal")
}

/// Remembers what is owned in trees that were read: a tree never changes.
#[derive(Debug)]
pub struct OwnedCache {
    known: std::collections::HashMap<Oid, std::sync::Arc<Owned>>,
    oldest_first: std::collections::VecDeque<Oid>,
    capacity: NonZeroUsize,
    /// The tree that one commit merged into another gives, or none when both changed the same.
    landed: std::collections::HashMap<(Oid, Oid), Option<Oid>>,
}

impl OwnedCache {
    /// Makes a cache for so many trees.
    pub fn new(capacity: NonZeroUsize) -> Self {
        Self { known: Default::default(), oldest_first: Default::default(), capacity, landed: Default::default() }
    }

    /// Returns what is owned in `tree`.
    pub fn read(&mut self, repository: &Repository, tree: Oid) -> Result<std::sync::Arc<Owned>, GitError> {
        if let Some(known) = self.known.get(&tree) {
            return Ok(known.clone());
        }
        let read = std::sync::Arc::new(owned(repository, tree)?);
        if self.known.len() >= self.capacity.get()
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.known.remove(&oldest);
        }
        self.known.insert(tree, read.clone());
        self.oldest_first.push_back(tree);
        Ok(read)
    }

    /// Returns what is owned in the tree that merging `head` into `base` gives, or nothing when both changed
    /// the same.
    pub fn landed(
        &mut self,
        repository: &Repository,
        base: Oid,
        head: Oid,
    ) -> Result<Option<std::sync::Arc<Owned>>, GitError> {
        if let Some(known) = self.landed.get(&(base, head)).copied() {
            match known.map(|tree| self.read(repository, tree)).transpose() {
                // It is on no branch, so it may have been dropped.
                Err(GitError::Missing { .. }) => {}
                read => return read,
            }
        }
        let tree = match merge::merge_commits(repository, base, head)? {
            Merged::Tree(tree) => Some(tree),
            Merged::Conflict(_) | Merged::Unrelated => None,
        };
        if self.landed.len() >= self.capacity.get() {
            self.landed.clear();
        }
        self.landed.insert((base, head), tree);
        tree.map(|tree| self.read(repository, tree)).transpose()
    }
}
