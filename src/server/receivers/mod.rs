//! Takes what deployment tools tell: proves it, writes it down, answers, and wakes the queue.
//!
//! 1. Without a proof nothing is read; with one, no more than the limit. Argo CD sends a token, Flux signs the body.
//! 2. The proof is checked in a time that says nothing about the secret, before anything is parsed.
//! 3. What is genuine is answered with success, and with words: also where it is about a repository that is not served,
//!    or names no commit. A tool that is told of an error would only send the same again.
//! 4. What is to become a commit status is answered when it is on disk, and not before.

mod argocd;
mod flux;

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    response::{IntoResponse, Response},
    routing,
};
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tower_http::limit::RequestBodyLimitLayer;

use super::{
    access::{bearer, is_one_of},
    webhooks::{DeliveryInbox, InboxError, Outcome, Recorded, Turns, read_body},
};
use crate::{
    domain::{
        deployed::{self, Deployed, Tool},
        ids::{RepositoryId, StatusKey},
        status::StatusState,
    },
    forge::webhook,
    reconcile::context::Clock,
    secret::{self, Secret},
    settings::ServedRepositories,
};

/// The largest body, bytes. A tool tells of one thing; no message of theirs comes near.
const BODY_LIMIT: usize = 1 << 20;

/// What tools may send, and where it goes.
pub struct Receivers {
    /// The active secrets by tool; whoever has none is not heard.
    secrets: BTreeMap<Tool, Vec<Secret>>,
    /// Those that are served, and those into which strategies of theirs may promote.
    repositories: ServedRepositories,
    inbox: Arc<dyn DeliveryInbox>,
    wake: mpsc::Sender<RepositoryId>,
    clock: Clock,
    turns: Turns,
}

impl Receivers {
    /// Returns the receivers of the tools that have secrets; `wake` hears of each repository that was told something of.
    pub fn new(
        secrets: BTreeMap<Tool, Vec<Secret>>,
        repositories: ServedRepositories,
        inbox: Arc<dyn DeliveryInbox>,
        wake: mpsc::Sender<RepositoryId>,
        clock: Clock,
    ) -> Self {
        Self { secrets, repositories, inbox, wake, clock, turns: Turns::new() }
    }
}

/// What a tool told of one thing.
#[derive(Debug)]
struct Heard {
    repository: RepositoryId,
    key: StatusKey,
    sha: String,
    state: StatusState,
    words: String,
    at: Option<Timestamp>,
}

/// Why what a tool sent becomes no commit status.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("the body is not JSON")]
    NotJson,
    #[error("the body is not as expected: {0} is missing or has another form")]
    Shape(&'static str),
    #[error("no repository is named; `hydromote init --cd` prints what has to be configured")]
    NoRepository,
    #[error("no commit is named, so there is nothing to report on")]
    NoCommit,
    #[error("nothing to do: {0}")]
    NotHeard(&'static str),
}

/// Returns `/webhooks/<tool>` of each tool that has a secret.
pub(super) fn router(receivers: &Arc<Receivers>) -> Router {
    let with = receivers.secrets.iter().filter(|(_, secrets)| !secrets.is_empty());
    with.fold(Router::new(), |router, (tool, _)| {
        let tool = *tool;
        let hear = move |State(receivers): State<Arc<Receivers>>, request: Request| hear(receivers, tool, request);
        router.route(&format!("/webhooks/{}", tool.word()), routing::post(hear))
    })
    .layer(DefaultBodyLimit::max(BODY_LIMIT))
    .layer(RequestBodyLimitLayer::new(BODY_LIMIT))
    .with_state(Arc::clone(receivers))
}

async fn hear(receivers: Arc<Receivers>, tool: Tool, request: Request) -> Response {
    let outcome = match take(&receivers, tool, request).await {
        Ok(outcome) | Err(outcome) => outcome,
    };
    let labels = [("forge", tool.word()), ("outcome", outcome.name)];
    metrics::counter!("hydromote_webhook_deliveries_total", &labels).increment(1);
    (outcome.status, format!("{}\n", outcome.words)).into_response()
}

async fn take(receivers: &Receivers, tool: Tool, request: Request) -> Result<Outcome, Outcome> {
    let secrets = receivers.secrets.get(&tool).map(Vec::as_slice).unwrap_or_default();
    let headers = request.headers().clone();
    let proof = proof(tool, &headers, secrets)?;
    let _turn = receivers.turns.next().await?;
    let body = read_body(request).await?;
    if let Proof::Signature(signature) = proof {
        let fits = secret::checked(secrets, |secrets| webhook::verify(secrets, signature, &body));
        fits.map_err(|error| unproven(&error.to_string()))?;
    }
    let heard = match tool {
        Tool::ArgoCd => argocd::read(&body),
        Tool::Flux => flux::read(&body),
    };
    let heard = heard.map_err(|refusal| refused(tool, &refusal))?;
    if !receivers.repositories.contains(&heard.repository) {
        let words = format!("the repository `{}` is not served", heard.repository);
        tracing::debug!(tool = tool.word(), repository = %heard.repository, "ignored what a tool told of a repository that is not served");
        return Ok(Outcome::ignored(words));
    }
    record(receivers, tool, heard, &body).await
}

/// What is left to be checked of a proof once the body is there.
enum Proof<'a> {
    /// A token, which was good.
    Token,
    /// A signature over the body, in hexadecimal digits.
    Signature(&'a str),
}

/// Checks the proof as far as that can be done without the body.
fn proof<'a>(tool: Tool, headers: &'a HeaderMap, secrets: &[Secret]) -> Result<Proof<'a>, Outcome> {
    match tool {
        Tool::ArgoCd => match bearer(headers) {
            Some(token) if secret::checked(secrets, |secrets| is_one_of(token, secrets)).is_ok() => Ok(Proof::Token),
            Some(_) => Err(unproven("the token is none of the active ones")),
            None => Err(unproven("there is no token: send it as `Authorization: Bearer …`")),
        },
        Tool::Flux => {
            let signature = headers.get("x-signature").and_then(|value| value.to_str().ok());
            let digits = signature.map(|text| text.strip_prefix("sha256=").ok_or(text));
            match digits {
                Some(Ok(digits)) => Ok(Proof::Signature(digits)),
                Some(Err(_)) => Err(unproven("the signature is not of the form `sha256=…`")),
                None => Err(unproven("there is no `X-Signature`: the provider has to be of the type `generic-hmac`")),
            }
        }
    }
}

