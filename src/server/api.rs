//! `/api/v1`: what runs, what waits and why; promote, hold, roll back, restore, adopt, reject, report and retry. The command line uses it.
//!
//! Errors are `{error, help}`. The words of gates and verdicts are those of the domain.

mod acts;
pub mod documents;
pub mod history;
mod openapi;
mod reads;
pub mod standing;
#[cfg(test)]
mod tests;

pub(super) use reads::history_of;

use axum::{Router, extract::DefaultBodyLimit, middleware, routing};
use http::StatusCode;

use super::{access, problem::Problem, site::Site};

/// The largest body of a command, bytes.
const BODY_LIMIT: usize = 64 << 10;

/// Returns `/api/v1`.
pub(super) fn router(site: Site) -> Router {
    let reads = Router::new()
        .route("/openapi.json", routing::get(openapi::document))
        .route("/strategies", routing::get(reads::strategies))
        .route("/strategies/{owner}/{repo}/{name}", routing::get(reads::strategy))
        .route("/strategies/{owner}/{repo}/{name}/plan", routing::get(reads::plan))
        .route("/strategies/{owner}/{repo}/{name}/explain", routing::get(reads::explain))
        .route("/strategies/{owner}/{repo}/{name}/explain/{environment}", routing::get(reads::explain_one))
        .route("/strategies/{owner}/{repo}/{name}/commits/{sha}", routing::get(reads::commit))
        .route("/strategies/{owner}/{repo}/{name}/history", routing::get(reads::history))
        .route_layer(middleware::from_fn_with_state(site.clone(), access::readers));
    let acts = Router::new()
        .route("/strategies/{owner}/{repo}/{name}/promote/{environment}", routing::post(acts::promote))
        .route("/strategies/{owner}/{repo}/{name}/hold/{environment}", routing::post(acts::hold))
        .route("/strategies/{owner}/{repo}/{name}/unhold/{environment}", routing::post(acts::unhold))
        .route("/strategies/{owner}/{repo}/{name}/rollback/{environment}", routing::post(acts::rollback))
        .route("/strategies/{owner}/{repo}/{name}/restore/{environment}", routing::post(acts::restore))
        .route("/strategies/{owner}/{repo}/{name}/adopt/{environment}", routing::post(acts::adopt))
        .route("/strategies/{owner}/{repo}/{name}/reject", routing::post(acts::reject))
        .route("/strategies/{owner}/{repo}/{name}/unreject", routing::post(acts::unreject))
        .route("/strategies/{owner}/{repo}/{name}/override", routing::post(acts::override_change))
        .route("/strategies/{owner}/{repo}/{name}/report", routing::post(acts::report))
        .route("/strategies/{owner}/{repo}/{name}/retry", routing::post(acts::retry))
        .route_layer(middleware::from_fn_with_state(site.clone(), access::actors))
        .layer(DefaultBodyLimit::max(BODY_LIMIT));
    let api = reads.merge(acts).fallback(unknown).method_not_allowed_fallback(other_method).with_state(site);
    Router::new().nest("/api/v1", api)
}

async fn unknown() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "There is no such route.", "Every route stands in `/api/v1/openapi.json`.")
}

async fn other_method() -> Problem {
    let help = "Reads are GET, acts are POST; see `/api/v1/openapi.json`.";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "This route takes another method.", help)
}
