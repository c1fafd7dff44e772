//! What must hold at each action and when nothing is left to do. Each check names the invariant of the
//! design that it asserts.

use proptest::prelude::*;

use crate::domain::{
    decision::{Decision, OpenGate},
    hold::Hold,
    ids::{ActiveSha, Place},
    plan::{Action, Plan, plan},
    rollback::Rollback,
    snapshot::{PlaceState, Record, Run, Snapshot},
    status::StatusState,
    strategy::Environment,
    world::{Performed, World},
};

/// A plan, and the world that it was made for, as the forge showed it.
pub(super) struct Decided {
    world: World,
    seen: Snapshot,
    pub(super) plan: Plan,
}

impl Decided {
    pub(super) fn now(world: &World) -> Self {
        let seen = world.snapshot();
        let plan = plan(&world.strategy, &seen);
        Self { world: world.as_shown(), seen, plan }
    }
}

/// Performs one action of a plan, be it that the world has moved on since, and checks what must hold
/// at that moment.
pub(super) fn perform(world: &mut World, decided: &Decided, action: &Action) -> Result<Performed, TestCaseError> {
    let mut before = world.clone();
    before.catch_up();
    let performed = world.perform_as_seen(&decided.seen, action);
    let came = |place: &Place| world.head(&place.environment) != before.head(&place.environment);
    match action {
        Action::Merge { place, .. } if came(place) => check_merge(&before, decided, world, action)?,
        Action::MergeRollback { place, expected_head, expected_active, .. } if came(place) => {
            check_rollback(&before, place)?;
            let restoration = before.environments[&place.environment].restoration.as_ref();
            prop_assert_eq!(restoration.map(|p| &p.sha), Some(expected_head), "7: another head of {}", place);
            check_append(&before, world, place, expected_active)?;
        }
        Action::StartRollback { place, .. } if performed == Performed::Done => {
            let failed = decided.world.has_failed(&place.environment);
            prop_assert!(failed, "9: {place} is rolled back and nothing failed");
        }
        Action::RecordVerified { place, brought_by, dry, .. } => {
            let proved = decided.world.is_proved_by(&place.environment, brought_by);
            // A branch that the forge shows late has moved on unseen: what was reported since cannot be told apart.
            let is_late = decided.world.head(&place.environment) != before.head(&place.environment);
            prop_assert!(
                proved || is_late,
                "2: {dry} is recorded as verified in {place} and was not proved by {brought_by}"
            );
            if !proved && performed == Performed::Done {
                world.believe(&place.environment, brought_by);
            }
        }
        Action::Revoke { place, brought_by, dry, .. } => {
            let failed = decided.world.ever_failed(&place.environment, brought_by);
            prop_assert!(failed, "9: {dry} is revoked in {place} and nothing failed on {brought_by}");
        }
        _ => {}
    }
    Ok(performed)
}

/// Checks a promotion that was merged. What the adapters cannot ask for again right before it, such as
/// reports, is judged as it was when it was decided; holds, blocks and heads as they are.
fn check_merge(before: &World, decided: &Decided, after: &World, action: &Action) -> Result<(), TestCaseError> {
    let Action::Merge { place, dry, decision, expected_head, expected_active, .. } = action else { return Ok(()) };
    let (name, seen) = (&place.environment, &decided.seen);
    let snapshot = before.snapshot();
    let state = &snapshot.places[place];
    let drifted = state.branch().is_some_and(|branch| branch.drift.is_some());
    prop_assert!(!drifted, "3: {place} is drifted and {dry} is merged");
    let running = state.running().map(|run| snapshot.line.position(&run.dry));
    let moved = snapshot.line != seen.line;
    prop_assert!(
        moved || snapshot.line.position(dry) > running.unwrap_or_default(),
        "13: {dry} is older than what runs in {place}"
    );
    let kept_out = before.keeps_out(name, dry).filter(|_| !moved);
    prop_assert!(kept_out.is_none(), "4: {dry} is merged into {place} and kept out by {kept_out:?}");
    let held = state.hold.as_ref().is_some_and(|hold| hold.stops_everything(seen.now));
    prop_assert!(!held && state.rollback.is_none(), "4: {dry} is merged into {place}, which is held");
    prop_assert!(!before.is_stopped(name), "4: {dry} is merged into {place}, which a person holds");
    prop_assert!(!before.is_rejected_everywhere(name, dry), "4: {dry} is rejected and is merged into {place}");
    prop_assert!(moved || !before.is_rejected(name, dry), "4: {dry} was refused in {place} and is merged there");
    prop_assert!(seen.line.contains(dry), "14: {dry} is not on the line and is merged into {place}");
    let environment = before.strategy.environment(name).expect("an environment");
    for upstream in &environment.depends_on {
        let proved = decided.world.has_proved(upstream, dry);
        prop_assert!(proved, "1: {dry} is merged into {place} and {upstream} has not proved it");
    }
    check_decision(&decided.world, environment, decision)?;
    let proposal = before.environments[name].proposal.as_ref();
    prop_assert_eq!(proposal.map(|p| &p.sha), Some(expected_head), "7: another head of {}", place);
    let content = seen.places[place].proposal.as_ref().map(|p| p.content.clone());
    prop_assert_eq!(after.head(name).map(|c| c.content.clone()), content, "3: another tree");
    check_append(before, after, place, expected_active)
}

