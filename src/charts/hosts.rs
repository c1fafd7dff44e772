//! From which hosts charts are fetched, and from which addresses never.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use url::{Host, Url};

use super::ChartError;

/// From which hosts charts are fetched.
#[derive(Debug, Clone)]
pub enum Hosts {
    /// From these alone: the service.
    Listed(Vec<HostRule>),
    /// From any that the world can see, and from these: somebody's own machine.
    Public(Vec<HostRule>),
}

/// One host, or all that are below a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostRule {
    /// The name or the address, in lower case.
    name: String,
    /// Whether it stands for what is below it rather than for itself.
    is_below: bool,
    /// The port; without one, the usual one of the scheme.
    port: Option<u16>,
    /// Whether it is spoken to without TLS.
    is_plain: bool,
}

/// Which addresses a name may stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// Those that the world can see.
    Public,
    /// Private ones too: somebody named the host itself.
    Private,
}

impl HostRule {
    /// Reads `registry.example.com`, `registry.example.com:5000`, `*.example.com` or `http://localhost:5000`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_lowercase();
        let (is_plain, host) = match text.strip_prefix("http://") {
            Some(host) => (true, host),
            None => (false, text.strip_prefix("https://").unwrap_or(&text)),
        };
        let (is_below, host) = host.strip_prefix("*.").map_or((false, host), |host| (true, host));
        if host.contains(['/', '@', '?', '#', '*', '\\']) {
            return None;
        }
        let url = Url::parse(&format!("{}://{host}/", if is_plain { "http" } else { "https" })).ok()?;
        let is_name = matches!(url.host()?, Host::Domain(_));
        let name = url.host_str()?.to_owned();
        (!is_below || (is_name && name.contains('.'))).then(|| Self { name, is_below, port: url.port(), is_plain })
    }

    fn holds_for(&self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default();
        let is_named = match self.is_below {
            true => host.strip_suffix(&self.name).is_some_and(|rest| rest.ends_with('.')),
            false => host == self.name,
        };
        is_named && self.port == url.port() && self.is_plain == (url.scheme() == "http")
    }
}

impl Hosts {
    /// Says how far an address reaches, or why nothing is fetched from it.
    pub(super) fn check(&self, url: &Url) -> Result<Reach, ChartError> {
        let shown = shown(url);
        let (rules, is_open) = match self {
            Self::Listed(rules) => (rules, false),
            Self::Public(rules) => (rules, true),
        };
        let reach = match rules.iter().find(|rule| rule.holds_for(url)) {
            Some(rule) if rule.is_below => Reach::Public,
            Some(_) => Reach::Private,
            None if is_open && url.scheme() == "https" => Reach::Public,
            None if is_open => {
                return Err(ChartError::operator(format!(
                    "charts are not fetched from `{shown}` without TLS; allow it with `--allow-host {shown}`"
                )));
            }
            None => {
                return Err(ChartError::operator(format!(
                    "charts are not fetched from `{shown}`: it is none of the `hosts` of `[charts]` in the server's settings"
                )));
            }
        };
        let literal = match url.host() {
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            _ => None,
        };
        match literal.and_then(|address| refusal(address, reach)) {
            Some(why) => Err(ChartError::operator(format!("charts are not fetched from `{shown}`: {why}"))),
            None => Ok(reach),
        }
    }
}

/// Returns the host of an address as people write it in settings.
pub(super) fn shown(url: &Url) -> String {
    let scheme = if url.scheme() == "http" { "http://" } else { "" };
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{scheme}{}{port}", url.host_str().unwrap_or_default())
}

/// Returns the addresses among some that may be connected to, or why there are none.
pub(super) fn permitted(addresses: Vec<SocketAddr>, reach: Reach) -> Result<Vec<SocketAddr>, &'static str> {
    let mut why = "its name stands for no address";
    let mut permitted = Vec::new();
    for address in addresses {
        match refusal(address.ip(), reach) {
            Some(refusal) => why = refusal,
            None => permitted.push(address),
        }
    }
    if permitted.is_empty() { Err(why) } else { Ok(permitted) }
}

/// Says why nothing is fetched from an address.
fn refusal(address: IpAddr, reach: Reach) -> Option<&'static str> {
    let address = inner(address);
    let is_odd = address.is_unspecified() || address.is_multicast() || is_broadcast(address);
    if is_link_local(address) || METADATA.contains(&address) {
        return Some("its address is one where machines give out their metadata, or of the link");
    }
    if is_odd {
        return Some("its address is none of a host");
    }
    (reach == Reach::Public && is_private(address)).then_some(
        "its address is a private one; name the host itself, in the server's settings or with `--allow-host`",
    )
}

/// Where clouds give out metadata beside the addresses of the link.
const METADATA: [IpAddr; 4] = [
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
];

