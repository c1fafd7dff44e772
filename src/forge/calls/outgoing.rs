//! The one way out to a forge's API, whatever describes the requests: with time limits, to one address, and bounded.
//!
//! - No redirect is followed: credentials are for one address, and a repeated write is another one.
//! - An answer is read in parts, up to a limit.
//! - Errors hold no address with its query, and no header.

use anyhow::ensure;
use http::{HeaderMap, StatusCode};

use super::Limits;

/// The largest answer that is read, bytes: the largest list that we ask for has some thousand bytes per entry.
const MAX_ANSWER: usize = 32 << 20;

/// Sends requests to one forge.
#[derive(Debug, Clone)]
pub(in crate::forge) struct Outgoing {
    client: reqwest::Client,
}

impl Outgoing {
    pub(in crate::forge) fn new(limits: Limits) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder()
            .user_agent("hydromote")
            .connect_timeout(limits.connect)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()?;
        Ok(Self { client })
    }

    /// Sends one request, and reads its answer to the end.
    pub(in crate::forge) async fn exchange<B: Into<reqwest::Body>>(
        &self,
        request: http::Request<B>,
    ) -> anyhow::Result<(StatusCode, HeaderMap, Vec<u8>)> {
        let request = reqwest::Request::try_from(request)?;
        let mut response = self.client.execute(request).await.map_err(reqwest::Error::without_url)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(reqwest::Error::without_url)? {
            ensure!(body.len() + chunk.len() <= MAX_ANSWER, "the answer is larger than {} MiB", MAX_ANSWER >> 20);
            body.extend_from_slice(&chunk);
        }
        Ok((status, headers, body))
    }
}
