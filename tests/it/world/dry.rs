//! The dry branch: what is on it, and how it moves.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use git2::{Oid, Repository, build::TreeUpdateBuilder};
use hydromote::local_forge::{CommitFiles, MergeMethod, MergeOrder, NewPull};

use super::{DEVELOPER, Fallible, REPOSITORY, TestResult, World};

/// Files to commit: path and text.
pub(crate) type Files = Vec<(String, String)>;

/// The environments that have a folder in every story.
const FOLDERS: [&str; 3] = ["dev", "staging", "prod"];

/// Returns a strategy of these environments, each a name and perhaps more fields.
pub(crate) fn strategy(environments: &[&str]) -> String {
    let lines: Vec<String> = environments
        .iter()
        .map(|text| {
            let (name, more) = text.split_once(',').unwrap_or((text, ""));
            let more = if more.is_empty() { String::new() } else { format!(",{more}") };
            format!("    - {{name: {name}, branch: env/{name}{more}}}\n")
        })
        .collect();
    format!(
        "apiVersion: hydromote.dev/v1alpha1
kind: PromotionStrategy
metadata:
  name: shop
spec:
  sources:
    - path: apps/{{environment}}
      output: shop
  activeCommitStatuses:
    - key: health
  environments:
{}",
        lines.concat()
    )
}

/// Returns a manifest that differs from version to version, as it is written to environment branches.
pub(crate) fn config(version: &str) -> String {
    format!("apiVersion: v1\ndata:\n  version: {version}\nkind: ConfigMap\nmetadata:\n  name: web\n")
}

/// Returns this version for every environment.
pub(crate) fn everywhere(version: &str) -> Files {
    FOLDERS.iter().flat_map(|name| only(name, version)).collect()
}

/// Returns this version for one environment.
pub(crate) fn only(environment: &str, version: &str) -> Files {
    vec![(format!("apps/{environment}/web.yaml"), config(version))]
}

impl World {
    /// Pushes a commit to the dry branch.
    pub(crate) async fn push_dry(&mut self, subject: &str, files: Files) -> Fallible<String> {
        let files = files.into_iter().map(|(path, text)| (path, self.home.in_strategy(&text))).collect();
        let commit = CommitFiles { branch: "main".to_owned(), message: subject.to_owned(), files };
        let sha = self.forge.commit_files(REPOSITORY, DEVELOPER, commit).await?;
        self.dry.push((sha.clone(), subject.to_owned()));
        Ok(sha)
    }

    /// Opens a pull request with one commit on top of the dry branch, and lets everything happen; returns its number.
    pub(crate) async fn open_dry_pull(&mut self, subject: &str, files: Files) -> Fallible<u64> {
        self.open_pull_into("main", subject, files).await
    }

    /// Opens a pull request with one commit on top of any branch, and lets everything happen; returns its number.
    pub(crate) async fn open_pull_into(&mut self, base: &str, subject: &str, files: Files) -> Fallible<u64> {
        self.open_pull_by(DEVELOPER, base, subject, files).await
    }

    /// Opens a pull request in somebody's name, whose commit a developer pushed; returns its number.
    pub(crate) async fn open_pull_by(&mut self, login: &str, base: &str, subject: &str, files: Files) -> Fallible<u64> {
        let head = format!("topics/{}", subject.replace(' ', "-"));
        let from = Oid::from_str(&self.branch(base).await?)?;
        self.dry_git()?.reference(&format!("refs/heads/{head}"), from, false, "pushed")?;
        self.forge.refresh(REPOSITORY, DEVELOPER).await?;
        let commit = CommitFiles { branch: head.clone(), message: subject.to_owned(), files };
        self.forge.commit_files(REPOSITORY, DEVELOPER, commit).await?;
        let (base, title) = (base.to_owned(), subject.to_owned());
        let new = NewPull { head, base, title, ..NewPull::default() };
        let number = self.forge.as_user(login).open_pull_request(REPOSITORY, new).await?;
        self.settle().await?;
        Ok(number)
    }

    /// Pushes another commit to the head of a pull request, and lets everything happen.
    pub(crate) async fn push_to_pull(&mut self, number: u64, files: Files) -> TestResult {
        let branch = self.forge.pull_request(REPOSITORY, number).await?.head;
        let commit = CommitFiles { branch, message: "more".to_owned(), files };
        self.forge.commit_files(REPOSITORY, DEVELOPER, commit).await?;
        self.settle().await
    }

