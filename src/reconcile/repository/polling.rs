//! What polling finds: everything that the last looks rest on is read again, and only what differs is looked at.
//!
//! - What differs is heeded as the webhook would have been that was lost.
//! - Now and then everything is looked at all the same: in no list is what people may do on the forge.

use super::{RepositoryWorker, State};
use crate::reconcile::{LookError, attention::Attention, context::RepositoryContext};

/// Of how many polls one looks at everything, whatever it finds.
const ALL_OF: u32 = 5;

/// What is known of polls between rounds.
#[derive(Debug, Default)]
pub(super) struct Polling {
    /// Whether the last round looked at everything it had to, and all of it came to rest.
    pub(super) is_at_rest: bool,
    /// How many polls have compared since everything was looked at.
    compared: u32,
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
        state.polling.compared += 1;
        let is_due = state.wake_at.is_some_and(|at| at <= (self.shared.clock)());
        if is_due || state.polling.compared >= ALL_OF || !self.can_compare(state) {
            state.polling.compared = 0;
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
