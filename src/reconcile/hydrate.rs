//! Hydrates one environment at one dry SHA: from the strategy there to renderings in the mirror.
//!
//! Sources and render options come from the dry SHA that is rendered; its tree is put on disk once
//! and shared by all roots and environments. A commit whose whole tree was seen before renders
//! nothing again.

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    sync::Arc,
};

use git2::{Oid, Repository};
use hydrators::{
    DiscoverError, Discovery, ExportLimits, ExportedTree, FailureKind, Labels, OnFailure, RenderFailure, Rendered,
    Renderers, Root, Selection, TreeError, discover, render_roots,
};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Mutex, Semaphore, SemaphorePermit};

use super::{LookError, context::StrategyContext, source_tree::CommitTree, sources, strategy_files};
use crate::{
    domain::{
        hydration::{EnvironmentHydration, HydrationFailure, RenderedRoots, RootInfo},
        ids::{DrySha, EnvironmentName, RootName, StrategyId},
        strategy::PromotionStrategy,
    },
    git::{GitError, batch::Batch, compose},
    store::HydratedRoots,
};

/// After how long a rendering is tried again that failed for a reason of the installation.
const OPERATOR_PAUSE: SignedDuration = SignedDuration::from_mins(1);

/// After how long a rendering is tried again that reached a limit.
const LIMIT_PAUSE: SignedDuration = SignedDuration::from_mins(10);

/// How many dry trees stay on disk.
const TREES_KEPT: usize = 2;

/// How many hydrations are remembered by their tree.
const HYDRATIONS_KEPT: usize = 256;

/// How many previews are rendered at a time, whatever the number of repositories.
const PREVIEWS_AT_A_TIME: usize = 1;

/// Renders dry SHAs.
#[derive(Debug)]
pub struct Hydrator {
    renderers: Arc<Renderers>,
    parallelism: usize,
    exported: Mutex<VecDeque<(TreeKey, Arc<ExportedTree>)>>,
    known: Mutex<VecDeque<(Key, Outcome)>>,
    previews: Semaphore,
}

/// What is hydrated, but for the tree.
#[derive(Debug, Clone, Copy)]
pub struct At<'a> {
    /// The mirror that has the tree, and gets the renderings.
    pub mirror: &'a Path,
    /// The strategy.
    pub strategy: &'a StrategyId,
    /// The one in force: by where it proposes it is known in trees in which it has another name.
    pub in_force: &'a PromotionStrategy,
    /// The environment.
    pub environment: &'a EnvironmentName,
}

/// A hydration with what is known about its roots.
pub type Outcome = (EnvironmentHydration, HydratedRoots);

/// What a hydration follows from: the mirror, the strategy, the environment and the whole tree.
type Key = (PathBuf, String, EnvironmentName, Oid);

/// A tree in a mirror.
type TreeKey = (PathBuf, Oid);

/// A root with what came of it.
pub struct RenderedRoot {
    /// The root.
    pub root: Root,
    /// Its files, or why there are none.
    pub result: Result<Rendered, RenderFailure>,
}

impl Hydrator {
    /// Makes a hydrator that renders so many roots at once.
    pub fn new(renderers: Renderers, parallelism: usize) -> Self {
        let previews = Semaphore::new(PREVIEWS_AT_A_TIME);
        let renderers = Arc::new(renderers);
        Self { renderers, parallelism, exported: Mutex::default(), known: Mutex::default(), previews }
    }

    /// Returns the renderers.
    pub fn renderers(&self) -> &Renderers {
        &self.renderers
    }

    /// Hydrates `dry` for one environment; renderings are written to the mirror.
    pub async fn hydrate(
        &self,
        context: &StrategyContext,
        environment: &EnvironmentName,
        dry: &DrySha,
    ) -> Result<Outcome, LookError> {
        let mirror = context.dry.mirror.path();
        let tree = open_tree(mirror, dry).await?;
        let (at, of) = (At { mirror, strategy: &context.id, in_force: &context.strategy, environment }, dry.short());
        self.hydrate_tree(at, tree, of, context.now()).await
    }