    /// Opens a pull request with one commit that takes a file away, and lets everything happen; returns its number.
    pub(crate) async fn open_deletion(&mut self, subject: &str, path: &str) -> Fallible<u64> {
        let head = format!("topics/{}", subject.replace(' ', "-"));
        let parent = self.branch("main").await?;
        let mut change = TreeUpdateBuilder::new();
        self.commit(&head, subject, &parent, change.remove(path))?;
        self.forge.refresh(REPOSITORY, DEVELOPER).await?;
        let new = NewPull { head, base: "main".to_owned(), title: subject.to_owned(), ..NewPull::default() };
        let number = self.forge.as_user(DEVELOPER).open_pull_request(REPOSITORY, new).await?;
        self.settle().await?;
        Ok(number)
    }

    /// Merges a pull request into the dry branch, and lets everything happen.
    pub(crate) async fn merge_dry_pull(&mut self, number: u64, method: MergeMethod) -> TestResult {
        let order = MergeOrder { method, ..MergeOrder::default() };
        let sha = self.forge.as_user(DEVELOPER).merge(REPOSITORY, number, order).await?;
        let subject = self.forge.pull_request(REPOSITORY, number).await?.title;
        self.dry.push((sha, subject));
        self.settle().await
    }

    /// Pushes a commit that takes a file away.
    pub(crate) async fn delete_dry(&mut self, subject: &str, path: &str) -> TestResult {
        let parent = self.branch("main").await?;
        let mut change = TreeUpdateBuilder::new();
        change.remove(path);
        self.move_dry(subject, &parent, &mut change).await
    }

    /// Pushes a commit that takes a file or a folder away, and brings others.
    pub(crate) async fn replace_dry(&mut self, subject: &str, path: &str, files: Files) -> TestResult {
        let parent = self.branch("main").await?;
        let mut change = TreeUpdateBuilder::new();
        change.remove(path);
        for (path, text) in files {
            change.upsert(path, self.dry_git()?.blob(text.as_bytes())?, git2::FileMode::Blob);
        }
        self.move_dry(subject, &parent, &mut change).await
    }

    /// Throws away what came after the commit with the subject `onto`, and pushes another commit on it.
    pub(crate) async fn force_push_dry(&mut self, onto: &str, subject: &str, files: Files) -> TestResult {
        let parent = self.dry_sha(onto)?;
        let mut change = TreeUpdateBuilder::new();
        for (path, text) in files {
            change.upsert(path, self.dry_git()?.blob(text.as_bytes())?, git2::FileMode::Blob);
        }
        self.move_dry(subject, &parent, &mut change).await
    }

    /// Brings the history of a branch of another repository to the dry one; no branch there moves.
    pub(crate) fn bring_history(&self, from: &Path) -> Fallible<Oid> {
        let (git, own) = (self.dry_git()?, "refs/brought/main");
        let mut remote = git.remote_anonymous(from.to_str().ok_or("a path that is no text")?)?;
        remote.fetch(&[format!("+HEAD:{own}")], None, None)?;
        Ok(git.refname_to_id(own)?)
    }

    /// Returns the newest `count` commits of a line of commits, by first parents, the oldest first.
    pub(crate) fn newest(&self, head: Oid, count: usize) -> Fallible<Vec<Oid>> {
        let git = self.dry_git()?;
        let mut walk = git.revwalk()?;
        walk.push(head)?;
        walk.simplify_first_parent()?;
        let mut found = walk.take(count).collect::<Result<Vec<_>, _>>()?;
        found.reverse();
        Ok(found)
    }

    /// Pushes a commit that has what another one has, with files laid over it.
    pub(crate) async fn push_copy(&mut self, subject: &str, of: Oid, files: &[(&str, &str)]) -> TestResult {
        let commit = {
            let (git, mut change) = (self.dry_git()?, TreeUpdateBuilder::new());
            for (path, text) in files {
                change.upsert(*path, git.blob(text.as_bytes())?, git2::FileMode::Blob);
            }
            let tree = git.find_tree(change.create_updated(&git, &git.find_commit(of)?.tree()?)?)?;
            let who = git2::Signature::now(DEVELOPER, "developer@example.com")?;
            let parent = git.refname_to_id("refs/heads/main").and_then(|head| git.find_commit(head)).ok();
            git.commit(
                Some("refs/heads/main"),
                &who,
                &who,
                subject,
                &tree,
                parent.iter().collect::<Vec<_>>().as_slice(),
            )?
        };
        self.forge.refresh(REPOSITORY, DEVELOPER).await?;
        self.dry.push((commit.to_string(), subject.to_owned()));
        Ok(())
    }

    /// Returns where git finds the dry repository.
    pub(crate) fn dry_folder(&self) -> Fallible<PathBuf> {
        self.forge.git_dir(REPOSITORY)
    }

    async fn move_dry(&mut self, subject: &str, parent: &str, change: &mut TreeUpdateBuilder) -> TestResult {
        let sha = self.commit("main", subject, parent, change)?;
        self.forge.refresh(REPOSITORY, DEVELOPER).await?;
        self.dry.push((sha, subject.to_owned()));
        Ok(())
    }

