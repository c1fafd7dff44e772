//! What a forge has, as all of them have it.

use jiff::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::calls;
use crate::domain::{
    approvals::Review,
    ids::{ActiveSha, BranchName, PullRequestNumber, StatusKey},
    status::StatusState,
    strategy::MergeMethod,
};

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
    /// Whether there were too many to find out which changed first: those before `read_to` are not among these.
    pub skipped: bool,
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
