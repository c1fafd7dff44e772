//! What the product needs of a forge: pull requests, commit statuses, comments, permissions.
//!
//! Adapters translate; they decide nothing. No type of an SDK leaves its adapter. Every call has a
//! time limit, and every write can be repeated: a pull request is found by head and base, and one
//! that is merged already is a success.

mod calls;
pub mod crashing;
mod deliveries;
mod diagnosis;
mod error;
pub mod gitea;
pub mod github;
mod github_like;
pub mod gitlab;
mod objects;
mod setup;
#[cfg(test)]
mod tests;
pub mod webhook;

use std::{fmt, num::NonZeroUsize, sync::Arc};

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::watch;

pub use self::{
    deliveries::{
        DELIVERIES_KEPT, DeliveriesKept, DeliveriesOf, MissedDelivery, Webhook, WebhookSeen, WebhookStanding,
    },
    diagnosis::CredentialSeen,
    error::{ForgeError, LimitedBy},
    objects::{
        Account, Among, COMMENTS_AT_ONCE, COMMITS_AT_ONCE, Comment, CommitAuthor, GitRemote, HeadIn, Merge, Mergeable,
        NewPullRequest, NewStatus, Onto, Pages, PullRequest, PullRequestState, Reacted, Reaction, RecentComments,
        Repository, Reviews,
    },
    setup::SetupError,
};
use crate::domain::{
    ids::{BranchName, PullRequestNumber, RepositoryId},
    permission::{Grantee, Permission},
    status::CommitStatus,
    strategy::MergeMethod,
};

/// A forge that hosts served repositories.
#[async_trait]
pub trait Forge: Send + Sync + fmt::Debug {
    /// Returns the account that the service acts as.
    async fn account(&self) -> Result<Account, ForgeError>;

    /// Says whether comments reach us in which a command stands alone, like `/promote`; one behind `/hydromote` does
    /// everywhere.
    fn takes_bare_commands(&self) -> bool {
        true
    }

    /// How many writes it takes at once: where several, they are not sent in an order.
    fn writes_at_once(&self) -> NonZeroUsize {
        NonZeroUsize::MIN
    }

    /// Returns the repository's default branch and addresses.
    async fn repository(&self, repository: &RepositoryId) -> Result<Repository, ForgeError>;

    /// Returns where and with which credentials the repository is fetched from and pushed to.
    async fn git_remote(&self, repository: &RepositoryId) -> Result<GitRemote, ForgeError>;

    /// Returns the pull requests from `head` into `base` in every state, newest first, at most 100.
    async fn pull_requests(
        &self,
        repository: &RepositoryId,
        head: &BranchName,
        base: &BranchName,
    ) -> Result<Vec<PullRequest>, ForgeError>;

    /// Returns the pull requests into `base` in every state, the last changed first, at most 100.
    async fn pull_requests_into(
        &self,
        repository: &RepositoryId,
        base: &BranchName,
    ) -> Result<Vec<PullRequest>, ForgeError>;

    /// Returns one pull request; only this call knows whether the forge would merge it.
    async fn pull_request(
        &self,
        repository: &RepositoryId,
        number: PullRequestNumber,
    ) -> Result<PullRequest, ForgeError>;

    /// Opens a pull request, or returns the open one with the same head and base.
    async fn open_pull_request(
        &self,
        repository: &RepositoryId,
        new: &NewPullRequest,
    ) -> Result<PullRequest, ForgeError>;

    /// Replaces title and body.
    async fn edit_pull_request(
        &self,
        repository: &RepositoryId,
        number: PullRequestNumber,
        title: &str,
        body: &str,
    ) -> Result<(), ForgeError>;

    /// Closes without merging; closing a closed one is a success.
    async fn close_pull_request(&self, repository: &RepositoryId, number: PullRequestNumber) -> Result<(), ForgeError>;

    /// Says whether a merge is refused as moved unless the pull request goes into `merge.onto`, and that is where it is
    /// expected, right before it is sent. Where it does not, that must be asked for.
    fn looks_at_base(&self) -> bool {
        false
    }

    /// Merges exactly `merge.expected_head`; returns the commit on the base branch.
    ///
    /// # Errors
    /// [`ForgeError::Moved`] when the head is another, or the base is where the forge looks at it;
    /// [`ForgeError::Refused`] when the forge's own conditions are not met.
    async fn merge_pull_request(
        &self,
        repository: &RepositoryId,
        number: PullRequestNumber,
        merge: &Merge,
    ) -> Result<String, ForgeError>;

    /// Returns commit statuses and check runs of `sha`, newest first, every report that the forge keeps.
    async fn commit_statuses(&self, repository: &RepositoryId, sha: &str) -> Result<Vec<CommitStatus>, ForgeError>;

    /// Posts a commit status.
    async fn post_status(&self, repository: &RepositoryId, sha: &str, status: &NewStatus) -> Result<(), ForgeError>;

    /// Returns the comments on all pull requests that were written or changed at `since` or later, the
    /// oldest change first.
    async fn comments_since(&self, repository: &RepositoryId, since: Timestamp) -> Result<RecentComments, ForgeError>;

