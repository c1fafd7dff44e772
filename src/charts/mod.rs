//! Charts from elsewhere: what asks for them, how `hydromote.lock` pins them, how they are fetched and kept.
//!
//! - Nothing is fetched but in a declared step: `hydromote lock`, or the service before it renders.
//! - The service fetches only what `hydromote.lock` pins, from hosts that its settings name; what comes is compared with the
//!   digest there before anything looks into it.
//! - Every address is checked before it is connected to, on each redirect too, and the addresses that a name stands for
//!   as well: those of machines' metadata never, private ones only under a name that the settings hold.
//! - Credentials go to the host that they are for, and nowhere else: not with redirects, not to what an index names.
//! - Everything has a size and a time limit. What a server answered is never shown but as a status.
//!
//! Rendering is not done here, and `hydrators` knows nothing of where a chart came from.

mod cache;
mod download;
mod error;
mod hosts;
mod lock_file;
mod locking;
mod needs;
mod oci;
mod repository;
mod settings;
#[cfg(test)]
mod tests;

pub use self::{
    cache::Cache,
    download::Downloads,
    error::{ChartError, Reaction},
    hosts::{HostRule, Hosts},
    lock_file::{FILE, LockFile, LockMistake, Pinned},
    locking::{Locked, lock},
    needs::{Asker, Need, NeedMistake, Needs, Place, needs},
    settings::{ChartCredentials, ChartLimits, ChartSettings},
};

use std::sync::Arc;

use hydrators::PackedChart;
use tokio::sync::Semaphore;

use crate::{blocking::blocking, domain::chart::WantedChart};

/// How many charts are fetched at a time.
const AT_A_TIME: usize = 4;

/// Brings charts that are pinned: from the cache, else from where they are.
#[derive(Debug, Clone)]
pub struct Charts {
    cache: Cache,
    downloads: Option<Arc<Downloads>>,
    turns: Arc<Semaphore>,
}

impl Charts {
    /// Makes it; without `downloads` nothing is fetched.
    pub fn new(cache: Cache, downloads: Option<Downloads>) -> Self {
        Self { cache, downloads: downloads.map(Arc::new), turns: Arc::new(Semaphore::new(AT_A_TIME)) }
    }

    /// Returns the archive that is pinned for a chart.
    ///
    /// # Errors
    /// When it cannot be had, or is another one than was pinned.
    pub async fn bring(&self, wanted: &WantedChart, pinned: &Pinned) -> Result<Vec<u8>, ChartError> {
        if let Some(archive) = self.cached(pinned).await {
            // It may have been fetched as another chart.
            return checked(wanted, &pinned.version, archive).await;
        }
        let Some(downloads) = &self.downloads else {
            let (name, version) = (wanted.origin.name(), &pinned.version);
            return Err(ChartError::operator(format!(
                "the chart `{name}` {version} is not on this machine; `hydromote lock --fetch` brings what is pinned"
            )));
        };
        let _turn = self.turns.acquire().await.expect("because the semaphore is never closed");
        if let Some(archive) = self.cached(pinned).await {
            return checked(wanted, &pinned.version, archive).await;
        }
        let archive = downloads.archive(wanted, pinned).await?;
        let archive = checked(wanted, &pinned.version, archive).await?;
        self.cache.put(&pinned.sha256, &archive).await;
        Ok(archive)
    }

    /// Says whether an archive is kept here.
    pub async fn has(&self, pinned: &Pinned) -> bool {
        self.cached(pinned).await.is_some()
    }

    async fn cached(&self, pinned: &Pinned) -> Option<Vec<u8>> {
        self.cache.get(&pinned.sha256).await
    }
}

/// Returns an archive that is the chart that it is to be.
async fn checked(wanted: &WantedChart, version: &str, archive: Vec<u8>) -> Result<Vec<u8>, ChartError> {
    let (wanted, version) = (wanted.clone(), version.to_owned());
    blocking(move || check_archive(&wanted, &version, &archive).map(|()| archive)).await
}

/// Fails when an archive is not the chart that it is to be.
fn check_archive(wanted: &WantedChart, version: &str, archive: &[u8]) -> Result<(), ChartError> {
    let of = format!("the archive of `{}` {version}", wanted.origin.name());
    let chart =
        PackedChart::read(archive).map_err(|problem| ChartError::wrong(format!("{of} cannot be used: {problem}")))?;
    if chart.name == wanted.origin.name() && chart.version.trim_start_matches('v') == version.trim_start_matches('v') {
        return Ok(());
    }
    let (name, version) = (chart.name.escape_debug(), chart.version.escape_debug());
    Err(ChartError::wrong(format!("{of} holds the chart `{name}` {version}")))
}
