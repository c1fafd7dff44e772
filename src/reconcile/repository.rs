//! Serves one repository: finds its strategies on the dry branch and has each looked at.

mod admitting;
mod commenting;
mod finding;
mod forgetting;
mod keeping_up;
mod listening;
mod looking;
mod polling;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use self::{
    keeping_up::KeepingUp,
    listening::Listening,
    polling::{Polled, Polling},
};
use super::{
    LookError,
    attention::Attention,
    board::{Boards, StrategyBoard},
    commands::Commands,
    comments::CommentsView,
    context::{RepositoryContext, Shared, watched},
    deployed_reports,
    earlier_names::EarlierNames,
    elsewhere::Elsewhere,
    previews::PreviewWork,
    strategy_changes::{Candidate, KeptOut},
    worker::StrategyWorker,
};
use crate::{
    domain::{
        deployed::Deployed,
        ids::{DestinationId, DrySha, ForgeName, RepositoryId, StrategyId},
        strategy::PromotionStrategy,
    },
    forge::{ForgeError, LimitedBy, SharedForge},
    git::mirror::{Mirror, Watched},
    store::Document,
};

/// The first pause after a look that could not be finished; it doubles up to the polling interval.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// What a repository's worker is told.
#[derive(Debug)]
pub enum Message {
    /// Look again; deliveries in the store say at what.
    Wake,
    /// Look again because of this.
    Heed(Attention),
    /// Look again now, and say when everything is at rest, or why it is not.
    LookNow(oneshot::Sender<Result<(), String>>),
}

/// The worker of one repository.
pub struct RepositoryWorker {
    /// The repository.
    pub repository: RepositoryId,
    /// What all workers share.
    pub shared: Shared,
    /// The name of its forge.
    pub forge_name: ForgeName,
    /// The forge.
    pub forge: SharedForge,
    /// The repository's mirror.
    pub mirror: Mirror,
    /// Where plans are published.
    pub boards: Boards,
    /// Takes the commands in comments.
    pub commands: Commands,
    /// After how long everything is read again without being told.
    pub poll: Duration,
}

/// What is known between rounds.
#[derive(Default)]
struct State {
    context: Option<RepositoryContext>,
    /// Other repositories into which strategies promote.
    elsewhere: Elsewhere,
    strategies: BTreeMap<StrategyId, Found>,
    /// Strategies that are new, and not in force yet.
    newcomers: BTreeMap<StrategyId, (Arc<PromotionStrategy>, Document)>,
    /// What strategies were called before.
    earlier: Arc<EarlierNames>,
    /// The dry head whose strategy files were read last.
    read_at: Option<DrySha>,
    workers: HashMap<StrategyId, StrategyWorker>,
    /// Strategies that the newest dry commits ended: pull requests that did say so.
    ended: BTreeMap<StrategyId, StrategyBoard>,
    comments: CommentsView,
    previews: PreviewWork,
    wake_at: Option<Timestamp>,
    polling: Polling,
    listening: Listening,
    keeping_up: KeepingUp,
    /// When hydrations are forgotten that nobody asks for; at once where nothing is said.
    forget_at: Option<tokio::time::Instant>,
}

/// A strategy that was found, now or earlier.
#[derive(Clone)]
struct Found {
    strategy: Arc<PromotionStrategy>,
    mistake: Option<String>,
    /// What is to take its place, unless it drops what is under way.
    candidate: Option<Candidate>,
    /// What that would do, while it stays out.
    kept_out: Option<KeptOut>,
}

