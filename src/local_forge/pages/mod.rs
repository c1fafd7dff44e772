//! Pages to look at the forge and to act on it, rendered here, without scripts.
//!
//! A visitor chooses to be one of the users: whoever can open a page on this machine may. What keeps other sites
//! out: the `Host` check of the server, cookies that stay on the site, a token in each form, and the `Origin` header.

mod forms;
mod show;
mod templates;
mod visitor;

use std::sync::Arc;

use axum::{
    body::Body,
    http::{HeaderValue, Method, Request, Response, StatusCode, header},
};
use percent_encoding::percent_decode_str;

use self::visitor::Visitor;
use super::{hub::Hub, refusal::Refusal};

/// What the browser may do on our pages: show them, with their own style, and send forms back to us.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'";

/// Answers a request for a page.
pub(super) async fn handle(hub: Arc<Hub>, request: Request<Body>) -> Response<Body> {
    let visitor = Visitor::of(&hub, request.headers());
    let path = percent_decode_str(request.uri().path()).decode_utf8_lossy().into_owned();
    let answer = match *request.method() {
        Method::GET | Method::HEAD => {
            let visitor = visitor.clone();
            hub.work(move |desk| show::page(desk, &visitor, &path)).await.map(html)
        }
        Method::POST => forms::submit(&hub, &visitor, &path, request).await,
        _ => Err(Refusal::new(405, "Method Not Allowed")),
    };
    let mut response = answer.unwrap_or_else(|refusal| {
        let page = templates::problem(&visitor, &refusal);
        let mut response = html(page);
        *response.status_mut() = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response
    });
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn html(text: String) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response
}
