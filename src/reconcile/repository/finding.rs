//! Which strategies the dry branch has, and what is to come in the place of those in force.

use std::sync::Arc;

use super::{Found, RepositoryWorker, State};
use crate::{
    domain::{
        ids::{DrySha, StrategyId},
        strategy::PromotionStrategy,
    },
    git::history,
    reconcile::{
        LookError,
        board::StrategyBoard,
        context::RepositoryContext,
        earlier_names::EarlierNames,
        overriding,
        strategy_changes::{self, Candidate},
        strategy_files::{self, Broken, InForce, Next},
    },
    store::Document,
};

impl RepositoryWorker {
    pub(super) async fn find_strategies(
        &self,
        state: &mut State,
        context: &RepositoryContext,
    ) -> Result<(), LookError> {
        let dry = context.details.default_branch.clone();
        let Some(head) = context.mirror.branch(&dry).await? else { return Ok(()) };
        let head = history::dry_sha(head);
        if state.read_at.as_ref() == Some(&head) {
            return Ok(());
        }
        let at = head.clone();
        let id = self.repository.clone();
        let read = move |repository: &_, _: &mut _| {
            Ok((strategy_files::read(repository, &at)?, EarlierNames::read(repository, &id, &at)?))
        };
        let (files, earlier) = context.mirror.read(read).await?;
        state.earlier = Arc::new(earlier);
        let mut before = self.shared.store.documents(&self.repository).await?;
        if before.is_empty() {
            before = strategy_changes::last_in_force(context, &head).await?;
        }
        let settled = strategy_files::settle(&context.grounds(), &head, &files, before.clone());
        state.elsewhere.watch_others();
        state.strategies.clear();
        state.newcomers.clear();
        state.ended.clear();
        for mut one in settled.in_force {
            overriding::add_server_windows(&mut one.strategy, &self.repository, &self.shared.server_windows);
            if let Some(mut next) = self.next_of(context, &head, &mut one).await? {
                overriding::add_server_windows(&mut next.strategy, &self.repository, &self.shared.server_windows);
                let id = one.document.strategy.clone();
                state
                    .strategies
                    .insert(id, self.found_changed(context, &head, one, next.strategy, next.document).await?);
                continue;
            }
            let InForce { strategy, document, .. } = one;
            let id = document.strategy.clone();
            if let Some(mistake) = &document.mistake {
                tracing::warn!(strategy = %id, mistake, "the newest strategy has a mistake");
            }
            let found = match self.in_force(&before, &document) {
                Some(in_force) => self.found_changed(context, &head, in_force, strategy, document).await?,
                None if before.iter().all(|other| other.strategy != id) => {
                    state.newcomers.insert(id, (Arc::new(strategy), document));
                    continue;
                }
                None => {
                    self.shared.store.save_document(&document).await?;
                    let mistake = document.mistake;
                    Found { strategy: Arc::new(strategy), mistake, candidate: None, kept_out: None }
                }
            };
            state.strategies.insert(id, found);
        }
        let broken = settled.broken.iter().map(|broken| broken.id.clone());
        let there: Vec<StrategyId> =
            state.strategies.keys().chain(state.newcomers.keys()).cloned().chain(broken).collect();
        self.boards.keep_only(&self.repository, &there);
        for Broken { id, mistake } in settled.broken {
            tracing::warn!(strategy = %id, mistake, "there is no strategy without mistakes");
            self.boards.publish(StrategyBoard { mistake: Some(mistake), ..self.empty_board(context, id, &head) });
        }
        state.read_at = Some(head);
        Ok(())
    }

    /// Returns what is to take the place of a strategy that is not in the files any more.
    ///
    /// A deletion is a commit on what was there before. A dry branch that somebody put elsewhere has not deleted
    /// anything.
    pub(super) async fn next_of(
        &self,
        context: &RepositoryContext,
        head: &DrySha,
        one: &mut InForce,
    ) -> Result<Option<InForce>, LookError> {
        match &one.next {
            Next::Itself => Ok(None),
            Next::Renamed(successor) => Ok(Some((**successor).clone())),
            Next::Nothing => {
                let (newest, had_it) = (head.clone(), one.document.dry.clone());
                let read =
                    move |repository: &_, _: &mut _| Ok(strategy_changes::descends(repository, &newest, &had_it));
                if context.mirror.read(read).await? {
                    return Ok(Some(one.ended()));
                }
                let (gone, had_it) = (one.document.mistake.take().unwrap_or_default(), one.document.dry.short());
                one.document.mistake = Some(format!(
                    "{gone}, whose history is another one than that of {had_it}, which had it; put it back to go on"
                ));
                Ok(None)
            }
        }
    }

    /// Returns the strategy in force in whose place a document without mistakes would come.
    pub(super) fn in_force(&self, before: &[Document], document: &Document) -> Option<InForce> {
        let is_replaced = |other: &&Document| other.strategy == document.strategy && other.text != document.text;
        let before = before.iter().find(is_replaced).filter(|_| document.mistake.is_none())?;
        let mut found = strategy_files::last_good(&self.repository, before.clone())?;
        overriding::add_server_windows(&mut found.strategy, &self.repository, &self.shared.server_windows);
        Some(found)
    }

    /// Leaves the strategy in force where another one is to take its place, which is to be judged.
    pub(super) async fn found_changed(
        &self,
        context: &RepositoryContext,
        head: &DrySha,
        in_force: InForce,
        strategy: PromotionStrategy,
        document: Document,
    ) -> Result<Found, LookError> {
        let (head, path) = (head.clone(), document.path.clone());
        let commit =
            context.mirror.read(move |repository, _| strategy_changes::brought_by(repository, &head, &path)).await?;
        let mistake = format!("`{}` in {} has not been compared with it yet", document.path, commit.short());
        let digest = strategy_changes::digest(&document.text);
        let (strategy, before) = (Arc::new(strategy), in_force.document);
        Ok(Found {
            strategy: Arc::new(in_force.strategy),
            mistake: Some(mistake),
            candidate: Some(Candidate { strategy, document, before, digest, commit }),
            kept_out: None,
        })
    }
}
