//! The status page: what runs where, what waits and why, as it changes; and what people do about it.
//!
//! - It works without scripts. With them, the server sends each change and nothing is reloaded.
//! - Everything on it comes from here: no other host is asked, and the browser is told so.
//! - Everything that people wrote is escaped.
//! - Whatever acts is a form on a page of its own, which no update touches: it says what will
//!   change, and is refused when that is no longer so.

mod acting;
mod confirm;
mod difference;
mod events;
mod frame;
mod past;
mod signing;
mod templates;
#[cfg(test)]
mod tests;

use axum::{
    Extension, Router,
    extract::{DefaultBodyLimit, OriginalUri, Path, Query, State},
    middleware,
    response::{Html, IntoResponse, Response},
    routing,
};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Deserialize;
use tower_http::set_header::SetResponseHeaderLayer;

use self::{
    difference::Proposal,
    frame::Frame,
    past::Past,
    templates::{Index, Look},
};
use super::{
    access::{self, Visitor},
    problem::Problem,
    site::Site,
};
use crate::{
    domain::ids::{EnvironmentName, LaneName},
    reconcile::{board::StrategyBoard, commands::place_view},
};

pub(super) use signing::ask_to_sign_in;

/// What browsers may do with a page: show it, with our own styles and script, and send its forms back.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; \
                      base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// How long browsers may keep styles and script; their addresses change with their content.
const KEEP: &str = "public, max-age=31536000, immutable";

/// The largest form, bytes.
const FORM_LIMIT: usize = 16 << 10;

type Id = Path<(String, String, String)>;

/// A strategy and one of its environments, as they stand in a path.
type PlaceId = Path<(String, String, String, String)>;

/// What may follow the path of an environment.
#[derive(Debug, Default, Deserialize)]
struct Asked {
    /// The lane, where there are several.
    lane: Option<LaneName>,
    /// What a rollback goes back to.
    to: Option<String>,
}

/// Returns the pages, their styles and their script.
pub(super) fn router(site: Site) -> Router {
    let place = "/strategies/{owner}/{repo}/{name}/environments/{environment}";
    let pages = Router::new()
        .route("/", routing::get(index))
        .route("/strategies/{owner}/{repo}/{name}", routing::get(strategy))
        .route("/strategies/{owner}/{repo}/{name}/history", routing::get(history))
        .route(&format!("{place}/change"), routing::get(change))
        .route(&format!("{place}/{{act}}"), routing::get(acting::confirm).post(acting::act))
        .route("/sign-out", routing::post(signing::sign_out))
        .route_layer(middleware::from_fn_with_state(site.clone(), access::visitors))
        .layer(DefaultBodyLimit::max(FORM_LIMIT));
    let open = Router::new()
        .route("/sign-in", routing::get(signing::ask).post(signing::sign_in))
        .route_layer(middleware::from_fn_with_state(site.clone(), access::strangers))
        .layer(DefaultBodyLimit::max(FORM_LIMIT));
    let files = Router::new()
        .route("/assets/page.css", file("text/css; charset=utf-8", templates::STYLE))
        .route("/assets/page.js", file("text/javascript; charset=utf-8", templates::SCRIPT))
        .route("/assets/mark.svg", file("image/svg+xml", templates::MARK));
    guarded(pages.merge(open).with_state(site).merge(files))
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
    let mut response = (problem.status, [(header::CACHE_CONTROL, "no-store")], Html(page)).into_response();
    if let Some(challenge) = problem.challenge {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    response
}

async fn index(
    State(site): State<Site>,
    Extension(visitor): Extension<Visitor>,
    OriginalUri(uri): OriginalUri,
) -> Response {
    let frame = Frame::of(&site, &visitor, &uri);
    answer(templates::page(&Index::of(&site), &frame))
}

async fn strategy(
    State(site): State<Site>,
    Extension(visitor): Extension<Visitor>,
    OriginalUri(uri): OriginalUri,
    Path(id): Id,
) -> Response {
    let look = match site.board(id) {
        Ok(board) => Look::of(&site, &board).await,
        Err(problem) => Err(problem),
    };
    answer(look.and_then(|look| templates::page(&look, &Frame::of(&site, &visitor, &uri))))
}

async fn history(
    State(site): State<Site>,
    Extension(visitor): Extension<Visitor>,
    OriginalUri(uri): OriginalUri,
    Path(id): Id,
) -> Response {
    let past = match site.board(id) {
        Ok(board) => Past::of(&site, &board).await,
        Err(problem) => Err(problem),
    };
    answer(past.and_then(|past| templates::page(&past, &Frame::of(&site, &visitor, &uri))))
}

async fn change(
    State(site): State<Site>,
    Extension(visitor): Extension<Visitor>,
    OriginalUri(uri): OriginalUri,
    Path(id): PlaceId,
    Query(asked): Query<Asked>,
) -> Response {
    let proposal = match board_and_name(&site, id) {
        Ok((board, environment)) => Proposal::of(&site, &board, &environment, asked.lane.as_ref()).await,
        Err(problem) => Err(problem),
    };
    answer(proposal.and_then(|proposal| templates::page(&proposal, &Frame::of(&site, &visitor, &uri))))
}

/// Reads the strategy and the environment in a path.
fn board_and_name(
    site: &Site,
    (owner, repo, name, environment): (String, String, String, String),
) -> Result<(StrategyBoard, EnvironmentName), Problem> {
    let board = site.board((owner, repo, name))?;
    let environment = EnvironmentName::new(environment)
        .map_err(|error| Problem::new(StatusCode::NOT_FOUND, format!("{error}."), "See the strategy's page."))?;
    Ok((board, environment))
}

/// Returns the address of an environment's pages, and what follows it where there are several lanes.
fn address(
    board: &StrategyBoard,
    environment: &EnvironmentName,
    lane: Option<&LaneName>,
) -> Result<(String, String), Problem> {
    let place = &place_view(board, environment, lane)?.place;
    let lane = if place.lane == LaneName::single() { String::new() } else { format!("?lane={}", place.lane) };
    Ok((format!("/strategies/{}/environments/{}", board.id, place.environment), lane))
}

fn answer(page: Result<String, Problem>) -> Response {
    answer_with(StatusCode::OK, page)
}

fn answer_with(status: StatusCode, page: Result<String, Problem>) -> Response {
    match page {
        Ok(page) => (status, [(header::CACHE_CONTROL, "no-store")], Html(page)).into_response(),
        Err(wrong) => problem(wrong),
    }
}

/// Sends a browser on to another page of ours.
fn go_to(address: &str) -> Response {
    match HeaderValue::from_str(address) {
        Ok(address) => (
            StatusCode::SEE_OTHER,
            [(header::LOCATION, address), (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))],
        )
            .into_response(),
        Err(_) => problem(Problem::new(StatusCode::BAD_REQUEST, "That is no address.", "Begin at `/`.")),
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
        // With `no-referrer` browsers say `Origin: null` with our own forms, which could not be told
        // from those of others: https://fetch.spec.whatwg.org/#append-a-request-origin-header
        .layer(set(header::REFERRER_POLICY, "same-origin"))
        .layer(set(HeaderName::from_static("cross-origin-resource-policy"), "same-origin"))
}