    /// Hydrates one environment from a tree, `of` what people know; renderings are written to the mirror.
    ///
    /// What comes of it follows from the tree alone, whichever commit has it, or none.
    pub async fn hydrate_tree(
        &self,
        at: At<'_>,
        tree: Arc<CommitTree>,
        of: &str,
        now: Timestamp,
    ) -> Result<Outcome, LookError> {
        let At { mirror, strategy: id, in_force, environment } = at;
        let strategy = match strategy_in(mirror, id, in_force, Some(environment), tree.id()).await? {
            Ok(strategy) => strategy,
            Err(mistake) => return Ok(failed(mistake)),
        };
        let key = (mirror.to_owned(), id.to_string(), environment.clone(), tree.id());
        if let Some((_, known)) = self.known.lock().await.iter().find(|(k, _)| *k == key) {
            return Ok(known.clone());
        }
        let started = std::time::Instant::now();
        let before = self.renderers.process_starts();
        let rendered = match self.render(mirror, tree, &strategy, environment, now).await {
            Ok(rendered) => rendered,
            Err(failure) => return Ok(failed(failure)),
        };
        let outcome = collect(mirror, rendered, now).await?;
        let processes = self.renderers.process_starts() - before;
        metrics::counter!("hydromote_renderer_processes_total").increment(processes);
        metrics::histogram!("hydromote_hydration_seconds").record(started.elapsed().as_secs_f64());
        tracing::info!(
            environment.name = %environment, of, roots = outcome.1.len(), processes,
            duration_ms = started.elapsed().as_millis(), "hydrated {of} for {environment}"
        );
        if matches!(&outcome.0, EnvironmentHydration::Done(roots) if roots.failed.is_empty()) {
            let mut known = self.known.lock().await;
            known.push_front((key, outcome.clone()));
            known.truncate(HYDRATIONS_KEPT);
        }
        Ok(outcome)
    }

    /// Waits until a preview may be rendered: those of all repositories share the machine with promotions.
    pub async fn preview_turn(&self) -> SemaphorePermit<'_> {
        self.previews.acquire().await.expect("because the semaphore is never closed")
    }

    /// Forgets what is known of a mirror whose renderings are gone.
    pub async fn forget(&self, mirror: &Path) {
        self.known.lock().await.retain(|((path, ..), _)| path != mirror);
    }

    /// Renders every root of one environment.
    ///
    /// # Errors
    /// When the roots cannot be found; a root that fails is in the answer.
    pub async fn render(
        &self,
        mirror: &Path,
        tree: Arc<CommitTree>,
        strategy: &PromotionStrategy,
        environment: &EnvironmentName,
        now: Timestamp,
    ) -> Result<Vec<RenderedRoot>, HydrationFailure> {
        let roots = find_roots(tree.clone(), strategy, environment, now).await?.roots;
        let exported = self.export(mirror, tree, now).await?;
        let results = render_roots(&self.renderers, &exported, &roots, self.parallelism).await;
        Ok(roots.into_iter().zip(results).map(|(root, result)| RenderedRoot { root, result }).collect())
    }

    /// Puts a tree on disk, unless it is there.
    async fn export(
        &self,
        mirror: &Path,
        tree: Arc<CommitTree>,
        now: Timestamp,
    ) -> Result<Arc<ExportedTree>, HydrationFailure> {
        let key = (mirror.to_owned(), tree.id());
        let mut exported = self.exported.lock().await;
        if let Some((_, known)) = exported.iter().find(|(k, _)| *k == key) {
            return Ok(known.clone());
        }
        let new = blocking(move || ExportedTree::export(&*tree, Selection::All, &ExportLimits::default()))
            .await
            .map_err(|error| unreadable(&error, now))?;
        let new = Arc::new(new);
        exported.push_front((key, new.clone()));
        exported.truncate(TREES_KEPT);
        Ok(new)
    }
}

/// Opens the tree of a dry commit.
pub async fn open_tree(mirror: &Path, dry: &DrySha) -> Result<Arc<CommitTree>, GitError> {
    let (mirror, dry) = (mirror.to_owned(), dry.clone());
    blocking(move || CommitTree::open(&mirror, &dry)).await.map(Arc::new)
}

/// Opens a tree that no commit has yet.
pub async fn open_merged(mirror: &Path, tree: Oid) -> Result<Arc<CommitTree>, GitError> {
    let mirror = mirror.to_owned();
    blocking(move || CommitTree::open_tree(&mirror, tree)).await.map(Arc::new)
}

