use super::*;
use crate::domain::{
    ids::EnvironmentName,
    status::StatusState,
    world::{World, contents, environment, rule, strategy},
};

fn proposed(world: &mut World, environment: &EnvironmentName) -> String {
    world.settle();
    let proposal = world.environments[environment].proposal.as_ref();
    proposal.map(|proposal| proposal.dry.to_string()).unwrap_or_default()
}

/// One environment whose proposals wait for a ticket, and finish.
fn finishing() -> (World, EnvironmentName) {
    let mut world = World::chain(&["dev"]);
    world.strategy.environments[0].proposed_statuses = vec![rule("ticket")];
    world.strategy.environments[0].newer = Newer::Finish;
    world.push("dry-1", &[Some(1)]);
    world.settle();
    world.push("dry-2", &[Some(2)]);
    (world, World::name("dev"))
}

fn ticket(world: &mut World, environment: &EnvironmentName, state: StatusState) {
    let head = world.environments[environment].proposal.as_ref().expect("a proposal").sha.to_string();
    world.report(&head, "ticket", state);
}

#[test]
fn what_is_finished_is_not_replaced_by_something_newer() {
    let (mut world, dev) = finishing();
    assert_eq!(proposed(&mut world, &dev), "dry-1");
    ticket(&mut world, &dev, StatusState::Success);
    world.settle();
    assert_eq!(world.merges.last().map(|(_, dry)| dry.to_string()), Some("dry-1".to_owned()));
    world.report_health(&dev, StatusState::Success);
    assert_eq!(proposed(&mut world, &dev), "dry-2");
}

#[test]
fn a_failed_check_ends_what_is_finished() {
    let (mut world, dev) = finishing();
    ticket(&mut world, &dev, StatusState::Failure);
    assert_eq!(proposed(&mut world, &dev), "dry-2");
}

#[test]
fn a_rejection_ends_what_is_finished() {
    let (mut world, dev) = finishing();
    world.reject(&DrySha::new("dry-1").expect("a word"));
    assert_eq!(proposed(&mut world, &dev), "dry-2");
}

#[test]
fn a_deadline_ends_what_is_finished_and_wakes_us() {
    let (mut world, dev) = finishing();
    let since = world.environments[&dev].proposal.as_ref().expect("a proposal").since;
    let day = jiff::SignedDuration::from_hours(24);
    assert_eq!(world.settle().wake_at, Some(since + day));
    world.wait(24 * 3600);
    assert_eq!(proposed(&mut world, &dev), "dry-2");

    let (mut world, dev) = finishing();
    world.strategy.environments[0].proposed_statuses[0].deadline = Some(jiff::SignedDuration::from_mins(5));
    world.wait(200);
    assert_eq!(proposed(&mut world, &dev), "dry-1");
    world.wait(100);
    assert_eq!(proposed(&mut world, &dev), "dry-2");
}

/// Found by the model checker: whoever promotes what a check never reports on would keep every fix out.
#[test]
fn a_deadline_ends_what_a_person_promoted() {
    let (mut world, dev) = finishing();
    world.strategy.environments[0].newer = Newer::Supersede;
    world.strategy.environments[0].auto_merge = false;
    world.strategy.environments[0].proposed_statuses[0].deadline = Some(jiff::SignedDuration::from_mins(5));
    world.wait(200);
    world.promote(&dev);
    world.wait(200);
    assert_eq!(proposed(&mut world, &dev), "dry-1");
    let promoted = world.environments[&dev].promote.as_ref().expect("it was promoted").at;
    assert_eq!(world.settle().wake_at, Some(promoted + jiff::SignedDuration::from_mins(5)));
    world.wait(101);
    assert_eq!(proposed(&mut world, &dev), "dry-2");
}

#[test]
fn a_candidate_that_only_waits_is_replaced_by_one_that_may_be_promoted() {
    let mut world = World::chain(&["dev", "staging"]);
    let (dev, staging) = (World::name("dev"), World::name("staging"));
    world.strategy.environments[1].newer = Newer::Finish;
    world.push("dry-1", &[Some(1), Some(1)]);
    assert_eq!(proposed(&mut world, &staging), "dry-1");
    world.report_health(&dev, StatusState::Failure);
    world.push("dry-2", &[Some(2), Some(2)]);
    world.settle();
    world.report_health(&dev, StatusState::Success);
    world.settle();
    assert_eq!(world.merges.last(), Some(&(staging, DrySha::new("dry-2").expect("a word"))));
}

