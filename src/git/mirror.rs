//! The bare mirror of one remote repository.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use git2::{Oid, Repository};
use secrecy::SecretString;

use super::{
    GitError, listing,
    program::{self, Reach},
    tree::OwnedCache,
};
use crate::{
    blocking::blocking,
    crash::{Act, FailPoints},
    domain::ids::{BranchName, RepositoryId},
    network::Network,
};

/// How many commits of the dry branch are fetched at first; more only when something runs that is
/// older.
const FIRST_DEPTH: usize = 100;

/// How the mirror's own names for branches of its repository begin.
const OWN: &str = "refs/remotes/origin/";

/// How its names for branches of other repositories begin, before the name of that repository.
const OTHER: &str = "refs/remotes/destinations/";

/// How the remote's names for its branches begin.
pub(super) const HEADS: &str = "refs/heads/";

/// How often a commit is sought before it is taken to be gone.
const SOUGHT: u32 = 3;

/// How many trees are remembered as read.
const TREES_REMEMBERED: NonZeroUsize = NonZeroUsize::new(512).expect("because it is not zero");

/// The bare mirror of one remote repository, or the part of it that holds branches of another one. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Mirror {
    inner: Arc<Inner>,
    /// How its own names for branches of the remote begin.
    names: Arc<str>,
    fail_points: FailPoints,
    pub(super) network: Network,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    /// One transfer at a time: refs of the mirror have one writer.
    transfer: tokio::sync::Mutex<()>,
    owned: Mutex<OwnedCache>,
    /// How often commits were sought that could not be fetched.
    sought: Mutex<HashMap<String, u32>>,
}

/// The remote end of a transfer.
#[derive(Debug, Clone)]
pub struct Remote {
    /// An address without credentials.
    pub url: String,
    /// The `Authorization` header.
    pub authorization: Option<SecretString>,
}

/// Branches of the remote that are kept up to date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Watched {
    /// This one, of which only the newest commits are fetched at first.
    Shallow(BranchName),
    /// This one.
    One(BranchName),
    /// Those whose names begin so.
    StartingWith(String),
}

impl Watched {
    /// Says whether it is this branch, or one of these.
    pub fn is_meant(&self, branch: &BranchName) -> bool {
        match self {
            Self::Shallow(one) | Self::One(one) => one == branch,
            Self::StartingWith(prefix) => branch.as_str().starts_with(prefix),
        }
    }
}

/// Branches that are somewhere else on the remote than in the mirror.
#[derive(Debug, Default)]
struct Moved {
    /// Of these the newest commits are fetched.
    first: Vec<BranchName>,
    stale: Vec<BranchName>,
    gone: Vec<BranchName>,
}

/// The mirror's own name for a branch of the remote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalName(String);

/// Where all branches of the remote were when they were last seen.
pub type Heads = BTreeMap<String, Oid>;

impl LocalName {
    /// Returns the full name of the reference.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One branch to move on the remote.
#[derive(Debug, Clone)]
pub struct Push {
    /// The branch.
    pub branch: BranchName,
    /// Where it must be now; absent when it must not exist.
    pub expected: Option<Oid>,
    /// Where it goes; absent to delete it.
    pub new: Option<Oid>,
}

/// Returns the folder of a repository's mirror in a service's data.
pub fn folder(data: &Path, repository: &RepositoryId) -> PathBuf {
    data.join("mirrors").join(format!("{repository}.git"))
}

impl Mirror {
    /// Opens the mirror in `path`, made when it is not there.
    pub fn open(path: &Path) -> Result<Self, GitError> {
        if !path.join("HEAD").exists() {
            std::fs::create_dir_all(path).map_err(GitError::Folder)?;
            Repository::init_bare(path)?;
        }
        let owned = Mutex::new(OwnedCache::new(TREES_REMEMBERED));
        let inner = Inner { path: path.to_owned(), transfer: Default::default(), owned, sought: Mutex::default() };
        let (fail_points, network) = (FailPoints::default(), Network::default());
        Ok(Self { inner: Arc::new(inner), names: OWN.into(), fail_points, network })
    }

