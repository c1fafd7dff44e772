//! Keeps a mirror small and quick to read, however long it is in use.
//!
//! - Each fetch and each hydration leaves a pack behind, and reading looks through all of them. When they have become
//!   many they are gathered by size, as git's own upkeep does it ([geometric repacking]); no object is dropped, and
//!   others may read and write meanwhile.
//! - What no commit holds, renderings that were forgotten above all, is dropped now and then. Renderings that are still
//!   known are in no commit, so they are held by a reference while git looks for what can be dropped.
//!
//! Every commit stays, with what it holds, on a branch or not: a dry commit that a forced push took off its branch may
//! still run somewhere, and where it belongs on the dry line is known from its parents alone.
//!
//! Whoever drops must be the only one who writes to the mirror: an object that a writer found there could be gone
//! before it is used.
//!
//! [geometric repacking]: https://git-scm.com/docs/git-repack#Documentation/git-repack.txt---geometricfactor

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    io::Write,
    path::Path,
    time::{Duration, SystemTime},
};

use git2::{ObjectType, Oid, Repository, Signature, Time};
use jiff::Timestamp;
use tempfile::NamedTempFile;

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

/// Hold the renderings that are known, and all commits, while git looks for what nobody needs.
const HOLDING: [&str; 2] = ["refs/hydromote/renderings", "refs/hydromote/commits"];

/// The file in which git lists the commits whose parents it takes for absent ([format]).
///
/// [format]: https://git-scm.com/docs/shallow
const SHALLOW: &str = "shallow";

/// The file in a mirror that lists, one per line, the commits that are cut off only while something is held; it is
/// there as long as anything is held.
const HELD: &str = "hydromote-held";

/// How packs begin that git has not finished, in its folder of packs.
const UNFINISHED: &str = ".tmp-";

/// After how long nobody finishes them any more: no git of ours may take so long.
const LEFT_AFTER: Duration = Duration::from_secs(60 * 60);

impl Mirror {
    /// Says whether its objects are in so many files that gathering them pays.
    pub async fn is_scattered(&self) -> Result<bool, GitError> {
        let objects = self.path().join("objects");
        let counted = blocking(move || -> std::io::Result<_> {
            let is_pack = |name: &str| name.ends_with(".pack") && !name.starts_with(UNFINISHED);
            Ok((count(&objects.join("pack"), is_pack)?, count(&objects.join(SAMPLE), |_| true)? * 256))
        });
        let (packs, loose) = counted.await.map_err(GitError::Folder)?;
        Ok(packs > MOST_PACKS || loose > MOST_LOOSE)
    }

    /// Gathers its objects in few files. Others may read and write meanwhile.
    pub async fn gather(&self, now: Timestamp) -> Result<(), GitError> {
        self.clean_up(now).await?;
        self.keep_up(&["repack", "--geometric=2", "-d", "-l", "--quiet"], "gather the mirror's objects").await
    }

    /// Drops every object that is neither in a commit nor in one of these renderings; nobody may write meanwhile.
    ///
    /// # Errors
    /// Also when an object of a rendering is missing: then nothing is dropped.
    pub async fn drop_unused(&self, renderings: Vec<Oid>, now: Timestamp) -> Result<(), GitError> {
        self.clean_up(now).await?;
        let dropped = match self.read(move |repository, _| hold(repository, &renderings)).await {
            Ok(()) => self.drop_unheld().await,
            Err(error) => Err(error),
        };
        self.read(|repository, _| let_go(repository)).await?;
        dropped
    }

    /// Lets go of what a process held that was killed while it dropped; nobody else may drop meanwhile.
    pub fn let_go(&self) -> Result<(), GitError> {
        let_go(&Repository::open_bare(self.path())?)
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
        // How texts follow from others is searched for when packs are gathered; here everybody waits.
        self.keep_up(&["repack", "-a", "-d", "-l", "--quiet", "--window=0"], what).await?;
        self.keep_up(&["prune", "--expire=now"], what).await
    }