/// Defect 17 of the model: two branches of a diamond that go their own ways leave nothing in common.
#[test]
fn in_a_diamond_each_side_prefers_what_the_other_has_verified_or_runs() {
    let mut world = World::new(strategy(vec![
        environment("dev", &[]),
        environment("eu", &["dev"]),
        environment("us", &["dev"]),
        environment("prod", &["eu", "us"]),
    ]));
    let (dev, eu, us) = (World::name("dev"), World::name("eu"), World::name("us"));
    world.strategy.environments[2].auto_merge = false;
    for (name, version) in [("dry-1", 1), ("dry-2", 2), ("dry-3", 3)] {
        world.push(name, &[Some(version); 4]);
        world.settle();
        world.report_health(&dev, StatusState::Success);
        world.settle();
        // eu takes dry-1 and dry-2, and has no verdict on the latter yet.
        if name == "dry-1" {
            world.report_health(&eu, StatusState::Success);
        }
    }
    assert_eq!(proposed(&mut world, &us), "dry-1");
    world.promote(&us);
    world.settle();
    world.report_health(&us, StatusState::Success);
    assert_eq!(proposed(&mut world, &us), "dry-2");
    world.report_health(&eu, StatusState::Failure);
    assert_eq!(proposed(&mut world, &us), "dry-3");
}

/// What the other side has verified and would change nothing here is no reason to drop what is proposed.
#[test]
fn in_a_diamond_a_side_does_not_prefer_what_changes_nothing() {
    let mut world = World::new(strategy(vec![
        environment("dev", &[]),
        environment("eu", &["dev"]),
        environment("us", &["dev"]),
        environment("prod", &["eu", "us"]),
    ]));
    let names = ["dev", "eu", "us"].map(World::name);
    let [dev, eu, us] = &names;
    world.push("dry-1", &[Some(1); 4]);
    for name in [dev, eu, us] {
        world.settle();
        world.report_health(name, StatusState::Success);
    }
    world.settle();
    // Held, eu takes nothing, not even what changes nothing for it.
    world.hold(eu, None);
    world.push("dry-2", &[Some(2), Some(1), Some(2), Some(2)]);
    world.settle();
    world.report_health(dev, StatusState::Success);
    world.settle();
    world.report_health(us, StatusState::Success);
    world.push("dry-3", &[Some(3); 4]);
    world.settle();
    world.report_health(dev, StatusState::Success);
    assert_eq!(proposed(&mut world, eu), "dry-3");
    assert!(world.environments[eu].pull_request.is_some());
}

#[test]
fn what_is_of_several_dry_shas_goes_back_to_none_that_is_older_than_the_newest_of_them() {
    let mut world = World::chain(&["dev"]);
    let dev = World::name("dev");
    for (version, name) in [(1, "dry-1"), (2, "dry-2"), (3, "dry-3")] {
        world.push(name, &[Some(version)]);
        world.settle();
        world.report_health(&dev, StatusState::Success);
    }
    world.settle();
    // As lanes leave it that were far apart: the one that was merged last brought dry-1.
    let (mut snapshot, place) = (world.snapshot(), World::place(&dev));
    let state = snapshot.places.get_mut(&place).expect("a place");
    state.hydrations.remove(&DrySha::new("dry-3").expect("a word"));
    let runs = state.runs_mut();
    let (newest, oldest) = (runs[0].dry.clone(), runs[2].dry.clone());
    (runs[0].dry, runs[2].dry) = (oldest, newest);
    runs[0].content = contents(&[1, 3]);
    let wished = |snapshot: &Snapshot| {
        let ledger = Ledger::new(&world.strategy, snapshot);
        let environment = &world.strategy.environments[0];
        let taken = ledger.taken(environment, &place);
        choose(&ledger, environment, &place, taken.as_ref(), snapshot).map(|wish| wish.dry.to_string())
    };
    assert_eq!(wished(&snapshot).as_deref(), Some("dry-2"), "what was merged last is all that runs");
    for run in &mut snapshot.places.get_mut(&place).expect("a place").runs_mut()[..2] {
        run.beside = true;
    }
    assert_eq!(wished(&snapshot), None, "dry-3 is among what runs");
}
