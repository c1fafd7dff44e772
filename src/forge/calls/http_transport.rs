//! Plain HTTP with one token, to one address.

use async_trait::async_trait;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use secrecy::{ExposeSecret, SecretString};

use super::{Answer, Outgoing, Request, Transport};
use crate::secret::Secret;

/// Plain HTTP with one token, to one address.
pub(in crate::forge) struct Http {
    outgoing: Outgoing,
    base: String,
    token: TokenHeader,
}

/// How a forge is sent a token.
pub(in crate::forge) struct TokenHeader {
    /// The header.
    pub(in crate::forge) name: HeaderName,
    /// What stands before the token in it.
    pub(in crate::forge) prefix: &'static str,
    /// The token.
    pub(in crate::forge) token: Secret,
}

impl TokenHeader {
    fn value(&self, token: &SecretString) -> anyhow::Result<HeaderValue> {
        let mut value = HeaderValue::from_str(&format!("{}{}", self.prefix, token.expose_secret()))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

impl Http {
    /// Returns the transport to the API at `base`, which has no slash at its end.
    pub(in crate::forge) fn new(base: &str, token: TokenHeader, outgoing: Outgoing) -> anyhow::Result<Self> {
        token.value(&token.token.now())?;
        Ok(Self { outgoing, base: base.to_owned(), token })
    }

    async fn send(&self, request: &Request, token: &SecretString) -> anyhow::Result<Answer> {
        let has_body = request.body.is_some();
        let body = request.body.as_ref().map(serde_json::to_vec).transpose()?.unwrap_or_default();
        let mut outgoing = http::Request::new(body);
        *outgoing.method_mut() = Method::clone(&request.method);
        *outgoing.uri_mut() = format!("{}{}", self.base, request.path).parse()?;
        let headers = outgoing.headers_mut();
        headers.insert(self.token.name.clone(), self.token.value(token)?);
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(etag) = &request.if_none_match {
            headers.insert(header::IF_NONE_MATCH, etag.clone());
        }
        if has_body {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let (status, headers, body) = self.outgoing.exchange(outgoing).await?;
        Ok(Answer { status, headers, body: String::from_utf8_lossy(&body).into_owned() })
    }
}

#[async_trait]
impl Transport for Http {
    async fn exchange(&self, request: Request) -> anyhow::Result<Answer> {
        let mut token = self.token.token.now();
        loop {
            let answer = self.send(&request, &token).await?;
            // What was refused for its token did nothing. Without another token by now that is the answer.
            match (answer.status == StatusCode::UNAUTHORIZED).then(|| self.token.token.instead_of(&token)).flatten() {
                Some(newer) => token = newer,
                None => return Ok(answer),
            }
        }
    }
}
