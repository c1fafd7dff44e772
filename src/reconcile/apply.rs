//! Performs the actions of a plan, each against the state that it was decided on.

use futures::future;
use jiff::Timestamp;

use super::{
    LookError,
    closed_pull_requests::CLOSED_BY_US,
    context::{RepositoryContext, StrategyContext},
    forge_view::ForgeView,
    keys::{drift_key, hydrate_key, own_status_key, verified_key},
    proposing::{Opened, Parts},
};
use crate::{
    domain::{
        candidate::Wish,
        ids::{ActiveSha, BranchName, DrySha, EnvironmentName, Place, ProposedSha, PullRequestNumber, StatusKey},
        plan::{Action, Plan},
        snapshot::{PostedStatus, Record, Snapshot},
        status::StatusState,
        strategy::Environment,
    },
    forge::{ForgeError, NewStatus, PullRequestState},
    git::{
        GitError, compose,
        history::{self, DryCommit},
        mirror::{Push, Watched},
    },
};

/// What became of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// Everything was done.
    Done,
    /// The world had moved on: what was read from the remote is stale.
    Moved,
}

/// Applies plans of one strategy.
pub struct Applier<'a> {
    /// The strategy.
    pub context: &'a StrategyContext,
    /// The forge as it was read.
    pub view: &'a mut ForgeView,
    /// What the plan was made from.
    pub snapshot: &'a Snapshot,
    /// The plan.
    pub plan: &'a Plan,
}

