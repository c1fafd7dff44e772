//! What people and checks do on the forge.

use hydromote::{
    domain::{
        ids::{ActiveSha, EnvironmentName, LaneName, StrategyName},
        rejection::Rejection,
        snapshot::PostedStatus,
    },
    forge::NewStatus,
    local_forge::{
        CommitFiles, Fault, FaultKind, MergeMethod, MergeOrder, PullRequest, PullState, Status, StatusState,
    },
    reconcile::{
        mending::DriftOrder,
        rejected_commits::rejection_key,
        stopping::{Destination, HoldOrder, RollbackOrder},
    },
};
use jiff::Timestamp;

use super::{BOT, DEVELOPER, Fallible, REPOSITORY, STRANGER, TestResult, World, dry::Files};

impl World {
    /// Reports `health` as success on what runs in an environment.
    pub(crate) async fn healthy(&mut self, environment: &str) -> TestResult {
        self.report(environment, "health", StatusState::Success).await
    }

    /// Reports a key on the head of an environment's branch.
    pub(crate) async fn report(&mut self, environment: &str, key: &str, state: StatusState) -> TestResult {
        let sha = self.branch(&format!("env/{environment}")).await?;
        self.report_on(&sha, key, state).await
    }

    /// Reports a key on a commit.
    pub(crate) async fn report_on(&mut self, sha: &str, key: &str, state: StatusState) -> TestResult {
        self.home().as_user(DEVELOPER).report_status(self.home_name(), sha, key, state).await?;
        Ok(())
    }

    /// Reports `health` on what runs in each of the environments, one after another, and lets everything happen.
    pub(crate) async fn healthy_all(&mut self, environments: &[&str]) -> TestResult {
        for environment in environments {
            self.healthy(environment).await?;
            self.settle().await?;
        }
        Ok(())
    }

    /// Promotes what is proposed in an environment, as a person does.
    pub(crate) async fn promote(&mut self, environment: &str) -> TestResult {
        let environment = EnvironmentName::new(environment)?;
        self.service()?.commands.promote(&self.id, &environment, None, None, DEVELOPER).await?;
        Ok(())
    }

    /// Promotes what is proposed in one lane of an environment, as a person does.
    pub(crate) async fn promote_lane(&mut self, environment: &str, lane: &str) -> TestResult {
        let (environment, lane) = (EnvironmentName::new(environment)?, LaneName::new(lane)?);
        self.service()?.commands.promote(&self.id, &environment, Some(&lane), None, DEVELOPER).await?;
        self.settle().await
    }

    /// Holds one lane of an environment.
    pub(crate) async fn hold_lane(&mut self, environment: &str, lane: &str, reason: &str) -> TestResult {
        let (environment, lane) = (EnvironmentName::new(environment)?, LaneName::new(lane)?);
        let order = HoldOrder { reason: reason.to_owned(), ..HoldOrder::default() };
        self.service()?.commands.hold(&self.id, &environment, Some(&lane), &order, DEVELOPER).await?;
        self.settle().await
    }

    /// Takes the hold of one lane back.
    pub(crate) async fn unhold_lane(&mut self, environment: &str, lane: &str) -> TestResult {
        let (environment, lane) = (EnvironmentName::new(environment)?, LaneName::new(lane)?);
        self.service()?.commands.unhold(&self.id, &environment, Some(&lane), None, DEVELOPER).await?;
        self.settle().await
    }

    /// Rolls one lane of an environment back to last known-good.
    pub(crate) async fn roll_back_lane(&mut self, environment: &str, lane: &str, reason: &str) -> TestResult {
        let (environment, lane) = (EnvironmentName::new(environment)?, LaneName::new(lane)?);
        let order = RollbackOrder {
            destination: Destination::LastKnownGood,
            only: None,
            reason: reason.to_owned(),
            force: false,
            running: None,
        };
        self.service()?.commands.rollback(&self.id, &environment, Some(&lane), &order, DEVELOPER).await?;
        self.settle().await
    }

    /// Has every command from now on said to another strategy.
    pub(crate) fn turn_to(&mut self, strategy: &str) -> TestResult {
        self.id.name = StrategyName::new(strategy)?;
        Ok(())
    }

    /// Holds an environment.
    pub(crate) async fn hold(&mut self, environment: &str, reason: &str) -> TestResult {
        let environment = EnvironmentName::new(environment)?;
        let order = HoldOrder { reason: reason.to_owned(), ..HoldOrder::default() };
        self.service()?.commands.hold(&self.id, &environment, None, &order, DEVELOPER).await?;
        Ok(())
    }

