//! Traces of the model by which rules of holds, blocks and rollbacks broke, beyond the cases beside
//! this file: each is named by what happens, and is one way in which it must not.

use super::tests::{board, chain, dry, fails, healthy, runs};
use crate::domain::{
    hold::HoldRule,
    ids::EnvironmentName,
    ledger::Ledger,
    plan::Action,
    rollback,
    snapshot::PostedStatus,
    status::StatusState,
    world::{Performed, World, contents},
};

fn name(name: &str) -> EnvironmentName {
    World::name(name)
}

fn hold_rule(world: &World, environment: &str) -> Option<HoldRule> {
    world.environments[&name(environment)].hold.as_ref().map(|hold| hold.rule)
}

/// Performs action after action up to the first of a kind, which it returns unperformed.
fn up_to(world: &mut World, is_it: impl Fn(&Action) -> bool) -> Action {
    for _ in 0..100 {
        let action = world.plan().actions.first().cloned().expect("an action");
        if is_it(&action) {
            return action;
        }
        world.perform(&action);
    }
    panic!("it never comes");
}

/// Trace 12: what a rollback left is revoked, and is not what the next one goes back to.
#[test]
fn what_a_person_rolled_back_from_is_no_last_known_good() {
    let mut world = chain(&["dev"]);
    world.push("dry-2", &[Some(2)]);
    healthy(&mut world, "dev");
    world.settle();
    world.roll_back(&name("dev"), None);
    healthy(&mut world, "dev");
    world.push("dry-3", &[Some(3)]);
    fails(&mut world, "dev");
    world.roll_back(&name("dev"), None);
    assert_eq!(runs(&mut world, "dev"), "dry-1");
}

/// Trace 13: a second rollback to what runs already is none, and holds nothing.
#[test]
fn what_was_restored_is_not_rolled_back_to_itself() {
    let mut world = chain(&["dev"]);
    world.push("dry-2", &[Some(2)]);
    fails(&mut world, "dev");
    world.roll_back(&name("dev"), None);
    world.settle();
    let before = world.environments[&name("dev")].hold.clone();
    world.roll_back(&name("dev"), None);
    let dev = &world.environments[&name("dev")];
    assert_eq!((&dev.rollback, &dev.hold), (&None, &before));
}

/// Traces 21 and 35: a promotion that looks ready does so no longer when the rollback is opened, and
/// has a pull request of its own beside it.
#[test]
fn a_waiting_promotion_goes_back_before_a_rollback_is_opened() {
    let mut world = chain(&["dev", "staging"]);
    world.push("dry-2", &[Some(2), Some(2)]);
    healthy(&mut world, "dev");
    healthy(&mut world, "staging");
    world.strategy.environments[1].auto_merge = false;
    world.push("dry-3", &[Some(3), Some(3)]);
    healthy(&mut world, "dev");
    world.settle();
    let staging = name("staging");
    let own = |world: &World| world.environments[&staging].own_status.as_ref().map(|(_, status)| status.state);
    assert_eq!(own(&world), Some(StatusState::Success));
    world.roll_back(&staging, None);
    up_to(&mut world, |action| matches!(action, Action::ProposeRollback { .. } | Action::OpenRollback { .. }));
    assert_eq!(own(&world), Some(StatusState::Pending));
    up_to(&mut world, |action| matches!(action, Action::MergeRollback { .. }));
    let state = &world.environments[&staging];
    assert!(state.pull_request.is_some() && state.rollback_pull_request.is_some());
    assert_eq!(runs(&mut world, "staging"), "dry-1");
    assert!(!world.merges.contains(&(staging.clone(), dry("dry-3"))));
}

/// Trace 27 (a): a rollback that drift stops is not forgotten with the database.
#[test]
fn a_rollback_that_waits_for_drift_outlives_the_database() {
    let mut world = chain(&["dev"]);
    world.push("dry-2", &[Some(2)]);
    fails(&mut world, "dev");
    world.roll_back(&name("dev"), None);
    world.push_foreign(&name("dev"), true);
    world.settle();
    world.lose_the_database();
    world.settle();
    assert_eq!(hold_rule(&world, "dev"), Some(HoldRule::Next));
    world.restore(&name("dev"));
    assert_eq!(runs(&mut world, "dev"), "dry-1");
}

