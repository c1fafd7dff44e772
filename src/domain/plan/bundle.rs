//! One pull request for all lanes of an environment.
//!
//! - Each lane is asked by itself what it wants and what keeps it; a lane that nothing keeps is *ready*. What is ready
//!   goes together; what is not shows its own gate and joins later.
//! - What is asked of the proposed SHA is asked once: windows, statuses, a person's word, the forge's conditions.
//! - While a person has promoted what is proposed, or the environment finishes what it began, no lane joins: the head
//!   stays. It ends as it does for a lane that goes by itself, and when one of its lanes is not ready any more.

use std::collections::BTreeMap;

use super::{FORGE_LAG, PlaceView, Plan, Planner, Wanted, earlier, overdue};
use crate::domain::{
    bundle::{self, Bundle, BundleDecision, MOST_PARTS, Part, Step},
    candidate::{self, Wish},
    decision::Decision,
    gate::{ClosedGate, Gate},
    ids::{LaneName, Place},
    plan::Action,
    snapshot::{ActiveBranch, PlaceState, Proposal},
    strategy::Environment,
};

/// A lane whose wish is known.
struct Lane<'p> {
    place: &'p Place,
    state: &'p PlaceState,
    branch: &'p ActiveBranch,
    wish: Option<Wish>,
    /// Those of the lane, then those of what is proposed.
    gates: Vec<ClosedGate>,
}

