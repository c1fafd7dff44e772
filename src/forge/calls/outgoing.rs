//! The one way out to a forge's API, whatever describes the requests: with time limits, to one address, and bounded.
//!
//! - No redirect is followed: credentials are for one address, and a repeated write is another one.
//! - An answer is read in parts, up to a limit.
//! - Errors hold no address with its query, and no header. One about a certificate says what to do.

use std::error::Error;

use anyhow::{anyhow, ensure};
use http::{HeaderMap, StatusCode};
use secrecy::ExposeSecret;
use url::Url;

use super::Limits;
use crate::network::{Network, TRUST};

/// The largest answer that is read, bytes: the largest list that we ask for has some thousand bytes per entry.
const MAX_ANSWER: usize = 32 << 20;

/// Sends requests to one forge.
#[derive(Debug, Clone)]
pub(in crate::forge) struct Outgoing {
    client: reqwest::Client,
    host: String,
    /// The proxy in between, for errors.
    proxy: Option<String>,
}

impl Outgoing {
    /// Returns the way to the API at `address`.
    pub(in crate::forge) fn new(address: &str, limits: Limits, network: &Network) -> anyhow::Result<Self> {
        let address = Url::parse(address)?;
        let mut client = reqwest::Client::builder()
            .user_agent("hydromote")
            .connect_timeout(limits.connect)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy();
        let proxy = network.proxy_of(&address);
        if let Some(proxy) = proxy {
            let mut through = reqwest::Proxy::all(proxy.address.as_str())?;
            if let Some((user, password)) = &proxy.credentials {
                through = through.basic_auth(user, password.expose_secret());
            }
            client = client.proxy(through);
        }
        if let Some(roots) = &network.roots {
            client = client.tls_certs_merge(reqwest::Certificate::from_pem_bundle(&roots.pem)?);
        }
        Ok(Self {
            client: client.build()?,
            host: address.host_str().unwrap_or_default().to_owned(),
            proxy: proxy.map(|proxy| proxy.address.as_str().trim_end_matches('/').to_owned()),
        })
    }

    /// Sends one request, and reads its answer to the end.
    pub(in crate::forge) async fn exchange<B: Into<reqwest::Body>>(
        &self,
        request: http::Request<B>,
    ) -> anyhow::Result<(StatusCode, HeaderMap, Vec<u8>)> {
        let request = reqwest::Request::try_from(request)?;
        let mut response = self.client.execute(request).await.map_err(|error| self.explained(error.without_url()))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(reqwest::Error::without_url)? {
            ensure!(body.len() + chunk.len() <= MAX_ANSWER, "the answer is larger than {} MiB", MAX_ANSWER >> 20);
            body.extend_from_slice(&chunk);
        }
        Ok((status, headers, body))
    }

    /// Says what to do about an error, where that can be known.
    fn explained(&self, error: reqwest::Error) -> anyhow::Error {
        let host = &self.host;
        if let Some(refusal) = certificate_error(&error) {
            return anyhow!("the certificate of `{host}` is not trusted: {TRUST} ({refusal})");
        }
        match &self.proxy {
            Some(proxy) if error.is_connect() => {
                anyhow::Error::new(error).context(format!("could not reach `{host}` through the proxy `{proxy}`"))
            }
            _ => error.into(),
        }
    }
}

/// Finds what TLS says about a certificate among the causes of an error.
fn certificate_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::CertificateError> {
    let mut next = Some(error);
    while let Some(error) = next {
        // What an I/O error wraps is none of its sources.
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        let tls = error.downcast_ref().or_else(|| inner?.downcast_ref::<rustls::Error>());
        if let Some(rustls::Error::InvalidCertificate(refusal)) = tls {
            return Some(refusal);
        }
        next = match inner {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}
