//! Pins charts: finds the version that each range stands for now, and the digest of its archive.

use std::collections::{BTreeMap, BTreeSet};

use super::{Cache, ChartError, Downloads, LockFile, Pinned, cache::digest, checked, oci::Registry, repository};
use crate::domain::chart::{ChartOrigin, VersionRange, WantedChart, parse_version};

/// What came of pinning.
#[derive(Debug, Default)]
pub struct Locked {
    /// What is pinned now.
    pub file: LockFile,
    /// What could not be pinned.
    pub failed: BTreeMap<WantedChart, ChartError>,
}

/// Pins every chart that is asked for: as before, unless it was not pinned or `is_renewed` holds for it. `told` hears of each
/// one that is looked for.
pub async fn lock(
    downloads: &Downloads,
    cache: &Cache,
    wanted: &BTreeSet<WantedChart>,
    before: &LockFile,
    is_renewed: impl Fn(&WantedChart) -> bool,
    told: impl Fn(&WantedChart),
) -> Locked {
    let mut locked = Locked::default();
    for chart in wanted {
        if let Some(pinned) = before.charts.get(chart).filter(|_| !is_renewed(chart)) {
            locked.file.charts.insert(chart.clone(), pinned.clone());
            continue;
        }
        told(chart);
        match pin(downloads, cache, chart).await {
            Ok(pinned) => drop(locked.file.charts.insert(chart.clone(), pinned)),
            Err(error) => drop(locked.failed.insert(chart.clone(), error)),
        }
    }
    locked
}

async fn pin(downloads: &Downloads, cache: &Cache, wanted: &WantedChart) -> Result<Pinned, ChartError> {
    let (version, url, archive) = match &wanted.origin {
        ChartOrigin::Oci { host, path } => from_registry(downloads, host, path, wanted).await?,
        ChartOrigin::Repository { url, name } => from_repository(downloads, url, name, wanted).await?,
    };
    let archive = checked(wanted, &version, archive).await?;
    let sha256 = digest(&archive);
    cache.put(&sha256, &archive).await;
    Ok(Pinned { version, url, sha256 })
}

async fn from_registry(
    downloads: &Downloads,
    host: &str,
    path: &str,
    wanted: &WantedChart,
) -> Result<(String, String, Vec<u8>), ChartError> {
    let registry = Registry::new(downloads, host, path)?;
    let version = match wanted.range.exact() {
        Some(_) => wanted.range.as_str().trim_start_matches(['=', ' ']).to_owned(),
        None => {
            let versions = registry.versions().await?;
            newest(&wanted.range, versions.iter().map(String::as_str)).ok_or_else(|| none_of(wanted))?.to_owned()
        }
    };
    let layer = registry.layer(&version).await?;
    let archive = registry.archive(&layer).await?;
    Ok((version.clone(), format!("{}:{}", wanted.origin, version.replace('+', "_")), archive))
}

async fn from_repository(
    downloads: &Downloads,
    url: &str,
    name: &str,
    wanted: &WantedChart,
) -> Result<(String, String, Vec<u8>), ChartError> {
    let listed = repository::versions(downloads, url, name).await?;
    let version = newest(&wanted.range, listed.iter().map(|one| one.version.as_str()));
    let version = version.ok_or_else(|| none_of(wanted))?;
    let chosen = listed.iter().find(|one| one.version == version).ok_or_else(|| none_of(wanted))?;
    let (place, expected) = repository::place(url, chosen)?;
    let archive = repository::archive(downloads, url, place.as_str(), &wanted.to_string()).await?;
    let found = digest(&archive);
    match expected {
        Some(expected) if expected != found => Err(ChartError::wrong(format!(
            "the index of `{url}` says that the archive of `{name}` {version} has the digest {expected}, and it has {found}"
        ))),
        _ => Ok((version.to_owned(), place.into(), archive)),
    }
}

/// Returns the newest version that a range holds for; what is no version is passed over, as Helm does.
fn newest<'a>(range: &VersionRange, versions: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let versions = versions.filter_map(|text| Some((parse_version(text)?, text)));
    let (_, text) = versions.filter(|(version, _)| range.holds_for(version)).max()?;
    Some(text)
}

fn none_of(wanted: &WantedChart) -> ChartError {
    ChartError::author(format!("there is no version of `{}` that `{}` asks for", wanted.origin, wanted.range))
}
