//! How requests travel to GitHub, by its SDK, and how its lists are paged.

use async_trait::async_trait;
use http::header;
use octocrab::Octocrab;
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::forge::{
    ForgeError,
    calls::{self, Answer, Call, Request, Transport, parse},
};

/// Entries per page, the most that GitHub gives.
const PAGE_SIZE: usize = 100;

/// A client with one credential.
pub(super) type Client = calls::Client<Octo>;

/// GitHub's SDK with one credential.
pub(super) struct Octo(pub(super) Octocrab);

#[async_trait]
impl Transport for Octo {
    async fn exchange(&self, request: Request) -> anyhow::Result<Answer> {
        let parts = http::Request::builder().method(request.method).uri(request.path);
        let mut outgoing = self.0.build_request(parts, request.body.as_ref())?;
        if let Some(etag) = request.if_none_match {
            outgoing.headers_mut().insert(header::IF_NONE_MATCH, etag);
        }
        // The SDK may have renewed the installation's token before: what the forge said to that is an answer as well.
        let response = match self.0.execute(outgoing).await {
            Ok(response) => response,
            Err(error) => return refusal(error),
        };
        let (status, headers) = (response.status(), response.headers().clone());
        let body = self.0.body_to_string(response).await?;
        Ok(Answer { status, headers, body })
    }
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
        timeout(self.state.limits.call, self.transport.0.installation_token()).await.ok()?.ok()
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
