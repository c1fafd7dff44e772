//! Pages to look at the forge and to act on it.

use std::sync::Arc;

use axum::{
    body::Body,
    http::{Request, Response, StatusCode},
};

use super::{hub::Hub, server::plain};

/// Answers a request for a page.
pub(super) async fn handle(_hub: Arc<Hub>, _request: Request<Body>) -> Response<Body> {
    plain(StatusCode::NOT_FOUND, "There is no such page.\n")
}
