//! Takes deliveries of the forges: proves them, writes them down, answers, and wakes the queue.
//!
//! 1. Without a signature nothing is read; with one, no more than the limit.
//! 2. The signature is checked on the raw bytes before anything is parsed.
//! 3. A delivery is answered with success only when the inbox has it on disk; deliveries that are
//!    genuine but nothing to us are answered with success too.
//! 4. The id of a delivery is claimed only after the signature fits, so that nobody can block one.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, FromRequest, Path, Request, State},
    response::{IntoResponse, Response},
    routing,
};
use http::{HeaderMap, StatusCode};
use tokio::sync::{Semaphore, SemaphorePermit, mpsc};
use tower_http::limit::RequestBodyLimitLayer;

use crate::{
    domain::{deployed::Deployed, ids::RepositoryId},
    forge::webhook::{Dialect, Hint, HintKind, PayloadError, SignatureError},
    reconcile::context::Clock,
    secret::{self, Secret},
    settings::ServedRepositories,
};

/// How many bodies are held in memory at once.
const MAX_AT_ONCE: usize = 16;
/// How long a body may take to arrive once it has its turn: whoever is slower keeps nobody else waiting.
const BODY_WITHIN: Duration = Duration::from_secs(2);
/// How many deliveries wait for that, each with its connection; more are refused, and found by the timer.
const MAX_WAITING: usize = 512;
/// The longest delivery id or event name; GitHub's ids are UUIDs.
const MAX_HEADER: usize = 128;

/// A delivery that is genuine and about a repository that is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The forge, by its name in the settings.
    pub forge: String,
    /// The forge's id, the same when it delivers again.
    pub id: String,
    /// The forge's name of the event.
    pub event: String,
    /// Where to look again.
    pub hint: Hint,
}

/// What became of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recorded {
    /// It is on disk now, and concerns these repositories.
    New(Vec<RepositoryId>),
    /// It was there before.
    Duplicate,
    /// No strategy promotes into the repository that it is about.
    Nobody,
}

/// The delivery could not be written down; the forge may deliver it again, and polling finds what it was about.
#[derive(Debug, thiserror::Error)]
#[error("could not write a delivery down")]
pub struct InboxError(#[source] pub anyhow::Error);

/// Keeps deliveries until they are worked on.
#[async_trait]
pub trait DeliveryInbox: Send + Sync {
    /// Writes a delivery down durably, once per forge and id.
    async fn record(&self, delivery: Delivery) -> Result<Recorded, InboxError>;

    /// Returns a repository as it is spelled here: an address may tell upper from lower case, and forges do not.
    async fn spelled(&self, repository: RepositoryId) -> Result<RepositoryId, InboxError>;

    /// Writes what a tool told of a repository down durably, once per tool and id.
    async fn record_deployed(
        &self,
        id: String,
        repository: &RepositoryId,
        deployed: Deployed,
    ) -> Result<Recorded, InboxError>;
}

/// One forge as the receiver sees it.
#[derive(Debug, Clone)]
pub struct WebhookSource {
    /// How it signs and what its events are called.
    pub dialect: Dialect,
    /// The active secrets; with none every delivery is refused.
    pub secrets: Vec<Secret>,
    /// The repositories that are served.
    pub repositories: ServedRepositories,
    /// Those into which strategies of others may promote.
    pub destinations: ServedRepositories,
}

/// Takes deliveries.
pub struct Receiver {
    sources: BTreeMap<String, WebhookSource>,
    inbox: Arc<dyn DeliveryInbox>,
    wake: mpsc::Sender<RepositoryId>,
    body_limit: usize,
    clock: Clock,
    turns: Turns,
}

/// Whose body is read next.
pub(super) struct Turns {
    turns: Semaphore,
    places: Semaphore,
}

impl Turns {
    pub(super) fn new() -> Self {
        Self { turns: Semaphore::new(MAX_AT_ONCE), places: Semaphore::new(MAX_AT_ONCE + MAX_WAITING) }
    }

    /// Waits until a body may be read; refuses at once where too many wait already. The turn ends with what is returned.
    pub(super) async fn next(&self) -> Result<(SemaphorePermit<'_>, SemaphorePermit<'_>), Outcome> {
        let busy = || Outcome::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "too many deliveries at once");
        let place = self.places.try_acquire().map_err(|_| busy())?;
        Ok((self.turns.acquire().await.map_err(|_| busy())?, place))
    }
}