    /// Removes packs that a git left unfinished; git itself leaves those there that its repacking has begun.
    async fn clean_up(&self, now: Timestamp) -> Result<(), GitError> {
        let packs = self.path().join("objects/pack");
        blocking(move || remove_unfinished(&packs, now.into())).await.map_err(GitError::Folder)
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

fn remove_unfinished(packs: &Path, now: SystemTime) -> std::io::Result<()> {
    let entries = match std::fs::read_dir(packs) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let is_unfinished = entry.file_name().to_string_lossy().starts_with(UNFINISHED);
        if is_unfinished && now.duration_since(entry.metadata()?.modified()?).is_ok_and(|age| age >= LEFT_AFTER) {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Has references hold every commit, and these renderings in a tree of folders by the first two digits of their names.
/// Commits whose parents are not there are cut off for git meanwhile.
fn hold(repository: &Repository, renderings: &[Oid]) -> Result<(), GitError> {
    let_go(repository)?;
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

    let Commits { newest, cut } = commits(repository)?;
    let shallow = listed(repository, SHALLOW)?;
    write_list(repository, HELD, &cut.difference(&shallow).copied().collect())?;
    if !cut.is_subset(&shallow) {
        write_list(repository, SHALLOW, &shallow.union(&cut).copied().collect())?;
    }
    let nobody = Signature::new("Hydromote", "hydromote@localhost", &Time::new(0, 0))?;
    let newest = newest.into_iter().map(|id| repository.find_commit(id)).collect::<Result<Vec<_>, _>>()?;
    let newest: Vec<_> = newest.iter().collect();
    // It stays as all commits do, so it must not hold renderings.
    let empty = repository.find_tree(repository.treebuilder(None)?.write()?)?;
    let commits = repository.commit(None, &nobody, &nobody, "all commits", &empty, &newest)?;
    for (name, held) in HOLDING.into_iter().zip([all, commits]) {
        repository.reference(name, held, true, "it is kept")?;
    }
    Ok(())
}

/// Removes what [`hold`] left there: fetches would look through all of it, and history would end where it was cut off.
fn let_go(repository: &Repository) -> Result<(), GitError> {
    if !repository.path().join(HELD).exists() {
        return Ok(());
    }
    let (held, shallow) = (listed(repository, HELD)?, listed(repository, SHALLOW)?);
    if !held.is_disjoint(&shallow) {
        let before: BTreeSet<Oid> = shallow.difference(&held).copied().collect();
        match before.is_empty() {
            // Git takes a repository for shallow where the file is there.
            true => remove(repository, SHALLOW)?,
            false => write_list(repository, SHALLOW, &before)?,
        }
    }
    for name in HOLDING {
        match repository.find_reference(name) {
            Ok(mut reference) => reference.delete()?,
            Err(error) if error.code() == git2::ErrorCode::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    remove(repository, HELD)
}

/// The commits of a repository.
struct Commits {
    /// Those that are nobody's parent.
    newest: Vec<Oid>,
    /// Those with a parent that is not there.
    cut: BTreeSet<Oid>,
}

/// Finds all commits, on branches or not.
fn commits(repository: &Repository) -> Result<Commits, GitError> {
    let odb = repository.odb()?;
    let mut all = HashSet::new();
    odb.foreach(|id| {
        if odb.read_header(*id).is_ok_and(|(_, kind)| kind == ObjectType::Commit) {
            all.insert(*id);
        }
        true
    })?;
    let (mut parents, mut cut) = (HashSet::new(), BTreeSet::new());
    for id in &all {
        let commit = repository.find_commit(*id)?;
        parents.extend(commit.parent_ids());
        if commit.parent_ids().any(|parent| !all.contains(&parent)) {
            cut.insert(*id);
        }
    }
    let mut newest: Vec<Oid> = all.into_iter().filter(|id| !parents.contains(id)).collect();
    newest.sort_unstable();
    Ok(Commits { newest, cut })
}

/// Returns the commits whose parents are not in the mirror.
pub(super) fn cut_off(repository: &Repository) -> Result<BTreeSet<Oid>, GitError> {
    listed(repository, SHALLOW)
}

/// Returns the commits that a file of the repository lists, one per line.
fn listed(repository: &Repository, file: &str) -> Result<BTreeSet<Oid>, GitError> {
    match std::fs::read_to_string(repository.path().join(file)) {
        Ok(text) => Ok(text.lines().filter_map(|line| Oid::from_str(line).ok()).collect()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(BTreeSet::new()),
        Err(error) => Err(GitError::Folder(error)),
    }
}

fn write_list(repository: &Repository, file: &str, commits: &BTreeSet<Oid>) -> Result<(), GitError> {
    let path = repository.path().join(file);
    let lines: String = commits.iter().map(|id| format!("{id}\n")).collect();
    let written = || {
        let mut new = NamedTempFile::new_in(repository.path())?;
        new.write_all(lines.as_bytes())?;
        // After a power failure the list of what is held must not be empty while git's says that it is cut off.
        new.as_file().sync_all()?;
        new.persist(&path)?;
        std::fs::File::open(repository.path())?.sync_all()
    };
    written().map_err(GitError::Folder)
}

fn remove(repository: &Repository, file: &str) -> Result<(), GitError> {
    match std::fs::remove_file(repository.path().join(file)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(GitError::Folder(error)),
        _ => Ok(()),
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

    /// Removes an object that is in no pack.
    fn lose(mirror: &Mirror, id: Oid) -> std::io::Result<()> {
        let name = id.to_string();
        std::fs::remove_file(mirror.path().join("objects").join(&name[..2]).join(&name[2..]))
    }

    fn commit(repository: &Repository, tree: Oid, branch: &str) -> Result<Oid, GitError> {
        let someone = Signature::new("someone", "someone@example.com", &Time::new(0, 0))?;
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
            mirror.drop_unused(vec![known[1], gone_before], Timestamp::UNIX_EPOCH).await?;
            let fresh = Repository::open_bare(mirror.path())?;
            let odb = fresh.odb()?;
            for id in [[head, head], proposed, known].concat() {
                assert!(odb.exists(id), "{id} is needed");
            }
            for id in forgotten {
                assert!(!odb.exists(id), "{id} is not needed");
            }
        }
        for name in HOLDING {
            assert!(repository.find_reference(name).is_err(), "fetches need not look through it");
        }
        Ok(())
    }

    #[tokio::test]
    async fn every_commit_stays_with_what_it_holds_and_what_it_follows() -> TestResult {
        let (_folder, mirror) = mirror()?;
        let repository = Repository::open_bare(mirror.path())?;
        let [_, first] = write(&repository, "first")?;
        let [file, second] = write(&repository, "second")?;
        let someone = Signature::new("someone", "someone@example.com", &Time::new(0, 0))?;
        let commit = |tree: Oid, parents: &[&git2::Commit<'_>]| {
            repository.commit(None, &someone, &someone, "one", &repository.find_tree(tree)?, parents)
        };
        let gone = commit(first, &[])?;
        let cut = commit(first, &[&repository.find_commit(gone)?])?;
        let left = commit(second, &[&repository.find_commit(cut)?])?;
        lose(&mirror, gone)?;
        for _ in 0..2 {
            mirror.drop_unused(Vec::new(), Timestamp::UNIX_EPOCH).await?;
            let fresh = Repository::open_bare(mirror.path())?;
            assert_eq!(fresh.find_commit(left)?.parent_id(0)?, cut);
            assert!(fresh.find_commit(cut).is_ok() && fresh.find_blob(file).is_ok());
            assert!(!mirror.path().join("shallow").exists(), "that a parent is not there is nobody else's business");
        }
        Ok(())
    }

    #[test]
    fn what_a_killed_process_held_is_let_go_and_what_a_fetch_cut_off_stays() -> TestResult {
        let (_folder, mirror) = mirror()?;
        let repository = Repository::open_bare(mirror.path())?;
        let [_, tree] = write(&repository, "one")?;
        let someone = Signature::new("someone", "someone@example.com", &Time::new(0, 0))?;
        let commit = |words: &str, parents: &[Oid]| {
            let parents = parents.iter().map(|id| repository.find_commit(*id)).collect::<Result<Vec<_>, _>>()?;
            let parents: Vec<_> = parents.iter().collect();
            repository.commit(None, &someone, &someone, words, &repository.find_tree(tree)?, &parents)
        };
        let [lost, also_lost] = [commit("lost", &[])?, commit("also lost", &[])?];
        let [by_a_fetch, newest] = [commit("cut off", &[lost])?, commit("newest", &[also_lost])?];
        lose(&mirror, lost)?;
        lose(&mirror, also_lost)?;
        write_list(&repository, SHALLOW, &BTreeSet::from([by_a_fetch]))?;
        let fresh = || Repository::open_bare(mirror.path());
        hold(&fresh()?, &[tree])?;
        assert_eq!(listed(&repository, SHALLOW)?, BTreeSet::from([by_a_fetch, newest]));
        hold(&fresh()?, &[tree])?;
        mirror.let_go()?;
        assert_eq!(listed(&repository, SHALLOW)?, BTreeSet::from([by_a_fetch]));
        assert!(HOLDING.iter().all(|name| repository.find_reference(name).is_err()));
        Ok(())
    }

    #[test]
    fn what_a_killed_git_left_goes_once_nobody_can_be_at_it() -> TestResult {
        let packs = tempfile::tempdir()?;
        let [unfinished, finished] = [".tmp-77-pack-1.pack", "pack-1.pack"].map(|name| packs.path().join(name));
        for path in [&unfinished, &finished] {
            std::fs::write(path, "objects")?;
        }
        let written = std::fs::metadata(&unfinished)?.modified()?;
        remove_unfinished(packs.path(), written)?;
        assert!(unfinished.exists());
        remove_unfinished(packs.path(), written + LEFT_AFTER)?;
        assert!(!unfinished.exists() && finished.exists());
        Ok(())
    }

    #[tokio::test]
    async fn a_known_rendering_that_is_damaged_has_nothing_dropped() -> TestResult {
        let (_folder, mirror) = mirror()?;
        let repository = Repository::open_bare(mirror.path())?;
        let [file, known] = write(&repository, "known")?;
        let [unused, _] = write(&repository, "unused")?;
        lose(&mirror, file)?;
        assert!(mirror.drop_unused(vec![known], Timestamp::UNIX_EPOCH).await.is_err());
        assert!(Repository::open_bare(mirror.path())?.odb()?.exists(unused));
        mirror.drop_unused(Vec::new(), Timestamp::UNIX_EPOCH).await?;
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
        mirror.gather(Timestamp::UNIX_EPOCH).await?;
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
