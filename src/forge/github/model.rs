//! The fields that we read of GitHub's answers, and what they mean in our words.
//!
//! Only what is used is required: Enterprise servers, old deliveries and the local forge leave
//! fields out that the published schemas ask for.

use jiff::Timestamp;
use serde::Deserialize;

use super::client::Page;
use crate::{
    domain::{
        ids::{PullRequestNumber, StatusKey},
        permission::Permission,
        status::{CommitStatus, Reporter, StatusSource, StatusState},
    },
    forge::{Account, Comment, HeadIn, Mergeable, PullRequest, PullRequestState},
};

#[derive(Deserialize)]
pub(super) struct UserBody {
    pub(super) id: u64,
    pub(super) login: String,
}

#[derive(Deserialize)]
pub(super) struct AppBody {
    pub(super) slug: String,
}

#[derive(Deserialize)]
pub(super) struct RepositoryBody {
    pub(super) default_branch: String,
    pub(super) html_url: String,
    pub(super) clone_url: String,
    /// Which ways to merge are allowed; told to those who may write.
    pub(super) allow_merge_commit: Option<bool>,
    pub(super) allow_squash_merge: Option<bool>,
    pub(super) allow_rebase_merge: Option<bool>,
}

#[derive(Deserialize)]
pub(super) struct MergedBody {
    pub(super) sha: Option<String>,
    pub(super) merged: bool,
    #[serde(default)]
    pub(super) message: String,
}

#[derive(Deserialize)]
pub(super) struct PullBody {
    number: u64,
    state: String,
    title: String,
    html_url: String,
    #[serde(default)]
    draft: bool,
    created_at: Timestamp,
    closed_at: Option<Timestamp>,
    merged_at: Option<Timestamp>,
    merge_commit_sha: Option<String>,
    merged_by: Option<UserBody>,
    user: Option<UserBody>,
    mergeable: Option<bool>,
    mergeable_state: Option<String>,
    pub(super) head: EndBody,
    pub(super) base: EndBody,
}

/// One end of a pull request.
#[derive(Deserialize)]
pub(super) struct EndBody {
    #[serde(rename = "ref")]
    pub(super) branch: String,
    pub(super) sha: String,
    /// None when the fork is gone.
    repo: Option<EndRepositoryBody>,
}

#[derive(Deserialize)]
struct EndRepositoryBody {
    id: u64,
}

impl PullBody {
    /// Returns the pull request in our words; `mergeable` is unknown unless it was read alone.
    pub(super) fn pull_request(self) -> PullRequest {
        let state = match (self.merged_at, self.state.as_str()) {
            (Some(_), _) => PullRequestState::Merged,
            (None, "open") => PullRequestState::Open,
            (None, _) => PullRequestState::Closed,
        };
        let mergeable = if state == PullRequestState::Open { self.mergeable() } else { Mergeable::Unknown };
        let repository = |end: &EndBody| end.repo.as_ref().map(|repository| repository.id);
        let is_inside = repository(&self.base).is_some_and(|base| repository(&self.head) == Some(base));
        PullRequest {
            number: PullRequestNumber(self.number),
            state,
            mergeable,
            head_in: if is_inside { HeadIn::Repository } else { HeadIn::Fork },
            author: self.user.map(|user| Account { id: user.id, login: user.login }),
            head_sha: self.head.sha,
            base: self.base.branch,
            title: self.title,
            web_url: self.html_url,
            draft: self.draft,
            created_at: self.created_at,
            ended_at: self.merged_at.or(self.closed_at),
            merged_by: self.merged_by.map(|user| user.login),
            // While it is open this is a test merge that nobody may rely on.
            merge_sha: self.merge_commit_sha.filter(|_| state == PullRequestState::Merged),
        }
    }

    /// Returns what the forge says about merging an open pull request.
    ///
    /// `mergeable` is null while the forge makes its test merge, and absent from lists. "blocked" is
    /// said as it is, also when only our own required status is missing: the caller knows the gates.
    fn mergeable(&self) -> Mergeable {
        let blocked = |words: &str| Mergeable::Blocked(words.to_owned());
        match (self.mergeable, self.mergeable_state.as_deref()) {
            (None, None) => Mergeable::Unknown,
            _ if self.draft => blocked("is a draft"),
            (Some(false), _) | (_, Some("dirty")) => Mergeable::Conflict,
            (None, _) | (_, Some("unknown")) => Mergeable::Unknown,
            (_, Some("blocked")) => blocked("required reviews or checks are missing (`blocked`)"),
            (_, Some("behind")) => blocked("is behind its base branch (`behind`)"),
            (_, Some("draft")) => blocked("is a draft"),
            // `clean`, `unstable` and `has_hooks` merge; with any other word the merge itself is the judge.
            (Some(true), _) => Mergeable::Yes,
        }
    }
}