/// 5, 7: A merge adds one commit to the head that it was decided on, and every earlier one stays.
fn check_append(before: &World, after: &World, place: &Place, expected: &ActiveSha) -> Result<(), TestCaseError> {
    let commits = |world: &World| world.environments[&place.environment].commits.clone().unwrap_or_default();
    let (old, new) = (commits(before), commits(after));
    prop_assert_eq!(old.last().map(|commit| &commit.sha), Some(expected), "7: {} had moved", place);
    prop_assert_eq!(new.split_last().map(|(_, rest)| rest), Some(old.as_slice()), "5: {} was rewritten", place);
    Ok(())
}

/// 1: A merge tells of each environment before, in their order, and names no commit without content of theirs.
fn check_decision(world: &World, environment: &Environment, decision: &Decision) -> Result<(), TestCaseError> {
    let mut told = Vec::new();
    for gate in &decision.gates {
        let OpenGate::DependsOn { environment: before, active_sha, .. } = gate else { continue };
        let commits = world.environments[before].commits.iter().flatten();
        let is_there = |sha: &ActiveSha| commits.clone().any(|commit| commit.sha == *sha);
        prop_assert!(active_sha.as_ref().is_none_or(is_there), "1: {decision:?} names a commit of another branch");
        told.push(before.clone());
    }
    prop_assert_eq!(&told, &environment.depends_on, "1: {:?} tells of other environments", decision);
    Ok(())
}

/// 3, 6, 7: What is put on the forge before a rollback is merged.
fn check_rollback(world: &World, place: &Place) -> Result<(), TestCaseError> {
    let snapshot = world.snapshot();
    let state = &snapshot.places[place];
    prop_assert!(state.branch().is_some_and(|b| b.drift.is_none()), "3: {place} is drifted and rolled back");
    let hold = state.hold.as_ref().map(Hold::status);
    let posted = state.hold_status.as_ref().map(|(_, status)| status.clone());
    prop_assert!(hold.is_some() && hold == posted, "6: {place} is rolled back and its hold is not on the forge");
    let own = state.own_status.as_ref().filter(|_| state.pull_request.is_some());
    let ready = own.is_some_and(|(sha, status)| {
        status.state == StatusState::Success && state.proposal.as_ref().is_some_and(|proposal| proposal.sha == *sha)
    });
    prop_assert!(!ready, "6: {place} is rolled back and a promotion looks ready");
    Ok(())
}

/// 12: The database is lost, and what was acknowledged is not.
pub(super) fn lose_the_database(world: &mut World) -> Result<(), TestCaseError> {
    let before = world.clone();
    world.lose_the_database();
    for (name, was) in before.environments {
        let after = &world.environments[&name];
        let taken_back = |rollback: &Rollback| {
            was.cancelled.contains(&rollback.bad_commit) || was.closed_rollbacks.contains(&rollback.bad_commit)
        };
        if was.rollback.as_ref().is_some_and(taken_back) {
            // Its hold goes with it, and that of a person stays.
            let stops = after.hold.as_ref().is_some_and(|hold| hold.stops_everything(world.now));
            prop_assert!(stops || !world.is_stopped(&name), "12: the hold of a person of {name}");
            continue;
        }
        let second = |at: jiff::Timestamp| (at.as_millisecond() + 999) / 1000;
        let hold = |hold: &Option<Hold>| {
            hold.as_ref().map(|h| (h.rule, h.through.clone(), h.target.clone(), h.expires_at.map(second)))
        };
        prop_assert_eq!(hold(&was.hold), hold(&after.hold), "12: the hold of {}", name);
        let snapshot = world.snapshot();
        let state = &snapshot.places[&World::place(&name)];
        let drifted = state.branch().is_some_and(|b| b.drift.is_some());
        let is_done = |rollback: &Rollback| state.branch().is_some_and(|branch| rollback.brought(&branch.runs));
        let under_way = was.rollback.clone().filter(|rollback| !is_done(rollback));
        let rollback = |rollback: &Option<Rollback>| rollback.as_ref().map(|r| (r.target.dry.clone(), r.bad.clone()));
        prop_assert!(
            drifted || rollback(&under_way) == rollback(&after.rollback),
            "12: the rollback of {name}: {:?} became {:?}",
            under_way,
            after.rollback
        );
    }
    Ok(())
}

