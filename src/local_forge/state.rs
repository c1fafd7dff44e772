//! What the forge remembers besides git: accounts, repositories and everything that hangs on them.
//!
//! Plain data. All of it lives under one lock ([`super::hub::Hub`]) and is written to `forge.json`, except
//! deliveries, which are kept only while the forge runs.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    apps::App,
    discussion::{Comment, Review},
    pull_request::PullRequest,
    report::{CheckRun, Status},
};

/// A text that `Debug` masks: a token or a webhook's secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Whether an account is a person (or bot) or an organisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AccountKind {
    /// Has a token and can act.
    User,
    /// Has a token and can act, and is a program.
    Bot,
    /// Only owns repositories.
    Organization,
}

/// An account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The numeric id.
    pub id: u64,
    /// The login.
    pub login: String,
    /// Person or organisation.
    pub kind: AccountKind,
    /// What it proves itself with; organisations have none.
    pub token: Option<Secret>,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Account {
    /// Returns the address that its commits carry; the brackets of an App's login have no place in one.
    pub fn email(&self) -> String {
        format!("{}@users.local-forge.invalid", self.login.replace('[', "-").replace(']', ""))
    }
}

/// A right on a repository, weakest first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Permission {
    /// Nothing, not even reading a private repository.
    #[default]
    None,
    /// Reading and commenting.
    Read,
    /// Labels, closing and reopening.
    Triage,
    /// Pushing and merging.
    Write,
    /// Settings without access rights.
    Maintain,
    /// Everything.
    Admin,
}

impl Permission {
    /// Returns GitHub's name of the role.
    pub fn role_name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Read => "read",
            Self::Triage => "triage",
            Self::Write => "write",
            Self::Maintain => "maintain",
            Self::Admin => "admin",
        }
    }

    /// Returns GitHub's older four-step name, in which triage reads and maintain writes.
    pub fn legacy_name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Read | Self::Triage => "read",
            Self::Write | Self::Maintain => "write",
            Self::Admin => "admin",
        }
    }
}

/// Which merges a repository allows and what it does after one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MergeSettings {
    /// Whether merge commits are allowed.
    pub allow_merge_commit: bool,
    /// Whether squashing is allowed.
    pub allow_squash_merge: bool,
    /// Whether rebasing is allowed.
    pub allow_rebase_merge: bool,
    /// Whether the head branch is deleted after the merge.
    pub delete_branch_on_merge: bool,
}

impl Default for MergeSettings {
    fn default() -> Self {
        Self {
            allow_merge_commit: true,
            allow_squash_merge: true,
            allow_rebase_merge: true,
            delete_branch_on_merge: false,
        }
    }
}

/// The rules of one protected branch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Protection {
    /// Contexts (statuses or check runs) that must be successful on the head.
    pub required_contexts: Vec<String>,
    /// Whether the head must contain the base's tip.
    pub strict: bool,
    /// How many approving reviews of the head a merge needs.
    pub required_approvals: u32,
    /// Whether an approval ends when the head moves.
    pub dismiss_stale_reviews: bool,
    /// Whether changes come by pull request only; [`Self::required_approvals`] implies it.
    pub require_pull_request: bool,
    /// Who may push and merge at all; everybody with write access when absent.
    pub only: Option<Vec<String>>,
    /// Whether the rules hold for administrators too.
    pub enforce_admins: bool,
    /// Whether the branch may be moved to a commit that does not contain its tip.
    pub allow_force_pushes: bool,
    /// Whether the branch may be deleted.
    pub allow_deletions: bool,
    /// Whether merges go through a merge queue; there is none here, so they are refused.
    pub merge_queue: bool,
    /// Whether these are the rules of a ruleset, which everybody sees, and not classic protection.
    pub is_ruleset: bool,
}

/// A repository's label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// The numeric id.
    pub id: u64,
    /// The name.
    pub name: String,
    /// Six hexadecimal digits.
    pub color: String,
    /// What it means.
    pub description: Option<String>,
}

/// A webhook of a repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    /// The numeric id.
    pub id: u64,
    /// Where payloads are sent.
    pub url: String,
    /// What they are signed with.
    pub secret: Option<Secret>,
    /// Event names; `*` is every event.
    pub events: Vec<String>,
    /// Whether it is used.
    pub active: bool,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Hook {
    /// Returns whether `event` is sent to it.
    pub fn wants(&self, event: &str) -> bool {
        self.active && (event == "ping" || self.events.iter().any(|wanted| wanted == "*" || wanted == event))
    }
}

