//! What differs between two commits of an environment, by resource, for people.
//!
//! It reads a mirror beside the worker that writes it, and never waits for that worker.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use git2::{Oid, Repository};
use tokio::sync::Semaphore;

use crate::{
    domain::ids::{RepositoryId, RootName},
    git::{
        GitError,
        mirror::{self, Mirror},
        resources::{self, Budget},
        tree::{self, Owned},
    },
};

pub use crate::git::resources::{Change, ResourceChange, Shown};

/// How much text of differences is made at once, bytes.
const TEXT_LIMIT: usize = 384 << 10;

/// How long comparing may take; what is left then is named and not shown.
const TIME_LIMIT: Duration = Duration::from_secs(3);

/// How many comparisons run at a time: they share the machine with the renderers.
const AT_A_TIME: usize = 2;

/// What differs.
#[derive(Debug, Default)]
pub struct Difference {
    /// Output folders with another rendering.
    pub outputs: Vec<OutputDifference>,
    /// Whether files were too large to be compared.
    pub left_out: bool,
}

/// What differs in one output folder.
#[derive(Debug)]
pub struct OutputDifference {
    /// The output folder.
    pub output: RootName,
    /// The resources that differ.
    pub resources: Vec<ResourceChange>,
}

/// Why nothing was compared.
#[derive(Debug, thiserror::Error)]
pub enum ChangesError {
    /// A commit is not in the mirror, or the mirror is not there yet.
    #[error("a commit is not in the mirror")]
    NotThere,
    /// The mirror could not be read.
    #[error(transparent)]
    Git(GitError),
}

impl From<GitError> for ChangesError {
    fn from(error: GitError) -> Self {
        match error {
            GitError::Missing { .. } => Self::NotThere,
            other => Self::Git(other),
        }
    }
}

/// Compares commits of environments. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Changes {
    data: PathBuf,
    turns: Arc<Semaphore>,
}

impl Changes {
    /// Compares in the mirrors of the service whose data is in `data`.
    pub fn new(data: PathBuf) -> Self {
        Self { data, turns: Arc::new(Semaphore::new(AT_A_TIME)) }
    }

    /// Compares what Hydromote owns in two commits, or nothing with a commit.
    ///
    /// # Errors
    /// [`ChangesError::NotThere`] when the mirror does not have a commit.
    pub async fn between(
        &self,
        repository: &RepositoryId,
        old: Option<&str>,
        new: &str,
    ) -> Result<Difference, ChangesError> {
        let path = mirror::folder(&self.data, repository);
        if !path.join("HEAD").exists() {
            return Err(ChangesError::NotThere);
        }
        let _turn = self.turns.acquire().await.expect("because the semaphore is never closed");
        let (old, new) = (old.map(ToOwned::to_owned), new.to_owned());
        let mirror = Mirror::open(&path)?;
        Ok(mirror.read(move |repository, _| compare(repository, old.as_deref(), &new)).await?)
    }
}

fn compare(repository: &Repository, old: Option<&str>, new: &str) -> Result<Difference, GitError> {
    let (old, new) = (old.map(|id| owned(repository, id)).transpose()?.unwrap_or_default(), owned(repository, new)?);
    let mut budget = Budget { bytes: TEXT_LIMIT, until: Instant::now() + TIME_LIMIT };
    let roots: BTreeSet<&RootName> = old.content.differing(&new.content);
    let mut difference = Difference::default();
    for root in roots {
        let (before, less) = resources::of_root(repository, &old, root)?;
        let (after, more) = resources::of_root(repository, &new, root)?;
        difference.left_out |= less || more;
        let resources = resources::compare_within(&before, &after, &mut budget);
        difference.outputs.push(OutputDifference { output: root.clone(), resources });
    }
    Ok(difference)
}

fn owned(repository: &Repository, commit: &str) -> Result<Owned, GitError> {
    let found = Oid::from_str(commit).and_then(|id| repository.find_commit(id));
    let commit = found.map_err(|_| GitError::Missing { id: commit.to_owned() })?;
    tree::owned(repository, commit.tree_id())
}
