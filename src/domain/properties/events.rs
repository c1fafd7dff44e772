//! What happens in random histories: to the dry branch, to checks, among people, and to the service.

use proptest::prelude::*;

use super::checks::{Decided, lose_the_database, perform, settle};
use crate::domain::{
    ids::{DrySha, EnvironmentName},
    status::StatusState,
    strategy::{MergeMode, Newer},
    world::{Late, Performed, World, environment, rule, strategy},
};

/// What a dry commit does to the roots of one environment: each is left alone, or gets a version.
type Changes = Option<Vec<Option<u32>>>;

#[derive(Debug, Clone)]
pub(super) enum Event {
    Push(Vec<Changes>),
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
    MergeRollbackByHand(usize),
    /// Reject a dry commit, by its distance from the newest.
    Reject(usize),
    TakeBack,
    LoseDatabase,
    /// What came of hydrating dry commits is forgotten, but for what is in use; of those that places have yet to take,
    /// the newest so many are.
    ForgetHydrations(usize),
    /// The forge will be late to show the next merge.
    BeLate(Late),
    /// Perform so many actions of the next plans, one plan each: a crash after each.
    Act(usize),
    /// Something happens after so many actions of a plan, and before the rest of it.
    Between(usize, Box<Event>),
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

/// A push: by environment or the same to all of them. With one root, each push says what it holds.
fn push(environments: usize, roots: usize) -> impl Strategy<Value = Event> {
    let root = if roots == 1 {
        (0u32..4).prop_map(Some).boxed()
    } else {
        prop_oneof![3 => Just(None), 2 => (1u32..4).prop_map(Some), 1 => (0u32..4).prop_map(Some)].boxed()
    };
    let versions = prop::collection::vec(root, roots);
    let changes = prop_oneof![1 => Just(None), 12 => versions.prop_map(Some)].boxed();
    let each = prop::collection::vec(changes.clone(), environments).prop_map(Event::Push);
    let same = changes.prop_map(move |changes| Event::Push(vec![changes; environments]));
    prop_oneof![2 => each, 1 => same]
}

/// What people and checks do, at any time.
fn outside(environments: usize, roots: usize) -> impl Strategy<Value = Event> {
    let which = 0..environments;
    prop_oneof![
        6 => push(environments, roots),
        1 => (1usize..3).prop_map(Event::DropDry),
        8 => (which.clone(), state()).prop_map(|(e, s)| Event::Health(e, s)),
        1 => (which.clone(), state()).prop_map(|(e, s)| Event::HealthOnOldHead(e, s)),
        1 => (which.clone(), state()).prop_map(|(e, s)| Event::HealthOnProposal(e, s)),
        1 => (which.clone(), any::<bool>()).prop_map(|(e, ours)| Event::Foreign(e, ours)),
        1 => which.clone().prop_map(Event::Restore),
        1 => which.clone().prop_map(Event::MergeByHand),
        1 => which.clone().prop_map(Event::CloseByHand),
        2 => which.clone().prop_map(Event::Promote),
        1 => (which.clone(), prop_oneof![Just(None), Just(Some(300))]).prop_map(|(e, until)| Event::Hold(e, until)),
        1 => which.clone().prop_map(Event::Unhold),
        1 => (which.clone(), prop_oneof![Just(None), Just(Some(1)), Just(Some(2))])
            .prop_map(|(e, steps)| Event::RollBack(e, steps)),
        1 => which.clone().prop_map(Event::CloseRollback),
        1 => which.prop_map(Event::MergeRollbackByHand),
        1 => (0usize..3).prop_map(Event::Reject),
        1 => Just(Event::TakeBack),
    ]
}

fn event(environments: usize, roots: usize) -> impl Strategy<Value = Event> {
    let between = (0usize..6, outside(environments, roots)).prop_map(|(after, e)| Event::Between(after, Box::new(e)));
    prop_oneof![
        28 => outside(environments, roots),
        3 => prop_oneof![Just(1i64), Just(120), Just(4000)].prop_map(Event::Wait),
        1 => Just(Event::LoseDatabase),
        1 => (1usize..4).prop_map(Event::ForgetHydrations),
        1 => prop_oneof![Just(Late::PullRequest), Just(Late::Branch)].prop_map(Event::BeLate),
        6 => (1usize..6).prop_map(Event::Act),
        5 => between,
        4 => Just(Event::Settle),
    ]
}

/// Worlds: graphs and gates, how the forge merges and whether by pull requests, how many roots there are, and whose clock is right.
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
        world.strategy.environments[1].proposed_statuses = vec![rule("ticket")];
        world.strategy.environments[1].newer = Newer::Finish;
        world
    });
    let automatic = Just({
        let mut world = World::chain(&["dev", "staging", "prod"]);
        world.strategy.environments.iter_mut().for_each(|environment| environment.automatic_rollback = true);
        world
    });
    let graphs = prop_oneof![2 => chain, 1 => soak, 1 => diamond, 1 => by_hand, 2 => automatic];
    let merges = prop_oneof![3 => Just(false), 1 => Just(true)];
    let roots = prop_oneof![3 => Just(1usize), 3 => Just(2usize), 1 => Just(3usize)];
    let clocks = prop_oneof![2 => Just((0i64, 1000i64)), 1 => (-5i64..=5, Just(300i64))];
    let modes = prop_oneof![4 => Just(MergeMode::PullRequest), 1 => Just(MergeMode::Direct)];
    (graphs, merges, roots, clocks, modes).prop_map(|(mut world, fast_forward, roots, (ahead, tick), mode)| {
        world.strategy.environments.iter_mut().for_each(|environment| environment.merge_mode = mode);
        (world.fast_forward, world.roots) = (fast_forward, roots);
        world.forge_ahead = jiff::SignedDuration::from_secs(ahead);
        world.tick = jiff::SignedDuration::from_millis(tick);
        world
    })
}

pub(super) fn histories() -> impl Strategy<Value = (World, Vec<Event>)> {
    worlds().prop_flat_map(|world| {
        let (count, roots) = (world.strategy.environments.len(), world.roots);
        (Just(world), prop::collection::vec(event(count, roots), 1..60))
    })
}

/// Returns a dry commit by its distance from the newest.
fn nth_newest(world: &World, back: usize) -> Option<DrySha> {
    world.line.iter().rev().nth(back).cloned()
}

fn name_of(world: &World, index: usize) -> EnvironmentName {
    world.strategy.environments[index].name.clone()
}

pub(super) fn happen(world: &mut World, event: &Event, number: usize) -> Result<(), TestCaseError> {
    match event {
        Event::Push(changes) => world.push_changes(&format!("dry-{number:02}"), changes),
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
        Event::MergeRollbackByHand(which) => world.merge_rollback_by_hand(&name_of(world, *which)),
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
        Event::ForgetHydrations(kept) => world.forget_hydrations(*kept),
        Event::BeLate(late) => world.late = Some(*late),
        Event::Act(count) => {
            for _ in 0..*count {
                let decided = Decided::now(world);
                if let Some(action) = decided.plan.actions.first() {
                    perform(world, &decided, action)?;
                }
            }
        }
        Event::Between(after, event) => {
            let decided = Decided::now(world);
            let after = decided.plan.actions.len().min(*after);
            for (index, action) in decided.plan.actions.iter().enumerate() {
                if index == after {
                    happen(world, event, number)?;
                }
                if perform(world, &decided, action)? == Performed::Moved {
                    break;
                }
            }
        }
        Event::Settle => {
            settle(world)?;
        }
    }
    Ok(())
}
