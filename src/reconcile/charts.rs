//! Puts charts from elsewhere into a dry tree, where renderers find them as if they had been committed.
//!
//! What `hydromote.lock` of that very tree pins is brought, and written to the mirror as a tree of its own: a chart as a folder
//! of files, a dependency as an archive in the `charts/` of the chart that has it, as `helm dependency build` puts it
//! there. So a root's inputs hold it by its content, and nothing that renders knows where it came from.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use futures::future::join_all;
use git2::{Oid, Repository};
use hydrators::{FailureKind, IndexedTree, Input, PackedChart, RenderFailure, Root, SourceTree, TreeError};

use super::source_tree::CommitTree;
use crate::{
    blocking::blocking,
    charts::{
        Asker, ChartError, Charts, FILE, LockFile, LockMistake, Need, NeedMistake, Pinned, Place, Reaction, needs,
    },
    domain::chart::WantedChart,
    git::{
        GitError,
        batch::{Batch, Entry},
    },
};

/// A dry tree with the charts that its roots ask for.
pub struct Provided {
    /// The tree.
    pub tree: Arc<CommitTree>,
    /// The roots; those of charts from elsewhere name the version that is pinned.
    pub roots: Vec<Root>,
    /// Why charts could not be put there, by what cannot be rendered without them.
    pub refused: BTreeMap<Asker, RenderFailure>,
}

/// Why nothing could be put into a tree.
#[derive(Debug, thiserror::Error)]
pub enum ProvideError {
    /// The tree cannot be read.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The mirror cannot be read or written.
    #[error(transparent)]
    Git(#[from] GitError),
}

/// A file to put into a tree.
struct NewFile {
    path: String,
    content: Vec<u8>,
}

/// Puts the charts that roots ask for into their tree, which is `listed`. Without `charts` none is.
///
/// # Errors
/// When the tree or the mirror cannot be used; a chart that cannot be had is in the answer.
pub async fn provide(
    charts: Option<&Charts>,
    mirror: &Path,
    tree: Arc<CommitTree>,
    listed: Arc<IndexedTree>,
    mut roots: Vec<Root>,
) -> Result<Provided, ProvideError> {
    let (found, lock) = {
        let (tree, roots) = (tree.clone(), roots.clone());
        blocking(move || Ok::<_, TreeError>((needs(&*tree, &listed, &roots)?, read_lock(&*tree)?))).await?
    };
    let mut refused: BTreeMap<Asker, RenderFailure> = BTreeMap::new();
    for mistake in found.mistakes {
        refused.entry(mistake.of.clone()).or_insert_with(|| of_mistake(mistake));
    }
    if found.needs.is_empty() {
        return Ok(Provided { tree, roots, refused });
    }
    let mut pinned: BTreeMap<WantedChart, Pinned> = BTreeMap::new();
    for need in &found.needs {
        match pinned_for(need, &lock) {
            Ok(found) => drop(pinned.insert(need.wanted.clone(), found.clone())),
            Err(failure) => drop(refused.entry(need.of.clone()).or_insert(failure)),
        }
    }
    let wanted: BTreeSet<&WantedChart> =
        found.needs.iter().filter(|need| !refused.contains_key(&need.of)).map(|need| &need.wanted).collect();
    let brought = join_all(wanted.into_iter().map(|chart| bring(charts, chart, &pinned[chart]))).await;
    let brought: BTreeMap<&WantedChart, Result<Vec<u8>, ChartError>> = brought.into_iter().collect();
    let mut brought_for = Vec::new();
    for need in &found.needs {
        match brought.get(&need.wanted) {
            Some(Ok(archive)) => {
                brought_for.push((need.clone(), pinned[&need.wanted].clone(), archive.clone()));
            }
            Some(Err(error)) => drop(refused.entry(need.of.clone()).or_insert_with(|| of_error(need, error))),
            None => {}
        }
        set_version(&mut roots, need, pinned.get(&need.wanted));
    }
    let path = mirror.to_owned();
    let put = move || {
        let files = brought_for.iter().flat_map(|(need, pinned, archive)| files_of(need, pinned, archive)).collect();
        put(&path, &tree, files)
    };
    let tree = blocking(put).await?;
    Ok(Provided { tree: Arc::new(tree), roots, refused })
}

async fn bring<'a>(
    charts: Option<&Charts>,
    wanted: &'a WantedChart,
    pinned: &Pinned,
) -> (&'a WantedChart, Result<Vec<u8>, ChartError>) {
    let archive = match charts {
        Some(charts) => charts.bring(wanted, pinned).await,
        None => Err(ChartError {
            reaction: Reaction::Operator,
            message: format!("the chart `{wanted}` is not in the repository, and nothing is fetched here"),
        }),
    };
    (wanted, archive)
}