    /// Takes a hold, and what rollbacks keep out, back.
    pub(crate) async fn unhold(&mut self, environment: &str) -> TestResult {
        let environment = EnvironmentName::new(environment)?;
        self.service()?.commands.unhold(&self.id, &environment, None, None, DEVELOPER).await?;
        Ok(())
    }

    /// Rejects a dry commit, by its subject.
    pub(crate) async fn reject(&mut self, subject: &str, reason: &str) -> TestResult {
        let dry = self.dry_sha(subject)?;
        self.service()?.commands.reject(&self.id, &dry, reason, DEVELOPER).await?;
        Ok(())
    }

    /// Tries to reject what a person names.
    pub(crate) async fn reject_commit(&mut self, commit: &str) -> TestResult {
        self.service()?.commands.reject(&self.id, commit, "", DEVELOPER).await?;
        Ok(())
    }

    /// Leaves on the forge what a service does that stops while it rejects a dry commit.
    pub(crate) async fn leave_half_rejected(&mut self, subject: &str) -> TestResult {
        let dry = self.dry_sha(subject)?;
        let rejection = Rejection { by: DEVELOPER.to_owned(), reason: String::new(), at: Timestamp::UNIX_EPOCH };
        let PostedStatus { state, description } = rejection.status();
        let status = NewStatus { key: rejection_key(&self.id), state, description, target_url: None };
        let commands = &self.service()?.commands;
        let (_, forge) = commands.forges.serving(&self.id.repository).ok_or("the repository is not served")?;
        Ok(forge.post_status(&self.id.repository, &dry, &status).await?)
    }

    /// Takes the rejection of a dry commit back.
    pub(crate) async fn unreject(&mut self, subject: &str) -> TestResult {
        let dry = self.dry_sha(subject)?;
        self.service()?.commands.unreject(&self.id, &dry, DEVELOPER).await?;
        Ok(())
    }

    /// Rolls an environment back to last known-good.
    pub(crate) async fn roll_back(&mut self, environment: &str, reason: &str) -> TestResult {
        self.roll_back_only(environment, None, reason).await
    }

    /// Rolls the roots with these labels back, else all.
    pub(crate) async fn roll_back_only(&mut self, environment: &str, only: Option<&str>, reason: &str) -> TestResult {
        let environment = EnvironmentName::new(environment)?;
        let order = RollbackOrder {
            destination: Destination::LastKnownGood,
            only: only.map(str::to_owned),
            reason: reason.to_owned(),
            force: false,
            running: None,
        };
        self.service()?.commands.rollback(&self.id, &environment, None, &order, DEVELOPER).await?;
        Ok(())
    }

    /// Has what was promoted last to a lane restored.
    pub(crate) async fn restore_lane(&mut self, environment: &str, lane: &str, reason: &str) -> TestResult {
        let (environment, lane) = (EnvironmentName::new(environment)?, LaneName::new(lane)?);
        let order = DriftOrder { seen: None, reason: reason.to_owned() };
        self.service()?.commands.restore(&self.id, &environment, Some(&lane), &order, DEVELOPER).await?;
        Ok(())
    }

    /// Has what was promoted last to an environment restored.
    pub(crate) async fn restore(&mut self, environment: &str, reason: &str) -> TestResult {
        self.restore_over(environment, None, reason).await
    }

    /// Has it restored over the commit of drift that somebody saw.
    pub(crate) async fn restore_over(&mut self, environment: &str, seen: Option<&str>, reason: &str) -> TestResult {
        let (environment, order) = (EnvironmentName::new(environment)?, drift_order(seen, reason)?);
        self.service()?.commands.restore(&self.id, &environment, None, &order, DEVELOPER).await?;
        Ok(())
    }

    /// Adopts what others put into an environment.
    pub(crate) async fn adopt(&mut self, environment: &str, reason: &str) -> TestResult {
        self.adopt_as_seen(environment, None, reason).await
    }

    /// Adopts the commit of drift that somebody saw.
    pub(crate) async fn adopt_as_seen(&mut self, environment: &str, seen: Option<&str>, reason: &str) -> TestResult {
        let (environment, order) = (EnvironmentName::new(environment)?, drift_order(seen, reason)?);
        self.service()?.commands.adopt(&self.id, &environment, None, &order, DEVELOPER).await?;
        Ok(())
    }

    /// Has the forge refuse so many merges.
    pub(crate) fn refuse_merges(&self, times: u32) {
        self.home().fail(Fault {
            method: Some("PUT".to_owned()),
            path_contains: "/merge".to_owned(),
            times,
            kind: FaultKind::Status(405),
        });
    }

    /// Has so many pushes of the service fail.
    pub(crate) fn fail_pushes(&self, times: u32) {
        self.home().fail(Fault {
            method: Some("POST".to_owned()),
            path_contains: "git-receive-pack".to_owned(),
            times,
            kind: FaultKind::Status(500),
        });
    }

