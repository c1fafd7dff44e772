//! Renders what a dry pull request would make of the environments, beside the worker that promotes.
//!
//! - It writes objects to the mirror, and nothing else: no branch, no hydration of a dry SHA, no record.
//! - Promotions do not wait for it. One is rendered at a time in a repository, and few in the whole
//!   service; it ends within a time limit.
//! - It renders untrusted sources as every rendering does: in the sandbox, without network and credentials.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use git2::{Oid, Repository};
use tokio::task::JoinSet;

use super::{
    LookError,
    context::RepositoryContext,
    hydrate::{At, open_merged, open_tree, strategy_in},
    source_tree::CommitTree,
    strategy_files::{self, File},
};
use crate::{
    blocking::blocking,
    domain::{
        content::Content,
        hydration::{Hydration, HydrationFailure},
        ids::{DrySha, EnvironmentName, HeadSha, LaneName, PullRequestNumber, RootName, StrategyId},
        lane::Lanes,
        preview::{
            self, ComparedEnvironment, ComparedResource, Counts, EnvironmentResult, Extent, Preview, Previewed,
            PreviewedEnvironment, ResourceChange, StrategyText,
        },
        strategy::PromotionStrategy,
    },
    git::{
        GitError,
        merge::{Merged, merge},
        resources::{self, Budget, Change, Shown},
    },
};

/// The longest that one preview may take, once it is its turn.
const TIME_LIMIT: Duration = Duration::from_mins(15);

/// How much text of differences is made for one environment, bytes; what is beyond is named only.
const TEXT_LIMIT: usize = 256 << 10;

/// How long comparing one environment may take; what is left then is named only.
const COMPARE_LIMIT: Duration = Duration::from_secs(3);

/// The most bytes of strategy files of which a change is told.
const STRATEGIES_LIMIT: usize = 256 << 10;

/// The strategy files that change, and what came of the rest.
type Made = (Option<Vec<StrategyText>>, Previewed);

/// A preview to render.
#[derive(Debug, Clone)]
pub struct PreviewOrder {
    /// The pull request.
    pub number: PullRequestNumber,
    /// Its head.
    pub head: HeadSha,
    /// The newest dry commit.
    pub dry: DrySha,
    /// The strategies in force there.
    pub strategies: Vec<(StrategyId, Arc<PromotionStrategy>)>,
}

/// The preview that is being rendered, if any, and the one that was just finished.
#[derive(Debug, Default)]
pub struct PreviewWork {
    running: JoinSet<Preview>,
    order: Option<PreviewOrder>,
    finished: Option<(PullRequestNumber, Preview)>,
}

impl PreviewWork {
    /// Starts to render; there must be none under way.
    pub fn start(&mut self, context: RepositoryContext, order: PreviewOrder) {
        self.order = Some(order.clone());
        self.running.spawn(async move { render(&context, &order).await });
    }

    /// Returns what is being rendered.
    pub fn under_way(&self) -> Option<&PreviewOrder> {
        self.order.as_ref()
    }

    /// Waits until what is being rendered is finished; never ends when nothing is.
    pub async fn finish(&mut self) {
        let Some(finished) = self.running.join_next().await else { return std::future::pending().await };
        let Some(order) = self.order.take() else { return };
        let preview = finished.unwrap_or_else(|panic| {
            tracing::error!(pull_request.number = order.number.0, "the preview of {} failed: {panic}", order.number);
            unavailable(&order)
        });
        self.finished = Some((order.number, preview));
    }

    /// Returns what was finished since the last time.
    pub fn take_finished(&mut self) -> Option<(PullRequestNumber, Preview)> {
        self.finished.take()
    }
}

async fn render(context: &RepositoryContext, order: &PreviewOrder) -> Preview {
    let _turn = context.shared.hydrator.preview_turn().await;
    let started = Instant::now();
    let PreviewOrder { number, head, dry, .. } = order;
    let (strategy_files, outcome) = match tokio::time::timeout(TIME_LIMIT, merge_and_render_whole(context, order)).await
    {
        Ok(Ok(made)) => made,
        Ok(Err(error)) => {
            tracing::warn!(pull_request.number = number.0, "could not preview {number}: {error}");
            return unavailable(order);
        }
        Err(_) => {
            let message = format!("it took longer than {} min to render", TIME_LIMIT.as_secs() / 60);
            (None, Previewed::Unavailable { message })
        }
    };
    tracing::info!(
        pull_request.number = number.0,
        duration_ms = started.elapsed().as_millis(),
        "previewed {number} at {}",
        head.short()
    );
    Preview { head: head.clone(), dry: dry.clone(), strategy_files, outcome }
}