impl<'a> Applier<'a> {
    /// Performs the actions in order, up to the first whose world has moved.
    pub async fn apply(&mut self) -> Result<Applied, LookError> {
        for together in self.plan.actions.chunk_by(is_done_together) {
            let done = match together {
                [action] => self.perform(action).await,
                [Action::Propose { .. }, ..] => self.propose_together(together).await,
                _ => self.tell_together(together).await,
            };
            match done {
                Ok(()) => {}
                Err(error) if error.is_moved() => {
                    tracing::info!("it has moved on since it was looked at: {error}");
                    return Ok(Applied::Moved);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Applied::Done)
    }

    /// Opens and describes pull requests and reports statuses, as many beside each other as the forge takes.
    ///
    /// What is under way when one fails is ended before the error is returned, so that no write is broken off.
    async fn tell_together(&mut self, actions: &[Action]) -> Result<(), LookError> {
        let at_once = self.context.destination.forge.writes_at_once().get();
        for together in actions.chunks(at_once) {
            let mut failed: Option<LookError> = None;
            for told in future::join_all(together.iter().map(|action| self.tell_one(action))).await {
                match (told, &failed) {
                    (Ok(opened), _) => self.note_opened(opened),
                    // What says how long to wait, or that nothing is written down, is not hidden by what only moved.
                    (Err(error), Some(before)) if !before.is_moved() || error.is_moved() => {
                        tracing::warn!("beside it: {error}");
                    }
                    (Err(error), _) => failed = Some(error),
                }
            }
            if let Some(error) = failed {
                return Err(error);
            }
        }
        Ok(())
    }

    /// Performs an action that only tells people; returns the pull request that it has opened.
    async fn tell_one(&self, action: &Action) -> Result<Option<Opened>, LookError> {
        match action {
            Action::OpenPullRequest { place, proposed, dry } => {
                self.open(&place.environment, proposed, &self.proposed_part(place, dry)).await
            }
            Action::DescribePullRequest { place, number, proposed, dry } => {
                self.describe(&place.environment, *number, proposed, &self.proposed_part(place, dry)).await?;
                Ok(None)
            }
            Action::PostStatus { place, proposed, status } => {
                self.post(proposed.as_str(), &own_status_key(place), status).await?;
                Ok(None)
            }
            Action::ReportHydration { dry, status } => {
                self.post_in(&self.context.dry, dry.as_str(), &hydrate_key(), status).await?;
                Ok(None)
            }
            other => unreachable!("{other:?} changes more than what people are told"),
        }
    }

    async fn perform(&mut self, action: &Action) -> Result<(), LookError> {
        match action {
            Action::CreateBranch { environment, branch } => self.create_branch(environment, branch).await,
            Action::Hydrate { environment, dry } => self.hydrate(environment, dry).await,
            Action::Propose { place, dry, content, expected_active, expected_proposed } => {
                let parts = Parts::from([(place.lane.clone(), Wish { dry: dry.clone(), content: content.clone() })]);
                self.propose(&place.environment, &parts, expected_active, expected_proposed.as_ref()).await
            }
            Action::OpenPullRequest { .. }
            | Action::DescribePullRequest { .. }
            | Action::PostStatus { .. }
            | Action::ReportHydration { .. } => self.tell_together(std::slice::from_ref(action)).await,
            Action::ClosePullRequest { place, number, head, reason } => self.close(place, *number, head, reason).await,
            Action::RecordVerified { place, brought_by, active, dry } => {
                self.record_verified(place, brought_by, active, dry).await
            }
            Action::Revoke { place, brought_by, active, dry, reason } => {
                self.revoke(place, brought_by, active, dry, reason).await
            }
            Action::Merge { place, number, expected_active, tree, dry, decision, .. } => {
                self.merge(place, *number, expected_active, tree, dry, decision).await
            }
            Action::TellOverdue { place, waiting, overdue, people } => {
                self.tell_overdue(place, waiting, overdue, people).await
            }
            Action::Bundle { environment, step } => self.bundle(environment, step).await,
            Action::PostHold { place, active, status } => self.mark_hold(place, active, status).await,
            Action::EndHold { place, active, hold, reason } => self.end_hold(place, active, hold, reason).await,
            Action::StartRollback { place, active, start } => self.start_rollback(place, active, start).await,
            Action::ProposeRollback { place, rollback, expected_active, expected_proposed } => {
                self.propose_rollback(place, rollback, expected_active, expected_proposed.as_ref()).await
            }
            Action::OpenRollback { place, rollback, proposed } => self.open_rollback(place, rollback, proposed).await,
            Action::MergeRollback { place, rollback, number, expected_active, decision, .. } => {
                self.merge_rollback(place, rollback, *number, expected_active, decision).await
            }
            Action::FinishRollback { place, active, rollback } => self.finish_rollback(place, active, rollback).await,
            Action::PostDrift { place, commit, status } => {
                self.post(commit.as_str(), &drift_key(self.context.strategy.told_apart(place), place), status).await
            }
            Action::BringBranchBack { place, branch, at, restore } => {
                self.bring_branch_back(place, branch, at, restore).await
            }
            Action::ProposeRestore { place, drift, restore, expected_active, expected_proposed } => {
                self.propose_restore(place, drift, restore, expected_active, expected_proposed.as_ref()).await
            }
            Action::OpenRestore { place, drift, restore, proposed } => {
                self.open_restore(place, drift, restore, proposed).await
            }
            Action::MergeRestore { place, drift, restore, number, expected_active, decision, .. } => {
                self.merge_restore(place, drift, restore, *number, expected_active, decision).await
            }
            Action::EndRestore { place, restore, pull_request, reason } => {
                self.end_restore(place, restore, *pull_request, reason).await
            }
            Action::CancelRollback { place, active, rollback, pull_request, reason } => {
                self.cancel_rollback(place, active, rollback, *pull_request, reason).await
            }
        }
    }

    async fn create_branch(&self, environment: &EnvironmentName, branch: &BranchName) -> Result<(), LookError> {
        let message = format!("Start the environment {environment}\n");
        let seconds = self.now().as_second();
        let mirror = &self.context.destination.mirror;
        let commit = mirror.read(move |repository, _| compose::empty_commit(repository, &message, seconds)).await?;
        let push = Push { branch: branch.clone(), expected: None, new: Some(commit) };
        self.intend(&format!("create {branch}"), mirror.push(&self.context.remote().await?, &[push])).await?;
        tracing::info!(environment.name = %environment, %branch, "created the branch of {environment}");
        Ok(())
    }

    async fn hydrate(&self, environment: &EnvironmentName, dry: &DrySha) -> Result<(), LookError> {
        let shared = &self.context.shared;
        let (hydration, roots) = shared.hydrator.hydrate(self.context, environment, dry).await?;
        shared.store.save_hydration(&self.context.id, environment, dry, &hydration, &roots).await?;
        Ok(())
    }

    async fn close(
        &mut self,
        place: &Place,
        number: PullRequestNumber,
        head: &ProposedSha,
        reason: &str,
    ) -> Result<(), LookError> {
        let repository = &self.context.destination.id;
        let forge = &self.context.destination.forge;
        if forge.pull_request(repository, number).await?.state != PullRequestState::Open {
            return Err(ForgeError::Moved { words: format!("{number} is not open any more") }.into());
        }
        // Written down first: what we close is never taken for a rejection, also after a crash.
        self.context.shared.store.save_closed_by_us(repository, number).await?;
        let status = PostedStatus::new(StatusState::Error, &format!("{CLOSED_BY_US}: {reason}"));
        self.post(head.as_str(), &own_status_key(&self.context.proposer(place)), &status).await?;
        self.intend(&format!("close {number}"), forge.close_pull_request(repository, number)).await?;
        self.view.forget_pull_requests(&self.proposed_branch(place));
        tracing::info!(
            environment.name = %place.environment, pull_request.number = number.0,
            "closed {number} for {place}: {reason}"
        );
        Ok(())
    }

    async fn record_verified(
        &self,
        place: &Place,
        brought_by: &ActiveSha,
        active: &ActiveSha,
        dry: &DrySha,
    ) -> Result<(), LookError> {
        let status = PostedStatus::new(StatusState::Success, &format!("{} is verified in {place}", dry.short()));
        self.post(active.as_str(), &verified_key(self.context.strategy.told_apart(place), place), &status).await?;
        let record = Record::Verified { at: self.now() };
        let store = &self.context.shared.store;
        store.save_record(&self.context.id, place, brought_by.as_str(), &record).await?;
        self.tell(Some(place), &format!("{} is verified", dry.short())).await?;
        tracing::info!(environment.name = %place.environment, dry.sha = %dry, "{} is verified in {place}", dry.short());
        Ok(())
    }

    async fn revoke(
        &self,
        place: &Place,
        brought_by: &ActiveSha,
        active: &ActiveSha,
        dry: &DrySha,
        reason: &str,
    ) -> Result<(), LookError> {
        let words = format!("{} is no longer verified in {place}: {reason}", dry.short());
        self.post(
            active.as_str(),
            &verified_key(self.context.strategy.told_apart(place), place),
            &PostedStatus::new(StatusState::Failure, &words),
        )
        .await?;
        let record = Record::Revoked { at: self.now() };
        let store = &self.context.shared.store;
        store.save_record(&self.context.id, place, brought_by.as_str(), &record).await?;
        self.tell(Some(place), &format!("{} is no longer verified: {reason}", dry.short())).await?;
        tracing::info!(environment.name = %place.environment, dry.sha = %dry, "{words}");
        Ok(())
    }

    /// Fails when an active branch is not where the plan expects it.
    pub(super) async fn check_base(&self, branch: &BranchName, expected: &ActiveSha) -> Result<(), LookError> {
        let mirror = &self.context.destination.mirror;
        mirror.refresh(&self.context.remote().await?, &[Watched::One(branch.clone())]).await?;
        let base = mirror.branch(branch).await?.map(|id| id.to_string());
        if base.as_deref() == Some(expected.as_str()) {
            return Ok(());
        }
        Err(GitError::Moved { reference: branch.to_string() }.into())
    }

    /// Posts a status on a commit of the environments.
    pub(super) async fn post(&self, sha: &str, key: &StatusKey, status: &PostedStatus) -> Result<(), LookError> {
        self.post_in(&self.context.destination, sha, key, status).await
    }

    async fn post_in(
        &self,
        repository: &RepositoryContext,
        sha: &str,
        key: &StatusKey,
        status: &PostedStatus,
    ) -> Result<(), LookError> {
        let new = NewStatus {
            key: key.clone(),
            state: status.state,
            description: status.description.clone(),
            target_url: self.context.page(),
        };
        repository.forge.post_status(&repository.id, sha, &new).await?;
        self.context.shared.store.save_posted_status(&self.context.id.repository, sha, key, status).await?;
        Ok(())
    }

    pub(super) async fn dry_commit(&self, dry: &DrySha) -> Result<DryCommit, LookError> {
        let dry = dry.clone();
        Ok(self.context.dry.mirror.read(move |repository, _| history::dry_commit(repository, &dry)).await?)
    }

    pub(super) fn proposed_branch(&self, place: &Place) -> BranchName {
        self.environment(place).proposed_branch(&place.lane)
    }

    pub(super) fn environment(&self, place: &Place) -> &'a Environment {
        self.context.strategy.environment(&place.environment).expect("because the plan is of this strategy")
    }

    /// Writes the intent, acts, and writes that the outcome is known, whatever it is.
    pub(super) async fn intend<T, E>(&self, act: &str, doing: impl Future<Output = Result<T, E>>) -> Result<T, E>
    where
        E: From<StoreFailure>,
    {
        let store = &self.context.shared.store;
        let intent = store.begin_intent(&self.context.id, act, self.now()).await.map_err(StoreFailure)?;
        let outcome = doing.await;
        store.end_intent(intent).await.map_err(StoreFailure)?;
        outcome
    }

    pub(super) async fn tell(&self, place: Option<&Place>, what: &str) -> Result<(), LookError> {
        let store = &self.context.shared.store;
        store.save_event(&self.context.id, place, self.now(), "hydromote", what).await?;
        Ok(())
    }

    pub(super) fn now(&self) -> Timestamp {
        self.context.now()
    }
}

/// Says whether two actions that follow each other are done together: neither needs what the other brings about.
fn is_done_together(one: &Action, next: &Action) -> bool {
    let tells = |action: &Action| {
        matches!(
            action,
            Action::OpenPullRequest { .. }
                | Action::DescribePullRequest { .. }
                | Action::PostStatus { .. }
                | Action::ReportHydration { .. }
        )
    };
    let proposes = |action: &Action| matches!(action, Action::Propose { .. });
    (tells(one) && tells(next)) || (proposes(one) && proposes(next))
}

/// The store failed around an outside act.
pub struct StoreFailure(crate::store::StoreError);

impl From<StoreFailure> for LookError {
    fn from(StoreFailure(error): StoreFailure) -> Self {
        error.into()
    }
}

impl From<StoreFailure> for GitError {
    fn from(StoreFailure(error): StoreFailure) -> Self {
        Self::Transfer { what: "write the intent down".into(), words: error.to_string() }
    }
}

impl From<StoreFailure> for ForgeError {
    fn from(StoreFailure(error): StoreFailure) -> Self {
        Self::Unavailable { what: "act with its intent written down".into(), source: error.into() }
    }
}
