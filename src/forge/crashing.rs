//! A forge whose writes are fail points.
//!
//! Reads pass through. Whoever adds a method to the trait must add it here, and say which act it is
//! when it writes; `tests/it/crashes` compares what was announced with what the forge was sent.

use std::num::NonZeroUsize;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::watch;

use super::{
    Account, Among, Comment, CommitAuthor, DeliveriesKept, DeliveriesOf, Forge, ForgeError, GitRemote, Merge,
    MissedDelivery, NewPullRequest, NewStatus, PullRequest, Reacted, Reaction, RecentComments, Repository, Reviews,
    SharedForge, WebhookSeen,
};
use crate::{
    crash::{Act, FailPoints},
    domain::{
        ids::{BranchName, PullRequestNumber, RepositoryId},
        permission::{Grantee, Permission},
        status::CommitStatus,
    },
};

/// What an act is on that is told by its number alone: no run could name it beforehand.
const ANY: &str = "";

/// A forge whose writes are fail points.
#[derive(Debug)]
pub struct Crashing {
    /// Does what is asked.
    pub forge: SharedForge,
    /// The points.
    pub points: FailPoints,
}

#[async_trait]
impl Forge for Crashing {
    async fn account(&self) -> Result<Account, ForgeError> {
        self.forge.account().await
    }

    fn takes_bare_commands(&self) -> bool {
        self.forge.takes_bare_commands()
    }

    fn writes_at_once(&self) -> NonZeroUsize {
        self.forge.writes_at_once()
    }

    async fn repository(&self, repository: &RepositoryId) -> Result<Repository, ForgeError> {
        self.forge.repository(repository).await
    }

    async fn git_remote(&self, repository: &RepositoryId) -> Result<GitRemote, ForgeError> {
        self.forge.git_remote(repository).await
    }

    async fn pull_requests(
        &self,
        repository: &RepositoryId,
        head: &BranchName,
        base: &BranchName,
    ) -> Result<Vec<PullRequest>, ForgeError> {
        self.forge.pull_requests(repository, head, base).await
    }

    async fn pull_requests_into(
        &self,
        repository: &RepositoryId,
        base: &BranchName,
    ) -> Result<Vec<PullRequest>, ForgeError> {
        self.forge.pull_requests_into(repository, base).await
    }

    async fn pull_request(
        &self,
        repository: &RepositoryId,
        number: PullRequestNumber,
    ) -> Result<PullRequest, ForgeError> {
        self.forge.pull_request(repository, number).await
    }

    async fn open_pull_request(
        &self,
        repository: &RepositoryId,
        new: &NewPullRequest,
    ) -> Result<PullRequest, ForgeError> {
        let opening = self.forge.open_pull_request(repository, new);
        self.points.around(Act::OpenPullRequest, new.head.as_str(), opening).await
    }

    async fn edit_pull_request(
        &self,
        repository: &RepositoryId,
        number: PullRequestNumber,
        title: &str,
        body: &str,
    ) -> Result<(), ForgeError> {
        let editing = self.forge.edit_pull_request(repository, number, title, body);
        self.points.around(Act::EditPullRequest, ANY, editing).await
    }

    async fn close_pull_request(&self, repository: &RepositoryId, number: PullRequestNumber) -> Result<(), ForgeError> {
        let closing = self.forge.close_pull_request(repository, number);
        self.points.around(Act::ClosePullRequest, ANY, closing).await
    }

    fn looks_at_base(&self) -> bool {
        self.forge.looks_at_base()
    }

    async fn merge_pull_request(
        &self,
        repository: &RepositoryId,
        number: PullRequestNumber,
        merge: &Merge,
    ) -> Result<String, ForgeError> {
        let merging = self.forge.merge_pull_request(repository, number, merge);
        self.points.around(Act::MergePullRequest, ANY, merging).await
    }

    async fn commit_statuses(&self, repository: &RepositoryId, sha: &str) -> Result<Vec<CommitStatus>, ForgeError> {
        self.forge.commit_statuses(repository, sha).await
    }

    async fn post_status(&self, repository: &RepositoryId, sha: &str, status: &NewStatus) -> Result<(), ForgeError> {
        let posting = self.forge.post_status(repository, sha, status);
        self.points.around(Act::PostStatus, status.key.as_str(), posting).await
    }

    async fn comments_since(&self, repository: &RepositoryId, since: Timestamp) -> Result<RecentComments, ForgeError> {
        self.forge.comments_since(repository, since).await
    }

    async fn comments(&self, repository: &RepositoryId, number: PullRequestNumber) -> Result<Vec<Comment>, ForgeError> {
        self.forge.comments(repository, number).await
    }

    async fn post_comment(
        &self,
        repository: &RepositoryId,
        number: PullRequestNumber,
        body: &str,
    ) -> Result<u64, ForgeError> {
        self.points.around(Act::PostComment, ANY, self.forge.post_comment(repository, number, body)).await
    }

    async fn edit_comment(
        &self,
        repository: &RepositoryId,
        number: PullRequestNumber,
        comment: u64,
        body: &str,
    ) -> Result<(), ForgeError> {
        self.points.around(Act::EditComment, ANY, self.forge.edit_comment(repository, number, comment, body)).await
    }

    async fn react(
        &self,
        repository: &RepositoryId,
        number: PullRequestNumber,
        comment: u64,
        reaction: Reaction,
    ) -> Result<Reacted, ForgeError> {
        self.points.around(Act::React, ANY, self.forge.react(repository, number, comment, reaction)).await
    }

    async fn reviews(&self, repository: &RepositoryId, number: PullRequestNumber) -> Result<Reviews, ForgeError> {
        self.forge.reviews(repository, number).await
    }

    async fn authors(
        &self,
        repository: &RepositoryId,
        base: Option<&str>,
        head: &str,
    ) -> Result<Vec<CommitAuthor>, ForgeError> {
        self.forge.authors(repository, base, head).await
    }

    async fn permission(&self, repository: &RepositoryId, account: &Account) -> Result<Permission, ForgeError> {
        self.forge.permission(repository, account).await
    }

    async fn is_among(
        &self,
        repository: &RepositoryId,
        people: &Grantee,
        account: &Account,
    ) -> Result<Among, ForgeError> {
        self.forge.is_among(repository, people, account).await
    }

    fn deliveries_kept(&self) -> DeliveriesKept {
        self.forge.deliveries_kept()
    }

    async fn missed_deliveries(
        &self,
        of: DeliveriesOf<'_>,
        since: Timestamp,
    ) -> Result<Vec<MissedDelivery>, ForgeError> {
        self.forge.missed_deliveries(of, since).await
    }

    // It shows us what has happened once more, and changes nothing that others see.
    async fn redeliver(&self, delivery: &MissedDelivery) -> Result<(), ForgeError> {
        self.forge.redeliver(delivery).await
    }

    async fn webhooks(&self, repository: &RepositoryId, address: &str) -> Result<Vec<WebhookSeen>, ForgeError> {
        self.forge.webhooks(repository, address).await
    }

    fn disables_webhooks(&self) -> bool {
        self.forge.disables_webhooks()
    }

    async fn test_webhook(&self, repository: &RepositoryId, id: u64) -> Result<(), ForgeError> {
        self.forge.test_webhook(repository, id).await
    }

    fn outages(&self) -> watch::Receiver<u64> {
        self.forge.outages()
    }
}
