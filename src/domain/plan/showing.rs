//! What a place shows beside its closed gates: those that are open with their evidence, what was reported for
//! those that are closed, and when time alone changes something.

use std::collections::BTreeMap;

use crate::domain::{
    candidate::Wish,
    decision::{self, OpenGate, SeenStatus},
    evidence,
    gate::{ClosedGate, Gate, GateId, Verdict},
    ids::{Place, StatusKey},
    plan::Planner,
    snapshot::{PlaceState, Run},
    status::CommitStatus,
    strategy::Environment,
};

impl Planner<'_> {
    /// Returns the gates of a wish that are open, in the order in which they are asked.
    pub(super) fn open_gates(
        &self,
        environment: &Environment,
        place: &Place,
        state: &PlaceState,
        wish: &Wish,
    ) -> Vec<OpenGate> {
        let proposal = state.proposal.as_ref().filter(|proposal| proposal.dry == wish.dry);
        decision::open_gates(&self.ledger, environment, place, &wish.dry, proposal, self.snapshot.now)
    }

    /// Returns, for each gate that waits for a commit status, the newest report of it.
    pub(super) fn seen(
        &self,
        environment: &Environment,
        place: &Place,
        state: &PlaceState,
        gates: &[ClosedGate],
    ) -> BTreeMap<GateId, SeenStatus> {
        let of_run = |run: Option<&Run>, key: &StatusKey| {
            let newest = run?.reports.iter().filter(|report| report.status.key == *key);
            let newest = newest.max_by_key(|report| (report.status.reported_at, report.status.id))?;
            Some(SeenStatus::of(&newest.status, newest.commit.as_str()))
        };
        let seen = |gate: &Gate| match gate {
            Gate::DependsOn { environment, waits: Verdict::Status { key, .. } } => {
                let at = Place { environment: environment.clone(), lane: place.lane.clone() };
                of_run(self.ledger.place(&at).and_then(PlaceState::running), key)
            }
            Gate::Settling { waits: Verdict::Status { key, .. } } => of_run(state.running(), key),
            Gate::ProposedStatus { key, .. } => {
                let rule = environment.proposed_statuses.iter().find(|rule| rule.key == *key)?;
                let reports: Vec<&CommitStatus> = state.proposed_reports.iter().collect();
                let newest =
                    evidence::by_source(rule, &reports).into_iter().filter_map(|of_source| of_source.first().copied());
                let newest = newest.max_by_key(|report| (report.reported_at, report.id))?;
                Some(SeenStatus::of(newest, state.proposal.as_ref()?.sha.as_str()))
            }
            _ => None,
        };
        gates.iter().filter_map(|closed| Some((closed.gate.id(), seen(&closed.gate)?))).collect()
    }
}