/// Trace 27 (d): a rollback under a strict hold is strict, also when it is read back.
#[test]
fn a_rollback_under_a_strict_hold_stays_strict_without_the_database() {
    let mut world = chain(&["dev"]);
    world.push("dry-2", &[Some(2)]);
    fails(&mut world, "dev");
    world.hold(&name("dev"), None);
    world.roll_back(&name("dev"), None);
    world.lose_the_database();
    assert_eq!(runs(&mut world, "dev"), "dry-1");
    assert_eq!(hold_rule(&world, "dev"), Some(HoldRule::Strict));
    world.push("dry-3", &[Some(3)]);
    assert_eq!(runs(&mut world, "dev"), "dry-1");
}

/// Beside trace 27 (d): the hold of the person outlives the rollback that is cancelled, with or
/// without the database.
#[test]
fn a_hold_outlives_a_rollback_that_is_cancelled_without_the_database() {
    for loses in [false, true] {
        let mut world = chain(&["dev"]);
        world.push("dry-2", &[Some(2)]);
        fails(&mut world, "dev");
        world.hold(&name("dev"), None);
        world.roll_back(&name("dev"), None);
        up_to(&mut world, |action| matches!(action, Action::MergeRollback { .. }));
        world.close_rollback(&name("dev"));
        if loses {
            world.lose_the_database();
        }
        world.push("dry-3", &[Some(3)]);
        assert_eq!(runs(&mut world, "dev"), "dry-2");
        assert_eq!(hold_rule(&world, "dev"), Some(HoldRule::Strict));
    }
}

/// Found by the model checker: between the end of the rollback and the next look the forge knew of no hold.
#[test]
fn a_hold_is_never_off_the_forge_while_a_rollback_on_it_is_cancelled() {
    let mut world = chain(&["dev"]);
    world.push("dry-2", &[Some(2)]);
    healthy(&mut world, "dev");
    world.hold(&name("dev"), None);
    world.roll_back(&name("dev"), None);
    world.unhold(&name("dev"));
    let cancel = up_to(&mut world, |action| matches!(action, Action::CancelRollback { .. }));
    world.perform(&cancel);
    world.lose_the_database();
    assert_eq!(hold_rule(&world, "dev"), Some(HoldRule::Strict));
}

/// Trace 31: a rollback offers nothing that is newer than what runs.
#[test]
fn nothing_newer_than_what_runs_is_offered_to_go_back_to() {
    let mut world = chain(&["dev"]);
    world.push("dry-2", &[Some(2)]);
    healthy(&mut world, "dev");
    world.push("dry-3", &[Some(3)]);
    healthy(&mut world, "dev");
    world.settle();
    world.roll_back(&name("dev"), Some(2));
    assert_eq!(runs(&mut world, "dev"), "dry-1");
    let snapshot = world.snapshot();
    let place = World::place(&name("dev"));
    let environment = &world.strategy.environments[0];
    let ledger = Ledger::new(&world.strategy, &snapshot);
    assert_eq!(rollback::choices(&ledger, environment, &place, &snapshot.places[&place]), []);
}

