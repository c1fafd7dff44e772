//! Renders roots: chooses the renderer, and turns its output into the files of the root.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::canonical::{self, BadManifest, Document};
use crate::export::ExportedTree;
use crate::failure::RenderFailure;
use crate::renderers::Renderers;
use crate::source::{Input, Layout, Root, SecretPolicy};
use crate::tree::TreeError;
use crate::{helm, kustomize, plain, secrets};

/// The file of the `manifest` layout.
const MANIFEST: &str = "manifest.yaml";

/// What a root renders to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// Files by their path in the output folder.
    pub files: BTreeMap<String, Vec<u8>>,
    /// The commands that render the same from a checkout of the dry SHA.
    pub commands: Vec<String>,
    /// The renderer's name and version.
    pub renderer: String,
}

/// What a renderer gave, before it is put in order.
#[derive(Debug)]
pub(crate) struct Raw {
    pub(crate) documents: Vec<Document>,
    pub(crate) commands: Vec<String>,
    pub(crate) renderer: String,
}

/// Renders one root from an exported tree.
///
/// # Errors
///
/// When the sources are wrong, the installation is, or a limit was reached: see
/// [`FailureKind`](crate::FailureKind).
pub async fn render_root(
    renderers: &Renderers,
    exported: &ExportedTree,
    root: &Root,
) -> Result<Rendered, RenderFailure> {
    let raw = match &root.input {
        Input::Kustomize { dir } => kustomize::render(renderers, exported, dir, &root.options).await?,
        Input::Helm(release) => helm::render(renderers, exported, release, &root.options).await?,
        Input::Plain { dir } => plain::render(exported, dir)?,
    };
    if root.options.secrets == SecretPolicy::Refuse {
        secrets::refuse(&raw.documents)?;
    }
    let text = canonical::write_documents(raw.documents)?;
    let files = match root.options.layout {
        Layout::Manifest => BTreeMap::from([(MANIFEST.to_string(), text.into_bytes())]),
    };
    Ok(Rendered { files, commands: raw.commands, renderer: raw.renderer })
}

/// Renders several roots, at most `parallelism` at a time; the results are in the order of `roots`.
pub async fn render_roots(
    renderers: &Arc<Renderers>,
    exported: &Arc<ExportedTree>,
    roots: &[Root],
    parallelism: usize,
) -> Vec<Result<Rendered, RenderFailure>> {
    let permits = Arc::new(Semaphore::new(parallelism.max(1)));
    let mut tasks = JoinSet::new();
    for (position, root) in roots.iter().cloned().enumerate() {
        let (renderers, exported, permits) = (Arc::clone(renderers), Arc::clone(exported), Arc::clone(&permits));
        tasks.spawn(async move {
            let _permit = permits.acquire().await.expect("because the semaphore is never closed");
            (position, render_root(&renderers, &exported, &root).await)
        });
    }
    let stopped = || Err(RenderFailure::operator("the rendering was stopped by a defect of the service"));
    let mut results: Vec<_> = roots.iter().map(|_| stopped()).collect();
    while let Some(done) = tasks.join_next().await {
        if let Ok((position, result)) = done {
            results[position] = result;
        }
    }
    results
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

/// Fails when something of a folder could not be exported.
pub(crate) fn refuse_incomplete(exported: &ExportedTree, folder: &str) -> Result<(), RenderFailure> {
    match exported.left_out_of(folder) {
        Some(entry) => {
            let message = format!("`{}` cannot be rendered: {}", entry.path, entry.reason);
            Err(RenderFailure::author(message).at(entry.path.clone(), None))
        }
        None => Ok(()),
    }
}
