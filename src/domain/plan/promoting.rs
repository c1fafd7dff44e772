//! The next step of a promotion: propose, open, describe, report, merge.

use crate::domain::{
    candidate::Wish,
    decision::Decision,
    gate::{ClosedGate, Gate},
    ids::{Place, ProposedSha},
    plan::{Action, FORGE_LAG, Plan, Planner, earlier},
    snapshot::{ActiveBranch, PlaceState, PostedStatus},
    status::StatusState,
    strategy::{Environment, MergeMode},
};

/// Our own status when nothing stands in the way.
const READY: &str = "Ready to be promoted";

impl Planner<'_> {
    /// Takes the next step of a promotion: propose, open, describe, report, merge.
    pub(super) fn promote(
        &self,
        environment: &Environment,
        place: &Place,
        branch: &ActiveBranch,
        wish: &Wish,
        gates: &[ClosedGate],
        plan: &mut Plan,
    ) {
        let Some(state) = self.ledger.place(place) else { return };
        // Where few may be open, what cannot be merged yet takes no place from what can.
        let yields = environment.most_open.is_some() && state.pull_request.is_none();
        let waits_before = |closed: &ClosedGate| yields && matches!(closed.gate, Gate::DependsOn { .. });
        let stopped = gates.iter().any(|closed| closed.gate.stops_proposing() || waits_before(closed));
        let proposal =
            state.proposal.as_ref().filter(|p| p.composed && p.fits && p.dry == wish.dry && p.content == wish.content);
        let Some(proposal) = proposal else {
            match &state.proposal {
                // The old proposal must not look ready while it cannot be made again.
                Some(old) if stopped => self.post_own_status(place, state, &old.sha, gates, plan),
                _ if stopped => {}
                old => plan.actions.push(Action::Propose {
                    place: place.clone(),
                    dry: wish.dry.clone(),
                    content: wish.content.clone(),
                    expected_active: branch.head.clone(),
                    expected_proposed: old.as_ref().map(|proposal| proposal.sha.clone()),
                }),
            }
            return;
        };
        let (proposed, dry) = (proposal.sha.clone(), wish.dry.clone());
        let number = match (&state.pull_request, environment.merge_mode) {
            (Some(pull_request), _) if pull_request.head != proposed => {
                // The forge has not caught up with the push; it is looked at again soon.
                plan.wake_at = earlier(plan.wake_at, Some(self.snapshot.now + FORGE_LAG));
                return;
            }
            (Some(pull_request), _) => Some(pull_request.number),
            (None, MergeMode::PullRequest) => {
                // A forge that takes no more of them now is asked again later.
                if !stopped && self.refusal(state, &proposed).is_none() {
                    plan.actions.push(Action::OpenPullRequest { place: place.clone(), proposed, dry });
                }
                return;
            }
            // Until a person has opened it a gate is closed.
            (None, MergeMode::Direct | MergeMode::Link) => None,
        };
        if let Some(pull_request) = &state.pull_request
            && pull_request.described.as_ref() != Some(&proposed)
            && !stopped
        {
            plan.actions.push(Action::DescribePullRequest {
                place: place.clone(),
                number: pull_request.number,
                proposed: proposed.clone(),
                dry: dry.clone(),
            });
        }
        self.post_own_status(place, state, &proposed, gates, plan);
        if gates.is_empty() {
            let decision = Decision::of_promotion(&self.ledger, environment, place, proposal, self.snapshot.now);
            plan.actions.push(Action::Merge {
                place: place.clone(),
                number,
                decision: Box::new(decision),
                expected_head: proposed,
                expected_active: branch.head.clone(),
                tree: proposal.tree.clone(),
                dry,
            });
        }
    }

    /// Our own status is success exactly while every gate down to approvals is open.
    pub(super) fn post_own_status(
        &self,
        place: &Place,
        state: &PlaceState,
        proposed: &ProposedSha,
        gates: &[ClosedGate],
        plan: &mut Plan,
    ) {
        let status = match gates.iter().find(|closed| closed.gate.holds_own_status()) {
            Some(closed) => PostedStatus::new(StatusState::Pending, &sentence(&closed.to_string())),
            None => PostedStatus::new(StatusState::Success, READY),
        };
        let stands = state.own_status.as_ref().is_some_and(|(sha, posted)| sha == proposed && *posted == status);
        if !stands {
            plan.actions.push(Action::PostStatus { place: place.clone(), proposed: proposed.clone(), status });
        }
    }
}

/// Returns the text with a capital first letter.
fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}
