//! Requests with one credential: time limits, pacing, rate limits, conditional reads.
//!
//! - A read may run beside others; writes go out one after another with a pause between them.
//! - No request is ever repeated here: a write has its read-back rule, a read its next look.
//! - After the forge asked to wait nothing is sent until then; callers get [`ForgeError::RateLimited`].

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::{HeaderValue, Method, StatusCode, header};
use octocrab::{OctoBody, Octocrab};
use secrecy::SecretString;
use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep_until, timeout},
};

use super::{Limits, answer::Answer, etags::Etags};
use crate::forge::ForgeError;

/// Entries per page, the most that GitHub gives.
const PAGE_SIZE: usize = 100;
/// How long a write waits for the writes before it.
const WRITE_QUEUE_LIMIT: Duration = Duration::from_secs(120);

/// One kind of request: its place in the API, as metrics name it, and what it is for, as errors name it.
#[derive(Debug, Clone)]
pub(super) struct Call {
    /// The path with placeholders.
    pub(super) route: &'static str,
    /// The path with its query, without a page.
    pub(super) path: String,
    /// What is attempted, completing "was asked to …".
    pub(super) what: String,
}

/// A client with one credential; its state survives a renewed token.
pub(super) struct Client {
    octocrab: Octocrab,
    state: Arc<CredentialState>,
}

/// What is remembered about one credential.
pub(super) struct CredentialState {
    limits: Limits,
    pause: Mutex<Pause>,
    etags: Mutex<Etags>,
    writer: Semaphore,
    next_write: Mutex<Option<Instant>>,
}

#[derive(Default)]
struct Pause {
    until: Option<Instant>,
    strikes: u32,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

impl CredentialState {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            pause: Mutex::default(),
            etags: Mutex::default(),
            writer: Semaphore::new(1),
            next_write: Mutex::default(),
        }
    }

    /// Fails while the forge wants to be left alone.
    pub(super) fn check_pause(&self) -> Result<(), ForgeError> {
        let until = lock(&self.pause).until;
        match until.map(|until| until.saturating_duration_since(Instant::now())) {
            Some(retry_after) if !retry_after.is_zero() => Err(ForgeError::RateLimited { retry_after }),
            _ => Ok(()),
        }
    }

    /// Remembers how long the forge wants to be left alone; fails when the answer is a refusal for that reason.
    pub(super) fn note_limits(&self, answer: &Answer) -> Result<(), ForgeError> {
        let mut pause = lock(&self.pause);
        let Some(wait) = answer.wait(pause.strikes) else {
            pause.strikes = 0;
            return Ok(());
        };
        pause.until = Instant::now().checked_add(wait).max(pause.until);
        if answer.status.is_success() || answer.status == StatusCode::NOT_MODIFIED {
            return Ok(());
        }
        pause.strikes += 1;
        Err(ForgeError::RateLimited { retry_after: wait })
    }
}

impl Client {
    pub(super) fn new(octocrab: Octocrab, state: Arc<CredentialState>) -> Self {
        Self { octocrab, state }
    }

    /// Returns the installation's token as it is now: a revoked one was renewed by the last request.
    pub(super) async fn installation_token(&self) -> Option<SecretString> {
        timeout(self.state.limits.call, self.octocrab.installation_token()).await.ok()?.ok()
    }

    /// Reads one object.
    pub(super) async fn get<T: DeserializeOwned>(&self, call: &Call) -> Result<T, ForgeError> {
        let body = self.read(call, &call.path).await?;
        parse(&body, &call.what)
    }

    /// Reads pages by number until one is not full, at most `max_pages`.
    ///
    /// Pages are never followed by the `Link` header: App credentials are lost on absolute URLs
    /// (<https://github.com/XAMPPRocky/octocrab/issues/602>).
    pub(super) async fn pages<P: Page>(&self, call: &Call, max_pages: usize) -> Result<Vec<P::Entry>, ForgeError> {
        let separator = if call.path.contains('?') { '&' } else { '?' };
        let mut all = Vec::new();
        for number in 1..=max_pages {
            let path = format!("{}{separator}per_page={PAGE_SIZE}&page={number}", call.path);
            let page: P = parse(&self.read(call, &path).await?, &call.what)?;
            let entries = page.entries();
            let full = entries.len() >= PAGE_SIZE;
            all.extend(entries);
            if !full {
                break;
            }
        }
        Ok(all)
    }

    /// Writes, once, after the writes before it; returns the body of the answer.
    pub(super) async fn write(&self, method: Method, call: &Call, body: &impl Serialize) -> Result<String, ForgeError> {
        Ok(self.write_for_answer(method, call, body).await?.body)
    }

