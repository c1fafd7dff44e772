//! What is known of pull requests that promote nothing: into which branch, and whether they are merged.
//!
//! - One is asked for when somebody gives a command on it, or our comment is on it; never because it is
//!   there. Comments come with one call for the whole repository, whatever they are on.
//! - What is merged stays so. An open one is read again when its event comes, when a command on it is
//!   to be done, and with the timer: all that are followed with one call.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;

use crate::{
    domain::ids::{DrySha, PullRequestNumber},
    forge::{ForgeError, PullRequest, PullRequestState},
    messages::DryStage,
    reconcile::{attention::Attention, context::RepositoryContext},
};

/// The most that are remembered; beyond, all are forgotten and asked for again.
const REMEMBERED: usize = 1_000;

/// The most that are asked for one by one because our comment is on them; the others are next.
const ASKED_AT_ONCE: usize = 20;

/// A pull request that promotes nothing.
#[derive(Debug, Clone)]
pub(super) struct OtherPullRequest {
    /// The branch that it is merged into.
    pub(super) base: String,
    /// Where it is in its life.
    pub(super) stage: DryStage,
    /// When it was merged or closed.
    pub(super) ended_at: Option<Timestamp>,
}

/// How new an answer must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// What was read at some time.
    Known,
    /// What the forge says now, of one that can still change.
    Now,
}

/// The pull requests that were asked for.
#[derive(Debug, Default)]
pub(super) struct OtherPullRequests {
    known: HashMap<PullRequestNumber, OtherPullRequest>,
    /// Those that an event said to be open: our last word may have been that they were closed.
    open: BTreeSet<PullRequestNumber>,
    /// Whether open ones may have changed without a word.
    stale: bool,
}

impl OtherPullRequests {
    /// Forgets what `attention` makes stale.
    pub(super) fn heed(&mut self, attention: &Attention) {
        match attention {
            Attention::PullRequest { number, state, .. } => {
                self.known.remove(number);
                if state.as_deref() == Some("open") {
                    self.open.insert(*number);
                }
            }
            Attention::Everything => self.stale = true,
            _ => {}
        }
    }

    /// Returns those that an event said to be open since the last time.
    pub(super) fn take_open(&mut self) -> BTreeSet<PullRequestNumber> {
        std::mem::take(&mut self.open)
    }

    /// Returns a pull request; nothing when the forge has none with this number.
    pub(super) async fn find(
        &mut self,
        context: &RepositoryContext,
        number: PullRequestNumber,
        need: Need,
    ) -> Result<Option<OtherPullRequest>, ForgeError> {
        let is_enough = |known: &&OtherPullRequest| need == Need::Known || !can_change(known, context);
        if let Some(known) = self.known.get(&number).filter(is_enough) {
            return Ok(Some(known.clone()));
        }
        match context.forge.pull_request(&context.id, number).await {
            Ok(read) => Ok(Some(self.remember(read))),
            Err(ForgeError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns the dry pull requests that changed last, the last first, and remembers them.
    pub(super) async fn latest(
        &mut self,
        context: &RepositoryContext,
    ) -> Result<Vec<(PullRequestNumber, OtherPullRequest)>, ForgeError> {
        let read = context.forge.pull_requests_into(&context.id, &context.details.default_branch).await?;
        Ok(read.into_iter().map(|read| (read.number, self.remember(read))).collect())
    }

    /// Reads again what may have changed of `followed`, those that our comment is on; returns those that
    /// can be shown now.
    pub(super) async fn follow(
        &mut self,
        context: &RepositoryContext,
        followed: &[PullRequestNumber],
    ) -> Result<Vec<PullRequestNumber>, ForgeError> {
        let unknown = followed.iter().filter(|number| !self.known.contains_key(number)).count();
        let known = followed.iter().filter_map(|number| self.known.get(number));
        let may_have_changed = self.stale && known.into_iter().any(|known| can_change(known, context));
        if unknown > 1 || may_have_changed {
            self.latest(context).await?;
        }
        self.stale = false;
        let (mut shown, mut asked) = (Vec::new(), 0);
        for number in followed {
            if !self.known.contains_key(number) {
                if asked == ASKED_AT_ONCE {
                    continue;
                }
                asked += 1;
            }
            shown.push(*number);
        }
        Ok(shown)
    }

    fn remember(&mut self, read: PullRequest) -> OtherPullRequest {
        let stage = match (read.state, read.merge_sha.and_then(|sha| DrySha::new(sha).ok())) {
            (PullRequestState::Merged, Some(dry)) => DryStage::Merged(dry),
            (PullRequestState::Closed, _) => DryStage::Closed,
            // One that is merged has its commit in a moment.
            (PullRequestState::Open | PullRequestState::Merged, _) => DryStage::Open,
        };
        if self.known.len() >= REMEMBERED {
            self.known.clear();
        }
        let other = OtherPullRequest { base: read.base, stage, ended_at: read.ended_at };
        self.known.insert(read.number, other.clone());
        other
    }
}

/// Says whether a pull request is a dry one that is not merged yet.
fn can_change(known: &OtherPullRequest, context: &RepositoryContext) -> bool {
    let is_dry = known.base == context.details.default_branch.as_str();
    is_dry && !matches!(known.stage, DryStage::Merged(_))
}
