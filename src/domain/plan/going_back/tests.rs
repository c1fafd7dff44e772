//! Holds and rollbacks, one by one, with the traces of the model by which such rules broke.

use crate::domain::{
    hold::HoldRule,
    ids::DrySha,
    status::StatusState,
    world::{World, content},
};

pub(super) fn dry(name: &str) -> DrySha {
    DrySha::new(name).expect("a word")
}

/// Returns a chain in which dry-1 runs and is verified everywhere.
pub(super) fn chain(names: &[&str]) -> World {
    let mut world = World::chain(names);
    world.push("dry-1", &vec![Some(1); names.len()]);
    for name in names {
        healthy(&mut world, name);
    }
    world.settle();
    world
}

pub(super) fn healthy(world: &mut World, name: &str) {
    world.settle();
    world.report_health(&World::name(name), StatusState::Success);
}

pub(super) fn fails(world: &mut World, name: &str) {
    world.settle();
    world.report_health(&World::name(name), StatusState::Failure);
    world.settle();
}

pub(super) fn runs(world: &mut World, name: &str) -> String {
    let view = world.settle().places.into_iter().find(|view| view.place.environment.as_str() == name);
    view.and_then(|view| view.running).map_or_else(|| "nothing".to_owned(), |running| running.dry.to_string())
}

pub(super) fn board(world: &mut World) -> String {
    let mut lines = Vec::new();
    for view in &world.settle().places {
        let runs = view.running.as_ref().map_or("nothing".into(), |r| format!("{} ({})", r.dry, r.verdict));
        let wants = view.wanted.as_ref().map(|dry| format!(", wants {dry}")).unwrap_or_default();
        let gates: String = view.gates.iter().map(|gate| format!("; {gate}")).collect();
        let notices: String = view.notices.iter().map(|notice| format!(" [{notice}]")).collect();
        let held = view.hold.as_ref().map(|hold| format!(" ({:?}: {hold})", hold.rule)).unwrap_or_default();
        lines.push(format!("{} runs {runs}{wants}{held}{gates}{notices}", view.place));
    }
    lines.join("\n")
}

