//! GitHub's REST API: who calls, which route, what is answered.
//!
//! Reading a public repository is free, everything else needs a token. Every exchange is shown to the observer.

mod apps;
mod call;
mod checks;
mod deployments;
mod etag;
mod hooks;
mod issues;
mod paging;
mod pulls;
mod refs;
mod repos;
mod routes;
mod statuses;
mod teams;
mod users;

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, to_bytes},
    http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header},
};
use serde_json::Value;

use self::call::{Answer, Call};
use super::{Exchange, Observed, credentials, faults::FaultKind, hub::Hub, rate_limit::Budget, refusal::Refusal};

/// The largest request body.
const BODY_BYTES: usize = 25 * 1024 * 1024;
/// How long a body may take to arrive.
const BODY_WITHIN: Duration = Duration::from_secs(30);

/// Answers one call; `path` is without `/api/v3`.
pub(super) async fn handle(hub: Arc<Hub>, path: String, request: Request<Body>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let method = head.method.to_string();
    let query = head.uri.query().unwrap_or_default().to_owned();
    let body = tokio::time::timeout(BODY_WITHIN, to_bytes(body, BODY_BYTES)).await;
    let Ok(Ok(body)) = body else { return respond(refused(&Refusal::new(413, "Request Entity Too Large"))) };
    let fault = hub.faults.take(&method, &path);
    let parsed = if body.is_empty() { Ok(None) } else { serde_json::from_slice::<Value>(&body).map(Some) };
    let request_body = parsed.as_ref().ok().cloned().flatten();
    let answer = match fault {
        Some(FaultKind::Status(status)) => refused(&Refusal::new(status, "Server Error")),
        Some(FaultKind::RateLimited { retry_after }) => rate_limited(retry_after),
        Some(FaultKind::Hang(time)) => {
            tokio::time::sleep(time).await;
            refused(&Refusal::new(504, "Gateway Timeout"))
        }
        Some(FaultKind::AnswerLost(status)) => {
            answer_call(&hub, &method, &path, &query, &head.headers, parsed).await;
            refused(&Refusal::new(status, "Server Error"))
        }
        None => answer_call(&hub, &method, &path, &query, &head.headers, parsed).await,
    };
    hub.observe(&Observed::Exchange(Exchange {
        method,
        path,
        query,
        request_body,
        status: answer.status,
        response_body: answer.body.clone(),
    }));
    respond(answer)
}

async fn answer_call(
    hub: &Arc<Hub>,
    method: &str,
    path: &str,
    query: &str,
    headers: &HeaderMap,
    body: Result<Option<Value>, serde_json::Error>,
) -> Answer {
    let caller = match credentials::caller(hub, headers) {
        Ok(caller) => caller,
        Err(refusal) => return refused(&refusal),
    };
    let Ok(body) = body else { return refused(&Refusal::new(400, "Problems parsing JSON")) };
    let call = Call::new(method, path, query, body, caller);
    let login = call.actor().map(str::to_owned);
    let is_get = method == "GET";
    let answer = hub.work(move |desk| routes::answer(desk, &call).unwrap_or_else(|refusal| refused(&refusal))).await;
    let answer = if is_get { etag::conditional(answer, headers) } else { answer };
    let cost = u64::from(answer.status != 304 && !path.starts_with("/rate_limit"));
    let budget = hub.rate_limit.spend(login.as_deref().unwrap_or_default(), cost, crate::local_forge::clock::now());
    with_budget(answer, budget)
}

/// Returns the answer that says no.
fn refused(refusal: &Refusal) -> Answer {
    Answer { status: refusal.status, body: Some(refusal.body()), headers: Vec::new() }
}

fn rate_limited(retry_after: u64) -> Answer {
    let words = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.";
    let mut answer = refused(&Refusal::new(429, words));
    answer.headers.push(("retry-after", retry_after.to_string()));
    answer
}

fn with_budget(mut answer: Answer, budget: Budget) -> Answer {
    answer.headers.extend([
        ("x-ratelimit-limit", budget.limit.to_string()),
        ("x-ratelimit-remaining", budget.remaining().to_string()),
        ("x-ratelimit-used", budget.used.to_string()),
        ("x-ratelimit-reset", budget.reset.to_string()),
        ("x-ratelimit-resource", "core".to_owned()),
    ]);
    answer
}

fn respond(answer: Answer) -> Response<Body> {
    let body = answer.body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    headers.insert("x-github-media-type", HeaderValue::from_static("github.v3; format=json"));
    for (name, value) in answer.headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
    response
}
