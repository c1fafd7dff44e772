//! Renders roots: finds out what one is rendered from, chooses the renderer, and turns its output into the files of the
//! root.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::canonical::{BadManifest, Document};
use crate::closure::Closure;
use crate::failure::RenderFailure;
use crate::helm;
use crate::indexed::IndexedTree;
use crate::kustomize;
use crate::layout;
use crate::plain;
use crate::program::Scratch;
use crate::proof;
use crate::renderers::{Renderers, Tool};
use crate::secrets;
use crate::source::{Input, Root, SecretPolicy};
use crate::tree::TreeError;

/// The version of what this library makes of a renderer's output. It is raised by every change after which equal
/// inputs give other bytes, so that no rendering of before is taken for one of now.
const FORMAT: u32 = 2;

/// What a root renders to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// Files by their path in the output folder.
    pub files: BTreeMap<String, Vec<u8>>,
    /// The commands that render the same from a checkout of the dry SHA.
    pub commands: Vec<String>,
    /// The renderer's name and version; those of both when Kustomize renders what Helm rendered.
    pub renderer: String,
}

/// What a renderer gave, before it is put in order.
#[derive(Debug)]
pub(crate) struct Raw {
    pub(crate) documents: Vec<Document>,
    pub(crate) commands: Vec<String>,
    pub(crate) renderer: String,
}

/// A root of which it is known what it is rendered from.
#[derive(Debug)]
pub struct Prepared {
    /// Where it belongs, and how it is rendered.
    pub root: Root,
    /// What its rendering follows from.
    pub key: RenderingKey,
    inputs: Inputs,
}

/// What a rendering follows from: the digest of the closure, the parameters, and the renderer's version and file, and
/// the version of this library. Equal keys, equal bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RenderingKey(String);

/// The closure of a root, with what was found out on the way.
#[derive(Debug)]
enum Inputs {
    Kustomize(kustomize::Walked),
    Helm(helm::Looked),
    Plain(plain::Listed),
}

/// The folders of one run of a renderer.
pub(crate) struct Room {
    /// What it writes to.
    pub(crate) scratch: Scratch,
    /// The closure: what it reads, and where it runs.
    pub(crate) sources: PathBuf,
}

/// Finds out what a root is rendered from.
///
/// # Errors
///
/// When the sources cannot be followed, or name what no renderer may have.
pub fn prepare(renderers: &Renderers, tree: &IndexedTree, root: &Root) -> Result<Prepared, RenderFailure> {
    let options = &root.options;
    let renderers = &renderers.pinned(options);
    let inputs = match &root.input {
        Input::Kustomize { dir } => {
            renderers.check_pin(Tool::Kustomize, options.kustomize_version.as_deref())?;
            let walked = kustomize::walk(tree, dir, options)?;
            if walked.has_charts() {
                renderers.check_pin(Tool::Helm, options.helm_version.as_deref())?;
            }
            Inputs::Kustomize(walked)
        }
        Input::Helm(release) => {
            renderers.check_pin(Tool::Helm, options.helm_version.as_deref())?;
            Inputs::Helm(helm::look(tree, release, options)?)
        }
        Input::Plain { dir } => Inputs::Plain(plain::list(tree, dir)?),
    };
    let key = key(renderers, tree, root, &inputs)?;
    Ok(Prepared { root: root.clone(), key, inputs })
}

impl Prepared {
    /// Returns the closure.
    pub fn closure(&self) -> &Closure {
        match &self.inputs {
            Inputs::Kustomize(walked) => &walked.closure,
            Inputs::Helm(looked) => &looked.closure,
            Inputs::Plain(listed) => &listed.closure,
        }
    }

    /// Renders the root, from its closure alone.
    ///
    /// # Errors
    ///
    /// When the sources are wrong, the installation is, or a limit was reached: see
    /// [`FailureKind`](crate::FailureKind).
    pub async fn render(&self, renderers: &Renderers, tree: &Arc<IndexedTree>) -> Result<Rendered, RenderFailure> {
        let raw = self.run(renderers, tree).await?;
        if self.root.options.prove {
            proof::compare(&raw.documents, &self.run(renderers, tree).await?.documents)?;
        }
        let files = self.files_of(raw.documents)?;
        Ok(Rendered { files, commands: raw.commands, renderer: raw.renderer })
    }

    /// Renders the root twice; returns where the renderings differ, which is nowhere where it is deterministic.
    ///
    /// # Errors
    ///
    /// Those of [`Prepared::render`].
    pub async fn prove(&self, renderers: &Renderers, tree: &Arc<IndexedTree>) -> Result<Vec<String>, RenderFailure> {
        let (first, second) = (self.run(renderers, tree).await?, self.run(renderers, tree).await?);
        let found = proof::differences(&first.documents, &second.documents);
        self.files_of(first.documents)?;
        Ok(found)
    }

    /// Returns the files of what was rendered, unless it is refused.
    fn files_of(&self, documents: Vec<Document>) -> Result<BTreeMap<String, Vec<u8>>, RenderFailure> {
        if self.root.options.secrets == SecretPolicy::Refuse {
            secrets::refuse(&documents)?;
        }
        Ok(layout::files(self.root.options.layout, documents)?)
    }

