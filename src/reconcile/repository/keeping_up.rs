//! Keeps the repository's mirror in order, while nothing else is to be done.

use std::time::Duration;

use git2::Oid;
use jiff::SignedDuration;
use tokio::time::Instant;

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

/// How often what nobody needs is dropped.
const DROPPED: SignedDuration = SignedDuration::from_hours(30 * 24);

impl RepositoryWorker {
    /// Does what the mirror needs by now; what goes wrong there keeps nothing else from being done.
    pub(super) async fn keep_up(&self, state: &mut State) {
        let is_due = state.keep_up_at.is_none_or(|at| at <= Instant::now());
        // A preview writes to the mirror, too.
        if !is_due || state.previews.under_way().is_some() {
            return;
        }
        let kept_up = self.keep_mirror_up().await;
        if let Err(error) = &kept_up {
            let error = error as &dyn std::error::Error;
            tracing::warn!(error, repository = %self.repository, "could not keep the mirror in order");
        }
        state.keep_up_at = Some(Instant::now() + if kept_up.is_ok() { LOOKED } else { AFTER_FAILURE });
    }

    async fn keep_mirror_up(&self) -> Result<(), LookError> {
        let now = (self.shared.clock)();
        match self.mirror.dropped_at().await {
            // There is nothing yet that could be dropped.
            None => self.mirror.note_dropped(now).await?,
            Some(at) if now.duration_since(at) >= DROPPED => {
                self.drop_unused().await?;
                self.mirror.note_dropped(now).await?;
            }
            Some(_) => {}
        }
        if self.mirror.is_scattered().await? {
            let begun = Instant::now();
            self.mirror.gather().await?;
            tracing::info!(repository = %self.repository, elapsed_ms = elapsed_ms(begun), "gathered the mirror's objects");
        }
        Ok(())
    }

    async fn drop_unused(&self) -> Result<(), LookError> {
        let begun = Instant::now();
        let known = self.shared.store.known_renderings(&self.repository).await?;
        let dropped = match self.mirror.drop_unused(names(&known)?).await {
            Err(error) => {
                let damaged = renderings::damaged(self.mirror.path(), known.clone()).await?;
                if damaged.is_empty() {
                    return Err(error.into());
                }
                self.shared.store.forget_renderings(&self.repository, &damaged).await?;
                let whole: Vec<_> = known.into_iter().filter(|known| !damaged.contains(known)).collect();
                self.mirror.drop_unused(names(&whole)?).await
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
