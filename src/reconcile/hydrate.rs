//! Hydrates one environment at one dry SHA: from the strategy there to renderings in the mirror.
//!
//! Sources and render options come from the dry SHA that is rendered. A root is rendered when nobody knows yet what
//! its inputs give; a commit whose whole tree was seen before is not even looked through.

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    sync::Arc,
};

use futures::{StreamExt, stream};
use git2::{Oid, Repository};
use hydrators::{
    Discovery, FailureKind, IndexedTree, Labels, Mistakes, OnFailure, Prepared, RenderFailure, Renderers, RenderingKey,
    Root, TreeError, TreeLimits, Unmatched, discover, prepare, render_roots,
};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Mutex, Semaphore, SemaphorePermit};

use super::{
    LookError,
    charts::{self, ProvideError, Provided},
    context::StrategyContext,
    renderings::{Kept, Renderings, RootOutcome},
    source_tree::CommitTree,
    sources, strategy_files,
};
use crate::{
    blocking::blocking,
    charts::{Asker, Charts},
    domain::{
        hydration::{EnvironmentHydration, HydrationFailure, RenderedRoots, RootInfo},
        ids::{DrySha, EnvironmentName, RootName, StrategyId},
        strategy::PromotionStrategy,
    },
    git::GitError,
    store::{HydratedRoots, Store},
};

/// After how long a rendering is tried again that failed for a reason of the installation.
const OPERATOR_PAUSE: SignedDuration = SignedDuration::from_mins(1);

/// After how long a rendering is tried again that reached a limit.
const LIMIT_PAUSE: SignedDuration = SignedDuration::from_mins(10);

/// How many dry trees stay listed.
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
    listed: Mutex<VecDeque<(TreeKey, Arc<IndexedTree>)>>,
    renderings: Renderings,
    charts: Option<Charts>,
    known: Mutex<VecDeque<(Key, Outcome)>>,
    previews: Semaphore,
    watch: Option<Watch>,
}

/// Who is told how far a hydration is.
struct Watch(Box<dyn Fn(Step) + Send + Sync>);

/// How far the hydration of an environment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The roots were found; of so many it is known what they render to.
    Found {
        /// All of them.
        roots: usize,
        /// Those that are not rendered.
        known: usize,
    },
    /// One more was rendered, or failed.
    RootDone,
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Watch")
    }
}

/// What is hydrated, but for the tree.
#[derive(Debug, Clone, Copy)]
pub struct At<'a> {
    /// The mirror that has the tree, and gets the renderings.
    pub mirror: &'a Path,
    /// What is known from before.
    pub store: &'a Store,
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

/// A root that was rendered twice.
#[derive(Debug)]
pub struct ProvenRoot {
    /// The root.
    pub root: Root,
    /// Where its renderings differ, or why there are none.
    pub outcome: Result<Vec<String>, RenderFailure>,
}

/// The roots of an environment with what each is rendered from, and the tree that has that.
struct PreparedRoots {
    listed: Arc<IndexedTree>,
    unmatched: Vec<Unmatched>,
    roots: Vec<(Root, Result<Prepared, RenderFailure>)>,
}

/// What came of the sources of an environment.
pub struct RenderedSources {
    /// The roots, by their output folders.
    pub roots: Vec<RenderedRoot>,
    /// The sources that match nothing in this environment.
    pub unmatched: Vec<Unmatched>,
}

/// A root with what came of it.
pub struct RenderedRoot {
    /// The root.
    pub root: Root,
    /// What its rendering follows from, as far as that could be found out.
    pub key: Option<RenderingKey>,
    /// Its rendering in the mirror, or why there is none.
    pub outcome: RootOutcome,
    /// Whether a renderer had to run for it.
    pub is_new: bool,
}

impl Hydrator {
    /// Makes a hydrator that renders so many roots at once.
    pub fn new(renderers: Renderers, parallelism: usize) -> Self {
        let previews = Semaphore::new(PREVIEWS_AT_A_TIME);
        let renderers = Arc::new(renderers);
        let (listed, renderings, known) = (Mutex::default(), Renderings::default(), Mutex::default());
        Self { renderers, parallelism, listed, renderings, charts: None, known, previews, watch: None }
    }

    /// Has it put charts from elsewhere into the trees that ask for them; without them such roots fail.
    #[must_use]
    pub fn with_charts(self, charts: Charts) -> Self {
        Self { charts: Some(charts), ..self }
    }

