//! Random histories, and what must hold in all of them (the invariants of the design, by number).
//!
//! Every single action interleaves with every event, so a crash and a restart between any two
//! actions is part of each history: the planner keeps nothing in memory.

mod checks;
mod events;

use proptest::prelude::*;

use self::{
    checks::{Decided, perform, settle},
    events::{happen, histories},
};
use super::{
    status::StatusState,
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
