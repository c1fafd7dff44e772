//! Puts strategies in force, or keeps them out: only what drops nothing of what is under way comes by itself, and only one
//! strategy proposes on a branch.

use std::{collections::BTreeMap, sync::Arc};

use super::{Found, RepositoryWorker, State};
use crate::{
    domain::{
        ids::{DestinationId, RepositoryId, StrategyId},
        strategy::PromotionStrategy,
    },
    reconcile::{
        LookError,
        board::StrategyBoard,
        context::RepositoryContext,
        strategy_changes::{self, Candidate, KeptOut},
        strategy_files,
    },
    store::Document,
};

impl RepositoryWorker {
    /// Puts changed strategies in force that drop nothing of what is under way, or that a person lets in;
    /// says whether there were any.
    pub(super) async fn admit(&self, state: &mut State, context: &RepositoryContext) -> Result<bool, LookError> {
        let changed: Vec<StrategyId> =
            state.strategies.iter().filter(|(_, found)| found.candidate.is_some()).map(|(id, _)| id.clone()).collect();
        let (mut admitted, mut observed) = (BTreeMap::new(), BTreeMap::new());
        for id in changed {
            let Some(found) = state.strategies.get(&id).cloned() else { continue };
            let Some(candidate) = found.candidate.clone() else { continue };
            let in_force = Found { mistake: None, ..found.clone() };
            let Ok(under) = self.strategy_context(context, &id, &in_force, state).await else {
                // Looking at it says why.
                continue;
            };
            if state.elsewhere.is_stale(&under.destination.destination_id())
                && under.destination.refresh(&under.watched()).await.is_err()
            {
                continue;
            }
            let snapshot = state.workers.entry(id.clone()).or_default().observe(&under).await?;
            if let Some(other) = self.shares_branches(&candidate.strategy).await? {
                let words = taken_by(&candidate.document, &other);
                self.keep_out(state, id, found, &candidate, (words, None)).await?;
                continue;
            }
            match strategy_changes::judge(context, &found.strategy, &candidate, &snapshot).await? {
                None => {
                    observed.insert(id.clone(), (under, snapshot));
                    admitted.insert(id, candidate);
                }
                Some(kept_out) => {
                    let words = kept_out.words(&candidate.document.path);
                    self.keep_out(state, id, found, &candidate, (words, Some(kept_out))).await?;
                }
            }
        }
        // Only one strategy proposes on a branch: what stays in force as it was keeps others out.
        while let Some((id, rival)) = rival(&admitted, &state.strategies) {
            let Some(candidate) = admitted.remove(&id) else { break };
            let Some(found) = state.strategies.get(&id).cloned() else { continue };
            let words = waits_for(&candidate.document, &rival);
            self.keep_out(state, id, found, &candidate, (words, None)).await?;
        }
        let mut any = !admitted.is_empty();
        let stay = state.strategies.iter().filter(|(id, _)| !admitted.contains_key(*id)).map(|(_, one)| &one.strategy);
        let come = admitted.values().map(|candidate| &candidate.strategy);
        let new = state.newcomers.values().map(|(strategy, _)| strategy);
        let after: Vec<Arc<PromotionStrategy>> = stay.chain(come).chain(new).cloned().collect();
        for (id, candidate) in admitted {
            if let Some((under, snapshot)) = observed.remove(&id) {
                let worker = state.workers.entry(id.clone()).or_default();
                worker.leave(&under, &snapshot, &candidate.strategy, &after).await?;
            }
            self.put_in_force(state, context, id, candidate).await?;
        }
        any |= self.admit_newcomers(state, context).await?;
        if any {
            state.elsewhere.watch_others();
            context.refresh(&self.watched_here(state, context)).await?;
        }
        Ok(any)
    }

    /// Returns a strategy of another repository that has environments on a branch of this one.
    pub(super) async fn shares_branches(&self, strategy: &PromotionStrategy) -> Result<Option<StrategyId>, LookError> {
        let forges = &self.shared.forges;
        let home = |repository: &RepositoryId, strategy: &PromotionStrategy| match &strategy.destination {
            Some(wanted) => forges.destination(repository, wanted).ok(),
            None => {
                let (forge, _) = forges.serving(repository)?;
                Some(DestinationId { forge: forge.clone(), repository: repository.clone() })
            }
        };
        let Some(here) = home(&self.repository, strategy) else { return Ok(None) };
        for repository in self.shared.store.repositories().await? {
            if repository.is(&self.repository) {
                continue;
            }
            for document in self.shared.store.documents(&repository).await? {
                let Some(other) = strategy_files::last_good(&repository, document) else { continue };
                let is_there = home(&repository, &other.strategy).is_some_and(|there| there.is(&here));
                if is_there && strategy.meets_branches_of(&other.strategy) {
                    return Ok(Some(other.document.strategy));
                }
            }
        }
        Ok(None)
    }

