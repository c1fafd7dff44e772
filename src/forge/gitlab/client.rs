//! A client of GitLab, how requests are described, and how its lists are paged.
//!
//! What can be asked is described by the endpoints of GitLab's SDK. The SDK's own clients are not used: they speak to
//! the server when they are made, wait for ever, hide an answer's headers, and repeat nothing that we could decide on.

use std::collections::BTreeMap;

use async_trait::async_trait;
use gitlab::api::Endpoint;
use http::{HeaderName, Method};
use serde::de::DeserializeOwned;
use url::{Url, form_urlencoded};

use crate::forge::{
    ForgeError,
    calls::{self, Answer, Call, Http, Importance, Request, Transport, parse},
};

/// Entries per page, the most that GitLab gives.
pub(super) const PAGE_SIZE: usize = 100;
/// The header of personal, project and group access tokens alike.
pub(super) const TOKEN_HEADER: HeaderName = HeaderName::from_static("private-token");

/// A client with one token.
pub(super) type Client = calls::Client<Api>;

/// The way to the API, a type of its own because every forge pages its lists otherwise.
pub(super) struct Api(pub(super) Http);

#[async_trait]
impl Transport for Api {
    async fn exchange(&self, request: Request) -> anyhow::Result<Answer> {
        self.0.exchange(request).await
    }
}

/// One write: what is sent where.
#[derive(Debug)]
pub(super) struct Write {
    pub(super) call: Call,
    method: Method,
    fields: BTreeMap<String, String>,
}

impl Write {
    /// Returns the write with another importance.
    pub(super) fn of(self, importance: Importance) -> Self {
        Self { call: self.call.of(importance), ..self }
    }
}

/// Returns the read that an endpoint describes.
pub(super) fn reading<E: Endpoint, B: std::error::Error + Send + Sync + 'static>(
    endpoint: Result<E, B>,
    route: &'static str,
    what: String,
) -> Result<Call, ForgeError> {
    let endpoint = endpoint.map_err(|error| undescribed(&what, error))?;
    Ok(Call::new(route, path(&endpoint), what))
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
    Ok(Write { call: Call::new(route, path(&endpoint), what), method: endpoint.method(), fields })
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

    /// Makes what would be there twice if it were made twice; returns what the answer tells of it.
    pub(super) async fn make<B: DeserializeOwned>(&self, write: &Write) -> Result<B, ForgeError> {
        self.create(&write.call, &write.fields).await
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
