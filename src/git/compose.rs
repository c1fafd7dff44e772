//! Environment trees, composed root by root, and the snapshot commits that hold them.
//!
//! A composed tree is: other people's files as they are, and for each root either the new
//! rendering or the one that is there. Files of a root whose rendering stays are not touched, so
//! its metadata keeps naming the last dry SHA that changed it.

use std::collections::{BTreeMap, BTreeSet};

use git2::{Oid, Repository, Signature};

use super::{
    GitError,
    batch::{Batch, Entry},
    history::DryCommit,
    metadata::{self, BranchMetadata, Origin, OutputMetadata, OutputOwnership},
    other_hydrator, resources,
    tree::{self, Edits, Owned},
};
use crate::domain::{
    adoption::OtherHydrator,
    content::Content,
    hydration::RootInfo,
    ids::{DrySha, RenderingId, RootName, StrategyName},
};

/// What a snapshot commit is composed of.
#[derive(Debug, Clone)]
pub struct Composition {
    /// The active head; absent when a tree without history is composed.
    pub parent: Option<Oid>,
    /// The content of the lane.
    pub content: Content,
    /// About each root that is rendered anew.
    pub roots: BTreeMap<RootName, RootInfo>,
    /// The dry commit; where several lanes go together, the newest of theirs.
    pub dry: DryCommit,
    /// The dry SHA of roots that are of another commit.
    pub dry_of: BTreeMap<RootName, DrySha>,
    /// Strategy, environment and lane.
    pub origin: Origin,
    /// The dry repository's address, for metadata.
    pub repo_url: String,
    /// README text by root, for those rendered anew.
    pub readmes: BTreeMap<RootName, String>,
    /// Roots that come from another lane or strategy: their metadata is written though the rendering stays.
    pub taken_over: BTreeSet<RootName>,
    /// Whether everything on the branch travels together: then a file at its root names the dry SHA. Several
    /// lanes, and strategies, share no file.
    pub is_undivided: bool,
    /// The roots that other strategies have on the branch.
    pub others: BTreeMap<RootName, StrategyName>,
}

/// A composed commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Composed {
    /// The commit.
    pub commit: Oid,
    /// Its tree.
    pub tree: Oid,
}

/// The name and address on our commits.
pub const COMMITTER: (&str, &str) = ("Hydromote", "hydromote@users.noreply.hydromote.dev");

/// Writes the files of a root to the mirror; returns the rendering.
pub fn write_rendering(repository: &Repository, files: &BTreeMap<String, Vec<u8>>) -> Result<RenderingId, GitError> {
    let mut batch = Batch::default();
    let rendering = add_rendering(repository, &mut batch, files)?;
    batch.write(repository)?;
    Ok(rendering)
}

/// Adds the files of a root to a batch; returns the rendering.
pub fn add_rendering(
    repository: &Repository,
    batch: &mut Batch,
    files: &BTreeMap<String, Vec<u8>>,
) -> Result<RenderingId, GitError> {
    let mut edits = Edits::new();
    for (path, bytes) in files {
        edits.insert(path.clone(), Some(Entry::file(batch.blob(bytes.clone())?)));
    }
    let tree = match tree::edit(repository, batch, None, &edits)? {
        Some(tree) => tree,
        None => batch.tree(&BTreeMap::new())?,
    };
    Ok(RenderingId::new(tree.to_string()).expect("because git's ids are hexadecimal"))
}

/// Composes the tree of `composition` on `base` and writes it.
pub fn compose_tree(
    repository: &Repository,
    batch: &mut Batch,
    base: Option<Oid>,
    owned: &Owned,
    composition: &Composition,
) -> Result<Oid, GitError> {
    let mut edits = Edits::new();
    for root in owned.content.differing(&composition.content) {
        for path in owned.files.get(root).into_iter().flat_map(BTreeMap::keys) {
            edits.insert(path.clone(), None);
        }
    }
    for (root, rendering) in composition.content.iter() {
        if owned.content.get(root) != Some(rendering) || composition.taken_over.contains(root) {
            edits.extend(root_files(repository, batch, composition, root, rendering)?);
        }
    }
    let new = composition.content.iter().map(|(root, _)| root).filter(|root| owned.content.get(root).is_none());
    refuse_meeting(new, &composition.others)?;
    refuse_what_is_not_ours(repository, base, owned, &edits, composition)?;
    if composition.is_undivided {
        let metadata = Entry::file(batch.blob(branch_metadata(composition).render())?);
        edits.insert(metadata::FILE_NAME.to_owned(), Some(metadata));
    } else if !is_of_another(repository, base, composition)? {
        edits.insert(metadata::FILE_NAME.to_owned(), None);
    }
    match tree::edit(repository, batch, base, &edits)? {
        Some(tree) => Ok(tree),
        None => batch.tree(&BTreeMap::new()),
    }
}

