//! What can be done with a pull request: open, edit, merge.

use git2::{Oid, Signature};
use serde_json::{Value, json};

use super::{
    hub::Desk,
    merge::{self, MergeRequest, Merged},
    protection,
    pull_request::{MergeMethod, Mergeability, PullRequest, PullState},
    refusal::Refusal,
    report::{self, StatusState},
    repository::GitRepository,
    state::{Account, Permission, Repository},
};

/// A pull request to open.
#[derive(Debug, Clone, Default)]
pub struct NewPull {
    /// The title.
    pub title: String,
    /// The text.
    pub body: Option<String>,
    /// The branch to merge, with or without `owner:`.
    pub head: String,
    /// The branch to merge into.
    pub base: String,
    /// Whether it is a draft.
    pub draft: bool,
}

/// What to change on a pull request.
#[derive(Debug, Clone, Default)]
pub struct PullChange {
    /// A new title.
    pub title: Option<String>,
    /// A new text.
    pub body: Option<String>,
    /// A new base.
    pub base: Option<String>,
    /// Open it again, or close it.
    pub open: Option<bool>,
}

/// How to merge.
#[derive(Debug, Clone, Default)]
pub struct MergeOrder {
    /// The way.
    pub method: MergeMethod,
    /// The head that the caller has seen.
    pub sha: Option<String>,
    /// The commit's subject, instead of GitHub's own.
    pub title: Option<String>,
    /// The commit's body, instead of GitHub's own.
    pub message: Option<String>,
}

/// Whether a pull request can be merged, in the two fields of GitHub's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) mergeable: Option<bool>,
    pub(super) state: &'static str,
}

impl Standing {
    /// Nothing is known yet.
    pub(super) const UNKNOWN: Self = Self { mergeable: None, state: "unknown" };
}

