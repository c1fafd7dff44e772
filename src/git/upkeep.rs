//! Keeps a mirror small and quick to read, however long it is in use.
//!
//! - Each fetch and each hydration leaves a pack behind, and reading looks through all of them. When they have become
//!   many they are gathered by size, as git's own upkeep does it ([geometric repacking]); no object is dropped.
//! - What nobody needs any more is dropped now and then: superseded proposals, branches that were deleted, renderings
//!   that were forgotten. Renderings that are still known are on no branch, so they are held by a reference while git
//!   looks for what can be dropped.
//!
//! Whoever drops must be the only one who writes to the mirror: an object that a writer found there could be gone
//! before it is used.
//!
//! [geometric repacking]: https://git-scm.com/docs/git-repack#Documentation/git-repack.txt---geometricfactor

use std::{collections::BTreeMap, path::Path};

use git2::{Oid, Repository};
use jiff::Timestamp;

use super::{
    GitError,
    batch::{Batch, Entry, FOLDER},
    mirror::Mirror,
    program,
};
use crate::blocking::blocking;

/// From how many packs on they are gathered: as many as git itself bears (`gc.autoPackLimit`).
const MOST_PACKS: usize = 50;

/// From how many loose objects on they are gathered: as many as git itself bears (`gc.auto`).
const MOST_LOOSE: usize = 6_700;

/// The folder of loose objects by which all are estimated, one of 256.
const SAMPLE: &str = "17";

/// The file in a mirror that says when something was dropped.
const DROPPED_AT: &str = "hydromote-dropped-at";

/// Holds the renderings that are known while git looks for what nobody needs.
const KNOWN: &str = "refs/hydromote/renderings";

impl Mirror {
    /// Says whether its objects are in so many files that gathering them pays.
    pub async fn is_scattered(&self) -> Result<bool, GitError> {
        let objects = self.path().join("objects");
        let counted = blocking(move || -> std::io::Result<_> {
            let packs = count(&objects.join("pack"), |name| name.ends_with(".pack"))?;
            Ok((packs, count(&objects.join(SAMPLE), |_| true)? * 256))
        });
        let (packs, loose) = counted.await.map_err(GitError::Folder)?;
        Ok(packs > MOST_PACKS || loose > MOST_LOOSE)
    }

    /// Gathers its objects in few files. Others may read and write meanwhile.
    pub async fn gather(&self) -> Result<(), GitError> {
        self.keep_up(&["repack", "--geometric=2", "-d", "-l", "--quiet"], "gather the mirror's objects").await
    }

    /// Drops every object that is neither on a branch nor in one of these renderings; nobody may write meanwhile.
    ///
    /// # Errors
    /// Also when an object of a rendering is missing: then nothing is dropped.
    pub async fn drop_unused(&self, renderings: Vec<Oid>) -> Result<(), GitError> {
        self.read(move |repository, _| hold(repository, &renderings)).await?;
        let dropped = self.drop_unheld().await;
        // Fetches would look through all of them.
        self.read(|repository, _| let_go(repository)).await?;
        dropped
    }

    /// Returns when that was last done.
    pub async fn dropped_at(&self) -> Option<Timestamp> {
        let written = self.path().join(DROPPED_AT);
        blocking(move || std::fs::read_to_string(written)).await.ok()?.trim().parse().ok()
    }

    /// Notes when that was last done.
    pub async fn note_dropped(&self, at: Timestamp) -> Result<(), GitError> {
        let written = self.path().join(DROPPED_AT);
        blocking(move || std::fs::write(written, format!("{at}\n"))).await.map_err(GitError::Folder)
    }

    async fn drop_unheld(&self) -> Result<(), GitError> {
        let what = "drop what the mirror does not need any more";
        self.keep_up(&["repack", "-a", "-d", "-l", "--quiet"], what).await?;
        self.keep_up(&["prune", "--expire=now"], what).await
    }

    async fn keep_up(&self, arguments: &[&str], what: &str) -> Result<(), GitError> {
        let arguments: Vec<String> = arguments.iter().copied().map(str::to_owned).collect();
        let run = program::run(self.path(), None, &arguments, what).await?;
        if run.ok { Ok(()) } else { Err(GitError::Transfer { what: what.to_owned(), words: run.stderr }) }
    }
}

/// Returns how many files of a folder have such a name.
fn count(folder: &Path, is_meant: impl Fn(&str) -> bool) -> std::io::Result<usize> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
        entries => entries?,
    };
    Ok(entries
        .filter(|entry| entry.as_ref().is_ok_and(|entry| entry.file_name().to_str().is_some_and(&is_meant)))
        .count())
}

