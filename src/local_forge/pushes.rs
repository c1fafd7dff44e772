//! What follows when refs have moved: push events, heads of pull requests, closed and merged ones.

use git2::Oid;
use serde_json::json;

use super::{
    discussion::ReviewState,
    hub::Desk,
    pull_request::{PullRequest, PullState},
    pulls::oid,
    refusal::Refusal,
    repository::GitRepository,
};

/// The SHA that stands for "no commit".
pub(super) const NO_COMMIT: &str = "0000000000000000000000000000000000000000";

/// A ref that has moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RefChange {
    /// The full name.
    pub(super) name: String,
    pub(super) before: Option<String>,
    pub(super) after: Option<String>,
}

impl Desk<'_> {
    /// Compares git with what was last seen and acts on every difference, as done by `login`.
    pub(super) fn take_refs(&mut self, key: &str, login: &str) -> Result<(), Refusal> {
        let git = self.git(key)?;
        let now = self.now();
        let refs = git.refs()?;
        let repository = self.repository_mut(key)?;
        let mut names: Vec<&String> = repository.refs.keys().chain(refs.keys()).collect();
        names.sort();
        names.dedup();
        let changes: Vec<RefChange> = names
            .into_iter()
            .map(|name| RefChange {
                name: name.clone(),
                before: repository.refs.get(name).cloned(),
                after: refs.get(name).cloned(),
            })
            .filter(|change| change.before != change.after)
            .collect();
        if changes.is_empty() {
            return Ok(());
        }
        repository.refs = refs;
        repository.pushed_at = now;
        for change in &changes {
            self.tell_push(key, login, change)?;
            if let Some(branch) = change.name.strip_prefix("refs/heads/") {
                self.follow_branch(key, login, &git, branch, change)?;
            }
        }
        Ok(())
    }

    /// Updates the pull requests from and into a branch that has moved.
    fn follow_branch(
        &mut self,
        key: &str,
        login: &str,
        git: &GitRepository,
        branch: &str,
        change: &RefChange,
    ) -> Result<(), Refusal> {
        let open: Vec<PullRequest> =
            self.repository(key)?.pulls.values().filter(|pull| pull.is_open()).cloned().collect();
        for pull in open {
            let touches = pull.head == branch || pull.base == branch;
            match &change.after {
                None if touches => self.close_pull(key, login, pull.number)?,
                Some(after) if pull.head == branch => self.move_head(key, login, git, &pull, after)?,
                Some(after) if pull.base == branch && git.contains(oid(after)?, oid(&pull.head_sha)?) => {
                    let tip = change.before.as_deref().unwrap_or(&pull.base_sha);
                    self.mark_merged(key, login, pull.number, tip, oid(after)?)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn move_head(
        &mut self,
        key: &str,
        login: &str,
        git: &GitRepository,
        pull: &PullRequest,
        after: &str,
    ) -> Result<(), Refusal> {
        let head: Oid = oid(after)?;
        git.set_ref(&format!("refs/pull/{}/head", pull.number), head)?;
        let base_tip = self.repository(key)?.branch(&pull.base).map(str::to_owned);
        let changed = self.pull_mut(key, pull.number)?;
        after.clone_into(&mut changed.head_sha);
        if let Some(tip) = base_tip {
            changed.base_sha = tip;
        }
        self.dismiss_stale_reviews(key, login, pull)?;
        let more = json!({"before": pull.head_sha, "after": after});
        self.tell_pull(key, pull.number, "synchronize", login, more)?;
        let pull = self.pull(key, pull.number)?;
        let is_contained = git.contains(oid(&pull.base_sha)?, head);
        if is_contained && pull.state == PullState::Open {
            self.close_pull(key, login, pull.number)?;
        }
        Ok(())
    }

    fn dismiss_stale_reviews(&mut self, key: &str, login: &str, pull: &PullRequest) -> Result<(), Refusal> {
        let repository = self.repository_mut(key)?;
        if !repository.protections.get(&pull.base).is_some_and(|protection| protection.dismiss_stale_reviews) {
            return Ok(());
        }
        let mut dismissed = Vec::new();
        for review in repository.reviews.iter_mut().filter(|review| review.number == pull.number) {
            if matches!(review.state, ReviewState::Approved | ReviewState::ChangesRequested) {
                review.state = ReviewState::Dismissed;
                dismissed.push(review.id);
            }
        }
        dismissed.into_iter().try_for_each(|id| self.tell_review(key, id, "dismissed", login))
    }
}
