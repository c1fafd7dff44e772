//! Drift that a person has restored: what was promoted last comes back, as a commit on what is there.

use super::{Notice, Plan, Planner, action::Action, earlier, through::Through};
use crate::domain::{
    decision::Decision,
    gate::{ClosedGate, Gate},
    ids::Place,
    snapshot::{Active, ActiveBranch, Obstacle, PlaceState, Restoring},
    strategy::Environment,
};

impl Planner<'_> {
    /// Takes the next step of restoring, or ends it.
    pub(super) fn mend(&self, environment: &Environment, place: &Place, plan: &mut Plan) {
        let Some(state) = self.snapshot.places.get(place) else { return };
        let Some(restoring) = &state.restoring else { return tell(place, state, plan) };
        match &state.active {
            Active::Missing => end(place, restoring, "there is no branch", plan),
            Active::Gone { last } => match last.as_ref().filter(|last| **last == restoring.restore.of) {
                Some(last) => plan.actions.push(Action::BringBranchBack {
                    place: place.clone(),
                    branch: environment.branch.clone(),
                    at: last.clone(),
                    restore: Box::new(restoring.restore.clone()),
                }),
                None => end(place, restoring, "another commit ran there last", plan),
            },
            Active::Present(branch) => self.step(environment, place, state, branch, restoring, plan),
        }
    }

    fn step(
        &self,
        environment: &Environment,
        place: &Place,
        state: &PlaceState,
        branch: &ActiveBranch,
        restoring: &Restoring,
        plan: &mut Plan,
    ) {
        let Some(drift) = &branch.drift else { return end(place, restoring, "nothing is left to restore", plan) };
        let restore = &restoring.restore;
        if drift.newest != restore.of {
            return end(place, restoring, "somebody changed the branch again", plan);
        }
        if let Some(number) = restoring.closed {
            return end(place, restoring, &format!("somebody closed {number}"), plan);
        }
        self.show_mending(environment, place, state, branch, restoring, plan);
        let obstacle = state.obstacle.as_ref().filter(|obstacle| is_in_the_way(obstacle, branch));
        if obstacle.is_some() {
            return;
        }
        let proposal = restoring.proposal.as_ref().filter(|p| p.composed && p.parent == branch.head);
        let Some(proposal) = proposal else {
            plan.actions.push(Action::ProposeRestore {
                place: place.clone(),
                drift: Box::new(drift.clone()),
                restore: Box::new(restore.clone()),
                expected_active: branch.head.clone(),
                expected_proposed: restoring.proposal.as_ref().map(|proposal| proposal.sha.clone()),
            });
            return;
        };
        let (place, drift, restore) = (place.clone(), Box::new(drift.clone()), Box::new(restore.clone()));
        let number = match self.through(environment, state, restoring.pull_request.as_ref(), &proposal.sha) {
            Through::Ready(number) => number,
            Through::Unopened => {
                plan.actions.push(Action::OpenRestore { place, drift, restore, proposed: proposal.sha.clone() });
                return;
            }
            Through::Later(at) => {
                plan.wake_at = earlier(plan.wake_at, Some(at));
                return;
            }
        };
        plan.actions.push(Action::MergeRestore {
            place,
            number,
            decision: Box::new(Decision::of_restore(&restore, &proposal.sha, self.snapshot.now)),
            drift,
            restore,
            expected_active: branch.head.clone(),
            tree: proposal.tree.clone(),
        });
    }

    /// Shows what is being restored, and what is in its way, whether anything newer is wanted or not.
    fn show_mending(
        &self,
        environment: &Environment,
        place: &Place,
        state: &PlaceState,
        branch: &ActiveBranch,
        restoring: &Restoring,
        plan: &mut Plan,
    ) {
        let refused = restoring.proposal.as_ref().and_then(|proposal| self.refusal(state, &proposal.sha));
        let obstacle = state.obstacle.as_ref().filter(|obstacle| is_in_the_way(obstacle, branch));
        let gates: Vec<ClosedGate> = branch
            .drift
            .iter()
            .map(|drift| Gate::from(drift.clone()))
            .chain(obstacle.map(|obstacle| Gate::Obstacle { message: obstacle.message.clone() }))
            .chain(refused.map(|refusal| Gate::Forge { words: refusal.words.clone() }))
            .map(|gate| self.since(environment, place, state, None, gate))
            .collect();
        let Some(view) = plan.places.iter_mut().find(|view| view.place == *place) else { return };
        let number = restoring.pull_request.as_ref().map(|pull_request| pull_request.number);
        view.notices.push(Notice::Restoring { by: restoring.restore.by.clone(), number });
        view.gates.retain(|shown| !gates.iter().any(|gate| gate.gate.id() == shown.gate.id()));
        view.gates.splice(0..0, gates);
    }

    /// Says that what runs was adopted.
    pub(super) fn adopted(&self, state: &PlaceState) -> Option<Notice> {
        let adoption = state.running().and_then(|run| run.adopted.as_ref())?;
        Some(Notice::Adopted { by: adoption.by.clone(), reason: adoption.reason.clone() })
    }
}

/// Says on the forge that there is drift: people see it there, and what they command is bound to it.
fn tell(place: &Place, state: &PlaceState, plan: &mut Plan) {
    let Some(drift) = state.branch().and_then(|branch| branch.drift.as_ref()) else { return };
    let status = drift.status();
    if state.drift_status.as_ref() != Some(&status) {
        plan.actions.push(Action::PostDrift { place: place.clone(), commit: drift.newest.clone(), status });
    }
}

fn end(place: &Place, restoring: &Restoring, reason: &str, plan: &mut Plan) {
    plan.actions.push(Action::EndRestore {
        place: place.clone(),
        restore: Box::new(restoring.restore.clone()),
        pull_request: restoring.pull_request.as_ref().map(|pull_request| pull_request.number),
        reason: reason.to_owned(),
    });
}

/// Says whether something is in the way of what would be restored on this head.
fn is_in_the_way(obstacle: &Obstacle, branch: &ActiveBranch) -> bool {
    obstacle.active == branch.head && branch.runs.first().is_none_or(|run| run.dry == obstacle.dry)
}

#[cfg(test)]
mod tests;
