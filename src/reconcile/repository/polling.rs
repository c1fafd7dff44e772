//! What polling finds: everything that the last looks rest on is read again, and only what differs is looked at.
//!
//! - What differs is heeded as the webhook would have been that was lost.
//! - Now and then everything is looked at all the same: in no list is what people may do on the forge.

use std::time::Duration;

use tokio::time::Instant;

use super::{RepositoryWorker, State};
use crate::reconcile::{LookError, attention::Attention, context::RepositoryContext};

/// After how long a poll looks at everything, whatever it finds.
const COMPARED_FOR: Duration = Duration::from_secs(5 * 60);

/// What is known of polls between rounds.
#[derive(Debug)]
pub(super) struct Polling {
    /// Whether the last round looked at everything it had to, and all of it came to rest.
    pub(super) is_at_rest: bool,
    /// When a poll looked at everything last.
    looked_at: Instant,
}

impl Default for Polling {
    fn default() -> Self {
        Self { is_at_rest: false, looked_at: Instant::now() }
    }
}

/// What a poll found.
#[derive(Debug)]
pub(super) enum Polled {
    /// Nothing was compared, or branches have moved: everything is to be looked at.
    Unknown,
    /// What differs, if anything.
    Differing(Vec<Attention>),
}

impl RepositoryWorker {
    /// Reads everything again, after a round that came to rest.
    pub(super) async fn poll(&self, state: &mut State, context: &RepositoryContext) -> Result<Polled, LookError> {
        let is_due = state.wake_at.is_some_and(|at| at <= (self.shared.clock)());
        if is_due || state.polling.looked_at.elapsed() >= COMPARED_FOR || !self.can_compare(state) {
            state.polling.looked_at = Instant::now();
            return Ok(Polled::Unknown);
        }
        if self.refresh(state, context).await? {
            return Ok(Polled::Unknown);
        }
        let mut differing = Vec::new();
        for (id, found) in state.strategies.clone() {
            let context = self.strategy_context(context, &id, &found, state).await?;
            differing.extend(state.workers.entry(id.clone()).or_default().read_again(&context).await?);
            self.boards.change(&id, |board| board.looked_at = context.now());
        }
        state.comments.heed(&Attention::Everything);
        Ok(Polled::Differing(differing))
    }

    /// Says whether all that the looks rest on is in this repository: not what other repositories have in force, nor what
    /// is in those into which strategies promote.
    fn can_compare(&self, state: &State) -> bool {
        let is_settled = state.newcomers.is_empty() && state.strategies.values().all(|found| found.candidate.is_none());
        is_settled && state.elsewhere.all().is_empty()
    }
}
