//! What may be changed freely, and what needs a person's word.

use jiff::SignedDuration;

use super::*;
use crate::domain::{
    approvals::ApprovalRule,
    lane::Lanes,
    status::StatusState,
    strategy::PromotionStrategy,
    windows::{WindowText, Windows},
    world::{World, environment, rule},
};

/// Returns what a change would do, effects first and losses behind a dash.
fn told_of(world: &World, change: impl FnOnce(&mut PromotionStrategy)) -> String {
    let mut new = world.strategy.clone();
    change(&mut new);
    let change = compare(&world.strategy, &new, &world.snapshot());
    let effects = change.effects.iter().map(ToString::to_string);
    effects.chain(change.losses.iter().map(|loss| format!("- {loss}"))).collect::<Vec<_>>().join("\n")
}

/// dry-1 soaks in staging, which has succeeded otherwise, and waits in prod.
fn soaking() -> World {
    let mut world = World::chain(&["dev", "staging", "prod"]);
    world.strategy.environments[1].soak = SignedDuration::from_hours(1);
    world.push("dry-1", &[Some(1), Some(1), Some(1)]);
    for name in ["dev", "staging"] {
        world.settle();
        world.report_health(&World::name(name), StatusState::Success);
    }
    world.settle();
    world
}

fn everything_runs() -> World {
    let mut world = World::chain(&["dev", "prod"]);
    world.push("dry-1", &[Some(1), Some(1)]);
    for name in ["dev", "prod"] {
        world.settle();
        world.report_health(&World::name(name), StatusState::Success);
    }
    world.settle();
    world
}

#[test]
fn nothing_changes_nothing() {
    assert_eq!(told_of(&soaking(), |_| {}), "");
}

#[test]
fn a_soak_that_something_waits_for_is_not_dropped_freely() {
    let world = soaking();
    insta::assert_snapshot!(told_of(&world, |new| new.environments[1].soak = SignedDuration::ZERO), @"- dry-1, which waits in prod, would no longer wait for the soak of staging, until 1970-01-12 14:46:43Z");
    insta::assert_snapshot!(told_of(&world, |new| new.environments[1].soak = SignedDuration::from_mins(30)), @"- dry-1, which waits in prod, would wait for a soak of staging of only 30m, not until 1970-01-12 14:46:43Z");
    assert_eq!(told_of(&world, |new| new.environments[1].soak = SignedDuration::from_hours(2)), "");
    // It is over in dev, and nothing waits for that of prod.
    assert_eq!(told_of(&world, |new| new.environments[2].soak = SignedDuration::from_hours(2)), "");
    let mut later = soaking();
    later.wait(7_200);
    // It is over, and about to be recorded.
    assert_eq!(told_of(&later, |new| new.environments[1].soak = SignedDuration::ZERO), "");
}

