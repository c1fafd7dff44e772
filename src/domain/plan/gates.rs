//! The closed gates of a promotion.

use crate::domain::{
    broken::{self, Broken},
    candidate::Wish,
    decision, evidence,
    gate::{ClosedGate, Gate, GateId, Verdict},
    ids::{Place, ProposedSha},
    plan::{Planner, overdue, windows},
    snapshot::{ActiveBranch, PlaceState, PromoteRequest, Proposal, Refusal},
    strategy::{Environment, MergeMode},
};

impl Planner<'_> {
    /// Returns the closed gates of a promotion in the order in which they are asked.
    pub(super) fn closed_gates(
        &self,
        environment: &Environment,
        place: &Place,
        state: &PlaceState,
        branch: &ActiveBranch,
        wish: &Wish,
        most_open: Option<Gate>,
    ) -> Vec<ClosedGate> {
        let mut gates = Vec::new();
        gates.extend(self.snapshot.mistake.clone().map(|mistake| Gate::Strategy { mistake }));
        gates.extend(branch.drift.clone().map(Gate::from));
        gates.extend(state.foreign.clone().map(|work| Gate::ForeignWork { work: Box::new(work) }));
        gates.extend(state.rollback.as_ref().map(|r| Gate::Rollback { to: r.target.dry.clone(), by: r.by.clone() }));
        gates.extend(self.held(state).filter(|_| !broken::is(Broken::HoldGate)));
        gates.extend(state.rival.clone().map(|message| Gate::Obstacle { message }));
        gates.extend(
            state
                .obstacle
                .as_ref()
                .filter(|o| o.dry == wish.dry && o.active == branch.head)
                .map(|o| Gate::Obstacle { message: o.message.clone() }),
        );
        gates.extend(environment.depends_on.iter().filter_map(|before| {
            let waits = self.ledger.verdict(before, &place.lane, &wish.dry);
            (waits != Verdict::Verified && !broken::is(Broken::DependsOn))
                .then(|| Gate::DependsOn { environment: before.clone(), waits })
        }));
        gates.extend(self.settling(environment, branch));
        let proposal = state.proposal.as_ref().filter(|proposal| proposal.dry == wish.dry);
        gates.extend(windows::closed(environment, state, proposal, self.snapshot.now));
        gates.extend(most_open);
        let reports: Vec<_> = proposal.iter().flat_map(|_| &state.proposed_reports).collect();
        gates.extend(environment.proposed_statuses.iter().filter_map(|rule| {
            evidence::status_wait(rule, &reports, self.snapshot.now)
                .map(|waits| Gate::ProposedStatus { key: rule.key.clone(), waits })
        }));
        let reviewed = state.reviewed.as_ref().filter(|seen| proposal.is_some_and(|p| p.sha == seen.proposed));
        gates.extend(
            environment.approvals.iter().flat_map(|rule| rule.waits(reviewed)).map(|waits| Gate::Approvals { waits }),
        );
        let promoted = |p: &&PromoteRequest| proposal.is_some_and(|q| q.sha == p.proposed);
        if !environment.auto_merge && state.promote.as_ref().filter(promoted).is_none() {
            gates.push(Gate::Promote);
        }
        if environment.merge_mode == MergeMode::Link && state.pull_request.is_none() {
            gates.push(Gate::Unopened { head: environment.proposed_branch(&place.lane) });
        }
        let refused = proposal.and_then(|proposal| self.refusal(state, &proposal.sha));
        gates.extend(refused.map(|refusal| Gate::Forge { words: refusal.words.clone() }));
        gates.into_iter().map(|gate| self.since(environment, place, state, proposal, gate)).collect()
    }

    /// Returns the gate of a hold that stops everything.
    pub(super) fn held(&self, state: &PlaceState) -> Option<Gate> {
        let hold = state.hold.as_ref().filter(|hold| hold.stops_everything(self.snapshot.now))?;
        Some(Gate::Hold { hold: Box::new(hold.clone()) })
    }

    /// Returns the forge's refusal to merge `head`, until it is asked again.
    pub(super) fn refusal<'s>(&self, state: &'s PlaceState, head: &ProposedSha) -> Option<&'s Refusal> {
        state.refusal.as_ref().filter(|refusal| refusal.proposed == *head && refusal.retry_at > self.snapshot.now)
    }

    /// While what runs is neither verified nor failed, nothing is merged, until the deadline.
    fn settling(&self, environment: &Environment, branch: &ActiveBranch) -> Option<Gate> {
        let settled = decision::settled(&self.ledger, environment, branch, self.snapshot.now);
        settled.err().filter(|_| !broken::is(Broken::Settling)).map(|waits| Gate::Settling { waits })
    }

    pub(super) fn since(
        &self,
        environment: &Environment,
        place: &Place,
        state: &PlaceState,
        proposal: Option<&Proposal>,
        gate: Gate,
    ) -> ClosedGate {
        let key: (Place, GateId) = (place.clone(), gate.id());
        let since = self.snapshot.closed_since.get(&key).copied().unwrap_or(self.snapshot.now);
        let until = match &gate {
            Gate::Settling { .. } => {
                let deadline = state.running().map(|run| run.since() + environment.settle_deadline());
                gate.until().into_iter().chain(deadline).min()
            }
            Gate::Forge { .. } => state.refusal.as_ref().map(|refusal| refusal.retry_at),
            _ => gate.until(),
        };
        let deadline = overdue::deadline(environment, proposal, &gate);
        let is_overdue = deadline.is_some_and(|deadline| deadline <= self.snapshot.now);
        ClosedGate { gate, since, until, deadline, is_overdue }
    }
}
