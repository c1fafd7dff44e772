//! The fields that we read of Gitea's answers, and what they mean in our words.

use jiff::Timestamp;
use serde::Deserialize;

use crate::{
    domain::{
        ids::{PullRequestNumber, StatusKey},
        permission::Permission,
        status::{CommitStatus, Reporter, StatusSource, StatusState},
    },
    forge::{Account, Comment, HeadIn, Mergeable, PullRequest, PullRequestState},
};

/// An account; one that is gone is told as `Ghost` with a negative id.
#[derive(Debug, Deserialize)]
pub(super) struct UserBody {
    id: i64,
    pub(super) login: String,
}

impl UserBody {
    /// Says whether it is the account with this id: logins are given away.
    pub(super) fn is(&self, account: &Account) -> bool {
        u64::try_from(self.id) == Ok(account.id)
    }

    /// Returns the account, unless it is gone.
    pub(super) fn account(self) -> Option<Account> {
        let id = u64::try_from(self.id).ok().filter(|id| *id > 0)?;
        Some(Account { id, login: self.login })
    }
}

#[derive(Deserialize)]
pub(super) struct RepositoryBody {
    pub(super) default_branch: String,
    pub(super) html_url: String,
    pub(super) permissions: Option<RightsBody>,
}

/// What the token's account may do in a repository.
#[derive(Deserialize)]
pub(super) struct RightsBody {
    pub(super) push: bool,
}

#[derive(Deserialize)]
pub(super) struct PullBody {
    pub(super) number: u64,
    state: String,
    title: String,
    html_url: String,
    #[serde(default)]
    pub(super) draft: bool,
    created_at: Timestamp,
    pub(super) closed_at: Option<Timestamp>,
    #[serde(default)]
    merged: bool,
    merged_at: Option<Timestamp>,
    merge_commit_sha: Option<String>,
    merged_by: Option<UserBody>,
    user: Option<UserBody>,
    /// False while it is being checked, and for good when it conflicts: nothing tells the two apart.
    #[serde(default)]
    pub(super) mergeable: bool,
    pub(super) merge_base: Option<String>,
    pub(super) head: EndBody,
    pub(super) base: EndBody,
}

/// One end of a pull request.
#[derive(Deserialize)]
pub(super) struct EndBody {
    /// The branch; it stays when the branch is deleted, where `ref` becomes `refs/pull/N/head`.
    pub(super) label: String,
    /// Where the branch is *now*, also long after the pull request was merged or closed.
    #[serde(default)]
    pub(super) sha: String,
    /// Negative when the fork is gone.
    repo_id: i64,
}

impl PullBody {
    pub(super) fn state(&self) -> PullRequestState {
        match (self.merged, self.state.as_str()) {
            (true, _) => PullRequestState::Merged,
            (false, "open") => PullRequestState::Open,
            (false, _) => PullRequestState::Closed,
        }
    }

    /// Returns the commit that merging made on the base branch.
    pub(super) fn merge_sha(&self) -> Option<&str> {
        self.merge_commit_sha.as_deref().filter(|_| self.merged)
    }

    /// Says whether its head is this branch of the repository itself.
    pub(super) fn is_from(&self, branch: &str) -> bool {
        self.head.label == branch && self.head_in() == HeadIn::Repository
    }

    fn head_in(&self) -> HeadIn {
        if self.head.repo_id == self.base.repo_id { HeadIn::Repository } else { HeadIn::Fork }
    }

    /// Returns the pull request in our words, with the head that it has, or had when it ended.
    pub(super) fn pull_request(self, head_sha: String) -> PullRequest {
        let (state, head_in) = (self.state(), self.head_in());
        let mergeable = match state {
            PullRequestState::Open if self.draft => Mergeable::Blocked("is a draft".to_owned()),
            PullRequestState::Open if self.mergeable => Mergeable::Yes,
            _ => Mergeable::Unknown,
        };
        PullRequest {
            number: PullRequestNumber(self.number),
            state,
            mergeable,
            head_in,
            head_sha,
            author: self.user.and_then(UserBody::account),
            base: self.base.label,
            title: self.title,
            web_url: self.html_url,
            draft: self.draft,
            created_at: self.created_at,
            ended_at: self.merged_at.or(self.closed_at),
            merged_by: self.merged_by.and_then(UserBody::account).map(|account| account.login),
            merge_sha: self.merge_commit_sha.filter(|_| state == PullRequestState::Merged),
        }
    }
}

