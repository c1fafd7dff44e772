//! A repository given on the command line: a work tree, a bare repository or a bundle.
//!
//! Nothing is ever written to it. What is rendered and composed goes to a bare repository in a
//! temporary folder, which borrows the given one's objects.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use git2::{Oid, Repository};
use tempfile::TempDir;

use super::work_tree::WorkTree;
use crate::{
    domain::ids::{BranchName, DrySha, RepositoryId},
    git::{bundle, history},
};

/// What stands in metadata when the repository has no address that others could use.
pub const UNKNOWN_ADDRESS: &str = "https://unknown.invalid/repository";

/// A repository given on the command line.
pub struct Checkout {
    scratch: TempDir,
    /// The git directory that refs are read from.
    names: PathBuf,
    work_tree: Option<PathBuf>,
    given: PathBuf,
    origin: Option<String>,
}

impl Checkout {
    /// Opens the repository at `path`: a work tree or a folder in it, a bare repository or a bundle.
    pub async fn open(path: &Path) -> anyhow::Result<Self> {
        let given = path.canonicalize().with_context(|| format!("could not find `{}`", path.display()))?;
        let scratch = tempfile::Builder::new().prefix("hydromote-").tempdir().context("could not make a folder")?;
        Repository::init_bare(scratch.path())?;
        if given.is_file() {
            if !bundle::is_bundle(&given) {
                bail!("`{}` is neither a repository nor a bundle", path.display());
            }
            bundle::unbundle(&given, scratch.path()).await?;
            let names = scratch.path().to_owned();
            return Ok(Self { scratch, names, work_tree: None, given, origin: None });
        }
        let repository = Repository::discover(&given).map_err(|error| not_opened(path, &error))?;
        borrow_objects(&repository, scratch.path())?;
        let origin = repository.find_remote("origin").ok().and_then(|remote| remote.url().ok().map(str::to_owned));
        let work_tree = repository.workdir().map(Path::to_owned);
        Ok(Self { scratch, names: repository.path().to_owned(), work_tree, given, origin })
    }

    /// Returns the bare repository that has all objects and takes new ones.
    pub fn mirror(&self) -> &Path {
        self.scratch.path()
    }

    /// Opens that repository.
    pub fn repository(&self) -> anyhow::Result<Repository> {
        Ok(Repository::open_bare(self.scratch.path())?)
    }

    /// Returns the folder of the work tree.
    pub fn work_folder(&self) -> Option<&Path> {
        self.work_tree.as_deref()
    }

    /// Returns the files of the work tree as they are, or nothing for a bare repository.
    pub fn work_tree(&self) -> anyhow::Result<Option<WorkTree>> {
        match &self.work_tree {
            Some(folder) => Ok(Some(WorkTree::of(&Repository::open(&self.names)?, folder)?)),
            None => Ok(None),
        }
    }

    /// Returns the commit of a revision in git's own words; without one, that of `HEAD`, or of the
    /// only or usual branch where `HEAD` is not there.
    pub fn resolve(&self, revision: Option<&str>) -> anyhow::Result<DrySha> {
        let repository = Repository::open(&self.names)?;
        let id = match revision {
            Some(text) => commit_of(&repository, text)
                .map_err(|_| anyhow!("there is no revision `{text}` in `{}`", self.given.display()))?,
            None => default_commit(&repository)
                .map_err(|_| anyhow!("`{}` has no `HEAD`; name a revision", self.given.display()))?,
        };
        Ok(history::dry_sha(id))
    }

    /// Returns where a branch is, and its full name: the repository's own, else the one of `origin`.
    pub fn branch(&self, branch: &BranchName) -> anyhow::Result<Option<(String, Oid)>> {
        let repository = Repository::open(&self.names)?;
        let names = [format!("refs/heads/{branch}"), format!("refs/remotes/origin/{branch}")];
        Ok(names.into_iter().find_map(|name| repository.refname_to_id(&name).ok().map(|id| (name, id))))
    }

    /// Returns where a branch of a remote is, as far as it was fetched; `.` is the repository itself.
    pub fn remote_branch(&self, remote: &str, branch: &BranchName) -> anyhow::Result<Option<Oid>> {
        let repository = Repository::open(&self.names)?;
        let name = match remote {
            "." => format!("refs/heads/{branch}"),
            remote => format!("refs/remotes/{remote}/{branch}"),
        };
        Ok(repository.refname_to_id(&name).ok())
    }

    /// Says whether the repository has a remote of this name.
    pub fn has_remote(&self, name: &str) -> bool {
        Repository::open(&self.names).is_ok_and(|repository| repository.find_remote(name).is_ok())
    }

    /// Returns the repository's git directory; a bundle's is temporary.
    pub fn git_dir(&self) -> &Path {
        &self.names
    }