/// Composes a snapshot commit: the active head as its only parent, exactly the composed tree.
///
/// Its times are the dry commit's, so that composing again gives the same commit.
pub fn compose_commit(
    repository: &Repository,
    owned: &Owned,
    composition: &Composition,
    message: &str,
) -> Result<Composed, GitError> {
    let base = match composition.parent {
        Some(parent) => Some(repository.find_commit(parent)?.tree_id()),
        None => None,
    };
    let mut batch = Batch::default();
    let tree = compose_tree(repository, &mut batch, base, owned, composition)?;
    let commit = batch.commit(commit_bytes(tree, composition.parent, composition.dry.committed_seconds, message))?;
    batch.write(repository)?;
    Ok(Composed { commit, tree })
}

/// Writes an empty commit without parents: the first commit of an active branch.
pub fn empty_commit(repository: &Repository, message: &str, seconds: i64) -> Result<Oid, GitError> {
    let mut batch = Batch::default();
    let tree = batch.tree(&BTreeMap::new())?;
    let commit = batch.commit(commit_bytes(tree, None, seconds, message))?;
    batch.write(repository)?;
    Ok(commit)
}

/// Returns our signature for commits that libgit2 writes.
pub fn signature(seconds: i64) -> Result<Signature<'static>, GitError> {
    Ok(Signature::new(COMMITTER.0, COMMITTER.1, &git2::Time::new(seconds, 0))?)
}

pub(super) fn commit_bytes(tree: Oid, parent: Option<Oid>, seconds: i64, message: &str) -> Vec<u8> {
    let parent = parent.map(|id| format!("parent {id}\n")).unwrap_or_default();
    let (name, mail) = COMMITTER;
    let who = format!("{name} <{mail}> {seconds} +0000");
    format!("tree {tree}\n{parent}author {who}\ncommitter {who}\n\n{message}").into_bytes()
}

/// Returns the files of one root: its rendering, metadata and README.
fn root_files(
    repository: &Repository,
    batch: &mut Batch,
    composition: &Composition,
    root: &RootName,
    rendering: &RenderingId,
) -> Result<Edits, GitError> {
    let id = Oid::from_str(rendering.as_str()).map_err(GitError::from)?;
    let rendered = tree::files(repository, id)?;
    let mut listed: Vec<String> = rendered.keys().cloned().collect();
    listed.push(metadata::FILE_NAME.to_owned());
    let mut edits: Edits = rendered.into_iter().map(|(path, entry)| (format!("{root}/{path}"), Some(entry))).collect();
    if let Some(readme) = composition.readmes.get(root) {
        listed.push(metadata::README.to_owned());
        let blob = batch.blob(readme.clone().into_bytes())?;
        edits.insert(format!("{root}/{}", metadata::README), Some(Entry::file(blob)));
    }
    listed.sort();
    let info = composition.roots.get(root);
    let text = OutputMetadata {
        commands: info.map(|info| info.commands.clone()).unwrap_or_default(),
        dry_sha: composition.dry_of.get(root).unwrap_or(&composition.dry.sha).to_string(),
        repo_url: composition.repo_url.clone(),
        hydromote: OutputOwnership {
            strategy: composition.origin.strategy.clone(),
            files: listed,
            renderer: info.map(|info| info.renderer.clone()).unwrap_or_default(),
            labels: info.map(|info| info.labels.clone()).unwrap_or_default(),
        },
    };
    let blob = batch.blob(text.render())?;
    edits.insert(format!("{root}/{}", metadata::FILE_NAME), Some(Entry::file(blob)));
    Ok(edits)
}

/// Says whether the file at the root of a branch names another strategy, which has outputs on it.
fn is_of_another(repository: &Repository, base: Option<Oid>, composition: &Composition) -> Result<bool, GitError> {
    let Some(base) = base else { return Ok(false) };
    let tree = repository.find_tree(base)?;
    let Some(entry) = tree.get_name(metadata::FILE_NAME) else { return Ok(false) };
    let parsed = repository.find_blob(entry.id()).ok().and_then(|blob| BranchMetadata::parse(blob.content()));
    let own = &composition.origin.strategy;
    let others: BTreeSet<&StrategyName> = composition.others.values().collect();
    Ok(parsed.is_some_and(|parsed| parsed.hydromote.strategy != *own && others.contains(&parsed.hydromote.strategy)))
}

/// Refuses a new output that is the one of another strategy on the branch, or inside it, or around it: whatever
/// applies one would apply both.
pub(super) fn refuse_meeting<'r>(
    new: impl IntoIterator<Item = &'r RootName>,
    others: &BTreeMap<RootName, StrategyName>,
) -> Result<(), GitError> {
    for root in new {
        if let Some((other, strategy)) = others.iter().find(|(other, _)| root.meets(other)) {
            let message = format!(
                "`{root}` would stand with `{other}` of the strategy `{strategy}`, which shares the branch; give one \
                 of them another `output`"
            );
            return Err(GitError::Obstacle { message });
        }
    }
    Ok(())
}