    /// Returns the part of the mirror that holds branches of another repository, told apart by `name`: both have their
    /// objects in common, so that what is rendered from one can be committed to the other.
    pub fn beside(&self, name: &str) -> Self {
        Self { names: format!("{OTHER}{name}/").into(), ..self.clone() }
    }

    /// Has pushes be fail points.
    pub fn with_fail_points(self, fail_points: FailPoints) -> Self {
        Self { fail_points, ..self }
    }

    /// Has transfers go through a proxy, and trust more certificates.
    pub fn with_network(self, network: Network) -> Self {
        Self { network, ..self }
    }

    fn reach<'a>(&'a self, remote: &'a Remote) -> Reach<'a> {
        Reach { remote, network: &self.network }
    }

    /// Returns the folder.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// Runs `work` on the repository, away from the async threads.
    pub async fn read<T, F>(&self, work: F) -> Result<T, GitError>
    where
        T: Send + 'static,
        F: FnOnce(&Repository, &mut OwnedCache) -> Result<T, GitError> + Send + 'static,
    {
        let inner = self.inner.clone();
        blocking(move || {
            let repository = Repository::open_bare(&inner.path)?;
            let mut owned = inner.owned.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            work(&repository, &mut owned)
        })
        .await
    }

    /// Returns the mirror's own name for a branch of the remote.
    pub fn local(&self, branch: &BranchName) -> LocalName {
        LocalName(format!("{}{branch}", self.names))
    }

    /// Returns where all branches of the remote were when they were last seen.
    pub async fn heads(&self) -> Result<Heads, GitError> {
        let names = format!("{}*", self.names);
        self.read(move |repository, _| {
            let mut heads = Heads::new();
            for reference in repository.references_glob(&names)? {
                let reference = reference?;
                if let (Ok(name), Some(id)) = (reference.name(), reference.target()) {
                    heads.insert(name.to_owned(), id);
                }
            }
            Ok(heads)
        })
        .await
    }

    /// Returns where a branch of the remote was when it was last seen.
    pub async fn branch(&self, branch: &BranchName) -> Result<Option<Oid>, GitError> {
        let name = self.local(branch);
        self.read(move |repository, _| Ok(repository.refname_to_id(name.as_str()).ok())).await
    }

    /// Returns the branches of the remote, as they were last seen, whose names begin so.
    pub async fn branches_starting_with(&self, prefix: &str) -> Result<Vec<BranchName>, GitError> {
        let (names, glob) = (self.names.clone(), format!("{}{prefix}*", self.names));
        self.read(move |repository, _| {
            let mut found = Vec::new();
            for name in repository.references_glob(&glob)?.names() {
                found.extend(name?.strip_prefix(&*names).and_then(|name| BranchName::new(name).ok()));
            }
            found.sort();
            Ok(found)
        })
        .await
    }

    /// Brings branches up to date; says whether any has moved. A branch that is gone on the remote is gone here.
    pub async fn refresh(&self, remote: &Remote, watched: &[Watched]) -> Result<bool, GitError> {
        let _one_at_a_time = self.inner.transfer.lock().await;
        let there = self.list(remote, watched).await?;
        let Moved { first, stale, gone } = self.moved(&there, watched).await?;
        let has_moved = !(first.is_empty() && stale.is_empty() && gone.is_empty());
        for branch in gone {
            self.forget(&branch).await?;
        }
        if !first.is_empty() {
            self.fetch(remote, &first, &[format!("--depth={FIRST_DEPTH}")]).await?;
        }
        let wanted: BTreeMap<_, _> = stale.iter().filter_map(|b| Some((b.clone(), *there.get(b)?))).collect();
        if !stale.is_empty() && !self.fetch_without_program(remote, &wanted).await {
            self.fetch(remote, &stale, &[]).await?;
        }
        Ok(has_moved)
    }

    /// Says whether branches are somewhere else on the remote than here; nothing where only a program could list them.
    /// Fetches nothing.
    pub async fn is_behind(&self, remote: &Remote, watched: &[Watched]) -> Result<Option<bool>, GitError> {
        let _one_at_a_time = self.inner.transfer.lock().await;
        let Some(there) = self.list_without_program(remote, watched).await else { return Ok(None) };
        let Moved { first, stale, gone } = self.moved(&there, watched).await?;
        Ok(Some(!(first.is_empty() && stale.is_empty() && gone.is_empty())))
    }

