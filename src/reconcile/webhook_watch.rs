//! Looks whether the forge still sends webhooks, where it stops when deliveries fail: at the start, and now and then.
//!
//! - A webhook that was stopped is tested: when the test arrives, the forge begins again by itself.
//! - When it does not, that is said on the status page, in the log and by `hydromote status`, with what to do.
//! - It only shortens a delay: what a webhook would tell of is found by polling.

use std::{collections::BTreeSet, time::Duration};

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

impl WebhookWatch {
    /// Looks now and then until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        if !self.forge.disables_webhooks() {
            return;
        }
        let mut kept_out = BTreeSet::new();
        loop {
            if stop.run_until_cancelled(self.look(&mut kept_out)).await.is_none() {
                return;
            }
            if stop.run_until_cancelled(tokio::time::sleep(self.every)).await.is_none() {
                return;
            }
        }
    }

    async fn look(&self, kept_out: &mut BTreeSet<RepositoryId>) {
        let known = self.store.repositories().await.unwrap_or_default();
        let known = known.into_iter().filter(|known| self.repositories.contains(known));
        let named = self.repositories.0.iter().filter_map(RepositoryPattern::exact);
        let repositories: BTreeSet<RepositoryId> = named.chain(known).collect();
        for repository in repositories {
            match self.trouble(&repository).await {
                Ok(trouble) => {
                    kept_out.remove(&repository);
                    self.say(&repository, trouble);
                }
                // That right may be given at any time.
                Err(ForgeError::Unauthorised { .. } | ForgeError::NotFound { .. }) => {
                    if kept_out.insert(repository.clone()) {
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
