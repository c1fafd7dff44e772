//! Gets things from hosts that may be asked, bounded in size and time, with credentials for one host only.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::{HeaderMap, StatusCode, header};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::{
    ChartCredentials, ChartError, ChartLimits, Hosts, Pinned,
    cache::digest,
    hosts::{Reach, permitted, shown},
    oci, repository,
};
use crate::{
    domain::chart::{ChartOrigin, WantedChart},
    network::{self, Network, TRUST},
    secret::Secret,
};

/// How often an answer may name another address.
const REDIRECTS: usize = 5;
/// How long a connection may take.
const CONNECT: std::time::Duration = std::time::Duration::from_secs(10);

/// Gets charts, and what is said about them.
#[derive(Debug)]
pub struct Downloads {
    network: Network,
    hosts: Hosts,
    credentials: BTreeMap<String, ChartCredentials>,
    /// What is taken, and for how long it is waited.
    pub(super) limits: ChartLimits,
}

/// One thing to get.
pub(super) struct Request<'a> {
    pub(super) url: Url,
    /// What it is, for people.
    pub(super) what: &'a str,
    pub(super) accept: Option<&'static str>,
    /// Sent to the host of `url`, and nowhere else.
    pub(super) authorization: Option<SecretString>,
    pub(super) most_bytes: u64,
}

/// What a host said.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Downloads {
    /// Makes it.
    pub fn new(network: Network, hosts: Hosts, credentials: Vec<ChartCredentials>, limits: ChartLimits) -> Self {
        let credentials = credentials.into_iter().map(|one| (one.host.to_lowercase(), one)).collect();
        Self { network, hosts, credentials, limits }
    }

    /// Returns the archive that is pinned for a chart.
    ///
    /// # Errors
    /// When it cannot be had, or is another one than was pinned.
    pub(super) async fn archive(&self, wanted: &WantedChart, pinned: &Pinned) -> Result<Vec<u8>, ChartError> {
        let archive = match &wanted.origin {
            ChartOrigin::Oci { host, path } => oci::Registry::new(self, host, path)?.blob(&pinned.sha256).await?,
            ChartOrigin::Repository { url, .. } => {
                repository::archive(self, url, &pinned.url, &wanted.to_string()).await?
            }
        };
        let found = digest(&archive);
        if found == pinned.sha256 {
            return Ok(archive);
        }
        Err(ChartError::wrong(format!(
            "the archive of `{}` {} is not the one that `{}` pins: its digest is {found} and not {}. Find out why it \
             was changed; `hydromote lock --update` takes what is there now",
            wanted.origin.name(),
            pinned.version,
            super::FILE,
            pinned.sha256
        )))
    }

    /// Returns what is known of a host.
    pub(super) fn credentials_of(&self, url: &Url) -> Option<&ChartCredentials> {
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        self.credentials.get(&format!("{}{port}", url.host_str()?))
    }

    /// Returns the address of a registry's API, or of a path of it.
    pub(super) fn base_of(&self, host: &str) -> Result<Url, ChartError> {
        let with = |scheme: &str| Url::parse(&format!("{scheme}://{host}/")).ok();
        // Whoever allowed it said whether it has TLS.
        let plain = with("http").filter(|url| self.hosts.check(url).is_ok());
        plain.or_else(|| with("https")).ok_or_else(|| ChartError::author(format!("`{host}` is no host")))
    }

    /// Gets one thing. Redirects are followed; what is asked elsewhere is asked without credentials.
    pub(super) async fn get(&self, request: Request<'_>) -> Result<Answer, ChartError> {
        let limit = self.limits.timeout;
        let (what, host) = (request.what.to_owned(), shown(&request.url));
        match tokio::time::timeout(limit, self.follow(request)).await {
            Ok(answer) => answer,
            Err(_) => Err(ChartError::operator(format!("getting {what} from `{host}` took more than {limit:?}"))),
        }
    }

    async fn follow(&self, request: Request<'_>) -> Result<Answer, ChartError> {
        let Request { mut url, what, accept, mut authorization, most_bytes } = request;
        for _ in 0..=REDIRECTS {
            let reach = self.hosts.check(&url)?;
            let mut call = self.client(&url, reach)?.get(url.clone());
            if let Some(accept) = accept {
                call = call.header(header::ACCEPT, accept);
            }
            if let Some(value) = &authorization {
                let value = http::HeaderValue::from_str(value.expose_secret());
                let mut value =
                    value.map_err(|_| ChartError::operator("the credentials cannot be sent in a header"))?;
                value.set_sensitive(true);
                call = call.header(header::AUTHORIZATION, value);
            }
            let response = call.send().await.map_err(|error| self.explained(&url, what, error))?;
            let Some(next) = redirection(&url, &response) else {
                return self.read(&url, what, response, most_bytes).await;
            };
            let next = next.ok_or_else(|| {
                ChartError::wrong(format!("`{}` sends to an address for {what} that is none", shown(&url)))
            })?;
            if next.origin() != url.origin() {
                authorization = None;
            }
            if url.scheme() == "https" && next.scheme() != "https" {
                let (from, to) = (shown(&url), shown(&next));
                return Err(ChartError::wrong(format!("`{from}` sends to `{to}` for {what}, which has no TLS")));
            }
            self.hosts.check(&next).map_err(|error| ChartError {
                message: format!("`{}` sends to another host for {what}, and {}", shown(&url), error.message),
                ..error
            })?;
            url = next;
        }
        Err(ChartError::wrong(format!("`{}` sends in circles for {what}", shown(&url))))
    }

    async fn read(
        &self,
        url: &Url,
        what: &str,
        mut response: reqwest::Response,
        most_bytes: u64,
    ) -> Result<Answer, ChartError> {
        let too_large = || {
            let host = shown(url);
            ChartError::wrong(format!(
                "{what} at `{host}` is larger than {}, the most that is taken",
                sized(most_bytes)
            ))
        };
        let (status, headers) = (response.status(), response.headers().clone());
        if response.content_length().is_some_and(|length| length > most_bytes) {
            return Err(too_large());
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.explained(url, what, error))? {
            body.extend_from_slice(&chunk);
            if body.len() as u64 > most_bytes {
                return Err(too_large());
            }
        }
        Ok(Answer { status, headers, body })
    }

    fn client(&self, url: &Url, reach: Reach) -> Result<reqwest::Client, ChartError> {
        let failed = |error: reqwest::Error| ChartError::operator(format!("nothing can be fetched: {error}"));
        let mut client = reqwest::Client::builder()
            .user_agent("hydromote")
            .connect_timeout(CONNECT)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy();
        match self.network.proxy_of(url) {
            // What the name stands for is then known to the proxy alone.
            Some(proxy) => {
                let mut through = reqwest::Proxy::all(proxy.address.as_str()).map_err(failed)?;
                if let Some((user, password)) =
                    proxy.credentials.as_ref().map(Secret::now).as_ref().and_then(network::pair)
                {
                    through = through.basic_auth(user, password);
                }
                client = client.proxy(through);
            }
            None => client = client.dns_resolver(Arc::new(Guarded { reach })),
        }
        if let Some(roots) = &self.network.roots {
            client = client.tls_certs_merge(reqwest::Certificate::from_pem_bundle(&roots.pem).map_err(failed)?);
        }
        client.build().map_err(failed)
    }

    /// Says what is to be done about an error, without what the other side said.
    fn explained(&self, url: &Url, what: &str, error: reqwest::Error) -> ChartError {
        let host = shown(url);
        if let Some(refusal) = network::certificate_error(&error) {
            return ChartError::operator(format!("the certificate of `{host}` is not trusted: {TRUST} ({refusal})"));
        }
        if let Some(refused) = refused_address(&error) {
            return ChartError::operator(format!("{what} is not fetched from `{host}`: {refused}"));
        }
        let through = match self.network.proxy_of(url) {
            Some(proxy) if error.is_connect() => {
                format!(" through the proxy `{}`", proxy.address.as_str().trim_end_matches('/'))
            }
            _ => String::new(),
        };
        let why = if error.is_connect() { "it cannot be reached" } else { "the connection broke" };
        ChartError::operator(format!("could not get {what} from `{host}`{through}: {why}"))
    }
}

