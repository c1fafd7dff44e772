//! A forge that answers what another answered once.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use async_trait::async_trait;
use hydromote::{
    domain::{
        ids::{BranchName, PullRequestNumber, RepositoryId},
        permission::{Grantee, Permission},
        status::CommitStatus,
    },
    forge::{
        Account, Among, Comment, CommitAuthor, Forge, ForgeError, GitRemote, Merge, NewPullRequest, NewStatus,
        PullRequest, Reacted, Reaction, RecentComments, Repository, Reviews, SharedForge,
    },
};
use jiff::Timestamp;

/// A forge that remembers what it was asked about one repository, and answers the same about any.
///
/// Whatever would change something is refused: at rest nothing does.
#[derive(Debug)]
pub(super) struct Remembered {
    /// Who is asked what is not known yet.
    real: Option<SharedForge>,
    answers: Mutex<Answers>,
}

#[derive(Debug, Default, Clone)]
struct Answers {
    pull_requests: BTreeMap<(BranchName, BranchName), Vec<PullRequest>>,
    pull_request: BTreeMap<PullRequestNumber, PullRequest>,
    statuses: BTreeMap<String, Vec<CommitStatus>>,
}

impl Remembered {
    /// Passes on what it is asked, and remembers the answers.
    pub(super) fn listening(real: SharedForge) -> Self {
        Self { real: Some(real), answers: Mutex::default() }
    }

    /// Returns a forge that knows what this one does, and nothing else.
    pub(super) fn alone(&self) -> Self {
        Self { real: None, answers: Mutex::new(self.known(Answers::clone)) }
    }

    fn known<T>(&self, of: impl FnOnce(&Answers) -> T) -> T {
        of(&self.answers.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn keep(&self, change: impl FnOnce(&mut Answers)) {
        change(&mut self.answers.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn real(&self, what: &str) -> Result<&SharedForge, ForgeError> {
        self.real.as_ref().ok_or_else(|| ForgeError::NotFound { what: format!("an answer to `{what}`") })
    }
}

fn refused<T>(what: &str) -> Result<T, ForgeError> {
    Err(ForgeError::Refused { what: what.to_owned(), words: "at rest nothing is done".to_owned() })
}

#[async_trait]
impl Forge for Remembered {
    async fn account(&self) -> Result<Account, ForgeError> {
        self.real("account")?.account().await
    }

    async fn repository(&self, repository: &RepositoryId) -> Result<Repository, ForgeError> {
        self.real("repository")?.repository(repository).await
    }

    async fn git_remote(&self, repository: &RepositoryId) -> Result<GitRemote, ForgeError> {
        self.real("git remote")?.git_remote(repository).await
    }

    async fn pull_requests(
        &self,
        repository: &RepositoryId,
        head: &BranchName,
        base: &BranchName,
    ) -> Result<Vec<PullRequest>, ForgeError> {
        let asked = (head.clone(), base.clone());
        if let Some(known) = self.known(|answers| answers.pull_requests.get(&asked).cloned()) {
            return Ok(known);
        }
        let read = self.real("pull requests")?.pull_requests(repository, head, base).await?;
        self.keep(|answers| drop(answers.pull_requests.insert(asked, read.clone())));
        Ok(read)
    }

    async fn pull_requests_into(&self, _: &RepositoryId, _: &BranchName) -> Result<Vec<PullRequest>, ForgeError> {
        refused("list pull requests into a branch")
    }

    async fn pull_request(
        &self,
        repository: &RepositoryId,
        number: PullRequestNumber,
    ) -> Result<PullRequest, ForgeError> {
        if let Some(known) = self.known(|answers| answers.pull_request.get(&number).cloned()) {
            return Ok(known);
        }
        let read = self.real("pull request")?.pull_request(repository, number).await?;
        self.keep(|answers| drop(answers.pull_request.insert(number, read.clone())));
        Ok(read)
    }

    async fn reviews(&self, _: &RepositoryId, _: PullRequestNumber) -> Result<Reviews, ForgeError> {
        refused("list reviews")
    }

    async fn authors(&self, _: &RepositoryId, _: Option<&str>, _: &str) -> Result<Vec<CommitAuthor>, ForgeError> {
        refused("tell who wrote commits")
    }

    async fn open_pull_request(&self, _: &RepositoryId, _: &NewPullRequest) -> Result<PullRequest, ForgeError> {
        refused("open a pull request")
    }

    async fn edit_pull_request(
        &self,
        _: &RepositoryId,
        _: PullRequestNumber,
        _: &str,
        _: &str,
    ) -> Result<(), ForgeError> {
        refused("edit a pull request")
    }

    async fn close_pull_request(&self, _: &RepositoryId, _: PullRequestNumber) -> Result<(), ForgeError> {
        refused("close a pull request")
    }

    async fn merge_pull_request(
        &self,
        _: &RepositoryId,
        _: PullRequestNumber,
        _: &Merge,
    ) -> Result<String, ForgeError> {
        refused("merge a pull request")
    }

    async fn commit_statuses(&self, repository: &RepositoryId, sha: &str) -> Result<Vec<CommitStatus>, ForgeError> {
        if let Some(known) = self.known(|answers| answers.statuses.get(sha).cloned()) {
            return Ok(known);
        }
        let read = self.real("statuses")?.commit_statuses(repository, sha).await?;
        self.keep(|answers| drop(answers.statuses.insert(sha.to_owned(), read.clone())));
        Ok(read)
    }

    async fn post_status(&self, _: &RepositoryId, _: &str, _: &NewStatus) -> Result<(), ForgeError> {
        refused("post a status")
    }

    async fn comments_since(&self, _: &RepositoryId, _: Timestamp) -> Result<RecentComments, ForgeError> {
        refused("list comments")
    }

    async fn comments(&self, _: &RepositoryId, _: PullRequestNumber) -> Result<Vec<Comment>, ForgeError> {
        refused("list comments")
    }

    async fn post_comment(&self, _: &RepositoryId, _: PullRequestNumber, _: &str) -> Result<u64, ForgeError> {
        refused("comment")
    }

    async fn edit_comment(&self, _: &RepositoryId, _: PullRequestNumber, _: u64, _: &str) -> Result<(), ForgeError> {
        refused("edit a comment")
    }

    async fn react(&self, _: &RepositoryId, _: PullRequestNumber, _: u64, _: Reaction) -> Result<Reacted, ForgeError> {
        refused("react to a comment")
    }

    async fn permission(&self, _: &RepositoryId, _: &Account) -> Result<Permission, ForgeError> {
        refused("tell a permission")
    }

    async fn is_among(&self, _: &RepositoryId, _: &Grantee, _: &Account) -> Result<Among, ForgeError> {
        refused("tell who is among people")
    }
}