#[derive(Deserialize)]
pub(super) struct StatusBody {
    id: u64,
    context: String,
    state: StatusState,
    description: Option<String>,
    created_at: Timestamp,
    updated_at: Option<Timestamp>,
    creator: Option<CreatorBody>,
}

#[derive(Deserialize)]
struct CreatorBody {
    id: u64,
    login: Option<String>,
}

impl StatusBody {
    /// Returns the report, unless its key is none that a strategy can name.
    pub(super) fn report(self) -> Option<CommitStatus> {
        Some(CommitStatus {
            key: StatusKey::new(self.context).ok()?,
            state: self.state,
            source: StatusSource::Status,
            reported_at: self.updated_at.unwrap_or(self.created_at),
            id: self.id,
            description: self.description.unwrap_or_default(),
            creator: self.creator.as_ref().map(|creator| creator.id),
            reporter: self.creator.and_then(|creator| creator.login).map(Reporter::Account),
        })
    }
}

#[derive(Deserialize)]
pub(super) struct CheckRunsBody {
    check_runs: Vec<CheckRunBody>,
}

impl Page for CheckRunsBody {
    type Entry = CheckRunBody;
    fn entries(self) -> Vec<CheckRunBody> {
        self.check_runs
    }
}

#[derive(Deserialize)]
pub(super) struct CheckRunBody {
    id: u64,
    name: String,
    status: String,
    conclusion: Option<String>,
    started_at: Option<Timestamp>,
    completed_at: Option<Timestamp>,
    output: Option<OutputBody>,
    app: Option<ReporterBody>,
}

#[derive(Deserialize)]
struct ReporterBody {
    slug: Option<String>,
}

#[derive(Deserialize)]
struct OutputBody {
    title: Option<String>,
}

impl CheckRunBody {
    /// Says whether the run has neither begun nor ended.
    pub(super) fn is_undated(&self) -> bool {
        self.completed_at.or(self.started_at).is_none()
    }

    /// Returns the report; a run that has not begun has no time of its own and gets `undated`.
    ///
    /// The creator is left out: the forge names the App's owner there, not who reported.
    pub(super) fn report(self, undated: Timestamp) -> Option<CommitStatus> {
        let title = self.output.and_then(|output| output.title);
        Some(CommitStatus {
            state: check_state(&self.status, self.conclusion.as_deref()),
            key: StatusKey::new(self.name).ok()?,
            source: StatusSource::CheckRun,
            reported_at: self.completed_at.or(self.started_at).unwrap_or(undated),
            id: self.id,
            description: title.or(self.conclusion).unwrap_or(self.status),
            creator: None,
            // The login under which an App posts commit statuses.
            reporter: self.app.and_then(|app| app.slug).map(|slug| Reporter::Account(format!("{slug}[bot]"))),
        })
    }
}

/// Returns the verdict of a check run.
///
/// Neutral and skipped are no verdict: a gate names the check because it wants to know, and a check
/// that looked at nothing has not passed (<https://github.com/openshift/release/issues/79123>). A run
/// that was cancelled or timed out says nothing about the content either, but it is over.
fn check_state(status: &str, conclusion: Option<&str>) -> StatusState {
    match (status, conclusion) {
        ("completed", Some("success")) => StatusState::Success,
        ("completed", Some("failure")) => StatusState::Failure,
        ("completed", Some("neutral" | "skipped")) => StatusState::Pending,
        ("completed", _) => StatusState::Error,
        _ => StatusState::Pending,
    }
}

#[derive(Deserialize)]
pub(super) struct CommentBody {
    id: u64,
    user: Option<CommenterBody>,
    body: Option<String>,
    html_url: String,
    created_at: Timestamp,
    pub(super) updated_at: Timestamp,
}

#[derive(Deserialize)]
struct CommenterBody {
    id: u64,
    login: String,
    #[serde(rename = "type")]
    kind: Option<String>,
}

