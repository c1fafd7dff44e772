//! What the product needs of a forge: pull requests, commit statuses, comments, permissions.
//!
//! Adapters translate; they decide nothing. No type of an SDK leaves its adapter. Every call has a
//! time limit, and every write can be repeated: a pull request is found by head and base, and one
//! that is merged already is a success.

mod calls;
pub mod crashing;
mod deliveries;
mod diagnosis;
pub mod gitea;
pub mod github;
mod github_like;
pub mod gitlab;
mod setup;
#[cfg(test)]
mod tests;
pub mod webhook;

use std::{fmt, num::NonZeroUsize, sync::Arc, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

pub use self::{
    deliveries::{
        DELIVERIES_KEPT, DeliveriesKept, DeliveriesOf, MissedDelivery, Webhook, WebhookSeen, WebhookStanding,
    },
    diagnosis::CredentialSeen,
    setup::SetupError,
};
use crate::domain::{
    approvals::Review,
    ids::{ActiveSha, BranchName, PullRequestNumber, RepositoryId, StatusKey},
    permission::{Grantee, Permission},
    status::{CommitStatus, StatusState},
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

/// Whether an account is among some people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Among {
    /// It is.
    Yes,
    /// It is not.
    No,
    /// The forge does not show us who they are, or does not know them.
    Unknown,
}

/// The reviews of a pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reviews {
    /// All of them that have a verdict, oldest first.
    All(Vec<Review>),
    /// There are more than are read, and the newest are not among the first.
    TooMany,
}

/// Who wrote a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitAuthor {
    /// The commit.
    pub sha: String,
    /// The author's account, where the forge knows one by the commit's mail address.
    pub account: Option<Account>,
    /// The author's name, as the commit has it.
    pub name: String,
    /// Whether the forge itself made it when it merged others: its author wrote nothing in it.
    pub merged_by_forge: bool,
}

/// The most commits that are asked for their authors at once.
pub const COMMITS_AT_ONCE: usize = 1_000;

/// The most comments that are read at once.
pub const COMMENTS_AT_ONCE: usize = 1_000;

/// A forge that is shared by the workers.
pub type SharedForge = Arc<dyn Forge>;

/// An account on the forge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The numeric id, which survives renaming.
    pub id: u64,
    /// The login.
    pub login: String,
}

/// A repository on the forge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// The default branch.
    pub default_branch: BranchName,
    /// The page that people open.
    pub web_url: String,
    /// Where its things are shown.
    pub pages: Pages,
}

/// Where a forge shows the things of a repository, below the repository's page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Pages {
    /// As GitHub does.
    #[default]
    GitHub,
    /// As Gitea does.
    Gitea,
    /// As GitLab does.
    GitLab,
}

impl Pages {
    /// Returns the page of a commit.
    pub fn commit(self, repository: &str, sha: &str) -> String {
        match self {
            Self::GitHub | Self::Gitea => format!("{repository}/commit/{sha}"),
            Self::GitLab => format!("{repository}/-/commit/{sha}"),
        }
    }

    /// Returns the page of a branch.
    pub fn branch(self, repository: &str, branch: &BranchName) -> String {
        match self {
            Self::GitHub => format!("{repository}/tree/{branch}"),
            Self::Gitea => format!("{repository}/src/branch/{branch}"),
            Self::GitLab => format!("{repository}/-/tree/{branch}"),
        }
    }

    /// Returns the page on which somebody opens a pull request from `head` into `base`.
    pub fn new_pull_request(self, repository: &str, head: &BranchName, base: &BranchName) -> String {
        let [head, base] = [head, base].map(|branch| calls::encoded(branch.as_str()).replace("%2F", "/"));
        match self {
            Self::GitHub => format!("{repository}/compare/{base}...{head}?expand=1"),
            Self::Gitea => format!("{repository}/compare/{base}...{head}"),
            Self::GitLab => format!(
                "{repository}/-/merge_requests/new?merge_request%5Bsource_branch%5D={head}&\
                 merge_request%5Btarget_branch%5D={base}"
            ),
        }
    }

    /// Returns the page of a pull request.
    pub fn pull_request(self, repository: &str, number: PullRequestNumber) -> String {
        match self {
            Self::GitHub => format!("{repository}/pull/{}", number.0),
            Self::Gitea => format!("{repository}/pulls/{}", number.0),
            Self::GitLab => format!("{repository}/-/merge_requests/{}", number.0),
        }
    }
}

/// Where git finds a repository, and the credentials for it.
#[derive(Debug, Clone)]
pub struct GitRemote {
    /// An `http(s)` URL without credentials.
    pub url: String,
    /// The value of the `Authorization` header; masked in `Debug`.
    pub authorization: Option<SecretString>,
}

/// A pull request as the forge shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullRequest {
    /// The number.
    pub number: PullRequestNumber,
    /// Open, closed or merged.
    pub state: PullRequestState,
    /// The head commit.
    pub head_sha: String,
    /// Where the head is.
    pub head_in: HeadIn,
    /// Who opened it; absent when the account is gone.
    pub author: Option<Account>,
    /// The branch that it is merged into, in the repository itself; the head may be in a fork.
    pub base: String,
    /// The title.
    pub title: String,
    /// The page that people open.
    pub web_url: String,
    /// Whether it is a draft.
    pub draft: bool,
    /// What the forge says about merging it; [`Mergeable::Unknown`] from lists.
    pub mergeable: Mergeable,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When it was merged or closed.
    pub ended_at: Option<Timestamp>,
    /// Who merged it; absent from lists.
    pub merged_by: Option<String>,
    /// The commit that merging made on the base branch.
    pub merge_sha: Option<String>,
}

