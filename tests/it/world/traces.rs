//! What must be true of every story: each merge holds what was proposed, and nothing private is ever told.

use base64::Engine;
use git2::Oid;
use hydromote::local_forge::PullState;

use super::{BOT, Fallible, REPOSITORY, TestResult, World};

impl World {
    pub(super) async fn check_traces(&self) -> TestResult {
        self.check_merges().await?;
        self.check_secrets().await
    }

    /// Each merge brought exactly the tree that was proposed, or where another lane was merged before it exactly the
    /// change.
    async fn check_merges(&self) -> TestResult {
        let pulls = self.home().pull_requests(self.home_name()).await?;
        // What people merge into the dry branch may be behind it.
        for pull in pulls.into_iter().filter(|pull| pull.base != "main") {
            let Some(merged) = pull.merge_commit_sha.as_deref().filter(|_| pull.state == PullState::Merged) else {
                continue;
            };
            let git = self.git()?;
            let tree = |sha: &str| Ok::<_, git2::Error>(git.find_commit(Oid::from_str(sha)?)?.tree_id());
            if tree(merged)? != tree(&pull.head_sha)? && change(&git, merged)? != change(&git, &pull.head_sha)? {
                return Err(format!("#{} brought another tree than it proposed", pull.number).into());
            }
        }
        Ok(())
    }

    /// Neither secrets nor paths of the machine are in anything that people read.
    async fn check_secrets(&self) -> TestResult {
        for text in self.public_texts().await? {
            for secret in self.tokens().into_iter().chain([self.dir.path().display().to_string()]) {
                if text.contains(&secret) {
                    return Err(format!("something private was told: {text}").into());
                }
            }
        }
        Ok(())
    }

    /// Returns how often the forge was asked for anything about comments.
    pub(crate) fn calls_about_comments(&self) -> usize {
        let operations = [
            "issues/list-comments-for-repo",
            "issues/list-comments",
            "issues/create-comment",
            "issues/update-comment",
            "reactions/create-for-issue-comment",
            "repos/get-collaborator-permission-level",
        ];
        operations.iter().map(|id| self.checker.calls(id)).sum()
    }

    /// Returns how often the forge was asked who is in a team.
    pub(crate) fn calls_about_teams(&self) -> usize {
        ["teams/get-membership-for-user-in-org", "teams/list-members-in-org"]
            .iter()
            .map(|id| self.checker.calls(id))
            .sum()
    }

    /// Returns how often the forge was asked for one pull request, and for lists of them.
    pub(crate) fn calls_about_pull_requests(&self) -> usize {
        ["pulls/get", "pulls/list"].iter().map(|id| self.checker.calls(id)).sum()
    }

    /// Returns what must never be told to anybody, in the forms in which it travels.
    pub(crate) fn tokens(&self) -> Vec<String> {
        let tokens = [&self.bot_token, &self.developer_token, &self.webhook_secret].map(|token| token.expose());
        let pairs = [BOT, "x-access-token"].map(|login| format!("{login}:{}", self.bot_token.expose()));
        let encoded = pairs.map(|pair| base64::engine::general_purpose::STANDARD.encode(pair));
        tokens.into_iter().map(str::to_owned).chain(encoded).collect()
    }

    /// Returns everything that people read on the forge and on the boards.
    pub(crate) async fn public_texts(&self) -> Fallible<Vec<String>> {
        let repository = self.forge.repository(REPOSITORY).await?;
        let pulls = repository.pulls.values().flat_map(|pull| [Some(pull.title.clone()), pull.body.clone()]).flatten();
        let comments = repository.comments.iter().map(|comment| comment.body.clone());
        let statuses = repository
            .statuses
            .iter()
            .flat_map(|status| [status.description.clone(), status.target_url.clone()])
            .flatten();
        let boards = self.service()?.boards.all();
        let boards = boards.values().map(serde_json::to_string).collect::<Result<Vec<_>, _>>()?;
        Ok(pulls.chain(comments).chain(statuses).chain(boards).collect())
    }
}

/// What a commit changed since its first parent: each path with what stands there now.
fn change(git: &git2::Repository, sha: &str) -> Fallible<Vec<(String, Oid)>> {
    let commit = git.find_commit(Oid::from_str(sha)?)?;
    let diff = git.diff_tree_to_tree(Some(&commit.parent(0)?.tree()?), Some(&commit.tree()?), None)?;
    let file = |delta: git2::DiffDelta<'_>| {
        let path = delta.new_file().path().map(|path| path.display().to_string());
        (path.unwrap_or_default(), delta.new_file().id())
    };
    Ok(diff.deltas().map(file).collect())
}