/// Traces 32 and 33: a no-op that is revoked before it is neither in the way of what is older nor
/// verified when its verdict returns and it has become a change.
#[test]
fn a_no_op_that_was_revoked_before_it_is_not_taken_any_more() {
    let mut world = chain(&["dev", "staging", "prod"]);
    world.strategy.environments[1].auto_merge = false;
    world.push("dry-2", &[Some(2), Some(2), Some(2)]);
    healthy(&mut world, "dev");
    world.push("dry-3", &[Some(3), Some(1), Some(3)]);
    healthy(&mut world, "dev");
    // prod would merge it on staging's word: it waits for a person as well.
    world.strategy.environments[2].auto_merge = false;
    world.settle();
    fails(&mut world, "dev");
    insta::assert_snapshot!(board(&mut world), @"
    dev runs dry-3 (`health` failed)
    staging runs dry-1 (is verified), wants dry-2; waits for a person to promote it
    prod runs dry-1 (is verified), wants dry-3; waits for staging, which is unchanged by it and waits for dev; waits for a person to promote it
    ");
    world.promote(&name("staging"));
    healthy(&mut world, "staging");
    assert_eq!(runs(&mut world, "staging"), "dry-2");
    healthy(&mut world, "dev");
    world.promote(&name("prod"));
    insta::assert_snapshot!(board(&mut world), @"
    dev runs dry-3 (is verified)
    staging runs dry-2 (is verified), wants dry-3; waits for a person to promote it
    prod runs dry-2 (`health` has not been reported), wants dry-3; waits for staging, which does not run it yet; what runs here is not settled: `health` has not been reported; waits for a person to promote it
    ");
    assert!(!world.merges.contains(&(name("prod"), dry("dry-3"))));
}

/// Trace 34: a failure that came too soon after a rollback is told, also when it grew too old.
#[test]
fn a_failure_that_no_guard_lets_through_is_never_silent() {
    let mut world = chain(&["dev"]);
    world.strategy.environments[0].automatic_rollback = true;
    world.push("dry-2", &[Some(2)]);
    fails(&mut world, "dev");
    world.push("dry-3", &[Some(3)]);
    fails(&mut world, "dev");
    world.wait(3600);
    insta::assert_snapshot!(board(&mut world), @"dev runs dry-3 (`health` failed) [it failed and is not rolled back by itself: it failed more than 20 minutes ago, at 1970-01-12 13:46:49Z]");
}

/// Trace 5.2: what a rollback before keeps out is no target.
#[test]
fn what_an_environment_before_rolled_back_is_not_gone_back_to() {
    let mut world = chain(&["dev", "staging"]);
    for (dry, version) in [("dry-2", 2), ("dry-3", 3)] {
        world.push(dry, &[Some(version), Some(version)]);
        healthy(&mut world, "dev");
        healthy(&mut world, "staging");
        world.settle();
    }
    world.roll_back(&name("dev"), Some(2));
    world.settle();
    world.strategy.environments[1].automatic_rollback = true;
    fails(&mut world, "staging");
    assert_eq!(runs(&mut world, "staging"), "dry-1");
}

/// Trace 5.4: a no-op that leaves the line is not taken any more.
#[test]
fn a_no_op_that_left_the_line_hides_nothing() {
    let mut world = chain(&["dev"]);
    world.push("dry-2", &[Some(2)]);
    world.settle();
    world.push("dry-3", &[Some(3)]);
    world.push("dry-4", &[Some(2)]);
    world.settle();
    world.drop_dry(1);
    healthy(&mut world, "dev");
    assert_eq!(runs(&mut world, "dev"), "dry-3");
}

/// Trace 5.5: only `unhold` or an expiry ends a strict hold, also when the branch has moved on.
#[test]
fn a_strict_hold_that_a_merge_by_hand_passed_is_read_back() {
    let mut world = chain(&["dev"]);
    world.settle();
    world.strategy.environments[0].auto_merge = false;
    world.push("dry-2", &[Some(2)]);
    world.settle();
    world.hold(&name("dev"), None);
    world.merge_by_hand(&name("dev"));
    world.settle();
    world.lose_the_database();
    assert_eq!(runs(&mut world, "dev"), "dry-2");
    assert_eq!(hold_rule(&world, "dev"), Some(HoldRule::Strict));
}

/// Trace 5.6: whether a hold ends is judged when something newer is taken, whatever blocks it later.
#[test]
fn what_is_blocked_after_it_was_taken_has_ended_the_hold() {
    let mut world = chain(&["dev", "staging"]);
    world.push("dry-2", &[Some(2), Some(2)]);
    healthy(&mut world, "dev");
    fails(&mut world, "staging");
    world.roll_back(&name("staging"), None);
    world.settle();
    world.push("dry-3", &[Some(3), Some(3)]);
    healthy(&mut world, "dev");
    let merge = up_to(
        &mut world,
        |action| matches!(action, Action::Merge { place, .. } if place.environment == name("staging")),
    );
    world.perform(&merge);
    world.roll_back(&name("dev"), None);
    assert_eq!(runs(&mut world, "staging"), "dry-3");
    assert_eq!(hold_rule(&world, "staging"), None);
}

/// Trace 5.7: what changes something else carries the bad root along, and stays out until that root
/// changes.
#[test]
fn an_unrelated_commit_does_not_bring_the_bad_root_back() {
    let mut world = World::chain(&["dev"]);
    world.push_contents("dry-1", [Some(contents(&[1, 1]))]);
    healthy(&mut world, "dev");
    world.push_contents("dry-2", [Some(contents(&[2, 1]))]);
    world.settle();
    world.push_contents("dry-3", [Some(contents(&[2, 2]))]);
    fails_and_goes_back(&mut world);
    assert_eq!(runs(&mut world, "dev"), "dry-1");
    // Half a revert beside another change still carries it; a fix, with all the rest, does not.
    world.push_contents("dry-4", [Some(contents(&[2, 3]))]);
    assert_eq!(runs(&mut world, "dev"), "dry-1");
    world.push_contents("dry-5", [Some(contents(&[3, 2]))]);
    assert_eq!(runs(&mut world, "dev"), "dry-5");
}

fn fails_and_goes_back(world: &mut World) {
    world.report_health(&name("dev"), StatusState::Failure);
    world.roll_back(&name("dev"), None);
}

/// A person holds between the plan and the start of a rollback that it decided on: it is strict then.
#[test]
fn a_hold_that_comes_before_a_rollback_starts_makes_it_strict() {
    let mut world = chain(&["dev"]);
    world.strategy.environments[0].automatic_rollback = true;
    world.push("dry-2", &[Some(2)]);
    world.settle();
    world.report_health(&name("dev"), StatusState::Failure);
    let seen = world.snapshot();
    let start = up_to(&mut world, |action| matches!(action, Action::StartRollback { .. }));
    world.hold(&name("dev"), None);
    assert_eq!(world.perform_as_seen(&seen, &start), Performed::Moved);
    assert_eq!(runs(&mut world, "dev"), "dry-1");
    assert_eq!(hold_rule(&world, "dev"), Some(HoldRule::Strict));
}

/// A rollback that a person took back is not put on the forge again: read back, it would start anew.
#[test]
fn the_hold_of_a_rollback_that_was_taken_back_is_not_told_again() {
    let mut world = chain(&["dev"]);
    world.push("dry-2", &[Some(2)]);
    fails(&mut world, "dev");
    world.roll_back(&name("dev"), None);
    up_to(&mut world, |action| matches!(action, Action::MergeRollback { .. }));
    world.unhold(&name("dev"));
    let is_told = |action: &Action| {
        matches!(action, Action::PostHold { status: PostedStatus { state: StatusState::Pending, .. }, .. })
    };
    assert!(!world.plan().actions.iter().any(is_told));
    world.lose_the_database();
    assert_eq!(runs(&mut world, "dev"), "dry-2");
    assert_eq!(hold_rule(&world, "dev"), None::<HoldRule>);
}

/// A pull request is refused for what it would have replaced, whatever runs later.
#[test]
fn what_was_refused_stays_out_when_other_content_runs_since() {
    let mut world = chain(&["dev"]);
    let push = |world: &mut World, name: &str, versions: [u32; 2]| {
        world.push_contents(name, [Some(contents(&versions))]);
        world.settle();
    };
    push(&mut world, "dry-2", [1, 1]);
    healthy(&mut world, "dev");
    world.strategy.environments[0].auto_merge = false;
    push(&mut world, "refused", [2, 1]);
    world.close_by_hand(&name("dev"));
    world.strategy.environments[0].auto_merge = true;
    push(&mut world, "fix", [3, 5]);
    healthy(&mut world, "dev");
    push(&mut world, "again", [2, 6]);
    assert_eq!(runs(&mut world, "dev"), "fix");
    push(&mut world, "other", [4, 6]);
    assert_eq!(runs(&mut world, "dev"), "other");
}

/// What does not render where it would be judged stays out, and that is said.
#[test]
fn what_does_not_render_after_a_rollback_is_told_to_be_kept_out_later() {
    let mut world = chain(&["dev", "staging", "prod"]);
    world.push("dry-2", &[Some(2), Some(1), Some(1)]);
    world.settle();
    world.push("dry-3", &[None, Some(3), Some(3)]);
    world.settle();
    world.roll_back(&name("dev"), None);
    world.merge_by_hand(&name("staging"));
    healthy(&mut world, "staging");
    let notices = |world: &World, place: usize| -> Vec<String> {
        world.plan().places[place].notices.iter().map(ToString::to_string).collect()
    };
    assert_eq!(runs(&mut world, "staging"), "dry-3");
    insta::assert_debug_snapshot!(notices(&world, 2), @r#"
    [
        "dry-3 is kept out by the rollback of dev; it waits for a fix, a revert or `unhold dev`",
        "dry-2 is kept out by the rollback of dev; it waits for a fix, a revert or `unhold dev`",
    ]
    "#);
}

/// What ran once, and was rolled back, is refused like anything else when its pull request is closed.
#[test]
fn what_ran_before_may_be_refused_too() {
    let mut world = chain(&["dev"]);
    world.push("dry-2", &[Some(2)]);
    fails(&mut world, "dev");
    world.roll_back(&name("dev"), None);
    assert_eq!(runs(&mut world, "dev"), "dry-1");
    world.strategy.environments[0].auto_merge = false;
    world.unhold(&name("dev"));
    world.settle();
    world.close_by_hand(&name("dev"));
    world.strategy.environments[0].auto_merge = true;
    assert_eq!(runs(&mut world, "dev"), "dry-1");
}
