//! How the world outside is reached: through which proxy, and whose certificates are trusted besides the machine's own.
//!
//! One setting for everything that goes out: git, and the APIs of forges. The environment's `HTTPS_PROXY` and its kin
//! are never read. Credentials of the proxy reach no log, no error and no list of arguments.

mod outgoing;

use std::{
    collections::HashMap,
    fmt,
    net::IpAddr,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

pub(crate) use self::outgoing::Outgoing;
use crate::secret::Secret;

/// What to do about a certificate that is not trusted.
pub const TRUST: &str = "if it is right, name a file with its issuer's root certificate as `ca_bundle` of `[network]`";

/// How the world outside is reached; straight, and with the machine's own root certificates, by default.
#[derive(Debug, Clone, Default)]
pub struct Network {
    /// What is between.
    pub proxy: Option<Arc<Proxy>>,
    /// Further root certificates.
    pub roots: Option<Arc<Roots>>,
    ways: Ways,
}

/// The ways out that were made, by the place that they lead to; clones share them.
#[derive(Debug, Clone, Default)]
struct Ways(Arc<Mutex<HashMap<String, Outgoing>>>);

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);

/// A proxy, and what is reached without it.
#[derive(Clone)]
pub struct Proxy {
    /// Its address, without credentials.
    pub address: Url,
    /// A user's name and password, with a colon between them.
    pub credentials: Option<Secret>,
    /// What is reached without it.
    pub exceptions: Vec<Exception>,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("address", &self.address.as_str())
            .field("has_credentials", &self.credentials.is_some())
            .field("exceptions", &self.exceptions)
            .finish()
    }
}

/// Root certificates that are trusted besides the machine's own.
#[derive(Clone)]
pub struct Roots {
    /// Them alone, PEM.
    pub pem: Vec<u8>,
    /// A file with them and the machine's own, PEM, for programs that take one in place of the machine's.
    pub with_the_machines: PathBuf,
}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Roots").field("with_the_machines", &self.with_the_machines).finish_non_exhaustive()
    }
}

/// What is reached without the proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exception {
    /// Everything.
    Everything,
    /// A name and all below it, on one port or any.
    Name {
        /// The name, in lower case, without a dot at its beginning.
        name: String,
        /// The port.
        port: Option<u16>,
    },
    /// Addresses of which so many bits are the same.
    Addresses {
        /// One of them.
        address: IpAddr,
        /// How many bits.
        bits: u8,
    },
}

impl Exception {
    /// Reads `*`, a name such as `example.com` or `.example.com`, one with a port, an address, or a range of addresses
    /// such as `10.0.0.0/8`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text == "*" {
            return Some(Self::Everything);
        }
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        if let Ok(address) = address.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
            let most = if address.is_ipv4() { 32 } else { 128 };
            let bits = bits.map_or(Some(most), |bits| bits.parse().ok().filter(|bits| *bits <= most))?;
            return Some(Self::Addresses { address, bits });
        }
        let (name, port) = text.split_once(':').map_or((text, None), |(name, port)| (name, Some(port)));
        let port = port.map(str::parse).transpose().ok()?;
        let name = name.strip_prefix("*.").unwrap_or(name).trim_start_matches('.').to_lowercase();
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
        (!name.is_empty() && name.chars().all(is_name)).then_some(Self::Name { name, port })
    }

    /// Says whether a place is reached without the proxy.
    fn holds_for(&self, url: &Url) -> bool {
        match (self, url.host()) {
            (Self::Everything, _) => true,
            (Self::Name { name, port }, Some(Host::Domain(host))) => {
                let is_below = |host: &str| {
                    host.strip_suffix(name.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
                };
                port.is_none_or(|port| url.port_or_known_default() == Some(port)) && is_below(&host.to_lowercase())
            }
            (Self::Addresses { address, bits }, Some(Host::Ipv4(host))) => is_in(IpAddr::V4(host), *address, *bits),
            (Self::Addresses { address, bits }, Some(Host::Ipv6(host))) => is_in(IpAddr::V6(host), *address, *bits),
            _ => false,
        }
    }
}

