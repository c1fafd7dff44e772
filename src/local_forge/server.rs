//! The HTTP server: sends each request to the API, to git, or to the pages.
//!
//! Only requests that name this machine are answered, so that no page on the internet can reach the forge by
//! pointing a name of its own at it.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{Request, Response, StatusCode, header},
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{api, git_http, hub::Hub, pages};

/// Serves until `stop`.
pub(super) async fn run(hub: Arc<Hub>, listener: TcpListener, stop: CancellationToken) {
    let router = Router::new().fallback(dispatch).with_state(hub);
    let served = axum::serve(listener, router).with_graceful_shutdown(async move { stop.cancelled().await }).await;
    if let Err(error) = served {
        tracing::error!(error = %error, "the local forge stopped serving");
    }
}

async fn dispatch(State(hub): State<Arc<Hub>>, request: Request<Body>) -> Response<Body> {
    if !names_this_machine(&request) {
        return plain(StatusCode::MISDIRECTED_REQUEST, "This forge answers to 127.0.0.1 and localhost only.\n");
    }
    let path = request.uri().path().to_owned();
    if let Some(rest) = path.strip_prefix("/api/v3") {
        return api::handle(hub, rest.to_owned(), request).await;
    }
    if let Some((key, rest)) = git_path(&path) {
        return git_http::handle(hub, key, rest, request).await;
    }
    pages::handle(hub, request).await
}

/// Splits `/<owner>/<name>.git/<rest>`.
fn git_path(path: &str) -> Option<(String, String)> {
    let (repository, rest) = path.strip_prefix('/')?.split_once(".git/")?;
    let (owner, name) = repository.split_once('/')?;
    let is_plain = |text: &str| !text.is_empty() && !text.contains(['/', '%']) && !text.starts_with('.');
    (is_plain(owner) && is_plain(name)).then(|| (repository.to_owned(), format!("/{rest}")))
}

fn names_this_machine(request: &Request<Body>) -> bool {
    let host = request.headers().get(header::HOST).and_then(|value| value.to_str().ok());
    let host = host.or_else(|| request.uri().authority().map(http::uri::Authority::as_str));
    host.is_some_and(is_loopback)
}

/// Returns whether a `Host` header names the loopback interface.
pub(super) fn is_loopback(host: &str) -> bool {
    let name = match host.parse::<SocketAddr>() {
        Ok(address) => return address.ip().is_loopback(),
        Err(_) => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

pub(super) fn plain(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::{git_path, is_loopback};

    #[test]
    fn only_names_of_this_machine_are_answered() {
        assert!(is_loopback("127.0.0.1:8080") && is_loopback("localhost:1") && is_loopback("[::1]:80"));
        assert!(!is_loopback("forge.example.com:8080") && !is_loopback("127.0.0.1.example.com"));
    }

    #[test]
    fn a_git_path_names_owner_repository_and_service() {
        assert_eq!(git_path("/o/r.git/info/refs"), Some(("o/r".to_owned(), "/info/refs".to_owned())));
        assert_eq!(git_path("/o/../r.git/info/refs"), None);
        assert_eq!(git_path("/o/r/pull/1"), None);
    }
}