fn unavailable(order: &PreviewOrder) -> Preview {
    // What exactly went wrong is for the operator, and in the log.
    let message = "the service could not read or render it".to_owned();
    let outcome = Previewed::Unavailable { message };
    Preview { head: order.head.clone(), dry: order.dry.clone(), strategy_files: None, outcome }
}

/// Renders once more when renderings that were known are gone from the mirror.
async fn merge_and_render_whole(context: &RepositoryContext, order: &PreviewOrder) -> Result<Made, LookError> {
    match merge_and_render(context, order).await {
        Err(LookError::Git(GitError::Missing { id })) => {
            tracing::warn!(id, "what was rendered is gone from the mirror and is made again");
            context.shared.hydrator.forget(context.mirror.path()).await;
            merge_and_render(context, order).await
        }
        rendered => rendered,
    }
}

async fn merge_and_render(context: &RepositoryContext, order: &PreviewOrder) -> Result<Made, LookError> {
    let tree = match merged(context, order).await? {
        Merged::Tree(tree) => tree,
        Merged::Conflict(paths) => return Ok((None, Previewed::Conflict { paths })),
        Merged::Unrelated => return Ok((None, Previewed::Conflict { paths: Vec::new() })),
    };
    let strategy_files = changed_strategies(context, order, tree).await?;
    let mirror = context.mirror.path();
    let before = open_tree(mirror, &order.dry).await?;
    let after = open_merged(mirror, tree).await?;
    let files = read(context, move |repository| strategy_files::read_tree(repository, tree)).await?;
    let (mut environments, mut compared) = (Vec::new(), Vec::new());
    for (id, in_force) in &order.strategies {
        let there = match strategy_files::is_deleted(&id.repository, &files, in_force) {
            true => Ok(in_force.ended()),
            false => strategy_in(mirror, id, in_force, None, tree).await?,
        };
        let pair = Pair { context, order, id, in_force, before: &before, after: &after };
        for environment in names(in_force, there.as_ref().ok()) {
            let is_there = |strategy: &PromotionStrategy| strategy.environment(&environment).is_some();
            let (result, resources) = match &there {
                Ok(strategy) if !is_there(strategy) => (EnvironmentResult::Gone, Vec::new()),
                Err(mistake) => (EnvironmentResult::Failed { failure: mistake.clone() }, Vec::new()),
                Ok(_) => pair.compare(&environment, is_there(in_force)).await?,
            };
            environments.push(PreviewedEnvironment { strategy: id.name.clone(), environment, result });
            compared.push(resources);
        }
    }
    let of_environment = |(one, resources): (&PreviewedEnvironment, _)| ComparedEnvironment {
        label: preview::label(one, &environments),
        name: one.environment.clone(),
        resources,
    };
    let (resources, more) = preview::fold(environments.iter().zip(compared).map(of_environment).collect());
    Ok((strategy_files, Previewed::Rendered { environments, resources, more }))
}

/// Returns the strategy files in a tree, when they are not those of the dry branch.
async fn changed_strategies(
    context: &RepositoryContext,
    order: &PreviewOrder,
    tree: Oid,
) -> Result<Option<Vec<StrategyText>>, LookError> {
    let dry = order.dry.clone();
    let read = read(context, move |repository| {
        Ok((strategy_files::read(repository, &dry)?, strategy_files::read_tree(repository, tree)?))
    });
    let (before, after) = read.await?;
    if before == after || after.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() > STRATEGIES_LIMIT {
        return Ok(None);
    }
    let text = |(path, bytes): File| StrategyText { path, text: String::from_utf8_lossy(&bytes).into_owned() };
    Ok(Some(after.into_iter().map(text).collect()))
}

/// Returns the environments of a strategy as it would be, and then those that it would lose.
fn names(in_force: &PromotionStrategy, there: Option<&PromotionStrategy>) -> Vec<EnvironmentName> {
    let mut names: Vec<EnvironmentName> = Vec::new();
    for environment in there.into_iter().chain([in_force]).flat_map(|strategy| &strategy.environments) {
        if !names.contains(&environment.name) {
            names.push(environment.name.clone());
        }
    }
    names
}

/// Merges the head onto the newest dry commit; fetches what the mirror lacks for it.
async fn merged(context: &RepositoryContext, order: &PreviewOrder) -> Result<Merged, LookError> {
    let remote = context.remote().await?;
    let head = order.head.clone();
    let is_there = read(context, move |repository| {
        Ok(Oid::from_str(head.as_str()).is_ok_and(|id| repository.find_commit(id).is_ok()))
    });
    if !is_there.await? {
        context.mirror.fetch_commit(&remote, order.head.as_str()).await?;
    }
    let try_it = || {
        let (dry, head) = (order.dry.clone(), order.head.clone());
        read(context, move |repository| merge(repository, &dry, &head))
    };
    match try_it().await? {
        Merged::Unrelated => {
            // What they share may be older than what was fetched of the dry branch.
            context.mirror.deepen(&remote, &context.details.default_branch).await?;
            Ok(try_it().await?)
        }
        merged => Ok(merged),
    }
}

