//! What is rendered, by what it follows from, so that nothing is rendered twice.
//!
//! A rendering is a git tree in the mirror; the store has a row for it, and this process remembers it too. A row whose
//! objects are gone or damaged is as good as none. What an author did wrong follows from the same key, and is
//! remembered by this process alone.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use git2::{Oid, Repository};
use hydrators::{FailureKind, RenderFailure, Rendered, RenderingKey};
use jiff::Timestamp;

use super::LookError;
use crate::{
    blocking::blocking,
    domain::ids::{RenderingId, RepositoryId},
    git::{GitError, batch::Batch, compose},
    store::{Store, StoreError, StoredRendering},
};

/// How many are remembered twice over: those that were used lately, and as many of before.
const REMEMBERED: usize = 20_000;

/// Where renderings are.
#[derive(Debug, Clone, Copy)]
pub struct Kept<'a> {
    /// The mirror with their objects.
    pub mirror: &'a Path,
    /// The index of those that are known from before, and the repository's name there.
    pub index: Option<(&'a Store, &'a RepositoryId)>,
}

/// What came of rendering a root.
pub type RootOutcome = Result<StoredRendering, RenderFailure>;

/// What this process remembers.
#[derive(Debug, Default)]
pub struct Renderings {
    known: Mutex<TwoGenerations>,
}

/// What was used lately, and what was used before that.
#[derive(Debug, Default)]
struct TwoGenerations {
    new: HashMap<(PathBuf, RenderingKey), RootOutcome>,
    old: HashMap<(PathBuf, RenderingKey), RootOutcome>,
}

impl Renderings {
    /// Returns what is known of these keys.
    pub async fn find(
        &self,
        kept: Kept<'_>,
        keys: Vec<RenderingKey>,
        now: Timestamp,
    ) -> Result<HashMap<RenderingKey, RootOutcome>, LookError> {
        let mut found = HashMap::new();
        let mut unknown = Vec::new();
        for key in keys {
            match self.remembered(kept.mirror, &key) {
                Some(outcome) => drop(found.insert(key, outcome)),
                None => unknown.push(key),
            }
        }
        let Some((store, repository)) = kept.index else { return Ok(found) };
        let wanted: Vec<&str> = unknown.iter().map(RenderingKey::as_str).collect();
        let mut rows = store.renderings(repository, &wanted, now).await?;
        let rows: Vec<_> = unknown.into_iter().filter_map(|key| Some((rows.remove(key.as_str())?, key))).collect();
        if rows.is_empty() {
            return Ok(found);
        }
        let mirror = kept.mirror.to_owned();
        let whole = blocking(move || -> Result<Vec<_>, GitError> {
            let repository = Repository::open_bare(&mirror)?;
            Ok(rows.into_iter().filter(|(rendering, _)| is_whole(&repository, &rendering.id)).collect())
        });
        for (rendering, key) in whole.await? {
            self.remember(kept.mirror, key.clone(), Ok(rendering.clone()));
            found.insert(key, Ok(rendering));
        }
        Ok(found)
    }

    /// Writes what was rendered anew to the mirror, and remembers it.
    pub async fn add(
        &self,
        kept: Kept<'_>,
        rendered: Vec<(RenderingKey, Result<Rendered, RenderFailure>)>,
        now: Timestamp,
    ) -> Result<Vec<(RenderingKey, RootOutcome)>, LookError> {
        let mirror = kept.mirror.to_owned();
        let written = blocking(move || -> Result<Vec<_>, GitError> {
            let repository = Repository::open_bare(&mirror)?;
            let mut batch = Batch::default();
            let mut written = Vec::new();
            for (key, result) in rendered {
                let outcome = match result {
                    Ok(rendered) => Ok(store_rendering(&repository, &mut batch, rendered)?),
                    Err(failure) => Err(failure),
                };
                written.push((key, outcome));
            }
            batch.write(&repository)?;
            Ok(written)
        });
        let written = written.await?;
        if let Some((store, repository)) = kept.index {
            let done = written.iter().filter_map(|(key, outcome)| Some((key.as_str(), outcome.as_ref().ok()?)));
            note(store, repository, &done.collect::<Vec<_>>(), now).await?;
        }
        for (key, outcome) in &written {
            if outcome.as_ref().err().is_none_or(|failure| failure.kind == FailureKind::Author) {
                self.remember(kept.mirror, key.clone(), outcome.clone());
            }
        }
        Ok(written)
    }

    /// Forgets what is known of a mirror whose objects are gone.
    pub fn forget(&self, mirror: &Path) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let TwoGenerations { new, old } = &mut *known;
        [new, old].into_iter().for_each(|generation| generation.retain(|(path, _), _| path != mirror));
    }

    fn remembered(&self, mirror: &Path, key: &RenderingKey) -> Option<RootOutcome> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let place = (mirror.to_owned(), key.clone());
        if let Some(outcome) = known.new.get(&place) {
            return Some(outcome.clone());
        }
        let outcome = known.old.remove(&place)?;
        known.insert(place, outcome.clone());
        Some(outcome)
    }

    fn remember(&self, mirror: &Path, key: RenderingKey, outcome: RootOutcome) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert((mirror.to_owned(), key), outcome);
    }
}

impl TwoGenerations {
    fn insert(&mut self, place: (PathBuf, RenderingKey), outcome: RootOutcome) {
        if self.new.len() >= REMEMBERED {
            self.old = std::mem::take(&mut self.new);
        }
        self.new.insert(place, outcome);
    }
}

/// Returns those of which not every object is in the mirror as it was written.
pub(super) async fn damaged(mirror: &Path, renderings: Vec<RenderingId>) -> Result<Vec<RenderingId>, GitError> {
    let mirror = mirror.to_owned();
    let damaged = blocking(move || -> Result<Vec<_>, GitError> {
        let repository = Repository::open_bare(&mirror)?;
        Ok(renderings.into_iter().filter(|rendering| !is_whole(&repository, rendering)).collect())
    });
    damaged.await
}

async fn note(
    store: &Store,
    repository: &RepositoryId,
    done: &[(&str, &StoredRendering)],
    now: Timestamp,
) -> Result<(), StoreError> {
    if done.is_empty() { Ok(()) } else { store.save_renderings(repository, done, now).await }
}

fn store_rendering(
    repository: &Repository,
    batch: &mut Batch,
    rendered: Rendered,
) -> Result<StoredRendering, GitError> {
    let bytes = rendered.files.values().map(|file| file.len() as u64).sum();
    let id = compose::add_rendering(repository, batch, &rendered.files)?;
    let (commands, renderer) = (rendered.commands, rendered.renderer);
    Ok(StoredRendering { id, commands, renderer, bytes })
}

/// Says whether every object of a rendering is there and has the content that its name stands for, which libgit2 checks
/// as it reads.
fn is_whole(repository: &Repository, rendering: &RenderingId) -> bool {
    let check = || -> Result<bool, git2::Error> {
        let odb = repository.odb()?;
        let tree = repository.find_tree(Oid::from_str(rendering.as_str())?)?;
        let mut is_whole = true;
        tree.walk(git2::TreeWalkMode::PreOrder, |_, entry| {
            is_whole &= odb.read(entry.id()).is_ok();
            if is_whole { git2::TreeWalkResult::Ok } else { git2::TreeWalkResult::Abort }
        })?;
        Ok(is_whole)
    };
    check().unwrap_or(false)
}
