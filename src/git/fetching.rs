//! Fetches what is new on branches without starting git: one [request](super::protocol) of `fetch`
//! (<https://git-scm.com/docs/protocol-v2#_fetch>), whose answer is a pack.
//!
//! - It is for what every promotion brings: a few commits on what is there. What has another answer than expected, is too
//!   large or lacks an object is left to the program `git`, as is what is fetched first and what is deepened.
//! - Nothing counts before all objects are there: libgit2 checks the pack, and that everything it refers to is in it or in
//!   the mirror. Only then the mirror's branches move.
//! - Few objects are written loose, as git does it (`fetch.unpackLimit`): a pack for each merge would soon be many.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write as _,
    time::Duration,
};

use anyhow::{Context as _, ensure};
use git2::{Indexer, ObjectType, Odb, Oid, Repository};

use super::{
    GitError,
    batch::PACK_FROM,
    mirror::{HEADS, Mirror, Remote},
    protocol::{self, FLUSH},
    upkeep,
};
use crate::domain::ids::BranchName;

/// How long a fetch may take before it is left to git.
const FETCH_LIMIT: Duration = Duration::from_secs(60);
/// The most commits that the remote is told we have.
const MOST_HAD: usize = 64;
/// What comes before the pack where history is cut off here: no line says that it is cut off elsewhere now.
const SAME_SHALLOW: &str = "0011shallow-info\n0001";
/// Whose bytes they are, in each line of an answer.
const PACK: u8 = 1;
const PROGRESS: u8 = 2;

impl Mirror {
    /// Brings branches to where they are on the remote; says whether it could.
    pub(super) async fn fetch_without_program(&self, remote: &Remote, wanted: &BTreeMap<BranchName, Oid>) -> bool {
        let fetched = tokio::time::timeout(FETCH_LIMIT, self.fetch_wanted(remote, wanted)).await;
        match fetched.map_err(anyhow::Error::from).flatten() {
            Ok(()) => true,
            Err(error) => {
                tracing::debug!("branches are not fetched without git: {error:#}");
                false
            }
        }
    }

    /// Brings branches to where they are on the remote now; says whether it could.
    pub(super) async fn fetch_listed_without_program(&self, remote: &Remote, branches: &[BranchName]) -> bool {
        let names: Vec<String> = branches.iter().map(|branch| format!("{HEADS}{branch}")).collect();
        let Some(listed) = super::listing::references(remote, &self.network, &names).await else { return false };
        let found = |branch: &BranchName| {
            let (id, _) = listed.iter().find(|(_, name)| name.strip_prefix(HEADS) == Some(branch.as_str()))?;
            Some((branch.clone(), *id))
        };
        let wanted: Option<BTreeMap<BranchName, Oid>> = branches.iter().map(found).collect();
        match wanted {
            Some(wanted) => self.fetch_without_program(remote, &wanted).await,
            None => false,
        }
    }

    async fn fetch_wanted(&self, remote: &Remote, wanted: &BTreeMap<BranchName, Oid>) -> anyhow::Result<()> {
        let ids: Vec<Oid> = wanted.values().copied().collect();
        let heads = self.heads().await?;
        let newest = wanted.keys().filter_map(|branch| heads.get(self.local(branch).as_str()));
        let had: Vec<Oid> = newest.chain(heads.values()).copied().take(MOST_HAD).collect();
        // A commit that no branch leads to may be all that is left of a fetch that came to no end.
        let lacking: Vec<Oid> = ids.into_iter().filter(|id| !heads.values().any(|head| head == id)).collect();
        if !lacking.is_empty() {
            // Without anything that it has, all of the history would come.
            ensure!(!had.is_empty(), "nothing is there yet");
            let shallow = self.read(|repository, _| upkeep::cut_off(repository)).await?;
            let answer = protocol::ask(remote, &self.network, asked(&lacking, &shallow, &had)).await?;
            let pack = packed(&answer).context("the answer is no pack")?;
            self.read(move |repository, _| store(repository, &pack)).await?;
        }
        for (branch, id) in wanted {
            self.remember(branch, *id).await?;
        }
        Ok(())
    }
}