/// Has a reference hold renderings, in a tree of folders by the first two digits of their names.
fn hold(repository: &Repository, renderings: &[Oid]) -> Result<(), GitError> {
    let odb = repository.odb()?;
    let mut folders: BTreeMap<String, BTreeMap<String, Entry>> = BTreeMap::new();
    for id in renderings.iter().filter(|id| odb.exists(**id)) {
        let name = id.to_string();
        let folder = folders.entry(name[..2].to_owned()).or_default();
        folder.insert(name, Entry { mode: FOLDER, id: *id });
    }
    let mut batch = Batch::default();
    let mut all = BTreeMap::new();
    for (name, renderings) in folders {
        let id = batch.tree(&renderings)?;
        all.insert(name, Entry { mode: FOLDER, id });
    }
    let all = batch.tree(&all)?;
    batch.write(repository)?;
    repository.reference(KNOWN, all, true, "renderings that are known")?;
    Ok(())
}

fn let_go(repository: &Repository) -> Result<(), GitError> {
    match repository.find_reference(KNOWN) {
        Ok(mut reference) => Ok(reference.delete()?),
        Err(error) if error.code() == git2::ErrorCode::NotFound => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::batch;

    type TestResult = Result<(), Box<dyn std::error::Error>>;

    fn mirror() -> Result<(tempfile::TempDir, Mirror), GitError> {
        let folder = tempfile::tempdir().map_err(GitError::Folder)?;
        let mirror = Mirror::open(&folder.path().join("shop.git"))?;
        Ok((folder, mirror))
    }

    /// Writes a folder with one file; returns both.
    fn write(repository: &Repository, text: &str) -> Result<[Oid; 2], GitError> {
        let mut batch = Batch::default();
        let file = batch.blob(text.as_bytes().to_vec())?;
        let folder = batch.tree(&BTreeMap::from([("web.yaml".to_owned(), Entry { mode: batch::FILE, id: file })]))?;
        batch.write(repository)?;
        Ok([file, folder])
    }

    fn commit(repository: &Repository, tree: Oid, branch: &str) -> Result<Oid, GitError> {
        let someone = git2::Signature::new("someone", "someone@example.com", &git2::Time::new(0, 0))?;
        let id = repository.commit(None, &someone, &someone, "one", &repository.find_tree(tree)?, &[])?;
        repository.reference(branch, id, true, "a test")?;
        Ok(id)
    }

    #[tokio::test]
    async fn what_is_on_a_branch_or_known_stays_and_the_rest_goes() -> TestResult {
        let (_folder, mirror) = mirror()?;
        let repository = Repository::open_bare(mirror.path())?;
        let [proposed, known, forgotten] = ["proposed", "known", "forgotten"].map(|text| write(&repository, text));
        let (proposed, known, forgotten) = (proposed?, known?, forgotten?);
        let head = commit(&repository, proposed[1], "refs/remotes/origin/env/dev")?;
        let gone_before = Oid::from_str("1234567890123456789012345678901234567890")?;
        for _ in 0..2 {
            mirror.drop_unused(vec![known[1], gone_before]).await?;
            let fresh = Repository::open_bare(mirror.path())?;
            let odb = fresh.odb()?;
            for id in [[head, head], proposed, known].concat() {
                assert!(odb.exists(id), "{id} is needed");
            }
            for id in forgotten {
                assert!(!odb.exists(id), "{id} is not needed");
            }
        }
        assert!(repository.find_reference(KNOWN).is_err(), "fetches need not look through renderings");
        Ok(())
    }

    #[tokio::test]
    async fn a_known_rendering_that_is_damaged_has_nothing_dropped() -> TestResult {
        let (_folder, mirror) = mirror()?;
        let repository = Repository::open_bare(mirror.path())?;
        let [file, known] = write(&repository, "known")?;
        let [unused, _] = write(&repository, "unused")?;
        let name = file.to_string();
        std::fs::remove_file(mirror.path().join("objects").join(&name[..2]).join(&name[2..]))?;
        assert!(mirror.drop_unused(vec![known]).await.is_err());
        assert!(Repository::open_bare(mirror.path())?.odb()?.exists(unused));
        mirror.drop_unused(Vec::new()).await?;
        assert!(!Repository::open_bare(mirror.path())?.odb()?.exists(unused));
        Ok(())
    }

    #[tokio::test]
    async fn many_packs_are_gathered_with_all_that_is_in_them() -> TestResult {
        let (_folder, mirror) = mirror()?;
        let repository = Repository::open_bare(mirror.path())?;
        let mut written = Vec::new();
        for number in 0..=MOST_PACKS {
            assert!(!mirror.is_scattered().await?, "{number} packs are few");
            let mut batch = Batch::default();
            for line in 0..batch::PACK_FROM {
                written.push(batch.blob(format!("{number} {line}").into_bytes())?);
            }
            batch.write(&repository)?;
        }
        assert!(mirror.is_scattered().await?);
        mirror.gather().await?;
        assert!(!mirror.is_scattered().await?);
        let fresh = Repository::open_bare(mirror.path())?;
        for id in written {
            assert!(repository.find_blob(id).is_ok(), "who has it open finds {id}");
            assert!(fresh.find_blob(id).is_ok(), "whoever opens it finds {id}");
        }
        assert_eq!(count(&mirror.path().join("objects/pack"), |name| name.ends_with(".pack"))?, 1);
        Ok(())
    }
}