/// Reads the lock file of a tree; one that is not there pins nothing.
fn read_lock(tree: &dyn SourceTree) -> Result<Result<LockFile, LockMistake>, TreeError> {
    match tree.read(FILE) {
        Ok(bytes) => Ok(LockFile::parse(&bytes)),
        Err(TreeError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            Ok(Ok(LockFile::default()))
        }
        Err(error) => Err(error),
    }
}

fn pinned_for<'a>(need: &Need, lock: &'a Result<LockFile, LockMistake>) -> Result<&'a Pinned, RenderFailure> {
    let author = |message: String| RenderFailure { kind: FailureKind::Author, file: None, line: None, message };
    match lock {
        Ok(lock) => lock.charts.get(&need.wanted).ok_or_else(|| {
            let message =
                format!("`{}` is not pinned in `{FILE}`; run `hydromote lock`, and commit that file", need.wanted);
            RenderFailure {
                file: need.file.clone(),
                line: need.line.filter(|_| need.file.is_some()),
                ..author(message)
            }
        }),
        Err(mistake) => {
            Err(RenderFailure { file: Some(FILE.to_owned()), line: mistake.line, ..author(mistake.message.clone()) })
        }
    }
}

fn of_mistake(mistake: NeedMistake) -> RenderFailure {
    let NeedMistake { file, line, message, .. } = mistake;
    RenderFailure { kind: FailureKind::Author, line: line.filter(|_| file.is_some()), file, message }
}

fn of_error(need: &Need, error: &ChartError) -> RenderFailure {
    let kind = match error.reaction {
        Reaction::Author => FailureKind::Author,
        Reaction::Operator => FailureKind::Operator,
        // It is asked for again, but not at once.
        Reaction::Wrong => FailureKind::Limit,
    };
    let line = need.line.filter(|_| need.file.is_some());
    RenderFailure { kind, file: need.file.clone(), line, message: error.message.clone() }
}

/// Returns what a chart is in a tree. What it is was checked when it was brought.
fn files_of(need: &Need, pinned: &Pinned, archive: &[u8]) -> Vec<NewFile> {
    match &need.place {
        Place::Archive(folder) => {
            let path = format!("{folder}/{}-{}.tgz", need.wanted.origin.name(), pinned.version);
            vec![NewFile { path, content: archive.to_owned() }]
        }
        Place::Files(folder) => {
            let files = PackedChart::read(archive).expect("because it was checked when it was brought").files;
            files.into_iter().map(|(path, content)| NewFile { path: format!("{folder}/{path}"), content }).collect()
        }
    }
}

/// Has the roots of a chart from elsewhere name its version rather than a range.
fn set_version(roots: &mut [Root], need: &Need, pinned: Option<&Pinned>) {
    let (Place::Files(folder), Some(pinned)) = (&need.place, pinned) else { return };
    for root in roots {
        if let Input::Helm(release) = &mut root.input
            && release.chart == *folder
            && let Some(remote) = &mut release.remote
        {
            remote.version.clone_from(&pinned.version);
        }
    }
}

/// Writes a tree with further files to the mirror.
fn put(mirror: &Path, tree: &CommitTree, files: Vec<NewFile>) -> Result<CommitTree, GitError> {
    let repository = Repository::open_bare(mirror)?;
    let mut batch = Batch::default();
    let mut blobs = BTreeMap::new();
    for NewFile { path, content } in files {
        blobs.insert(path, batch.blob(content)?);
    }
    let blobs: Vec<(&str, Oid)> = blobs.iter().map(|(path, id)| (path.as_str(), *id)).collect();
    let id = add(&repository, &mut batch, Some(tree.id()), &blobs)?;
    batch.write(&repository)?;
    CommitTree::open_tree(mirror, id)
}

/// Returns a tree with further files, sorted by path; nothing of it was in their way, as `needs` saw.
fn add(repository: &Repository, batch: &mut Batch, base: Option<Oid>, files: &[(&str, Oid)]) -> Result<Oid, GitError> {
    let mut entries = match base {
        Some(base) => batch.entries(repository, base)?,
        None => BTreeMap::new(),
    };
    let mut folders: BTreeMap<&str, Vec<(&str, Oid)>> = BTreeMap::new();
    for (path, id) in files {
        match path.split_once('/') {
            Some((folder, rest)) => folders.entry(folder).or_default().push((rest, *id)),
            None => drop(entries.insert((*path).to_owned(), Entry::file(*id))),
        }
    }
    for (name, files) in folders {
        let base = entries.get(name).filter(|entry| entry.is_folder()).map(|entry| entry.id);
        let id = add(repository, batch, base, &files)?;
        entries.insert(name.to_owned(), Entry { mode: crate::git::batch::FOLDER, id });
    }
    batch.tree(&entries)
}