    /// Puts a branch to a commit that makes a change on another one, unnoticed; returns it.
    fn commit(&self, branch: &str, subject: &str, parent: &str, change: &mut TreeUpdateBuilder) -> Fallible<String> {
        let git = self.dry_git()?;
        let parent = git.find_commit(Oid::from_str(parent)?)?;
        let tree = git.find_tree(change.create_updated(&git, &parent.tree()?)?)?;
        let who = git2::Signature::now(DEVELOPER, "developer@example.com")?;
        let commit = git.commit(None, &who, &who, subject, &tree, &[&parent])?;
        git.reference(&format!("refs/heads/{branch}"), commit, true, "pushed")?;
        Ok(commit.to_string())
    }

    /// Returns dry commits with their subjects, oldest first.
    pub(crate) fn dry_commits(&self) -> &[(String, String)] {
        &self.dry
    }

    /// Returns the dry SHA of the newest commit with a subject.
    pub(crate) fn dry_sha(&self, subject: &str) -> Fallible<String> {
        let found = self.dry.iter().rev().find(|(_, other)| other == subject);
        Ok(found.ok_or_else(|| format!("no dry commit is called {subject}"))?.0.clone())
    }

    /// Returns the head of a branch on the forge.
    pub(crate) async fn branch(&self, name: &str) -> Fallible<String> {
        let repository = match name.starts_with("env/") {
            true => self.home().repository(self.home_name()).await?,
            false => self.forge.repository(REPOSITORY).await?,
        };
        Ok(repository.branch(name).ok_or_else(|| format!("there is no branch {name}"))?.to_owned())
    }

    /// Returns every branch on the forge, and where it is.
    pub(crate) async fn branches(&self) -> Fallible<BTreeMap<String, String>> {
        let git = self.git()?;
        let mut branches = BTreeMap::new();
        for reference in git.references_glob("refs/heads/*")? {
            let reference = reference?;
            let name = reference.shorthand()?.to_owned();
            branches.insert(name, reference.peel_to_commit()?.id().to_string());
        }
        Ok(branches)
    }

    /// Returns a file on the head of a branch, or nothing.
    pub(crate) async fn file(&self, branch: &str, path: &str) -> Fallible<Option<String>> {
        let head = Oid::from_str(&self.branch(branch).await?)?;
        let git = if branch.starts_with("env/") { self.git()? } else { self.dry_git()? };
        let tree = git.find_commit(head)?.tree()?;
        let Ok(entry) = tree.get_path(Path::new(path)) else { return Ok(None) };
        Ok(Some(String::from_utf8(git.find_blob(entry.id())?.content().to_vec())?))
    }

    /// Returns the paths of all files on the head of an environment's branch, a line each.
    pub(crate) async fn paths(&self, branch: &str) -> Fallible<String> {
        let head = Oid::from_str(&self.branch(branch).await?)?;
        let (git, mut paths) = (self.git()?, Vec::new());
        git.find_commit(head)?.tree()?.walk(git2::TreeWalkMode::PreOrder, |folder, entry| {
            if entry.kind() == Some(git2::ObjectType::Blob) {
                paths.push(format!("{folder}{}", entry.name().unwrap_or_default()));
            }
            git2::TreeWalkResult::Ok
        })?;
        Ok(paths.join("\n"))
    }

    /// Has the forge lose every commit that is on no branch.
    pub(crate) fn lose_what_is_on_no_branch(&self) -> TestResult {
        #[expect(clippy::disallowed_methods, reason = "forges clean up with git")]
        let mut git = std::process::Command::new("git");
        git.arg("--git-dir").arg(self.dry_git()?.path()).args(["gc", "--quiet", "--prune=now"]);
        let output = git.output()?;
        match output.status.success() {
            true => Ok(()),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned().into()),
        }
    }

    /// Puts a dry commit into the mirror, and nothing that it refers to.
    pub(crate) fn leave_in_mirror_alone(&self, commit: &str) -> TestResult {
        let (there, id) = (self.dry_git()?, Oid::from_str(commit)?);
        let (odb, mirror) = (there.odb()?, Repository::open_bare(self.mirror())?);
        let object = odb.read(id)?;
        mirror.odb()?.write(object.kind(), object.data())?;
        Ok(())
    }

    /// Opens the repository with the dry branch as it is on the forge's disk.
    fn dry_git(&self) -> Fallible<Repository> {
        Ok(Repository::open_bare(self.forge.git_dir(REPOSITORY)?)?)
    }

    /// Opens the repository with the environments' branches as it is on the forge's disk.
    pub(super) fn git(&self) -> Fallible<Repository> {
        Ok(Repository::open_bare(self.home().git_dir(self.home_name())?)?)
    }
}
