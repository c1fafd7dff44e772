//! The payloads of webhooks.

use serde_json::{Value, json};

use super::{
    hub::Desk,
    merge,
    pulls::{Standing, oid},
    pushes::{NO_COMMIT, RefChange},
    refusal::Refusal,
    repository::CommitInfo,
};

/// How many commits a push payload lists.
const PUSH_COMMITS: usize = 20;

impl Desk<'_> {
    /// Tells what happened to a pull request; `more` is merged into the payload.
    pub(super) fn tell_pull(
        &mut self,
        key: &str,
        number: u64,
        action: &str,
        login: &str,
        more: Value,
    ) -> Result<(), Refusal> {
        if !self.is_heard(key, "pull_request") {
            return Ok(());
        }
        let mut payload = json!({
            "action": action,
            "number": number,
            "pull_request": self.full_pull(key, number, Standing::UNKNOWN)?,
            "repository": self.view().repository(self.repository(key)?, Some(login)),
            "sender": self.view().user(login),
        });
        if let (Some(payload), Value::Object(more)) = (payload.as_object_mut(), more) {
            payload.extend(more);
        }
        self.emit(key, "pull_request", &payload)
    }

    /// Tells that a ref has moved.
    pub(super) fn tell_push(&mut self, key: &str, login: &str, change: &RefChange) -> Result<(), Refusal> {
        if !self.is_heard(key, "push") {
            return Ok(());
        }
        let git = self.git(key)?;
        let commit_of = |sha: &Option<String>| sha.as_deref().and_then(|sha| git.resolve(sha));
        let (before, after) = (commit_of(&change.before), commit_of(&change.after));
        let commits = match (before, after) {
            (Some(before), Some(after)) => merge::commits_between(git.git(), before, after)?,
            (None, Some(after)) => vec![after],
            _ => Vec::new(),
        };
        let listed = &commits[commits.len().saturating_sub(PUSH_COMMITS)..];
        let forced = matches!((before, after), (Some(before), Some(after)) if !git.contains(after, before));
        let mut entries = Vec::new();
        for commit in git.commits(listed)? {
            entries.push(self.push_commit(key, &commit)?);
        }
        let head = after.map(|oid| git.commit(oid)).transpose()?;
        let head = head.map(|commit| self.push_commit(key, &commit)).transpose()?;
        let (from, to) = (change.before.as_deref(), change.after.as_deref());
        let page = self.hub.urls.repository_page(key);
        let compare = format!("{page}/compare/{}...{}", short(from), short(to));
        let account = self.state.accounts.get(login);
        let payload = json!({
            "ref": change.name,
            "before": from.unwrap_or(NO_COMMIT),
            "after": to.unwrap_or(NO_COMMIT),
            "base_ref": null,
            "created": from.is_none(),
            "deleted": to.is_none(),
            "forced": forced,
            "compare": compare,
            "commits": entries,
            "head_commit": head,
            "pusher": {"name": login, "email": account.map(super::state::Account::email)},
            "repository": self.view().repository(self.repository(key)?, Some(login)),
            "sender": self.view().user(login),
        });
        self.emit(key, "push", &payload)
    }

    fn push_commit(&self, key: &str, commit: &CommitInfo) -> Result<Value, Refusal> {
        let git = self.git(key)?;
        let parent = commit.parents.first().map(|parent| oid(parent)).transpose()?;
        let changes = git.changes(parent, oid(&commit.sha)?)?;
        let paths = |wanted: &[&str]| -> Vec<&str> {
            changes.iter().filter(|change| wanted.contains(&change.status)).map(|change| change.path.as_str()).collect()
        };
        let person = |stamp: &super::repository::Stamp| json!({"name": stamp.name, "email": stamp.email});
        Ok(json!({
            "id": commit.sha,
            "tree_id": commit.tree,
            "distinct": true,
            "message": commit.message,
            "timestamp": commit.committer.at.to_string(),
            "url": format!("{}/commit/{}", self.hub.urls.repository_page(key), commit.sha),
            "author": person(&commit.author),
            "committer": person(&commit.committer),
            "added": paths(&["added", "copied"]),
            "removed": paths(&["removed"]),
            "modified": paths(&["modified", "renamed"]),
        }))
    }

    /// Tells of a commit status.
    pub(super) fn tell_status(&mut self, key: &str, id: u64, login: &str) -> Result<(), Refusal> {
        if !self.is_heard(key, "status") {
            return Ok(());
        }
        let repository = self.repository(key)?;
        let status = repository.statuses.iter().find(|status| status.id == id).ok_or_else(Refusal::not_found)?;
        let view = self.view();
        let commit = self.git(key)?.commit(oid(&status.sha)?)?;
        let api = self.hub.urls.repository(key);
        let branches: Vec<Value> = repository
            .refs
            .iter()
            .filter(|(_, sha)| **sha == status.sha)
            .filter_map(|(name, sha)| Some((name.strip_prefix("refs/heads/")?, sha)))
            .map(|(name, sha)| {
                json!({
                    "name": name,
                    "commit": {"sha": sha, "url": format!("{api}/commits/{sha}")},
                    "protected": repository.protections.contains_key(name),
                })
            })
            .collect();
        let payload = json!({
            "id": status.id,
            "sha": status.sha,
            "name": key,
            "avatar_url": view.user(&status.creator)["avatar_url"],
            "target_url": status.target_url,
            "context": status.context,
            "description": status.description,
            "state": status.state.word(),
            "commit": view.commit(key, &commit),
            "branches": branches,
            "created_at": status.created_at.to_string(),
            "updated_at": status.created_at.to_string(),
            "repository": view.repository(repository, Some(login)),
            "sender": view.user(login),
        });
        self.emit(key, "status", &payload)
    }

    /// Tells of a check run.
    pub(super) fn tell_check_run(&mut self, key: &str, id: u64, action: &str, login: &str) -> Result<(), Refusal> {
        if !self.is_heard(key, "check_run") {
            return Ok(());
        }
        let repository = self.repository(key)?;
        let run = repository.check_runs.iter().find(|run| run.id == id).ok_or_else(Refusal::not_found)?;
        let payload = json!({
            "action": action,
            "check_run": self.view().check_run(repository, run),
            "repository": self.view().repository(repository, Some(login)),
            "sender": self.view().user(login),
        });
        self.emit(key, "check_run", &payload)
    }

    /// Tells of a comment; `before` is the earlier text of an edited one.
    pub(super) fn tell_comment(
        &mut self,
        key: &str,
        id: u64,
        action: &str,
        login: &str,
        before: Option<&str>,
    ) -> Result<(), Refusal> {
        if !self.is_heard(key, "issue_comment") {
            return Ok(());
        }
        let repository = self.repository(key)?;
        let comment = self.comment(key, id)?;
        let view = self.view();
        let mut payload = json!({
            "action": action,
            "issue": view.issue(repository, self.pull(key, comment.number)?),
            "comment": view.comment(repository, comment),
            "repository": view.repository(repository, Some(login)),
            "sender": view.user(login),
        });
        if let Some(before) = before {
            payload["changes"] = json!({"body": {"from": before}});
        }
        self.emit(key, "issue_comment", &payload)
    }

    /// Tells of a review.
    pub(super) fn tell_review(&mut self, key: &str, id: u64, action: &str, login: &str) -> Result<(), Refusal> {
        if !self.is_heard(key, "pull_request_review") {
            return Ok(());
        }
        let repository = self.repository(key)?;
        let review = repository.reviews.iter().find(|review| review.id == id).ok_or_else(Refusal::not_found)?;
        let view = self.view();
        let mut said = view.review(repository, review);
        // REST answers shout the state, payloads do not.
        said["state"] = json!(review.state.word().to_lowercase());
        let payload = json!({
            "action": action,
            "review": said,
            "pull_request": view.pull(repository, self.pull(key, review.number)?),
            "repository": view.repository(repository, Some(login)),
            "sender": view.user(login),
        });
        self.emit(key, "pull_request_review", &payload)
    }

    /// Tells a new hook that it works.
    pub(super) fn tell_ping(&mut self, key: &str, hook: u64, login: Option<&str>) -> Result<(), Refusal> {
        let repository = self.repository(key)?;
        let found = repository.hooks.iter().find(|one| one.id == hook).ok_or_else(Refusal::not_found)?;
        let mut payload = json!({
            "zen": "Practicality beats purity.",
            "hook_id": hook,
            "hook": self.view().hook(repository, found),
            "repository": self.view().repository(repository, login),
        });
        if let Some(login) = login {
            payload["sender"] = self.view().user(login);
        }
        self.emit_to(key, Some(hook), "ping", &payload)
    }
}

fn short(sha: Option<&str>) -> &str {
    sha.unwrap_or(NO_COMMIT).get(..12).unwrap_or_default()
}
