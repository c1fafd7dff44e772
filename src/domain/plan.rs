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
mod going_back;
mod mending;
mod most_open;
mod overdue;
mod showing;
mod view;
mod windows;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

pub use self::{
    action::Action,
    view::{Notice, PlaceView, RunningView, Unasked},
};
use super::{
    block::BlockCause,
    broken::{self, Broken},
    candidate::{self, Wish},
    decision::{self, Decision},
    evidence,
    gate::{ClosedGate, Gate, GateId, Verdict},
    hydration::Hydration,
    ids::{DrySha, EnvironmentName, Place, ProposedSha, StrategyName},
    ledger::{Blocked, Ledger, Taken},
    rollback,
    snapshot::{Active, ActiveBranch, PlaceState, PostedStatus, Proposal, Record, Refusal, Run, Snapshot},
    status::StatusState,
    strategy::{Environment, MergeMode, Newer, PromotionStrategy},
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

/// Our own status when nothing stands in the way.
const READY: &str = "Ready to be promoted";

/// What did not go smoothly when one dry SHA was hydrated, in an order that every strategy of the repository sees.
type Troubles<'a> = BTreeMap<(&'a StrategyName, &'a EnvironmentName), &'a Hydration>;

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

    fn view(&self, environment: &Environment, place: &Place, state: &PlaceState, taken: Option<&Taken>) -> PlaceView {
        let branch = state.branch();
        let runs = branch.map(|branch| branch.runs.as_slice()).unwrap_or_default();
        PlaceView {
            place: place.clone(),
            branch: environment.branch.clone(),
            active: branch.map(|branch| branch.head.clone()),
            tree: branch.map(|branch| branch.tree.clone()),
            running: runs.first().zip(self.ledger.running_verdict(environment, state)).map(|(run, verdict)| {
                let (dry, since, roots) = (run.dry.clone(), run.since(), run.content.len());
                RunningView { dry, since, verdict, roots, adopted: run.adopted.clone() }
            }),
            taken: taken.map(|taken| taken.dry.clone()),
            taken_as_no_op: taken.is_some_and(|taken| taken.no_op),
            wanted: None,
            proposed: state.proposal.as_ref().map(|proposal| proposal.sha.clone()),
            pull_request: state.pull_request.as_ref().map(|pull_request| pull_request.number),
            drift: branch.and_then(|branch| branch.drift.clone()),
            restore: state.restoring.as_ref().map(|restoring| restoring.restore.clone()),
            foreign: state.foreign.clone(),
            brought_by: runs.first().and_then(Run::brought_by).cloned(),
            restoring: runs
                .iter()
                .filter(|run| run.restored.as_ref().is_some_and(|restored| !restored.released))
                .filter_map(|run| run.brought_by().cloned())
                .collect(),
            hold: state.hold.clone(),
            rollback: state.rollback.clone(),
            choices: rollback::choices(&self.ledger, environment, place, state),
            gates: Vec::new(),
            open: Vec::new(),
            seen: BTreeMap::new(),
            unasked: Self::unasked(environment, state),
            changes_at: None,
            notices: self.notices(environment, place, state, taken),
        }
    }

    fn notices(
        &self,
        environment: &Environment,
        place: &Place,
        state: &PlaceState,
        taken: Option<&Taken>,
    ) -> Vec<Notice> {
        let position = taken.map(|taken| self.snapshot.line.position(&taken.dry)).unwrap_or_default();
        let mut notices: Vec<Notice> = taken.and_then(|taken| kept(state, &taken.dry)).into_iter().collect();
        notices.extend(state.running().and_then(|run| self.rejected(state, &run.dry)));
        notices.extend(state.running().and_then(partly_back));
        notices.extend(self.adopted(state));
        notices.extend(self.rolled_back_before(environment, place, state));
        notices.extend(windows::overridden(environment, state, self.snapshot.now));
        for dry in self.snapshot.line.newer_than(position) {
            let dry_sha = dry.clone();
            let blocked = self.ledger.blocked(environment, place, dry);
            match blocked.filter(|blocked| self.ledger.is_kept_out(place, dry, blocked)) {
                Some(Blocked { cause: BlockCause::ClosedPullRequest(number), .. }) => {
                    notices.push(Notice::Rejected { dry: dry_sha, number });
                }
                Some(Blocked { cause: BlockCause::Rollback, environment, .. }) => {
                    notices.push(Notice::Blocked { dry: dry_sha, environment });
                }
                Some(Blocked { cause: BlockCause::RejectedCommit, .. }) => notices.extend(self.rejected(state, dry)),
                None => {}
            }
            match state.hydrations.get(dry) {
                Some(Hydration::Failed(failure)) => notices.push(Notice::HydrationFailed {
                    dry: dry.clone(),
                    message: failure.to_string(),
                    retry_at: failure.retry_at,
                }),
                Some(Hydration::Done { .. }) => notices.extend(kept(state, dry)),
                None => {}
            }
        }
        notices.extend(self.guarded(environment, place, state));
        notices
    }

    /// Returns what people should know of a dry commit that somebody rejected.
    fn rejected(&self, state: &PlaceState, dry: &DrySha) -> Option<Notice> {
        let rejection = self.ledger.rejection(state, dry)?.clone();
        Some(Notice::RejectedCommit { dry: dry.clone(), by: rejection.by, reason: rejection.reason })
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

    /// Asks for what must be hydrated before anything can be chosen; says whether there is any.
    fn hydrate_first(&self, environment: &Environment, place: &Place, plan: &mut Plan) -> bool {
        if self.snapshot.mistake.is_some() {
            return false;
        }
        let missing = candidate::to_hydrate(&self.ledger, environment, place, self.snapshot);
        let any = !missing.is_empty();
        for (Place { environment, .. }, dry) in missing {
            let hydrate = Action::Hydrate { environment, dry };
            if !plan.actions.contains(&hydrate) {
                plan.actions.push(hydrate);
            }
        }
        any
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

    /// Returns the closed gates of a promotion in the order in which they are asked.
    fn closed_gates(
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
        let promoted = |p: &&super::snapshot::PromoteRequest| proposal.is_some_and(|q| q.sha == p.proposed);
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
    fn held(&self, state: &PlaceState) -> Option<Gate> {
        let hold = state.hold.as_ref().filter(|hold| hold.stops_everything(self.snapshot.now))?;
        Some(Gate::Hold { hold: Box::new(hold.clone()) })
    }

    /// Returns the forge's refusal to merge `head`, until it is asked again.
    fn refusal<'s>(&self, state: &'s PlaceState, head: &ProposedSha) -> Option<&'s Refusal> {
        state.refusal.as_ref().filter(|refusal| refusal.proposed == *head && refusal.retry_at > self.snapshot.now)
    }

    /// While what runs is neither verified nor failed, nothing is merged, until the deadline.
    fn settling(&self, environment: &Environment, branch: &ActiveBranch) -> Option<Gate> {
        let settled = decision::settled(&self.ledger, environment, branch, self.snapshot.now);
        settled.err().filter(|_| !broken::is(Broken::Settling)).map(|waits| Gate::Settling { waits })
    }

    fn since(
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

    /// Takes the next step of a promotion: propose, open, describe, report, merge.
    fn promote(
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
    fn post_own_status(
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

    /// Reports on each dry SHA that was hydrated whether that worked everywhere it was tried.
    fn report_hydrations(&self, plan: &mut Plan) {
        let hydrated = self.snapshot.places.values().flat_map(|state| state.hydrations.keys());
        let on_line: BTreeSet<&DrySha> = hydrated.filter(|dry| self.snapshot.line.contains(dry)).collect();
        for dry in on_line {
            let troubles = self.snapshot.troubles.get(dry).into_iter().flatten();
            let troubles = troubles.map(|(strategy, environment, hydration)| ((strategy, environment), hydration));
            let status = hydrate_status(&troubles.collect());
            if self.snapshot.hydrate_reports.get(dry) != Some(&status) {
                plan.actions.push(Action::ReportHydration { dry: dry.clone(), status });
            }
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

/// Returns the notice about roots that keep their last good rendering in a dry SHA.
fn kept(state: &PlaceState, dry: &DrySha) -> Option<Notice> {
    let Hydration::Done { kept, .. } = state.hydrations.get(dry)? else { return None };
    let (root, reason) = kept.iter().next()?;
    Some(Notice::Kept { dry: dry.clone(), roots: kept.len(), message: format!("`{root}`: {reason}") })
}

/// How long the forge may take to show a push in its pull request before it is asked again.
const FORGE_LAG: jiff::SignedDuration = jiff::SignedDuration::from_secs(2);

/// Returns what is reported on a dry SHA: the first failure, else success.
fn hydrate_status(troubles: &Troubles<'_>) -> PostedStatus {
    let failure = troubles.iter().find_map(|((_, environment), hydration)| match hydration {
        Hydration::Failed(failure) => Some((environment, failure)),
        Hydration::Done { .. } => None,
    });
    let kept = troubles.iter().find_map(|((_, environment), hydration)| match hydration {
        Hydration::Done { kept, .. } => kept.iter().next().map(|(root, reason)| (environment, root, reason)),
        Hydration::Failed(_) => None,
    });
    match (failure, kept) {
        (Some((environment, failure)), _) => {
            let state = if failure.retry_at.is_some() { StatusState::Error } else { StatusState::Failure };
            PostedStatus::new(state, &format!("{environment}: {failure}"))
        }
        (None, Some((environment, root, reason))) => PostedStatus::new(
            StatusState::Success,
            &format!("Hydrated; in {environment} `{root}` keeps its last good rendering: {reason}"),
        ),
        (None, None) => PostedStatus::new(StatusState::Success, "Hydrated"),
    }
}

/// Returns the text with a capital first letter.
fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

fn earlier(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    one.into_iter().chain(other).min()
}

/// Says that a rollback brought only some roots of what runs back.
fn partly_back(run: &Run) -> Option<Notice> {
    let restored = run.restored.as_ref()?;
    let (dry, rest, first) = (run.dry.clone(), restored.from.clone(), restored.roots.first()?.clone());
    Some(Notice::PartlyBack { dry, rest, count: restored.roots.len(), first })
}

#[cfg(test)]
mod tests;