impl Receiver {
    /// Returns a receiver for the forges by name; `wake` hears of each repository that has a new delivery.
    ///
    /// A full channel is no loss: who listens to it reads the inbox.
    pub fn new(
        sources: BTreeMap<String, WebhookSource>,
        inbox: Arc<dyn DeliveryInbox>,
        wake: mpsc::Sender<RepositoryId>,
        body_limit: usize,
        clock: Clock,
    ) -> Self {
        Self { sources, inbox, wake, body_limit, clock, turns: Turns::new() }
    }
}

/// Returns `/webhooks/{forge}`.
pub(super) fn router(receiver: Arc<Receiver>) -> Router {
    let limit = receiver.body_limit;
    Router::new()
        .route("/webhooks/{forge}", routing::post(receive))
        // The framework's own limit is 2 MB and would win.
        .layer(DefaultBodyLimit::max(limit))
        .layer(RequestBodyLimitLayer::new(limit))
        .with_state(receiver)
}

/// What the sender is told, and what is counted.
pub(super) struct Outcome {
    pub(super) status: StatusCode,
    pub(super) name: &'static str,
    pub(super) words: String,
}

impl Outcome {
    pub(super) fn new(status: StatusCode, name: &'static str, words: impl Into<String>) -> Self {
        Self { status, name, words: words.into() }
    }

    pub(super) fn ignored(words: impl Into<String>) -> Self {
        Self::new(StatusCode::OK, "ignored", words)
    }
}

async fn receive(State(receiver): State<Arc<Receiver>>, Path(forge): Path<String>, request: Request) -> Response {
    let Some((forge, source)) = receiver.sources.get_key_value(&forge) else {
        return (StatusCode::NOT_FOUND, "no forge of this name is configured\n").into_response();
    };
    let outcome = match deliver(&receiver, forge, source, request).await {
        Ok(outcome) | Err(outcome) => outcome,
    };
    let labels = [("forge", forge.clone()), ("outcome", outcome.name.to_owned())];
    metrics::counter!("hydromote_webhook_deliveries_total", &labels).increment(1);
    (outcome.status, format!("{}\n", outcome.words)).into_response()
}

async fn deliver(
    receiver: &Receiver,
    forge: &str,
    source: &WebhookSource,
    request: Request,
) -> Result<Outcome, Outcome> {
    let headers = request.headers().clone();
    let unsigned = |error: SignatureError| Outcome::new(StatusCode::UNAUTHORIZED, "unsigned", error.to_string());
    let proof = source.dialect.proof(&headers).map_err(unsigned)?;
    let _turn = receiver.turns.next().await?;
    let body = read_body(request).await?;
    let now = (receiver.clock)();
    secret::checked(&source.secrets, |secrets| proof.check(secrets, &body, now)).map_err(unsigned)?;
    let (event, id) = named(source.dialect, &headers)?;
    let hint = reduce(source.dialect, event, &body)?;
    if !source.repositories.contains(&hint.repository) && !source.destinations.contains(&hint.repository) {
        tracing::debug!(forge.name = forge, repository = %hint.repository, "ignored a delivery for a repository that is not served");
        return Ok(Outcome::ignored("the repository is not served"));
    }
    let delivery = Delivery { forge: forge.to_owned(), id: id.to_owned(), event: event.to_owned(), hint };
    record(receiver, delivery).await
}

/// Reads a body up to the limits.
pub(super) async fn read_body(request: Request) -> Result<Bytes, Outcome> {
    read_body_within(BODY_WITHIN, request).await
}

async fn read_body_within(limit: Duration, request: Request) -> Result<Bytes, Outcome> {
    let read = tokio::time::timeout(limit, Bytes::from_request(request, &())).await;
    let slow = |_| Outcome::new(StatusCode::REQUEST_TIMEOUT, "slow", "the body did not arrive in time");
    read.map_err(slow)?.map_err(|rejection| {
        let name = if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE { "too_large" } else { "malformed" };
        Outcome::new(rejection.status(), name, rejection.body_text())
    })
}

