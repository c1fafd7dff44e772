//! Requests with one credential.

use std::{
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use http::{HeaderValue, Method, StatusCode, header};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep_until, timeout},
};

use super::{Answer, Call, Limits, count, etags::Etags, lock, parse};
use crate::forge::ForgeError;

/// How long a write waits for the writes before it.
const WRITE_QUEUE_LIMIT: Duration = Duration::from_secs(120);

/// Carries one request to the forge and its answer back; limits and meanings are not its business.
#[async_trait]
pub(in crate::forge) trait Transport: Send + Sync {
    /// Sends one request and reads its answer to the end.
    async fn exchange(&self, request: Request) -> anyhow::Result<Answer>;
}

/// One request.
pub(in crate::forge) struct Request {
    /// The method.
    pub(in crate::forge) method: Method,
    /// The path with its query, below the API's address.
    pub(in crate::forge) path: String,
    /// The tag of an answer that is still here.
    pub(in crate::forge) if_none_match: Option<HeaderValue>,
    /// The body, JSON.
    pub(in crate::forge) body: Option<Value>,
}

/// A client with one credential; its state survives a renewed token.
pub(in crate::forge) struct Client<T> {
    pub(in crate::forge) transport: T,
    pub(in crate::forge) state: Arc<CredentialState>,
}

/// What is remembered about one credential.
pub(in crate::forge) struct CredentialState {
    pub(in crate::forge) limits: Limits,
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

impl<T> fmt::Debug for Client<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

impl CredentialState {
    pub(in crate::forge) fn new(limits: Limits) -> Self {
        Self {
            limits,
            pause: Mutex::default(),
            etags: Mutex::default(),
            writer: Semaphore::new(1),
            next_write: Mutex::default(),
        }
    }

    /// Fails while the forge wants to be left alone.
    pub(in crate::forge) fn check_pause(&self) -> Result<(), ForgeError> {
        let until = lock(&self.pause).until;
        match until.map(|until| until.saturating_duration_since(Instant::now())) {
            Some(retry_after) if !retry_after.is_zero() => Err(ForgeError::RateLimited { retry_after }),
            _ => Ok(()),
        }
    }

    /// Remembers how long the forge wants to be left alone; fails when the answer is a refusal for that reason.
    pub(in crate::forge) fn note_limits(&self, answer: &Answer) -> Result<(), ForgeError> {
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

impl<T: Transport> Client<T> {
    pub(in crate::forge) fn new(transport: T, state: Arc<CredentialState>) -> Self {
        Self { transport, state }
    }

    /// Reads one object.
    pub(in crate::forge) async fn get<B: DeserializeOwned>(&self, call: &Call) -> Result<B, ForgeError> {
        parse(&self.read(call, &call.path).await?.body, &call.what)
    }

    /// Writes, once, after the writes before it; returns the body of the answer.
    pub(in crate::forge) async fn write(
        &self,
        method: Method,
        call: &Call,
        body: &impl Serialize,
    ) -> Result<String, ForgeError> {
        Ok(self.write_for_answer(method, call, body).await?.body)
    }

    /// Writes, once, after the writes before it; returns the whole answer to a success.
    pub(in crate::forge) async fn write_for_answer(
        &self,
        method: Method,
        call: &Call,
        body: &impl Serialize,
    ) -> Result<Answer, ForgeError> {
        let body = serde_json::to_value(body).map_err(|error| unavailable(call, error))?;
        let request = Request { method, path: call.path.clone(), if_none_match: None, body: Some(body) };
        let _turn = timeout(WRITE_QUEUE_LIMIT, self.state.writer.acquire())
            .await
            .map_err(|_| unavailable(call, anyhow::anyhow!("too many writes wait for the forge")))?
            .map_err(|closed| unavailable(call, closed))?;
        let next = *lock(&self.state.next_write);
        if let Some(next) = next {
            sleep_until(next).await;
        }
        let answer = self.send(call, request).await;
        *lock(&self.state.next_write) = Instant::now().checked_add(self.state.limits.write_interval);
        let answer = answer?;
        if answer.status.is_success() { Ok(answer) } else { Err(answer.error(&call.what)) }
    }

    /// Reads the answer to a success at `path`, from what was kept when the forge says that it is still the same.
    pub(in crate::forge) async fn read(&self, call: &Call, path: &str) -> Result<Arc<Answer>, ForgeError> {
        let kept = lock(&self.state.etags).get(path);
        let if_none_match = kept.as_ref().and_then(|kept| HeaderValue::from_str(&kept.etag).ok());
        let request = Request { method: Method::GET, path: path.to_owned(), if_none_match, body: None };
        let answer = self.send(call, request).await?;
        if let (StatusCode::NOT_MODIFIED, Some(kept)) = (answer.status, kept) {
            return Ok(kept.answer);
        }
        if !answer.status.is_success() {
            return Err(answer.error(&call.what));
        }
        let answer = Arc::new(answer);
        if let Some(etag) = answer.headers.get(header::ETAG).and_then(|etag| etag.to_str().ok()) {
            lock(&self.state.etags).put(path, etag, &answer);
        }
        Ok(answer)
    }

    /// Sends one request and reads its answer to the end within the time limit.
    async fn send(&self, call: &Call, request: Request) -> Result<Answer, ForgeError> {
        self.state.check_pause()?;
        let method = request.method.clone();
        let answer = match timeout(self.state.limits.call, self.transport.exchange(request)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                count(&method, call.route, "none");
                return Err(unavailable(call, error));
            }
            Err(_) => {
                count(&method, call.route, "timeout");
                let limit = self.state.limits.call.as_secs_f32();
                return Err(unavailable(call, anyhow::anyhow!("no answer within {limit} s")));
            }
        };
        count(&method, call.route, answer.status.as_str());
        self.state.note_limits(&answer)?;
        Ok(answer)
    }
}

/// Says that no usable answer came.
fn unavailable(call: &Call, source: impl Into<anyhow::Error>) -> ForgeError {
    ForgeError::Unavailable { what: call.what.clone(), source: source.into() }
}
