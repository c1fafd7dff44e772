//! Who may read, and who may act.
//!
//! - Acting always needs the API token: programs send it with each request, people sign in with it
//!   once and act with their session. Without a configured token nobody acts.
//! - Reading is free for whoever uses the machine's own address of a service that listens on a
//!   loopback address. A request that came through a proxy is not from this machine.
//! - All other reading needs the token too, or a session.
//! - A loopback service answers to its own names only, so that no page elsewhere can reach it by
//!   a name of its own (DNS rebinding). No page of another origin is answered at all.
//! - A session acts only through forms, which carry a token of their own (cross-site requests).

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::{ConnectInfo, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header, uri::Authority};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{
    problem::Problem,
    sessions::{LIFE, NotSignedIn, Proof, Session},
    site::Site,
};
use crate::secret::{self, Secret};

/// What a proxy adds to a request.
const PROXY_HEADERS: [&str; 5] = ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip"];

/// How a program proves who it is.
const BEARER: &str = "Bearer realm=\"Hydromote\"";

/// The name of the session's cookie.
const COOKIE: &str = "hydromote_session";

/// The same where browsers are to take it over HTTPS from this very host only.
const SECURE_COOKIE: &str = "__Host-hydromote_session";

/// Decides who may read and who may act.
#[derive(Debug, Clone)]
pub struct Access {
    loopback: bool,
    public: Option<Authority>,
    https: bool,
    cookie: String,
    token: Option<Secret>,
}

impl Access {
    /// Makes the rules of a service that listens on `address` and is known as `public_url`.
    pub fn new(address: SocketAddr, public_url: &str, token: Option<Secret>) -> Self {
        let url = public_url.parse::<Uri>().ok();
        let https = url.as_ref().is_some_and(|url| url.scheme_str() == Some("https"));
        let public = url.and_then(|url| url.authority().cloned());
        // Browsers give the cookies of one port of a host to all others; services do not share a name.
        let cookie = if https { SECURE_COOKIE.to_owned() } else { format!("{COOKIE}_{}", address.port()) };
        Self { loopback: address.ip().is_loopback(), public, https, cookie, token }
    }

    /// Says whether anybody can act.
    pub(super) fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// Says whether this is the token.
    pub(super) fn is_token(&self, given: &str) -> bool {
        self.token.as_ref().is_some_and(|token| is_now(given, token))
    }

    /// Returns the token as it is now.
    fn token_now(&self) -> Option<SecretString> {
        self.token.as_ref().map(Secret::now)
    }

    /// Returns the header that has a browser keep a session.
    pub(super) fn cookie(&self, proof: &Proof) -> String {
        self.cookie_of(proof.expose(), LIFE.as_secs())
    }

    /// Returns the header that has a browser forget its session.
    pub(super) fn no_cookie(&self) -> String {
        self.cookie_of("", 0)
    }

    fn cookie_of(&self, value: &str, seconds: i64) -> String {
        let secure = if self.https { "; Secure" } else { "" };
        format!("{}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}", self.cookie)
    }

