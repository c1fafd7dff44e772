//! How requests travel to GitLab, how they are described, and how its lists are paged.
//!
//! What can be asked is described by the endpoints of GitLab's SDK. The SDK's own clients are not used: they speak to
//! the server when they are made, wait for ever, hide an answer's headers, and repeat nothing that we could decide on.

use std::collections::BTreeMap;

use anyhow::ensure;
use async_trait::async_trait;
use gitlab::api::Endpoint;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use url::{Url, form_urlencoded};

use crate::forge::{
    ForgeError,
    calls::{self, Answer, Call, Limits, Request, Transport, parse},
};

/// Entries per page, the most that GitLab gives.
pub(super) const PAGE_SIZE: usize = 100;
/// The largest answer that is read, bytes.
const MAX_ANSWER: usize = 32 << 20;
/// The header of personal, project and group access tokens alike.
const TOKEN_HEADER: HeaderName = HeaderName::from_static("private-token");

/// A client with one token.
pub(super) type Client = calls::Client<Http>;

/// Plain HTTP with one token, to one address.
pub(super) struct Http {
    client: reqwest::Client,
    base: String,
}

impl Http {
    /// Returns the transport to the API at `base`, which has no slash at its end.
    ///
    /// Redirects are not followed: the token is for this address alone, and a redirected write is another one.
    pub(super) fn new(base: &str, token: &SecretString, limits: Limits) -> anyhow::Result<Self> {
        let mut token = HeaderValue::from_str(token.expose_secret())?;
        token.set_sensitive(true);
        let accept = HeaderValue::from_static("application/json");
        let client = reqwest::Client::builder()
            .default_headers(HeaderMap::from_iter([(TOKEN_HEADER, token), (header::ACCEPT, accept)]))
            .user_agent("hydromote")
            .connect_timeout(limits.connect)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()?;
        Ok(Self { client, base: base.to_owned() })
    }
}

#[async_trait]
impl Transport for Http {
    async fn exchange(&self, request: Request) -> anyhow::Result<Answer> {
        let mut outgoing = self.client.request(request.method, format!("{}{}", self.base, request.path));
        if let Some(etag) = request.if_none_match {
            outgoing = outgoing.header(header::IF_NONE_MATCH, etag);
        }
        if let Some(body) = &request.body {
            outgoing = outgoing.json(body);
        }
        let mut response = outgoing.send().await.map_err(reqwest::Error::without_url)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(reqwest::Error::without_url)? {
            ensure!(body.len() + chunk.len() <= MAX_ANSWER, "the answer is larger than {} MiB", MAX_ANSWER >> 20);
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status, headers, body: String::from_utf8_lossy(&body).into_owned() })
    }
}

/// One write: what is sent where.
#[derive(Debug)]
pub(super) struct Write {
    pub(super) call: Call,
    method: Method,
    fields: BTreeMap<String, String>,
}

/// Returns the read that an endpoint describes.
pub(super) fn reading<E: Endpoint, B: std::error::Error + Send + Sync + 'static>(
    endpoint: Result<E, B>,
    route: &'static str,
    what: String,
) -> Result<Call, ForgeError> {
    let endpoint = endpoint.map_err(|error| undescribed(&what, error))?;
    Ok(Call { route, path: path(&endpoint), what })
}

/// Returns the write that an endpoint describes.
///
/// The SDK writes forms. They are sent as JSON objects of texts, which GitLab reads the same way.
pub(super) fn writing<E: Endpoint, B: std::error::Error + Send + Sync + 'static>(
    endpoint: Result<E, B>,
    route: &'static str,
    what: String,
) -> Result<Write, ForgeError> {
    let endpoint = endpoint.map_err(|error| undescribed(&what, error))?;
    let form = endpoint.body().map_err(|error| undescribed(&what, error))?;
    let form = form.map(|(_, bytes)| bytes).unwrap_or_default();
    let fields = form_urlencoded::parse(&form).into_owned().collect();
    Ok(Write { call: Call { route, path: path(&endpoint), what }, method: endpoint.method(), fields })
}

/// Returns path and query of an endpoint, below the API's address.
fn path(endpoint: &impl Endpoint) -> String {
    let mut url = Url::parse("http://forge").expect("because the constant is a URL");
    endpoint.parameters().add_to_url(&mut url);
    match url.query().filter(|query| !query.is_empty()) {
        Some(query) => format!("/{}?{query}", endpoint.endpoint()),
        None => format!("/{}", endpoint.endpoint()),
    }
}

fn undescribed(what: &str, error: impl std::error::Error + Send + Sync + 'static) -> ForgeError {
    ForgeError::Refused { what: what.to_owned(), words: error.to_string() }
}

impl Client {
    /// Sends a write, once; returns the body of the answer.
    pub(super) async fn perform(&self, write: &Write) -> Result<String, ForgeError> {
        self.write(write.method.clone(), &write.call, &write.fields).await
    }

    /// Reads one page of a list; the first is 1.
    pub(super) async fn page<T: DeserializeOwned>(&self, call: &Call, number: usize) -> Result<Page<T>, ForgeError> {
        let separator = if call.path.contains('?') { '&' } else { '?' };
        let path = format!("{}{separator}per_page={PAGE_SIZE}&page={number}", call.path);
        let answer = self.read(call, &path).await?;
        let entries: Vec<T> = parse(&answer.body, &call.what)?;
        // GitLab may leave entries out of a page that the token may not see: a page that is not full is not the last.
        let next = answer.headers.get("x-next-page").and_then(|next| next.to_str().ok());
        let is_last = next.map_or(entries.len() < PAGE_SIZE, str::is_empty);
        Ok(Page { entries, is_last })
    }

    /// Reads the pages of a list, at most `max_pages`.
    pub(super) async fn pages<T: DeserializeOwned>(&self, call: &Call, max_pages: usize) -> Result<Vec<T>, ForgeError> {
        let mut all = Vec::new();
        for number in 1..=max_pages {
            let page = self.page(call, number).await?;
            all.extend(page.entries);
            if page.is_last {
                break;
            }
        }
        Ok(all)
    }
}

/// One page of a list.
pub(super) struct Page<T> {
    pub(super) entries: Vec<T>,
    pub(super) is_last: bool,
}
