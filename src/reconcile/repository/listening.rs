//! Whether webhooks tell of the repository's branches, and looking at those more often while they do not.
//!
//! - To list branches takes one request and starts no program, so it may be done more often than everything is read. It
//!   is not needed where webhooks arrive, which is known after a restart, too.
//! - Where no list comes, it is asked for with growing pauses.
//! - After a round that failed nothing is listed: the next one is due after a pause of its own.

use std::time::Duration;

use tokio::time::Instant;

use super::{RepositoryWorker, State};
use crate::{
    domain::ids::RepositoryId,
    git::mirror::Watched,
    reconcile::{attention::Attention, context::RepositoryContext},
    store::{Store, StoreError},
};

/// How often branches are listed of which no webhook tells.
const LISTED: Duration = Duration::from_secs(15);

/// The longest pause while no list comes; each is twice as long as the one before.
const LONGEST_PAUSE: Duration = Duration::from_secs(5 * 60);

/// Whether webhooks tell of what is pushed to a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    /// They did the last time.
    Yes,
    /// They never did, or did not the last time.
    No,
}

/// What is known of the repository's webhooks, and when its branches are listed.
#[derive(Debug)]
pub(super) struct Listening {
    /// Nothing until it is read from the store.
    heard: Option<Heard>,
    /// How long is waited between two lists.
    pause: Duration,
    /// When the next one is due.
    next: Instant,
}

/// What is listed now and then.
pub(super) struct Listed {
    context: RepositoryContext,
    watched: Vec<Watched>,
}

impl RepositoryWorker {
    /// Returns what is to be listed more often than everything is read, if anything; `pause` follows a round that
    /// failed.
    pub(super) fn listed(&self, state: &State, pause: Option<Duration>) -> Option<Listed> {
        let context = state.context.clone()?;
        let watched = self.watched_here(state, &context);
        state.listening.is_needed(self.poll, pause).then_some(Listed { context, watched })
    }
}

impl Default for Listening {
    fn default() -> Self {
        Self { heard: None, pause: LISTED, next: Instant::now() + LISTED }
    }
}

impl Listening {
    /// Takes in what a round was told and what it found, and writes down what that changes.
    pub(super) async fn note(
        &mut self,
        store: &Store,
        repository: &RepositoryId,
        attention: &[Attention],
        has_moved: bool,
    ) -> Result<(), StoreError> {
        let before = match self.heard {
            Some(heard) => heard,
            None if store.is_heard(repository).await? => Heard::Yes,
            None => Heard::No,
        };
        let heard = before.after(attention, has_moved);
        match (before, heard) {
            (Heard::No, Heard::Yes) => store.save_heard(repository).await?,
            (Heard::Yes, Heard::No) => store.save_unheard(repository).await?,
            _ => {}
        }
        self.heard = Some(heard);
        Ok(())
    }

    /// Says whether webhooks tell of what is pushed, as far as that is known.
    pub(super) fn hears(&self) -> bool {
        self.heard != Some(Heard::No)
    }

    fn is_needed(&self, poll: Duration, pause: Option<Duration>) -> bool {
        !self.hears() && poll > LISTED && pause.is_none()
    }

    /// Waits until a branch is somewhere else than it was known; never ends where nothing is to be listed.
    pub(super) async fn moved(&mut self, listed: Option<Listed>) {
        let Some(listed) = listed else { return std::future::pending().await };
        loop {
            tokio::time::sleep_until(self.next).await;
            // Whatever else comes may end this one.
            self.next = Instant::now() + self.pause;
            let is_behind = listed.is_behind().await;
            self.put_off(is_behind.is_some(), Instant::now());
            if is_behind == Some(true) {
                return;
            }
        }
    }

    /// Says when the next list is due, after one that came or did not.
    fn put_off(&mut self, has_come: bool, now: Instant) {
        self.pause = if has_come { LISTED } else { (self.pause * 2).min(LONGEST_PAUSE) };
        self.next = now + self.pause;
    }
}

impl Listed {
    /// Says whether a branch is somewhere else than it was known; nothing where no list comes. Why it does not is told
    /// when everything is read.
    async fn is_behind(&self) -> Option<bool> {
        let remote = self.context.remote().await.ok()?;
        self.context.mirror.is_behind(&remote, &self.watched).await.ok().flatten()
    }
}

impl Heard {
    fn after(self, attention: &[Attention], has_moved: bool) -> Self {
        match attention.iter().any(|what| matches!(what, Attention::Branch { .. })) {
            true => Self::Yes,
            false if has_moved => Self::No,
            false => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push() -> Attention {
        Attention::Branch { branch: "main".to_owned().try_into().expect("a name"), after: None }
    }

    #[test]
    fn a_push_that_nobody_told_of_is_no_sign_of_webhooks_and_one_that_was_told_of_is() {
        let mut heard = Heard::No;
        let steps = [
            (&[][..], false, Heard::No),
            (&[push()][..], true, Heard::Yes),
            (&[Attention::Everything][..], false, Heard::Yes),
            (&[push()][..], false, Heard::Yes),
            (&[Attention::Everything][..], true, Heard::No),
            (&[Attention::Everything][..], false, Heard::No),
        ];
        for (attention, has_moved, expected) in steps {
            heard = heard.after(attention, has_moved);
            assert_eq!(heard, expected, "after {attention:?}");
        }
    }

    #[tokio::test]
    async fn a_restart_knows_whether_webhooks_told_of_branches_however_long_ago_that_was() {
        let store = Store::in_memory().await.expect("a database in memory");
        let repository = RepositoryId::new("acme/shop").expect("an owner and a name");
        let restarted = async || {
            let mut listening = Listening::default();
            listening.note(&store, &repository, &[Attention::Everything], false).await.expect("is written");
            listening
        };
        let mut listening = restarted().await;
        assert_eq!(listening.heard, Some(Heard::No), "none ever did");
        listening.note(&store, &repository, &[push()], true).await.expect("is written");
        let mut listening = restarted().await;
        assert_eq!(listening.heard, Some(Heard::Yes));
        listening.note(&store, &repository, &[Attention::Everything], true).await.expect("is written");
        assert_eq!(restarted().await.heard, Some(Heard::No), "one was lost");
    }

    #[test]
    fn branches_are_listed_where_no_webhook_tells_of_them_and_no_round_has_failed() {
        let (minute, second) = (Duration::from_secs(60), Duration::from_secs(1));
        let is_needed = |heard, poll, pause| Listening { heard, ..Listening::default() }.is_needed(poll, pause);
        assert!(is_needed(Some(Heard::No), minute, None));
        assert!(!is_needed(Some(Heard::Yes), minute, None));
        assert!(!is_needed(None, minute, None), "it is not known yet");
        assert!(!is_needed(Some(Heard::No), LISTED, None), "everything is read as often");
        assert!(!is_needed(Some(Heard::No), minute, Some(second)), "a round has failed");
    }

    #[test]
    fn lists_that_do_not_come_are_asked_for_with_growing_pauses() {
        let (mut listening, now) = (Listening::default(), Instant::now());
        let mut pauses = Vec::new();
        for has_come in [true, false, false, false, false, false, false, true, false] {
            listening.put_off(has_come, now);
            pauses.push((listening.next - now).as_secs());
        }
        assert_eq!(pauses, [15, 30, 60, 120, 240, 300, 300, 15, 30]);
    }
}
