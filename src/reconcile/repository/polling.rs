//! What polling finds: everything that the last looks rest on is read again, and only what differs is looked at.
//!
//! - What differs is heeded as the webhook would have been that was lost.
//! - Where no webhooks arrive, something that happened is followed by polls in quick succession, whose pauses grow: one
//!   thing leads to another, such as a merge to a report.
//! - Now and then everything is looked at all the same: in no list is what people may do on the forge.

use std::time::Duration;

use tokio::time::Instant;

use super::{RepositoryWorker, State, words};
use crate::{
    domain::ids::StrategyId,
    reconcile::{LookError, attention::Attention, context::RepositoryContext},
};

/// After how long a poll looks at everything, whatever it finds.
const COMPARED_FOR: Duration = Duration::from_secs(5 * 60);

/// The first pause between polls after something happened of which no webhook told; each is half as long again as the
/// one before.
const QUICK: Duration = Duration::from_secs(3);

/// What is known of polls between rounds.
#[derive(Debug)]
pub(super) struct Polling {
    /// Whether the last round looked at everything it had to, and all of it came to rest.
    pub(super) is_at_rest: bool,
    /// When a poll looked at everything last.
    looked_at: Instant,
    /// How long is waited for the next one where no webhooks arrive, unless that is longer than ever.
    pause: Duration,
}

impl Default for Polling {
    fn default() -> Self {
        Self { is_at_rest: false, looked_at: Instant::now(), pause: QUICK }
    }
}

impl Polling {
    /// Returns how long is waited between polls, which is `poll` where webhooks arrive.
    pub(super) fn interval(&self, poll: Duration, webhooks_arrive: bool) -> Duration {
        if webhooks_arrive { poll } else { self.pause.min(poll) }
    }

    /// Takes in whether a round found anything that had happened.
    pub(super) fn note(&mut self, has_happened: bool) {
        // Beyond an hour nothing is polled more often than it would be anyway.
        let longer = (self.pause * 3 / 2).min(Duration::from_secs(60 * 60));
        self.pause = if has_happened { QUICK } else { longer };
    }
}

/// What a poll found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Polled {
    /// Nothing was compared: everything is to be looked at.
    NotCompared,
    /// Branches have moved, on the remote or, by a look of ours, in the mirror alone: everything is to be looked at.
    Moved {
        /// Whether it was on the remote.
        on_remote: bool,
    },
    /// Something differs, and was heeded.
    Differing,
    /// Everything is as it was.
    Same,
}

impl Polled {
    /// Returns what is to be heeded besides.
    pub(super) fn attention(self) -> &'static [Attention] {
        match self {
            Self::NotCompared | Self::Moved { .. } => &[Attention::Everything],
            Self::Differing | Self::Same => &[],
        }
    }

    /// Says whether something has happened, as far as that is known.
    pub(super) fn has_found(self) -> bool {
        matches!(self, Self::Moved { on_remote: true } | Self::Differing)
    }
}

impl RepositoryWorker {
    /// Reads everything again, after a round that came to rest.
    pub(super) async fn poll(&self, state: &mut State, context: &RepositoryContext) -> Result<Polled, LookError> {
        let is_due = state.wake_at.is_some_and(|at| at <= (self.shared.clock)());
        if is_due || state.polling.looked_at.elapsed() >= COMPARED_FOR || !self.can_compare(state) {
            state.polling.looked_at = Instant::now();
            return Ok(Polled::NotCompared);
        }
        let on_remote = self.refresh(state, context).await?;
        let heads = context.mirror.heads().await?;
        let has_observed = |id: &StrategyId| state.workers.get(id).is_some_and(|worker| worker.has_observed(&heads));
        if on_remote || !state.strategies.keys().all(has_observed) {
            return Ok(Polled::Moved { on_remote });
        }
        let mut reads = Vec::new();
        for (id, found) in state.strategies.clone() {
            let context = self.strategy_context(context, &id, &found, state).await?;
            let mut worker = state.workers.remove(&id).unwrap_or_default();
            reads.push(async move {
                let read = worker.read_again(&context).await;
                (context, worker, read)
            });
        }
        let (mut differs, mut troubles) = (false, Vec::new());
        for (context, worker, read) in futures::future::join_all(reads).await {
            state.workers.insert(context.id.clone(), worker);
            match read {
                Ok(does) => differs |= does,
                Err(error) => troubles.push((context.id.clone(), words(&error))),
            }
            self.boards.change(&context.id, |board| board.looked_at = context.now());
        }
        state.comments.heed(&Attention::Everything);
        self.show_troubles(context, troubles)?;
        Ok(if differs { Polled::Differing } else { Polled::Same })
    }

    /// Says whether all that the looks rest on is in this repository: not what other repositories have in force, nor what
    /// is in those into which strategies promote.
    fn can_compare(&self, state: &State) -> bool {
        let is_settled = state.newcomers.is_empty() && state.strategies.values().all(|found| found.candidate.is_none());
        is_settled && state.elsewhere.all().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polls_follow_each_other_quickly_where_no_webhooks_arrive_and_something_happened() {
        let poll = Duration::from_secs(60);
        let mut polling = Polling::default();
        assert_eq!(polling.interval(poll, true), poll);
        let mut pauses = Vec::new();
        for _ in 0..9 {
            pauses.push(polling.interval(poll, false).as_secs());
            polling.note(false);
        }
        assert_eq!(pauses, [3, 4, 6, 10, 15, 22, 34, 51, 60]);
        polling.note(true);
        assert_eq!(polling.interval(poll, false), QUICK);
        assert_eq!(polling.interval(Duration::from_secs(1), false), Duration::from_secs(1));
    }

    #[test]
    fn what_was_not_compared_is_looked_at_and_tells_of_nothing() {
        let everything = [Attention::Everything];
        let moved = Polled::Moved { on_remote: true };
        assert_eq!((Polled::NotCompared.attention(), Polled::NotCompared.has_found()), (&everything[..], false));
        assert_eq!((moved.attention(), moved.has_found()), (&everything[..], true));
        assert_eq!((Polled::Differing.attention(), Polled::Differing.has_found()), (&[][..], true));
        assert!(!Polled::Same.has_found());
    }
}
