//! Looks at every strategy of a repository, and says of each why it could not be looked at.

use std::{collections::BTreeMap, sync::Arc};

use super::{Found, RepositoryWorker, State, words};
use crate::{
    domain::ids::{DrySha, StrategyId},
    reconcile::{
        LookError,
        board::StrategyBoard,
        context::{RepositoryContext, StrategyContext},
    },
};

impl RepositoryWorker {
    pub(super) async fn strategy_context(
        &self,
        context: &RepositoryContext,
        id: &StrategyId,
        found: &Found,
        state: &mut State,
    ) -> Result<StrategyContext, LookError> {
        let destination = match self.destination(&found.strategy)? {
            None => context.clone(),
            Some(there) => state.elsewhere.reach(context, &there).await?,
        };
        let branches = |found: &Found| found.strategy.environments.iter().map(|one| one.branch.clone()).collect();
        let is_beside = |other: &Found| other.strategy.destination == found.strategy.destination;
        let others = state.strategies.iter().filter(|(other, found)| *other != id && is_beside(found));
        let others = others.map(|(other, found)| (other.name.clone(), branches(found)));
        Ok(StrategyContext {
            shared: self.shared.clone(),
            dry: context.clone(),
            destination,
            id: id.clone(),
            dry_branch: context.details.default_branch.clone(),
            strategy: found.strategy.clone(),
            others: Arc::new(others.collect()),
            earlier: state.earlier.clone(),
            mistake: found.mistake.clone(),
            kept_out: found.kept_out.clone(),
        })
    }

    /// Looks at every strategy, side by side.
    pub(super) async fn look(&self, state: &mut State, context: &RepositoryContext) -> Result<(), LookError> {
        let (mut looks, mut troubles) = (Vec::new(), Vec::new());
        let strategies: Vec<(StrategyId, Found)> =
            state.strategies.iter().map(|(id, found)| (id.clone(), found.clone())).collect();
        for (id, found) in strategies {
            match self.strategy_context(context, &id, &found, state).await {
                Ok(context) => {
                    let mut worker = state.workers.remove(&context.id).unwrap_or_default();
                    let is_stale = state.elsewhere.is_stale(&context.destination.destination_id());
                    looks.push(async move {
                        let looked = match is_stale {
                            true => refresh_elsewhere(&context).await,
                            false => Ok(()),
                        };
                        let looked = match looked {
                            Ok(()) => worker.look(&context, &self.boards).await,
                            Err(error) => Err(error),
                        };
                        (context, worker, looked)
                    });
                }
                Err(error) => troubles.push((id, words(&error))),
            }
        }
        state.wake_at = None;
        let looked = futures::future::join_all(looks).await;
        for (context, ..) in looked.iter().filter(|(.., looked)| looked.is_ok()) {
            state.elsewhere.note_read(&context.destination.destination_id());
        }
        for (context, worker, looked) in looked {
            state.workers.insert(context.id.clone(), worker);
            match looked {
                Ok(wake_at) => state.wake_at = state.wake_at.into_iter().chain(wake_at).min(),
                Err(error) => troubles.push((context.id, words(&error))),
            }
        }
        self.show_troubles(context, troubles)
    }

    /// Shows on the boards of these strategies, and on no others, why they could not be looked at.
    pub(super) fn show_troubles(
        &self,
        context: &RepositoryContext,
        troubles: Vec<(StrategyId, String)>,
    ) -> Result<(), LookError> {
        let last = troubles.last().map(|(_, words)| words.clone());
        for (id, words) in troubles {
            if self.boards.of(&id).is_none() {
                self.boards.publish(self.unread_board(context, id.clone()));
            }
            self.boards.change(&id, |board| board.trouble = Some(words));
        }
        last.map_or(Ok(()), |words| Err(LookError::Strategies(words)))
    }

    pub(super) fn empty_board(&self, context: &RepositoryContext, id: StrategyId, head: &DrySha) -> StrategyBoard {
        StrategyBoard { dry_head: Some(head.clone()), ..self.unread_board(context, id) }
    }

    /// Returns the board of a strategy of which nothing could be read.
    pub(super) fn unread_board(&self, context: &RepositoryContext, id: StrategyId) -> StrategyBoard {
        StrategyBoard {
            id,
            dry_branch: context.details.default_branch.clone(),
            dry_head: None,
            repository_url: context.details.web_url.clone(),
            pages: context.details.pages,
            destination: None,
            mistake: None,
            kept_out: None,
            trouble: None,
            webhook: None,
            places: Vec::new(),
            next: Vec::new(),
            looked_at: (self.shared.clock)(),
            wake_at: None,
            looked: Default::default(),
            commits: BTreeMap::new(),
        }
    }
}

/// Fetches the environments' branches from another repository; what goes wrong names that.
async fn refresh_elsewhere(context: &StrategyContext) -> Result<(), LookError> {
    let refreshed = context.destination.refresh(&context.watched()).await;
    let named = |error: LookError| {
        LookError::Destination(format!("{}: {}", context.destination.destination_id(), words(&error)))
    };
    refreshed.map(drop).map_err(named)
}
