//! Requests with one credential.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use http::{HeaderValue, Method, StatusCode, header};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use tokio::time::{Instant, timeout};

use super::{
    Answer, Breaker, Call, Limits,
    breaker::{LeftAlone, Permit},
    budget::{Budget, Held},
    count,
    etags::Etags,
    lock,
    meters::Meters,
    parse,
    turns::Turns,
};
use crate::forge::{ForgeError, LimitedBy};

/// What is said of a page for people in place of JSON.
const NO_API: &str =
    "it answered with a web page; is `api_url` the address of its API, and is no sign-in page or proxy in between?";

/// How long what was made may not be seen yet: as a rule the copies of a forge's database that answer lag by less.
const SEEN_AFTER: Duration = Duration::from_secs(3);

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
    breaker: Arc<Breaker>,
    budget: Mutex<Budget>,
    etags: Mutex<Etags>,
    turns: Turns,
    meters: Meters,
    /// Since when nobody knows whether something was made at these paths.
    unclear: Mutex<BTreeMap<String, Instant>>,
}

impl<T> fmt::Debug for Client<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

impl CredentialState {
    /// Returns the state of a credential of the forge behind `breaker`; `name` is its name in metrics.
    pub(in crate::forge) fn new(limits: Limits, breaker: &Arc<Breaker>, name: &str) -> Self {
        Self {
            limits,
            breaker: Arc::clone(breaker),
            budget: Mutex::default(),
            etags: Mutex::default(),
            turns: Turns::new(limits.writes_at_once, limits.write_interval),
            meters: Meters::new(breaker.host(), name),
            unclear: Mutex::default(),
        }
    }

    /// Fails while a call may not go out: the forge wants to be left alone, little of its limit is left, or it does not
    /// answer.
    fn check(&self, call: &Call) -> Result<(), ForgeError> {
        let now = Instant::now();
        let checked = lock(&self.budget).check(call.route, call.importance, now);
        if let Err(Held { wait: retry_after, by }) = checked {
            self.meters.held_back(match by {
                LimitedBy::Forge => "forge",
                LimitedBy::Reserve { .. } => "reserve",
            });
            return Err(ForgeError::RateLimited { retry_after, by });
        }
        self.breaker.check(now).map_err(|alone| self.left_alone(call, alone))
    }

