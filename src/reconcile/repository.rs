//! Serves one repository: finds its strategies on the dry branch and has each looked at.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::{
    LookError,
    attention::Attention,
    board::{Boards, StrategyBoard},
    context::{RepositoryContext, Shared, StrategyContext},
    worker::StrategyWorker,
};
use crate::{
    domain::{
        ids::{BranchName, DrySha, RepositoryId, StrategyId},
        strategy::document_files,
    },
    forge::{Account, SharedForge},
    git::{history, mirror::Mirror, tree},
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
    /// After how long everything is read again without being told.
    pub poll: Duration,
}

/// What is known between rounds.
#[derive(Default)]
struct State {
    account: Option<Account>,
    strategies: BTreeMap<StrategyId, Found>,
    read_at: Option<DrySha>,
    workers: HashMap<StrategyId, StrategyWorker>,
    stale: bool,
    wake_at: Option<Timestamp>,
}

/// A strategy that was found, now or earlier.
#[derive(Clone)]
struct Found {
    dry_branch: BranchName,
    strategy: Arc<crate::domain::strategy::PromotionStrategy>,
    mistake: Option<String>,
}

impl RepositoryWorker {
    /// Works until `stop`.
    pub async fn run(self, mut messages: mpsc::Receiver<Message>, stop: CancellationToken) {
        let mut state = State { stale: true, ..State::default() };
        let mut pause = None;
        let mut last_full = tokio::time::Instant::now();
        let mut attention = vec![Attention::Everything];
        loop {
            let mut waiting = Vec::new();
            while let Ok(message) = messages.try_recv() {
                sort(message, &mut attention, &mut waiting);
            }
            if attention.contains(&Attention::Everything) {
                last_full = tokio::time::Instant::now();
            }
            let looked = tokio::select! {
                looked = self.round(&mut state, &attention) => looked,
                () = stop.cancelled() => return,
            };
            attention.clear();
            let answer = looked.as_ref().map(|()| ()).map_err(|error| self.trouble(&state, error));
            for reply in waiting {
                // Whoever asked may have stopped waiting.
                let _ = reply.send(answer.clone());
            }
            let wait = match &looked {
                Ok(()) => {
                    pause = None;
                    self.until_next(&state).min(self.poll.saturating_sub(last_full.elapsed()))
                }
                Err(_) => {
                    let next = pause.map_or(FIRST_PAUSE, |pause: Duration| (pause * 2).min(self.poll));
                    pause = Some(next);
                    next
                }
            };
            let failed = looked.is_err();
            tokio::select! {
                message = messages.recv() => match message {
                    Some(message) => {
                        let mut waiting_now = Vec::new();
                        sort(message, &mut attention, &mut waiting_now);
                        // Answered by the round that begins now: put back for the loop above.
                        if !waiting_now.is_empty() {
                            attention.push(Attention::Everything);
                            let looked = tokio::select! {
                                looked = self.round(&mut state, &attention) => looked,
                                () = stop.cancelled() => return,
                            };
                            attention.clear();
                            let answer = looked.as_ref().map(|()| ()).map_err(|error| self.trouble(&state, error));
                            for reply in waiting_now {
                                let _ = reply.send(answer.clone());
                            }
                        }
                    }
                    None => return,
                },
                () = tokio::time::sleep(wait) => {
                    if failed || last_full.elapsed() >= self.poll {
                        attention.push(Attention::Everything);
                    } else {
                        attention.push(Attention::Command);
                    }
                }
                () = stop.cancelled() => return,
            }
        }
    }
}

fn sort(message: Message, attention: &mut Vec<Attention>, waiting: &mut Vec<oneshot::Sender<Result<(), String>>>) {
    match message {
        Message::Wake => {}
        Message::Heed(what) => attention.push(what),
        Message::LookNow(reply) => waiting.push(reply),
    }
}
