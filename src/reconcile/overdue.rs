//! Tells people of waits that have passed their deadline: in the log, the history, and one comment.
//!
//! - The comment is on the pull request that waits, or on the one that brought what runs; where there is none, the
//!   log and the history have to do.
//! - It carries a mark for each wait. Before it is written, marks are looked for: neither a crash nor the loss of the
//!   database has people told twice.

use super::{LookError, apply::Applier};
use crate::{
    domain::{
        ids::{Place, PullRequestNumber},
        overdue::{Overdue, Told, Wait, Waiting},
        permission::Grantee,
        plan::{Notice, PlaceView},
    },
    forge::{ForgeError, PullRequest, PullRequestState},
    messages::{OverdueText, tells_of},
    store::PlaceNote,
};

impl PlaceNote for Told {
    const KIND: &'static str = "told";
}

/// Returns how many waits are overdue.
pub(super) fn count(places: &[PlaceView]) -> usize {
    let gates = places.iter().flat_map(|place| &place.gates).filter(|closed| closed.is_overdue).count();
    let notices = places.iter().flat_map(|place| &place.notices);
    gates + notices.filter(|notice| matches!(notice, Notice::Overdue { .. })).count()
}

impl Applier<'_> {
    pub(super) async fn tell_overdue(
        &mut self,
        place: &Place,
        waiting: &Waiting,
        overdue: &[Overdue],
        people: &[Grantee],
    ) -> Result<(), LookError> {
        let number = match waiting {
            Waiting::Proposal { number, .. } => Some(*number),
            Waiting::Run { brought_by } => self.merged_by(place, brought_by.as_str()).await?,
        };
        if let Some(number) = number {
            match self.comment_overdue(place, number, overdue, people).await {
                Err(LookError::Forge(error)) if is_for_good(&error) => {
                    tracing::warn!(
                        pull_request.number = number.0,
                        "nobody is told on {number} what is overdue: {error}"
                    );
                }
                commented => commented?,
            }
        }
        let told = self.snapshot.places.get(place).map(|state| &state.told);
        for Overdue { words, .. } in overdue.iter().filter(|o| told.is_none_or(|told| !told.contains(&o.wait))) {
            self.tell(Some(place), &format!("told people what is overdue: {words}")).await?;
            tracing::warn!(environment.name = %place.environment, "{place}: {words}");
        }
        let waits: Vec<Wait> = overdue.iter().map(|overdue| overdue.wait.clone()).collect();
        let store = &self.context.shared.store;
        store.change_note::<Told>(&self.context.id, place, |told| told.note(waits)).await?;
        Ok(())
    }

    /// Comments unless every wait was told there.
    async fn comment_overdue(
        &self,
        place: &Place,
        number: PullRequestNumber,
        overdue: &[Overdue],
        people: &[Grantee],
    ) -> Result<(), LookError> {
        let (repository, forge) = (&self.context.destination.id, &self.context.destination.forge);
        let account = self.context.destination.account.id;
        let comments = forge.comments(repository, number).await?;
        let ours: Vec<_> =
            comments.iter().filter(|comment| comment.author.as_ref().is_some_and(|a| a.id == account)).collect();
        if overdue.iter().all(|overdue| ours.iter().any(|comment| tells_of(&comment.body, &overdue.wait))) {
            return Ok(());
        }
        let page = self.context.page();
        let organisation = repository.owner();
        let text = OverdueText { place, overdue, people, organisation, status_url: page.as_deref() };
        let body = self.context.shared.messages.overdue_comment(&text)?;
        forge.post_comment(repository, number, &body).await?;
        Ok(())
    }

    /// Returns the pull request that brought a commit onto the active branch, if one did.
    async fn merged_by(&mut self, place: &Place, active: &str) -> Result<Option<PullRequestNumber>, LookError> {
        let environment = self.environment(place);
        let heads = [environment.proposed_branch(&place.lane), environment.rollback_branch(&place.lane)];
        for head in heads {
            let known = self.view.pull_requests(self.context, &head, &environment.branch).await?;
            let merged = known.iter().filter(|pull_request| pull_request.state == PullRequestState::Merged);
            let brought = |pull_request: &&PullRequest| {
                pull_request.merge_sha.as_deref() == Some(active) || pull_request.head_sha == active
            };
            if let Some(found) = merged.into_iter().find(brought) {
                return Ok(Some(found.number));
            }
        }
        Ok(None)
    }
}

/// Says whether asking again would not help, as on a pull request that is locked.
fn is_for_good(error: &ForgeError) -> bool {
    matches!(error, ForgeError::Unauthorised { .. } | ForgeError::NotFound { .. } | ForgeError::Refused { .. })
}