    /// Lets a call go out; whoever gets the permit says what became of it.
    pub(in crate::forge) fn admit(&self, call: &Call) -> Result<Permit<'_>, ForgeError> {
        self.check(call)?;
        self.breaker.admit(Instant::now()).map_err(|alone| self.left_alone(call, alone))
    }

    /// Fails while something may have been made at a path that nobody may see yet.
    fn check_unclear(&self, call: &Call, now: Instant) -> Result<(), ForgeError> {
        let mut unclear = lock(&self.unclear);
        unclear.retain(|_, since| now.duration_since(*since) < SEEN_AFTER);
        match unclear.contains_key(&call.path) {
            true => Err(unavailable(call, anyhow::anyhow!("whether it was done before can be seen in a moment"))),
            false => Ok(()),
        }
    }

    fn left_alone(&self, call: &Call, alone: LeftAlone) -> ForgeError {
        self.meters.held_back("breaker");
        unavailable(call, alone)
    }

    /// Takes in an answer; fails when it is of no use, or a refusal because of too many calls.
    pub(in crate::forge) fn note(&self, call: &Call, permit: Permit<'_>, answer: &Answer) -> Result<(), ForgeError> {
        if answer.status.is_server_error() {
            permit.failed();
        } else if answer.is_page() && !answer.status.is_redirection() && answer.status != StatusCode::TOO_MANY_REQUESTS
        {
            // Whoever stands before the forge wrote it, whatever the code says.
            permit.failed();
            return Err(unavailable(call, anyhow::anyhow!(NO_API)));
        } else {
            permit.answered();
        }
        let now = Instant::now();
        let mut budget = lock(&self.budget);
        let limited = budget.note(call.route, answer, now);
        self.meters.pause(budget.pause(now));
        if let Some(told) = answer.quota() {
            self.meters.quota(told.resource, told.remaining, told.limit);
        }
        match limited {
            Some(retry_after) => Err(ForgeError::RateLimited { retry_after, by: LimitedBy::Forge }),
            None => Ok(()),
        }
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

    /// Writes, once, after the more important writes; returns the body of the answer. The body `()` is none.
    pub(in crate::forge) async fn write(
        &self,
        method: Method,
        call: &Call,
        body: &impl Serialize,
    ) -> Result<String, ForgeError> {
        Ok(self.write_for_answer(method, call, body).await?.body)
    }

    /// Makes what would be there twice if it were made twice; returns what the answer tells of it. After a try whose outcome
    /// nobody knows it is not tried again before its outcome can be read.
    pub(in crate::forge) async fn create<B: DeserializeOwned>(
        &self,
        call: &Call,
        body: &impl Serialize,
    ) -> Result<B, ForgeError> {
        self.state.check_unclear(call, Instant::now())?;
        let made = self.write(Method::POST, call, body).await.and_then(|answer| parse(&answer, &call.what));
        if matches!(made, Err(ForgeError::Unavailable { .. })) {
            lock(&self.state.unclear).insert(call.path.clone(), Instant::now());
        }
        made
    }

    /// Writes, once, after the more important writes; returns the whole answer to a success.
    pub(in crate::forge) async fn write_for_answer(
        &self,
        method: Method,
        call: &Call,
        body: &impl Serialize,
    ) -> Result<Answer, ForgeError> {
        let body = serde_json::to_value(body).map_err(|error| unavailable(call, error))?;
        let body = Some(body).filter(|body| !body.is_null());
        let request = Request { method, path: call.path.clone(), if_none_match: None, body };
        // Nobody waits for a turn to hear that it is of no use.
        self.state.check(call)?;
        let turn = self.state.turns.take(call.importance, &self.state.meters).await;
        let turn = turn.map_err(|crowded| unavailable(call, crowded))?;
        let answer = self.send(call, request).await?;
        drop(turn);
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
        let permit = self.state.admit(call)?;
        let method = request.method.clone();
        let answer = match timeout(self.state.limits.call, self.transport.exchange(request)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                permit.failed();
                count(&method, call.route, "none");
                return Err(unavailable(call, error));
            }
            Err(_) => {
                permit.failed();
                count(&method, call.route, "timeout");
                let limit = self.state.limits.call.as_secs_f32();
                return Err(unavailable(call, anyhow::anyhow!("no answer within {limit} s")));
            }
        };
        count(&method, call.route, answer.status.as_str());
        self.state.note(call, permit, &answer)?;
        Ok(answer)
    }
}

/// Says that no usable answer came.
fn unavailable(call: &Call, source: impl Into<anyhow::Error>) -> ForgeError {
    ForgeError::Unavailable { what: call.what.clone(), source: source.into() }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use serde_json::json;

    use super::*;

    /// Answers with these codes, one after another, or does not; counts what it is asked.
    struct Scripted(Mutex<Vec<u16>>);

    #[async_trait]
    impl Transport for Scripted {
        async fn exchange(&self, _: Request) -> anyhow::Result<Answer> {
            let status = StatusCode::from_u16(lock(&self.0).remove(0))?;
            Ok(Answer { status, headers: HeaderMap::new(), body: "{\"id\": 7}".to_owned() })
        }
    }

    #[tokio::test]
    async fn what_may_have_been_made_is_not_made_again_before_it_can_be_seen() {
        let state = CredentialState::new(Limits::default(), &Breaker::of("https://forge.example.com"), "token");
        let client = Client::new(Scripted(Mutex::new(vec![502, 201, 422, 201])), Arc::new(state));
        let call = |path: &str| Call::new("/comments", path.to_owned(), "comment on #1".to_owned());
        let make = async |path| client.create::<Value>(&call(path), &json!({"body": "text"})).await;
        let left = || lock(&client.transport.0).len();
        assert!(matches!(make("/1").await, Err(ForgeError::Unavailable { .. })));
        let again = make("/1").await;
        assert!(matches!(&again, Err(ForgeError::Unavailable { what, .. }) if what == "comment on #1"), "{again:?}");
        assert_eq!(left(), 3, "nobody was asked");
        assert!(make("/2").await.is_ok(), "elsewhere nothing is unclear");
        assert!(client.state.check_unclear(&call("/1"), Instant::now() + SEEN_AFTER).is_ok());
        assert!(matches!(make("/1").await, Err(ForgeError::Refused { .. } | ForgeError::Moved { .. })));
        assert!(make("/1").await.is_ok(), "a refusal is clear");
        assert_eq!(left(), 0);
    }
}
