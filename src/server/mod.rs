//! HTTP: webhooks, the API, pages, health, metrics. It decides nothing and knows no rule.
//!
//! - Nothing of a request's headers or body is logged.
//! - A handler that panics answers 500 and takes nothing else down.
//! - Every answer has a time limit, except streams of live updates, which end with the service.

pub mod access;
pub mod api;
pub mod page;
pub mod problem;
pub mod receivers;
#[cfg(test)]
pub(crate) mod sample;
pub mod sessions;
pub mod site;
#[cfg(test)]
mod tests;
pub mod webhooks;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::{MatchedPath, Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing,
};
use http::{StatusCode, header};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::watch;
use tower_http::{catch_panic::CatchPanicLayer, timeout::TimeoutLayer, trace::TraceLayer};

use self::{receivers::Receivers, site::Site, webhooks::Receiver};

/// How long an answer may take; GitHub gives up on a delivery after ten seconds.
const ANSWER_LIMIT: Duration = Duration::from_secs(9);

/// What the routes need.
#[derive(Clone)]
pub struct ServerState {
    /// Takes deliveries.
    pub receiver: Arc<Receiver>,
    /// Takes what deployment tools tell; without it none is heard.
    pub receivers: Option<Arc<Receivers>>,
    /// Whether the service works.
    pub readiness: watch::Receiver<Readiness>,
    /// The metrics; none when nothing collects them.
    pub metrics: Option<PrometheusHandle>,
    /// What the API and the pages are made from; without it there are none.
    pub site: Option<Site>,
}

/// Whether the service works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// Open intents are being resolved.
    Starting,
    /// It works.
    Ready,
    /// It ends what it has begun.
    Stopping,
}

/// Returns every route.
pub fn router(state: ServerState) -> Router {
    let webhooks = webhooks::router(Arc::clone(&state.receiver)).layer(middleware::from_fn(time_delivery));
    let receivers = state.receivers.as_ref().map(receivers::router).unwrap_or_default();
    let site = state.site.clone();
    let (answers, streams) = site.map_or_else(Default::default, |site| {
        (api::router(site.clone()).merge(page::router(site.clone())), page::streams(site))
    });
    Router::new()
        .route("/healthz", routing::get(|| async { "ok\n" }))
        .route("/readyz", routing::get(readyz))
        .route("/metrics", routing::get(metrics))
        .with_state(state)
        .merge(webhooks)
        .merge(receivers)
        .merge(answers)
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, ANSWER_LIMIT))
        .merge(streams)
        .layer(CatchPanicLayer::new())
        .layer(TraceLayer::new_for_http().make_span_with(span).on_failure(()))
}

async fn readyz(State(state): State<ServerState>) -> (StatusCode, &'static str) {
    match *state.readiness.borrow() {
        Readiness::Starting => (StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
        Readiness::Ready => (StatusCode::OK, "ready\n"),
        Readiness::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "stopping\n"),
    }
}

async fn metrics(State(state): State<ServerState>) -> impl IntoResponse {
    match &state.metrics {
        Some(handle) => Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], handle.render())),
        None => Err(StatusCode::NOT_FOUND),
    }
}

/// Measures how long a delivery takes, from its headers to its answer: forges give up on who is slow.
async fn time_delivery(request: Request, next: Next) -> Response {
    let began = Instant::now();
    let response = next.run(request).await;
    metrics::histogram!("hydromote_webhook_seconds").record(began.elapsed().as_secs_f64());
    response
}

/// Returns the span of one request: its route, never its address, which may hold a token.
fn span<B>(request: &http::Request<B>) -> tracing::Span {
    let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    tracing::debug_span!("request", method = %request.method(), route)
}