/// One attempt to deliver a webhook.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    /// The attempt's numeric id.
    pub id: u64,
    /// The delivery's GUID, the same for each attempt.
    pub guid: String,
    /// The hook's id.
    pub hook: u64,
    /// The event's name.
    pub event: String,
    /// The payload's `action`.
    pub action: Option<String>,
    /// The body exactly as sent.
    pub payload: String,
    /// Whether it repeats an earlier one.
    pub redelivery: bool,
    /// When it was attempted.
    pub delivered_at: Timestamp,
    /// How long it took, in seconds.
    pub duration: f64,
    /// The receiver's status, or 0 when there was no answer.
    pub status_code: u16,
    /// A short word for the outcome; `OK` for 2xx.
    pub status: String,
}

/// A deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// The numeric id.
    pub id: u64,
    /// The commit.
    pub sha: String,
    /// What was asked for: a branch, tag or SHA.
    pub reference: String,
    /// The environment's name.
    pub environment: String,
    /// The task, `deploy` by default.
    pub task: String,
    /// A short text.
    pub description: Option<String>,
    /// Who made it.
    pub creator: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Its latest state, once there is one.
    pub state: Option<String>,
}

/// A repository and everything on it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Repository {
    /// The numeric id.
    pub id: u64,
    /// The owner's login.
    pub owner: String,
    /// The name.
    pub name: String,
    /// Whether reading needs a right.
    pub private: bool,
    /// A short text.
    pub description: Option<String>,
    /// The default branch.
    pub default_branch: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When a ref last moved.
    pub pushed_at: Timestamp,
    /// Which merges are allowed.
    pub settings: MergeSettings,
    /// Rights by login.
    pub permissions: BTreeMap<String, Permission>,
    /// Rules by branch.
    pub protections: BTreeMap<String, Protection>,
    /// Refs as last seen, full name to SHA; what differs from git is news.
    pub refs: BTreeMap<String, String>,
    /// Pull requests by number.
    pub pulls: BTreeMap<u64, PullRequest>,
    /// Comments, oldest first.
    pub comments: Vec<Comment>,
    /// Reviews, oldest first.
    pub reviews: Vec<Review>,
    /// Commit statuses, oldest first.
    pub statuses: Vec<Status>,
    /// Check runs, oldest first.
    pub check_runs: Vec<CheckRun>,
    /// Check suites: SHA to id.
    pub suites: BTreeMap<String, u64>,
    /// Labels.
    pub labels: Vec<Label>,
    /// Webhooks.
    pub hooks: Vec<Hook>,
    /// Deployments, oldest first.
    pub deployments: Vec<Deployment>,
    /// Webhook deliveries, oldest first, the last `DELIVERIES_KEPT`.
    #[serde(skip)]
    pub deliveries: Vec<Delivery>,
}

/// How many webhook deliveries of a repository are kept for listing and sending again.
pub(super) const DELIVERIES_KEPT: usize = 1_000;

impl Repository {
    /// Returns `owner/name`.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }

    /// Returns what `login` may do; a public repository can be read by everybody.
    pub fn permission(&self, login: Option<&str>) -> Permission {
        let floor = if self.private { Permission::None } else { Permission::Read };
        let granted = login.and_then(|login| self.permissions.get(login)).copied();
        granted.unwrap_or_default().max(floor)
    }

    /// Returns a branch's tip as last seen.
    pub fn branch(&self, name: &str) -> Option<&str> {
        self.refs.get(&format!("refs/heads/{name}")).map(String::as_str)
    }
}

/// Everything.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct State {
    last_id: u64,
    pub(super) accounts: BTreeMap<String, Account>,
    pub(super) repositories: BTreeMap<String, Repository>,
    /// The logins of each team's members, by `organisation/slug`.
    #[serde(default)]
    pub(super) teams: BTreeMap<String, BTreeSet<String>>,
    /// Apps by id.
    pub(super) apps: BTreeMap<u64, App>,
}

impl State {
    /// Returns an id that nothing else has.
    pub(super) fn new_id(&mut self) -> u64 {
        self.last_id += 1;
        1_000 + self.last_id
    }

    /// Returns the account whose token is `token`.
    pub(super) fn account_by_token(&self, token: &str) -> Option<&Account> {
        use subtle::ConstantTimeEq;
        self.accounts.values().find(|account| {
            account.token.as_ref().is_some_and(|own| own.expose().as_bytes().ct_eq(token.as_bytes()).into())
        })
    }
}