/// Says whether the first bits of two addresses are the same.
fn is_in(host: IpAddr, address: IpAddr, bits: u8) -> bool {
    let same = |host: u128, address: u128, width: u8| bits == 0 || (host ^ address) >> (width - bits) == 0;
    match (host, address) {
        (IpAddr::V4(host), IpAddr::V4(address)) => same(u32::from(host).into(), u32::from(address).into(), 32),
        (IpAddr::V6(host), IpAddr::V6(address)) => same(host.into(), address.into(), 128),
        _ => false,
    }
}

impl Roots {
    /// Says why a text holds no certificates that could be trusted.
    pub fn check(pem: &[u8]) -> Result<(), &'static str> {
        let mut roots = rustls::RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|_| "holds something broken")?;
            roots.add(certificate).map_err(|_| "holds a certificate that cannot be read")?;
        }
        if roots.is_empty() { Err("holds no certificate") } else { Ok(()) }
    }

    /// Writes them and the machine's own into one file, for programs that take one in place of the machine's.
    fn write(&self) -> std::io::Result<()> {
        let machines = rustls_native_certs::load_native_certs();
        for error in &machines.errors {
            tracing::debug!(%error, "a root certificate of the machine could not be read");
        }
        let mut text = String::from_utf8_lossy(&self.pem).trim_end().to_owned();
        for certificate in machines.certs {
            text.push_str("\n-----BEGIN CERTIFICATE-----\n");
            let encoded = BASE64_STANDARD.encode(&certificate);
            for line in encoded.as_bytes().chunks(64) {
                text.push_str(&String::from_utf8_lossy(line));
                text.push('\n');
            }
            text.push_str("-----END CERTIFICATE-----");
        }
        text.push('\n');
        let half_written = self.with_the_machines.with_extension("new");
        std::fs::write(&half_written, text)?;
        std::fs::rename(half_written, &self.with_the_machines)
    }
}

impl Network {
    /// Reaches the world outside through this proxy, and trusts these roots besides the machine's own.
    pub fn new(proxy: Option<Proxy>, roots: Option<Roots>) -> Self {
        Self { proxy: proxy.map(Arc::new), roots: roots.map(Arc::new), ways: Ways::default() }
    }

    /// Returns the way out to the place of an address.
    ///
    /// # Errors
    /// When there is none, because the address or what the settings name cannot be used.
    pub(crate) fn way_to(&self, address: &Url) -> anyhow::Result<Outgoing> {
        let place = address.origin().ascii_serialization();
        let mut ways = self.ways.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(way) = ways.get(&place) {
            return Ok(way.clone());
        }
        let way = Outgoing::new(address.as_str(), CONNECT, &Self { ways: Ways::default(), ..self.clone() })?;
        ways.insert(place, way.clone());
        Ok(way)
    }

    /// Writes the file of certificates that git is told of; before that, git cannot be used.
    pub fn prepare(&self) -> std::io::Result<()> {
        self.roots.as_ref().map_or(Ok(()), |roots| roots.write())
    }

    /// Returns the proxy through which a place is reached.
    pub fn proxy_of(&self, url: &Url) -> Option<&Proxy> {
        self.proxy.as_deref().filter(|proxy| !proxy.exceptions.iter().any(|exception| exception.holds_for(url)))
    }

    /// Returns what git has to be told to reach a place; some of it is secret.
    pub fn git_configuration(&self, url: &str) -> Vec<(&'static str, SecretString)> {
        // Git sends a header of ours to wherever it is redirected, credentials and all.
        let mut configuration = vec![("http.followRedirects", "false".into())];
        if let Some(proxy) = Url::parse(url).ok().and_then(|url| Some(self.proxy_of(&url)?.with_credentials())) {
            configuration.push(("http.proxy", proxy));
            // Without being asked for them first.
            configuration.push(("http.proxyAuthMethod", "basic".into()));
        }
        if let Some(roots) = &self.roots {
            configuration.push(("http.sslCAInfo", roots.with_the_machines.display().to_string().into()));
        }
        configuration
    }
}