fn unproven(words: &str) -> Outcome {
    Outcome::new(StatusCode::UNAUTHORIZED, "unsigned", words)
}

/// Returns the answer to what is genuine and becomes no status.
fn refused(tool: Tool, refusal: &Refusal) -> Outcome {
    match refusal {
        Refusal::NotJson => Outcome::new(StatusCode::BAD_REQUEST, "malformed", refusal.to_string()),
        Refusal::NotHeard(_) => Outcome::ignored(refusal.to_string()),
        Refusal::Shape(_) | Refusal::NoRepository | Refusal::NoCommit => {
            tracing::warn!(tool = tool.word(), "{} told something that cannot be used: {refusal}", tool.name());
            Outcome::ignored(refusal.to_string())
        }
    }
}

async fn record(receivers: &Receivers, tool: Tool, heard: Heard, body: &[u8]) -> Result<Outcome, Outcome> {
    let now = (receivers.clock)();
    let Heard { repository, key, sha, state, words, at } = heard;
    // Tools number nothing. Where they name the time, the very same words are the very same report; and a clock that
    // is ahead must not make what comes later look old.
    let digest = hex::encode(Sha256::digest(body));
    let id = if at.is_some() { digest } else { format!("{digest}-{}", now.as_nanosecond()) };
    let deployed = Deployed { tool, key, sha, state, words, at: at.unwrap_or(now).min(now) };
    let accepted = format!("`{}` is {} on {}", deployed.key, state.word(), deployed.sha);
    let failed = |error: InboxError| {
        tracing::error!(error = &error as &dyn std::error::Error, "could not write down what a tool told");
        Outcome::new(StatusCode::SERVICE_UNAVAILABLE, "failed", "the delivery could not be written down")
    };
    let repository = receivers.inbox.spelled(repository).await.map_err(failed)?;
    match receivers.inbox.record_deployed(id, &repository, deployed).await.map_err(failed)? {
        Recorded::New(repositories) => {
            // A full channel has something to wake up for already.
            repositories.into_iter().for_each(|repository| drop(receivers.wake.try_send(repository)));
            Ok(Outcome::new(StatusCode::ACCEPTED, "accepted", accepted))
        }
        Recorded::Duplicate => Ok(Outcome::new(StatusCode::OK, "duplicate", "known already")),
        Recorded::Nobody => Ok(Outcome::ignored(format!("no strategy promotes into `{repository}`"))),
    }
}

/// Reads a body; nothing of it is echoed.
fn document<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => Refusal::Shape("a field"),
        _ => Refusal::NotJson,
    })
}

/// Returns the repository of an address, or of `owner/name`: its last two segments. Which host it is on is not asked:
/// the commit is of the served repository, or unknown there.
fn repository(address: &str) -> Option<RepositoryId> {
    let path = address.trim().trim_end_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    let mut segments = path.rsplit(['/', ':']);
    let (name, owner) = (segments.next()?, segments.next()?);
    RepositoryId::new(format!("{owner}/{name}")).ok()
}

/// Returns the commit that a revision names.
fn commit(revision: &str) -> Result<String, Refusal> {
    deployed::commit_of(revision).ok_or(Refusal::NoCommit)
}

impl std::fmt::Debug for Receivers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let tools: Vec<&str> = self.secrets.keys().map(|tool| tool.word()).collect();
        f.debug_struct("Receivers").field("tools", &tools).finish_non_exhaustive()
    }
}