    /// Returns who commits in this repository.
    pub fn committer(&self) -> anyhow::Result<git2::Signature<'static>> {
        let repository = Repository::open(&self.names)?;
        repository.signature().map_err(|_| {
            anyhow!(
                "git does not know who you are; set `user.name` and `user.email` with `git config`, and run this again"
            )
        })
    }

    /// Returns the branch that strategies are read from, as far as the repository tells: the one
    /// that `origin` has as its default, else the one that `HEAD` is on.
    pub fn dry_branch(&self) -> Option<BranchName> {
        let repository = Repository::open(&self.names).ok()?;
        let target = |name: &str| repository.find_reference(name).ok()?.symbolic_target().ok()?.map(str::to_owned);
        let remote = target("refs/remotes/origin/HEAD");
        let remote = remote.as_deref().and_then(|name| name.strip_prefix("refs/remotes/origin/")).map(str::to_owned);
        let local = || Some(target("HEAD")?.strip_prefix("refs/heads/")?.to_owned());
        BranchName::new(remote.or_else(local)?).ok()
    }

    /// Returns the address of `origin` without credentials, when others could use it.
    pub fn address(&self) -> Option<String> {
        address(self.origin.as_deref()?)
    }

    /// Returns the repository's name on its forge, as its address tells.
    pub fn id(&self) -> Option<RepositoryId> {
        let address = self.address()?;
        let path = address.trim_end_matches('/').trim_end_matches(".git").replace(':', "/");
        let mut segments = path.rsplit('/');
        let (name, owner) = (segments.next()?, segments.next()?);
        RepositoryId::new(format!("{owner}/{name}")).ok()
    }

    /// Returns a name for the repository: that on its forge, else its folder's.
    pub fn name(&self) -> String {
        let folder = self.work_tree.as_deref().unwrap_or(&self.given).file_stem();
        let folder = || folder.map(|name| name.to_string_lossy().into_owned());
        self.id().map(|id| id.name().to_owned()).or_else(folder).unwrap_or_else(|| "repository".to_owned())
    }
}

fn not_opened(path: &Path, error: &git2::Error) -> anyhow::Error {
    match error.code() {
        git2::ErrorCode::NotFound => anyhow!("`{}` is not in a git repository", path.display()),
        _ => anyhow!("could not open the repository `{}`: {}", path.display(), error.message()),
    }
}

/// Makes the objects of `repository` readable in the bare repository `scratch`.
fn borrow_objects(repository: &Repository, scratch: &Path) -> anyhow::Result<()> {
    let objects = repository.commondir().join("objects");
    let objects = objects.canonicalize().context("could not find the repository's objects")?;
    let alternates = scratch.join("objects/info/alternates");
    std::fs::create_dir_all(scratch.join("objects/info"))?;
    std::fs::write(alternates, format!("{}\n", objects.display()))?;
    Ok(())
}

fn commit_of(repository: &Repository, revision: &str) -> Result<Oid, git2::Error> {
    Ok(repository.revparse_single(revision)?.peel_to_commit()?.id())
}

fn default_commit(repository: &Repository) -> Result<Oid, git2::Error> {
    let no_head = match commit_of(repository, "HEAD") {
        Ok(id) => return Ok(id),
        Err(error) => error,
    };
    let branches: Vec<Oid> =
        repository.branches(Some(git2::BranchType::Local))?.filter_map(|b| b.ok()?.0.get().target()).collect();
    match branches.as_slice() {
        [only] => Ok(*only),
        _ => ["main", "master"].iter().find_map(|name| commit_of(repository, name).ok()).ok_or(no_head),
    }
}

/// Returns an address without user, password, query and fragment; nothing for a path on a machine.
fn address(url: &str) -> Option<String> {
    if let Ok(mut parsed) = url::Url::parse(url)
        && parsed.has_host()
    {
        if parsed.scheme() != "ssh" {
            parsed.set_username("").ok()?;
        }
        parsed.set_password(None).ok()?;
        parsed.set_query(None);
        parsed.set_fragment(None);
        return Some(parsed.to_string());
    }
    let (host, path) = url.split_once(':')?;
    let is_remote = !host.contains('/') && !path.starts_with("//");
    is_remote.then(|| url.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_hold_no_credentials_and_no_paths_of_a_machine() {
        let cases = [
            ("https://u:p@example.com/a/b.git?token=x", Some("https://example.com/a/b.git")),
            ("ssh://git:p@example.com/a/b", Some("ssh://git@example.com/a/b")),
            ("git@example.com:a/b.git", Some("git@example.com:a/b.git")),
            ("/srv/git/a", None),
            ("../a", None),
            ("file:///srv/git/a", None),
        ];
        for (url, expected) in cases {
            assert_eq!(address(url).as_deref(), expected, "{url}");
        }
    }
}