/// Refuses to write over a file that is not ours, or where a file stands that is not ours.
pub(super) fn refuse_foreign_files(
    repository: &Repository,
    base: Option<Oid>,
    ours: &BTreeSet<&str>,
    edits: &Edits,
) -> Result<(), GitError> {
    match in_the_way(repository, base, ours, edits)? {
        Some(path) => Err(GitError::Obstacle { message: not_ours(&path) }),
        None => Ok(()),
    }
}

fn not_ours(path: &str) -> String {
    format!("`{path}` on the branch was not written by Hydromote, and would be overwritten")
}

/// Refuses the same, and to write on a branch that another hydrator keeps; says how it is taken over.
fn refuse_what_is_not_ours(
    repository: &Repository,
    base: Option<Oid>,
    owned: &Owned,
    edits: &Edits,
    composition: &Composition,
) -> Result<(), GitError> {
    let path = in_the_way(repository, base, &owned.paths(), edits)?;
    let beside = manifest_beside(repository, base, owned, composition)?;
    let tree = base.map(|base| repository.find_tree(base)).transpose()?;
    let kept_by_another = tree.is_some_and(|tree| other_hydrator::holds_branch(repository, &tree));
    let environment = &composition.origin.environment;
    let message = match (path, kept_by_another) {
        (None, false) => match beside {
            None => return Ok(()),
            Some((path, root)) => {
                let remedy = match owned.content.is_empty() {
                    true => format!("`hydromote take-over {environment}` takes the branch over"),
                    false => "take it off the branch, or give the source another `output`".to_owned(),
                };
                format!(
                    "`{path}` on the branch was not written by Hydromote, and would stand beside what is rendered to `{root}`; {remedy}"
                )
            }
        },
        (path, true) => {
            let path = path.unwrap_or_else(|| metadata::FILE_NAME.to_owned());
            match owned.content.is_empty() {
                true => OtherHydrator::ArgoCd.before_adoption(&path, environment),
                false => OtherHydrator::ArgoCd.after_adoption(&path),
            }
        }
        (Some(path), false) if owned.content.is_empty() => {
            format!("{}; `hydromote take-over {environment}` takes the branch over", not_ours(&path))
        }
        (Some(path), false) => not_ours(&path),
    };
    Err(GitError::Obstacle { message })
}

/// Returns a manifest of somebody else in a folder that we have not written to yet, and that folder: whatever
/// applies the folder would apply both.
fn manifest_beside(
    repository: &Repository,
    base: Option<Oid>,
    owned: &Owned,
    composition: &Composition,
) -> Result<Option<(String, RootName)>, GitError> {
    let Some(base) = base else { return Ok(None) };
    let tree = repository.find_tree(base)?;
    let ours = owned.paths();
    for (root, _) in composition.content.iter().filter(|(root, _)| owned.content.get(root).is_none()) {
        let Ok(entry) = tree.get_path(std::path::Path::new(root.as_str())) else { continue };
        let Ok(folder) = repository.find_tree(entry.id()) else { continue };
        for entry in folder.iter() {
            let Ok(name) = entry.name() else { continue };
            let path = format!("{root}/{name}");
            let is_yaml = [".yaml", ".yml", ".json"].iter().any(|ending| name.ends_with(ending));
            if is_yaml && !ours.contains(path.as_str()) && resources::is_manifest(repository, entry.id())? {
                return Ok(Some((path, root.clone())));
            }
        }
    }
    Ok(None)
}

/// Returns a path of a file that is not ours where we would write.
fn in_the_way(
    repository: &Repository,
    base: Option<Oid>,
    ours: &BTreeSet<&str>,
    edits: &Edits,
) -> Result<Option<String>, GitError> {
    let Some(base) = base else { return Ok(None) };
    let tree = repository.find_tree(base)?;
    for path in edits.iter().filter(|(_, change)| change.is_some()).map(|(path, _)| path) {
        let prefixes = path.char_indices().filter(|(_, c)| *c == '/').map(|(i, _)| &path[..i]);
        let blocking = prefixes
            .filter(|p| tree.get_path(std::path::Path::new(p)).is_ok_and(|e| e.kind() != Some(git2::ObjectType::Tree)))
            .chain(tree.get_path(std::path::Path::new(path)).is_ok().then_some(path.as_str()))
            .find(|p| !ours.contains(p));
        if let Some(path) = blocking {
            return Ok(Some(path.to_owned()));
        }
    }
    Ok(None)
}

fn branch_metadata(composition: &Composition) -> BranchMetadata {
    BranchMetadata {
        repo_url: composition.repo_url.clone(),
        dry_sha: composition.dry.sha.to_string(),
        author: composition.dry.author.clone(),
        date: composition.dry.authored_at.to_string(),
        subject: composition.dry.subject.clone(),
        body: composition.dry.body.clone(),
        hydromote: composition.origin.clone(),
    }
}
