//! How commands find a service on the same machine: each writes a small file while it runs.
//!
//! - The folder belongs to one user and nobody else may look into it; files are readable by that
//!   user only. A folder that belongs to somebody else is not trusted.
//! - It names the file that the token is in, which may be replaced; a token without a file lies beside
//!   it as a copy, and whoever can read the copy could read the service's memory.
//! - A file whose service does not answer is left from a crash and is ignored.

use std::{
    io::Write,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, bail};
use reqwest::Client;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use crate::secret::Secret;

/// How long a service may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a running service says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// Where it listens.
    pub url: String,
    /// The file with its API token.
    pub token_file: Option<PathBuf>,
}

/// A service's file; it is removed when this is dropped.
#[derive(Debug)]
pub struct Announcement {
    paths: Vec<PathBuf>,
    token_file: Option<PathBuf>,
}

impl Announcement {
    /// Returns the file with the service's API token, which only its user can read.
    pub fn token_file(&self) -> Option<&Path> {
        self.token_file.as_deref()
    }
}

impl Drop for Announcement {
    fn drop(&mut self) {
        for path in &self.paths {
            // Somebody may have cleaned up already.
            drop(std::fs::remove_file(path));
        }
    }
}

/// Says to commands of the same user that a service listens on `address` and takes `token`.
///
/// # Errors
/// When the folder cannot be used; the service works all the same.
pub fn announce(address: SocketAddr, token: Option<&Secret>) -> anyhow::Result<Announcement> {
    announce_in(&folder()?, address, token)
}

/// Announces a service in `folder`.
pub(super) fn announce_in(folder: &Path, address: SocketAddr, token: Option<&Secret>) -> anyhow::Result<Announcement> {
    prepare(folder)?;
    let reachable = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => SocketAddr::new(Ipv4Addr::LOCALHOST.into(), address.port()),
        IpAddr::V6(ip) if ip.is_unspecified() => SocketAddr::new(Ipv6Addr::LOCALHOST.into(), address.port()),
        _ => address,
    };
    let name = format!("{}-{}", std::process::id(), address.port());
    let mut announcement = Announcement { paths: Vec::new(), token_file: None };
    let token_file = match token.map(|token| (token, token.file())) {
        None => None,
        // Commands run in folders of their own.
        Some((_, Some(file))) => Some(std::path::absolute(file)?),
        Some((token, None)) => {
            let path = folder.join(format!("{name}.token"));
            announcement.paths.push(path.clone());
            write_private(&path, token.now().expose_secret().as_bytes())?;
            Some(path)
        }
    };
    announcement.token_file.clone_from(&token_file);
    let path = folder.join(format!("{name}.json"));
    announcement.paths.push(path.clone());
    write_private(&path, &serde_json::to_vec_pretty(&Descriptor { url: format!("http://{reachable}"), token_file })?)?;
    Ok(announcement)
}

/// Writes a new file that only this user can read.
fn write_private(path: &Path, text: &[u8]) -> anyhow::Result<()> {
    // What a crash left may have another mode.
    drop(std::fs::remove_file(path));
    std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(text)?;
    Ok(())
}

/// Returns the only service that runs on this machine.
pub(super) async fn only(client: &Client) -> anyhow::Result<Descriptor> {
    only_in(&folder()?, client).await
}

/// Returns the only service that is announced in `folder` and answers.
pub(super) async fn only_in(folder: &Path, client: &Client) -> anyhow::Result<Descriptor> {
    let mut running = Vec::new();
    for descriptor in announced(folder) {
        let answer = client.get(format!("{}/healthz", descriptor.url)).timeout(PATIENCE).send().await;
        if answer.is_ok_and(|answer| answer.status().is_success()) {
            running.push(descriptor);
        }
    }
    if running.len() > 1 {
        let urls: Vec<&str> = running.iter().map(|descriptor| descriptor.url.as_str()).collect();
        bail!("several services run on this machine; name one with `--server`: {}", urls.join(", "));
    }
    running.pop().context(
        "no service runs on this machine; start `hydromote demo` or `hydromote serve`, or name one with `--server`",
    )
}

/// Returns the token file of a service that announced itself as `url`.
pub(super) fn token_file_of(url: &str) -> Option<PathBuf> {
    let url = url.trim_end_matches('/');
    announced(&folder().ok()?).into_iter().find(|descriptor| descriptor.url == url)?.token_file
}

/// Returns what is announced in a folder of ours.
fn announced(folder: &Path) -> Vec<Descriptor> {
    if !is_ours(folder) {
        return Vec::new();
    }
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    let read = |path: &PathBuf| serde_json::from_slice(&std::fs::read(path).ok()?).ok();
    paths.iter().filter_map(read).collect()
}

fn prepare(folder: &Path) -> anyhow::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    if !is_ours(folder) {
        bail!("`{}` belongs to somebody else, or others may write into it", folder.display());
    }
    Ok(())
}

/// Says whether a folder is this user's, and nobody else may write into it.
fn is_ours(folder: &Path) -> bool {
    let user = user_id();
    std::fs::symlink_metadata(folder)
        .is_ok_and(|folder| folder.is_dir() && folder.uid() == user && folder.mode() & 0o022 == 0)
}

/// Returns the number of this user.
fn user_id() -> u32 {
    // A file that was just made belongs to whoever made it.
    tempfile::tempfile().and_then(|file| file.metadata()).map_or(u32::MAX, |file| file.uid())
}

/// Returns the folder of this user.
fn folder() -> anyhow::Result<PathBuf> {
    match std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|folder| folder.is_absolute()) {
        Some(folder) => Ok(folder.join("hydromote")),
        None => Ok(std::env::temp_dir().join(format!("hydromote-{}", user_id()))),
    }
}
