//! A secret that may be replaced while it is used: what its file holds now.
//!
//! - The file is looked at whenever the secret is needed, and read when it is another one than before. Whoever was
//!   refused with what it held has it read in any case.
//! - A file that is gone, empty or unfit, as while it is being replaced, changes nothing: what it held before goes on
//!   being used, and that is said once.
//! - A secret without a file stays as it is.
//! - What it is reaches no log, no error and no `Debug`.

use std::{
    fmt, fs,
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use secrecy::{ExposeSecret, SecretString};

/// What to do about credentials that are refused.
pub const RENEW: &str =
    "they may have expired or been revoked: put new ones into their file, and work goes on by itself";

/// The largest file that is read, bytes: keys of the longest kind have a few thousand.
const MOST_BYTES: u64 = 64 << 10;

/// Says what is wrong with a text that cannot be such a secret.
pub type Check = fn(&str) -> Result<(), &'static str>;

/// A secret, as it was given, or as its file holds it now. Cloning is cheap.
#[derive(Clone)]
pub struct Secret(Arc<Source>);

enum Source {
    Given(SecretString),
    File(SecretFile),
}

/// A file with a secret.
struct SecretFile {
    /// What names it in the settings, for logs.
    key: String,
    path: PathBuf,
    check: Check,
    held: Mutex<Held>,
}

/// What a file was found to hold.
struct Held {
    text: SecretString,
    /// Which file that was; absent when the last one was of no use.
    stamp: Option<Stamp>,
    /// Whether it was said that the file is of no use now.
    is_told: bool,
}

/// What is another for each file, and for one that was written again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

/// Why a file holds no secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoSecret {
    /// It is not there, or may not be read.
    #[error("cannot be read ({0})")]
    Unreadable(io::ErrorKind),
    /// It holds white space at most.
    #[error("is empty")]
    Empty,
    /// It is larger than any secret.
    #[error("is larger than 64 KiB")]
    Large,
    /// What it holds is none of this kind.
    #[error("{0}")]
    Unfit(&'static str),
}

impl From<io::Error> for NoSecret {
    fn from(error: io::Error) -> Self {
        Self::Unreadable(error.kind())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl From<SecretString> for Secret {
    fn from(text: SecretString) -> Self {
        Self(Arc::new(Source::Given(text)))
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        SecretString::from(text).into()
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        SecretString::from(text).into()
    }
}

impl Secret {
    /// Reads the secret in a file that `key` of the settings names, and takes up what replaces it later.
    ///
    /// # Errors
    /// When the file holds none now.
    pub fn in_file(key: &str, path: &Path, check: Check) -> Result<Self, NoSecret> {
        let (stamp, text) = read(path, check)?;
        let held = Mutex::new(Held { text, stamp: Some(stamp), is_told: false });
        Ok(Self(Arc::new(Source::File(SecretFile { key: key.to_owned(), path: path.to_owned(), check, held }))))
    }

    /// Returns what it is now.
    pub fn now(&self) -> SecretString {
        match &*self.0 {
            Source::Given(text) => text.clone(),
            Source::File(file) => file.now(),
        }
    }

    /// Returns what it is now, when that is another one than was just refused.
    pub fn instead_of(&self, refused: &SecretString) -> Option<SecretString> {
        let Source::File(file) = &*self.0 else { return None };
        let now = file.read_again();
        (now.expose_secret() != refused.expose_secret()).then_some(now)
    }

    /// Returns the file that it is in.
    pub fn file(&self) -> Option<&Path> {
        match &*self.0 {
            Source::Given(_) => None,
            Source::File(file) => Some(&file.path),
        }
    }
}

/// Checks something against secrets as they are now, and once more when it fits none and one of them was replaced.
///
/// # Errors
/// With what `check` says of those that are active.
pub fn checked<E>(secrets: &[Secret], check: impl Fn(&[SecretString]) -> Result<(), E>) -> Result<(), E> {
    let now: Vec<SecretString> = secrets.iter().map(Secret::now).collect();
    let Err(error) = check(&now) else { return Ok(()) };
    let again: Vec<_> = secrets.iter().zip(&now).map(|(secret, refused)| secret.instead_of(refused)).collect();
    if again.iter().all(Option::is_none) {
        return Err(error);
    }
    let again: Vec<SecretString> = again.into_iter().zip(now).map(|(newer, old)| newer.unwrap_or(old)).collect();
    check(&again)
}

/// Returns a secret without the white space around it, unless there is nothing else.
pub fn trimmed(text: &SecretString) -> Option<SecretString> {
    let text = text.expose_secret().trim();
    (!text.is_empty()).then(|| SecretString::from(text))
}

impl SecretFile {
    fn now(&self) -> SecretString {
        let mut held = self.held();
        let stamp = fs::metadata(&self.path).map(|metadata| Stamp::of(&metadata)).ok();
        if stamp.is_none() || stamp != held.stamp {
            self.take_up(&mut held);
        }
        held.text.clone()
    }

    /// Two versions of one size, written within one tick of the file system's clock, look like one.
    fn read_again(&self) -> SecretString {
        let mut held = self.held();
        self.take_up(&mut held);
        held.text.clone()
    }

    fn take_up(&self, held: &mut Held) {
        match read(&self.path, self.check) {
            Ok((stamp, text)) => {
                if text.expose_secret() != held.text.expose_secret() {
                    tracing::info!(
                        key = self.key,
                        "the secret of `{}` was replaced, and is used from now on",
                        self.key
                    );
                }
                *held = Held { text, stamp: Some(stamp), is_told: false };
            }
            Err(error) => {
                if !held.is_told {
                    let (key, path) = (&self.key, self.path.display());
                    tracing::warn!(key, "`{key}` names `{path}`, which {error} now; what it held before stays in use");
                }
                held.stamp = None;
                held.is_told = true;
            }
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stamp {
    fn of(metadata: &fs::Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// Reads a file's secret, and which file that was: one that is replaced while it is read is another one the next time.
fn read(path: &Path, check: Check) -> Result<(Stamp, SecretString), NoSecret> {
    // A pipe in its place would be waited for.
    if !fs::metadata(path)?.is_file() {
        return Err(NoSecret::Unreadable(io::ErrorKind::InvalidInput));
    }
    let file = fs::File::open(path)?;
    let stamp = Stamp::of(&file.metadata()?);
    let mut text = String::new();
    file.take(MOST_BYTES + 1).read_to_string(&mut text)?;
    let is_large = u64::try_from(text.len()).is_ok_and(|length| length > MOST_BYTES);
    let text = SecretString::from(text);
    if is_large {
        return Err(NoSecret::Large);
    }
    let text = trimmed(&text).ok_or(NoSecret::Empty)?;
    check(text.expose_secret()).map_err(NoSecret::Unfit)?;
    Ok((stamp, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with a secret in it.
    struct Folder(tempfile::TempDir);

    impl Folder {
        fn with(text: &str) -> Self {
            let folder = Self(tempfile::tempdir().expect("because there is room"));
            folder.write(text);
            folder
        }

        fn path(&self) -> PathBuf {
            self.0.path().join("token")
        }

        fn write(&self, text: &str) {
            fs::write(self.path(), text).expect("because the folder is ours");
        }

        /// Puts another file in its place, as secrets are replaced.
        fn replace(&self, text: &str) {
            let new = self.0.path().join("new");
            fs::write(&new, text).expect("because the folder is ours");
            fs::rename(new, self.path()).expect("because the folder is ours");
        }

        fn secret(&self) -> Secret {
            Secret::in_file("forges.github.token_file", &self.path(), plain).expect("because it holds a secret")
        }
    }

    fn plain(text: &str) -> Result<(), &'static str> {
        if text.contains('\n') { Err("has two lines") } else { Ok(()) }
    }

    fn now(secret: &Secret) -> String {
        secret.now().expose_secret().to_owned()
    }

    #[test]
    fn what_replaces_a_file_is_taken_up() {
        let folder = Folder::with("first\n");
        let secret = folder.secret();
        assert_eq!(now(&secret), "first");
        folder.replace("other");
        assert_eq!(now(&secret), "other");
        folder.write("the third\n");
        assert_eq!(now(&secret), "the third");
    }

    #[test]
    fn a_link_that_goes_elsewhere_is_followed() {
        let folder = Folder::with("first");
        let (link, second) = (folder.0.path().join("link"), folder.0.path().join("second"));
        fs::write(&second, "other").expect("because the folder is ours");
        std::os::unix::fs::symlink(folder.path(), &link).expect("because the folder is ours");
        let secret = Secret::in_file("key", &link, plain).expect("because it holds a secret");
        fs::remove_file(&link).expect("because the folder is ours");
        assert_eq!(now(&secret), "first");
        std::os::unix::fs::symlink(&second, &link).expect("because the folder is ours");
        assert_eq!(now(&secret), "other");
    }

    #[test]
    fn a_file_that_is_of_no_use_changes_nothing() {
        let folder = Folder::with("first");
        let secret = folder.secret();
        for unfit in ["", " \n", "two\nlines", &"x".repeat(65 << 10)] {
            folder.write(unfit);
            assert_eq!(now(&secret), "first");
            assert!(secret.instead_of(&"first".into()).is_none());
        }
        fs::remove_file(folder.path()).expect("because it is there");
        assert_eq!(now(&secret), "first");
        folder.write("other");
        assert_eq!(now(&secret), "other");
    }

    #[test]
    fn what_was_refused_is_read_again_and_told_from_what_is_there_now() {
        let folder = Folder::with("first");
        let secret = folder.secret();
        assert!(secret.instead_of(&"first".into()).is_none());
        folder.replace("other");
        // Somebody else may have taken it up in between.
        assert_eq!(now(&secret), "other");
        assert_eq!(
            secret.instead_of(&"first".into()).map(|text| text.expose_secret().to_owned()),
            Some("other".into())
        );
        assert!(Secret::from("given").instead_of(&"given".into()).is_none());
    }

    #[test]
    fn a_proof_is_checked_against_what_is_there_now() {
        let (folder, fixed) = (Folder::with("first"), Secret::from("fixed"));
        let secrets = [fixed, folder.secret()];
        let fits = |wanted: &'static str| {
            checked(&secrets, |texts| {
                let fits = texts.iter().any(|text| text.expose_secret() == wanted);
                if fits { Ok(()) } else { Err("fits none") }
            })
        };
        assert_eq!((fits("first"), fits("fixed"), fits("other")), (Ok(()), Ok(()), Err("fits none")));
        folder.replace("other");
        assert_eq!((fits("first"), fits("fixed"), fits("other")), (Err("fits none"), Ok(()), Ok(())));
    }

    #[test]
    fn nothing_shows_it() {
        let folder = Folder::with("s3cret");
        assert_eq!(format!("{:?} {:?}", folder.secret(), Secret::from("s3cret")), "Secret(…) Secret(…)");
    }
}
