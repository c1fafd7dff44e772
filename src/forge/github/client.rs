//! How requests travel to GitHub, by its SDK, and how its lists are paged.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use http::{HeaderValue, StatusCode, header};
use octocrab::Octocrab;
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::app_key::AppKey;
use crate::{
    forge::{
        ForgeError,
        calls::{self, Answer, Call, Request, Transport, parse},
    },
    secret::Secret,
};

/// Entries per page, the most that GitHub gives.
const PAGE_SIZE: usize = 100;

/// A client with one credential.
pub(super) type Client = calls::Client<Octo>;

/// GitHub's SDK with one credential.
///
/// Whoever is refused for a token or key that was replaced meanwhile says it again with the new one: what was refused
/// for that did nothing.
pub(super) enum Octo {
    /// A token, which the SDK does not know.
    Token { octocrab: Octocrab, token: Secret },
    /// The App itself.
    App(Arc<AppKey>),
    /// An installation of the App; gone once the forge gave it no token any more.
    Installation { octocrab: Octocrab, is_gone: AtomicBool },
}

impl Octo {
    pub(super) fn installation(octocrab: Octocrab) -> Self {
        Self::Installation { octocrab, is_gone: AtomicBool::new(false) }
    }

    /// Says whether this is an installation that gets no token any more, as one that was removed.
    pub(super) fn is_gone(&self) -> bool {
        matches!(self, Self::Installation { is_gone, .. } if is_gone.load(Ordering::Relaxed))
    }
}

#[async_trait]
impl Transport for Octo {
    async fn exchange(&self, request: Request) -> anyhow::Result<Answer> {
        match self {
            Self::Token { octocrab, token } => by_token(octocrab, token, &request).await,
            Self::App(key) => by_app(key, &request).await,
            Self::Installation { octocrab, is_gone } => {
                let sent = try_send(octocrab, &request, None).await?;
                // What is no answer to the request itself is one to the renewal of its token.
                is_gone.fetch_or(matches!(sent, Err(octocrab::Error::GitHub { .. })), Ordering::Relaxed);
                sent.or_else(refusal)
            }
        }
    }
}

async fn by_token(octocrab: &Octocrab, token: &Secret, request: &Request) -> anyhow::Result<Answer> {
    let mut now = token.now();
    loop {
        let answer = send(octocrab, request, Some(&now)).await?;
        match (answer.status == StatusCode::UNAUTHORIZED).then(|| token.instead_of(&now)).flatten() {
            Some(newer) => now = newer,
            None => return Ok(answer),
        }
    }
}

async fn by_app(key: &AppKey, request: &Request) -> anyhow::Result<Answer> {
    let mut speaker = key.speaker();
    loop {
        let answer = send(&speaker.octocrab, request, None).await?;
        match (answer.status == StatusCode::UNAUTHORIZED).then(|| key.instead_of(&speaker)).flatten() {
            Some(newer) => speaker = newer,
            None => return Ok(answer),
        }
    }
}

async fn send(octocrab: &Octocrab, request: &Request, token: Option<&SecretString>) -> anyhow::Result<Answer> {
    try_send(octocrab, request, token).await?.or_else(refusal)
}

/// Sends a request; an error of the SDK may hold an answer.
async fn try_send(
    octocrab: &Octocrab,
    request: &Request,
    token: Option<&SecretString>,
) -> anyhow::Result<Result<Answer, octocrab::Error>> {
    let parts = http::Request::builder().method(request.method.clone()).uri(request.path.clone());
    let mut outgoing = octocrab.build_request(parts, request.body.as_ref())?;
    if let Some(etag) = &request.if_none_match {
        outgoing.headers_mut().insert(header::IF_NONE_MATCH, etag.clone());
    }
    if let Some(token) = token {
        let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret()))?;
        value.set_sensitive(true);
        outgoing.headers_mut().insert(header::AUTHORIZATION, value);
    }
    // The SDK may have renewed the installation's token before: what the forge said to that is an answer as well.
    let response = match octocrab.execute(outgoing).await {
        Ok(response) => response,
        Err(error) => return Ok(Err(error)),
    };
    let (status, headers) = (response.status(), response.headers().clone());
    let body = octocrab.body_to_string(response).await?;
    Ok(Ok(Answer { status, headers, body }))
}

/// Returns the forge's answer inside an error of the SDK; everything else is an answer that did not come.
pub(super) fn refusal(error: octocrab::Error) -> anyhow::Result<Answer> {
    match error {
        octocrab::Error::GitHub { source, .. } => Ok(Answer {
            status: source.status_code,
            headers: source.headers.unwrap_or_default(),
            body: serde_json::json!({ "message": source.message }).to_string(),
        }),
        // What went wrong on our own way out, without the SDK's words around it.
        octocrab::Error::Service { source, .. } => Err(anyhow::anyhow!(source)),
        other => Err(other.into()),
    }
}

impl Client {
    /// Returns the installation's token as it is now: a revoked one was renewed by the last request.
    pub(super) async fn installation_token(&self) -> Option<SecretString> {
        let Octo::Installation { octocrab, .. } = &self.transport else { return None };
        timeout(self.state.limits.call, octocrab.installation_token()).await.ok()?.ok()
    }

    /// Reads pages by number until one is not full, at most `max_pages`.
    ///
    /// Pages are never followed by the `Link` header: App credentials are lost on absolute URLs
    /// (<https://github.com/XAMPPRocky/octocrab/issues/602>).
    pub(super) async fn pages<P: Page>(&self, call: &Call, max_pages: usize) -> Result<Vec<P::Entry>, ForgeError> {
        let separator = if call.path.contains('?') { '&' } else { '?' };
        let mut all = Vec::new();
        for number in 1..=max_pages {
            let path = format!("{}{separator}per_page={PAGE_SIZE}&page={number}", call.path);
            let page: P = parse(&self.read(call, &path).await?.body, &call.what)?;
            let entries = page.entries();
            let full = entries.len() >= PAGE_SIZE;
            all.extend(entries);
            if !full {
                break;
            }
        }
        Ok(all)
    }
}

/// A page of a list: a bare array, or an object around one.
pub(super) trait Page: DeserializeOwned {
    /// What it lists.
    type Entry;
    /// Returns the entries in their order.
    fn entries(self) -> Vec<Self::Entry>;
}

impl<T: DeserializeOwned> Page for Vec<T> {
    type Entry = T;
    fn entries(self) -> Vec<T> {
        self
    }
}