/// 11: Plans and performs until there is nothing to do, and the forge shows everything.
pub(super) fn settle(world: &mut World) -> Result<Plan, TestCaseError> {
    for _ in 0..200 {
        let decided = Decided::now(world);
        if decided.plan.actions.is_empty() && !world.is_late() {
            check_rest(world, &decided.plan)?;
            return Ok(decided.plan);
        }
        for action in &decided.plan.actions {
            if perform(world, &decided, action)? == Performed::Moved {
                break;
            }
        }
        if decided.plan.actions.is_empty() {
            world.catch_up();
        }
    }
    Err(TestCaseError::fail(format!("11: does not come to rest: {:?}", world.plan().actions)))
}

/// Checks what must hold when nothing is left to do.
fn check_rest(world: &World, plan: &Plan) -> Result<(), TestCaseError> {
    let snapshot = world.snapshot();
    for view in &plan.places {
        let place = &view.place;
        let state = &snapshot.places[place];
        let environment = world.strategy.environment(&place.environment).expect("an environment");
        let stops = state.hold.as_ref().is_some_and(|hold| hold.stops_everything(world.now));
        prop_assert!(stops || !world.is_stopped(&place.environment), "12: {place} forgot that a person holds it");
        if view.wanted.is_some() {
            prop_assert!(!view.gates.is_empty(), "10: {place} wants something and names no closed gate");
        }
        let ready = state.own_status.as_ref().is_some_and(|(sha, status)| {
            state.proposal.as_ref().is_some_and(|p| p.sha == *sha) && status.state == StatusState::Success
        });
        if ready && state.pull_request.is_some() && view.wanted.is_some() {
            prop_assert!(
                view.gates.iter().all(|gate| !gate.gate.holds_own_status()),
                "10: own status of {place} is success and a gate is closed: {:?}",
                view.gates
            );
        }
        for until in view.gates.iter().filter_map(|gate| gate.until).filter(|until| *until > world.now) {
            let wakes = plan.wake_at.is_some_and(|at| at <= until);
            prop_assert!(wakes, "10: {place} waits until {until}, and nothing wakes us then");
        }
        if let Some(dry) = view.taken.as_ref().filter(|_| view.taken_as_no_op) {
            for before in &environment.depends_on {
                prop_assert!(world.has_proved(before, dry), "1: {place} took {dry} and {before} has not proved it");
            }
        }
        let drifted = state.branch().is_some_and(|branch| branch.drift.is_some());
        for run in state.branch().into_iter().flat_map(|b| &b.runs).filter(|r| !r.content.is_empty()) {
            let recorded = matches!(run.record, Some(Record::Verified { .. }));
            if recorded {
                prop_assert!(
                    world.has_proved(&place.environment, &run.dry)
                        || world.keeps_out(&place.environment, &run.dry).is_some()
                        || world.is_rejected_everywhere(&place.environment, &run.dry)
                        || !is_newest_with_its_content(state, run),
                    "2, 9: {} is recorded as verified in {place} and was not proved",
                    run.dry
                );
            }
        }
        // What was restored must earn its own record.
        if let Some(run) = state.running().filter(|run| !drifted && !run.content.is_empty() && run.restored.is_none())
            && world.has_plainly_proved(&place.environment, &run.dry)
            && world.is_healthy(&place.environment)
        {
            prop_assert!(
                matches!(run.record, Some(Record::Verified { .. })),
                "9: {} was proved in {place} and is not recorded",
                run.dry
            );
        }
        let position = view.taken.as_ref().map(|dry| snapshot.line.position(dry)).unwrap_or_default();
        for dry in snapshot.line.newer_than(position) {
            // Under drift nothing new is recorded: it stops and asks a person.
            let drift = snapshot.places.values().filter_map(|state| state.branch()).any(|b| b.drift.is_some());
            let promotable =
                !drift && environment.depends_on.iter().all(|before| world.has_plainly_proved(before, dry));
            let explained =
                view.wanted.as_ref().is_some_and(|w| snapshot.line.position(w) >= snapshot.line.position(dry))
                    || view.notices.iter().any(|notice| format!("{notice}").contains(dry.short()))
                    || !view.gates.is_empty();
            prop_assert!(!promotable || explained, "15: {dry} is verified before {place} and unexplained there");
        }
    }
    Ok(())
}

fn is_newest_with_its_content(state: &PlaceState, run: &Run) -> bool {
    state.branch().and_then(|b| b.runs.iter().find(|other| other.content == run.content)) == Some(run)
}
