//! Random histories, and what must hold in all of them (the invariants of the design, by number).
//!
//! Every single action interleaves with every event, so a crash and a restart between any two
//! actions is part of each history: the planner keeps nothing in memory. People act also between a
//! plan and each of its actions.
//!
//! | invariant | asserted |
//! |---|---|
//! | 1 only what is verified before | at each merge, and of each no-op at rest |
//! | 2 evidence counts for its content | at each record, and of all records at rest |
//! | 3 exactly the composed tree, else drift | at each merge; that the forge wrote that tree is for real git: `tests/it/drift`, `tests/it/merges` |
//! | 4 nothing that is blocked | at each merge, by what is held, rejected and rolled back at that moment |
//! | 5 rollbacks append | at each merge |
//! | 6 hold and block first | at the merge of each rollback |
//! | 7 one change, on the head that it names | at each merge; one open pull request by the world itself; pushes by `tests/it` |
//! | 8 stopping anywhere | [`stopping_anywhere_gives_the_same_end`]; in the middle of an action: `tests/it/crashes` |
//! | 9 errors take nothing back | at each start of a rollback and each revocation |
//! | 10 a reason, and an end | at rest |
//! | 11 it comes to rest | whenever it is to |
//! | 12 the database is lost | when it is, and at rest; what adapters read back: `tests/it/restarts` |
//! | 13 nothing moves back, 14 nothing off the line | at each merge; 14 by the line as the plan saw it |
//! | 15 taken, passed over or explained | at rest |
//! | 16 a fix reaches everything | at the end of [`stopping_anywhere_gives_the_same_end`] |
//!
//! Not tried here: rollbacks of some roots, roots that keep what they have, and several lanes.

mod checks;
mod events;

use proptest::prelude::*;

use self::{
    checks::{Decided, perform, settle},
    events::{Event, happen, histories},
};
use super::{
    ids::DrySha,
    plan::Action,
    status::StatusState,
    strategy::MergeMode,
    world::{World, contents},
};

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 1_000, ..ProptestConfig::default() })]

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
            let decided = Decided::now(&stopping);
            match decided.plan.actions.first() {
                Some(action) => { perform(&mut stopping, &decided, action)?; }
                None => break,
            }
        }
        // What was passed over meanwhile depends on the order of events; where it ends does not.
        for world in [&mut stopping, &mut steady] {
            go_well(world)?;
            let count = world.strategy.environments.len();
            world.push_contents("dry-last", vec![Some(contents(&[9, 9, 9][..world.roots])); count]);
            go_well(world)?;
        }
        for name in steady.environments.keys() {
            let runs = |world: &World| world.head(name).map(|commit| commit.content.clone());
            prop_assert_eq!(runs(&steady), runs(&stopping), "8: {} ends elsewhere", name);
            prop_assert_eq!(runs(&steady), Some(contents(&[9, 9, 9][..steady.roots])), "16: {} does not get the fix", name);
        }
    }
}

/// What ran before with the same content verifies nothing that came by itself since, and was gone back to.
#[test]
fn what_came_by_itself_needs_its_own_proof_when_it_is_gone_back_to() {
    let mut world = World::chain(&["dev", "staging"]);
    let same = |version| Some(vec![Some(version)]);
    let steps = [
        Event::Push(vec![same(2), same(3)]),
        Event::Settle,
        Event::Health(0, StatusState::Success),
        Event::Settle,
        Event::Push(vec![same(0), None]),
        Event::Settle,
        Event::Push(vec![same(2), same(0)]),
        Event::Act(3),
        Event::MergeByHand(0),
        Event::Push(vec![same(0), None]),
        Event::Wait(4000),
        Event::Settle,
        Event::RollBack(0, Some(1)),
        Event::Settle,
    ];
    for (number, event) in steps.iter().enumerate() {
        happen(&mut world, event, number).expect("nothing is merged that is not proved");
    }
    let staging = world.strategy.environments[1].name.clone();
    assert_eq!(world.head(&staging).and_then(|commit| commit.dry.clone()), DrySha::new("dry-00").ok());
}

/// Without pull requests the merge of a rollback follows its proposal at once: a person who takes the rollback back may
/// find it merged already, and not yet noted as done.
#[test]
fn the_hold_that_a_rollback_was_started_under_holds_on_when_it_is_taken_back_while_it_is_merged() {
    let mut world = World::chain(&["dev"]);
    world.strategy.environments[0].merge_mode = MergeMode::Direct;
    let dev = world.strategy.environments[0].name.clone();
    let mut seen = Vec::new();
    let mut until = |world: &mut World, is_there: fn(&Action) -> bool| {
        for _ in 0..50 {
            let decided = Decided::now(world);
            let Some(action) = decided.plan.actions.first() else { return false };
            perform(world, &decided, action).expect("because nothing is broken");
            seen.push(action.to_string());
            if is_there(action) {
                return true;
            }
        }
        false
    };
    for (dry, version) in [("dry-1", 1), ("dry-2", 2)] {
        world.push_contents(dry, vec![Some(contents(&[version]))]);
        while until(&mut world, |_| false) {}
        world.report_health(&dev, StatusState::Success);
    }
    world.hold(&dev, None);
    world.roll_back(&dev, None);
    assert!(until(&mut world, |action| matches!(action, Action::MergeRollback { .. })));
    world.unhold(&dev);
    while until(&mut world, |_| false) {}
    let left = &world.environments[&dev];
    assert_eq!(
        (left.rollback.is_none(), left.hold.as_ref().map(|hold| hold.reason.as_str())),
        (true, Some("a look at it"))
    );
    assert_eq!(
        world.head(&dev).and_then(|head| head.dry.clone()).as_ref().map(DrySha::as_str),
        Some("dry-1"),
        "{seen:?}"
    );
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