    /// Has somebody told how far each hydration is.
    #[must_use]
    pub fn watched_by(self, watch: impl Fn(Step) + Send + Sync + 'static) -> Self {
        Self { watch: Some(Watch(Box::new(watch))), ..self }
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
        let (store, of) = (&context.shared.store, dry.short());
        let at = At { mirror, store, strategy: &context.id, in_force: &context.strategy, environment };
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
        let At { mirror, store, strategy: id, in_force, environment } = at;
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
        let kept = Kept { mirror, index: Some((store, &id.repository)) };
        let RenderedSources { roots: rendered, unmatched } =
            match self.render(kept, tree, &strategy, environment, now).await? {
                Ok(rendered) => rendered,
                Err(failure) => return Ok(failed(failure)),
            };
        for Unmatched { line, pattern, .. } in &unmatched {
            tracing::debug!(environment.name = %environment, of, line, "the source `{pattern}` matches nothing");
        }
        let anew = rendered.iter().filter(|root| root.is_new).count();
        let outcome = sum_up(rendered, now);
        let processes = self.renderers.process_starts() - before;
        metrics::counter!("hydromote_renderer_processes_total").increment(processes);
        let roots = outcome.1.len();
        metrics::counter!("hydromote_renderings_total", "cache" => "miss").increment(anew as u64);
        metrics::counter!("hydromote_renderings_total", "cache" => "hit").increment(roots.saturating_sub(anew) as u64);
        metrics::histogram!("hydromote_hydration_seconds").record(started.elapsed().as_secs_f64());
        tracing::info!(
            environment.name = %environment, of, roots, anew, processes, unmatched = unmatched.len(),
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
        self.renderings.forget(mirror);
    }

    /// Renders every root of one environment of which it is not known yet what it renders to.
    ///
    /// # Errors
    /// When git or the database fail. The answer is why the roots could not be found, or has, for each, what came of it.
    pub async fn render(
        &self,
        kept: Kept<'_>,
        tree: Arc<CommitTree>,
        strategy: &PromotionStrategy,
        environment: &EnvironmentName,
        now: Timestamp,
    ) -> Result<Result<RenderedSources, HydrationFailure>, LookError> {
        let PreparedRoots { listed, unmatched, roots: prepared } =
            match self.prepare(kept.mirror, tree, strategy, environment, now).await? {
                Ok(prepared) => prepared,
                Err(failure) => return Ok(Err(failure)),
            };
        let keys = prepared.iter().filter_map(|(_, prepared)| Some(prepared.as_ref().ok()?.key.clone()));
        let mut known = self.renderings.find(kept, keys.collect(), now).await?;
        let (mut done, mut wanted) = (Vec::new(), Vec::new());
        for (root, prepared) in prepared {
            match prepared {
                Err(failure) => done.push(RenderedRoot { root, key: None, outcome: Err(failure), is_new: false }),
                Ok(prepared) => match known.remove(&prepared.key) {
                    Some(outcome) => {
                        done.push(RenderedRoot { root, key: Some(prepared.key), outcome, is_new: false });
                    }
                    None => wanted.push(prepared),
                },
            }
        }
        let (keys, roots): (Vec<_>, Vec<_>) = wanted.iter().map(|one| (one.key.clone(), one.root.clone())).unzip();
        let told = || {
            if let Some(Watch(watch)) = &self.watch {
                watch(Step::RootDone);
            }
        };
        if let Some(Watch(watch)) = &self.watch {
            watch(Step::Found { roots: done.len() + roots.len(), known: done.len() });
        }
        let results = render_roots(&self.renderers, &listed, wanted, self.parallelism, told).await;
        let added = self.renderings.add(kept, keys.into_iter().zip(results).collect(), now).await?;
        let new = |(root, (key, outcome))| RenderedRoot { root, key: Some(key), outcome, is_new: true };
        done.extend(roots.into_iter().zip(added).map(new));
        done.sort_by(|a, b| a.root.output.cmp(&b.root.output));
        Ok(Ok(RenderedSources { roots: done, unmatched }))
    }

    /// Renders every root of one environment twice, whatever is known of it.
    ///
    /// # Errors
    /// When git fails. The answer is why the roots could not be found, or where the renderings of each differ.
    pub async fn prove(
        &self,
        mirror: &Path,
        tree: Arc<CommitTree>,
        strategy: &PromotionStrategy,
        environment: &EnvironmentName,
        now: Timestamp,
    ) -> Result<Result<Vec<ProvenRoot>, HydrationFailure>, LookError> {
        let PreparedRoots { listed, roots, .. } = match self.prepare(mirror, tree, strategy, environment, now).await? {
            Ok(prepared) => prepared,
            Err(failure) => return Ok(Err(failure)),
        };
        let (renderers, listed) = (&self.renderers, &listed);
        let prove = async |(root, prepared): (Root, Result<Prepared, RenderFailure>)| {
            let outcome = match prepared {
                Ok(prepared) => prepared.prove(renderers, listed).await,
                Err(failure) => Err(failure),
            };
            ProvenRoot { root, outcome }
        };
        let proven: Vec<ProvenRoot> = stream::iter(roots).map(prove).buffer_unordered(self.parallelism).collect().await;
        Ok(Ok(proven))
    }

    /// Finds the roots of one environment, and what each is rendered from.
    async fn prepare(
        &self,
        mirror: &Path,
        tree: Arc<CommitTree>,
        strategy: &PromotionStrategy,
        environment: &EnvironmentName,
        now: Timestamp,
    ) -> Result<Result<PreparedRoots, HydrationFailure>, LookError> {
        let listed = match self.list(mirror, tree.clone()).await {
            Ok(listed) => listed,
            Err(error) => return Ok(Err(unreadable(&error, now))),
        };
        let Discovery { roots, unmatched } = match find_roots(listed.clone(), strategy, environment).await {
            Ok(discovery) => discovery,
            Err(failure) => return Ok(Err(failure)),
        };
        let dry = tree.id();
        let Provided { tree, roots, refused } =
            match charts::provide(self.charts.as_ref(), mirror, tree, listed.clone(), roots).await {
                Ok(provided) => provided,
                Err(ProvideError::Tree(error)) => return Ok(Err(unreadable(&error, now))),
                Err(ProvideError::Git(error)) => return Err(error.into()),
            };
        let listed = match tree.id() == dry {
            true => listed,
            false => match self.list(mirror, tree).await {
                Ok(listed) => listed,
                Err(error) => return Ok(Err(unreadable(&error, now))),
            },
        };
        let (renderers, tree) = (self.renderers.clone(), listed.clone());
        let roots = blocking(move || {
            let prepared = |root: Root| {
                let refusal = Asker::of(&root.input).and_then(|asker| refused.get(&asker));
                let prepared = match refusal {
                    Some(refusal) => Err(refusal.clone()),
                    None => prepare(&renderers, &tree, &root),
                };
                (root, prepared)
            };
            roots.into_iter().map(prepared).collect()
        })
        .await;
        Ok(Ok(PreparedRoots { listed, unmatched, roots }))
    }

    /// Lists a tree, unless that was done.
    async fn list(&self, mirror: &Path, tree: Arc<CommitTree>) -> Result<Arc<IndexedTree>, TreeError> {
        let key = (mirror.to_owned(), tree.id());
        let mut listed = self.listed.lock().await;
        if let Some((_, known)) = listed.iter().find(|(k, _)| *k == key) {
            return Ok(known.clone());
        }
        let new = Arc::new(blocking(move || IndexedTree::read(tree, TreeLimits::default())).await?);
        listed.push_front((key, new.clone()));
        listed.truncate(TREES_KEPT);
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
async fn find_roots(
    tree: Arc<IndexedTree>,
    strategy: &PromotionStrategy,
    environment: &EnvironmentName,
) -> Result<Discovery, HydrationFailure> {
    let resolved = sources::resolve(&strategy.sources, environment);
    let labels: Labels = sources::labels(&strategy.sources, environment);
    blocking(move || discover(&tree, &resolved, &labels)).await.map_err(|Mistakes(mistakes)| {
        let more = mistakes.len().saturating_sub(1);
        let Some(first) = mistakes.into_iter().next() else {
            return HydrationFailure::of_author("the sources have a mistake".into());
        };
        let more = if more > 0 { format!(" (and {more} more mistakes)") } else { String::new() };
        HydrationFailure {
            line: Some(first.line),
            ..HydrationFailure::of_author(format!("source `{}`: {}{more}", first.text, first.message))
        }
    })
}

/// Sums up what came of the roots of an environment.
fn sum_up(rendered: Vec<RenderedRoot>, now: Timestamp) -> Outcome {
    let (mut roots, mut infos) = (RenderedRoots::default(), HydratedRoots::new());
    for RenderedRoot { root, outcome, .. } in rendered {
        let Ok(name) = RootName::new(root.output.clone()) else { continue };
        roots.labels.insert(name.clone(), root.labels.clone());
        match outcome {
            Ok(rendering) => {
                roots.content.insert(name.clone(), rendering.id);
                let (commands, renderer, labels) = (rendering.commands, rendering.renderer, root.labels);
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
    (EnvironmentHydration::Done(roots), infos)
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
