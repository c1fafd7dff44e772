//! Looks whether the forge still sends webhooks, where it stops when deliveries fail: at the start, and now and then.
//!
//! - A webhook that was stopped is tested: when the test arrives, the forge begins again by itself.
//! - When it does not, that is said on the status page, in the log and by `hydromote status`, with what to do.
//! - It only shortens a delay: what a webhook would tell of is found by polling.
//! - Where the webhooks are not ours to see, that is said once, and it is asked again once a day.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::board::Boards;
use crate::{
    domain::ids::RepositoryId,
    forge::{ForgeError, SharedForge, WebhookSeen, WebhookStanding},
    settings::{RepositoryPattern, ServedRepositories},
    store::Store,
};

/// How often it is looked, at most.
pub const WATCHED: Duration = Duration::from_secs(15 * 60);

/// How often those are asked for that were not ours to see: that right may be given at any time.
const KEPT_OUT_ASKED: Duration = Duration::from_secs(24 * 60 * 60);

/// Watches the webhooks of one forge.
pub struct WebhookWatch {
    /// The forge.
    pub forge: SharedForge,
    /// Where deliveries are sent.
    pub address: String,
    /// The repositories of which it tells.
    pub repositories: ServedRepositories,
    /// Knows those that were found by a pattern.
    pub store: Store,
    /// Where it is said.
    pub boards: Boards,
    /// How often it is looked.
    pub every: Duration,
}

/// The repositories whose webhooks are not ours to see, and when each is asked for again.
#[derive(Debug, Default)]
struct KeptOut(BTreeMap<RepositoryId, Instant>);

impl KeptOut {
    fn is_due(&self, repository: &RepositoryId, now: Instant) -> bool {
        self.0.get(repository).is_none_or(|next| *next <= now)
    }

    /// Notes that one was not ours to see; says whether that was not known.
    fn insert(&mut self, repository: &RepositoryId, now: Instant) -> bool {
        self.0.insert(repository.clone(), now + KEPT_OUT_ASKED).is_none()
    }
}

impl WebhookWatch {
    /// Looks now and then until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        if !self.forge.disables_webhooks() {
            return;
        }
        let mut kept_out = KeptOut::default();
        loop {
            if stop.run_until_cancelled(self.look(&mut kept_out)).await.is_none() {
                return;
            }
            if stop.run_until_cancelled(tokio::time::sleep(self.every)).await.is_none() {
                return;
            }
        }
    }

    async fn look(&self, kept_out: &mut KeptOut) {
        let known = self.store.repositories().await.unwrap_or_default();
        let known = known.into_iter().filter(|known| self.repositories.contains(known));
        let named = self.repositories.0.iter().filter_map(RepositoryPattern::exact);
        let repositories: BTreeSet<RepositoryId> = named.chain(known).collect();
        for repository in repositories {
            if !kept_out.is_due(&repository, Instant::now()) {
                continue;
            }
            match self.trouble(&repository).await {
                Ok(trouble) => {
                    kept_out.0.remove(&repository);
                    self.say(&repository, trouble);
                }
                Err(ForgeError::Unauthorised { .. } | ForgeError::NotFound { .. }) => {
                    if kept_out.insert(&repository, Instant::now()) {
                        tracing::info!(
                            "the webhooks of `{repository}` are not ours to see: nobody notices here when one stops"
                        );
                    }
                }
                Err(error) => {
                    tracing::debug!(%repository, error = &error as &dyn std::error::Error, "webhooks were not looked at");
                }
            }
        }
    }

    fn say(&self, repository: &RepositoryId, trouble: Option<String>) {
        if let Some(words) = self.boards.tell_of_webhook(repository, trouble) {
            tracing::warn!(%repository, "{words}");
        }
    }

    /// Returns why the forge sends nothing, after a test; nothing when it does, or begins again.
    async fn trouble(&self, repository: &RepositoryId) -> Result<Option<String>, ForgeError> {
        let seen = self.forge.webhooks(repository, &self.address).await?;
        let mut stopped = seen.iter().filter_map(|webhook| Some((webhook, stopped(webhook)?)));
        let Some((webhook, how)) = stopped.next() else { return Ok(None) };
        // Another one to the same address tells of everything.
        if seen.iter().any(|webhook| webhook.standing == WebhookStanding::Sends) {
            return Ok(None);
        }
        let tested = self.forge.test_webhook(repository, webhook.id).await;
        let seen = self.forge.webhooks(repository, &self.address).await?;
        if seen.iter().any(|webhook| webhook.standing == WebhookStanding::Sends) {
            tracing::info!(%repository, "the forge sends webhooks of `{repository}` again: it had stopped, and a test arrived");
            return Ok(None);
        }
        let test = match tested {
            Ok(()) => "a test did not begin it again".to_owned(),
            Err(error) => format!("a test of it failed ({error})"),
        };
        Ok(Some(format!(
            "The forge {how}, since deliveries failed, and {test}. What happens is found by polling until it sends again. \
             See that the forge reaches {} and has the right secret, then test the webhook in its settings; it is also \
             tried again here every {} minutes.",
            self.address,
            self.every.as_secs().div_ceil(60),
        )))
    }
}

/// Returns how the forge has stopped sending, when it has.
fn stopped(webhook: &WebhookSeen) -> Option<String> {
    match webhook.standing {
        // What somebody switched off is to stay so.
        WebhookStanding::Sends | WebhookStanding::SwitchedOff => None,
        WebhookStanding::Paused { until } => Some(format!("sends no webhooks until {until:.0}")),
        WebhookStanding::Disabled => Some("sends no webhooks any more".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn webhooks_that_are_not_ours_to_see_are_asked_for_once_a_day_and_told_of_once() {
        let (mut kept_out, now) = (KeptOut::default(), Instant::now());
        let [shop, other] = ["acme/shop", "acme/other"].map(|name| RepositoryId::new(name).expect("a name"));
        let (mut asked, mut told) = (Vec::new(), Vec::new());
        for look in 0..=200 {
            let now = now + look * WATCHED;
            assert!(kept_out.is_due(&other, now), "nobody waits for another one");
            if kept_out.is_due(&shop, now) {
                asked.push(look);
                if kept_out.insert(&shop, now) {
                    told.push(look);
                }
            }
        }
        assert_eq!((asked, told), (vec![0, 96, 192], vec![0]));
    }
}