/// Returns the name and the password in a proxy's credentials.
pub fn pair(credentials: &SecretString) -> Option<(&str, &str)> {
    credentials.expose_secret().split_once(':').filter(|(user, _)| !user.is_empty())
}

/// Says what is wrong with a text that holds no credentials of a proxy.
pub fn check_credentials(text: &str) -> Result<(), &'static str> {
    match text.split_once(':') {
        Some((user, password)) if !user.is_empty() && !password.contains(char::is_control) => Ok(()),
        _ => Err("does not hold `user:password`"),
    }
}

/// Finds what TLS says about a certificate among the causes of an error.
pub fn certificate_error<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::CertificateError> {
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

impl Proxy {
    /// Returns its address with the credentials in it.
    fn with_credentials(&self) -> SecretString {
        let plain = self.address.as_str().trim_end_matches('/');
        let Some(credentials) = self.credentials.as_ref().map(Secret::now) else { return plain.into() };
        let Some((user, password)) = pair(&credentials) else { return plain.into() };
        let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let pair = format!("{}:{}@", encoded(user), encoded(password));
        plain.replacen("://", &format!("://{pair}"), 1).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(exceptions: &[&str]) -> Network {
        let exceptions = exceptions.iter().map(|text| Exception::parse(text).expect("because it is one")).collect();
        let address = Url::parse("http://proxy.example.com:3128").expect("because it is an address");
        let credentials = Some("us er:p@ss/w".into());
        Network::new(Some(Proxy { address, credentials, exceptions }), None)
    }

    #[test]
    fn exceptions_are_names_and_what_is_below_them_and_ranges_of_addresses() {
        let network = network(&["example.com", ".corp.local:8443", "10.0.0.0/8", "fd00::/8", "192.0.2.7"]);
        let goes_straight = |url: &str| network.proxy_of(&Url::parse(url).expect("because it is one")).is_none();
        for straight in [
            "https://example.com/a",
            "https://Git.Example.com",
            "https://git.corp.local:8443",
            "http://10.200.3.4:3000",
            "https://[fd12::1]/",
            "http://192.0.2.7",
        ] {
            assert!(goes_straight(straight), "{straight}");
        }
        for through in [
            "https://notexample.com",
            "https://example.com.evil.org",
            "https://git.corp.local",
            "http://11.0.0.1",
            "https://[fe80::1]/",
            "http://192.0.2.8",
            "https://github.com",
        ] {
            assert!(!goes_straight(through), "{through}");
        }
        assert!(self::network(&["*"]).proxy_of(&Url::parse("https://github.com").expect("one")).is_none());
    }

    #[test]
    fn what_is_no_exception_is_refused() {
        for text in ["", " ", "a b", "10.0.0.0/33", "example.com:port", "https://example.com", "*.*"] {
            assert_eq!(Exception::parse(text), None, "{text}");
        }
    }

    #[test]
    fn git_gets_credentials_that_nothing_shows() {
        let network = network(&[]);
        let configuration = network.git_configuration("https://github.com/acme/shop.git");
        let shown: Vec<_> =
            configuration.iter().map(|(key, value)| format!("{key}={}", value.expose_secret())).collect();
        assert_eq!(
            shown,
            [
                "http.followRedirects=false",
                "http.proxy=http://us%20er:p%40ss%2Fw@proxy.example.com:3128",
                "http.proxyAuthMethod=basic",
            ]
        );
        let debugged = format!("{network:?} {configuration:?}");
        assert!(!debugged.contains("p@ss") && !debugged.contains("p%40ss"), "{debugged}");
    }
}