/// Returns the event and the id of a delivery, from the first pair of headers of which there is one.
fn named(dialect: Dialect, headers: &HeaderMap) -> Result<(&str, &str), Outcome> {
    let pairs = dialect.headers();
    let there = pairs.iter().find(|(event, id)| headers.contains_key(*event) && headers.contains_key(*id));
    let (event, id) = there.or(pairs.first()).copied().unwrap_or_default();
    let required = |name: &'static str| {
        text(headers, name).filter(|text| !text.is_empty() && text.len() <= MAX_HEADER).ok_or_else(|| {
            Outcome::new(StatusCode::BAD_REQUEST, "malformed", format!("the header `{name}` is missing"))
        })
    };
    Ok((required(event)?, required(id)?))
}

/// Returns where to look; what is genuine and nothing to us ends here.
fn reduce(dialect: Dialect, event: &str, body: &[u8]) -> Result<Hint, Outcome> {
    match dialect.reduce(event, body) {
        Ok(Some(Hint { about: HintKind::Ping, .. })) => Err(Outcome::new(StatusCode::OK, "ping", "pong")),
        Ok(Some(Hint { about: HintKind::Other, .. }) | None) => Err(Outcome::ignored("nothing to do for this event")),
        Ok(Some(hint)) => Ok(hint),
        Err(error @ PayloadError::NotJson) => {
            Err(Outcome::new(StatusCode::BAD_REQUEST, "malformed", error.to_string()))
        }
        Err(error @ PayloadError::Shape { .. }) => {
            // Polling finds what it was about; an error would only make the forge give up on the webhook.
            tracing::warn!(error = &error as &dyn std::error::Error, "a genuine delivery could not be read");
            Err(Outcome::ignored("the delivery is not as expected"))
        }
    }
}

async fn record(receiver: &Receiver, delivery: Delivery) -> Result<Outcome, Outcome> {
    match receiver.inbox.record(delivery).await {
        Ok(Recorded::New(repositories)) => {
            // A full channel has something to wake up for already.
            repositories.into_iter().for_each(|repository| drop(receiver.wake.try_send(repository)));
            Ok(Outcome::new(StatusCode::ACCEPTED, "accepted", "accepted"))
        }
        Ok(Recorded::Duplicate) => Ok(Outcome::new(StatusCode::OK, "duplicate", "known already")),
        Ok(Recorded::Nobody) => Ok(Outcome::ignored("no strategy promotes into the repository")),
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "could not write a delivery down");
            Err(Outcome::new(StatusCode::SERVICE_UNAVAILABLE, "failed", "the delivery could not be written down"))
        }
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use futures::stream;

    use super::*;

    #[tokio::test]
    async fn a_body_that_trickles_gives_its_turn_back() {
        let first = stream::iter([Ok::<_, std::io::Error>("{")]);
        let body = Body::from_stream(futures::StreamExt::chain(first, stream::pending()));
        let refused = read_body_within(Duration::ZERO, Request::new(body))
            .await
            .err()
            .map(|outcome| (outcome.status, outcome.name));
        assert_eq!(refused, Some((StatusCode::REQUEST_TIMEOUT, "slow")));
    }

    #[tokio::test]
    async fn so_many_deliveries_wait_and_more_are_refused_at_once() {
        let turns = Turns::new();
        let mut having = Vec::new();
        for _ in 0..MAX_AT_ONCE {
            having.extend(turns.next().await.ok());
        }
        assert_eq!(having.len(), MAX_AT_ONCE);
        let mut waiting: Vec<_> = (0..MAX_WAITING).map(|_| Box::pin(turns.next())).collect();
        for one in &mut waiting {
            assert!(futures::poll!(one).is_pending());
        }
        let refused = turns.next().await.err().map(|outcome| outcome.status);
        assert_eq!(refused, Some(StatusCode::SERVICE_UNAVAILABLE));
        // Whoever has had a turn lets the next one in, and makes room for another to wait.
        having.clear();
        assert!(futures::poll!(&mut waiting[0]).is_ready());
        assert!(futures::poll!(Box::pin(turns.next())).is_pending());
    }
}
