//! The file of a program, known by its content: versions are words, and two files may say the same ones.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

/// A program's file, and what was last seen of it.
///
/// It is read when somebody first asks for its digest, and again only when it seems to be another: renderers are as
/// large as 60 MB.
#[derive(Debug)]
pub(crate) struct Executable {
    path: PathBuf,
    seen: Mutex<Option<Seen>>,
}

#[derive(Debug)]
struct Seen {
    stamp: Stamp,
    digest: String,
}

/// What changes with a file's content, without reading it: device, inode, size, and when it was last written and
/// changed, in nanoseconds.
type Stamp = [i128; 5];

/// Why a program is not what it was.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotTheSame {
    #[error("`{0}` was replaced while this runs, and may be of another version; restart this to use it")]
    Replaced(String),
    #[error("could not read `{path}`: {cause}")]
    Unreadable { path: String, cause: io::Error },
}

impl Executable {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, seen: Mutex::new(None) }
    }

    /// Returns the SHA-256 of its content. May read the file.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or has another content than before.
    pub(crate) fn digest(&self) -> Result<String, NotTheSame> {
        let path = || self.path.display().to_string();
        let unreadable = |cause| NotTheSame::Unreadable { path: path(), cause };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let now = stamp(&self.path.metadata().map_err(unreadable)?);
        if let Some(Seen { stamp, digest }) = &*seen
            && *stamp == now
        {
            return Ok(digest.clone());
        }
        let mut file = File::open(&self.path).map_err(unreadable)?;
        let (stamp, mut hash) = (stamp(&file.metadata().map_err(unreadable)?), Sha256::new());
        io::copy(&mut file, &mut hash).map_err(unreadable)?;
        let digest = hex::encode(hash.finalize());
        match &*seen {
            Some(before) if before.digest != digest => Err(NotTheSame::Replaced(path())),
            _ => {
                *seen = Some(Seen { stamp, digest: digest.clone() });
                Ok(digest)
            }
        }
    }
}

fn stamp(metadata: &Metadata) -> Stamp {
    let moment = |seconds: i64, nanoseconds: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds);
    [
        i128::from(metadata.dev()),
        i128::from(metadata.ino()),
        i128::from(metadata.size()),
        moment(metadata.mtime(), metadata.mtime_nsec()),
        moment(metadata.ctime(), metadata.ctime_nsec()),
    ]
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_program_that_is_replaced_is_not_taken_for_the_same() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("helm");
        fs::write(&path, "one").expect("a file");
        let executable = Executable::new(path.clone());
        let first = executable.digest().expect("a digest");
        assert_eq!(executable.digest().expect("a digest"), first);

        // Written anew with what it was.
        fs::remove_file(&path).expect("removed");
        fs::write(&path, "one").expect("a file");
        assert_eq!(executable.digest().expect("a digest"), first);

        let other = folder.path().join("other");
        fs::write(&other, "two").expect("a file");
        fs::rename(&other, &path).expect("renamed");
        for _ in 0..2 {
            assert!(matches!(executable.digest(), Err(NotTheSame::Replaced(_))));
        }
        assert_ne!(Executable::new(path.clone()).digest().expect("a digest"), first);

        fs::remove_file(&path).expect("removed");
        assert!(executable.digest().expect_err("absent").to_string().starts_with("could not read"));
    }
}
