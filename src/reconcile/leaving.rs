//! Closes what was proposed under a strategy that goes out of force, where nobody goes on with it: it was deleted, or an
//! environment of it went, or is on other branches now.
//!
//! - It is done before the new strategy is written down: after a crash it is done again.
//! - What we close is written down first, and said on the head: it is never taken for a person's no.

use std::sync::Arc;

use super::{
    LookError,
    apply::Applier,
    closed_pull_requests::CLOSED_BY_US,
    keys::{own_status_key, restore_key, rollback_key},
};
use crate::{
    domain::{
        ids::{BranchName, LaneName, Place, StatusKey},
        snapshot::PostedStatus,
        status::StatusState,
        strategy::{Environment, PromotionStrategy},
    },
    forge::{PullRequest, PullRequestState},
};

impl Applier<'_> {
    /// Closes what nobody goes on with of those in force `after`, when `new` comes in the place of the strategy.
    pub(super) async fn leave(
        &mut self,
        new: &PromotionStrategy,
        after: &[Arc<PromotionStrategy>],
    ) -> Result<(), LookError> {
        for place in self.snapshot.places.keys() {
            let Some(environment) = self.context.strategy.environment(&place.environment) else { continue };
            let here = &self.context.strategy.destination;
            if after.iter().any(|strategy| strategy.destination == *here && goes_on(strategy, environment)) {
                continue;
            }
            let reason = reason(&self.context.strategy, environment, new);
            let heads = [
                (environment.proposed_branch(&place.lane), own_status_key(&self.context.proposer(place))),
                (environment.rollback_branch(&place.lane), rollback_key(place)),
                (environment.restore_branch(&place.lane), restore_key(place)),
            ];
            for (head, key) in heads {
                let pulls = self.view.pull_requests(self.context, &head, &environment.branch).await?;
                for open in pulls.into_iter().filter(|pull| pull.state == PullRequestState::Open) {
                    self.close_left(place, &head, &key, &open, &reason).await?;
                }
            }
        }
        Ok(())
    }

    async fn close_left(
        &mut self,
        place: &Place,
        head: &BranchName,
        key: &StatusKey,
        open: &PullRequest,
        reason: &str,
    ) -> Result<(), LookError> {
        let (repository, forge) = (&self.context.destination.id, &self.context.destination.forge);
        let number = open.number;
        self.view.forget_pull_requests(head);
        let pull = forge.pull_request(repository, number).await?;
        if pull.state != PullRequestState::Open {
            return Ok(());
        }
        self.context.shared.store.save_closed_by_us(repository, number).await?;
        let status = PostedStatus::new(StatusState::Error, &format!("{CLOSED_BY_US}: {reason}"));
        self.post(&pull.head_sha, key, &status).await?;
        self.intend(&format!("close {number}"), forge.close_pull_request(repository, number)).await?;
        self.tell(Some(place), &format!("closed {number}: {reason}")).await?;
        tracing::info!(
            environment.name = %place.environment, pull_request.number = number.0,
            "closed {number} for {place}: {reason}"
        );
        Ok(())
    }
}

/// Says whether a strategy proposes where an environment did.
fn goes_on(strategy: &PromotionStrategy, environment: &Environment) -> bool {
    let proposed = |one: &Environment| one.branch_of_lane(&LaneName::single());
    strategy.environments.iter().any(|one| one.branch == environment.branch && proposed(one) == proposed(environment))
}

/// Says why nobody goes on with what is proposed for an environment.
fn reason(old: &PromotionStrategy, environment: &Environment, new: &PromotionStrategy) -> String {
    let name = &environment.name;
    let on_branch = new.environments.iter().find(|one| one.branch == environment.branch);
    match (on_branch, new.environment(name)) {
        _ if new.is_ended() => format!("the strategy {} was deleted", new.name),
        _ if new.destination != old.destination => match &new.destination {
            Some(there) => format!("{name} is in {} now", there.repository),
            None => format!("{name} is beside the dry branch now"),
        },
        (Some(there), _) => {
            format!("promotions to {} are proposed on {} now", there.name, there.branch_of_lane(&LaneName::single()))
        }
        (None, Some(elsewhere)) => format!("{name} is on {} now", elsewhere.branch),
        (None, None) => format!("{name} is no longer in the strategy"),
    }
}