/// Returns a strategy as it is in a tree, or what is wrong with it there.
pub async fn strategy_in(
    mirror: &Path,
    id: &StrategyId,
    in_force: &PromotionStrategy,
    environment: Option<&EnvironmentName>,
    tree: Oid,
) -> Result<Result<PromotionStrategy, HydrationFailure>, GitError> {
    let mirror = mirror.to_owned();
    let files = blocking(move || strategy_files::read_tree(&Repository::open_bare(&mirror)?, tree)).await?;
    Ok(strategy_files::strategy_at(&id.repository, &files, in_force, environment)
        .map_err(|(file, line, message)| HydrationFailure { file, line, message, retry_at: None }))
}

/// Finds the roots of one environment.
pub async fn find_roots(
    tree: Arc<CommitTree>,
    strategy: &PromotionStrategy,
    environment: &EnvironmentName,
    now: Timestamp,
) -> Result<Discovery, HydrationFailure> {
    let resolved = sources::resolve(&strategy.sources, environment);
    let labels: Labels = sources::labels(&strategy.sources, environment);
    blocking(move || discover(&*tree, &resolved, &labels)).await.map_err(|error| match error {
        DiscoverError::Mistakes(mistakes) => {
            let more = mistakes.len().saturating_sub(1);
            let Some(first) = mistakes.into_iter().next() else {
                return HydrationFailure::of_author("the sources have a mistake".into());
            };
            let more = if more > 0 { format!(" (and {more} more mistakes)") } else { String::new() };
            HydrationFailure {
                line: Some(first.line),
                ..HydrationFailure::of_author(format!("source `{}`: {}{more}", first.text, first.message))
            }
        }
        DiscoverError::Tree(error) => unreadable(&error, now),
    })
}

/// Writes what was rendered to the mirror, and sums it up.
async fn collect(mirror: &Path, rendered: Vec<RenderedRoot>, now: Timestamp) -> Result<Outcome, LookError> {
    let mirror = mirror.to_owned();
    blocking(move || {
        let repository = Repository::open_bare(&mirror).map_err(GitError::from)?;
        let mut batch = Batch::default();
        let (mut roots, mut infos) = (RenderedRoots::default(), HydratedRoots::new());
        for RenderedRoot { root, result } in rendered {
            let Ok(name) = RootName::new(root.output.clone()) else { continue };
            roots.labels.insert(name.clone(), root.labels.clone());
            match result {
                Ok(rendered) => {
                    let rendering = compose::add_rendering(&repository, &mut batch, &rendered.files)?;
                    roots.content.insert(name.clone(), rendering);
                    let (commands, renderer, labels) = (rendered.commands, rendered.renderer, root.labels);
                    infos.insert(name, RootInfo { commands, renderer, labels });
                }
                Err(failure) if failure.kind == FailureKind::Author && root.on_failure == OnFailure::KeepLast => {
                    roots.kept.insert(name, failure.to_string());
                }
                Err(failure) => {
                    roots.failed.insert(name, of_root(failure, now));
                }
            }
        }
        batch.write(&repository)?;
        Ok((EnvironmentHydration::Done(roots), infos))
    })
    .await
}

/// Says why a root could not be rendered, and when to try again.
fn of_root(failure: RenderFailure, now: Timestamp) -> HydrationFailure {
    let retry_at = match failure.kind {
        FailureKind::Author => None,
        FailureKind::Operator => Some(now + OPERATOR_PAUSE),
        FailureKind::Limit => Some(now + LIMIT_PAUSE),
    };
    HydrationFailure { file: failure.file, line: failure.line, message: failure.message, retry_at }
}

/// Says whether a tree that cannot be used is the author's or the installation's fault.
fn unreadable(error: &TreeError, now: Timestamp) -> HydrationFailure {
    let retry_at = match error {
        TreeError::Io { .. } | TreeError::Store { .. } => Some(now + OPERATOR_PAUSE),
        TreeError::UnsafePath { .. }
        | TreeError::Doubled { .. }
        | TreeError::LargeFile { .. }
        | TreeError::TooLarge { .. } => None,
    };
    HydrationFailure { retry_at, ..HydrationFailure::of_author(error.to_string()) }
}

fn failed(failure: HydrationFailure) -> Outcome {
    (EnvironmentHydration::Failed(failure), HydratedRoots::new())
}

/// Runs work away from the async threads.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}
