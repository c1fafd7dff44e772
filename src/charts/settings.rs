//! What is set for fetching charts.

use std::time::Duration;

use super::{Downloads, HostRule, Hosts};
use crate::{network::Network, secret::Secret};

/// The credentials for a host.
#[derive(Debug, Clone)]
pub struct ChartCredentials {
    /// The host, perhaps with a port.
    pub host: String,
    /// The user.
    pub username: String,
    /// The password, or a token.
    pub password: Secret,
    /// The host that gives tokens for this one, where that is another.
    pub token_host: Option<String>,
}

/// How much is taken, and for how long it is waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChartLimits {
    /// The largest archive, bytes.
    pub archive: u64,
    /// The largest index of a chart repository, bytes.
    pub index: u64,
    /// How long one download may take, redirects included.
    pub timeout: Duration,
}

impl Default for ChartLimits {
    fn default() -> Self {
        Self { archive: 20 << 20, index: 50 << 20, timeout: Duration::from_secs(60) }
    }
}

/// What is set for fetching charts.
#[derive(Debug, Clone)]
pub struct ChartSettings {
    /// From which hosts charts are fetched.
    pub hosts: Vec<HostRule>,
    /// The credentials for some of them.
    pub credentials: Vec<ChartCredentials>,
    /// How much is taken.
    pub limits: ChartLimits,
    /// How much is kept, bytes.
    pub cache_bytes: u64,
}

impl Default for ChartSettings {
    fn default() -> Self {
        Self { hosts: Vec::new(), credentials: Vec::new(), limits: ChartLimits::default(), cache_bytes: 1 << 30 }
    }
}

impl ChartSettings {
    /// Returns what fetches from these hosts and no others.
    pub fn listed(&self, network: Network) -> Downloads {
        Downloads::new(network, Hosts::Listed(self.hosts.clone()), self.credentials.clone(), self.limits)
    }

    /// Returns what fetches from any host that the world can see, and from these.
    pub fn public(&self, network: Network) -> Downloads {
        Downloads::new(network, Hosts::Public(self.hosts.clone()), self.credentials.clone(), self.limits)
    }
}
