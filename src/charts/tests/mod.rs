//! Charts over HTTP from hosts of this machine: a chart repository, and a registry with the pull API of the distribution
//! specification, tokens and redirects included.

mod hosts;
mod registry;
mod repository;

use std::collections::{BTreeMap, BTreeSet};

use flate2::{Compression, write::GzEncoder};

use self::hosts::{Answer, Host, Seen};
use super::{
    Cache, ChartCredentials, ChartError, ChartLimits, Charts, Downloads, HostRule, Hosts, LockFile, Pinned, Reaction,
    cache::digest, lock,
};
use crate::{
    domain::chart::{ChartOrigin, VersionRange, WantedChart},
    network::Network,
};

/// Packs a chart as `helm package` does.
fn packed(name: &str, version: &str) -> Vec<u8> {
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    let chart = format!("apiVersion: v2\nname: {name}\nversion: {version}\n");
    for (path, text) in [("Chart.yaml", chart.as_str()), ("templates/a.yaml", "kind: ConfigMap\n")] {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, format!("{name}/{path}"), text.as_bytes()).expect("an entry");
    }
    builder.into_inner().and_then(GzEncoder::finish).expect("an archive")
}

/// What fetches from some hosts, and no others.
fn downloads(hosts: &[&Host], credentials: Vec<ChartCredentials>) -> Downloads {
    let limits = ChartLimits { archive: 64 << 10, index: 1 << 20, timeout: std::time::Duration::from_secs(5) };
    let rules = hosts.iter().map(|host| HostRule::parse(&host.url()).expect("a host")).collect();
    Downloads::new(Network::default(), Hosts::Listed(rules), credentials, limits)
}

fn credentials(host: &Host, token_host: Option<&Host>) -> ChartCredentials {
    ChartCredentials {
        host: host.name(),
        username: "robot".into(),
        password: "s3cret".into(),
        token_host: token_host.map(Host::url),
    }
}

/// `robot:s3cret`, as it is sent.
const BASIC: &str = "Basic cm9ib3Q6czNjcmV0";

fn wanted(origin: ChartOrigin, range: &str) -> WantedChart {
    WantedChart { origin, range: VersionRange::parse(range).expect(range) }
}

/// Pins one chart anew.
async fn pin(downloads: &Downloads, chart: &WantedChart) -> Result<Pinned, ChartError> {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = Cache::new(folder.path(), 1 << 20);
    let wanted = BTreeSet::from([chart.clone()]);
    let mut locked = lock(downloads, &cache, &wanted, &LockFile::default(), |_| false, |_| {}).await;
    match locked.failed.remove(chart) {
        Some(error) => Err(error),
        None => Ok(locked.file.charts.remove(chart).expect("because it did not fail")),
    }
}

/// Brings what is pinned, with nothing kept before.
async fn bring(downloads: Downloads, chart: &WantedChart, pinned: &Pinned) -> Result<Vec<u8>, ChartError> {
    let folder = tempfile::tempdir().expect("a folder");
    Charts::new(Cache::new(folder.path(), 1 << 20), Some(downloads)).bring(chart, pinned).await
}

/// Returns what is said to a person, with words for the ports of hosts.
fn told<T: std::fmt::Debug>(result: Result<T, ChartError>, hosts: &[(&Host, &str)]) -> String {
    let error = result.expect_err("because it is refused");
    let mut text = format!("{:?}: {error}", error.reaction);
    for (host, word) in hosts {
        text = text.replace(&host.url(), word).replace(&host.name(), word);
    }
    text
}
