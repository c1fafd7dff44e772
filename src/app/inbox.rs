//! Writes deliveries to the store, for each repository that they concern.
//!
//! What happens in a repository into which strategies of others promote concerns those others.

use async_trait::async_trait;

use crate::{
    domain::{
        deployed::Deployed,
        ids::{DestinationId, ForgeName, RepositoryId},
    },
    forge::webhook::HintKind,
    reconcile::{attention::Attention, context::Clock, destinations::Destinations, forges::Forges},
    server::webhooks::{Delivery, DeliveryInbox, InboxError, Recorded},
    store::{self, NewDelivery, Store, StoreError},
};

/// Writes deliveries to the store.
#[derive(Clone)]
pub(super) struct Inbox {
    pub(super) store: Store,
    pub(super) clock: Clock,
    pub(super) forges: Forges,
    pub(super) destinations: Destinations,
}

#[async_trait]
impl DeliveryInbox for Inbox {
    async fn record(&self, delivery: Delivery) -> Result<Recorded, InboxError> {
        let (repository, what) = (&delivery.hint.repository, attention(&delivery.hint.about));
        let is_here = |forge: &ForgeName| forge.as_str() == delivery.forge;
        let serving = self.forges.serving(repository).is_some_and(|(forge, _)| is_here(forge));
        let promoting = self.destinations.concerned(|there| is_here(&there.forge) && there.repository.is(repository));
        let about = About { repository, what, serving, promoting };
        self.write(&delivery.forge, &delivery.id, about).await
    }

    async fn spelled(&self, repository: RepositoryId) -> Result<RepositoryId, InboxError> {
        let known = self.store.repositories().await.map_err(|error| InboxError(error.into()))?;
        Ok(known.into_iter().find(|known| known.is(&repository)).unwrap_or(repository))
    }

    async fn record_deployed(
        &self,
        id: String,
        repository: &RepositoryId,
        deployed: Deployed,
    ) -> Result<Recorded, InboxError> {
        let tool = deployed.tool.word();
        // Tools name no forge: whoever has the commit is meant.
        let serving = self.forges.serving(repository).is_some();
        let promoting = self.destinations.concerned(|there| there.repository.is(repository));
        self.write(tool, &id, About { repository, what: Attention::Deployed(deployed), serving, promoting }).await
    }
}

/// What a delivery is about, and whom it concerns.
struct About<'a> {
    repository: &'a RepositoryId,
    what: Attention,
    /// Whether it is a repository with a dry branch of its own.
    serving: bool,
    /// The dry repositories from which strategies promote into it.
    promoting: Vec<(DestinationId, RepositoryId)>,
}

impl Inbox {
    async fn write(&self, from: &str, id: &str, about: About<'_>) -> Result<Recorded, InboxError> {
        let About { repository, what, serving, promoting } = about;
        let (mut new, mut known) = (Vec::new(), false);
        let own = serving.then(|| (id.to_owned(), repository.clone(), what.clone()));
        let others = promoting.into_iter().map(|(destination, dry)| {
            let what = Attention::Elsewhere { destination, what: Box::new(what.clone()) };
            (format!("{id} for {dry}"), dry, what)
        });
        for (delivery, concerned, what) in own.into_iter().chain(others) {
            let row = NewDelivery {
                forge: from.to_owned(),
                delivery,
                repository: concerned.to_string(),
                hint: serde_json::to_string(&what).map_err(|error| InboxError(error.into()))?,
                received_at: (self.clock)(),
            };
            match self.store.record_delivery(&row).await.map_err(unwritten)? {
                store::Recorded::New => new.push(concerned),
                store::Recorded::Duplicate => known = true,
            }
        }
        Ok(match (new.is_empty(), known) {
            (false, _) => Recorded::New(new),
            (true, true) => Recorded::Duplicate,
            (true, false) => Recorded::Nobody,
        })
    }
}

fn unwritten(error: StoreError) -> InboxError {
    InboxError(error.into())
}

/// Returns what a hint draws attention to.
fn attention(about: &HintKind) -> Attention {
    match about.clone() {
        HintKind::Branch { name, after } => {
            name.try_into().map_or(Attention::Everything, |branch| Attention::Branch { branch, after })
        }
        HintKind::Commit { sha, key } => Attention::Commit { sha, key },
        HintKind::PullRequest { number, head, state } => Attention::PullRequest { number, head, state },
        HintKind::Comment { pull_request: number, author, .. } => Attention::Comment { number, author },
        HintKind::Review { pull_request: number } => Attention::PullRequest { number, head: None, state: None },
        HintKind::Ping | HintKind::Other => Attention::Command,
    }
}
