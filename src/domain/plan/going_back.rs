//! Holds and rollbacks: what is put on the forge, in which order, and when they end.

use super::{Notice, Plan, Planner, action::Action, earlier, through::Through};
use crate::domain::{
    block::BlockCause,
    broken::{self, Broken},
    decision::Decision,
    gate::{ClosedGate, Gate},
    hold::{Hold, HoldRule},
    ids::Place,
    ledger::Taken,
    rollback::{self, Reaction, Rollback},
    snapshot::{ActiveBranch, Obstacle, PlaceState},
    status::StatusState,
    strategy::Environment,
};

impl Planner<'_> {
    /// Keeps what the forge says of a hold true, and ends a hold that nothing is left to wait for.
    pub(super) fn keep_hold(
        &self,
        place: &Place,
        state: &PlaceState,
        branch: &ActiveBranch,
        taken: Option<&Taken>,
        plan: &mut Plan,
    ) {
        let active = branch.head.clone();
        let Some(hold) = &state.hold else {
            // Whoever stopped half-way left the mark of a hold that is over.
            let left = state
                .hold_status
                .as_ref()
                .filter(|(sha, status)| *sha == active && status.state == StatusState::Pending);
            if left.is_some() {
                let status = Hold::ended("it is over");
                plan.actions.push(Action::PostHold { place: place.clone(), active, status });
            }
            return;
        };
        if state.rollback.is_none()
            && let Some(reason) = self.end_of(hold, taken)
        {
            let hold = Box::new(hold.clone());
            plan.actions.push(Action::EndHold { place: place.clone(), active, hold, reason });
            return;
        }
        // A rollback that a person took back goes with its hold: that is not put on the forge again.
        if state.rollback.as_ref().is_some_and(|rollback| state.cancelled.contains(&rollback.bad_commit)) {
            return;
        }
        let mark = (active, hold.status());
        if state.hold_status.as_ref() != Some(&mark) {
            let (active, status) = mark;
            plan.actions.push(Action::PostHold { place: place.clone(), active, status });
        }
        let expiry = hold.expires_at.filter(|expiry| *expiry > self.snapshot.now);
        plan.wake_at = earlier(plan.wake_at, expiry);
    }

    /// Returns why a hold ends by itself: something newer than what it was made for was taken.
    fn end_of(&self, hold: &Hold, taken: Option<&Taken>) -> Option<String> {
        if hold.rule_at(self.snapshot.now) == HoldRule::Strict && !broken::is(Broken::StrictStays) {
            return None;
        }
        let Some(through) = hold.through.as_ref().filter(|_| hold.target.is_some()) else {
            return Some("it expired".to_owned());
        };
        let line = &self.snapshot.line;
        let newer = taken.filter(|taken| line.position(&taken.dry) > line.position(through))?;
        Some(format!("{} was taken", newer.dry.short()))
    }

    /// Returns why a failure of what runs is not answered with a rollback, where it would be.
    pub(super) fn guarded(&self, environment: &Environment, place: &Place, state: &PlaceState) -> Option<Notice> {
        if !environment.automatic_rollback || state.rollback.is_some() {
            return None;
        }
        match rollback::react(&self.ledger, environment, place, state, self.snapshot.now)? {
            Reaction::Guarded(guard) => Some(Notice::Guarded { guard }),
            Reaction::Start(_) => None,
        }
    }

    /// Returns which environment before rolled back what runs here.
    pub(super) fn rolled_back_before(
        &self,
        environment: &Environment,
        place: &Place,
        state: &PlaceState,
    ) -> Option<Notice> {
        let dry = &state.running()?.dry;
        let blocked = self.ledger.blocked(environment, place, dry)?;
        let before = blocked.cause == BlockCause::Rollback && blocked.environment != place.environment;
        (before && blocked.known).then(|| Notice::RunsBlocked { dry: dry.clone(), environment: blocked.environment })
    }

    /// Takes the next step of a rollback, or starts one.
    pub(super) fn go_back(&self, environment: &Environment, place: &Place, plan: &mut Plan) {
        let Some(state) = self.snapshot.places.get(place) else { return };
        let Some(branch) = state.branch() else { return };
        match &state.rollback {
            Some(rollback) => self.step_back(environment, place, state, branch, rollback, plan),
            None if environment.automatic_rollback => self.start_back(environment, place, state, branch, plan),
            None => {}
        }
    }

    fn start_back(
        &self,
        environment: &Environment,
        place: &Place,
        state: &PlaceState,
        branch: &ActiveBranch,
        plan: &mut Plan,
    ) {
        match rollback::react(&self.ledger, environment, place, state, self.snapshot.now) {
            Some(Reaction::Start(start)) => {
                let (place, active) = (place.clone(), branch.head.clone());
                plan.actions.push(Action::StartRollback { place, active, start });
            }
            Some(Reaction::Guarded(guard)) => plan.wake_at = earlier(plan.wake_at, guard.until()),
            None => {}
        }
    }

    fn step_back(
        &self,
        environment: &Environment,
        place: &Place,
        state: &PlaceState,
        branch: &ActiveBranch,
        rollback: &Rollback,
        plan: &mut Plan,
    ) {
        let (at, active) = (place.clone(), branch.head.clone());
        let rollback_box = Box::new(rollback.clone());
        if let Some(run) = branch.runs.first().filter(|_| rollback.brought(&branch.runs)) {
            let active = run.brought_by().cloned().unwrap_or(active);
            plan.actions.push(Action::FinishRollback { place: at, active, rollback: rollback_box });
            return;
        }
        if let Some(reason) = self.overtaken(state, branch, rollback) {
            plan.actions.push(Action::CancelRollback {
                place: at,
                active,
                rollback: rollback_box,
                pull_request: state.rollback_pull_request.as_ref().map(|pull_request| pull_request.number),
                reason,
            });
            return;
        }
        self.show_going_back(environment, place, state, rollback, plan);
        let in_the_way = state.obstacle.as_ref().is_some_and(|o| rollback_obstacle(o, branch, rollback));
        if branch.drift.is_some() || in_the_way {
            return;
        }
        let target = branch.runs.iter().find(|run| run.commits.iter().any(|c| c.sha == rollback.target.commit));
        let restoration = state.restoration.as_ref().filter(|restoration| {
            restoration.composed
                && restoration.fits
                && restoration.dry == rollback.target.dry
                && target.is_some_and(|run| {
                    rollback::restored(&state.running_content(), &run.content, &rollback.roots) == restoration.content
                })
        });
        let Some(restoration) = restoration else {
            plan.actions.push(Action::ProposeRollback {
                place: at,
                rollback: rollback_box,
                expected_active: active,
                expected_proposed: state.restoration.as_ref().map(|restoration| restoration.sha.clone()),
            });
            return;
        };
        let number = match self.through(environment, state, state.rollback_pull_request.as_ref(), &restoration.sha) {
            Through::Ready(number) => number,
            Through::Unopened => {
                let proposed = restoration.sha.clone();
                plan.actions.push(Action::OpenRollback { place: at, rollback: rollback_box, proposed });
                return;
            }
            Through::Later(at) => {
                plan.wake_at = earlier(plan.wake_at, Some(at));
                return;
            }
        };
        let (head, now) = (&restoration.sha, self.snapshot.now);
        let decision = Decision::of_rollback(&self.ledger, environment, place, rollback, head, now);
        plan.actions.push(Action::MergeRollback {
            decision: Box::new(decision),
            place: at,
            rollback: rollback_box,
            number,
            expected_head: restoration.sha.clone(),
            expected_active: active,
            tree: restoration.tree.clone(),
        });
    }

    fn overtaken(&self, state: &PlaceState, branch: &ActiveBranch, rollback: &Rollback) -> Option<String> {
        let running = branch.runs.first()?;
        if running.brought_by() != Some(&rollback.bad_commit) {
            return Some(format!("{} runs meanwhile", running.dry.short()));
        }
        state.cancelled.contains(&rollback.bad_commit).then(|| "a person took it back".to_owned())
    }

    /// Shows a rollback under way, whether anything newer is wanted or not.
    fn show_going_back(
        &self,
        environment: &Environment,
        place: &Place,
        state: &PlaceState,
        rollback: &Rollback,
        plan: &mut Plan,
    ) {
        let refused = state.restoration.as_ref().and_then(|restoration| self.refusal(state, &restoration.sha));
        let gate = Gate::Rollback { to: rollback.target.dry.clone(), by: rollback.by.clone() };
        let branch = state.branch();
        let obstacle = state.obstacle.as_ref().filter(|o| branch.is_some_and(|b| rollback_obstacle(o, b, rollback)));
        let gates: Vec<ClosedGate> = [gate]
            .into_iter()
            .chain(obstacle.map(|obstacle| Gate::Obstacle { message: obstacle.message.clone() }))
            .chain(refused.map(|refusal| Gate::Forge { words: refusal.words.clone() }))
            .map(|gate| self.since(environment, place, state, None, gate))
            .collect();
        let Some(view) = plan.places.iter_mut().find(|view| view.place == *place) else { return };
        // The rollback is asked before all that a promotion would wait for.
        view.gates.retain(|shown| !gates.iter().any(|gate| gate.gate.id() == shown.gate.id()));
        view.gates.splice(0..0, gates);
    }
}

/// Says whether something is in the way of what a rollback would bring back.
fn rollback_obstacle(obstacle: &Obstacle, branch: &ActiveBranch, rollback: &Rollback) -> bool {
    obstacle.active == branch.head && obstacle.dry == rollback.target.dry
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod traces;