impl RepositoryWorker {
    /// Works until `stop`.
    pub async fn run(self, mut messages: mpsc::Receiver<Message>, stop: CancellationToken) {
        let mut state = State::default();
        let mut attention = vec![Attention::Everything];
        let mut waiting: Vec<oneshot::Sender<Result<(), String>>> = Vec::new();
        let mut read_all = tokio::time::Instant::now();
        let mut pause: Option<Duration> = None;
        let mut is_poll = false;
        loop {
            if attention.contains(&Attention::Everything) {
                read_all = tokio::time::Instant::now();
            }
            let looked = tokio::select! {
                looked = self.round(&mut state, &attention, is_poll) => looked,
                () = stop.cancelled() => return,
            };
            attention.clear();
            is_poll = false;
            // That one strategy cannot be looked at is no trouble of the mirror.
            let is_whole = matches!(looked, Ok(()) | Err(LookError::Strategies(_)));
            let mut answer = looked.map_err(|error| self.show_trouble(&error));
            if answer.is_ok() {
                self.boards.recovered(&self.repository);
            }
            let commented = tokio::select! {
                commented = self.read_comments(&mut state) => commented,
                () = stop.cancelled() => return,
            };
            let mut held_back = None;
            match commented {
                // Promotions go on meanwhile, and need nothing to be read again.
                Err(LookError::Forge(ForgeError::RateLimited { retry_after, by: by @ LimitedBy::Reserve { .. } })) => {
                    held_back = Some(retry_after);
                    self.show_trouble(&ForgeError::RateLimited { retry_after, by }.into());
                }
                Err(error) if answer.is_ok() => answer = Err(self.show_trouble(&error)),
                _ => {}
            }
            if answer.is_err() || state.previews.under_way().is_none() {
                for reply in waiting.drain(..) {
                    // Whoever asked may have stopped waiting.
                    let _ = reply.send(answer.clone());
                }
            }
            if is_whole && messages.is_empty() {
                tokio::select! {
                    () = self.keep_up(&mut state) => {}
                    () = stop.cancelled() => return,
                }
            }
            pause = answer.is_err().then(|| pause.map_or(FIRST_PAUSE, |pause| (pause * 2).min(self.poll)));
            let poll = state.polling.interval(self.poll, state.listening.hears());
            let until_all = poll.saturating_sub(read_all.elapsed());
            let until_due = self.until_woken(&state).min(held_back.unwrap_or(Duration::MAX));
            let wait = pause.unwrap_or_else(|| until_all.min(until_due));
            let listed = self.listed(&state, pause);
            tokio::select! {
                message = messages.recv() => match message {
                    Some(message) => sort(message, &mut attention, &mut waiting),
                    None => return,
                },
                () = state.listening.moved(listed) => attention.push(Attention::Everything),
                () = state.previews.finish() => attention.push(Attention::Command),
                () = tokio::time::sleep(wait) => {
                    let all = pause.is_some() || read_all.elapsed() >= poll;
                    attention.push(if all { Attention::Everything } else { Attention::Command });
                    is_poll = all;
                }
                () = stop.cancelled() => return,
            }
            while let Ok(message) = messages.try_recv() {
                sort(message, &mut attention, &mut waiting);
                // Whoever sent it knows of something.
                is_poll = false;
            }
            if pause.is_some() {
                // What was half read may be stale in any way.
                attention.push(Attention::Everything);
            }
        }
    }

    /// Heeds what waits, and looks at every strategy until it is at rest; where only the timer asks for it (`is_poll`), not
    /// when everything is as it was.
    async fn round(&self, state: &mut State, attention: &[Attention], is_poll: bool) -> Result<(), LookError> {
        let first = state.context.is_none();
        let was_at_rest = std::mem::take(&mut state.polling.is_at_rest);
        let context = self.context(state).await?;
        let deliveries = self.shared.store.open_deliveries(self.repository.as_str()).await?;
        let polled = match is_poll && deliveries.is_empty() {
            true if was_at_rest => Some(self.poll(state, &context).await?),
            true => Some(Polled::NotCompared),
            false => None,
        };
        state.polling.note(polled.is_none_or(Polled::has_found));
        if polled == Some(Polled::Same) {
            state.polling.is_at_rest = true;
            return Ok(());
        }
        let attention = polled.map_or(attention, |polled| polled.attention());
        let hinted = deliveries.iter().map(|d| serde_json::from_str(&d.hint).unwrap_or(Attention::Everything));
        let mut attention: Vec<Attention> = attention.iter().cloned().chain(hinted).collect();
        let told = told(&attention);
        if !first {
            if !deployed_reports::knows_all(&context, &told).await? {
                self.refresh(state, &context).await?;
            }
            attention.extend(deployed_reports::post(&context, &told).await?);
        }
        self.heed(state, &attention);
        state.elsewhere.heed(&attention).await?;
        attention.iter().filter_map(|what| what.of_repository(None)).for_each(|what| state.comments.heed(what));
        let mut stale = Vec::new();
        for what in &attention {
            if context.is_stale(what).await? {
                stale.push(what);
            }
        }
        let mut has_moved = polled == Some(Polled::Moved { on_remote: true });
        if first {
            self.refresh(state, &context).await?;
        } else if !stale.is_empty() {
            has_moved |= self.refresh_told(state, &context, &stale).await?;
        }
        state.listening.note(&self.shared.store, &self.repository, &attention, has_moved).await?;
        self.admit_and_look(state, &context).await?;
        self.forget_unused(state).await?;
        // Only now are the branches known on which the commits are to be found.
        let mut posted = if first { deployed_reports::post(&context, &told).await? } else { Vec::new() };
        posted.extend(state.elsewhere.post_deployed(&attention).await?);
        if !posted.is_empty() {
            self.heed(state, &posted);
            self.look(state, &context).await?;
        }
        if let Some(last) = deliveries.last() {
            self.shared.store.finish_deliveries(self.repository.as_str(), last.id, (self.shared.clock)()).await?;
        }
        state.polling.is_at_rest = true;
        Ok(())
    }

    /// Has every strategy heed what concerns it.
    fn heed(&self, state: &mut State, attention: &[Attention]) {
        for (id, worker) in &mut state.workers {
            let Some(found) = state.strategies.get(id) else { continue };
            let Ok(destination) = self.destination(&found.strategy) else { continue };
            attention
                .iter()
                .filter_map(|what| what.of_strategy(destination.as_ref()))
                .for_each(|what| worker.heed(what));
        }
    }