    /// Writes, once, after the writes before it; returns the whole answer to a success.
    pub(super) async fn write_for_answer(
        &self,
        method: Method,
        call: &Call,
        body: &impl Serialize,
    ) -> Result<Answer, ForgeError> {
        let request = self.request(&method, &call.path, Some(body)).map_err(|error| unavailable(call, error))?;
        let _turn = timeout(WRITE_QUEUE_LIMIT, self.state.writer.acquire())
            .await
            .map_err(|_| unavailable(call, anyhow::anyhow!("too many writes wait for the forge")))?
            .map_err(|closed| unavailable(call, closed))?;
        let next = *lock(&self.state.next_write);
        if let Some(next) = next {
            sleep_until(next).await;
        }
        let answer = self.send(&method, call, request).await;
        *lock(&self.state.next_write) = Instant::now().checked_add(self.state.limits.write_interval);
        let answer = answer?;
        if answer.status.is_success() { Ok(answer) } else { Err(answer.error(&call.what)) }
    }

    /// Reads a body, from what was kept when the forge says that it is still the same.
    async fn read(&self, call: &Call, path: &str) -> Result<Arc<str>, ForgeError> {
        let kept = lock(&self.state.etags).get(path);
        let mut request = self.request(&Method::GET, path, None::<&()>).map_err(|error| unavailable(call, error))?;
        if let Some(etag) = kept.as_ref().and_then(|kept| HeaderValue::from_str(&kept.etag).ok()) {
            request.headers_mut().insert(header::IF_NONE_MATCH, etag);
        }
        let answer = self.send(&Method::GET, call, request).await?;
        if let (StatusCode::NOT_MODIFIED, Some(kept)) = (answer.status, kept) {
            return Ok(kept.body);
        }
        if !answer.status.is_success() {
            return Err(answer.error(&call.what));
        }
        let body: Arc<str> = answer.body.into();
        if let Some(etag) = answer.headers.get(header::ETAG).and_then(|etag| etag.to_str().ok()) {
            lock(&self.state.etags).put(path, etag, &body);
        }
        Ok(body)
    }

    fn request(
        &self,
        method: &Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> octocrab::Result<http::Request<OctoBody>> {
        self.octocrab.build_request(http::Request::builder().method(method.clone()).uri(path), body)
    }

    /// Sends one request and reads its answer to the end within the time limit.
    async fn send(&self, method: &Method, call: &Call, request: http::Request<OctoBody>) -> Result<Answer, ForgeError> {
        self.state.check_pause()?;
        let exchange = async {
            let response = self.octocrab.execute(request).await?;
            let (status, headers) = (response.status(), response.headers().clone());
            let body = self.octocrab.body_to_string(response).await?;
            Ok::<_, octocrab::Error>(Answer { status, headers, body })
        };
        let answer = match timeout(self.state.limits.call, exchange).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                count(method, call.route, "none");
                return Err(unavailable(call, error));
            }
            Err(_) => {
                count(method, call.route, "timeout");
                let limit = self.state.limits.call.as_secs_f32();
                return Err(unavailable(call, anyhow::anyhow!("no answer within {limit} s")));
            }
        };
        count(method, call.route, answer.status.as_str());
        self.state.note_limits(&answer)?;
        Ok(answer)
    }
}

/// A page of a list: a bare array, or an object around one.
pub(super) trait Page: DeserializeOwned {
    /// What it lists.
    type Entry;
    /// Returns the entries in their order.
    fn entries(self) -> Vec<Self::Entry>;
}

impl<T: DeserializeOwned> Page for Vec<T> {
    type Entry = T;
    fn entries(self) -> Vec<T> {
        self
    }
}

/// Reads the body of a successful answer.
pub(super) fn parse<T: DeserializeOwned>(body: &str, what: &str) -> Result<T, ForgeError> {
    serde_json::from_str(body)
        .map_err(|error| ForgeError::Unavailable { what: what.to_owned(), source: anyhow::Error::new(error) })
}

/// Counts one request by its route, not by its path.
pub(super) fn count(method: &Method, route: &'static str, status: &str) {
    let (method, status) = (method.as_str().to_owned(), status.to_owned());
    metrics::counter!("hydromote_forge_requests_total", "method" => method, "route" => route, "status" => status)
        .increment(1);
}

fn unavailable(call: &Call, source: impl Into<anyhow::Error>) -> ForgeError {
    ForgeError::Unavailable { what: call.what.clone(), source: source.into() }
}

/// Locks; a panic elsewhere leaves plain values behind that stay usable.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