    /// Has the forge refuse commit statuses until its faults are cleared.
    pub(crate) fn refuse_statuses(&self) {
        self.home().fail(Fault {
            method: Some("POST".to_owned()),
            path_contains: "/statuses/".to_owned(),
            times: u32::MAX,
            kind: FaultKind::Status(403),
        });
    }

    /// Writes a comment on the open pull request of an environment, and lets everything happen; returns its id.
    pub(crate) async fn comment_by(&mut self, login: &str, environment: &str, body: &str) -> Fallible<u64> {
        let pull = self.open_pull(environment).await?;
        self.comment_on(login, pull.number, body).await
    }

    /// Writes a comment on a pull request, and lets everything happen; returns its id.
    pub(crate) async fn comment_on(&mut self, login: &str, number: u64, body: &str) -> Fallible<u64> {
        let id = self.home().as_user(login).comment(self.home_name(), number, body).await?;
        self.settle().await?;
        Ok(id)
    }

    /// Returns what was reported of the preview of a pull request's head, the last report first.
    pub(crate) async fn preview_reports(&self, number: u64) -> Fallible<Vec<String>> {
        let repository = self.forge.repository(REPOSITORY).await?;
        let head = &repository.pulls.get(&number).ok_or("there is no such pull request")?.head_sha;
        let previews = |status: &&Status| status.sha == *head && status.context == "hydromote/preview";
        let newest_first = repository.statuses.iter().rev().filter(previews);
        let words = |status: &Status| status.description.clone().unwrap_or_default();
        Ok(newest_first.map(|status| self.in_words(&format!("{:?}: {}", status.state, words(status)))).collect())
    }

    /// Returns the ids of the service's comments on a pull request.
    pub(crate) async fn own_comments(&self, number: u64) -> Fallible<Vec<u64>> {
        let comments = self.home().comments(self.home_name(), number).await?;
        Ok(comments.iter().filter(|comment| comment.author == BOT).map(|comment| comment.id).collect())
    }

    /// Returns who reacted to a comment, and how.
    pub(crate) async fn reactions(&self, comment: u64) -> Fallible<String> {
        let repository = self.home().repository(self.home_name()).await?;
        let found = repository.comments.iter().find(|one| one.id == comment).ok_or("there is no such comment")?;
        let shown: Vec<String> = found.reactions.iter().map(|one| format!("{}: {}", one.user, one.content)).collect();
        Ok(shown.join(", "))
    }

    /// Merges the open pull request of an environment, whatever the gates say.
    pub(crate) async fn merge_by_hand(&mut self, environment: &str, method: MergeMethod) -> TestResult {
        self.merge_with(environment, MergeOrder { method, ..MergeOrder::default() }).await
    }

    /// Squashes the open pull request of an environment, with words that say nothing of what it brings.
    pub(crate) async fn squash_in_own_words(&mut self, environment: &str) -> TestResult {
        let (title, message) = (Some("Ship it".to_owned()), Some("It looks good.".to_owned()));
        self.merge_with(
            environment,
            MergeOrder { method: MergeMethod::Squash, title, message, ..MergeOrder::default() },
        )
        .await
    }

    async fn merge_with(&mut self, environment: &str, order: MergeOrder) -> TestResult {
        let pull = self.open_pull(environment).await?;
        self.home().as_user(DEVELOPER).merge(self.home_name(), pull.number, order).await?;
        Ok(())
    }

    /// Moves an environment's branch to a commit, as `git push` does.
    pub(crate) async fn fast_forward_by_hand(&mut self, environment: &str, sha: &str) -> TestResult {
        self.fast_forward_unnoticed(environment, sha)?;
        self.home().refresh(self.home_name(), STRANGER).await
    }

    /// Moves an environment's branch to a commit; the forge has not looked at its pull requests yet.
    pub(crate) fn fast_forward_unnoticed(&self, environment: &str, sha: &str) -> TestResult {
        let to = git2::Oid::from_str(sha)?;
        self.git()?.reference(&format!("refs/heads/env/{environment}"), to, true, "pushed")?;
        Ok(())
    }

    /// Moves a branch to a commit that nobody expects there, as `git push --force` does.
    pub(crate) async fn force_push(&mut self, branch: &str, sha: &str) -> TestResult {
        self.git()?.reference(&format!("refs/heads/{branch}"), git2::Oid::from_str(sha)?, true, "forced")?;
        self.home().refresh(self.home_name(), STRANGER).await
    }