#[test]
fn a_status_that_something_waits_for_is_not_dropped_freely() {
    let mut world = World::chain(&["dev", "prod"]);
    world.push("dry-1", &[Some(1), Some(1)]);
    world.settle();
    insta::assert_snapshot!(told_of(&world, |new| new.environments[0].active_statuses.clear()), @"- dry-1, which waits in prod, would no longer wait for `health`, which has not been reported, on dev");
    insta::assert_snapshot!(told_of(&world, |new| new.environments[0].active_statuses.push(rule("smoke"))), @"");
    let mut asked = world.clone();
    asked.strategy.environments[1].proposed_statuses = vec![rule("ticket")];
    asked.report_health(&World::name("dev"), StatusState::Success);
    asked.settle();
    insta::assert_snapshot!(told_of(&asked, |new| new.environments[1].proposed_statuses.clear()), @"
    prod would take dry-1 at once
    - dry-1, which waits in prod, would no longer wait for `ticket`, which has not been reported, on its pull request
    ");
}

#[test]
fn what_waits_for_a_person_is_not_merged_by_a_commit() {
    let mut world = World::chain(&["dev", "prod"]);
    world.strategy.environments[1].auto_merge = false;
    world.push("dry-1", &[Some(1), Some(1)]);
    world.settle();
    world.report_health(&World::name("dev"), StatusState::Success);
    world.settle();
    insta::assert_snapshot!(told_of(&world, |new| new.environments[1].auto_merge = true), @"
    prod would take dry-1 at once
    - dry-1, which waits in prod, would be merged without a person asking for it
    ");
    let mut rest = everything_runs();
    rest.strategy.environments[1].auto_merge = false;
    assert_eq!(told_of(&rest, |new| new.environments[1].auto_merge = true), "", "nothing waits there");
}

#[test]
fn approvals_that_are_missing_are_not_waived_freely() {
    let rule =
        |count, not_author| ApprovalRule { count, teams: Vec::new(), code_owners: false, not_author, deadline: None };
    let mut world = World::chain(&["dev"]);
    world.strategy.environments[0].approvals = Some(rule(2, true));
    world.push("dry-1", &[Some(1)]);
    world.settle();
    let told = |approvals| told_of(&world, |new| new.environments[0].approvals = approvals);
    insta::assert_snapshot!(told(None), @"
    dev would take dry-1 at once
    - dry-1, which waits in dev, would no longer wait for approvals
    ");
    insta::assert_snapshot!(told(Some(rule(1, true))), @"- dry-1, which waits in dev, would wait for fewer approvals, or for those of others");
    insta::assert_snapshot!(told(Some(rule(2, false))), @"- dry-1, which waits in dev, would wait for fewer approvals, or for those of others");
    assert!(!told(Some(rule(3, true))).contains("- "), "more may be asked");
}

#[test]
fn a_window_that_is_closed_is_not_taken_away_freely() {
    let mut world = World::chain(&["dev", "prod"]);
    let text =
        |minutes: i64| (world.now + SignedDuration::from_mins(minutes)).strftime("%Y-%m-%dT%H:%M:%S").to_string();
    let (from, to) = (text(-10), text(600));
    let read = WindowText { from: Some(&from), to: Some(&to), reason: Some("freeze"), ..WindowText::default() }.read();
    let windows = Windows { deny: vec![read.expect("a window")], ..Windows::default() };
    world.strategy.environments[1].windows.strategy = windows.clone();
    world.push("dry-1", &[Some(1), Some(1)]);
    world.settle();
    world.report_health(&World::name("dev"), StatusState::Success);
    world.settle();
    insta::assert_snapshot!(told_of(&world, |new| new.environments[1].windows.strategy = Windows::default()), @"
    prod would take dry-1 at once
    - dry-1, which waits in prod, would go through a window that is closed until 1970-01-12 23:46:40Z
    ");
    assert_eq!(told_of(&everything_runs(), |new| new.environments[1].windows.strategy = windows), "");
}

#[test]
fn an_environment_may_come_between_and_may_not_be_taken_from_between() {
    let world = soaking();
    insta::assert_snapshot!(told_of(&world, |new| {
        new.environments.insert(2, environment("canary", &["staging"]));
        new.environments[3].depends_on = vec![World::name("canary")];
    }), @"
    canary is new, on `env/canary`, and comes after `staging`
    prod comes after `canary`
    dry-1 would wait for more in prod: waits for canary, which does not run it yet
    ");
    insta::assert_snapshot!(told_of(&world, |new| {
        new.environments.remove(1);
        new.environments[1].depends_on = vec![World::name("dev")];
    }), @"
    prod comes after `dev`
    staging goes; `env/staging` stays as it is
    prod would take dry-1 at once
    - dry-1, which waits in prod, would no longer wait for staging, which soaks until 1970-01-12 14:46:43Z
    ");
    insta::assert_snapshot!(told_of(&world, |new| new.environments[2].depends_on.clear()), @"
    prod waits for no other environment
    prod would take dry-1 at once
    - dry-1, which waits in prod, would no longer wait for staging, which soaks until 1970-01-12 14:46:43Z
    ");
}

#[test]
fn a_hold_goes_with_its_environment_or_its_name_and_not_freely() {
    let mut world = everything_runs();
    world.hold(&World::name("prod"), None);
    world.settle();
    insta::assert_snapshot!(told_of(&world, |new| drop(new.environments.pop())), @"
    prod goes; `env/prod` stays as it is
    - prod would no longer be held (ada holds it: a look at it)
    ");
    insta::assert_snapshot!(told_of(&world, |new| new.environments[1].name = World::name("live")), @"
    prod is called live, still on `env/prod`: it begins anew, and what was verified there must be verified again
    - prod would no longer be held (ada holds it: a look at it)
    ");
    insta::assert_snapshot!(told_of(&world, |new| new.lanes = Lanes::by("service")), @"
    roots travel in lanes by their `service`: what is proposed now is proposed anew, lane by lane
    - prod would no longer be held (ada holds it: a look at it)
    ");
    // Under its name another branch: what was held is held no more.
    insta::assert_snapshot!(told_of(&world, |new| {
        new.environments[1].name = World::name("live");
        new.environments.push(environment("prod", &["live"]));
        new.environments[2].branch = BranchName::new("env/other").expect("a branch");
    }), @"
    prod is called live, still on `env/prod`: it begins anew, and what was verified there must be verified again
    prod is new, on `env/other`, and comes after `live`
    - prod would no longer be held (ada holds it: a look at it)
    ");
    assert_eq!(told_of(&world, |new| new.environments[1].soak = SignedDuration::from_hours(1)), "");
    let rest = everything_runs();
    insta::assert_snapshot!(told_of(&rest, |new| drop(new.environments.pop())), @"prod goes; `env/prod` stays as it is");
}

#[test]
fn what_a_rollback_keeps_out_is_not_let_in_freely() {
    let mut world = everything_runs();
    world.push("dry-2", &[Some(2), Some(2)]);
    world.settle();
    world.report_health(&World::name("dev"), StatusState::Success);
    world.settle();
    world.roll_back(&World::name("dev"), None);
    world.settle();
    insta::assert_snapshot!(told_of(&world, |new| new.environments[0].name = World::name("test")), @"
    dev is called test, still on `env/dev`: it begins anew, and what was verified there must be verified again
    prod comes after `dev`
    - dev would no longer be held (ada rolled it back: it is slow)
    - dry-2 would no longer be kept out of dev by the rollback of dev
    ");
    assert_eq!(told_of(&world, |new| new.environments[0].soak = SignedDuration::from_hours(1)), "");
}

#[test]
fn an_agreement_covers_the_holds_that_stood_when_it_was_given() {
    let mut world = soaking();
    world.hold(&World::name("staging"), None);
    world.settle();
    let mut new = world.strategy.clone();
    new.environments.remove(1);
    new.environments[1].depends_on.clear();
    let change = compare(&world.strategy, &new, &world.snapshot());
    let given = |at| ChangeOverride { by: "ada".into(), reason: "moving".into(), at };
    let left = |at| change.unaccepted(Some(&given(at))).len();
    assert_eq!(change.unaccepted(None).len(), 2);
    assert_eq!(left(world.now), 0);
    assert_eq!(left(Timestamp::UNIX_EPOCH), 1, "the hold is newer");
}

/// The commit that drops a gate is itself a candidate, and not rendered when it is judged.
#[test]
fn what_waits_counts_before_the_newest_commit_is_rendered() {
    let mut world = soaking();
    world.push("dry-2", &[Some(1), Some(1), Some(1)]);
    let told = told_of(&world, |new| new.environments[1].soak = SignedDuration::ZERO);
    assert!(told.contains("would no longer wait for the soak of staging"), "{told}");
}

#[test]
fn another_proposed_branch_leaves_pull_requests_behind_and_takes_no_hold_away_freely() {
    let mut world = soaking();
    let apart = |new: &mut PromotionStrategy| {
        new.environments[2].proposed = Some(BranchName::new("env/prod-shop-next").expect("a branch"));
    };
    insta::assert_snapshot!(told_of(&world, apart), @"what is promoted to prod is proposed on `env/prod-shop-next`, and #10 is closed");
    world.hold(&World::name("prod"), None);
    world.settle();
    insta::assert_snapshot!(told_of(&world, apart), @"
    what is promoted to prod is proposed on `env/prod-shop-next`, and #10 is closed
    - prod would no longer be held (ada holds it: a look at it)
    ");
}

#[test]
fn a_strategy_under_another_name_goes_on_and_takes_no_hold_away_freely() {
    let mut world = everything_runs();
    let called = |new: &mut PromotionStrategy| new.name = StrategyName::new("store").expect("a name");
    insta::assert_snapshot!(told_of(&world, called), @"`shop` is called `store` and goes on with what runs; holds, records and blocks begin anew");
    world.hold(&World::name("prod"), None);
    world.settle();
    insta::assert_snapshot!(told_of(&world, called), @"
    `shop` is called `store` and goes on with what runs; holds, records and blocks begin anew
    - prod would no longer be held (ada holds it: a look at it)
    ");
}

#[test]
fn a_strategy_that_is_deleted_takes_all_it_has_and_needs_a_word_for_a_hold_alone() {
    let mut world = soaking();
    insta::assert_snapshot!(told_of(&world, |new| *new = new.ended()), @"
    the strategy ends: nothing is promoted by it any more, and what it brought stays on its branches
    dev goes; `env/dev` stays as it is
    staging goes; `env/staging` stays as it is
    prod goes; `env/prod` stays as it is, and #10 is closed
    ");
    world.hold(&World::name("prod"), None);
    let change = compare(&world.strategy, &world.strategy.ended(), &world.snapshot());
    insta::assert_snapshot!(told(&change.unaccepted(None)), @"prod would no longer be held (ada holds it: a look at it)");
}