    /// Has the renderer run once, in folders of its own.
    async fn run(&self, renderers: &Renderers, tree: &Arc<IndexedTree>) -> Result<Raw, RenderFailure> {
        let renderers = &renderers.pinned(&self.root.options);
        match (&self.root.input, &self.inputs) {
            (Input::Kustomize { dir }, Inputs::Kustomize(walked)) => {
                kustomize::render(renderers, tree, dir, walked, &self.root.options, &self.room(tree).await?).await
            }
            (Input::Helm(release), Inputs::Helm(looked)) => {
                helm::render(renderers, tree, release, looked, &self.room(tree).await?).await
            }
            (_, Inputs::Plain(listed)) => plain::render(tree, listed),
            _ => unreachable!("because the inputs were found for the same root"),
        }
    }

    /// Makes the folders of a run, with the closure in one of them.
    async fn room(&self, tree: &Arc<IndexedTree>) -> Result<Room, RenderFailure> {
        let (tree, closure) = (Arc::clone(tree), self.closure().clone());
        let write = move || -> Result<Room, RenderFailure> {
            let scratch = Scratch::new().map_err(no_room)?;
            let sources = scratch.path().join("sources");
            fs::create_dir(&sources).map_err(no_room)?;
            closure.write(&tree, &sources)?;
            Ok(Room { scratch, sources })
        };
        let written = tokio::task::spawn_blocking(write).await;
        written.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
    }
}

impl RenderingKey {
    /// Returns the key as text, for a column of a database.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn key(renderers: &Renderers, tree: &IndexedTree, root: &Root, inputs: &Inputs) -> Result<RenderingKey, RenderFailure> {
    let (renderer, closure) = match inputs {
        Inputs::Kustomize(walked) => (walked.identity(renderers)?, &walked.closure),
        Inputs::Helm(looked) => (renderers.identity(Tool::Helm)?, &looked.closure),
        Inputs::Plain(listed) => (String::new(), &listed.closure),
    };
    let mut digest = Sha256::new();
    // The parameters in full, by their names: a new one must not be forgotten here.
    digest.update(format!("{FORMAT}\0{renderer}\0{:?}\0{:?}\0", root.input, root.options));
    closure.add_to(tree, &mut digest)?;
    Ok(RenderingKey(hex::encode(digest.finalize())))
}

/// Renders one root of a tree.
///
/// # Errors
///
/// Those of [`prepare`] and [`Prepared::render`].
pub async fn render_root(
    renderers: &Renderers,
    tree: &Arc<IndexedTree>,
    root: &Root,
) -> Result<Rendered, RenderFailure> {
    prepare(renderers, tree, root)?.render(renderers, tree).await
}

/// Renders several roots, at most `parallelism` at a time; the results are in the order of `roots`. After each one
/// that is through, `told` is called.
pub async fn render_roots(
    renderers: &Arc<Renderers>,
    tree: &Arc<IndexedTree>,
    roots: Vec<Prepared>,
    parallelism: usize,
    told: impl Fn(),
) -> Vec<Result<Rendered, RenderFailure>> {
    let permits = Arc::new(Semaphore::new(parallelism.max(1)));
    let mut tasks = JoinSet::new();
    let stopped = || Err(RenderFailure::operator("the rendering was stopped by a defect of the service"));
    let mut results: Vec<_> = roots.iter().map(|_| stopped()).collect();
    for (position, root) in roots.into_iter().enumerate() {
        let (renderers, tree, permits) = (Arc::clone(renderers), Arc::clone(tree), Arc::clone(&permits));
        tasks.spawn(async move {
            let _permit = permits.acquire().await.expect("because the semaphore is never closed");
            (position, root.render(&renderers, &tree).await)
        });
    }
    while let Some(done) = tasks.join_next().await {
        told();
        if let Ok((position, result)) = done {
            results[position] = result;
        }
    }
    results
}

pub(crate) fn no_room(error: io::Error) -> RenderFailure {
    RenderFailure::operator(format!("no room to render: {error}"))
}

impl From<BadManifest> for RenderFailure {
    fn from(bad: BadManifest) -> Self {
        let failure = Self::author(bad.message);
        match bad.origin.file {
            Some(file) => failure.at(file, bad.origin.line),
            None => failure,
        }
    }
}

impl From<TreeError> for RenderFailure {
    fn from(error: TreeError) -> Self {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        let message = format!("{error}{cause}");
        match error {
            TreeError::Io { .. } | TreeError::Store { .. } => Self::operator(message),
            TreeError::LargeFile { path, .. } => Self::author(message).at(path, None),
            TreeError::UnsafePath { .. } | TreeError::Doubled { .. } | TreeError::TooLarge { .. } => {
                Self::author(message)
            }
        }
    }
}

/// Fails when something of a folder may not be given to a renderer.
pub(crate) fn refuse_incomplete(tree: &IndexedTree, folder: &str) -> Result<(), RenderFailure> {
    match tree.left_out_of(folder) {
        Some(entry) => {
            let message = format!("`{}` cannot be rendered: {}", entry.path, entry.reason);
            Err(RenderFailure::author(message).at(entry.path.clone(), None))
        }
        None => Ok(()),
    }
}
