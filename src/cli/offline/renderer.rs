//! Renders environments of a repository given on the command line.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use anyhow::Context;
use git2::Oid;
use hydrators::{Limits, RenderFailure, RenderingKey};
use serde::Serialize;

use super::{
    checkout::{Checkout, UNKNOWN_ADDRESS},
    lock::KeptCharts,
    roots::UnmatchedSource,
    strategies::Target,
};
use crate::{
    app,
    charts::Charts,
    domain::{
        content::Content,
        hydration::{HydrationFailure, RootInfo},
        ids::{DrySha, LaneName, RootName},
    },
    git::{
        batch::Batch,
        compose::{self, Composition},
        history,
        metadata::Origin,
        tree::Owned,
    },
    messages::{DryText, Messages},
    reconcile::{
        hydrate::{Hydrator, Step, open_tree},
        renderings::Kept,
    },
};

/// Where the renderers are.
#[derive(Debug, clap::Args)]
pub struct Tools {
    /// A folder with `helm` and `kustomize`, looked at before PATH; several, for other versions that are pinned, are
    /// separated by colons
    #[arg(long, env = "HYDROMOTE_TOOLS", value_name = "DIR", value_delimiter = ':')]
    tools: Vec<PathBuf>,
    #[command(flatten)]
    charts: KeptCharts,
}

impl Tools {
    /// Finds the renderers.
    pub async fn hydrator(&self) -> anyhow::Result<Hydrator> {
        let hydrator = app::hydrator(&self.folders()?, Limits::default(), None).await?;
        Ok(hydrator.with_charts(Charts::new(self.charts.cache(), None)))
    }

    fn folders(&self) -> anyhow::Result<Vec<PathBuf>> {
        let folders = self.tools.iter().filter(|folder| !folder.as_os_str().is_empty());
        let full = |folder: &PathBuf| {
            std::path::absolute(folder).with_context(|| format!("could not use the folder `{}`", folder.display()))
        };
        folders.map(full).collect()
    }
}

/// Renders environments at dry SHAs of one repository.
pub struct Renderer<'a> {
    checkout: &'a Checkout,
    hydrator: Hydrator,
    messages: Messages,
}

/// What an environment renders to.
#[derive(Debug, Default)]
pub struct Rendering {
    /// The roots that were rendered.
    pub content: Content,
    /// About each of them.
    pub roots: BTreeMap<RootName, RootInfo>,
    /// What the rendering of each follows from.
    pub keys: BTreeMap<RootName, RenderingKey>,
    /// Those that were known, and not rendered again.
    pub known: BTreeSet<RootName>,
    /// What failed.
    pub failures: Vec<Failure>,
    /// Sources without a root.
    pub unmatched: Vec<UnmatchedSource>,
}

/// A root that failed, or the whole environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// The output folder of the root; absent when no root of the environment could be found.
    pub output: Option<String>,
    /// The file that is at fault, relative to the repository, where known.
    pub file: Option<String>,
    /// The line in it, from 1.
    pub line: Option<u64>,
    /// What is wrong, in the renderer's own words where it spoke.
    pub message: String,
    /// Whether the environment goes on without a new rendering of this root (`onFailure: keepLast`).
    pub keeps_last: bool,
}

impl<'a> Renderer<'a> {
    /// Makes a renderer for a repository.
    pub async fn new(checkout: &'a Checkout, tools: &Tools) -> anyhow::Result<Self> {
        Ok(Self { checkout, hydrator: tools.hydrator().await?, messages: Messages::built_in() })
    }

    /// Has somebody told how far each hydration is.
    pub fn watched_by(self, watch: impl Fn(Step) + Send + Sync + 'static) -> Self {
        Self { hydrator: self.hydrator.watched_by(watch), ..self }
    }

    /// Has the READMEs say what these messages do.
    pub fn with_messages(self, messages: Messages) -> Self {
        Self { messages, ..self }
    }

