//! Who may read, and who may act.
//!
//! - Acting always needs the bearer token. Without a configured token nobody acts.
//! - Reading is free for whoever uses the machine's own address of a service that listens on a
//!   loopback address. A request that came through a proxy is not from this machine.
//! - All other reading needs the token: as a bearer, or as the password that a browser asks for.
//! - A loopback service answers to its own names only, so that no page elsewhere can reach it by
//!   a name of its own (DNS rebinding). No page of another origin is answered at all.

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use http::{HeaderMap, StatusCode, Uri, header, uri::Authority};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{problem::Problem, site::Site};

/// What a proxy adds to a request.
const PROXY_HEADERS: [&str; 5] = ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip"];

/// How a program proves who it is.
const BEARER: &str = "Bearer realm=\"Hydromote\"";

/// How a browser asks a person.
const PASSWORD: &str = "Basic realm=\"Hydromote: the API token is the password\", charset=\"UTF-8\"";

/// Decides who may read and who may act.
#[derive(Debug, Clone)]
pub struct Access {
    loopback: bool,
    public: Option<Authority>,
    token: Option<SecretString>,
}

impl Access {
    /// Makes the rules of a service that listens on `address` and is known as `public_url`.
    pub fn new(address: SocketAddr, public_url: &str, token: Option<SecretString>) -> Self {
        let public = public_url.parse::<Uri>().ok().and_then(|url| url.authority().cloned());
        Self { loopback: address.ip().is_loopback(), public, token }
    }

    /// Checks that a request may read.
    fn check_read(&self, request: &Request) -> Result<(), Problem> {
        let headers = request.headers();
        let host = host(request);
        self.check_origin(headers, host.as_ref())?;
        let own = host.as_ref().is_some_and(|host| is_loopback(host.host()));
        let public = self.public.as_ref().is_some_and(|url| host.as_ref().is_some_and(|h| h.host() == url.host()));
        if self.loopback && !own && !public {
            return Err(Problem::new(
                StatusCode::FORBIDDEN,
                "This service does not answer to that name.",
                "Use `http://localhost` with its port, or the public URL of its settings.",
            ));
        }
        let proxied = PROXY_HEADERS.iter().any(|name| headers.contains_key(*name));
        if self.loopback && own && !proxied {
            return Ok(());
        }
        let Some(token) = &self.token else {
            return Err(Problem::new(
                StatusCode::FORBIDDEN,
                "Beyond this machine reading needs a token, and none is configured.",
                "Set `api_token_file` under `[service]` in the settings.",
            ));
        };
        let given = bearer(headers).map(ToOwned::to_owned).or_else(|| password(headers));
        given.filter(|given| same(given, token)).map(drop).ok_or_else(|| unproven("Reading"))
    }

    /// Checks that a request may act.
    fn check_act(&self, request: &Request) -> Result<(), Problem> {
        self.check_origin(request.headers(), host(request).as_ref())?;
        let Some(token) = &self.token else {
            return Err(Problem::new(
                StatusCode::FORBIDDEN,
                "Nobody may act over HTTP: no API token is configured.",
                "Set `api_token_file` under `[service]` in the settings.",
            ));
        };
        bearer(request.headers()).filter(|given| same(given, token)).map(drop).ok_or_else(|| unproven("Acting"))
    }

    /// Checks that no page of another origin asks.
    fn check_origin(&self, headers: &HeaderMap, host: Option<&Authority>) -> Result<(), Problem> {
        let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
        let origin = origin.to_str().ok().and_then(|text| text.parse::<Uri>().ok());
        let authority = origin.as_ref().and_then(Uri::authority);
        if authority.is_some() && (authority == host || authority == self.public.as_ref()) {
            return Ok(());
        }
        Err(Problem::new(StatusCode::FORBIDDEN, "Pages of other sites may not ask.", "Open the service's own page."))
    }
}

/// Lets through who may read.
pub(super) async fn readers(State(site): State<Site>, request: Request, next: Next) -> Response {
    match site.access.check_read(&request) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

/// Lets through who may read, and has a browser ask for the token otherwise.
pub(super) async fn visitors(State(site): State<Site>, request: Request, next: Next) -> Response {
    match site.access.check_read(&request) {
        Ok(()) => next.run(request).await,
        Err(mut problem) => {
            problem.challenge = problem.challenge.map(|_| PASSWORD);
            super::page::problem(problem)
        }
    }
}

/// Lets through who may act.
pub(super) async fn actors(State(site): State<Site>, request: Request, next: Next) -> Response {
    match site.access.check_act(&request) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

fn unproven(what: &str) -> Problem {
    let mut problem = Problem::new(
        StatusCode::UNAUTHORIZED,
        format!("{what} needs the API token."),
        "Send it as `Authorization: Bearer …`; commands take it with `--token-file`.",
    );
    problem.challenge = Some(BEARER);
    problem
}

fn host(request: &Request) -> Option<Authority> {
    let header = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    header.and_then(|host| host.parse().ok()).or_else(|| request.uri().authority().cloned())
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn password(headers: &HeaderMap) -> Option<String> {
    let (scheme, encoded) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let decoded = BASE64_STANDARD.decode(encoded.trim()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    Some(String::from_utf8(decoded).ok()?.split_once(':')?.1.to_owned())
}

/// Compares in a time that says nothing about the token, its length neither.
fn same(given: &str, token: &SecretString) -> bool {
    let digest = |text: &str| Sha256::digest(text.as_bytes());
    digest(given).ct_eq(&digest(token.expose_secret())).into()
}
