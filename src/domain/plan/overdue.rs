//! Deadlines: until when a gate may be closed, and whom it concerns after that.
//!
//! - What is bound to a proposal waits from the proposal on; a verdict on what runs, from the promotion on.
//! - A proposal that is made anew, and other content, wait from their own beginning.

use jiff::{SignedDuration, Timestamp};

use super::{Action, Notice, PlaceView, Plan};
use crate::domain::{
    bundle::Step,
    gate::{Gate, StatusWait, Verdict},
    ids::Place,
    overdue::{Overdue, Wait, Waiting},
    snapshot::{PlaceState, Proposal},
    strategy::Environment,
};

/// How long checks and people may take for a proposal where nothing else is said.
const PROPOSAL_DEADLINE: SignedDuration = SignedDuration::from_hours(24);

/// The name under which the wait for a verdict on what runs is remembered.
const VERDICT: &str = "verdict";

/// Returns until when a gate may keep a proposal waiting before people are told.
pub(super) fn deadline(environment: &Environment, proposal: Option<&Proposal>, gate: &Gate) -> Option<Timestamp> {
    let own = match gate {
        Gate::ProposedStatus { key, .. } => {
            let rule = environment.proposed_statuses.iter().find(|rule| rule.key == *key);
            Some(rule.and_then(|rule| rule.deadline))
        }
        Gate::Approvals { .. } => Some(environment.approvals.as_ref().and_then(|rule| rule.deadline)),
        // It opens by itself then; what is told is that the verdict is missing.
        Gate::Settling { .. } => return None,
        _ => None,
    };
    let waits = match own {
        Some(own) => Some(own.or(environment.deadline).unwrap_or(PROPOSAL_DEADLINE)),
        None => environment.deadline,
    };
    Some(proposal?.since + waits?)
}

/// Returns until when what runs must have its verdict, as long as it has none.
pub(super) fn verdict_deadline(environment: &Environment, state: &PlaceState, view: &PlaceView) -> Option<Timestamp> {
    let is_open = match &view.running.as_ref()?.verdict {
        Verdict::Status { waits, .. } => *waits != StatusWait::Failed,
        Verdict::Soak { .. } => true,
        _ => false,
    };
    state.running().filter(|_| is_open).map(|run| run.since() + environment.settle_deadline())
}

/// Says that the verdict on what runs is overdue, if it is.
pub(super) fn overdue_verdict(
    environment: &Environment,
    state: &PlaceState,
    view: &PlaceView,
    now: Timestamp,
) -> Option<Notice> {
    let since = verdict_deadline(environment, state, view).filter(|deadline| *deadline <= now)?;
    Some(Notice::Overdue { waits: view.running.as_ref()?.verdict.clone(), since })
}

/// Asks to tell people of what is overdue and they were not told of.
pub(super) fn tell(environment: &Environment, place: &Place, state: &PlaceState, view: &PlaceView, plan: &mut Plan) {
    let untold = |overdue: &Overdue| !state.told.contains(&overdue.wait);
    let proposal = state.proposal.as_ref().zip(state.pull_request.as_ref());
    if let Some((proposal, pull_request)) = proposal.filter(|(p, pr)| pr.head == p.sha && !is_made_anew(place, plan)) {
        let waiting = Waiting::Proposal { proposed: proposal.sha.clone(), number: pull_request.number };
        let closed = view.gates.iter().filter(|closed| closed.is_overdue);
        let overdue: Vec<_> = closed
            .map(|closed| Overdue { wait: Wait::new(&name(&closed.gate), &waiting), words: closed.to_string() })
            .collect();
        if overdue.iter().any(untold) {
            let approvals = environment.approvals.iter().filter(|_| overdue_approvals(view));
            let people = environment.notify.iter().chain(approvals.flat_map(|rule| &rule.teams)).cloned().collect();
            plan.actions.push(Action::TellOverdue { place: place.clone(), waiting, overdue, people });
        }
    }
    let notice = view.notices.iter().find(|notice| matches!(notice, Notice::Overdue { .. }));
    if let Some((notice, brought_by)) = notice.zip(view.brought_by.clone()) {
        let waiting = Waiting::Run { brought_by };
        let overdue = vec![Overdue { wait: Wait::new(VERDICT, &waiting), words: notice.to_string() }];
        if overdue.iter().any(untold) {
            let people = environment.notify.clone();
            plan.actions.push(Action::TellOverdue { place: place.clone(), waiting, overdue, people });
        }
    }
}

/// Says whether the head that waits is about to be replaced.
fn is_made_anew(place: &Place, plan: &Plan) -> bool {
    let replaces = |action: &Action| match action {
        Action::Propose { place: at, .. } | Action::ClosePullRequest { place: at, .. } => at == place,
        Action::Bundle { environment, step: Step::Propose { .. } } => *environment == place.environment,
        _ => false,
    };
    plan.actions.iter().any(replaces)
}

fn overdue_approvals(view: &PlaceView) -> bool {
    view.gates.iter().any(|closed| closed.is_overdue && matches!(closed.gate, Gate::Approvals { .. }))
}

/// Returns the name under which the wait for a gate is remembered: approvals are one wait, whatever of them is missing.
fn name(gate: &Gate) -> String {
    match gate {
        Gate::Approvals { .. } => "approvals".to_owned(),
        gate => gate.id().0,
    }
}

#[cfg(test)]
mod tests;