    async fn moved(&self, there: &BTreeMap<BranchName, Oid>, watched: &[Watched]) -> Result<Moved, GitError> {
        let mut all: BTreeSet<BranchName> = there.keys().cloned().collect();
        for watched in watched {
            match watched {
                Watched::Shallow(branch) | Watched::One(branch) => all.extend([branch.clone()]),
                Watched::StartingWith(prefix) => all.extend(self.branches_starting_with(prefix).await?),
            }
        }
        let mut moved = Moved::default();
        for branch in all {
            let here = self.branch(&branch).await?;
            match there.get(&branch) {
                Some(id) if here == Some(*id) => {}
                Some(_) if here.is_none() && watched.contains(&Watched::Shallow(branch.clone())) => {
                    moved.first.push(branch);
                }
                Some(_) => moved.stale.push(branch),
                None if here.is_some() => moved.gone.push(branch),
                None => {}
            }
        }
        Ok(moved)
    }

    /// Fetches branches that are known to exist and to have moved.
    pub async fn fetch_branches(&self, remote: &Remote, branches: &[BranchName]) -> Result<(), GitError> {
        let _one_at_a_time = self.inner.transfer.lock().await;
        if self.fetch_listed_without_program(remote, branches).await {
            return Ok(());
        }
        self.fetch(remote, branches, &[]).await
    }

    /// Fetches one commit, also when no branch holds it any more.
    pub async fn fetch_commit(&self, remote: &Remote, id: &str) -> Result<(), GitError> {
        let _one_at_a_time = self.inner.transfer.lock().await;
        let arguments = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", &remote.url, id].map(str::to_owned);
        let what = format!("fetch the commit `{id}`");
        let run = program::run(self.path(), Some(self.reach(remote)), &arguments, &what).await?;
        if run.ok { Ok(()) } else { Err(GitError::Transfer { what, words: run.stderr }) }
    }

    /// Fetches a commit that the remote may have no more, and says whether it did; after some tries it is taken to be
    /// lost.
    pub async fn seek_commit(&self, remote: &Remote, id: &str) -> Result<bool, GitError> {
        let sought = || self.inner.sought.lock().unwrap_or_else(PoisonError::into_inner);
        if sought().get(id).is_some_and(|tries| *tries >= SOUGHT) {
            return Ok(false);
        }
        let Err(error) = self.fetch_commit(remote, id).await else { return Ok(true) };
        let tries = *sought().entry(id.to_owned()).and_modify(|tries| *tries += 1).or_insert(1);
        if tries < SOUGHT {
            return Err(error);
        }
        let error = &error as &dyn std::error::Error;
        tracing::warn!(
            error,
            dry.sha = id,
            "a commit that runs somewhere is not to be had any more; it counts as newer than what it replaced there"
        );
        Ok(false)
    }

    /// Fetches the rest of a shallow dry branch.
    pub async fn deepen(&self, remote: &Remote, dry: &BranchName) -> Result<(), GitError> {
        let _one_at_a_time = self.inner.transfer.lock().await;
        if !self.path().join("shallow").exists() {
            return Ok(());
        }
        self.fetch(remote, std::slice::from_ref(dry), &["--unshallow".to_owned()]).await
    }

    async fn fetch(&self, remote: &Remote, branches: &[BranchName], options: &[String]) -> Result<(), GitError> {
        let mut arguments: Vec<String> = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--force"]
            .map(str::to_owned)
            .into_iter()
            .chain(options.iter().cloned())
            .collect();
        arguments.push(remote.url.clone());
        arguments.extend(branches.iter().map(|b| format!("+refs/heads/{b}:{}", self.local(b).as_str())));
        let names = branches.iter().map(|b| format!("`{b}`")).collect::<Vec<_>>().join(", ");
        let what = format!("fetch {names}");
        let run = program::run(self.path(), Some(self.reach(remote)), &arguments, &what).await?;
        if run.ok { Ok(()) } else { Err(GitError::Transfer { what, words: run.stderr }) }
    }

