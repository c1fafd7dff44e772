//! The one way out over HTTP, to the API of a forge and to git's: with a time limit, to one address, and bounded.
//!
//! - No redirect is followed: credentials are for one address, and a repeated write is another one.
//! - An answer is read in parts, up to a limit.
//! - Errors hold no address with its query, and no header. One about a certificate says what to do.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{anyhow, ensure};
use http::{HeaderMap, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::{Network, Proxy, TRUST, certificate_error, pair};
use crate::secret::Secret;

/// The largest answer that is read, bytes: the largest list that we ask for has some thousand bytes per entry.
const MAX_ANSWER: usize = 32 << 20;

/// Sends requests to one forge. Cloning is cheap.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    connect: Duration,
    network: Network,
    host: String,
    proxy: Option<Proxy>,
    current: Arc<Mutex<Connected>>,
}

/// The client, and the credentials of the proxy that it was made with.
#[derive(Debug, Clone)]
struct Connected {
    client: reqwest::Client,
    credentials: Option<SecretString>,
}

impl Outgoing {
    /// Returns the way to what is at `address`; a connection may take as long as `connect`.
    pub(crate) fn new(address: &str, connect: Duration, network: &Network) -> anyhow::Result<Self> {
        let address = Url::parse(address)?;
        let proxy = network.proxy_of(&address).cloned();
        let credentials = credentials_now(proxy.as_ref());
        let client = client(connect, network, proxy.as_ref(), credentials.as_ref())?;
        Ok(Self {
            connect,
            network: network.clone(),
            host: address.host_str().unwrap_or_default().to_owned(),
            proxy,
            current: Arc::new(Mutex::new(Connected { client, credentials })),
        })
    }

    /// Returns the client; another one when the credentials of the proxy were replaced.
    fn client(&self) -> anyhow::Result<reqwest::Client> {
        let credentials = credentials_now(self.proxy.as_ref());
        let text =
            |credentials: &Option<SecretString>| credentials.as_ref().map(|text| text.expose_secret().to_owned());
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if text(&current.credentials) != text(&credentials) {
            let client = client(self.connect, &self.network, self.proxy.as_ref(), credentials.as_ref())?;
            *current = Connected { client, credentials };
        }
        Ok(current.client.clone())
    }

    /// Sends one request, and reads its answer to the end.
    pub(crate) async fn exchange<B: Into<reqwest::Body>>(
        &self,
        request: http::Request<B>,
    ) -> anyhow::Result<(StatusCode, HeaderMap, Vec<u8>)> {
        let request = reqwest::Request::try_from(request)?;
        let mut response =
            self.client()?.execute(request).await.map_err(|error| self.explained(error.without_url()))?;
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
                let proxy = proxy.address.as_str().trim_end_matches('/');
                anyhow::Error::new(error).context(format!("could not reach `{host}` through the proxy `{proxy}`"))
            }
            _ => error.into(),
        }
    }
}

fn credentials_now(proxy: Option<&Proxy>) -> Option<SecretString> {
    proxy?.credentials.as_ref().map(Secret::now)
}

fn client(
    connect: Duration,
    network: &Network,
    proxy: Option<&Proxy>,
    credentials: Option<&SecretString>,
) -> anyhow::Result<reqwest::Client> {
    let mut client = reqwest::Client::builder()
        .user_agent("hydromote")
        .connect_timeout(connect)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy();
    if let Some(proxy) = proxy {
        let mut through = reqwest::Proxy::all(proxy.address.as_str())?;
        if let Some((user, password)) = credentials.and_then(pair) {
            through = through.basic_auth(user, password);
        }
        client = client.proxy(through);
    }
    if let Some(roots) = &network.roots {
        client = client.tls_certs_merge(reqwest::Certificate::from_pem_bundle(&roots.pem)?);
    }
    Ok(client.build()?)
}
