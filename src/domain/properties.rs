//! Random histories, and what must hold in all of them (the invariants of the design, by number).
//!
//! Every single action interleaves with every event, so a crash and a restart between any two
//! actions is part of each history: the planner keeps nothing in memory.

use proptest::prelude::*;

use super::{
    decision::{Decision, OpenGate},
    hold::Hold,
    ids::{ActiveSha, DrySha, EnvironmentName, Place},
    plan::{Action, Plan},
    rollback::Rollback,
    snapshot::Record,
    status::StatusState,
    strategy::Environment,
    world::{Performed, World, content, environment, strategy},
};

#[derive(Debug, Clone)]
enum Event {
    Push(Vec<Option<u32>>),
    DropDry(usize),
    Health(usize, StatusState),
    HealthOnOldHead(usize, StatusState),
    HealthOnProposal(usize, StatusState),
    Wait(i64),
    Foreign(usize, bool),
    Restore(usize),
    MergeByHand(usize),
    CloseByHand(usize),
    Promote(usize),
    Hold(usize, Option<i64>),
    Unhold(usize),
    RollBack(usize, Option<usize>),
    CloseRollback(usize),
    /// Reject a dry commit, by its distance from the newest.
    Reject(usize),
    TakeBack,
    LoseDatabase,
    /// Perform so many actions of the next plans, one plan each: a crash after each.
    Act(usize),
    Settle,
}

fn state() -> impl Strategy<Value = StatusState> {
    prop_oneof![
        4 => Just(StatusState::Success),
        2 => Just(StatusState::Failure),
        1 => Just(StatusState::Pending),
        1 => Just(StatusState::Error),
    ]
}

fn event(environments: usize) -> impl Strategy<Value = Event> {
    let version = prop_oneof![1 => Just(None), 12 => (0u32..4).prop_map(Some)];
    let which = 0..environments;
    prop_oneof![
        6 => prop::collection::vec(version, environments).prop_map(Event::Push),
        1 => (1usize..3).prop_map(Event::DropDry),
        8 => (which.clone(), state()).prop_map(|(e, s)| Event::Health(e, s)),
        1 => (which.clone(), state()).prop_map(|(e, s)| Event::HealthOnOldHead(e, s)),
        1 => (which.clone(), state()).prop_map(|(e, s)| Event::HealthOnProposal(e, s)),
        3 => prop_oneof![Just(1i64), Just(120), Just(4000)].prop_map(Event::Wait),
        1 => (which.clone(), any::<bool>()).prop_map(|(e, ours)| Event::Foreign(e, ours)),
        1 => which.clone().prop_map(Event::Restore),
        1 => which.clone().prop_map(Event::MergeByHand),
        1 => which.clone().prop_map(Event::CloseByHand),
        2 => which.clone().prop_map(Event::Promote),
        1 => (which.clone(), prop_oneof![Just(None), Just(Some(300))]).prop_map(|(e, until)| Event::Hold(e, until)),
        1 => which.clone().prop_map(Event::Unhold),
        1 => (which.clone(), prop_oneof![Just(None), Just(Some(1)), Just(Some(2))])
            .prop_map(|(e, steps)| Event::RollBack(e, steps)),
        1 => which.prop_map(Event::CloseRollback),
        1 => (0usize..3).prop_map(Event::Reject),
        1 => Just(Event::TakeBack),
        1 => Just(Event::LoseDatabase),
        6 => (1usize..6).prop_map(Event::Act),
        4 => Just(Event::Settle),
    ]
}

fn worlds() -> impl Strategy<Value = World> {
    let chain = Just(World::chain(&["dev", "staging", "prod"]));
    let soak = Just({
        let mut world = World::chain(&["dev", "staging"]);
        world.strategy.environments[0].soak = jiff::SignedDuration::from_secs(100);
        world
    });
    let diamond = Just(World::new(strategy(vec![
        environment("dev", &[]),
        environment("eu", &["dev"]),
        environment("us", &["dev"]),
        environment("prod", &["eu", "us"]),
    ])));
    let by_hand = Just({
        let mut world = World::chain(&["dev", "prod"]);
        world.strategy.environments[1].auto_merge = false;
        world.strategy.environments[1].proposed_statuses = vec![super::world::rule("ticket")];
        world
    });
    let fast_forward = Just({
        let mut world = World::chain(&["dev", "prod"]);
        world.fast_forward = true;
        world
    });
    let automatic = Just({
        let mut world = World::chain(&["dev", "staging", "prod"]);
        world.strategy.environments.iter_mut().for_each(|environment| environment.automatic_rollback = true);
        world
    });
    prop_oneof![chain, soak, diamond, by_hand, fast_forward, automatic]
}

fn histories() -> impl Strategy<Value = (World, Vec<Event>)> {
    worlds().prop_flat_map(|world| {
        let count = world.strategy.environments.len();
        (Just(world), prop::collection::vec(event(count), 1..60))
    })
}

