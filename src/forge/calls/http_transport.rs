//! Plain HTTP with one token, to one address.

use anyhow::ensure;
use async_trait::async_trait;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use secrecy::{ExposeSecret, SecretString};

use super::{Answer, Limits, Request, Transport};

/// The largest answer that is read, bytes: the largest list that we ask for has some thousand bytes per entry.
const MAX_ANSWER: usize = 32 << 20;

/// Plain HTTP with one token, to one address.
pub(in crate::forge) struct Http {
    client: reqwest::Client,
    base: String,
}

impl Http {
    /// Returns the transport to the API at `base`, which has no slash at its end; the token goes into its header.
    ///
    /// Redirects are not followed: the token is for this address alone, and a redirected write is another one.
    pub(in crate::forge) fn new(
        base: &str,
        (name, token): (HeaderName, &SecretString),
        limits: Limits,
    ) -> anyhow::Result<Self> {
        let mut token = HeaderValue::from_str(token.expose_secret())?;
        token.set_sensitive(true);
        let accept = HeaderValue::from_static("application/json");
        let client = reqwest::Client::builder()
            .default_headers(HeaderMap::from_iter([(name, token), (header::ACCEPT, accept)]))
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