impl Planner<'_> {
    pub(super) fn plan_bundle(&self, environment: &Environment, plan: &mut Plan) {
        let mut views = Vec::new();
        let mut lanes = BTreeMap::new();
        for (place, state) in self.snapshot.places_of(&environment.name) {
            let (view, wanted) = self.want(environment, place, state, plan);
            if let (Some(branch), Wanted::Known(wish)) = (state.branch(), wanted) {
                let gates = match &wish {
                    Some(wish) => self.closed_gates(environment, place, state, branch, wish, None),
                    None => view.gates.clone(),
                };
                lanes.insert(&place.lane, Lane { place, state, branch, wish, gates });
            }
            views.push(view);
        }
        // A part cannot be chosen before it is known what all lanes want; what is missing is hydrated first.
        if lanes.len() == views.len() {
            let bundle = self.snapshot.bundles.get(&environment.name).cloned().unwrap_or_default();
            let wanted = self.choose_parts(environment, &bundle, &lanes);
            self.close_outdated(environment, &bundle, plan);
            self.promote_bundle(environment, &bundle, &lanes, &wanted, plan);
            for view in &mut views {
                if let Some(lane) = lanes.get(&view.place.lane) {
                    self.show(environment, lane, wanted.contains_key(&view.place.lane), &bundle, view);
                    overdue::tell(environment, lane.place, lane.state, view, plan);
                    view.changes_at = self.next_change(environment, lane.state, view);
                    plan.wake_at = earlier(plan.wake_at, view.changes_at);
                }
            }
        }
        plan.places.extend(views);
    }

    /// Returns what goes together: what is proposed as long as it is to be finished, else everything that is ready.
    fn choose_parts(
        &self,
        environment: &Environment,
        bundle: &Bundle,
        lanes: &BTreeMap<&LaneName, Lane<'_>>,
    ) -> BTreeMap<LaneName, Wish> {
        let is_kept = !bundle.parts.is_empty()
            && bundle.parts.iter().all(|(lane, dry)| {
                lanes.get(lane).is_some_and(|lane| {
                    lane.ready().is_some_and(|wish| wish.dry == *dry)
                        && lane.proposal().is_some_and(|proposal| {
                            candidate::goes_on(environment, lane.state, proposal, self.snapshot)
                        })
                })
            });
        let ready = |lane: &LaneName| Some((lane.clone(), lanes.get(lane)?.ready()?.clone()));
        // Where there are too many, those that are proposed come before those that are not.
        let of_bundle = bundle.parts.keys().filter_map(ready);
        let others = lanes.keys().filter(|lane| !is_kept && !bundle.parts.contains_key(**lane));
        let parts = of_bundle.chain(others.filter_map(|lane| ready(lane))).take(MOST_PARTS).collect();
        bundle::divide(parts, |lane, root| {
            lanes.get(lane).is_some_and(|lane| lane.state.running().is_some_and(|run| run.content.get(root).is_some()))
        })
    }

    /// Takes the next step of a bundle: propose, open, describe, report, merge.
    fn promote_bundle(
        &self,
        environment: &Environment,
        bundle: &Bundle,
        lanes: &BTreeMap<&LaneName, Lane<'_>>,
        wanted: &BTreeMap<LaneName, Wish>,
        plan: &mut Plan,
    ) {
        let Some(first) = wanted.keys().find_map(|lane| lanes.get(lane)) else {
            self.leave_bundle(environment, bundle, lanes, plan);
            return;
        };
        let mut step = |step| plan.actions.push(Action::Bundle { environment: environment.name.clone(), step });
        let is_proposed = bundle.parts.keys().eq(wanted.keys())
            && wanted.iter().all(|(lane, wish)| lanes.get(lane).is_some_and(|lane| lane.is_proposed(wish)));
        let Some(proposal) = first.proposal().filter(|_| is_proposed) else {
            step(Step::Propose {
                parts: wanted.clone(),
                expected_active: first.branch.head.clone(),
                expected_proposed: bundle.head.clone(),
            });
            return;
        };
        let proposed = proposal.sha.clone();
        let Some(pull_request) = &bundle.pull_request else {
            // A forge that takes no more of them now is asked again later.
            let mut parts = wanted.keys().filter_map(|name| lanes.get(name));
            if !parts.any(|lane| self.refusal(lane.state, &proposed).is_some()) {
                step(Step::Open { proposed, parts: wanted.clone() });
            }
            return;
        };
        if pull_request.head != proposed {
            // The forge has not caught up with the push; it is looked at again soon.
            plan.wake_at = earlier(plan.wake_at, Some(self.snapshot.now + FORGE_LAG));
            return;
        }
        if pull_request.described.as_ref() != Some(&proposed) {
            step(Step::Describe { number: pull_request.number, proposed: proposed.clone(), parts: wanted.clone() });
        }
        // Who wrote what differs from lane to lane, and so does who may approve it.
        let gates: Vec<ClosedGate> =
            wanted.keys().filter_map(|name| lanes.get(name)).flat_map(|lane| lane.gates.clone()).collect();
        self.post_own_status(&bundle::place_of(&environment.name), first.state, &proposed, &gates, plan);
        if gates.is_empty() {
            let decision = self.decide(environment, proposal, lanes, wanted);
            plan.actions.push(Action::Bundle {
                environment: environment.name.clone(),
                step: Step::Merge {
                    number: pull_request.number,
                    expected_active: first.branch.head.clone(),
                    decision: Box::new(decision),
                    tree: proposal.tree.clone(),
                },
            });
        }
    }

    /// Says on what the merge rests: what is asked of the proposed SHA once, the rest of each lane.
    fn decide(
        &self,
        environment: &Environment,
        proposal: &Proposal,
        lanes: &BTreeMap<&LaneName, Lane<'_>>,
        wanted: &BTreeMap<LaneName, Wish>,
    ) -> BundleDecision {
        let mut shared = Vec::new();
        let of_lanes = wanted.keys().filter_map(|name| lanes.get(name)).map(|lane| {
            let proposal = lane.proposal().unwrap_or(proposal);
            let now = self.snapshot.now;
            let decision = Decision::of_promotion(&self.ledger, environment, lane.place, proposal, now);
            let (gates, of_proposal) = decision.gates.into_iter().partition(|gate| !gate.is_of_proposal());
            shared.push(Decision { gates: of_proposal, ..decision });
            Part { lane: lane.place.lane.clone(), dry: proposal.dry.clone(), gates }
        });
        let parts = of_lanes.collect();
        BundleDecision { shared: shared.swap_remove(0), parts }
    }

    /// Keeps what is proposed while each of its lanes still wants its part and cannot go on, and closes it else. Our
    /// closing is never a rejection.
    fn leave_bundle(
        &self,
        environment: &Environment,
        bundle: &Bundle,
        lanes: &BTreeMap<&LaneName, Lane<'_>>,
        plan: &mut Plan,
    ) {
        let Some(pull_request) = &bundle.pull_request else { return };
        let parts = || bundle.parts.iter().filter_map(|(lane, dry)| Some((lanes.get(lane)?, dry)));
        let is_wanted = !bundle.parts.is_empty()
            && parts().count() == bundle.parts.len()
            && parts().all(|(lane, dry)| lane.wish.as_ref().is_some_and(|wish| wish.dry == *dry));
        let is_foreign = lanes.values().any(|lane| lane.state.foreign.is_some());
        if is_wanted || is_foreign || self.snapshot.mistake.is_some() {
            // It must not look ready while it cannot be merged.
            let waiting = parts().map(|(lane, _)| lane).chain(lanes.values()).find(|lane| !lane.gates.is_empty());
            if let Some(lane) = waiting {
                let place = bundle::place_of(&environment.name);
                self.post_own_status(&place, lane.state, &pull_request.head, &lane.gates, plan);
            }
            return;
        }
        let blocked = parts().find_map(|(lane, dry)| self.ledger.blocked(environment, lane.place, dry));
        plan.actions.push(Action::ClosePullRequest {
            place: bundle::place_of(&environment.name),
            number: pull_request.number,
            head: pull_request.head.clone(),
            reason: blocked.map_or_else(|| "nothing is left to promote".to_owned(), |blocked| blocked.to_string()),
        });
    }

    /// Closes the pull requests of single lanes that were open when the environment began to bundle them.
    fn close_outdated(&self, environment: &Environment, bundle: &Bundle, plan: &mut Plan) {
        if self.snapshot.mistake.is_some() {
            return;
        }
        plan.actions.extend(bundle.outdated.iter().map(|(lane, pull_request)| Action::Bundle {
            environment: environment.name.clone(),
            step: Step::CloseOutdated {
                lane: lane.clone(),
                number: pull_request.number,
                head: pull_request.head.clone(),
            },
        }));
    }

    /// Shows the gates of a lane: its own, and those of what is proposed where it is in that.
    fn show(&self, environment: &Environment, lane: &Lane<'_>, is_part: bool, bundle: &Bundle, view: &mut PlaceView) {
        view.gates = lane.gates.clone();
        let Some(wish) = &lane.wish else { return };
        view.open = self.open_gates(environment, lane.place, lane.state, wish);
        if !is_part {
            view.gates.retain(|closed| !closed.gate.is_of_proposal());
            view.open.retain(|open| !open.is_of_proposal());
            if view.gates.is_empty() {
                let number = bundle.pull_request.as_ref().map(|pull_request| pull_request.number);
                view.gates.push(self.since(environment, lane.place, lane.state, None, Gate::Bundle { number }));
            }
        }
        view.seen = self.seen(environment, lane.place, lane.state, &view.gates);
    }
}

impl Lane<'_> {
    /// Returns what the lane wants when nothing of its own keeps it.
    fn ready(&self) -> Option<&Wish> {
        self.wish.as_ref().filter(|_| self.gates.iter().all(|closed| closed.gate.is_of_proposal()))
    }

    fn proposal(&self) -> Option<&Proposal> {
        self.state.proposal.as_ref()
    }

    /// Says whether exactly this is proposed for the lane, by us and so that a merge gives it.
    fn is_proposed(&self, wish: &Wish) -> bool {
        self.proposal().is_some_and(|p| p.composed && p.fits && p.dry == wish.dry && p.content == wish.content)
    }
}

#[cfg(test)]
mod tests;
