//! Plain HTTP with one token, to one address.

use async_trait::async_trait;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use secrecy::{ExposeSecret, SecretString};

use super::{Answer, Outgoing, Request, Transport};

/// Plain HTTP with one token, to one address.
pub(in crate::forge) struct Http {
    outgoing: Outgoing,
    base: String,
    headers: HeaderMap,
}

impl Http {
    /// Returns the transport to the API at `base`, which has no slash at its end; the token goes into its header.
    pub(in crate::forge) fn new(
        base: &str,
        (name, token): (HeaderName, &SecretString),
        outgoing: Outgoing,
    ) -> anyhow::Result<Self> {
        let mut token = HeaderValue::from_str(token.expose_secret())?;
        token.set_sensitive(true);
        let accept = HeaderValue::from_static("application/json");
        let headers = HeaderMap::from_iter([(name, token), (header::ACCEPT, accept)]);
        Ok(Self { outgoing, base: base.to_owned(), headers })
    }
}

#[async_trait]
impl Transport for Http {
    async fn exchange(&self, request: Request) -> anyhow::Result<Answer> {
        let mut outgoing = http::Request::new(match &request.body {
            Some(body) => serde_json::to_vec(body)?,
            None => Vec::new(),
        });
        *outgoing.method_mut() = request.method;
        *outgoing.uri_mut() = format!("{}{}", self.base, request.path).parse()?;
        *outgoing.headers_mut() = self.headers.clone();
        if let Some(etag) = request.if_none_match {
            outgoing.headers_mut().insert(header::IF_NONE_MATCH, etag);
        }
        if request.body.is_some() {
            outgoing.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let (status, headers, body) = self.outgoing.exchange(outgoing).await?;
        Ok(Answer { status, headers, body: String::from_utf8_lossy(&body).into_owned() })
    }
}