    /// Puts a changed strategy in the place of the one before; nothing, when that was deleted.
    pub(super) async fn put_in_force(
        &self,
        state: &mut State,
        context: &RepositoryContext,
        id: StrategyId,
        candidate: Candidate,
    ) -> Result<(), LookError> {
        let store = &self.shared.store;
        let named = candidate.document.strategy.clone();
        let has_ended = candidate.strategy.is_ended();
        if has_ended {
            let what = format!("ended: {} deleted it from `{}`", candidate.commit.short(), candidate.document.path);
            store.save_event(&id, None, (self.shared.clock)(), "hydromote", &what).await?;
            metrics::gauge!("hydromote_overdue_gates", "strategy" => id.to_string()).set(0);
            tracing::info!(strategy = %id, "{id} {what}");
        } else if named != id {
            tracing::info!(strategy = %id, "{named} takes the place of {id}");
        }
        let destination = self.boards.of(&id).and_then(|board| board.destination);
        let before = state.strategies.get(&id).map(|found| found.strategy.destination.clone());
        if !has_ended && before.is_some_and(|before| before != candidate.strategy.destination) {
            // What was seen there is nowhere to be seen here.
            store.forget_places(&id).await?;
            state.workers.remove(&id);
        }
        if has_ended || named != id {
            // First: whoever finds both in the store takes neither for the other's successor.
            store.forget_document(&id).await?;
            state.strategies.remove(&id);
            state.workers.remove(&id);
            self.boards.remove(&id);
        }
        if has_ended {
            state.ended.insert(
                id.clone(),
                StrategyBoard { dry_head: None, destination, ..self.empty_board(context, id, &candidate.commit) },
            );
            return Ok(());
        }
        store.save_document(&candidate.document).await?;
        let found = Found { strategy: candidate.strategy, mistake: None, candidate: None, kept_out: None };
        state.strategies.insert(named, found);
        Ok(())
    }

    /// Leaves a strategy in force as it is, and says why.
    pub(super) async fn keep_out(
        &self,
        state: &mut State,
        id: StrategyId,
        found: Found,
        candidate: &Candidate,
        (words, kept_out): (String, Option<KeptOut>),
    ) -> Result<(), LookError> {
        if found.mistake.as_ref() != Some(&words) {
            tracing::warn!(strategy = %id, words, "the newest strategy stays out");
        }
        let mistake = Some(words);
        let document = Document { mistake: mistake.clone(), ..candidate.before.clone() };
        self.shared.store.save_document(&document).await?;
        state.strategies.insert(id, Found { mistake, kept_out, ..found });
        Ok(())
    }

    /// Puts new strategies in force, but for those that propose on a branch of one that is; says whether there were any.
    pub(super) async fn admit_newcomers(
        &self,
        state: &mut State,
        context: &RepositoryContext,
    ) -> Result<bool, LookError> {
        let mut any = false;
        for (id, (strategy, document)) in std::mem::take(&mut state.newcomers) {
            let rival = state.strategies.iter().find(|(_, found)| found.strategy.proposes_as(&strategy));
            let mistake = match rival {
                Some((rival, _)) => Some(waits_for(&document, rival)),
                None => self.shares_branches(&strategy).await?.map(|other| taken_by(&document, &other)),
            };
            if mistake.is_some() {
                self.boards.publish(StrategyBoard { mistake, ..self.empty_board(context, id.clone(), &document.dry) });
                state.newcomers.insert(id, (strategy, document));
                continue;
            }
            self.shared.store.save_document(&document).await?;
            state.strategies.insert(id, Found { strategy, mistake: None, candidate: None, kept_out: None });
            any = true;
        }
        Ok(any)
    }
}

/// Returns a candidate that would propose on a branch of a strategy which stays in force as it is, and that one.
fn rival(
    admitted: &BTreeMap<StrategyId, Candidate>,
    in_force: &BTreeMap<StrategyId, Found>,
) -> Option<(StrategyId, StrategyId)> {
    admitted.iter().find_map(|(id, candidate)| {
        let stays = in_force.iter().filter(|(other, _)| !admitted.contains_key(*other));
        let mut rivals = stays.filter(|(_, found)| found.strategy.proposes_as(&candidate.strategy));
        Some((id.clone(), rivals.next()?.0.clone()))
    })
}

/// Says why a strategy is not in force beside another one.
fn waits_for(document: &Document, rival: &StrategyId) -> String {
    format!(
        "`{}` proposes on a branch of the strategy `{}`, which is in force as it was; it waits for that to end",
        document.path, rival.name
    )
}

/// Says whose branches a strategy cannot have.
fn taken_by(document: &Document, other: &StrategyId) -> String {
    format!(
        "`{}` names a branch that the strategy {other} has already; give each its own branches, such as `env/{}/dev`",
        document.path, document.strategy.name
    )
}