/// Returns the address of version 4 that one of version 6 stands for: mapped, translated (RFC 6052) or tunnelled (RFC 3056).
fn inner(address: IpAddr) -> IpAddr {
    let IpAddr::V6(six) = address else { return address };
    let four = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    match six.segments() {
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] if (high, low) != (0, 0) && (high, low) != (0, 1) => four(high, low),
        [0x64, 0xff9b, _, _, _, _, high, low] | [0x2002, high, low, ..] => four(high, low),
        _ => address,
    }
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(four) => four.is_link_local(),
        IpAddr::V6(six) => six.is_unicast_link_local(),
    }
}

fn is_broadcast(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(four) => four.is_broadcast() || four.octets()[0] == 0,
        IpAddr::V6(_) => false,
    }
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(four) => {
            let [a, b, ..] = four.octets();
            let (is_shared, is_benchmark, is_reserved) =
                (a == 100 && (64..128).contains(&b), a == 198 && matches!(b, 18 | 19), a >= 240);
            four.is_loopback() || four.is_private() || is_shared || is_benchmark || is_reserved
        }
        IpAddr::V6(six) => six.is_loopback() || six.is_unique_local() || six.segments()[0] & 0xffc0 == 0xfec0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(rules: &[&str]) -> Vec<HostRule> {
        rules.iter().map(|text| HostRule::parse(text).expect(text)).collect()
    }

    fn told(hosts: &Hosts, url: &str) -> String {
        match hosts.check(&Url::parse(url).expect(url)) {
            Ok(reach) => format!("{reach:?}"),
            Err(error) => error.message,
        }
    }

    #[test]
    fn only_listed_hosts_are_asked_each_with_its_port_and_scheme() {
        let listed = Hosts::Listed(hosts(&["ghcr.io", "*.example.com", "http://localhost:5000", "10.1.2.3"]));
        assert_eq!(told(&listed, "https://ghcr.io/v2/"), "Private");
        assert_eq!(told(&listed, "https://GHCR.io:443/v2/"), "Private");
        assert_eq!(told(&listed, "https://cdn.example.com/a"), "Public");
        assert_eq!(told(&listed, "http://localhost:5000/a"), "Private");
        assert_eq!(told(&listed, "https://10.1.2.3/a"), "Private");
        for url in [
            "http://ghcr.io/v2/",
            "https://ghcr.io:8443/",
            "https://ghcr.io.evil.org/",
            "https://example.com/",
            "https://notexample.com/",
            "https://localhost:5000/",
            "http://localhost/",
            "https://10.1.2.4/",
        ] {
            assert!(listed.check(&Url::parse(url).expect(url)).is_err(), "{url}");
        }
        assert_eq!(
            told(&listed, "https://evil.org:8443/a?b"),
            "charts are not fetched from `evil.org:8443`: it is none of the `hosts` of `[charts]` in the server's settings"
        );
        assert_eq!(HostRule::parse("*"), None);
        for text in ["", "a/b", "*.com", "u:p@a", "*.1.2.3.4", "a b", "ftp://a"] {
            assert_eq!(HostRule::parse(text), None, "{text}");
        }
    }

    #[test]
    fn metadata_is_never_asked_for_and_private_addresses_only_by_name() {
        let open = Hosts::Public(hosts(&["192.168.1.1", "169.254.169.254", "http://[fe80::1]"]));
        for url in [
            "https://169.254.169.254/",
            "http://[fe80::1]/",
            "https://[::ffff:169.254.169.254]/",
            "https://[64:ff9b::a9fe:a9fe]/",
            "https://[2002:a9fe:a9fe::1]/",
            "https://[fd00:ec2::254]/",
            "https://100.100.100.200/",
            "https://2852039166/",
            "https://0.0.0.0/",
            "https://[::]/",
            "https://255.255.255.255/",
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://10.0.0.1/",
            "https://100.64.0.1/",
            "https://[fd12::1]/",
            "https://[::ffff:10.0.0.1]/",
            "http://example.com/",
        ] {
            assert!(open.check(&Url::parse(url).expect(url)).is_err(), "{url}");
        }
        assert_eq!(told(&open, "https://192.168.1.1/"), "Private");
        assert_eq!(told(&open, "https://192.0.2.1/"), "Public");
        assert_eq!(told(&open, "https://example.com/"), "Public");
    }

    #[test]
    fn what_a_name_stands_for_is_checked_too() {
        let addresses = |texts: &[&str]| texts.iter().map(|text| text.parse().expect(text)).collect::<Vec<_>>();
        let mixed = addresses(&["10.0.0.1:443", "192.0.2.1:443", "169.254.169.254:443"]);
        assert_eq!(permitted(mixed.clone(), Reach::Public), Ok(addresses(&["192.0.2.1:443"])));
        assert_eq!(permitted(mixed, Reach::Private), Ok(addresses(&["10.0.0.1:443", "192.0.2.1:443"])));
        assert!(permitted(addresses(&["10.0.0.1:443"]), Reach::Public).is_err());
        assert!(permitted(addresses(&["169.254.169.254:443"]), Reach::Private).is_err());
    }
}
