//! Representations that need git: a pull request with its size, comparisons.

use serde_json::{Value, json};

use super::{
    hub::Desk,
    json::extend,
    merge,
    pull_request::PullRequest,
    pulls::{Standing, oid},
    refusal::Refusal,
    repository::{CommitInfo, FileChange, GitRepository},
};

impl Desk<'_> {
    /// Returns a single pull request, with what lists leave out.
    pub(super) fn full_pull(&self, key: &str, number: u64, standing: Standing) -> Result<Value, Refusal> {
        let (repository, pull) = (self.repository(key)?, self.pull(key, number)?);
        let git = self.git(key)?;
        let changes = pull_changes(&git, pull)?;
        let commits = pull_commits(&git, pull)?.len();
        let mut value = self.view().pull(repository, pull);
        extend(&mut value, self.view().pull_details(repository, pull));
        extend(
            &mut value,
            json!({
                "mergeable": standing.mergeable,
                "mergeable_state": standing.state,
                "commits": commits,
                "additions": changes.iter().map(|change| change.additions).sum::<usize>(),
                "deletions": changes.iter().map(|change| change.deletions).sum::<usize>(),
                "changed_files": changes.len(),
            }),
        );
        Ok(value)
    }

    /// Returns a comparison of two revisions; `commits` is one page of them.
    pub(super) fn comparison(
        &self,
        key: &str,
        base: &str,
        head: &str,
        page: impl FnOnce(Vec<git2::Oid>) -> Vec<git2::Oid>,
    ) -> Result<Value, Refusal> {
        let git = self.git(key)?;
        let from = git.resolve(base).ok_or_else(Refusal::not_found)?;
        let to = git.resolve(head).ok_or_else(Refusal::not_found)?;
        let common = git.merge_base(from, to).ok_or_else(Refusal::not_found)?;
        let (ahead, behind) = git.ahead_behind(to, from)?;
        let status = match (ahead, behind) {
            (0, 0) => "identical",
            (_, 0) => "ahead",
            (0, _) => "behind",
            _ => "diverged",
        };
        let commits = git.commits(&page(merge::commits_between(git.git(), from, to)?))?;
        let (view, head_sha) = (self.view(), to.to_string());
        let files = git.changes(Some(common), to)?;
        let (page, api) = (self.hub.urls.repository_page(key), self.hub.urls.repository(key));
        let range = format!("{base}...{head}");
        Ok(json!({
            "url": format!("{api}/compare/{range}"),
            "html_url": format!("{page}/compare/{range}"),
            "permalink_url": format!("{page}/compare/{from}...{to}"),
            "diff_url": format!("{page}/compare/{range}.diff"),
            "patch_url": format!("{page}/compare/{range}.patch"),
            "base_commit": view.commit(key, &git.commit(from)?),
            "merge_base_commit": view.commit(key, &git.commit(common)?),
            "status": status,
            "ahead_by": ahead,
            "behind_by": behind,
            "total_commits": ahead,
            "commits": commits.iter().map(|commit| view.commit(key, commit)).collect::<Vec<_>>(),
            "files": files.iter().map(|file| view.file(key, &head_sha, file)).collect::<Vec<_>>(),
        }))
    }
}

/// Returns what a pull request changes, from where it branched off.
pub(super) fn pull_changes(git: &GitRepository, pull: &PullRequest) -> Result<Vec<FileChange>, Refusal> {
    let (base, head) = (base_of(git, pull)?, oid(&pull.head_sha)?);
    Ok(git.changes(git.merge_base(base, head), head)?)
}

/// Returns the commits of a pull request, oldest first.
pub(super) fn pull_commits(git: &GitRepository, pull: &PullRequest) -> Result<Vec<CommitInfo>, Refusal> {
    let commits = merge::commits_between(git.git(), base_of(git, pull)?, oid(&pull.head_sha)?)?;
    Ok(git.commits(&commits)?)
}

/// Returns what a pull request is compared with: the base as it is, or as it was at the end.
fn base_of(git: &GitRepository, pull: &PullRequest) -> Result<git2::Oid, Refusal> {
    let tip = pull.is_open().then(|| git.resolve(&format!("refs/heads/{}", pull.base))).flatten();
    tip.map_or_else(|| oid(&pull.base_sha), Ok)
}
