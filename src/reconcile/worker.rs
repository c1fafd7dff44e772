//! Looks at one strategy until it comes to rest.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::Timestamp;

use super::{
    LookError,
    apply::{Applied, Applier},
    attention::Attention,
    board::{Boards, CommitText, Looked, StrategyBoard},
    context::StrategyContext,
    drifts,
    forge_view::ForgeView,
    holds::HoldBook,
    observe, record,
};
use crate::{
    domain::{
        ids::{BranchName, DrySha, Place, PullRequestNumber},
        in_use::{AHEAD, hydrations_in_use},
        plan::{Plan, plan},
        snapshot::{Refusal, Snapshot},
        strategy::{PromotionStrategy, key_pattern::OWN_PREFIX},
    },
    forge::PullRequestState,
    git::{history, mirror::Heads},
};

/// How many rounds of observe, plan and apply one look may take: far more than any honest course.
const ROUNDS_LIMIT: usize = 100;

/// The worker of one strategy.
#[derive(Debug, Default)]
pub struct StrategyWorker {
    view: ForgeView,
    /// The branches on which changes are proposed, as of the last look.
    heads: BTreeMap<BranchName, Place>,
    /// Every place, as of the last look: lanes that share a pull request share its branch.
    places: BTreeSet<Place>,
    /// What was drawn attention to since the last look.
    heeded: Vec<Attention>,
    resumed: bool,
    /// Where the branches were in the mirror when they were observed last.
    observed_at: Option<Heads>,
    /// Of which dry SHAs it is to be known what came of hydrating them, as of the last look that came to rest.
    in_use: Option<BTreeSet<DrySha>>,
}

impl StrategyWorker {
    /// Forgets what `attention` makes stale.
    pub fn heed(&mut self, attention: &Attention) {
        self.view.forget(attention);
        self.heeded.push(attention.clone());
    }

    /// Says whether the last look observed the branches where they are in the mirror now.
    pub fn has_observed(&self, heads: &Heads) -> bool {
        self.observed_at.as_ref() == Some(heads)
    }

    /// Reads everything on the forge again, and heeds what differs from what the last look knew; says whether anything
    /// does.
    pub async fn read_again(&mut self, context: &StrategyContext) -> Result<bool, LookError> {
        let differing = self.view.read_again(context).await?;
        differing.iter().for_each(|what| self.heed(what));
        Ok(!differing.is_empty())
    }

    /// Returns the dry SHAs of which it is to be known what came of hydrating them; nothing before the first look.
    pub fn in_use(&self) -> Option<&BTreeSet<DrySha>> {
        self.in_use.as_ref()
    }

    /// Returns the place of a pull request of ours, and whether it is open.
    pub fn place_of(&self, number: PullRequestNumber) -> Option<(&Place, PullRequestState)> {
        let (branch, state) = self.view.branch_of(number)?;
        Some((self.heads.get(branch)?, state))
    }

    /// Observes, plans and applies until there is nothing to do; returns when time alone will change
    /// something.
    pub async fn look(&mut self, context: &StrategyContext, boards: &Boards) -> Result<Option<Timestamp>, LookError> {
        self.view.begin_look();
        self.resume(context).await?;
        self.retry_refused(context).await?;
        for _ in 0..ROUNDS_LIMIT {
            // Before anything is read: whatever moves meanwhile, also by our own fetches, is looked at again.
            self.observed_at = Some(context.dry.mirror.heads().await?);
            self.view.begin_observation();
            let snapshot = Arc::new(observe::observe(context, &mut self.view).await?);
            self.heads = context.heads(snapshot.places.keys());
            self.places = snapshot.places.keys().cloned().collect();
            let plan = plan(&context.strategy, &snapshot);
            self.remember(context, &snapshot, &plan).await?;
            boards.publish(board(context, &snapshot, &plan).await?);
            metrics::counter!("hydromote_plans_total").increment(1);
            let overdue = u32::try_from(super::overdue::count(&plan.places)).unwrap_or(u32::MAX);
            metrics::gauge!("hydromote_overdue_gates", "strategy" => context.id.to_string()).set(overdue);
            if plan.actions.is_empty() {
                self.in_use = Some(hydrations_in_use(&context.strategy, &snapshot, AHEAD));
                return Ok(plan.wake_at);
            }
            let mut applier = Applier { context, view: &mut self.view, snapshot: &snapshot, plan: &plan };
            if applier.apply().await? == Applied::Moved {
                self.view.forget(&Attention::Everything);
                observe::refresh(context).await?;
            }
        }
        Err(LookError::Restless { rounds: ROUNDS_LIMIT })
    }

    /// Returns what is to be known for judging a change of the strategy in `context`, which is in force.
    pub async fn observe(&mut self, context: &StrategyContext) -> Result<Snapshot, LookError> {
        observe::observe(context, &mut self.view).await
    }

    /// Closes what is proposed under the strategy in `context`, in whose place `new` comes, and what nobody goes on with
    /// of those that are in force `after`.
    pub async fn leave(
        &mut self,
        context: &StrategyContext,
        snapshot: &Snapshot,
        new: &PromotionStrategy,
        after: &[Arc<PromotionStrategy>],
    ) -> Result<(), LookError> {
        let plan = Plan::default();
        Applier { context, view: &mut self.view, snapshot, plan: &plan }.leave(new, after).await
    }

