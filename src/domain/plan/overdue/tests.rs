//! Deadlines, and that people are told of each wait once.

use jiff::SignedDuration;

use crate::domain::{
    approvals::ApprovalRule,
    overdue::Overdue,
    permission::Grantee,
    plan::{Action, Plan, plan},
    status::StatusState,
    world::{World, rule},
};

/// Starts with dry-1 verified in dev, and proposed in prod, which asks for `ticket`.
fn world() -> World {
    let mut world = World::chain(&["dev", "prod"]);
    let prod = &mut world.strategy.environments[1];
    prod.proposed_statuses = vec![rule("ticket")];
    prod.notify = vec![Grantee::User("ada".into())];
    world.push("dry-1", &[Some(1), Some(1)]);
    world.settle();
    world.report_health(&World::name("dev"), StatusState::Success);
    world.settle();
    world
}

/// Returns what people are told now, and whom; then lets it be done.
fn told(world: &mut World) -> Vec<String> {
    let planned = plan(&world.strategy, &world.snapshot());
    let told = planned.actions.iter().filter_map(|action| match action {
        Action::TellOverdue { place, overdue, people, .. } => {
            let words: Vec<_> = overdue.iter().map(|Overdue { words, .. }| words.as_str()).collect();
            let people: Vec<_> = people.iter().map(ToString::to_string).collect();
            Some(format!("{place} [{}]: {}", people.join(" "), words.join("; ")))
        }
        _ => None,
    });
    let told = told.collect();
    world.settle();
    told
}

fn gates(plan: &Plan) -> Vec<String> {
    plan.places[1].gates.iter().map(ToString::to_string).collect()
}

fn hours(world: &mut World, hours: i64) {
    world.wait(SignedDuration::from_hours(hours).as_secs());
}

#[test]
fn a_check_on_a_proposal_is_overdue_after_its_deadline_and_told_once() {
    let mut world = world();
    world.strategy.environments[1].proposed_statuses[0].deadline = Some(SignedDuration::from_hours(2));
    let waits = world.settle();
    assert_eq!(gates(&waits), ["`ticket` has not been reported on the proposal"]);
    let proposal = world.environments[&World::name("prod")].proposal.clone().expect("a proposal");
    assert_eq!(waits.wake_at, Some(proposal.since + SignedDuration::from_hours(2)), "it is looked at again then");
    hours(&mut world, 1);
    assert_eq!(told(&mut world), [""; 0]);
    hours(&mut world, 1);
    let words = told(&mut world);
    assert_eq!(words.len(), 1, "{words:?}");
    assert!(words[0].starts_with("prod [user:ada]: `ticket` has not been reported on the proposal, overdue since "));
    assert_eq!(told(&mut world), [""; 0], "once");
    let late = world.settle();
    assert!(gates(&late)[0].contains(", overdue since "), "it stays to be seen: {:?}", gates(&late));
    assert!(!world.merges.iter().any(|(name, _)| *name == World::name("prod")), "a deadline merges nothing");
    // Another proposal waits from its own beginning, and is told by itself.
    world.push("dry-2", &[Some(2), Some(2)]);
    world.settle();
    world.report_health(&World::name("dev"), StatusState::Success);
    world.settle();
    assert_eq!(told(&mut world), [""; 0]);
    hours(&mut world, 3);
    let again = told(&mut world);
    assert!(again.iter().any(|words| words.contains("`ticket`")), "{again:?}");
}

#[test]
fn approvals_have_a_day_unless_something_else_is_said() {
    let mut world = world();
    let prod = &mut world.strategy.environments[1];
    prod.proposed_statuses.clear();
    let teams = vec![Grantee::Team("qa".into())];
    prod.approvals = Some(ApprovalRule { count: 1, teams, code_owners: true, not_author: false, deadline: None });
    hours(&mut world, 23);
    assert_eq!(told(&mut world), [""; 0]);
    hours(&mut world, 1);
    let words = told(&mut world);
    assert!(words[0].starts_with("prod [user:ada team:qa]: waits for an approval by members of `team:qa`, overdue"));
    assert_eq!(told(&mut world), [""; 0]);
}

#[test]
fn the_deadline_of_the_environment_is_for_whatever_a_proposal_waits_for() {
    let mut world = world();
    let prod = &mut world.strategy.environments[1];
    prod.proposed_statuses.clear();
    prod.auto_merge = false;
    hours(&mut world, 1_000);
    assert!(!told(&mut world).iter().any(|words| words.starts_with("prod")), "who waits for a person may wait");
    world.strategy.environments[1].deadline = Some(SignedDuration::from_hours(1));
    let words = told(&mut world);
    assert!(words[0].starts_with("prod [user:ada]: waits for a person to promote it, overdue since "), "{words:?}");
}

#[test]
fn a_verdict_on_what_runs_is_overdue_an_hour_after_the_soak() {
    let mut world = world();
    world.strategy.environments[0].soak = SignedDuration::from_hours(1);
    world.push("dry-2", &[Some(2), Some(2)]);
    world.settle();
    hours(&mut world, 1);
    assert_eq!(told(&mut world), [""; 0]);
    hours(&mut world, 1);
    let words = told(&mut world);
    assert_eq!(words.len(), 1, "{words:?}");
    assert!(words[0].starts_with("dev []: the verdict on what runs is overdue since "), "{words:?}");
    assert!(words[0].ends_with(": `health` has not been reported"), "{words:?}");
    assert_eq!(told(&mut world), [""; 0]);
    let plan = world.settle();
    assert!(
        plan.places[0].notices.iter().any(|notice| notice.to_string() == words[0][8..]),
        "it is shown in the same words"
    );
    world.report_health(&World::name("dev"), StatusState::Failure);
    assert!(world.settle().places[0].notices.is_empty(), "a failure is a verdict");
}