fn asked<'a>(wanted: &'a [Oid], shallow: impl IntoIterator<Item = &'a Oid>, had: &'a [Oid]) -> Vec<u8> {
    let options = ["no-progress", "ofs-delta"].map(str::to_owned);
    let wanted = wanted.iter().map(|id| format!("want {id}"));
    let shallow = shallow.into_iter().map(|id| format!("shallow {id}"));
    let had = had.iter().map(|id| format!("have {id}"));
    let all = options.into_iter().chain(wanted).chain(shallow).chain(had);
    protocol::asked("fetch", all.chain(["done".to_owned()]))
}

/// Returns the pack of an answer; nothing unless all of it is one that has come to its end, and history is cut off where
/// it was.
fn packed(answer: &[u8]) -> Option<Vec<u8>> {
    let sections = answer.strip_prefix(SAME_SHALLOW.as_bytes()).unwrap_or(answer);
    let (name, mut rest) = protocol::first(sections)?;
    if name != b"packfile\n" {
        return None;
    }
    let mut pack = Vec::with_capacity(rest.len());
    while rest != FLUSH.as_bytes() {
        let (line, after) = protocol::first(rest)?;
        match line.split_first()? {
            (&PACK, bytes) => pack.extend_from_slice(bytes),
            (&PROGRESS, _) => {}
            _ => return None,
        }
        rest = after;
    }
    Some(pack)
}

/// Writes the objects of a pack to the mirror, unless it refers to one that is in neither.
fn store(repository: &Repository, pack: &[u8]) -> Result<(), GitError> {
    let count = pack.get(8..12).and_then(|count| count.try_into().ok()).map_or(0, u32::from_be_bytes);
    if usize::try_from(count).unwrap_or(usize::MAX) >= PACK_FROM {
        return index(repository, pack, &repository.path().join("objects/pack"));
    }
    let objects = tempfile::tempdir_in(repository.path()).map_err(GitError::Folder)?;
    let folder = objects.path().join("pack");
    std::fs::create_dir(&folder).map_err(GitError::Folder)?;
    index(repository, pack, &folder)?;
    let (fresh, mut left) = (Odb::new()?, BTreeSet::new());
    fresh.add_disk_alternate(&objects.path().to_string_lossy())?;
    fresh.foreach(|id| left.insert(*id))?;
    let (odb, fresh) = (repository.odb()?, Repository::from_odb(fresh)?);
    while let Some(id) = left.pop_first() {
        write_after_its_parts(&fresh, &odb, id, &mut left)?;
    }
    Ok(())
}

/// Writes an object behind those of the rest that it refers to: who is killed in between leaves none that refers to what
/// is not there.
fn write_after_its_parts(fresh: &Repository, odb: &Odb, id: Oid, left: &mut BTreeSet<Oid>) -> Result<(), git2::Error> {
    let source = fresh.odb()?;
    let object = source.read(id)?;
    let parts: Vec<Oid> = match object.kind() {
        ObjectType::Tree => fresh.find_tree(id)?.iter().map(|entry| entry.id()).collect(),
        ObjectType::Commit => {
            let commit = fresh.find_commit(id)?;
            commit.parent_ids().chain([commit.tree_id()]).collect()
        }
        _ => Vec::new(),
    };
    for part in parts {
        if left.remove(&part) {
            write_after_its_parts(fresh, odb, part, left)?;
        }
    }
    odb.write(object.kind(), object.data()).map(drop)
}

