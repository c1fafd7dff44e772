//! Serves one repository: finds its strategies on the dry branch and has each looked at.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::{
    LookError,
    attention::Attention,
    board::{Boards, StrategyBoard},
    commands::Commands,
    comments::{Acted, CommentReader, CommentsView},
    context::{RepositoryContext, Shared, StrategyContext, watched},
    deployed_reports,
    earlier_names::EarlierNames,
    overriding,
    previews::PreviewWork,
    strategy_changes::{self, Candidate, KeptOut},
    strategy_files::{self, Broken, InForce, Next},
    worker::StrategyWorker,
};
use crate::{
    domain::{
        deployed::Deployed,
        ids::{DrySha, RepositoryId, StrategyId},
        strategy::PromotionStrategy,
    },
    forge::SharedForge,
    git::{
        history,
        mirror::{Mirror, Remote, Watched},
    },
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
        loop {
            if attention.contains(&Attention::Everything) {
                read_all = tokio::time::Instant::now();
            }
            let looked = tokio::select! {
                looked = self.round(&mut state, &attention) => looked,
                () = stop.cancelled() => return,
            };
            attention.clear();
            let mut answer = looked.map_err(|error| self.show_trouble(&error));
            if answer.is_ok() {
                self.boards.recovered(&self.repository);
            }
            let commented = tokio::select! {
                commented = self.read_comments(&mut state) => commented,
                () = stop.cancelled() => return,
            };
            if let (Ok(()), Err(error)) = (&answer, commented) {
                answer = Err(self.show_trouble(&error));
            }
            if answer.is_err() || state.previews.under_way().is_none() {
                for reply in waiting.drain(..) {
                    // Whoever asked may have stopped waiting.
                    let _ = reply.send(answer.clone());
                }
            }
            pause = answer.is_err().then(|| pause.map_or(FIRST_PAUSE, |pause| (pause * 2).min(self.poll)));
            let until_all = self.poll.saturating_sub(read_all.elapsed());
            let wait = pause.unwrap_or_else(|| until_all.min(self.until_woken(&state)));
            tokio::select! {
                message = messages.recv() => match message {
                    Some(message) => sort(message, &mut attention, &mut waiting),
                    None => return,
                },
                () = state.previews.finish() => attention.push(Attention::Command),
                () = tokio::time::sleep(wait) => {
                    let all = pause.is_some() || read_all.elapsed() >= self.poll;
                    attention.push(if all { Attention::Everything } else { Attention::Command });
                }
                () = stop.cancelled() => return,
            }
            while let Ok(message) = messages.try_recv() {
                sort(message, &mut attention, &mut waiting);
            }
            if pause.is_some() {
                // What was half read may be stale in any way.
                attention.push(Attention::Everything);
            }
        }
    }

    /// Heeds what waits, and looks at every strategy until it is at rest.
    async fn round(&self, state: &mut State, attention: &[Attention]) -> Result<(), LookError> {
        let first = state.context.is_none();
        let context = self.context(state).await?;
        let deliveries = self.shared.store.open_deliveries(self.repository.as_str()).await?;
        let hinted = deliveries.iter().map(|d| serde_json::from_str(&d.hint).unwrap_or(Attention::Everything));
        let mut attention: Vec<Attention> = attention.iter().cloned().chain(hinted).collect();
        let told = told(&attention);
        if !first {
            if !deployed_reports::knows_all(&context, &told).await? {
                self.refresh(state, &context).await?;
            }
            attention.extend(deployed_reports::post(&context, &told).await?);
        }
        for worker in state.workers.values_mut() {
            attention.iter().for_each(|what| worker.heed(what));
        }
        attention.iter().for_each(|what| state.comments.heed(what));
        if first || self.is_stale(&context, &attention).await? {
            self.refresh(state, &context).await?;
        }
        self.admit_and_look(state, &context).await?;
        // Only now are the branches known on which the commits are to be found.
        let posted = if first { deployed_reports::post(&context, &told).await? } else { Vec::new() };
        if !posted.is_empty() {
            state.workers.values_mut().for_each(|worker| posted.iter().for_each(|what| worker.heed(what)));
            self.look(state, &context).await?;
        }
        if let Some(last) = deliveries.last() {
            self.shared.store.finish_deliveries(self.repository.as_str(), last.id, (self.shared.clock)()).await?;
        }
        Ok(())
    }

    /// Does what new comments ask for, starts the next preview, and says how it stands; also while a strategy
    /// is in trouble.
    async fn read_comments(&self, state: &mut State) -> Result<(), LookError> {
        let Some(context) = state.context.clone() else { return Ok(()) };
        if self.reader(&state.workers, &state.ended, &context).read(&mut state.comments).await? == Acted::Yes {
            self.admit_and_look(state, &context).await?;
        }
        if state.comments.has_more() {
            state.wake_at = Some((self.shared.clock)());
        }
        let reader = self.reader(&state.workers, &state.ended, &context);
        let due_at = reader.preview(&mut state.comments, &mut state.previews).await?;
        state.wake_at = state.wake_at.into_iter().chain(due_at).min();
        reader.show(&mut state.comments).await
    }

    fn reader<'a>(
        &'a self,
        workers: &'a HashMap<StrategyId, StrategyWorker>,
        ended: &BTreeMap<StrategyId, StrategyBoard>,
        context: &'a RepositoryContext,
    ) -> CommentReader<'a> {
        let boards = workers.keys().filter_map(|id| Some((id.clone(), self.boards.of(id)?)));
        let boards = ended.clone().into_iter().chain(boards).collect();
        CommentReader { context, commands: &self.commands, workers, boards }
    }

    /// Says whether a branch is somewhere else than the mirror has it.
    async fn is_stale(&self, context: &RepositoryContext, attention: &[Attention]) -> Result<bool, LookError> {
        for what in attention {
            match what {
                Attention::Everything => return Ok(true),
                Attention::Branch { branch, after } => {
                    let known = context.mirror.branch(branch).await?.map(|id| id.to_string());
                    if known != *after {
                        return Ok(true);
                    }
                }
                Attention::Commit { .. }
                | Attention::PullRequest { .. }
                | Attention::Comment { .. }
                | Attention::Deployed(_)
                | Attention::Command => {}
            }
        }
        Ok(false)
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
            forge: self.forge.clone(),
            account,
            details,
            mirror: self.mirror.clone(),
            merging: Arc::new(Semaphore::new(1)),
        };
        state.context = Some(context.clone());
        Ok(context)
    }

    /// Fetches what moved, and reads the strategy files when the dry head has moved.
    async fn refresh(&self, state: &mut State, context: &RepositoryContext) -> Result<(), LookError> {
        let remote = context.forge.git_remote(&self.repository).await?;
        let remote = Remote { url: remote.url, authorization: remote.authorization };
        let dry = &context.details.default_branch;
        let all = |state: &State| -> Vec<Watched> {
            state.strategies.values().flat_map(|found| watched(&found.strategy)).collect()
        };
        let known = all(state);
        context.mirror.refresh(&remote, dry, &known).await?;
        self.find_strategies(state, context).await?;
        let now_known = all(state);
        if now_known != known {
            context.mirror.refresh(&remote, dry, &now_known).await?;
        }
        Ok(())
    }

    async fn find_strategies(&self, state: &mut State, context: &RepositoryContext) -> Result<(), LookError> {
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
        let settled = strategy_files::settle(&self.repository, &dry, &head, &files, before.clone());
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
    async fn next_of(
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
    fn in_force(&self, before: &[Document], document: &Document) -> Option<InForce> {
        let is_replaced = |other: &&Document| other.strategy == document.strategy && other.text != document.text;
        let before = before.iter().find(is_replaced).filter(|_| document.mistake.is_none())?;
        let mut found = strategy_files::last_good(&self.repository, before.clone())?;
        overriding::add_server_windows(&mut found.strategy, &self.repository, &self.shared.server_windows);
        Some(found)
    }

    /// Leaves the strategy in force where another one is to take its place, which is to be judged.
    async fn found_changed(
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

    /// Puts changed strategies in force that drop nothing of what is under way, or that a person lets in;
    /// says whether there were any.
    async fn admit(&self, state: &mut State, context: &RepositoryContext) -> Result<bool, LookError> {
        let changed: Vec<StrategyId> =
            state.strategies.iter().filter(|(_, found)| found.candidate.is_some()).map(|(id, _)| id.clone()).collect();
        let (mut admitted, mut observed) = (BTreeMap::new(), BTreeMap::new());
        for id in changed {
            let Some(found) = state.strategies.get(&id).cloned() else { continue };
            let Some(candidate) = found.candidate.clone() else { continue };
            let under = self.strategy_context(context, &id, &Found { mistake: None, ..found.clone() }, state);
            let snapshot = state.workers.entry(id.clone()).or_default().observe(&under).await?;
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
            let now_known: Vec<Watched> =
                state.strategies.values().flat_map(|found| watched(&found.strategy)).collect();
            let remote = context.remote().await?;
            context.mirror.refresh(&remote, &context.details.default_branch, &now_known).await?;
        }
        Ok(any)
    }

    /// Puts a changed strategy in the place of the one before; nothing, when that was deleted.
    async fn put_in_force(
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
        if has_ended || named != id {
            // First: whoever finds both in the store takes neither for the other's successor.
            store.forget_document(&id).await?;
            state.strategies.remove(&id);
            state.workers.remove(&id);
            self.boards.remove(&id);
        }
        if has_ended {
            let board = StrategyBoard { dry_head: None, ..self.empty_board(context, id.clone(), &candidate.commit) };
            state.ended.insert(id, board);
            return Ok(());
        }
        store.save_document(&candidate.document).await?;
        let found = Found { strategy: candidate.strategy, mistake: None, candidate: None, kept_out: None };
        state.strategies.insert(named, found);
        Ok(())
    }

    /// Leaves a strategy in force as it is, and says why.
    async fn keep_out(
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
    async fn admit_newcomers(&self, state: &mut State, context: &RepositoryContext) -> Result<bool, LookError> {
        let mut any = false;
        for (id, (strategy, document)) in std::mem::take(&mut state.newcomers) {
            let rival = state.strategies.iter().find(|(_, found)| found.strategy.proposes_as(&strategy));
            if let Some((rival, _)) = rival {
                let mistake = Some(waits_for(&document, rival));
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

    fn strategy_context(
        &self,
        context: &RepositoryContext,
        id: &StrategyId,
        found: &Found,
        state: &State,
    ) -> StrategyContext {
        let branches = |found: &Found| found.strategy.environments.iter().map(|one| one.branch.clone()).collect();
        let others = state.strategies.iter().filter(|(other, _)| *other != id);
        let others = others.map(|(other, found)| (other.name.clone(), branches(found)));
        StrategyContext {
            repository: context.clone(),
            id: id.clone(),
            dry_branch: context.details.default_branch.clone(),
            strategy: found.strategy.clone(),
            others: Arc::new(others.collect()),
            earlier: state.earlier.clone(),
            mistake: found.mistake.clone(),
            kept_out: found.kept_out.clone(),
        }
    }

    /// Looks at every strategy, side by side.
    async fn look(&self, state: &mut State, context: &RepositoryContext) -> Result<(), LookError> {
        let mut looks = Vec::new();
        let contexts: Vec<StrategyContext> =
            state.strategies.iter().map(|(id, found)| self.strategy_context(context, id, found, state)).collect();
        for context in contexts {
            let mut worker = state.workers.remove(&context.id).unwrap_or_default();
            looks.push(async move {
                let looked = worker.look(&context, &self.boards).await;
                (context.id, worker, looked)
            });
        }
        state.wake_at = None;
        let mut outcome = Ok(());
        for (id, worker, looked) in futures::future::join_all(looks).await {
            state.workers.insert(id.clone(), worker);
            match looked {
                Ok(wake_at) => state.wake_at = state.wake_at.into_iter().chain(wake_at).min(),
                Err(error) => {
                    self.boards.change(&id, |board| board.trouble = Some(words(&error)));
                    outcome = Err(error);
                }
            }
        }
        outcome
    }

    /// Shows on every board of the repository why it could not be looked at; returns the words.
    fn show_trouble(&self, error: &LookError) -> String {
        let text = words(error);
        tracing::warn!(repository = %self.repository, "could not finish looking at {}: {text}", self.repository);
        self.boards.trouble(&self.repository, &text);
        text
    }

    fn until_woken(&self, state: &State) -> Duration {
        let now = (self.shared.clock)();
        let until = |at: Timestamp| Duration::try_from(at.duration_since(now)).unwrap_or(Duration::ZERO);
        // Times are compared in whole milliseconds: a moment too early would spin.
        state.wake_at.map_or(Duration::MAX, |at| until(at) + Duration::from_millis(1))
    }

    fn empty_board(&self, context: &RepositoryContext, id: StrategyId, head: &DrySha) -> StrategyBoard {
        StrategyBoard {
            id,
            dry_branch: context.details.default_branch.clone(),
            dry_head: Some(head.clone()),
            repository_url: context.details.web_url.clone(),
            pages: context.details.pages,
            mistake: None,
            kept_out: None,
            trouble: None,
            places: Vec::new(),
            next: Vec::new(),
            looked_at: (self.shared.clock)(),
            wake_at: None,
            looked: Default::default(),
            commits: BTreeMap::new(),
        }
    }
}

/// Returns what tools told of commits.
fn told(attention: &[Attention]) -> Vec<Deployed> {
    let deployed = |what: &Attention| if let Attention::Deployed(told) = what { Some(told.clone()) } else { None };
    attention.iter().filter_map(deployed).collect()
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
