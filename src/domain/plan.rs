//! Decides what to do next for one promotion strategy.
//!
//! [`plan`] compares the strategy with a [`Snapshot`] and returns a [`Plan`]. It reads no clock and
//! performs no I/O, so each rule of the product is a function call away from its test.
//!
//! Guarantees:
//! - Every action carries the state it was decided on; applied to a world that has moved on it is
//!   refused, never an overwrite.
//! - A plan for a world in which its actions were done contains none of them again.
//! - A merge ends a plan: the next one is decided on the world that it made.
//! - A hold, and our own status going back, stand before the rollback that they belong to.
//! - A place that stands still has a closed gate, or nothing to wait for.

mod action;
mod bundle;
mod gates;
mod going_back;
mod hydrating;
mod mending;
mod most_open;
mod overdue;
mod promoting;
mod showing;
mod telling;
mod through;
mod view;
mod windows;

use jiff::Timestamp;

pub use self::{
    action::Action,
    view::{Notice, PlaceView, RunningView, Unasked},
};
use super::{
    candidate::{self, Wish},
    evidence,
    gate::{Gate, Verdict},
    ids::Place,
    ledger::{Ledger, Taken},
    snapshot::{Active, ActiveBranch, PlaceState, Proposal, Record, Snapshot},
    strategy::{Environment, Newer, PromotionStrategy},
};

/// What to do next, and why what stands still does.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// The actions, in order.
    pub actions: Vec<Action>,
    /// Every place, in the order of the strategy.
    pub places: Vec<PlaceView>,
    /// When time alone changes something.
    pub wake_at: Option<Timestamp>,
}

/// Returns the next steps for `strategy`, given what was observed.
pub fn plan(strategy: &PromotionStrategy, snapshot: &Snapshot) -> Plan {
    let planner = Planner { snapshot, ledger: Ledger::new(strategy, snapshot) };
    let mut plan = Plan::default();
    for environment in &strategy.environments {
        if environment.is_bundle() {
            planner.plan_bundle(environment, &mut plan);
            continue;
        }
        for (place, state) in snapshot.places_of(&environment.name) {
            planner.plan_place(environment, place, state, &mut plan);
        }
    }
    planner.report_hydrations(&mut plan);
    let promotions = take_merges(&mut plan);
    for environment in &strategy.environments {
        for (place, _) in snapshot.places_of(&environment.name) {
            planner.go_back(environment, place, &mut plan);
            planner.mend(environment, place, &mut plan);
        }
    }
    let rollbacks = take_merges(&mut plan);
    // What is held, and our own status, stand on the forge before anything is merged.
    if !plan.actions.iter().any(Action::changes_holds) {
        plan.actions.extend(rollbacks.into_iter().chain(promotions).next());
    }
    plan
}

/// Takes the merges out of a plan: one of them ends it, a rollback's first.
fn take_merges(plan: &mut Plan) -> Vec<Action> {
    let (merges, others) = std::mem::take(&mut plan.actions).into_iter().partition(Action::is_merge);
    plan.actions = others;
    merges
}

/// What a place wants next.
enum Wanted {
    /// It cannot be told: there is no branch, or something must be hydrated first.
    Unknown,
    /// This, or nothing.
    Known(Option<Wish>),
}

struct Planner<'a> {
    snapshot: &'a Snapshot,
    ledger: Ledger<'a>,
}