    /// Makes a commit of somebody that stands on nothing; returns it.
    pub(crate) fn unrelated_commit(&self, path: &str, text: &str) -> Fallible<String> {
        let git = self.git()?;
        let empty = git.find_tree(git.treebuilder(None)?.write()?)?;
        let mut change = git2::build::TreeUpdateBuilder::new();
        change.upsert(path, git.blob(text.as_bytes())?, git2::FileMode::Blob);
        let tree = git.find_tree(change.create_updated(&git, &empty)?)?;
        let who = git2::Signature::new(STRANGER, "stranger@example.com", &git2::Time::new(1_767_225_600, 0))?;
        Ok(git.commit(None, &who, &who, "start anew", &tree, &[])?.to_string())
    }

    /// Makes every commit of a branch again with other words, as `git filter-branch` does.
    pub(crate) async fn rewrite(&mut self, branch: &str) -> TestResult {
        let mut chain = vec![git2::Oid::from_str(&self.branch(branch).await?)?];
        let git = self.git()?;
        while let Ok(parent) = git.find_commit(chain[chain.len() - 1])?.parent_id(0) {
            chain.push(parent);
        }
        let mut made = None;
        for id in chain.into_iter().rev() {
            let commit = git.find_commit(id)?;
            let parents = made.map(|made| git.find_commit(made)).transpose()?;
            let (author, tree) = (commit.author(), commit.tree()?);
            let message = format!("rewritten\n\n{}", String::from_utf8_lossy(commit.message_bytes()));
            let parents: Vec<_> = parents.iter().collect();
            made = Some(git.commit(None, &author, &commit.committer(), &message, &tree, &parents)?);
        }
        drop(git);
        self.force_push(branch, &made.ok_or("the branch has no commits")?.to_string()).await
    }

    /// Returns the first parent of a branch's head.
    pub(crate) async fn before(&self, branch: &str) -> Fallible<String> {
        let head = git2::Oid::from_str(&self.branch(branch).await?)?;
        Ok(self.git()?.find_commit(head)?.parent_id(0)?.to_string())
    }

    /// Deletes an environment's branch; returns the commit that it was at.
    pub(crate) async fn delete_by_hand(&mut self, environment: &str) -> Fallible<String> {
        let sha = self.branch(&format!("env/{environment}")).await?;
        self.git()?.find_reference(&format!("refs/heads/env/{environment}"))?.delete()?;
        self.home().refresh(self.home_name(), STRANGER).await?;
        Ok(sha)
    }

    /// Closes the open pull request of an environment; returns its number.
    pub(crate) async fn close_by_hand(&mut self, environment: &str) -> Fallible<u64> {
        let pull = self.open_pull(environment).await?;
        self.close_pull(pull.number).await?;
        Ok(pull.number)
    }

    /// Closes a pull request.
    pub(crate) async fn close_pull(&mut self, number: u64) -> TestResult {
        self.home().as_user(DEVELOPER).close(self.home_name(), number).await
    }

    /// Opens a closed pull request again.
    pub(crate) async fn reopen(&mut self, number: u64) -> TestResult {
        self.home().as_user(DEVELOPER).reopen(self.home_name(), number).await
    }

    /// Pushes somebody's commit to an environment's branch.
    pub(crate) async fn push_foreign(&mut self, environment: &str, files: Files) -> TestResult {
        self.push_to(&format!("env/{environment}"), files).await
    }

    /// Pushes somebody's commit to a branch.
    pub(crate) async fn push_to(&mut self, branch: &str, files: Files) -> TestResult {
        self.push_with_words(branch, "by hand", files).await
    }

    /// Pushes somebody's commit with this message to a branch.
    pub(crate) async fn push_with_words(&mut self, branch: &str, message: &str, files: Files) -> TestResult {
        let (branch, message) = (branch.to_owned(), message.to_owned());
        self.home().commit_files(self.home_name(), STRANGER, CommitFiles { branch, message, files }).await?;
        Ok(())
    }

    /// Returns the head of the open pull request of one lane of an environment.
    pub(crate) async fn proposed(&self, environment: &str, lane: &str) -> Fallible<String> {
        self.branch(&format!("env/{environment}-next-{lane}")).await
    }

    /// Returns the open pull request of an environment.
    pub(crate) async fn open_pull(&self, environment: &str) -> Fallible<PullRequest> {
        let base = format!("env/{environment}");
        let pulls = self.home().pull_requests(self.home_name()).await?;
        let found = pulls.into_iter().find(|pull| pull.base == base && pull.state == PullState::Open);
        Ok(found.ok_or_else(|| format!("{environment} has no open pull request"))?)
    }
}

fn drift_order(seen: Option<&str>, reason: &str) -> Fallible<DriftOrder> {
    Ok(DriftOrder { seen: seen.map(ActiveSha::new).transpose()?, reason: reason.to_owned() })
}