    /// Ends the pause after a refused merge when something has changed on its pull request or head.
    async fn retry_refused(&mut self, context: &StrategyContext) -> Result<(), LookError> {
        let store = &context.shared.store;
        let may_end =
            |attention: &Attention| matches!(attention, Attention::Commit { .. } | Attention::PullRequest { .. });
        let places = if self.heeded.iter().any(may_end) { self.places.clone() } else { BTreeSet::new() };
        for place in places {
            let Some(environment) = context.strategy.environment(&place.environment) else { continue };
            let Some(refusal) = store.note::<Refusal>(&context.id, &place).await? else { continue };
            let head = environment.proposed_branch(&place.lane);
            let mut known = self.view.pull_requests(context, &head, &environment.branch).await?;
            if store.note::<HoldBook>(&context.id, &place).await?.is_some_and(|book| book.rollback.is_some()) {
                let back = environment.rollback_branch(&place.lane);
                known.extend(self.view.pull_requests(context, &back, &environment.branch).await?);
            }
            if drifts::book(context, &place).await?.restore.is_some() {
                let restore = environment.restore_branch(&place.lane);
                known.extend(self.view.pull_requests(context, &restore, &environment.branch).await?);
            }
            let concerns = |attention: &Attention| match attention {
                // What we report ourselves makes no merge possible.
                Attention::Commit { key: Some(key), .. } if key.starts_with(OWN_PREFIX) => false,
                Attention::Commit { sha, .. } => sha == refusal.proposed.as_str(),
                Attention::PullRequest { number, .. } => {
                    known.iter().any(|pr| pr.number == *number && pr.head_sha == refusal.proposed.as_str())
                }
                _ => false,
            };
            if self.heeded.iter().any(concerns) && refusal.retry_at > context.now() {
                let retry_at = context.now();
                store.save_note(&context.id, &place, &Refusal { retry_at, ..refusal.clone() }).await?;
            }
        }
        self.heeded.clear();
        Ok(())
    }

    /// Resolves, once, what an earlier process began and did not end: whatever became of each act is
    /// read from git and the forge, and what is missing is done again.
    async fn resume(&mut self, context: &StrategyContext) -> Result<(), LookError> {
        if self.resumed {
            return Ok(());
        }
        for act in context.shared.store.take_open_intents(&context.id).await? {
            tracing::info!(strategy = %context.id, act, "it was not known whether this was done: `{act}`");
        }
        self.resumed = true;
        Ok(())
    }

    /// Writes down since when gates are closed, and what is new on the branches.
    async fn remember(&mut self, context: &StrategyContext, snapshot: &Snapshot, plan: &Plan) -> Result<(), LookError> {
        let store = &context.shared.store;
        let gates: BTreeMap<_, _> = plan
            .places
            .iter()
            .flat_map(|view| view.gates.iter().map(|g| ((view.place.clone(), g.gate.id()), g.since)))
            .collect();
        if gates != snapshot.closed_since {
            store.save_closed_gates(&context.id, &gates).await?;
        }
        record::remember(context, &mut self.view, snapshot).await
    }
}

/// How many of the contents that a place could go back to are told with subject and author.
const CHOICES_NAMED: usize = 20;

/// Returns what people see of the strategy now.
async fn board(context: &StrategyContext, snapshot: &Arc<Snapshot>, plan: &Plan) -> Result<StrategyBoard, LookError> {
    let mut named: Vec<DrySha> = plan
        .places
        .iter()
        .flat_map(|view| {
            let choices = view.choices.iter().take(CHOICES_NAMED).map(|choice| choice.target.dry.clone());
            let runs = view.running.iter().map(|r| r.dry.clone());
            runs.chain(view.taken.clone()).chain(view.wanted.clone()).chain(choices)
        })
        .chain(snapshot.line.head().cloned())
        .collect();
    named.sort();
    named.dedup();
    let commits = context.dry.mirror.read(move |repository, _| {
        Ok(named
            .into_iter()
            .filter_map(|sha| {
                let commit = history::dry_commit(repository, &sha).ok()?;
                let author = commit.author.split(" <").next().unwrap_or_default().to_owned();
                Some((sha, CommitText { subject: commit.subject, author }))
            })
            .collect())
    });
    Ok(StrategyBoard {
        id: context.id.clone(),
        dry_branch: context.dry_branch.clone(),
        dry_head: snapshot.line.head().cloned(),
        repository_url: context.dry.details.web_url.clone(),
        pages: context.dry.details.pages,
        destination: context.board_destination(),
        mistake: context.mistake.clone(),
        kept_out: context.kept_out.clone(),
        trouble: None,
        webhook: None,
        places: plan.places.clone(),
        next: plan.actions.iter().map(ToString::to_string).collect(),
        looked_at: snapshot.now,
        wake_at: plan.wake_at,
        commits: commits.await?,
        looked: Looked(Some((context.strategy.clone(), snapshot.clone()))),
    })
}