/// Returns the credentials of a host as a header's value.
pub(super) fn basic(credentials: &ChartCredentials) -> SecretString {
    let pair = format!("{}:{}", credentials.username, credentials.password.now().expose_secret());
    format!("Basic {}", BASE64_STANDARD.encode(pair)).into()
}

/// Fails when an answer is not what was asked for.
pub(super) fn expect_success(answer: &Answer, what: &str, host: &str) -> Result<(), ChartError> {
    let status = answer.status.as_u16();
    match answer.status {
        status if status.is_success() => Ok(()),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(ChartError::operator(format!(
            "`{host}` refuses {what} ({status}): it is not there, or needs other credentials than there are for `{host}`"
        ))),
        StatusCode::NOT_FOUND | StatusCode::GONE => {
            Err(ChartError::author(format!("`{host}` does not have {what} ({status})")))
        }
        _ => Err(ChartError::operator(format!("`{host}` does not answer with {what} but with the status {status}"))),
    }
}

/// Returns where an answer sends to, if it does; nothing for an address that is none.
fn redirection(url: &Url, response: &reqwest::Response) -> Option<Option<Url>> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = response.headers().get(header::LOCATION)?.to_str().ok();
    let next = location.and_then(|location| url.join(location).ok());
    // Credentials in an address are none of ours.
    let next = next.filter(|next| matches!(next.scheme(), "http" | "https"));
    Some(next.filter(|next| next.username().is_empty() && next.password().is_none()))
}

/// Says how much that is.
pub(super) fn sized(bytes: u64) -> String {
    match bytes >> 20 {
        0 => format!("{bytes} bytes"),
        mib => format!("{mib} MiB"),
    }
}

/// Resolves names to addresses that may be connected to.
struct Guarded {
    reach: Reach,
}

/// No address of a name may be connected to.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct RefusedAddress(&'static str);

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = self.reach;
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let addresses = permitted(found, reach).map_err(RefusedAddress)?;
            let addresses: Addrs = Box::new(addresses.into_iter());
            Ok(addresses)
        })
    }
}

/// Finds the refusal of an address among the causes of an error.
fn refused_address<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a RefusedAddress> {
    std::iter::successors(Some(error), |error| error.source()).find_map(|error| error.downcast_ref())
}