/// The dry branch as it is, and as it would be.
struct Pair<'a> {
    context: &'a RepositoryContext,
    order: &'a PreviewOrder,
    id: &'a StrategyId,
    in_force: &'a PromotionStrategy,
    before: &'a Arc<CommitTree>,
    after: &'a Arc<CommitTree>,
}

impl Pair<'_> {
    /// Compares what both render to in one environment; one that is new had nothing before.
    async fn compare(
        &self,
        environment: &EnvironmentName,
        is_old: bool,
    ) -> Result<(EnvironmentResult, Vec<ComparedResource>), LookError> {
        let (content, kept) = match self.hydrate(environment, self.after, self.order.head.short()).await? {
            Hydration::Done { content, kept, .. } => (content, kept),
            Hydration::Failed(failure) => return Ok((EnvironmentResult::Failed { failure }, Vec::new())),
        };
        let (before, kept_before) = match is_old {
            false => (Content::default(), BTreeMap::new()),
            true => match self.hydrate(environment, self.before, self.order.dry.short()).await? {
                Hydration::Done { content, kept, .. } => (content, kept),
                Hydration::Failed(HydrationFailure { retry_at: None, .. }) => {
                    let roots = preview::changed_roots(&Content::default(), &content);
                    return Ok((EnvironmentResult::Mended { roots }, Vec::new()));
                }
                Hydration::Failed(failure) => return Ok((EnvironmentResult::Failed { failure }, Vec::new())),
            },
        };
        // A root that keeps what it has changes nothing.
        let mut after = content;
        for root in kept.keys() {
            if let Some(rendering) = before.get(root) {
                after.insert(root.clone(), rendering.clone());
            }
        }
        let roots = preview::changed_roots(&before, &after);
        let compared = read(self.context, move |repository| compare(repository, &before, &after)).await?;
        let (resources, uncompared) = compared;
        let mut counts = Counts::default();
        resources.iter().for_each(|one| counts.count(one.change));
        let broken = kept.keys().filter(|root| !kept_before.contains_key(*root)).cloned().collect();
        Ok((EnvironmentResult::Changes { counts, roots, kept, broken, uncompared }, resources))
    }

    async fn hydrate(
        &self,
        environment: &EnvironmentName,
        tree: &Arc<CommitTree>,
        of: &str,
    ) -> Result<Hydration, LookError> {
        let hydrator = &self.context.shared.hydrator;
        let mirror = self.context.mirror.path();
        let store = &self.context.shared.store;
        let at = At { mirror, store, strategy: self.id, in_force: self.in_force, environment };
        let now = (self.context.shared.clock)();
        let (hydration, _) = hydrator.hydrate_tree(at, tree.clone(), of, now).await?;
        Ok(hydration.of_lane(&Lanes::default(), &LaneName::single()))
    }
}

/// Compares the resources of two contents.
///
/// Roots whose files are too large are named instead: half of them would look like other changes.
fn compare(
    repository: &Repository,
    before: &Content,
    after: &Content,
) -> Result<(Vec<ComparedResource>, BTreeSet<RootName>), GitError> {
    let mut budget = Budget { bytes: TEXT_LIMIT, until: Instant::now() + COMPARE_LIMIT };
    let (mut compared, mut uncompared) = (Vec::new(), BTreeSet::new());
    for root in before.differing(after) {
        let (old, old_is_cut) = resources::of_rendering_within(repository, before.get(root))?;
        let (new, new_is_cut) = resources::of_rendering_within(repository, after.get(root))?;
        if old_is_cut || new_is_cut {
            uncompared.insert(root.clone());
            continue;
        }
        for change in resources::compare_within(&old, &new, &mut budget) {
            compared.push(ComparedResource {
                resource: change.id().named(),
                change: match change.change() {
                    Change::Added => ResourceChange::Added,
                    Change::Removed => ResourceChange::Removed,
                    Change::Changed => ResourceChange::Changed,
                },
                difference: change.diff().to_owned(),
                extent: match change.shown() {
                    Shown::Whole => Extent::Whole,
                    Shown::Cut => Extent::Cut,
                    Shown::Secret => Extent::Secret,
                },
            });
        }
    }
    Ok((compared, uncompared))
}

/// Reads the mirror beside the worker, and never waits for it.
async fn read<T: Send + 'static>(
    context: &RepositoryContext,
    work: impl FnOnce(&Repository) -> Result<T, GitError> + Send + 'static,
) -> Result<T, GitError> {
    let path = context.mirror.path().to_owned();
    blocking(move || work(&Repository::open_bare(path)?)).await
}