/// A commit status; what is posted as `state` is read back as `status`.
#[derive(Deserialize)]
pub(super) struct StatusBody {
    id: u64,
    context: String,
    status: String,
    description: Option<String>,
    created_at: Timestamp,
    updated_at: Option<Timestamp>,
    creator: Option<UserBody>,
}

impl StatusBody {
    /// Returns the report, unless its key is none that a strategy can name.
    pub(super) fn report(self) -> Option<CommitStatus> {
        let creator = self.creator.and_then(UserBody::account);
        Some(CommitStatus {
            key: StatusKey::new(self.context).ok()?,
            state: state(&self.status),
            source: StatusSource::Status,
            reported_at: self.updated_at.unwrap_or(self.created_at),
            id: self.id,
            description: self.description.unwrap_or_default(),
            creator: creator.as_ref().map(|creator| creator.id),
            reporter: creator.map(|creator| Reporter::Account(creator.login)),
        })
    }
}

/// Returns the verdict of a report.
///
/// The forge stores any word. What was skipped looked at nothing, and a warning says neither that the content is good
/// nor that it is bad: only `success` opens a gate, and only `failure` is a verdict against the content.
fn state(word: &str) -> StatusState {
    match word {
        "success" => StatusState::Success,
        "failure" => StatusState::Failure,
        "pending" | "skipped" | "neutral" => StatusState::Pending,
        _ => StatusState::Error,
    }
}

#[derive(Deserialize)]
pub(super) struct CommentBody {
    id: u64,
    user: Option<UserBody>,
    #[serde(default)]
    body: String,
    /// Empty when the comment is on an issue.
    #[serde(default)]
    pull_request_url: String,
    created_at: Timestamp,
    pub(super) updated_at: Timestamp,
}

impl CommentBody {
    /// Returns the comment, unless it is on an issue.
    pub(super) fn comment(self) -> Option<Comment> {
        let number = self.pull_request_url.rsplit('/').next()?.parse().ok()?;
        Some(Comment {
            id: self.id,
            pull_request: PullRequestNumber(number),
            author: self.user.and_then(UserBody::account),
            // The forge does not say which accounts are programs.
            by_bot: false,
            body: self.body,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}

#[derive(Deserialize)]
pub(super) struct PermissionBody {
    permission: String,
    pub(super) user: Option<UserBody>,
}

impl PermissionBody {
    /// Returns the right; between reading, writing and administering this forge knows nothing.
    pub(super) fn permission(&self) -> Permission {
        match self.permission.as_str() {
            "owner" | "admin" => Permission::Admin,
            "write" => Permission::Write,
            "read" => Permission::Read,
            _ => Permission::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_failure_says_that_the_content_is_bad() {
        assert_eq!(state("success"), StatusState::Success);
        assert_eq!(state("failure"), StatusState::Failure);
        for waiting in ["pending", "skipped", "neutral"] {
            assert_eq!(state(waiting), StatusState::Pending, "{waiting}");
        }
        for broken in ["error", "warning", "", "new-word"] {
            assert_eq!(state(broken), StatusState::Error, "{broken}");
        }
    }

    #[test]
    fn an_account_that_is_gone_is_nobody() {
        let account = |id: i64| UserBody { id, login: "ada".into() }.account();
        assert_eq!(account(7), Some(Account { id: 7, login: "ada".into() }));
        assert_eq!((account(-1), account(0)), (None, None));
    }

    #[test]
    fn a_right_is_one_of_four() {
        let right = |permission: &str| PermissionBody { permission: permission.into(), user: None }.permission();
        assert_eq!(["owner", "admin"].map(right), [Permission::Admin; 2]);
        assert_eq!((right("write"), right("read")), (Permission::Write, Permission::Read));
        assert_eq!(["none", "", "new-word"].map(right), [Permission::None; 3]);
    }
}
