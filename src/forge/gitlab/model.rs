//! The fields that we read of GitLab's answers, and what they mean in our words.
//!
//! Only what is used is required: releases and editions differ in what they tell.

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

#[derive(Debug, Clone, Deserialize)]
pub(super) struct UserBody {
    pub(super) id: u64,
    pub(super) username: String,
}

impl UserBody {
    pub(super) fn account(self) -> Account {
        Account { id: self.id, login: self.username }
    }

    /// Says whether the account belongs to a token, which GitLab tells by its name alone.
    ///
    /// <https://docs.gitlab.com/user/project/settings/project_access_tokens/#bot-users-for-projects>
    fn is_bot(&self) -> bool {
        self.token_kind().is_some()
    }

    /// Returns whose token the account belongs to, `project` or `group`, when it belongs to one.
    pub(super) fn token_kind(&self) -> Option<&'static str> {
        let of_token = |kind: &str| {
            let rest = self.username.strip_prefix(kind)?.strip_prefix('_')?;
            let (id, rest) = rest.split_once('_')?;
            (!id.is_empty() && id.bytes().all(|digit| digit.is_ascii_digit())).then_some(rest)
        };
        let is = |kind: &&str| of_token(kind).is_some_and(|rest| rest == "bot" || rest.starts_with("bot_"));
        ["project", "group"].into_iter().find(is)
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct ProjectBody {
    /// None while the repository is empty.
    pub(super) default_branch: Option<String>,
    pub(super) web_url: String,
    #[serde(default)]
    pub(super) visibility: String,
    /// `merge`, `rebase_merge` or `ff`.
    pub(super) merge_method: Option<String>,
    /// `never`, `always`, `default_on` or `default_off`.
    pub(super) squash_option: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct MergeRequestBody {
    iid: u64,
    pub(super) state: String,
    title: String,
    web_url: String,
    pub(super) source_branch: String,
    pub(super) target_branch: String,
    source_project_id: Option<u64>,
    target_project_id: Option<u64>,
    /// None until the first push to it was taken in.
    pub(super) sha: Option<String>,
    #[serde(default)]
    draft: bool,
    created_at: Timestamp,
    merged_at: Option<Timestamp>,
    closed_at: Option<Timestamp>,
    author: Option<UserBody>,
    /// Since GitLab 14.7.
    merge_user: Option<UserBody>,
    merged_by: Option<UserBody>,
    merge_commit_sha: Option<String>,
    squash_commit_sha: Option<String>,
    /// Since GitLab 15.6.
    detailed_merge_status: Option<String>,
    merge_status: Option<String>,
    pub(super) merge_error: Option<String>,
    /// What we may do; not in lists.
    user: Option<OwnRightsBody>,
}

#[derive(Debug, Deserialize)]
struct OwnRightsBody {
    can_merge: Option<bool>,
}

impl MergeRequestBody {
    /// Returns the merge request as a list tells it: what lists say about merging may be long out of date.
    pub(super) fn listed(self) -> PullRequest {
        PullRequest { mergeable: Mergeable::Unknown, ..self.pull_request() }
    }

    /// Returns the merge request in our words.
    pub(super) fn pull_request(self) -> PullRequest {
        let state = self.pull_request_state();
        let mergeable = if state == PullRequestState::Open { self.mergeable() } else { Mergeable::Unknown };
        PullRequest {
            number: PullRequestNumber(self.iid),
            state,
            mergeable,
            head_in: if self.is_inside() { HeadIn::Repository } else { HeadIn::Fork },
            merge_sha: self.merged_as().map(str::to_owned),
            head_sha: self.sha.unwrap_or_default(),
            author: self.author.map(UserBody::account),
            base: self.target_branch,
            title: self.title,
            web_url: self.web_url,
            draft: self.draft,
            created_at: self.created_at,
            ended_at: self.merged_at.or(self.closed_at),
            merged_by: self.merge_user.or(self.merged_by).map(|user| user.username),
        }
    }

    /// Returns where it is in its life; one that is `locked` is being merged at this moment.
    pub(super) fn pull_request_state(&self) -> PullRequestState {
        match self.state.as_str() {
            "merged" => PullRequestState::Merged,
            "closed" => PullRequestState::Closed,
            _ => PullRequestState::Open,
        }
    }

    /// Says whether the head is in the project itself; the source project of a deleted fork is none.
    pub(super) fn is_inside(&self) -> bool {
        self.source_project_id.is_some() && self.source_project_id == self.target_project_id
    }

    /// Returns the commit on the base branch: a project that merges by fast-forward makes none of its own.
    pub(super) fn merged_as(&self) -> Option<&str> {
        let shas = [&self.merge_commit_sha, &self.squash_commit_sha, &self.sha];
        let sha = shas.into_iter().flatten().find(|sha| !sha.is_empty())?;
        (self.pull_request_state() == PullRequestState::Merged).then_some(sha)
    }

    /// Says whether the project's rules keep us from merging; unknown counts as not.
    pub(super) fn may_not_merge(&self) -> bool {
        self.user.as_ref().is_some_and(|user| user.can_merge == Some(false))
    }

    /// Says where the rule stands that keeps us from merging.
    pub(super) fn may_not_merge_words(&self) -> String {
        let base = &self.target_branch;
        format!(
            "the account of the service may not merge into `{base}`; see *Allowed to merge* of the protected branch"
        )
    }

    /// Returns what GitLab says about merging an open merge request, with its own word.
    ///
    /// `mergeable` says nothing about pipelines, unless the project asks for one that succeeded.
    pub(super) fn mergeable(&self) -> Mergeable {
        if self.state == "locked" {
            return Mergeable::Unknown;
        }
        let word = self.detailed_merge_status.as_deref().or(self.merge_status.as_deref()).unwrap_or("unchecked");
        match word {
            "unchecked"
            | "checking"
            | "preparing"
            | "approvals_syncing"
            | "cannot_be_merged_recheck"
            | "cannot_be_merged_rechecking" => Mergeable::Unknown,
            "conflict" | "cannot_be_merged" => Mergeable::Conflict,
            "mergeable" | "can_be_merged" if self.draft => Mergeable::Blocked("is a draft".to_owned()),
            "mergeable" | "can_be_merged" if self.may_not_merge() => Mergeable::Blocked(self.may_not_merge_words()),
            "mergeable" | "can_be_merged" => Mergeable::Yes,
            word => Mergeable::Blocked(format!("{} (`{word}`)", reason(word))),
        }
    }
}

/// Returns what one of GitLab's words about merging asks for.
///
/// <https://docs.gitlab.com/api/merge_requests/#merge-status>
fn reason(word: &str) -> &'static str {
    match word {
        "ci_still_running" => "its pipeline is still running",
        "ci_must_pass" => "the project asks for a pipeline that succeeded",
        "not_approved" => "required approvals are missing",
        "requested_changes" => "a reviewer asked for changes",
        "discussions_not_resolved" => "not every thread is resolved",
        "draft_status" => "is a draft",
        "need_rebase" => "is behind its base branch, and the project merges by fast-forward",
        "status_checks_must_pass" => "external status checks have not passed",
        "merge_request_blocked" => "it is blocked by another merge request",
        "merge_time" => "it is not to be merged before its time",
        "locked_paths" | "locked_lfs_files" => "files in it are locked",
        "jira_association_missing" | "commits_status" | "title_regex" => "it is not as the project asks for",
        "not_open" => "it is not open",
        _ => "the project's conditions are not met",
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct StatusBody {
    pub(super) id: u64,
    name: String,
    status: String,
    description: Option<String>,
    created_at: Timestamp,
    started_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
    author: Option<UserBody>,
}

impl StatusBody {
    /// Returns the verdict.
    pub(super) fn state(&self) -> StatusState {
        state(&self.status)
    }

    /// Returns the report, unless its key is none that a strategy can name.
    pub(super) fn report(self) -> Option<CommitStatus> {
        Some(CommitStatus {
            state: self.state(),
            key: StatusKey::new(self.name).ok()?,
            source: StatusSource::Status,
            reported_at: self.finished_at.or(self.started_at).unwrap_or(self.created_at),
            id: self.id,
            description: self.description.unwrap_or_default(),
            creator: self.author.as_ref().map(|author| author.id),
            reporter: self.author.map(|author| Reporter::Account(author.username)),
        })
    }
}

/// Returns the verdict of a status or a job.
///
/// What was skipped looked at nothing and has not passed; what was cancelled is over and says nothing about the
/// content. A word that is not known yet is no verdict.
fn state(word: &str) -> StatusState {
    match word {
        "success" => StatusState::Success,
        "failed" => StatusState::Failure,
        "canceled" => StatusState::Error,
        _ => StatusState::Pending,
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct PipelineBody {
    pub(super) id: u64,
    #[serde(rename = "ref")]
    pub(super) branch: Option<String>,
    pub(super) source: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct CreatedBody {
    pub(super) id: u64,
}

/// A comment, or what GitLab itself notes between comments.
#[derive(Debug, Deserialize)]
pub(super) struct NoteBody {
    id: u64,
    #[serde(default)]
    body: Option<String>,
    author: Option<UserBody>,
    created_at: Timestamp,
    updated_at: Option<Timestamp>,
    #[serde(default)]
    system: bool,
    noteable_type: Option<String>,
    noteable_iid: Option<u64>,
}

impl NoteBody {
    /// Returns the comment, unless GitLab wrote it or it is not on a merge request.
    pub(super) fn comment(self) -> Option<Comment> {
        if self.system || self.noteable_type.as_deref() != Some("MergeRequest") {
            return None;
        }
        Some(Comment {
            id: self.id,
            pull_request: PullRequestNumber(self.noteable_iid?),
            by_bot: self.author.as_ref().is_some_and(UserBody::is_bot),
            author: self.author.map(UserBody::account),
            body: self.body.unwrap_or_default(),
            created_at: self.created_at,
            updated_at: self.updated_at.unwrap_or(self.created_at),
        })
    }
}

/// What happened in a project; only comments are asked for.
#[derive(Debug, Deserialize)]
pub(super) struct EventBody {
    pub(super) created_at: Timestamp,
    pub(super) note: Option<NoteBody>,
}

#[derive(Debug, Deserialize)]
pub(super) struct AwardBody {
    pub(super) name: String,
    pub(super) user: Option<UserBody>,
}

/// Somebody's place in a project or a group, their own or inherited.
#[derive(Debug, Deserialize)]
pub(super) struct MemberBody {
    access_level: u64,
    /// Of the account.
    state: Option<String>,
    /// Of the membership: `awaiting` until somebody lets them in.
    membership_state: Option<String>,
}

impl MemberBody {
    /// Says whether account and membership count now.
    pub(super) fn is_active(&self) -> bool {
        let is = |state: &Option<String>| state.as_deref().is_none_or(|state| state == "active");
        is(&self.state) && is(&self.membership_state) && self.access_level >= GUEST
    }

    /// Returns the right; a role of one's own counts as the plain one that it is built on.
    pub(super) fn permission(&self) -> Permission {
        match self.access_level {
            _ if !self.is_active() => Permission::None,
            OWNER.. => Permission::Admin,
            MAINTAINER.. => Permission::Maintain,
            DEVELOPER.. => Permission::Write,
            REPORTER.. => Permission::Triage,
            _ => Permission::Read,
        }
    }
}

/// Access levels: <https://docs.gitlab.com/api/access_requests/#valid-access-levels>.
const GUEST: u64 = 10;
const REPORTER: u64 = 20;
const DEVELOPER: u64 = 30;
const MAINTAINER: u64 = 40;
const OWNER: u64 = 50;

#[cfg(test)]
mod tests {
    use super::*;

    macro_rules! sample {
        ($name:literal) => {
            include_str!(concat!("../../../tests/data/gitlab/", $name, ".json"))
        };
    }

    fn merge_request(fields: serde_json::Value) -> MergeRequestBody {
        let mut body: serde_json::Value =
            serde_json::from_str(sample!("merge_request.get")).expect("because the sample is JSON");
        let object = body.as_object_mut().expect("because it is an object");
        object.extend(fields.as_object().expect("because the tests pass objects").clone());
        serde_json::from_value(body).expect("because every required field is there")
    }

    #[test]
    fn a_genuine_merge_request_is_told_in_our_words() {
        let pull = merge_request(serde_json::json!({})).pull_request();
        assert_eq!((pull.number, pull.state), (PullRequestNumber(14656), PullRequestState::Open));
        assert_eq!(pull.head_sha, "8e0b45049b6253b8984cde9241830d2851168142");
        assert_eq!((pull.base.as_str(), pull.head_in, pull.draft), ("master", HeadIn::Repository, true));
        assert_eq!(pull.author.map(|author| (author.id, author.login)), Some((3_614_858, "alexkalderimis".into())));
        assert_eq!(pull.mergeable, Mergeable::Blocked("is a draft".into()));
        let listed: Vec<MergeRequestBody> =
            serde_json::from_str(sample!("merge_request.list")).expect("because the sample is as expected");
        assert!(!listed.is_empty());
        assert!(listed.into_iter().all(|body| body.listed().mergeable == Mergeable::Unknown));
    }

    #[test]
    fn merging_follows_gitlabs_words() {
        let mergeable = |word: &str| {
            let fields =
                serde_json::json!({"detailed_merge_status": word, "draft": false, "user": {"can_merge": true}});
            merge_request(fields).mergeable()
        };
        for waiting in ["unchecked", "checking", "preparing", "approvals_syncing"] {
            assert_eq!(mergeable(waiting), Mergeable::Unknown, "{waiting}");
        }
        assert_eq!(mergeable("mergeable"), Mergeable::Yes);
        assert_eq!(mergeable("conflict"), Mergeable::Conflict);
        for blocked in ["ci_must_pass", "ci_still_running", "not_approved", "need_rebase", "a_new_word"] {
            let Mergeable::Blocked(words) = mergeable(blocked) else { panic!("{blocked}") };
            assert!(words.ends_with(&format!("(`{blocked}`)")), "{words}");
        }
    }

    #[test]
    fn whoever_may_not_merge_is_told_so_before_they_try() {
        let fields = serde_json::json!({"draft": false, "user": {"can_merge": false}});
        assert!(matches!(merge_request(fields).mergeable(), Mergeable::Blocked(words) if words.contains("may not")));
    }

    #[test]
    fn releases_before_15_6_have_one_word_less() {
        let old = |word: &str| {
            let fields = serde_json::json!({
                "detailed_merge_status": null, "merge_status": word, "draft": false, "user": null});
            merge_request(fields).mergeable()
        };
        assert_eq!(old("can_be_merged"), Mergeable::Yes);
        assert_eq!(old("cannot_be_merged"), Mergeable::Conflict);
        assert_eq!(old("cannot_be_merged_recheck"), Mergeable::Unknown);
    }

    #[test]
    fn the_commit_on_the_base_branch_is_the_one_that_merging_made() {
        let merged = |fields: serde_json::Value| {
            let mut all = serde_json::json!({"state": "merged", "sha": "head"});
            let object = all.as_object_mut().expect("because it was built as an object");
            object.extend(fields.as_object().expect("because the test passes objects").clone());
            merge_request(all).pull_request().merge_sha
        };
        let both = serde_json::json!({"merge_commit_sha": "merge", "squash_commit_sha": "squash"});
        assert_eq!(merged(both).as_deref(), Some("merge"));
        assert_eq!(merged(serde_json::json!({"squash_commit_sha": "squash"})).as_deref(), Some("squash"));
        assert_eq!(merged(serde_json::json!({})).as_deref(), Some("head"));
        assert_eq!(merge_request(serde_json::json!({"merge_commit_sha": "m"})).pull_request().merge_sha, None);
    }

    #[test]
    fn the_head_of_a_fork_is_elsewhere_also_when_the_fork_is_gone() {
        let head_in = |source: serde_json::Value| {
            merge_request(serde_json::json!({"source_project_id": source, "target_project_id": 5}))
                .pull_request()
                .head_in
        };
        assert_eq!(head_in(5.into()), HeadIn::Repository);
        assert_eq!(head_in(6.into()), HeadIn::Fork);
        assert_eq!(head_in(serde_json::Value::Null), HeadIn::Fork);
    }

    #[test]
    fn only_failed_says_that_the_content_is_bad() {
        for waiting in
            ["created", "waiting_for_resource", "pending", "running", "manual", "scheduled", "skipped", "new"]
        {
            assert_eq!(state(waiting), StatusState::Pending, "{waiting}");
        }
        assert_eq!(state("success"), StatusState::Success);
        assert_eq!(state("failed"), StatusState::Failure);
        assert_eq!(state("canceled"), StatusState::Error);
    }

    #[test]
    fn accounts_of_tokens_are_programs() {
        let is_bot = |username: &str| UserBody { id: 1, username: username.into() }.is_bot();
        for bot in ["project_5_bot", "project_5_bot_4f2c", "group_12_bot_aa"] {
            assert!(is_bot(bot), "{bot}");
        }
        for person in ["ada", "project_bot", "project_x_bot", "project_5_botany", "group_5"] {
            assert!(!is_bot(person), "{person}");
        }
    }

    #[test]
    fn genuine_reactions_are_read() {
        let awards: Vec<AwardBody> =
            serde_json::from_str(sample!("award_emoji.list_on_note")).expect("because the sample is as expected");
        let told: Vec<_> =
            awards.iter().map(|award| (award.name.as_str(), award.user.as_ref().map(|u| u.id))).collect();
        assert_eq!(told, [("1234", Some(1))]);
    }

    #[test]
    fn genuine_members_have_their_level() {
        let member: MemberBody = serde_json::from_str(sample!("member.all_get")).expect("because it is as expected");
        assert_eq!(member.permission(), Permission::Write);
        let level = |access_level| MemberBody { access_level, state: None, membership_state: None }.permission();
        let levels = [0, 5, 10, 15, 20, 30, 40, 50].map(level);
        let [none, minimal, guest, planner, reporter, developer, maintainer, owner] = levels;
        assert_eq!((none, minimal), (Permission::None, Permission::None));
        assert_eq!((guest, planner), (Permission::Read, Permission::Read));
        assert_eq!((reporter, developer), (Permission::Triage, Permission::Write));
        assert_eq!((maintainer, owner), (Permission::Maintain, Permission::Admin));
        let state = |state: &str, membership: &str| {
            MemberBody { access_level: 50, state: Some(state.into()), membership_state: Some(membership.into()) }
                .permission()
        };
        assert_eq!(state("active", "active"), Permission::Admin);
        assert_eq!(state("blocked", "active"), Permission::None);
        assert_eq!(state("active", "awaiting"), Permission::None);
    }
}