    async fn list_without_program(&self, remote: &Remote, watched: &[Watched]) -> Option<BTreeMap<BranchName, Oid>> {
        let prefixes: Vec<String> = watched.iter().map(prefix).collect();
        let listed = listing::references(remote, &self.network, &prefixes).await?;
        Some(listed.iter().filter_map(|(id, name)| Some((meant(watched, name)?, *id))).collect())
    }

    async fn list(&self, remote: &Remote, watched: &[Watched]) -> Result<BTreeMap<BranchName, Oid>, GitError> {
        if let Some(listed) = self.list_without_program(remote, watched).await {
            return Ok(listed);
        }
        let mut arguments = vec!["ls-remote".to_owned(), "--quiet".to_owned(), remote.url.clone()];
        arguments.extend(watched.iter().map(|watched| match watched {
            Watched::Shallow(_) | Watched::One(_) => prefix(watched),
            Watched::StartingWith(_) => format!("{}*", prefix(watched)),
        }));
        let what = "list the branches of the repository".to_owned();
        let run = program::run(self.path(), Some(self.reach(remote)), &arguments, &what).await?;
        if !run.ok {
            return Err(GitError::Transfer { what, words: run.stderr });
        }
        Ok(run
            .stdout
            .lines()
            .filter_map(|line| {
                let (id, name) = line.split_once('\t')?;
                Some((meant(watched, name)?, Oid::from_str(id).ok()?))
            })
            .collect())
    }

    /// Moves branches on the remote, all or none, each only from where it is expected.
    pub async fn push(&self, remote: &Remote, pushes: &[Push]) -> Result<(), GitError> {
        let _one_at_a_time = self.inner.transfer.lock().await;
        let branches = pushes.iter().map(|push| push.branch.as_str()).collect::<Vec<_>>().join(",");
        self.fail_points.around(Act::Push, &branches, self.send(remote, pushes)).await?;
        for push in pushes {
            match push.new {
                Some(id) => self.remember(&push.branch, id).await?,
                None => self.forget(&push.branch).await?,
            }
        }
        Ok(())
    }

    async fn send(&self, remote: &Remote, pushes: &[Push]) -> Result<(), GitError> {
        let mut arguments: Vec<String> = ["push", "--porcelain", "--quiet", "--atomic"].map(str::to_owned).into();
        for push in pushes {
            let expected = push.expected.map(|id| id.to_string()).unwrap_or_default();
            arguments.push(format!("--force-with-lease=refs/heads/{}:{expected}", push.branch));
        }
        arguments.push(remote.url.clone());
        for push in pushes {
            let new = push.new.map(|id| id.to_string()).unwrap_or_default();
            arguments.push(format!("{new}:refs/heads/{}", push.branch));
        }
        let names = pushes.iter().map(|p| format!("`{}`", p.branch)).collect::<Vec<_>>().join(", ");
        let what = format!("push {names}");
        let run = program::run(self.path(), Some(self.reach(remote)), &arguments, &what).await?;
        if !run.ok {
            return Err(refusal(&run.stdout, &run.stderr).unwrap_or(GitError::Transfer { what, words: run.stderr }));
        }
        Ok(())
    }

    pub(super) async fn remember(&self, branch: &BranchName, id: Oid) -> Result<(), GitError> {
        let name = self.local(branch);
        self.read(move |repository, _| {
            repository.reference(name.as_str(), id, true, "it is there on the remote")?;
            Ok(())
        })
        .await
    }

