//! What is known of pull requests that promote nothing: into which branch, and whether they are merged.
//!
//! - One is asked for when somebody gives a command on it, our comment is on it, or its event says that it
//!   is open: it may be one to preview. Comments come with one call for the whole repository, whatever they
//!   are on.
//! - What is merged stays so. An open one is read again when its event comes, when a command on it is
//!   to be done, and with the timer: all of them with one call.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;

use crate::{
    domain::ids::{DrySha, HeadSha, PullRequestNumber},
    forge::{Account, ForgeError, HeadIn, PullRequest, PullRequestState},
    messages::DryStage,
    reconcile::{attention::Attention, context::RepositoryContext},
};

/// The most that are remembered; beyond, all are forgotten and asked for again.
const REMEMBERED: usize = 1_000;

/// The most that are asked for one by one because our comment is on them; the others are next.
const ASKED_AT_ONCE: usize = 20;

/// The most open dry pull requests, those that changed last, that count as recent when all are read: nobody
/// wants a comment on every old one from a service that was just installed.
const RECENT: usize = 20;

/// A pull request that promotes nothing.
#[derive(Debug, Clone)]
pub(super) struct OtherPullRequest {
    /// The branch that it is merged into.
    pub(super) base: String,
    /// Its head.
    pub(super) head: Option<HeadSha>,
    /// Where the head is.
    pub(super) head_in: HeadIn,
    /// Who opened it.
    pub(super) author: Option<Account>,
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
    /// Dry ones that changed lately: by their event, or by their place in the list of all.
    recent: BTreeSet<PullRequestNumber>,
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
                    self.recent.insert(*number);
                }
            }
            Attention::Everything => self.stale = true,
            _ => {}
        }
    }

    /// Says whether an open dry pull request changed lately.
    pub(super) fn is_recent(&self, number: PullRequestNumber) -> bool {
        self.recent.contains(&number)
    }

    /// Returns what is known of a pull request.
    pub(super) fn known(&self, number: PullRequestNumber) -> Option<&OtherPullRequest> {
        self.known.get(&number)
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

    /// Reads again what may have changed, and returns the dry pull requests that are open; `is_ours` knows
    /// those that promote.
    pub(super) async fn open(
        &mut self,
        context: &RepositoryContext,
        is_ours: impl Fn(PullRequestNumber) -> bool,
    ) -> Result<BTreeMap<PullRequestNumber, OtherPullRequest>, ForgeError> {
        if self.stale {
            let latest = self.latest(context).await;
            // Where it is forbidden, asking at every look would not help.
            self.stale = matches!(latest, Err(ForgeError::Unavailable { .. } | ForgeError::RateLimited { .. }));
            let open = latest?.into_iter().filter(|(_, other)| other.stage == DryStage::Open);
            self.recent.extend(open.map(|(number, _)| number).take(RECENT));
        }
        let unread = |number: &&PullRequestNumber| !self.known.contains_key(number) && !is_ours(**number);
        let unread: Vec<_> = self.open.iter().filter(unread).copied().take(ASKED_AT_ONCE).collect();
        for number in unread {
            self.find(context, number, Need::Known).await?;
        }
        let is_open = |other: &OtherPullRequest| {
            other.stage == DryStage::Open && other.base == context.details.default_branch.as_str()
        };
        let open = self.known.iter().filter(|(_, other)| is_open(other));
        let open: BTreeMap<_, _> = open.map(|(number, other)| (*number, other.clone())).collect();
        self.recent.retain(|number| open.contains_key(number));
        Ok(open)
    }

    /// Reads what is not known of `followed`, those that our comment is on; returns those that can be
    /// shown now.
    pub(super) async fn follow(
        &mut self,
        context: &RepositoryContext,
        followed: &[PullRequestNumber],
    ) -> Result<Vec<PullRequestNumber>, ForgeError> {
        let unknown = followed.iter().filter(|number| !self.known.contains_key(number)).count();
        if unknown > 1 {
            self.latest(context).await?;
        }
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
        let other = OtherPullRequest {
            base: read.base,
            head: HeadSha::new(read.head_sha).ok(),
            head_in: read.head_in,
            author: read.author,
            stage,
            ended_at: read.ended_at,
        };
        self.known.insert(read.number, other.clone());
        other
    }
}

/// Says whether a pull request is a dry one that is not merged yet.
fn can_change(known: &OtherPullRequest, context: &RepositoryContext) -> bool {
    let is_dry = known.base == context.details.default_branch.as_str();
    is_dry && !matches!(known.stage, DryStage::Merged(_))
}