    /// Returns the comments on one pull request, oldest first, at most [`COMMENTS_AT_ONCE`].
    async fn comments(&self, repository: &RepositoryId, number: PullRequestNumber) -> Result<Vec<Comment>, ForgeError>;

    /// Comments on a pull request; returns the comment's id.
    ///
    /// It cannot be repeated blindly: whoever lost the answer looks for the comment first.
    async fn post_comment(
        &self,
        repository: &RepositoryId,
        number: PullRequestNumber,
        body: &str,
    ) -> Result<u64, ForgeError>;

    /// Replaces the text of a comment on this pull request.
    async fn edit_comment(
        &self,
        repository: &RepositoryId,
        number: PullRequestNumber,
        comment: u64,
        body: &str,
    ) -> Result<(), ForgeError>;

    /// Reacts to a comment on this pull request; says whether we had reacted so before.
    async fn react(
        &self,
        repository: &RepositoryId,
        number: PullRequestNumber,
        comment: u64,
        reaction: Reaction,
    ) -> Result<Reacted, ForgeError>;

    /// Returns the reviews of a pull request that have a verdict, oldest first.
    async fn reviews(&self, repository: &RepositoryId, number: PullRequestNumber) -> Result<Reviews, ForgeError>;

    /// Returns who wrote the commits that `head` holds and `base` does not, at most [`COMMITS_AT_ONCE`]; without a
    /// base, who wrote `head`.
    async fn authors(
        &self,
        repository: &RepositoryId,
        base: Option<&str>,
        head: &str,
    ) -> Result<Vec<CommitAuthor>, ForgeError>;

    /// Returns the right that an account has on the repository now.
    ///
    /// The account is the one with this id: whoever took over its login has none.
    async fn permission(&self, repository: &RepositoryId, account: &Account) -> Result<Permission, ForgeError>;

    /// Says whether an account is among the people that a strategy names, now.
    ///
    /// The account is the one with this id: whoever took over its login is not.
    async fn is_among(
        &self,
        repository: &RepositoryId,
        people: &Grantee,
        account: &Account,
    ) -> Result<Among, ForgeError>;

    /// Says where deliveries of webhooks are kept that can be asked for again.
    fn deliveries_kept(&self) -> DeliveriesKept {
        DeliveriesKept::Nowhere
    }

    /// Returns what was delivered at `since` or later and has not arrived, oldest first, as far back as is reasonable.
    async fn missed_deliveries(
        &self,
        _of: DeliveriesOf<'_>,
        _since: Timestamp,
    ) -> Result<Vec<MissedDelivery>, ForgeError> {
        Ok(Vec::new())
    }

    /// Has a delivery repeated.
    async fn redeliver(&self, delivery: &MissedDelivery) -> Result<(), ForgeError> {
        Err(ForgeError::NotFound { what: format!("the delivery `{}`", delivery.id) })
    }

    /// Returns the webhooks of a repository that send to `address`; those of a group or of an App are not among them.
    ///
    /// # Errors
    /// [`ForgeError::NotFound`] or [`ForgeError::Unauthorised`] when they are not shown to us.
    async fn webhooks(&self, repository: &RepositoryId, _address: &str) -> Result<Vec<WebhookSeen>, ForgeError> {
        Err(ForgeError::NotFound { what: format!("the webhooks of `{repository}`") })
    }

    /// Says whether the forge stops sending to a webhook whose deliveries fail, and begins again after a test of it.
    fn disables_webhooks(&self) -> bool {
        false
    }

    /// Has the forge send a test to a webhook.
    ///
    /// # Errors
    /// [`ForgeError::Refused`] when it did not arrive.
    async fn test_webhook(&self, _repository: &RepositoryId, id: u64) -> Result<(), ForgeError> {
        Err(ForgeError::NotFound { what: format!("a test of the webhook {id}") })
    }

    /// Returns what the forge tells of the credentials.
    async fn credential(&self) -> Result<CredentialSeen, ForgeError> {
        let Account { login, .. } = self.account().await?;
        Ok(CredentialSeen { login, kind: "token".to_owned(), expires_at: None, lacks: Vec::new(), forge_time: None })
    }

    /// Returns what the service may not do in a repository and has to, in words.
    async fn lacking(&self, repository: &RepositoryId) -> Result<Vec<String>, ForgeError> {
        let account = self.account().await?;
        let right = self.permission(repository, &account).await?;
        Ok(if right >= Permission::Write { Vec::new() } else { vec![github_like::LACKS_WRITE.to_owned()] })
    }

    /// Returns what the forge's own rules ask for before something proposed on `head` is merged into `base`, in words;
    /// nothing where they are not shown to us.
    async fn rules(
        &self,
        _repository: &RepositoryId,
        _base: &BranchName,
        _head: &BranchName,
        _method: MergeMethod,
    ) -> Result<Vec<String>, ForgeError> {
        Ok(Vec::new())
    }

    /// Counts the outages that are over: how often the forge has answered again after it did not for a while.
    fn outages(&self) -> watch::Receiver<u64> {
        watch::channel(0).1
    }
}

/// A forge that is shared by the workers.
pub type SharedForge = Arc<dyn Forge>;