    /// Renders one environment; the renderings are then in the checkout's bare repository.
    pub async fn render(&self, dry: &DrySha, target: &Target) -> anyhow::Result<Rendering> {
        let mirror = self.checkout.mirror();
        let tree = open_tree(mirror, dry).await?;
        let now = (app::wall_clock())();
        let name = &target.environment.name;
        let kept = Kept { mirror, index: None };
        let rendered = match self.hydrator.render(kept, tree, &target.strategy, name, now).await? {
            Ok(rendered) => rendered,
            Err(failure) => return Ok(Rendering { failures: vec![failure.into()], ..Rendering::default() }),
        };
        let unmatched = rendered.unmatched.into_iter().map(UnmatchedSource::from).collect();
        let mut rendering = Rendering { unmatched, ..Rendering::default() };
        for one in rendered.roots {
            let Ok(root) = RootName::new(one.root.output.clone()) else { continue };
            match one.outcome {
                Ok(stored) => {
                    rendering.content.insert(root.clone(), stored.id);
                    rendering.keys.extend(one.key.map(|key| (root.clone(), key)));
                    rendering.known.extend((!one.is_new).then(|| root.clone()));
                    let (commands, renderer, labels) = (stored.commands, stored.renderer, one.root.labels);
                    rendering.roots.insert(root, RootInfo { commands, renderer, labels });
                }
                Err(failure) => rendering.failures.push(Failure::of(&one.root, failure)),
            }
        }
        Ok(rendering)
    }

    /// Composes the tree of an environment branch that holds a rendering and nothing else.
    pub fn compose(&self, dry: &DrySha, target: &Target, rendering: &Rendering, repo_url: &str) -> anyhow::Result<Oid> {
        let repository = self.checkout.repository()?;
        let commit = history::dry_commit(&repository, dry)?;
        let text = DryText::new(&commit.sha, &commit.subject, &commit.author);
        let mut readmes = BTreeMap::new();
        for (root, info) in &rendering.roots {
            readmes.insert(root.clone(), self.messages.readme(root, &text, repo_url, &info.commands)?);
        }
        let (strategy, environment) = (target.strategy.name.clone(), target.environment.name.clone());
        let composition = Composition {
            parent: None,
            content: rendering.content.clone(),
            roots: rendering.roots.clone(),
            dry: commit,
            dry_of: BTreeMap::new(),
            origin: Origin { strategy, environment, lane: LaneName::single() },
            repo_url: repo_url.to_owned(),
            readmes,
            taken_over: BTreeSet::new(),
            is_undivided: target.strategy.lanes.label().is_none() && !target.environment.is_named_apart(),
            others: BTreeMap::new(),
        };
        let mut batch = Batch::default();
        let tree = compose::compose_tree(&repository, &mut batch, None, &Owned::default(), &composition)?;
        batch.write(&repository)?;
        Ok(tree)
    }
}

impl Failure {
    fn of(root: &hydrators::Root, failure: RenderFailure) -> Self {
        let keeps_last =
            failure.kind == hydrators::FailureKind::Author && root.on_failure == hydrators::OnFailure::KeepLast;
        let RenderFailure { file, line, message, .. } = failure;
        Self { output: Some(root.output.clone()), file, line, message, keeps_last }
    }
}

impl From<HydrationFailure> for Failure {
    fn from(failure: HydrationFailure) -> Self {
        let HydrationFailure { file, line, message, .. } = failure;
        Self { output: None, file, line, message, keeps_last: false }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.output {
            Some(output) => write!(f, "`{output}`: ")?,
            None => f.write_str("no roots: ")?,
        }
        match (&self.file, self.line) {
            (Some(file), Some(line)) => write!(f, "{file}:{line}: ")?,
            (Some(file), None) => write!(f, "{file}: ")?,
            _ => {}
        }
        f.write_str(&self.message)
    }
}

/// Returns the address that metadata names: the given one, else that of `origin`, else a placeholder.
pub fn repo_url(checkout: &Checkout, given: Option<String>) -> String {
    given.or_else(|| checkout.address()).unwrap_or_else(|| {
        crate::cli::output::progress(format_args!(
            "note: the repository has no remote address; metadata names {UNKNOWN_ADDRESS} (--repo-url sets it)"
        ));
        UNKNOWN_ADDRESS.to_owned()
    })
}