    async fn context(&self, state: &mut State) -> Result<RepositoryContext, LookError> {
        if let Some(context) = &state.context {
            return Ok(context.clone());
        }
        let account = self.forge.account().await?;
        let details = self.forge.repository(&self.repository).await?;
        let context = RepositoryContext {
            id: self.repository.clone(),
            shared: self.shared.clone(),
            forge_name: self.forge_name.clone(),
            forge: self.forge.clone(),
            account,
            details,
            mirror: self.mirror.clone(),
            merging: Arc::new(Semaphore::new(1)),
        };
        state.context = Some(context.clone());
        Ok(context)
    }

    /// Fetches what moved, and reads the strategy files when the dry head has moved; says whether anything had.
    async fn refresh(&self, state: &mut State, context: &RepositoryContext) -> Result<bool, LookError> {
        let known = self.watched_here(state, context);
        let has_moved = context.refresh(&known).await?;
        self.read_strategies(state, context, &known).await?;
        Ok(has_moved)
    }

    /// Reads the strategy files when the dry head has moved, and fetches what is watched from then on.
    async fn read_strategies(
        &self,
        state: &mut State,
        context: &RepositoryContext,
        known: &[Watched],
    ) -> Result<(), LookError> {
        self.find_strategies(state, context).await?;
        let now_known = self.watched_here(state, context);
        if now_known != known {
            context.refresh(&now_known).await?;
        }
        Ok(())
    }

    /// Fetches what moved as far as it was told, where that is known branches alone: nobody needs to list those first.
    async fn refresh_told(
        &self,
        state: &mut State,
        context: &RepositoryContext,
        stale: &[&Attention],
    ) -> Result<bool, LookError> {
        let watched = self.watched_here(state, context);
        let mut moved = BTreeSet::new();
        for what in stale {
            let Attention::Branch { branch, after: Some(_) } = what else {
                return self.refresh(state, context).await;
            };
            let is_known = watched.iter().any(|watched| watched.is_meant(branch));
            if !is_known || context.mirror.branch(branch).await?.is_none() {
                return self.refresh(state, context).await;
            }
            moved.insert(branch.clone());
        }
        match context.mirror.fetch_branches(&context.remote().await?, &Vec::from_iter(moved)).await {
            Ok(()) => {
                self.read_strategies(state, context, &watched).await?;
                Ok(true)
            }
            // One of them may be gone meanwhile.
            Err(_) => self.refresh(state, context).await,
        }
    }

    /// Returns the branches of the dry repository that are kept up to date.
    fn watched_here(&self, state: &State, context: &RepositoryContext) -> Vec<Watched> {
        let here = state.strategies.values().filter(|found| matches!(self.destination(&found.strategy), Ok(None)));
        let dry = Watched::Shallow(context.details.default_branch.clone());
        std::iter::once(dry).chain(here.flat_map(|found| watched(&found.strategy))).collect()
    }

    /// Returns the repository with the environments' branches, when it is not the dry one.
    ///
    /// # Errors
    /// When the server does not let strategies promote there.
    fn destination(&self, strategy: &PromotionStrategy) -> Result<Option<DestinationId>, LookError> {
        let Some(wanted) = &strategy.destination else { return Ok(None) };
        let found = self.shared.forges.destination(&self.repository, wanted).map_err(LookError::Destination)?;
        Ok((found.forge != self.forge_name || !found.repository.is(&self.repository)).then_some(found))
    }

    /// Looks at every strategy, once those that changed are in force or known to stay out.
    async fn admit_and_look(&self, state: &mut State, context: &RepositoryContext) -> Result<(), LookError> {
        self.admit(state, context).await?;
        self.look(state, context).await?;
        // What was under way may have ended just now.
        if self.admit(state, context).await? {
            self.look(state, context).await?;
        }
        Ok(())
    }

    /// Shows on every board of the repository why it could not be looked at; returns the words.
    fn show_trouble(&self, error: &LookError) -> String {
        let text = words(error);
        tracing::warn!(repository = %self.repository, "could not finish looking at {}: {text}", self.repository);
        if !matches!(error, LookError::Strategies(_)) {
            self.boards.trouble(&self.repository, &text);
        }
        text
    }

    fn until_woken(&self, state: &State) -> Duration {
        let now = (self.shared.clock)();
        let until = |at: Timestamp| Duration::try_from(at.duration_since(now)).unwrap_or(Duration::ZERO);
        // Times are compared in whole milliseconds: a moment too early would spin.
        state.wake_at.map_or(Duration::MAX, |at| until(at) + Duration::from_millis(1))
    }
}

/// Returns what tools told of commits.
fn told(attention: &[Attention]) -> Vec<Deployed> {
    let deployed = |what: &Attention| if let Attention::Deployed(told) = what { Some(told.clone()) } else { None };
    attention.iter().filter_map(deployed).collect()
}

/// Returns the text of an error with its causes.
fn words(error: &LookError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let words = cause.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        source = cause.source();
    }
    text
}

fn sort(message: Message, attention: &mut Vec<Attention>, waiting: &mut Vec<oneshot::Sender<Result<(), String>>>) {
    match message {
        Message::Wake => {}
        Message::Heed(what) => attention.push(what),
        Message::LookNow(reply) => waiting.push(reply),
    }
}
