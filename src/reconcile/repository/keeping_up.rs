//! Keeps the repository's mirror in order, while nothing else is to be done.
//!
//! Packs are gathered beside whatever comes next. Everything waits while something is dropped.

use std::time::Duration;

use git2::Oid;
use jiff::{SignedDuration, Timestamp};
use tokio::{task::JoinSet, time::Instant};

use super::{RepositoryWorker, State};
use crate::{
    domain::ids::RenderingId,
    git::GitError,
    reconcile::{LookError, renderings},
};

/// How often it is looked whether there is something to do.
const LOOKED: Duration = Duration::from_secs(60);

/// How long is waited after something failed.
const AFTER_FAILURE: Duration = Duration::from_secs(60 * 60);

/// How long is waited after dropping took too long: what is too much today is so tomorrow.
const AFTER_TIMEOUT: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How often what nobody needs is dropped.
const DROPPED: SignedDuration = SignedDuration::from_hours(30 * 24);

/// When the mirror is looked at, and what goes on in it.
#[derive(Debug, Default)]
pub(super) struct KeepingUp {
    /// When it is looked at again; at once where nothing is said.
    next: Option<Instant>,
    /// The gathering that is under way, which ends with this.
    gathering: JoinSet<Result<(), GitError>>,
}

impl RepositoryWorker {
    /// Does what the mirror needs by now; what goes wrong there keeps nothing else from being done.
    pub(super) async fn keep_up(&self, state: &mut State) {
        let is_due = state.keeping_up.next.is_none_or(|at| at <= Instant::now());
        // A preview writes to the mirror, too.
        if !is_due || state.previews.under_way().is_some() {
            return;
        }
        let pause = match self.keep_mirror_up(&mut state.keeping_up).await {
            Ok(()) => LOOKED,
            Err(error) => {
                let is_too_slow = matches!(error, LookError::Git(GitError::TooSlow { .. }));
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, repository = %self.repository, "could not keep the mirror in order");
                if is_too_slow { AFTER_TIMEOUT } else { AFTER_FAILURE }
            }
        };
        state.keeping_up.next = Some(Instant::now() + pause);
    }

    async fn keep_mirror_up(&self, keeping_up: &mut KeepingUp) -> Result<(), LookError> {
        match keeping_up.gathering.try_join_next() {
            Some(gathered) => gathered.map_err(std::io::Error::other).map_err(GitError::Folder)??,
            None if !keeping_up.gathering.is_empty() => return Ok(()),
            None => {}
        }
        let now = (self.shared.clock)();
        match self.mirror.dropped_at().await {
            Some(at) if now.duration_since(at) >= DROPPED => {
                self.drop_unused(now).await?;
                self.mirror.note_dropped(now).await?;
            }
            Some(at) if at <= now => {}
            // There is nothing yet that could be dropped, or the clock was wrong.
            _ => self.mirror.note_dropped(now).await?,
        }
        if self.mirror.is_scattered().await? {
            let (mirror, repository) = (self.mirror.clone(), self.repository.clone());
            keeping_up.gathering.spawn(async move {
                let begun = Instant::now();
                mirror.gather(now).await?;
                tracing::info!(%repository, elapsed_ms = elapsed_ms(begun), "gathered the mirror's objects");
                Ok(())
            });
        }
        Ok(())
    }

    async fn drop_unused(&self, now: Timestamp) -> Result<(), LookError> {
        let begun = Instant::now();
        let known = self.shared.store.known_renderings(&self.repository).await?;
        let dropped = match self.mirror.drop_unused(names(&known)?, now).await {
            Err(error @ GitError::TooSlow { .. }) => Err(error),
            Err(error) => {
                let damaged = renderings::damaged(self.mirror.path(), known.clone()).await?;
                if damaged.is_empty() {
                    return Err(error.into());
                }
                self.shared.store.forget_renderings(&self.repository, &damaged).await?;
                let whole: Vec<_> = known.into_iter().filter(|known| !damaged.contains(known)).collect();
                self.mirror.drop_unused(names(&whole)?, now).await
            }
            dropped => dropped,
        };
        // What was rendered and not used for long is remembered without a row.
        self.shared.hydrator.forget(self.mirror.path()).await;
        dropped?;
        tracing::info!(
            repository = %self.repository,
            elapsed_ms = elapsed_ms(begun),
            "dropped what the mirror does not need any more"
        );
        Ok(())
    }
}

fn names(renderings: &[RenderingId]) -> Result<Vec<Oid>, GitError> {
    renderings.iter().map(|rendering| Ok(Oid::from_str(rendering.as_str())?)).collect()
}

fn elapsed_ms(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX)
}
