//! Forgets what came of hydrating dry SHAs that no strategy of the repository asks for any more.
//!
//! A look reads all that is known of hydrations, so that must not grow with the years. They are forgotten for all
//! strategies together: what is reported on a dry commit sums them up.

use std::{collections::BTreeSet, time::Duration};

use tokio::time::Instant;

use super::{RepositoryWorker, State};
use crate::{domain::ids::DrySha, reconcile::LookError};

/// How often.
const FORGOTTEN: Duration = Duration::from_secs(60 * 60);

impl RepositoryWorker {
    /// Does so when it is time; not before every strategy has been looked at.
    pub(super) async fn forget_unused(&self, state: &mut State) -> Result<(), LookError> {
        if state.forget_at.is_some_and(|at| at > Instant::now()) {
            return Ok(());
        }
        let used = state.strategies.keys().map(|id| state.workers.get(id)?.in_use());
        let Some(used) = used.collect::<Option<Vec<_>>>() else { return Ok(()) };
        let used: BTreeSet<&DrySha> = used.into_iter().flatten().collect();
        self.shared.store.forget_hydrations(&self.repository, &used).await?;
        state.forget_at = Some(Instant::now() + FORGOTTEN);
        Ok(())
    }
}