    /// Returns what the browser keeps of its session.
    fn kept<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        let pairs = headers.get_all(header::COOKIE).iter().filter_map(|header| header.to_str().ok());
        let mut pairs = pairs.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(name, _)| *name == self.cookie).map(|(_, value)| value)
    }

    /// Checks that a request came by a name of this service, and from no other site.
    fn check_name(&self, request: &Request) -> Result<Option<Authority>, Problem> {
        let host = host(request);
        self.check_origin(request.headers(), host.as_ref())?;
        let own = host.as_ref().is_some_and(|host| is_loopback(host.host()));
        let public = self.public.as_ref().is_some_and(|url| host.as_ref().is_some_and(|h| h.host() == url.host()));
        if self.loopback && !own && !public {
            return Err(Problem::new(
                StatusCode::FORBIDDEN,
                "This service does not answer to that name.",
                "Use `http://localhost` with its port, or the public URL of its settings.",
            ));
        }
        Ok(host)
    }

    /// Says whether a request comes from this machine.
    fn is_from_here(&self, headers: &HeaderMap, host: Option<&Authority>) -> bool {
        let own = host.is_some_and(|host| is_loopback(host.host()));
        let proxied = PROXY_HEADERS.iter().any(|name| headers.contains_key(*name));
        self.loopback && own && !proxied
    }

    /// Checks that a request may read.
    fn check_read(&self, request: &Request) -> Result<(), Problem> {
        let host = self.check_name(request)?;
        let headers = request.headers();
        if self.is_from_here(headers, host.as_ref()) {
            return Ok(());
        }
        let Some(token) = &self.token else {
            return Err(Problem::new(
                StatusCode::FORBIDDEN,
                "Beyond this machine reading needs a token, and none is configured.",
                "Set `api_token_file` under `[service]` in the settings.",
            ));
        };
        bearer(headers).filter(|given| is_now(given, token)).map(drop).ok_or_else(|| unproven("Reading"))
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
        bearer(request.headers()).filter(|given| is_now(given, token)).map(drop).ok_or_else(|| unproven("Acting"))
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

/// Who looks at a page.
#[derive(Debug, Clone, Default)]
pub(super) struct Visitor {
    /// The session, when somebody is signed in.
    pub(super) session: Option<Session>,
    /// What the browser keeps of it.
    pub(super) cookie: String,
    /// Where the request came from, as far as that is known.
    pub(super) address: Option<IpAddr>,
}

impl Visitor {
    fn of(site: &Site, request: &Request) -> Self {
        let cookie = site.access.kept(request.headers()).unwrap_or_default();
        site.sessions.keep_to(site.access.token_now().as_ref());
        let session = site.sessions.of(cookie, (site.commands.clock)());
        let address = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
        Self { session, cookie: cookie.to_owned(), address }
    }
}

/// Lets through who may read or is signed in, and says who it is; sends a person to sign in otherwise.
pub(super) async fn visitors(State(site): State<Site>, mut request: Request, next: Next) -> Response {
    let visitor = Visitor::of(&site, &request);
    let checked = match &visitor.session {
        Some(_) => site.access.check_name(&request).map(drop),
        None => site.access.check_read(&request),
    };
    match checked {
        Ok(()) => {
            request.extensions_mut().insert(visitor);
            next.run(request).await
        }
        Err(problem) if problem.status == StatusCode::UNAUTHORIZED && request.method() == Method::GET => {
            super::page::ask_to_sign_in(request.uri(), came_from_elsewhere(request.headers()))
        }
        Err(problem) => super::page::problem(problem),
    }
}

/// Lets through who came by a name of this service, to sign in.
pub(super) async fn strangers(State(site): State<Site>, mut request: Request, next: Next) -> Response {
    match site.access.check_name(&request) {
        Ok(_) => {
            let visitor = Visitor::of(&site, &request);
            request.extensions_mut().insert(visitor);
            next.run(request).await
        }
        Err(problem) => super::page::problem(problem),
    }
}

/// Checks that a form was sent by a page of this very session.
pub(super) fn check_form(session: &Session, given: &str) -> Result<(), Problem> {
    if session.form_token.is(given) {
        return Ok(());
    }
    let help = "Open the page again and send it from there.";
    Err(Problem::new(StatusCode::FORBIDDEN, "This form is not of your session.", help))
}

/// Says whether a person followed a link on another site: browsers keep a strict cookie back then.
fn came_from_elsewhere(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-site").is_some_and(|site| site == HeaderValue::from_static("cross-site"))
}

impl From<NotSignedIn> for Problem {
    fn from(error: NotSignedIn) -> Self {
        let (status, help) = match error {
            NotSignedIn::Nameless => (StatusCode::BAD_REQUEST, "The name stands in the record of what you do."),
            NotSignedIn::WrongToken => {
                (StatusCode::UNAUTHORIZED, "It stands in the file that `api_token_file` names in the settings.")
            }
            NotSignedIn::TooMany => (StatusCode::TOO_MANY_REQUESTS, "Wait a minute, then try again."),
            NotSignedIn::NoRandomness => (StatusCode::INTERNAL_SERVER_ERROR, "Try again."),
        };
        Self::new(status, error.to_string(), help)
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

/// Returns the token that a request brings.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Says whether this is a secret as it is now.
fn is_now(given: &str, token: &Secret) -> bool {
    secret::checked(std::slice::from_ref(token), |tokens| is_one_of(given, tokens)).is_ok()
}

/// Compares in a time that says nothing about the token, its length neither.
fn same(given: &str, token: &SecretString) -> bool {
    let digest = |text: &str| Sha256::digest(text.as_bytes());
    digest(given).ct_eq(&digest(token.expose_secret())).into()
}

/// What was given is none of the secrets.
pub(super) struct Another;

/// Checks that this is one of the secrets; each is compared, so that the answer's delay says nothing about them.
pub(super) fn is_one_of(given: &str, secrets: &[SecretString]) -> Result<(), Another> {
    let same = secrets.iter().filter(|secret| same(given, secret)).count();
    if same > 0 { Ok(()) } else { Err(Another) }
}
