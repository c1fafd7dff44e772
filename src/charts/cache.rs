//! Archives of charts on disk, by their digest.
//!
//! - What was damaged is not there: each archive is compared with its name when it is read.
//! - It is bounded: what was not used for longest goes first.
//! - What cannot be written is fetched again the next time, and that is all.

use std::{
    fs, io,
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use sha2::{Digest as _, Sha256};

use crate::blocking::blocking;

/// What ends the name of an archive.
const SUFFIX: &str = ".tgz";

/// Archives of charts on disk.
#[derive(Debug, Clone)]
pub struct Cache(Arc<Folder>);

#[derive(Debug)]
struct Folder {
    path: PathBuf,
    most_bytes: u64,
}

impl Cache {
    /// Takes a folder, which is made when it is needed.
    pub fn new(path: impl Into<PathBuf>, most_bytes: u64) -> Self {
        Self(Arc::new(Folder { path: path.into(), most_bytes }))
    }

    /// Returns the archive with this digest.
    pub async fn get(&self, sha256: &str) -> Option<Vec<u8>> {
        let (folder, sha256) = (self.0.clone(), sha256.to_owned());
        blocking(move || folder.get(&sha256)).await
    }

    /// Keeps an archive whose digest was checked.
    pub async fn put(&self, sha256: &str, archive: &[u8]) {
        let (folder, sha256, archive) = (self.0.clone(), sha256.to_owned(), archive.to_owned());
        let kept = blocking(move || folder.put(&sha256, &archive)).await;
        if let Err(error) = kept {
            tracing::warn!(%error, "an archive of a chart could not be kept, and will be fetched again");
        }
    }
}

impl Folder {
    fn file(&self, sha256: &str) -> PathBuf {
        self.path.join(format!("{sha256}{SUFFIX}"))
    }

    fn get(&self, sha256: &str) -> Option<Vec<u8>> {
        let path = self.file(sha256);
        let archive = fs::read(&path).ok()?;
        if digest(&archive) != sha256 {
            tracing::warn!(sha256, "an archive of a chart was damaged on disk, and is fetched again");
            drop(fs::remove_file(&path));
            return None;
        }
        // It says when it was used; that it could not be said only makes it go sooner.
        drop(fs::File::options().append(true).open(&path).and_then(|file| file.set_modified(now())));
        Some(archive)
    }

    fn put(&self, sha256: &str, archive: &[u8]) -> io::Result<()> {
        fs::create_dir_all(&self.path)?;
        let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(&self.path)?;
        file.write_all(archive)?;
        file.persist(self.file(sha256)).map_err(|error| error.error)?;
        self.make_room()
    }

    fn make_room(&self) -> io::Result<()> {
        let mut archives = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let (path, metadata) = entry.and_then(|entry| Ok((entry.path(), entry.metadata()?)))?;
            if path.extension().is_some_and(|kind| kind == &SUFFIX[1..]) {
                archives.push((metadata.modified()?, metadata.len(), path));
            }
        }
        archives.sort();
        let mut bytes: u64 = archives.iter().map(|(_, size, _)| size).sum();
        for (_, size, path) in &archives {
            if bytes <= self.most_bytes {
                break;
            }
            remove(path)?;
            bytes -= size;
        }
        Ok(())
    }
}

/// Another process may have removed it.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Returns the SHA-256 of bytes, in hexadecimal digits.
pub(super) fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// What orders files on this machine's disk, and decides nothing else.
#[expect(clippy::disallowed_methods, reason = "the time of a file on disk, by which the oldest one is found")]
fn now() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_damaged_archive_is_a_miss_and_can_be_kept_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Cache::new(folder.path().join("charts"), 100);
        let sha256 = digest(b"archive");
        assert_eq!(cache.get(&sha256).await, None);
        cache.put(&sha256, b"archive").await;
        assert_eq!(cache.get(&sha256).await.as_deref(), Some(b"archive".as_slice()));
        fs::write(cache.0.file(&sha256), "archivE").expect("written");
        assert_eq!(cache.get(&sha256).await, None);
        cache.put(&sha256, b"archive").await;
        assert!(cache.get(&sha256).await.is_some());
    }

    #[tokio::test]
    async fn what_was_not_used_for_longest_goes_first() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Cache::new(folder.path(), 10);
        let digests: Vec<String> = [b"aaaa", b"bbbb", b"cccc"].iter().map(|text| digest(*text)).collect();
        for (age, (sha256, text)) in digests.iter().zip(["aaaa", "bbbb"]).enumerate() {
            cache.put(sha256, text.as_bytes()).await;
            let at = SystemTime::UNIX_EPOCH + Duration::from_secs(age as u64);
            let file = fs::File::options().append(true).open(cache.0.file(sha256)).expect("a file");
            file.set_modified(at).expect("a time");
        }
        assert!(cache.get(&digests[0]).await.is_some());
        cache.put(&digests[2], b"cccc").await;
        assert!(cache.get(&digests[0]).await.is_some(), "it was used after the other");
        assert!(cache.get(&digests[1]).await.is_none());
        assert!(cache.get(&digests[2]).await.is_some());
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_written_costs_nothing_but_the_keeping() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("file"), "").expect("written");
        let cache = Cache::new(folder.path().join("file/charts"), 10);
        cache.put(&digest(b"x"), b"x").await;
        assert!(cache.get(&digest(b"x")).await.is_none());
    }
}
