//! What a place shows beside its closed gates: those that are open with their evidence, what was reported for
//! those that are closed, and when time alone changes something.

use std::collections::BTreeMap;

use crate::domain::{
    candidate::Wish,
    decision::{self, OpenGate, SeenStatus},
    evidence,
    gate::{ClosedGate, Gate, GateId, Verdict},
    ids::{Place, StatusKey},
    plan::{Planner, Unasked},
    snapshot::{PlaceState, Run},
    status::CommitStatus,
    strategy::{
        Environment, StatusRule,
        key_pattern::{KeyPattern, OWN_PREFIX},
    },
};

/// As many keys that nobody waits for are shown: those of a busy build system help nobody.
const MOST_UNASKED: usize = 20;

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

    /// Returns the newest report of each key on what runs that nobody waits for: often the one that was meant.
    pub(super) fn unasked(environment: &Environment, state: &PlaceState) -> Vec<Unasked> {
        let Some(run) = state.running() else { return Vec::new() };
        let rules = &environment.active_statuses;
        let is_asked = |status: &CommitStatus| rules.iter().any(|rule| rule.counts(status, &run.roots));
        let mut newest: BTreeMap<&StatusKey, &CommitStatus> = BTreeMap::new();
        let reports = run.reports.iter().map(|report| &report.status);
        for status in reports.filter(|status| !status.key.as_str().starts_with(OWN_PREFIX) && !is_asked(status)) {
            let known = newest.entry(&status.key).or_insert(status);
            if (status.reported_at, status.id) > (known.reported_at, known.id) {
                *known = status;
            }
        }
        let wanted = |status: &CommitStatus| {
            let by = |rule: &&StatusRule| {
                rule.counts(&CommitStatus { reporter: rule.from.clone(), ..status.clone() }, &run.roots)
            };
            rules.iter().find(by).and_then(|rule| rule.from.clone())
        };
        let unasked = |status: &CommitStatus| Unasked {
            key: status.key.clone(),
            state: status.state,
            by: status.reporter.clone(),
            wanted: wanted(status),
        };
        newest.into_values().take(MOST_UNASKED).map(unasked).collect()
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
            let meant = KeyPattern::parse(key.as_str()).unwrap_or_else(|_| KeyPattern::exactly(key));
            let newest = run?.reports.iter().filter(|report| meant.matches(&report.status.key));
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
