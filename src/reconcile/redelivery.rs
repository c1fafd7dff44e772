//! Asks the forge for webhooks again that did not arrive: after a start, and after the forge did not answer for a while.
//!
//! - It only shortens a delay: what a lost delivery was about is found by the next look at everything anyway.
//! - What arrived is never asked for, nor what was delivered before the last one that arrived then.
//! - It is bounded, and makes room for everything else that the forge is asked.
//! - What could not be asked for is asked for later, with growing pauses, and keeps nothing else waiting. Nothing is
//!   asked for before the forge lets us.
//! - A forge that does not let us is asked with the next round again, since that right may be given at any time; it is
//!   said once.

mod turns;

use std::{collections::BTreeSet, time::Duration};

use jiff::{SignedDuration, Timestamp};
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

use self::turns::{Turns, Whose};
use super::context::Clock;
use crate::{
    forge::{DELIVERIES_KEPT, DeliveriesKept, DeliveriesOf, ForgeError, MissedDelivery, SharedForge},
    settings::{RepositoryPattern, ServedRepositories},
    store::{Store, StoreError},
};

/// The most deliveries that are asked for at once; of more, the newest.
const MOST_REPEATED: usize = 200;
/// By how much the clocks of the forge and of this machine may differ.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_mins(5);
/// How long is waited when the store could not be read.
const AFTER_STORE: Duration = Duration::from_secs(60);

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

impl Redelivery {
    /// Returns when the last delivery came that has arrived: what failed before that is not asked for.
    ///
    /// It must be asked before anything new can arrive.
    pub async fn arrived_until(&self) -> Option<Timestamp> {
        self.store.last_delivery(&self.forge_name).await.ok().flatten()
    }

    /// Asks again now, and after each outage of the forge, until `stop`; `since` the last one arrived.
    pub async fn run(self, since: Option<Timestamp>, stop: CancellationToken) {
        if self.forge.deliveries_kept() == DeliveriesKept::Nowhere {
            return;
        }
        let mut outages = self.forge.outages();
        let mut turns = Turns::new(since);
        let mut kept_out = BTreeSet::new();
        loop {
            match stop.run_until_cancelled(self.round(&mut turns, &mut kept_out)).await {
                None => return,
                Some(Ok(())) => {}
                Some(Err(error)) => {
                    not_asked(&error);
                    turns.hold(AFTER_STORE, Instant::now());
                }
            }
            let next = turns.next();
            let again = async {
                tokio::select! {
                    () = ended(&mut outages) => turns.begin_again(),
                    () = at(next) => {}
                }
            };
            if stop.run_until_cancelled(again).await.is_none() {
                return;
            }
        }
    }

    /// Asks once for everything that did not arrive, of all whose turn it is.
    async fn round(&self, turns: &mut Turns, kept_out: &mut BTreeSet<Whose>) -> Result<(), StoreError> {
        let begun = (self.clock)();
        let mut asked = BTreeSet::new();
        let mut missed = Vec::new();
        for whose in turns.due(self.all().await?, Instant::now()) {
            if turns.is_held(Instant::now()) {
                break;
            }
            match self.missed(&whose, turns.since(&whose), kept_out).await {
                Ok(found) => {
                    missed.extend(found.into_iter().map(|delivery| (whose.clone(), delivery)));
                    asked.insert(whose);
                }
                Err(error) => note_failure(turns, &whose, &error),
            }
        }
        missed.sort_by_key(|(_, delivery)| delivery.attempted_at);
        let surplus = missed.len().saturating_sub(MOST_REPEATED);
        let mut repeated = 0;
        for (whose, delivery) in missed.drain(surplus..) {
            if turns.is_held(Instant::now()) {
                asked.remove(&whose);
            }
            if !asked.contains(&whose) || self.store.has_delivery(&self.forge_name, &delivery.id).await? {
                continue;
            }
            match self.forge.redeliver(&delivery).await {
                Ok(()) => repeated += 1,
                // It may have been forgotten meanwhile, or its webhook deleted.
                Err(ForgeError::NotFound { .. } | ForgeError::Refused { .. } | ForgeError::Moved { .. }) => {}
                Err(error) => {
                    asked.remove(&whose);
                    note_failure(turns, &whose, &error);
                }
            }
        }
        turns.end(asked, begun);
        if repeated > 0 {
            tracing::info!(deliveries = repeated, "asked for {repeated} deliveries again that did not arrive");
        }
        Ok(())
    }

    /// Returns all whose deliveries are asked for.
    async fn all(&self) -> Result<BTreeSet<Whose>, StoreError> {
        if self.forge.deliveries_kept() == DeliveriesKept::Together {
            return Ok([Whose::App].into());
        }
        let known = self.store.repositories().await?.into_iter().filter(|known| self.repositories.contains(known));
        let named = self.repositories.0.iter().filter_map(RepositoryPattern::exact);
        Ok(named.chain(known).map(Whose::Repository).collect())
    }

    /// Returns what was missed since the last one that arrived; nothing of a webhook that is not for us to see.
    async fn missed(
        &self,
        whose: &Whose,
        since: Option<Timestamp>,
        kept_out: &mut BTreeSet<Whose>,
    ) -> Result<Vec<MissedDelivery>, ForgeError> {
        let kept = (self.clock)() - DELIVERIES_KEPT;
        let since = since.map_or(kept, |since| kept.max(since - CLOCKS_DIFFER));
        let of = match whose {
            Whose::App => DeliveriesOf::All,
            Whose::Repository(repository) => DeliveriesOf::Repository { repository, address: &self.address },
        };
        match self.forge.missed_deliveries(of, since).await {
            Err(ForgeError::Unauthorised { .. } | ForgeError::NotFound { .. }) => {
                if kept_out.insert(whose.clone()) {
                    tracing::info!(
                        "the webhooks of `{whose}` are not ours to see: deliveries that are missed are not asked for \
                         again, and what they were about is found by polling"
                    );
                }
                Ok(Vec::new())
            }
            missed => {
                kept_out.remove(whose);
                missed
            }
        }
    }
}

/// Notes why one could not be asked for: by the forge's wish, which is for all, or by itself.
fn note_failure(turns: &mut Turns, whose: &Whose, error: &ForgeError) {
    match error {
        ForgeError::RateLimited { retry_after, .. } => turns.hold(*retry_after, Instant::now()),
        _ => turns.put_off(whose, Instant::now()),
    }
    not_asked(error);
}

fn not_asked(error: &(dyn std::error::Error + 'static)) {
    tracing::debug!(error, "missed deliveries were not asked for");
}

/// Waits for the end of an outage.
async fn ended(outages: &mut watch::Receiver<u64>) {
    if outages.changed().await.is_err() {
        std::future::pending().await
    }
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}
