//! Fetches what is new on branches without starting git: one [request](super::protocol) of `fetch`
//! (<https://git-scm.com/docs/protocol-v2#_fetch>), whose answer is a pack.
//!
//! - It is for what every promotion brings: a few commits on what is there. What has another answer than expected, is too
//!   large or lacks an object is left to the program `git`, as is what is fetched first and what is deepened.
//! - Nothing counts before all objects are there: libgit2 checks the pack, and that everything it refers to is in it or in
//!   the mirror. Only then the mirror's branches move.
//! - Few objects are written loose, as git does it (`fetch.unpackLimit`): a pack for each merge would soon be many.

use std::{collections::BTreeMap, io::Write as _, time::Duration};

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
        let (lacking, shallow) = self
            .read(move |repository, _| {
                let odb = repository.odb()?;
                let lacking: Vec<Oid> = ids.into_iter().filter(|id| !odb.exists(*id)).collect();
                Ok((lacking, upkeep::cut_off(repository)?))
            })
            .await?;
        if !lacking.is_empty() {
            // Without anything that it has, all of the history would come.
            ensure!(!had.is_empty(), "nothing is there yet");
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

/// Returns the pack of an answer; nothing unless all of it is one that has come to its end.
fn packed(answer: &[u8]) -> Option<Vec<u8>> {
    let (name, mut rest) = protocol::first(answer)?;
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
    let (fresh, mut ids) = (Odb::new()?, Vec::new());
    fresh.add_disk_alternate(&objects.path().to_string_lossy())?;
    fresh.foreach(|id| {
        ids.push(*id);
        true
    })?;
    let odb = repository.odb()?;
    let mut read = ids.into_iter().map(|id| fresh.read(id)).collect::<Result<Vec<_>, _>>()?;
    // Whoever is killed in between leaves nothing that refers to what is not there.
    read.sort_by_key(|object| match object.kind() {
        ObjectType::Blob => 0,
        ObjectType::Tree => 1,
        _ => 2,
    });
    read.iter().try_for_each(|object| odb.write(object.kind(), object.data()).map(drop))?;
    Ok(())
}

/// Writes a pack with its index to a folder.
fn index(repository: &Repository, pack: &[u8], folder: &std::path::Path) -> Result<(), GitError> {
    let odb = repository.odb()?;
    let mut indexer = Indexer::new(Some(&odb), folder, 0, true)?;
    indexer.write_all(pack).map_err(GitError::Folder)?;
    indexer.commit()?;
    Ok(())
}
