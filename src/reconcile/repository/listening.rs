//! Whether webhooks tell of the repository's branches, and looking at those more often while they do not.
//!
//! To list branches takes one request and starts no program, so it may be done more often than everything is read. It
//! is not needed where webhooks arrive.

use std::time::Duration;

use super::{RepositoryWorker, State};
use crate::{
    git::mirror::Watched,
    reconcile::{LookError, attention::Attention, context::RepositoryContext},
};

/// How often branches are listed of which no webhook tells.
const LISTED: Duration = Duration::from_secs(15);

/// Whether webhooks tell of what is pushed to a repository.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// They did the last time.
    Yes,
    /// They never did, or did not the last time.
    #[default]
    No,
}

/// What is listed now and then.
pub(super) struct Listening {
    context: RepositoryContext,
    watched: Vec<Watched>,
}

impl RepositoryWorker {
    /// Returns whether a webhook has told that the dry branch is where it is.
    pub(super) async fn was_heard(&self, context: &RepositoryContext) -> Result<Heard, LookError> {
        let branch = context.details.default_branch.clone();
        let after = context.mirror.branch(&branch).await?.map(|head| head.to_string());
        let hint = serde_json::to_string(&Attention::Branch { branch, after }).unwrap_or_default();
        let was_heard = self.shared.store.has_told(self.repository.as_str(), &hint).await?;
        Ok(if was_heard { Heard::Yes } else { Heard::No })
    }

    /// Returns what is to be listed more often than everything is read, if anything.
    pub(super) fn listening(&self, state: &State) -> Option<Listening> {
        let context = state.context.clone()?;
        let watched = self.watched_here(state, &context);
        (state.heard == Heard::No && self.poll > LISTED).then_some(Listening { context, watched })
    }
}

/// Waits until a branch is somewhere else than it was known; never ends where nothing is to be listed.
pub(super) async fn moved(listening: Option<Listening>) {
    let Some(Listening { context, watched }) = listening else { return std::future::pending().await };
    loop {
        tokio::time::sleep(LISTED).await;
        let Ok(remote) = context.remote().await else { continue };
        // What keeps branches from being listed is told when everything is read.
        if context.mirror.is_behind(&remote, &watched).await.unwrap_or(false) {
            return;
        }
    }
}

impl Heard {
    /// Takes in what a round was told and what it found.
    pub(super) fn note(&mut self, attention: &[Attention], has_moved: bool) {
        let is_of_branch = |what: &Attention| matches!(what, Attention::Branch { .. });
        if attention.iter().any(is_of_branch) {
            *self = Self::Yes;
        } else if has_moved {
            *self = Self::No;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_push_that_nobody_told_of_is_no_sign_of_webhooks_and_one_that_was_told_of_is() {
        let mut heard = Heard::default();
        let push = Attention::Branch { branch: "main".to_owned().try_into().expect("a name"), after: None };
        let steps = [
            (&[][..], false, Heard::No),
            (&[push.clone()][..], true, Heard::Yes),
            (&[Attention::Everything][..], false, Heard::Yes),
            (&[push][..], false, Heard::Yes),
            (&[Attention::Everything][..], true, Heard::No),
            (&[Attention::Everything][..], false, Heard::No),
        ];
        for (attention, has_moved, expected) in steps {
            heard.note(attention, has_moved);
            assert_eq!(heard, expected, "after {attention:?}");
        }
    }
}