impl Desk<'_> {
    /// Returns a pull request.
    pub(super) fn pull(&self, key: &str, number: u64) -> Result<&PullRequest, Refusal> {
        self.repository(key)?.pulls.get(&number).ok_or_else(Refusal::not_found)
    }

    /// Returns a pull request to change, as changed now.
    pub(super) fn pull_mut(&mut self, key: &str, number: u64) -> Result<&mut PullRequest, Refusal> {
        let now = self.now();
        let pull = self.repository_mut(key)?.pulls.get_mut(&number).ok_or_else(Refusal::not_found)?;
        pull.updated_at = now;
        Ok(pull)
    }

    /// Opens a pull request and returns its number.
    pub(super) fn open_pull(&mut self, key: &str, actor: Option<&str>, new: NewPull) -> Result<u64, Refusal> {
        let author = self.require(key, actor, Permission::Read)?;
        let repository = self.repository(key)?;
        let head = head_branch(repository, &new.head)?;
        let (head_sha, base_sha) = self.openable(key, &new.title, &head, &new.base)?;
        let (id, now, git) = (self.state.new_id(), self.now(), self.git(key)?);
        let repository = self.repository_mut(key)?;
        let number = repository.pulls.last_key_value().map_or(0, |(last, _)| *last) + 1;
        git.set_ref(&format!("refs/pull/{number}/head"), oid(&head_sha)?)?;
        let pull = PullRequest {
            id,
            number,
            title: new.title,
            body: new.body,
            author: author.login.clone(),
            head,
            base: new.base,
            head_sha,
            base_sha,
            state: PullState::Open,
            draft: new.draft,
            created_at: now,
            updated_at: now,
            closed_at: None,
            merged_at: None,
            merged_by: None,
            merge_commit_sha: None,
            labels: Vec::new(),
            mergeability: None,
        };
        repository.pulls.insert(number, pull);
        self.tell_pull(key, number, "opened", &author.login, json!({}))?;
        Ok(number)
    }

    /// Returns head and base commit, if a pull request between these branches may be opened.
    fn openable(&self, key: &str, title: &str, head: &str, base: &str) -> Result<(String, String), Refusal> {
        let repository = self.repository(key)?;
        if title.trim().is_empty() {
            return Err(Refusal::missing("PullRequest", "title"));
        }
        let base_sha = repository.branch(base).ok_or_else(|| Refusal::invalid("PullRequest", "base"))?;
        let head_sha = repository.branch(head).ok_or_else(|| Refusal::invalid("PullRequest", "head"))?;
        if repository.pulls.values().any(|pull| pull.is_open() && pull.head == head && pull.base == base) {
            let owner = &repository.owner;
            return Err(Refusal::custom("PullRequest", format!("A pull request already exists for {owner}:{head}.")));
        }
        if self.git(key)?.contains(oid(base_sha)?, oid(head_sha)?) {
            return Err(Refusal::custom("PullRequest", format!("No commits between {base} and {head}")));
        }
        Ok((head_sha.to_owned(), base_sha.to_owned()))
    }

    /// Changes title, text, base or state.
    pub(super) fn edit_pull(
        &mut self,
        key: &str,
        actor: Option<&str>,
        number: u64,
        change: PullChange,
    ) -> Result<(), Refusal> {
        let account = self.require(key, actor, Permission::Read)?;
        let before = self.pull(key, number)?.clone();
        if before.author != account.login {
            self.require(key, actor, Permission::Triage)?;
        }
        if let Some(base) = change.base.as_deref().filter(|base| *base != before.base) {
            self.openable(key, &before.title, &before.head, base)?;
        }
        let changes = self.apply_change(key, number, &before, &change)?;
        if changes.as_object().is_some_and(|changes| !changes.is_empty()) {
            self.tell_pull(key, number, "edited", &account.login, json!({"changes": changes}))?;
        }
        match change.open {
            Some(true) if before.state != PullState::Open => self.reopen_pull(key, &account, &before),
            Some(false) if before.state == PullState::Open => self.close_pull(key, &account.login, number),
            _ => Ok(()),
        }
    }

    fn apply_change(
        &mut self,
        key: &str,
        number: u64,
        before: &PullRequest,
        change: &PullChange,
    ) -> Result<Value, Refusal> {
        let mut changes = json!({});
        let base_sha = match &change.base {
            Some(base) => self.repository(key)?.branch(base).map(str::to_owned),
            None => None,
        };
        let pull = self.pull_mut(key, number)?;
        if let Some(title) = change.title.as_ref().filter(|title| **title != before.title) {
            pull.title.clone_from(title);
            changes["title"] = json!({"from": before.title});
        }
        if let Some(body) = change.body.as_ref().filter(|body| Some(*body) != before.body.as_ref()) {
            pull.body = Some(body.clone());
            changes["body"] = json!({"from": before.body.clone().unwrap_or_default()});
        }
        if let Some(base) = change.base.as_ref().filter(|base| **base != before.base) {
            pull.base.clone_from(base);
            pull.base_sha = base_sha.unwrap_or_default();
            changes["base"] = json!({"ref": {"from": before.base}, "sha": {"from": before.base_sha}});
        }
        Ok(changes)
    }

    fn reopen_pull(&mut self, key: &str, account: &Account, before: &PullRequest) -> Result<(), Refusal> {
        if before.state == PullState::Merged {
            return Err(Refusal::invalid("PullRequest", "state"));
        }
        let (head_sha, base_sha) = self.openable(key, &before.title, &before.head, &before.base)?;
        let git = self.git(key)?;
        git.set_ref(&format!("refs/pull/{}/head", before.number), oid(&head_sha)?)?;
        let pull = self.pull_mut(key, before.number)?;
        pull.state = PullState::Open;
        pull.closed_at = None;
        pull.head_sha = head_sha;
        pull.base_sha = base_sha;
        self.tell_pull(key, before.number, "reopened", &account.login, json!({}))
    }

    /// Closes without merging.
    pub(super) fn close_pull(&mut self, key: &str, login: &str, number: u64) -> Result<(), Refusal> {
        let now = self.now();
        let pull = self.pull_mut(key, number)?;
        pull.state = PullState::Closed;
        pull.closed_at = Some(now);
        self.tell_pull(key, number, "closed", login, json!({}))
    }

    /// Says whether a pull request can be merged. The first answer after a change is that it is not known yet.
    pub(super) fn standing(&mut self, key: &str, number: u64) -> Result<Standing, Refusal> {
        let repository = self.repository(key)?;
        let pull = self.pull(key, number)?;
        let Some(tip) = repository.branch(&pull.base).filter(|_| pull.is_open()).map(str::to_owned) else {
            return Ok(Standing::UNKNOWN);
        };
        let (head, draft) = (pull.head_sha.clone(), pull.draft);
        let Some(clean) = pull.trial(&tip) else {
            let clean = merge::is_clean(self.git(key)?.git(), oid(&tip)?, oid(&head)?)?;
            let repository = self.repository_mut(key)?;
            if let Some(pull) = repository.pulls.get_mut(&number) {
                pull.mergeability = Some(Mergeability { base: tip, head, clean });
            }
            return Ok(Standing::UNKNOWN);
        };
        let contains_base = self.git(key)?.contains(oid(&head)?, oid(&tip)?);
        let (repository, pull) = (self.repository(key)?, self.pull(key, number)?);
        let state = if !clean {
            "dirty"
        } else if draft {
            "draft"
        } else if !protection::obstacles(repository, pull, contains_base).is_empty() {
            "blocked"
        } else if is_unstable(repository, &head) {
            "unstable"
        } else {
            "clean"
        };
        Ok(Standing { mergeable: Some(clean), state })
    }

    /// Merges and returns the base's new tip.
    pub(super) fn merge_pull(
        &mut self,
        key: &str,
        actor: Option<&str>,
        number: u64,
        order: &MergeOrder,
    ) -> Result<String, Refusal> {
        let account = self.require(key, actor, Permission::Write)?;
        let pull = self.pull(key, number)?.clone();
        let repository = self.repository(key)?;
        let git = self.git(key)?;
        let tip = repository.branch(&pull.base).ok_or_else(Refusal::not_mergeable)?.to_owned();
        may_merge_now(repository, &git, &pull, &tip, &account, order)?;
        let message = self.merge_message(key, &git, &pull, &tip, order)?;
        let who = Signature::now(&account.login, &account.email())?;
        let (base, head) = (oid(&tip)?, oid(&pull.head_sha)?);
        let request = MergeRequest { base, head, method: order.method, message: &message, signature: &who };
        let Merged::Commit(commit) = merge::merge(git.git(), &request)? else { return Err(Refusal::not_mergeable()) };
        git.move_ref(&format!("refs/heads/{}", pull.base), commit, base)
            .map_err(|_| Refusal::new(405, "Base branch was modified. Review and try the merge again."))?;
        self.settle_merge(key, &git, &account.login, number, &tip, commit)?;
        Ok(commit.to_string())
    }

    fn settle_merge(
        &mut self,
        key: &str,
        git: &GitRepository,
        login: &str,
        number: u64,
        tip: &str,
        commit: Oid,
    ) -> Result<(), Refusal> {
        self.mark_merged(key, login, number, tip, commit)?;
        let repository = self.repository(key)?;
        let head = self.pull(key, number)?.head.clone();
        let is_kept = head == repository.default_branch || repository.protections.contains_key(&head);
        if repository.settings.delete_branch_on_merge && !is_kept {
            // Somebody else may have deleted it: the merge stands all the same.
            let _ = git.delete_ref(&format!("refs/heads/{head}"));
        }
        self.take_refs(key, login)
    }

    /// Notes that a pull request is merged.
    pub(super) fn mark_merged(
        &mut self,
        key: &str,
        login: &str,
        number: u64,
        tip: &str,
        commit: Oid,
    ) -> Result<(), Refusal> {
        let now = self.now();
        let pull = self.pull_mut(key, number)?;
        pull.state = PullState::Merged;
        pull.closed_at = Some(now);
        pull.merged_at = Some(now);
        pull.merged_by = Some(login.to_owned());
        pull.merge_commit_sha = Some(commit.to_string());
        tip.clone_into(&mut pull.base_sha);
        self.tell_pull(key, number, "closed", login, json!({}))
    }

    /// Returns the commit message: the caller's, or GitHub's own for the method.
    fn merge_message(
        &self,
        key: &str,
        git: &GitRepository,
        pull: &PullRequest,
        tip: &str,
        order: &MergeOrder,
    ) -> Result<String, Refusal> {
        let owner = &self.repository(key)?.owner;
        let number = pull.number;
        let commits = merge::commits_between(git.git(), oid(tip)?, oid(&pull.head_sha)?)?;
        let commits = git.commits(&commits)?;
        let (title, body) = match (order.method, commits.as_slice()) {
            (MergeMethod::Squash, [only]) => (format!("{} (#{number})", only.subject()), only.rest().to_owned()),
            (MergeMethod::Squash, many) => {
                let list: Vec<String> = many.iter().map(|commit| format!("* {}", commit.message.trim_end())).collect();
                (format!("{} (#{number})", pull.title), list.join("\n\n"))
            }
            _ => (format!("Merge pull request #{number} from {owner}/{}", pull.head), pull.title.clone()),
        };
        let title = order.title.clone().filter(|title| !title.is_empty()).unwrap_or(title);
        let body = order.message.clone().unwrap_or(body);
        Ok(if body.is_empty() { title } else { format!("{title}\n\n{body}") })
    }
}

