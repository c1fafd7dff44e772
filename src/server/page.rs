//! The status page: what runs where, what waits and why, as it changes.
//!
//! - It works without scripts. With them, the server sends each change and nothing is reloaded.
//! - Everything on it comes from here: no other host is asked, and the browser is told so.
//! - Everything that people wrote is escaped.

mod events;
mod templates;
#[cfg(test)]
mod tests;

use axum::{
    Router,
    extract::{Path, State},
    middleware,
    response::{Html, IntoResponse, Response},
    routing,
};
use http::{HeaderName, HeaderValue, StatusCode, header};
use tower_http::set_header::SetResponseHeaderLayer;

use self::templates::{Index, Look};
use super::{access, problem::Problem, site::Site};

/// What browsers may do with a page: show it, with our own styles and script.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// How long browsers may keep styles and script; their addresses change with their content.
const KEEP: &str = "public, max-age=31536000, immutable";

type Id = Path<(String, String, String)>;

/// Returns the pages, their styles and their script.
pub(super) fn router(site: Site) -> Router {
    let pages = Router::new()
        .route("/", routing::get(index))
        .route("/strategies/{owner}/{repo}/{name}", routing::get(strategy))
        .route_layer(middleware::from_fn_with_state(site.clone(), access::visitors))
        .with_state(site);
    let files = Router::new()
        .route("/assets/page.css", file("text/css; charset=utf-8", templates::STYLE))
        .route("/assets/page.js", file("text/javascript; charset=utf-8", templates::SCRIPT))
        .route("/assets/mark.svg", file("image/svg+xml", templates::MARK));
    guarded(pages.merge(files))
}

/// Returns the streams of live updates, which have no end of their own.
pub(super) fn streams(site: Site) -> Router {
    let streams = Router::new()
        .route("/events", routing::get(events::index))
        .route("/strategies/{owner}/{repo}/{name}/events", routing::get(events::strategy))
        .route_layer(middleware::from_fn_with_state(site.clone(), access::visitors))
        .with_state(site);
    guarded(streams)
}

/// Returns a page that says what went wrong.
pub(super) fn problem(problem: Problem) -> Response {
    let page = templates::problem(&problem);
    let mut response = (problem.status, Html(page)).into_response();
    if let Some(challenge) = problem.challenge {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    response
}

async fn index(State(site): State<Site>) -> Response {
    answer(templates::page(&Index::of(&site)))
}

async fn strategy(State(site): State<Site>, Path(id): Id) -> Response {
    let look = match site.board(id) {
        Ok(board) => Look::of(&site, &board).await,
        Err(problem) => Err(problem),
    };
    answer(look.and_then(|look| templates::page(&look)))
}

fn answer(page: Result<String, Problem>) -> Response {
    match page {
        Ok(page) => ([(header::CACHE_CONTROL, "no-store")], Html(page)).into_response(),
        Err(wrong) => problem(wrong),
    }
}

fn file<S: Clone + Send + Sync + 'static>(kind: &'static str, text: &'static str) -> routing::MethodRouter<S> {
    routing::get(move || async move {
        (StatusCode::OK, [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, KEEP)], text)
    })
}

/// Tells browsers what they may do.
fn guarded(router: Router) -> Router {
    let set = |name: HeaderName, value: &'static str| {
        SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value))
    };
    router
        .layer(set(header::CONTENT_SECURITY_POLICY, POLICY))
        .layer(set(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(set(header::REFERRER_POLICY, "no-referrer"))
        .layer(set(HeaderName::from_static("cross-origin-resource-policy"), "same-origin"))
}