/// Writes a pack with its index to a folder.
fn index(repository: &Repository, pack: &[u8], folder: &std::path::Path) -> Result<(), GitError> {
    let odb = repository.odb()?;
    let mut indexer = Indexer::new(Some(&odb), folder, 0, true)?;
    indexer.write_all(pack).map_err(GitError::Folder)?;
    indexer.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use git2::{Signature, Time};

    use super::*;

    type TestResult = Result<(), Box<dyn std::error::Error>>;

    const ONE: &str = "1111111111111111111111111111111111111111";

    fn repository() -> Result<(tempfile::TempDir, Repository), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let repository = Repository::init_bare(folder.path())?;
        Ok((folder, repository))
    }

    /// Commits a tree with so many files; returns the commit.
    fn commit(repository: &Repository, files: usize) -> Result<Oid, git2::Error> {
        let mut tree = repository.treebuilder(None)?;
        for number in 0..files {
            tree.insert(format!("file-{number}"), repository.blob(format!("{number}\n").as_bytes())?, 0o100_644)?;
        }
        let (tree, who) = (tree.write()?, Signature::new("Ada", "ada@example.com", &Time::new(0, 0))?);
        repository.commit(None, &who, &who, "a commit", &repository.find_tree(tree)?, &[])
    }

    /// Returns a pack of a commit and all that is in it, or of the commit alone.
    fn pack(repository: &Repository, id: Oid, is_whole: bool) -> Result<Vec<u8>, git2::Error> {
        let (mut builder, mut pack) = (repository.packbuilder()?, git2::Buf::new());
        match is_whole {
            true => builder.insert_commit(id)?,
            false => builder.insert_object(id, None)?,
        }
        builder.write_buf(&mut pack)?;
        Ok(pack.to_vec())
    }

    #[test]
    fn objects_are_written_loose_or_as_the_pack_that_they_came_in() -> TestResult {
        for files in [1, PACK_FROM] {
            let (_there, remote) = repository()?;
            let (folder, mirror) = repository()?;
            let id = commit(&remote, files)?;
            store(&mirror, &pack(&remote, id, true)?)?;
            assert_eq!(mirror.find_commit(id)?.tree()?.len(), files);
            let packs = std::fs::read_dir(folder.path().join("objects/pack"))?.count();
            assert_eq!(packs > 0, files == PACK_FROM, "{files} files, {packs} files of packs");
            let left: Vec<_> = std::fs::read_dir(folder.path())?.flatten().map(|entry| entry.file_name()).collect();
            assert!(!left.iter().any(|name| name.to_string_lossy().starts_with(".tmp")), "{left:?}");
        }
        Ok(())
    }

    #[test]
    fn a_pack_that_refers_to_what_is_nowhere_is_not_taken() -> TestResult {
        let (_there, remote) = repository()?;
        let (_here, mirror) = repository()?;
        let id = commit(&remote, 1)?;
        assert!(store(&mirror, &pack(&remote, id, false)?).is_err());
        assert!(mirror.find_commit(id).is_err());
        let whole = pack(&remote, id, true)?;
        for torn in [&whole[..whole.len() - 1], &whole[..12], b"PACK", b""] {
            assert!(store(&mirror, torn).is_err(), "{} bytes", torn.len());
        }
        assert!(mirror.find_commit(id).is_err());
        store(&mirror, &whole)?;
        Ok(())
    }

    #[test]
    fn what_is_wanted_is_asked_for_in_lines() -> TestResult {
        let id = Oid::from_str(ONE)?;
        let asked = asked(&[id], [&id], &[id]);
        insta::assert_snapshot!(String::from_utf8_lossy(&asked), @"
        0012command=fetch
        00010010no-progress
        000eofs-delta
        0032want 1111111111111111111111111111111111111111
        0035shallow 1111111111111111111111111111111111111111
        0032have 1111111111111111111111111111111111111111
        0009done
        0000
        ");
        Ok(())
    }

    #[test]
    fn a_pack_is_read_to_its_end_or_not_at_all() {
        let line = |band: u8, text: &str| format!("{:04x}{}{text}", text.len() + 5, char::from(band));
        let begun = "000dpackfile\n";
        let both = format!("{begun}{}{}{}0000", line(PACK, "PA"), line(PROGRESS, "half"), line(PACK, "CK"));
        assert_eq!(packed(both.as_bytes()), Some(b"PACK".to_vec()));
        let refused = format!("{begun}{}0000", line(3, "no"));
        let cut = &both[..both.len() - 4];
        let followed = format!("{both}0000");
        let shallow = format!("0011shallow-info\n0001{both}");
        assert_eq!(packed(shallow.as_bytes()), Some(b"PACK".to_vec()));
        let moved = format!("0011shallow-info\n0035shallow {ONE}\n0001{both}");
        for other in ["", begun, "0000", &refused, cut, &followed, &moved, "<html></html>", "0011acknowledged\n0000"] {
            assert_eq!(packed(other.as_bytes()), None, "{other}");
        }
    }
}
