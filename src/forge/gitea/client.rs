//! How requests travel to Gitea, and how its lists are paged.

use anyhow::ensure;
use async_trait::async_trait;
use http::{HeaderMap, HeaderValue, header};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;

use crate::forge::{
    ForgeError,
    calls::{self, Answer, Call, Limits, Request, Transport, parse},
};

/// Entries asked for per page, the most that a server gives unless its `[api] MAX_RESPONSE_ITEMS` says more.
const PAGE_SIZE: usize = 50;
/// The largest answer that is read, bytes: the largest list that we ask for has a few hundred bytes per entry.
const MAX_ANSWER: usize = 32 << 20;

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
        let mut authorization = HeaderValue::from_str(&format!("token {}", token.expose_secret()))?;
        authorization.set_sensitive(true);
        let accept = HeaderValue::from_static("application/json");
        let headers = HeaderMap::from_iter([(header::AUTHORIZATION, authorization), (header::ACCEPT, accept)]);
        let client = reqwest::Client::builder()
            .default_headers(headers)
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

/// One page of a list.
pub(super) struct Page<T> {
    pub(super) entries: Vec<T>,
    /// How many entries there are on all pages, where the forge says it.
    pub(super) total: Option<usize>,
}

impl Client {
    /// Reads one page of a list; the first is 1.
    pub(super) async fn page<T: DeserializeOwned>(&self, call: &Call, number: usize) -> Result<Page<T>, ForgeError> {
        let separator = if call.path.contains('?') { '&' } else { '?' };
        let path = format!("{}{separator}limit={PAGE_SIZE}&page={number}", call.path);
        let answer = self.read(call, &path).await?;
        let total = answer.headers.get("x-total-count").and_then(|total| total.to_str().ok()?.parse().ok());
        // An empty list may be `null`.
        let entries: Option<Vec<T>> = parse(&answer.body, &call.what)?;
        Ok(Page { entries: entries.unwrap_or_default(), total })
    }

    /// Reads the pages of a list until `enough` says so of all entries so far, or there are no more.
    ///
    /// A page that is not full is not the last one: a server may give fewer entries than it is asked for.
    pub(super) async fn pages<T: DeserializeOwned>(
        &self,
        call: &Call,
        enough: impl Fn(&[T]) -> bool,
    ) -> Result<Vec<T>, ForgeError> {
        let mut all = Vec::new();
        for number in 1.. {
            let page = self.page(call, number).await?;
            let is_empty = page.entries.is_empty();
            all.extend(page.entries);
            if is_empty || page.total.is_some_and(|total| all.len() >= total) || enough(&all) {
                break;
            }
        }
        Ok(all)
    }
}