/// Where the head of a pull request is: who may write there decides what it becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadIn {
    /// In the repository that it is merged into.
    Repository,
    /// In a fork, or in one that is gone.
    Fork,
}

/// Where a pull request is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullRequestState {
    /// Open.
    Open,
    /// Closed without merging.
    Closed,
    /// Merged.
    Merged,
}

/// What the forge says about merging.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mergeable {
    /// The forge has not said yet.
    Unknown,
    /// It would merge.
    Yes,
    /// Its own conditions (protection, required checks) are not met; the reason in its words.
    Blocked(String),
    /// The branches conflict.
    Conflict,
}

/// A pull request to open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPullRequest {
    /// The branch to merge.
    pub head: BranchName,
    /// The branch to merge into.
    pub base: BranchName,
    /// The title.
    pub title: String,
    /// The body, Markdown.
    pub body: String,
}

/// How to merge a pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merge {
    /// The head that was checked.
    pub expected_head: String,
    /// Where it goes.
    pub onto: Onto,
    /// The method.
    pub method: MergeMethod,
    /// The merge commit's subject.
    pub title: String,
    /// The merge commit's body with its trailers.
    pub message: String,
}

/// A branch, and where it is expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Onto {
    /// The branch.
    pub branch: BranchName,
    /// The commit at its head.
    pub head: ActiveSha,
}

/// A commit status to post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewStatus {
    /// The key.
    pub key: StatusKey,
    /// The state.
    pub state: StatusState,
    /// What people read beside the key; see [`NewStatus::short_description`].
    pub description: String,
    /// A page about it.
    pub target_url: Option<String>,
}

/// The longest description that every forge takes and shows, in characters.
const MAX_DESCRIPTION: usize = 140;

impl NewStatus {
    /// Returns the description as it is sent: at most 140 characters, the last an ellipsis when something was cut.
    pub fn short_description(&self) -> String {
        let text = &self.description;
        if text.chars().count() <= MAX_DESCRIPTION {
            return text.clone();
        }
        let kept: String = text.chars().take(MAX_DESCRIPTION - 1).collect();
        format!("{}…", kept.trim_end())
    }
}

/// A comment on a pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// The numeric id.
    pub id: u64,
    /// The pull request.
    pub pull_request: PullRequestNumber,
    /// Who wrote it; absent when the account is gone.
    pub author: Option<Account>,
    /// Whether a program wrote it.
    pub by_bot: bool,
    /// The text, Markdown.
    pub body: String,
    /// When it was written.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// The comments that changed in some time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecentComments {
    /// Those on pull requests, the oldest change first.
    pub comments: Vec<Comment>,
    /// The time of the newest change that was read, also of comments elsewhere.
    pub read_to: Option<Timestamp>,
    /// Whether there are more after it.
    pub more: bool,
}

/// A reaction to a comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reaction {
    /// Eyes: it was read.
    Eyes,
    /// A confused face: it was not done.
    Confused,
}

/// Whether a reaction is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reacted {
    /// We had not reacted so.
    Now,
    /// We had.
    Before,
}

/// Who asks to wait before the next call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitedBy {
    /// The forge.
    Forge,
    /// We do: what the forge still allows is kept for merges.
    Reserve {
        /// How many calls are left.
        remaining: u64,
        /// How many there were.
        limit: u64,
    },
}

impl fmt::Display for LimitedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forge => f.write_str("the forge asks to wait"),
            Self::Reserve { remaining, limit } => {
                write!(
                    f,
                    "only {remaining} of {limit} calls to the forge are left, which are kept for merges; comments wait"
                )
            }
        }
    }
}

/// Why a forge did not do what was asked, by what the caller does about it.
#[derive(Debug, thiserror::Error)]
pub enum ForgeError {
    /// The thing is not there, or may not be seen.
    #[error("{what} was not found on the forge")]
    NotFound {
        /// What was asked for.
        what: String,
    },
    /// The credentials are wrong or lack a right; the operator must act.
    #[error("the forge refused the credentials while it was asked to {what}: {words}")]
    Unauthorised {
        /// What was attempted.
        what: String,
        /// The forge's words.
        words: String,
    },
    /// The world has moved on: observe again.
    #[error("the forge has another state than expected: {words}")]
    Moved {
        /// The forge's words.
        words: String,
    },
    /// The forge's rules forbid it now; a closed gate in its words.
    #[error("the forge refused to {what}: {words}")]
    Refused {
        /// What was attempted.
        what: String,
        /// The forge's words.
        words: String,
    },
    /// Too many calls: nothing more of this kind before this time has passed.
    #[error("{by} {} s", retry_after.as_secs())]
    RateLimited {
        /// How long to wait.
        retry_after: Duration,
        /// Who asks for it.
        by: LimitedBy,
    },
    /// No usable answer (network, time limit, 5xx): try again later.
    #[error("the forge did not answer while it was asked to {what}")]
    Unavailable {
        /// What was attempted.
        what: String,
        /// What went wrong.
        #[source]
        source: anyhow::Error,
    },
}