#[test]
fn a_rollback_restores_the_last_known_good_and_stays() {
    let mut world = chain(&["dev", "staging"]);
    world.push("dry-2", &[Some(2), Some(2)]);
    healthy(&mut world, "dev");
    fails(&mut world, "staging");
    world.roll_back(&World::name("staging"), None);
    insta::assert_snapshot!(board(&mut world), @"
    dev runs dry-2 (is verified)
    staging runs dry-1 (`health` has not been reported) (Next: ada rolled it back: it is slow) [dry-2 is kept out by the rollback of staging; it waits for a fix, a revert or `unhold staging`]
    ");
    assert_eq!(world.head(&World::name("staging")).map(|head| head.content.clone()), Some(content(1)));
    // The same content again, by another commit.
    world.push("dry-3", &[Some(2), Some(2)]);
    healthy(&mut world, "dev");
    assert_eq!(runs(&mut world, "staging"), "dry-1");
    // A fix flows by itself and ends the hold.
    world.push("dry-4", &[Some(3), Some(3)]);
    healthy(&mut world, "dev");
    insta::assert_snapshot!(board(&mut world), @"
    dev runs dry-4 (is verified)
    staging runs dry-4 (`health` has not been reported)
    ");
}

#[test]
fn a_plain_revert_is_taken_as_a_no_op_and_ends_the_hold() {
    let mut world = chain(&["dev", "staging"]);
    world.push("dry-2", &[Some(2), Some(2)]);
    healthy(&mut world, "dev");
    world.settle();
    world.roll_back(&World::name("staging"), None);
    world.settle();
    world.push("dry-3", &[Some(1), Some(1)]);
    healthy(&mut world, "dev");
    healthy(&mut world, "staging");
    insta::assert_snapshot!(board(&mut world), @"
    dev runs dry-3 (is verified)
    staging runs dry-1 (is verified)
    ");
    // A revert of the revert brings the bad content back, and is kept out.
    world.push("dry-4", &[Some(2), Some(2)]);
    healthy(&mut world, "dev");
    assert_eq!(runs(&mut world, "staging"), "dry-1");
}

/// Trace 1: what was there already does not follow a rollback at once, unless it is a fix.
#[test]
fn what_was_pushed_before_the_rollback_comes_only_when_it_does_not_carry_the_bad_content() {
    for (version, expected) in [(2, "dry-1"), (3, "dry-3")] {
        let mut world = chain(&["dev"]);
        world.push("dry-2", &[Some(2)]);
        world.settle();
        world.push("dry-3", &[Some(version)]);
        world.settle();
        world.report_health(&World::name("dev"), StatusState::Failure);
        world.roll_back(&World::name("dev"), None);
        assert_eq!(runs(&mut world, "dev"), expected);
    }
}

/// Trace 2: neither the end of the hold nor its expiry brings the bad content back.
#[test]
fn a_block_outlives_its_hold() {
    let mut world = chain(&["dev"]);
    world.push("dry-2", &[Some(2)]);
    fails(&mut world, "dev");
    world.roll_back(&World::name("dev"), None);
    world.push("dry-3", &[Some(3)]);
    world.settle();
    assert_eq!(world.environments[&World::name("dev")].hold, None, "dry-3 was taken");
    fails(&mut world, "dev");
    world.roll_back(&World::name("dev"), None);
    assert_eq!(runs(&mut world, "dev"), "dry-1");
    world.push("dry-4", &[Some(2)]);
    world.push("dry-5", &[Some(3)]);
    assert_eq!(runs(&mut world, "dev"), "dry-1");
    world.unhold(&World::name("dev"));
    world.settle();
    assert_eq!(world.head(&World::name("dev")).map(|head| head.content.clone()), Some(content(3)));
}

/// Trace 10: a person's hold does not end with the next commit.
#[test]
fn a_hold_of_a_person_stops_everything_until_it_is_taken_back() {
    let mut world = chain(&["dev"]);
    world.hold(&World::name("dev"), None);
    world.push("dry-2", &[Some(2)]);
    insta::assert_snapshot!(board(&mut world), @"dev runs dry-1 (is verified), wants dry-2 (Strict: ada holds it: a look at it); ada holds it: a look at it");
    world.unhold(&World::name("dev"));
    assert_eq!(runs(&mut world, "dev"), "dry-2");
}

#[test]
fn a_hold_that_expires_ends_with_what_is_newer() {
    let mut world = chain(&["dev"]);
    world.hold(&World::name("dev"), Some(600));
    world.push("dry-2", &[Some(2)]);
    assert_eq!(runs(&mut world, "dev"), "dry-1");
    world.wait(600);
    assert_eq!(runs(&mut world, "dev"), "dry-2");
    assert_eq!(world.environments[&World::name("dev")].hold, None);
}

/// Traces 13 and 14: without a target there is neither hold nor rollback.
#[test]
fn nothing_is_held_when_there_is_nothing_to_go_back_to() {
    let mut world = World::chain(&["dev"]);
    world.strategy.environments[0].automatic_rollback = true;
    world.push("dry-1", &[Some(1)]);
    fails(&mut world, "dev");
    world.roll_back(&World::name("dev"), None);
    insta::assert_snapshot!(board(&mut world), @"dev runs dry-1 (`health` failed) [it failed and is not rolled back by itself: nothing that ran here before is verified]");
}

/// Trace 16: what is restored and fails takes its old record along.
#[test]
fn a_failure_of_what_was_restored_stops_later_environments_and_rolls_nothing_back() {
    let mut world = chain(&["dev", "staging"]);
    world.strategy.environments[0].automatic_rollback = true;
    world.strategy.environments[1].auto_merge = false;
    world.push("dry-2", &[Some(2), Some(2)]);
    healthy(&mut world, "dev");
    world.push("dry-3", &[Some(3), Some(3)]);
    fails(&mut world, "dev");
    insta::assert_snapshot!(board(&mut world), @"
    dev runs dry-2 (`health` has not been reported) (Next: Hydromote rolled it back: `health` failed) [dry-3 is kept out by the rollback of dev; it waits for a fix, a revert or `unhold dev`]
    staging runs dry-1 (is verified), wants dry-2; waits for a person to promote it [dry-3 is kept out by the rollback of dev; it waits for a fix, a revert or `unhold dev`]
    ");
    fails(&mut world, "dev");
    insta::assert_snapshot!(board(&mut world), @"
    dev runs dry-2 (`health` failed) (Next: Hydromote rolled it back: `health` failed) [dry-3 is kept out by the rollback of dev; it waits for a fix, a revert or `unhold dev`] [it failed and is not rolled back by itself: what runs was restored by a rollback itself]
    staging runs dry-1 (is verified), wants dry-2; waits for `health` on dev, which failed; waits for a person to promote it [dry-3 is kept out by the rollback of dev; it waits for a fix, a revert or `unhold dev`]
    ");
    world.push("dry-4", &[Some(4), Some(4)]);
    assert_eq!(runs(&mut world, "dev"), "dry-4", "something newer may still come");
}

/// Trace 22: A→B→A stops when it happens twice in a row.
#[test]
fn the_second_rollback_in_a_row_asks_a_person() {
    let mut world = chain(&["dev"]);
    world.strategy.environments[0].automatic_rollback = true;
    world.push("dry-2", &[Some(2)]);
    fails(&mut world, "dev");
    assert_eq!(runs(&mut world, "dev"), "dry-1");
    world.push("dry-3", &[Some(3)]);
    fails(&mut world, "dev");
    insta::assert_snapshot!(board(&mut world), @"dev runs dry-3 (`health` failed) [it failed and is not rolled back by itself: the last rollback was less than an hour ago; until 1970-01-12 14:46:46Z]");
    world.wait(3600);
    world.report_health(&World::name("dev"), StatusState::Failure);
    world.settle();
    let hold = world.environments[&World::name("dev")].hold.clone().expect("a hold");
    assert_eq!(hold.rule, HoldRule::Strict);
    world.push("dry-4", &[Some(4)]);
    assert_eq!(runs(&mut world, "dev"), "dry-1");
}

/// Trace 24: what lies between target and bad may have brought the bad change along.
#[test]
fn what_lies_between_is_blocked_in_later_environments_too() {
    let mut world = chain(&["dev", "staging"]);
    world.strategy.environments[1].auto_merge = false;
    world.push("dry-2", &[Some(2), Some(2)]);
    healthy(&mut world, "dev");
    world.push("dry-3", &[Some(3), Some(3)]);
    fails(&mut world, "dev");
    world.roll_back(&World::name("dev"), Some(2));
    assert_eq!(runs(&mut world, "dev"), "dry-1");
    insta::assert_snapshot!(board(&mut world), @"
    dev runs dry-1 (`health` has not been reported) (Next: ada rolled it back: it is slow) [dry-3 is kept out by the rollback of dev; it waits for a fix, a revert or `unhold dev`] [dry-2 is kept out by the rollback of dev; it waits for a fix, a revert or `unhold dev`]
    staging runs dry-1 (is verified) [dry-3 is kept out by the rollback of dev; it waits for a fix, a revert or `unhold dev`] [dry-2 is kept out by the rollback of dev; it waits for a fix, a revert or `unhold dev`]
    ");
}

#[test]
fn a_later_environment_that_runs_what_was_rolled_back_is_told() {
    let mut world = chain(&["dev", "staging"]);
    world.push("dry-2", &[Some(2), Some(2)]);
    healthy(&mut world, "dev");
    healthy(&mut world, "staging");
    fails(&mut world, "dev");
    world.roll_back(&World::name("dev"), None);
    insta::assert_snapshot!(board(&mut world), @"
    dev runs dry-1 (`health` has not been reported) (Next: ada rolled it back: it is slow) [dry-2 is kept out by the rollback of dev; it waits for a fix, a revert or `unhold dev`]
    staging runs dry-2 (is verified) [dry-2, which runs here, was rolled back in dev; roll it back here too, or wait for a fix]
    ");
    world.roll_back(&World::name("staging"), None);
    insta::assert_snapshot!(board(&mut world), @"
    dev runs dry-1 (`health` has not been reported) (Next: ada rolled it back: it is slow) [dry-2 is kept out by the rollback of dev; it waits for a fix, a revert or `unhold dev`]
    staging runs dry-1 (`health` has not been reported) (Next: ada rolled it back: it is slow) [dry-2 is kept out by the rollback of staging; it waits for a fix, a revert or `unhold staging`]
    ");
}

/// Trace 29: an overtaken rollback goes with its hold.
#[test]
fn a_rollback_that_is_overtaken_is_cancelled_with_its_hold() {
    let mut world = chain(&["dev", "staging"]);
    world.push("dry-2", &[Some(2), Some(2)]);
    healthy(&mut world, "dev");
    world.settle();
    world.push("dry-3", &[Some(3), Some(3)]);
    healthy(&mut world, "dev");
    world.settle();
    world.roll_back(&World::name("staging"), None);
    world.merge_by_hand(&World::name("staging"));
    assert_eq!(runs(&mut world, "staging"), "dry-3");
    let staging = &world.environments[&World::name("staging")];
    assert_eq!((&staging.hold, &staging.rollback), (&None, &None));
}

/// Trace 30: `unhold` takes back what this environment's own rollbacks block, and nothing else.
#[test]
fn unhold_takes_back_nothing_of_an_environment_before() {
    let mut world = chain(&["dev", "staging"]);
    world.push("dry-2", &[Some(2), Some(2)]);
    healthy(&mut world, "dev");
    healthy(&mut world, "staging");
    for name in ["dev", "staging"] {
        world.roll_back(&World::name(name), None);
        world.settle();
    }
    world.unhold(&World::name("staging"));
    assert_eq!(runs(&mut world, "staging"), "dry-1");
    world.unhold(&World::name("dev"));
    healthy(&mut world, "dev");
    assert_eq!(runs(&mut world, "dev"), "dry-2");
    healthy(&mut world, "dev");
    assert_eq!(runs(&mut world, "staging"), "dry-2");
}

#[test]
fn an_error_of_the_check_rolls_nothing_back() {
    let mut world = chain(&["dev"]);
    world.strategy.environments[0].automatic_rollback = true;
    world.push("dry-2", &[Some(2)]);
    world.settle();
    world.report_health(&World::name("dev"), StatusState::Error);
    assert_eq!(runs(&mut world, "dev"), "dry-2");
}

#[test]
fn an_old_failure_rolls_nothing_back_and_the_guard_is_named() {
    let mut world = chain(&["dev"]);
    world.push("dry-2", &[Some(2)]);
    fails(&mut world, "dev");
    world.wait(3600);
    world.strategy.environments[0].automatic_rollback = true;
    insta::assert_snapshot!(board(&mut world), @"dev runs dry-2 (`health` failed) [it failed and is not rolled back by itself: it failed more than 20 minutes ago, at 1970-01-12 13:46:45Z]");
}

#[test]
fn a_rollback_whose_pull_request_is_closed_is_cancelled_and_not_tried_again() {
    let mut world = chain(&["dev"]);
    world.strategy.environments[0].automatic_rollback = true;
    world.push("dry-2", &[Some(2)]);
    world.settle();
    world.report_health(&World::name("dev"), StatusState::Failure);
    let dev = World::name("dev");
    for _ in 0..20 {
        if world.environments[&dev].rollback_pull_request.is_some() {
            break;
        }
        let action = world.plan().actions.first().cloned().expect("an action");
        world.perform(&action);
    }
    world.close_rollback(&dev);
    insta::assert_snapshot!(board(&mut world), @"dev runs dry-2 (`health` failed) [it failed and is not rolled back by itself: a rollback of it was cancelled]");
}

#[test]
fn the_target_may_have_been_taken_further_by_a_no_op() {
    let mut world = chain(&["dev", "staging"]);
    // dry-2 changes dev only.
    world.push("dry-2", &[Some(2), Some(1)]);
    healthy(&mut world, "dev");
    world.push("dry-3", &[Some(2), Some(3)]);
    fails(&mut world, "staging");
    world.roll_back(&World::name("staging"), None);
    assert_eq!(runs(&mut world, "staging"), "dry-2");
    assert_eq!(world.merges.iter().filter(|(_, merged)| *merged == dry("dry-2")).count(), 1, "dev only");
}