/// Returns a dry commit by its distance from the newest.
fn nth_newest(world: &World, back: usize) -> Option<DrySha> {
    world.line.iter().rev().nth(back).cloned()
}

fn name_of(world: &World, index: usize) -> EnvironmentName {
    world.strategy.environments[index].name.clone()
}

/// Performs one action and checks what must hold at that moment.
fn perform(world: &mut World, action: &Action) -> Result<Performed, TestCaseError> {
    if let Action::MergeRollback { place, .. } = action {
        check_rollback(world, place)?;
    }
    let Action::Merge { place, dry, decision, .. } = action else { return Ok(world.perform(action)) };
    let snapshot = world.snapshot();
    let state = &snapshot.places[place];
    let drifted = state.branch().is_some_and(|branch| branch.drift.is_some());
    prop_assert!(!drifted, "3: {place} is drifted and {dry} is merged");
    let running = state.running().map(|run| snapshot.line.position(&run.dry));
    prop_assert!(
        snapshot.line.position(dry) > running.unwrap_or_default(),
        "13: {dry} is older than what runs in {place}"
    );
    let kept_out = world.keeps_out(&place.environment, dry);
    prop_assert!(kept_out.is_none(), "4: {dry} is merged into {place} and kept out by {kept_out:?}");
    let held = state.hold.as_ref().is_some_and(|hold| hold.stops_everything(snapshot.now));
    prop_assert!(!held && state.rollback.is_none(), "4: {dry} is merged into {place}, which is held");
    let rejected = world.is_rejected_everywhere(&place.environment, dry);
    prop_assert!(!rejected, "4: {dry} is rejected and is merged into {place}");
    prop_assert!(snapshot.line.contains(dry), "14: {dry} is not on the line and is merged into {place}");
    let environment = world.strategy.environment(&place.environment).expect("an environment").clone();
    for before in &environment.depends_on {
        prop_assert!(world.has_proved(before, dry), "1: {dry} is merged into {place} and {before} has not proved it");
    }
    check_decision(world, &environment, decision)?;
    let content = state.proposal.as_ref().map(|p| p.content.clone());
    let performed = world.perform(action);
    if performed == Performed::Done {
        prop_assert_eq!(world.head(&place.environment).map(|c| c.content.clone()), content, "3: another tree");
    }
    Ok(performed)
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
fn lose_the_database(world: &mut World) -> Result<(), TestCaseError> {
    let before = world.environments.clone();
    world.lose_the_database();
    for (name, before) in before {
        let after = &world.environments[&name];
        let hold = |hold: &Option<Hold>| {
            hold.as_ref().map(|h| (h.rule, h.through.clone(), h.target.clone(), h.expires_at.map(|at| at.as_second())))
        };
        prop_assert_eq!(hold(&before.hold), hold(&after.hold), "12: the hold of {}", name);
        let snapshot = world.snapshot();
        let state = &snapshot.places[&World::place(&name)];
        let drifted = state.branch().is_some_and(|b| b.drift.is_some());
        let is_done = |rollback: &Rollback| state.branch().is_some_and(|branch| rollback.brought(&branch.runs));
        let under_way = before.rollback.clone().filter(|rollback| !is_done(rollback));
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

fn settle(world: &mut World) -> Result<Plan, TestCaseError> {
    for _ in 0..200 {
        let plan = world.plan();
        if plan.actions.is_empty() {
            check_rest(world, &plan)?;
            return Ok(plan);
        }
        for action in &plan.actions {
            if perform(world, action)? == Performed::Moved {
                break;
            }
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
        if view.wanted.is_some() {
            prop_assert!(!view.gates.is_empty(), "10: {place} wants something and names no closed gate");
        }
        let ready = state.own_status.as_ref().is_some_and(|(sha, status)| {
            state.proposal.as_ref().is_some_and(|p| p.sha == *sha) && status.state == StatusState::Success
        });
        if ready && state.pull_request.is_some() && view.wanted.is_some() {
            prop_assert!(
                view.gates.iter().all(|gate| !gate.gate.holds_own_status()),
                "own status of {place} is success and a gate is closed: {:?}",
                view.gates
            );
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
            && world.has_proved(&place.environment, &run.dry)
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
            let promotable = !drift && environment.depends_on.iter().all(|before| world.has_proved(before, dry));
            let explained =
                view.wanted.as_ref().is_some_and(|w| snapshot.line.position(w) >= snapshot.line.position(dry))
                    || view.notices.iter().any(|notice| format!("{notice}").contains(dry.short()))
                    || !view.gates.is_empty();
            prop_assert!(!promotable || explained, "15: {dry} is verified before {place} and unexplained there");
        }
    }
    Ok(())
}

fn is_newest_with_its_content(state: &super::snapshot::PlaceState, run: &super::snapshot::Run) -> bool {
    state.branch().and_then(|b| b.runs.iter().find(|other| other.content == run.content)) == Some(run)
}

fn happen(world: &mut World, event: &Event, number: usize) -> Result<(), TestCaseError> {
    match event {
        Event::Push(versions) => world.push(&format!("dry-{number}"), versions),
        Event::DropDry(count) => world.drop_dry(*count),
        Event::Health(which, state) => world.report_health(&name_of(world, *which), *state),
        Event::HealthOnOldHead(which, state) => {
            let name = name_of(world, *which);
            let commits = world.environments[&name].commits.as_deref().unwrap_or_default();
            if let Some(old) = commits.len().checked_sub(2).map(|i| commits[i].sha.to_string()) {
                world.report(&old, "health", *state);
            }
        }
        Event::HealthOnProposal(which, state) => {
            let name = name_of(world, *which);
            if let Some(sha) = world.environments[&name].proposal.as_ref().map(|p| p.sha.to_string()) {
                world.report(&sha, "health", *state);
                world.report(&sha, "ticket", *state);
            }
        }
        Event::Wait(seconds) => world.wait(*seconds),
        Event::Foreign(which, ours) => world.push_foreign(&name_of(world, *which), *ours),
        Event::Restore(which) => world.restore(&name_of(world, *which)),
        Event::MergeByHand(which) => world.merge_by_hand(&name_of(world, *which)),
        Event::CloseByHand(which) => world.close_by_hand(&name_of(world, *which)),
        Event::Promote(which) => world.promote(&name_of(world, *which)),
        Event::Hold(which, seconds) => world.hold(&name_of(world, *which), *seconds),
        Event::Unhold(which) => world.unhold(&name_of(world, *which)),
        Event::RollBack(which, steps) => world.roll_back(&name_of(world, *which), *steps),
        Event::CloseRollback(which) => world.close_rollback(&name_of(world, *which)),
        Event::Reject(back) => {
            if let Some(dry) = nth_newest(world, *back) {
                world.reject(&dry);
            }
        }
        Event::TakeBack => {
            if let Some(dry) = world.rejections.keys().next().cloned() {
                world.take_back(&dry);
            }
        }
        Event::LoseDatabase => lose_the_database(world)?,
        Event::Act(count) => {
            for _ in 0..*count {
                if let Some(action) = world.plan().actions.first() {
                    perform(world, action)?;
                }
            }
        }
        Event::Settle => {
            settle(world)?;
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 3_000, ..ProptestConfig::default() })]

    #[test]
    fn invariants_hold_in_every_history((mut world, events) in histories()) {
        for (number, event) in events.iter().enumerate() {
            happen(&mut world, event, number)?;
        }
        settle(&mut world)?;
    }

    /// 8: Stopping after every action and starting again ends where not stopping ends, once
    /// everything that runs is reported healthy and people have done their part.
    #[test]
    fn stopping_anywhere_gives_the_same_end((mut world, events) in histories()) {
        for (number, event) in events.iter().enumerate() {
            happen(&mut world, event, number)?;
        }
        let (mut stopping, mut steady) = (world.clone(), world);
        for _ in 0..2_000 {
            match stopping.plan().actions.first() {
                Some(action) => { perform(&mut stopping, action)?; }
                None => break,
            }
        }
        // What was passed over meanwhile depends on the order of events; where it ends does not.
        for world in [&mut stopping, &mut steady] {
            go_well(world)?;
            let count = world.strategy.environments.len();
            world.push("dry-last", &vec![Some(9); count]);
            go_well(world)?;
        }
        for name in steady.environments.keys() {
            let runs = |world: &World| world.head(name).map(|commit| commit.content.clone());
            prop_assert_eq!(runs(&steady), runs(&stopping), "8: {} ends elsewhere", name);
            prop_assert_eq!(runs(&steady), Some(content(9)), "16: {} does not get the fix", name);
        }
    }
}

/// Lets everything go well for long enough that all of the line has passed every environment.
fn go_well(world: &mut World) -> Result<(), TestCaseError> {
    let names: Vec<_> = world.strategy.environments.iter().map(|e| e.name.clone()).collect();
    for _ in 0..2 * names.len() + 2 {
        settle(world)?;
        for name in &names {
            let drifted = world.snapshot().places[&World::place(name)].branch().is_some_and(|b| b.drift.is_some());
            if drifted {
                world.restore(name);
            }
            // Only a person ends a strict hold.
            let strict = world.environments[name].hold.as_ref().is_some_and(|hold| hold.stops_everything(world.now));
            if strict {
                world.unhold(name);
            }
            world.report_health(name, StatusState::Success);
            if let Some(sha) = world.environments[name].proposal.as_ref().map(|p| p.sha.to_string()) {
                world.report(&sha, "ticket", StatusState::Success);
            }
            world.promote(name);
        }
        world.wait(10_000);
    }
    settle(world)?;
    Ok(())
}