impl CommentBody {
    /// Returns the comment, unless it is on an issue: only the page's address tells them apart.
    pub(super) fn comment(self) -> Option<Comment> {
        let (_, page) = self.html_url.rsplit_once("/pull/")?;
        let digits = page.find(|c: char| !c.is_ascii_digit()).unwrap_or(page.len());
        let number = page[..digits].parse().ok()?;
        Some(Comment {
            id: self.id,
            pull_request: PullRequestNumber(number),
            by_bot: self.user.as_ref().is_some_and(|user| user.kind.as_deref() == Some("Bot")),
            author: self.user.map(|user| Account { id: user.id, login: user.login }),
            body: self.body.unwrap_or_default(),
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}

#[derive(Deserialize)]
pub(super) struct PermissionBody {
    permission: String,
    role_name: Option<String>,
    pub(super) user: Option<UserBody>,
}

impl PermissionBody {
    /// Returns the right; an organisation's own role counts as the plain one that it is built on.
    pub(super) fn permission(&self) -> Permission {
        let plain = |word: &str| match word {
            "admin" => Some(Permission::Admin),
            "maintain" => Some(Permission::Maintain),
            "write" => Some(Permission::Write),
            "triage" => Some(Permission::Triage),
            "read" => Some(Permission::Read),
            "none" => Some(Permission::None),
            _ => None,
        };
        self.role_name.as_deref().and_then(plain).or_else(|| plain(&self.permission)).unwrap_or(Permission::None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open_pull(extra: serde_json::Value) -> PullRequest {
        let mut body = serde_json::json!({
            "number": 7, "state": "open", "title": "t", "html_url": "u", "created_at": "2026-01-01T00:00:00Z",
            "head": {"ref": "h", "sha": "s1"}, "base": {"ref": "b", "sha": "s0"},
        });
        let fields = body.as_object_mut().expect("because it was built as an object");
        fields.extend(extra.as_object().expect("because the tests pass objects").clone());
        serde_json::from_value::<PullBody>(body).expect("because every required field is there").pull_request()
    }

    #[test]
    fn mergeable_follows_the_forges_words() {
        let mergeable = |mergeable: Option<bool>, state: &str, draft: bool| {
            open_pull(serde_json::json!({"mergeable": mergeable, "mergeable_state": state, "draft": draft})).mergeable
        };
        for state in ["clean", "unstable", "has_hooks", "new-word"] {
            assert_eq!(mergeable(Some(true), state, false), Mergeable::Yes, "{state}");
        }
        assert_eq!(mergeable(None, "unknown", false), Mergeable::Unknown);
        assert_eq!(mergeable(None, "clean", false), Mergeable::Unknown);
        assert_eq!(mergeable(Some(false), "blocked", false), Mergeable::Conflict);
        assert_eq!(mergeable(Some(true), "dirty", false), Mergeable::Conflict);
        assert!(
            matches!(mergeable(Some(true), "blocked", false), Mergeable::Blocked(words) if words.contains("checks"))
        );
        assert!(matches!(mergeable(Some(true), "behind", false), Mergeable::Blocked(_)));
        assert_eq!(mergeable(Some(true), "draft", true), Mergeable::Blocked("is a draft".into()));
        assert_eq!(open_pull(serde_json::json!({"draft": true})).mergeable, Mergeable::Unknown);
        assert_eq!(open_pull(serde_json::json!({"mergeable": true})).mergeable, Mergeable::Yes);
    }

    #[test]
    fn the_base_is_told_also_when_the_fork_of_the_head_is_gone() {
        let fork = serde_json::json!({"ref": "main", "sha": "s1", "label": "ada:main", "user": null, "repo": null});
        let pull = open_pull(serde_json::json!({"head": fork}));
        assert_eq!((pull.base.as_str(), pull.head_in), ("b", HeadIn::Fork));
    }

    #[test]
    fn a_head_is_in_the_repository_only_when_both_ends_say_the_same_one() {
        let end = |id: u64| serde_json::json!({"ref": "main", "sha": "s1", "repo": {"id": id}});
        let head_in = |head, base| open_pull(serde_json::json!({"head": head, "base": base})).head_in;
        assert_eq!(head_in(end(1), end(1)), HeadIn::Repository);
        assert_eq!(head_in(end(2), end(1)), HeadIn::Fork);
        let untold = || serde_json::json!({"ref": "main", "sha": "s1"});
        assert_eq!(head_in(untold(), untold()), HeadIn::Fork);
    }

    #[test]
    fn the_test_merge_of_an_open_pull_request_is_not_its_merge() {
        assert_eq!(open_pull(serde_json::json!({"merge_commit_sha": "m"})).merge_sha, None);
        let merged = serde_json::json!({
            "state": "closed", "merge_commit_sha": "m", "mergeable": true,
            "merged_at": "2026-01-02T00:00:00Z", "merged_by": {"id": 1, "login": "ada"},
        });
        let merged = open_pull(merged);
        assert_eq!((merged.state, merged.merge_sha.as_deref()), (PullRequestState::Merged, Some("m")));
        assert_eq!(merged.merged_by.as_deref(), Some("ada"));
        assert_eq!(merged.mergeable, Mergeable::Unknown);
    }

    #[test]
    fn only_failure_says_that_the_content_is_bad() {
        for waiting in ["queued", "in_progress", "waiting", "requested", "pending", "new-word"] {
            assert_eq!(check_state(waiting, None), StatusState::Pending, "{waiting}");
        }
        let completed = |conclusion| check_state("completed", Some(conclusion));
        assert_eq!(completed("success"), StatusState::Success);
        assert_eq!(completed("failure"), StatusState::Failure);
        assert_eq!(completed("neutral"), StatusState::Pending);
        assert_eq!(completed("skipped"), StatusState::Pending);
        for broken in ["timed_out", "startup_failure", "cancelled", "stale", "action_required", "new-word"] {
            assert_eq!(completed(broken), StatusState::Error, "{broken}");
        }
        assert_eq!(check_state("completed", None), StatusState::Error);
    }
}