    /// Drops what is known of a branch; a lease that failed makes the next look fetch it again.
    pub async fn forget(&self, branch: &BranchName) -> Result<(), GitError> {
        let name = self.local(branch);
        self.read(move |repository, _| {
            if let Ok(mut found) = repository.find_reference(name.as_str()) {
                found.delete()?;
            }
            Ok(())
        })
        .await
    }
}

/// Returns how the remote's names begin of what is watched.
fn prefix(watched: &Watched) -> String {
    match watched {
        Watched::Shallow(branch) | Watched::One(branch) => format!("{HEADS}{branch}"),
        Watched::StartingWith(prefix) => format!("{HEADS}{prefix}"),
    }
}

/// Returns the branch that the remote names so, when it is watched: what begins so is more than what is meant.
fn meant(watched: &[Watched], name: &str) -> Option<BranchName> {
    let branch = BranchName::new(name.strip_prefix(HEADS)?).ok()?;
    watched.iter().any(|watched| watched.is_meant(&branch)).then_some(branch)
}

/// The most that is told of what the remote's hooks say, in characters.
const MAX_HOOK_WORDS: usize = 300;

/// Reads from `git push --porcelain` which ref was refused, and whether because it had moved; the remote's own words
/// stand beside it.
pub(crate) fn refusal(porcelain: &str, stderr: &str) -> Option<GitError> {
    let refused = |line: &&str| line.starts_with('!');
    // With `--atomic` the other refs fail along; the one with its own reason says why.
    let line = porcelain
        .lines()
        .filter(refused)
        .find(|line| !line.contains("atomic"))
        .or_else(|| porcelain.lines().find(refused))?;
    let mut fields = line.split('\t').skip(1);
    let reference = fields.next()?.rsplit(':').next()?.trim_start_matches("refs/heads/").to_owned();
    let words = fields.next().unwrap_or_default().to_owned();
    let moved = ["stale info", "fetch first", "non-fast-forward", "cannot lock ref", "already exists"];
    if moved.iter().any(|sign| words.contains(sign)) {
        Some(GitError::Moved { reference })
    } else {
        Some(GitError::Refused { reference, words: words + &hook_words(stderr) })
    }
}

/// Returns what the remote's hooks say: git itself only knows that they declined.
fn hook_words(stderr: &str) -> String {
    let lines = stderr.lines().filter_map(|line| line.trim().strip_prefix("remote:")).map(str::trim);
    let said: Vec<_> = lines.filter(|line| !line.is_empty()).collect();
    let said: String = said.join(" ").chars().filter(|c| !c.is_control()).take(MAX_HOOK_WORDS).collect();
    if said.is_empty() { said } else { format!(": {said}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_hook_says_stands_beside_its_refusal() {
        let declined = "!\ta:refs/heads/env/dev-next\t[remote rejected] (pre-receive hook declined)";
        let said =
            "remote: \nremote: branch env/dev-next is protected from force push\nerror: failed to push some refs";
        let Some(GitError::Refused { words, .. }) = refusal(declined, said) else { panic!("it was refused") };
        let expected =
            "[remote rejected] (pre-receive hook declined): branch env/dev-next is protected from force push";
        assert_eq!(words, expected);
    }

    #[tokio::test]
    async fn no_program_is_started_to_find_out_whether_branches_have_moved() {
        let folder = tempfile::tempdir().expect("a folder");
        let there = Repository::init_bare(folder.path().join("there.git")).expect("a repository");
        let someone = git2::Signature::new("someone", "someone@example.com", &git2::Time::new(0, 0)).expect("a name");
        let tree = there.treebuilder(None).and_then(|empty| empty.write()).expect("is written");
        let tree = there.find_tree(tree).expect("a tree");
        there.commit(Some("refs/heads/main"), &someone, &someone, "one", &tree, &[]).expect("is written");
        let mirror = Mirror::open(&folder.path().join("shop.git")).expect("is made");
        // It is not reached over HTTP.
        let remote = Remote { url: there.path().display().to_string(), authorization: None };
        let watched = [Watched::Shallow("main".to_owned().try_into().expect("a name"))];
        assert_eq!(mirror.is_behind(&remote, &watched).await.expect("is read"), None);
        assert!(mirror.refresh(&remote, &watched).await.expect("is fetched"), "it has moved");
    }

    #[test]
    fn a_stale_lease_is_told_from_a_refusal() {
        let stale = "To x\n!\tabc:refs/heads/env/dev\t[rejected] (stale info)\nDone";
        assert!(matches!(refusal(stale, ""), Some(GitError::Moved { reference }) if reference == "env/dev"));
        let denied =
            "!\ta:refs/heads/a\t[rejected] (atomic push failed)\n!\tb:refs/heads/b\t[remote rejected] (protected)";
        assert!(matches!(refusal(denied, ""), Some(GitError::Refused { reference, .. }) if reference == "b"));
    }
}
