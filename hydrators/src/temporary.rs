//! Folders for what renderers read and write, in memory where there is such a file system.
//!
//! All folders of this process are in one, beside which a lock is held for as long as any of them is there: the kernel
//! lets it go however the process ends. So whoever comes next knows what was left by a process that was killed, and
//! deletes it.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tempfile::TempDir;

/// Where Linux keeps files in memory.
const MEMORY: &str = "/dev/shm";

/// How the folder of a process is called.
const PREFIX: &str = "hydrate-";

/// How the lock beside it is called.
const LOCK: &str = ".lock";

/// A fresh folder for this process alone, which goes with the value.
#[derive(Debug)]
pub(crate) struct TemporaryFolder {
    folder: TempDir,
    // After the folder in it.
    _all: Arc<OfProcess>,
}

impl TemporaryFolder {
    /// Makes one.
    pub(crate) fn new() -> io::Result<Self> {
        let all = of_process()?;
        let folder = tempfile::Builder::new().tempdir_in(all.folder.path())?;
        Ok(Self { folder, _all: all })
    }

    /// Returns where it is.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// The folder of this process, and the lock beside it.
#[derive(Debug)]
struct OfProcess {
    folder: TempDir,
    lock: PathBuf,
    _held: File,
}

impl Drop for OfProcess {
    fn drop(&mut self) {
        // What cannot be deleted is found by whoever comes next.
        let _ = fs::remove_dir_all(self.folder.path());
        let _ = fs::remove_file(&self.lock);
    }
}

/// Returns the folder of this process; the first one deletes what others left.
fn of_process() -> io::Result<Arc<OfProcess>> {
    static KNOWN: Mutex<Weak<OfProcess>> = Mutex::new(Weak::new());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = known.upgrade() {
        return Ok(known);
    }
    let memory = Path::new(MEMORY);
    let new = in_folder(memory).or_else(|_| in_folder(&std::env::temp_dir()))?;
    let new = Arc::new(new);
    *known = Arc::downgrade(&new);
    Ok(new)
}

/// Makes the folder of a process, once what others left beside it is deleted.
fn in_folder(parent: &Path) -> io::Result<OfProcess> {
    sweep(parent)?;
    loop {
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent)?;
        let lock = lock_of(folder.path());
        let held = File::create_new(&lock)?;
        held.lock()?;
        // Somebody who swept may have seen the lock before it was held.
        if folder.path().exists() && lock.exists() {
            return Ok(OfProcess { folder, lock, _held: held });
        }
    }
}

/// Deletes the folders of processes that are no more: their locks are nobody's.
fn sweep(parent: &Path) -> io::Result<()> {
    for entry in fs::read_dir(parent)? {
        let lock = entry?.path();
        let name = lock.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let Some(folder) = name.strip_suffix(LOCK).filter(|name| name.starts_with(PREFIX)) else { continue };
        // Those of other users cannot be opened, and are left to them.
        let Ok(file) = File::options().write(true).open(&lock) else { continue };
        if file.try_lock().is_ok() {
            let _ = fs::remove_dir_all(parent.join(folder));
            let _ = fs::remove_file(&lock);
        }
    }
    Ok(())
}

fn lock_of(folder: &Path) -> PathBuf {
    let mut name = folder.as_os_str().to_owned();
    name.push(LOCK);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_process_left_is_deleted_by_the_next_and_what_is_in_use_is_not() {
        let parent = tempfile::tempdir().expect("a folder");
        let (used, left) = (in_folder(parent.path()).expect("one"), in_folder(parent.path()).expect("another"));
        let (used_at, left_at) = (used.folder.path().to_owned(), left.folder.path().to_owned());
        fs::write(left_at.join("file"), "text").expect("is written");
        // As a process that was killed leaves it.
        let OfProcess { folder, _held, .. } = &left;
        _held.unlock().expect("was held");
        assert_eq!(folder.path(), left_at);
        std::mem::forget(left);
        sweep(parent.path()).expect("is read");
        assert!(!left_at.exists() && !lock_of(&left_at).exists());
        assert!(used_at.exists() && lock_of(&used_at).exists());
        drop(used);
        assert_eq!(fs::read_dir(parent.path()).expect("is read").count(), 0);
    }
}