impl Planner<'_> {
    fn plan_place(&self, environment: &Environment, place: &Place, state: &PlaceState, plan: &mut Plan) {
        let (mut view, wanted) = self.want(environment, place, state, plan);
        if let (Some(branch), Wanted::Known(wish)) = (state.branch(), wanted) {
            match &wish {
                None => self.close_what_is_left(environment, place, state, plan),
                Some(wish) => {
                    let most_open = self.most_open(environment, place, state, plan);
                    view.gates = self.closed_gates(environment, place, state, branch, wish, most_open);
                    view.open = self.open_gates(environment, place, state, wish);
                    view.seen = self.seen(environment, place, state, &view.gates);
                    self.promote(environment, place, branch, wish, &view.gates, plan);
                }
            }
            overdue::tell(environment, place, state, &view, plan);
            view.changes_at = self.next_change(environment, state, &view);
            plan.wake_at = earlier(plan.wake_at, view.changes_at);
        }
        plan.places.push(view);
    }

    /// Keeps the branch, the records and the hold of a place, and says what it wants next.
    fn want(
        &self,
        environment: &Environment,
        place: &Place,
        state: &PlaceState,
        plan: &mut Plan,
    ) -> (PlaceView, Wanted) {
        let taken = self.ledger.taken(environment, place);
        let mut view = self.view(environment, place, state, taken.as_ref());
        match &state.active {
            Active::Missing => {
                let create =
                    Action::CreateBranch { environment: environment.name.clone(), branch: environment.branch.clone() };
                if self.snapshot.mistake.is_none() && !plan.actions.contains(&create) {
                    plan.actions.push(create);
                }
            }
            // Made anew it would run nothing, and everything would be promoted to it again.
            Active::Gone { last } => {
                let gone = Gate::BranchGone { branch: environment.branch.clone(), last: last.clone() };
                view.gates = vec![self.since(environment, place, state, None, gone)];
            }
            Active::Present(branch) => {
                self.keep_records(environment, place, branch, taken.as_ref(), plan);
                self.keep_hold(place, state, branch, taken.as_ref(), plan);
                view.notices.extend(overdue::overdue_verdict(environment, state, &view, self.snapshot.now));
                if !self.hydrate_first(environment, place, plan) {
                    let wish = candidate::choose(&self.ledger, environment, place, taken.as_ref(), self.snapshot);
                    view.wanted = wish.as_ref().map(|wish| wish.dry.clone());
                    if wish.is_none() {
                        let held = self.held(state).map(|gate| self.since(environment, place, state, None, gate));
                        view.gates.extend(held);
                    }
                    return (view, Wanted::Known(wish));
                }
            }
        }
        (view, Wanted::Unknown)
    }

    /// Writes records of what was verified since, and takes back those that failed later.
    fn keep_records(
        &self,
        environment: &Environment,
        place: &Place,
        branch: &ActiveBranch,
        taken: Option<&Taken>,
        plan: &mut Plan,
    ) {
        for (index, run) in branch.runs.iter().enumerate() {
            let (Some(brought_by), Some(newest)) = (run.brought_by(), run.commits.first()) else { continue };
            // Adopted content verifies nothing but a dry SHA that was taken as a no-op on it.
            let dry = match (&run.adopted, taken) {
                (None, _) => &run.dry,
                (Some(_), Some(Taken { dry, no_op: true })) if index == 0 => dry,
                (Some(_), _) => continue,
            };
            let (place, brought_by, active, dry) = (place.clone(), brought_by.clone(), newest.sha.clone(), dry.clone());
            match self.ledger.run_verdict(environment, &branch.runs, index) {
                Verdict::Unrecorded if branch.drift.is_none() || index > 0 => {
                    plan.actions.push(Action::RecordVerified { place, brought_by, active, dry });
                }
                Verdict::Revoked if matches!(run.record, Some(Record::Verified { .. })) => {
                    let failed = evidence::failure(environment, run);
                    let left = index.checked_sub(1).is_some_and(|newer| branch.runs[newer].restored.is_some());
                    let reason = match failed {
                        _ if left => "it was rolled back".into(),
                        Some(report) => format!("`{}` failed", report.status.key),
                        None => "the same content failed later".into(),
                    };
                    plan.actions.push(Action::Revoke { place, brought_by, active, dry, reason });
                }
                _ => {}
            }
        }
    }

    /// Closes a pull request whose difference has gone. Our closing is never a rejection.
    fn close_what_is_left(&self, environment: &Environment, place: &Place, state: &PlaceState, plan: &mut Plan) {
        let stopped = self.snapshot.mistake.is_some() || state.branch().is_some_and(|b| b.drift.is_some());
        if let Some(pull_request) = state.pull_request.as_ref().filter(|_| !stopped) {
            let proposed = state.proposal.as_ref().map(|proposal| &proposal.dry);
            let blocked = proposed.and_then(|dry| self.ledger.blocked(environment, place, dry));
            plan.actions.push(Action::ClosePullRequest {
                place: place.clone(),
                number: pull_request.number,
                head: pull_request.head.clone(),
                reason: blocked.map_or_else(|| "nothing is left to promote".to_owned(), |blocked| blocked.to_string()),
            });
        }
    }

    /// Returns when time alone will change something here.
    fn next_change(&self, environment: &Environment, state: &PlaceState, view: &PlaceView) -> Option<Timestamp> {
        let verdict = view.running.as_ref().and_then(|running| running.verdict.until());
        let gates = view.gates.iter().filter_map(|gate| gate.until);
        let deadline = view
            .gates
            .iter()
            .any(|gate| matches!(gate.gate, Gate::Settling { .. }))
            .then(|| state.running().map(|run| run.since() + environment.settle_deadline()))
            .flatten();
        let retries = view.notices.iter().filter_map(|notice| match notice {
            Notice::HydrationFailed { retry_at, .. } => *retry_at,
            _ => None,
        });
        // Then something newer may take the place of what is proposed.
        let promoted = |p: &Proposal| state.promote.as_ref().filter(|promote| promote.proposed == p.sha).map(|p| p.at);
        let goes_on = |p: &Proposal| {
            let may_stay = environment.newer == Newer::Finish || environment.approvals.is_some();
            let since = promoted(p).or(may_stay.then_some(p.since))?;
            Some(since.max(p.since) + environment.finish_deadline())
        };
        let finish = state.proposal.as_ref().and_then(goes_on);
        let closing = windows::next_closing(environment, view, self.snapshot.now);
        verdict
            .into_iter()
            .chain(closing)
            .chain(gates)
            .chain(deadline)
            .chain(view.gates.iter().filter_map(|gate| gate.deadline))
            .chain(overdue::verdict_deadline(environment, state, view))
            .chain(finish)
            .chain(retries)
            .filter(|t| *t > self.snapshot.now)
            .min()
    }
}

/// How long the forge may take to show a push in its pull request before it is asked again.
const FORGE_LAG: jiff::SignedDuration = jiff::SignedDuration::from_secs(2);

fn earlier(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    one.into_iter().chain(other).min()
}

#[cfg(test)]
mod tests;
