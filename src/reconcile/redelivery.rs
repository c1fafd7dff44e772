//! Asks the forge for webhooks again that did not arrive: after a start, and after the forge did not answer for a while.
//!
//! - It only shortens a delay: what a lost delivery was about is found by the next look at everything anyway.
//! - What arrived is never asked for, nor what was delivered before the last one that arrived then.
//! - It is bounded, and makes room for everything else that the forge is asked.
//! - What could not be asked for is asked for later, with growing pauses.
//! - A forge that does not let us is asked with the next round again, since that right may be given at any time; it is
//!   said once.

use std::{collections::BTreeSet, time::Duration};

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use super::context::Clock;
use crate::{
    domain::ids::RepositoryId,
    forge::{DELIVERIES_KEPT, DeliveriesKept, DeliveriesOf, ForgeError, MissedDelivery, SharedForge},
    settings::{RepositoryPattern, ServedRepositories},
    store::{Store, StoreError},
};

/// The most deliveries that are asked for at once; of more, the newest.
const MOST_REPEATED: usize = 200;
/// By how much the clocks of the forge and of this machine may differ.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_mins(5);
/// How long is waited at first when asking failed; each further time twice as long.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest that is waited, also when the forge asks to wait.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// Asks for deliveries again.
pub struct Redelivery {
    /// The forge.
    pub forge: SharedForge,
    /// Its name, in the webhook's path and in the store.
    pub forge_name: String,
    /// Where deliveries are sent.
    pub address: String,
    /// The repositories of which it tells.
    pub repositories: ServedRepositories,
    /// The store.
    pub store: Store,
    /// Tells the time.
    pub clock: Clock,
}

/// Why deliveries could not be asked for.
#[derive(Debug, thiserror::Error)]
enum NotAsked {
    #[error(transparent)]
    Forge(#[from] ForgeError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Redelivery {
    /// Returns when the last delivery came that has arrived: what failed before that is not asked for.
    ///
    /// It must be asked before anything new can arrive.
    pub async fn arrived_until(&self) -> Option<Timestamp> {
        self.store.last_delivery(&self.forge_name).await.ok().flatten()
    }

    /// Asks again now, and after each outage of the forge, until `stop`; `since` the last one arrived.
    pub async fn run(self, mut since: Option<Timestamp>, stop: CancellationToken) {
        if self.forge.deliveries_kept() == DeliveriesKept::Nowhere {
            return;
        }
        let mut outages = self.forge.outages();
        let mut kept_out = BTreeSet::new();
        let mut next_wait = FIRST_WAIT;
        loop {
            let begun = (self.clock)();
            let asked = stop.run_until_cancelled(self.ask(since, &mut kept_out)).await;
            let wait = match asked {
                None => return,
                Some(Ok(())) => {
                    since = Some(begun);
                    next_wait = FIRST_WAIT;
                    None
                }
                Some(Err(NotAsked::Forge(ForgeError::RateLimited { retry_after, .. }))) => Some(retry_after),
                // One answered call ends an outage, also where the next one is not answered again.
                Some(Err(error)) => {
                    tracing::debug!(error = &error as &dyn std::error::Error, "missed deliveries were not asked for");
                    let wait = next_wait;
                    next_wait = (wait * 2).min(LONGEST_WAIT);
                    Some(wait)
                }
            };
            let again = async {
                tokio::select! {
                    ended = outages.changed() => if ended.is_err() { std::future::pending().await },
                    () = wait_for(wait) => {}
                }
            };
            if stop.run_until_cancelled(again).await.is_none() {
                return;
            }
        }
    }

    /// Asks for everything once more that did not arrive.
    async fn ask(&self, since: Option<Timestamp>, kept_out: &mut BTreeSet<String>) -> Result<(), NotAsked> {
        let kept = (self.clock)() - DELIVERIES_KEPT;
        let since = since.map_or(kept, |since| kept.max(since - CLOCKS_DIFFER));
        let mut missed = self.missed(since, kept_out).await?;
        missed.sort_by_key(|delivery| delivery.attempted_at);
        let surplus = missed.len().saturating_sub(MOST_REPEATED);
        let mut repeated = 0;
        for delivery in missed.drain(surplus..) {
            if self.store.has_delivery(&self.forge_name, &delivery.id).await? {
                continue;
            }
            match self.forge.redeliver(&delivery).await {
                Ok(()) => repeated += 1,
                // It may have been forgotten meanwhile, or its webhook deleted.
                Err(ForgeError::NotFound { .. } | ForgeError::Refused { .. } | ForgeError::Moved { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if repeated > 0 {
            tracing::info!(deliveries = repeated, "asked for {repeated} deliveries again that did not arrive");
        }
        Ok(())
    }

    async fn missed(&self, since: Timestamp, kept_out: &mut BTreeSet<String>) -> Result<Vec<MissedDelivery>, NotAsked> {
        if self.forge.deliveries_kept() == DeliveriesKept::Together {
            return Ok(self.missed_of(DeliveriesOf::All, "the App", since, kept_out).await?);
        }
        let known = self.store.repositories().await?.into_iter().filter(|known| self.repositories.contains(known));
        let named = self.repositories.0.iter().filter_map(RepositoryPattern::exact);
        let repositories: BTreeSet<RepositoryId> = named.chain(known).collect();
        let mut missed = Vec::new();
        for repository in &repositories {
            let of = DeliveriesOf::Repository { repository, address: &self.address };
            missed.extend(self.missed_of(of, repository.as_str(), since, kept_out).await?);
        }
        Ok(missed)
    }

    /// Returns what was missed; nothing of a webhook that is not for us to see.
    async fn missed_of(
        &self,
        of: DeliveriesOf<'_>,
        name: &str,
        since: Timestamp,
        kept_out: &mut BTreeSet<String>,
    ) -> Result<Vec<MissedDelivery>, ForgeError> {
        match self.forge.missed_deliveries(of, since).await {
            Err(ForgeError::Unauthorised { .. } | ForgeError::NotFound { .. }) => {
                if kept_out.insert(name.to_owned()) {
                    tracing::info!(
                        "the webhooks of `{name}` are not ours to see: deliveries that are missed are not asked for \
                         again, and what they were about is found by polling"
                    );
                }
                Ok(Vec::new())
            }
            missed => {
                kept_out.remove(name);
                missed
            }
        }
    }
}

async fn wait_for(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait.min(LONGEST_WAIT)).await,
        None => std::future::pending().await,
    }
}