fn may_merge_now(
    repository: &Repository,
    git: &GitRepository,
    pull: &PullRequest,
    tip: &str,
    account: &Account,
    order: &MergeOrder,
) -> Result<(), Refusal> {
    let settings = &repository.settings;
    let (is_allowed, plural) = match order.method {
        MergeMethod::Merge => (settings.allow_merge_commit, "Merge commits"),
        MergeMethod::Squash => (settings.allow_squash_merge, "Squash merges"),
        MergeMethod::Rebase => (settings.allow_rebase_merge, "Rebase merges"),
    };
    if !pull.is_open() || pull.draft {
        return Err(Refusal::not_mergeable());
    }
    if !is_allowed {
        return Err(Refusal::new(405, format!("{plural} are not allowed on this repository.")));
    }
    if order.sha.as_ref().is_some_and(|sha| *sha != pull.head_sha) {
        return Err(Refusal::new(409, "Head branch was modified. Review and try the merge again."));
    }
    let contains_base = git.contains(oid(&pull.head_sha)?, oid(tip)?);
    let obstacles = protection::obstacles(repository, pull, contains_base);
    if !protection::may_merge(repository, pull, &account.login, &obstacles) {
        return Err(Refusal::not_mergeable());
    }
    Ok(())
}

/// Returns whether something that is not required has not passed.
fn is_unstable(repository: &Repository, sha: &str) -> bool {
    let statuses = report::latest_statuses(repository, sha).into_iter().map(|status| status.state);
    let runs = report::latest_check_runs(repository, sha).into_iter().map(|run| run.outcome());
    statuses.chain(runs).any(|state| state != StatusState::Success)
}

/// Returns the branch of a `head`, which may name its owner; pull requests from forks are not kept here.
fn head_branch(repository: &Repository, head: &str) -> Result<String, Refusal> {
    match head.split_once(':') {
        None => Ok(head.to_owned()),
        Some((owner, branch)) if owner.eq_ignore_ascii_case(&repository.owner) => Ok(branch.to_owned()),
        Some(_) => Err(Refusal::invalid("PullRequest", "head")),
    }
}

/// Parses a SHA of our own state.
pub(super) fn oid(sha: &str) -> Result<Oid, Refusal> {
    Ok(Oid::from_str(sha)?)
}
